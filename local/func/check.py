"""Does Knative's func run this project? `make func-check` asks.

Replays func's builders by hand and asks each function the same questions; where `func` is
installed, it does so with `func run` and `func invoke` too. Packages come from where pip is told to
look. Exit status: 0 if all is well, 1 if something is not, 2 if func is missing.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.func import cli, sources
from local.func.builders import BUILDERS
from local.func.questions import questions
from local.func.running import Running, Start, environment
from local.inbox import Inbox
from local.procfile import free_port

_COLUMNS = "{:<24} {:>9} {:>9} {:>9} {:>9}"


@dataclass(slots=True)
class Result:
    """What was seen of one way to run the function; the times are in seconds."""

    name: str
    installed: float | None = None
    ready: float | None = None
    asked: int = 0
    answered: int = 0  # as expected
    ended: float | None = None
    problems: tuple[str, ...] = ()

    def note(self, answers: Sequence[str]) -> None:
        """Count answers, each a problem or nothing."""
        problems = tuple(filter(None, answers))
        self.asked += len(answers)
        self.answered += len(answers) - len(problems)
        self.problems += problems

    def __str__(self) -> str:
        """One line of the table."""
        answers = f"{self.answered} of {self.asked}" if self.asked else "-"
        return _COLUMNS.format(
            self.name, _seconds(self.installed), _seconds(self.ready), answers, _seconds(self.ended)
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A clean copy of the project, an empty folder for what is built of it, and a receiver."""

    tree: Path
    image: Path
    inbox: Inbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks, prints a table and what is wrong, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local.func.check", description=__doc__)
    parser.add_argument("--replay", action="store_true", help="only the builders by hand")
    options = parser.parse_args(arguments)
    func = "" if options.replay else cli.find()
    print(_COLUMNS.format("", "installed", "ready", "answers", "ended"))
    try:
        problems = [problem for result in _results(func) for problem in _shown(result)]
    except LookupError as error:
        problems = [str(error)]
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        print(f"\n{problem}", file=sys.stderr)
    if problems:
        return 1
    if not func and not options.replay:
        print(f"\n{cli.INSTALL}", file=sys.stderr)
        return 2
    return 0


def _shown(result: Result) -> Iterator[str]:
    """Print a result; its problems, each with the name of what they were seen with."""
    print(result, flush=True)
    for problem in result.problems:
        yield f"{result.name}: {problem}"


def _results(func: str) -> Iterator[Result]:
    for name, build in BUILDERS.items():
        with _place() as place:
            yield _checked(Result(name), partial(_replay, build, place))
    if func:
        with _place() as place:
            yield _checked(Result("func run --builder=host"), partial(_cli, func, place))


@contextmanager
def _place() -> Iterator[Place]:
    with (
        tempfile.TemporaryDirectory(prefix="logs-handler-func-") as temporary,
        Inbox("notification-manager") as inbox,
    ):
        folder = Path(temporary).resolve()
        (folder / "image").mkdir()
        yield Place(sources.clone(folder / "logs-handler"), folder / "image", inbox)


def _checked(result: Result, check: Callable[[Result], None]) -> Result:
    """The result after its check, whose errors are problems like others."""
    try:
        check(result)
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        result.problems += (str(error),)
    return result


def _replay(build: Callable[[Path, Path], Start], place: Place, result: Result) -> None:
    """One builder by hand: install, start, ask, end."""
    begun = time.monotonic()
    start = build(place.tree, place.image)
    result.installed = time.monotonic() - begun
    port = free_port()
    address = {"PORT": str(port), "LISTEN_ADDRESS": f"{start.host}:{port}"}
    env = environment(RECEIVER_URL=place.inbox.url, PWD=str(start.cwd), **address, **start.env)
    with Running(start.command, start.cwd, env, place.image / "log") as running:
        url = f"http://127.0.0.1:{port}"
        result.ready = running.wait_until_ready(url)
        result.note([question.problem(url, place.inbox) for question in questions()])
        result.ended = running.stop(start.stop)


def _cli(func: str, place: Place, result: Result) -> None:
    """The real func: run, ask, invoke, Ctrl-C; the project's files are as they were."""
    print(f"{func}: {cli.version(func)}")
    before = sources.files(place.tree)
    port = free_port()
    command = cli.run(func, place.tree, port, place.inbox.url)
    with Running(command, place.tree, environment(), place.image / "log") as running:
        url = f"http://127.0.0.1:{port}"
        result.ready = running.wait_until_ready(url, cli.RUNS_WITHIN)
        result.note([question.problem(url, place.inbox) for question in questions()])
        result.note([cli.invoke_problem(func, place.tree)])
        result.note([cli.invoke_event_problem(func, place.tree, place.inbox)])
        result.ended = running.stop(signal.SIGINT)
    after = sources.files(place.tree)
    touched = sorted(name for name in before.keys() | after if before.get(name) != after.get(name))
    result.note([f"func changed {', '.join(touched)}" if touched else ""])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
