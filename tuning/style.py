"""How the plots look: one place for colours, fonts, and labels that stand beside their lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tuning.errors import TuningError

# Okabe and Ito's palette, which people tell apart whatever colours they see; yellow is too pale.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
INK, PALE, SHADE = "#333333", "#8A8A8A", "#F8ECC9"

_SETTINGS: Any = {
    "font.size": 10,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "lines.linewidth": 1.8,
    "svg.hashsalt": "tuning",  # the same plot is the same file
}
_GAP = 0.105  # between two labels, as a share of the axes' height


def figure(rows: int, title: str, height: float = 2.1) -> tuple[Figure, list[Axes]]:
    """A figure of panels, one below the other, that share their time; each so many inches high."""
    with mpl.rc_context(_SETTINGS):
        made = Figure(figsize=(9, 0.7 + height * rows), layout="constrained", facecolor="white")
        FigureCanvasAgg(made)
        made.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        axes = made.subplots(rows, 1, sharex=True, squeeze=False)
    return made, [row[0] for row in axes]


def title(axes: Axes, text: str, note: str = "") -> None:
    """What the panel shows, and at its right end what else one has to know to read it."""
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold")
    axes.set_title(note, loc="right", fontsize=9)


def times_up(axes: Axes) -> None:
    """A vertical axis of latencies, from milliseconds to minutes."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _spoken(value)))
    axes.yaxis.set_minor_locator(NullLocator())


def _spoken(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def minutes(axes: Axes, duration_s: float) -> float:
    """Label the time axis; returns what seconds are divided by, so that its numbers stay small."""
    unit, name = (60.0, "minutes") if duration_s > 300 else (1.0, "seconds")
    axes.set_xlabel(f"time ({name})")
    axes.set_xlim(0, duration_s / unit)
    return unit


def label_ends(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write each (value, text, colour) right of the axes at its height, and none over another."""
    bottom = axes.get_xlim()[0]
    to_share = axes.transScale + axes.transLimits
    shares = [float(to_share.transform((bottom, value))[1]) for value, _, _ in labels]
    wished = sorted(  # of two at one height, the first is the upper one
        (
            (min(max(share, 0.0), 1.0), text, colour)
            for share, (_, text, colour) in reversed(list(zip(shares, labels, strict=True)))
        ),
        key=lambda label: label[0],
    )
    heights: list[float] = []
    for share, _, _ in wished:
        heights.append(max(share, heights[-1] + _GAP) if heights else share)
    overshoot = max(0.0, max(heights, default=0.0) - 1.0)
    for share, (_, text, colour) in zip(heights, wished, strict=True):
        axes.annotate(
            text,
            (1.01, share - overshoot),
            xycoords="axes fraction",
            color=colour,
            va="center",
            fontsize=9,
            annotation_clip=False,
        )


def save(made: Figure, path: Path) -> None:
    """Write a PNG or an SVG, as the name says; raises TuningError for any other."""
    if path.suffix not in (".png", ".svg"):
        raise TuningError(f"{path}: plots are written as .png or .svg")
    with mpl.rc_context(_SETTINGS):
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        made.savefig(path, dpi=130, metadata=metadata)
