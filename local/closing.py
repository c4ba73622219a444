"""For what runs from its creation to its `close`: the length of a block, with `with`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

_T = TypeVar("_T", bound="Closing")


class Closing(ABC):
    """As a context manager, it is closed at the end of the block, however that ends."""

    @abstractmethod
    def close(self) -> None:
        """End it and free what it holds."""

    def __enter__(self: _T) -> _T:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
