"""Slack: one Block Kit message for all alerts of a POST, through an incoming webhook.

What a log line says stays text here, whoever wrote it: no mention, no link, no formatting. Prose is
``plain_text``, values are code, and ``& < >`` are escaped in both, which is all that Slack asks for
("Formatting message text"). slack-sdk would do neither, so the JSON is written without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import orjson

from function.alerts import Alert
from function.formats import timestamps
from function.receivers.answers import Answer
from function.receivers.contract import (
    HTTPReceiver,
    Outcome,
    Reason,
    Request,
    Unavailable,
)

DETAILED = 5  # alerts of a message that are shown one by one; the rest is counted
_FIELDS = 10  # of a section, says the Block Kit reference
_KINDS = 8  # lines of the overview
_NAME, _PLACE = 80, 60  # of a title, which has to fit into a header with its 150 characters
_SUMMARY = 1_000  # the text of a notification; 40,000 would be allowed
# What all detailed alerts together may take for their annotations; their other parts follow from
# it. A text object holds 3,000 characters, but all blocks of a message together no more than about
# 11,000, a limit that Slack does not document (slackapi/bolt-js#2509, #2867).
_ROOM = 2_000

_HEADLINES = ("message", "summary")  # annotations, in Notification Manager's order
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = str.maketrans(_ESCAPES)
_TIMES = "\N{MULTIPLICATION SIGN}"
# Slack takes a backtick for the end of the code, and has no way to escape one.
_BACKTICK = "\N{MODIFIER LETTER GRAVE ACCENT}"
# Characters that nobody sees or that turn the text around them: controls, line separators, the
# directions of bidirectional text, and halves of surrogate pairs, which JSON cannot carry.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)

# Names of errors that blame the message (Slack's changelog of 2016-05-17 and its users' issues).
_MESSAGE_ERRORS = frozenset(
    {
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_payload",
        "missing_text_or_fallback_or_attachments",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "too_many_attachments",
    }
)
# Names of errors that blame the webhook and not the message, whatever their status is.
_WEBHOOK_ERRORS = {
    "action_prohibited": Reason.AUTH,
    "invalid_token": Reason.AUTH,
    "posting_to_general_channel_denied": Reason.AUTH,
    "channel_is_archived": Reason.NOT_FOUND,
    "channel_not_found": Reason.NOT_FOUND,
    "no_active_hooks": Reason.NOT_FOUND,
    "no_service": Reason.NOT_FOUND,
    "no_service_id": Reason.NOT_FOUND,
    "no_team": Reason.NOT_FOUND,
    "team_disabled": Reason.NOT_FOUND,
    "user_not_found": Reason.NOT_FOUND,  # the one the webhook writes to: our messages name none
}

_Block = dict[str, Any]


class Slack(HTTPReceiver):
    """One channel: an incoming webhook belongs to the channel it was made for."""

    name: str = "slack"

    most_posts: int | None = 1  # it takes about one message a second; what waits shares the next
    words = frozenset({"ok", *_MESSAGE_ERRORS, *_WEBHOOK_ERRORS})

    def outcome(self, answer: Answer) -> Outcome:
        """What an answer means: the status says it, but for errors of the webhook itself."""
        read = super().outcome(answer)
        blamed = _WEBHOOK_ERRORS.get(answer.body.decode("utf-8", "replace").strip())
        if blamed and isinstance(read, Unavailable) and read.reason is Reason.UNEXPECTED:
            return Unavailable(blamed, read.detail)
        return read

    def says_yes(self, answer: Answer) -> bool:
        """A webhook says ``ok`` and nothing else; what says ``{"ok":true}`` is another API."""
        return answer.body == b"ok"

    def says_no(self, answer: Answer) -> bool:
        """One of the names of errors, alone."""
        return answer.body.decode("utf-8", "replace").strip() in _MESSAGE_ERRORS

    def request(self, alerts: Sequence[Alert], now: int) -> Request:  # noqa: ARG002 - no end
        """One message about all alerts."""
        return Request({"content-type": "application/json"}, orjson.dumps(_message(alerts)))

    def as_sent(self, alert: Alert, now: int) -> Mapping[str, Any]:  # noqa: ARG002 - no end
        """The blocks that show one alert, as where it is alone."""
        return {"blocks": _details(alert, _ROOM)}


def _message(alerts: Sequence[Alert]) -> dict[str, Any]:
    kinds = sorted(_kinds(alerts), key=len, reverse=True)
    titles = [_title(kind) for kind in kinds]
    # One of each kind comes before the second of any.
    mixed = [alert for row in zip_longest(*kinds) for alert in row if alert is not None]
    detailed = mixed[:DETAILED]
    if len(kinds) == 1:
        title, overview = titles[0], []
        rest = _headline(alerts[0]) if len(alerts) == 1 else ""
    else:
        title, overview = f"{len(alerts)} alerts", [_overview(titles)]
        rest = ", ".join(titles[:_KINDS])
    blocks = [{"type": "header", "text": _plain(title)}, *overview]
    for alert in detailed:
        blocks += _details(alert, _ROOM // len(detailed))
    if more := len(alerts) - len(detailed):
        blocks.append(_context(f"… and {more} more"))
    return {
        "text": _escape(_short(f"{title}: {rest}" if rest else title, _SUMMARY)),
        "mrkdwn": False,
        "unfurl_links": False,  # nobody fetches what a log line names
        "unfurl_media": False,
        "blocks": blocks,
    }


def _kinds(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """The alerts by name and namespace."""
    kinds: dict[tuple[str | None, str | None], list[Alert]] = {}
    for alert in alerts:
        kind = alert.labels.get("alertname"), alert.labels.get("namespace")
        kinds.setdefault(kind, []).append(alert)
    return [*kinds.values()]


def _title(kind: Sequence[Alert]) -> str:
    """How many of which alert are where: ``404 Request x12 in demo-project``."""
    namespace = kind[0].labels.get("namespace", "").strip()
    times = f" {_TIMES}{len(kind)}" if len(kind) > 1 else ""
    place = f" in {namespace}" if namespace else ""
    return _name(kind[0]) + times + _short(place, _PLACE)


def _overview(titles: Sequence[str]) -> _Block:
    lines = [*titles[:_KINDS]]
    if len(titles) > _KINDS:
        lines.append(f"… and {len(titles) - _KINDS} more kinds")
    return {"type": "section", "text": _plain("\n".join(lines))}


def _details(alert: Alert, room: int) -> list[_Block]:
    """The blocks of one alert: headline and labels, the other annotations, and since when.

    They take at most 3.5 times ``room`` characters, and one line.
    """
    section: _Block = {"type": "section"}
    if headline := _short(_headline(alert), room // 2):
        section["text"] = _plain(headline)
    if fields := _fields(alert.labels, room // 5):
        section["fields"] = fields
    blocks = [section] if len(section) > 1 else []
    if annotations := _annotations(alert, room):
        blocks.append({"type": "section", "text": annotations})
    blocks.append(_context(f"{_name(alert)} · {timestamps.format(alert.starts_at)}"))
    return blocks


def _name(alert: Alert) -> str:
    return _short(alert.labels.get("alertname", "").strip() or "Alert", _NAME)


def _headline(alert: Alert) -> str:
    texts = (alert.annotations.get(name, "").strip() for name in _HEADLINES)
    return next(filter(None, texts), "")


def _fields(labels: Mapping[str, str], limit: int) -> list[_Block]:
    """A field for each label, of at most ``limit`` characters; the last counts what has none."""
    # The name is in the title. A stable sort: the severity, then the order of the labels.
    names = sorted((name for name in labels if name != "alertname"), key="severity".__ne__)
    pairs = [(name, labels[name]) for name in names]
    if len(pairs) > _FIELDS:
        left = names[_FIELDS - 1 :]
        pairs[_FIELDS - 1 :] = [(f"{len(left)} more", ", ".join(left))]
    return [_field(name, value, limit) for name, value in pairs]


def _field(name: str, value: str, limit: int) -> _Block:
    bold = f"*{_escape(_short(name, limit // 3))}*\n"
    code = _short(value.strip().replace("`", _BACKTICK) or " ", limit - len(bold) - 2)
    return _mrkdwn(f"{bold}`{_escape(code)}`")


def _annotations(alert: Alert, limit: int) -> _Block | None:
    """The annotations that are not the headline as one block of code; None where there are none.

    Short ones come first, so that a long log line does not push a link out of the message.
    """
    headline = _headline(alert)
    entries = sorted(
        (
            _entry(name, value.strip(), limit)
            for name, value in alert.annotations.items()
            if value.strip() and not (name in _HEADLINES and value.strip() == headline)
        ),
        key=len,
    )
    code = _clip("\n".join(entries), limit - len("```\n\n```"))
    return _mrkdwn(f"```\n{_escape(code)}\n```") if code else None


def _entry(name: str, value: str, limit: int) -> str:
    """``name: value``; further lines are indented, so that none passes for another annotation."""
    lines = value[: limit + 1].replace("\t", "    ").split("\n")
    entry = f"{_visible(name[:limit])}: " + "\n    ".join(map(_visible, lines))
    return entry.replace("`", _BACKTICK)


def _context(text: str) -> _Block:
    return {"type": "context", "elements": [_plain(text)]}


def _plain(text: str) -> _Block:
    """A text object that Slack does not format; ``emoji`` would turn ``:x:`` into a picture."""
    return {"type": "plain_text", "text": _escape(text), "emoji": False}


def _mrkdwn(text: str) -> _Block:
    """A text object that Slack formats; ``verbatim`` keeps it from looking for URLs and names."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _short(text: str, limit: int) -> str:
    """A text on one line, with nothing invisible in it, that takes ``limit`` characters at most."""
    return _clip(_visible(text[: limit + 1]), limit)


def _visible(text: str) -> str:
    """Show what cannot be seen as Python would write it: escape as backslash, x, 1, b."""
    return _INVISIBLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _clip(text: str, limit: int) -> str:
    """The beginning of a text that takes ``limit`` characters at most once it is escaped.

    Cut before it is escaped, so never inside an entity. Slack does not say what it counts; here
    what UTF-16 needs two units for counts as two, the most that anybody could mean.
    """
    width = cut = 0
    for position, character in enumerate(text, 1):
        width += len(_ESCAPES.get(character, character)) + (character > "\uffff")
        if width > limit:
            return text[:cut] + "…"
        if width < limit:  # one is left for the ellipsis
            cut = position
    return text


def _escape(text: str) -> str:
    return text.translate(_ESCAPED)
