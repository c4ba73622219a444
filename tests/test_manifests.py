"""Every manifest builds with `kubectl -k`, and what comes out is what API servers accept."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from tests import crds
from tests.manifests import (
    FOLDERS,
    ROOT,
    Manifest,
    at,
    build,
    files,
    kustomizations,
    leaves,
    name_of,
    one,
    read,
    variant,
)

BUILDS = kustomizations("Kustomization")
COMPONENTS = [folder for folder in kustomizations("Component") if folder != "openfunction/build"]
# Used by kubectl patch, and so no part of any kustomization.
PATCHED_BY_HAND = {
    path: re.match(r"# kubectl -n (\S+) patch (\w+) (\S+) .*--patch-file (\S+)\n", text)
    for path in files()
    if (text := (ROOT / path).read_text(encoding="utf-8")).startswith("# kubectl -n ")
}


def key(path: str) -> tuple[str, str]:
    """Split a dotted path into its parent and its last step."""
    parent, _, last = path.rpartition(".")
    return parent, last


# The validator, with planted mistakes.


@pytest.mark.parametrize(
    ("path", "field", "mistake"),
    [
        ("knative/service.yaml", "spec.template.spec.containerConcurency", 32),
        (
            "knative/service.yaml",
            "spec.template.spec.containers.0.ports",
            [{"containerPort": "8080"}],
        ),
        ("knative/service.yaml", "metadata.labels.version", 1),
        ("knative/service.yaml", "metadata.labels.motto", "two words"),
        ("knative/service.yaml", "metadata.label", {}),
        ("knative/service.yaml", "metadata.name", "Logs_Handler"),
        ("knative/monitoring/prometheus-rule.yaml", "spec.groups.0.rules.0.expression", "up"),
        ("knative/monitoring/pod-monitor.yaml", "spec.podMetricsEndpoints.0.port", 8080),
        ("knative/network-policy/network-policy.yaml", "spec.ingres", []),
        ("knative/network-policy/network-policy.yaml", "spec.policyTypes", "Ingress"),
        ("knative/sinkbinding/sink-binding.yaml", "spec.sink.ref.kind", 1),
        ("eventing/kafkasource.yaml", "spec.bootstrapServers", "a string"),
        ("eventing/kafkasource.yaml", "spec.delivery.retry", "3"),
        ("eventing/kafkasource.yaml", "spec.delivery.deadLetterSink.name", "a-level-too-high"),
        ("eventing/dead-letter-sink.yaml", "spec.contentMode", "batched"),
        ("eventing/kafka/base/kafka.yaml", "spec.zookeeper", {"replicas": 1}),
        ("eventing/kafka/base/kafka.yaml", "spec.kafka.listeners.0.type", "inside"),
        ("eventing/kafka/base/node-pool.yaml", "spec.roles", "broker"),
        ("eventing/log-receiver/output.yaml", "spec.kafka.broker", "a:1"),
        ("eventing/wordpress/deployment.yaml", "spec.template.spec.container", []),
        ("eventing/wordpress/deployment.yaml", "spec.replicas", "1"),
        ("eventing/wordpress/service.yaml", "spec.ports.0.port", "http"),
        ("openfunction/async/function.yaml", "spec.serving.runtime", "async"),
        ("openfunction/async/function.yaml", "spec.serving.params.THREADS", 34),
        ("openfunction/async/function.yaml", "spec.serving.scaleOptions.keda.lagThreshold", "10"),
        ("openfunction/eventsource/event-source.yaml", "spec.kafka.logs.authRequired", "false"),
        ("notification/slack/config.yaml", "spec.slack.slackTokenSecret.key", "token"),
        ("notification/slack/receiver.yaml", "spec.slack.channels", "alerts"),
        ("notification/alertmanager/stateful-set.yaml", "spec.template.spec.fsGroup", 1),
    ],
)
def test_a_misspelt_field_or_a_wrong_type_is_caught(path: str, field: str, mistake: object) -> None:
    manifest = copy.deepcopy(read(path)[0])
    assert crds.problems(manifest) == []
    parent, last = key(field)
    at(manifest, parent)[last] = mistake
    assert len(crds.problems(manifest)) == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("knative/service.yaml", "metadata.name"),
        ("eventing/dead-letter-sink.yaml", "spec.topic"),
        ("eventing/kafka/base/node-pool.yaml", "spec.replicas"),
        ("eventing/kafka/base/kafka.yaml", "spec.kafka.listeners"),
        ("eventing/wordpress/deployment.yaml", "spec.selector"),
        ("openfunction/async/function.yaml", "spec.image"),
        ("openfunction/eventsource/event-source.yaml", "spec.kafka.logs.brokers"),
        ("notification/slack/receiver.yaml", "spec.slack.channels"),
        ("knative/monitoring/prometheus-rule.yaml", "spec.groups.0.name"),
    ],
)
def test_a_missing_field_is_caught(path: str, field: str) -> None:
    manifest = copy.deepcopy(read(path)[0])
    parent, last = key(field)
    del at(manifest, parent)[last]
    assert len(crds.problems(manifest)) == 1


# The kustomizations.


@pytest.mark.real("kustomize")
@pytest.mark.parametrize("folder", BUILDS)
def test_what_kustomize_builds_satisfies_every_definition(folder: str) -> None:
    manifests = build(folder)
    assert manifests
    for manifest in manifests:
        assert (name_of(manifest), crds.problems(manifest)) == (name_of(manifest), [])


# Together they must not contradict each other, and a patch must reach what another one added.
EVERYTHING_ABOUT_KAFKA = ("eventing/replay", "eventing/sasl-tls", "eventing/keda")


@pytest.mark.real("kustomize")
@pytest.mark.parametrize(
    "components",
    [
        *[(folder,) for folder in COMPONENTS],
        ("knative/broker", *EVERYTHING_ABOUT_KAFKA),
        ("knative/alertmanager", *EVERYTHING_ABOUT_KAFKA),
    ],
    ids="+".join,
)
def test_what_kustomize_builds_with_a_component_satisfies_every_definition(
    components: tuple[str, ...],
) -> None:
    manifests = variant(*components)
    assert manifests != build(".")
    for manifest in manifests:
        assert (name_of(manifest), crds.problems(manifest)) == (name_of(manifest), [])


@pytest.mark.real("kustomize")
@pytest.mark.parametrize("folder", BUILDS)
def test_each_namespaced_object_names_its_namespace_and_comes_after_it(folder: str) -> None:
    made: set[str] = set()
    manifests = build(folder)
    for _, kind, namespace, name in map(name_of, manifests):
        if kind == "Namespace":
            made.add(name)
        elif namespace in {m["metadata"]["name"] for m in manifests if m["kind"] == "Namespace"}:
            assert namespace in made, f"{kind} {name} comes before its namespace"
    for manifest in manifests:
        assert ("namespace" in manifest["metadata"]) == crds.namespaced(manifest), name_of(manifest)


def test_every_file_is_part_of_a_kustomization_or_patched_by_hand() -> None:
    listed = {"kustomization.yaml"}
    for folder in [*BUILDS, *kustomizations("Component")]:
        build = one(f"{folder}/kustomization.yaml")
        named = [entry for entry in build.get("resources", []) if entry.endswith(".yaml")]
        named += [patch["path"] for patch in build.get("patches", [])]
        listed |= {Path(folder, name).as_posix() for name in ["kustomization.yaml", *named]}
    assert listed | set(PATCHED_BY_HAND) == set(files())


def test_a_partial_file_has_patch_in_its_name_and_no_other_has() -> None:
    patches = set(PATCHED_BY_HAND)
    for folder in [*BUILDS, *kustomizations("Component")]:
        build = one(f"{folder}/kustomization.yaml")
        patches |= {Path(folder, patch["path"]).as_posix() for patch in build.get("patches", [])}
    assert patches == {path for path in files() if "patch" in Path(path).name}


# What kubectl patches: an object that somebody else made, and that has no definition here or is
# Kubernetes' own.
KINDS = {"configmap": "ConfigMap", "service": "Service", "fluentbit": None}


@pytest.mark.parametrize("path", PATCHED_BY_HAND)
def test_a_patch_by_hand_says_of_what_and_is_a_part_of_it(path: str) -> None:
    command = PATCHED_BY_HAND[path]
    assert command, "its first line is the command"
    namespace, kind, name, file = command.groups()
    assert file == path
    if KINDS[kind]:
        metadata = {"name": name, "namespace": namespace}
        whole: Manifest = {"apiVersion": "v1", "kind": KINDS[kind], "metadata": metadata}
        assert crds.problems(whole | one(path)) == []


@pytest.mark.parametrize("folder", ["knative", "eventing"])
def test_the_root_applies_the_files_of_a_folder_and_no_folder_inside(folder: str) -> None:
    named = sorted(path.name for path in (ROOT / folder).glob("*.yaml"))
    assert (
        sorted([*one(f"{folder}/kustomization.yaml")["resources"], "kustomization.yaml"]) == named
    )


def test_the_root_kustomization_joins_both_folders_and_offers_every_component() -> None:
    root = one("kustomization.yaml")
    assert root["resources"] == ["knative", "eventing"]
    assert "components" not in root, "variants are switched on by whoever deploys"
    text = (ROOT / "kustomization.yaml").read_text(encoding="utf-8")
    assert sorted(re.findall(r"(?m)^#   - (\S+) +# \S", text)) == sorted(COMPONENTS)
    assert set(FOLDERS) >= {folder.partition("/")[0] for folder in BUILDS} - {"."}


@pytest.mark.real("kustomize")
def test_kustomize_builds_what_is_written_here_and_the_rules() -> None:
    image = one("kustomization.yaml")["images"][0]
    built = {name_of(manifest): manifest for manifest in build(".")}
    rules = ("v1", "ConfigMap", "logs-handler", "logs-handler-rules")
    assert built.pop(rules)["data"] == {
        "rules.yaml": (ROOT / "function/rules.yaml").read_text(encoding="utf-8")
    }
    written = [
        manifest
        for folder in ("knative", "eventing")
        for path in one(f"{folder}/kustomization.yaml")["resources"]
        for manifest in read(f"{folder}/{path}")
    ]
    assert image["newName"] == image["name"], "else what is built is not what is written"
    assert built == {name_of(manifest): manifest for manifest in written}


# What runs.


@pytest.mark.parametrize("path", ["func.yaml", *files()])
def test_no_image_is_tagged_latest_or_not_at_all(path: str) -> None:
    for manifest in read(path):
        for field, value in leaves(manifest):
            if field.rpartition(".")[2] in {"image", "builder"} and value != "pack":
                assert re.search(r":(?!latest$)[^:/]+$", value), f"{path}: {field}: {value}"
