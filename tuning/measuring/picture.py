"""Throughput and latency over concurrency: points, the law's line, the knee and the choice."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from tuning import style
from tuning.measuring.recommend import Recommendation, Result
from tuning.style import COLOURS, INK

_STEPS = 200


def draw(found: Sequence[Result], recommended: Recommendation, heading: str) -> Figure:
    """Two panels, one colour for each mix."""
    made, (throughput, latency) = style.figure(2, heading, height=3.3)
    style.title(
        throughput,
        "Answers per second",
        "line: universal scalability law; diamond: knee",
    )
    style.title(latency, "Latency", "solid: half within; dashed: 99 % within; log scale")
    where = "requests in flight in the pod"
    if any(result.mix.matching and result.mix.receiver_s is not None for result in found):
        where += " (in brackets, right: how long the receiver takes for a POST)"
    levels = [sample.concurrency for sample in found[0].samples]
    latency.set_xscale("log", base=2)
    latency.set_xlim(levels[0] / 1.1, levels[-1] * 1.1)
    latency.set_xlabel(where)
    latency.xaxis.set_major_locator(FixedLocator(levels))
    latency.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    latency.xaxis.set_minor_locator(NullLocator())
    style.times_up(latency)
    for result, colour in zip(found, COLOURS, strict=False):
        _throughput(throughput, result, colour)
        _latency(latency, result, colour)
    throughput.set_ylim(bottom=0)
    throughput.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _label(throughput, found, [result.samples[-1].throughput for result in found])
    _label(latency, found, [result.samples[-1].percentile(0.5) for result in found])
    for axes in (throughput, latency):
        axes.axvline(recommended.container_concurrency, color=INK, linewidth=1, zorder=1)
    left = recommended.container_concurrency**2 > levels[0] * levels[-1]  # where there is room
    throughput.annotate(
        f"containerConcurrency {recommended.container_concurrency}",
        (recommended.container_concurrency, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        color=INK,
        fontsize=9,
    )
    return made


def _throughput(axes: Axes, result: Result, colour: str) -> None:
    levels = [sample.concurrency for sample in result.samples]
    first, last = levels[0], levels[-1]
    line = [first * (last / first) ** (step / _STEPS) for step in range(_STEPS + 1)]
    axes.plot(line, [result.fit.usl.throughput(n) for n in line], color=colour)
    axes.plot(levels, [s.throughput for s in result.samples], "o", color=colour, markersize=5)
    height = result.fit.usl.throughput(result.knee)
    axes.plot([result.knee], [height], "D", color="white", markeredgecolor=colour, markersize=8)


def _latency(axes: Axes, result: Result, colour: str) -> None:
    levels = [sample.concurrency for sample in result.samples]
    axes.plot(levels, [s.percentile(0.5) for s in result.samples], "o-", color=colour, markersize=4)
    axes.plot(levels, [s.percentile(0.99) for s in result.samples], "--", color=colour, linewidth=1)


def _label(axes: Axes, found: Sequence[Result], heights: Sequence[float]) -> None:
    labels = [
        (height, result.mix.short_name, colour)
        for result, colour, height in zip(found, COLOURS, heights, strict=False)
    ]
    style.label_ends(axes, labels)
