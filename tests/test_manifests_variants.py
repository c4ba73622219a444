"""The components that change where alerts go, and who may reach the function."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml

from function.receivers.reply import TYPE as ALERTS
from function.settings import RECEIVERS, SETTINGS, Settings
from tests import real
from tests.manifests import (
    ROOT,
    Manifest,
    at,
    build,
    environment,
    find,
    name_of,
    one,
    variant,
)
from tests.servers import CLOUDEVENT

SERVICE = one("knative/service.yaml")
CONTAINER = "spec.template.spec.containers.0"
RECEIVERS_PAGE = (ROOT / "docs" / "receivers.md").read_text(encoding="utf-8")
BINDING = "knative/sinkbinding"
pytestmark = pytest.mark.real("kustomize")


def container(*components: str) -> Manifest:
    """The function's container with these components."""
    found = at(find(variant(*components), "Service", "logs-handler"), CONTAINER)
    assert isinstance(found, dict)
    return found


def shown(key: str, text: str) -> Manifest:
    """The YAML block of docs/receivers.md that has a key and a text."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", RECEIVERS_PAGE, re.MULTILINE | re.DOTALL)
    [found] = [read for block in blocks if text in block and key in (read := yaml.safe_load(block))]
    assert isinstance(found, dict)
    return found


# Where alerts go.


ENVIRONMENTS = {
    "notification-manager": (),
    "slack": ("knative/slack",),
    "alertmanager": ("knative/alertmanager",),
    "cloudevents": ("knative/sinkbinding",),
    "reply": ("knative/broker",),
}


def test_there_is_a_way_to_deploy_each_receiver() -> None:
    assert set(ENVIRONMENTS) == set(RECEIVERS)


@pytest.mark.parametrize(("receiver", "components"), ENVIRONMENTS.items())
def test_the_function_accepts_every_variants_variables(
    receiver: str, components: tuple[str, ...]
) -> None:
    made = container(*components)
    assert {entry["name"] for entry in made["env"]} <= {setting.name for setting in SETTINGS}
    # What comes from a Secret, and what a SinkBinding sets.
    added = {entry["name"]: "https://secret.test/" for entry in made["env"] if "value" not in entry}
    if receiver == "cloudevents":
        added["K_SINK"] = "http://broker-ingress.knative-eventing.svc.cluster.local/x/alerts"
    settings = Settings.from_environ(environment(made) | added)
    assert settings.receiver == receiver
    assert "RULES_FILE" not in environment(made), "the default finds the mounted rules"


@pytest.mark.parametrize("components", ENVIRONMENTS.values())
def test_a_variant_changes_nothing_of_the_service_but_its_variables(
    components: tuple[str, ...],
) -> None:
    changed = find(variant(*components), "Service", "logs-handler")
    assert at(changed, CONTAINER) | {"env": None} == at(SERVICE, CONTAINER) | {"env": None}
    assert changed["metadata"] == SERVICE["metadata"]


@pytest.mark.parametrize("others", [(), ("knative/slack",)])
def test_the_other_server_comes_with_its_own_concurrency_whatever_the_receiver(
    others: tuple[str, ...],
) -> None:
    made = container(*others, "knative/asgi")
    assert made["env"] == [*container(*others)["env"], {"name": "SERVER", "value": "asgi"}]
    changed = find(variant(*others, "knative/asgi"), "Service", "logs-handler")
    assert at(changed, "spec.template.spec.containerConcurrency") == 128


def test_slacks_url_comes_from_the_secret_that_the_pages_create() -> None:
    assert container("knative/slack")["env"] == [
        *shown("env", "logs-handler-slack")["env"],
    ]


def test_a_sinkbindings_sink_is_not_hidden_by_a_receiver_url() -> None:
    assert "RECEIVER_URL" not in {entry["name"] for entry in container(BINDING)["env"]}


def test_the_sinkbinding_binds_the_function_to_a_broker_that_is_made() -> None:
    manifests = variant(BINDING)
    binding = find(manifests, "SinkBinding", "logs-handler")
    made = {name_of(manifest) for manifest in manifests}
    for reference in (binding["spec"]["subject"], binding["spec"]["sink"]["ref"]):
        assert ("logs-handler" in reference["name"]) == (reference["kind"] == "Service")
        where = (reference["apiVersion"], reference["kind"], "logs-handler", reference["name"])
        assert where in made


# A Broker in between.


def test_every_reference_of_the_broker_variant_is_made_by_it() -> None:
    manifests = variant("knative/broker")
    made = {name_of(manifest) for manifest in manifests}
    source = find(manifests, "KafkaSource", "logs")
    references = [source["spec"]["sink"]["ref"]]
    for name in ("logs", "alerts"):
        trigger = find(manifests, "Trigger", name)["spec"]
        references.append(trigger["subscriber"]["ref"])
        references += [trigger["delivery"].get("deadLetterSink", {}).get("ref", references[0])]
        assert trigger["broker"] == source["spec"]["sink"]["ref"]["name"]
    for reference in references:
        where = (reference["apiVersion"], reference["kind"], "logs-handler", reference["name"])
        assert where in made
    topic = find(manifests, "KafkaSink", "alerts")["spec"]["topic"]
    assert find(manifests, "KafkaTopic", topic)["metadata"]["namespace"] == "kafka"


def test_the_function_gets_records_and_never_its_own_alerts() -> None:
    manifests = variant("knative/broker")
    filters = {
        name: find(manifests, "Trigger", name)["spec"]["filter"]["attributes"]
        for name in ("logs", "alerts")
    }
    assert filters == {
        "logs": {"type": CLOUDEVENT["ce-type"]},  # as KafkaSource calls them
        "alerts": {"type": ALERTS},
    }


def test_a_trigger_tries_as_often_as_the_source() -> None:
    delivery = find(variant("knative/broker"), "Trigger", "logs")["spec"]["delivery"]
    source = one("eventing/kafkasource.yaml")["spec"]["delivery"]
    assert delivery == {key: value for key, value in source.items() if key != "timeout"}


# Alertmanager in between.


def test_the_function_posts_to_each_alertmanager_by_its_own_name() -> None:
    manifests = build("notification/alertmanager")
    pods, service = (find(manifests, kind, "alertmanager") for kind in ("StatefulSet", "Service"))
    port = {each["name"]: each["port"] for each in service["spec"]["ports"]}["http"]
    assert service["spec"]["clusterIP"] == "None", "else the pods have no names"
    assert environment(container("knative/alertmanager"))["RECEIVER_URL"].split(",") == [
        f"http://{pods['metadata']['name']}-{number}.{pods['spec']['serviceName']}:{port}/api/v2/alerts"
        for number in range(pods["spec"]["replicas"])
    ]
    # The short names hold in the namespace that all three are in.
    assert {pods["metadata"]["namespace"], service["metadata"]["namespace"]} == {"logs-handler"}


def test_each_alertmanager_knows_all_others() -> None:
    manifests = build("notification/alertmanager")
    pods = find(manifests, "StatefulSet", "alertmanager")["spec"]
    service = find(manifests, "Service", "alertmanager")["spec"]
    gossip = {port["name"]: port["port"] for port in service["ports"]}["gossip"]
    arguments = at(pods, "template.spec.containers.0.args")
    assert [each for each in arguments if "peer" in each] == [
        f"--cluster.peer=alertmanager-{number}.alertmanager:{gossip}"
        for number in range(pods["replicas"])
    ]


CONFIGURATION = ROOT / "notification" / "alertmanager" / "alertmanager.yml"


def test_alertmanagers_configuration_is_the_one_that_the_page_explains() -> None:
    assert yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8")) == shown("route", "group_wait")


@pytest.mark.real("alertmanager")
def test_alertmanagers_configuration_is_one_that_it_takes() -> None:
    real.alertmanager()
    amtool = shutil.which("amtool")
    assert amtool, "it comes with Alertmanager"
    subprocess.run((amtool, "check-config", str(CONFIGURATION)), check=True)


# Notification Manager.


def test_the_receiver_finds_its_config_and_the_shipped_rules_alerts() -> None:
    config, receiver = (
        one("notification/slack/config.yaml"),
        one("notification/slack/receiver.yaml"),
    )
    slack = receiver["spec"]["slack"]
    assert slack["slackConfigSelector"]["matchLabels"] == config["metadata"]["labels"]
    for group in one("function/rules.yaml")["groups"]:
        for rule in group["rules"]:
            assert slack["alertSelector"]["matchLabels"].items() <= rule["labels"].items()
            assert rule["labels"]["rule_level"] == "namespace"


def test_the_slack_token_is_in_the_secret_that_the_command_creates() -> None:
    text = (ROOT / "notification/slack/kustomization.yaml").read_text(encoding="utf-8")
    secret = at(one("notification/slack/config.yaml"), "spec.slack.slackTokenSecret.valueFrom")
    reference = secret["secretKeyRef"]
    command = "kubectl -n {namespace} create secret generic {name} --from-literal={key}="
    assert command.format(**reference) in text


# Who may reach the function.


def test_the_network_policy_is_about_the_functions_pods() -> None:
    policy = one("knative/network-policy/network-policy.yaml")
    service = SERVICE["metadata"]
    assert policy["metadata"]["namespace"] == service["namespace"]
    label = {"serving.knative.dev/service": service["name"]}
    assert policy["spec"]["podSelector"]["matchLabels"] == label
    assert policy["spec"]["policyTypes"] == ["Ingress"], "what pods may reach is not limited"


def test_the_network_policy_lets_in_the_data_plane_the_autoscaler_and_the_scraper() -> None:
    policy = one("knative/network-policy/network-policy.yaml")["spec"]
    allowed = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in policy["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
    }
    assert allowed == {
        ("knative-serving", 8012),  # activator to queue-proxy
        ("knative-serving", 8112),
        ("knative-serving", 9090),  # autoscaler
        ("kourier-system", 8012),
        ("kourier-system", 8112),
        ("kubesphere-monitoring-system", 8080),  # the function's own port, Knative's default
        ("kubesphere-monitoring-system", 9091),
    }
