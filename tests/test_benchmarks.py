"""The benchmark suite itself: what it sends, how it counts, and that it refuses wrong answers."""

from __future__ import annotations

import itertools
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import (
    capacity,
    checks,
    event,
    goals,
    load,
    machine,
    open_loop,
    plots,
    processes,
    report,
    results,
    subjects,
)
from benchmarks.open_loop import Sender, WrongAnswerError, percentile
from benchmarks.results import Results, Run, Spread
from benchmarks.subjects import ASGI, EMPTY_ASGI, EMPTY_FLASK, FLASK, FLASK_CLOUDEVENTS, GO
from function import events, records, rules
from function.records import LogRecord
from tests import real

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


# What is sent.


def test_requests_are_those_of_kafkasource() -> None:
    """Binary mode, no content type, and the exact length; the function reads one event in it."""
    message = event.request(8080, event.FIRST, matches=True)
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.partition(": ")[::2] for line in lines[1:])
    assert lines[0] == "POST / HTTP/1.1"
    assert list(headers)[:3] == ["user-agent", "Prefer", "Kn-Namespace"]
    assert "content-type" not in headers
    assert int(headers["content-length"]) == len(body)
    [read] = events.read({name.lower(): value for name, value in headers.items()}, body)
    assert isinstance(read, events.Event)
    assert read.id == f"partition:0/offset:{event.FIRST}"


@pytest.mark.parametrize("matches", [True, False])
def test_the_shipped_rule_matches_what_it_should(matches: bool) -> None:
    """The two records differ in what the rule says of them."""
    rule_set = rules.load(subjects.ROOT / "function" / "rules.yaml")
    [record] = records.read(event.value(matches=matches), None)
    assert isinstance(record, LogRecord)
    assert bool(rule_set.match(record)) is matches


def test_all_requests_are_equally_long_and_different() -> None:
    lengths = {len(event.request(8080, event.FIRST + n, matches=True)) for n in (0, 7, 99_999_999)}
    assert len(lengths) == 1
    one, other = (event.request(8080, event.FIRST + n, matches=True) for n in (1, 2))
    assert one != other


def test_a_hundred_rules_are_a_hundred() -> None:
    """The shipped rule is still among them."""
    with capacity.rule_file(100, ASGI.rules) as path:
        rule_set = rules.load(path)
    assert len(rule_set.rules) == 100
    [record] = records.read(event.value(matches=True), None)
    assert isinstance(record, LogRecord)
    assert len(rule_set.match(record)) == 1


# wrk.

FIGURES = (
    'figures {"requests": 5000, "microseconds": 2500000, "status": 0, "broken": 0, "timeouts": 0}'
)
WRK = f"""Running 17m test @ http://127.0.0.1:36251/
  1 threads and 32 connections
^C  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    15.79ms    6.21ms  57.10ms   81.86%
    Req/Sec     2.01k   350.25     2.60k    71.43%
  5000 requests in 2.50s, 415.04KB read
Requests/sec:   2000.00
Transfer/sec:    165.92KB
{FIGURES}
"""


def test_the_scripts_line_is_read() -> None:
    read = load.parsed(WRK)
    assert (read.requests, read.seconds) == (5000, 2.5)
    assert read.rate == 2000


@pytest.mark.parametrize("what", ["status", "broken", "timeouts"])
def test_a_run_with_one_wrong_answer_is_refused(what: str) -> None:
    with pytest.raises(load.WrongAnswersError, match=f"'{what}': 1"):
        load.parsed(WRK.replace(f'"{what}": 0', f'"{what}": 1'))


def test_a_wrk_that_does_not_work_is_shown() -> None:
    with pytest.raises(SystemExit, match="unable to connect"):
        load.parsed("unable to connect to 127.0.0.1:9 Connection refused\n")


# The open loop.


