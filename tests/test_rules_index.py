"""The index: a lookup finds exactly the rules that trying each of them would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import records, rules
from function.records import LogRecord
from function.rules.patterns import PatternError, Patterns

LINES = [
    '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /a?b=c HTTP/1.1" 404 9 "-" "curl"',
    '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "POST /b HTTP/1.1" 500 1',
    "ERROR no memory",
    "ERROR\nno disk",
    "",
    None,
]
MATCHERS = [
    "namespace = a",
    "namespace = b",
    "namespace != a",
    "namespace =~ a|b",
    "pod = p1",
    "pod =~ p[0-9]",
    "pod =~ p.*",
    "container = ",
    "status = 404",
    "status = 0404",
    "status != 404",
    "status >= 500",
    "status =~ 4..",
    "method = GET",
    "path =~ /a.*",
    "path = /b",
    "path |= /",
    "log =~ ERROR.*",
    "log =~ .*memory.*",
    "log !~ .*memory.*",
    "log |= no ",
    "log |= .*",
    "record.level = error",
    "record.level != error",
]


def rule_file(rules_: list[list[Any]]) -> str:
    """A file with these lists of conditions; JSON is YAML."""
    named = [{"alert": f"A{number}", "match": match} for number, match in enumerate(rules_)]
    return json.dumps({"groups": [{"name": "g", "rules": named}]})


conditions = st.sampled_from(MATCHERS) | st.lists(
    st.sampled_from(MATCHERS), min_size=1, max_size=3
).map(lambda any_: {"any": any_})


@st.composite
def log_records(draw: st.DrawFn) -> LogRecord:
    kubernetes = {
        "namespace_name": draw(st.sampled_from(["a", "b", "c"])),
        "pod_name": draw(st.sampled_from(["p1", "p2", "q"])),
    }
    raw: dict[str, Any] = {"log": draw(st.sampled_from(LINES)), "kubernetes": kubernetes}
    if draw(st.booleans()):
        raw["level"] = draw(st.sampled_from(["error", "info"]))
    [record] = records.read(raw, None)
    assert isinstance(record, LogRecord)
    return record


@given(
    st.lists(st.lists(conditions, min_size=1, max_size=3), min_size=1, max_size=30), log_records()
)
def test_a_lookup_finds_what_trying_every_rule_finds(
    matches: list[list[Any]], record: LogRecord
) -> None:
    rule_set = rules.loads(rule_file(matches), "rules.yaml")
    tried = [rule for rule in rule_set.rules if all(each.holds(record) for each in rule.match)]
    assert [match.rule for match in rule_set.match(record)] == tried


def test_rules_fire_in_the_order_of_the_file_however_they_are_found() -> None:
    order = [["log =~ E.*"], ["namespace = a"], ["log |= E"], ["pod = p1"], ["log !~ x"]]
    rule_set = rules.loads(rule_file([*order, *order]), "rules.yaml")
    raw = {"log": "E", "kubernetes": {"namespace_name": "a", "pod_name": "p1"}}
    [record] = records.read(raw, None)
    assert isinstance(record, LogRecord)
    assert [match.rule.alert for match in rule_set.match(record)] == [f"A{n}" for n in range(10)]


class TestPatterns:
    def test_match_the_whole_text_and_say_which_of_them_do(self) -> None:
        patterns = Patterns(["a.*", "b", ".*c", "a"])
        assert sorted(patterns.matching("abc")) == [0, 2]
        assert list(patterns.matching("x")) == []
        assert patterns.matches("b")
        assert not patterns.matches("bb")

    @pytest.mark.parametrize(
        ("pattern", "reason"),
        [
            ("x(?<=a)b", "invalid perl operator: (?<= at character 2"),
            (r"(a)\1", r"invalid escape sequence: \1 at character 4"),
            ("a{2000}", "invalid repetition size: {2000} at character 2"),
            ("(", "missing ): ("),
        ],
    )
    def test_that_re2_does_not_know_are_named_with_the_part_that_is_wrong(
        self, pattern: str, reason: str
    ) -> None:
        with pytest.raises(PatternError) as caught:
            Patterns(["fine", pattern])
        assert str(caught.value) == reason

    def test_that_are_too_much_together_say_so_instead_of_missing_texts(self) -> None:
        with pytest.raises(PatternError, match=r"need more than \d+ bytes together"):
            Patterns([f"{number}[^x]{{0,990}}" for number in range(200)])

    def test_take_any_bytes_that_a_text_can_hold(self) -> None:
        assert Patterns([".*"]).matches("\x00é\U0001f600\n\n")
