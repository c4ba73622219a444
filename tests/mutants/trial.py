"""Whether a test fails when one change is made, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tests.mutants.mutant import ROOT, Mutant

# The tests that most probably notice a change, by where it is made; the promise comes last.
NEAREST = {
    "delivery": ("test_delivery*.py", "test_sink*.py"),
    "state": ("test_state*.py", "test_sink*.py"),
    "sink.py": ("test_sink*.py",),
    "receivers": ("test_answers.py", "test_receiver*.py", "test_delivery*.py"),
    "serving": ("test_serving*.py", "test_asgi.py", "test_worker.py"),
    "events.py": ("test_events.py", "test_sink*.py"),
    "settings.py": ("test_settings.py",),
    "rules": ("test_reload.py",),
    "bounds.py": ("test_bounds.py",),
    "turns.py": ("test_turns.py",),
}
PROMISE = "test_promise.py"
LONGEST = 900  # seconds for the whole suite, which takes a quarter of it on two processors
_LEFT_OUT = (".git", ".venv", ".cache", ".hypothesis", ".*_cache", "__pycache__", "*.pyc")
_SELF = "tests/test_mutants.py"  # it would fail for every change by hand, as it should
_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """What failed first; None where the change survived all tests."""

    killed_by: str | None
    seconds: float = 0.0


def nearest(file: str) -> list[str]:
    """The test files nearest to a file of the function, in the order in which they run."""
    part, module = file.split("/")[1], f"_{Path(file).stem}"  # whose own tests come first
    found: dict[str, None] = {}
    for pattern in (*NEAREST.get(part, ()), PROMISE):
        paths = sorted(
            (ROOT / "tests").glob(pattern), key=lambda path: (module not in path.stem, path)
        )
        found |= dict.fromkeys(f"tests/{path.name}" for path in paths)
    return [*found]


class Trials:
    """Tries changes; ``jobs`` of them at the same time, on two processors.

    The ``nearest`` tests alone are asked, or the whole suite after them.
    """

    def __init__(self, jobs: int, *, nearest: bool = False) -> None:
        self._workers = max(1, 2 // jobs)
        self._nearest = nearest
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def of(self, mutant: Mutant | None) -> Verdict:
        """Try a change, or without one whether the suite passes in a copy at all."""
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutant-") as temporary:
            folder = _copy(Path(temporary))
            verdict = Verdict(None)
            if mutant is not None:
                mutant.apply(folder)
                verdict = self._tests(folder, nearest(mutant.file))
            if verdict.killed_by is None and not (mutant and self._nearest):
                suite = ["-n", str(self._workers), "--dist", "loadscope", f"--ignore={_SELF}"]
                verdict = self._tests(folder, suite)
        return replace(verdict, seconds=time.monotonic() - start)

    def stop(self) -> None:
        """End what runs."""
        self._stopped = True
        for process in [*self._running]:
            _signal(process, signal.SIGINT)

    def _tests(self, folder: Path, arguments: Sequence[str]) -> Verdict:
        """What failed, twice: a test that fails once may have met a busy machine."""
        passes = list[str]()
        while True:
            left_out = [f"--deselect={test}" for test in passes]
            verdict = self._run(folder, [*arguments, *left_out])
            test = verdict.killed_by
            if test is None or "::" not in test or self._run(folder, [test]).killed_by:
                return verdict
            passes.append(test)

    def _run(self, folder: Path, arguments: Sequence[str]) -> Verdict:
        command = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments)
        environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        output = folder.parent / "output"
        # A file, not a pipe: a server that a test leaves behind would keep that open.
        with output.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
            try:
                status = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                return Verdict("timeout")
            finally:
                _end(process)
                self._running.discard(process)
        if self._stopped:
            raise KeyboardInterrupt
        return Verdict(_failed(output.read_text(errors="replace")) if status else None)


def _copy(where: Path) -> Path:
    """A copy of the checkout, in a repository of its own: some tests ask git what belongs to it."""
    folder = where / "checkout"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)
    if git := shutil.which("git"):
        for arguments in (("init", "--quiet"), ("add", "--all")):
            subprocess.run([git, "-C", str(folder), *arguments], check=True)
    return folder


def _failed(output: str) -> str:
    """The first failing test of pytest's output, or its last lines where it names none."""
    found = _FAILED.search(output)
    return found[1] if found else " ".join(output.split("\n")[-3:]).strip()


def _end(process: subprocess.Popen[str]) -> None:
    """End a run: gently, so that its tests end the servers that they have started."""
    if process.poll() is None:
        _signal(process, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
