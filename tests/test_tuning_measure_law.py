"""The universal scalability law and the knee, on curves whose numbers are known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.curve import Usl
from tuning.measuring import law
from tuning.measuring.law import FitError, Point

LEVELS = (1, 2, 4, 8, 16, 32, 64, 128)


def points(usl: Usl, levels: tuple[int, ...] = LEVELS) -> list[Point]:
    return [(n, usl.throughput(n)) for n in levels]


@given(st.floats(1, 1e5), st.floats(0, 0.99), st.floats(0, 0.05))
def test_the_fit_finds_the_numbers_that_a_curve_was_made_of(
    slot: float, sigma: float, kappa: float
) -> None:
    found = law.fit(points(Usl(slot, sigma, kappa)))
    assert found.usl.lambda_ == pytest.approx(slot, rel=1e-4)
    assert found.usl.sigma == pytest.approx(sigma, abs=1e-4)
    assert found.usl.kappa == pytest.approx(kappa, abs=1e-6)
    assert found.error < 1e-4
    assert found.holds


@given(
    st.floats(10, 1e4),
    st.floats(0, 0.9),
    st.floats(0, 0.01),
    st.lists(st.floats(0.95, 1.05), min_size=len(LEVELS), max_size=len(LEVELS)),
)
def test_noise_moves_the_curve_no_further_than_the_points(
    slot: float, sigma: float, kappa: float, noise: list[float]
) -> None:
    true = Usl(slot, sigma, kappa)
    noisy = [(n, x * factor) for (n, x), factor in zip(points(true), noise, strict=True)]
    found = law.fit(noisy)
    assert found.error <= 0.06
    for n in LEVELS:
        assert found.usl.throughput(n) == pytest.approx(true.throughput(n), rel=0.15)


@given(st.lists(st.floats(1, 1e4), min_size=8, max_size=8))
def test_whatever_was_measured_the_numbers_are_ones_that_the_law_allows(
    throughputs: list[float],
) -> None:
    found = law.fit(list(zip(LEVELS, throughputs, strict=True)))
    assert found.usl.lambda_ > 0
    assert 0 <= found.usl.sigma < 1
    assert found.usl.kappa >= 0


def test_a_curve_that_jumps_about_is_said_not_to_follow_the_law() -> None:
    assert not law.fit([(1, 100), (2, 400), (4, 90), (8, 420)]).holds


def test_a_pod_that_serves_one_at_a_time_has_a_sigma_just_below_one() -> None:
    found = law.fit([(n, 50.0) for n in LEVELS])
    assert found.usl.sigma < 1
    assert found.usl.throughput(128) == pytest.approx(50)


def test_two_levels_are_too_few() -> None:
    with pytest.raises(FitError, match="measure at 3 levels"):
        law.fit([(1, 100), (2, 200)])


def test_a_level_without_an_answer_has_no_curve() -> None:
    with pytest.raises(FitError, match="nothing was answered"):
        law.fit([(1, 100), (2, 200), (4, 0)])


@given(st.floats(1, 1e4), st.floats(1, 100))
def test_the_knee_of_a_pod_that_is_idle_and_then_full_is_where_it_becomes_full(
    slot: float, servers: float
) -> None:
    """Denning and Buzen's asymptotes: n R(1) up to the saturation point, then the maximum."""
    curve = [(n, min(n * slot, servers * slot)) for n in LEVELS]
    assert law.knee(curve) == pytest.approx(servers)


def test_the_knee_of_terminals_that_think() -> None:
    """N* = (R + Z) / D: 15 s of thinking and 5 s of service, 2 s of them at the slowest device."""
    curve = [(n, min(n / 20, 1 / 2)) for n in (1, 2, 5, 10, 20)]
    assert law.knee(curve) == pytest.approx(10)


def test_the_knee_does_not_move_when_more_levels_beyond_it_are_measured() -> None:
    usl = Usl(100, 0.1, 0.002)
    best = max(LEVELS, key=usl.throughput)
    short = tuple(n for n in LEVELS if n <= best)
    assert law.knee(points(usl, short)) == law.knee(points(usl))


def test_the_knee_counts_from_the_lowest_level_where_one_was_not_measured() -> None:
    assert law.knee([(4, 400), (8, 800), (16, 800)]) == pytest.approx(8)
    assert math.isfinite(law.knee([(4, 400)]))
