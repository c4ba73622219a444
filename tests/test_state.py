"""State: who delivers which alert, and what everybody hears who waits for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.alerts import Alert, fingerprint
from function.receivers import Accepted, Outcome, Reason, Refused, Unavailable
from function.state import (
    Claim,
    DeliveredBefore,
    HeldBack,
    Reservation,
    State,
    Waiting,
    Wanted,
)

HOUR = 3600 * 10**9
NO = Refused(Reason.REFUSED, "no")
AWAY = Unavailable(Reason.SERVER, "away")
FULL = Unavailable(Reason.BUSY, "too many wait")


class Posts:
    """A state whose POSTs are answered by the test."""

    def __init__(self, answer: Outcome | None = None, *, may_wait: bool = True) -> None:
        waiting = Waiting(lambda _receiver, _holder: None if may_wait else FULL, self.stopped)
        self.state = State(self.deliver, waiting, remembered=1800, post_timeout=5)
        self.claims: list[Claim] = []
        self.answer = answer
        self.over: list[object] = []

    def deliver(self, claims: Sequence[Claim]) -> None:
        self.claims += claims
        if self.answer is not None:
            self.state.settle([(claim, self.answer) for claim in claims])

    def stopped(self, holder: object) -> None:
        self.over.append(holder)

    def reserve(self, *wanted: Wanted, seconds: float = 25) -> Reservation:
        return self.state.reserve(wanted, time.monotonic() + seconds)

    def settle(self, result: Outcome | Exception) -> None:
        """Answer the oldest POST."""
        self.state.settle([(self.claims.pop(0), result)])


def alert(label: str = "x", note: str = "", *, repeat_interval: int = 0, at: int = 1) -> Alert:
    labels = {"label": label}
    return Alert(labels, {"note": note}, fingerprint(labels), at, 0, repeat_interval)


def held(note: str, at: int = 1) -> Wanted:
    """One of several lines that share their labels, with a repeat_interval."""
    return wanted(alert(note=note, repeat_interval=HOUR, at=at))


def wanted(each: Alert, event: bytes | None = None, number: int = 0, *receivers: str) -> Wanted:
    return Wanted(each, receivers or ("r",), event, number)


def outcomes(reservation: Reservation) -> list[Outcome]:
    return reservation.future.result(0)


class TestOneRequest:
    def test_delivers_all_that_is_new_at_once(self) -> None:
        posts = Posts()
        reservation = posts.reserve(wanted(alert("a")), wanted(alert("b")))
        assert [claim.alert.labels["label"] for claim in posts.claims] == ["a", "b"]
        posts.settle(Accepted())
        assert not reservation.future.done()
        posts.settle(NO)
        assert outcomes(reservation) == [Accepted(), NO]

    @pytest.mark.parametrize("result", [Accepted(), NO, AWAY])
    def test_shares_the_outcome_of_equal_alerts(self, result: Outcome) -> None:
        posts = Posts()
        reservation = posts.reserve(wanted(alert()), wanted(alert()), wanted(alert()))
        assert len(posts.claims) == 1
        posts.settle(result)
        assert outcomes(reservation) == [result] * 3

    def test_sends_one_of_the_alerts_with_the_same_labels_within_repeat_interval(self) -> None:
        posts = Posts()
        reservation = posts.reserve(held("a"), held("b"), held("c"))
        assert len(posts.claims) == 1
        posts.settle(Accepted())
        assert outcomes(reservation) == [Accepted(), HeldBack(), HeldBack()]

    def test_tries_the_next_one_where_the_first_is_refused(self) -> None:
        posts = Posts()
        reservation = posts.reserve(held("a"), held("b"), held("c"))
        posts.settle(NO)
        assert [claim.alert.annotations["note"] for claim in posts.claims] == ["b"]
        posts.settle(Accepted())
        assert outcomes(reservation) == [NO, Accepted(), HeldBack()]

    def test_comes_again_whole_where_one_cannot_be_delivered_now(self) -> None:
        posts = Posts()
        reservation = posts.reserve(held("a"), held("b"), held("c"))
        posts.settle(AWAY)
        assert outcomes(reservation) == [AWAY] * 3
        assert posts.claims == []

    def test_sends_alerts_of_different_lines_though_labels_and_time_are_the_same(self) -> None:
        posts = Posts()
        posts.reserve(*(wanted(alert(note=f"{number}")) for number in range(5)))
        assert len(posts.claims) == 5

    def test_learns_of_a_bug_as_such(self) -> None:
        posts = Posts()
        reservation = posts.reserve(wanted(alert("a")), wanted(alert("b")))
        posts.settle(ValueError("bug"))
        posts.settle(Accepted())
        with pytest.raises(ValueError, match="bug"):
            outcomes(reservation)


class TestAnotherRequest:
    def test_with_the_same_event_waits_and_is_delivered_before(self) -> None:
        posts = Posts()
        first = posts.reserve(wanted(alert(at=1), b"event"))
        second = posts.reserve(wanted(alert(at=2), b"event"))
        assert len(posts.claims) == 1
        posts.settle(Accepted())
        assert (outcomes(first), outcomes(second)) == ([Accepted()], [DeliveredBefore()])
        third = posts.reserve(wanted(alert(at=3), b"event"))
        assert outcomes(third) == [DeliveredBefore()]

    def test_with_another_record_of_the_event_is_delivered(self) -> None:
        posts = Posts(Accepted())
        for number in range(3):
            reservation = posts.reserve(wanted(alert(at=number), b"event", number))
            assert outcomes(reservation) == [Accepted()]

    def test_with_a_record_that_is_of_no_event_is_delivered_again(self) -> None:
        posts = Posts(Accepted())
        for _ in range(2):
            assert outcomes(posts.reserve(wanted(alert()))) == [Accepted()]

    def test_hears_of_the_refusal_of_the_same_event(self) -> None:
        posts = Posts()
        first = posts.reserve(wanted(alert(at=1), b"event"))
        second = posts.reserve(wanted(alert(at=2), b"event"))
        posts.settle(NO)
        assert (outcomes(first), outcomes(second)) == ([NO], [NO])
        posts.reserve(wanted(alert(at=3), b"event"))
        assert len(posts.claims) == 1, "a refusal is not remembered"

    def test_with_the_same_labels_only_is_not_refused_with_it(self) -> None:
        posts = Posts()
        first = posts.reserve(held("a"))
        second = posts.reserve(held("b"))
        posts.settle(NO)
        assert outcomes(first) == [NO]
        assert not second.future.done()
        posts.settle(Accepted())
        assert outcomes(second) == [Accepted()]

    def test_takes_over_from_one_that_failed_and_the_others_wait_on(self) -> None:
        posts = Posts()
        reservations = [posts.reserve(held(f"{number}")) for number in range(4)]
        posts.settle(AWAY)
        assert outcomes(reservations[0]) == [AWAY]
        assert [claim.alert.annotations["note"] for claim in posts.claims] == ["1"]
        assert not any(each.future.done() for each in reservations[1:])
        posts.settle(Accepted())
        assert [outcomes(each) for each in reservations[1:]] == [
            *([Accepted()], [HeldBack()], [HeldBack()]),
        ]

    def test_takes_over_after_a_bug_too(self) -> None:
        posts = Posts()
        posts.reserve(held("a"))
        second = posts.reserve(held("b"))
        posts.settle(ValueError("bug"))
        posts.settle(Accepted())
        assert outcomes(second) == [Accepted()]

    def test_takes_over_only_with_time_for_a_post(self) -> None:
        posts = Posts()
        posts.reserve(held("a"))
        short = posts.reserve(held("b"), seconds=4)
        long = posts.reserve(held("c"), seconds=6)
        posts.settle(AWAY)
        assert [claim.alert.annotations["note"] for claim in posts.claims] == ["c"]
        assert not short.future.done(), "it waits for who has taken over"
        posts.settle(Accepted())
        assert (outcomes(short), outcomes(long)) == ([HeldBack()], [Accepted()])

    def test_hears_of_the_failure_where_nobody_has_time_for_a_post(self) -> None:
        posts = Posts()
        reservations = [posts.reserve(held(f"{n}"), seconds=4) for n in range(3)]
        posts.settle(AWAY)
        assert [outcomes(each) for each in reservations] == [[AWAY]] * 3

    def test_is_refused_at_once_where_too_many_wait(self) -> None:
        posts = Posts(may_wait=False)
        posts.reserve(held("a"))
        assert outcomes(posts.reserve(held("b"))) == [FULL]

    def test_says_when_it_waits_no_more(self) -> None:
        posts = Posts()
        posts.reserve(held("a"))
        second = posts.reserve(held("b"))
        assert second not in posts.over
        posts.settle(Accepted())
        assert second in posts.over

    def test_of_many_that_all_fail_at_once_ends(self) -> None:
        posts = Posts()
        reservations = [posts.reserve(held(f"{number}")) for number in range(3000)]
        posts.answer = AWAY
        posts.settle(AWAY)
        assert all(outcomes(each) == [AWAY] for each in reservations)

    def test_does_not_wait_for_one_that_nobody_will_hear_of_again(self) -> None:
        posts = Posts()
        lost = posts.reserve(held("a"), seconds=-7)
        second = posts.reserve(held("b"))
        assert [claim.alert.annotations["note"] for claim in posts.claims] == ["a", "b"]
        [outcome] = outcomes(lost)
        assert isinstance(outcome, Unavailable)
        assert not second.future.done()


class TestSeveralReceivers:
    def test_all_have_to_accept(self) -> None:
        posts = Posts()
        reservation = posts.reserve(wanted(alert(), b"event", 0, "a", "b"))
        assert [claim.receiver for claim in posts.claims] == ["a", "b"]
        posts.settle(Accepted())
        assert not reservation.future.done()
        posts.settle(Accepted())
        assert outcomes(reservation) == [Accepted()]

    @pytest.mark.parametrize(
        ("results", "told"),
        [
            ((Accepted(), NO), NO),
            ((NO, AWAY), AWAY),
            ((AWAY, Accepted()), AWAY),
            ((Accepted(), Accepted()), Accepted()),
        ],
    )
    def test_what_may_still_be_delivered_counts_before_what_is_refused(
        self, results: tuple[Outcome, Outcome], told: Outcome
    ) -> None:
        posts = Posts()
        reservation = posts.reserve(wanted(alert(), None, 0, "a", "b"))
        for result in results:
            posts.settle(result)
        assert outcomes(reservation) == [told]

    def test_a_retry_goes_only_to_those_that_have_not_got_it(self) -> None:
        posts = Posts()
        posts.reserve(wanted(alert(), b"event", 0, "a", "b"))
        posts.settle(Accepted())
        posts.settle(AWAY)
        again = posts.reserve(wanted(alert(at=2), b"event", 0, "a", "b"))
        assert [claim.receiver for claim in posts.claims] == ["b"]
        posts.settle(Accepted())
        assert outcomes(again) == [Accepted()]


# Any order of requests and answers.

ALERTS = st.builds(
    alert,
    st.sampled_from("ab"),
    st.sampled_from("xyz"),
    repeat_interval=st.sampled_from([0, HOUR]),
    at=st.integers(1, 2),
)
WANTED = st.builds(wanted, ALERTS, st.sampled_from([None, b"1", b"2", b"3"]), st.integers(0, 1))
REQUESTS = st.tuples(st.lists(WANTED, min_size=1, max_size=4), st.sampled_from([4, 25]))
RESULTS = st.tuples(st.integers(0, 5), st.sampled_from([Accepted(), NO, AWAY]))


@settings(max_examples=300)
@given(st.lists(REQUESTS | RESULTS, max_size=30))
def test_in_any_order_nothing_is_sent_twice_or_acknowledged_that_nobody_has(
    steps: list[tuple[list[Wanted], int] | tuple[int, Outcome]],
) -> None:
    posts = Posts()
    accepted: list[Claim] = []
    reservations: list[tuple[list[Wanted], Reservation]] = []

    def settle(claim: Claim, result: Outcome) -> None:
        posts.claims.remove(claim)
        if isinstance(result, Accepted):
            accepted.append(claim)
        posts.state.settle([(claim, result)])

    for first, second in steps:
        if isinstance(first, list) and isinstance(second, int):
            reservations.append((first, posts.reserve(*first, seconds=second)))
        elif isinstance(first, int) and not isinstance(second, int) and posts.claims:
            settle(posts.claims[first % len(posts.claims)], second)
        keys = Counter(key for claim in posts.claims for key in claim.keys)
        assert max(keys.values(), default=1) == 1, "two POSTs of the same are under way"
    while posts.claims:
        settle(posts.claims[0], Accepted())

    told = [
        (Claim(each, "r", reservation, 0), outcome)
        for asked, reservation in reservations
        for each, outcome in zip(asked, outcomes(reservation), strict=True)
    ]
    delivered = [*accepted]
    left = [claim for claim, outcome in told if isinstance(outcome, Accepted)]
    while more := [claim for claim in left if any(map(claim.equals, delivered))]:
        delivered += more  # what is alike something that is delivered is delivered
        left = [claim for claim in left if claim not in more]
    labelled = {claim.labels for claim in delivered} - {None}
    assert all(claim.labels in labelled for claim in left), "nobody has it"
    events = Counter(claim.event for claim in accepted if claim.event)
    assert max(events.values(), default=1) == 1, "an event's alert was accepted twice"
    labels = Counter(claim.labels for claim in accepted if claim.labels)
    assert max(labels.values(), default=1) == 1, "repeat_interval was not kept"


def test_a_bug_is_a_requests_end_at_once() -> None:
    reservation = Reservation([1, 1], 0)
    reservation.tell([(0, ValueError())])
    assert isinstance(reservation.future.exception(0), ValueError)


def test_a_future_cannot_be_set_twice() -> None:
    reservation = Reservation([1], 0)
    reservation.tell([(0, Accepted())])
    reservation.tell([(0, NO)])
    assert outcomes(reservation) == [Accepted()]
    assert isinstance(reservation.future, Future)
