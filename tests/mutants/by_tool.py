"""Changes that Cosmic Ray's operators make: another comparison, a number more or less, no loop."""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from tests.mutants.mutant import ROOT, Mutant, source

WHERE = ("function/delivery/*.py", "function/state/*.py", "function/sink.py")

Position = tuple[int, int]  # line and column


class Site(NamedTuple):
    """A place that an operator can change."""

    file: str
    start: Position
    operator: str
    occurrence: int  # of the operator in the file


def mutants(seed: int, count: int) -> list[Mutant]:
    """Changes by chance, always the same for a seed; no two in one place."""
    sites = [
        site
        for pattern in WHERE
        for path in sorted(ROOT.glob(pattern))
        for site in _sites(str(path.relative_to(ROOT)))
    ]
    random.Random(seed).shuffle(sites)  # noqa: S311 - nothing secret
    chosen: dict[tuple[str, Position], Mutant] = {}
    for site in sites:
        if len(chosen) == count:
            break
        if (site.file, site.start) not in chosen and (mutant := _mutant(site)):
            chosen[site.file, site.start] = mutant
    return [*chosen.values()]


def _sites(file: str) -> Iterator[Site]:
    text = source(file)
    nodes = [*ast_nodes(get_ast(text))]
    left_out = [*_left_out(ast.parse(text))]
    for name, operator in _operators().items():
        positions = (each for node in nodes for each in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(positions):
            if not any(begin <= start < end for begin, end in left_out):
                yield Site(file, start, name, occurrence)


@cache
def _operators() -> dict[str, Any]:
    """Those that need no arguments, by name."""
    found = {name: get_operator(name) for name in sorted(operator_names())}
    return {name: operator() for name, operator in found.items() if not operator.arguments()}


def _left_out(tree: ast.AST) -> Iterator[tuple[Position, Position]]:
    """From where to where nothing is changed, because only type checkers read it."""
    for node in ast.walk(tree):
        for each in _types(node):
            end = each.end_lineno or 0, each.end_col_offset or 0
            yield (each.lineno, each.col_offset), end


def _types(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    match node:
        case ast.arg(annotation=ast.expr() as kind) | ast.AnnAssign(annotation=kind):
            yield kind
        case ast.FunctionDef(returns=ast.expr() as kind):
            yield kind
        case ast.ClassDef(bases=[ast.Name("Protocol")]) | ast.If(test=ast.Name("TYPE_CHECKING")):
            yield node
        case ast.Assign(value=ast.BinOp(op=ast.BitOr()) as kind):  # Result = Outcome | Exception
            yield kind
        case ast.Call(func=ast.Name("isinstance"), args=[_, kind]):
            yield kind


def _mutant(site: Site) -> Mutant | None:
    """The change; None where it is not Python, or changes nothing."""
    text = mutate_code(source(site.file), _operators()[site.operator], site.occurrence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            same = ast.dump(ast.parse(text)) == ast.dump(ast.parse(source(site.file)))
    except SyntaxError:
        return None
    name = f"{site.file}:{site.start[0]} {site.operator.partition('/')[2]}"
    return None if same else Mutant(name, site.file, text)
