"""From the autoscaler's wish to a number of replicas: bounds, and the way to zero and back.

Mirrors ``pkg/reconciler/autoscaling/kpa/scaler.go`` (scale, applyBounds, handleScaleToZero) and
``kpa.go`` (the mode of the ServerlessService, computeActiveCondition) of knative/serving.
"""

from __future__ import annotations

import math
from enum import Enum

from tuning.knative_settings import KnativeSettings

_GIVES_UP_AFTER = 600.0 + 30.0  # scaler.go: the progress deadline and a buffer, seconds
UNKNOWN = -1  # scaler.go, scaleUnknown


class Active(Enum):
    """The PodAutoscaler's condition Active."""

    YES = "True"
    NO = "False"
    STARTING = "Unknown"


class Reconciler:
    """Remembers since when the revision is active or not, and behind the activator or not.

    A ``new`` revision has to reach its initial scale first; one that is not stands as it would
    after a long time without a request.
    """

    def __init__(self, settings: KnativeSettings, *, new: bool) -> None:
        self._settings = settings
        initial = settings.initial_scale if new else 0
        self._initial = initial if initial > 1 else 0  # until it is attained, as a second min-scale
        self._since = 0.0 if new else -math.inf
        self.replicas = max(self._bounded(0), initial)
        at_rest = Active.YES if self.replicas else Active.NO
        self.active = Active.STARTING if new else at_rest
        # Before the first decision: scaling/multiscaler.go, createScaler.
        tbc = settings.burst_capacity
        self.proxied = self.replicas == 0 or tbc == -1 or 0 < settings.total < tbc
        self._proxied_since = self._since if self.proxied else math.inf

    def reconcile(self, now: float, desired: int, excess_burst_capacity: int, ready: int) -> None:
        """Take in the newest decision; afterwards ``replicas`` and ``proxied`` hold."""
        if self._initial and ready >= max(self._initial, self._settings.min_scale):
            self._initial = 0  # attained once, it no longer counts
        want = self._want(now, desired)
        inactive = self.active is Active.NO
        self._set_proxied(
            now, want == 0 or excess_burst_capacity < 0 or (want == UNKNOWN and inactive)
        )
        self._set_active(now, want, ready)

    def _want(self, now: float, desired: int) -> int:
        if desired == UNKNOWN and self.active is not Active.STARTING:
            return UNKNOWN
        bounded = self._bounded(desired)
        if bounded == 0:
            return self._towards_zero(now)
        self.replicas = bounded
        return bounded

    def _bounded(self, desired: int) -> int:
        low, high = max(self._settings.min_scale, self._initial), self._settings.max_scale
        if desired < low:
            return low
        return min(desired, high) if high else max(desired, 0)

    def _towards_zero(self, now: float) -> int:
        settings = self._settings
        if not settings.scale_to_zero:
            self.replicas = 1
            return 1
        lasted = now - self._since
        if self.active is Active.STARTING:
            if lasted < _GIVES_UP_AFTER:
                return UNKNOWN
            self.replicas = 0
        elif self.active is Active.YES:
            if lasted < settings.window_s:
                self.replicas = 1
                return 1
        elif self._may_drop_last_pod(now, lasted):
            self.replicas = 0
        return 0

    def _may_drop_last_pod(self, now: float, inactive_for: float) -> bool:
        grace, retention = self._settings.grace_s, self._settings.retention_s
        if not self.proxied or inactive_for < retention:
            return False
        return inactive_for >= grace or now - self._proxied_since >= grace

    def _set_proxied(self, now: float, proxied: bool) -> None:
        if proxied and not self.proxied:
            self._proxied_since = now
        self.proxied = proxied

    def _set_active(self, now: float, want: int, ready: int) -> None:
        least = max(1, self._settings.min_scale, self._initial)
        before = self.active
        if want == 0:
            self.active = Active.NO
        elif want > 0 or before is not Active.NO:
            self.active = Active.YES if ready >= least else Active.STARTING
        if self.active is not before:
            self._since = now
