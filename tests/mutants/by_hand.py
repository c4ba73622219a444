"""Changes that somebody thought of: each one breaks a part of the promise, so a test has to fail.

The promise: no alert is acknowledged that nobody has, none goes out twice that need not, no secret
leaves. Where the code becomes another one, say here what breaks it then: ``tests/test_mutants.py``
fails until a change's old text stands exactly once in its file.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.mutants.by_hand_delivery import DELIVERY, Changes
from tests.mutants.mutant import ByHand

_MEMORY: Changes = {
    "function/state/reservation.py": (
        (
            "an event is remembered as a whole, not each alert of each of its records",
            'f"{wanted.number} {receiver} {wanted.alert.fingerprint}"',
            'f"{receiver}"',
        ),
        (
            "an alert's outcome is its receivers' best, not the one that may come again",
            "return one if _WEIGHTS[type(one)] >= ",
            "return one if _WEIGHTS[type(one)] < ",
        ),
    ),
    "function/events.py": (
        (
            "the data of a structured event does not belong to its identity",
            "else json_text.canonical(event.data)",
            'else b""',
        ),
    ),
    "function/settings.py": (
        (
            "events are remembered for half an hour, however long KafkaSource tries them",
            "return max(30 * 60.0, _ATTEMPTS * self.delivery_timeout + _PAUSES)",
            "return 30 * 60.0",
        ),
    ),
    "function/serving/endpoints.py": (
        (
            "nobody tells the state how long events are to be remembered",
            "Posting(delivery, settings.remembered, metrics)",
            "Posting(delivery, 30 * 60.0, metrics)",
        ),
        (
            "a process that ends takes copies for slower members along",
            "    atexit.register(delivery.close)",
            "    atexit.unregister(delivery.close)",
        ),
    ),
    "function/state/memory.py": (
        (
            "events are remembered for half the time",
            "int(remembered * SECOND)",
            "int(remembered * SECOND) // 2",
        ),
        (
            "what is delivered after its request gave up is not remembered",
            "if isinstance(result, Accepted):\n            self._remember(claim)",
            "if isinstance(result, Accepted) and time.monotonic() < claim.deadline:\n"
            "            self._remember(claim)",
        ),
        (
            "a refused alert is remembered as a delivered one",
            "if isinstance(result, Accepted):\n            self._remember(claim)",
            "if not isinstance(result, Unavailable):\n            self._remember(claim)",
        ),
        (
            "a request hears of the failure of another one's alert as of its own",
            "if isinstance(result, Refused) else ours:",
            "if isinstance(result, Refused) else True:",
        ),
        (
            "an alert is held back though the one with its labels was refused",
            "        # A refusal is of one alert. Where",
            "        if isinstance(result, Refused) and waiter.labels == owner.labels:\n"
            "            step.told.append((waiter, HeldBack()))\n"
            "            return True\n"
            "        # A refusal is of one alert. Where",
        ),
        (
            "a request takes a POST over that it has no time for",
            "if waiter.deadline > latest:",
            "if waiter.deadline > 0:",
        ),
        (
            "an alert that a thread died of is waited for for ever",
            "if time.monotonic() < owner.deadline + self._post_timeout + 1:",
            "if owner.deadline:",
        ),
        (
            "a waiter keeps its place after its request is over",
            "lambda _: self._waiting.stop(reservation)",
            "lambda _: None",
        ),
    ),
}

_AROUND: Changes = {
    "function/receivers/answers.py": (
        (
            "Retry-After is believed however long it is",
            "return min(int(text[:9]), LONGEST_PAUSE)",
            "return int(text[:9])",
        ),
        (
            "half a secret at the end of a cut answer is passed on",
            "text = text[: len(text) // 2]",
            "text = text[:]",
        ),
    ),
    "function/receivers/contract.py": (
        (
            "a proxy's 400 is taken for the receiver's refusal",
            "if self.says_no(answer):",
            "if status == 400 or self.says_no(answer):",
        ),
        (
            "a 2xx is a yes, whatever it says",
            "if self.says_yes(answer) and not answer.is_contradiction(self.words):",
            "if self.says_yes(answer):",
        ),
        (
            "a wrong password has alerts refused for good",
            "if status in _REFUSALS:",
            "if status in _REFUSALS or status == 401:",
        ),
    ),
    "function/bounds.py": (
        (
            "a request may hold more than a pod's memory does",
            "if number > MOST:",
            "if not number:",
        ),
    ),
    "function/turns.py": (
        (
            "large bodies are read all at once",
            "return not self._is_taken and self._alerts < MANY",
            "return True",
        ),
        (
            "large bodies are read however many alerts are under way",
            "return not self._is_taken and self._alerts < MANY",
            "return not self._is_taken",
        ),
    ),
    "function/sink.py": (
        (
            "a record is counted at each attempt",
            "if reply.status < 500:",
            "if reply.status:",
        ),
        (
            "a request that gives up is acknowledged",
            'late = Unavailable(Reason.TIMEOUT, "no answer of the receiver in time")',
            "late = Accepted()",
        ),
        (
            "what cannot be delivered now is acknowledged where something else is wrong",
            "        if not plain:\n            problems",
            "        if not plain and not problems:\n            problems",
        ),
    ),
    "function/serving/wsgi.py": (
        (
            "a body that breaks off is taken for the whole",
            "if declared is not None and len(body) < declared:",
            "if declared is not None and not body:",
        ),
    ),
    "function/serving/asgi.py": (
        (
            "a body that breaks off is taken for the whole, by the ASGI server",
            'raise BodyIncomplete(f"the body breaks off after {length} bytes")',
            "break",
        ),
        (
            "a request of the ASGI server waits however long its alerts take",
            "loop.call_later(pending.deadline - time.monotonic(), ",
            "loop.call_later(3600, ",
        ),
    ),
    "function/serving/worker.py": (
        (
            "SIGTERM ends the process without its exit handlers",
            "            signal.signal(each, _end)",
            "            signal.signal(each, signal.SIG_DFL)",
        ),
    ),
    "function/rules/reload.py": (
        (
            "a changed rule file is known by its time alone",
            "return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size",
            "return 0, 0, status.st_mtime_ns, 0",
        ),
    ),
}


def _all() -> Iterator[ByHand]:
    for part in (_MEMORY, DELIVERY, _AROUND):
        for file, changes in part.items():
            for name, old, new in changes:
                yield ByHand(name, file, old, new)


CHANGES = [*_all()]
