"""The same image on OpenFunction: what its variants say is what Knative's manifests say."""

from __future__ import annotations

import re

import pytest

from function.settings import SETTINGS, Settings
from tests import crds
from tests.manifests import ROOT, Manifest, at, build, environment, find, one, read

SERVICE = one("knative/service.yaml")
SOURCE = one("eventing/kafkasource.yaml")["spec"]
TOPIC = one("eventing/kafkasource.yaml")["spec"]["topics"][0]
FUNC = one("func.yaml")
FUNCTIONS = {name: one(f"openfunction/{name}/function.yaml")["spec"] for name in ("sync", "async")}
CONTAINER = "spec.template.spec.containers.0"
pytestmark = pytest.mark.real("kustomize")


def serving(name: str) -> Manifest:
    """How a function runs."""
    found = FUNCTIONS[name]["serving"]
    assert isinstance(found, dict)
    return found


def settings(name: str) -> Settings:
    """Read the settings as the function does there."""
    return Settings.from_environ(serving(name)["params"])


def kafka_binding() -> dict[str, str]:
    """The settings of Dapr's Kafka component."""
    [trigger] = serving("async")["triggers"]["dapr"]
    binding = serving("async")["bindings"][trigger["name"]]
    assert binding["type"] == trigger["type"] == "bindings.kafka"
    return {entry["name"]: entry["value"] for entry in binding["metadata"]}


# Both functions.


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_function_accepts_its_variables_and_they_are_knatives(name: str) -> None:
    params = serving(name)["params"]
    assert set(params) <= {setting.name for setting in SETTINGS}
    settings(name)
    knatives = environment(at(SERVICE, CONTAINER))
    assert {key: value for key, value in params.items() if key in knatives} == knatives


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_same_container_as_knatives(name: str) -> None:
    [container] = serving(name)["template"]["containers"]
    knatives = at(SERVICE, CONTAINER)
    assert container["name"] == "function", "the name that OpenFunction looks for"
    for field in ("resources", "securityContext", "volumeMounts"):
        assert container[field] == knatives[field]
    assert serving(name)["template"]["volumes"] == at(SERVICE, "spec.template.spec.volumes")
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == knatives[probe]["httpGet"] | {"port": 8080}
    assert FUNCTIONS[name]["image"] == knatives["image"]
    assert FUNCTIONS[name]["version"] == "v" + knatives["image"].rpartition(":")[2]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_scales_between_none_and_as_many_pods_as_knatives(name: str) -> None:
    scale = serving(name)["scaleOptions"]
    annotations = at(SERVICE, "spec.template.metadata.annotations")
    assert scale["minReplicas"] == int(annotations["autoscaling.knative.dev/min-scale"])
    assert scale["maxReplicas"] == int(annotations["autoscaling.knative.dev/max-scale"])


def test_the_synchronous_functions_target_is_what_a_pod_can_do() -> None:
    target = serving("sync")["scaleOptions"]["knative"]["autoscaling.knative.dev/target"]
    assert int(target) == at(SERVICE, "spec.template.spec.containerConcurrency")
    assert int(target) < settings("sync").threads
    assert serving("sync")["triggers"]["http"] == {"port": 8080, "engine": "knative"}


# From Kafka to them.


def test_dapr_speaks_http_from_inside_the_functions_pod() -> None:
    assert serving("async")["annotations"] == {
        "dapr.io/app-protocol": "http",
        "openfunction.io/dapr-service-mode": "sidecar",
    }


def test_dapr_posts_where_the_function_takes_plain_records() -> None:
    binding = kafka_binding()
    assert binding["route"] == settings("async").records_path
    assert binding["direction"] == "input"


