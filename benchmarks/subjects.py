"""What is measured: our servers, the limits they could reach, and peers that do the same work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
CACHE = ROOT / ".cache" / "benchmarks"
Kind = Literal["ours", "limit", "peer"]


@dataclass(frozen=True, slots=True)
class Subject:
    """One server. It gets PORT and RECEIVER_URL; ours gets RULES_FILE, too.

    ``command`` and ``environ`` are made from the port. ``prepare`` installs what it needs, and says
    why where that cannot be.
    """

    name: str
    kind: Kind
    command: Callable[[int], list[str]]
    environ: Callable[[int], Mapping[str, str]] = lambda port: {"PORT": str(port)}
    folder: Path = ROOT
    path: Path = ROOT
    prepare: Callable[[], str | None] = field(default=lambda: None)

    @property
    def rules(self) -> Path:
        """The rules that our servers are shipped with."""
        return self.path / "function" / "rules.yaml"


# gunicorn_conf.py's settings, for applications that are not ours. A test compares the two.
GUNICORN = {
    "--workers": "1",
    "--keep-alive": "95",
    "--timeout": "0",
    "--graceful-timeout": "28",
    "--worker-tmp-dir": "/dev/shm",  # noqa: S108 - a pod's writable folder
    "--no-control-socket": None,
}
_THREADED = {"--worker-class": "gthread", "--threads": "66"}
_ASYNC = {"--worker-class": "function.serving.worker.Worker"}
_PLAIN_ASYNC = {"--worker-class": "asgi", "--asgi-loop": "asyncio", "--asgi-lifespan": "off"}


def _gunicorn(python: str, application: str, more: Mapping[str, str]) -> Callable[[int], list[str]]:
    options = [word for pair in {**GUNICORN, **more}.items() for word in pair if word]
    return lambda port: [
        *(python, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
        *(*options, application),
    ]


def _ours(name: str, server: str, *command: str) -> Subject:
    def environ(port: int) -> dict[str, str]:
        return {"PORT": "", "LISTEN_ADDRESS": f"127.0.0.1:{port}", "SERVER": server}

    return Subject(name, "ours", lambda _port: [sys.executable, *command], environ)


def _limit(name: str, command: Callable[[int], list[str]]) -> Subject:
    return Subject(name, "limit", command)


def _peer(
    name: str,
    folder: str,
    command: Callable[[int], list[str]],
    environ: Callable[[int], Mapping[str, str]] = lambda port: {"PORT": str(port)},
) -> Subject:
    place = PEERS / folder
    return Subject(name, "peer", command, environ, place, PEERS, lambda: _install(place))


def _python(folder: str) -> str:
    return str(CACHE / folder / "bin" / "python")


def _install(place: Path) -> str | None:
    """The peer's own virtual environment, from its own pins; made again when these change."""
    pins, home = place / "requirements.txt", CACHE / place.name
    installed = home / "installed.txt"
    wanted = pins.read_text(encoding="utf-8")
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return None
    print(f"installing {place.name} ...", file=sys.stderr)
    pip = (_python(place.name), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    for command in ((sys.executable, "-m", "venv", "--clear", str(home)), (*pip, "-r", str(pins))):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            return f"{place.name} cannot be installed: {why[-1]}"
    installed.write_text(wanted, encoding="utf-8")
    return None


def _build_go() -> str | None:
    go = shutil.which("go")
    if not go:
        return "the Go reference is left out: no go on this machine"
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        (go, "build", "-o", str(CACHE / "go-reference"), "."),
        cwd=PEERS / "go",
        capture_output=True,
        text=True,
        check=False,
    )
    return f"the Go reference cannot be built: {done.stderr.strip()}" if done.returncode else None


def _listen_address(port: int) -> dict[str, str]:
    return {"LISTEN_ADDRESS": f"127.0.0.1:{port}"}


_CONF = ("-m", "gunicorn", "-c", "python:function.serving.gunicorn_conf")
FLASK = _ours("Flask server", "flask", *_CONF)
ASGI = _ours("ASGI server", "asgi", *_CONF)
_PLAIN = [word for pair in _PLAIN_ASYNC.items() for word in pair]
PLAIN_ASGI = _ours("ASGI server, gunicorn's asgi worker", "asgi", *_CONF, *_PLAIN)
FUNC = _ours("ASGI server under func", "flask", "-m", "benchmarks.func_scaffolding")
EMPTY_FLASK = _limit(
    "empty Flask", _gunicorn(sys.executable, "benchmarks.limits.empty_flask:app", _THREADED)
)
EMPTY_ASGI = _limit(
    "empty ASGI", _gunicorn(sys.executable, "benchmarks.limits.empty_asgi:app", _ASYNC)
)
EMPTY_PLAIN_ASGI = _limit(
    "empty ASGI, gunicorn's asgi worker",
    _gunicorn(sys.executable, "benchmarks.limits.empty_asgi:app", _PLAIN_ASYNC),
)
BYTES = _limit(
    "bytes in, 204 out",
    lambda port: [sys.executable, "-m", "benchmarks.limits.bytes_in", str(port)],
)


def _up_to(step: str) -> Subject:
    command = _gunicorn(sys.executable, "benchmarks.limits.steps:app", _ASYNC)
    return Subject(step, "limit", command, lambda port: {"PORT": str(port), "STEP": step})


EMPTY_FUNC = _peer(
    "empty func template",
    "func-python",
    lambda _port: [_python("func-python"), "empty.py"],
    _listen_address,
)
PARLIAMENT = _peer("parliament", "parliament", lambda _port: [_python("parliament"), "serve.py"])
FUNC_PYTHON = _peer(
    "func-python",
    "func-python",
    lambda _port: [_python("func-python"), "handler.py"],
    _listen_address,
)
FUNCTIONS_FRAMEWORK = _peer(
    "functions-framework",
    "functions-framework",
    lambda port: [
        *(str(CACHE / "functions-framework" / "bin" / "functions-framework"), "--target=handle"),
        *("--signature-type=cloudevent", "--host=127.0.0.1", f"--port={port}"),
    ],
)
FLASK_CLOUDEVENTS = _peer(
    "Flask + CloudEvents SDK",
    "flask-cloudevents",
    _gunicorn(_python("flask-cloudevents"), "app:app", _THREADED),
)
GO = Subject("Go reference", "peer", lambda _port: [str(CACHE / "go-reference")], prepare=_build_go)

OURS = (FLASK, ASGI, FUNC)
SERVERS = (FLASK, ASGI)
LIMITS = (EMPTY_FLASK, EMPTY_ASGI, EMPTY_PLAIN_ASGI, BYTES)
STEPS = tuple(map(_up_to, ("body", "headers", "event", "record", "access log", "rules")))
PYTHON_PEERS = (PARLIAMENT, FUNC_PYTHON, FUNCTIONS_FRAMEWORK, FLASK_CLOUDEVENTS)
PEERS_ALL = (*PYTHON_PEERS, GO)


def environment(subject: Subject, port: int, receiver_url: str, rules: Path) -> dict[str, str]:
    """The process environment of a subject: no setting of ours that this shell may have."""
    from function.settings import SETTINGS

    ours = {setting.name for setting in SETTINGS} | {"GUNICORN_CMD_ARGS", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    given = {"PYTHONPATH": str(subject.path), "RECEIVER_URL": receiver_url}
    if subject.kind == "ours":
        given["RULES_FILE"] = str(rules)
    return {**kept, **given, **subject.environ(port)}
