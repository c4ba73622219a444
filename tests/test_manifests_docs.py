"""The commands of docs/install.md and docs/operations.md name what is there, and do what they say.

What needs a cluster cannot be run here; what kubectl does by itself is.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import crds
from tests.manifests import ROOT, Manifest, at, build, kustomizations, leaves, one, read, variant

PAGES = {
    name: (ROOT / "docs" / name).read_text("utf-8") for name in ("install.md", "operations.md")
}
COMMANDS = [
    command
    for page in PAGES.values()
    for block in re.findall(r"^ *```sh\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    for command in re.sub(r"\\\n *", "", block).splitlines()
]


def kubectl(*arguments: str, given: str | None = None) -> Any:
    """What kubectl prints, as YAML."""
    program = shutil.which("kubectl")
    if not program:
        pytest.skip("kubectl is not on this machine")
    run = subprocess.run(
        (program, *arguments), input=given, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return yaml.safe_load(run.stdout)


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 50
    assert len([command for command in COMMANDS if " -k " in command]) > 10


@pytest.mark.parametrize("command", [each for each in COMMANDS if " -k " in each])
def test_what_is_applied_can_be_built(command: str) -> None:
    [folder] = re.findall(r" -k (\S+)", command)
    assert folder in kustomizations("Kustomization")


def test_every_folder_that_can_be_applied_is_applied_somewhere() -> None:
    shown = "\n".join([*PAGES.values(), *((ROOT / "kustomization.yaml").read_text().splitlines())])
    for folder in kustomizations("Kustomization"):
        parts = {"eventing/kafka/base", "openfunction/base", "eventing", "knative"}
        about = shown + (ROOT / folder / "kustomization.yaml").read_text("utf-8")
        assert folder in parts or f"kubectl apply -k {folder}" in about, folder


# func's -f is a format.
@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith("func")])
def test_every_file_that_is_named_exists(command: str) -> None:
    for name in re.findall(r"(?:-f |--patch-file |--from-file=)(\S+)", command):
        assert name.startswith("https://") or (ROOT / name).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        file, _, heading = target.partition("#")
        if target.startswith("https://"):
            continue
        text = (ROOT / "docs" / file).read_text("utf-8") if file else PAGES[page]
        titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        slugs = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not heading or heading in slugs, target


# Secrets and ConfigMaps that the manifests want, and that the pages create.


def secret_references(value: Any) -> set[tuple[str, str]]:
    """Every Secret that a manifest names with a key."""
    found = dict(leaves(value))
    return {
        (name, found[path.removesuffix("name") + "key"])
        for path, name in found.items()
        if path.endswith("ecretKeyRef.name")
    }


def created() -> dict[str, set[str]]:
    """The Secrets that the pages' commands create, with their keys."""
    secrets: dict[str, set[str]] = {}
    for command in COMMANDS:
        if "create secret generic" in command:
            # What is asked of the cluster is made up.
            local = re.sub(r'"\$\(.*?\)"(?= |$)', "asked", command)
            made = kubectl(*local.split()[1:], "--dry-run=client", "-o", "yaml")
            assert crds.problems(made | {"metadata": {"name": made["metadata"]["name"]}}) == []
            secrets[made["metadata"]["name"]] = set(made["data"])
    return secrets


@pytest.mark.real("kustomize")
def test_every_secret_that_a_manifest_names_is_created_by_a_command() -> None:
    manifests = [
        *variant("knative/slack", "eventing/replay", "eventing/sasl-tls"),
        *build("notification/slack"),
        one("eventing/log-receiver-tls/fluentbit-patch.yaml"),
    ]
    secrets = created()
    references = {each for manifest in manifests for each in secret_references(manifest)}
    assert {name for name, _ in references} == set(secrets)
    for name, key in references:
        assert key in secrets[name]


def test_a_kafka_sink_finds_all_that_it_looks_for_in_its_secret() -> None:
    name = at(one("eventing/sasl-tls/kafkasink-patch.yaml"), "spec.auth.secret.ref.name")
    keys = {"protocol", "sasl.mechanism", "user", "password", "ca.crt"}
    assert created()[name] == keys


