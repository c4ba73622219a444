"""The `reply` receiver: alerts leave as the CloudEvent that answers the request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cloudevents.core.formats.json import JSONFormat

from tests import servers
from tests.servers import CLOUDEVENT, Function

ARTICLE = (Path(__file__).parent / "records" / "article.json").read_bytes().strip()
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    overrides = '{"extensions": {"cluster": "prod"}}'
    with servers.function(
        tmp_path_factory.mktemp("reply"), RECEIVER="reply", K_CE_OVERRIDES=overrides
    ) as running:
        yield running


def test_a_match_is_answered_with_one_valid_event(server: Function) -> None:
    answer = server.post(ARTICLE, headers=servers.event(traceparent=TRACE))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = JSONFormat().read(None, answer.content)
    assert event.get_type() == "dev.logs-handler.alerts"
    assert event.get_extension("cluster") == "prod"
    assert event.get_extension("traceparent") == TRACE
    [alert] = json.loads(answer.content)["data"]["alerts"]
    assert alert["labels"]["path"] == "/notfound"


@pytest.mark.parametrize("trace", ["00-" + 32 * "0" + "-" + 16 * "0" + "-00", "x", "00-1-2-3"])
def test_a_traceparent_that_is_none_ends_here(server: Function, trace: str) -> None:
    answer = server.post(ARTICLE, headers=servers.event(traceparent=trace))
    assert "traceparent" not in answer.json()


def test_its_alerts_are_counted(tmp_path: Path) -> None:
    with servers.function(tmp_path, RECEIVER="reply") as server:
        other = ARTICLE.replace(b"/notfound", b"/other")
        assert server.post(b"[" + ARTICLE + b"," + other + b"]").status_code == 200
        page = requests.get(f"{server.url}/metrics", timeout=5).text
    assert '\nlogs_handler_alerts_total{outcome="accepted",receiver="reply"} 2.0\n' in page


def test_what_matches_nothing_is_answered_with_nothing(server: Function) -> None:
    answer = server.post(b'{"log": "hello"}')
    assert (answer.status_code, answer.content) == (204, b"")


def test_an_event_that_comes_again_gets_the_same_answer_again(server: Function) -> None:
    first = server.post(ARTICLE, headers=CLOUDEVENT)
    again = server.post(ARTICLE, headers=CLOUDEVENT)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content


def test_a_repeat_interval_holds_no_answer_back(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "groups: [{name: g, rules: [{alert: A, match: ['log |= x'], repeat_interval: 1h}]}]"
    )
    with servers.function(tmp_path, RECEIVER="reply", RULES_FILE=str(rules)) as server:
        answers = [server.post(b'{"log": "x"}').status_code for _ in range(2)]
    assert answers == [200, 200]


def test_several_alerts_of_a_request_share_the_event(server: Function) -> None:
    other = ARTICLE.replace(b"/notfound", b"/other")
    answer = server.post(b"[" + ARTICLE + b"," + other + b"]")
    assert len(answer.json()["data"]["alerts"]) == 2


def test_a_person_gets_the_summary_instead(server: Function) -> None:
    answer = server.post(ARTICLE, headers=servers.event(prefer="return=representation"))
    assert answer.json()["matches"] == 1
