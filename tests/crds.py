"""Manifests against the custom resource definitions of their projects, read strictly.

An API server does not refuse a field that it does not know, it drops it: with a typing error,
`containerConcurency: 32` is accepted and does nothing. So here a schema that lists properties
allows no others, unless it says that it keeps unknown ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

CRDS = Path(__file__).resolve().parent.parent.parent / "shared" / "crds"

# What Kubernetes itself, and no definition, says about the metadata that we write.
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": STRINGS,
        "annotations": STRINGS,
    },
    "required": ["name"],
}


def problems(manifest: Mapping[str, Any]) -> list[str]:
    """List what the API server would refuse or drop: "spec.delivery.retry: '3' is not …"."""
    validator = Draft202012Validator(_schema(manifest["apiVersion"], manifest["kind"]))
    return [
        f"{error.json_path.removeprefix('$.')}: {error.message}"
        for error in sorted(validator.iter_errors(manifest), key=lambda error: error.json_path)
    ]


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the OpenAPI v3 schema of a CRD into JSON Schema that refuses what it does not list.

    The branches of allOf, anyOf and oneOf stay open: they repeat only some of the properties.
    """
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: strict(inner) for name, inner in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            closed.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(closed.get(key), dict):
            closed[key] = strict(closed[key])
    if schema.get("x-kubernetes-int-or-string"):
        closed["type"] = ["integer", "string"]
    if schema.get("nullable"):
        closed = {"anyOf": [{"type": "null"}, closed]}
    return closed


@cache
def _schema(api_version: str, kind: str) -> dict[str, Any]:
    """Read the strict schema of one kind; skip where the definitions are not at hand."""
    group, _, version = api_version.partition("/")
    file = CRDS / f"{group}_{kind.lower()}s.yaml"
    if not CRDS.is_dir():
        pytest.skip(f"the custom resource definitions are not at {CRDS}")
    versions = yaml.safe_load(file.read_text())["spec"]["versions"]
    schema = next(v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == version)
    own = {"apiVersion": {"const": api_version}, "kind": {"const": kind}, "metadata": METADATA}
    return strict({**schema, "properties": {**schema["properties"], **own}})
