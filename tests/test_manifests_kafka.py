"""Kafka in both sizes, its users, what writes to it and what reads it: one set of names."""

from __future__ import annotations

import re

import pytest

from function.formats.durations import size
from tests.manifests import ROOT, Manifest, at, build, find, one, read, variant

SOURCE = one("eventing/kafkasource.yaml")
TOPICS = {topic["metadata"]["name"]: topic for topic in read("eventing/topics.yaml")}
SIZES = ("demo", "production")
pytestmark = pytest.mark.real("kustomize")


def cluster(name: str) -> tuple[Manifest, Manifest]:
    """The Kafka object and its node pool, of one size."""
    manifests = build(f"eventing/kafka/{name}")
    return find(manifests, "Kafka", "kafka-logs-receiver"), find(manifests, "KafkaNodePool", "dual")


def bootstrap(kafka: Manifest) -> str:
    """What clients in other namespaces connect to."""
    [listener] = kafka["spec"]["kafka"]["listeners"]
    metadata = kafka["metadata"]
    return f"{metadata['name']}-kafka-bootstrap.{metadata['namespace']}.svc:{listener['port']}"


# The cluster.


@pytest.mark.parametrize("name", SIZES)
def test_the_nodes_belong_to_the_cluster_and_need_no_zookeeper(name: str) -> None:
    kafka, pool = cluster(name)
    label = pool["metadata"]["labels"]["strimzi.io/cluster"]
    assert label == kafka["metadata"]["name"]
    assert set(pool["spec"]["roles"]) == {"controller", "broker"}
    assert pool["spec"]["replicas"] % 2 == 1, "controllers vote"
    assert {topic["metadata"]["labels"]["strimzi.io/cluster"] for topic in TOPICS.values()} == {
        label
    }


@pytest.mark.parametrize("name", SIZES)
def test_nothing_asks_for_more_copies_than_there_are_nodes(name: str) -> None:
    kafka, pool = cluster(name)
    config, nodes = kafka["spec"]["kafka"]["config"], pool["spec"]["replicas"]
    factors = {key: value for key, value in config.items() if key.endswith("replication.factor")}
    assert set(factors) == {
        "default.replication.factor",
        "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor",
        "share.coordinator.state.topic.replication.factor",
    }
    assert set(factors.values()) == {nodes}
    # A topic that says nothing gets the cluster's default, in both sizes.
    assert not any("replicas" in topic["spec"] for topic in TOPICS.values())
    in_sync = {value for key, value in config.items() if re.search(r"min\.(isr|insync)", key)}
    assert in_sync == {max(1, nodes - 1)}, "one node may be away"


def test_the_production_disk_holds_the_records_that_its_comment_counts() -> None:
    kafka, pool = cluster("production")
    topic = TOPICS["logs"]["spec"]["config"]
    kept = (topic["retention.ms"] + topic["segment.ms"]) / 1000
    usable = 1 - kafka["spec"]["kafka"]["quotas"]["minAvailableRatioPerVolume"]
    disk = size(pool["spec"]["storage"]["size"] + "B")
    assert 5000 * 1000 * kept < disk * usable


def test_production_has_no_way_in_without_tls_and_a_password() -> None:
    kafka, pool = cluster("production")
    for listener in kafka["spec"]["kafka"]["listeners"]:
        assert listener["tls"] is True
        assert listener["authentication"] == {"type": "scram-sha-512"}
    assert kafka["spec"]["kafka"]["authorization"] == {"type": "simple"}
    assert pool["spec"]["storage"]["type"] == "persistent-claim"
    assert "userOperator" in kafka["spec"]["entityOperator"]


# Its users.


def allowed(user: str) -> set[tuple[str, str, str]]:
    """What a user may do: kind of resource, its name, operation."""
    found = find(build("eventing/kafka/production"), "KafkaUser", user)
    return {
        (rule["resource"]["type"], rule["resource"]["name"], operation)
        for rule in found["spec"]["authorization"]["acls"]
        for operation in rule["operations"]
    }


