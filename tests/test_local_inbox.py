"""The inbox answers as Notification Manager and Alertmanager do; the latter is asked as well."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from local.inbox import Inbox
from local.receivers.alertmanager import fingerprint
from local.receivers.go_time import (
    LOCAL,
    RFC3339,
    SORTABLE,
    GoTimeError,
    parse,
    rfc3339_milliseconds,
)
from local.receivers.http_messages import Alert
from tests import real
from tests.e2e.real_alertmanager import alertmanager

ACCEPTED = '{"Status":200,"Message":"Notification request accepted"}'
ARTICLE_LABELS = {
    "alertname": "404 Request",
    "method": "GET",
    "namespace": "demo-project",
    "path": "/notfound",
    "pod": "wordpress-v1-f54f697c5-hdn2z",
    "severity": "warning",
}
ARTICLE = {
    "receiver": "notification_manager",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": ARTICLE_LABELS,
            "annotations": {},
            "startsAt": "2021-08-25T01:54:37.226757612Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": "",
        }
    ],
    "groupLabels": {"alertname": "404 Request", "namespace": "demo-project"},
    "commonLabels": {"alertname": "404 Request"},
    "commonAnnotations": {},
    "externalURL": "",
}


class Reply(NamedTuple):
    status: int
    content_type: str | None
    body: str


def send(
    url: str,
    body: str | bytes,
    *,
    method: str = "POST",
    content_type: str | None = "application/json",
) -> Reply | None:
    """The server's reply; None if it closed the connection without one."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    headers = {"content-type": content_type} if content_type else {}
    try:
        connection.request(method, parts.path, raw, headers)
        response = connection.getresponse()
        text = response.read().decode()
        return Reply(response.status, response.getheader("content-type"), text)
    except http.client.RemoteDisconnected:
        return None
    finally:
        connection.close()


@pytest.fixture
def manager() -> Iterator[Inbox]:
    with Inbox("notification-manager") as inbox:
        yield inbox


@pytest.fixture
def alerts_inbox() -> Iterator[Inbox]:
    with Inbox("alertmanager") as inbox:
        yield inbox


@pytest.fixture(scope="module")
def real_url() -> Iterator[str]:
    with alertmanager() as base:
        yield f"{base}/api/v2/alerts"


# Notification Manager

LABELLED = '{"alerts":[{"labels":{"a":"b"},"annotations":{},"startsAt":%s}]}'

NOTIFICATION_MANAGER = {
    "the article's payload": (json.dumps(ARTICLE), 200, ACCEPTED),
    "null": ("null", 200, ACCEPTED),
    "an empty object": ("{}", 200, ACCEPTED),
    "alerts null": ('{"alerts":null}', 200, ACCEPTED),
    "no alerts": ('{"alerts":[]}', 200, ACCEPTED),
    "keys in another case": ('{"ALERTS":[{"Labels":{"a":"b"}}]}', 200, ACCEPTED),
    "garbage behind the document": ("{} x", 200, ACCEPTED),
    "two documents": ("{}{}", 200, ACCEPTED),
    "startsAt null": (LABELLED % "null", 200, ACCEPTED),
    "startsAt with an offset": (LABELLED % '"2021-08-25T01:54:37+00:00"', 200, ACCEPTED),
    "an opened object": (
        "{",
        400,
        '{"Status":400,"Message":"template.Data.ReadString: expects \\" or n, but found \\u0000, '
        'error found in #1 byte of ...|{|..., bigger context ...|{|..."}',
    ),
    "an empty body": ("", 400, '{"Status":400,"Message":"EOF"}'),
    "Alertmanager's array": ("[]", 400, "readObjectStart: expect { or n, but found [, error"),
    "a label that is a number": (
        '{"alerts":[{"labels":{"a":404}}]}',
        400,
        'ReadString: expects \\" or n, but found 4',
    ),
    "a label that is a boolean": (
        '{"alerts":[{"labels":{"a":true}}]}',
        400,
        'ReadString: expects \\" or n, but found t',
    ),
    "an annotation that is an object": (
        '{"alerts":[{"labels":{},"annotations":{"a":{}}}]}',
        400,
        'ReadString: expects \\" or n, but found {',
    ),
    "an empty startsAt": (
        LABELLED % '""',
        400,
        'parsing time \\"\\" as \\"2006-01-02T15:04:05Z07:00\\"',
    ),
    "a startsAt in words": (LABELLED % '"yesterday"', 400, 'parsing time \\"yesterday\\" as'),
    "a startsAt without zone": (LABELLED % '"2021-08-25T01:54:37"', 400, 'as \\"Z07:00\\"'),
    "no labels": ('{"alerts":[{"annotations":{}}]}', 500, "Internal Server Error\n"),
    "labels null": ('{"alerts":[{"labels":null}]}', 500, "Internal Server Error\n"),
    "a metric without annotations": (
        '{"alerts":[{"labels":{"alerttype":"metric"}}]}',
        500,
        "Internal Server Error\n",
    ),
    "an alert that is null": ('{"alerts":[null]}', 500, "Internal Server Error\n"),
}


