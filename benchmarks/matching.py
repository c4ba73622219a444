"""What it costs to find the rules that match a record, by the number of rules.

Next to it, what most people would write: a loop over the rules with compiled `re`. Both are checked
to find the same alerts before they are timed.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.results import Run
from function import records, rules
from function.records import LogRecord
from function.rules import RuleSet

KIND = "matching"
OURS = "this project"
LOOP = "a loop of re"
COUNTS = (1, 10, 100, 1000, 5000)
ROUNDS = 9
NAMESPACES = 40  # of a busy cluster; every one of them has rules and writes logs
RECORDS = 400
STATUSES = (200, 200, 200, 200, 301, 404, 500)


@dataclass(frozen=True, slots=True)
class Spec:
    """One rule of the mix, in a form from which both subjects are made."""

    namespace: str | None
    pod: str | None
    status: int | None
    line: str | None


def mix(count: int) -> list[Spec]:
    """Rules as clusters have them: by pod and status, by line, for everything in a namespace."""
    specs = []
    for number in range(count):
        namespace = f"team-{number % NAMESPACES}"
        kinds = (
            Spec(namespace, rf"app-{number}-[a-z0-9]+-[a-z0-9]{{5}}", 404, None),
            Spec(namespace, None, None, rf".*(ERROR|FATAL).*component-{number}\b.*"),
            Spec(namespace, rf"app-{number}-.*", 500, None),
            Spec(None, None, None, rf".*panic: worker {number} .*"),
        )
        specs.append(kinds[number % len(kinds)])
    return specs


def rule_file(specs: Sequence[Spec]) -> str:
    """The mix as a rule file."""
    lines = ["groups:", "  - name: mix", "    rules:"]
    for number, spec in enumerate(specs):
        lines += [f"      - alert: A{number}", "        match:"]
        lines += [f"          - {json.dumps(matcher)}" for matcher in matchers(spec)]
        lines += [
            "        labels:",
            "          severity: warning",
            '          pod: "{{ pod }}"',
            "        annotations:",
            f'          message: "{{{{ method }}}} {{{{ path }}}} in {{{{ pod }}}} ({number})"',
        ]
    return "\n".join(lines) + "\n"


def matchers(spec: Spec) -> list[str]:
    """The matchers of one rule."""
    conditions = (
        ("namespace =", spec.namespace),
        ("pod =~", spec.pod),
        ("status =", spec.status),
        ("log =~", spec.line),
    )
    return [f"{what} {value}" for what, value in conditions if value is not None]


def loop(specs: Sequence[Spec]) -> Callable[[LogRecord], int]:
    """The same rules as a loop with compiled `re`; counts the ones that fire."""
    compiled = [
        (
            spec.namespace,
            re.compile(spec.pod) if spec.pod else None,
            spec.status,
            re.compile(spec.line, re.DOTALL) if spec.line else None,
        )
        for spec in specs
    ]

    def fired(record: LogRecord) -> int:
        count = 0
        for namespace, pod, status, line in compiled:
            if namespace is not None and record.namespace != namespace:
                continue
            if pod is not None and not pod.fullmatch(record.pod):
                continue
            if line is not None and (record.log is None or not line.fullmatch(record.log)):
                continue
            if status is not None and getattr(record.access_log, "status", None) != status:
                continue
            count += 1
        return count

    return fired


def lines_of_a_cluster(seed: int) -> list[bytes]:
    """Kafka values: access log lines and application lines, of pods in all namespaces."""
    choose = random.Random(seed)  # noqa: S311 - the same records in every run
    values = []
    for number in range(RECORDS):
        app = choose.randrange(5000)
        status = choose.choice(STATUSES)
        log = choose.choice(
            (
                f'10.0.0.{number % 250} - - [25/Aug/2021:01:54:36 +0000] "GET /api/v1/items/{app} '
                f'HTTP/1.1" {status} 5316 "-" "Mozilla/5.0 (X11; Linux x86_64)"',
                f"2021-08-25 01:54:36,123 INFO component-{app} handled request {number} in 12 ms",
                f"2021-08-25 01:54:36,123 ERROR component-{app} failed: connection refused",
            )
        )
        kubernetes = {
            "namespace_name": f"team-{app % NAMESPACES}",
            "pod_name": f"app-{app}-5f8b9d7c-q4w9z",
        }
        values.append(json.dumps({"log": log, "kubernetes": kubernetes}).encode())
    return values


def read(values: Sequence[bytes]) -> list[LogRecord]:
    """Fresh records, on which nothing has been parsed yet."""
    found = (records.read(value, None)[0] for value in values)
    return [record for record in found if isinstance(record, LogRecord)]


def microseconds(subject: Callable[[LogRecord], object], values: Sequence[bytes]) -> float:
    """The median cost of one record over rounds, each on fresh records."""
    costs = []
    for _ in range(ROUNDS):
        fresh = read(values)
        start = time.perf_counter()
        for record in fresh:
            subject(record)
        costs.append((time.perf_counter() - start) / len(fresh) * 1e6)
    return statistics.median(costs)


def runs(counts: Sequence[int]) -> list[Run]:
    """Load time and cost of a record by the number of rules, ours and the loop's."""
    values = lines_of_a_cluster(seed=404)
    found = []
    for count in counts:
        specs = mix(count)
        loads = []
        for _ in range(3):
            start = time.perf_counter()
            rule_set: RuleSet = rules.loads(rule_file(specs), "mix")
            loads.append((time.perf_counter() - start) * 1000)
        fired = loop(specs)
        for record in read(values):
            if len(rule_set.match(record)) != fired(record):
                raise SystemExit(f"the subjects do not agree on {record}")
        ours = {
            "us_per_record": microseconds(rule_set.match, values),
            "load_ms": statistics.median(loads),
        }
        theirs = {"us_per_record": microseconds(fired, values)}
        found.append(Run(KIND, f"{count} rules", OURS, 0, ours))
        found.append(Run(KIND, f"{count} rules", LOOP, 0, theirs))
    return found
