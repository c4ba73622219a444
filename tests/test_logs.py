"""Log lines: one JSON object each, and nothing secret in them."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest
import requests

from function import logs
from function.formats import timestamps
from tests import servers
from tests.servers import Answer

ARTICLE = (Path(__file__).parent / "records" / "article.json").read_bytes()


@pytest.fixture(autouse=True)
def _restored() -> object:
    """Leave the package's logger as it was."""
    logger = logging.getLogger("function")
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_has_a_time_a_level_a_name_and_its_own_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info")
    logs.log(logging.WARNING, "delivery_failed", reason="timeout", alerts=3)
    [line] = lines(capsys)
    assert timestamps.parse(str(line.pop("time")))
    assert line == {
        "level": "warning",
        "event": "delivery_failed",
        "reason": "timeout",
        "alerts": 3,
    }


def test_the_level_decides_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error")
    logs.log(logging.WARNING, "quiet")
    logs.log(logging.ERROR, "loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_a_line_break_in_a_value_starts_no_new_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    logs.log(logging.INFO, "event", detail='a\n{"event": "forged"}\u2028')
    assert len(lines(capsys)) == 1


def test_an_unexpected_error_is_one_line_with_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("info")
    try:
        raise ZeroDivisionError("so")
    except ZeroDivisionError:
        logs.exception("unexpected_error", path="/")
    [line] = lines(capsys)
    assert line["level"] == "error"
    assert str(line["traceback"]).endswith("ZeroDivisionError: so")


@pytest.mark.parametrize("answer", [Answer(500), Answer(400), Answer(drop=True)])
def test_a_failed_delivery_is_logged_without_the_receivers_path_and_password(
    tmp_path: Path, answer: Answer
) -> None:
    with servers.receiver(answer) as receiver:
        url = receiver.url.replace("http://", "http://user:hunter2@").replace("alerts", "T0/tokn")
        with servers.function(tmp_path, RECEIVER_URL=url, LOG_LEVEL="debug") as server:
            refused = server.post(ARTICLE)
            page = requests.get(server.url, timeout=5).text
            failed = [line for line in server.events() if line["event"] == "delivery_failed"]
            log = server.log
    assert failed[0]["receiver"] == "notification-manager"
    for secret in ("hunter2", "tokn"):
        assert secret not in log + refused.text + page


def test_that_a_receiver_works_again_is_told_with_how_long_it_did_not(tmp_path: Path) -> None:
    with (
        servers.receiver(Answer(500), Answer()) as receiver,
        servers.function(tmp_path, RECEIVER_URL=receiver.url) as server,
    ):
        start = time.monotonic()
        assert server.post(ARTICLE).status_code == 503
        time.sleep(0.3)
        assert server.post(ARTICLE).status_code == 204
        seconds = time.monotonic() - start
        events = {line["event"]: line for line in server.events()}
    assert events["receiver_failing"]["reason"] == "server"
    assert 0.2 < events["receiver_works_again"]["failed_for_seconds"] <= seconds + 0.1
