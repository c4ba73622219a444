"""The Service's manifest: what it says now, and a patch for what it should say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from function.settings import SETTINGS
from tuning import settings_file
from tuning.errors import TuningError
from tuning.knative_settings import KnativeSettings

_SPEC = "/spec/template/spec"
_CONTAINER = f"{_SPEC}/containers/0"
DEFAULTS = {setting.name: setting.default for setting in SETTINGS}
"""What the function does without a variable."""


class ServiceError(TuningError):
    """The file holds no Service that could be patched."""


@dataclass(frozen=True, slots=True)
class Service:
    """A Knative Service; ``cpu_limit`` in millicores, None without a limit."""

    name: str
    settings: KnativeSettings
    container: Mapping[str, Any]
    cpu_limit: int | None

    def variable(self, name: str) -> str:
        """An environment variable of the function: what the manifest sets, or the default."""
        env = self.container.get("env") or []
        set_here = {entry.get("name"): str(entry.get("value")) for entry in env}
        return set_here.get(name, DEFAULTS[name])

    @property
    def cpu_request(self) -> str:
        """As it is written; empty without one."""
        return str((self._resources.get("requests") or {}).get("cpu", ""))

    @property
    def _resources(self) -> Mapping[str, Any]:
        return self.container.get("resources") or {}


def load(path: Path) -> Service:
    """Read a file with one Service; raises SettingsError or ServiceError."""
    settings = settings_file.load(path)
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        if isinstance(document, Mapping) and document.get("kind") == "Service":
            containers = document["spec"]["template"]["spec"].get("containers") or [{}]
            limits = (containers[0].get("resources") or {}).get("limits") or {}
            limit = millicores(limits["cpu"]) if "cpu" in limits else None
            return Service(document["metadata"]["name"], settings, containers[0], limit)
    raise ServiceError(f"{path}: holds settings, but no Service that a patch could be for")


def millicores(quantity: object) -> int:
    """Kubernetes' quantities of CPU, "1", 0.5 or "250m"; raises ServiceError."""
    text = str(quantity)
    try:
        return int(text[:-1]) if text.endswith("m") else round(float(text) * 1000)
    except ValueError:
        raise ServiceError(f"cpu is {text}: want a quantity such as 500m or 1") from None


@dataclass(frozen=True, slots=True)
class Change:
    """What a Service should say; None is left as it is. ``cpu`` is in millicores."""

    container_concurrency: int
    server: str | None
    threads: int | None
    cpu: int | None


def patch(service: Service, change: Change, origin: str) -> str:
    """A kustomize patch (RFC 6902), with a comment that says where it comes from."""
    head = (
        f"# {origin}\n"
        "# In kustomization.yaml:\n"
        "#   patches:\n"
        "#     - path: service-patch.yaml\n"
        f"#       target: {{kind: Service, name: {service.name}}}\n"
    )
    return head + yaml.safe_dump(list(_operations(service, change)), sort_keys=False)


def _operations(service: Service, change: Change) -> Iterator[dict[str, Any]]:
    yield _add(f"{_SPEC}/containerConcurrency", change.container_concurrency)
    variables = {"SERVER": change.server, "THREADS": change.threads}
    yield from _env(service, {k: str(v) for k, v in variables.items() if v is not None})
    if change.cpu is None:
        return
    cpu = str(change.cpu // 1000) if change.cpu % 1000 == 0 else f"{change.cpu}m"
    resources = service.container.get("resources")
    if not resources:
        yield _add(f"{_CONTAINER}/resources", {"requests": {"cpu": cpu}})
    elif not resources.get("requests"):
        yield _add(f"{_CONTAINER}/resources/requests", {"cpu": cpu})
    else:
        yield _add(f"{_CONTAINER}/resources/requests/cpu", cpu)


def _env(service: Service, variables: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Change the variables that are there, append the others."""
    env = service.container.get("env")
    at = {entry.get("name"): position for position, entry in enumerate(env or [])}
    for name, value in variables.items():
        if name not in at and value == DEFAULTS[name]:
            continue
        entry = {"name": name, "value": value}
        if name in at:
            yield {"op": "replace", "path": f"{_CONTAINER}/env/{at[name]}", "value": entry}
        else:
            if not env:
                yield _add(f"{_CONTAINER}/env", [])
                env = [entry]
            yield _add(f"{_CONTAINER}/env/-", entry)


def _add(path: str, value: object) -> dict[str, Any]:
    """Sets a member whether it is there or not (RFC 6902, 4.1)."""
    return {"op": "add", "path": path, "value": value}
