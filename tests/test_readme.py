"""The README's commands do what it says they do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from local.inbox import Inbox
from tests import servers

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(containing: str, language: str = "") -> str:
    """The one fenced block that contains a text."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    [found] = [text for kind, text in blocks if kind == language and containing in text]
    return str(found)


def test_the_curl_command_fires_the_alert_and_gets_the_answer_that_is_shown(
    tmp_path: Path,
) -> None:
    bash, curl = shutil.which("bash"), shutil.which("curl")
    if not bash or not curl:
        pytest.skip("bash and curl are not on this machine; install them: apt-get install curl")
    with (
        Inbox("notification-manager") as inbox,
        servers.function(tmp_path, RECEIVER_URL=inbox.url) as server,
    ):
        command = block("curl -i", "sh").replace("http://localhost:8080", server.url)
        run = subprocess.run(
            (bash, "-c", command), capture_output=True, text=True, check=True, timeout=30
        )
        [alert] = inbox.alerts
    shown = [line for line in block("HTTP/1.1 200 OK").splitlines() if line]
    answer = run.stdout.splitlines()
    assert answer[0] == shown[0]
    assert answer[-1].startswith(shown[1].removesuffix(" …"))
    assert alert.labels["path"] == "/notfound"


def test_the_function_is_started_by_the_procfiles_command() -> None:
    started = block("bin/gunicorn", "sh").split(".venv/bin/")[1].strip()
    assert (ROOT / "Procfile").read_text() == f"web: {started}\n"


def test_the_rule_that_is_shown_is_part_of_the_shipped_one() -> None:
    shipped = [line.strip() for line in (ROOT / "function/rules.yaml").read_text().splitlines()]
    shown = [line.strip() for line in block("- alert:", "yaml").splitlines()]
    assert [line for line in shown if line not in shipped] == []


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_two_commands_are_targets_of_the_makefile(command: str) -> None:
    assert f"make {command} " in README
    assert f"\n{command}:" in (ROOT / "Makefile").read_text()
