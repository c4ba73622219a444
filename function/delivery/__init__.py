"""Alerts on their way to receivers: ``Delivery.submit(…)``.

routing.py: all receivers of an alert, and all members of a cluster. parcel.py: the alerts of one
request. queue.py: what waits for one address. senders.py: who posts it. post.py: one POST.
"""

from __future__ import annotations

from function.delivery.limits import Limits
from function.delivery.routing import Delivery

__all__ = ["Delivery", "Limits"]
