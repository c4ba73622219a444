"""One JSON object → its log record: Fluent Bit's shapes, Fluentd's, Vector's, OpenShift's, GELF.

They differ in the names of a few keys. Each field is taken from the first of its keys that holds a
text, whoever wrote the record, so that a pipeline of several shippers is read as well.
"""

from __future__ import annotations

from typing import Any

from function.records import times
from function.records.cri import PREFIX
from function.records.record import LogRecord

_GELF = "_kubernetes_"  # Fluent Bit flattens a GELF record's maps


def record(raw: dict[str, Any], received: int | None) -> LogRecord:
    """Read a record; ``received`` is its time where it has none of its own."""
    log, prefix = _text(raw)
    kubernetes = raw.get("kubernetes")
    if not isinstance(kubernetes, dict):
        kubernetes = _flattened(raw) if "short_message" in raw else {}
    get = kubernetes.get
    pod, container, image = get("pod_name"), get("container_name"), get("container_image")
    namespace, node, labels = get("namespace_name"), get("host"), get("labels")
    return LogRecord(
        log,
        times.written(raw, prefix, received),
        namespace
        if isinstance(namespace, str)
        else _first(kubernetes, "pod_namespace", "namespace"),
        pod if isinstance(pod, str) else "",
        container if isinstance(container, str) else "",
        image if isinstance(image, str) else "",
        node if isinstance(node, str) else _first(kubernetes, "pod_node_name"),
        labels if isinstance(labels, dict) else _labels(kubernetes),
        raw,
    )


def _text(raw: dict[str, Any]) -> tuple[str | None, str | None]:
    """The line, and the time in the CRI prefix that was still before it.

    `log`, else `message` (the plain CRI parser, Vector, OpenShift), else `short_message` (GELF).
    """
    text = raw.get("log")
    if not isinstance(text, str):
        text = raw.get("message")
        if not isinstance(text, str):
            text = raw.get("short_message")
            if not isinstance(text, str):
                return None, None
    time = None
    if text[10:11] == "T":  # cheap, and true of few lines without a prefix
        prefix = PREFIX.match(text)
        if prefix:
            time, text = prefix[1], text[prefix.end() :]
    if text.endswith("\n"):
        text = text[:-1].removesuffix("\r")
    return text, time


def _first(mapping: dict[str, Any], *keys: str) -> str:
    for key in keys:
        value = mapping.get(key)
        if isinstance(value, str):
            return value
    return ""


def _labels(kubernetes: dict[str, Any]) -> dict[str, Any]:
    labels = kubernetes.get("pod_labels")  # Vector
    return labels if isinstance(labels, dict) else {}


def _flattened(raw: dict[str, Any]) -> dict[str, Any]:
    """The `kubernetes` map of a GELF record, ``_kubernetes_pod_name`` and so on.

    Fluent Bit has written ``_`` for the slash of a label's name, and nothing tells which it was
    (src/flb_pack_gelf.c).
    """
    flat = {key.removeprefix(_GELF): value for key, value in raw.items() if key.startswith(_GELF)}
    labels = {
        key.removeprefix("labels_"): value
        for key, value in flat.items()
        if key.startswith("labels_")
    }
    return {**flat, "labels": labels}
