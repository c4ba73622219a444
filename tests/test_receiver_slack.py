"""Slack: messages within its limits in which log text stays text, and what its answers mean."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from function.alerts import Alert
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from function.receivers import Answer as AnswerRead
from function.receivers.slack import DETAILED, Slack
from tests import servers
from tests.delivering import sender
from tests.servers import Answer
from tests.test_alerts import NOW, article
from tests.test_receivers import another

GOLDEN = Path(__file__).parent / "golden"
URL = "https://hooks.slack.test/services/T0/B0/secret"
SLACK = Slack([URL])
OK = Answer(200, b"ok")
TIMES = "\N{MULTIPLICATION SIGN}"
ARTICLE = article()._replace(
    annotations={
        "log_line": '10.0.35.28 - - "GET /notfound HTTP/1.1" 404 49923',
        "message": "GET /notfound answered 404 in demo-project",
    },
)


def message(*alerts: Alert) -> dict[str, Any]:
    """The message about these alerts, as Slack reads it."""
    parsed: dict[str, Any] = json.loads(SLACK.request(alerts, NOW).body)
    return parsed


def text_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every text object of a message, in order."""
    if isinstance(value, list):
        for each in value:
            yield from text_objects(each)
    elif isinstance(value, dict):
        if value.get("type") in ("plain_text", "mrkdwn"):
            yield value
        else:
            yield from text_objects([*value.values()])


def texts(*alerts: Alert) -> list[str]:
    """What a reader of the message sees, without the markup."""
    return [shown(each["text"]) for each in text_objects(message(*alerts)["blocks"])]


