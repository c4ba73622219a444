"""Rule files: what matches, and what a mistake in one is answered with."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import records, rules
from function.errors import RulesError
from function.records import LogRecord
from function.rules import matchers

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = rules.load(ROOT / "function" / "rules.yaml")
ARTICLE = rules.load(Path(__file__).parent / "rules" / "article.yaml")
NOT_FOUND = '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /a?b=c HTTP/1.1" 404 9 "-" "curl"'
POD = "wordpress-v1-f54f697c5-hdn2z"

_KEYS = st.sampled_from(["groups", "name", "rules", "alert", "match", "labels", "x"])
TREES = st.recursive(
    st.text(max_size=8) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


def record(log: object = NOT_FOUND, namespace: str = "demo-project", **more: object) -> LogRecord:
    """A record of the WordPress pod; ``more`` are keys of the record itself."""
    kubernetes = {"namespace_name": namespace, "pod_name": POD, "labels": {"app.io/name": "blog"}}
    found = records.read(json.dumps({"log": log, "kubernetes": kubernetes, **more}).encode(), None)
    assert isinstance(found[0], LogRecord)
    return found[0]


def file(rule: str) -> str:
    """A rule file with one rule."""
    return "groups:\n  - name: g\n    rules:\n" + indent(dedent(rule).strip(), "      ") + "\n"


def fires(*match: str, on: LogRecord) -> bool:
    """Whether a rule with these matchers fires."""
    lines = "".join(f"\n    - {json.dumps(matcher)}" for matcher in match)
    return bool(rules.loads(file(f"- alert: A\n  match:{lines}"), "r.yaml").match(on))


def problems(text: str) -> list[str]:
    """Every problem that loading this file reports."""
    with pytest.raises(RulesError) as caught:
        rules.loads(text, "rules.yaml")
    return list(caught.value.problems)


def problems_of(rule: str) -> list[str]:
    """The problems of a file with one rule, which starts in line 4, without the file's name."""
    return [problem.removeprefix("rules.yaml:") for problem in problems(file(rule))]


class TestTheShippedRule:
    def test_fires_for_the_articles_record(self) -> None:
        [match] = SHIPPED.match(record())
        assert match.rule.alert == "404 Request"

    @pytest.mark.parametrize(
        "log",
        [
            NOT_FOUND.replace("404 9", "200 404"),
            NOT_FOUND.replace("404 9", "200 9").replace('"-"', '"http://x/ 404 "'),
            NOT_FOUND.replace("404 9", "200 9").replace("curl", "a 404 b"),
            NOT_FOUND.replace("404 9", "200 9").replace("GET /a?b=c", "GET / 404 "),
            "I0825 01:54:37.226757    404 kubelet.go:404] 404 ",
            "",
            None,
            404,
        ],
    )
    def test_takes_a_404_anywhere_but_in_the_status_for_no_404(self, log: object) -> None:
        assert SHIPPED.match(record(log)) == []

    @pytest.mark.parametrize("namespace", ["demo-project-2", "xdemo-project", "demo", ""])
    def test_compares_the_namespace_whole(self, namespace: str) -> None:
        assert SHIPPED.match(record(namespace=namespace)) == []

    @pytest.mark.parametrize(
        ("pod", "expected"),
        [
            ("wordpress-v1-f54f697c5-hdn2z", True),
            ("wordpress-v1-6d4cf56db6-x7k2p", True),  # ten digits, as three ReplicaSets of four
            ("my-wordpress-v1-f54f697c5-hdn2z", False),
            ("wordpress-v1-f54f697c5-hdn2z-debug", False),
            ("wordpress-v10-f54f697c5-hdn2z", False),
            ("wordpress-0", False),
        ],
    )
    def test_compares_the_pods_name_whole(self, pod: str, expected: bool) -> None:
        raw = {"log": NOT_FOUND, "kubernetes": {"namespace_name": "demo-project", "pod_name": pod}}
        [read] = records.read(raw, None)
        assert isinstance(read, LogRecord)
        assert bool(SHIPPED.match(read)) is expected

    def test_has_the_articles_conditions_in_the_articles_own_file(self) -> None:
        assert [rule.alert for rule in ARTICLE.rules] == ["404 Request"]
        assert ARTICLE.match(record())


