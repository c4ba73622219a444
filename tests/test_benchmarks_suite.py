"""The order of a round: what is compared is measured close by, and nothing always comes first."""

from __future__ import annotations

from itertools import groupby
from random import Random

import pytest

from benchmarks import capacity, suite
from benchmarks.load import WrongAnswersError
from benchmarks.subjects import ASGI, FLASK, FUNC

CASES = ("5 ms", "20 ms", "100 ms")
CELLS = [
    suite._one("capacity", case, subject, lambda: {"rate": 1.0})
    for case in CASES
    for subject in (FLASK, ASGI, FUNC)
]
ROUNDS = [suite._shuffled(CELLS, Random(number)) for number in range(20)]  # noqa: S311 - order, not secrets
PLAN = suite.Plan(rounds=2, seconds=0.1)


def test_a_round_measures_every_subject_of_every_case_once() -> None:
    for cells in ROUNDS:
        assert len(cells) == len(CELLS)
        assert all(cell in cells for cell in CELLS)


def test_the_subjects_of_a_case_are_measured_one_after_the_other() -> None:
    for cells in ROUNDS:
        assert [len([*group]) for _, group in groupby(cell.case for cell in cells)] == [3, 3, 3]


def test_no_case_and_no_subject_is_first_in_every_round() -> None:
    assert {cells[0].case for cells in ROUNDS} == set(CASES)
    for case in CASES:
        firsts = [next(cell for cell in cells if cell.case == case) for cells in ROUNDS]
        names = {name for cell in firsts for name in cell.measure()}
        assert names == {subject.name for subject in (FLASK, ASGI, FUNC)}


def test_subjects_take_turns_unless_a_receiver_has_to_be_quiet_in_between() -> None:
    together, apart = capacity.Case("no match", (FLASK, ASGI)), capacity.CASES[3]
    assert len(suite._loaded("capacity", together, (FLASK, ASGI), PLAN)) == 1
    assert apart.receiver is not None
    assert len(suite._loaded("capacity", apart, (FLASK, ASGI), PLAN)) == 2


def test_what_was_measured_is_kept_by_subject_and_round() -> None:
    runs = suite._rounds(CELLS, rounds=2)
    assert len(runs) == 2 * len(CELLS)
    assert {(run.subject, run.round) for run in runs if run.case == "5 ms"} == {
        (subject.name, number) for subject in (FLASK, ASGI, FUNC) for number in (0, 1)
    }


def test_wrong_answers_end_the_suite_and_say_whose_they_were() -> None:
    def wrong() -> dict[str, float]:
        raise WrongAnswersError("of 7 answers some were wrong")

    with pytest.raises(WrongAnswersError, match=r"^no match: Flask server: of 7"):
        suite._rounds([suite._one("capacity", "no match", FLASK, wrong)], rounds=1)
