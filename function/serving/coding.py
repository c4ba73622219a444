"""A body's content coding (RFC 9110 §8.4): what gzip and deflate have made smaller."""

from __future__ import annotations

import zlib

from function.errors import ContentTooLarge, EventError, UnsupportedContent

# zlib's wbits: gzip's head, zlib's, none. "deflate" is zlib's format; some clients send it bare.
_GZIP, _ZLIB, _BARE = 31, 15, -15
_MEMBERS = 1_000  # of gzip; each is looked for in all that is left
_FORMATS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _BARE)}


def decoded(coding: str, body: bytes, most: int) -> bytes:
    """The body that a Content-Encoding header describes, of at most so many bytes.

    Raises UnsupportedContent for other codings and for several, ContentTooLarge for a body that is
    too large without its coding, and EventError for one that is broken.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    formats = _FORMATS.get(name)
    if formats is None:
        raise UnsupportedContent(
            f"content coding {coding[:100]!r} is not read here: send gzip, deflate, or none"
        )
    for number, wbits in enumerate(formats, 1):
        try:
            return _inflated(body, wbits, most)
        except zlib.error as error:
            if number == len(formats):
                reason = str(error).partition(": ")[2] or error
                raise EventError(f"the body is not {name}: {reason}") from None
    raise AssertionError  # every coding has a format


def _inflated(body: bytes, wbits: int, most: int) -> bytes:
    """A compressed body; of gzip all members, one behind the other (RFC 1952 §2.2)."""
    found = bytearray()
    members = 0
    while body:
        members += 1
        if members > (_MEMBERS if wbits == _GZIP else 1):
            raise EventError("too much follows the compressed body")
        member = zlib.decompressobj(wbits)
        found += member.decompress(body, most + 1 - len(found))
        if len(found) > most:
            raise ContentTooLarge(f"the body is over {most} bytes (MAX_BODY_BYTES) when it is read")
        if not member.eof:
            raise EventError("the compressed body breaks off")
        body = member.unused_data
    return bytes(found)
