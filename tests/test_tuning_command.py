"""``python -m tuning simulate`` as people use it: tables, plots, and errors that say what to do."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tuning import pictures
from tuning.__main__ import main
from tuning.results import Sample

ROOT = Path(__file__).resolve().parent.parent
SHORT = "burst:low=5,high=100,every=30s,lasting=5s,for=60s"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text("containerConcurrency: 4\nmin-scale: 1\ntarget-burst-capacity: 0\n")
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that succeeds prints."""
    assert main(["simulate", *arguments]) == 0
    return capsys.readouterr().out


def row(table: str, title: str) -> list[str]:
    """The cells of a table's row, without its title."""
    [line] = [line for line in table.split("\n") if line.startswith(f"│ {title}")]
    return [cell.strip() for cell in line.strip("│").split("│")[1:]]


def test_without_settings_this_projects_service_is_simulated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = said(capsys, "--traffic", SHORT)
    assert "Bursts of 100/s over 5/s, 1 min" in out
    assert "service.yaml" in out
    assert row(out, "requests lost") == ["0"]
    assert row(out, "scaled up from zero") == ["1"]
    assert "give a measured --curve" in out


def test_the_kafkasource_sends_records(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "--traffic", "constant:rate=300,for=30s", "--kafka", "--service-time", "1s")
    assert "records answered" in out
    [most] = row(out, "most records waiting in Kafka")
    assert int(most.replace(",", "")) > 1000  # 99 under way, a second each


def test_settings_are_laid_side_by_side(capsys: pytest.CaptureFixture[str], other: Path) -> None:
    out = said(
        capsys, "--traffic", SHORT, "--compare", str(ROOT / "knative" / "service.yaml"), str(other)
    )
    assert row(out, "answers 503 / 504")[0] == "0 / 0"
    assert row(out, "containerConcurrency") == ["64", "4"]
    assert row(out, "target-burst-capacity") == ["211", "0"]
    assert row(out, "min-scale") == ["0", "1"]
    assert "max-scale" in out


def test_files_of_the_same_name_are_told_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = [tmp_path / folder / "a.yaml" for folder in ("x", "y")]
    for path in paths:
        path.parent.mkdir()
        path.write_text("min-scale: 1\n")
    out = said(capsys, "--traffic", SHORT, "--compare", *map(str, paths))
    assert re.search(r"x/a\.yaml .* y/a\.yaml", out)
    assert "what differs" not in out


def test_settings_are_found_for_a_goal_and_printed(
    capsys: pytest.CaptureFixture[str], other: Path
) -> None:
    out = said(capsys, str(other), "--traffic", SHORT, "--optimize", "p99<200ms")
    assert "settings were tried. The goal: p99 within 0.2 s." in out
    assert "other draws of the same traffic" in out
    assert "autoscaling.knative.dev/min-scale:" in out
    assert out.rstrip().endswith("containerConcurrency: 4")


def test_a_goal_that_is_not_reached_is_an_exit_status_and_a_hint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tight = tmp_path / "tight.yaml"
    tight.write_text("containerConcurrency: 1\nmax-scale: 1\n")
    arguments = ["simulate", str(tight), "--traffic", SHORT, "--optimize", "p99<100ms"]
    assert main(arguments) == 1
    assert "Look at max-scale (1)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("records", [False, True])
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_plots_are_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, other: Path, suffix: str, records: bool
) -> None:
    one, several = tmp_path / f"one.{suffix}", tmp_path / f"several.{suffix}"
    kafka = ["--kafka"] if records else []
    said(capsys, str(other), "--traffic", SHORT, "--plot", str(one), *kafka)
    both = [str(other), str(ROOT / "knative" / "service.yaml")]
    said(capsys, "--traffic", SHORT, "--plot", str(several), *kafka, "--compare", *both)
    for path in (one, several):
        data = path.read_bytes()
        if suffix == "png":
            assert data.startswith(b"\x89PNG")
        else:
            assert ElementTree.fromstring(data).tag.endswith("svg")  # noqa: S314 - our own file
        assert len(data) > 10_000


def test_the_same_plot_is_the_same_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    for path in (first, second):
        said(capsys, "--traffic", SHORT, "--plot", str(path))
    assert first.read_bytes() == second.read_bytes()


def test_every_second_can_be_had_as_csv(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    said(capsys, "--traffic", SHORT, "--csv", str(path))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == Sample._fields
    assert [float(each["t"]) for each in rows[:3]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("nowhere.yaml",), "nowhere.yaml: cannot be read"),
        (("--traffic", "weekly"), "weekly is neither a file nor one of"),
        (("--curve", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--curve", "x.json", "--service-time", "1s"), "leave out --service-time"),
        (("--service-time", "fast"), "--service-time: 'fast' is not a duration"),
        (("--service-time", "0s"), "--service-time is 0: a request takes some time"),
        (("--pod-start", "soon"), "--pod-start: 'soon' is not a duration"),
        (("--optimize", "cheap"), "the goal is 'cheap': write, for example, p99<500ms"),
        (("--optimize", "p99<10ms"), "no settings reach p99 within 0.01 s: one request alone"),
        (("--optimize", "p99<1s", "--concurrency", "x"), "--concurrency is x: write whole numbers"),
        (("--optimize", "p99<1s", "--concurrency", "1001"), "--concurrency: containerConcurrency"),
        (("--optimize", "p99<1s", "--compare", "a.yaml"), "ask one at a time"),
        (("--plot", "plot.pdf"), "--plot plot.pdf: plots are written as .png or .svg"),
        (("--kafka", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--kafka", "--partitions", "1", "--dispatchers", "2"), "2 dispatcher pods and 1 part"),
        (("--csv", "/nowhere/x.csv"), "/nowhere/x.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_used_is_named_without_a_traceback(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], problem: str
) -> None:
    short = () if "--traffic" in arguments else ("--traffic", SHORT)
    assert main(["simulate", *arguments, *short]) == 1
    assert problem in capsys.readouterr().err


def test_settings_that_knative_refuses_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("window: 5s\nmax-scale: -1\n")
    assert main(["simulate", str(bad)]) == 1
    errors = capsys.readouterr().err.strip().split("\n")
    assert len(errors) == 2
    assert errors[0].startswith(f"{bad}: autoscaling.knative.dev/window is 5s: it must be")


def test_it_runs_as_a_module_and_its_help_names_the_traffic() -> None:
    run = subprocess.run(
        (sys.executable, "-m", "tuning", "simulate", "--help"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^  flash-crowd:low=", run.stdout, re.MULTILINE)


def test_the_page_shows_every_picture_that_can_be_drawn() -> None:
    page = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(tuning/([\w-]+)\.svg\)", page))
    measured = {"measured-flask", "measured-asgi"}  # by `measure --out`
    assert shown == set(pictures.PICTURES) | measured
    assert shown == {path.stem for path in (ROOT / "docs" / "tuning").iterdir()}


@pytest.mark.long
def test_docs_draws_every_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["docs", "--folder", str(tmp_path)]) == 0
    drawn = [Path(line) for line in capsys.readouterr().out.split()]
    assert {path.stem for path in drawn} == set(pictures.PICTURES)
    assert all(path.read_bytes().rstrip().endswith(b"</svg>") for path in drawn)