@pytest.mark.parametrize(
    ("body", "status", "text"), NOTIFICATION_MANAGER.values(), ids=NOTIFICATION_MANAGER.keys()
)
def test_notification_manager_answers(manager: Inbox, body: str, status: int, text: str) -> None:
    reply = send(manager.url, body)
    assert reply is not None
    assert (reply.status, reply.content_type) == (status, "text/plain; charset=utf-8")
    assert text in reply.body


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json"])
def test_notification_manager_reads_no_content_type(
    manager: Inbox, content_type: str | None
) -> None:
    reply = send(manager.url, json.dumps(ARTICLE), content_type=content_type)
    assert reply == (200, "text/plain; charset=utf-8", ACCEPTED)


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_notification_manager_allows_only_post(manager: Inbox, method: str) -> None:
    assert send(manager.url, "", method=method) == (405, None, "")


def test_notification_manager_knows_no_path_with_a_trailing_slash(manager: Inbox) -> None:
    assert send(manager.url + "/", "{}") == (
        404,
        "text/plain; charset=utf-8",
        "404 page not found\n",
    )


def test_notification_manager_has_queued_what_came_before_the_alert_it_panics_on(
    manager: Inbox,
) -> None:
    send(manager.url, '{"alerts":[{"labels":{"a":"1"}},{"labels":null},{"labels":{"a":"3"}}]}')
    assert [alert.labels for alert in manager.alerts] == [{"a": "1"}]


# Alertmanager

LABELS = '[{"labels":{"a":"b"},%s}]'
NOT_PARSED = '{"code":400,"message":"parsing alerts body from \\"\\" failed, because '

