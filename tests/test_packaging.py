"""What goes into the image: pyproject.toml, its lock, the Procfile and .funcignore agree.

func's builders each read another of these files (pack and s2i pyproject.toml, a Dockerfile or
`pip install -r` requirements.txt), and all must arrive at the same image.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomllib  # type: ignore[import-not-found]  # tests run on 3.11 and newer, mypy checks for 3.10
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# What func sends to the builder. Everything else in the repository is in .funcignore, but for the
# four names that func never sends.
SENT = {"function", "func.yaml", "pyproject.toml", "Procfile", "README.md", "LICENSE"}
NEVER_SENT = {".git", ".func", ".funcignore", ".gitignore"}


@dataclass(frozen=True)
class Pin:
    """One package of a lock file: what is pinned, its hashes, and who asked for it."""

    requirement: Requirement
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)


def lock(path: str) -> list[Pin]:
    """Read a lock file as `make lock` writes it."""
    blocks = re.split(r"^(?=\S)", (ROOT / path).read_text(), flags=re.MULTILINE)
    return [
        Pin(
            Requirement(block.partition("\\")[0].strip()),
            tuple(re.findall(r"--hash=(\S+)", block)),
            tuple(re.findall(r"^ +#(?: via| ) +(\S+)", block, re.MULTILINE)),
        )
        for block in blocks
        if block and not block.startswith("#")
    ]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


def ignored() -> list[str]:
    """Read the lines of .funcignore that are not comments."""
    lines = (ROOT / ".funcignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


PINS = lock("requirements.txt")
LOCKS = [f"{folder}/requirements.txt" for folder in ("local", "tuning", "tests", "tests/mutants")]


# The lock.


@pytest.mark.parametrize("dependency", PROJECT["dependencies"])
def test_every_dependency_is_pinned_inside_the_range_that_pyproject_allows(dependency: str) -> None:
    wanted = Requirement(dependency)
    pins = [pin.requirement for pin in PINS if pin.name == canonicalize_name(wanted.name)]
    assert pins
    for pin in pins:
        [version] = pin.specifier
        assert wanted.specifier.contains(version.version)


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: str(pin.requirement))
def test_every_pin_is_one_exact_version_with_hashes(pin: Pin) -> None:
    assert [specifier.operator for specifier in pin.requirement.specifier] == ["=="]
    assert pin.hashes
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in pin.hashes)


def test_every_pin_is_there_because_pyproject_asks_for_it() -> None:
    asked_by = {pin.name: set(pin.via) for pin in PINS}
    reached = names(PROJECT["dependencies"])
    assert reached == {name for name, by in asked_by.items() if "function" in by}
    while more := {name for name, by in asked_by.items() if by & reached} - reached:
        reached |= more
    assert reached == set(asked_by)


def test_no_tool_and_no_test_is_in_the_image() -> None:
    pinned = {pin.name for pin in PINS}
    for extra in EXTRAS.values():
        assert pinned.isdisjoint(names(extra))


@pytest.mark.parametrize("path", LOCKS)
def test_tools_and_tests_run_on_the_versions_of_the_image(path: str) -> None:
    def versions(pins: list[Pin]) -> set[tuple[str, str]]:
        return {(pin.name, str(pin.requirement.specifier)) for pin in pins}

    assert versions(PINS) <= versions(lock(path))


# What func demands.


def test_the_distribution_has_the_name_that_func_installs() -> None:
    # Its scaffolding depends on "function @ <this folder>"; on PyPI that name is somebody else's.
    assert PROJECT["name"] == "function"


def test_hatchling_builds_it() -> None:
    # setuptools refuses a folder with function/, knative/ and eventing/ next to each other.
    assert PYPROJECT["build-system"]["build-backend"] == "hatchling.build"
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["function"]


def test_it_claims_every_python_that_func_solves_for() -> None:
    # Poetry, in func's pack builds, looks for versions for >=3.10; a narrower claim has none.
    assert PROJECT["requires-python"] == ">=3.10"


def test_the_files_that_pyproject_names_are_there() -> None:
    # Without them no builder gets past the metadata.
    assert all((ROOT / name).is_file() for name in [PROJECT["readme"], *PROJECT["license-files"]])


def test_the_license_is_named_as_spdx_does() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text().partition("\n\n")[0]


def test_no_func_command_changes_gitignore() -> None:
    # func appends lines of its own, at every command, unless a line begins so.
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert any(line.startswith("/.func") for line in lines)


def test_the_procfile_starts_gunicorn_with_names_and_no_paths() -> None:
    # func's pack builder moves the sources into a subfolder: a path would point nowhere.
    assert (ROOT / "Procfile").read_text() == (
        "web: gunicorn -c python:function.serving.gunicorn_conf\n"
    )


# .funcignore.


def test_requirements_txt_is_hidden_from_funcs_builders() -> None:
    # Paketo's pip would claim the build because of it, and then not find it.
    assert "/requirements.txt" in ignored()


@pytest.mark.parametrize("line", ignored())
def test_each_line_of_funcignore_is_one_name_as_all_builders_read_it_alike(line: str) -> None:
    # pack knows gitignore's patterns, s2i plain globs that do not recurse: no *, no !, no **/.
    assert re.fullmatch(r"/[\w.-]+", line)


def test_funcignore_keeps_what_the_image_is_made_of() -> None:
    assert SENT.isdisjoint(line.removeprefix("/") for line in ignored())


def test_everything_in_the_repository_is_either_sent_or_ignored() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout: nobody knows what belongs to the repository")
    listing = subprocess.run(
        [git, "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    )
    tracked = {line.partition("/")[0] for line in listing.stdout.splitlines()}
    assert tracked - NEVER_SENT - {line.removeprefix("/") for line in ignored()} <= SENT


# The real thing, from what func sends. pip fetches from PyPI.


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """Copy what func sends to a builder."""
    folder = tmp_path / "sent"
    unsent = NEVER_SENT | {line.removeprefix("/") for line in ignored()}

    def skip(parent: str, entries: list[str]) -> set[str]:
        return unsent & set(entries) if Path(parent) == ROOT else {"__pycache__"} & set(entries)

    shutil.copytree(ROOT, folder, ignore=skip)
    return folder


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that has to succeed, and return what it prints."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_wheel_holds_the_function_and_nothing_else(sent: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, sent, cwd=tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = (ROOT / "function").rglob("*")
    assert files == {
        path.relative_to(ROOT).as_posix()
        for path in sources
        if path.is_file() and path.parent.name != "__pycache__"
    }


@pytest.mark.long
def test_installing_it_installs_the_lock_and_nothing_else(sent: Path, tmp_path: Path) -> None:
    here = [
        pin for pin in PINS if pin.requirement.marker is None or pin.requirement.marker.evaluate()
    ]
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    # pip takes no hashes for a folder, so these are the same versions without them.
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(str(pin.requirement) for pin in PINS))
    run(python, "-m", "pip", "install", "-c", constraints, sent, cwd=tmp_path)

    tools = ("--exclude", "pip", "--exclude", "setuptools")
    listing = run(python, "-m", "pip", "list", "--format=freeze", *tools, cwd=tmp_path)
    found = {
        (canonicalize_name(package.name), str(package.specifier))
        for package in map(Requirement, listing.splitlines())
    }
    expected = {(pin.name, str(pin.requirement.specifier)) for pin in here}
    assert found == expected | {("function", f"=={PROJECT['version']}")}
    run(python, "-I", "-c", "import function.serving.wsgi", cwd=tmp_path)
