"""An HTTP message → the CloudEvents in it: binary, structured and batched content mode.

Mirrors the CloudEvents HTTP protocol binding 1.0.2, §3. Binary mode is all that KafkaSource sends
and is read here, strictly; structured events are checked by the CloudEvents SDK, imported when the
first one comes. The content type alone chooses the mode, as the binding says, and an absent one
means binary mode with JSON: KafkaSource sends none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

import orjson

from function import bounds
from function.errors import EventError, UnsupportedContent
from function.formats import json_text, timestamps
from function.formats.json_text import JSON

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
READABLE = frozenset(
    {"", "application/json", "text/plain", "application/octet-stream", "application/x-ndjson"}
)
_CONTEXT = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema"}
)
_SENDERS = 16  # whose names of headers are kept: nearly all requests have the same ones
_SDK_ERRORS = (ValueError, TypeError, AttributeError, RecursionError)  # it lets all of these escape


class Event(NamedTuple):  # made for every request: a frozen dataclass takes four times as long
    """A CloudEvent.

    ``data`` is bytes as they came, or the JSON value of a structured event's ``data`` member, or
    None where there is none. ``time`` is in nanoseconds since 1970. ``extensions`` are texts.
    ``origin`` is source and id as they came, which decoding may have made equal to others.
    """

    id: str
    source: str
    type: str
    time: int | None
    data: JSON
    subject: str | None
    datacontenttype: str | None
    extensions: Mapping[str, str]
    origin: tuple[str, ...] = ()


def read(headers: Mapping[str, str], body: bytes) -> list[Event | EventError]:
    """Read the CloudEvents of an HTTP message.

    ``headers`` have lower-case names and values decoded as Latin-1, as WSGI gives them. A batch's
    broken events are returned in their places; everything else that is wrong raises EventError,
    and a batch of too many TooMany.
    """
    content_type = media_type(headers.get("content-type", ""))
    if content_type == STRUCTURED:
        return [_structured(*_json(body))]
    if content_type == BATCHED:
        return _batched(*_json(body))
    return [_binary(headers, content_type, body)]


def identity(event: Event) -> bytes:
    """A digest of what tells an event from others, and knows it again when it is redelivered.

    Source and id, as they came, and the data: KafkaSource's ids are offsets, which begin again with
    a new topic.
    """
    data = event.data if isinstance(event.data, bytes) else json_text.canonical(event.data)
    lengths = map(str, map(len, event.origin))
    origin = " ".join((*lengths, *event.origin)).encode("utf-8", "surrogatepass")
    return hashlib.sha256(origin + data).digest()[:16]


def media_type(content_type: str) -> str:
    """``"Application/JSON; charset=utf-8"`` → ``"application/json"``."""
    return content_type.partition(";")[0].strip().lower() if content_type else ""


def require_readable(content_type: str) -> None:
    """Raise UnsupportedContent where a media type is none that log records come in."""
    if content_type in READABLE or content_type.endswith("+json"):
        return
    hint = ""
    if content_type == "application/x-www-form-urlencoded":
        hint = ": that is curl's default; add -H 'content-type: application/json'"
    raise UnsupportedContent(f"content type {content_type[:100]!r} holds no log record{hint}")


def _binary(headers: Mapping[str, str], content_type: str, body: bytes) -> Event:
    if content_type.startswith("application/cloudevents"):
        raise UnsupportedContent(
            f"event format {content_type[:100]!r} is not read here: send {STRUCTURED} or {BATCHED}"
        )
    require_readable(content_type)
    carrying, names = _names(tuple(headers))
    attributes = dict(zip(names, map(headers.__getitem__, carrying), strict=True))
    if _is_encoded("".join(attributes.values())):
        attributes = {name: _decoded(value) for name, value in attributes.items()}
    if not attributes:
        raise EventError(
            "no ce-* headers: this path takes CloudEvents, which need ce-specversion, ce-id, "
            "ce-source and ce-type; plain log records go to the records path"
        )
    _require(attributes, "ce-")
    extensions = {name: attributes[name] for name in _extension_names(names)}
    return Event(
        attributes["id"],
        attributes["source"],
        attributes["type"],
        _time(attributes.get("time")),
        body or None,
        attributes.get("subject"),
        headers.get("content-type") or attributes.get("datacontenttype"),
        extensions,
        (headers["ce-source"], headers["ce-id"]),
    )


@lru_cache(_SENDERS)
def _names(headers: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the headers that carry attributes, and of these attributes."""
    carrying = tuple(name for name in headers if name.startswith("ce-"))
    return carrying, tuple(name[3:] for name in carrying)


@lru_cache(_SENDERS)
def _extension_names(attributes: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for name in attributes if name not in _CONTEXT)
    for name in names:
        _require_extension_name(name, "ce-")
    return names


def _is_encoded(values: str) -> bool:
    """Whether any of many values may be: all together are looked at faster than each."""
    return not values.isascii() or "%" in values or '"' in values


def _decoded(value: str) -> str:
    """Undo a header value's encoding: UTF-8, a quoted string, one round of percent (§3.1.3.2)."""
    if not value.isascii():
        value = value.encode("latin-1", "replace").decode("utf-8", "replace")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _unquoted(value[1:-1])
    return unquote(value) if "%" in value else value


