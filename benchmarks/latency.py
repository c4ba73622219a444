"""Latency at fixed rates: each of our servers next to the empty application in the same one.

The rates are shares of what the server took in this run, so that both get the same requests.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from benchmarks import capacity, load
from benchmarks.load import WrongAnswersError
from benchmarks.results import Results
from benchmarks.servers import Server, finished, serving
from benchmarks.subjects import ASGI, EMPTY_ASGI, EMPTY_FLASK, FLASK, Subject
from benchmarks.turns import TURNS, by_turns

KIND = "latency"
SHARES = (0.25, 0.5, 0.75)
PAIRS = ((FLASK, EMPTY_FLASK), (ASGI, EMPTY_ASGI))
_WARM_UP = 0.5  # seconds


def case(server: Subject, share: float) -> str:
    """The case's name."""
    return f"{share:.0%} of the {server.name}'s capacity"


def rate(results: Results, server: Subject, share: float) -> float:
    """Requests per second; raises SystemExit where capacity has not been measured in this run."""
    full = results.spread(capacity.KIND, capacity.NO_MATCH, server.name, "rate")
    if not full:
        raise SystemExit("latency needs the capacity of the same run: name both")
    return full.median * share


def measure(
    subjects: Sequence[Subject], per_second: float, seconds: float
) -> dict[str, dict[str, float]]:
    """Latencies at one rate by the subject's name; raises WrongAnswersError.

    The subjects take turns; of the turns' percentiles the medians.
    """
    with ExitStack() as stack:
        servers = {subject.name: stack.enter_context(serving(subject)) for subject in subjects}
        by_turns(
            servers, lambda server, _: load.run(server.port, in_flight=32, seconds=_WARM_UP), 1
        )
        turns = by_turns(servers, lambda server, _: _turn(server, per_second, seconds / TURNS))
    return {
        name: {value: median(turn[value] for turn in found) for value in found[0]}
        for name, found in turns.items()
    }


def _turn(server: Server, per_second: float, seconds: float) -> dict[str, float]:
    done = finished("open_loop", str(server.port), f"{per_second:.3f}", str(seconds))
    if done.returncode:
        raise WrongAnswersError(done.stderr.strip().splitlines()[-1])
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
