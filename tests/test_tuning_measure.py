"""From samples to settings: made-up curves, and figures that were captured on a real machine.

tests/tuning/measure-*.json is what ``python -m tuning measure --start … --out`` wrote as raw.json,
on two shared cores, merged from several runs with the fastest sample of each level.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests import real
from tuning import curve, settings_file
from tuning.knative_settings import KnativeSettings, SettingsError, conflicts
from tuning.measuring import command, manifest, raw
from tuning.measuring.manifest import Change, Service, ServiceError
from tuning.measuring.raw import Measurement, Mix, RawError, Sample
from tuning.measuring.recommend import (
    NoRecommendationError,
    Recommendation,
    recommend,
    refuse_failures,
    results,
    warnings,
)

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "knative" / "service.yaml"
CAPTURED = sorted((ROOT / "tests" / "tuning").glob("measure-*.json"))
LEVELS = (1, 2, 4, 8, 16, 32, 64, 128)


def sample(concurrency: int, throughput: float, *, latency_s: float = 0.0, **more: Any) -> Sample:
    """A second of a closed loop; by Little's law, unless the latency is given."""
    latency = latency_s or concurrency / throughput
    return Sample(concurrency, 1.0, {round(latency * 1e6): round(throughput)}, {}, **more)


def mix(
    throughputs: Sequence[float], matching: float = 1.0, receiver_s: float = 0.02, **more: Any
) -> Mix:
    samples = [sample(n, x, **more) for n, x in zip(LEVELS, throughputs, strict=False)]
    return Mix(matching, receiver_s, samples)


def measured(
    *mixes: Mix, server: str | None = "flask", sender_limit: float = 25_000
) -> Measurement:
    return Measurement(
        "2026-08-07T10:15:30+00:00", "", server, 130, "a PC", True, sender_limit, mixes
    )


def service(**changes: Any) -> Service:
    found = manifest.load(SERVICE)
    return replace(found, settings=replace(found.settings, **changes))


def recommended(measurement: Measurement, p99_s: float = 0.5, **changes: Any) -> Recommendation:
    return recommend(results(measurement), service(**changes), measurement, p99_s)


WAITING = (45, 90, 180, 360, 700, 1300, 1500, 1520)  # for its receiver
COMPUTING = (2000, 2500, 2600, 2600, 2550, 2500, 2400, 2300)  # all the time


# containerConcurrency.


def test_it_is_the_lowest_level_whose_target_is_at_the_knee_or_above() -> None:
    """1520 / 45 are 33.8 in flight, which is 70 % of 48.3."""
    found = recommended(measured(mix(WAITING)))
    assert found.container_concurrency == 64
    assert found.target == pytest.approx(44.8)
    assert found.threads == 66
    assert any("with 128 the most, 1,520: the knee is at 33.8" in why for why in found.reasons)
    assert any("a containerConcurrency of 48 or more" in why for why in found.reasons)


def test_the_mix_of_records_that_needs_most_decides() -> None:
    found = recommended(measured(mix(COMPUTING, 0.0), mix(WAITING)))
    assert found.container_concurrency == 64


def test_it_is_not_so_low_that_kafkasource_calls_for_more_pods_than_allowed() -> None:
    """99 in flight are 10 pods at 70 % of 15: of the levels, 16."""
    found = recommended(measured(mix(COMPUTING, 0.0)))
    assert found.container_concurrency == 16
    assert found.pods == 9
    assert any("more than max-scale 10 pods" in why for why in found.reasons)
    assert recommended(measured(mix(COMPUTING, 0.0)), max_scale=0).container_concurrency == 2


def test_latency_has_the_last_word() -> None:
    found = recommended(measured(mix(WAITING)), p99_s=0.03)
    assert found.container_concurrency == 32  # 64 / 1,500 s are 43 ms
    assert any("take 43 ms or longer; 32 is the highest level" in why for why in found.reasons)


def test_latency_may_leave_kafkasource_waiting_for_pods() -> None:
    found = recommended(measured(mix(WAITING)), p99_s=0.0224)
    assert found.container_concurrency == 8
    assert found.pods == 10
    assert any("call for 18 pods, max-scale allows 10" in why for why in found.reasons)


def test_a_level_that_only_one_mix_has_is_not_recommended() -> None:
    other = Mix(0.0, 0.02, [sample(n, x) for n, x in ((1, 900), (32, 1000), (128, 1000))])
    assert recommended(measured(other, mix(WAITING))).container_concurrency == 128
    alone = Mix(0.0, 0.02, [sample(n, 900) for n in (3, 5, 7)])
    with pytest.raises(NoRecommendationError, match="no level was measured with every mix"):
        recommended(measured(alone, mix(WAITING)))