class TestMatchers:
    @pytest.mark.parametrize(
        ("matcher", "expected"),
        [
            ("namespace = demo-project", True),
            ("namespace != demo-project", False),
            ('namespace = "demo-project"', True),
            ("namespace=demo-project", True),
            ("pod =~ wordpress-.*", True),
            ("pod =~ wordpress", False),  # anchored at both ends, as in Prometheus
            ("pod !~ nginx-.*", True),
            ("status = 404", True),
            ("status != 404", False),
            ("status >= 400", True),
            ("status < 404", False),
            ("status =~ 4..", True),
            ("bytes <= 9", True),
            ("method = GET", True),
            ("path = /a", True),
            ("query = b=c", True),
            ("log =~ .* 404 .*", True),
            ('record.kubernetes.labels."app.io/name" = blog', True),
            ("record.level = error", False),
            ("record.level != error", True),  # absent is empty, as in Prometheus
            ("container = ", True),
        ],
    )
    def test_mean_what_they_mean_in_alertmanager(self, matcher: str, expected: bool) -> None:
        assert fires(matcher, on=record()) is expected

    @pytest.mark.parametrize("matcher", ["status != 200", "method !~ POST", "bytes < 5", "path = "])
    def test_on_the_request_hold_for_no_line_that_reports_none(self, matcher: str) -> None:
        # Or "status != 200" would fire for every line that is not an access log.
        assert not fires(matcher, on=record("just text"))

    def test_on_the_line_hold_for_no_record_without_text(self) -> None:
        assert not fires("log != x", on=record(None))
        assert not fires("log =~ .*", on=record({"status": 404}))

    @pytest.mark.parametrize(
        ("value", "matcher"),
        [
            (5, "record.x = 5"),
            (5.5, "record.x > 5"),
            (True, "record.x = true"),
            ({"y": 1}, 'record.x = "{\\"y\\":1}"'),
            ({"y": {"z": "deep"}}, "record.x.y.z = deep"),
            (None, 'record.x = ""'),
            ("ten", "record.x !~ [0-9]+"),
        ],
    )
    def test_see_json_values_as_text(self, value: object, matcher: str) -> None:
        assert fires(matcher, on=record(x=value))

    @pytest.mark.parametrize(
        "text",
        [
            "four",
            "",
            "1_0",
            "\u0663\u0664",
            " 7 ",
            "7\n",
            "infinity",
            "nan",
            "0x1f",
            "1" * 65,
            "1e999",
        ],
    )
    def test_compare_no_text_as_a_number(self, text: str) -> None:
        assert not fires("record.x > -5", on=record(x=text))
        assert not fires("record.x <= 5", on=record(x=text))

    @pytest.mark.parametrize("number", ["7", "+7", "7.0", "0.7e1", "70E-1", "007", 7, 7.0])
    def test_compare_numbers_as_json_and_people_write_them(self, number: object) -> None:
        assert fires("record.x > 6.9", "record.x < 7.1", on=record(x=number))

    def test_all_must_hold(self) -> None:
        assert fires("status = 404", "method = GET", on=record())
        assert not fires("status = 404", "method = PUT", on=record())

    def test_dot_matches_a_newline_and_dollar_the_end_as_in_prometheus(self) -> None:
        assert fires("log =~ Traceback.*Error", on=record("Traceback\n  x\nError\n"))

    def test_cannot_be_slowed_down_by_a_hostile_line(self) -> None:
        # Python's own re needs longer than the age of the universe for this one.
        assert not fires(r"log =~ (\w+\s?)*", on=record("a" * 100_000 + "!"))

    @given(st.text(max_size=60))
    def test_are_understood_or_refused_with_a_reason(self, text: str) -> None:
        try:
            matcher = matchers.parse(text)
        except matchers.MatcherError as error:
            assert str(error)
        else:
            assert matcher.holds(record()) in (True, False)


