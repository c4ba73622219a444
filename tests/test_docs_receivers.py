"""docs/receivers.md shows what the receivers really send, and settings that are right."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from function.alerts import Alert, fingerprint
from function.receivers import (
    Accepted,
    Answer,
    Outcome,
    Reason,
    Receiver,
    Refused,
    Request,
    Unavailable,
)
from function.receivers.alertmanager import Alertmanager
from function.receivers.cloudevents import CloudEvents, overrides
from function.receivers.notification_manager import NotificationManager
from function.receivers.slack import DETAILED, Slack
from function.settings import NOTIFICATION_MANAGER_URL, SETTINGS, Settings
from tests import crds, real
from tests.test_alerts import NOW, article
from tests.test_receiver_cloudevents import TRACEPARENT

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "receivers.md").read_text(encoding="utf-8")
NAMES = ("notification-manager", "alertmanager", "slack", "cloudevents")
URLS = ["http://receiver.test/"]
SHOWN = ("alertname", "namespace", "path", "severity")
LABELS = {name: article().labels[name] for name in SHOWN}
ALERT = article()._replace(
    labels=LABELS,
    annotations={"message": "GET /notfound answered 404"},
    fingerprint=fingerprint(LABELS),
    traceparent=TRACEPARENT,
)


def section(name: str) -> str:
    """The text under a heading."""
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks of a section in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(name), re.MULTILINE | re.DOTALL)


def manifest(name: str, key: str) -> dict[str, Any]:
    """The one YAML block of a section that has a key."""
    [found] = [read for each in blocks(name, "yaml") if key in (read := yaml.safe_load(each))]
    assert isinstance(found, dict)
    return found


def environment(name: str) -> dict[str, str | None]:
    """The variables that a section sets; None for one that comes from a Secret."""
    return {entry["name"]: entry.get("value") for entry in manifest(name, "env")["env"]}


def sent(receiver: Receiver, *alerts: Alert) -> Any:
    request: Request = receiver.request(alerts, NOW)
    return json.loads(request.body)


@pytest.mark.parametrize(
    "receiver",
    [
        NotificationManager(URLS),
        Alertmanager(URLS),
        Slack(URLS),
        CloudEvents(URLS, manifest("cloudevents", "spec")["spec"]["ceOverrides"]["extensions"]),
    ],
    ids=NAMES,
)
def test_the_payload_that_is_shown_is_the_one_that_is_sent(receiver: Receiver) -> None:
    [shown] = blocks(receiver.name, "json")
    assert json.loads(shown) == sent(receiver, ALERT)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_set_are_settings(name: str) -> None:
    variables = environment(name)
    assert variables["RECEIVER"] == name
    assert variables.keys() <= {setting.name for setting in SETTINGS}


def test_the_urls_that_are_shown_are_urls() -> None:
    assert environment("notification-manager")["RECEIVER_URL"] == NOTIFICATION_MANAGER_URL
    url = environment("alertmanager")["RECEIVER_URL"] or ""
    settings = Settings.from_environ({"RECEIVER": "alertmanager", "RECEIVER_URL": url})
    assert len(settings.receiver_url) == 2


def test_slacks_url_comes_from_the_secret_that_is_created() -> None:
    assert environment("slack")["RECEIVER_URL"] is None
    [entry] = [each for each in manifest("slack", "env")["env"] if "valueFrom" in each]
    secret = entry["valueFrom"]["secretKeyRef"]
    [command] = blocks("slack", "sh")
    assert f"secret generic {secret['name']} --from-literal={secret['key']}=https://" in command


def test_the_defaults_that_are_told_are_the_defaults() -> None:
    defaults = {setting.name: setting.default for setting in SETTINGS}
    assert f"DELIVERY_BATCH changes the {defaults['DELIVERY_BATCH']}." in PAGE
    assert f"up to {defaults['DELIVERY_BATCH']} alerts" in PAGE
    assert f"shows the first {DETAILED} alerts" in PAGE


def test_the_sinkbinding_is_one_that_knative_takes() -> None:
    binding = manifest("cloudevents", "spec")
    assert crds.problems(binding) == []
    assert overrides(json.dumps(binding["spec"]["ceOverrides"])) == {"cluster": "prod"}


@pytest.mark.real("alertmanager")
def test_alertmanagers_configuration_is_one_that_it_takes(tmp_path: Path) -> None:
    real.alertmanager()
    amtool = shutil.which("amtool")
    assert amtool, "it comes with Alertmanager"
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(manifest("alertmanager", "route")))
    subprocess.run((amtool, "check-config", str(file)), check=True)


def kind(read: Outcome) -> str:
    """What KafkaSource is told, in the words of the page."""
    return {Accepted: "204", Refused: "422", Unavailable: "503"}[type(read)]


ANSWERS = PAGE.split("what an answer means:")[1].split("\n\n")[1]


@pytest.mark.parametrize("row", ANSWERS.splitlines()[2:])
def test_the_answers_mean_what_the_table_says(row: str) -> None:
    _, answers, _, told, _ = row.split("|")
    statuses = [int(each.replace("xx", "00")) for each in re.findall(r"\d\d\d|\dxx", answers)]
    assert statuses
    for status in statuses:
        for body in (b"", b'{"code":400,"message":"no"}'):
            expected = kind(Alertmanager(URLS).outcome(Answer(status, {}, body)))
            assert (expected in told) or (not body and status in (400, 413, 422))


ERRORS = re.findall(r"^\| (`\w+`.*?) \| (.*) \|$", section("slack"), re.MULTILINE)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [(each, meaning) for errors, meaning in ERRORS for each in re.findall(r"`(\w+)`", errors)],
)
def test_slacks_errors_mean_what_the_table_says(error: str, meaning: str) -> None:
    status = 200 if error == "ok" else 400
    read = Slack(URLS).outcome(Answer(status, {}, error.encode()))
    if isinstance(read, Unavailable):
        assert read.reason in (Reason.AUTH, Reason.NOT_FOUND)
        assert meaning.startswith(f"`{read.reason.value}`")
    else:
        assert ("422" in meaning) == isinstance(read, Refused)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", PAGE))
def test_every_link_leads_somewhere(target: str) -> None:
    if target.startswith("#"):
        assert f"\n## {target[1:]}\n" in PAGE
    elif not target.startswith("https://"):
        assert (ROOT / "docs" / target).exists()
