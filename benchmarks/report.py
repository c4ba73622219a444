"""The figures as tables: on the terminal, and in docs/performance.md between its markers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import base, capacity, cold_start, latency, layers, matching, pipeline, waiting
from benchmarks.goals import Goal, goals
from benchmarks.results import Results, Spread, by_round, spread
from benchmarks.rows import Row, pair
from benchmarks.subjects import ROOT, SERVERS

PAGE = ROOT / "docs" / "performance.md"


def tables(results: Results) -> dict[str, list[Row]]:
    """Every table by its name in the page; the first row is the head. Empty ones are left out."""
    found = {
        "base": base.rows(results),
        "goals": _goals(results),
        "capacity": _capacity(results, (capacity.NO_MATCH, capacity.HUNDRED, capacity.SOME)),
        "delivery": _capacity(
            results,
            (capacity.NO_PAUSE, capacity.ONE_AT_A_TIME, capacity.NO_LIMIT, capacity.SLOW),
        ),
        "latency": _latency(results),
        "cold-start": _cold_start(results),
        "pipeline": _pipeline(results),
        "pods": _pods(results),
        "waiting": waiting.rows(results),
        "matching": _matching(results),
        "steps": _steps(results),
        "layers": _layers(results),
        "machine": _machine(results),
    }
    return {name: rows for name, rows in found.items() if len(rows) > 1}


def text(results: Results) -> str:
    """For a terminal."""
    return "\n".join(f"\n{name}\n{_aligned(rows)}" for name, rows in tables(results).items())


def renew(results: Results) -> list[Path]:
    """Write the tables into the page, each between its markers; returns what was written."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(renewed(page, results), encoding="utf-8")
    return [PAGE]


def renewed(page: str, results: Results) -> str:
    """The page with the results' tables."""
    for name, rows in tables(results).items():
        marked = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page = marked.sub(rf"\g<1>{_escaped(rows)}\g<2>", page)
    return page


def _escaped(rows: Sequence[Row]) -> str:
    return _markdown(rows).replace("\\", r"\\\\")