def test_the_push_secret_is_one_that_kubelets_understand() -> None:
    [command] = [each for each in COMMANDS if "create secret docker-registry" in each]
    made = kubectl(*command.split()[1:], "--dry-run=client", "-o", "yaml")
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    name = at(one("openfunction/build/build-patch.yaml"), "spec.imageCredentials.name")
    assert made["metadata"]["name"] == name
    assert "ghcr.io" in base64.b64decode(made["data"][".dockerconfigjson"]).decode()


def test_the_rules_are_created_as_openfunctions_functions_mount_them() -> None:
    [command] = [each for each in COMMANDS if "create configmap" in each]
    made = kubectl(*command.split()[1:], "--dry-run=client", "-o", "yaml")
    serving = one("openfunction/async/function.yaml")["spec"]["serving"]
    [volume] = serving["template"]["volumes"]
    assert made["metadata"]["name"] == volume["configMap"]["name"]
    assert list(made["data"]) == [Path(serving["params"]["RULES_FILE"]).name]


# Patches.

PATCHES = [each for each in COMMANDS if " patch " in each and "fluentbit" not in each]


@pytest.mark.parametrize("command", PATCHES)
def test_a_patch_makes_something_valid(command: str, tmp_path: Path) -> None:
    namespace, kind, name = re.findall(r"-n (\S+) patch (\S+) (\S+)", command)[0]
    before: Manifest = {
        "configmap": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"_example": "text"}},
        "service": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
        "service.serving.knative.dev": one("knative/service.yaml"),
    }[kind]
    before = {"metadata": {"name": name, "namespace": namespace}, **before}
    file = tmp_path / "before.yaml"
    file.write_text(yaml.safe_dump(before), encoding="utf-8")
    how: tuple[str, ...]
    if "-p '" in command:
        [patch] = re.findall(r"-p '(.*)'", command)
        how = ("--type", "merge", "-p", patch)
    else:
        [path] = re.findall(r"--patch-file (\S+)", command)
        how = ("--patch-file", str(ROOT / path))
    after = kubectl("patch", "--local", "-f", str(file), *how, "-o", "yaml")
    assert after != before
    assert crds.problems(after) == []
    if "traffic" in after.get("spec", {}):
        assert sum(target["percent"] for target in after["spec"]["traffic"]) == 100


# The demonstration.


def test_the_switch_is_the_label_that_fluent_bit_selects_by() -> None:
    [output] = read("eventing/log-receiver/output.yaml")
    switches = [each for each in COMMANDS if each.strip().startswith("kubectl label")]
    key = "fluentbit.fluent.io/enabled"
    assert [each.strip() for each in switches] == [
        f"kubectl label clusteroutput {output['metadata']['name']} {key}={state} --overwrite"
        for state in ("false", "true")
    ]
    assert output["metadata"]["labels"][key] == "true"


def test_the_pods_that_the_commands_name_are_strimzis() -> None:
    kafka = one("eventing/kafka/base/kafka.yaml")["metadata"]["name"]
    pool = one("eventing/kafka/base/node-pool.yaml")["metadata"]["name"]
    pods = {
        pod for each in COMMANDS for pod in re.findall(r"(?:exec (?:-it? )?|get pod )(\S+)", each)
    }
    assert pods == {f"{kafka}-{pool}-0"}


def test_consumer_groups_and_topics_of_the_commands_exist() -> None:
    topics = {topic["metadata"]["name"] for topic in read("eventing/topics.yaml")}
    groups = {
        one(f"eventing/{path}")["spec"]["consumerGroup"]
        for path in ("kafkasource.yaml", "replay/kafkasource.yaml")
    }
    text = "\n".join(COMMANDS)
    assert set(re.findall(r"--topic (\S+)", text)) == topics
    assert set(re.findall(r"--group (\S+)", text)) == groups
