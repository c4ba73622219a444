"""Those of the changes by hand that are made in ``function/delivery/``."""

from __future__ import annotations

from collections.abc import Mapping

# By file: what is broken, the old text and the new one.
Changes = Mapping[str, tuple[tuple[str, str, str], ...]]

DELIVERY: Changes = {
    "function/delivery/senders.py": (
        (
            "a POST may outlast its request's deadline",
            "min(start + self._limits.post_timeout, deadline)",
            "start + self._limits.post_timeout",
        ),
        (
            "after a bug of ours nobody hears of the alerts that met it",
            "self.queue.settle([item], error)",
            "pass",
        ),
        (
            "alerts wait though no thread can be started for them",
            "if not self._threads:",
            "if self._threads:",
        ),
        (
            "one refused alert has its whole batch refused",
            "return isinstance(outcome, Refused)",
            "return False",
        ),
        (
            "the whole URL is an address, which logs and answers name",
            "return f\"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}\"",
            'return f"{host}:{parts.port}{parts.path}"',
        ),
    ),
    "function/delivery/queue.py": (
        (
            "the number of POSTs at a time is not adapted to the receiver",
            "            self._limit.learn(seconds)\n",
            "",
        ),
        (
            "who was woken once is taken for awake for ever",
            "                    self._waking = False\n",
            "                    pass\n",
        ),
        (
            "the end does not wake the senders that wait for their turn",
            "        if self._closed:\n            self._changed.notify_all()\n        elif ",
            "        if ",
        ),
        (
            "a receiver's pause is ignored by who posts",
            "max(self._pause_until, self._copies_at) - time.monotonic()",
            "self._copies_at - time.monotonic()",
        ),
        (
            "any number of requests waits for the end of a pause",
            "if is_waited_for and not parcel.may_wait():",
            "if is_waited_for and not self._items and not parcel.may_wait():",
        ),
        (
            "an alert whose time is over is posted, though its request has given up",
            "if parcel.deadline > now and parcel.is_wanted(index)",
            "if parcel.is_wanted(index)",
        ),
        (
            "a receiver that has been away for long is asked by all at once",
            "if self._health.is_down(now) and (self._items or self._taken):",
            "if self._health.is_down(now) and self._items:",
        ),
    ),
    "function/delivery/parcel.py": (
        (
            "an alert is accepted only when the slowest member has it",
            "        if isinstance(result, Accepted):\n            self._failures",
            "        failed = len(self._failures.get(index, ()))\n"
            "        if isinstance(result, Accepted) and failed == len(self._members) - 1:\n"
            "            self._failures",
        ),
        (
            "a copy for a member that failed is not tried again",
            "may_try = isinstance(result, Unavailable)",
            "may_try = False",
        ),
        (
            "a member gets copies of what will come again",
            "return self._decisions.get(index, True)",
            "return True",
        ),
        (
            "what one member refuses is refused, though another one may still take it",
            "        return 0\n    return 2 if isinstance(result, Refused) else 1",
            "        return 2\n    return 0 if isinstance(result, Refused) else 1",
        ),
        (
            "a request keeps its place where a bug of ours was its end",
            "if self._has_place and not self._open:",
            "if self._has_place and not self._open and not isinstance(result, Exception):",
        ),
    ),
    "function/delivery/connection.py": (
        (
            "each address of a name has the whole time",
            "opened.settimeout(deadline.left() / (len(addresses) - number))",
            "opened.settimeout(5)",
        ),
        (
            "an interim answer is taken for the answer",
            "if not 100 <= status < 200:",
            "if status != 100:",
        ),
        (
            "every POST asks a dead name server again",
            "if lookup is None:",
            "if lookup is None or not lookup.done():",
        ),
        (
            "an answer may drip for ever",
            "        self._socket.settimeout(self._deadline.left())\n        return",
            "        return",
        ),
    ),
    "function/delivery/post.py": (
        (
            "a thousand times as much is read of an answer",
            "ANSWER_LIMIT = 64 * 1024 ",
            "ANSWER_LIMIT = 64 * 1024 * 1024 ",
        ),
        (
            "secrets that a receiver repeats are passed on",
            "response.headers, body, is_cut, self._hide)",
            "response.headers, body, is_cut)",
        ),
        (
            "the password of a .netrc goes to the receiver",
            "session.trust_env = False",
            "session.trust_env = True",
        ),
    ),
    "function/delivery/secrets.py": (
        (
            "a secret is known only as it stands in the URL",
            'for text in (secret, plain, unquote_plus(secret), quote(plain, safe="")):',
            "for text in (secret,):",
        ),
    ),
}