def _markdown(rows: Sequence[Row]) -> str:
    head, *body = rows
    numbers = ["---", *["--:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, numbers, *body))


def _aligned(rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _goals(results: Results) -> list[Row]:
    head = ("ratio", "wanted", "median", "range", "", "by processor time", "range")
    return [head, *(_goal(goal) for goal in goals(results))]


def _goal(goal: Goal) -> Row:
    sign = "≥" if goal.at_least else "≤"
    verdict = "reached" if goal.reached else "**not reached**"
    return (
        goal.name,
        f"{sign} {goal.wanted:g}",
        *pair(goal.found, ".2f"),
        verdict,
        *pair(goal.by_cpu, ".2f"),
    )


def _capacity(results: Results, cases: Sequence[str]) -> list[Row]:
    rows: list[Row] = [
        (
            *("", "requests/s", "range", "CPU µs/request", "range"),
            *("server's core %", "load's core %", "alerts/POST"),
        )
    ]
    for case, subject in _cells(results, capacity.KIND, cases):

        def get(value: str, case: str = case, subject: str = subject) -> Spread | None:
            return results.spread(capacity.KIND, case, subject, value)

        own = by_round(
            lambda rate, cpu: rate * cpu / 1e4,
            results.of(capacity.KIND, case, subject, "rate"),
            results.of(capacity.KIND, case, subject, "cpu_us"),
        )
        rows.append(
            (
                f"{case}: {subject}",
                *pair(get("rate"), ",.0f"),
                *pair(get("cpu_us"), ",.0f"),
                pair(spread(own.values()), ".0f")[0],
                pair(get("load_core"), ".0f", 100)[0],
                pair(get("alerts_per_post"), ".1f")[0],
            )
        )
    return rows


def _cells(results: Results, kind: str, cases: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Cases with their subjects, in the cases' order, the fastest first where there is a rate."""
    for case in cases:

        def rate(subject: str, case: str = case) -> float:
            found = results.spread(kind, case, subject, "rate")
            return -found.median if found else 0.0

        for subject in sorted(results.subjects(kind, case), key=rate):
            yield case, subject


def _latency(results: Results) -> list[Row]:
    rows: list[Row] = [("", "requests/s", "p50 ms", "p90", "p99", "range", "p99.9", "sender late")]
    cases = [latency.case(pair[0], share) for pair in latency.PAIRS for share in latency.SHARES]
    for case in cases:
        for subject in sorted(results.subjects(latency.KIND, case)):
            values = {
                value: pair(results.spread(latency.KIND, case, subject, value), form)
                for value, form in (
                    ("rate", ",.0f"),
                    ("p50_ms", ".2f"),
                    ("p90_ms", ".2f"),
                    ("p99_ms", ".1f"),
                    ("p99.9_ms", ".1f"),
                    ("sender_late_p99_ms", ".2f"),
                )
            }
            median = {value: pair[0] for value, pair in values.items()}
            rows.append(
                (
                    f"{case}: {subject}",
                    *(median[value] for value in ("rate", "p50_ms", "p90_ms", "p99_ms")),
                    values["p99_ms"][1],
                    median["p99.9_ms"],
                    median["sender_late_p99_ms"],
                )
            )
    return rows


def _cold_start(results: Results) -> list[Row]:
    rows: list[Row] = [("", "ms", "range", "CPU ms", "PSS MiB", "ms with 0.25 CPU", "range")]
    for subject in results.subjects(cold_start.KIND, cold_start.WHOLE):

        def get(value: str, case: str = cold_start.WHOLE, subject: str = subject) -> Spread | None:
            return results.spread(cold_start.KIND, case, subject, value)

        rows.append(
            (
                subject,
                *pair(get("seconds"), ".0f", 1000),
                pair(get("cpu_seconds"), ".0f", 1000)[0],
                pair(get("pss_mib"), ".0f")[0],
                *pair(get("seconds", cold_start.QUARTER), ".0f", 1000),
            )
        )
    return [rows[0], *sorted(rows[1:], key=lambda row: float(row[1]))]


def _pipeline(results: Results) -> list[Row]:
    rows: list[Row] = [
        ("", "records/s", "range", "function's CPU µs/record", "broker's and source's")
    ]
    for case in pipeline.CASES:
        for subject in results.subjects(pipeline.KIND, case.name):

            def get(value: str, case: str = case.name, subject: str = subject) -> Spread | None:
                return results.spread(pipeline.KIND, case, subject, value)

            rows.append(
                (
                    f"{case.name}: {subject}",
                    *pair(get("records_per_second"), ",.0f"),
                    pair(get("function_cpu_us"), ",.0f")[0],
                    pair(get("source_cpu_us"), ",.0f")[0],
                )
            )
    return rows


def _pods(results: Results) -> list[Row]:
    rows: list[Row] = [("records/s", "one pod, measured", "ten pods, computed")]
    for case in (capacity.NO_MATCH, capacity.SOME, capacity.NO_LIMIT):
        for server in SERVERS:
            found = results.spread(capacity.KIND, case, server.name, "rate")
            if found:
                one, ten = (f"{found.median * pods:,.0f}" for pods in (1, 10))
                rows.append((f"{case}: {server.name}", one, ten))
    return rows


def _matching(results: Results) -> list[Row]:
    rows: list[Row] = [("rules", "load ms", "µs/record", "a loop of re, µs/record", "ratio")]
    for count in matching.COUNTS:
        case = f"{count} rules"
        load = results.spread(matching.KIND, case, matching.OURS, "load_ms")
        ours = results.spread(matching.KIND, case, matching.OURS, "us_per_record")
        loop = results.spread(matching.KIND, case, matching.LOOP, "us_per_record")
        if load and ours and loop:
            times = f"{loop.median / ours.median:.1f}"
            figures = (f"{load.median:.1f}", f"{ours.median:.2f}", f"{loop.median:.2f}")
            rows.append((str(count), *figures, times))
    return rows


def _layers(results: Results) -> list[Row]:
    rows: list[Row] = [("one request, no match", "µs")]
    for subject in results.subjects(layers.KIND, layers.ALONE):
        found = results.spread(layers.KIND, layers.ALONE, subject, "us")
        rows.append((subject, pair(found, ".1f")[0]))
    return rows


def _steps(results: Results) -> list[Row]:
    """What a request costs up to each step, and each step by itself."""
    rows: list[Row] = [("one request, up to this step", "CPU µs", "range", "the step")]
    before: dict[int, float] = {}
    case = layers.UNDER_LOAD
    for subject in case.subjects:
        until = results.of(layers.KIND, case.name, subject.name, "cpu_us")
        step = by_round(lambda one, other: one - other, until, before) if before else until
        if until:
            own = pair(spread(step.values()), ".1f")[0]
            rows.append((subject.name, *pair(spread(until.values()), ".1f"), own))
        before = until
    return rows


def _machine(results: Results) -> list[Row]:
    rows: list[Row] = [("machine", "")]
    for name, value in results.machine.items():
        if isinstance(value, dict):
            value = ", ".join(f"{each} {number}" for each, number in value.items())  # noqa: PLW2901
        rows.append((name.replace("_", " "), str(value)))
    foreign = spread(run.values["neighbours"] for run in results.runs if run.kind == capacity.KIND)
    if foreign:
        median, range_ = pair(foreign, ".0f", 100)
        rows.append(("of the server's core, taken by others", f"{median} % ({range_})"))
    return rows
