"""Traffic: what the generators make, and what is read from CSV and log files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import corpus
from tuning import log_times, traffic, traffic_spec
from tuning.traffic import Traffic, TrafficError


def drawn(made: Traffic, seed: int = 1) -> list[float]:
    """The arrivals of one draw."""
    return list(made.arrivals(seed))


@given(st.lists(st.floats(0, 20), min_size=1, max_size=30), st.integers(0, 5))
def test_arrivals_rise_and_stay_in_seconds_that_have_a_rate(rates: list[float], seed: int) -> None:
    made = Traffic("made", len(rates), rates)
    moments = drawn(made, seed)
    assert moments == sorted(moments)
    assert all(rates[int(moment)] > 0 for moment in moments)
    assert moments == drawn(made, seed)


def test_as_many_arrive_as_the_rate_says() -> None:
    moments = drawn(traffic.constant(100, 300))
    assert len(moments) == pytest.approx(30_000, rel=0.02)


def test_a_step_a_burst_a_day_and_a_crowd_have_their_rates_where_they_belong() -> None:
    assert traffic.step(1, 5, 2, 4).rates == [1, 1, 5, 5]
    assert traffic.burst(0, 9, 6, 2, 12).rates == [0, 0, 9, 9, 0, 0, 0, 0, 9, 9, 0, 0]
    day = traffic.diurnal(0, 10, 100, 100).rates
    assert min(day[:2]) == pytest.approx(0, abs=0.1)
    assert max(day) == pytest.approx(day[50], abs=0.1) == pytest.approx(10, abs=0.1)
    crowd = traffic.flash_crowd(0, 8, at_s=10, rise_s=4, fall_s=10, duration_s=40).rates
    assert list(crowd[:10]) == [0] * 10
    assert crowd[10] < crowd[12] < max(crowd) <= 8
    assert crowd[34] == pytest.approx(2, rel=0.1)  # half of it twice


def test_moments_arrive_exactly(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text("moment\n1700000002.5\n1700000000\n\n1700000002.75\n")
    found = traffic.read_csv(path)
    assert drawn(found) == [0, 2.5, 2.75]
    assert found.per_second() == [1, 0, 2]
    assert (found.duration_s, found.total) == (3, 3)


def test_counts_are_rates(tmp_path: Path) -> None:
    path = tmp_path / "rates.csv"
    path.write_text("second,records\n100,5\n103,2\n103,1\n")
    found = traffic.read_csv(path)
    assert found.per_second() == [5, 0, 0, 3]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no arrival"),
        ("time\n", "holds no arrival"),
        ("1,2\n3\n", "some rows have one column, some two"),
        ("1\nnoon\n", "row 2 is 'noon': want a moment in seconds"),
        ("1,2,3\n", "row 1 is '1,2,3'"),
        ("1,-2\n", "row 1 says -2 arrivals"),
        ("1700000000000\n1700000900000\n", "spans more than a week: are the times in seconds"),
    ],
)
def test_a_csv_file_that_cannot_be_used_names_the_row(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(TrafficError, match=r"bad\.csv: ") as caught:
        traffic.read_csv(path)
    assert problem in str(caught.value)


def test_a_log_gives_its_own_times(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(
        '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET / HTTP/1.1" 200 5\n'
        '10.0.0.1 - - [25/Aug/2021:03:54:38 +0200] "GET / HTTP/1.1" 200 5\n'
        "2021-08-25T01:54:37.5Z something happened\n"
        '{"time": "2021-08-25T01:54:40Z", "log": "x", "kubernetes": {"pod_name": "p"}}\n'
        "no time at all\n"
    )
    found = log_times.read(path)
    assert list(found.moments) == [0, 1.5, 2, 4]
    assert found.name == "access.log (1 lines without a time left out)"


def test_a_packed_log_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(b"2021-08-25T01:54:37Z x\n2021-08-25T01:54:39Z x\n"))
    assert list(log_times.read(path).moments) == [0, 2]


def test_a_log_without_times_says_so(tmp_path: Path) -> None:
    path = tmp_path / "plain.log"
    path.write_text("one\ntwo\n")
    with pytest.raises(TrafficError, match="none of its 2 lines has a time"):
        log_times.read(path)


def test_a_log_of_weeks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.log"
    path.write_text("2021-08-25T01:54:37Z x\n2021-09-25T01:54:39Z x\n")
    with pytest.raises(TrafficError, match="more than a week"):
        log_times.read(path)


@pytest.mark.parametrize("name", ["fluentbit-ks-docker.jsonl", "nginx-ingress.log"])
def test_real_logs_give_a_time_for_nearly_every_line(name: str) -> None:
    path = corpus.file(name)
    assert log_times.read(path).total >= 0.95 * len(corpus.lines(path))


@pytest.mark.parametrize("kind", ["constant", "step", "diurnal", "burst", "flash-crowd"])
def test_every_generator_has_defaults_and_is_in_the_help(kind: str) -> None:
    assert traffic_spec.read(kind).total > 0
    [line] = [
        line for line in traffic_spec.help_text().split("\n") if line.startswith(f"  {kind}:")
    ]
    assert traffic_spec.read(line.strip()) == traffic_spec.read(kind)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("weekly", "weekly is neither a file nor one of constant, step, diurnal, burst"),
        ("burst:size=3", "burst knows no size: it has low, high, every, lasting, for"),
        ("burst:low", "burst: 'low' has no value: write low=..."),
        ("constant:rate=fast", "rate is fast: want a number a second, from 0 to 100000"),
        ("constant:for=soon", "for: 'soon' is not a duration: write 25s, 500ms or 1h30m"),
        ("constant:for=500ms", "for is 500ms: want whole seconds, from 1s to 1d"),
    ],
)
def test_traffic_that_cannot_be_made_says_which_parameter(spec: str, problem: str) -> None:
    with pytest.raises(TrafficError) as caught:
        traffic_spec.read(spec)
    assert problem in str(caught.value)