class TestMistakes:
    @pytest.mark.parametrize(
        ("matcher", "answer"),
        [
            ("status == 404", 'unknown operator "=="; did you mean "="?'),
            ("status => 404", 'unknown operator "=>"; did you mean ">="?'),
            ("stats = 404", 'unknown field "stats"; did you mean "status"?'),
            ("level = error", "(record.level names a key of the record)"),
            ("status", "has no operator: write one of = != =~ !~ |= < <= > >="),
            ("status = teapot", "'teapot' is not a number to compare status with"),
            ("status > 4_x", "'4_x' is not a number to compare status with"),
            ("status = 4_04", "'4_04' is not a number to compare status with"),
            ("status > nan", "'nan' is not a number to compare status with"),
            ("record..x = 1", "'record..x' is not a path"),
            ('pod = "x', "starts with a quote and does not end with one"),
            ("log =~ (?<=a)b", "RE2 cannot use '(?<=a)b': invalid perl operator: (?<="),
            ("log =~ a{2000}", "RE2 cannot use 'a{2000}': invalid repetition size: {2000}"),
            ("= 404", "is not a matcher: write FIELD OPERATOR VALUE"),
        ],
    )
    def test_in_a_matcher_are_named_with_what_to_write_instead(
        self, matcher: str, answer: str
    ) -> None:
        [problem] = problems_of(f"- alert: A\n  match:\n    - {json.dumps(matcher)}")
        assert problem.startswith("6: groups[0].rules[0].match[0]: ")
        assert answer in problem

    def test_are_all_reported_at_once(self) -> None:
        text = """
            - alert: A
              match: [status == 404, namespace = x]
              labels: {severity: no, my-label: x, pod: "{{ pood }}"}
              keep_firing_for: 5 minutes
            - alert: A
              macth: []
        """
        assert problems_of(text) == [
            '5: groups[0].rules[0].match[0]: unknown operator "=="; did you mean "="?',
            "6: groups[0].rules[0].labels.severity: YAML reads 'no' as a boolean: put it in quotes",
            '6: groups[0].rules[0].labels: "my-label" is not a label name: '
            "letters, digits and _ only",
            '6: groups[0].rules[0].labels.pod: template names the unknown field "pood"; '
            'did you mean "pod"? (record.pood reads the record)',
            "7: groups[0].rules[0].keep_firing_for: '5 minutes' is not a duration: "
            "write 25s, 500ms or 1h30m",
            '9: groups[0].rules[1]: unknown key "macth"; did you mean "match"?',
            "8: groups[0].rules[1]: needs match",
        ]

    def test_that_yaml_makes_of_a_colon_are_seen_through(self) -> None:
        [problem] = problems_of("- alert: A\n  match:\n    - log =~ .*error: .*")
        assert problem == (
            "6: groups[0].rules[0].match[0]: YAML reads 'log =~ .*error: .*' as a mapping: "
            "put the matcher in quotes"
        )

    def test_that_yaml_makes_of_a_hash_are_seen_through(self) -> None:
        [problem] = problems_of("- alert: A\n  match:\n    - log =~ issue #404")
        assert "YAML drops what follows ' #' in 'log =~ issue #404'" in problem

    def test_a_comment_two_spaces_behind_a_matcher_is_none_of_them(self) -> None:
        rule = "- alert: A\n  match:\n    - status = 404  # not found"
        assert rules.loads(file(rule), "r.yaml").match(record())

    @pytest.mark.parametrize(
        ("value", "read_as"),
        [("012", "a number"), ("1:30", "a number"), ("1.5", "a number"), ("~", "empty")],
    )
    def test_that_yaml_makes_of_a_label_are_called_out(self, value: str, read_as: str) -> None:
        [problem] = problems_of(f"- alert: A\n  match: [status = 1]\n  labels: {{a: {value}}}")
        assert f"YAML reads {value!r} as {read_as}: put it in quotes" in problem

    @pytest.mark.parametrize("zero", ["0s", "0", "0m0s"])
    def test_an_alert_that_is_resolved_at_once_is_one(self, zero: str) -> None:
        [problem] = problems_of(f"- alert: A\n  match: [status = 1]\n  keep_firing_for: {zero}")
        assert problem == (
            "6: groups[0].rules[0].keep_firing_for: must be longer than 0s, "
            "or the alert is resolved before anybody is told"
        )

    def test_two_alerts_of_one_name_are_refused(self) -> None:
        rule = "- alert: A\n  match: [status = 404]"
        assert problems_of(f"{rule}\n{rule}") == [
            '6: groups[0].rules[1]: the alert "A" is defined in line 4 already'
        ]

    def test_two_equal_keys_are_refused(self) -> None:
        [problem] = problems_of("- alert: A\n  alert: B\n  match: [status = 404]")
        assert problem == '5: groups[0].rules[0]: the key "alert" is here twice'

    def test_a_label_alertname_is_refused_because_the_rules_name_is_it(self) -> None:
        [problem] = problems_of("- alert: A\n  match: [status = 1]\n  labels: {alertname: x}")
        assert 'alertname is the rule\'s own name: see "alert"' in problem

    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            ("", "rules.yaml:1: the file is empty: it needs a list of groups"),
            ("groups: [", "rules.yaml:2: not YAML: "),
            ("a: b: c", "rules.yaml:1: not YAML: mapping values are not allowed in this context"),
            ("\x00", "rules.yaml:1: not YAML: "),
            ("- a", "rules.yaml:1: the file: must be a mapping, not a list"),
            ("groups: x", "rules.yaml:1: groups: must be a list, not a text"),
            ("groups: []", "rules.yaml:1: groups: is empty: it needs at least one item"),
            ("groups: [{}]", "rules.yaml:1: groups[0]: needs name and rules"),
        ],
    )
    def test_a_file_that_holds_no_rules_is_refused(self, text: str, answer: str) -> None:
        assert problems(text)[0].startswith(answer)

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        missing = tmp_path / "none.yaml"
        with pytest.raises(RulesError, match=r"none\.yaml: cannot read the rule file: No such"):
            rules.load(missing)

    def test_a_file_in_another_encoding_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "latin.yaml"
        path.write_bytes("groups: # caf\xe9".encode("latin-1"))
        with pytest.raises(RulesError, match=r"latin\.yaml: not UTF-8 at byte 13"):
            rules.load(path)

    @given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
    def test_any_text_is_a_rule_set_or_a_list_of_problems(self, text: str) -> None:
        try:
            rules.loads(text, "rules.yaml")
        except RulesError as error:
            assert error.problems

    @given(TREES)
    def test_any_tree_is_a_rule_set_or_a_list_of_problems(self, tree: object) -> None:
        try:
            rules.loads(json.dumps(tree), "rules.yaml")
        except RulesError as error:
            assert error.problems
