"""``python -m tests.memory`` prints what each body takes at each server, at the most, in MiB."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests import servers
from tests.memory import peak
from tests.memory.bodies import BODIES, Body

_KINDS = ("flask", "asgi")


def taken(kind: str, body: Body, folder: Path) -> tuple[int, float]:
    """The status of the answer to a body, and by how many MiB the memory grew for it."""
    with (
        servers.receiver() as receiver,
        servers.function(folder, server=kind, RECEIVER_URL=receiver.url) as server,
    ):
        server.post((servers.ROOT / "tests/records/article.json").read_bytes())  # loads the client
        process = peak.worker(server)
        peak.forget_peak(process)
        idle = peak.resident(process)
        status = peak.post(server, body).status_code
        return status, peak.resident(process, peak=True) - idle


def main() -> None:
    """Print the table."""
    print(f"{'MiB':64}", *(f"{kind:>14}" for kind in _KINDS))  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for body in BODIES:
            found = [taken(kind, body, Path(folder)) for kind in _KINDS]
            columns = (f"{status:>7} {mib:>6.1f}" for status, mib in found)
            print(f"{body.name:64}", *columns, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
