"""Answers: a yes and a no are believed only where they are the receiver's own."""

from __future__ import annotations

import itertools
import json
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import receivers
from function.receivers import Accepted, Answer, Outcome, Reason, Refused, Unavailable
from function.settings import RECEIVERS

KINDS = [kind for kind in RECEIVERS if kind != "reply"]
URL = "http://receiver.test/api/v2/alerts"
HTML = {"content-type": "text/html; charset=utf-8"}
JSON = {"content-type": "application/json"}

# Each kind's own words: alerts taken, and an alert refused for good.
YES = {
    "notification-manager": [b'{"Status":200,"Message":"Notification request accepted"}'],
    "alertmanager": [b"", b'{"status":"success"}'],
    "slack": [b"ok"],
    "cloudevents": [b"", b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}', b"accepted"],
}
NO = {
    "notification-manager": [b'{"Status":400,"Message":"EOF"}'],
    "alertmanager": [
        b'{"code":602,"message":"0.labels in body is required"}',
        b'"invalid label set: invalid name \\"http-method\\""\n',
    ],
    "slack": [b"invalid_payload", b"no_text", b"invalid_blocks\n"],
    "cloudevents": [b'{"error":"no such attribute"}', b"{}"],
}
# What a proxy, a login page or another service in its place says.
PAGES = [
    b"<html><body>400 Bad Request</body></html>",
    b"<!DOCTYPE html>",
    b"\n <?xml version='1.0'?>",
    b"\xef\xbb\xbf<html>",
]
STRANGERS = [
    b"",
    b"Client sent an HTTP request to an HTTPS server.\n",
    b"upstream connect error or disconnect/reset before headers",
    b"[]",
    b"ok?",
    b"\xff\xfe",
]
CONTRADICTIONS: list[Any] = [
    {"errcode": 40001, "errmsg": "invalid"},
    {"errcode": "40001"},
    {"code": 1},
    {"code": 500},
    {"code": "400"},
    {"code": "InvalidParameter"},
    {"StatusCode": 9499},
    {"Status": 400},
    {"Status": 500, "Message": "panic"},
    {"status": "error"},
    {"status": "ERROR", "data": {}},
    {"ok": False, "error": "not_authed"},
    {"success": False},
]
HARMLESS: list[Any] = [
    {"errcode": 0, "errmsg": "ok"},
    {"code": 0},
    {"code": 200},
    {"code": "0"},
    {"code": None},
    {"StatusCode": 0},
    {"Status": 200},
    {"status": "success"},
    {"ok": True},
    {"success": True},
    {"data": {"ok": False, "code": 500}},
    {},
]


def outcome(kind: str, status: int, body: bytes, headers: dict[str, str] | None = None) -> Outcome:
    """What a receiver of a kind makes of an answer."""
    return receivers.create(kind, [URL]).outcome(Answer(status, headers or {}, body))


def cases(table: dict[str, list[bytes]]) -> list[tuple[str, bytes]]:
    return [(kind, body) for kind, bodies in table.items() for body in bodies]


class TestAYes:
    @pytest.mark.parametrize(("kind", "body"), cases(YES))
    @pytest.mark.parametrize("status", [200, 202, 299])
    def test_in_the_kinds_own_words_is_one(self, kind: str, body: bytes, status: int) -> None:
        assert outcome(kind, status, body) == Accepted()

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("page", PAGES)
    def test_is_no_page(self, kind: str, page: bytes) -> None:
        for headers in ({}, HTML, JSON):
            assert_unexpected(outcome(kind, 200, page, headers))

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "slack"])
    def test_is_not_html_whatever_it_says(self, kind: str) -> None:
        for body in (*YES[kind], b"welcome"):
            assert_unexpected(outcome(kind, 200, body, HTML))

    def test_of_slack_is_html_and_one_all_the_same(self) -> None:
        assert outcome("slack", 200, b"ok", HTML) == Accepted()

    @pytest.mark.parametrize("body", [b"", b"OK", b"ok.", b"okay", b'{"ok":true}', b"not ok"])
    def test_of_slack_is_ok_and_nothing_else(self, body: bytes) -> None:
        assert_unexpected(outcome("slack", 200, body))

    @pytest.mark.parametrize(
        "body", [b"", b"ok", b"{}", b'{"status":200}', b'{"Status":"no"}', b"["]
    )
    def test_of_notification_manager_says_status_200(self, body: bytes) -> None:
        assert_unexpected(outcome("notification-manager", 200, body))

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("content", CONTRADICTIONS, ids=json.dumps)
    def test_that_says_no_inside_is_none(self, kind: str, content: Any) -> None:
        assert_unexpected(outcome(kind, 200, json.dumps(content).encode()))
        assert_unexpected(outcome(kind, 204, b"\xef\xbb\xbf \n" + json.dumps(content).encode()))

    @pytest.mark.parametrize("kind", ["alertmanager", "cloudevents"])
    @pytest.mark.parametrize("content", HARMLESS, ids=json.dumps)
    def test_with_other_content_is_one(self, kind: str, content: Any) -> None:
        assert outcome(kind, 200, json.dumps(content).encode()) == Accepted()


def assert_unexpected(found: Outcome) -> None:
    assert isinstance(found, Unavailable)
    assert found.reason is Reason.UNEXPECTED


