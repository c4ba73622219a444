"""Errors: every one that a request can end in has a status that KafkaSource understands."""

from __future__ import annotations

import inspect
import re

import pytest

from function import errors
from function.errors import FunctionError, RequestError
from local.kafkasource.retry import retried

LEAVES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, RequestError) and kind is not RequestError
]


@pytest.mark.parametrize("kind", LEAVES)
def test_only_what_may_succeed_later_is_retried(kind: type[RequestError]) -> None:
    later = (errors.ReceiverUnavailable, errors.BodyIncomplete)
    assert retried(kind.status) is issubclass(kind, later)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = set(re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE))
    defined = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, FunctionError)
    }
    assert defined <= drawn


def test_the_statuses_in_the_docstring_are_those_of_the_classes() -> None:
    for name, status in re.findall(r"(\w+) +(\d{3}) ", errors.__doc__ or ""):
        assert getattr(errors, name).status == int(status)


def test_errors_of_the_configuration_carry_every_problem() -> None:
    error = errors.RulesError(["a", "b"])
    assert error.problems == ("a", "b")
    assert str(error) == "a\nb"
