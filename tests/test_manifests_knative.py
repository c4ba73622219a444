"""What `kubectl apply -k .` sends agrees with itself: names, and numbers that hold together."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from function.settings import MOUNTED_RULES, SETTINGS, Settings
from tests.manifests import ROOT, Manifest, at, environment, iso_duration, name_of, one, read
from tests.test_gunicorn_conf import config as gunicorn_config

SERVICE = one("knative/service.yaml")
SOURCE = one("eventing/kafkasource.yaml")
DEAD_LETTERS = one("eventing/dead-letter-sink.yaml")
TOPICS = {topic["metadata"]["name"]: topic for topic in read("eventing/topics.yaml")}
BUILD = one("kustomization.yaml")
APPLIED: list[Manifest] = [
    manifest
    for folder in ("knative", "eventing")
    for path in one(f"{folder}/kustomization.yaml")["resources"]
    for manifest in read(f"{folder}/{path}")
]
VARIABLES = environment(at(SERVICE, "spec.template.spec.containers.0"))


def settings() -> Settings:
    """Read the settings as the function does in the Service."""
    return Settings.from_environ(VARIABLES)


# One set of names.


def test_every_namespaced_object_says_whether_it_is_ours_or_kafkas() -> None:
    ours = one("knative/namespace.yaml")["metadata"]["name"]
    namespaces = {(manifest["kind"], manifest["metadata"].get("namespace")) for manifest in APPLIED}
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
    assert (ROOT / file).is_file()
    # kustomize does not look into a Knative Service for the names that it gives a hash.
    assert generator["options"]["disableNameSuffixHash"] is True
    spec = SERVICE["spec"]["template"]["spec"]
    [volume] = spec["volumes"]
    [mount] = spec["containers"][0]["volumeMounts"]
    assert volume["configMap"]["name"] == generator["name"]
    assert mount["name"] == volume["name"]
    assert Path(mount["mountPath"], Path(file).name) == MOUNTED_RULES
    assert "subPath" not in mount, "such a mount never sees a change of the ConfigMap"


def test_the_function_reads_and_accepts_every_variable_that_the_service_sets() -> None:
    assert set(VARIABLES) <= {setting.name for setting in SETTINGS}
    settings()  # raises SettingsError for a value that it does not take


def test_the_service_leaves_alone_what_knative_sets_itself() -> None:
    # Serving refuses a revision that names one of them.
    assert set(VARIABLES).isdisjoint({"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"})


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


def test_gunicorn_itself_agrees_with_the_service() -> None:
    gunicorn = gunicorn_config(**{**VARIABLES, "RULES_FILE": ""})
    pod = SERVICE["spec"]["template"]["spec"]
    assert int(gunicorn["threads"]) > pod["containerConcurrency"]
    assert int(gunicorn["keepalive"]) > 90  # queue-proxy's own
    # Knative's 30 s of draining come first, out of the same timeoutSeconds.
    assert settings().delivery_timeout < int(gunicorn["graceful_timeout"])
    assert int(gunicorn["graceful_timeout"]) <= pod["timeoutSeconds"] - 30
    assert gunicorn["timeout"] == "0" or int(gunicorn["timeout"]) > pod["timeoutSeconds"]


def test_the_source_leaves_nothing_about_delivery_to_defaults() -> None:
    delivery = SOURCE["spec"]["delivery"]
    assert set(delivery) == {"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"}
    assert delivery["retry"] > 0
    # With doubled pauses all of the window stands still long after the receiver is back.
    assert delivery["backoffPolicy"] == "linear"
    # At zero the dispatcher's timer refuses, and there is no retry at all.
    assert iso_duration(delivery["backoffDelay"]) > 0
    assert iso_duration(delivery["timeout"]) > 0


def test_the_source_uses_words_that_its_definition_does_not_check() -> None:
    assert SOURCE["spec"]["ordering"] in {"ordered", "unordered"}
    assert SOURCE["spec"]["initialOffset"] in {"earliest", "latest"}


def attempts_and_pauses() -> tuple[int, float]:
    """How often the source tries a record, and the seconds that it waits in between."""
    delivery = SOURCE["spec"]["delivery"]
    first = iso_duration(delivery["backoffDelay"])
    return delivery["retry"] + 1, sum(first * n for n in range(1, delivery["retry"] + 1))


def test_a_record_stays_on_its_topic_until_the_last_attempt_is_over() -> None:
    attempts, pauses = attempts_and_pauses()
    longest = attempts * iso_duration(SOURCE["spec"]["delivery"]["timeout"]) + pauses
    for topic in SOURCE["spec"]["topics"]:
        assert TOPICS[topic]["spec"]["config"]["retention.ms"] / 1000 > longest
    minutes = math.ceil(longest / 60)
    pages = ("eventing/topics.yaml", "docs/operations.md")
    assert all(f"up to {minutes} minutes" in (ROOT / page).read_text() for page in pages)


@pytest.mark.parametrize("seconds", [1, 10, 25, 40, 58, 300])
def test_a_delivered_event_is_remembered_until_its_last_attempt_is_over(seconds: int) -> None:
    attempts, pauses = attempts_and_pauses()
    environ = {"DELIVERY_TIMEOUT": f"{seconds}s", "RECEIVER_TIMEOUT": "1s"}
    longest = attempts * seconds + pauses
    assert Settings.from_environ(environ).remembered == max(longest, 30 * 60)


def test_the_brokers_trigger_tries_as_the_source_does() -> None:
    trigger = next(
        each for each in read("knative/broker/triggers.yaml") if each["metadata"]["name"] == "logs"
    )
    source = SOURCE["spec"]["delivery"]
    assert trigger["spec"]["delivery"] == {
        name: value for name, value in source.items() if name != "timeout"
    }


def test_a_replay_waits_like_the_source_but_gives_up_soon() -> None:
    replay, source = (
        each["spec"]["delivery"] for each in (one("eventing/replay/kafkasource.yaml"), SOURCE)
    )
    for name in ("backoffPolicy", "backoffDelay", "timeout"):
        assert replay[name] == source[name]
    assert replay["retry"] == 4


def test_every_record_of_the_topic_fits_into_a_dead_letter() -> None:
    # KafkaSink's producer takes 1 MiB with the headers, and those with our reason are below 8 kB.
    largest = TOPICS["logs"]["spec"]["config"]["max.message.bytes"]
    assert largest == 1_040_000 <= 2**20 - 8_192


def test_a_pod_is_probed_every_second_while_it_starts() -> None:
    probe = at(SERVICE, "spec.template.spec.containers.0.readinessProbe")
    assert probe["periodSeconds"] == 1


def test_the_function_finds_the_mounted_rules_without_being_told() -> None:
    mount = at(SERVICE, "spec.template.spec.containers.0.volumeMounts.0")
    assert MOUNTED_RULES.parent == Path(mount["mountPath"])
    assert "RULES_FILE" not in VARIABLES


# What runs.


def test_the_image_that_an_operator_edits_is_the_services() -> None:
    # kustomize says nothing about an image that no manifest has.
    image = at(SERVICE, "spec.template.spec.containers.0.image")
    [edited] = BUILD["images"]
    assert edited["name"] == image.rpartition(":")[0]


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
