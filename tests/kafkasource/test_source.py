"""A source begins, stops, is killed, and loses nothing."""

from __future__ import annotations

import collections
import threading
import time

import pytest

from local.broker import EmbeddedBroker
from local.kafka_clients import Cluster, KafkaError, create_topic, produce
from local.source import main
from tests.e2e.real_kafka import FORGETS_SOCKETS, kafka
from tests.kafkasource.begin import Begin, committed, put
from tests.kafkasource.raw_sink import WAIT, Captured, SinkOf


def test_only_the_contiguous_prefix_is_committed(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 5)
    stuck = threading.Event()

    def stuck_at_2(request: Captured) -> int:
        if request.place[1] == 2:
            stuck.wait(WAIT)
        return 204

    server = sink_of(stuck_at_2)
    done = threading.Semaphore(0)
    source = begin(server.url, on_finished=lambda _: done.release())
    assert all(done.acquire(timeout=WAIT) for _ in range(4))
    source.stop(grace=0)  # gives up on the one that is stuck
    stuck.set()
    assert source.figures().delivered == 4
    assert committed(broker.cluster, topic, topic) == 2


def test_a_stop_waits_for_what_is_under_way_and_a_new_source_goes_on_behind_it(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 2)
    arrived, leave = threading.Event(), threading.Event()

    def slow(_: Captured) -> int:
        arrived.set()
        leave.wait(WAIT)
        return 204

    server = sink_of(slow)
    source = begin(server.url)
    assert arrived.wait(WAIT)
    stopping = threading.Thread(target=source.stop)
    stopping.start()
    leave.set()
    stopping.join()
    assert committed(broker.cluster, topic, topic) == source.figures().delivered
    put(broker.cluster, topic, 1)
    resumed = begin(server.url)
    assert resumed.wait_until_caught_up(WAIT)
    assert sorted(each.place[1] for each in server.requests) == [0, 1, 2]


def test_after_a_kill_everything_since_the_last_commit_is_delivered_again_with_the_same_ids(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 3)
    server = sink_of(lambda _: 204)
    first = begin(server.url)
    assert first.wait_until_caught_up(WAIT)
    first.abort()
    assert committed(broker.cluster, topic, topic) is None
    second = begin(server.url)
    assert second.wait_until_caught_up(WAIT)
    ids = collections.Counter(each.headers["ce-id"] for each in server.requests)
    assert ids == {f"partition:0/offset:{n}": 2 for n in range(3)}


def test_a_kill_cuts_off_requests_and_back_off_at_once(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 2)
    silent = threading.Event()

    def answer(request: Captured) -> int:
        if request.place[1] == 0:
            silent.wait(WAIT)
        return 503

    server = sink_of(answer)
    source = begin(server.url, backoff_delay=WAIT)
    server.wait_for(2)
    began = time.monotonic()
    source.abort()
    silent.set()
    assert time.monotonic() - began < WAIT / 3
    assert source.figures().finished == 0


def test_latest_skips_what_is_there_already_and_says_so_to_the_group(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 3)
    server = sink_of(lambda _: 204)
    source = begin(server.url, initial_offset="latest")
    assert source.wait_until_caught_up(WAIT)
    assert committed(broker.cluster, topic, topic) == 3
    put(broker.cluster, topic, 1)
    assert [each.place for each in server.wait_for(1)] == [(0, 3)]


def test_a_source_waits_for_its_topic_to_exist(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    server = sink_of(lambda _: 204)
    begin(server.url)
    put(broker.cluster, topic, 1)
    assert server.wait_for(1)[0].body == b"0"


def test_the_command_line_runs_until_it_has_caught_up(
    broker: EmbeddedBroker, topic: str, sink_of: SinkOf, capsys: pytest.CaptureFixture[str]
) -> None:
    put(broker.cluster, topic, 3)
    server = sink_of(lambda _: 204)
    arguments = ["--bootstrap-servers", broker.bootstrap_servers, "--embedded"]
    main([*arguments, "--topic", topic, "--sink", server.url, "--until-caught-up"])
    assert capsys.readouterr().out.startswith("3 read, 3 delivered, 0 dead-lettered")
    assert committed(broker.cluster, topic, "logs-handler") == 3


@FORGETS_SOCKETS
@pytest.mark.usefixtures("forgotten_sockets")
def test_a_client_that_finds_no_kafka_leaves_no_thread_behind() -> None:
    nowhere = Cluster("127.0.0.1:1")
    before = threading.active_count()
    for make in (nowhere.consumer, nowhere.producer):
        with pytest.raises(KafkaError):
            make(bootstrap_timeout_ms=1)
    assert threading.active_count() == before


@FORGETS_SOCKETS
@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.real("kafka")
def test_with_a_real_kafka_every_record_arrives_once_also_over_a_restart_of_the_broker(
    sink_of: SinkOf,
) -> None:
    server = sink_of(lambda _: 204)
    with kafka() as node:
        create_topic(node.cluster, "logs", partitions=3)
        assert produce(node.cluster, "logs", [b"%d" % n for n in range(200)]) == 200
        begin = Begin(node.cluster, "logs")
        first = begin(server.url)
        assert first.wait_until_caught_up(WAIT)
        first.stop()
        assert sum(committed(node.cluster, "logs", "logs", n) or 0 for n in range(3)) == 200
        second = begin(server.url)
        assert second.wait_until_caught_up(WAIT)
        node.restart()
        assert produce(node.cluster, "logs", [b"%d" % n for n in range(200, 250)]) == 50
        bodies = [each.body for each in server.wait_for(250)]
        second.stop()
        assert sum(committed(node.cluster, "logs", "logs", n) or 0 for n in range(3)) == 250
    assert sorted(map(int, bodies)) == [*range(250)]
