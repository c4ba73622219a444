"""Replies: what a refusal says, and which of several problems decides its status."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import errors, replies
from function.errors import RequestError

REFUSED = errors.AlertRefused("no such label")
AWAY = errors.ReceiverUnavailable("no answer", None, "timeout", retry_after=7)
FULL = errors.QueueFull("20000 alerts are waiting already", "record 1", "full", None)
BROKEN = errors.RecordError("not JSON", "event 2")
LARGE = errors.ContentTooLarge("over 10 bytes")
UNREADABLE = errors.UnsupportedContent("text/xml")
ALL: list[RequestError] = [REFUSED, AWAY, FULL, BROKEN, LARGE, UNREADABLE]


def test_a_refusal_is_a_problem_of_rfc_9457() -> None:
    reply = replies.refusal([BROKEN])
    assert reply.status == 400
    assert reply.headers == {"content-type": "application/problem+json"}
    assert json.loads(reply.body) == {
        "title": "Not a log record",
        "status": 400,
        "detail": "event 2: not JSON",
    }


@pytest.mark.parametrize(
    ("problems", "status"),
    [
        ([BROKEN, REFUSED, AWAY], 503),  # something may still be delivered
        ([BROKEN, REFUSED], 422),
        ([LARGE], 413),
        ([UNREADABLE, UNREADABLE], 415),
        ([UNREADABLE, BROKEN], 400),  # no status of its own fits both
    ],
)
def test_the_status_is_that_of_the_problem_for_which_trying_again_helps_most(
    problems: list[RequestError], status: int
) -> None:
    assert replies.refusal(problems).status == status


def test_a_refusal_that_may_end_says_when_to_come_back() -> None:
    assert 7 <= int(replies.refusal([BROKEN, AWAY]).headers["retry-after"]) <= 14


def test_not_all_senders_are_told_to_come_back_at_once() -> None:
    told = {replies.refusal([AWAY]).headers["retry-after"] for _ in range(200)}
    assert len(told) > 3


@pytest.mark.parametrize("asked", [None, 1, 59, 60, 10**9])
def test_nobody_is_told_to_stay_away_for_more_than_a_minute(asked: int | None) -> None:
    away = errors.ReceiverUnavailable("no answer", None, "timeout", asked)
    assert 1 <= int(replies.refusal([away]).headers["retry-after"]) <= 60


def test_of_many_kinds_of_problems_the_first_are_named_one_by_one() -> None:
    many = [errors.RecordError(f"not JSON at byte {n}", f"event {n}") for n in range(50)]
    body = json.loads(replies.refusal(many).body)
    assert body["problems"] == [f"event {n}: not JSON at byte {n}" for n in range(20)]


def test_equal_problems_are_named_once_with_their_number() -> None:
    body = json.loads(replies.refusal([FULL] * 2428).body)
    assert body == {
        "title": "Too many alerts are waiting",
        "status": 503,
        "detail": "record 1: 20000 alerts are waiting already (2428 times)",
    }
    body = json.loads(replies.refusal([BROKEN, AWAY, AWAY]).body)
    assert body["problems"] == ["event 2: not JSON", "no answer (2 times)"]


@given(st.lists(st.sampled_from(ALL), min_size=1))
def test_no_refusal_has_a_status_that_kafkasource_takes_for_another(
    problems: list[RequestError],
) -> None:
    reply = replies.refusal(problems)
    assert reply.status in {400, 413, 415, 422, 503}
    assert ("retry-after" in reply.headers) is (reply.status == 503)


def test_that_all_is_well_is_said_without_a_body() -> None:
    # A Broker or Channel answers 502 for us when a 2xx holds something that is not an event.
    assert replies.Reply(204, {}, b"") == replies.NO_CONTENT
