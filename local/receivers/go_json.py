"""JSON as Go's decoders read it: the first document of a body, struct fields in any case."""

from __future__ import annotations

import json
from typing import Any, NoReturn

_NAMES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
}


class BrokenJsonError(ValueError):
    """The body is not JSON; `at` is the character that does not fit, empty where the body ends."""

    def __init__(self, at: str) -> None:
        super().__init__(f"not JSON at {at!r}")
        self.at = at


def first_document(body: bytes) -> Any:
    """The first JSON document; whatever follows it is not looked at.

    Raises BrokenJsonError, also for a body without a document.
    """
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        document, _ = json.JSONDecoder(parse_constant=_refuse).raw_decode(text)
    except json.JSONDecodeError as error:
        cut_off = error.msg.startswith("Unterminated string") or error.pos >= len(text)
        raise BrokenJsonError("" if cut_off else text[error.pos]) from error
    return document


def fields(document: dict[str, Any]) -> dict[str, Any]:
    """The fields of a Go struct, which are found whatever the case of their names."""
    return {name.lower(): value for name, value in document.items()}


def kind(value: object) -> str:
    """Go's word for a JSON value's kind, as in `cannot unmarshal number`."""
    return _NAMES.get(type(value), "null")


def encode(value: object) -> str:
    """Compact JSON with the escapes of Go's encoder."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for each in "<>&\u2028\u2029":
        text = text.replace(each, f"\\u{ord(each):04x}")
    return text


def _refuse(constant: str) -> NoReturn:
    raise BrokenJsonError(constant[0])
