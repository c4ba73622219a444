"""The clock: requests, pods and Knative's controllers as events in the order of time.

A request's way is the sender → the activator or the gateway → a pod's queue-proxy → the function.
Two simplifications: what a request takes is settled when it starts, by the requests in its pod at
that moment; and a change of path (activator in or out) or of a pod's readiness is known everywhere
at once.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any, Protocol

from tuning.activator import Activator, Gateway
from tuning.autoscaler import TICK_S, Autoscaler
from tuning.collector import SCRAPE_S, Collector
from tuning.curve import Curve
from tuning.knative_settings import KnativeSettings
from tuning.pod import Pod, Request
from tuning.reconciler import UNKNOWN, Reconciler
from tuning.results import Recorder, Sample

_LATENCIES = 1024  # of the curve that are worked out beforehand; one pod takes no more at once


class Sender(Protocol):
    """Whoever sends requests: open traffic, clients that wait for an answer, or KafkaSource."""

    def arrivals(self) -> Iterator[float]:
        """The moments at which ``arrive`` is to be called."""

    def arrive(self, now: float) -> None:
        """One of these moments has come."""

    def answered(self, request: Request, status: int, now: float) -> None:
        """A request has its answer."""

    @property
    def waiting(self) -> int:
        """Records that are not being sent just now."""

    @property
    def unfinished(self) -> int:
        """What has arrived and has come to no end yet, good or bad."""


class Engine:
    """One revision, one simulated run."""

    def __init__(
        self,
        settings: KnativeSettings,
        curve: Curve,
        *,
        pod_start_s: float,
        new: bool,
        random: Random,
    ) -> None:
        self.now = 0.0
        self.recorder = Recorder()
        self._settings = settings
        self._latency = [curve.latency(max(1, n)) for n in range(_LATENCIES)]
        self._curve = curve
        self._pod_start = pod_start_s
        self._events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = count()
        self._pods: list[Pod] = []
        self._ready: list[Pod] = []
        self._activator = Activator(settings.container_concurrency, random)
        self._gateway = Gateway()
        self._collector = Collector(settings)
        self._reconciler = Reconciler(settings, new=new)
        self._desired = UNKNOWN if new else 0
        self._ebc = -1 if self._reconciler.proxied else 0
        self._seen = (0.0, 0.0)
        self._autoscaler = Autoscaler(settings.scale_spec(), ready_at_start=0)
        self._scale()
        self.recorder.cold_starts = 0  # what stood there before is not due to the traffic
        if not new:
            for pod in self._pods:
                self._pod_is_ready(pod)

    def run(self, sender: Sender, until: float, then_at_most: float) -> None:
        """Run to ``until``, and on while requests wait, but no longer than ``then_at_most``."""
        self._sender = sender
        self.at(SCRAPE_S, self._second, sender)
        arrivals = sender.arrivals()
        arrival = next(arrivals, math.inf)
        events = self._events
        while True:
            if arrival <= events[0][0]:
                self.now = arrival
                sender.arrive(arrival)
                arrival = next(arrivals, math.inf)
                continue
            self.now, _, call, argument = heapq.heappop(events)
            if self.now > until and not sender.unfinished:
                break
            if self.now > until + then_at_most:
                break
            call(argument)
        self.recorder.unanswered = sender.unfinished
        self.recorder.close(until)

    def at(self, t: float, call: Callable[[Any], None], argument: Any) -> None:
        """Have something called at a time."""
        heapq.heappush(self._events, (t, next(self._order), call, argument))

    def send(self, request: Request) -> None:
        """A request leaves its sender."""
        self._collector.come(self.now)
        if not self._reconciler.proxied and self._ready:
            self._to_pod(request, self._gateway.choose(self._ready))
            return
        if self._desired == 0 and not self._ready and self._collector.in_system == 1:
            self._poke()
        if not self._ready:
            self.recorder.cold_requests += 1
        activator = self._activator
        pod = None if activator.waiting or not self._ready else activator.choose(self._ready)
        if pod is not None:
            self._to_pod(request, pod)
        elif activator.is_full:
            self._answer(request, 503)
        else:
            activator.waiting.append(request)

    def _to_pod(self, request: Request, pod: Pod) -> None:
        request.at_pod = self.now
        if pod.has_room:
            self._start(request, pod)
        elif pod.is_full:
            self._answer(request, 503)
        else:
            pod.waiting.append(request)

    def _start(self, request: Request, pod: Pod) -> None:
        pod.running += 1
        request.pod = pod
        busy = pod.running
        takes = self._latency[busy] if busy < _LATENCIES else self._curve.latency(busy)
        ends = self.now + takes
        if ends - request.at_pod > self._settings.timeout_s:
            ends = max(self.now, request.at_pod + self._settings.timeout_s)
        heapq.heappush(self._events, (ends, next(self._order), self._finish, request))

    def _finish(self, request: Request) -> None:
        pod = request.pod
        pod.running -= 1
        if pod.waiting:
            self._start(pod.waiting.popleft(), pod)
        elif self._activator.waiting and pod.ready:
            self._to_pod(self._activator.waiting.popleft(), pod)
        timed_out = self.now - request.at_pod >= self._settings.timeout_s
        self._answer(request, 504 if timed_out else 200)

    def _answer(self, request: Request, status: int) -> None:
        self._collector.leave(self.now)
        self.recorder.answered(status, self.now)
        self._sender.answered(request, status, self.now)

    def _second(self, sender: Sender) -> None:
        concurrency = self._collector.scrape(self.now, len(self._ready))
        if self.now % TICK_S == 0:
            self._tick()
        self._reconcile()
        self._sample(sender, concurrency)
        self.at(self.now + SCRAPE_S, self._second, sender)

    def _poke(self) -> None:
        """The first request does not wait for a tick: scaling/multiscaler.go, Poke."""
        self._collector.tell_first(self.now)
        self._tick()
        self._reconcile()

    def _tick(self) -> None:
        stable, panic = self._collector.averages(self.now)
        self._seen = (stable or 0.0, panic or 0.0)
        decision = self._autoscaler.tick(self.now, len(self._ready), stable, panic)
        if decision.valid:
            self._desired, self._ebc, _ = decision

    def _reconcile(self) -> None:
        self._reconciler.reconcile(self.now, self._desired, self._ebc, len(self._ready))
        self._scale()

    def _scale(self) -> None:
        """Have as many pods as there are replicas; the newest, and those not ready, go first."""
        replicas, pods = self._reconciler.replicas, self._pods
        self.recorder.cold_starts += not pods and replicas > 0
        for _ in range(len(pods), replicas):
            pod = Pod(self.now, self._settings.container_concurrency)
            pods.append(pod)
            self.recorder.pods.append(pod)
            self.at(self.now + self._pod_start, self._pod_is_ready, pod)
        if len(pods) > replicas:
            pods.sort(key=lambda pod: not pod.ready)
            for pod in pods[replicas:]:
                pod.delete(self.now, self._settings.timeout_s)
            del pods[replicas:]
            self._ready = [pod for pod in pods if pod.ready]

    def _pod_is_ready(self, pod: Pod) -> None:
        if pod.ready or pod.gone is not None:
            return
        pod.ready = True
        self._ready.append(pod)
        waiting = self._activator.waiting
        while waiting and pod.has_room:
            self._to_pod(waiting.popleft(), pod)

    def _sample(self, sender: Sender, concurrency: float) -> None:
        in_activator = len(self._activator.waiting)
        self.recorder.samples.append(
            Sample(
                t=self.now,
                pods=len(self._pods),
                ready=len(self._ready),
                desired=max(0, self._desired),
                concurrency=concurrency,
                stable=self._seen[0],
                panic=self._seen[1],
                queued=in_activator + sum(len(pod.waiting) for pod in self._pods),
                backlog=sender.waiting,
                panicking=self._autoscaler.panicking,
                proxied=self._reconciler.proxied,
            )
        )
