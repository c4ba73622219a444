"""Measure: each mix of records, each level of concurrency, a few times."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from tuning.errors import TuningError
from tuning.measuring import cpu
from tuning.measuring.answerer import answering
from tuning.measuring.cpu import Meters
from tuning.measuring.events import Events, Target
from tuning.measuring.pod import start
from tuning.measuring.raw import Measurement, Mix, Sample, histogram
from tuning.measuring.sender import Phases, ask, drive

SPARE_THREADS = 2  # function/gunicorn_conf.py: for the probes
_FIRST_WARM_UP_S = 1.0  # the first request makes the function import what it had put off
_WARM_UP_SHARE = 0.2  # of the measured time, before each level
_CALIBRATION = 32  # requests under way to the empty server


class ProbeError(TuningError):
    """The function does not do with our records what the measurement is about."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: ``mixes`` are shares of matching records with a receiver's seconds."""

    levels: Sequence[int]
    mixes: Sequence[tuple[float, float | None]]
    seconds: float
    rounds: int

    @property
    def steps(self) -> int:
        """How many samples there will be, with the look at the sender itself."""
        return 1 + len(self.levels) * len(self.mixes) * self.rounds


Tell = Callable[[str], None]
"""Is told what is measured next."""


def measure(plan: Plan, tell: Tell, *, server: str | None, url: str | None) -> Measurement:
    """Start the function with this server, or drive the one at the URL, and measure.

    Raises StartError, UnreachableError, ProbeError or TargetError.
    """
    core, sender_core = cpu.cores()
    threads = max(plan.levels) + SPARE_THREADS
    with cpu.on(sender_core):
        tell("what the sender itself can do")
        limit = _sender_limit(core, plan.seconds)
        mixes = []
        for matching, receiver_s in plan.mixes:
            mix = Mix(matching, receiver_s if server else None, [])
            with _subject(server, url, threads, receiver_s or 0.0, core) as (target, meters):
                samples = list(_samples(plan, mix, target, meters, tell))
            mixes.append(Mix(matching, mix.receiver_s, samples))
    return Measurement(
        when=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        url=url or "",
        server=server,
        threads=threads if server == "flask" else None,
        machine=_machine(),
        pinned=core is not None,
        sender_limit=limit,
        mixes=mixes,
    )


def _machine() -> str:
    processor = cpu.model() or platform.processor() or platform.machine()
    return f"{os.cpu_count()} x {processor}, Python {platform.python_version()}"


def _sender_limit(core: int | None, seconds: float) -> float:
    """Requests that the sender can send for a second of processor time, to an empty server."""
    with answering(0.0, core) as port:
        target = Target.of(f"http://127.0.0.1:{port}")
        events = Events(target, 0.0, secrets.token_hex(4))
        phases = Phases(seconds * _WARM_UP_SHARE, min(1.0, seconds))
        tally = asyncio.run(drive(target, events.next, _CALIBRATION, phases, Meters().read))
    return round(len(tally.latencies) / tally.used.sender_s, 1)


@contextmanager
def _subject(
    server: str | None, url: str | None, threads: int, receiver_s: float, core: int | None
) -> Iterator[tuple[Target, Meters]]:
    """What is measured, for the length of a block, and what its use of the processor is read by."""
    if server is None:
        yield Target.of(url or ""), Meters()
        return
    with TemporaryDirectory(prefix="measure-") as folder, answering(receiver_s) as receiver:
        with cpu.on(core):  # what is started here stays there
            started = start(server, threads, receiver, Path(folder, "log"))
        with started:
            yield Target.of(started.url), Meters(started.session, core)


def _samples(plan: Plan, mix: Mix, target: Target, meters: Meters, tell: Tell) -> Iterator[Sample]:
    events = Events(target, mix.matching, secrets.token_hex(4))
    _probe(target, events, mix.matching)
    middle = sorted(plan.levels)[len(plan.levels) // 2]
    asyncio.run(drive(target, events.next, middle, Phases(_FIRST_WARM_UP_S, 0.0), meters.read))
    phases = Phases(plan.seconds * _WARM_UP_SHARE, plan.seconds)
    for _ in range(plan.rounds):
        for level in plan.levels:
            tell(f"{mix.name}: {level} in flight")
            yield _sample(target, events, level, phases, meters)


def _sample(target: Target, events: Events, level: int, phases: Phases, meters: Meters) -> Sample:
    tally = asyncio.run(drive(target, events.next, level, phases, meters.read))
    used = tally.used
    others = None
    if used.core_s is not None and used.function_s is not None:
        others = round(max(0.0, used.core_s - used.function_s), 3)
    return Sample(
        concurrency=level,
        seconds=round(tally.seconds, 6),
        latencies_us=histogram(tally.latencies),
        failures=dict(tally.failures),
        example=tally.example,
        cpu_s=None if used.function_s is None else round(used.function_s, 3),
        others_s=others,
        sender_s=round(used.sender_s, 3),
    )


def _probe(target: Target, events: Events, matching: float) -> None:
    """Raises ProbeError where the records do not do what the mix is about."""
    for matches in {matching > 0, matching == 1}:
        answer = asyncio.run(ask(target, events.probe(matches=matches)))
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head[9:12].decode("ascii", "replace")
        excerpt = body[:300].decode("utf-8", "replace").strip()
        if not status.startswith("2"):
            raise ProbeError(f"the function answers {status} to a record: {excerpt}")
        try:
            fired = int(json.loads(body)["matches"])
        except (ValueError, KeyError, TypeError):
            raise ProbeError(f"this is not our function; it answers {status}: {excerpt}") from None
        if matches != (fired > 0):
            does = "fires nothing" if matches else "fires a rule"
            raise ProbeError(
                f"with the rules of this function the record that is sent {does}: measure with"
                f" --matching {0 if matches else 1}, or with the rules that are shipped"
            )
