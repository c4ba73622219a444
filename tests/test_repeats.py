"""repeat_interval: the same labels are not sent again too soon, unless they did not get through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import requests
from hypothesis import given
from hypothesis import strategies as st

from function import repeats
from function.alerts import Alert
from function.repeats import Repeats
from function.timestamps import SECOND
from tests import servers
from tests.servers import Answer
from tests.test_alerts import article

MINUTE = 60 * SECOND
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


def every(interval: int, **changes: str) -> Alert:
    """The article's alert under a rule with this repeat_interval."""
    return replace(article(), repeat_interval=interval, **changes)  # type: ignore[arg-type]  # texts


def test_an_alert_is_held_back_until_its_interval_is_over() -> None:
    clock = Clock()
    memory = Repeats(clock)
    alert = every(MINUTE)
    assert not memory.holds_back(alert)
    memory.delivered(alert)
    clock.now += MINUTE - 1
    assert memory.holds_back(alert)
    clock.now += 1
    assert not memory.holds_back(alert)


def test_other_labels_are_another_alert() -> None:
    memory = Repeats(Clock())
    memory.delivered(every(MINUTE))
    assert not memory.holds_back(every(MINUTE, fingerprint="another"))


def test_without_an_interval_nothing_is_held_back_or_remembered() -> None:
    memory = Repeats(Clock())
    memory.delivered(every(0))
    assert not memory.holds_back(every(0))
    assert not memory._until


@given(st.lists(st.integers(0, 20), max_size=60))
def test_the_memory_is_bounded_and_forgets_the_oldest(fingerprints: list[int]) -> None:
    remembered, repeats.REMEMBERED = repeats.REMEMBERED, 5
    try:
        memory = Repeats(Clock())
        for number in fingerprints:
            memory.delivered(every(MINUTE, fingerprint=str(number)))
        newest = list(dict.fromkeys(reversed(fingerprints)))[:5]
        assert [int(each) for each in reversed(memory._until)] == newest
    finally:
        repeats.REMEMBERED = remembered


def test_a_request_whose_alert_is_a_repeat_is_acknowledged_without_a_post(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE)
    with (
        servers.receiver(Answer(500), Answer(200)) as receiver,
        servers.function(tmp_path, RULES_FILE=str(rules), RECEIVER_URL=receiver.url) as door,
    ):
        statuses = [door.post(b'{"log": "held"}').status_code for _ in range(4)]
        free = [door.post(b'{"log": "free"}').status_code for _ in range(2)]
        page = requests.get(f"{door.url}/metrics", timeout=5).text
        posts = len(receiver.requests)
    assert statuses == [503, 204, 204, 204], "what did not get through is not held back"
    assert free == [204, 204]
    assert posts == 4
    assert "logs_handler_alerts_held_back_total 2.0" in page