@contextmanager
def answering(answer: bytes = NO_CONTENT, stall: float = 0, after: int = 0) -> Iterator[int]:
    """A server in one thread that stalls once, for so many seconds, before answer ``after``."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    stop, wake = socket.socketpair()
    answers = itertools.count(1)

    def answered(connection: socket.socket) -> bool:
        """Answer a request; False where the connection is closed.

        A sender that gives up leaves answers unread, and the kernel then resets the connection.
        """
        try:
            if not connection.recv(65536):
                return False
            if next(answers) == after:
                time.sleep(stall)
            connection.sendall(answer)
        except ConnectionError:
            return False
        return True

    def serve() -> None:
        poll = select.epoll()
        open_: dict[int, socket.socket] = {listener.fileno(): listener}
        poll.register(listener.fileno(), select.EPOLLIN)
        poll.register(stop.fileno(), select.EPOLLIN)
        while True:
            for file, _ in poll.poll():
                if file == stop.fileno():
                    for each in open_.values():
                        each.close()
                    poll.close()
                    return
                if file == listener.fileno():
                    accepted, _ = listener.accept()
                    open_[accepted.fileno()] = accepted
                    poll.register(accepted.fileno(), select.EPOLLIN)
                elif not answered(open_[file]):
                    poll.unregister(file)
                    open_.pop(file).close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        wake.close()
        thread.join()
        stop.close()


def latencies(port: int, rate: float, seconds: float) -> list[float]:
    """What the sender measures, in seconds."""
    sender = Sender(port, rate)
    try:
        sender.run(seconds)
    finally:
        sender.close()
    return sender.latencies


@pytest.mark.long  # on a busy machine, the sender itself is late
def test_a_stall_shows_in_every_request_that_was_due_in_it() -> None:
    """No coordinated omission: of 400 requests in 2 s, a stall of 0.5 s delays about 100.

    A closed loop would have counted one slow answer for each of its connections.
    """
    with answering(stall=0.5, after=100) as port:
        found = latencies(port, rate=200, seconds=2)
    assert len(found) == 400
    slow = sorted(latency for latency in found if latency > 0.1)
    assert 60 <= len(slow) <= 200
    assert slow[-1] >= 0.49
    # They were due all through the stall, so they waited for all lengths of time.
    assert slow[len(slow) // 2] == pytest.approx(0.3, abs=0.15)


@pytest.mark.long
def test_requests_beyond_the_connections_wait_from_when_they_were_due() -> None:
    """With all connections stuck in a stall, the rest queues in the sender, and that counts."""
    with answering(stall=0.5, after=1) as port:
        found = latencies(port, rate=1000, seconds=1)
    assert len(found) == 1000
    assert percentile(found, 0.5) > 0.002
    assert sum(latency > 0.05 for latency in found) > 3 * open_loop.CONNECTIONS


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_the_sender_refuses_an_answer_that_is_no_success(answer: bytes) -> None:
    with answering(answer) as port, pytest.raises(WrongAnswerError, match=r"HTTP/1\.1 [45]"):
        latencies(port, rate=100, seconds=0.2)


@pytest.mark.parametrize(
    "answer",
    [
        NO_CONTENT,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
def test_an_answer_is_complete_at_its_last_byte(answer: bytes) -> None:
    assert open_loop.complete(answer)
    assert not any(open_loop.complete(answer[:end]) for end in range(len(answer)))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9 * len(values)
    assert sum(value < found for value in values) <= share * len(values) + 1e-9 * len(values)


# Figures.


def runs(kind: str, case: str, name: str, value: str, *values: float) -> list[Run]:
    """One run for each round."""
    return [Run(kind, case, name, round_, {value: each}) for round_, each in enumerate(values)]


def test_ratios_are_taken_round_by_round() -> None:
    """A round in which the machine was slow slows both sides, and the ratio stays."""
    found = results.ratio({0: 50, 1: 100, 2: 10}, {0: 100, 1: 200, 2: 20})
    assert found == Spread(0.5, 0.5, 0.5, 3)


def test_a_ratio_leaves_out_rounds_that_only_one_side_has() -> None:
    assert results.ratio({0: 50, 1: 1}, {0: 100}) == Spread(0.5, 0.5, 0.5, 1)
    assert results.ratio({1: 1}, {0: 100}) is None


def test_goals_follow_from_the_runs() -> None:
    """Both servers against their empty applications, once reached and once not."""
    case = capacity.NO_MATCH
    measured = [
        *runs("capacity", case, FLASK.name, "rate", 80, 90, 70),
        *runs("capacity", case, EMPTY_FLASK.name, "rate", 100, 100, 100),
        *runs("capacity", case, ASGI.name, "rate", 50, 60, 40),
        *runs("capacity", case, EMPTY_ASGI.name, "rate", 100, 100, 100),
    ]
    found = {goal.name: goal for goal in goals.goals(Results({}, measured))}
    flask = found["no match: Flask server / empty Flask"]
    assert (flask.found, flask.reached) == (Spread(0.8, 0.7, 0.9, 3), True)
    assert not found["no match: ASGI server / empty ASGI"].reached


def test_the_bound_of_a_receiver_without_limit_is_the_lower_of_two() -> None:
    """64 in flight and 20 ms allow 3,200 a second, of which 0.65 is asked; or 0.5 of no match."""
    name = "0.65 x in flight / latency"
    for no_match, wanted in ((10_000, 2080), (1000, 500)):
        measured = [
            *runs("capacity", capacity.NO_LIMIT, ASGI.name, "rate", 2000),
            *runs("capacity", capacity.NO_MATCH, ASGI.name, "rate", no_match),
        ]
        [goal] = [goal for goal in goals.goals(Results({}, measured)) if name in goal.name]
        assert goal.found.median == pytest.approx(2000 / wanted)


def test_results_survive_the_file(tmp_path: Path) -> None:
    """Written and read again, with one line per run."""
    measured = Results({"cores": 2}, runs("capacity", "no match", "x", "rate", 1234.5, 0.00123))
    path = tmp_path / "deep" / "results.json"
    results.write(measured, path)
    assert results.read(path) == measured
    assert json.loads(path.read_text(encoding="utf-8"))["runs"][0]["subject"] == "x"


def test_a_page_gets_its_tables_between_the_markers() -> None:
    """What stands around them stays, and a second time changes nothing."""
    measured = Results({"cores": 2}, [])
    page = "before\n<!-- table: machine -->\nold\n<!-- end -->\nafter\n"
    renewed = report.renewed(page, measured)
    assert renewed.startswith("before\n")
    assert renewed.endswith("after\n")
    assert "| cores | 2 |" in renewed
    assert "old" not in renewed
    assert report.renewed(renewed, measured) == renewed


def test_the_committed_page_says_what_the_committed_results_say() -> None:
    """`python -m benchmarks plots` has been run since the results were made."""
    page = report.PAGE.read_text(encoding="utf-8")
    latest = results.read(subjects.ROOT / "benchmarks" / "results" / "latest.json")
    assert report.renewed(page, latest) == page
    for name in report.tables(latest):
        assert f"<!-- table: {name} -->" in page


def test_every_picture_of_the_results_is_in_the_page(tmp_path: Path) -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    latest = results.read(subjects.ROOT / "benchmarks" / "results" / "latest.json")
    drawn = plots.draw(latest, tmp_path)
    assert drawn
    for path in drawn:
        assert f"(performance/{path.name})" in page
        assert (plots.FOLDER / path.name).exists()


# Subjects and their processes.


def test_empty_applications_run_under_our_gunicorn_settings() -> None:
    """gunicorn_conf.py's, as command line options; its own lines and bind address aside."""
    from function.serving import gunicorn_conf as ours

    assert {
        "--workers": str(ours.workers),
        "--keep-alive": str(ours.keepalive),
        "--timeout": str(ours.timeout),
        "--graceful-timeout": str(ours.graceful_timeout),
        "--worker-tmp-dir": ours.worker_tmp_dir,
        "--no-control-socket": None,
    } == subjects.GUNICORN
    assert ours.control_socket_disable
    assert f"--threads {ours.threads}" in " ".join(EMPTY_FLASK.command(1))
    assert f"--threads {ours.threads}" in " ".join(FLASK_CLOUDEVENTS.command(1))
    assert f"--worker-class {ours.ASGI_WORKER}" in " ".join(EMPTY_ASGI.command(1))


