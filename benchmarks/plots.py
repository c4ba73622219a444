"""The results as pictures, from the JSON alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from benchmarks import capacity, cold_start, latency, matching
from benchmarks.results import Results, Spread
from benchmarks.subjects import EMPTY_FUNC, LIMITS, OURS, PLAIN_ASGI, ROOT

FOLDER = ROOT / "docs" / "performance"
# Of Okabe and Ito's palette, which people tell apart whatever colours they see.
_OURS, _PEER, _LIMIT, _INK, _PALE = "#0072B2", "#E69F00", "#B5B5B5", "#333333", "#8A8A8A"
_LEGEND = ((_OURS, "this project"), (_PEER, "peers doing the same work"), (_LIMIT, "empty servers"))
_SETTINGS: Any = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _PALE,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "svg.hashsalt": "benchmarks",  # the same plot is the same file
}
_NUMBER: Any = {
    "va": "center",
    "size": 9,
    "zorder": 3,
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6},
}
_Bars = Sequence[tuple[str, Spread]]


def draw(results: Results, folder: Path = FOLDER) -> list[Path]:
    """Draw what the results hold; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context(_SETTINGS):
        for name, picture in _PICTURES.items():
            figure = picture(results)
            if figure:
                made.append(folder / f"{name}.svg")
                figure.savefig(made[-1], metadata={"Date": None})
    return made


def _figure(columns: int, height: float, title: str) -> tuple[Figure, list[Axes]]:
    made = Figure(figsize=(9, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(made)
    made.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    axes = made.subplots(1, columns, squeeze=False)
    return made, list(axes[0])


def _colour(subject: str) -> str:
    if subject in {each.name for each in (*OURS, PLAIN_ASGI)}:
        return _OURS
    empty = {each.name for each in LIMITS} | {EMPTY_FUNC.name}
    return _LIMIT if subject in empty else _PEER


def _bars(axes: Axes, bars: _Bars, title: str, form: str) -> None:
    """One bar for each subject: the median, and a line from the lowest to the highest round."""
    axes.set_title(title, loc="left", fontsize=10.5)
    places = range(len(bars))
    medians = [found.median for _, found in bars]
    axes.barh(places, medians, color=[_colour(name) for name, _ in bars], height=0.66)
    axes.hlines(
        places, [each.low for _, each in bars], [each.high for _, each in bars], color=_INK, lw=1.2
    )
    axes.set_yticks(places, [name for name, _ in bars])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    most = max(found.high for _, found in bars)
    axes.set_xlim(0, most * 1.14)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:{form}}"))
    for place, (_, found) in zip(places, bars, strict=True):
        axes.text(found.high + most * 0.015, place, f"{found.median:{form}}", **_NUMBER)


def _legend(figure: Figure, colours: Sequence[str]) -> None:
    handles = [Patch(color=colour, label=text) for colour, text in _LEGEND if colour in colours]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, fontsize=9)


def _spreads(
    results: Results, kind: str, case: str, value: str, *, ascending: bool = False
) -> list[tuple[str, Spread]]:
    found = [
        (subject, spread)
        for subject in results.subjects(kind, case)
        if (spread := results.spread(kind, case, subject, value))
    ]
    return sorted(found, key=lambda pair: pair[1].median, reverse=not ascending)


def _no_match(results: Results) -> Figure | None:
    rates = _spreads(results, capacity.KIND, capacity.NO_MATCH, "rate")
    costs = dict(_spreads(results, capacity.KIND, capacity.NO_MATCH, "cpu_us"))
    if not rates:
        return None
    made, (left, right) = _figure(2, 4.4, "A record that matches no rule: the common case")
    _bars(left, rates, "requests per second, 32 in flight", ",.0f")
    _bars(right, [(n, costs[n]) for n, _ in rates], "processor time per request, µs", ",.0f")
    right.set_yticklabels([])
    _legend(made, (_OURS, _PEER, _LIMIT))
    return made


