"""What was delivered is not sent again: redelivered events, and labels within repeat_interval."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import requests
from hypothesis import given
from hypothesis import strategies as st

from function import memory
from function.memory import Memory
from tests import servers
from tests.servers import CLOUDEVENT, Answer

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
RULE = """
groups:
  - name: g
    rules:
      - {alert: Held, match: [log |= held], repeat_interval: 1h, labels: {pod: "{{ pod }}"}}
      - {alert: Free, match: [log |= free]}
"""


class Clock:
    now = 1

    def __call__(self) -> int:
        return self.now


def test_a_key_is_remembered_until_its_time_is_over() -> None:
    clock = Clock()
    delivered = Memory(clock=clock)
    assert not delivered.holds(b"a")
    delivered.remember(b"a", 100)
    clock.now += 99
    assert delivered.holds(b"a")
    assert not delivered.holds(b"b")
    clock.now += 1
    assert not delivered.holds(b"a")


@given(st.lists(st.sampled_from([bytes([n]) for n in range(20)]), max_size=60))
def test_the_memory_is_bounded_and_forgets_the_oldest(keys: list[bytes]) -> None:
    delivered = Memory(5 * memory.ENTRY, Clock())
    for key in keys:
        delivered.remember(key, 100)
    newest = list(dict.fromkeys(reversed(keys)))[:5]
    assert {key for key in keys if delivered.holds(key)} == set(newest)


def test_a_key_takes_no_more_than_is_reckoned_for_it() -> None:
    tracemalloc.start()
    try:
        delivered = Memory(50_000 * memory.ENTRY, Clock())
        for number in range(150_000):
            delivered.remember(number.to_bytes(16, "big"), number)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= 50_000 * memory.ENTRY


def test_what_is_over_takes_no_memory() -> None:
    clock = Clock()
    delivered = Memory(clock=clock)
    for number in range(1_000):
        delivered.remember(number.to_bytes(16, "big"), 100)
        clock.now += 10
    assert len(delivered._until) <= 10


def test_repeat_interval_holds_back_what_was_delivered_and_nothing_else(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE)
    with (
        servers.receiver(Answer(500), Answer(200)) as receiver,
        servers.function(tmp_path, RULES_FILE=str(rules), RECEIVER_URL=receiver.url) as door,
    ):
        held = [door.post(b'{"log": "held"}', "/records").status_code for _ in range(4)]
        free = [door.post(b'{"log": "free"}', "/records").status_code for _ in range(2)]
        page = requests.get(f"{door.url}/metrics", timeout=5).text
        posts = len(receiver.requests)
    assert held == [503, 204, 204, 204], "what did not get through is not held back"
    assert free == [204, 204]
    assert posts == 4
    assert "logs_handler_alerts_held_back_total 2.0" in page


def test_an_event_that_comes_again_is_answered_without_a_second_post(tmp_path: Path) -> None:
    later = {**CLOUDEVENT, "ce-id": "partition:0/offset:565"}
    with (
        servers.receiver(Answer(500), Answer(200)) as receiver,
        servers.function(tmp_path, RECEIVER_URL=receiver.url) as door,
    ):
        again = [door.post(ARTICLE, headers=CLOUDEVENT).status_code for _ in range(4)]
        assert len(receiver.requests) == 2, "the first was not delivered, so it is tried again"
        assert door.post(ARTICLE, headers=later).status_code == 204
        assert len(receiver.requests) == 3, "another event with the same data is another event"
        assert (
            door.post(ARTICLE.replace(b"/notfound", b"/new"), headers=CLOUDEVENT).status_code == 204
        )
        assert len(receiver.requests) == 4, "the same id with other data: the topic is a new one"
        page = requests.get(f"{door.url}/metrics", timeout=5).text
    assert again == [503, 204, 204, 204]
    assert "logs_handler_events_redelivered_total 2.0" in page


def test_an_event_of_which_one_alert_was_refused_comes_again_whole(tmp_path: Path) -> None:
    two = b"[" + ARTICLE + b"," + ARTICLE.replace(b"/notfound", b"/bad") + b"]"
    with (
        servers.receiver() as receiver,
        servers.function(tmp_path, RECEIVER_URL=receiver.url) as door,
    ):
        receiver.refuse = ("/bad",)
        assert door.post(two, headers=CLOUDEVENT).status_code == 422
        receiver.refuse = ()
        assert door.post(two, headers=CLOUDEVENT).status_code == 204
