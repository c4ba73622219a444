"""The rule file while the function runs: read again when it changes, kept when the change is bad.

A request, a probe or a scrape looks at most once a second whether the file is another one than
before, which also notices a ConfigMap's mount, where a symlink is swapped and no file is written.
A thread of its own then reads the file, while all requests go on with the rules that they have.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Lock, Thread

from function import rules
from function.errors import RulesError, RulesUnreadable
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
        self._is_read = True  # the file of that identity, whatever came of it
        self._told: tuple[str, ...] = ()  # what was wrong with it
        self._rules = self._load()
        self._look_at = time.monotonic() + INTERVAL
        self._looking = Lock()  # guards all of the above that changes

    def current(self) -> RuleSet:
        """The rules that are in force now."""
        if time.monotonic() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                is_reloading = self._look()
            except RuntimeError:  # the system has no thread left, for now
                is_reloading = False
            if not is_reloading:
                self._looking.release()
        return self._rules

    def _look(self) -> bool:
        """Whether a thread has begun to read the file again."""
        self._look_at = time.monotonic() + INTERVAL
        if self._is_read and _identity(self._path) == self._identity:
            return False
        Thread(target=self._reload, name="rules", daemon=True).start()
        return True

    def _reload(self) -> None:
        try:
            self._identity = _identity(self._path)
            self._is_read = True
            self._rules = self._load()
            self._told = ()
            log(logging.INFO, "rules_reloaded", rules=self._rules.enabled)
        except RulesError as error:
            self._is_read = not isinstance(error, RulesUnreadable)
            self._tell(error.problems)
        except MemoryError:
            self._is_read = False
            self._tell((f"{self._path}: no memory is left to read the rule file",))
        finally:
            self._looking.release()

    def _tell(self, problems: tuple[str, ...]) -> None:
        """Count a failure, and write down what is wrong, unless that is so already."""
        self._metrics.rules_not_loaded()
        for problem in problems if problems != self._told else ():
            log(logging.ERROR, "rules_not_reloaded", problem=problem)
        self._told = problems

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
