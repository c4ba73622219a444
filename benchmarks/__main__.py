"""``python -m benchmarks [--quick] [NAME...]`` measures; ``plots`` redraws from the last results.

Names: capacity, cold-start, latency (needs capacity), pipeline, waiting, layers, matching. Without
one: all.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import load, machine, report, results, suite
from benchmarks.base import subjects
from benchmarks.results import Results
from benchmarks.subjects import CACHE, ROOT

LATEST = ROOT / "benchmarks" / "results" / "latest.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", type=_name, help=", ".join((*suite.NAMES, "plots")))
    add("--quick", action="store_true", help="one short round: does it work, not how fast it is")
    add("--rounds", type=int, help=f"instead of {suite.FULL.rounds}")
    add("--output", type=Path, help="the JSON file, instead of the one that the docs show")
    add("--base", type=Path, metavar="FOLDER", help="another checkout, to be measured beside ours")
    options = parser.parse_args(arguments)
    try:
        if "plots" in options.names:
            return _draw(results.read(options.output or LATEST))
        return _measure(options)
    except KeyboardInterrupt:
        return 130
    except load.WrongAnswersError as error:
        print(f"stopped, and nothing is saved: {error}", file=sys.stderr)
        return 1


def _name(text: str) -> str:
    known = (*suite.NAMES, "plots")
    if text not in known:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(known)}")
    return text


def _measure(options: argparse.Namespace) -> int:
    load.wrk()
    plan = suite.QUICK if options.quick else suite.FULL
    if options.rounds:
        plan = suite.Plan(options.rounds, plan.seconds)
    names = options.names or suite.NAMES
    start = time.monotonic()
    base = subjects(options.base.resolve()) if options.base else []
    found = suite.run(names, plan, Results(machine.facts(), []), base)
    after = {
        "load_average_after": round(os.getloadavg()[0], 2),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "rounds": plan.rounds,
        "seconds_of_each_load": plan.seconds,
    }
    found = Results({**found.machine, **after}, found.runs)
    complete = not (options.names or options.quick or options.base)
    path = options.output or (LATEST if complete else CACHE / "results.json")
    results.write(found, path)
    print(report.text(found))
    print(f"saved as {path}")
    return _draw(results.read(path)) if path == LATEST else 0


def _draw(found: Results) -> int:
    from benchmarks import plots  # matplotlib takes half a second to import

    for path in (*plots.draw(found), *report.renew(found)):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
