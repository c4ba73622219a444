"""KafkaSource as the sender: its pace, its retries, and what its manifest says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.kafkasource.retry import Delivery
from tuning import kafka_source, simulate, traffic
from tuning.curve import Curve
from tuning.kafka_source import KafkaSource, SourceError
from tuning.knative_settings import KnativeSettings
from tuning.results import Results
from tuning.simulate import Scenario

ROOT = Path(__file__).resolve().parent.parent
PLENTY = KnativeSettings(container_concurrency=0, min_scale=1, burst_capacity=0)
DEFAULT = Delivery(retry=10, backoff_policy="exponential", backoff_delay=0.3, timeout=600)


def run(source: KafkaSource, records: int, takes: float) -> Results:
    """Records that are all there at the beginning, and a Service that is never full."""
    arrivals = traffic.at([1.0] * records, "a backlog", 60)
    return simulate.run(PLENTY, Scenario(arrivals, Curve(takes), source))


def most_under_way(results: Results) -> float:
    """Requests in the system at the busiest second; never more than the dispatcher sends."""
    return max(sample.concurrency for sample in results.samples)


def test_in_order_one_client_gets_fifty_records_every_200_ms() -> None:
    """250 a second at most, however fast the Service: OrderedConsumerVerticle.java."""
    results = run(KafkaSource("ordered", partitions=100), 1000, 0.001)
    assert results.percentile(1) == pytest.approx(1000 / 250, abs=0.3)


def test_in_order_two_clients_get_twice_as_many() -> None:
    results = run(KafkaSource("ordered", partitions=100, consumers=2), 1000, 0.001)
    assert results.percentile(1) == pytest.approx(1000 / 500, abs=0.3)


def test_in_order_a_partition_has_one_record_under_way() -> None:
    results = run(KafkaSource("ordered", partitions=3), 120, 0.5)
    assert most_under_way(results) <= 3
    assert results.percentile(1) >= 120 / 3 * 0.5 * 0.95


def test_out_of_order_one_client_has_up_to_ninety_nine_records_under_way() -> None:
    results = run(KafkaSource("unordered"), 2000, 1.0)
    assert 50 <= most_under_way(results) <= 99


def test_what_fails_is_sent_again_after_its_delay() -> None:
    """One slot and ten places to wait: the others of thirty come again after 0.6 s, 1.2 s, ..."""
    settings = KnativeSettings(container_concurrency=1, min_scale=1, max_scale=1, burst_capacity=0)
    source = KafkaSource("unordered", delivery=DEFAULT)
    arrivals = traffic.at([1.0] * 30, "thirty", 60)
    results = simulate.run(settings, Scenario(arrivals, Curve(0.2), source))
    assert (len(results.latencies), results.lost) == (30, 0)
    assert results.statuses[503] >= 19
    assert results.failed[18] == 1.0
    assert results.failed[19] == pytest.approx(1.6)


def test_what_still_fails_after_the_last_retry_is_lost() -> None:
    settings = KnativeSettings(container_concurrency=1, min_scale=1, max_scale=1, burst_capacity=0)
    source = KafkaSource("unordered", delivery=Delivery(retry=0, timeout=600))
    arrivals = traffic.at([1.0] * 30, "thirty", 60)
    results = simulate.run(settings, Scenario(arrivals, Curve(0.2), source))
    assert (len(results.latencies), results.lost) == (11, 19)


def test_an_attempt_that_takes_too_long_is_given_up_and_the_record_sent_again() -> None:
    source = KafkaSource("unordered", delivery=Delivery(retry=1, backoff_delay=0.1, timeout=2))
    results = run(source, 1, 5.0)
    assert results.statuses == {200: 2}  # both come too late for anybody to hear
    assert (len(results.latencies), results.lost) == (0, 1)


def test_this_projects_source_can_be_read() -> None:
    path = ROOT / "eventing" / "kafkasource.yaml"
    source = kafka_source.load(path, 10, 1)
    delivery = yaml.safe_load(path.read_text())["spec"]["delivery"]
    assert source.ordering == "unordered"
    assert source.delivery.retry == delivery["retry"]
    assert f"PT{source.delivery.timeout:g}S" == delivery["timeout"]
    assert f"PT{source.delivery.backoff_delay:g}S" == delivery["backoffDelay"]
    assert source.delivery.backoff_policy == delivery["backoffPolicy"]
    assert Delivery().retry == source.delivery.retry, (
        "the emulator's own values are the shipped ones"
    )
    assert Delivery().delay(3) == source.delivery.delay(3)


@pytest.mark.parametrize(
    ("delivery", "read"),
    [
        (None, DEFAULT),
        (
            {"retry": 5},
            Delivery(retry=5, backoff_policy="exponential", backoff_delay=0.2, timeout=600),
        ),
        ({"timeout": "PT1M30S"}, Delivery(0, "exponential", backoff_delay=0.2, timeout=90)),
        (
            {"backoffDelay": "PT1S", "backoffPolicy": "linear"},
            Delivery(retry=0, backoff_policy="linear", backoff_delay=1, timeout=600),
        ),
    ],
)
def test_any_delivery_setting_replaces_all_the_built_in_ones(
    tmp_path: Path, delivery: dict[str, Any] | None, read: Delivery
) -> None:
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump({"kind": "KafkaSource", "spec": {"delivery": delivery}}))
    found = kafka_source.load(path, 3, 1).delivery
    assert (found.retry, found.timeout) == (read.retry, read.timeout)
    assert [found.delay(n) for n in (1, 2, 5)] == [read.delay(n) for n in (1, 2, 5)]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"ordering": "any"}, "spec.ordering is any: it must be ordered or unordered"),
        ({"delivery": {"retry": "5"}}, "spec.delivery.retry is '5': it must be a whole number"),
        ({"delivery": {"timeout": "30s"}}, "spec.delivery.timeout is 30s: want an ISO 8601"),
        ({"delivery": {"timeout": "PT"}}, "spec.delivery.timeout is PT: want an ISO 8601"),
        ({"delivery": {"backoffPolicy": "no"}}, "spec.delivery.backoffPolicy is no"),
        ({"delivery": {"backoffDelay": "PT0S", "retry": 1}}, "does not retry at all"),
    ],
)
def test_a_source_that_cannot_be_used_names_the_field(
    tmp_path: Path, spec: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump({"kind": "KafkaSource", "spec": spec}))
    with pytest.raises(SourceError, match=r"source\.yaml: ") as caught:
        kafka_source.load(path, 3, 1)
    assert problem in str(caught.value)


def test_more_dispatchers_than_partitions_are_refused() -> None:
    with pytest.raises(SourceError, match="5 dispatcher pods and 3 partitions"):
        KafkaSource(partitions=3, consumers=5)
