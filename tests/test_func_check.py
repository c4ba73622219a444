"""`make func-check`: func's builders by hand, the questions that it asks, and the real func."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.func import check, cli, running, sources
from local.func.builders import BUILDERS
from local.func.questions import JSON, RECORD, Question, event, questions
from local.func.running import Running, environment
from local.inbox import Inbox
from local.procfile import free_port
from tests import real, servers
from tests.test_packaging import SENT

ROOT = Path(__file__).resolve().parent.parent


# The project as others get it.


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout: nobody knows what belongs to the repository")
    return sources.clone(tmp_path_factory.mktemp("clone") / "logs-handler")


def test_a_clone_has_what_the_repository_has_and_nothing_that_git_ignores(tree: Path) -> None:
    assert {name for name in SENT if not (tree / name).exists()} == set()
    assert (tree / "function" / "rules.yaml").read_bytes() == (
        ROOT / "function" / "rules.yaml"
    ).read_bytes()
    for unwanted in (".git", ".venv", ".mypy_cache", "function/__pycache__"):
        assert not (tree / unwanted).exists()


def test_a_builder_gets_what_funcignore_leaves(tree: Path, tmp_path: Path) -> None:
    assert {path.name for path in sources.sent(tree, tmp_path / "sent").iterdir()} == SENT


def test_a_folder_that_is_no_checkout_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    with pytest.raises(LookupError, match=f"{tmp_path} is not a git checkout"):
        sources.clone(tmp_path / "clone")


def test_funcs_own_folder_is_no_change_of_the_project(tmp_path: Path) -> None:
    (tmp_path / ".func").mkdir()
    (tmp_path / ".func" / "built").touch()
    (tmp_path / "func.yaml").write_text("name: logs-handler")
    assert sources.files(tmp_path) == {"func.yaml": b"name: logs-handler"}


# The questions.


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with Inbox("notification-manager") as inbox:
        yield inbox


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, inbox: Inbox) -> Iterator[servers.Function]:
    with servers.function(tmp_path_factory.mktemp("log"), RECEIVER_URL=inbox.url) as function:
        yield function


def test_the_function_as_it_is_answers_all_of_them(
    function: servers.Function, inbox: Inbox
) -> None:
    assert [question.problem(function.url, inbox) for question in questions()] == [""] * 13


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (Question("x", "GET", "/metrics", 204), r"^x: 200 instead of 204: # HELP"),
        (Question("x", "POST", "/", 400, JSON, "{}", says="sorry"), r"does not say 'sorry': .*ce-"),
        (Question("x", "POST", "/", 204, event(), RECORD), r"^x: 1 alerts arrived instead of 0$"),
        (
            Question("x", "POST", "/", 204, event(), "{}", alerts=1),
            r"^x: 0 alerts arrived instead of 1$",
        ),
    ],
    ids=["status", "answer", "an alert too many", "an alert missing"],
)
def test_what_is_not_as_expected_is_said(
    function: servers.Function, inbox: Inbox, question: Question, problem: str
) -> None:
    assert re.search(problem, question.problem(function.url, inbox), re.DOTALL)


def test_a_function_that_is_not_there_is_said(inbox: Inbox) -> None:
    [readiness, *_] = questions()
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert readiness.problem(nowhere, inbox).startswith("readiness: no answer: ")


# What runs.


def python(code: str, log: Path) -> Running:
    return Running((sys.executable, "-c", code), log.parent, environment(), log)


def test_a_command_that_ends_at_once_is_shown_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.exit('the rule file is missing')"
    with (
        python(code, tmp_path / "log") as process,
        pytest.raises(RuntimeError, match=r"^ended with 1; .*\nthe rule file is missing$"),
    ):
        process.wait_until_ready(f"http://127.0.0.1:{free_port()}")


def test_a_command_that_never_answers_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with (
        python("import time; time.sleep(60)", tmp_path / "log") as process,
        pytest.raises(RuntimeError, match=r"^not ready after 0 s"),
    ):
        process.wait_until_ready(f"http://127.0.0.1:{free_port()}", 0.2)


def test_an_end_with_an_error_is_a_problem(tmp_path: Path) -> None:
    with (
        python("import time; time.sleep(60)", tmp_path / "log") as process,
        pytest.raises(RuntimeError, match=r"^SIGTERM: ended with -15"),
    ):
        process.stop(signal.SIGTERM)


LEAVES_A_CHILD = """
import signal, subprocess, sys, time
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print('ready', flush=True)
time.sleep(60)
"""


def test_a_process_that_is_left_behind_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ENDS_WITHIN", 1.0)
    monkeypatch.setattr(running, "_GONE_WITHIN", 0.0)
    with python(LEAVES_A_CHILD, tmp_path / "log") as process:
        while "ready" not in process.log_end():
            time.sleep(0.02)
        with pytest.raises(RuntimeError, match=r"^SIGTERM: it left processes behind$"):
            process.stop(signal.SIGTERM)


def test_no_setting_of_the_shell_reaches_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RULES_FILE", "RECEIVER_URL", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.setenv(name, "here")
    assert "here" not in environment().values()
    assert environment(RULES_FILE="there")["RULES_FILE"] == "there"


# The whole.


def run(*arguments: str, func: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "local.func.check", *arguments),
        cwd=ROOT,
        env={**servers.environment(), "FUNC": func},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The answers of each line of the table: "13 of 13"."""
    found = re.findall(r"^(\S.*?)  .* (\S+ of \S+) ", done.stdout, re.MULTILINE)
    return dict(found)


@pytest.mark.long
def test_the_function_answers_alike_under_every_builder_and_a_missing_func_is_said() -> None:
    done = run(func="no-such-func")
    assert rows(done) == dict.fromkeys(BUILDERS, "13 of 13"), done.stdout + done.stderr
    assert done.returncode == 2
    assert done.stderr == f"\n{cli.INSTALL}\n"


@pytest.mark.long
@pytest.mark.real("func")
def test_the_real_func_runs_and_invokes_it() -> None:
    done = run(func=real.func())
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(done)["func run --builder=host"] == "16 of 16"


def test_a_builder_that_fails_is_a_problem_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_tree: Path, _folder: Path) -> running.Start:
        raise RuntimeError("pip install . ended with 1")

    monkeypatch.setattr(check, "BUILDERS", {"s2i": fails})
    assert check.main(["--replay"]) == 1
    shown = capsys.readouterr()
    assert re.search(r"^s2i +- +- +- +-$", shown.out, re.MULTILINE)
    assert shown.err == "\ns2i: pip install . ended with 1\n"