def test_the_functions_user_may_do_what_the_sources_and_sinks_do_and_no_more() -> None:
    manifests = variant("knative/broker", "eventing/replay", "eventing/sasl-tls")
    needed = set()
    for manifest in manifests:
        if manifest["kind"] == "KafkaSource":
            [topic], group = manifest["spec"]["topics"], manifest["spec"]["consumerGroup"]
            needed |= {("topic", topic, each) for each in ("Read", "Describe")}
            # Deleting a KafkaSource deletes its group.
            needed |= {("group", group, each) for each in ("Read", "Describe", "Delete")}
        elif manifest["kind"] == "KafkaSink":
            topic = manifest["spec"]["topic"]
            needed |= {("topic", topic, each) for each in ("Write", "Describe")}
    assert allowed("logs-handler") == needed


def test_fluent_bits_user_may_write_what_its_output_writes_and_no_more() -> None:
    [output] = build("eventing/log-receiver-tls")
    kafka = output["spec"]["kafka"]
    assert allowed("fluent-bit") == {("topic", kafka["topics"], "Write")} | {
        ("topic", kafka["topics"], "Describe")
    }
    assert kafka["rdkafka"]["sasl.username"] == "fluent-bit"


def test_the_quota_spares_the_user_of_the_dead_letters() -> None:
    kafka, _ = cluster("production")
    assert kafka["spec"]["kafka"]["quotas"]["excludedPrincipals"] == ["User:logs-handler"]


# Who connects to it, and how.


def test_everyone_connects_to_the_demo_cluster_without_the_component() -> None:
    kafka, _ = cluster("demo")
    manifests = [*variant("knative/broker", "eventing/replay"), *build("eventing/log-receiver")]
    addresses = {
        address
        for manifest in manifests
        for address in manifest.get("spec", {}).get("bootstrapServers", [])
    }
    [output] = build("eventing/log-receiver")
    assert addresses | {output["spec"]["kafka"]["brokers"]} == {bootstrap(kafka)}


def test_everyone_connects_to_the_production_cluster_with_it() -> None:
    kafka, _ = cluster("production")
    manifests = variant("knative/broker", "eventing/replay", "eventing/sasl-tls")
    clients = [each for each in manifests if each["kind"] in {"KafkaSource", "KafkaSink"}]
    assert len(clients) == 4
    for client in clients:
        assert client["spec"]["bootstrapServers"] == [bootstrap(kafka)]
        if client["kind"] == "KafkaSink":
            assert client["spec"]["auth"]["secret"]["ref"]["name"] == "logs-handler-kafka"
            continue
        net = client["spec"]["net"]
        assert net["tls"]["enable"] is True
        assert net["sasl"]["enable"] is True
        references = [
            net["tls"]["caCert"],
            *(net["sasl"][each] for each in ("user", "password", "type")),
        ]
        assert [each["secretKeyRef"] for each in references] == [
            {"name": "logs-handler-kafka", "key": key}
            # The names that a KafkaSink gives to the keys of its Secret.
            for key in ("ca.crt", "user", "password", "sasl.mechanism")
        ]


def test_fluent_bit_finds_its_password_and_the_certificate_where_its_patch_puts_them() -> None:
    kafka, _ = cluster("production")
    [output] = build("eventing/log-receiver-tls")
    patch = one("eventing/log-receiver-tls/fluentbit-patch.yaml")["spec"]
    settings = output["spec"]["kafka"]["rdkafka"]
    assert output["spec"]["kafka"]["brokers"] == bootstrap(kafka)
    [variable], [secret] = patch["envVars"], patch["secrets"]
    assert settings["sasl.password"] == f"${{{variable['name']}}}"
    assert variable["valueFrom"]["secretKeyRef"]["name"] == secret
    assert settings["ssl.ca.location"] == f"/fluent-bit/secrets/{secret}/ca.crt"


def test_fluent_bit_writes_to_the_topic_that_the_source_reads() -> None:
    [output] = build("eventing/log-receiver")
    assert [output["spec"]["kafka"]["topics"]] == SOURCE["spec"]["topics"]
    assert set(TOPICS) > {output["spec"]["kafka"]["topics"]}


