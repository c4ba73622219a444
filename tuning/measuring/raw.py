"""What was measured, as a JSON file from which everything else can be worked out again."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tuning.errors import TuningError

_BITS = 7  # of a latency in microseconds, which keeps the file small: within 0.8 %
_ABOUT = 0.97  # of the fastest: as good as it, for samples of a second or more


class RawError(TuningError):
    """The file is not one of ours; the message names it and what is wrong."""


@dataclass(frozen=True)
class Sample:
    """One level of concurrency for some seconds.

    ``latencies_us`` counts the requests that were answered 2xx by their microseconds; ``failures``
    the others by status or by what happened; ``example`` is one of their answers. ``cpu_s`` is the
    function's processor time, ``others_s`` what other programs took of its core, ``sender_s`` what
    sending took; None where it could not be read.
    """

    concurrency: int
    seconds: float
    latencies_us: Mapping[int, int]
    failures: Mapping[str, int]
    example: str = ""
    cpu_s: float | None = None
    others_s: float | None = None
    sender_s: float = 0.0

    @cached_property
    def answered(self) -> int:
        """Requests that were answered 2xx."""
        return sum(self.latencies_us.values())

    @property
    def throughput(self) -> float:
        """Requests a second that were answered 2xx."""
        return self.answered / self.seconds

    @cached_property
    def mean_s(self) -> float:
        """The mean latency in seconds; not a number where nothing was answered."""
        total = sum(us * count for us, count in self.latencies_us.items())
        return total / self.answered / 1e6 if self.answered else math.nan

    def percentile(self, share: float) -> float:
        """Seconds within which this share of the requests was answered; nearest rank."""
        rank = math.ceil(share * self.answered)
        for us in sorted(self.latencies_us):
            rank -= self.latencies_us[us]
            if rank <= 0:
                return us / 1e6
        return math.nan

    @property
    def cores(self) -> float | None:
        """How many cores the function kept busy."""
        return None if self.cpu_s is None else self.cpu_s / self.seconds

    @property
    def cpu_per_request_s(self) -> float | None:
        """The function's processor time for one request."""
        return None if self.cpu_s is None or not self.answered else self.cpu_s / self.answered

    @property
    def disturbed(self) -> float:
        """The share of the function's core that other programs took, as far as is known."""
        return (self.others_s or 0.0) / self.seconds


@dataclass(frozen=True, slots=True)
class Mix:
    """What was sent: the share of records that match, and how long the receiver takes for a POST.

    ``receiver_s`` is None where the receiver is not ours.
    """

    matching: float
    receiver_s: float | None
    samples: Sequence[Sample]

    @property
    def name(self) -> str:
        """For people."""
        if self.matching == 0:
            return "no record matches"
        share = f"{100 * self.matching:.3g} % of the records match"
        if self.matching == 1:
            share = "every record matches"
        return share if self.receiver_s is None else f"{share}, receiver {_ms(self.receiver_s)}"

    @property
    def short_name(self) -> str:
        """For the end of a line in a plot: with the receiver's time in brackets."""
        if self.matching == 0:
            return "none match"
        share = "all match" if self.matching == 1 else f"{100 * self.matching:.3g} % match"
        return share if self.receiver_s is None else f"{share} ({_ms(self.receiver_s)})"

    @property
    def slug(self) -> str:
        """For file names."""
        waits = "" if not self.receiver_s else f"-{1000 * self.receiver_s:.4g}ms"
        return f"{100 * self.matching:.3g}pct{waits}"

    def best(self) -> list[Sample]:
        """For each level its fastest sample: what else runs on the machine only slows us down.

        Of those that are about as fast, the one that was disturbed least.
        """
        levels: dict[int, list[Sample]] = {}
        for sample in self.samples:
            levels.setdefault(sample.concurrency, []).append(sample)
        return [_best(levels[n]) for n in sorted(levels)]


