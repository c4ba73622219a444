"""Manifests against the definitions that API servers hold them to, read strictly.

An API server does not refuse a field that it does not know, it drops it, unless a client asks it
to be strict: with a typing error, `containerConcurency: 32` is accepted and does nothing. So here a
schema that lists properties allows no others, unless it says that it keeps unknown ones.
Kubernetes' own kinds are checked by kubernetes-validate, custom resources by their projects'
definitions.

Not checked: rules in CEL (x-kubernetes-validations), and what only webhooks and controllers know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

CRDS = Path(__file__).resolve().parent.parent.parent / "shared" / "crds"
KUBERNETES = "1.32"  # the schemas' version; what we use of Kubernetes is years older

# What Kubernetes itself, and no definition, says about metadata.
NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
KEY = r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
METADATA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": NAME, "maxLength": 253},
        "namespace": {"type": "string", "pattern": NAME, "maxLength": 63},
        "labels": {
            "type": "object",
            "propertyNames": {"pattern": KEY},
            "additionalProperties": {"type": "string", "pattern": VALUE},
        },
        "annotations": {
            "type": "object",
            "propertyNames": {"pattern": KEY},
            "additionalProperties": {"type": "string"},
        },
    },
    "required": ["name"],
    "additionalProperties": False,
}


def problems(manifest: Mapping[str, Any]) -> list[str]:
    """List what the API server would refuse or drop: "spec.delivery.retry: '3' is not …"."""
    found = list(_errors(METADATA, manifest["metadata"], "metadata."))
    if _is_kubernetes(manifest["apiVersion"]):
        return found + _kubernetes(dict(manifest))
    return found + list(_errors(_schema(manifest["apiVersion"], manifest["kind"]), manifest))


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
    if schema.get("description", "").startswith("DynamicValue "):
        # Any JSON value. OpenFunction's release makes the type empty, in a patch over this file.
        closed.pop("type", None)
    if schema.get("nullable"):
        closed = {"anyOf": [{"type": "null"}, closed]}
    return closed


def _errors(schema: Mapping[str, Any], value: object, path: str = "") -> Iterator[str]:
    found = Draft202012Validator(schema).iter_errors(value)
    for error in sorted(found, key=lambda error: error.json_path):
        yield f"{path}{error.json_path.removeprefix('$.')}: {error.message}"


def _is_kubernetes(api_version: str) -> bool:
    """Whether a kind is built in: v1, apps/v1, networking.k8s.io/v1."""
    group, _, version = api_version.rpartition("/")
    return bool(version) and ("." not in group or group.endswith(".k8s.io"))


def _kubernetes(manifest: dict[str, Any]) -> list[str]:
    """The first thing that is wrong; the library looks no further."""
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}"]
    return []


@cache
def _definitions() -> dict[tuple[str, str], Mapping[str, Any]]:
    """Every custom resource definition, by group and kind; skip where they are not at hand."""
    if not CRDS.is_dir():
        pytest.skip(f"the custom resource definitions are not at {CRDS}")
    found = {}
    for file in CRDS.glob("*.yaml"):
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        found[spec["group"], spec["names"]["kind"]] = spec
    return found


@cache
def _schema(api_version: str, kind: str) -> dict[str, Any]:
    """Read the strict schema of one kind; raises KeyError where nobody defines it."""
    group, _, version = api_version.partition("/")
    versions = _definitions()[group, kind]["versions"]
    [schema] = [
        each["schema"]["openAPIV3Schema"]
        for each in versions
        if each["name"] == version and each["served"]
    ]
    # The metadata is looked at by itself, for every kind.
    own = {"apiVersion": {"const": api_version}, "kind": {"const": kind}, "metadata": {}}
    return strict({**schema, "properties": {**schema["properties"], **own}})


def namespaced(manifest: Mapping[str, Any]) -> bool:
    """Whether an object of this kind belongs to a namespace."""
    if _is_kubernetes(manifest["apiVersion"]):
        return bool(manifest["kind"] != "Namespace")
    group = manifest["apiVersion"].partition("/")[0]
    return bool(_definitions()[group, manifest["kind"]]["scope"] == "Namespaced")
