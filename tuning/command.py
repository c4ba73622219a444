"""``python -m tuning simulate``: from a command line to tables and plots."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import replace
from pathlib import Path

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from function.formats import durations
from tuning import curve, kafka_source, optimize, report, settings_file, simulate, traffic_spec
from tuning.curve import Curve
from tuning.errors import TuningError
from tuning.kafka_source import KafkaSource
from tuning.knative_settings import KnativeSettings, conflicts
from tuning.optimize import Goal, Search
from tuning.results import Results
from tuning.simulate import Scenario

ROOT = Path(__file__).resolve().parent.parent
_SERVICE = ROOT / "knative" / "service.yaml"
_SOURCE = ROOT / "eventing" / "kafkasource.yaml"
_NANO = 1e-9
_SEEDS = (2, 3, 4)  # for a second look at what was found with another


class UsageError(TuningError):
    """Options that do not go together, or a value that cannot be read."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of ``simulate``."""
    parser = commands.add_parser(
        "simulate",
        help="predict pods, latency and cost of some settings under some traffic",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="traffic, with the defaults that each has:\n"
        + traffic_spec.help_text()
        + "\n  a CSV file: a moment in seconds per row, or a second and how many arrive in it"
        "\n  a log file: JSON records or access log lines; their own times are used"
        "\n\nsettings: a Knative Service manifest, or just the settings, such as\n"
        "  containerConcurrency: 32\n  min-scale: 1\n  window: 30s",
    )
    add = parser.add_argument
    add("settings", nargs="?", type=Path, default=_SERVICE, help=f"default: {_short(_SERVICE)}")
    add("--traffic", default="burst", metavar="KIND|FILE", help="default: burst, see below")
    add("--compare", nargs="+", type=Path, metavar="FILE", help="lay settings side by side")
    add("--optimize", metavar="GOAL", help="find the cheapest settings for a goal: 'p99<500ms'")
    add("--concurrency", default="", metavar="N,N", help="containerConcurrency to try as well")
    add(
        "--kafka",
        nargs="?",
        type=Path,
        const=_SOURCE,
        metavar="FILE",
        help=f"a KafkaSource sends, with retries; without FILE, {_short(_SOURCE)}",
    )
    add("--partitions", type=int, default=10, help="of the topic; default: 10")
    add("--dispatchers", type=int, default=1, help="dispatcher pods of KafkaSource; default: 1")
    add("--curve", type=Path, metavar="FILE", help="a pod's measured curve, JSON")
    add("--service-time", metavar="TIME", help="without a curve: each request's; default: 50ms")
    add("--receiver", metavar="TIME", help="how long the receiver takes, other than in the curve")
    add("--pod-start", default="2s", metavar="TIME", help="from wanted to ready; default: 2s")
    add("--new", action="store_true", help="the revision is deployed when the traffic begins")
    add("--seed", type=int, default=1, help="of the random arrivals; default: 1")
    add("--plot", type=Path, metavar="FILE", help="a picture, .png or .svg")
    add("--csv", type=Path, metavar="FILE", help="what happened in each second")
    parser.set_defaults(main=main)


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def main(options: argparse.Namespace) -> int:
    """Run the simulation; the exit status."""
    if options.compare and options.optimize:
        raise UsageError("--compare and --optimize are two questions: ask one at a time")
    if options.csv and options.compare:
        raise UsageError("--csv is for one run: leave out --compare")
    if options.plot:
        _check_can_plot(options.plot)
    goal = optimize.read_goal(options.optimize) if options.optimize else None
    files = options.compare or [options.settings]
    settings = [settings_file.load(path) for path in files]
    scenario = _scenario(options)
    if goal is not None:
        if scenario.curve.latency(1) > goal.latency_s:
            alone = report.seconds(scenario.curve.latency(1))
            raise UsageError(f"no settings reach {goal}: one request alone takes {alone}")
        return _optimize(options, settings[0], scenario, goal)
    names = _names(files)
    runs = [simulate.run(each, scenario, name) for each, name in zip(settings, names, strict=True)]
    _show(options, runs, settings, None)
    return 0


def _check_can_plot(path: Path) -> None:
    """Find out now, and not when the simulation is done."""
    if path.suffix not in (".png", ".svg"):
        raise UsageError(f"--plot {path}: plots are written as .png or .svg")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: `make tuning` installs it")


