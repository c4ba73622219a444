"""A change to one file of the function."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def source(file: str) -> str:
    """The text of a file of this checkout."""
    return (ROOT / file).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Mutant:
    """A file, by its path in the checkout, and its whole text after the change."""

    name: str
    file: str
    text: str

    @property
    def diff(self) -> str:
        """The change, as ``patch -p1`` reads it."""
        before = source(self.file).splitlines(keepends=True)
        after = self.text.splitlines(keepends=True)
        return "".join(difflib.unified_diff(before, after, f"a/{self.file}", f"b/{self.file}", n=2))

    def apply(self, folder: Path) -> None:
        """Make the change in a copy of the checkout."""
        (folder / self.file).write_text(self.text, encoding="utf-8")


@dataclass(frozen=True)
class ByHand:
    """A change that somebody thought of; ``old`` stands exactly once in the file."""

    name: str
    file: str
    old: str
    new: str

    def mutant(self) -> Mutant:
        """The changed file; raises ValueError where the code has become another one."""
        text = source(self.file)
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {self.file} has its text {times} times")
        return Mutant(self.name, self.file, text.replace(self.old, self.new))
