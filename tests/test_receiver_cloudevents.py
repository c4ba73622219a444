"""CloudEvents: one valid event per alert, the same one when it comes again.

The CloudEvents SDK reads what is written here: it is the oracle.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from hypothesis import example, given
from hypothesis import strategies as st

from function import events
from function.alerts import Alert, fingerprint
from function.events import Event
from function.formats import timestamps
from function.receivers import Accepted, Outcome, Reason, Refused
from function.receivers.cloudevents import CloudEvents, overrides
from tests import servers
from tests.delivering import sender
from tests.servers import Answer
from tests.test_alerts import NOW, article
from tests.test_events_oracle import EPOCH
from tests.test_receivers import another

GOLDEN = Path(__file__).parent / "golden"
URL = "http://broker-ingress.knative-eventing.svc.test/shop/default"
SINK = CloudEvents([URL])
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACED = article()._replace(traceparent=TRACEPARENT)
ROOT = Path(__file__).resolve().parent.parent


def event(alert: Alert, sink: CloudEvents = SINK) -> dict[str, Any]:
    """The event about an alert, as it goes over the wire."""
    parsed: dict[str, Any] = json.loads(sink.request([alert], NOW).body)
    return parsed


class TestAnEvent:
    @pytest.mark.parametrize(
        ("name", "sink", "alert"),
        [
            ("cloudevents-one-alert", SINK, article()),
            (
                "cloudevents-traced-and-overridden",
                CloudEvents([URL], {"cluster": "prod", "team": "web"}, "//shop.test/logs"),
                TRACED._replace(annotations={"message": "GET /notfound answered 404"}),
            ),
        ],
    )
    def test_is_what_the_golden_file_shows(
        self, name: str, sink: CloudEvents, alert: Alert
    ) -> None:
        golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        assert event(alert, sink) == golden

    def test_is_in_structured_mode(self) -> None:
        headers = SINK.request([article()], NOW).headers
        assert headers == {"content-type": "application/cloudevents+json"}

    def test_comes_alone_because_knative_takes_no_batches(self) -> None:
        assert SINK.largest_batch == 1

    def test_is_the_same_one_when_the_record_comes_again(self) -> None:
        later = SINK.request([article()], NOW + timestamps.SECOND)
        assert later == SINK.request([article()], NOW)

    def test_has_an_id_of_its_own(self) -> None:
        alerts = [
            article(),
            another(path="/other"),
            article()._replace(starts_at=article().starts_at + 1),
        ]
        assert len({event(alert)["id"] for alert in alerts}) == 3

    def test_keeps_the_nanoseconds(self) -> None:
        assert event(article())["time"] == "2021-08-25T01:54:37.226757612Z"

    def test_of_an_alert_without_a_name_has_no_subject(self) -> None:
        assert "subject" not in event(Alert({}, {}, fingerprint({}), 0, 0))

    def test_has_a_subject_without_the_characters_that_cloudevents_forbids(self) -> None:
        assert event(another(alertname="a\nb\x85"))["subject"] == "a\ufffdb\ufffd"

    def test_is_described_to_curl_as_it_is_sent(self) -> None:
        assert SINK.as_sent(TRACED, NOW) == event(TRACED)


class TestTheTrace:
    def test_goes_on_in_the_event_and_in_the_header_of_its_request(self) -> None:
        assert event(TRACED)["traceparent"] == TRACEPARENT
        assert SINK.request([TRACED], NOW).headers["traceparent"] == TRACEPARENT

    def test_of_a_later_version_goes_on(self) -> None:
        later = "cc" + TRACEPARENT[2:] + "-what-the-future-will-be-like"
        assert event(TRACED._replace(traceparent=later))["traceparent"] == later

    @pytest.mark.parametrize(
        "traceparent",
        [
            "",
            "x",
            "ff" + TRACEPARENT[2:],
            TRACEPARENT.upper(),
            TRACEPARENT + "\n",
            " " + TRACEPARENT,
            TRACEPARENT + "-\r\nhost: evil.test",
            TRACEPARENT + "-\xe9",
        ],
    )
    def test_that_is_none_ends_here(self, traceparent: str) -> None:
        alert = TRACED._replace(traceparent=traceparent)
        assert "traceparent" not in event(alert)
        assert "traceparent" not in SINK.request([alert], NOW).headers


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "extensions"),
        [
            ("", {}),
            (" \n", {}),
            ("{}", {}),
            ('{"extensions": {}}', {}),
            ('{"extensions": {"cluster": "prod", "a1": ""}}', {"cluster": "prod", "a1": ""}),
            ('{"extensions": {"clusterName": "prod"}, "new": 1}', {"clustername": "prod"}),
        ],
    )
    def test_are_read_as_knative_writes_them(self, text: str, extensions: dict[str, str]) -> None:
        assert overrides(text) == extensions

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("cluster=prod", "it is not JSON: unexpected character"),
            ("[]", 'it is not an object such as {"extensions": {"cluster": "prod"}}'),
            ('{"extensions": ["a"]}', "it is not an object such as"),
            ('{"extensions": {"a-b": "c"}}', 'the extension "a-b" has a name with more than'),
            ('{"extensions": {"": "c"}}', 'the extension "" has a name with more than'),
            ('{"extensions": {"a": 1}}', 'the extension "a" needs a text in double quotes'),
            ('{"extensions": {"a": "\\u0007"}}', 'the extension "a" needs a text'),
            ('{"extensions": {"Type": "x"}}', 'the extension "Type" would replace an attribute'),
            ('{"extensions": {"data": "x"}}', 'the extension "data" would replace an attribute'),
        ],
    )
    def test_that_are_wrong_are_refused_with_a_sentence(self, text: str, problem: str) -> None:
        with pytest.raises(ValueError, match=r".+") as caught:
            overrides(text)
        assert str(caught.value).startswith(problem)

    def test_come_last(self) -> None:
        sink = CloudEvents([URL], overrides('{"extensions": {"traceparent": "none"}}'))
        assert event(TRACED, sink)["traceparent"] == "none"

    @given(st.text() | st.recursive(st.text() | st.none(), st.lists).map(json.dumps))
    def test_of_any_text_are_extensions_or_a_sentence(self, text: str) -> None:
        try:
            assert isinstance(overrides(text), dict)
        except ValueError as error:
            assert str(error).startswith("it is not ")


TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # no lone surrogates: JSON has none
LABELS = st.dictionaries(st.just("alertname") | TEXT, TEXT)
NAMES = st.from_regex(r"x[a-z0-9]{0,9}", fullmatch=True)
WORDS = st.from_regex(r"[ -~]{0,9}", fullmatch=True)


class TestTheOracle:
    @given(LABELS, LABELS, st.integers(0, timestamps.MAXIMUM), st.dictionaries(NAMES, WORDS))
    @example({"alertname": "\x00"}, {"m": "\u2028" * 9}, 1, {})
    def test_reads_every_event(
        self, labels: dict[str, str], annotations: dict[str, str], start: int, more: dict[str, str]
    ) -> None:
        alert = Alert(labels, annotations, fingerprint(labels), start, 0, traceparent=TRACEPARENT)
        body = CloudEvents([URL], overrides(json.dumps({"extensions": more}))).request([alert], 0)
        read = JSONFormat().read(None, body.body)
        attributes = dict(read.get_attributes())
        assert attributes.pop("time") - EPOCH == timedelta(microseconds=start // 1_000)
        if labels.get("alertname"):
            assert len(attributes.pop("subject")) == len(labels["alertname"])
        assert attributes == {
            "specversion": "1.0",
            "id": f"{alert.fingerprint}-{start}-{fingerprint(alert.annotations)}",
            "source": "/logs-handler",
            "type": "dev.logs-handler.alert",
            "datacontenttype": "application/json",
            "traceparent": TRACEPARENT,
            **more,
        }
        data = read.get_data()
        assert isinstance(data, dict)
        assert (data["labels"], data["annotations"]) == (labels, annotations)

    @given(LABELS)
    def test_may_as_well_be_our_own_reader(self, labels: dict[str, str]) -> None:
        alert = TRACED._replace(labels=labels)
        request = SINK.request([alert], NOW)
        [read] = events.read(request.headers, request.body)
        assert isinstance(read, Event)
        assert read.time == alert.starts_at
        assert read.extensions == {"traceparent": TRACEPARENT}


class TestDelivery:
    """Over a real socket."""

    def test_posts_one_event_per_alert(self) -> None:
        alerts = [another(path=f"/{n}")._replace(traceparent=TRACEPARENT) for n in range(5)]
        with servers.receiver(Answer(202)) as sink, sender(sink.url, kind="cloudevents") as opened:
            assert opened.outcomes(alerts) == [Accepted()] * 5
            headers = [headers for headers, _ in sink.requests]
            assert sorted(body["id"] for body in sink.bodies) == sorted(
                event(alert)["id"] for alert in alerts
            )
        for each in headers:
            assert each["content-type"] == "application/cloudevents+json"
            assert each["traceparent"] == TRACEPARENT

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (Answer(200, b'{"specversion":"1.0"}'), Accepted()),
            (Answer(204), Accepted()),
            (
                Answer(400, b'{"error":"no"}'),
                Refused(Reason.REFUSED, 'answered 400: {"error":"no"}'),
            ),
        ],
    )
    def test_reads_the_sinks_answer(self, answer: Answer, outcome: Outcome) -> None:
        with servers.receiver(answer) as sink, sender(sink.url, kind="cloudevents") as opened:
            [found] = opened.outcomes([article()])
        if isinstance(outcome, Refused):
            host = sink.url.split("/")[2]
            outcome = Refused(outcome.reason, f"{host}: {outcome.detail}")
        assert found == outcome

    def test_refuses_only_the_event_that_the_sink_does_not_take(self) -> None:
        alerts = [another(path="/a"), another(path="/bad"), another(path="/c")]
        with servers.receiver(Answer(202)) as sink, sender(sink.url, kind="cloudevents") as opened:
            sink.refuse = ("/bad",)
            outcomes = opened.outcomes(alerts)
        assert [type(outcome) for outcome in outcomes] == [Accepted, Refused, Accepted]


def test_sending_events_does_not_load_the_sdk() -> None:
    code = (
        "from function.receivers.cloudevents import CloudEvents; import sys;"
        "from function.alerts import Alert;"
        "CloudEvents(['http://x']).request([Alert({}, {}, '', 0, 0)], 0);"
        "assert not {'cloudevents', 'dateutil'} & sys.modules.keys()"
    )
    subprocess.run((sys.executable, "-c", code), cwd=ROOT, check=True)