def test_a_subjects_environment_holds_nothing_of_this_shells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THREADS", "2")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 9")
    environ = subjects.environment(FLASK, 8123, "http://127.0.0.1:9/", Path("rules.yaml"))
    assert "THREADS" not in environ
    assert "GUNICORN_CMD_ARGS" not in environ
    assert environ["RULES_FILE"] == "rules.yaml"
    assert environ["LISTEN_ADDRESS"] == "127.0.0.1:8123"


def test_every_peer_pins_all_that_it_installs() -> None:
    for path in subjects.PEERS.glob("*/requirements.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines, path
        assert all("==" in line for line in lines), path


def test_processor_time_of_a_whole_tree_is_counted(tmp_path: Path) -> None:
    """A shell that waits for its child has used what the child uses."""
    code = "import time\nwhile time.process_time() < 0.4: pass\ntime.sleep(60)"
    command = ["sh", "-c", f'{sys.executable} -c "{code}"; :']
    with processes.running(command, os.environ, tmp_path, tmp_path / "log") as process:
        deadline = time.monotonic() + 20
        while processes.cpu_seconds(process.pid) < 0.3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert processes.cpu_seconds(process.pid) >= 0.3
        assert len(processes.tree(process.pid)) == 2
        assert processes.pss_mib(process.pid) > 1
        for pid in reversed(processes.tree(process.pid)):
            os.kill(pid, 15)


def test_the_machine_is_described() -> None:
    facts = machine.facts()
    assert facts["cores"] == os.cpu_count()
    assert facts["packages"]["flask"]


# For real.


@pytest.mark.real("wrk")
def test_a_server_and_its_limit_are_measured() -> None:
    """One short run of each, checked first: requests, processor time, and nothing lost."""
    real.wrk()
    case = capacity.Case("all match", (ASGI,), every=1, receiver=0, in_flight=8)
    checks.check(ASGI)
    found = capacity.measure(case, [ASGI], 0.5)["ASGI server"]
    assert found["rate"] > 10
    assert found["cpu_us"] > 10
    assert found["alerts_per_post"] >= 1
    by_turns = capacity.measure(capacity.CASES[0], [EMPTY_ASGI, EMPTY_FLASK], 0.4)
    assert all(by_turns[name]["rate"] > 10 for name in ("empty ASGI", "empty Flask"))


@pytest.mark.real("go")
def test_the_go_reference_answers_rightly() -> None:
    real.go()
    assert GO.prepare() is None
    checks.check(GO)


def test_a_subject_that_alerts_about_nothing_is_not_timed() -> None:
    """The empty application, taken for a peer, posts no alert."""
    with pytest.raises(SystemExit, match="Liar is not timed: a record that matches made it post"):
        checks.check(replace(EMPTY_ASGI, name="Liar", kind="peer"))


def test_a_subject_that_does_not_start_is_shown_with_its_log() -> None:
    broken = replace(EMPTY_ASGI, name="Broken", command=lambda _port: ["python", "-c", "1/0"])
    with pytest.raises(SystemExit, match=r"Broken did not start.*\n[^$]*ZeroDivisionError"):
        checks.check(broken)
