"""A run, or several beside each other, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tuning import style
from tuning.results import Results, Sample
from tuning.style import COLOURS, INK, PALE, SHADE

_BINS = 150  # over the whole time; a latency is that of what arrived in one of them
_PANIC = "shaded: panic mode, in which no pod is taken away"


def one(run: Results, *, records: bool, goal_s: float | None = None) -> Figure:
    """What arrives, the pods, what waits, what fails if anything does, and the latency."""
    rows = 5 if run.failed else 4
    made, panels = style.figure(rows, f"{run.traffic}: {run.name}")
    unit = style.minutes(panels[-1], run.duration_s)
    _arrivals(panels[0], run, unit, records=records)
    _pods(panels[1], run, unit)
    _waiting(panels[2], run, unit)
    if run.failed:
        _failed(panels[3], [run], unit, (COLOURS[1],))
    _latency(panels[-1], run, unit, goal_s)
    return made


def several(
    runs: Sequence[Results], *, records: bool, goal_s: float | None = None, heading: str = ""
) -> Figure:
    """The same traffic under different settings, one colour for each."""
    heading = heading or f"{runs[0].traffic}: {len(runs)} settings side by side"
    made, (arrivals, pods, trouble, latency) = style.figure(4, heading)
    unit = style.minutes(latency, runs[0].duration_s)
    _arrivals(arrivals, runs[0], unit, records=records)
    style.title(pods, "Pods that are ready", "in brackets: pod-seconds that are paid for")
    _lines(pods, runs, unit, lambda sample: sample.ready)
    costs = [f"{run.name} ({run.pod_seconds:,.0f})" for run in runs]
    _name(pods, runs, costs, lambda sample: sample.ready)
    if any(run.failed for run in runs):
        _failed(trouble, runs, unit, COLOURS)
    else:
        style.title(trouble, "Requests in Knative's queues" + _and_kafka(runs))
        _lines(trouble, runs, unit, lambda sample: sample.queued + sample.backlog)
        names = [run.name for run in runs]
        _name(trouble, runs, names, lambda sample: sample.queued + sample.backlog)
    style.title(latency, "Latency, 99 % are within", "by time of arrival, log scale")
    style.times_up(latency)
    labels = []
    for run, colour, width in zip(runs, COLOURS, _widths(runs), strict=False):
        times, values = _within_by_time(run, 0.99, unit)
        latency.plot(times, values, color=colour, linewidth=width)
        labels += [(value, run.name, colour) for value in values[-1:]]
    _goal(latency, goal_s)
    style.label_ends(latency, labels)
    return made


def _and_kafka(runs: Sequence[Results]) -> str:
    kafka = any(sample.backlog for run in runs for sample in run.samples)
    return ", and records that wait in Kafka" if kafka else ""


def _within(run: Results) -> list[Sample]:
    return [sample for sample in run.samples if sample.t <= run.duration_s]


def _widths(runs: Sequence[object]) -> list[float]:
    """Each line thinner than the one before, which shows on both sides where they are the same."""
    return [1.3 + 1.2 * later for later in reversed(range(len(runs)))]


def _lines(axes: Axes, runs: Sequence[Results], unit: float, of: Callable[[Sample], float]) -> None:
    for run, colour, width in zip(runs, COLOURS, _widths(runs), strict=False):
        samples = _within(run)
        axes.plot(
            [sample.t / unit for sample in samples],
            [of(sample) for sample in samples],
            color=colour,
            linewidth=width,
            drawstyle="steps-post",
        )
    axes.set_ylim(bottom=0)


def _name(
    axes: Axes, runs: Sequence[Results], names: Sequence[str], of: Callable[[Sample], float]
) -> None:
    triples = zip(runs, names, COLOURS, strict=False)
    style.label_ends(axes, [(of(_within(run)[-1]), name, colour) for run, name, colour in triples])


def _arrivals(axes: Axes, run: Results, unit: float, *, records: bool) -> None:
    what = "Records written to Kafka" if records else "Requests that arrive"
    style.title(axes, f"{what}, per second")
    seconds = [second / unit for second in range(len(run.arrived) + 1)]
    arrived = [*run.arrived, run.arrived[-1]]  # a step needs its end
    axes.fill_between(seconds, arrived, color=PALE, alpha=0.45, step="post", linewidth=0)
    axes.set_ylim(bottom=0)


def _pods(axes: Axes, run: Results, unit: float) -> None:
    samples = _within(run)
    times = [sample.t / unit for sample in samples]
    most = max([1, *(max(sample.pods, sample.ready) for sample in samples)])
    wished = max(sample.desired for sample in samples)
    held_back = f", the autoscaler wished for up to {wished}" if wished > most else ""
    style.title(axes, f"Pods{held_back}", _PANIC)
    top = most * 1.15
    axes.set_ylim(0, top)
    panicking = [sample.panicking for sample in samples]
    axes.fill_between(times, top, where=panicking, color=SHADE, step="post", linewidth=0)
    asked = [sample.pods for sample in samples]
    ready = [sample.ready for sample in samples]
    axes.plot(times, asked, color=INK, linewidth=1, drawstyle="steps-post")
    axes.plot(times, ready, color=COLOURS[0], drawstyle="steps-post")
    style.label_ends(axes, [(ready[-1], "ready", COLOURS[0]), (asked[-1], "asked for", INK)])


def _waiting(axes: Axes, run: Results, unit: float) -> None:
    style.title(axes, "Requests in Knative's queues" + _and_kafka([run]))
    samples = _within(run)
    times = [sample.t / unit for sample in samples]
    axes.plot(times, [sample.queued for sample in samples], color=COLOURS[1])
    labels = [(float(samples[-1].queued), "queued", COLOURS[1])]
    if any(sample.backlog for sample in samples):
        axes.plot(times, [sample.backlog for sample in samples], color=COLOURS[3])
        labels.append((float(samples[-1].backlog), "in Kafka", COLOURS[3]))
    axes.set_ylim(bottom=0)
    style.label_ends(axes, labels)


def _failed(axes: Axes, runs: Sequence[Results], unit: float, colours: Sequence[str]) -> None:
    style.title(axes, "Answers 503 and 504, per second", "in brackets: all of them")
    labels = []
    for run, colour, width in zip(runs, colours, _widths(runs), strict=False):
        counts = run.failed_per_second()
        seconds = [second / unit for second in range(len(counts))]
        axes.plot(seconds, counts, color=colour, linewidth=width, drawstyle="steps-post")
        what = run.name if len(runs) > 1 else "failed"
        labels.append((float(counts[-1]), f"{what} ({len(run.failed):,})", colour))
    axes.set_ylim(bottom=0)
    style.label_ends(axes, labels)


def _latency(axes: Axes, run: Results, unit: float, goal_s: float | None) -> None:
    style.title(axes, "Latency", "by time of arrival, log scale")
    style.times_up(axes)
    labels = []
    for share, text, colour in (
        (0.99, "99 % within", COLOURS[1]),
        (0.5, "half within", COLOURS[0]),
    ):
        times, values = _within_by_time(run, share, unit)
        axes.plot(times, values, color=colour)
        labels += [(value, text, colour) for value in values[-1:]]
    _goal(axes, goal_s)
    style.label_ends(axes, labels)


def _within_by_time(run: Results, share: float, unit: float) -> tuple[list[float], list[float]]:
    """Times, and the latency that this share of what arrived then stayed within."""
    points = run.percentile_by_time(share, max(1.0, run.duration_s / _BINS))
    return [t / unit for t, _ in points], [value for _, value in points]


def _goal(axes: Axes, goal_s: float | None) -> None:
    if goal_s is None:
        return
    axes.axhline(goal_s, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        "goal",
        (0.005, goal_s),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=9,
    )
