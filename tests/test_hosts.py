"""Names of hosts: what DNS could hold, and what it never could."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.formats.hosts import is_host


@pytest.mark.parametrize(
    "host",
    [
        *("am", "am.monitoring", "am.monitoring.svc.cluster.local", "am.monitoring.svc."),
        *("10.0.0.1", "::1", "fd00::10", "a_b.example", "xn--bcher-kva.example", "AM-0.am"),
        *("b\u00fccher.example", "1am", "7.example", "a" * 63, "a." * 126 + "a"),
    ],
)
def test_that_may_exist(host: str) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", ".", "a..b", ".a", "-a.b", "a-.b", "a b", "a/b", "300.1.1.1", "1.2.3", "a\n"),
        *("a" * 64, "a." * 127 + "a", "\u00fc" * 64, "a%b", "a@b", "*"),
    ],
)
def test_that_never_can(host: str | None) -> None:
    assert not is_host(host)


@given(st.text(max_size=300))
def test_of_any_text_it_is_told(host: str) -> None:
    assert is_host(host) in (True, False)
