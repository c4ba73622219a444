"""The project as others get it: a clean copy, and the part of it that func sends to a builder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NEVER_SENT = {".git", ".func", ".funcignore", ".gitignore"}  # func, pkg/functions/client.go


def clone(folder: Path) -> Path:
    """Copy what `git clone` would bring, with the changes that are not committed yet.

    Raises LookupError where this is not a git checkout, so that nobody knows what belongs to it.
    """
    command = ("git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard")
    try:
        listing = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise LookupError(f"{ROOT} is not a git checkout, or git is not installed") from None
    for name in filter(None, listing.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file():  # one that was removed is still listed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def ignored(tree: Path) -> set[str]:
    """The names at the top of the project that .funcignore keeps from every builder."""
    lines = (tree / ".funcignore").read_text(encoding="utf-8").splitlines()
    return {line.removeprefix("/") for line in lines if line and not line.startswith("#")}


def sent(tree: Path, folder: Path) -> Path:
    """Copy what func sends to a builder."""
    folder.mkdir(parents=True)
    for source in tree.iterdir():
        if source.name in NEVER_SENT | ignored(tree):
            continue
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / source.name)
    return folder


def files(tree: Path) -> dict[str, bytes]:
    """Every file of a tree with its content, but for func's own folder of notes and runs."""
    return {
        str(path.relative_to(tree)): path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and path.relative_to(tree).parts[0] != ".func"
    }
