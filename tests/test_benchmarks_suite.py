"""The order of a round: what is compared is measured close by, and nothing always comes first."""

from __future__ import annotations

from itertools import groupby
from random import Random

from benchmarks import suite
from benchmarks.subjects import ASGI, FLASK, FUNC

CELLS = [
    suite.Cell("capacity", case, subject, dict)
    for case in ("no match", "1 % match", "all match")
    for subject in (FLASK, ASGI, FUNC)
]
ROUNDS = [suite._shuffled(CELLS, Random(number)) for number in range(20)]  # noqa: S311 - order, not secrets


def test_a_round_measures_every_subject_of_every_case_once() -> None:
    for cells in ROUNDS:
        assert len(cells) == len(CELLS)
        assert all(cell in cells for cell in CELLS)


def test_the_subjects_of_a_case_are_measured_one_after_the_other() -> None:
    for cells in ROUNDS:
        assert [len([*group]) for _, group in groupby(cell.case for cell in cells)] == [3, 3, 3]


def test_no_case_and_no_subject_is_first_in_every_round() -> None:
    assert len({cells[0].case for cells in ROUNDS}) == 3
    for case in ("no match", "1 % match", "all match"):
        own = [[cell.subject.name for cell in cells if cell.case == case] for cells in ROUNDS]
        assert {names[0] for names in own} == {"Flask door", "ASGI door", FUNC.name}
