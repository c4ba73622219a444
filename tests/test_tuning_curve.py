"""A pod's measured curve: what its file may say, and what the law makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning import curve
from tuning.curve import Curve, CurveError, Usl

GOOD = {
    "service_time_s": 0.004,
    "usl": {"lambda": 240, "sigma": 0.05, "kappa": 0.0004},
    "receiver_s": 0.002,
}


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    path.write_text(json.dumps(GOOD))
    found = curve.load(path)
    assert found == Curve(0.004, Usl(240, 0.05, 0.0004), 0.002)
    assert found.latency(1) == pytest.approx(1 / 240)
    assert found.as_json() == GOOD


def test_without_a_law_a_busy_pod_is_as_fast_as_an_idle_one() -> None:
    found = curve.read({"service_time_s": 0.1})
    assert found.latency(1) == found.latency(500) == 0.1


@given(st.floats(1, 1e4), st.floats(0, 0.99), st.floats(0, 0.1), st.integers(1, 1000))
def test_throughput_and_latency_agree_with_littles_law(
    slot: float, sigma: float, kappa: float, n: int
) -> None:
    usl = Usl(slot, sigma, kappa)
    found = Curve(1 / slot, usl)
    assert n == pytest.approx(usl.throughput(n) * found.latency(n))
    assert found.latency(n + 1) >= found.latency(n) * (1 - 1e-9)


@given(st.floats(0.01, 0.9), st.floats(1e-5, 0.1))
def test_throughput_is_highest_at_the_best_concurrency(sigma: float, kappa: float) -> None:
    usl = Usl(100, sigma, kappa)
    best = usl.best_concurrency
    assert usl.throughput(best) >= usl.throughput(best * 1.1)
    assert usl.throughput(best) >= usl.throughput(best * 0.9)


def test_another_receiver_only_adds_waiting() -> None:
    found = curve.read(GOOD)
    slower = found.with_receiver(0.502)
    assert slower.latency(1) == pytest.approx(found.latency(1) + 0.5)
    assert slower.latency(50) == pytest.approx(found.latency(50) + 0.5)
    assert found.with_receiver(0).latency(1) > 0


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([], "want an object"),
        ({}, "service_time_s is null: it must be a number above 0"),
        ({"service_time_s": 0}, "service_time_s is 0: it must be a number above 0"),
        ({"service_time_s": "4ms"}, 'service_time_s is "4ms": it must be a number above 0'),
        ({"service_time_s": True}, "service_time_s is true"),
        ({"service_time": 1}, "service_time is unknown: want receiver_s, service_time_s, usl"),
        ({"service_time_s": 1, "receiver_s": 2}, "receiver_s is 2: it is a part of service_time_s"),
        ({"service_time_s": 1, "usl": 3}, "usl must be an object"),
        ({"service_time_s": 1, "usl": {"lambda": 1}}, "usl.sigma is null: it must be a number, 0"),
        (
            {"service_time_s": 1, "usl": {"lambda": 1, "sigma": 1, "kappa": 0}},
            "usl.sigma is 1: it must be below 1",
        ),
        (
            {"service_time_s": 4, "usl": {"lambda": 240, "sigma": 0, "kappa": 0}},
            "usl.lambda is 240 requests a second, but service_time_s is 4: one slot would do 0.25",
        ),
    ],
)
def test_a_file_that_cannot_be_used_names_the_field(found: Any, problem: str) -> None:
    with pytest.raises(CurveError) as caught:
        curve.read(found)
    assert problem in str(caught.value)


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "curve.json"
    with pytest.raises(CurveError, match=r"curve\.json: cannot be read"):
        curve.load(path)
    path.write_text("{")
    with pytest.raises(CurveError, match=r"curve\.json: is not JSON"):
        curve.load(path)
    path.write_text("{}")
    with pytest.raises(CurveError, match=r"curve\.json: service_time_s is null"):
        curve.load(path)