def test_what_is_made_for_fluent_bit_is_switched_on() -> None:
    for folder in ("eventing/log-receiver", "eventing/log-receiver-filters"):
        for manifest in build(folder):
            assert manifest["metadata"]["labels"] == {
                "fluentbit.fluent.io/enabled": "true",
                "fluentbit.fluent.io/component": "logging",
            }


# Scaling the source, and reading dead letters again.


def test_keda_gets_the_annotations_that_knative_reads_and_no_idle_consumers() -> None:
    source = find(variant("eventing/keda"), "KafkaSource", "logs")
    prefix = "autoscaling.eventing.knative.dev/"
    annotations = source["metadata"]["annotations"]
    assert {key.removeprefix(prefix) for key in annotations} == {
        "class",
        "min-scale",
        "max-scale",
        "polling-interval",
        "cooldown-period",
        "lag-threshold",
    }
    assert annotations[f"{prefix}class"] == "keda.autoscaling.knative.dev"
    assert int(annotations[f"{prefix}max-scale"]) == TOPICS["logs"]["spec"]["partitions"]


def test_a_replay_cannot_go_round_in_circles_or_start_by_itself() -> None:
    replay = find(variant("eventing/replay", "eventing/keda"), "KafkaSource", "replay")
    spec = replay["spec"]
    assert spec["consumers"] == 0
    assert replay["metadata"]["annotations"] == {
        "autoscaling.eventing.knative.dev/class": "disabled"
    }
    assert spec["topics"] == [one("eventing/dead-letter-sink.yaml")["spec"]["topic"]]
    assert set(spec["delivery"]) == {"retry", "backoffPolicy", "backoffDelay", "timeout"}
    assert spec["sink"] == SOURCE["spec"]["sink"]
    assert spec["consumerGroup"] != SOURCE["spec"]["consumerGroup"]
    assert spec["initialOffset"] == "earliest"


# What makes logs.


def test_wordpress_makes_logs_that_the_shipped_rule_is_about() -> None:
    deployment = one("eventing/wordpress/deployment.yaml")
    [rule] = one("function/rules.yaml")["groups"][0]["rules"]
    match = dict(re.split(r" =~? ", each, maxsplit=1) for each in rule["match"])
    assert match["namespace"] == deployment["metadata"]["namespace"]
    # A ReplicaSet's hash and a pod's, as Kubernetes makes them.
    assert re.fullmatch(match["pod"], f"{deployment['metadata']['name']}-f54f697c5-hdn2z")


def test_wordpress_service_leads_to_its_pods() -> None:
    manifests = build("eventing/wordpress")
    service = find(manifests, "Service", "wordpress")
    template = find(manifests, "Deployment", "wordpress-v1")["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    [port] = at(template, "spec.containers.0.ports")
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]


# What Fluent Bit's tags look like: the file's path with dots for slashes.
_FILE = "kube.var.log.containers.{pod}_{namespace}_{container}-0123abcd.log"


@pytest.mark.parametrize(
    ("tag", "shipped"),
    [
        (_FILE.format(pod="wordpress-v1-f5-hd", namespace="demo-project", container="web"), True),
        (_FILE.format(pod="logs-handler-00001-x", namespace="logs-handler", container="u"), False),
        (_FILE.format(pod="logs-handler-00001-x", namespace="elsewhere", container="u"), True),
        (_FILE.format(pod="x", namespace="logs-handler-2", container="u"), True),
        (_FILE.format(pod="x", namespace="my-logs-handler", container="u"), True),
        (_FILE.format(pod="x", namespace="demo", container="logs-handler"), True),
        ("service.kubelet", True),
        ("kube.other", True),
        ("audit.events", False),
    ],
)
def test_fluent_bit_leaves_our_own_containers_out(tag: str, shipped: bool) -> None:
    expression = one("eventing/log-receiver/output.yaml")["spec"]["matchRegex"]
    assert bool(re.search(expression, tag)) is shipped
    assert expression in (ROOT / "docs" / "operations.md").read_text()