def test_a_latency_that_no_level_keeps_to_is_refused() -> None:
    with pytest.raises(NoRecommendationError, match=r"even with 1 in flight .* than 5 ms"):
        recommended(measured(mix(WAITING)), p99_s=0.005)


def test_the_asgi_server_needs_no_threads() -> None:
    assert recommended(measured(mix(WAITING), server="asgi")).threads is None


def test_another_target_utilization_or_target_of_the_service_counts() -> None:
    assert recommended(measured(mix(WAITING)), utilization=50).container_concurrency == 128
    assert recommended(measured(mix(WAITING)), utilization=50).target == 64
    assert recommended(measured(mix(WAITING)), target=20).target == pytest.approx(14)
    assert recommended(measured(mix(WAITING)), metric="rps", target=9).target == pytest.approx(44.8)


@given(
    st.lists(st.floats(1, 1e4), min_size=len(LEVELS), max_size=len(LEVELS)),
    st.integers(0, 50),
    st.floats(1, 100),
)
def test_whatever_was_measured_knative_takes_what_is_recommended(
    throughputs: list[float], max_scale: int, utilization: float
) -> None:
    measurement = measured(mix(throughputs, cpu_s=0.5))
    found = recommended(measurement, 1e4, max_scale=max_scale, utilization=utilization)
    now = service(max_scale=max_scale, utilization=utilization).settings
    after = replace(now, container_concurrency=found.container_concurrency)
    assert list(conflicts(after)) == []
    assert found.container_concurrency in LEVELS
    assert found.target == pytest.approx(after.scale_spec().target)
    assert found.threads == found.container_concurrency + 2
    assert found.cpu is not None
    assert 50 <= found.cpu <= 1000


# The CPU request.


def test_the_cpu_request_is_what_a_pod_uses_at_its_target() -> None:
    """44.8 in flight: between 0.5 of a core at 32 and 0.9 at 64."""
    samples = [
        replace(each, cpu_s=cpu)
        for each, cpu in zip(
            mix(WAITING).samples, (0.02, 0.04, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0), strict=True
        )
    ]
    found = recommended(measured(Mix(1.0, 0.02, samples)))
    assert found.cpu == 650  # 0.66, in steps of 50 millicores
    assert any("keeps 0.66 of a core busy" in why for why in found.reasons)


def test_it_is_never_above_the_limit_which_kubernetes_would_refuse() -> None:
    measurement = measured(mix(WAITING, cpu_s=0.9))
    tight = replace(service(), cpu_limit=500)
    found = recommend(results(measurement), tight, measurement, 0.5)
    assert found.cpu == 500
    assert any("limits a pod to 500m, but it was measured with a whole" in w for w in found.reasons)


def test_without_figures_there_is_none() -> None:
    found = recommended(measured(mix(WAITING)))
    assert found.cpu is None
    assert any("does not show its use" in why for why in found.reasons)


# Doubts.


def doubts(measurement: Measurement) -> str:
    return " ".join(warnings(results(measurement), measurement))


def test_good_figures_leave_no_doubt() -> None:
    assert doubts(measured(mix(COMPUTING))) == ""


def test_a_law_that_does_not_fit() -> None:
    assert "the universal scalability law is off by" in doubts(measured(mix((9, 90, 9, 90, 9))))


def test_a_limit_that_was_not_reached() -> None:
    assert "still rises at 8 in flight: add a level" in doubts(measured(mix((10, 20, 40, 80))))


def test_a_sender_that_was_the_limit() -> None:
    measurement = measured(mix(COMPUTING), sender_limit=3000)
    assert "The sender was near its own limit, 3,000 requests" in doubts(measurement)


def test_a_machine_that_was_busy() -> None:
    assert "took up to 30 % of the function's core" in doubts(
        measured(mix(COMPUTING, others_s=0.3))
    )


def test_cores_that_could_not_be_told_apart() -> None:
    measurement = replace(measured(mix(COMPUTING)), pinned=False)
    assert "shared their cores" in doubts(measurement)


def test_a_single_failure_forbids_a_recommendation_and_is_shown() -> None:
    bad = replace(sample(2, 90), failures={"503": 3, "connection lost": 1}, example='{"title":"x"}')
    with pytest.raises(NoRecommendationError) as raised:
        refuse_failures(measured(Mix(1.0, 0.02, [sample(1, 45), bad, sample(4, 180)])))
    said = str(raised.value)
    assert "3 x 503, 1 x connection lost" in said
    assert "every record matches, receiver 20 ms, 2 in flight" in said
    assert said.endswith('The first of them: {"title":"x"}')


