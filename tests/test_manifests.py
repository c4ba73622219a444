"""What `kubectl apply -k .` sends is valid, complete, and agrees with itself and with func.yaml."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from function.settings import SETTINGS, Settings
from tests import crds, real

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("knative", "eventing")
MANIFESTS = [
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.yaml"))
    if path.name != "kustomization.yaml"
]

Manifest = dict[str, Any]


def read(path: str) -> list[Manifest]:
    """Read every document of one file."""
    return list(yaml.safe_load_all((ROOT / path).read_text()))


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
    assert found, f"{text!r} is no duration like PT90S: nobody tells until the source is reconciled"
    return float(found[1])


def environment() -> dict[str, str]:
    """Return the variables that the Service sets."""
    return {
        variable["name"]: variable["value"]
        for variable in at(SERVICE, "spec.template.spec.containers.0.env")
    }


def settings() -> Settings:
    """Read the settings as the function does in the Service."""
    return Settings.from_environ(environment())


SERVICE = one("knative/service.yaml")
SOURCE = one("eventing/kafkasource.yaml")
DEAD_LETTERS = one("eventing/dead-letter-sink.yaml")
TOPICS = {topic["metadata"]["name"]: topic for topic in read("eventing/topics.yaml")}
BUILD = one("kustomization.yaml")
FUNC = one("func.yaml")


# Each object against its own definition.


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
        ("eventing/kafkasource.yaml", "spec.bootstrapServers", "a string"),
        ("eventing/kafkasource.yaml", "spec.delivery.retry", "3"),
        ("eventing/kafkasource.yaml", "spec.delivery.deadLetterSink.name", "a-level-too-high"),
        ("eventing/dead-letter-sink.yaml", "spec.contentMode", "batched"),
    ],
)
def test_a_misspelt_field_or_a_wrong_type_is_caught(path: str, field: str, mistake: object) -> None:
    manifest = copy.deepcopy(one(path))
    parent, _, key = field.rpartition(".")
    at(manifest, parent)[key] = mistake
    assert len(crds.problems(manifest)) == 1


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path != "knative/namespace.yaml"])
def test_every_manifest_satisfies_its_custom_resource_definition(path: str) -> None:
    assert [problem for manifest in read(path) for problem in crds.problems(manifest)] == []


# The kustomizations.


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folders_kustomization_lists_each_of_its_manifests_once(folder: str) -> None:
    listed = [
        f"{folder}/{resource}" for resource in one(f"{folder}/kustomization.yaml")["resources"]
    ]
    assert sorted(listed) == [path for path in MANIFESTS if path.startswith(f"{folder}/")]


def test_the_root_kustomization_joins_both_folders_and_the_rules() -> None:
    assert sorted(BUILD["resources"]) == sorted(FOLDERS)
    [generator] = BUILD["configMapGenerator"]
    assert generator["files"] == ["function/rules.yaml"]
    assert (ROOT / "function/rules.yaml").is_file()


def test_the_image_that_an_operator_edits_is_the_services() -> None:
    # kustomize says nothing about an image that no manifest has.
    image = at(SERVICE, "spec.template.spec.containers.0.image")
    [edited] = BUILD["images"]
    assert edited["name"] == image.rpartition(":")[0]


@pytest.mark.real("kustomize")
def test_kustomize_builds_what_is_written_here_and_the_rules() -> None:
    run = subprocess.run(
        [*real.kustomize(), str(ROOT)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    [image] = BUILD["images"]
    output = run.stdout.replace(image["newName"], image["name"])
    built = {name_of(manifest): manifest for manifest in yaml.safe_load_all(output)}
    rules = ("v1", "ConfigMap", "logs-handler", "logs-handler-rules")
    written = {name_of(manifest): manifest for path in MANIFESTS for manifest in read(path)}
    assert built.pop(rules)["data"] == {
        "rules.yaml": (ROOT / "function/rules.yaml").read_text(encoding="utf-8")
    }
    assert built == written
    assert next(iter(built))[1] == "Namespace", "an object cannot come before its namespace"


# One set of names.


def test_every_namespaced_object_says_whether_it_is_ours_or_kafkas() -> None:
    ours = one("knative/namespace.yaml")["metadata"]["name"]
    namespaces = {
        (manifest["kind"], manifest["metadata"].get("namespace"))
        for path in MANIFESTS
        for manifest in read(path)
    }
    assert namespaces == {
        ("Namespace", None),
        ("Service", ours),
        ("KafkaSource", ours),
        ("KafkaSink", ours),
        ("KafkaTopic", "kafka"),
    }
    assert BUILD["configMapGenerator"][0]["namespace"] == ours
    assert "namespace" not in BUILD, "it would move the topics away from Kafka"


def test_everyone_finds_the_same_kafka_cluster() -> None:
    [bootstrap] = SOURCE["spec"]["bootstrapServers"]
    assert DEAD_LETTERS["spec"]["bootstrapServers"] == [bootstrap]
    for topic in TOPICS.values():
        cluster = topic["metadata"]["labels"]["strimzi.io/cluster"]
        namespace = topic["metadata"]["namespace"]
        # Strimzi's name for it; with the namespace, because Knative's dispatcher is in another.
        assert bootstrap == f"{cluster}-kafka-bootstrap.{namespace}.svc:9092"


def test_each_topic_is_read_or_written_by_something_here() -> None:
    assert {*SOURCE["spec"]["topics"], DEAD_LETTERS["spec"]["topic"]} == set(TOPICS)


def test_the_source_sends_to_the_function_and_its_dead_letters_to_kafka() -> None:
    for reference, target in (
        (SOURCE["spec"]["sink"]["ref"], SERVICE),
        (SOURCE["spec"]["delivery"]["deadLetterSink"]["ref"], DEAD_LETTERS),
    ):
        # A reference without a namespace means the source's own.
        assert name_of(target) == (
            reference["apiVersion"],
            reference["kind"],
            SOURCE["metadata"]["namespace"],
            reference["name"],
        )


def test_the_consumer_group_is_named_after_the_function() -> None:
    assert SOURCE["spec"]["consumerGroup"] == SERVICE["metadata"]["name"]


def test_the_function_reads_its_rules_from_the_config_map_that_kustomize_makes() -> None:
    [generator] = BUILD["configMapGenerator"]
    [file] = generator["files"]
    # kustomize does not look into a Knative Service for the names that it gives a hash.
    assert generator["options"]["disableNameSuffixHash"] is True
    spec = SERVICE["spec"]["template"]["spec"]
    [volume] = spec["volumes"]
    [mount] = spec["containers"][0]["volumeMounts"]
    assert volume["configMap"]["name"] == generator["name"]
    assert mount["name"] == volume["name"]
    assert settings().rules_file == Path(mount["mountPath"], Path(file).name)
    assert "subPath" not in mount, "such a mount never sees a change of the ConfigMap"


def test_the_function_reads_and_accepts_every_variable_that_the_service_sets() -> None:
    assert set(environment()) <= {setting.name for setting in SETTINGS}
    settings()  # raises SettingsError for a value that it does not take


def test_the_service_leaves_alone_what_knative_sets_itself() -> None:
    # Serving refuses a revision that names one of them.
    assert set(environment()).isdisjoint({"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"})


# Numbers that hold only together.


def test_whoever_waits_for_someone_else_waits_longer() -> None:
    function = settings().delivery_timeout
    service = SERVICE["spec"]["template"]["spec"]["timeoutSeconds"]
    source = iso_duration(SOURCE["spec"]["delivery"]["timeout"])
    assert function < service < source


def test_a_pod_has_time_to_drain_before_it_is_killed() -> None:
    # Knative drains for 30 s; the grace period is timeoutSeconds.
    assert SERVICE["spec"]["template"]["spec"]["timeoutSeconds"] >= 60


def test_a_busy_pod_has_a_thread_left_for_its_probes() -> None:
    concurrency = SERVICE["spec"]["template"]["spec"]["containerConcurrency"]
    assert settings().threads > concurrency > 0


def test_the_source_leaves_nothing_about_delivery_to_defaults() -> None:
    delivery = SOURCE["spec"]["delivery"]
    assert set(delivery) == {"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"}
    assert delivery["retry"] > 0
    assert delivery["backoffPolicy"] == "exponential"
    # At zero the dispatcher's timer refuses, and there is no retry at all.
    assert iso_duration(delivery["backoffDelay"]) > 0
    assert iso_duration(delivery["timeout"]) > 0


def test_the_source_uses_words_that_its_definition_does_not_check() -> None:
    assert SOURCE["spec"]["ordering"] in {"ordered", "unordered"}
    assert SOURCE["spec"]["initialOffset"] in {"earliest", "latest"}


def test_a_record_stays_on_its_topic_until_the_last_attempt_is_over() -> None:
    delivery = SOURCE["spec"]["delivery"]
    retries = delivery["retry"]
    pauses = sum(iso_duration(delivery["backoffDelay"]) * 2**n for n in range(1, retries + 1))
    attempts = (retries + 1) * iso_duration(delivery["timeout"])
    for topic in SOURCE["spec"]["topics"]:
        assert TOPICS[topic]["spec"]["config"]["retention.ms"] / 1000 > pauses + attempts


# What runs.


@pytest.mark.parametrize("path", ["func.yaml", "kustomization.yaml", *MANIFESTS])
def test_no_image_is_tagged_latest_or_not_at_all(path: str) -> None:
    for manifest in read(path):
        for field, value in leaves(manifest):
            if field.rpartition(".")[2] == "image":
                assert re.search(r":(?!latest$)[^:/]+$", value), f"{path}: {field}: {value}"


def test_the_images_tag_is_the_projects_version() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    tag = at(SERVICE, "spec.template.spec.containers.0.image").rpartition(":")[2]
    assert re.findall(r'^version = "(.+)"$', project, re.MULTILINE) == [tag]


def test_autoscaling_is_asked_of_the_revision_and_never_of_the_service() -> None:
    # Serving refuses the Service otherwise; annotations are strings, also where they are numbers.
    assert "annotations" not in SERVICE["metadata"]
    assert at(SERVICE, "spec.template.metadata.annotations") == {
        "autoscaling.knative.dev/min-scale": "0",
        "autoscaling.knative.dev/max-scale": "10",
    }


def test_the_pod_satisfies_the_restricted_pod_security_standard_and_cannot_write_its_root() -> None:
    assert at(SERVICE, "spec.template.spec.containers.0.securityContext") == {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_the_function_has_no_address_outside_the_cluster() -> None:
    labels = SERVICE["metadata"]["labels"]
    assert labels["networking.knative.dev/visibility"] == "cluster-local"


# func.yaml, the other way to deploy the same.


def closed(required: tuple[str, ...] = (), **properties: object) -> dict[str, object]:
    """Describe an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def each(item: object) -> dict[str, object]:
    return {"type": "array", "items": item}


TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": 0}
QUANTITY = {"type": "string", "pattern": r"^[0-9.]+[eEinumkKMGTP]*$"}
ENVS = each(closed(("name", "value"), name=TEXT, value=TEXT))
# specVersion 0.36.0, without what this function has no use for (git, kafka, subscriptions, …).
FUNC_YAML = closed(
    ("specVersion", "name", "runtime", "created"),
    specVersion={"const": "0.36.0"},
    name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    domain=TEXT,
    runtime={"const": "python"},
    registry=TEXT,
    image=TEXT,
    namespace=TEXT,
    created={},
    invoke={"enum": ["http", "cloudevent"]},
    build=closed(builder={"enum": ["pack", "s2i"]}, buildpacks=each(TEXT), buildEnvs=ENVS),
    run=closed(
        envs=ENVS,
        volumes=each(closed(("path",), secret=TEXT, configMap=TEXT, path=TEXT)),
        startTimeout=WHOLE,
    ),
    deploy=closed(
        annotations={"type": "object", "additionalProperties": TEXT},
        labels=each(closed(("key", "value"), key=TEXT, value=TEXT)),
        healthEndpoints=closed(liveness=TEXT, readiness=TEXT),
        serviceAccountName=TEXT,
        imagePullSecret=TEXT,
        options=closed(
            scale=closed(
                min=WHOLE,
                max=WHOLE,
                metric={"enum": ["concurrency", "rps"]},
                target={"type": "number", "minimum": 0.01},
                utilization={"type": "number", "minimum": 1, "maximum": 100},
            ),
            resources=closed(
                requests=closed(cpu=QUANTITY, memory=QUANTITY),
                limits=closed(cpu=QUANTITY, memory=QUANTITY, concurrency=WHOLE),
            ),
        ),
    ),
)

