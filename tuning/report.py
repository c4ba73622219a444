"""Results for people at a terminal: a table, the annotations, and a CSV file for other tools."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tuning.fields import ANNOTATIONS, CLUSTER
from tuning.knative_settings import KnativeSettings
from tuning.results import Results, Sample
from tuning.settings_file import annotations_of

_KEYS = {
    "container_concurrency": "containerConcurrency",
    "timeout_s": "timeoutSeconds",
    "weighted": "weighted average",
    **{field.attribute: field.key for field in (*CLUSTER, *ANNOTATIONS)},
}


def seconds(value: float) -> str:
    """A time as one says it: 350 ms, 2.4 s."""
    if math.isnan(value):
        return "-"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def table(runs: Sequence[Results], *, records: bool) -> Table:
    """One column for each run."""
    what = "records" if records else "requests"
    found = Table(title=f"{runs[0].traffic}, {_span(runs[0].duration_s)}", title_justify="left")
    found.add_column("")
    for run in runs:
        found.add_column(run.name, justify="right", overflow="fold")
    for title, cells in _rows(runs, what):
        found.add_row(title, *cells)
    return found


def _rows(runs: Sequence[Results], what: str) -> list[tuple[str, list[str]]]:
    rows = [
        (f"{what} answered", [f"{len(run.latencies):,}" for run in runs]),
        ("latency, half of them within", [seconds(run.percentile(0.50)) for run in runs]),
        ("latency, 95 % within", [seconds(run.percentile(0.95)) for run in runs]),
        ("latency, 99 % within", [seconds(run.percentile(0.99)) for run in runs]),
        ("latency, all within", [seconds(run.percentile(1.00)) for run in runs]),
        ("answers 503 / 504", [f"{run.statuses[503]} / {run.statuses[504]}" for run in runs]),
        (f"{what} lost", [str(run.lost) for run in runs]),
        ("scaled up from zero", [str(run.cold_starts) for run in runs]),
        (f"{what} that found no pod", [str(run.cold_requests) for run in runs]),
        (
            "pods on average / at most",
            [f"{run.pods_on_average:.2f} / {run.most_pods}" for run in runs],
        ),
        ("pod-seconds (the cost)", [f"{run.pod_seconds:,.0f}" for run in runs]),
        ("time through the activator", [_proxied(run) for run in runs]),
    ]
    if any(sample.backlog for run in runs for sample in run.samples):
        most = [max(sample.backlog for sample in run.samples) for run in runs]
        rows.insert(1, ("most records waiting in Kafka", [f"{number:,}" for number in most]))
    if any(run.unanswered for run in runs):
        rows.insert(1, ("still under way at the end", [str(run.unanswered) for run in runs]))
    return rows


def _proxied(run: Results) -> str:
    return f"{100 * sum(sample.proxied for sample in run.samples) / len(run.samples):.0f} %"


def _span(duration_s: int) -> str:
    minutes, rest = divmod(duration_s, 60)
    if minutes == 0 or (rest and minutes < 10):
        return f"{duration_s} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def differences(all_settings: Sequence[KnativeSettings], names: Sequence[str]) -> Table | None:
    """The settings that are not the same in all columns; None where all are."""
    found = Table(title="what differs", title_justify="left")
    found.add_column("")
    for name in names:
        found.add_column(name, justify="right", overflow="fold")
    for each in fields(KnativeSettings):
        values = [getattr(settings, each.name) for settings in all_settings]
        if len(set(values)) > 1:
            found.add_row(_KEYS.get(each.name, each.name), *(_plain(value) for value in values))
    return found if found.row_count else None


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def yaml_of(settings: KnativeSettings, before: KnativeSettings) -> str:
    """The revision template, as far as it decides the scaling, ready to be pasted."""
    lines = ["spec:", "  template:"]
    annotations = list(annotations_of(settings, before))
    if annotations:
        lines += ["    metadata:", "      annotations:"]
        lines += [f'        {name}: "{value}"' for name, value in annotations]
    lines += ["    spec:", f"      containerConcurrency: {settings.container_concurrency}"]
    return "\n".join(lines)


def write_csv(path: Path, results: Results) -> None:
    """What happened in each second; the columns are those of ``results.Sample``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Sample._fields)
        writer.writerows(results.samples)


def console() -> Console:
    """Plain where it is not a terminal."""
    return Console(highlight=False, soft_wrap=False)