ALERTMANAGER = {
    "the article's object": json.dumps(ARTICLE),
    "the article's alerts alone": json.dumps(ARTICLE["alerts"]),
    "a minimal alert": '[{"labels":{"alertname":"x"}}]',
    "no alerts": "[]",
    "null": "null",
    "the same alert twice": '[{"labels":{"a":"b"}},{"labels":{"a":"b"}}]',
    "garbage behind the document": "[] x",
    "keys in another case": '[{"Labels":{"a":"b"}}]',
    "an unknown field": LABELS % '"foo":1',
    "an opened object": "{",
    "an opened array": "[",
    "a cut off string": '[{"labels":{"a":"b',
    "no JSON": "x",
    "an empty body": "",
    "a blank body": " \n",
    "a string": '"a"',
    "a number": "1",
    "an alert that is a number": "[1]",
    "an alert that is null": "[null]",
    "no labels": "[{}]",
    "labels null": '[{"labels":null}]',
    "empty labels": '[{"labels":{}}]',
    "only empty label values": '[{"labels":{"a":""}}]',
    "an empty value under a bad name": '[{"labels":{"a":"b","a-b":""}}]',
    "no alertname": '[{"labels":{"a":"b"}}]',
    "labels that are a list": '[{"labels":[]}]',
    "a label name with a dash": '[{"labels":{"http-method":"1"}}]',
    "a label name with a dot": '[{"labels":{"http.method":"1"}}]',
    "a label name beyond ASCII": '[{"labels":{"ünï":"1"}}]',
    "a label name that begins with a digit": '[{"labels":{"1a":"1"}}]',
    "an empty label name": '[{"labels":{"":"1"}}]',
    "an annotation name with a dash": LABELS % '"annotations":{"a-b":"1"}',
    "annotations null": LABELS % '"annotations":null',
    "an annotation that is a number": LABELS % '"annotations":{"a":1}',
    "a label that is a number": '[{"labels":{"a":404}}]',
    "a label that is a boolean": '[{"labels":{"a":true}}]',
    "a label that is an object": '[{"labels":{"a":{}}}]',
    "a label that is null": '[{"labels":{"a":null}}]',
    "a lone surrogate": '[{"labels":{"a":"\\ud800"}}]',
    "a NUL": '[{"labels":{"a":"\\u0000"}}]',
    "startsAt in words": LABELS % '"startsAt":"yesterday"',
    "startsAt with a space and a zone": LABELS % '"startsAt":"2021-08-25 01:54:37Z"',
    "startsAt with a space": LABELS % '"startsAt":"2021-08-25 01:54:37"',
    "startsAt as a number": LABELS % '"startsAt":1629856477',
    "startsAt as a boolean": LABELS % '"startsAt":true',
    "startsAt without zone": LABELS % '"startsAt":"2021-08-25T01:54:37"',
    "startsAt without seconds": LABELS % '"startsAt":"2021-08-25T01:54Z"',
    "startsAt without time": LABELS % '"startsAt":"2021-08-25"',
    "startsAt with a zone without colon": LABELS % '"startsAt":"2021-08-25T01:54:37+0800"',
    "startsAt in a thirteenth month": LABELS % '"startsAt":"2021-13-25T01:54:37Z"',
    "startsAt at the 25th hour": LABELS % '"startsAt":"2021-08-25T25:54:37Z"',
    "startsAt in lower case": LABELS % '"startsAt":"2021-08-25t01:54:37z"',
    "startsAt with a comma": LABELS % '"startsAt":"2021-08-25T01:54:37,5Z"',
    "startsAt empty": LABELS % '"startsAt":""',
    "startsAt null": LABELS % '"startsAt":null',
    "startsAt in nanoseconds with an offset": LABELS
    % '"startsAt":"2021-08-25T01:54:37.226757612+08:00"',
    "endsAt before startsAt": LABELS
    % '"startsAt":"2021-08-25T01:54:37Z","endsAt":"2021-08-25T01:54:36Z"',
    "endsAt alone, in the past": LABELS % '"endsAt":"2021-08-25T01:54:36Z"',
    "endsAt empty": LABELS % '"endsAt":""',
    "startsAt far in the future": LABELS % '"startsAt":"9999-01-01T00:00:00Z"',
    "generatorURL that is not a URI": LABELS % '"generatorURL":"not a uri"',
    "generatorURL empty": LABELS % '"generatorURL":""',
    "generatorURL with another scheme": LABELS % '"generatorURL":"ftp://x"',
    "generatorURL that is a path": LABELS % '"generatorURL":"/a"',
    "generatorURL that is a number": LABELS % '"generatorURL":1',
    "no labels and a bad generatorURL": '[{"labels":null,"generatorURL":"not a uri"}]',
    "valid and invalid alerts": '[{"labels":{"ok":"1"}},{"labels":{"b-c":"1"}},'
    '{"labels":{"d-e":"1"}}]',
}


@pytest.mark.real("alertmanager")
@pytest.mark.parametrize("body", ALERTMANAGER.values(), ids=ALERTMANAGER.keys())
def test_the_inbox_answers_like_the_real_alertmanager(
    alerts_inbox: Inbox, real_url: str, body: str
) -> None:
    assert send(alerts_inbox.url, body) == send(real_url, body)


@pytest.mark.real("alertmanager")
@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/xml", "application/json; charset=utf-8", "Application/JSON"],
)
def test_the_inbox_accepts_the_real_alertmanagers_content_types(
    alerts_inbox: Inbox, real_url: str, content_type: str | None
) -> None:
    replies = [send(url, "[]", content_type=content_type) for url in (alerts_inbox.url, real_url)]
    assert replies[0] == replies[1]


@pytest.mark.real("alertmanager")
@pytest.mark.parametrize(
    ("method", "suffix"), [("PUT", ""), ("DELETE", ""), ("POST", "/"), ("POST", "x")]
)
def test_the_inbox_allows_the_real_alertmanagers_methods_and_paths(
    alerts_inbox: Inbox, real_url: str, method: str, suffix: str
) -> None:
    ours, theirs = (send(u + suffix, "[]", method=method) for u in (alerts_inbox.url, real_url))
    assert ours is not None
    assert theirs is not None
    # The real one names the allowed methods in any order.
    assert ours == theirs._replace(body=theirs.body.replace("[GET,POST]", "[POST,GET]"))


