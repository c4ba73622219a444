"""``python -m function replay`` shows which alerts captured records or log text would have fired.

A dry run: nothing is posted, nothing is held back as a repeat. Input is read line by line, so that
a file of any size takes the same memory; gzip files are read as they are.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from function import alerts, records
from function.alerts import Alert
from function.errors import RecordError, RequestError, TooMany
from function.formats import timestamps
from function.formats.json_text import JSON
from function.records import LogRecord
from function.rules import RuleSet

_GZIP = b"\x1f\x8b"
_PROGRESS = 0.5  # seconds between two looks at how far it is
_CODES = (0x61C, *range(0x7F, 0xA0), *range(0x200B, 0x2010), *range(0x2028, 0x202F))
_ESCAPED = {code: f"\\u{code:04x}" for code in (*_CODES, *range(0x2060, 0x2070), 0xFEFF)}
_EXPLAINED = 10  # unreadable lines whose reason is shown


@dataclass(frozen=True, slots=True)
class TextOf:
    """Says that lines are plain log text, and of which pod."""

    namespace: str
    pod: str

    def record(self, line: bytes) -> JSON:
        """The record that Fluent Bit would have made of a line."""
        kubernetes = {"namespace_name": self.namespace, "pod_name": self.pod}
        return {"log": line.decode("utf-8", "replace"), "kubernetes": kubernetes}


@dataclass(slots=True)
class Counts:
    """What was read and found so far."""

    records: int = 0
    unreadable: int = 0
    matched: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.records} records, {self.matched.total()} alerts, {self.unreadable} unreadable"
        )


@dataclass(frozen=True, slots=True)
class Replay:
    """One run over some input; ``table`` chooses lines for people instead of JSON."""

    rules: RuleSet
    text_of: TextOf | None
    table: bool
    name_files: bool
    counts: Counts

    def run(self, name: str, stream: BufferedReader) -> None:
        """Print the alerts of one file; what cannot be read is told on standard error."""
        look_at = time.monotonic() + _PROGRESS
        for number, line in enumerate(_lines(stream), 1):
            for record in self._records(name, number, line):
                for match in self.rules.match(record):
                    alert = alerts.alert(match, time.time_ns())
                    if alert.broken:
                        where = f"{name}:{number}: {match.rule.alert}"
                        broken = _printable(f"{where}: a template failed: {alert.broken}")
                        print(broken, file=sys.stderr)
                    self.counts.matched[match.rule.alert] += 1
                    print(self._row(name, number, match.rule.alert, alert))
            if sys.stderr.isatty() and time.monotonic() > look_at:
                look_at = time.monotonic() + _PROGRESS
                print(f"\r{self.counts}", end="", file=sys.stderr, flush=True)

    def _records(self, name: str, number: int, line: bytes) -> Iterator[LogRecord]:
        if not line.strip():
            return
        try:
            data = self.text_of.record(line) if self.text_of else line
            found: Sequence[LogRecord | RequestError] = records.read(data, received=None)
        except (RecordError, TooMany) as error:
            found = [error]
        for record in found:
            self.counts.records += 1
            if isinstance(record, LogRecord):
                yield record
            else:
                self._unreadable(f"{name}:{number}: {record.detail}")

    def _unreadable(self, sentence: str) -> None:
        self.counts.unreadable += 1
        if self.counts.unreadable <= _EXPLAINED:
            print(_printable(sentence), file=sys.stderr)

    def _row(self, name: str, number: int, rule: str, alert: Alert) -> str:
        starts_at = timestamps.format(alert.starts_at)
        where = f"{name}:{number}" if self.name_files else str(number)
        if self.table:
            labels = " ".join(f"{key}={json.dumps(text)}" for key, text in alert.labels.items())
            return f"{where:>8}  {starts_at:<30}  {labels}"
        row = {
            **({"file": name} if self.name_files else {}),
            "line": number,
            "alert": rule,
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": starts_at,
            "fingerprint": alert.fingerprint,
        }
        return _printable(json.dumps(row, ensure_ascii=False))


def _printable(text: str) -> str:
    """A text without what a terminal obeys; in JSON it stays the same value.

    Control characters beyond ASCII, and those that change the direction of what stands around them.
    """
    return text.translate(_ESCAPED)


def main(rules: RuleSet, files: Sequence[Path], text_of: TextOf | None, *, table: bool) -> int:
    """Replay files, or standard input where there are none; the exit status."""
    replay = Replay(rules, text_of, table, len(files) > 1, Counts())
    status = 0
    try:
        for path in files or [Path("-")]:
            status = max(status, _replay_file(replay, path))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        sys.stdout = io.TextIOWrapper(io.BytesIO())
    except KeyboardInterrupt:
        status = 130
    _summary(replay.counts, rules)
    return status


def _replay_file(replay: Replay, path: Path) -> int:
    try:
        if path == Path("-"):
            with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
                replay.run("-", stream)
        else:
            with path.open("rb") as stream:
                replay.run(str(path), stream)
    except BrokenPipeError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        print(f"{path}: cannot be read: {reason}", file=sys.stderr)
        return 1
    return 0


def _lines(stream: BufferedReader) -> Iterator[bytes]:
    """The lines of a stream, unpacked where it is gzip."""
    if stream.peek(2)[:2] == _GZIP:
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield from unpacked
    else:
        yield from stream


def _summary(counts: Counts, rules: RuleSet) -> None:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}{counts}", file=sys.stderr)
    for rule in rules.rules:
        print(f"{counts.matched[rule.alert]:>8}  {rule.alert}", file=sys.stderr)
