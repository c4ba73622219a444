"""When requests, or log records, arrive: generators, and CSV files.

A ``Traffic`` is either rates, one for each second, out of which arrivals are drawn at random (a
Poisson process, so that neighbours are independent), or the moments themselves.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tuning.errors import TuningError

_LONGEST = 7 * 86_400.0  # seconds


class TrafficError(TuningError):
    """Traffic that cannot be made or read; the message says which parameter or line."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Arrivals from 0 to ``duration_s``; ``rates`` per second, or ``moments`` in rising order."""

    name: str
    duration_s: int
    rates: Sequence[float] = ()
    moments: Sequence[float] = ()

    def arrivals(self, seed: int) -> Iterator[float]:
        """The moments, in seconds; one seed always draws the same ones."""
        random = Random(seed)  # noqa: S311 - nothing here is a secret
        if self.moments:
            yield from self.moments
            return
        for second, rate in enumerate(self.rates):
            if rate <= 0:
                continue
            t = second + random.expovariate(rate)
            while t < second + 1:
                yield t
                t += random.expovariate(rate)

    def per_second(self) -> list[float]:
        """Arrivals in each second; on average where they are random."""
        if not self.moments:
            return [*self.rates, *([0.0] * (self.duration_s - len(self.rates)))]
        counts = [0.0] * self.duration_s
        for moment in self.moments:
            counts[min(int(moment), self.duration_s - 1)] += 1
        return counts

    @property
    def total(self) -> float:
        """Arrivals in all; on average where they are random."""
        return float(len(self.moments)) or math.fsum(self.rates)


def at(moments: Sequence[float], name: str, duration_s: int | None = None) -> Traffic:
    """Traffic at exactly these moments; without a duration it ends a second after the last one."""
    if not moments:
        raise TrafficError(f"{name}: holds no arrival")
    ordered = sorted(moments)
    ends = math.floor(ordered[-1]) + 1
    return Traffic(name, max(ends, duration_s or 0), moments=ordered)


def constant(rate: float, duration_s: int) -> Traffic:
    """The same rate all the time."""
    return Traffic(f"Constant {rate:g}/s", duration_s, [rate] * duration_s)


def step(low: float, high: float, at_s: int, duration_s: int) -> Traffic:
    """One rate, and from a moment on another."""
    rates = [low if second < at_s else high for second in range(duration_s)]
    return Traffic(f"A step from {low:g}/s to {high:g}/s", duration_s, rates)


def diurnal(low: float, high: float, period_s: int, duration_s: int) -> Traffic:
    """A day, however long: lowest at its beginning and end, highest in the middle."""
    middle, swing = (low + high) / 2, (high - low) / 2
    rates = [
        middle - swing * math.cos(2 * math.pi * (second + 0.5) / period_s)
        for second in range(duration_s)
    ]
    return Traffic(f"A day between {low:g}/s and {high:g}/s", duration_s, rates)


def burst(low: float, high: float, every_s: int, lasting_s: int, duration_s: int) -> Traffic:
    """A burst in the middle of every period."""
    begin = (every_s - lasting_s) // 2
    rates = [
        high if 0 <= second % every_s - begin < lasting_s else low for second in range(duration_s)
    ]
    return Traffic(f"Bursts of {high:g}/s over {low:g}/s", duration_s, rates)


def flash_crowd(  # noqa: PLR0913 - each is one corner of the curve
    low: float, high: float, *, at_s: int, rise_s: int, fall_s: int, duration_s: int
) -> Traffic:
    """A crowd that comes within ``rise_s`` and loses half of itself every ``fall_s``."""

    def share(since: float) -> float:
        if since < 0:
            return 0.0
        return since / rise_s if since < rise_s else 0.5 ** ((since - rise_s) / fall_s)

    rates = [low + (high - low) * share(second + 0.5 - at_s) for second in range(duration_s)]
    return Traffic(f"A flash crowd of {high:g}/s over {low:g}/s", duration_s, rates)


def read_csv(path: Path) -> Traffic:
    """A CSV file: one column is the moment of each arrival, two are a second and its count.

    Seconds since any moment, or since 1970; the first one becomes 0. A first line that is not a
    number is a heading. Raises TrafficError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8 text"
        raise TrafficError(f"{path}: cannot be read: {reason}") from None
    if rows and not _is_number(rows[0][0]):
        del rows[0]
    values = [_row(path, number, row) for number, row in enumerate(rows, 1)]
    if not values:
        raise TrafficError(f"{path}: holds no arrival")
    if len({len(row) for row in values}) != 1:
        raise TrafficError(f"{path}: some rows have one column, some two")
    begin = min(row[0] for row in values)
    if max(row[0] for row in values) - begin > _LONGEST:
        raise TrafficError(f"{path}: spans more than a week: are the times in seconds?")
    if len(values[0]) == 1:
        return at([row[0] - begin for row in values], path.name)
    return _counted(path, [(row[0] - begin, row[1]) for row in values])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _row(path: Path, number: int, row: list[str]) -> list[float]:
    if len(row) > 2 or not all(_is_number(cell) for cell in row):
        raise TrafficError(
            f"{path}: row {number} is {','.join(row)!r}: want a moment in seconds,"
            " or a second and how many arrive in it"
        )
    values = [float(cell) for cell in row]
    if len(values) == 2 and values[1] < 0:
        raise TrafficError(f"{path}: row {number} says {row[1]} arrivals: want 0 or more")
    return values


def _counted(path: Path, counts: Sequence[Sequence[float]]) -> Traffic:
    """Rates out of seconds and counts; a second that is not there has none."""
    rates = [0.0] * (math.floor(max(second for second, _ in counts)) + 1)
    for second, count in counts:
        rates[math.floor(second)] += count
    return Traffic(path.name, len(rates), rates)
