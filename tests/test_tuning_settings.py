"""Settings are read from the YAML that people have, and what Knative refuses is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tuning import fields, settings_file
from tuning.knative_settings import KnativeSettings, SettingsError

ROOT = Path(__file__).resolve().parent.parent


def bare(**settings: Any) -> KnativeSettings:
    """The settings of a bare mapping; underscores stand for hyphens."""
    return settings_file.read([{key.replace("_", "-"): text for key, text in settings.items()}])


def refused(**settings: Any) -> str:
    """The one problem with a bare mapping."""
    with pytest.raises(SettingsError) as caught:
        bare(**settings)
    [problem] = caught.value.problems
    return problem


def test_this_projects_service_can_be_read() -> None:
    settings = settings_file.load(ROOT / "knative" / "service.yaml")
    service = yaml.safe_load((ROOT / "knative" / "service.yaml").read_text())
    template = service["spec"]["template"]
    assert settings.container_concurrency == template["spec"]["containerConcurrency"]
    assert settings.timeout_s == template["spec"]["timeoutSeconds"]
    annotations = template["metadata"]["annotations"]
    assert str(settings.max_scale) == annotations["autoscaling.knative.dev/max-scale"]


def test_without_a_setting_it_is_knatives_default() -> None:
    settings = settings_file.read([{}])
    assert settings == KnativeSettings()
    spec = settings.scale_spec()
    assert (spec.target, spec.total, spec.tbc, spec.panic_threshold) == (70, 100, 211, 2)
    assert (settings.window_s, settings.panic_window_s) == (60, 6)


@pytest.mark.parametrize(
    ("concurrency", "target", "total", "wanted"),
    [(1, None, 1, 0.7), (4, None, 4, 2.8), (0, None, 100, 70), (10, 5, 5, 3.5), (10, 50, 10, 7)],
)
def test_the_target_is_a_share_of_the_smaller_limit(
    concurrency: int, target: int | None, total: float, wanted: float
) -> None:
    document: dict[str, Any] = {"containerConcurrency": concurrency}
    settings = settings_file.read([document if target is None else {**document, "target": target}])
    assert settings.total == total
    assert settings.scale_spec().target == pytest.approx(wanted)


def test_requests_per_second_have_a_target_of_their_own() -> None:
    assert bare(metric="rps").scale_spec().target == pytest.approx(140)
    assert bare(metric="rps", target=50).total == 50


def test_the_older_spelling_and_the_full_name_are_the_same_setting() -> None:
    full = settings_file.read([{"annotations": {"autoscaling.knative.dev/min-scale": "3"}}])
    assert full == settings_file.read([{"minScale": 3}]) == bare(min_scale="3")


def test_the_clusters_config_map_sets_what_the_service_does_not() -> None:
    cluster = {
        "kind": "ConfigMap",
        "metadata": {"name": "config-autoscaler"},
        "data": {
            "stable-window": "120s",
            "max-scale-down-rate": "1.5",
            "scale-to-zero-grace-period": "1m",
            "enable-scale-to-zero": "false",
            "_example": "not read",
        },
    }
    settings = settings_file.read([cluster, {"window": "30s"}])
    assert settings.window_s == 30
    assert (settings.max_down, settings.grace_s, settings.scale_to_zero) == (1.5, 60, False)


@pytest.mark.parametrize(
    ("settings", "right"),
    [
        ({"min_scale": "-1"}, "a whole number, 0 or more"),
        ({"max_scale": "many"}, "a whole number, 0 or more"),
        ({"activation_scale": "1"}, "a whole number, 2 or more"),
        ({"window": "5s"}, "a duration from 6s to 1h, in whole seconds"),
        ({"window": "6500ms"}, "a duration from 6s to 1h, in whole seconds"),
        ({"window": "61m"}, "a duration from 6s to 1h, in whole seconds"),
        ({"window": "60"}, "a duration from 6s to 1h, in whole seconds"),
        ({"panic_window_percentage": "0.5"}, "a number from 1 to 100"),
        ({"panic_threshold_percentage": "109"}, "a number from 110 to 1000"),
        ({"target": "0"}, "a number, 0.01 or more"),
        ({"target_utilization_percentage": "101"}, "a number from 1 to 100"),
        ({"target_utilization_percentage": "0"}, "a number from 1 to 100"),
        ({"target_burst_capacity": "-2"}, "-1, 0 or a number above 0"),
        ({"target_burst_capacity": "nan"}, "-1, 0 or a number above 0"),
        ({"scale_down_delay": "1h1s"}, "a duration from 0s to 1h, in whole seconds"),
        ({"scale_to_zero_pod_retention_period": "2h"}, "a duration from 0s to 1h"),
        ({"metric": "cpu"}, "concurrency or rps"),
        ({"class": "hpa.autoscaling.knative.dev"}, "kpa.autoscaling.knative.dev"),
    ],
)
def test_a_value_that_the_webhook_refuses_is_refused_with_its_name_and_range(
    settings: dict[str, str], right: str
) -> None:
    [(name, text)] = settings.items()
    key = f"autoscaling.knative.dev/{name.replace('_', '-')}"
    assert refused(**settings) == f"{key} is {text}: it must be {right}"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"min_scale": 3, "max_scale": 2},
            "max-scale is 2: it must be at least min-scale, 3, or 0",
        ),
        ({"activation_scale": 2, "min_scale": 3}, "activation-scale is 2: it must be at least"),
        ({"activation_scale": 5, "max_scale": 3}, "activation-scale is 5: it must be at most"),
        ({"initial_scale": 0}, "initial-scale is 0: it must be 1 or more, as long as"),
        ({"containerConcurrency": 1001}, "containerConcurrency is 1001: it must be a whole number"),
        ({"timeoutSeconds": 601}, "timeoutSeconds is 601: it must be a whole number from 0 to 600"),
        ({"containerConcurrency": "8"}, "containerConcurrency is '8': it must be a whole number"),
    ],
)
def test_values_that_do_not_go_together_are_refused(settings: dict[str, Any], problem: str) -> None:
    assert problem in refused(**settings)


def test_a_typing_error_is_named_with_what_was_meant() -> None:
    assert refused(max_scal=1).endswith(
        "max-scal is not a setting of Knative's autoscaler: did you mean max-scale?"
    )


def test_all_problems_are_told_at_once_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("window: 1s\ntarget: 0\ncontainerConcurrency: 2000\n")
    with pytest.raises(SettingsError) as caught:
        settings_file.load(path)
    assert len(caught.value.problems) == 3
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)


def test_what_the_api_server_would_refuse_in_a_manifest_is_refused() -> None:
    service: dict[str, Any] = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"annotations": {"autoscaling.knative.dev/min-scale": "1"}},
        "spec": {
            "template": {"metadata": {"annotations": {"autoscaling.knative.dev/max-scale": 3}}}
        },
    }
    with pytest.raises(SettingsError) as caught:
        settings_file.read([service])
    misplaced, unquoted = caught.value.problems
    assert "move it to spec.template.metadata.annotations" in misplaced
    assert "put it in quotes" in unquoted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n- b\n", "a document is not a mapping"),
        ("a: [1\n", "is not YAML"),
        ("kind: ConfigMap\n", "want one Knative Service or one mapping of settings, found none"),
        ("min-scale: 1\n---\nmin-scale: 2\n", "found 2"),
    ],
)
def test_a_file_that_holds_no_settings_says_what_is_wanted(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=problem):
        settings_file.load(path)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml: cannot be read"):
        settings_file.load(Path("nowhere.yaml"))


@given(
    st.builds(
        KnativeSettings,
        container_concurrency=st.integers(0, 1000),
        min_scale=st.integers(0, 5),
        max_scale=st.sampled_from([0, 5, 50]),
        window_s=st.integers(6, 3600).map(float),
        panic_window=st.integers(1, 100).map(float),
        panic_threshold=st.integers(110, 1000).map(float),
        target=st.sampled_from([0, 0.5, 10]),
        utilization=st.integers(1, 100).map(float),
        burst_capacity=st.sampled_from([-1, 0, 10.0, 211]),
        scale_down_delay_s=st.integers(0, 3600).map(float),
        retention_s=st.integers(0, 3600).map(float),
        weighted=st.booleans(),
        metric=st.sampled_from(["concurrency", "rps"]),
    )
)
def test_settings_written_as_annotations_are_read_back_the_same(settings: KnativeSettings) -> None:
    written = dict(settings_file.annotations_of(settings, KnativeSettings()))
    document = {"annotations": written, "containerConcurrency": settings.container_concurrency}
    assert settings_file.read([document]) == settings


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert fields.duration(text) >= 0
    except ValueError as error:
        assert str(error) == "a duration such as 90s or 1m30s"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("1m30s", 90), ("0.5h", 1800), ("100ms", 0.1), (".5s", 0.5)],
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert fields.duration(text) == pytest.approx(seconds)
