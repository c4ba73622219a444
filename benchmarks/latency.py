"""Latency at fixed rates: each door and the empty application under the same server, side by side.

The rates are shares of what the door took in this run, so that both get the same requests.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks import capacity, load, processes
from benchmarks.load import WrongAnswersError
from benchmarks.results import Results
from benchmarks.servers import Server, serving
from benchmarks.subjects import ASGI, EMPTY_ASGI, EMPTY_FLASK, FLASK, ROOT, Subject

KIND = "latency"
SHARES = (0.25, 0.5, 0.75)
PAIRS = ((FLASK, EMPTY_FLASK), (ASGI, EMPTY_ASGI))
_WARM_UP = 0.5  # seconds
_TURNS = 4  # of a subject at one rate


def case(door: Subject, share: float) -> str:
    """The case's name."""
    return f"{share:.0%} of the {door.name}'s capacity"


def rate(results: Results, door: Subject, share: float) -> float:
    """Requests per second; raises SystemExit where capacity has not been measured in this run."""
    full = results.spread(capacity.KIND, capacity.NO_MATCH, door.name, "rate")
    if not full:
        raise SystemExit("latency needs the capacity of the same run: name both")
    return full.median * share


def measure(
    subjects: Sequence[Subject], per_second: float, seconds: float
) -> dict[str, dict[str, float]]:
    """Latencies at one rate by the subject's name; raises WrongAnswersError.

    The subjects take turns, as in capacity.measure; of the turns' percentiles the medians.
    """
    with ExitStack() as stack:
        servers = {subject.name: stack.enter_context(serving(subject)) for subject in subjects}
        for server in servers.values():
            load.run(server.port, in_flight=32, seconds=_WARM_UP)
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for _ in range(_TURNS):
            for name in random.sample([*servers], len(servers)):
                turns[name].append(_turn(servers[name], per_second, seconds / _TURNS))
    return {
        name: {value: median(turn[value] for turn in found) for value in found[0]}
        for name, found in turns.items()
    }


def _turn(server: Server, per_second: float, seconds: float) -> dict[str, float]:
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
