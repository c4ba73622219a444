"""``python -m function check | replay``: work on rules without a cluster, and without posting."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from function import rules
from function.cli import check, replay
from function.errors import RulesError
from function.settings import rules_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "check":
        return check.main(options.file)
    try:
        rule_set = rules.load(options.rules)
    except RulesError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 1
    text_of = replay.TextOf(options.namespace, options.pod) if options.text else None
    return replay.main(rule_set, options.files, text_of, table=options.output == "table")


def _parser() -> argparse.ArgumentParser:
    in_use = rules_file(os.environ.get("RULES_FILE", ""))
    parser = argparse.ArgumentParser(prog="python -m function", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="is a rule file right? runs its own tests, too")
    checking.add_argument("file", nargs="?", type=Path, default=in_use, help=f"default: {in_use}")
    replaying = commands.add_parser("replay", help="which alerts would have fired? posts nothing")
    add = replaying.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="Kafka values, one a line; gzip or not")
    add("--rules", type=Path, default=in_use, metavar="FILE", help=f"default: {in_use}")
    add("--text", action="store_true", help="the lines are log text as a pod wrote it")
    add("--namespace", default="", help="of that pod")
    add("--pod", default="", help="the name of that pod")
    add("--output", choices=("jsonl", "table"), default="jsonl", help="default: jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
