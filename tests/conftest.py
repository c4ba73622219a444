"""How thoroughly the property tests search.

By default a hundred examples each, always the same ones: a build fails because of a change and
never by luck. ``HYPOTHESIS_PROFILE=long pytest -m long`` makes two thousand new ones each.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests import servers
from tests.servers import Receiver

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")

settings.register_profile(
    "default", max_examples=100, deadline=None, derandomize=True, database=None
)
settings.register_profile(
    "long",
    max_examples=2_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(PROFILE)

# A shell starts what it runs in the background with Ctrl-C ignored, and programs pass that on.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before pytest itself looks at the markers
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark every property test ``long`` where its search is."""
    if PROFILE != "long":
        return
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("long")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that accepts all, for the time of a test."""
    with servers.receiver() as running:
        yield running


@pytest.fixture
def forgotten_sockets(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Collects them before another test is blamed for them."""
    for logger in ("kafka", "local"):  # a captured error would hold on to them
        caplog.set_level("CRITICAL", logger)
    yield
    for _ in range(5):  # a collection that ends coroutines leaves them to the next one
        gc.collect()
