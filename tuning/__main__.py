"""``python -m tuning measure | simulate | docs``: choose settings before a cluster sees them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tuning import command
from tuning.errors import TuningError
from tuning.measuring import command as measuring


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tuning", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring.add_parser(commands)
    command.add_parser(commands)
    drawing = commands.add_parser("docs", help="draw the pictures of docs/tuning.md again")
    drawing.add_argument("--folder", type=Path, default=command.ROOT / "docs" / "tuning")
    drawing.set_defaults(main=_docs)
    options = parser.parse_args(arguments)
    try:
        status: int = options.main(options)
    except TuningError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _docs(options: argparse.Namespace) -> int:
    from tuning import pictures

    for path in pictures.draw(options.folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