def shown(text: str) -> str:
    """Undo the escapes, as Slack's clients do."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def noted(**annotations: str) -> Alert:
    return article()._replace(annotations=annotations)


def delivered(*answers: Answer, alerts: Sequence[Alert] = (ARTICLE,)) -> tuple[list[Outcome], int]:
    """The outcomes of alerts that a real server answers so, and how many messages it got."""
    with servers.receiver(*answers) as receiver, sender(receiver.url, kind="slack") as opened:
        return opened.outcomes(alerts), len(receiver.requests)


class TestAMessage:
    @pytest.mark.parametrize(
        ("name", "alerts"),
        [
            ("slack-one-alert", [ARTICLE]),
            (
                "slack-batch",
                [
                    *(ARTICLE._replace(starts_at=ARTICLE.starts_at + n) for n in range(6)),
                    ARTICLE._replace(labels={"alertname": "Disk full", "path": "/<a>"}),
                ],
            ),
        ],
    )
    def test_is_what_the_golden_file_shows(self, name: str, alerts: Sequence[Alert]) -> None:
        golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        assert message(*alerts) == golden

    def test_is_json(self) -> None:
        assert SLACK.request([ARTICLE], NOW).headers == {"content-type": "application/json"}

    def test_names_the_alert_and_how_often_it_fired_where(self) -> None:
        assert texts(ARTICLE)[0] == "404 Request in demo-project"
        assert texts(*[ARTICLE] * 12)[0] == f"404 Request {TIMES}12 in demo-project"

    def test_about_several_kinds_of_alerts_lists_them_the_most_frequent_first(self) -> None:
        disk = another(alertname="Disk full")
        elsewhere = another(namespace="shop")
        header, overview, *_ = texts(disk, elsewhere, ARTICLE, disk)
        assert header == "4 alerts"
        assert overview.splitlines() == [
            f"Disk full {TIMES}2 in demo-project",
            "404 Request in shop",
            "404 Request in demo-project",
        ]

    def test_about_very_many_kinds_says_how_many_are_not_listed(self) -> None:
        alerts = [another(alertname=f"Alert {number}") for number in range(30)]
        assert texts(*alerts)[1].splitlines()[-1] == "… and 22 more kinds"

    def test_shows_some_alerts_in_detail_and_says_how_many_more_there_are(self) -> None:
        alerts = [another(path=f"/{number}") for number in range(12)]
        shown_paths = [text for text in texts(*alerts) if text.startswith("*path*")]
        assert len(shown_paths) == DETAILED
        assert texts(*alerts)[-1] == f"… and {12 - DETAILED} more"
        assert texts(*alerts[:DETAILED])[-1].startswith("404 Request · ")

    def test_shows_one_alert_of_each_kind_before_the_second_of_any(self) -> None:
        rare = another(alertname="Disk full", path="/rare")
        assert "*path*\n`/rare`" in texts(*[article()] * 20, rare)

    def test_tells_in_a_notification_what_happened(self) -> None:
        one = "404 Request in demo-project: GET /notfound answered 404 in demo-project"
        assert message(ARTICLE)["text"] == one
        assert message(ARTICLE, ARTICLE)["text"] == f"404 Request {TIMES}2 in demo-project"
        several = "2 alerts: 404 Request in demo-project, Disk full in demo-project"
        assert message(ARTICLE, another(alertname="Disk full"))["text"] == several

    def test_lets_slack_fetch_and_format_nothing(self) -> None:
        sent = message(ARTICLE)
        assert [sent[key] for key in ("unfurl_links", "unfurl_media", "mrkdwn")] == [False] * 3
        for text in text_objects(sent):
            assert text.get("emoji") is False or text.get("verbatim") is True

    def test_is_described_to_curl_by_the_blocks_of_its_alert(self) -> None:
        assert message(ARTICLE)["blocks"][1:] == SLACK.as_sent(ARTICLE, NOW)["blocks"]


class TestAnAlert:
    @pytest.mark.parametrize(
        ("annotations", "headline"),
        [
            ({"message": "a", "summary": "b"}, "a"),
            ({"message": " ", "summary": "b"}, "b"),
            ({"summary": "b", "description": "c"}, "b"),
        ],
    )
    def test_has_its_message_or_summary_for_a_headline(
        self, annotations: dict[str, str], headline: str
    ) -> None:
        assert texts(noted(**annotations))[1] == headline

    def test_without_a_headline_or_labels_is_still_a_message(self) -> None:
        bare = Alert({}, {}, "cbf29ce484222325", 0, 0)
        assert texts(bare) == ["Alert", "Alert · 1970-01-01T00:00:00Z"]

    def test_shows_its_labels_the_severity_first(self) -> None:
        fields = [text for text in texts(article()) if text.startswith("*")]
        assert [field.split("\n")[0] for field in fields] == [
            "*severity*",
            "*method*",
            "*namespace*",
            "*path*",
            "*pod*",
        ]

    def test_names_the_labels_that_do_not_fit(self) -> None:
        many = another(**{f"l{number:02}": "x" for number in range(10)})
        fields = [text for text in texts(many) if text.startswith("*")]
        assert len(fields) == 10
        assert fields[-1] == "*6 more*\n`l08, l09, method, namespace, path, pod`"

    def test_shows_its_other_annotations_as_code_the_short_ones_first(self) -> None:
        alert = noted(message="a", log_line="x" * 9_000, runbook_url="https://wiki.test/404")
        [code] = [text for text in texts(alert) if text.startswith("```")]
        assert code.startswith("```\nrunbook_url: https://wiki.test/404\nlog_line: xxx")
        assert code.endswith("x…\n```")

    def test_keeps_the_lines_of_a_stack_trace_but_none_passes_for_an_annotation(self) -> None:
        [code] = [t for t in texts(noted(log_line="E\n\tat a.b\nseverity: no")) if t[0] == "`"]
        assert code == "```\nlog_line: E\n        at a.b\n    severity: no\n```"

    def test_says_since_when_it_fires(self) -> None:
        assert texts(article())[-1] == "404 Request · 2021-08-25T01:54:37.226757612Z"


class TestLogText:
    """What a stranger writes into a log."""

    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("<!channel>", "&lt;!channel&gt;"),
            ("<@U012AB3CD>", "&lt;@U012AB3CD&gt;"),
            ("<http://evil.test|click>", "&lt;http://evil.test|click&gt;"),
            ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"),
        ],
    )
    def test_is_no_mention_and_no_link(self, text: str, sent: str) -> None:
        alert = another(path=text)._replace(annotations={"message": text, "log_line": text})
        parsed = message(alert)
        found = [each["text"] for each in text_objects(parsed) if sent in each["text"]]
        assert len(found) == 3
        assert sent in parsed["text"]
        assert text not in json.dumps(parsed)

    def test_is_not_formatted(self) -> None:
        markup = "*bold* _italic_ ~struck~ `code` ```block``` :skull:"
        alert = another(path=markup)._replace(annotations={"message": markup, "log_line": markup})
        headline, *formatted = [t for t in text_objects(message(alert)) if "skull" in t["text"]]
        assert headline == {"type": "plain_text", "text": markup, "emoji": False}
        for text in formatted:
            assert re.fullmatch(r"\*path\*\n`[^`]*`|```[^`]*```", text["text"])

    @pytest.mark.parametrize(
        ("text", "sent"),
        [
            ("a\x1b[31mred\x00", r"a\x1b[31mred\x00"),
            ("one\r\ntwo", r"one\r\ntwo"),
            ("txt.\u202eexe", r"txt.\u202eexe"),
            ("\ud800", r"\ud800"),
            ("zwj \U0001f468\u200d\U0001f680", "zwj \U0001f468\u200d\U0001f680"),
        ],
    )
    def test_shows_what_cannot_be_seen(self, text: str, sent: str) -> None:
        assert texts(noted(message=text))[1] == sent
        assert f"*path*\n`{sent}`" in texts(article()._replace(labels={"path": text}))

    @pytest.mark.parametrize("character", ["x", "&", "<", "\U0001f600", "\x00"])
    def test_is_cut_at_a_whole_character_before_it_is_escaped(self, character: str) -> None:
        headline = message(noted(message=character * 100_000))["blocks"][1]["text"]["text"]
        assert headline.endswith("…")
        assert 900 <= len(headline) + headline.count("\U0001f600") <= 1_000
        assert not re.search(r"&(?!amp;|lt;|gt;)", headline)

    def test_that_fits_is_not_cut(self) -> None:
        assert texts(noted(message="&" * 200))[1] == "&" * 200
        assert texts(noted(message="&" * 201))[1] == "&" * 199 + "…"


NASTY = [
    "<!channel>",
    "<http://x|y>",
    "&amp;",
    "&",
    "`",
    "```",
    "\x00",
    "\n",
    "\u2028",
    "\U0001f600",
    "x" * 100_000,
    "<" * 100_000,
    "\x1b" * 5_000,
    " ",
]
TEXTS = (
    st.lists(st.sampled_from(NASTY), max_size=6).map("".join)
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc", "Cf"]))
)
# The names come from the rule file, whose loader takes letters, digits and _ only.
NAMES = st.sampled_from(["alertname", "namespace", "message", "summary", "severity", "log_line"])
MAPPINGS = st.dictionaries(NAMES | st.from_regex(r"[a-z_][a-z0-9_]{0,40}", fullmatch=True), TEXTS)
ALERTS = st.builds(
    Alert,
    MAPPINGS,
    MAPPINGS,
    st.just("cbf29ce484222325"),
    st.integers(0, NOW),
    st.just(0),
)
WORST = "<" * 100_000


@given(st.lists(ALERTS, min_size=1, max_size=12))
@example([Alert({f"l{n}": WORST for n in range(40)}, {"message": WORST, "x": WORST}, "", 0, 0)] * 9)
@example([Alert({"alertname": f"{n}" + WORST, "namespace": WORST}, {}, "", 0, 0) for n in range(9)])
def test_any_alerts_make_a_message_within_slacks_limits(alerts: list[Alert]) -> None:
    sent = message(*alerts)
    blocks = sent["blocks"]
    assert len(blocks) <= 50
    assert 1 <= len(sent["text"]) <= 4_000
    for block in blocks:
        assert len(block.get("fields", [])) <= 10
        assert len(block.get("elements", [])) <= 10
        assert block["type"] != "section" or block.keys() & {"text", "fields"}
        for field in block.get("fields", []):
            assert len(field["text"]) <= 2_000
    assert len(blocks[0]["text"]["text"]) <= 150
    lengths = [len(each["text"]) for each in text_objects(blocks)]
    assert all(1 <= length <= 3_000 for length in lengths)
    assert sum(lengths) <= 10_000


@given(st.lists(ALERTS, min_size=1, max_size=7))
def test_any_alerts_make_a_message_in_which_text_stays_text(alerts: list[Alert]) -> None:
    sent = message(*alerts)
    for text in [{"type": "plain_text", "text": sent["text"]}, *text_objects(sent["blocks"])]:
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text["text"])
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text["text"])
        if text["type"] == "mrkdwn":  # all of it is code, but for a label's name
            assert re.fullmatch(r"\*[^*`\n]+\*\n`[^`\n]+`|```\n[^`]+\n```", text["text"])


def outcome(status: int, body: str, **headers: str) -> Outcome:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SLACK.outcome(AnswerRead(status, named, body.encode()))


class TestAnAnswer:
    def test_of_the_web_api_comes_from_no_webhook(self) -> None:
        found = outcome(200, '{"ok":false,"error":"not_authed"}')
        assert isinstance(found, Unavailable)
        assert found.reason is Reason.UNEXPECTED
        assert "not_authed" in found.detail

    @pytest.mark.parametrize("error", ["invalid_payload", "invalid_blocks", "no_text"])
    def test_that_blames_the_message_is_final(self, error: str) -> None:
        assert outcome(400, error) == Refused(Reason.REFUSED, f"answered 400: {error}")

    @pytest.mark.parametrize("status", [400, 403, 413, 422])
    def test_that_is_no_word_of_slacks_is_not(self, status: int) -> None:
        found = outcome(status, "bad_gateway_or_so")
        assert isinstance(found, Unavailable)

    @pytest.mark.parametrize(
        ("status", "error", "reason"),
        [
            (403, "action_prohibited", Reason.AUTH),
            (403, "invalid_token", Reason.AUTH),
            (404, "channel_not_found", Reason.NOT_FOUND),
            (404, "no_service", Reason.NOT_FOUND),
            (410, "channel_is_archived", Reason.NOT_FOUND),
            (400, "invalid_token", Reason.AUTH),
            (400, "no_team\n", Reason.NOT_FOUND),
            (400, "user_not_found", Reason.NOT_FOUND),
            (500, "rollup_error", Reason.SERVER),
        ],
    )
    def test_that_blames_the_webhook_may_change(
        self, status: int, error: str, reason: Reason
    ) -> None:
        expected = Unavailable(reason, f"answered {status}: {error.strip()}")
        assert outcome(status, error) == expected

    def test_says_when_to_come_back(self) -> None:
        body = '{"retry_after":7,"ok":false,"error":"rate_limited"}'
        found = outcome(429, body, retry_after="7")
        assert isinstance(found, Unavailable)
        assert (found.reason, found.retry_after) == (Reason.RATE_LIMITED, 7)


class TestDelivery:
    """Over a real socket."""

    def test_posts_one_message_for_a_batch(self) -> None:
        alerts = [another(path=f"/{number}") for number in range(30)]
        with servers.receiver(OK) as receiver, sender(receiver.url, kind="slack") as opened:
            assert opened.outcomes(alerts) == [Accepted()] * 30
            [(headers, _)] = receiver.requests
            assert headers["content-type"] == "application/json"
            [sent] = receiver.bodies
        assert sent == message(*alerts)

    def test_leaves_a_message_that_comes_too_soon_for_later(self) -> None:
        limited = Answer(429, b'{"ok":false}', {"retry-after": "1"})
        [outcome], messages = delivered(limited, OK)
        assert outcome == Accepted()
        assert messages == 2

    def test_refuses_only_the_alert_that_slack_does_not_take(self) -> None:
        alerts = [another(path="/a"), another(path="/bad"), another(path="/c")]
        with servers.receiver(OK) as receiver, sender(receiver.url, kind="slack") as opened:
            receiver.refuse, receiver.no = ("/bad",), b"invalid_blocks"
            outcomes = opened.outcomes(alerts)
        assert [type(outcome) for outcome in outcomes] == [Accepted, Refused, Accepted]

    def test_never_tells_the_url_which_is_a_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        [outcome], _ = delivered(Answer(404, b"no_service"))
        assert isinstance(outcome, Unavailable)
        assert "/api/v2/alerts" not in outcome.detail + caplog.text