def _best(samples: Sequence[Sample]) -> Sample:
    fastest = max(sample.throughput for sample in samples)
    about = [sample for sample in samples if sample.throughput >= _ABOUT * fastest]
    return min(about, key=lambda sample: (sample.disturbed, -sample.throughput))


@dataclass(frozen=True, slots=True)
class Measurement:
    """A whole run. ``server`` is which of the two was started, None for a function at ``url``."""

    when: str
    url: str
    server: str | None
    threads: int | None
    machine: str
    pinned: bool
    sender_limit: float
    """Requests a second that the sender can do on one core, seen with an empty server."""
    mixes: Sequence[Mix]

    def failures(self) -> dict[str, int]:
        """Everything that was not answered 2xx, in all samples."""
        total: Counter[str] = Counter()
        for mix in self.mixes:
            for sample in mix.samples:
                total.update(sample.failures)
        return dict(total)


def merge(runs: Sequence[Measurement]) -> Measurement:
    """Runs of the same function on the same machine, as one with all samples; raises RawError."""
    first, *others = runs
    samples: dict[tuple[float, float | None], list[Sample]] = {}
    for run in runs:
        for mix in run.mixes:
            samples.setdefault((mix.matching, mix.receiver_s), []).extend(mix.samples)
    for name in ("server", "url", "threads", "machine", "pinned"):
        for other in others:
            if getattr(first, name) != getattr(other, name):
                raise RawError(
                    f"these runs are not of the same: {name} is {getattr(first, name)} and"
                    f" {getattr(other, name)}"
                )
    mixes = [
        Mix(matching, receiver_s, samples[matching, receiver_s])
        for matching, receiver_s in sorted(samples, key=lambda mix: (mix[0], mix[1] or 0.0))
    ]
    limit = max(run.sender_limit for run in runs)
    return replace(first, mixes=mixes, sender_limit=limit)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.4g} ms"


def histogram(latencies: Iterable[float]) -> dict[int, int]:
    """Seconds, counted by rounded microseconds."""
    return dict(sorted(Counter(_rounded(seconds * 1e6) for seconds in latencies).items()))


def _rounded(us: float) -> int:
    whole = max(1, round(us))
    step = 1 << max(0, whole.bit_length() - _BITS)
    return round(whole / step) * step


def save(path: Path, measurement: Measurement) -> None:
    """Write the file, a sample in a line."""
    found = asdict(measurement)
    mixes = found.pop("mixes")
    lines = [f"{json.dumps(name)}: {json.dumps(value)}," for name, value in found.items()]
    lines.append('"mixes": [')
    for i, mix in enumerate(mixes):
        samples = ",\n  ".join(json.dumps(sample) for sample in mix.pop("samples"))
        head = json.dumps(mix)[:-1]
        lines.append(f'{head}, "samples": [\n  {samples}]}}{"," if i + 1 < len(mixes) else "]"}')
    path.write_text("{" + "\n".join(lines) + "}\n", encoding="utf-8")


def load(path: Path) -> Measurement:
    """Read what ``save`` wrote; raises RawError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RawError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise RawError(f"{path}: is not JSON: {error}") from None
    try:
        measurement = Measurement(**{**found, "mixes": [_mix(mix) for mix in found["mixes"]]})
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else error
        raise RawError(f"{path}: is not a raw.json of `tuning measure`: {why}") from None
    if not all(mix.samples for mix in measurement.mixes) or not measurement.mixes:
        raise RawError(f"{path}: holds no samples")
    return measurement


def _mix(found: Any) -> Mix:
    return Mix(**{**found, "samples": [_sample(sample) for sample in found["samples"]]})


def _sample(found: Any) -> Sample:
    latencies = {int(us): int(count) for us, count in found["latencies_us"].items()}
    sample = Sample(**{**found, "latencies_us": latencies})
    if sample.seconds <= 0 or sample.concurrency < 1:
        raise ValueError("a sample has no time, or nothing in flight")
    return sample
