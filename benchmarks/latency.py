"""Latency at fixed rates: each door and the empty application under the same server, side by side.

The rates are shares of what the door took in this run, so that both get the same requests.
"""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks import capacity, load, processes
from benchmarks.load import WrongAnswersError
from benchmarks.results import Results
from benchmarks.servers import serving
from benchmarks.subjects import ASGI, EMPTY_ASGI, EMPTY_FLASK, FLASK, ROOT, Subject

KIND = "latency"
SHARES = (0.25, 0.5, 0.75)
PAIRS = ((FLASK, EMPTY_FLASK), (ASGI, EMPTY_ASGI))
_WARM_UP = 0.5  # seconds


def case(door: Subject, share: float) -> str:
    """The case's name."""
    return f"{share:.0%} of the {door.name}'s capacity"


def rate(results: Results, door: Subject, share: float) -> float:
    """Requests per second; raises SystemExit where capacity has not been measured in this run."""
    full = results.spread(capacity.KIND, capacity.NO_MATCH, door.name, "rate")
    if not full:
        raise SystemExit("latency needs the capacity of the same run: name both")
    return full.median * share


def measure(subject: Subject, per_second: float, seconds: float) -> dict[str, float]:
    """Latencies of one subject at one rate; raises WrongAnswersError."""
    with serving(subject) as server:
        load.run(server.port, in_flight=32, seconds=_WARM_UP)
        command = [sys.executable, "-m", "benchmarks.open_loop", str(server.port)]
        command += [f"{per_second:.3f}", str(seconds)]
        done = subprocess.run(
            processes.pinned(processes.cores()[1], command),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise WrongAnswersError(done.stderr.strip().splitlines()[-1])
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