# Samples and their file.


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    found = Sample(4, 2.0, {100: 50, 200: 49, 3000: 1}, {})
    assert (found.percentile(0.5), found.percentile(0.51)) == (0.0001, 0.0002)
    assert (found.percentile(0.99), found.percentile(1.0)) == (0.0002, 0.003)
    assert found.throughput == 50
    assert found.mean_s == pytest.approx((50 * 100 + 49 * 200 + 3000) / 100 / 1e6)
    assert math.isnan(Sample(1, 1.0, {}, {}).percentile(0.5))


@given(st.lists(st.floats(1e-6, 100), min_size=1))
def test_a_histogram_keeps_each_latency_within_one_percent(latencies: list[float]) -> None:
    found = Sample(1, 1.0, raw.histogram(latencies), {})
    assert found.answered == len(latencies)
    assert found.percentile(1.0) == pytest.approx(max(latencies), rel=0.01, abs=0.51e-6)
    assert found.percentile(0.0) == pytest.approx(min(latencies), rel=0.01, abs=0.51e-6)


def test_of_several_rounds_the_fastest_sample_counts() -> None:
    found = Mix(0.0, None, [sample(2, 80), sample(1, 40), sample(2, 90), sample(1, 50)]).best()
    assert [(each.concurrency, each.throughput) for each in found] == [(1, 50), (2, 90)]


def test_of_samples_that_are_about_as_fast_the_least_disturbed_counts() -> None:
    quiet, busy = sample(1, 99, others_s=0.01), sample(1, 100, others_s=0.6)
    assert Mix(0.0, None, [busy, quiet]).best() == [quiet]


def test_a_file_holds_everything(tmp_path: Path) -> None:
    measurement = measured(mix(COMPUTING, 0.0, cpu_s=0.5, others_s=0.1), mix(WAITING))
    raw.save(tmp_path / "raw.json", measurement)
    found = raw.load(tmp_path / "raw.json")
    assert [list(each.samples) for each in found.mixes] == [
        list(each.samples) for each in measurement.mixes
    ]
    assert replace(found, mixes=()) == replace(measurement, mixes=())


NO_TIME = (
    '{"mixes": [{"matching": 1, "receiver_s": 0, "samples":'
    ' [{"concurrency": 1, "seconds": 0, "latencies_us": {}, "failures": {}}]}]}'
)


def test_runs_are_merged_by_mix() -> None:
    one = measured(mix(WAITING), sender_limit=20_000)
    other = measured(mix(COMPUTING, 0.0), mix(WAITING), sender_limit=30_000)
    found = raw.merge([one, other])
    assert [(each.matching, len(each.samples)) for each in found.mixes] == [(0.0, 8), (1.0, 16)]
    assert found.sender_limit == 30_000


def test_runs_of_different_servers_are_not_merged() -> None:
    with pytest.raises(RawError, match="server is flask and asgi"):
        raw.merge([measured(mix(WAITING)), measured(mix(WAITING), server="asgi")])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("{}", "is not a raw.json of `tuning measure`"),
        ("[]", "is not a raw.json"),
        ('{"mixes": []}', "is not a raw.json"),
        (NO_TIME, "is not a raw.json of `tuning measure`: a sample has no time"),
    ],
)
def test_a_file_that_is_none_of_ours(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "raw.json"
    path.write_text(text)
    with pytest.raises(RawError, match=f"^{re.escape(str(path))}: {says}"):
        raw.load(path)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(RawError, match=r"nowhere\.json: cannot be read: No such file"):
        raw.load(Path("nowhere.json"))


# The patch.


def applied(operations: list[dict[str, Any]], document: dict[str, Any]) -> dict[str, Any]:
    """RFC 6902, as far as the patch uses it."""
    for operation in operations:
        *path, last = operation["path"].lstrip("/").split("/")
        at: Any = document
        for step in path:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list) and last == "-":
            at.append(operation["value"])
        elif isinstance(at, list):
            at[int(last)] = operation["value"]
        else:
            at[last] = operation["value"]
    return document


CHANGE = Change(container_concurrency=100, server="asgi", threads=102, cpu=650)


def container_after(container: dict[str, Any], change: Change = CHANGE) -> dict[str, Any]:
    before = {"spec": {"template": {"spec": {"containers": [container]}}}}
    found = Service("x", KnativeSettings(), container, None)
    after = applied(yaml.safe_load(manifest.patch(found, change, "a test")), before)
    assert after["spec"]["template"]["spec"]["containerConcurrency"] == 100
    [changed] = after["spec"]["template"]["spec"]["containers"]
    assert isinstance(changed, dict)
    return changed


@pytest.mark.parametrize(
    "container",
    [
        {},
        {"env": []},
        {"env": [{"name": "THREADS", "value": "34"}], "resources": {"limits": {"cpu": "1"}}},
        {"env": [{"name": "A", "value": "b"}], "resources": {"requests": {"cpu": "100m"}}},
    ],
)
def test_a_patch_changes_what_is_there_and_adds_what_is_not(container: dict[str, Any]) -> None:
    kept = [entry for entry in container.get("env", []) if entry["name"] == "A"]
    after = container_after(container)
    assert sorted(after["env"], key=str) == sorted(
        [*kept, {"name": "SERVER", "value": "asgi"}, {"name": "THREADS", "value": "102"}], key=str
    )
    assert after["resources"]["requests"] == {"cpu": "650m"}


