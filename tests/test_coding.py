"""Compressed bodies are read within the bound of those that are not."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import ContentTooLarge, EventError, RequestError, UnsupportedContent
from function.serving.coding import decoded
from tests import servers
from tests.servers import CLOUDEVENT

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
MOST = 1000


def bare(data: bytes) -> bytes:
    """deflate without zlib's head, as some clients send it."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP ": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": bare,
    "identity": bytes,
    "": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
@given(data=st.binary(max_size=MOST))
def test_what_was_compressed_is_read(coding: str, data: bytes) -> None:
    assert decoded(coding, CODINGS[coding](data), MOST) == data


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_that_is_too_large_when_it_is_read_is_refused_without_reading_it(
    coding: str,
) -> None:
    assert decoded(coding, CODINGS[coding](b"x" * MOST), MOST) == b"x" * MOST
    for length in (MOST + 1, 100_000_000):
        with pytest.raises(ContentTooLarge, match="over 1000 bytes"):
            decoded(coding, CODINGS[coding](b"x" * length), MOST)


def test_nor_do_many_small_members_of_gzip_make_a_large_one() -> None:
    assert decoded("gzip", gzip.compress(b"ab") * 500, MOST) == b"ab" * 500
    with pytest.raises(ContentTooLarge):
        decoded("gzip", gzip.compress(b"ab") * 501, MOST)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "deflate,gzip", "x" * 5000])
def test_other_codings_and_several_are_unsupported(coding: str) -> None:
    with pytest.raises(UnsupportedContent, match="send gzip, deflate, or none") as caught:
        decoded(coding, b"", MOST)
    assert len(caught.value.detail) < 300


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@given(data=st.data())
def test_any_bytes_are_a_body_or_our_error(coding: str, data: st.DataObject) -> None:
    good = CODINGS[coding](ARTICLE)
    at = data.draw(st.integers(0, len(good)))
    body = good[:at] + data.draw(st.binary(max_size=20)) + good[at + data.draw(st.integers(0, 9)) :]
    for each in (body, data.draw(st.binary())):
        try:
            assert len(decoded(coding, each, MOST)) <= MOST
        except RequestError as error:
            assert isinstance(error, EventError)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("deflate", b"\x03\x00" * 500_000),  # half a million bare streams of nothing
        ("deflate", zlib.compress(b"a") + b"more"),
        ("gzip", gzip.compress(b"") * 50_000),
    ],
)
def test_what_follows_for_ever_is_not_looked_at_for_ever(coding: str, body: bytes) -> None:
    with pytest.raises(EventError, match="too much follows the compressed body"):
        decoded(coding, body, MOST)


def test_a_body_that_breaks_off_or_is_none_says_so() -> None:
    with pytest.raises(EventError, match="the compressed body breaks off"):
        decoded("gzip", gzip.compress(ARTICLE)[:-1], MOST)
    with pytest.raises(EventError, match="the body is not gzip: incorrect header check"):
        decoded("gzip", ARTICLE, MOST)


@pytest.mark.parametrize("kind", servers.SERVERS)
def test_every_server_reads_them(kind: str, tmp_path: Path) -> None:
    rules = str(HERE / "rules" / "article.yaml")
    with (
        servers.receiver() as receiver,
        servers.function(
            tmp_path, server=kind, RULES_FILE=rules, RECEIVER_URL=receiver.url
        ) as server,
    ):

        def status(coding: str, body: bytes) -> int:
            headers = {**servers.event(), "content-encoding": coding}
            return server.post(body, headers=headers).status_code

        assert status("gzip", gzip.compress(ARTICLE)) == 204
        assert len(receiver.requests) == 1
        assert status("gzip", gzip.compress(b"x" * 100_000_000)) == 413
        assert status("br", ARTICLE) == 415
        assert status("gzip", ARTICLE) == 400
        assert server.post(ARTICLE, headers=CLOUDEVENT).status_code == 204
