"""docs/rules.md and docs/rules.schema.json say what the loader does, neither more nor less."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from function import rules
from function.cli import check
from function.errors import RulesError
from function.rules import fields, loader, matchers
from tests.test_rules import file

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "rules.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# A row of a table: what it is about, …, the example.
ROWS = re.findall(r"^\| (`.*?) \| (?:.*\| )?`([^`]+)` \|$", PAGE, re.MULTILINE)
EXAMPLES = [example.replace("\\|", "|") for _, example in ROWS if " " in example]


def loads(text: str) -> bool:
    """Whether the loader takes a file."""
    try:
        rules.loads(text, "rules.yaml")
    except RulesError:
        return False
    return True


class TestThePage:
    @pytest.mark.parametrize("block", BLOCKS)
    def test_shows_files_that_load_and_whose_tests_pass(self, block: str) -> None:
        rule_set = rules.loads(block, "docs")
        assert list(check.failed_tests(rule_set)) == []
        assert list(VALIDATOR.iter_errors(yaml.safe_load(block))) == []

    @pytest.mark.parametrize("example", EXAMPLES)
    def test_shows_matchers_that_load(self, example: str) -> None:
        assert loads(file(f"- alert: A\n  match: [{json.dumps(example)}]"))

    def test_has_an_example_of_every_operator_and_every_field(self) -> None:
        used = [matchers.parse(example) for example in EXAMPLES]
        assert {matcher.operator for matcher in used} >= {"=", "!=", "=~", "!~", "|=", ">=", ">"}
        assert {matcher.field.name for matcher in used} >= set(fields.NAMES)
        for operator in matchers.OPERATORS:
            assert f"`{operator}`".replace("|", "\\|") in PAGE

    def test_explains_every_key(self) -> None:
        for key in {*loader.RULE_KEYS, *loader.GROUP_KEYS, *loader.TEST_KEYS, "any"}:
            assert f"`{key}`" in PAGE or f"{key}:" in PAGE

    def test_tells_the_defaults(self) -> None:
        assert f"| `keep_firing_for` | `{loader.KEEP_FIRING_FOR}` |" in PAGE
        assert f"| `repeat_interval` | `{loader.REPEAT_INTERVAL}` |" in PAGE


class TestTheSchema:
    def test_is_one(self) -> None:
        Draft202012Validator.check_schema(SCHEMA)

    def test_knows_the_loaders_keys(self) -> None:
        definitions = SCHEMA["$defs"]
        assert set(definitions["rule"]["properties"]) == set(loader.RULE_KEYS)
        assert set(definitions["group"]["properties"]) == set(loader.GROUP_KEYS)
        assert set(definitions["test"]["properties"]) == set(loader.TEST_KEYS)

    def test_knows_the_loaders_fields_and_operators(self) -> None:
        pattern = re.compile(SCHEMA["$defs"]["matcher"]["pattern"])
        for field in (*fields.NAMES, 'record.a."b/c".d'):
            for operator in matchers.OPERATORS:
                assert pattern.match(f"{field} {operator} 1")
                assert pattern.match(f"{field}{operator}1")

    def test_takes_the_shipped_rules(self) -> None:
        shipped = yaml.safe_load((ROOT / "function" / "rules.yaml").read_text())
        assert list(VALIDATOR.iter_errors(shipped)) == []


# Parts of a rule, right and wrong, on which schema and loader have to agree.
MATCHERS: list[Any] = ["status = 404", "log|=x", 'record."a.b" != y', "pod =~ a.*", "bytes<5"]
MISTAKES: list[Any] = ["status == 404", "pood = x", "status", "", "record. = x", 7, None, True, []]
MATCHER = st.sampled_from([*MATCHERS, *MISTAKES, {"pod": "x"}])
MATCH = st.lists(
    MATCHER | st.lists(MATCHER, max_size=2).map(lambda any_: {"any": any_}), max_size=3
)
TEXT = st.sampled_from(["x", "{{ pod }}", "", 5, None, False, ["x"]])
TEMPLATES = st.dictionaries(st.sampled_from(["a", "_b9", "a-b", "alertname", ""]), TEXT, max_size=2)
DURATION = st.sampled_from(
    ["5m", "1h30m", "0", "0s", "0h0m", 0, 5, "", "5", "m", "5 m", "30m1h", None, "1.5h"]
)
FIRES: st.SearchStrategy[Any] = st.sampled_from(
    [True, False, {}, {"a": "b"}, {"a": 1}, "yes", 1, None, []]
)
TESTS = st.lists(
    st.fixed_dictionaries({"record": st.just({"log": "x"})}, optional={"fires": FIRES}), max_size=2
)
PARTS = {
    "alert": TEXT,
    "match": MATCH | st.just("status = 1"),
    "labels": TEMPLATES | st.just([]),
    "annotations": TEMPLATES,
    "keep_firing_for": DURATION,
    "repeat_interval": DURATION,
    "enabled": st.sampled_from([True, False, "true", "no", 0, None]),
    "tests": TESTS,
    "macth": st.just(1),
}
RIGHT = {"alert": "A", "match": ["status = 404"]}


def agree(content: object) -> None:
    """Assert that the schema and the loader take a file, or that neither does."""
    problems = [error.message for error in VALIDATOR.iter_errors(content)]
    assert (problems == []) is loads(json.dumps(content)), problems


@given(st.sampled_from(sorted(PARTS)).flatmap(lambda key: PARTS[key].map(lambda v: {key: v})))
def test_schema_and_loader_agree_on_every_part_of_a_rule(part: dict[str, Any]) -> None:
    agree({"groups": [{"name": "g", "rules": [{**RIGHT, **part}]}]})


@given(
    st.dictionaries(
        st.sampled_from(["name", "labels", "rules", "rule"]),
        st.sampled_from(["g", [RIGHT], [], None, {"team": "x"}, 3]),
    )
)
def test_schema_and_loader_agree_on_groups(group: dict[str, Any]) -> None:
    agree({"groups": [group]})


@given(st.sampled_from([None, [], {}, {"groups": None}, {"groups": []}, {"groups": [1]}, {"a": 1}]))
def test_schema_and_loader_agree_on_what_is_no_rule_file(content: object) -> None:
    agree(content)