def test_a_patch_is_silent_about_what_the_function_does_anyway() -> None:
    change = Change(container_concurrency=100, server="flask", threads=66, cpu=None)
    assert container_after({}, change) == {}


def test_kustomize_applies_the_patch_to_this_projects_service(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "knative", tmp_path / "knative")
    text = manifest.patch(service(), CHANGE, "a test")
    (tmp_path / "service-patch.yaml").write_text(text)
    said = re.findall(r"^#   (.*)", text, re.MULTILINE)
    (tmp_path / "kustomization.yaml").write_text("\n".join(["resources: [knative]", *said]))
    run = subprocess.run(
        [*real.kustomize(), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    documents = list(yaml.safe_load_all(run.stdout))
    [built] = [each for each in documents if each["kind"] == "Service"]
    settings = settings_file.read([built])  # with every check of Knative's webhook
    assert settings == replace(service().settings, container_concurrency=100)
    [container] = built["spec"]["template"]["spec"]["containers"]
    assert {"name": "THREADS", "value": "102"} in container["env"]
    assert container["resources"]["requests"]["cpu"] == "650m"


def test_a_service_is_read_with_its_limit() -> None:
    found = manifest.load(SERVICE)
    assert (found.name, found.cpu_limit, found.cpu_request) == ("logs-handler", 1000, "100m")
    assert found.variable("RECEIVER") == "notification-manager"
    assert found.variable("THREADS") == "66"


@pytest.mark.parametrize(("quantity", "millicores"), [("250m", 250), ("1", 1000), (0.5, 500)])
def test_quantities(quantity: object, millicores: int) -> None:
    assert manifest.millicores(quantity) == millicores


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("containerConcurrency: 3", ServiceError, "no Service that a patch could be for"),
        ("containerConcurrency: -3", SettingsError, "must be a whole number from 0 to 1000"),
    ],
)
def test_a_service_file_that_cannot_be_used(
    tmp_path: Path, text: str, error: type[Exception], says: str
) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(text)
    with pytest.raises(error, match=says):
        manifest.load(path)


# Figures of a real machine.


def measure(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    options = parser.parse_args(["measure", *arguments])
    status: int = options.main(options)
    return status


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_captured_figures_agree_with_littles_law(path: Path) -> None:
    """Each sample: what is in flight is throughput times latency, but for the sender's pauses."""
    for each in raw.load(path).mixes:
        for found in each.samples:
            in_flight = found.throughput * found.mean_s
            assert 0.7 * found.concurrency < in_flight < 1.1 * found.concurrency


@pytest.mark.parametrize(
    ("server", "expected", "knees"),
    [("flask", (64, 66, 1000, 3), [1, 2, 41]), ("asgi", (128, None, 1000, 2), [3, 3, 57])],
)
def test_what_was_captured_recommends_what_the_documentation_says(
    server: str, expected: tuple[int | None, ...], knees: list[int]
) -> None:
    measurement = raw.load(ROOT / "tests" / "tuning" / f"measure-{server}.json")
    found = recommended(measurement)
    assert (found.container_concurrency, found.threads, found.cpu, found.pods) == expected
    assert [round(result.knee) for result in results(measurement)] == knees


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem)
def test_captured_figures_are_reported_and_saved_again(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure("--from", str(path), "--out", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "recommended" in out
    assert {each.suffix for each in tmp_path.iterdir()} == {".json", ".png", ".svg", ".yaml"}
    for each in raw.load(path).mixes:
        assert each.name in out
        assert curve.load(tmp_path / f"curve-{each.slug}.json").usl is not None
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert raw.load(tmp_path / "raw.json").when == raw.load(path).when


def test_failures_are_shown_in_the_table_and_end_the_command_with_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = [replace(each, failures={"503": 7}) for each in mix(WAITING).samples]
    raw.save(tmp_path / "raw.json", measured(Mix(1.0, 0.02, samples)))
    assert measure("--from", str(tmp_path / "raw.json")) == 1
    out = capsys.readouterr().out
    assert "not 2xx" in out
    assert "No recommendation: requests were not answered 2xx (56 x 503)" in out
    assert "containerConcurrency" not in out


def test_too_few_levels_in_a_file_are_said_to_be_too_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw.save(tmp_path / "raw.json", measured(mix((10, 20))))
    assert measure("--from", str(tmp_path / "raw.json")) == 1
    assert "measure at 3 levels" in capsys.readouterr().out
