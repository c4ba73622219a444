"""What the demo shows: alerts as they arrive above a progress bar, or plain lines without one."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from local.receivers.http_messages import Alert


class Display:
    """Shows how many of `total` records are finished; as a context manager, while they are.

    Without a terminal there is no bar, and every line is printed whole, however long.
    """

    def __init__(self, total: int) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("records"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("records", total=total)

    def say(self, text: str) -> None:
        """A line of text, as it is."""
        self._print(Text(text))

    def alert(self, alert: Alert) -> None:
        """One line for an alert that has arrived; text from log lines is made harmless by it."""
        self._print(Text.assemble(("ALERT ", "bold red"), str(alert)))

    def verdict(self, text: str, good: bool) -> None:
        """The last line."""
        self._print(Text(text, "bold green" if good else "bold red"))

    def finished_one(self) -> None:
        """One record more is finished."""
        self._bar.advance(self._task)

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def _print(self, text: Text) -> None:
        self._console.print(text)
