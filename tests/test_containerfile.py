"""The image that the Containerfile describes: what it says, and its steps done without containers.

Nothing here can build an image. Folders stand for its stages and a copy of this Python for the base
image; the steps run as they are written, with these folders before their absolute paths.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pip
import pytest
import requests

from local.func.running import Running, environment
from local.procfile import free_port, web_command
from tests import servers

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: `RUN` and what follows it, lines joined."""

    word: str
    rest: str


def instructions(text: str) -> list[list[Instruction]]:
    """Each stage's instructions; the first is its FROM."""
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    stages: list[list[Instruction]] = []
    for line in code.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        if word:
            stages[-1].append(Instruction(word, rest.strip()))
    return stages


BUILD, IMAGE = instructions(TEXT)


def only(word: str) -> str:
    """What follows an instruction that the image has exactly once."""
    [rest] = [each.rest for each in IMAGE if each.word == word]
    return rest


# What it says.


def test_it_starts_the_procfiles_command_without_a_shell() -> None:
    assert json.loads(only("CMD")) == web_command()


def test_both_stages_have_the_same_base_whose_version_changes_by_an_edit() -> None:
    bases = {stage[0].rest.partition(" ")[0] for stage in (BUILD, IMAGE)}
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim-[a-z]+", bases.pop())


def test_it_runs_as_a_number_that_is_not_root() -> None:
    user, group = map(int, only("USER").split(":"))
    assert user > 0
    assert group > 0


def test_every_package_is_checked_against_its_hash_and_none_is_compiled() -> None:
    installs = [each.rest for each in BUILD if "pip install" in each.rest]
    [packages, function] = installs
    assert "--require-hashes" in packages
    assert "--only-binary=:all:" in packages
    assert "--no-deps ." in function


def test_nothing_keeps_python_from_writing_bytecode() -> None:
    assert [each for stage in (BUILD, IMAGE) for each in stage if each.word == "ENV"] == []


def test_all_that_it_copies_from_the_project_is_there() -> None:
    copied = [shlex.split(each.rest)[:-1] for each in BUILD if each.word == "COPY"]
    assert {name for names in copied for name in names} == {
        "requirements.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "function",
    }
    assert all((ROOT / name).exists() for names in copied for name in names)


# Its steps.


class Stage:
    """A folder that stands for the root of a container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workdir = root
        self.env = surroundings(root)
        base_image(root / "usr" / "local")

    def follow(self, instruction: Instruction, built: Path) -> None:
        """Do what an instruction says; `built` is what became of the stage before."""
        arguments = shlex.split(self.here(instruction.rest))
        if instruction.word == "WORKDIR":
            [folder] = arguments
            self.workdir = Path(folder)
            self.workdir.mkdir(parents=True)
        elif instruction.word == "RUN":
            self.run("sh", "-ec", self.here(instruction.rest))
        elif instruction.word == "COPY" and arguments[0] == "--from=build":
            [_, source, target] = arguments
            copy(built / Path(source).relative_to(self.root), Path(target))
        elif instruction.word == "COPY":
            *sources, target = arguments
            into = self.workdir / target
            for name in sources:
                copy(ROOT / name, into / name if target.endswith("/") else into)

    def here(self, text: str) -> str:
        """The text with this root before every absolute path."""
        return re.sub(r"(?<![^\s=])/(?=[a-z])", f"{self.root}/", text)

    def run(self, *command: str) -> None:
        run(*command, cwd=self.workdir, env=self.env)


def surroundings(root: Path) -> dict[str, str]:
    """The environment of the base image; its libpython lies beside its library."""
    local = root / "usr" / "local"
    return environment(PATH=f"{local}/bin:/usr/bin:/bin", LD_LIBRARY_PATH=f"{local}/lib", HOME="/")


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed, and return what it prints."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def base_image(prefix: Path) -> None:
    """What the official image has: Python's library without tests and bytecode, and pip."""
    if "posix_local" in sysconfig.get_scheme_names():
        pytest.skip("this is Debian's Python, which installs packages elsewhere: use another one")
    library = Path(sysconfig.get_path("stdlib"))
    skip = shutil.ignore_patterns(
        "__pycache__", "test", "tests", "idle_test", "site-packages", "config-*"
    )
    shutil.copytree(library, prefix / "lib" / library.name, ignore=skip)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        shared = str(sysconfig.get_config_var("INSTSONAME"))
        shutil.copy(Path(str(sysconfig.get_config_var("LIBDIR")), shared), prefix / "lib" / shared)
    (prefix / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), prefix / "bin" / "python")
    packages = prefix / "lib" / library.name / "site-packages"
    installed = Path(pip.__file__).parent
    [metadata] = installed.parent.glob("pip-*.dist-info")
    for folder in (installed, metadata):
        shutil.copytree(folder, packages / folder.name, ignore=skip)


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The root of the image, in a place that every user of this machine may read."""
    with tempfile.TemporaryDirectory(prefix="logs-handler-image-") as temporary:
        Path(temporary).chmod(0o755)
        root, built = Path(temporary).resolve() / "root", Path(temporary).resolve() / "build"
        for stage in (BUILD, IMAGE):
            standing = Stage(root)
            for instruction in stage:
                standing.follow(instruction, built)
            if stage is BUILD:
                root.rename(built)  # both have the same paths, as in containers
        shutil.rmtree(built)
        yield root
        run("chmod", "-R", "u+w", str(root), cwd=root)


def sources(root: Path) -> list[Path]:
    return sorted((root / "usr" / "local" / "lib").rglob("*.py"))


def bytecode(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source)))


@pytest.mark.long
def test_every_module_has_bytecode_that_is_used_without_a_look_at_its_source(image: Path) -> None:
    assert len(sources(image)) > 1000
    assert [path for path in sources(image) if not bytecode(path).exists()] == []
    # PEP 552: bit 0 says that it holds the source's hash, bit 1 that the hash is to be checked.
    flags = {int.from_bytes(bytecode(path).read_bytes()[4:8], "little") for path in sources(image)}
    assert flags == {0b01}


@pytest.mark.long
def test_the_image_holds_the_function_and_no_tools(image: Path) -> None:
    [packages] = (image / "usr" / "local" / "lib").glob("python3.*/site-packages")
    found = {path.relative_to(packages) for path in (packages / "function").rglob("*.py")}
    here = {path.relative_to(ROOT) for path in (ROOT / "function").rglob("*.py")}
    assert found == here
    tools = ("pip", "setuptools", "wheel", "hatchling", "uv")
    assert [name for name in tools if (packages / name).exists()] == []


@pytest.mark.long
def test_it_answers_from_a_read_only_root_as_a_user_without_rights(
    image: Path, tmp_path: Path
) -> None:
    run("chmod", "-R", "a-w", str(image), cwd=image)
    port = free_port()
    user, group = only("USER").split(":")
    become = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups")
    command = (*(become if os.getuid() == 0 else ()), *json.loads(only("CMD")))
    env = {**surroundings(image), "PORT": str(port)}
    with Running(command, image, env, tmp_path / "log") as running:
        url = f"http://127.0.0.1:{port}"
        running.wait_until_ready(url)
        answer = requests.post(url, data=b'{"log":"quiet"}', headers=servers.event(), timeout=30)
        assert (answer.status_code, answer.content) == (204, b"")
        running.stop(signal.SIGTERM)
