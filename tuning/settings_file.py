"""Knative's settings from the YAML that people have: a Service manifest, or just the settings.

::

    # other.yaml: only what matters here; the prefix autoscaling.knative.dev/ may be left out
    containerConcurrency: 32
    min-scale: 1
    target-burst-capacity: -1

A document of kind ConfigMap named config-autoscaler in the same file sets the cluster's defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from tuning.fields import ANNOTATIONS, CLUSTER, Field
from tuning.knative_settings import PREFIX, KnativeSettings, SettingsError, conflicts

_BY_KEY = {name: field for field in ANNOTATIONS for name in (field.key, field.camel) if name}
_CHOICES: dict[str, tuple[str, ...]] = {
    "class": ("kpa.autoscaling.knative.dev",),
    "metric": ("concurrency", "rps"),
    "metric-aggregation-algorithm": ("linear", "weighted-exponential", "weightedExponential"),
}
_SPEC = ("containerConcurrency", "timeoutSeconds")
_SWITCHES = {
    "allow-zero-initial-scale": "allow_zero_initial_scale",
    "enable-scale-to-zero": "scale_to_zero",
}


def load(path: Path) -> KnativeSettings:
    """Read a file; raises SettingsError with every problem, each with the file's name."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from None
    try:
        return read([document for document in documents if document is not None])
    except SettingsError as error:
        raise SettingsError([f"{path}: {problem}" for problem in error.problems]) from None


def read(documents: list[Any]) -> KnativeSettings:
    """The settings in a file's documents; raises SettingsError."""
    services, clusters = [], []
    for document in documents:
        if not isinstance(document, Mapping):
            raise SettingsError(
                ["a document is not a mapping: want a Service or a list of settings"]
            )
        kind = document.get("kind")
        if kind == "ConfigMap" and _name(document) == "config-autoscaler":
            clusters.append(document)
        elif kind == "Service" and str(document.get("apiVersion")).startswith("serving.knative."):
            services.append(_of_service(document))
        elif kind is None:
            services.append(_of_bare(document))
    if len(services) != 1:
        found = "none" if not services else str(len(services))
        raise SettingsError([f"want one Knative Service or one mapping of settings, found {found}"])
    problems: list[str] = []
    settings = KnativeSettings()
    for cluster in clusters:
        settings = _with_cluster(settings, cluster.get("data") or {}, problems)
    [(annotations, spec)] = services
    settings = _with_annotations(settings, annotations, problems)
    settings = _with_spec(settings, spec, problems)
    problems += conflicts(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _name(document: Mapping[str, Any]) -> object:
    return (document.get("metadata") or {}).get("name")


def _of_service(document: Mapping[str, Any]) -> tuple[dict[str, str], Mapping[str, Any]]:
    """The template's annotations and spec; raises SettingsError as the API server would."""
    misplaced = [
        f"{key} is on the Service: move it to spec.template.metadata.annotations"
        for key in (document.get("metadata") or {}).get("annotations") or {}
        if str(key).startswith(PREFIX)
    ]
    template = (document.get("spec") or {}).get("template") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    unquoted = [
        f"{key} is {value!r}: annotations are text, put it in quotes"
        for key, value in annotations.items()
        if not isinstance(value, str)
    ]
    if misplaced or unquoted:
        raise SettingsError(misplaced + unquoted)
    ours = {
        key.removeprefix(PREFIX): value
        for key, value in annotations.items()
        if key.startswith(PREFIX)
    }
    return ours, template.get("spec") or {}


def _of_bare(document: Mapping[str, Any]) -> tuple[dict[str, str], Mapping[str, Any]]:
    annotations = document.get("annotations") or {}
    flat = {key: value for key, value in document.items() if key not in ("annotations", *_SPEC)}
    named = {str(key).removeprefix(PREFIX): _text(value) for key, value in flat.items()}
    named |= {str(key).removeprefix(PREFIX): _text(value) for key, value in annotations.items()}
    return named, document


def _text(value: object) -> str:
    """A YAML scalar as an annotation's text: ``-1`` and ``"-1"`` are the same here."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_annotations(
    settings: KnativeSettings, annotations: Mapping[str, str], problems: list[str]
) -> KnativeSettings:
    changes: dict[str, Any] = {}
    for key, text in annotations.items():
        if key in _CHOICES:
            if text not in _CHOICES[key]:
                allowed = " or ".join(_CHOICES[key])
                problems.append(f"{PREFIX}{key} is {text}: it must be {allowed}")
            changes |= _choice(key, text)
        elif key in _BY_KEY:
            changes |= _number(PREFIX, _BY_KEY[key], text, problems)
        else:
            problems.append(f"{PREFIX}{key} is not a setting of Knative's autoscaler{_hint(key)}")
    return replace(settings, **changes)


def _choice(key: str, text: str) -> dict[str, Any]:
    if key == "metric":
        return {"metric": text}
    return {"weighted": text != "linear"} if key == "metric-aggregation-algorithm" else {}


def _hint(key: str) -> str:
    close = difflib.get_close_matches(key, [*_BY_KEY, *_CHOICES, *_SPEC], 1)
    return f": did you mean {close[0]}?" if close else ""


def _number(prefix: str, field: Field, text: str, problems: list[str]) -> dict[str, Any]:
    try:
        return {field.attribute: field.read(text)}
    except ValueError as error:
        problems.append(f"{prefix}{field.key} is {text}: it must be {error}")
        return {}


def _with_spec(
    settings: KnativeSettings, spec: Mapping[str, Any], problems: list[str]
) -> KnativeSettings:
    changes: dict[str, Any] = {}
    for key, attribute in zip(_SPEC, ("container_concurrency", "timeout_s"), strict=True):
        value = spec.get(key)
        if value is None:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            changes[attribute] = value
        else:
            problems.append(f"{key} is {value!r}: it must be a whole number")
    if changes.get("timeout_s") == 0:
        del changes["timeout_s"]  # Knative's default
    return replace(settings, **changes)


def _with_cluster(
    settings: KnativeSettings, data: Mapping[str, Any], problems: list[str]
) -> KnativeSettings:
    changes: dict[str, Any] = {}
    fields = {field.key: field for field in CLUSTER}
    for key, value in data.items():
        if key in _SWITCHES:
            changes[_SWITCHES[key]] = str(value).lower() == "true"
        elif key in fields:
            changes |= _number("config-autoscaler: ", fields[key], str(value), problems)
    return replace(settings, **changes)


def annotations_of(settings: KnativeSettings, before: KnativeSettings) -> Iterator[tuple[str, str]]:
    """The annotations that these settings need: what is not Knative's default, or was changed."""
    plain = KnativeSettings()
    if settings.metric != plain.metric:
        yield PREFIX + "metric", settings.metric
    if settings.weighted:
        yield PREFIX + "metric-aggregation-algorithm", "weighted-exponential"
    for field in ANNOTATIONS:
        value = getattr(settings, field.attribute)
        same = {getattr(plain, field.attribute), getattr(before, field.attribute)}
        if same != {value}:
            unit = "s" if field.attribute.endswith("_s") else ""
            yield PREFIX + field.key, f"{value if isinstance(value, int) else f'{value:g}'}{unit}"