def _all_match(results: Results) -> Figure | None:
    serial = _spreads(results, capacity.KIND, capacity.ONE_AT_A_TIME, "rate")
    free = _spreads(results, capacity.KIND, capacity.NO_LIMIT, "rate")
    if not serial or not free:
        return None
    title = "Every record is an alert: acknowledged records per second, 64 in flight"
    made, (left, right) = _figure(2, 3.8, title)
    _bars(left, serial, "receiver: one at a time, 5 ms a POST", ",.0f")
    _bars(right, free, "receiver: no limit, 20 ms a POST", ",.0f")
    for axes, place, bound, text in (
        (left, 0.97, 200, "dotted: 200 a second, all that\na POST for each alert can reach"),
        (right, 0.81, 3200, "dotted: 3,200 a second,\n64 in flight / 20 ms"),
    ):
        axes.set_xlim(0, max(axes.get_xlim()[1], bound * 1.2))
        axes.axvline(bound, color=_INK, ls=":", lw=1.2)
        axes.text(place, 0.04, text, transform=axes.transAxes, ha="right", va="bottom", size=8.5)
    _legend(made, (_OURS, _PEER))
    return made


def _latency(results: Results) -> Figure | None:
    if not any(run.kind == latency.KIND for run in results.runs):
        return None
    made, panels = _figure(2, 3.8, "Latency at fixed rates, from when a request was due")
    for axes, (server, empty) in zip(panels, latency.PAIRS, strict=True):
        axes.set_title(f"{server.name} and {empty.name}", loc="left", fontsize=10.5)
        for subject, colour in ((server, _OURS), (empty, _PALE)):
            for value, style in (("p50_ms", "-"), ("p99_ms", "--")):
                points = [
                    (share * 100, found)
                    for share in latency.SHARES
                    if (
                        found := results.spread(
                            latency.KIND, latency.case(server, share), subject.name, value
                        )
                    )
                ]
                shares = [share for share, _ in points]
                medians = [found.median for _, found in points]
                axes.plot(
                    shares, medians, style, color=colour, marker="o", ms=4,
                    label=f"{subject.name}, {value[:3]}",
                )  # fmt: skip
                axes.vlines(
                    shares, [f.low for _, f in points], [f.high for _, f in points],
                    color=colour, lw=1, alpha=0.5,
                )  # fmt: skip
        axes.set_yscale("log")
        axes.set_xticks([share * 100 for share in latency.SHARES])
        axes.set_xlabel(f"% of the {server.name}'s capacity, requests without a match")
        axes.set_ylabel("milliseconds, log scale")
        _plain(axes)
        axes.legend(frameon=False, fontsize=8.5)
    return made


def _plain(axes: Axes) -> None:
    """Numbers on a logarithmic axis as people write them."""
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _cold_starts(results: Results) -> Figure | None:
    case = cold_start.WHOLE
    seconds = _spreads(results, cold_start.KIND, case, "seconds", ascending=True)
    memory = dict(_spreads(results, cold_start.KIND, case, "pss_mib"))
    if not seconds:
        return None
    made, (left, right) = _figure(2, 4.2, "A new process, until it has answered its first event")
    times = [(n, _scaled(found, 1000)) for n, found in seconds]
    _bars(left, times, "milliseconds, with a core of its own", ",.0f")
    _bars(right, [(n, memory[n]) for n, _ in seconds], "memory then, MiB (PSS)", ",.0f")
    right.set_yticklabels([])
    _legend(made, (_OURS, _PEER, _LIMIT))
    return made


def _scaled(found: Spread, factor: float) -> Spread:
    return Spread(found.median * factor, found.low * factor, found.high * factor, found.rounds)


def _matching(results: Results) -> Figure | None:
    if not any(run.kind == matching.KIND for run in results.runs):
        return None
    made, [axes] = _figure(1, 3.6, "Finding the rules that match a record")
    for subject, colour in ((matching.OURS, _OURS), (matching.LOOP, _PEER)):
        points = [
            (count, found.median)
            for count in matching.COUNTS
            if (found := results.spread(matching.KIND, f"{count} rules", subject, "us_per_record"))
        ]
        counts, costs = zip(*points, strict=True)
        axes.plot(counts, costs, color=colour, marker="o", ms=5, label=subject)
        axes.annotate(
            f"{costs[-1]:,.0f} µs", (counts[-1], costs[-1]), (6, 0),
            textcoords="offset points", color=colour, va="center", size=9,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(matching.COUNTS, [f"{count:,}" for count in matching.COUNTS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("rules, log scale")
    axes.set_ylabel("µs per record, log scale")
    _plain(axes)
    axes.legend(frameon=False, fontsize=9)
    return made


_PICTURES: dict[str, Callable[[Results], Figure | None]] = {
    "no-match": _no_match,
    "all-match": _all_match,
    "latency": _latency,
    "cold-start": _cold_starts,
    "matching": _matching,
}
