"""What is secret in a receiver's URL does not come out of what the receiver answers."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from function.delivery import secrets
from function.delivery.secrets import hiding
from function.delivery.senders import address_of

SLACK = "https://hooks.slack.com/services/T0ABC/B0DEF/x8JqMz4pXyToken"
BASIC = base64.b64encode(b"bob:pa ss/w\xc3\xb6rd").decode()


@pytest.mark.parametrize(
    ("url", "text", "shown"),
    [
        (SLACK, "Cannot POST /services/T0ABC/B0DEF/x8JqMz4pXyToken", None),
        (SLACK, "no route: x8JqMz4pXyToken.", "no route: [removed]."),
        (SLACK, "NO ROUTE: X8JQMZ4PXYTOKEN", "NO ROUTE: [removed]"),
        (SLACK, r"\/services\/T0ABC\/B0DEF\/x8JqMz4pXyToken", None),
        ("http://am/api/v2/alerts", "no alerts at /api/v2", "no alerts at /api/v2"),
        ("http://x/hook?token=s3cr3t&room=ops", "GET /hook?token=s3cr3t&room=ops", None),
        ("http://x/hook?token=s3cr3t&room=ops", "bad token s3cr3t", "bad token [removed]"),
        ("http://x/?a=b%26c%3Cd", html.escape("you sent b&c<d"), "you sent [removed]"),
        ("http://bob:pa%20ss%2Fw%C3%B6rd@x/", f"Authorization: Basic {BASIC}", None),
        ("http://bob:pa%20ss%2Fw%C3%B6rd@x/", "wrong: pa ss/wörd", "wrong: [removed]"),
        ("http://token-of-mine@x/", "unknown token-of-mine", "unknown [removed]"),
        ("http://x/zq8xw3vu/zq8xw3vu-more", "no zq8xw3vu-more", "no [removed]"),
        ("http://x/T0/b", "T0 is not T0T0", "[removed] is not T0T0"),
    ],
)
def test_a_secret_is_removed_however_it_is_written(url: str, text: str, shown: str | None) -> None:
    hidden = hiding(url)(text)
    if shown is not None:
        assert hidden == shown
    secrets = ("T0ABC", "B0DEF", "x8JqMz4", "s3cr3t", "pa ss", "pa%20ss", BASIC.rstrip("="))
    assert not any(secret.lower() in hidden.lower() for secret in secrets)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://am/api/v2/alerts", "am:80"),
        (SLACK, "hooks.slack.com:443"),
        ("https://bob:secret@am:9093/x?key=secret", "am:9093"),
        ("http://[::1]/secret", "[::1]:80"),
    ],
)
def test_a_receiver_is_named_by_host_and_port_alone(url: str, address: str) -> None:
    assert address_of(url) == address


TOKENS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cs"]), min_size=9
)
AROUND = st.text(st.sampled_from("<> :\n"), max_size=5)


@given(TOKENS, AROUND, AROUND, st.sampled_from(["path", "query", "password"]))
def test_any_token_is_removed_plain_quoted_and_escaped(
    token: str, before: str, after: str, place: str
) -> None:
    assume(token.lower() not in {*secrets._PUBLIC, secrets.REMOVED})
    quoted = quote(token, safe="")
    url = {
        "path": f"http://x/hooks/{quoted}",
        "query": f"http://x/?key={quoted}",
        "password": f"http://me:{quoted}@x/",
    }[place]
    hide = hiding(url)
    for form in (token, quoted, html.escape(token), json.dumps(token)[1:-1]):
        assert form not in hide(f"{before}{form}{after}")


@given(st.text(max_size=300))
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    hide = hiding("http://am:9093/api/v2/alerts")
    assert hide(text) == text
    if not re.search("zq8xw3", text, re.IGNORECASE):
        assert hiding("http://x/hooks/zq8xw3vuttoken")(text) == text
