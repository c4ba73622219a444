"""Measuring for real: the sender against servers whose answers are known, and the function."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from local.kafkasource.mapping import Mapper
from local.kafkasource.sink import Sink
from local.record import Record
from tests import servers
from tests.servers import Answer
from tuning import curve
from tuning.errors import TuningError
from tuning.measuring import command, cpu, raw, sender
from tuning.measuring.answerer import answering
from tuning.measuring.cpu import Meters, Usage
from tuning.measuring.events import Events, Target, TargetError
from tuning.measuring.pod import StartError
from tuning.measuring.run import ProbeError
from tuning.measuring.sender import Phases, Tally, UnreachableError, drive, is_complete

SHORT = ("--seconds", "0.3", "--levels", "1,2,8")


def measure(*arguments: str) -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    options = parser.parse_args(["measure", *arguments])
    status: int = options.main(options)
    return status


def driven(port: int, concurrency: int, seconds: float = 0.5, matching: float = 0.0) -> Tally:
    target = Target.of(f"http://127.0.0.1:{port}")
    events = Events(target, matching, "test")
    phases = Phases(0.2, seconds)
    return asyncio.run(drive(target, events.next, concurrency, phases, Meters().read))


# What is sent.


def test_a_request_is_the_one_that_kafkasource_sends() -> None:
    """Against the emulator, which is itself tested against KafkaSource's own vectors."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while b"}}" not in b"".join(received):
                    received.append(connection.recv(65_536))
                connection.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        ours = Events(Target.of(url), 1.0, "test").next()
        body = ours.partition(b"\r\n\r\n")[2]
        record = Record("logs", 0, 1, 1786097730123, value=body)
        sink = Sink(url, "default", 5)
        sink.post(Mapper("default", "measure-test").event(record))
        sink.close()
        thread.join()
    theirs = b"".join(received)
    assert ours.partition(b"\r\n\r\n")[2] == theirs.partition(b"\r\n\r\n")[2]
    assert ours.partition(b"\r\n\r\n")[0].split(b"\r\n") == theirs.partition(b"\r\n\r\n")[0].split(
        b"\r\n"
    )


def test_no_two_events_are_the_same_and_the_share_that_matches_is_spread_evenly() -> None:
    events = Events(Target.of("http://localhost"), 0.25, "test")
    sent = [events.next() for _ in range(40)]
    assert len(set(sent)) == 40
    assert len({request.split(b"ce-id: ")[1].split(b"\r\n")[0] for request in sent}) == 40
    assert [b'" 404 ' in request.replace(b"\\", b"") for request in sent] == [0, 0, 0, 1] * 10


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "http://x:notaport"])
def test_an_address_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(TargetError, match="is not an http:// or https:// URL"):
        Target.of(url)


def test_a_url_keeps_its_port_path_and_query() -> None:
    assert Target.of("http://h:8080/a?b=c") == Target("h", 8080, False, "h:8080", "/a?b=c")
    assert Target.of("https://h") == Target("h", 443, True, "h", "/")


# How it is sent.


def test_so_many_requests_are_under_way_all_the_time() -> None:
    with servers.receiver(Answer(204, delay=0.05)) as receiver:
        tally = driven(receiver.server.server_port, 4)
    assert not tally.failures
    assert max(receiver.under_way) == 4
    assert min(tally.latencies) >= 0.049
    assert len(tally.latencies) <= 4 * (tally.seconds / 0.05 + 1), "each one after the other"


def test_an_answer_that_is_not_2xx_is_a_failure_and_the_first_is_kept() -> None:
    with servers.receiver(Answer(503, b"too busy")) as receiver:
        tally = driven(receiver.server.server_port, 2)
    assert set(tally.failures) == {"503"}
    assert not tally.latencies
    assert tally.example.endswith("too busy")


def test_a_connection_that_breaks_is_a_failure_and_another_is_made() -> None:
    with servers.receiver(*[Answer(drop=True, delay=0.02)] * 3, Answer(204)) as receiver:
        tally = driven(receiver.server.server_port, 1, seconds=1.0)
    assert set(tally.failures) == {"connection lost"}
    assert tally.latencies


def test_a_request_that_is_never_answered_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_DRAIN_WITHIN", 0.2)
    monkeypatch.setattr(sender, "_CONNECT_WITHIN", 0.2)
    with answering(60) as port:
        tally = driven(port, 3)
    assert dict(tally.failures) == {"no answer in time": 3}


def test_nobody_listens() -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        driven(servers.free_port(), 1)


@pytest.mark.parametrize(
    ("received", "complete"),
    [
        (b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nserver: x\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
    ],
)
def test_where_an_answer_ends(received: bytes, complete: bool) -> None:
    assert is_complete(received) is complete


# What it costs.


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux' /proc")
def test_the_processor_time_of_a_session_is_that_of_all_its_processes() -> None:
    """The parent waits; it is the child that works."""
    spin = "import time\nwhile True: time.process_time()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])"
    with subprocess.Popen((sys.executable, "-c", parent), start_new_session=True) as process:
        try:
            meters = Meters(process.pid)
            deadline = time.monotonic() + 20
            while (meters.read().function_s or 0) < 0.5:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_without_proc_or_a_choice_of_cores_there_are_no_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu, "_PROC", tmp_path)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    usage = Meters(1, 0).read() - Meters(1, 0).read()
    assert (usage.function_s, usage.core_s) == (None, None)
    assert cpu.cores() == (None, None)
    assert cpu.model() == ""
    with cpu.on(None):
        pass