def _unquoted(value: str) -> str:
    pieces = value.split("\\\\")
    return "\\".join(piece.replace("\\", "") for piece in pieces)


def _require(attributes: Mapping[str, JSON], prefix: str) -> None:
    """Raise EventError unless the context attributes are there and not empty."""
    version = attributes.get("specversion")
    if version != "1.0":
        what = "is missing" if version is None else f"is {_excerpt(version)}"
        raise EventError(f'attribute {prefix}specversion {what}: only "1.0" is read')
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise EventError(f"required attribute {prefix}{name} is missing or empty")
    if "" in attributes.values():
        _require_values(attributes, prefix)


def _require_values(attributes: Mapping[str, JSON], prefix: str) -> None:
    for name in ("subject", "dataschema", "datacontenttype"):
        if attributes.get(name) == "":
            raise EventError(f"attribute {prefix}{name} is empty: leave it out or give it a value")


def _require_extension_name(name: str, prefix: str) -> None:
    if not (name.isascii() and name.isalnum() and name == name.lower()) or name == "data":
        raise EventError(
            f"extension attribute {_excerpt(prefix + name)}: names are lower-case letters and "
            'digits, and "data" is reserved'
        )


def _time(value: JSON) -> int | None:
    """When the event happened; None where KafkaSource writes 1969 or a year of five digits."""
    try:
        return timestamps.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _json(body: bytes) -> tuple[JSON, str]:
    """The body's value, and what tells it from others that are read as the same value.

    Those are bytes that are not UTF-8 and lone surrogates, for which U+FFFD stands in the value.
    """
    try:
        return orjson.loads(body), ""
    except orjson.JSONDecodeError:
        pass
    try:
        return json_text.loads(body), hashlib.sha256(body).hexdigest()
    except json_text.NotJSON as error:
        raise EventError(f"the body is not JSON: {error}") from None


def _batched(events: JSON, inexact: str) -> list[Event | EventError]:
    if not isinstance(events, list):
        raise EventError(f"a batch is a JSON array of events, not {json_text.kind(events)}")
    bounds.require_few(len(events), "events")
    return [_in_batch(event, inexact, f"event {number}") for number, event in enumerate(events, 1)]


def _in_batch(event: JSON, inexact: str, position: str) -> Event | EventError:
    try:
        return _structured(event, inexact)
    except EventError as error:
        return type(error)(error.detail, position)


def _structured(members: JSON, inexact: str) -> Event:
    """One event of the JSON event format 1.0.2; a member that is null counts as absent (§2.2)."""
    if not isinstance(members, dict):
        raise EventError(f"an event is a JSON object, not {json_text.kind(members)}")
    attributes = {name: value for name, value in members.items() if value is not None}
    data = attributes.pop("data", None)
    encoded = attributes.pop("data_base64", None)
    if encoded is not None and data is not None:
        raise EventError("data and data_base64 exclude each other")
    _require(attributes, "")
    time = _time(attributes.pop("time", None))
    _check_with_sdk(attributes)
    content_type = attributes.get("datacontenttype")
    if content_type is not None:
        require_readable(media_type(content_type))
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        time=time,
        data=_data(data, content_type) if encoded is None else _from_base64(encoded),
        subject=attributes.get("subject"),
        datacontenttype=content_type,
        extensions=_extensions(attributes),
        origin=(attributes["source"], attributes["id"], inexact),
    )


def _check_with_sdk(attributes: Mapping[str, JSON]) -> None:
    from cloudevents.core.exceptions import BaseCloudEventException  # deferred: cold start
    from cloudevents.core.formats.json import JSONFormat

    try:
        JSONFormat().read(None, orjson.dumps(attributes))
    except (BaseCloudEventException, *_SDK_ERRORS) as error:
        raise EventError(f"not a valid event: {' '.join(str(error).split())[:300]}") from None


def _extensions(attributes: Mapping[str, JSON]) -> dict[str, str]:
    """The extension attributes as texts; the type system knows no object and no array."""
    extensions = {}
    for name, value in attributes.items():
        if name in _CONTEXT:
            continue
        _require_extension_name(name, "")  # the SDK lets a trailing newline pass
        if isinstance(value, dict | list):
            raise EventError(f"extension attribute {_excerpt(name)} is {json_text.kind(value)}")
        extensions[name] = value if isinstance(value, str) else json.dumps(value)
    return extensions


def _data(data: JSON, content_type: str | None) -> JSON:
    """A text under a content type that is not JSON is the data itself, not a JSON string."""
    kind = media_type(content_type or "")
    if isinstance(data, str) and kind and not kind.endswith(("/json", "+json")):
        return data.encode()
    return data


def _from_base64(encoded: JSON) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True) or None
    except (binascii.Error, ValueError, TypeError):
        raise EventError("data_base64 is not base64") from None


def _excerpt(value: JSON) -> str:
    """At most 60 characters of a value, quoted, for an error message; of a container its kind."""
    if isinstance(value, dict | list):
        return json_text.kind(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return '"' + (text if len(text) <= 60 else text[:60] + "…") + '"'