class TestANo:
    @pytest.mark.parametrize(("kind", "body"), cases(NO))
    @pytest.mark.parametrize("status", [400, 413, 422])
    def test_in_the_kinds_own_words_is_final(self, kind: str, body: bytes, status: int) -> None:
        found = outcome(kind, status, body)
        assert isinstance(found, Refused)
        assert found.detail.startswith(f"answered {status}: {' '.join(body.decode().split())}")

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("body", [*PAGES, *STRANGERS])
    @pytest.mark.parametrize("status", [400, 413, 422])
    def test_of_a_stranger_is_not(self, kind: str, body: bytes, status: int) -> None:
        found = outcome(kind, status, body)
        assert isinstance(found, Unavailable)
        assert found.too_large is (status == 413)

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (101, Reason.UNEXPECTED),
            (301, Reason.NOT_FOUND),
            (401, Reason.AUTH),
            (403, Reason.AUTH),
            (404, Reason.NOT_FOUND),
            (405, Reason.NOT_FOUND),
            (410, Reason.NOT_FOUND),
            (412, Reason.UNEXPECTED),
            (415, Reason.UNEXPECTED),
            (418, Reason.UNEXPECTED),
            (429, Reason.RATE_LIMITED),
            (500, Reason.SERVER),
            (501, Reason.SERVER),
            (599, Reason.SERVER),
        ],
    )
    @pytest.mark.parametrize("kind", KINDS)
    def test_that_blames_us_or_the_receiver_may_change(
        self, kind: str, status: int, reason: Reason
    ) -> None:
        for body in (b"", *NO[kind], *YES[kind]):
            found = outcome(kind, status, body)
            assert isinstance(found, Unavailable)
            assert found.reason is reason

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_of_a_gateway_is_worth_asking_again_unless_it_says_when(self, status: int) -> None:
        passing = outcome("alertmanager", status, b"")
        later = outcome("alertmanager", status, b"", {"retry-after": "30"})
        assert isinstance(passing, Unavailable)
        assert isinstance(later, Unavailable)
        assert passing.passing
        assert not later.passing


BODIES = st.sampled_from([*PAGES, *STRANGERS, *itertools.chain(*YES.values(), *NO.values())])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMED = st.dictionaries(
    st.sampled_from(["errcode", "code", "StatusCode", "Status", "status", "ok", "success"]), JSONS
)
ANSWERS = st.binary() | BODIES | NAMED.map(lambda each: json.dumps(each).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "retry-after"]),
    st.text(st.characters(max_codepoint=255)) | st.sampled_from(["text/html", "5", "-1"]),
)


@given(st.sampled_from(KINDS), st.integers(100, 999), HEADERS, ANSWERS)
def test_any_answer_has_an_outcome_and_only_a_2xx_is_a_yes(
    kind: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    found = outcome(kind, status, body, headers)
    if isinstance(found, Accepted):
        assert 200 <= status < 300
        assert not body.strip().startswith(b"<")
    elif isinstance(found, Refused):
        assert status in (400, 413, 422)
    else:
        assert found.retry_after is None or 0 <= found.retry_after <= 60


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            *(("7", 7), (" 7 ", 7), ("60", 60), ("61", 60), ("9" * 30, 60)),
            *(("", None), ("soon", None), ("-1", None), ("1.5", None), ("\u0663", None)),
        ],
    )
    def test_is_seconds_a_minute_at_most(self, header: str, seconds: int | None) -> None:
        assert Answer(503, {"retry-after": header}, b"").retry_after() == seconds

    @pytest.mark.parametrize(("ahead", "seconds"), [(-100, 0), (0, 0), (30, 30), (86_400, 60)])
    def test_may_be_a_date(self, ahead: int, seconds: int) -> None:
        header = formatdate(int(time.time()) + ahead, usegmt=True)
        found = Answer(503, {"retry-after": header}, b"").retry_after()
        assert found is not None
        assert seconds - 1 <= found <= seconds


class TestAQuotation:
    def test_is_a_short_line(self) -> None:
        quoted = Answer(400, {}, b"a\n\tb " + b"x" * 10_000).quoted()
        assert quoted.startswith("answered 400: a b xxx")
        assert len(quoted) < 330

    def test_leaves_nothing_of_a_secret(self) -> None:
        def hide(text: str) -> str:
            return text.replace("secret-token", "[removed]")

        body = b"x" * 294 + b" secret-token"
        assert Answer(404, {}, body, hide=hide).quoted().endswith("xx [remo")
        cut = b" " * 60_000 + b"secret-to"
        assert Answer(404, {}, cut, is_cut=True, hide=hide).quoted() == "answered 404"


@pytest.mark.parametrize(
    ("kind", "url", "why"),
    [
        ("slack", "https://hooks.slack.com/services/T0/B0/x", ""),
        ("slack", "https://mattermost.test/hooks/x", ""),
        ("slack", "http://am:9093/api/v2/alerts", "Alertmanager"),
        ("slack", "https://hooks.slack.com/", "no path"),
        ("alertmanager", "http://am:9093/api/v2/alerts", ""),
        ("alertmanager", "http://mimir/alertmanager/api/v2/alerts", ""),
        ("alertmanager", "http://alerta/api/webhooks/prometheus", ""),
        ("alertmanager", "http://am:9093", "no path"),
        ("alertmanager", "https://hooks.slack.com/services/T0/B0/x", "Slack"),
        ("notification-manager", "https://hooks.slack-gov.com/services/T0/B0/x", "Slack"),
        ("cloudevents", "http://broker-ingress.knative-eventing.svc/ns/default", ""),
        ("cloudevents", "http://consumer.ns.svc.cluster.local", ""),
        ("cloudevents", "http://nm:19093/api/v2/alerts/", "Notification Manager"),
    ],
)
def test_a_url_that_hardly_fits_the_kind_is_doubted(kind: str, url: str, why: str) -> None:
    doubt = receivers.doubts(kind, url)
    assert why in doubt
    assert bool(doubt) == bool(why)
