"""The regular expressions of rules: RE2, anchored at both ends, and remembering short texts."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from function.rules import patterns
from function.rules.patterns import PatternError, Patterns

PATTERNS = ["wordpress-.*", "[a-c]+", ".*404.*", "", "a{2,3}"]
TEXTS = st.one_of(st.text(max_size=300), st.from_regex(r"(wordpress-|[a-c]|404){0,3}"))


@given(texts=st.lists(TEXTS, max_size=20), repeats=st.booleans())
def test_a_text_that_comes_again_gets_the_same_answer_as_re2_gives_each_pattern(
    texts: list[str], *, repeats: bool
) -> None:
    found = Patterns(PATTERNS, repeats=repeats)
    for text in [*texts, *texts]:
        expected = [
            number
            for number, pattern in enumerate(PATTERNS)
            if re2.fullmatch(f"(?s:{pattern})", text)
        ]
        assert sorted(found.matching(text)) == expected
        assert found.matches(text) is bool(expected)


def test_a_dot_matches_a_newline_and_an_end_is_the_end_of_the_text() -> None:
    assert Patterns(["a.b"]).matches("a\nb")
    assert not Patterns(["a"]).matches("a\n")
    assert not Patterns(["a"]).matches("ba")


def test_what_is_wrong_is_said_with_its_place() -> None:
    with pytest.raises(PatternError, match=r"bad repetition operator: \*\* at character 2"):
        Patterns(["fine", "a**"])


def test_the_expressions_of_old_rules_are_not_kept() -> None:
    assert Patterns(["old"], repeats=True).matches("old")
    assert patterns._remembered.cache_info().currsize == 1
    Patterns(["new"])
    assert patterns._remembered.cache_info().currsize == 0


def test_log_lines_are_not_remembered_at_the_cost_of_names() -> None:
    assert Patterns([".*404.*"]).matches("GET / 404")
    assert patterns._remembered.cache_info().currsize == 0
