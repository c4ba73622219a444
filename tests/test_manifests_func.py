"""func.yaml, the other way to deploy, says what knative/service.yaml says."""

from __future__ import annotations

import copy
from datetime import datetime

from jsonschema import Draft202012Validator

from tests.manifests import Manifest, leaves, one

SERVICE = one("knative/service.yaml")
FUNC = one("func.yaml")


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
    # func has no words for these; its Service keeps them if `kubectl apply -k .` came first.
    "spec.template.spec.timeoutSeconds",
    "spec.template.spec.automountServiceAccountToken",
    "spec.template.spec.containers.0.securityContext.readOnlyRootFilesystem",
    "spec.template.spec.containers.0.readinessProbe.periodSeconds",
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
