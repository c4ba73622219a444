"""Whatever stands in a rule file: it is a rule set or a RulesError that says where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import rules
from function.errors import RulesError

RULE = "groups: [{{name: g, rules: [{{alert: A, match: [{match}], {more}}}]}}]"
TEST = "tests: [{{record: {{a: {value}}}, fires: true}}]"


def problems(text: str) -> str:
    """What is wrong with a rule file."""
    with pytest.raises(RulesError) as caught:
        rules.loads(text, "rules.yaml")
    assert all(problem.startswith("rules.yaml:") for problem in caught.value.problems)
    assert all(len(problem) < 600 for problem in caught.value.problems)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, "{" * 100_000, "- " * 100_000, "? " * 100_000),
        *("a: " + "[" * 201 + "]" * 201, '["]",' * 100_000),
    ],
)
def test_what_is_nested_too_deeply_is_a_problem_and_not_the_end_of_the_process(text: str) -> None:
    assert problems(f"\n\n{text}") == "rules.yaml:3: is nested over 200 levels deep"


def test_brackets_that_open_in_texts_are_no_levels() -> None:
    more = TEST.format(value='"' + "[" * 1_000 + '"')
    loaded = rules.loads(RULE.format(match="status = 404", more=more), "rules.yaml")
    assert loaded.enabled == 1


@pytest.mark.parametrize(
    "value",
    [
        *("!!timestamp x", "!!bool x", '!!int ""', "!!int x", "!!float x", "!!binary x"),
        *("!!omap [a]", "!!pairs [a]", "!!str [a]", "!!map x", "!!seq x", "!foo x"),
        *("2001-99-99", "2001-01-01T99:99:99Z", "1" * 5_000, "{[a]: b}", "{<<: x}"),
    ],
)
def test_a_value_that_yaml_cannot_read_is_a_problem(value: str) -> None:
    text = RULE.format(match="status = 404", more=TEST.format(value=value))
    assert "YAML cannot read this" in problems(text)
    assert "YAML cannot read this" in problems(
        RULE.format(match="status = 404", more=f"enabled: {value}")
    )


@pytest.mark.parametrize("number", ["1" * 5_000, "1_000", "\u0663", "\uff11", "infinity"])
@pytest.mark.parametrize("operator", ["=", ">"])
def test_a_number_is_written_as_in_json(operator: str, number: str) -> None:
    text = RULE.format(match=f'"status {operator} {number}"', more="")
    assert "is not a number to compare status with" in problems(text)


@pytest.mark.parametrize("key", ["keep_firing_for", "repeat_interval"])
@pytest.mark.parametrize("value", ["11y", "999999999y"])
def test_a_duration_is_one_that_a_date_can_hold(key: str, value: str) -> None:
    text = RULE.format(match="status = 404", more=f"{key}: {value}")
    assert "must be at most 10y" in problems(text)


WORDS = st.sampled_from(
    [
        *("groups", "name", "rules", "alert", "match", "labels", "tests", "record", "fires", "any"),
        *("status = 404", "log =~ x(", "{{ log }}", "{% for", "!!int", "!!timestamp", "&a", "*a"),
        *("[", "]", "{", "}", ": ", "- ", "? ", "\n", "\n  ", ", ", "#", '"', "|", ">", "<<", "5m"),
    ]
)


@given(st.lists(WORDS | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_is_rules_or_a_rules_error(text: str) -> None:
    for each in (text, RULE.format(match="status = 404", more=TEST.format(value=text))):
        try:
            rules.loads(each, "rules.yaml")
        except RulesError as error:
            assert all(problem.startswith("rules.yaml:") for problem in error.problems)