# Where the Service and what func makes of func.yaml differ, and why.
ONLY_ONE_OF_THEM_SAYS = {
    # func has no words for these two; its Service keeps them if `kubectl apply -k .` came first.
    "spec.template.spec.timeoutSeconds",
    "spec.template.spec.containers.0.securityContext.readOnlyRootFilesystem",
    # func puts labels on the revision too, where this one means nothing.
    "spec.template.metadata.labels.networking.knative.dev/visibility",
    # func writes the port that Knative assumes.
    "spec.template.spec.containers.0.livenessProbe.httpGet.port",
    "spec.template.spec.containers.0.readinessProbe.httpGet.port",
    # func makes up the volume's name.
    "spec.template.spec.containers.0.volumeMounts.0.name",
    "spec.template.spec.volumes.0.name",
}


def as_func_deploys(func: Manifest) -> Manifest:
    """Build the Service that `func deploy` makes of func.yaml (func, pkg/knative/deployer.go).

    Without the marks of its own that func leaves: its labels, BUILT and ADDRESS.
    """
    deploy, scale = func["deploy"], func["deploy"]["options"]["scale"]
    resources = copy.deepcopy(deploy["options"]["resources"])
    concurrency = resources["limits"].pop("concurrency")
    labels = {label["key"]: label["value"] for label in deploy["labels"]}
    volumes = {f"config-map-{volume['configMap']}": volume for volume in func["run"]["volumes"]}
    container = {
        "image": func["image"],
        "env": func["run"]["envs"],
        "resources": resources,
        "securityContext": {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": name, "mountPath": volume["path"]} for name, volume in volumes.items()
        ],
    }
    for probe, path in deploy["healthEndpoints"].items():
        container[f"{probe}Probe"] = {"httpGet": {"path": path, "port": 8080}}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": func["name"], "namespace": func["namespace"], "labels": labels},
        "spec": {
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        "autoscaling.knative.dev/min-scale": str(scale["min"]),
                        "autoscaling.knative.dev/max-scale": str(scale["max"]),
                    },
                },
                "spec": {
                    "containerConcurrency": concurrency,
                    "containers": [container],
                    "volumes": [
                        {"name": name, "configMap": {"name": volume["configMap"]}}
                        for name, volume in volumes.items()
                    ],
                },
            }
        },
    }


def test_func_yaml_has_only_fields_that_func_knows() -> None:
    found = Draft202012Validator(FUNC_YAML).iter_errors(FUNC)
    assert [f"{error.json_path}: {error.message}" for error in found] == []


def test_func_yaml_says_when_it_was_created_or_func_takes_it_for_a_new_project() -> None:
    assert isinstance(FUNC["created"], datetime)


def test_func_yaml_leaves_the_request_to_us() -> None:
    # With "cloudevent" func's middleware reads the request first, and fails on a batch.
    assert FUNC["invoke"] == "http"


def test_func_deploys_the_service_that_kubectl_applies() -> None:
    func, service = dict(leaves(as_func_deploys(FUNC))), dict(leaves(SERVICE))
    differ = {path for path in func | service if func.get(path) != service.get(path)}
    assert differ == ONLY_ONE_OF_THEM_SAYS
