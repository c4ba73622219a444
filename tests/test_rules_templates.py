"""Templates: what they know, what they refuse, and that the fast way says what Jinja2 would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from function.rules import fields, templates
from tests.test_rules import record

JINJA = ImmutableSandboxedEnvironment(keep_trailing_newline=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=30)
FIELDS = ["{{ log }}", "{{pod}}", "{{  path  }}", "{{ log|truncate(10) }}"]
CUTS = ["{{ log | truncate(3) }}", "{{ log | truncate( 12 ) }}"]
PIECES = st.lists(
    st.sampled_from([*FIELDS, *CUTS, " ", "{", "}", "}}", "é\n", "{ { log } }", "%}"]), max_size=6
)


def test_know_every_field_and_the_record() -> None:
    text = " ".join(f"{{{{ {name} }}}}" for name in (*fields.NAMES, "record.stream"))
    rendered = templates.compile_template(text)(fields.values(record(stream="stdout")))
    assert "demo-project" in rendered
    assert rendered.endswith("9 stdout")


def test_find_the_empty_text_where_the_record_says_nothing() -> None:
    values = fields.values(record("no access log"))
    assert templates.compile_template("[{{ method }}{{ record.a.b.c }}]")(values) == "[]"


def test_take_log_text_for_data_never_for_a_template() -> None:
    values = fields.values(record("{{ 7 * 7 }} {% raw %}"))
    assert templates.compile_template("{{ log }}")(values) == "{{ 7 * 7 }} {% raw %}"


def test_that_fail_on_a_record_say_so_in_the_alert_instead_of_losing_it() -> None:
    rendered = templates.compile_template("{{ status / 0 }}")(fields.values(record()))
    assert rendered == "<error expanding template: division by zero>"


MUCH = ("'a' * 300000000", "'%300000000d' % 1", "'%*d' % (300000000, 1)", "[1] * 300000000")


@pytest.mark.parametrize("source", [*MUCH, "10 ** 1000000", "9 ** 9 ** 9"])
def test_that_would_make_much_of_little_fail(source: str) -> None:
    template = templates.compile_template(f"{{{{ {source} }}}}")  # nor is it worked out here
    rendered = template(fields.values(record()))
    assert isinstance(rendered, templates.Broken)
    assert rendered.startswith("<error expanding template: no ")


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("{{ 6 * 7 }}", "42"),
        ("{{ 7 % 4 }}", "3"),
        ("{{ '%.1f KiB' % (bytes / 8) }}", "1.1 KiB"),
        ("{{ '%s: %d' % (method, status) }}", "GET: 404"),
        ("{{ log | wordwrap(20) | length < 200 }}", "True"),
    ],
)
def test_may_compute_with_small_numbers_and_format(source: str, rendered: str) -> None:
    assert templates.compile_template(source)(fields.values(record())) == rendered


def test_wrap_no_more_words_than_a_text_may_have() -> None:
    values = {**fields.values(record()), "log": "\n" * 2**20}
    assert len(templates.compile_template("{{ log | wordwrap(9) }}")(values)) < 2 * 2**14


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in log %}" * 21 + "{% endfor %}" * 21,
        "{% if log %}" * 200 + "{% endif %}" * 200,
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ " + "[" * 100_000 + " }}",
        "{{ " + "-" * 100_000 + "1 }}",
        "{{ log" + ".x" * 5_000 + " }}",
        "{{ " + "1" * 5_000 + " }}",
    ],
)
def test_that_are_too_deep_or_too_long_are_a_problem(source: str) -> None:
    with pytest.raises(templates.TemplateProblem, match="not a template") as caught:
        templates.compile_template(source)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("source", ["{{ record }}", "{{ record.x | dictsort }}", "{{ log.x() }}"])
def test_never_raise_whatever_the_record_holds(source: str) -> None:
    deep: Any = 1
    for _ in range(3000):
        deep = {"x": deep}
    values = {**fields.values(record()), "record": {"x": 1, "deep": deep}}
    assert templates.compile_template(source)(values)


def test_cannot_leave_the_sandbox() -> None:
    rendered = templates.compile_template("{{ log.__class__.__mro__ }}")(fields.values(record()))
    assert "class" not in rendered


@pytest.mark.parametrize("source", ["{{ a", "{% if %}", "{{ log | nofilter }}", "{% x %}"])
def test_that_are_none_are_refused(source: str) -> None:
    with pytest.raises(templates.TemplateProblem, match="not a template"):
        templates.compile_template(source)


@pytest.mark.parametrize("source", ["{{ pood }}", "{{ pood | upper }}", "x{{ pood|truncate(9) }}"])
def test_that_name_an_unknown_field_are_refused_with_the_one_that_is_meant(source: str) -> None:
    with pytest.raises(templates.TemplateProblem, match='did you mean "pod"'):
        templates.compile_template(source)


@given(PIECES.map("".join), TEXTS, TEXTS)
def test_the_fast_way_says_what_jinja2_would(source: str, log: str, pod: str) -> None:
    values: dict[str, Any] = {"log": log, "pod": pod, "path": 7}
    try:
        expected = JINJA.from_string(source).render(values)
    except TemplateSyntaxError:
        with pytest.raises(templates.TemplateProblem):
            templates.compile_template(source)
    else:
        assert templates.compile_template(source)(values) == expected


@given(TEXTS, st.integers(0, 30))
def test_a_text_is_cut_as_jinja2_cuts_it(log: str, length: int) -> None:
    source = f"{{{{ log | truncate({length}) }}}}"
    try:
        expected = JINJA.from_string(source).render(log=log)
    except AssertionError:  # Jinja2 cannot cut to less than its dots
        return
    assert templates.compile_template(source)({"log": log}) == expected
