"""``python -m tests.mutants [NUMBER...]`` changes the code, and says which changes no test notices.

The exit status is 1 where one of the changes by hand survives: each of them breaks the promise.
What the tool makes need not: somebody has to read what survives.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from tests.mutants import by_hand
from tests.mutants.mutant import Mutant
from tests.mutants.trial import Trials

BY_HAND, BY_TOOL = "by-hand", "by-tool"


class Numbered(NamedTuple):
    """A change, and what the command line calls it."""

    kind: str
    number: int
    mutant: Mutant


def main(arguments: Sequence[str] | None = None) -> int:
    """Try what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    add = parser.add_argument
    add("numbers", nargs="*", metavar="NUMBER", type=int, help="only these of the list")
    add("--only", choices=(BY_HAND, BY_TOOL), help="instead of both")
    add("--seed", type=int, default=15, help="chooses the changes by tool (%(default)s)")
    add("--count", type=int, default=60, help="how many changes by tool (%(default)s)")
    add("--jobs", type=int, choices=(1, 2), default=1, help="changes at once (%(default)s)")
    add("--nearest", action="store_true", help="ask the tests nearest to a change alone")
    add("--list", action="store_true", help="show the changes, and try none")
    options = parser.parse_args(arguments)
    chosen = _chosen(options)
    if options.list:
        for each in chosen:
            print(f"{each.kind} {each.number}: {each.mutant.name}\n{each.mutant.diff}")
        return 0
    return _try(
        chosen,
        Trials(options.jobs, nearest=options.nearest),
        options.jobs,
        check=not options.numbers,
    )


def _chosen(options: argparse.Namespace) -> list[Numbered]:
    kinds = {}
    if options.only != BY_TOOL:
        kinds[BY_HAND] = [change.mutant() for change in by_hand.CHANGES]
    if options.only != BY_HAND:
        from tests.mutants import by_tool  # it needs Cosmic Ray

        kinds[BY_TOOL] = by_tool.mutants(options.seed, options.count)
    return [
        Numbered(kind, number, mutant)
        for kind, mutants in kinds.items()
        for number, mutant in enumerate(mutants, 1)
        if not options.numbers or number in options.numbers
    ]


def _try(chosen: Sequence[Numbered], trials: Trials, jobs: int, *, check: bool) -> int:
    """Try changes; the exit status. ``check``: the tests have to pass without one first."""
    survived: list[Numbered] = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            if check and (failed := pool.submit(trials.of, None).result().killed_by):
                print(f"without any change a test fails: {failed}", file=sys.stderr)
                return 2
            asked = {pool.submit(trials.of, each.mutant): each for each in chosen}
            for future in as_completed(asked):
                each, verdict = asked[future], future.result()
                what = f"{each.kind} {each.number}: {each.mutant.name}"
                seconds = f"{verdict.seconds:.0f} s"
                if verdict.killed_by:
                    print(f"killed    {what} ({verdict.killed_by}, {seconds})", flush=True)
                else:
                    survived.append(each)
                    print(f"SURVIVED  {what} ({seconds})\n{each.mutant.diff}", flush=True)
        except KeyboardInterrupt:
            trials.stop()
            pool.shutdown(cancel_futures=True)
            return 130
    print(f"{len(chosen) - len(survived)} of {len(chosen)} are killed")
    return int(any(each.kind == BY_HAND for each in survived))


if __name__ == "__main__":
    sys.exit(main())
