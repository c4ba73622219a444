"""func's builders by hand: the files that they write, the packages they install, what they start.

No container: folders stand for images, and a virtual environment for the image's Python. After
func's pkg/functions/runner.go (host, on this machine), pkg/oci/python_builder.go (host, image),
pkg/s2i/assemblers.go, pkg/buildpacks/scaffolder.go (pack) and templates/python/scaffolding.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.func.running import Start, environment
from local.func.sources import sent

FUNC_PYTHON = "func-python==0.8.1"  # that func's scaffolding asks for

_PYPROJECT = """\
[project]
name = "service"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["{func_python}", "function @ {{root:uri}}/f"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.metadata]
allow-direct-references = true
"""
_MAIN = """\
import logging

from func_python.http import serve

logging.basicConfig(level=logging.INFO)

from function import new

if __name__ == "__main__":
    serve(new)
"""


def host_run(tree: Path, folder: Path) -> Start:
    """`func run --builder=host`: on this machine, from a folder inside the project."""
    run = tree / ".func" / "runs" / folder.name
    python = _venv(run / ".venv")
    _scaffold(run, tree)
    _install(python, ".", cwd=run)
    return Start((str(python), "./service/main.py"), run, "127.0.0.1", signal.SIGINT)


def host_image(tree: Path, folder: Path) -> Start:
    """The host builder's image: packages in a folder of their own, on PYTHONPATH."""
    sources = sent(tree, folder / "func")
    build = sources / ".func" / "build"
    python = _venv(folder / "python")
    _scaffold(build, sources)
    _install(python, ".", "--target", "lib", cwd=build)
    command = (str(python), str(build / "service" / "main.py"))
    return Start(command, sources, "[::]", signal.SIGTERM, {"PYTHONPATH": str(build / "lib")})


def s2i(tree: Path, folder: Path) -> Start:
    """The s2i builder's image: what assemble installs and app.sh starts."""
    sources = sent(tree, folder / "src")
    build = sources / ".func" / "build"
    python = _venv(folder / "app-root")
    _scaffold(build, sources)
    _install(python, ".", cwd=build)
    return Start((str(python), ".func/build/service/main.py"), sources, "[::]", signal.SIGTERM)


def pack(tree: Path, folder: Path) -> Start:
    """The pack builder on this machine: our files in fn/, in place, and our own Procfile's line."""
    workspace = _workspace(tree, folder)
    for line in (workspace / "fn" / "Procfile").read_text(encoding="utf-8").splitlines():
        name, _, command = line.partition(":")
        if name == "web":
            path = os.pathsep.join((str(folder / "python" / "bin"), os.environ["PATH"]))
            words = tuple(shlex.split(command))
            return Start(words, workspace, "[::]", signal.SIGTERM, {"PATH": path})
    raise LookupError("the Procfile has no line that starts with web:")


def pack_remote(tree: Path, folder: Path) -> Start:
    """The same in the cluster, where the scaffolding's own Procfile is found first."""
    workspace = _workspace(tree, folder)
    python = str(folder / "python" / "bin" / "python")
    return Start((python, "-m", "service.main"), workspace, "[::]", signal.SIGTERM)


BUILDERS: dict[str, Callable[[Path, Path], Start]] = {
    "host, on this machine": host_run,
    "host, image": host_image,
    "s2i": s2i,
    "pack": pack,
    "pack, in the cluster": pack_remote,
}


def _workspace(tree: Path, folder: Path) -> Path:
    """The pack builder's folder, its packages installed. It uses Poetry; this is pip, editable."""
    workspace = folder / "workspace"
    sources = sent(tree, workspace / "fn")
    python = _venv(folder / "python")
    _scaffold(workspace, sources)
    _install(python, FUNC_PYTHON, "--editable", "./fn", cwd=workspace)
    return workspace


def _scaffold(folder: Path, function: Path) -> None:
    """What func writes around a function: `f` leads to it, service/main.py calls its new()."""
    service = folder / "service"
    service.mkdir(parents=True)
    (folder / "f").symlink_to(function)
    (folder / "pyproject.toml").write_text(
        _PYPROJECT.format(func_python=FUNC_PYTHON), encoding="utf-8"
    )
    (service / "__init__.py").touch()
    (service / "main.py").write_text(_MAIN, encoding="utf-8")


def _venv(folder: Path) -> Path:
    _run((sys.executable, "-m", "venv", str(folder)), folder.anchor)
    return folder / "bin" / "python"


def _install(python: Path, *what: str, cwd: Path) -> None:
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    _run((*pip, *what), cwd)


def _run(command: tuple[str, ...], cwd: Path | str) -> None:
    """Run a step that has to succeed. Raises RuntimeError with what it wrote if it does not."""
    done = subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}\n{said}")