def test_invalid_utf8_is_stored_as_the_replacement_character(alerts_inbox: Inbox) -> None:
    reply = send(alerts_inbox.url, b'[{"labels":{"a":"\xff"}}]')
    assert reply == (200, None, "")
    assert alerts_inbox.alerts[0].labels == {"a": "\ufffd"}


# Without the real program these rows still hold the inbox to what it was seen to answer.
OBSERVED = {
    "the article's object": (
        400,
        NOT_PARSED + 'json: cannot unmarshal object into Go value of type models.PostableAlerts"}',
    ),
    "the article's alerts alone": (200, ""),
    "an opened object": (400, NOT_PARSED + 'unexpected EOF"}'),
    "an empty body": (422, '{"code":602,"message":"alerts in body is required"}'),
    "labels null": (422, '{"code":602,"message":"0.labels in body is required"}'),
    "empty labels": (400, '"at least one label pair required"\n'),
    "a label name with a dash": (400, '"invalid label set: invalid name \\"http-method\\""\n'),
    "an annotation name with a dash": (400, '"invalid annotations: invalid name \\"a-b\\""\n'),
    "endsAt before startsAt": (400, '"start time must be before end time"\n'),
    "generatorURL that is not a URI": (
        422,
        '{"code":601,"message":"0.generatorURL in body must be of type uri: \\"not a uri\\""}',
    ),
}


@pytest.mark.parametrize(
    ("row", "status", "text"), [(row, *expected) for row, expected in OBSERVED.items()]
)
def test_alertmanager_answers(alerts_inbox: Inbox, row: str, status: int, text: str) -> None:
    reply = send(alerts_inbox.url, ALERTMANAGER[row])
    assert reply == (status, "application/json" if text else None, text)


def listed(url: str) -> list[dict[str, Any]]:
    """GET's alerts without what differs from one run to the next."""
    reply = send(url, "", method="GET")
    assert reply is not None
    assert (reply.status, reply.content_type) == (200, "application/json")
    found: list[dict[str, Any]] = json.loads(reply.body)
    for each in found:
        assert each.pop("updatedAt")
        assert each.pop("receivers")
    return found


@pytest.mark.real("alertmanager")
def test_alerts_with_equal_labels_are_one_with_the_earliest_start_and_the_newest_annotations(
    alerts_inbox: Inbox,
) -> None:
    now = int(time.time()) * 1_000_000_000
    minute = 60_000_000_000
    first = _posted("first", now - minute, now + 10 * minute)
    second = _posted("second", now, now + 5 * minute)
    with alertmanager() as base:
        real_url = f"{base}/api/v2/alerts"
        for url in (alerts_inbox.url, real_url):
            send(url, first)
            send(url, second)
        (merged,) = listed(alerts_inbox.url)
        assert listed(real_url) == [merged]
    assert merged["annotations"] == {"message": "second"}
    assert merged["startsAt"] == rfc3339_milliseconds(now - minute)
    assert merged["endsAt"] == rfc3339_milliseconds(now + 10 * minute)
    assert merged["fingerprint"] == "abb0504a1d693137"


def _posted(message: str, start: int, end: int) -> str:
    alert = {
        "labels": ARTICLE_LABELS,
        "annotations": {"message": message},
        "startsAt": rfc3339_milliseconds(start),
        "endsAt": rfc3339_milliseconds(end),
        "generatorURL": "http://127.0.0.1/rules",
    }
    return json.dumps([alert])


def test_an_alert_that_has_ended_is_not_listed_any_more(alerts_inbox: Inbox) -> None:
    send(alerts_inbox.url, LABELS % '"endsAt":"2021-08-25T01:54:36Z"')
    assert listed(alerts_inbox.url) == []
    assert len(alerts_inbox.alerts) == 1


