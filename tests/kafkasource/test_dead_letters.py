"""What a sink refuses is in the dead letter topic, with the reason."""

from __future__ import annotations

import base64
import os
import signal

import pytest

from local.broker import EmbeddedBroker
from local.kafka_clients import Cluster, read_to_end
from local.kafkasource.dead_letters import DeadLetters, with_error
from local.kafkasource.event import Event
from local.kafkasource.sink import Answer, TransportError
from tests import servers
from tests.kafkasource.begin import Begin, committed, put
from tests.kafkasource.raw_sink import MAPPER, TIME, WAIT, SinkOf


def test_a_dead_letter_says_where_and_why_and_holds_the_event() -> None:
    event = Event({"id": "1"}, {"a": "b"}, b"data")
    answer = Answer(422, (("Kne-Reason", "r"), ("kne-a-b", "left out"), ("x", "y")), b"z" * 2000)
    assert with_error(event, "http://sink/", answer).extensions == {
        "a": "b",
        "knativeerrordest": "http://sink/",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(b"z" * 1024).decode(),
        "reason": "r",
    }


def test_without_an_answer_a_dead_letter_only_says_where() -> None:
    extensions = with_error(Event({"id": "1"}, {}), "http://sink/", None).extensions
    assert extensions == {"knativeerrordest": "http://sink/"}


def test_a_refused_record_is_in_the_dead_letter_topic_as_a_binary_cloudevent(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    problem = b'{"title":"no"}'
    server = sink_of(lambda _: b"HTTP/1.1 400 x\r\ncontent-length: 14\r\n\r\n" + problem)
    producer = broker.cluster.producer()
    content_type = ("content-type", b"application/json")
    producer.send(topic, b"{", b"key", [content_type], partition=1, timestamp_ms=TIME)
    producer.close()
    source = begin(server.url, dead_letter_topic=f"{topic}-dead")
    assert source.wait_until_caught_up(WAIT)
    source.stop()
    (letter,) = read_to_end(broker.cluster, f"{topic}-dead")
    assert (letter.key, letter.value) == (b"key", b"{")
    assert letter.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"partition:1/offset:0"),
        ("ce_source", f"/apis/v1/namespaces/default/kafkasources/logs#{topic}".encode()),
        ("ce_type", b"dev.knative.kafka.event"),
        ("content-type", b"application/json"),
        ("ce_subject", b"partition:1#0"),
        ("ce_time", b"2026-08-07T10:15:30.123Z"),
        ("ce_key", b"key"),
        ("ce_partitionkey", b"key"),
        ("ce_knativekafkapartition", b"1"),
        ("ce_knativekafkaoffset", b"0"),
        ("ce_knativeerrordest", server.url.encode()),
        ("ce_knativeerrorcode", b"400"),
        ("ce_knativeerrordata", base64.b64encode(problem)),
    )
    assert source.figures().dead_lettered == 1
    assert committed(broker.cluster, topic, topic, 1) == 1


def test_a_dead_letter_of_text_that_is_no_unicode_has_a_question_mark_as_javas_would(
    broker: EmbeddedBroker, topic: str
) -> None:
    letters = DeadLetters(broker.cluster, topic)
    assert letters.write(Event({"id": "\ud800"}, {"partitionkey": "é\udfff"})).status == 202
    letters.close(wait=WAIT)
    (letter,) = read_to_end(broker.cluster, topic)
    assert (letter.key, letter.value) == ("é?".encode(), b"")
    assert letter.headers[0] == ("ce_id", b"?")


def test_who_closes_without_waiting_hears_nothing_of_what_is_not_written(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.broker() as (process, address):
        letters = DeadLetters(Cluster(address, embedded=True), topic)
        assert letters.write(Event({"id": "1"}, {})).status == 202
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # until it has stopped
        monkeypatch.setattr("local.kafkasource.dead_letters._WAIT", 0.1)
        with pytest.raises(TransportError):  # and the record is under way
            letters.write(Event({"id": "2"}, {}))
        letters.close(wait=0)


def test_a_dead_letter_can_be_read_by_a_source_again(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 1)
    refusing = begin(sink_of(lambda _: 415).url, dead_letter_topic=f"{topic}-dead")
    assert refusing.wait_until_caught_up(WAIT)
    refusing.stop()
    (letter,) = read_to_end(broker.cluster, f"{topic}-dead")
    again = MAPPER.event(letter)
    assert again.attributes["id"] == "partition:0/offset:0"
    assert again.extensions["knativeerrorcode"] == "415"


def test_without_a_dead_letter_topic_a_refused_record_is_dropped_and_committed(
    broker: EmbeddedBroker, topic: str, begin: Begin, sink_of: SinkOf
) -> None:
    put(broker.cluster, topic, 3)
    source = begin(sink_of(lambda _: 400).url)
    assert source.wait_until_caught_up(WAIT)
    source.stop()
    figures = source.figures()
    assert (figures.read, figures.dropped, figures.attempts) == (3, 3, {400: 3})
    assert committed(broker.cluster, topic, topic) == 3
