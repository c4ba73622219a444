"""The pictures of docs/tuning.md, drawn by the simulator: ``python -m tuning docs``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from tuning import plots, simulate, style, traffic
from tuning.curve import Curve
from tuning.knative_settings import KnativeSettings
from tuning.results import Results
from tuning.simulate import Scenario
from tuning.style import COLOURS, INK, PALE, SHADE

_SETTINGS = KnativeSettings(container_concurrency=10, max_scale=20)
_CURVE = Curve(0.1)


def draw(folder: Path) -> Iterator[Path]:
    """Draw all of them; yields each file that was written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PICTURES.items():
        path = folder / f"{name}.svg"
        style.save(make(), path)
        yield path


def panic() -> Figure:
    """Both averages and the pods, while the load becomes twenty times what it was."""
    settings = replace(_SETTINGS, min_scale=1)
    scenario = Scenario(traffic.step(20, 400, 30, 180), _CURVE)
    run = simulate.run(settings, scenario)
    made, (seen, pods) = style.figure(
        2, "A sudden load: what the autoscaler sees, and what it does"
    )
    style.minutes(pods, run.duration_s)
    samples = [sample for sample in run.samples if sample.t <= run.duration_s]
    times = [sample.t for sample in samples]
    style.title(seen, "Requests in the system, all pods together", "the load jumps at 30 s")
    panics = [sample.panicking for sample in samples]
    most = 1.1 * max(sample.panic for sample in samples)
    for axes, top in ((seen, most), (pods, 1.15 * run.most_pods)):
        axes.fill_between(times, top, where=panics, color=SHADE, step="post", linewidth=0)
        axes.set_ylim(0, top)
    seen.plot(times, [sample.panic for sample in samples], color=COLOURS[1])
    seen.plot(times, [sample.stable for sample in samples], color=COLOURS[0])
    style.label_ends(
        seen,
        [
            (samples[-1].panic, "average of 6 s", COLOURS[1]),
            (samples[-1].stable, "average of 60 s", COLOURS[0]),
        ],
    )
    target = settings.scale_spec().target
    by_stable = [min(-(-sample.stable // target), run.most_pods) for sample in samples]
    style.title(pods, "Pods", "shaded: panic mode, in which no pod is taken away")
    pods.plot(times, by_stable, color=PALE, linewidth=1.2, drawstyle="steps-post")
    pods.plot(times, [sample.ready for sample in samples], color=COLOURS[0], drawstyle="steps-post")
    pods.annotate("grey: the wish of the 60 s average", (40, 8.2), fontsize=9)
    style.label_ends(pods, [(float(samples[-1].ready), "ready", COLOURS[0])])
    return made


def burst_capacity() -> Figure:
    """A burst that is held back by the activator, or refused by the pods."""
    settings = replace(_SETTINGS, min_scale=1)
    scenario = Scenario(traffic.burst(20, 600, 60, 10, 60), _CURVE)
    return plots.several(
        [
            _named("capacity 211", settings, scenario),
            _named("capacity 0", replace(settings, burst_capacity=0), scenario),
        ],
        records=False,
        heading="target-burst-capacity: queue a burst, or refuse it",
    )


def window() -> Figure:
    """The same bursts with a short and a long stable window."""
    scenario = Scenario(traffic.burst(20, 300, 120, 20, 480), _CURVE)
    return plots.several(
        [
            _named(f"window {seconds}s", replace(_SETTINGS, window_s=seconds), scenario)
            for seconds in (15, 60, 180)
        ],
        records=False,
        heading="window: forget a burst soon, or keep its pods for the next one",
    )


def last_pod() -> Figure:
    """How long the last pod stays when the requests stop, by setting."""
    settings = replace(_SETTINGS, max_scale=5)
    cases = {
        "Knative's defaults": settings,
        "window 15s": replace(settings, window_s=15),
        "scale-down-delay 30s": replace(settings, scale_down_delay_s=30),
        "scale-to-zero-pod-retention-period 2m": replace(settings, retention_s=120),
        "target-burst-capacity 0": replace(settings, burst_capacity=0),
    }
    stops, lasts = 60, 260
    scenario = Scenario(traffic.step(200, 0, stops, lasts), _CURVE)
    heading = "Requests stop at 60 s: the pods that are left, by what is set"
    made, panels = style.figure(len(cases), heading, 1.15)
    style.minutes(panels[-1], lasts)
    for axes, (name, case) in zip(panels, cases.items(), strict=True):
        samples = [sample for sample in simulate.run(case, scenario).samples if sample.t <= lasts]
        times, pods = [sample.t for sample in samples], [sample.pods for sample in samples]
        gone = max(t for t, number in zip(times, pods, strict=True) if number) + 1 - stops
        style.title(axes, name, f"the last one is deleted {gone:.0f} s after the last request")
        axes.stairs(pods, [*times, lasts + 1], fill=True, color=COLOURS[0], alpha=0.4)
        axes.axvline(stops, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_ylim(0, 6)
        axes.set_yticks((0, 2, 4, 6))
    return made


def utilization() -> Figure:
    """What a fuller pod saves, and what it costs in latency."""
    scenario = Scenario(traffic.diurnal(5, 250, 600, 600), _CURVE)
    settings = KnativeSettings(container_concurrency=4, min_scale=1, max_scale=50)
    heading = "target-utilization-percentage: fuller pods save money until they queue"
    made, [axes] = style.figure(1, heading, 4.2)
    style.title(
        axes,
        "Latency, 99 % are within (mean of three runs)",
        "a day in ten minutes, containerConcurrency 4",
    )
    costs, latencies = [], []
    for share in (30, 40, 50, 60, 70, 80, 90, 100):
        fuller = replace(settings, utilization=share)
        runs = [simulate.run(fuller, replace(scenario, seed=seed)) for seed in (1, 2, 3)]
        costs.append(fmean(run.pod_seconds for run in runs))
        latencies.append(fmean(run.percentile(0.99) for run in runs))
        axes.annotate(
            f"{share} %",
            (costs[-1], latencies[-1]),
            xytext=(-8, -3) if share > 60 else (8, 5),
            textcoords="offset points",
            ha="right" if share > 60 else "left",
            fontsize=9,
        )
    axes.plot(costs, latencies, color=COLOURS[0], marker="o")
    style.times_up(axes)
    axes.set_xlim(left=0)
    axes.set_xlabel("pod-seconds")
    return made


def _named(name: str, settings: KnativeSettings, scenario: Scenario) -> Results:
    return simulate.run(settings, scenario, name)


PICTURES: Mapping[str, Callable[[], Figure]] = {
    "panic": panic,
    "burst-capacity": burst_capacity,
    "window": window,
    "last-pod": last_pod,
    "utilization": utilization,
}
