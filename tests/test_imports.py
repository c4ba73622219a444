"""The flow is one way: what each module of the function may import, and what none of them loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FUNCTION = ROOT / "function"

# CONTRIBUTING.md's table: each module or package, and those that it may import, from top to bottom
# as a request flows. A new module has to find its place there.
_PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAY_IMPORT = dict(re.findall(r"^\| `(\w+)` \| .+ \| ?([\w ]*)\|$", _PAGE, re.MULTILINE))
ONLY_IN = {
    "flask": "serving/wsgi.py",
    "requests": "delivery/post.py",
    "cloudevents": "events.py",
    "prometheus_client": "metrics.py",
    "yaml": "rules/loader.py rules/source.py",
    "re2": "rules/patterns.py records/times.py access_log/combined.py access_log/envoy.py "
    "access_log/traefik.py access_log/plain.py",
    "urllib3": "delivery/post.py delivery/connection.py",
    "uvicorn": "serving/worker.py",
    "httptools": "serving/worker.py",
    "uvicorn_worker": "serving/worker.py",
}
DEFERRED = ("requests", "cloudevents", "dateutil")  # loaded when the first request needs them
NEVER = ("pydantic", "rich", "confluent_kafka", "kafka", "pytest", "numpy", "local", "tests")


def module_of(path: Path) -> str:
    """The module or package directly under function/ that a file belongs to."""
    return path.relative_to(FUNCTION).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Everything that a file imports, at the top or inside a function, but for type checkers."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("function.")} - {
        module_of(path)
    }


FILES = sorted(FUNCTION.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FUNCTION)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    assert ours(path) <= set(MAY_IMPORT[module_of(path)].split())


def test_the_table_allows_no_circle() -> None:
    settled: set[str] = set()
    waiting = {module: set(below.split()) for module, below in MAY_IMPORT.items()}
    while ready := {module for module, below in waiting.items() if below <= settled}:
        settled |= ready
        waiting = {module: below for module, below in waiting.items() if module not in ready}
    assert waiting == {}


@pytest.mark.parametrize(("library", "files"), ONLY_IN.items())
def test_a_library_is_imported_only_where_it_belongs(library: str, files: str) -> None:
    using = {
        path.relative_to(FUNCTION).as_posix()
        for path in FILES
        if any(name.split(".")[0] == library for name in imported(path))
    }
    assert using <= set(files.split())


def test_the_map_has_every_module_and_no_other() -> None:
    assert set(MAY_IMPORT) == {module_of(path) for path in FILES}


def test_the_map_is_in_the_order_in_which_imports_go() -> None:
    order = [*MAY_IMPORT]
    for module, below in MAY_IMPORT.items():
        assert all(order.index(each) > order.index(module) for each in below.split()), module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FUNCTION)))
def test_the_function_imports_no_tool_of_a_laptop(path: Path) -> None:
    top = {name.split(".")[0] for name in imported(path)}
    assert top.isdisjoint({"local", "tests", "tuning", "benchmarks"})


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_a_starting_pod_loads_nothing_that_its_first_request_does_not_need(server: str) -> None:
    code = f"import function.serving.{server}, sys; print('\\n'.join(sys.modules))"
    run = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert ("flask" in loaded) == (server == "wsgi")
    assert loaded.isdisjoint({*DEFERRED, *NEVER})
    assert ("difflib" in loaded) == (server == "wsgi")  # werkzeug has it; we only for mistakes


def test_modules_stay_short_enough_to_be_read_at_once() -> None:
    folders = (FUNCTION, ROOT / "local", ROOT / "tuning", ROOT / "benchmarks")
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in folders
        for path in folder.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}