def _names(files: list[Path]) -> list[str]:
    """File names, with as many of their folders as it takes to tell them apart."""
    for parts in range(1, max(len(path.parts) for path in files)):
        short = ["/".join(path.parts[-parts:]) for path in files]
        if len(set(short)) == len(files):
            return short
    return [str(path) for path in files]


def _scenario(options: argparse.Namespace) -> Scenario:
    kafka: KafkaSource | None = None
    if options.kafka is not None:
        kafka = kafka_source.load(options.kafka, options.partitions, options.dispatchers)
    return Scenario(
        traffic=traffic_spec.read(options.traffic),
        curve=_curve(options),
        kafka=kafka,
        pod_start_s=_time("--pod-start", options.pod_start),
        new=options.new,
        seed=options.seed,
    )


def _curve(options: argparse.Namespace) -> Curve:
    if options.curve and options.service_time:
        raise UsageError("--curve has the service time in it: leave out --service-time")
    if options.curve:
        found = curve.load(options.curve)
    else:
        found = Curve(_time("--service-time", options.service_time or "50ms"))
        if found.service_time_s <= 0:
            raise UsageError("--service-time is 0: a request takes some time")
    if options.receiver:
        return found.with_receiver(_time("--receiver", options.receiver))
    return found


def _time(option: str, text: str) -> float:
    try:
        return durations.duration(text) * _NANO
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _show(
    options: argparse.Namespace,
    runs: list[Results],
    settings: list[KnativeSettings],
    goal: Goal | None,
) -> None:
    console = report.console()
    records = options.kafka is not None
    console.print(report.table(runs, records=records))
    if different := report.differences(settings, [run.name for run in runs]):
        console.print(different)
    if not options.curve:
        console.print(
            f"Every request took {report.seconds(_curve(options).service_time_s)}, however busy its"
            " pod: give a measured --curve to be nearer to the truth."
        )
    if options.csv:
        report.write_csv(options.csv, runs[-1])
        console.print(f"wrote {options.csv}")
    if options.plot:
        from tuning import plots, style

        goal_s = goal.latency_s if goal else None
        picture = (
            plots.one(runs[0], records=records, goal_s=goal_s)
            if len(runs) == 1
            else plots.several(runs, records=records, goal_s=goal_s)
        )
        style.save(picture, options.plot)
        console.print(f"wrote {options.plot}")


def _optimize(
    options: argparse.Namespace, before: KnativeSettings, scenario: Scenario, goal: Goal
) -> int:
    console = report.console()
    concurrencies = _concurrencies(options.concurrency)
    search = Search(goal, lambda each: simulate.run(each, scenario, "found"), before)
    first = replace(search.results, name="now")
    _search(search, concurrencies)
    _show(options, [first, search.results], [before, search.best], goal)
    if not search.met:
        console.print(f"No settings were found with {goal}: the table shows the nearest ones.")
        console.print(
            f"Look at max-scale ({before.max_scale or 'none'}), at how long one request takes, and"
            " at how long a pod takes to start: the search leaves these alone."
        )
        return 1
    again = [
        simulate.run(search.best, replace(scenario, seed=seed)).percentile(goal.share)
        for seed in _SEEDS
    ]
    console.print(f"{len(search.tried)} settings were tried. The goal: {goal}.")
    console.print(
        f"With {len(_SEEDS)} other draws of the same traffic it is"
        f" {report.seconds(min(again))} to {report.seconds(max(again))}."
    )
    console.print()
    console.print(report.yaml_of(search.best, before))
    return 0


def _search(search: Search, concurrencies: list[int]) -> None:
    """Search to the end, or until Ctrl-C: what has been found by then is shown all the same."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=report.console(), transient=True) as progress:
        task = progress.add_task("the settings as they are")
        try:
            for _ in search.steps(concurrencies):
                cost = f"{search.results.pod_seconds:,.0f} pod-seconds"
                state = f"goal met, {cost}" if search.met else "goal not met yet"
                progress.update(task, description=f"{len(search.tried)} tried, {state}")
        except KeyboardInterrupt:
            progress.console.print("stopped: this is what was found so far")


def _concurrencies(text: str) -> list[int]:
    try:
        values = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"--concurrency is {text}: write whole numbers, 8,16,32") from None
    for value in values:
        for problem in conflicts(KnativeSettings(container_concurrency=value)):
            raise UsageError(f"--concurrency: {problem}")
    return values
