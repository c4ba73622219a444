"""Hot reload: a changed rule file is in force within seconds, a broken one changes nothing."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from function import logs
from function.metrics import Metrics
from function.rules import reload
from function.rules.reload import RuleFile
from tests import servers
from tests.servers import Function, Receiver

RULE = "groups: [{name: g, rules: [{alert: %s, match: ['log |= %s']}]}]\n"
BROKEN = "groups: [{name: g, rules: [{alert: A, match: ['lug = x']}, {alert: B}]}]\n"


def eventually(condition: Callable[[], object], seconds: float = 5) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def wait_for_reloads() -> None:
    """Until the threads that read a file in this process are done: they write a line at the end."""
    for thread in threading.enumerate():
        if thread.name == "rules":
            thread.join(5)


class ConfigMap:
    """A mounted ConfigMap as the kubelet writes it: a file is a link through another that moves."""

    def __init__(self, folder: Path, rules: str) -> None:
        self._folder = folder
        self._version = 0
        self.path = folder / "rules.yaml"
        self.update(rules)
        self.path.symlink_to("..data/rules.yaml")

    def update(self, rules: str) -> None:
        self._version += 1
        version = self._folder / f"..2026_{self._version}"
        version.mkdir()
        (version / "rules.yaml").write_text(rules)
        link = self._folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self._folder / "..data")


@pytest.fixture
def config_map(tmp_path: Path) -> ConfigMap:
    folder = tmp_path / "mount"
    folder.mkdir()
    return ConfigMap(folder, RULE % ("First", "one"))


@pytest.fixture
def server(config_map: ConfigMap, receiver: Receiver, tmp_path: Path) -> Iterator[Function]:
    with servers.function(
        tmp_path, RULES_FILE=str(config_map.path), RECEIVER_URL=receiver.url
    ) as running:
        yield running


def fired(server: Function, receiver: Receiver, text: str) -> list[str]:
    """The alerts that a line of text raises."""
    receiver.requests.clear()
    assert server.post(f'{{"log": "{text}"}}').status_code == 204
    return [alert["labels"]["alertname"] for body in receiver.bodies for alert in body["alerts"]]


def metric(server: Function, name: str) -> float:
    page = requests.get(f"{server.url}/metrics", timeout=5)
    assert page.headers["content-type"].startswith("text/plain; version=")
    [line] = [line for line in page.text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


def test_a_swapped_config_map_is_in_force_within_five_seconds(
    server: Function, receiver: Receiver, config_map: ConfigMap
) -> None:
    assert fired(server, receiver, "one") == ["First"]
    config_map.update(RULE % ("Second", "two"))
    assert eventually(lambda: fired(server, receiver, "two") == ["Second"])
    assert fired(server, receiver, "one") == []
    assert metric(server, "logs_handler_rules_last_reload_successful") == 1
    assert [line["event"] for line in server.events()].count("rules_reloaded") == 1


def test_a_broken_file_keeps_the_old_rules_and_says_every_problem(
    server: Function, receiver: Receiver, config_map: ConfigMap
) -> None:
    before = metric(server, "logs_handler_rules_last_reload_success_timestamp_seconds")
    config_map.update(BROKEN)
    assert eventually(lambda: metric(server, "logs_handler_rules_last_reload_successful") == 0)
    assert fired(server, receiver, "one") == ["First"]
    said = [line["problem"] for line in server.events() if line["event"] == "rules_not_reloaded"]
    assert len(said) == 2, "once each, not again and again"
    assert 'unknown field "lug"; did you mean "log"?' in said[0]
    name = "logs_handler_rules_last_reload_success_timestamp_seconds"
    assert metric(server, name) == before

    config_map.update(RULE % ("Third", "three"))
    assert eventually(lambda: fired(server, receiver, "three") == ["Third"])
    assert metric(server, "logs_handler_rules_last_reload_successful") == 1


def test_a_file_that_is_edited_in_place_is_noticed_too(
    server: Function, receiver: Receiver, config_map: ConfigMap
) -> None:
    config_map.path.write_text(RULE % ("Edited", "edited"))
    assert eventually(lambda: fired(server, receiver, "edited") == ["Edited"])


def test_the_probes_notice_a_changed_file_too(server: Function, config_map: ConfigMap) -> None:
    config_map.update(RULE % ("Second", "two"))

    def reloaded() -> bool:
        requests.get(f"{server.url}/health/readiness", timeout=5).raise_for_status()
        return "rules_reloaded" in server.log

    assert eventually(reloaded)


def test_nobody_waits_while_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "INTERVAL", 0.01)
    path = tmp_path / "rules.yaml"
    path.write_text(RULE % ("First", "x"))
    rules = RuleFile(path, Metrics())
    pipe = tmp_path / "pipe"  # a file that takes as long to read as the test likes
    os.mkfifo(pipe)
    pipe.replace(path)
    time.sleep(0.02)
    for _ in range(100):
        assert rules.current().rules[0].alert == "First"
    with path.open("w") as writer:  # there is a reader
        regular = tmp_path / "regular"
        regular.write_text(RULE % ("Third", "x"))
        regular.replace(path)
        writer.write(RULE % ("Second", "x"))
    assert eventually(lambda: rules.current().rules[0].alert == "Third")
    wait_for_reloads()


def test_a_failure_that_passes_is_not_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reload, "INTERVAL", 0.01)
    logs.configure("info")
    path, metrics = tmp_path / "rules.yaml", Metrics()
    path.write_text(RULE % ("First", "x"))
    rules = RuleFile(path, metrics)
    path.write_text(RULE % ("Second", "x"))
    name = 'logs_handler_rules_reloads_total{outcome="failure"} '

    def has_failed_thrice() -> bool:
        rules.current()
        [line] = [line for line in metrics.page().decode().splitlines() if line.startswith(name)]
        return float(line.removeprefix(name)) >= 3

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))  # no file can be opened
    try:
        assert eventually(has_failed_thrice)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert eventually(lambda: rules.current().rules[0].alert == "Second")
    wait_for_reloads()
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in told] == ["rules_not_reloaded", "rules_reloaded"]
    assert told[0]["problem"] == f"{path}: cannot read the rule file: Too many open files"


def test_a_file_that_is_gone_keeps_the_rules(
    server: Function, receiver: Receiver, config_map: ConfigMap
) -> None:
    config_map.path.unlink()
    assert eventually(lambda: metric(server, "logs_handler_rules_last_reload_successful") == 0)
    assert fired(server, receiver, "one") == ["First"]


def test_every_thread_sees_old_rules_or_new_ones_and_never_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "INTERVAL", 0.01)
    path = tmp_path / "rules.yaml"
    path.write_text(RULE % ("A0", "x"))
    rules = RuleFile(path, Metrics())
    seen: set[str] = set()
    stop = threading.Event()

    def use() -> None:
        while not stop.is_set():
            seen.add(rules.current().rules[0].alert)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(1, 6):
        replacement = tmp_path / "new"
        replacement.write_text(RULE % (f"A{number}", "x"))
        replacement.replace(path)
        assert eventually(lambda name=f"A{number}": name in seen)  # type: ignore[misc]  # bound now
    stop.set()
    for thread in threads:
        thread.join()
    assert rules.current().rules[0].alert == "A5"
    wait_for_reloads()
