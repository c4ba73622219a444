"""A process that cannot start says why: a line per problem, no traceback."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

from function import logs
from function.errors import ConfigError

_CONTAINERS = 20_000  # more than the last time, before Python looks for garbage among them
STATUS = 4  # gunicorn's APP_LOAD_ERROR: it ends, too, instead of starting the worker again

_T = TypeVar("_T")


def or_exit(make: Callable[[], _T]) -> _T:
    """What ``make()`` returns; where settings or rules cannot be used, the end of the process."""
    try:
        return make()
    except ConfigError as error:
        end(error.problems)


def end(problems: Iterable[str]) -> NoReturn:
    """End the process, with a line for each problem."""
    logs.configure("error")  # the level that was wanted may be one of the problems
    for problem in problems:
        logs.log(logging.ERROR, "cannot_start", problem=problem)
    raise SystemExit(STATUS) from None


def collect_garbage_rarely() -> None:
    """Look for reference cycles less often than Python does by itself.

    Python looks when there are 700 containers more than the last time: with many requests that wait
    for their alerts that is a twentieth of the processor time (docs/performance.md). What is there
    now is not looked at any more.
    """
    gc.freeze()
    gc.set_threshold(_CONTAINERS)
