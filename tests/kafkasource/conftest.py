"""A sink, a broker, a topic, and sources that end before them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from local.broker import EmbeddedBroker
from tests.kafkasource.begin import Begin
from tests.kafkasource.raw_sink import RawSink, Script, SinkOf


@pytest.fixture
def sink_of() -> Iterator[Callable[[Script], RawSink]]:
    started: list[tuple[RawSink, threading.Thread]] = []

    def start(script: Script) -> RawSink:
        server = RawSink(script)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """A topic of the test's own; the broker is shared."""
    return "".join(each if each.isalnum() else "-" for each in str(request.node.name))


@pytest.fixture
def begin(
    broker: EmbeddedBroker,
    topic: str,
    sink_of: SinkOf,  # noqa: ARG001 - asked for first, so that the sources end before the sinks
) -> Iterator[Begin]:
    starter = Begin(broker.cluster, topic)
    yield starter
    for source in starter.made:
        source.abort()
