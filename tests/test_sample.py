"""The demo's sample: values that Fluent Bit really wrote, and the alerts that the truth asks for.

The expectations were made from the web server's own account of each request, not by this project's
code; where the corpus is at hand, the last tests make them again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from local import sample

CORPUS = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"
POD = re.compile(r"wordpress-v1-[a-z0-9]{5,15}-[a-z0-9]{3,10}")
FIRST_SECOND = datetime(2021, 8, 25, 1, 54, 37, tzinfo=timezone.utc)  # of source line 0
ARTICLE_LINE = '"GET /notfound HTTP/1.1" 404 49923 "-" "curl/7.58.0"'

needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus that the sample was taken from is not here"
)


def test_the_sample_holds_the_articles_record_once() -> None:
    article = (Path(__file__).parent / "records" / "article.json").read_bytes().strip()
    assert sample.values().count(article) == 1


def test_the_sample_has_matching_and_other_records_of_several_shapes() -> None:
    assert len(sample.values()) == 431
    assert len(sample.expected()) == 133
    assert any(b'"message":"' in value for value in sample.values()), "the plain CRI parser's"
    assert any(b'"logtag"' in value for value in sample.values()), "containerd's"
    assert any(b"\xff" in value for value in sample.values()), "a value that is not UTF-8"


@needs_corpus
def test_every_value_stands_in_the_corpus_byte_for_byte() -> None:
    captured = {
        line for path in CORPUS.glob("fluentbit*.jsonl") for line in path.read_bytes().splitlines()
    }
    captured.add((CORPUS.parent / "reference/alerts-article-record.json").read_bytes().strip())
    assert [value for value in sample.values() if value not in captured] == []


@needs_corpus
def test_the_expected_alerts_are_the_404s_of_the_ground_truth() -> None:
    assert sorted(alerts_by_truth()) == sorted(sample.expected())


def alerts_by_truth() -> Iterator[sample.Expected]:
    """The alerts that the web server's own account of its requests asks for."""
    by_number = [json.loads(line)["truth"] for line in _lines("fluentbit-gen-truth.jsonl")]
    by_line = dict(
        zip(_lines("apache-access.log"), map(json.loads, _lines("apache-truth.jsonl")), strict=True)
    )
    for value in sample.values():
        record = json.loads(value.decode("utf-8", "replace"))
        kubernetes = record.get("kubernetes")
        if "time" not in record or not isinstance(kubernetes, dict):
            continue  # what no parser understood: a cut line, a test value
        if not _is_wordpress(kubernetes):
            continue
        second = _second(record)
        text = (record.get("log") or record.get("message") or "").rstrip("\n")
        if '"' not in text:
            continue  # no request: "before", "after" and the like
        if ARTICLE_LINE in text:
            yield sample.Expected(kubernetes["pod_name"], "GET", "/notfound", second)
            continue
        number = int(
            (datetime.fromisoformat(second[:19] + "+00:00") - FIRST_SECOND).total_seconds()
        )
        truth = by_line.get(text) or (by_number[number] if number < len(by_number) else None)
        if truth and truth["status"] == 404:
            yield sample.Expected(
                kubernetes["pod_name"], *_asked_for(truth["request_line"]), second
            )


def _lines(name: str) -> list[str]:
    return (CORPUS / name).read_text(encoding="utf-8", errors="replace").rstrip("\n").split("\n")


def _is_wordpress(kubernetes: dict[str, Any]) -> bool:
    pod = kubernetes.get("pod_name") or ""
    return kubernetes.get("namespace_name") == "demo-project" and bool(POD.fullmatch(pod))


def _second(record: dict[str, Any]) -> str:
    """The second of a record: `time` is right to the second in all shapes of the corpus."""
    return f"{record['time'][:19]}Z"


def _asked_for(request_line: str) -> tuple[str, str]:
    r"""Method and path of a request line; the truth keeps bytes that are not UTF-8 as \xhh."""
    method, target = request_line.split(" ")[:2]
    path = re.sub(r"^[a-z]+://[^/?]+", "", target).partition("?")[0]
    return method, re.sub(r"\\x[89a-f][0-9a-f]", "\N{REPLACEMENT CHARACTER}", path)
