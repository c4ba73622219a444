"""The figures add up."""

from __future__ import annotations

from local.broker import EmbeddedBroker
from local.kafkasource.figures import Counters, Finished
from tests.kafkasource.begin import Begin, put
from tests.kafkasource.raw_sink import WAIT, Captured, SinkOf


def test_without_records_there_is_no_latency() -> None:
    figures = Counters().snapshot()
    assert figures.latency(0.5) != figures.latency(0.5)  # NaN
    assert str(figures).startswith("0 read, 0 delivered")


def test_the_figures_add_up(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 10)
    script = iter([503, None])

    def answer(_: Captured) -> int | None:
        return next(script, 200)

    finished: list[Finished] = []
    source = begin(sink_of(answer).url, ordering="ordered", on_finished=finished.append)
    assert source.wait_until_caught_up(WAIT)
    figures = source.figures()
    assert (figures.read, figures.delivered, figures.finished) == (10, 10, 10)
    assert (figures.attempts, figures.unanswered, figures.in_flight) == ({503: 1, 200: 10}, 1, 0)
    assert sorted(figures.latencies) == sorted(each.seconds for each in finished)
    assert 0 < figures.latency(0.5) <= figures.latency(0.99) == max(figures.latencies)
