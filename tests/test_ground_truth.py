r"""Every line of every real log is read as the web server itself accounts for the request.

The logs in the corpus were written by Apache 2.4 and nginx 1.22 under hostile requests, and by a
real Fluent Bit; the truth beside them comes from the servers too, by another way than the line.
Where the corpus is not at hand, the lines that were copied to tests/access_logs/ and tests/records/
are all that is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from function import records, rules
from function.access_log import AccessLog, parse
from function.records import LogRecord
from tests import corpus
from tests.corpus import asked_for, unescaped

TESTS = Path(__file__).parent
SHIPPED = TESTS.parent / "function" / "rules.yaml"
START = 1_629_856_477  # 2021-08-25T01:54:37Z, the second of source line 0 in every capture
SECOND = 10**9


@dataclass(frozen=True)
class Log:
    """A log and the truth about its lines, here and in the corpus."""

    here: str
    original: str
    truth: str
    lines: int  # of the original
    truth_here: str = ""

    def pairs(self, *, whole: bool) -> list[tuple[bytes, dict[str, Any]]]:
        """Each line with its truth; skips the test where the whole is not at hand."""
        folder = TESTS / "access_logs"
        log = corpus.file(self.original) if whole else folder / self.here
        truth = corpus.file(self.truth) if whole else folder / (self.truth_here or self.truth)
        lines = corpus.lines(log)
        truths = [json.loads(line) for line in corpus.lines(truth)[: len(lines)]]
        assert len(truths) == len(lines)
        if whole:
            assert len(lines) == self.lines
        return list(zip(lines, truths, strict=True))


LOGS = [
    Log("apache-combined.log", "apache-access.log", "apache-truth.jsonl", 8000),
    Log("apache-vhost_combined.log", "apache-vhost_combined.log", "apache-truth.jsonl", 8000),
    Log("nginx-combined.log", "nginx-access.log", "nginx-truth.jsonl", 1500),
    Log("nginx-ingress.log", "nginx-ingress.log", "nginx-truth.jsonl", 1500),
    Log("nginx-json.log", "nginx-json.log", "nginx-truth.jsonl", 200, "nginx-json-truth.jsonl"),
]
all_logs = pytest.mark.parametrize("log", LOGS, ids=lambda log: log.original)
here_or_whole = pytest.mark.parametrize("whole", [False, True], ids=["here", "corpus"])


def check(found: AccessLog | None, truth: dict[str, Any]) -> None:
    """Compare what was read with the truth."""
    assert found is not None, truth
    asked = asked_for(unescaped(truth["request_line"]))
    assert found.status == truth["status"]
    assert (found.method, found.path, found.query, found.protocol) == asked


@here_or_whole
@all_logs
def test_every_line_says_what_was_asked_and_answered(log: Log, *, whole: bool) -> None:
    for line, truth in log.pairs(whole=whole):
        check(parse(line.decode("utf-8", "replace")), truth)


@here_or_whole
@all_logs
def test_every_line_in_a_kafka_value_says_the_same(log: Log, *, whole: bool) -> None:
    for line, truth in log.pairs(whole=whole):
        text = line.decode("utf-8", "surrogateescape")
        for value in values(text):
            [record] = records.read(value, None)
            assert isinstance(record, LogRecord)
            check(record.access_log, truth)


def values(line: str) -> Iterator[bytes]:
    """The line in Kafka values as shippers write them, bytes that are not UTF-8 as they are."""
    kubernetes = {"pod_name": "wordpress-v1-f54f697c5-hdn2z", "namespace_name": "demo-project"}
    for record in (
        {"@timestamp": START + 0.5, "log": line + "\n", "kubernetes": kubernetes},
        {"@timestamp": START + 0.5, "message": line, "kubernetes": kubernetes},
        {"log": f"2021-08-25T01:54:37.226757612Z stdout F {line}", "kubernetes": kubernetes},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": line}}]}]}]},
    ):
        yield json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogateescape")
    if line.startswith("{"):
        fields = json.loads(line)
        for record in (
            {"@timestamp": START + 0.5, **fields, "kubernetes": kubernetes},  # Merge_Log
            {"log": line, "log_processed": fields, "kubernetes": kubernetes},  # Merge_Log_Key
            {"message": line, "structured": fields, "kubernetes": kubernetes},  # OpenShift
        ):
            yield json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogateescape")


def test_all_but_one_of_ten_thousand_lines_of_2015_are_read_and_213_answered_404() -> None:
    lines = corpus.lines(corpus.file("elastic-apache_logs"))
    found = [parse(line.decode("utf-8", "replace")) for line in lines]
    refused = [line for line, log in zip(lines, found, strict=True) if log is None]
    assert len(refused) == 1  # cut off in the user agent
    assert sum(log is not None and log.status == 404 for log in found) == 213


# The shipped rule over what Fluent Bit wrote: exactly the true 404s of WordPress.

CAPTURES = [  # of the same source lines, one a second; here, and in the corpus
    ("ks-docker", "fluentbit-ks-docker"),
    ("ks-cri", "fluentbit-ks-cri"),
    ("183-ks-cri", "fluentbit183-ks-cri"),
    ("plain-cri-parser", "fluentbit-plain-cri-parser"),
    ("helm", "fluentbit-helm-multiline-cri-mergelog"),
]
# The article's own line, which no server of the corpus wrote: the truth does not know it.
ARTICLE = 413
ARTICLE_LINE = (
    b'10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /notfound HTTP/1.1" 404 49923 "-" '
    b'"curl/7.58.0"'
)
ARTICLE_TRUTH = {"status": 404, "request_line": "GET /notfound HTTP/1.1"}
POD = re.compile(r"wordpress-v1-[a-z0-9]{5,15}-[a-z0-9]{3,10}")


def fired(path: Path) -> list[LogRecord]:
    """The records of a capture that the shipped rule fires for."""
    shipped = rules.load(SHIPPED)
    found = []
    for value in corpus.lines(path):
        [record] = records.read(value, None)
        assert isinstance(record, LogRecord)
        found += [match.record for match in shipped.match(record)]
    return found


def source_line(record: LogRecord) -> int:
    assert record.time is not None
    return record.time // SECOND - START


@pytest.mark.parametrize(("_here", "original"), CAPTURES)
def test_the_shipped_rule_fires_for_the_true_404s_and_for_nothing_else(
    _here: str, original: str
) -> None:
    truth = {
        line["n"]: line["truth"]
        for line in map(json.loads, corpus.lines(corpus.file("fluentbit-gen-truth.jsonl")))
    }
    assert truth[ARTICLE] is None
    truth[ARTICLE] = ARTICLE_TRUTH
    true = [n for n, request in truth.items() if request and request["status"] == 404]
    found = fired(corpus.file(f"{original}.jsonl"))
    assert sorted(map(source_line, found)) == sorted(true)
    assert len(found) == 155 + 1
    for record in found:
        check(record.access_log, truth[source_line(record)])


@pytest.mark.parametrize(("here", "_original"), CAPTURES)
def test_the_shipped_rule_fires_for_the_true_404s_of_the_lines_that_are_here(
    here: str, _original: str
) -> None:
    path = TESTS / "records" / f"{here}.jsonl"
    truth = [json.loads(line) for line in corpus.lines(TESTS / "records" / "truth.jsonl")]
    captured = {source_line(each) for each in read_all(path) if (each.time or 0) // SECOND >= START}
    true = {line["n"] for line in truth if line["status"] == 404 or line["n"] == ARTICLE}
    true &= captured
    assert sorted(map(source_line, fired(path))) == sorted(true)


def read_all(path: Path) -> list[LogRecord]:
    found = [record for value in corpus.lines(path) for record in records.read(value, None)]
    return [record for record in found if isinstance(record, LogRecord)]


def test_the_shipped_rule_tells_wordpress_from_pods_that_are_named_alike() -> None:
    truth = dict(
        zip(
            corpus.lines(corpus.file("apache-access.log")),
            map(json.loads, corpus.lines(corpus.file("apache-truth.jsonl"))),
            strict=True,
        )
    )
    truth[ARTICLE_LINE] = ARTICLE_TRUTH
    path = corpus.file("fluentbit-pods.jsonl")
    true = []
    for value in map(json.loads, corpus.lines(path)):
        request = truth[value["log"].removesuffix("\n").encode()]
        pod = value["kubernetes"]
        is_wordpress = pod["namespace_name"] == "demo-project" and POD.fullmatch(pod["pod_name"])
        if is_wordpress and request["status"] == 404:
            true.append((pod["pod_name"], value["log"].removesuffix("\n")))
    assert [(record.pod, record.log) for record in fired(path)] == true
    assert len(true) == 12


@pytest.mark.parametrize("name", ["dummy", "longlines", "systemd"])
def test_the_shipped_rule_is_silent_about_what_is_no_request(name: str) -> None:
    assert fired(TESTS / "records" / f"{name}.jsonl") == []
