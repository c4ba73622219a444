"""The prefix that containerd and CRI-O write before each line of a container."""

from __future__ import annotations

import re

# "2021-08-25T01:54:37.226757612Z stdout F ", left in the line where no parser was set or where it
# failed (Kubernetes, CRI logging format). Its group is the time.
PREFIX = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2}))"
    r" (?:stdout|stderr) [FP] "
)
