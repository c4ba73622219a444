"""Servers take turns, none always the first, and what goes wrong has a name."""

from __future__ import annotations

import sys

import pytest

from benchmarks import processes
from benchmarks.load import WrongAnswersError
from benchmarks.servers import Server
from benchmarks.turns import by_turns


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Server]:
    """Two that only have ports: who measures is told which."""
    command, folder = [sys.executable, "-c", ""], tmp_path_factory.mktemp("server")
    with processes.running(command, {}, folder, folder / "log") as process:
        process.wait()
    return {"Flask server": Server(1, process, 0), "empty Flask": Server(2, process, 0)}


def test_each_server_is_measured_in_each_turn(servers: dict[str, Server]) -> None:
    found = by_turns(servers, lambda server, turn: (server.port, turn), turns=3)
    assert found == {
        "Flask server": [(1, 0), (1, 1), (1, 2)],
        "empty Flask": [(2, 0), (2, 1), (2, 2)],
    }


def test_no_server_is_always_the_first(servers: dict[str, Server]) -> None:
    order: list[int] = []
    by_turns(servers, lambda server, _: order.append(server.port), turns=50)
    assert set(order[::2]) == {1, 2}


def test_wrong_answers_say_whose_they_were(servers: dict[str, Server]) -> None:
    def wrong(server: Server, _turn: int) -> None:
        if server.port == 2:
            raise WrongAnswersError("of 7 answers some were wrong")

    with pytest.raises(WrongAnswersError, match=r"^empty Flask: of 7"):
        by_turns(servers, wrong)
