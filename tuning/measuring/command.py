"""``python -m tuning measure``: from a running function to settings for its Service."""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from function.formats import durations
from tuning import report
from tuning.errors import TuningError
from tuning.measuring import manifest, output, raw, run
from tuning.measuring.law import FitError
from tuning.measuring.output import Outcome
from tuning.measuring.raw import Measurement
from tuning.measuring.recommend import NoRecommendationError, recommend, refuse_failures, results

_ROOT = Path(__file__).resolve().parent.parent.parent
_SERVICE = _ROOT / "knative" / "service.yaml"
_LEVELS = "1,2,4,8,16,32,64,128"
_SECONDS, _QUICK_SECONDS = 3.0, 1.0
_MOST_IN_FLIGHT = 1000  # knative_settings: containerConcurrency goes no further


class UsageError(TuningError):
    """Options that do not go together, or a value that cannot be read."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of ``measure``."""
    parser = commands.add_parser(
        "measure",
        help="measure what one pod can do and recommend settings",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A URL gets records that fire nothing; --matching above 0 raises real alerts there."
        "\nWith --start, settings come from the environment: RULES_FILE measures other rules.",
    )
    add = parser.add_argument
    add("url", nargs="?", help="a function that runs already, http://localhost:8080")
    add(
        "--start",
        nargs="?",
        const="flask",
        choices=("flask", "asgi"),
        help="start the function here, with this server; default: flask",
    )
    add(
        "--from",
        dest="sources",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="use what --out has saved, of several runs the fastest sample of each level",
    )
    add("--levels", default=_LEVELS, metavar="N,N", help=f"in flight; default: {_LEVELS}")
    add("--matching", metavar="SHARE,…", help="of records that fire; default: 0,1, for a URL 0")
    add("--receiver", metavar="TIME,…", help="of a POST to the receiver; default: 0ms,20ms")
    add("--seconds", type=float, help=f"for each level; default: {_SECONDS:g}")
    add("--quick", action="store_true", help=f"{_QUICK_SECONDS:g} s for each level")
    add("--rounds", type=int, default=1, help="measure all this often, the fastest counts")
    add("--p99", default="500ms", metavar="TIME", help="latency allowed; default: 500ms")
    add("--service", type=Path, default=_SERVICE, help="default: knative/service.yaml")
    add("--out", type=Path, metavar="FOLDER", help="for raw data, curves, plots and the patch")
    parser.set_defaults(main=main)


def main(options: argparse.Namespace) -> int:
    """Measure, or read what was measured, and recommend; the exit status."""
    bound_s = _times("--p99", options.p99)[0]
    service = manifest.load(options.service)
    console = report.console()
    measurement = _measurement(options, console)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        raw.save(options.out / "raw.json", measurement)  # first, so that no error can lose it
    try:
        refuse_failures(measurement)
        found = results(measurement)
        recommended = recommend(found, service, measurement, bound_s)
    except (NoRecommendationError, FitError) as error:
        output.show_levels(console, measurement)
        console.print(str(error))
        return 1
    outcome = Outcome(measurement, service, found, recommended)
    output.show(console, outcome)
    if options.out:
        console.print(
            f"wrote to {options.out}: raw.json, {', '.join(output.save(options.out, outcome))}"
        )
    return 0


def _measurement(options: argparse.Namespace, console: Console) -> Measurement:
    given = [options.url, options.start, options.sources]
    if sum(each is not None for each in given) != 1:
        raise UsageError("say what to measure, one of: a URL, --start, --from FILE")
    if options.sources:
        return raw.merge([raw.load(path) for path in options.sources])
    plan = _plan(options)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=console,
        transient=True,
        refresh_per_second=2,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=plan.steps)
        done = itertools.count()

        def tell(what: str) -> None:
            progress.update(task, description=what, completed=next(done))

        return run.measure(plan, tell, server=options.start, url=options.url)


def _plan(options: argparse.Namespace) -> run.Plan:
    if options.url and options.receiver:
        raise UsageError("--receiver is for --start: a function at a URL has its own receiver")
    shares = _shares(options.matching or ("0" if options.url else "0,1"))
    receivers = [None] if options.url else _times("--receiver", options.receiver or "0ms,20ms")
    mixes = [
        (share, receiver)
        for share in shares
        for receiver in (receivers if share else receivers[:1])  # nobody waits for it
    ]
    if options.rounds < 1:
        raise UsageError(f"--rounds is {options.rounds}: want 1 or more")
    seconds = options.seconds
    if seconds is None:
        seconds = _QUICK_SECONDS if options.quick else _SECONDS
    if not 0 < seconds < math.inf:
        raise UsageError(f"--seconds is {seconds:g}: want more than 0")
    return run.Plan(_levels(options.levels), mixes, seconds, options.rounds)


def _levels(text: str) -> list[int]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UsageError(f"--levels is {text}: want whole numbers such as 1,8,32") from None
    if found[0] < 1 or found[-1] > _MOST_IN_FLIGHT:
        raise UsageError(f"--levels is {text}: want numbers from 1 to {_MOST_IN_FLIGHT}")
    if len(found) < 3:
        raise UsageError(f"--levels is {text}: a curve needs 3 levels or more")
    return found


def _shares(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(0 <= share <= 1 for share in found):
        raise UsageError(f"--matching is {text}: want shares from 0 to 1, such as 0,0.01,1")
    return found


def _times(option: str, text: str) -> list[float]:
    try:
        return [durations.duration(part.strip()) / 1e9 for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
