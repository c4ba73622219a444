"""A pod whose clock is behind Alertmanager's sends alerts that are over: it says so."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from function import logs
from tests.delivering import sender
from tests.test_alerts import article
from tests.test_delivery_post import saying

MINUTE = 60 * 10**9


@pytest.mark.parametrize(
    ("kind", "ahead", "is_told"),
    [
        ("alertmanager", 330, True),
        ("alertmanager", 270, False),
        ("alertmanager", -3600, False),
        ("alertmanager", None, False),
        ("notification-manager", 3600, False),  # is told no end
    ],
)
def test_once_a_minute(
    kind: str, ahead: int | None, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info")
    date = "" if ahead is None else f"date: {formatdate(time.time() + ahead, usegmt=True)}\r\n"
    answer = f"HTTP/1.1 200 OK\r\n{date}content-length: 0\r\n\r\n".encode()
    alert = article()._replace(keep_firing_for=5 * MINUTE)
    with saying(answer) as url, sender(url, kind=kind) as opened:
        opened.outcomes([alert])
        opened.outcomes([alert])
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [line for line in lines if line["event"] == "clock_behind"]
    assert len(told) == is_told
    for line in told:
        assert line["seconds"] in range(327, 334)
        assert line["keep_firing_for"] == 300
