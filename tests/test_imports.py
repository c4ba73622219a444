"""The flow is one way: what each module of the function may import, and what none of them loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FUNCTION = ROOT / "function"

# Each module, and the modules of ours that it may import: top to bottom as a request flows, with
# what all of them share at the end. A new module has to find its place here.
MAY_IMPORT = {
    "__main__": "check replay rules settings errors",
    "check": "alerts records rules errors",
    "replay": "alerts records rules timestamps json_text errors",
    "app": "endpoints receipt replies settings startup errors",
    "asgi": "endpoints receipt replies settings startup errors",
    "endpoints": "pages sink receipt replies reload delivery receivers metrics settings logs "
    "errors",
    "pages": "sink settings",
    "sink": "reading rules alerts delivery receipt receivers replies memory metrics timestamps "
    "errors",
    "receipt": "reading alerts receivers replies memory errors logs",
    "reading": "events records alerts json_text errors",
    "memory": "",
    "reload": "rules metrics errors logs",
    "delivery": "posting pace receivers alerts metrics logs",
    "pace": "",
    "posting": "receivers",
    "receivers": "alerts timestamps",
    "alerts": "rules",
    "rules": "records access_log durations errors",
    "records": "access_log timestamps json_text errors",
    "events": "timestamps json_text errors",
    "replies": "errors",
    "gunicorn_conf": "settings startup logs",
    "worker": "",
    "startup": "errors",
    "settings": "durations errors",
    "logs": "timestamps",
    "metrics": "",
    "access_log": "json_text",
    "durations": "",
    "errors": "",
    "json_text": "",
    "timestamps": "",
    "__init__": "asgi settings",
}
ONLY_IN = {
    "flask": "app",
    "requests": "posting",
    "cloudevents": "events",
    "prometheus_client": "metrics",
    "yaml": "rules",
    "re2": "rules records access_log",
    "urllib3": "posting",
    "uvicorn": "worker",
    "httptools": "worker",
    "uvicorn_worker": "worker",
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


@pytest.mark.parametrize(("library", "module"), ONLY_IN.items())
def test_a_library_is_imported_only_where_it_belongs(library: str, module: str) -> None:
    using = {
        module_of(path)
        for path in FILES
        if any(name.split(".")[0] == library for name in imported(path))
    }
    assert using <= set(module.split())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FUNCTION)))
def test_the_function_imports_nothing_of_the_workbench(path: Path) -> None:
    top = {name.split(".")[0] for name in imported(path)}
    assert top.isdisjoint({"local", "tests", "tuning", "benchmarks"})


@pytest.mark.parametrize("door", ["app", "asgi"])
def test_a_starting_pod_loads_nothing_that_its_first_request_does_not_need(door: str) -> None:
    code = f"import function.{door}, sys; print('\\n'.join(sys.modules))"
    run = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert ("flask" in loaded) == (door == "app")
    assert loaded.isdisjoint({*DEFERRED, *NEVER})
    assert ("difflib" in loaded) == (door == "app")  # werkzeug has it; we only for mistakes


def test_modules_stay_short_enough_to_be_read_at_once() -> None:
    folders = (FUNCTION, ROOT / "local", ROOT / "tuning", ROOT / "benchmarks")
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in folders
        for path in folder.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    assert long == {}
