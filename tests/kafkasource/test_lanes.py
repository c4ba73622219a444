"""How many records are under way at once, and in which order."""

from __future__ import annotations

import collections
import threading

from local.broker import EmbeddedBroker
from tests.kafkasource.begin import Begin, put
from tests.kafkasource.raw_sink import WAIT, Captured, SinkOf


def test_in_order_a_record_that_is_retried_holds_back_those_behind_it(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    for partition in (0, 1):
        put(broker.cluster, topic, 20, partition)
    failures = collections.Counter[tuple[int, int]]()

    def fails_twice_at_every_fifth(request: Captured) -> int:
        failures[request.place] += 1
        return 503 if request.place[1] % 5 == 0 and failures[request.place] < 3 else 204

    server = sink_of(fails_twice_at_every_fifth)
    source = begin(server.url, ordering="ordered")
    assert source.wait_until_caught_up(WAIT)
    expected = [offset for n in range(20) for offset in [n] * (3 if n % 5 == 0 else 1)]
    for partition in (0, 1):
        offsets = [each.place[1] for each in server.requests if each.place[0] == partition]
        assert offsets == expected


def test_in_order_one_record_of_a_partition_is_under_way_and_partitions_do_not_wait_for_each_other(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    for partition in (0, 1):
        put(broker.cluster, topic, 3, partition)
    free = threading.Event()
    server = sink_of(lambda _: 204 if free.wait(WAIT) else 500)
    source = begin(server.url, ordering="ordered")
    assert {each.place for each in server.wait_for(2)} == {(0, 0), (1, 0)}
    assert source.figures().in_flight == 2
    free.set()
    assert source.wait_until_caught_up(WAIT)
    assert source.figures().delivered == 6


def test_out_of_order_at_most_99_records_are_under_way(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    for partition in range(4):
        put(broker.cluster, topic, 100, partition)
    free = threading.Event()
    server = sink_of(lambda _: 204 if free.wait(WAIT) else 500)
    source = begin(server.url)
    server.wait_for(50)
    under_way = source.figures().in_flight
    free.set()
    assert source.wait_until_caught_up(WAIT)
    assert 50 <= under_way <= 99
    assert source.figures().delivered == 400
