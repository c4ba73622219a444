"""func's own command line: `func run` and `func invoke`, as a user types them.

Written after cmd/run.go, cmd/invoke.go and pkg/functions/invoke.go of Knative's func;
docs/operations.md says what was seen of the program itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from local.func.questions import RECORD
from local.func.running import environment
from local.inbox import Inbox

INSTALL = (
    "func is not on PATH: install it as https://knative.dev/docs/functions/install-func/ says, "
    "or name the program: make func-check FUNC=/path/to/func"
)
RUNS_WITHIN = 300.0  # seconds until `func run` has installed the packages and started
_INVOKES_WITHIN = 60.0  # seconds


def find() -> str:
    """The path of the program that FUNC names, or of `func`; nothing if there is none."""
    found = shutil.which(os.environ.get("FUNC") or "func")
    return str(Path(found).absolute()) if found else ""


def version(func: str) -> str:
    """What the program says of itself."""
    return _said(_func(func, "version", cwd=Path.cwd())).partition("\n")[0]


def run(func: str, tree: Path, port: int, receiver_url: str) -> tuple[str, ...]:
    """The command that starts the function on this machine.

    func.yaml's RECEIVER_URL is a name in the cluster, and func copies the rules.
    """
    rules = f"RULES_FILE={tree / 'function' / 'rules.yaml'}"
    settings = ("-e", rules, "-e", f"RECEIVER_URL={receiver_url}")
    return (func, "run", "--builder=host", f"--address=127.0.0.1:{port}", *settings)


def invoke_problem(func: str, tree: Path) -> str:
    """`func invoke` in the format of func.yaml, http: refused with 400. What is wrong, or nothing.

    func prints the status and keeps our sentence to itself: that is in the function's log.
    """
    done = _func(func, "invoke", cwd=tree)
    if done.returncode and "400" in _said(done):
        return ""
    return f"func invoke: ended with {done.returncode} instead of HTTP 400: {_said(done)}"


def invoke_event_problem(func: str, tree: Path, inbox: Inbox) -> str:
    """`func invoke -f cloudevent` with a record that fires. What is wrong, or nothing.

    Its exit status is 0 whatever the answer was, so that the receiver is asked.
    """
    before = len(inbox.alerts)
    done = _func(func, "invoke", "-f", "cloudevent", "--id", "func-1", "--data", RECORD, cwd=tree)
    if done.returncode or len(inbox.alerts) != before + 1:
        arrived = len(inbox.alerts) - before
        said = _said(done)
        return f"func invoke -f cloudevent: {arrived} alerts, ended with {done.returncode}: {said}"
    return ""


def _func(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_INVOKES_WITHIN,
    )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr).strip()
