"""The changes that the tests have to notice still fit the code; ``make mutants`` tries them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants import trial
from tests.mutants.by_hand import CHANGES
from tests.mutants.mutant import ROOT, ByHand, source


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_by_hand_still_fits_the_code(change: ByHand) -> None:
    mutant = change.mutant()
    changed, unchanged = ast.parse(mutant.text), ast.parse(source(change.file))
    assert ast.dump(changed) != ast.dump(unchanged)


def test_no_two_changes_have_the_same_name() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES)


def test_what_no_longer_fits_is_told() -> None:
    with pytest.raises(ValueError, match=r"gone: function/sink\.py has its text 0 times"):
        ByHand("gone", "function/sink.py", "no such text", "").mutant()


def test_a_change_is_made_in_the_copy_alone(tmp_path: Path) -> None:
    [first, *_] = CHANGES
    (tmp_path / first.file).parent.mkdir(parents=True)
    first.mutant().apply(tmp_path)
    assert first.new in (tmp_path / first.file).read_text()
    assert first.new not in source(first.file)


def test_the_tests_nearest_to_a_change_are_there_and_begin_with_its_modules_own() -> None:
    for file in {change.file for change in CHANGES}:
        found = trial.nearest(file)
        assert all((ROOT / name).is_file() for name in found)
        assert len(found) > 1
        assert found[-1] == "tests/test_promise.py"
    [first, second, *_] = trial.nearest("function/delivery/queue.py")
    assert (first, second) == ("tests/test_delivery_queue.py", "tests/test_delivery.py")


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (
            "x\nFAILED tests/test_a.py::test_b - assert 1\nFAILED tests/c.py::d\n",
            "tests/test_a.py::test_b",
        ),
        ("FAILED tests/test_a.py::test_b[a [b]] - x", "tests/test_a.py::test_b[a [b]]"),
        ("ERROR tests/test_a.py\n", "tests/test_a.py"),
        ("ERROR    function:logs.py:94 bug\nFAILED tests/a.py::b - x\n", "tests/a.py::b"),
        ("something\nelse", "something else"),
    ],
)
def test_what_failed_first_is_read_from_pytests_words(output: str, name: str) -> None:
    assert trial._failed(output) == name