def test_all_three_readers_read_the_same_topic_in_the_same_group() -> None:
    [bootstrap] = SOURCE["bootstrapServers"]
    binding = kafka_binding()
    [trigger] = serving("async")["scaleOptions"]["keda"]["triggers"]
    event = one("openfunction/eventsource/event-source.yaml")["spec"]["kafka"][TOPIC]
    assert trigger["type"] == "kafka"
    readers = {
        (binding["brokers"], binding["topics"], binding["consumerGroup"]),
        (
            trigger["metadata"]["bootstrapServers"],
            trigger["metadata"]["topic"],
            trigger["metadata"]["consumerGroup"],
        ),
        (event["brokers"], event["topic"], event["scaleOption"]["consumerGroup"]),
    }
    assert readers == {(bootstrap, TOPIC, SOURCE["consumerGroup"])}
    assert event["scaleOption"]["topic"] == event["topic"]
    # Dapr says "oldest" for Kafka's "earliest".
    assert (binding["initialOffset"], SOURCE["initialOffset"]) == ("oldest", "earliest")


def test_the_scaling_is_the_articles() -> None:
    keda = serving("async")["scaleOptions"]["keda"]
    scale = one("openfunction/eventsource/event-source.yaml")["spec"]["kafka"][TOPIC]["scaleOption"]
    article = {"pollingInterval": 15, "cooldownPeriod": 30}
    assert keda["scaledObject"] == article
    assert keda["triggers"][0]["metadata"]["lagThreshold"] == scale["lagThreshold"] == "10"
    assert scale.items() >= (article | {"minReplicaCount": 0, "maxReplicaCount": 10}).items()
    [topic] = [each for each in read("eventing/topics.yaml") if each["metadata"]["name"] == TOPIC]
    assert topic["spec"]["partitions"] >= scale["maxReplicaCount"], "the others would be idle"


def test_the_event_source_posts_to_the_synchronous_functions_path_for_plain_records() -> None:
    manifests = build("openfunction/eventsource")
    function = find(manifests, "Function", "logs-handler-sync")["metadata"]
    uri = find(manifests, "EventSource", "logs")["spec"]["sink"]["uri"]
    address = f"http://{function['name']}.{function['namespace']}.svc.cluster.local"
    assert uri == address + settings("sync").records_path


# What OpenFunction makes of it (OpenFunction, pkg/core/serving), in KEDA's and Dapr's own words.


def test_keda_accepts_the_scaled_object_that_openfunction_makes() -> None:
    scale = serving("async")["scaleOptions"]
    made: Manifest = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "serving-scaler", "namespace": "logs-handler"},
        "spec": {
            "scaleTargetRef": {"name": "serving-deployment", "kind": "Deployment"},
            "minReplicaCount": scale["minReplicas"],
            "maxReplicaCount": scale["maxReplicas"],
            **scale["keda"]["scaledObject"],
            "triggers": scale["keda"]["triggers"],
        },
    }
    assert crds.problems(made) == []


def test_dapr_accepts_the_component_that_openfunction_makes() -> None:
    [binding] = serving("async")["bindings"].values()
    made: Manifest = {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "serving-bindings-kafka-receiver", "namespace": "logs-handler"},
        "spec": binding,
        "scopes": ["logs-handler-async-logs-handler"],
    }
    assert crds.problems(made) == []


# Built in the cluster.


@pytest.mark.parametrize("name", FUNCTIONS)
def test_built_from_source_it_is_the_same_function(name: str) -> None:
    function = f"logs-handler-{name}"
    built = find(build(f"openfunction/{name}-from-source"), "Function", function)["spec"]
    ready = find(build(f"openfunction/{name}"), "Function", function)["spec"]
    assert {"build", "imageCredentials"}.isdisjoint(ready)
    assert built["build"]["srcRepo"]["revision"] == built["version"]
    added = {key: built[key] for key in ("build", "imageCredentials")}
    assert built == ready | added


def test_the_image_is_pushed_with_the_secret_that_the_command_creates() -> None:
    patch = one("openfunction/build/build-patch.yaml")["spec"]
    text = (ROOT / "openfunction/build/kustomization.yaml").read_text(encoding="utf-8")
    name = patch["imageCredentials"]["name"]
    assert f"kubectl -n logs-handler create secret docker-registry {name} " in text


def test_every_build_uses_the_same_python() -> None:
    patch = one("openfunction/build/build-patch.yaml")["spec"]["build"]
    envs = {entry["name"]: entry["value"] for entry in FUNC["build"]["buildEnvs"]}
    assert patch["env"] == envs
    assert re.fullmatch(r"3\.\d+\.\*", patch["env"]["BP_CPYTHON_VERSION"])
