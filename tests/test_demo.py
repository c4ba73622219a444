"""The demo: the whole way on one machine, and nothing left of it afterwards."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import demo, sample
from local.display import Display
from local.kafkasource.figures import Figures
from local.receivers.http_messages import Alert
from tests import servers
from tests.e2e.real_kafka import kafka

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo as `make demo` starts it, without a terminal."""
    process = subprocess.Popen(
        (sys.executable, "-u", "-m", "local.demo", *arguments),
        cwd=ROOT,
        env=servers.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def alerts_of(output: str) -> Counter[tuple[str, str, str]]:
    """Pod, method and path of each line that shows an alert."""
    line = r"^ALERT 404 Request  demo-project/(\S+)  (\S+)  (.*)$"
    return Counter(re.findall(line, output, re.MULTILINE))


EXPECTED = Counter((each.pod, each.method, each.path) for each in sample.expected())


@pytest.mark.parametrize("receiver", ["notification-manager", "alertmanager"])
def test_shows_every_alert_in_a_whole_line_and_ends_with_a_summary(receiver: str) -> None:
    with running("--receiver", receiver) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert alerts_of(output) == EXPECTED
    for line in ("records read      431", "alerts delivered  133", "dead-lettered     0"):
        assert line in output
    assert output.endswith("exactly the 133 expected alerts arrived\n")


def test_takes_a_real_kafka_and_ports_of_your_choice() -> None:
    port, inbox_port = servers.free_port(), servers.free_port()
    with kafka() as node:
        ports = ("--port", str(port), "--inbox-port", str(inbox_port))
        with running("--bootstrap-servers", node.bootstrap_servers, *ports) as process:
            output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert f"http://127.0.0.1:{port}/" in output
    assert f"http://127.0.0.1:{inbox_port}/" in output
    assert alerts_of(output) == EXPECTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_leaves_no_process_behind_when_it_is_stopped(number: signal.Signals) -> None:
    with running() as process:
        assert process.stdout
        line = next(line for line in process.stdout if line.startswith("function"))
        port = int(re.findall(r":(\d+)/", line)[0])
        process.send_signal(number)
        output, _ = process.communicate(timeout=40)
        assert process.returncode == 130
        assert output.endswith("stopped\n")
        assert "Traceback" not in output
    assert not listens(port)


def listens(port: int) -> bool:
    """Whether a server still answers on a port that has been told to close."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        time.sleep(0.1)
    return True


def test_says_in_one_line_that_kafka_is_not_there() -> None:
    with running("--bootstrap-servers", f"127.0.0.1:{servers.free_port()}") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the demo cannot run: " in output
    assert "Traceback" not in output


class TestTheVerdict:
    alerts = tuple(
        Alert(0, {"pod": each.pod, "method": each.method, "path": each.path}, {}, each.second)
        for each in sample.expected()
    )

    def report(self, alerts: Sequence[Alert], read: int = 431) -> int:
        figures = Figures(read, read, 0, 0, 0, 0, {204: read}, 0, [0.1])
        return demo._report(Display(read), figures, alerts)

    def test_is_good_for_exactly_the_expected_alerts(self) -> None:
        assert self.report(self.alerts) == 0

    def test_is_good_where_one_came_twice_which_at_least_once_allows(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.report([*self.alerts, self.alerts[0]]) == 0
        assert "1 of them came more than once" in capsys.readouterr().out

    def test_is_bad_where_one_is_missing_and_names_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.report(self.alerts[1:]) == 1
        assert f"MISSING {' '.join(sample.expected()[0])}" in capsys.readouterr().out

    def test_is_bad_where_one_is_not_expected_and_names_it(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = Alert(0, {"pod": "p", "method": "GET", "path": "/x"}, {}, "2021-08-25T00:00:00Z")
        assert self.report([*self.alerts, other]) == 1
        assert "NOT EXPECTED p GET /x" in capsys.readouterr().out

    def test_is_bad_where_a_record_was_not_read(self) -> None:
        assert self.report(self.alerts, read=430) == 1
