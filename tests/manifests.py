"""What the manifest tests share: reading the files, and building them as kubectl does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests import real

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("eventing", "knative", "notification", "openfunction")

Manifest = dict[str, Any]


def read(path: str) -> list[Manifest]:
    """Read every document of one file."""
    return list(yaml.safe_load_all((ROOT / path).read_text(encoding="utf-8")))


def one(path: str) -> Manifest:
    """Read a file that holds one document."""
    [manifest] = read(path)
    return manifest


def name_of(manifest: Manifest) -> tuple[str, str, str | None, str]:
    """Return what an API server knows an object by."""
    metadata = manifest["metadata"]
    return manifest["apiVersion"], manifest["kind"], metadata.get("namespace"), metadata["name"]


def at(manifest: Any, path: str) -> Any:
    """Look up a dotted path; numbers are positions in lists."""
    for step in path.split("."):
        manifest = manifest[int(step) if isinstance(manifest, list) else step]
    return manifest


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk every scalar in a manifest, with its dotted path."""
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in pairs:
            yield from leaves(inner, f"{path}.{key}".removeprefix("."))
    else:
        yield path, value


def iso_duration(text: str) -> float:
    """Read the ISO 8601 durations that a KafkaSource takes, PT90S and PT0.3S, as seconds."""
    found = re.fullmatch(r"PT(\d+(?:\.\d+)?)S", text)
    assert found, (
        f"{text!r} is not a duration like PT90S: nobody tells until the source is reconciled"
    )
    return float(found[1])


def files() -> list[str]:
    """Every YAML file of the manifest folders and the root kustomization."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.yaml")]
    return ["kustomization.yaml", *sorted(path.relative_to(ROOT).as_posix() for path in found)]


def kustomizations(kind: str) -> list[str]:
    """The folders with a kustomization of a kind: Kustomization, which is built, or Component."""
    found = [path for path in files() if Path(path).name == "kustomization.yaml"]
    return [Path(path).parent.as_posix() for path in found if one(path)["kind"] == kind]


@cache
def build(folder: str) -> tuple[Manifest, ...]:
    """What `kubectl apply -k FOLDER` would send; skips without kubectl and kustomize."""
    return _build(ROOT / folder)


@cache
def variant(*components: str) -> tuple[Manifest, ...]:
    """What `kubectl apply -k .` would send with these components switched on."""
    with TemporaryDirectory(prefix="manifests-") as folder:
        copy = Path(folder)
        for name in ("eventing", "knative"):
            shutil.copytree(ROOT / name, copy / name)
        (copy / "function").mkdir()
        shutil.copy(ROOT / "function" / "rules.yaml", copy / "function")
        text = (ROOT / "kustomization.yaml").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^# components:$", "components:", text)
        for component in components:
            text, found = re.subn(rf"(?m)^#(   - {component}) ", r" \1 ", text)
            assert found == 1, f"kustomization.yaml does not offer {component}"
        (copy / "kustomization.yaml").write_text(text, encoding="utf-8")
        return _build(copy)


def find(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The one object of a kind with a name."""
    [found] = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and manifest["metadata"]["name"] == name
    ]
    return found


def environment(container: Manifest) -> dict[str, str]:
    """The variables that a container sets with a value of their own."""
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def _build(folder: Path) -> tuple[Manifest, ...]:
    run = subprocess.run(
        [*real.kustomize(), str(folder)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return tuple(yaml.safe_load_all(run.stdout))
