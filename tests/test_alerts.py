"""Alerts: identity, times, and what they take from the record."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import alerts, records, rules
from function.formats import timestamps
from function.records import LogRecord

HERE = Path(__file__).parent
ARTICLE = rules.load(HERE / "rules" / "article.yaml")
NOW = timestamps.parse("2026-11-22T12:00:00Z")


def alert_of(rule_set: rules.RuleSet, value: bytes) -> alerts.Alert:
    """The one alert that a Kafka value raises."""
    [record] = records.read(value, None)
    assert isinstance(record, LogRecord)
    [match] = rule_set.match(record)
    return alerts.alert(match, NOW)


def article() -> alerts.Alert:
    return alert_of(ARTICLE, (HERE / "records" / "article.json").read_bytes())


def test_the_articles_record_gives_the_articles_six_labels() -> None:
    assert article().labels == {
        "alertname": "404 Request",
        "method": "GET",
        "namespace": "demo-project",
        "path": "/notfound",
        "pod": "wordpress-v1-f54f697c5-hdn2z",
        "severity": "warning",
    }
    assert list(article().labels) == sorted(article().labels)


def test_an_alert_starts_when_its_line_was_written_to_the_nanosecond() -> None:
    assert timestamps.format(article().starts_at) == "2021-08-25T01:54:37.226757612Z"


def test_an_alert_of_a_record_without_any_time_starts_now() -> None:
    value = (
        b'{"log": "::1 - - [25/Aug/2021:01:54:36 +0000] \\"GET / HTTP/1.1\\" 404 1", "kubernetes":'
        b'{"namespace_name": "demo-project", "pod_name": "wordpress-v1-f54f697c5-hdn2z"}}'
    )
    assert alert_of(ARTICLE, value).starts_at == NOW


def test_an_alert_of_a_record_that_says_it_is_of_the_future_starts_now() -> None:
    value = (HERE / "records" / "article.json").read_bytes()
    for sooner, later in ((b"1629856477.", b"2092000000."), (b"2021-08-25T", b"2036-04-17T")):
        value = value.replace(sooner, later)
    assert alert_of(ARTICLE, value).starts_at == NOW


def test_the_same_record_makes_the_same_alert_whenever_it_comes() -> None:
    assert article() == article()


def test_a_label_that_comes_out_empty_is_left_out_as_alertmanager_does() -> None:
    text = """
groups:
  - name: g
    rules:
      - {alert: A, match: [status = 404], labels: {container: "{{ container }}", x: ""}}
"""
    line = b'{"log": "::1 - - [25/Aug/2021:01:54:36 +0000] \\"GET / HTTP/1.1\\" 404 1"}'
    assert alert_of(rules.loads(text, "r.yaml"), line).labels == {"alertname": "A"}


# Computed by Alertmanager 0.25 and by the tests of prometheus/common, model/signature_test.go.
VECTORS = [
    ({}, "cbf29ce484222325"),
    ({"name": "garland, briggs", "fear": "love is not enough"}, "507a62d79ee76c9a"),
    ({"first-label": "first-label-value"}, "476b44f5db3e21f9"),
    (
        {"first-label": "first-label-value", "second-label": "second-label-value"},
        "2c59c33dd8453b1d",
    ),
    (
        {
            "first-label": "first-label-value",
            "second-label": "second-label-value",
            "third-label": "third-label-value",
        },
        "c01c58139d52b4b9",
    ),
    ({"alertname": "x"}, "d240efc3896bf266"),
    ({"foo": "bar"}, "3fff2c2d7595e046"),
]


@pytest.mark.parametrize(("labels", "expected"), VECTORS)
def test_the_fingerprint_is_prometheus_own(labels: dict[str, str], expected: str) -> None:
    assert alerts.fingerprint(labels) == expected


def fnv1a(labels: dict[str, str]) -> str:
    """The definition, byte by byte (prometheus/common, model/fnv.go)."""
    digest = 0xCBF29CE484222325
    for name, value in sorted(labels.items()):
        for byte in name.encode() + b"\xff" + value.encode() + b"\xff":
            digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return f"{digest:016x}"


@given(st.dictionaries(st.text("abc", max_size=3), st.text(max_size=300), max_size=4))
def test_the_fingerprint_of_any_labels_is_fnv_1a(labels: dict[str, str]) -> None:
    for _ in range(2):  # what the first one remembers is right for the second
        assert alerts.fingerprint(labels) == fnv1a(labels)
        labels["aa"] = labels.get("aa", "") + "x"  # what is behind it begins with another digest


def test_the_articles_fingerprint_is_the_one_that_alertmanager_computes() -> None:
    assert article().fingerprint == "abb0504a1d693137"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5), st.randoms())
def test_the_fingerprint_does_not_depend_on_the_order_of_labels(
    labels: dict[str, str], random: Random
) -> None:
    shuffled = list(labels.items())
    random.shuffle(shuffled)
    assert alerts.fingerprint(dict(shuffled)) == alerts.fingerprint(labels)


def test_only_short_labels_are_remembered_for_the_next_fingerprint() -> None:
    before = alerts._remembered.cache_info().currsize
    for number in range(3):
        alerts.fingerprint({"line": f"{number}" * 1000})
    assert alerts._remembered.cache_info().currsize == before
