"""What a measurement ends in: tables and sentences for people, files for everything else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tuning.curve import Curve
from tuning.measuring import manifest, tables
from tuning.measuring.manifest import Change, Service
from tuning.measuring.raw import Measurement
from tuning.measuring.recommend import Recommendation, Result, warnings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured, for which Service, what it means, and what follows."""

    measurement: Measurement
    service: Service
    results: Sequence[Result]
    recommended: Recommendation


def show_levels(console: Console, measurement: Measurement) -> None:
    """The figures as they are, where nothing follows from them."""
    console.print(tables.about(measurement))
    for mix in measurement.mixes:
        console.print(tables.levels(mix, None))


def show(console: Console, outcome: Outcome) -> None:
    """Tables, reasons, what a pod then does, and what makes the figures doubtful."""
    console.print(tables.about(outcome.measurement))
    for result in outcome.results:
        console.print(tables.levels(result.mix, result))
        console.print(tables.law(result))
    console.print(tables.settings(outcome.recommended, outcome.service))
    capacity = tables.capacity(outcome.results, outcome.recommended)
    doubts = warnings(outcome.results, outcome.measurement)
    for heading, sentences in (
        ("why", outcome.recommended.reasons),
        ("what a pod then does", capacity),
        ("doubts", doubts),
    ):
        for number, sentence in enumerate(sentences):
            if number == 0:
                console.print(f"[italic]{heading}[/]")
            console.print(f"- {sentence}")


def save(folder: Path, outcome: Outcome) -> list[str]:
    """Write the plots, the patch and a curve for each mix; the files' names."""
    from tuning import style  # matplotlib takes a while
    from tuning.measuring import picture

    measurement, recommended = outcome.measurement, outcome.recommended
    subject = f"SERVER={measurement.server}" if measurement.server else measurement.url
    heading = f"What one pod can do: {subject}, {measurement.when[:10]}"
    drawn = picture.draw(outcome.results, recommended, heading)
    names = ["curve.png", "curve.svg", "service-patch.yaml"]
    for name in names[:2]:
        style.save(drawn, folder / name)
    change = Change(
        recommended.container_concurrency,
        measurement.server,
        recommended.threads,
        recommended.cpu,
    )
    origin = f"From `python -m tuning measure`, {tables.about(measurement)}"
    (folder / names[2]).write_text(
        manifest.patch(outcome.service, change, origin), encoding="utf-8"
    )
    for result in outcome.results:
        alone = len(outcome.results) == 1
        names.append("curve.json" if alone else f"curve-{result.mix.slug}.json")
        text = json.dumps(curve_of(result).as_json()) + "\n"
        (folder / names[-1]).write_text(text, encoding="utf-8")
    return names


def curve_of(result: Result) -> Curve:
    """What ``simulate --curve`` takes: the law, and what of a lone request is the receiver's."""
    alone_s = 1 / result.fit.usl.lambda_
    waits_s = (result.mix.receiver_s or 0.0) * result.mix.matching
    return Curve(alone_s, result.fit.usl, min(waits_s, alone_s))
