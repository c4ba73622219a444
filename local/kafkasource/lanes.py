"""When Kafka is polled, how many records are under way at once, and in which order.

Mirrors KafkaSource's `ordering`: eventing-kafka-broker OrderedConsumerVerticle.java with
OrderedAsyncExecutor.java, and UnorderedConsumerVerticle.java.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from local.kafkasource.event import Event
from local.kafkasource.partitions import POLL_SIZE, Partitions
from local.record import Record

log = logging.getLogger(__name__)

Item = tuple[Record, Event | None]
Work = Callable[[Item], None]

TICK = 0.2  # seconds between two polls in order
_WAIT = 0.1  # seconds that a poll out of order waits, for room and then for a record


class Lanes(Protocol):
    """Polls at its own pace, and works on what came in threads of its own."""

    def poll(self, partitions: Partitions) -> list[Record]:
        """Waits a moment and returns the records for which there is room, often none."""

    def put(self, items: Iterable[Item]) -> None:
        """Takes the events of the records that `poll` returned."""

    def close(self) -> None:
        """Waits for what is under way, begins nothing more, and forgets what has not begun."""


class Unordered:
    """Works on everything at once; polls while less is under way than one poll may bring."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._under_way = 0
        self._room = threading.Condition()
        self._pool = ThreadPoolExecutor(2 * POLL_SIZE - 1, thread_name_prefix="unordered")

    def poll(self, partitions: Partitions) -> list[Record]:
        """Polls at once if there is room."""
        with self._room:
            if not self._room.wait_for(lambda: self._under_way < POLL_SIZE, _WAIT):
                return []
        return partitions.poll(_WAIT)

    def put(self, items: Iterable[Item]) -> None:
        """Begins all of them."""
        for item in items:
            with self._room:
                self._under_way += 1
            self._pool.submit(self._work, item).add_done_callback(self._done)

    def close(self) -> None:
        """Waits for what is under way."""
        self._pool.shutdown(wait=True)

    def _done(self, future: Future[None]) -> None:
        with self._room:
            self._under_way -= 1
            self._room.notify_all()
        _report(future)


@dataclass(slots=True)
class _Lane:
    waiting: deque[Item] = field(default_factory=deque)
    running: bool = False


class Ordered:
    """Works on one record of a partition at a time, first come first served, its retries included.

    Polls at every tick, and only the partitions in which nothing waits.
    """

    def __init__(self, work: Work, partitions: Iterable[int]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._closed = False
        self._next_tick = time.monotonic()
        self._lanes = {number: _Lane() for number in partitions}
        self._pool = ThreadPoolExecutor(len(self._lanes), thread_name_prefix="ordered")

    def poll(self, partitions: Partitions) -> list[Record]:
        """Waits for the next tick, then takes what has already come from Kafka."""
        time.sleep(max(0.0, self._next_tick - time.monotonic()))
        self._next_tick = time.monotonic() + TICK
        with self._lock:
            empty = [number for number, lane in self._lanes.items() if not lane.waiting]
        return partitions.poll(0, only=empty) if empty else []

    def put(self, items: Iterable[Item]) -> None:
        """Queues each record in its partition."""
        with self._lock:
            for item in items:
                lane = self._lanes[item[0].partition]
                lane.waiting.append(item)
                if not lane.running:
                    lane.running = True
                    self._pool.submit(self._drain, lane).add_done_callback(_report)

    def close(self) -> None:
        """Forgets what waits, and waits for what is under way."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True)

    def _drain(self, lane: _Lane) -> None:
        while item := self._next(lane):
            self._work(item)

    def _next(self, lane: _Lane) -> Item | None:
        with self._lock:
            lane.running = bool(lane.waiting) and not self._closed
            return lane.waiting.popleft() if lane.running else None


def _report(future: Future[None]) -> None:
    """Says what would otherwise vanish in the pool: an error of the work itself."""
    if error := future.exception():
        log.error("a record was left unfinished", exc_info=error)
