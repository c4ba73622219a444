"""The rule file while the function runs: read again when it changes, kept when the change is bad.

No thread watches it. A request looks at most once a second whether the file is another one than
before, which also notices a ConfigMap's mount, where a symlink is swapped and no file is written.
One request then reads the file, while the others go on with the rules they have.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Lock

from function import rules
from function.errors import RulesError
from function.logs import log
from function.metrics import Metrics
from function.rules import RuleSet

INTERVAL = 1.0  # seconds between two looks at the file

Identity = tuple[int, int, int, int] | None


class RuleFile:
    """The rules of a file as it is now; ``metrics`` hears of every attempt to read it."""

    def __init__(self, path: Path, metrics: Metrics) -> None:
        """Read the file for the first time; raises RulesError where it cannot be used."""
        self._path = path
        self._metrics = metrics
        self._identity = _identity(path)
        self._rules = self._load()
        self._look_at = time.monotonic() + INTERVAL
        self._looking = Lock()

    def current(self) -> RuleSet:
        """The rules that are in force now."""
        if time.monotonic() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._rules

    def _look(self) -> None:
        self._look_at = time.monotonic() + INTERVAL
        identity = _identity(self._path)
        if identity == self._identity:
            return
        self._identity = identity
        try:
            self._rules = self._load()
        except RulesError as error:
            for problem in error.problems:
                log(logging.ERROR, "rules_not_reloaded", problem=problem)
            self._metrics.rules_not_loaded()
        else:
            log(logging.INFO, "rules_reloaded", rules=self._rules.enabled)

    def _load(self) -> RuleSet:
        loaded = rules.load(self._path)
        self._metrics.rules_loaded(loaded.enabled)
        return loaded


def _identity(path: Path) -> Identity:
    """What tells one state of a file from another, symlinks followed; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
