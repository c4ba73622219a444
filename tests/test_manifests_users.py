"""The users of the production cluster on a real Kafka: with TLS, passwords and their rights."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.kafka_clients import Cluster, create_topic
from tests import real
from tests.manifests import ROOT, read
from tests.servers import free_port
from tests.test_manifests_replay import JAVA, make_tools

USERS = {user["metadata"]["name"]: user for user in read("eventing/kafka/production/users.yaml")}
TOPICS = {"logs": 10, "logs-dead-letter": 1, "alerts": 1}
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ADMIN = "org.apache.kafka.tools.AclCommand"
pytestmark = [pytest.mark.long, pytest.mark.real("kafka")]


def make_certificates(folder: Path) -> None:
    """A certificate authority and, signed by it, the broker's certificate for localhost."""
    openssl = real.openssl()
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca",
        "req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=broker",
        "x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out broker.crt"
        " -days 2 -extfile names",
        "pkcs8 -topk8 -nocrypt -in broker.key -out broker.p8",
    ):
        subprocess.run((openssl, *command.split()), cwd=folder, check=True, capture_output=True)
    pem = (folder / "broker.p8").read_text() + (folder / "broker.crt").read_text()
    (folder / "broker.pem").write_text(pem)


@dataclass
class SecuredKafka:
    """A node with Strimzi's listener of the production size, and one for the test to set it up."""

    folder: Path
    tls: str
    admin: str

    def java(self, java_class: str, *arguments: str) -> None:
        jars = real.kafka_jars()
        command = (*JAVA, "-cp", f"{jars}/*", java_class, *arguments)
        subprocess.run(command, cwd=self.folder, check=True, timeout=60, capture_output=True)

    def allow(self, user: str) -> None:
        """Give a user the rights that its manifest lists."""
        for rule in USERS[user]["spec"]["authorization"]["acls"]:
            resource = rule["resource"]
            pattern = {"prefix": "prefixed"}.get(resource.get("patternType"), "literal")
            named = (f"--{resource['type']}", resource["name"], "--resource-pattern-type", pattern)
            operations = [part for each in rule["operations"] for part in ("--operation", each)]
            who = ("--add", "--allow-principal", f"User:{user}")
            self.java(ADMIN, "--bootstrap-server", self.admin, *who, *named, *operations)

    def tool(self, user: str, script: str, *arguments: str, given: str = "") -> str:
        """What one of Kafka's tools prints when a user runs it."""
        run = subprocess.run(
            (f"bin/{script}", "--bootstrap-server", self.tls, *arguments, self.settings(user)),
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return run.stdout + run.stderr

    def settings(self, user: str) -> str:
        """The file that docs/operations.md makes, with this user's password."""
        [text] = re.findall(r"<<EOF\n(security\.protocol.*?)EOF\n", PAGE, re.DOTALL)
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        password = f'{login} username="{user}" password="{user}-password";'
        text = re.sub(r"\$\(.*\)", password, text).replace("/tmp/ca.crt", "ca.crt")
        name = f"{user}.properties"
        (self.folder / name).write_text(text)
        return name

    def write(self, user: str, topic: str) -> str:
        arguments = ("--topic", topic, "--sync", "--producer.config")
        return self.tool(user, "kafka-console-producer.sh", *arguments, given='{"log":"x"}\n')

    def read(self, user: str, topic: str, group: str) -> str:
        wanted = ("--topic", topic, "--group", group, "--from-beginning", "--timeout-ms", "5000")
        return self.tool(user, "kafka-console-consumer.sh", *wanted, "--consumer.config")

    def groups(self, user: str, *arguments: str) -> str:
        return self.tool(user, "kafka-consumer-groups.sh", *arguments, "--command-config")


def properties(folder: Path, tls: int, admin: int, controller: int) -> str:
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=TLS://localhost:{tls},ADMIN://127.0.0.1:{admin},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=TLS://localhost:{tls},ADMIN://127.0.0.1:{admin}
listener.security.protocol.map=TLS:SASL_SSL,ADMIN:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=ADMIN
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.tls.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""


def wait_for(port: int) -> None:
    """Return when something listens there."""
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, "Kafka did not start"
        time.sleep(0.1)


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Started, with the manifests' topics and users."""
    make_tools(folder)
    make_certificates(folder)
    tls, admin, controller = free_port(), free_port(), free_port()
    node = SecuredKafka(folder, f"localhost:{tls}", f"127.0.0.1:{admin}")
    config = folder / "server.properties"
    config.write_text(properties(folder, tls, admin, controller))
    passwords = [f"SCRAM-SHA-512=[name={user},password={user}-password]" for user in USERS]
    scram = [part for each in passwords for part in ("--add-scram", each)]
    format_it = ("format", "-t", "bG9ncy1oYW5kbGVyLXRlcw", "-c", str(config))
    node.java("kafka.tools.StorageTool", *format_it, *scram)
    process = subprocess.Popen(
        (*JAVA, "-cp", f"{real.kafka_jars()}/*", "kafka.Kafka", str(config)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(admin)
        for topic, partitions in TOPICS.items():
            create_topic(Cluster(node.admin), topic, partitions)
        for user in USERS:
            node.allow(user)
        yield node
    finally:
        process.kill()
        process.wait()


def test_each_user_may_do_its_work_and_nothing_else(tmp_path: Path) -> None:
    with secured_kafka(tmp_path) as kafka:
        denied = "Not authorized to access"
        assert denied not in kafka.write("fluent-bit", "logs")
        assert denied in kafka.write("fluent-bit", "logs-dead-letter")

        assert '{"log":"x"}' in kafka.read("logs-handler", "logs", "logs-handler")
        assert denied in kafka.write("logs-handler", "logs")
        assert denied not in kafka.write("logs-handler", "logs-dead-letter")
        assert denied not in kafka.write("logs-handler", "alerts")
        assert '{"log":"x"}' in kafka.read("logs-handler", "logs-dead-letter", "replay")
        assert "GroupAuthorization" in kafka.groups("fluent-bit", "--describe", "--group", "replay")

        assert "Processed a total of 0" in kafka.read("logs-operator", "logs-dead-letter", "replay")
        assert denied not in kafka.write("logs-operator", "logs")
        assert "LAG" in kafka.groups("logs-operator", "--describe", "--group", "logs-handler")
        reset = ("--topic", "logs-dead-letter", "--reset-offsets", "--to-earliest", "--execute")
        assert "NEW-OFFSET" in kafka.groups("logs-operator", "--group", "replay", *reset)

        deleted = kafka.groups("logs-handler", "--delete", "--group", "logs-handler")
        assert "successful" in deleted, "as Knative does with a KafkaSource that is deleted"
