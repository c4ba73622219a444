"""What slow receivers cost: requests per second while every record matches, 64 in flight.

The function as shipped, and one POST for each alert, which is what most functions do; with a
receiver that serves one request at a time in 5 ms, and with one of 20 ms and no limit. The server
is pinned to one core, wrk and the receiver to another. ``python -m benchmarks.delivery`` runs it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 5
ROUNDS = 3
IN_FLIGHT = 64
WRK = shutil.which("wrk") or "wrk"
SHIPPED: dict[str, str] = {}
ONE_EACH = {"DELIVERY_BATCH": "1", "DELIVERY_CONCURRENCY": "34"}


@dataclass(frozen=True, slots=True)
class Result:
    """One run: requests per second answered 2xx, and the sizes of the receiver's batches."""

    rate: float
    batches: list[int]


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pinned(core: int, *command: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A process on one core, ended with SIGTERM."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    os.sched_setaffinity(process.pid, {core})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def wait_for(port: int) -> None:
    """Wait until the function answers its readiness probe."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/health/readiness")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    raise SystemExit("the function did not start")


def run(receiver: tuple[str, ...], settings: dict[str, str], script: str) -> Result:
    """Load one function that delivers to one receiver."""
    port, target = free_port(), free_port()
    address = {"LISTEN_ADDRESS": f"127.0.0.1:{port}", "PORT": ""}
    url = {"RECEIVER_URL": f"http://127.0.0.1:{target}/"}
    slow = (sys.executable, "-m", "benchmarks.slow_receiver", str(target), *receiver)
    server = (sys.executable, "-m", "gunicorn", "-c", "python:function.gunicorn_conf")
    with pinned(1, *slow) as receiving:
        with pinned(0, *server, **address, **url, **settings):
            wait_for(port)
            load = (f"-c{IN_FLIGHT}", f"-d{SECONDS}s", "-s", str(HERE / script))
            done = subprocess.run(
                (WRK, "-t1", *load, f"http://127.0.0.1:{port}/"),
                preexec_fn=lambda: os.sched_setaffinity(0, {1}),
                capture_output=True,
                text=True,
                check=True,
            )
        receiving.send_signal(signal.SIGTERM)
        batches = json.loads(receiving.communicate()[0] or "[]")
    return Result(_rate(done.stdout), batches)


def _rate(output: str) -> float:
    total = int(re.findall(r"(\d+) requests in", output)[0])
    failed = re.findall(r"Non-2xx or 3xx responses: (\d+)", output)
    return (total - int(failed[0] if failed else 0)) / SECONDS


def main() -> None:
    """Print a table of medians, and the batch sizes of the last round."""
    if not shutil.which(WRK):
        raise SystemExit("wrk is needed: apt-get install wrk")
    subjects = {
        "no match": (("0",), SHIPPED, "no_match.lua"),
        "5 ms, one at a time; shipped": (("5", "one"), SHIPPED, "match.lua"),
        "5 ms, one at a time; a POST each": (("5", "one"), ONE_EACH, "match.lua"),
        "20 ms, no limit; shipped": (("20",), SHIPPED, "match.lua"),
        "20 ms, no limit; a POST each": (("20",), ONE_EACH, "match.lua"),
    }
    results: dict[str, list[Result]] = {name: [] for name in subjects}
    for _ in range(ROUNDS):
        for name, subject in subjects.items():
            results[name].append(run(*subject))
    rates = {name: statistics.median(each.rate for each in of) for name, of in results.items()}
    for name, rate in rates.items():
        sizes = Counter(results[name][-1].batches)
        mean = statistics.fmean(results[name][-1].batches or [0])
        print(f"{name:<34} {rate:>7.0f}/s   batches: mean {mean:.1f}, most {max(sizes, default=0)}")
    serial = rates["5 ms, one at a time; shipped"] / rates["5 ms, one at a time; a POST each"]
    share = rates["20 ms, no limit; shipped"] / rates["no match"]
    print(f"\none at a time: {serial:.1f} times as many as with a POST each")
    print(f"no limit: {share:.2f} of what the door takes without matches")


if __name__ == "__main__":
    main()
