"""Another checkout beside this one, and what a pod does while requests wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import base, capacity, waiting
from benchmarks.results import Results, Run
from benchmarks.subjects import ASGI, EMPTY_ASGI, FLASK, ROOT
from tests import real


def test_its_servers_are_started_by_its_own_procfile(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("web: gunicorn -c python:older.conf\n")
    for subject, server in zip(base.subjects(tmp_path), ("flask", "asgi"), strict=True):
        assert subject.command(80)[1:] == ["-m", "gunicorn", "-c", "python:older.conf"]
        assert subject.environ(80)["SERVER"] == server
        assert subject.folder == tmp_path
        assert subject.rules == tmp_path / "function" / "rules.yaml"


def test_its_own_packages_are_used_where_it_has_some(tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    (tmp_path / "Procfile").write_text("web: gunicorn\n")
    assert {subject.command(80)[0] for subject in base.subjects(tmp_path)} == {str(python)}


@pytest.mark.parametrize("content", [None, "worker: gunicorn\n"])
def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "Procfile").write_text(content)
    with pytest.raises(SystemExit, match="is not a checkout of this project"):
        base.subjects(tmp_path)


def test_each_of_our_servers_gets_its_counterpart() -> None:
    of_base = base.subjects(ROOT)
    names = [subject.name for subject in base.beside((ASGI, EMPTY_ASGI), of_base)]
    assert names == ["ASGI server", "empty ASGI", "ASGI server of base"]
    assert base.beside((FLASK, ASGI), []) == [FLASK, ASGI]


def test_the_table_compares_round_by_round() -> None:
    runs = [
        Run("capacity", "no match", name, round_, {"rate": rate})
        for name, rates in (("ASGI server", (300.0, 50.0)), ("ASGI server of base", (200.0, 100.0)))
        for round_, rate in enumerate(rates)
    ]
    [_, row] = base.rows(Results({}, runs))
    assert row == ("no match: ASGI server", "requests/s", "1.00", "0.50 to 1.50", "more")


@pytest.mark.real("wrk")
def test_both_are_measured_by_turns() -> None:
    real.wrk()
    case = capacity.CASES[0]
    subjects = base.beside((ASGI,), base.subjects(ROOT))
    found = capacity.measure(case, subjects, 0.4)
    assert found.keys() == {"ASGI server", "ASGI server of base"}
    assert all(values["rate"] > 10 for values in found.values())


@pytest.mark.long
def test_what_a_pod_does_while_requests_wait_is_measured() -> None:
    assert waiting.measure(FLASK)["probe_p50_ms"] > 0