# The whole of it.


@pytest.mark.parametrize("server", ["flask", "asgi"])
def test_the_function_is_started_measured_and_its_settings_are_recommended(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "measured"
    arguments = ("--start", server, *SHORT, "--matching", "1", "--receiver", "20ms")
    assert measure(*arguments, "--out", str(folder)) == 0
    out = capsys.readouterr().out
    assert f"SERVER={server}" in out
    assert "every record matches, receiver 20 ms" in out
    assert {path.name for path in folder.iterdir()} == {
        "raw.json",
        "curve.json",
        "curve.png",
        "curve.svg",
        "service-patch.yaml",
    }
    measurement = raw.load(folder / "raw.json")
    assert not measurement.failures()
    [mix] = measurement.mixes
    assert [sample.concurrency for sample in mix.samples] == [1, 2, 8]
    for sample in mix.samples:
        assert sample.percentile(0) >= 0.0199  # the receiver's
        assert 0 < sample.throughput <= sample.concurrency / 0.02 * 1.5
    found = curve.load(folder / "curve.json")
    assert found.latency(1) >= 0.0199
    assert measure("--from", str(folder / "raw.json")) == 0
    again = capsys.readouterr().out
    assert again == out[: out.index("wrote to")]


def test_a_function_that_runs_is_measured_by_its_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        servers.receiver() as receiver,
        servers.function(tmp_path, server="asgi", RECEIVER_URL=receiver.url) as function,
    ):
        assert measure(function.url, *SHORT) == 0
    assert receiver.requests == []  # by default nobody is alarmed
    out = capsys.readouterr().out
    assert "no record matches" in out
    assert "does not show its use of the processor" in out.replace("\n", " ")
    assert "CPU request" not in out
    assert "THREADS" not in out


def test_records_that_should_fire_but_do_not_are_noticed_before_anything_is_measured(
    tmp_path: Path,
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("groups: [{name: other, rules: [{alert: A, match: [namespace = other]}]}]\n")
    with servers.function(
        tmp_path, RULES_FILE=str(rules), RECEIVER_URL="http://127.0.0.1:1/"
    ) as function:
        with pytest.raises(ProbeError, match="fires nothing: measure with --matching 0"):
            measure(function.url, *SHORT, "--matching", "1")
        assert measure(function.url, *SHORT) == 0


def test_another_server_is_not_taken_for_the_function() -> None:
    with servers.receiver(Answer(200, b"hello")) as receiver:
        url = f"http://127.0.0.1:{receiver.server.server_port}"
        with pytest.raises(ProbeError, match="this is not our function; it answers 200: hello"):
            measure(url, *SHORT)


def test_a_url_where_nobody_listens() -> None:
    url = f"http://127.0.0.1:{servers.free_port()}"
    with pytest.raises(UnreachableError, match=f"{url}/ cannot be reached: Connection refused"):
        measure(url, *SHORT)


def test_a_receiver_that_is_away_ends_the_measurement_with_what_the_function_says(
    tmp_path: Path,
) -> None:
    away = f"http://127.0.0.1:{servers.free_port()}/"
    with (
        servers.function(tmp_path, RECEIVER_URL=away) as function,
        pytest.raises(ProbeError, match="the function answers 503 to a record"),
    ):
        measure(function.url, *SHORT, "--matching", "1")


def test_a_function_that_does_not_start_shows_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULES_FILE", "/nowhere/rules.yaml")
    with pytest.raises(StartError, match=r"(?s)did not start.*/nowhere/rules\.yaml"):
        measure("--start", *SHORT)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what to measure, one of: a URL, --start, --from FILE"),
        (("http://x", "--start"), "one of"),
        (("--start", "--levels", "1,2"), "3 levels or more"),
        (("--start", "--levels", "1,two,3"), "want whole numbers"),
        (("--start", "--levels", "0,1,2"), "want numbers from 1 to 1000"),
        (("--start", "--matching", "2"), "want shares from 0 to 1"),
        (("--start", "--receiver", "20"), "--receiver: "),
        (("--start", "--p99", "soon"), "--p99: "),
        (("--start", "--rounds", "0"), "want 1 or more"),
        (("--start", "--seconds", "0"), "want more than 0"),
        (("http://x", "--receiver", "20ms"), "has its own receiver"),
        (("--start", "--service", "/nowhere.yaml"), "cannot be read"),
    ],
)
def test_options_that_cannot_be_used(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(TuningError, match=says):
        measure(*arguments)


def test_a_measurement_that_breaks_off_ends_though_connections_are_being_made() -> None:
    """Before Python 3.12 a cancelled wait_for may give its result, and the loop around goes on."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        writer.close()

    def broken() -> Usage:
        raise RuntimeError("no meter")

    async def measure_often() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        target = Target.of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
        for attempt in range(40):
            phases = Phases(0.01 + attempt * 0.0003, 0.1)
            with pytest.raises(RuntimeError, match="no meter"):
                await drive(target, lambda: request, 16, phases, broken)
        server.close()

    asyncio.run(measure_often())
