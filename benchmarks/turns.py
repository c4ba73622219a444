"""Servers that are measured by turns: a virtual machine's speed changes by half within seconds."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from benchmarks.load import WrongAnswersError
from benchmarks.servers import Server

TURNS = 4
Found = TypeVar("Found")


def by_turns(
    servers: Mapping[str, Server], measure: Callable[[Server, int], Found], turns: int = TURNS
) -> dict[str, list[Found]]:
    """What ``measure(server, number of the turn)`` gives, by the server's name.

    The order changes from turn to turn. Raises WrongAnswersError, with the name.
    """
    found: dict[str, list[Found]] = {name: [] for name in servers}
    for number in range(turns):
        for name in random.sample([*servers], len(servers)):
            try:
                found[name].append(measure(servers[name], number))
            except WrongAnswersError as error:
                raise WrongAnswersError(f"{name}: {error}") from None
    return found
