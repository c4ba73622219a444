"""Receivers: the bytes that are sent, and what an answer means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import receivers
from function.alerts import Alert, fingerprint
from function.formats import timestamps
from function.receivers.notification_manager import go_json
from function.settings import RECEIVERS
from tests.test_alerts import NOW, article

GOLDEN = Path(__file__).parent / "golden" / "notification-manager-article.json"
URL = "http://receiver.test/api/v2/alerts"
MINUTE = 60 * timestamps.SECOND


def another(**labels: str) -> Alert:
    """The article's alert with other labels."""
    changed = dict(sorted({**article().labels, **labels}.items()))
    return article()._replace(labels=changed, fingerprint=fingerprint(changed))


@pytest.mark.parametrize("name", [name for name in RECEIVERS if name != "reply"])
def test_every_receiver_of_the_settings_can_be_made_and_knows_its_name(name: str) -> None:
    receiver = receivers.create(name, [URL])
    assert receiver.name == name
    assert receiver.urls == [URL]


@pytest.mark.parametrize("name", RECEIVERS)
def test_every_receiver_has_its_section_in_the_docs(name: str) -> None:
    page = Path(__file__).resolve().parent.parent / "docs" / "receivers.md"
    assert f"\n## {name}\n" in page.read_text(encoding="utf-8")


def test_overrides_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match="it is not JSON"):
        receivers.create("cloudevents", [URL], "{")


class TestNotificationManager:
    receiver = receivers.create("notification-manager", [URL])

    def test_gets_the_articles_json_byte_for_byte_but_for_the_fingerprint(self) -> None:
        golden = GOLDEN.read_bytes().rstrip(b"\n")
        expected = golden.replace(b'"fingerprint":""', b'"fingerprint":"abb0504a1d693137"')
        assert expected != golden
        request = self.receiver.request([article()], NOW)
        assert request.body == expected
        assert request.headers == {"content-type": "application/json"}

    def test_gets_common_labels_only_where_all_alerts_share_them(self) -> None:
        alerts = [article(), another(severity="critical"), another(path="/b")]
        data = json.loads(self.receiver.request(alerts, NOW).body)
        assert data["commonLabels"] == {
            "alertname": "404 Request",
            "namespace": "demo-project",
        }
        assert data["groupLabels"] == data["commonLabels"]
        assert [alert["labels"]["path"] for alert in data["alerts"]] == [
            "/notfound",
            "/notfound",
            "/b",
        ]

    def test_never_gets_null_for_labels_or_annotations_which_would_panic_it(self) -> None:
        bare = Alert({}, {}, fingerprint({}), 0, MINUTE)
        data = json.loads(self.receiver.request([bare], NOW).body)
        assert data["alerts"][0]["labels"] == {}
        assert data["alerts"][0]["annotations"] == {}
        assert data["groupLabels"] == data["commonLabels"] == data["commonAnnotations"] == {}

    def test_gets_an_alert_without_end(self) -> None:
        assert self.receiver.as_sent(article(), NOW)["endsAt"] == "0001-01-01T00:00:00Z"

    @pytest.mark.parametrize(
        ("text", "encoded"),
        [
            ("/a?x=<b>&c=%20é", '"/a?x=\\u003cb\\u003e\\u0026c=%20é"'),
            ("\u2028\u2029", '"\\u2028\\u2029"'),
            ("/'\x7f", '"/\'\x7f"'),
            ('"\\\n\x00\x1f', '"\\"\\\\\\n\\u0000\\u001f"'),
            ("\U0001f600", '"\U0001f600"'),
        ],
    )
    def test_gets_json_as_go_encodes_it(self, text: str, encoded: str) -> None:
        assert go_json({"k": text}) == f'{{"k":{encoded}}}'.encode()

    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_gets_json_that_reads_back_as_it_was(self, text: str) -> None:
        assert json.loads(go_json({text: text})) == {text: text}


class TestAlertmanager:
    receiver = receivers.create("alertmanager", [URL])

    def test_gets_an_array_of_alerts(self) -> None:
        request = self.receiver.request([article()], NOW)
        assert json.loads(request.body) == [
            {
                "labels": dict(article().labels),
                "annotations": {},
                "startsAt": "2021-08-25T01:54:37.226757612Z",
                "endsAt": "2026-11-22T12:05:00Z",
            }
        ]
        assert request.headers == {"content-type": "application/json"}

    def test_gets_an_end_that_counts_from_now_for_an_old_record(self) -> None:
        # Or the alert would be resolved before it arrives.
        sent = self.receiver.as_sent(article(), NOW)
        assert timestamps.parse(sent["endsAt"]) == NOW + 5 * MINUTE

    def test_gets_an_end_that_counts_from_the_start_for_a_record_from_the_future(self) -> None:
        future = article()._replace(starts_at=NOW + MINUTE)
        sent = self.receiver.as_sent(future, NOW)
        assert timestamps.parse(sent["endsAt"]) == NOW + 6 * MINUTE

    def test_gets_an_end_that_a_timestamp_can_say(self) -> None:
        latest = article()._replace(starts_at=timestamps.MAXIMUM)
        assert self.receiver.as_sent(latest, NOW)["endsAt"] == "9999-12-31T23:59:59Z"
