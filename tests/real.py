"""Programs that are not Python packages: found, or the test skips and says what to install.

``REQUIRE_REAL=kafka,alertmanager`` makes such a skip a failure, so that CI cannot pass by skipping.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from local.func import cli

ROOT = Path(__file__).resolve().parent.parent


def alertmanager() -> str:
    """The path of the Alertmanager program."""
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    return found or _missing("alertmanager", "apt-get install prometheus-alertmanager")


def kafka_jars() -> Path:
    """The folder with Apache Kafka's jars: `make kafka` fills it, KAFKA_JARS names another."""
    folder = Path(os.environ.get("KAFKA_JARS", ROOT / ".cache" / "kafka"))
    if shutil.which("java") and all(any(folder.glob(jar)) for jar in ("kafka_*", "kafka-tools-*")):
        return folder
    return Path(_missing("kafka", "a JDK >= 17 and Maven, then run: make kafka"))


def kustomize() -> list[str]:
    """Find the command that prints what a kustomization makes; its last argument is the folder."""
    if program := shutil.which("kustomize"):
        return [program, "build"]
    if program := shutil.which("kubectl"):
        return [program, "kustomize"]
    return [_missing("kustomize", "kubectl, or `brew install kustomize`")]


def promtool() -> str:
    """The path of Prometheus' promtool, which checks and tests alerting rules."""
    return shutil.which("promtool") or _missing("promtool", "apt-get install prometheus")


def openssl() -> str:
    """The path of openssl, which makes the certificates of a broker."""
    return shutil.which("openssl") or _missing("openssl", "apt-get install openssl")


def wrk() -> str:
    """The path of wrk, which makes load for the benchmarks."""
    return shutil.which("wrk") or _missing("wrk", "apt-get install wrk")


def go() -> str:
    """The path of Go, which builds the benchmarks' reference."""
    return shutil.which("go") or _missing("go", "https://go.dev/doc/install")


def func() -> str:
    """The path of Knative's func: FUNC names another than the one on PATH."""
    return cli.find() or _missing("func", "https://knative.dev/docs/functions/install-func/")


def _missing(program: str, install: str) -> str:
    sentence = f"{program} is not on this machine; install it: {install}"
    if program in os.environ.get("REQUIRE_REAL", "").split(","):
        pytest.fail(f"REQUIRE_REAL names {program}, but {sentence}", pytrace=False)
    pytest.skip(sentence)
