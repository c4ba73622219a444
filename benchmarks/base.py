"""Another checkout next to this one: its servers are further subjects of the same rounds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import capacity, cold_start, latency, pipeline
from benchmarks.results import Results, ratio
from benchmarks.rows import Row, pair
from benchmarks.subjects import SERVERS, Subject
from local.procfile import web_command

SUFFIX = " of base"


def subjects(folder: Path) -> list[Subject]:
    """The checkout's servers, as its Procfile starts them; raises SystemExit where it has none.

    With the packages of its own virtual environment, where it has one, and else with ours.
    """
    try:
        program, *arguments = web_command(folder)
    except (OSError, LookupError) as error:
        raise SystemExit(f"{folder} is not a checkout of this project: {error}") from None
    python = folder / ".venv" / "bin" / "python"
    command = [str(python) if python.exists() else sys.executable, "-m", program, *arguments]
    return [
        replace(
            ours, name=ours.name + SUFFIX, command=lambda _port: command, folder=folder, path=folder
        )
        for ours in SERVERS
    ]


def beside(ours: Iterable[Subject], base: Sequence[Subject]) -> list[Subject]:
    """Subjects, and those of the other checkout that are to be measured beside them."""
    ours = [*ours]
    names = {subject.name + SUFFIX for subject in ours}
    return [*ours, *(subject for subject in base if subject.name in names)]


_OF_BASE = (
    (capacity.KIND, "rate", "requests/s", "more"),
    (capacity.KIND, "cpu_us", "processor time", "less"),
    (latency.KIND, "p50_ms", "p50", "less"),
    (latency.KIND, "p99_ms", "p99", "less"),
    (cold_start.KIND, "seconds", "start", "less"),
    (cold_start.KIND, "pss_mib", "memory", "less"),
    (pipeline.KIND, "records_per_second", "records/s", "more"),
    (pipeline.KIND, "function_cpu_us", "processor time", "less"),
)


def rows(results: Results) -> list[Row]:
    """How our servers compare with those of the other checkout, round by round."""
    table: list[Row] = [("this checkout / base", "", "median", "range", "better is")]
    for kind, value, what, better in _OF_BASE:
        for case in dict.fromkeys(run.case for run in results.runs if run.kind == kind):
            for subject in results.subjects(kind, case):
                ours = results.of(kind, case, subject, value)
                base = results.of(kind, case, subject + SUFFIX, value)
                if found := ratio(ours, base):
                    table.append((f"{case}: {subject}", what, *pair(found, ".2f"), better))
    return table
