"""The whole way on one machine: Kafka, KafkaSource, the function and a receiver.

Replays log records that Fluent Bit really wrote, shows the alerts as they arrive, and says at the
end whether they are exactly the ones that the records call for. Exit status: 0 if they are, 1 if
not, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from local import sample
from local.broker import EmbeddedBroker
from local.display import Display
from local.inbox import MODES, Inbox
from local.kafka_clients import Cluster, KafkaError, create_topic, produce
from local.kafkasource.config import SourceConfig
from local.kafkasource.figures import Figures
from local.kafkasource.retry import Delivery
from local.procfile import Function
from local.receivers.http_messages import Alert
from local.sample import Expected
from local.source import KafkaSource

CAUGHT_UP_WITHIN = 120.0  # seconds
_KAFKA_ANSWERS_WITHIN = 5_000  # milliseconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo and returns its exit status."""
    options = _parser().parse_args(arguments)
    logging.getLogger("kafka").setLevel("CRITICAL")  # what matters of it, we say ourselves
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _cluster(options.bootstrap_servers) as cluster:
            return _run(options, cluster)
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    except (KafkaError, OSError, RuntimeError, TimeoutError) as error:
        print(f"the demo cannot run: {error}", file=sys.stderr)
        return 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    add = parser.add_argument
    add("--bootstrap-servers", metavar="HOST:PORT,...", help="a real Kafka, not the embedded one")
    add("--receiver", choices=tuple(MODES), default="notification-manager", help="of the alerts")
    add("--port", type=int, default=0, help="of the function; a free one without it")
    add("--inbox-port", type=int, default=0, help="of the receiver; a free one without it")
    return parser


@contextmanager
def _cluster(bootstrap_servers: str | None) -> Iterator[Cluster]:
    if bootstrap_servers:
        cluster = Cluster(bootstrap_servers)
        cluster.consumer(bootstrap_timeout_ms=_KAFKA_ANSWERS_WITHIN).close()
        yield cluster
        return
    with EmbeddedBroker() as broker:
        yield broker.cluster


def _run(options: argparse.Namespace, cluster: Cluster) -> int:
    values = sample.values()
    display = Display(len(values))
    with (
        tempfile.TemporaryDirectory(prefix="logs-handler-") as folder,
        Inbox(options.receiver, options.inbox_port, on_alert=display.alert) as inbox,
        Function(_settings(options.receiver, inbox), Path(folder, "log"), options.port) as function,
    ):
        topic = _topic(cluster)
        display.say(_overview(options, cluster, topic, function, inbox))
        with display:
            figures = _replay(cluster, topic, function, values, display)
        return _report(display, figures, inbox.alerts)


def _topic(cluster: Cluster) -> str:
    """The topic of this run; the embedded broker makes topics by itself when they are named.

    A real Kafka may hold anything under the usual name, so there it is one of our own.
    """
    if cluster.embedded:
        return "logs"
    topic = f"logs-handler-demo-{time.time_ns():x}"
    for name in (topic, _dead_letters(topic)):
        create_topic(cluster, name, partitions=4)
    return topic


def _dead_letters(topic: str) -> str:
    return f"{topic}-dead-letter"


def _settings(receiver: str, inbox: Inbox) -> dict[str, str]:
    """The function's settings: the receiver here, and everything else as it is shipped."""
    return {"RECEIVER": receiver, "RECEIVER_URL": inbox.url, "RULES_FILE": ""}


def _overview(
    options: argparse.Namespace, cluster: Cluster, topic: str, function: Function, inbox: Inbox
) -> str:
    kafka = "embedded" if cluster.embedded else "real"
    return f"""\
Kafka ({kafka})        {cluster.bootstrap_servers}, topic {topic}
KafkaSource (emulated)  unordered, retries as Knative's
function                {function.url} (gunicorn, as the Procfile says)
{options.receiver:<23} {inbox.url}
"""


def _replay(
    cluster: Cluster, topic: str, function: Function, values: Sequence[bytes], display: Display
) -> Figures:
    config = SourceConfig(
        sink=function.url,
        topic=topic,
        consumer_group=topic,
        delivery=Delivery(dead_letter_topic=_dead_letters(topic)),
    )
    produce(cluster, topic, values)
    with KafkaSource(cluster, config, lambda _finished: display.finished_one()) as source:
        if not source.wait_until_caught_up(CAUGHT_UP_WITHIN):
            raise TimeoutError(
                f"not finished after {CAUGHT_UP_WITHIN:.0f} s: {source.figures()}\n"
                f"the function's log ends with:\n{function.log_end()}"
            )
        return source.figures()


def _report(display: Display, figures: Figures, alerts: Sequence[Alert]) -> int:
    """Shows the summary; 0 if exactly the expected alerts arrived."""
    arrived = Counter(_as_expected(alert) for alert in alerts)
    expected = Counter(sample.expected())
    missing, unexpected = expected - arrived, set(arrived) - set(expected)
    refused = figures.attempts.get(422, 0)
    p50, p99 = figures.latency(0.5), figures.latency(0.99)
    display.say(f"""
records read      {figures.read}
matched           {len(arrived) + refused}
alerts delivered  {len(alerts)}
alerts refused    {refused}
dead-lettered     {figures.dead_lettered}
latency           p50 {p50:.3f} s, p99 {p99:.3f} s, from Kafka to the function's 2xx
""")
    for alert in missing:
        display.say(f"MISSING {' '.join(alert)}")
    for alert in unexpected:
        display.say(f"NOT EXPECTED {' '.join(alert)}")
    good = not missing and not unexpected and figures.read == len(sample.values())
    display.verdict(_verdict(len(expected), good, (arrived - expected).total()), good)
    return 0 if good else 1


def _verdict(expected: int, good: bool, duplicates: int) -> str:
    if not good:
        return "these are not the alerts that the records call for"
    twice = f"; {duplicates} of them came more than once" if duplicates else ""
    return f"exactly the {expected} expected alerts arrived{twice}"


def _as_expected(alert: Alert) -> Expected:
    label = alert.labels.get
    second = f"{alert.starts_at[:19]}Z"
    return Expected(label("pod", ""), label("method", ""), label("path", ""), second)


if __name__ == "__main__":
    sys.exit(main())