def test_the_valid_alerts_of_a_refused_body_are_stored(alerts_inbox: Inbox) -> None:
    send(alerts_inbox.url, ALERTMANAGER["valid and invalid alerts"])
    assert [each["labels"] for each in listed(alerts_inbox.url)] == [{"ok": "1"}]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, "cbf29ce484222325"),
        ({"name": "garland, briggs", "fear": "love is not enough"}, "507a62d79ee76c9a"),
        ({"first-label": "first-label-value"}, "476b44f5db3e21f9"),
        (ARTICLE_LABELS, "abb0504a1d693137"),
        ({"alertname": "x"}, "d240efc3896bf266"),
        ({"foo": "bar"}, "3fff2c2d7595e046"),
    ],
)
def test_a_fingerprint_is_prometheus_fnv_1a(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


# What a caller sees


def test_a_caller_can_wait_for_the_alerts_that_arrive(manager: Inbox) -> None:
    sender = threading.Thread(target=send, args=(manager.url, json.dumps(ARTICLE)))
    before = time.time()
    sender.start()
    (alert,) = manager.wait_for(1)
    sender.join()
    assert alert.labels == ARTICLE_LABELS
    assert alert.starts_at == "2021-08-25T01:54:37.226757612Z"
    assert before <= alert.arrived <= time.time()


def test_waiting_for_an_alert_that_does_not_come_ends_with_a_timeout(manager: Inbox) -> None:
    with pytest.raises(TimeoutError, match="0 alerts of 1"):
        manager.wait_for(1, seconds=0.01)


def test_a_callback_hears_of_every_accepted_alert() -> None:
    heard: list[Alert] = []
    with Inbox("alertmanager", on_alert=heard.append) as inbox:
        send(inbox.url, ALERTMANAGER["valid and invalid alerts"])
    assert [alert.labels for alert in heard] == [{"ok": "1"}]


def test_the_inbox_keeps_requests_with_their_answers_also_refused_ones(manager: Inbox) -> None:
    send(manager.url, "[]", content_type="application/json")
    ((request, answer),) = manager.exchanges
    assert (request.method, request.path, request.body) == ("POST", "/api/v2/alerts", b"[]")
    assert request.headers["content-type"] == "application/json"
    assert answer.status == 400


def test_a_second_inbox_can_take_the_port_of_a_closed_one_under_an_open_connection() -> None:
    with Inbox("notification-manager") as first:
        connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=10)
        connection.request("POST", "/api/v2/alerts", "{}")
        connection.getresponse().read()
    with Inbox("notification-manager", first.port) as second:
        assert send(second.url, "{}") == (200, "text/plain; charset=utf-8", ACCEPTED)
    connection.close()


def test_an_alert_prints_as_one_line_that_cannot_move_the_cursor() -> None:
    path = "/" + "x" * 300 + "\x1b[2J\n"
    alert = Alert(0.0, {**ARTICLE_LABELS, "path": path}, {})
    assert str(alert) == (
        "404 Request  demo-project/wordpress-v1-f54f697c5-hdn2z  GET  /" + "x" * 300 + "\\x1b[2J\\n"
    )


def test_the_command_line_prints_a_line_per_alert_until_it_is_interrupted() -> None:
    command = (sys.executable, "-m", "local.inbox", "--mode", "alertmanager")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=real.ROOT) as process:
        assert process.stdout
        mode, _, url = process.stdout.readline().split()
        send(url, json.dumps(ARTICLE["alerts"]))
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert mode == "alertmanager"
    clock, _, alert = line.partition("  ")
    assert time.strptime(clock, "%H:%M:%S")
    assert alert == "404 Request  demo-project/wordpress-v1-f54f697c5-hdn2z  GET  /notfound\n"


@pytest.mark.parametrize(
    ("text", "layout", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", RFC3339, 0),
        ("1970-01-01T08:00:00.5+08:00", RFC3339, 500_000_000),
        ("1969-12-31T16:00:00.000000001-08:00", RFC3339, 1),
        ("1970-01-01T00:00:01,25", LOCAL, 1_250_000_000),
        ("1970-01-01 00:01:00", SORTABLE, 60_000_000_000),
        ("0001-01-01T00:00:00Z", RFC3339, -62_135_596_800_000_000_000),
    ],
)
def test_a_time_is_read_to_the_nanosecond(
    text: str, layout: tuple[str, ...], nanoseconds: int
) -> None:
    assert parse(text, layout) == nanoseconds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("2021-02-30T00:00:00Z", "day out of range"),
        ("2021-02-03T00:60:00Z", "minute out of range"),
        ("2021-02-03T00:00:00Zx", 'extra text: "x"'),
        ("2021-02-03", 'cannot parse "" as "T"'),
    ],
)
def test_what_is_no_time_is_refused_in_gos_words(text: str, complaint: str) -> None:
    with pytest.raises(GoTimeError, match=complaint):
        parse(text, RFC3339)
