"""The derivative of a number as a sum over paths, told in an article."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Node
from ..autograd.tape import data_of
from . import symbols
from .article import Article, Block, Formula, Items, Paragraph, Table, code
from .formula import as_text
from .names import Named
from .slopes import slope
from .sums import Between, Sum, Term, Use, Way, ways

MAX_FACTORS = 6  #: of a path that are written out
MAX_ON_A_LINE, WIDTH = 4, 80  #: terms of a sum, and letters
MAX_NODES = 12  #: whose equations are; and other numbers in these
MAX_RUNS = 6  #: of the same choice between the two uses of one node in an operation
TIMES = r" \,\cdot\, "


class Path(NamedTuple):
    """A way with all its steps, of which ``kept`` are written out, by number."""

    way: Way
    steps: list[tuple[Use, Any]]
    kept: list[int]


def by_paths(through: Between, named: Named, shown: int) -> tuple[Article, Sum]:
    """The article, and the sum it tells of."""
    x, y = through.x, through.y
    best, more, rest = ways(through, shown)
    paths = _told_apart([_path(way) for way in best])
    found = Sum([_term(path, x, named) for path in paths], more, rest)
    told = [_told(path, x, y, named) for path in paths]
    total = symbols.total(named.symbol(y), named.symbol(x))
    blocks: list[Block] = [
        Paragraph(_how_many(found, named, y, x)),
        *_computation(paths, y, x, named),
        Items(told, is_numbered=len(paths) > 1),
        *_brackets(told),
        Paragraph(
            "The derivative is the sum over all paths:"
            if found.count > 1
            else "This is the derivative:"
        ),
        _sum(total, found, named.digits),
    ]
    return Article(named.title(y, x), blocks), found


def _path(way: Way) -> Path:
    """Of a long path the factors other than 1 say most; of very many the first and the last."""
    steps = list(way.steps())
    if len(steps) <= MAX_FACTORS:
        return Path(way, steps, [*range(len(steps))])
    kept = [k for k, (_, local) in enumerate(steps) if local != 1]
    if len(kept) > MAX_FACTORS:
        kept = [*kept[: MAX_FACTORS // 2], *kept[-(MAX_FACTORS // 2) :]]
    return Path(way, steps, kept or [0, len(steps) - 1])


def _told_apart(paths: Sequence[Path]) -> list[Path]:
    """Of paths that would be written alike, also the first step at which they part."""
    found = list(paths)
    alike: dict[tuple[tuple[bool, Node], ...], list[int]] = {}
    for number, path in enumerate(paths):
        alike.setdefault(tuple(_stops(path)), []).append(number)
    for same in alike.values():
        parting = _parting([paths[number] for number in same])
        if parting is None:
            continue
        more = [paths[n]._replace(kept=sorted({*paths[n].kept, parting})) for n in same]
        for number, path in zip(same, _told_apart(more), strict=True):
            found[number] = path
    return found


def _parting(paths: Sequence[Path]) -> int | None:
    """The first step that is not the same in all of them; all lead to the same result."""
    for k in range(min(len(path.steps) for path in paths)):
        if len({path.steps[k][0].user for path in paths}) > 1:
            return k
    return None


def _stops(path: Path) -> list[tuple[bool, Node]]:
    """The nodes that are written, each with whether others are left out before it."""
    passed = zip([-1, *path.kept], path.kept, strict=False)
    return [(k > before + 1, path.steps[k][0].user) for before, k in passed]


def _term(path: Path, x: Node, named: Named) -> Term:
    route = (named.word(x), *(named.word(use.user) for use, _ in path.steps))
    factors = tuple(local for _, local in reversed(path.steps))
    return Term(route, factors, path.way.product, path.way.times)


def _how_many(found: Sum, named: Named, y: Node, x: Node) -> str:
    ends = f"from ${named.symbol(x)}$ to ${named.symbol(y)}$"
    if found.count == 1:
        return (
            f"One path leads {ends}. The derivative is the product of the local derivatives "
            f"along it."
        )
    words = (
        f"There are ${symbols.count(found.count)}$ paths {ends}. Along a path the local "
        f"derivatives multiply, and the products of all paths add up."
    )
    if any(term.times > 1 for term in found.terms):
        words += (
            " Where an operation uses one number twice, paths that differ only in which of the "
            "two they take are told together."
        )
    if found.more:
        many = len(found.terms)
        words += f" The {many} largest are shown." if many > 1 else " The largest is shown."
    return words


def _brackets(told: Sequence[str]) -> list[Block]:
    if not any("[" in each for each in told):
        return []
    return [Paragraph(r"Here $[\dots]$ is 1 if that is true, and 0 if not.")]


# The numbers on the way.


def _computation(paths: Sequence[Path], y: Node, x: Node, named: Named) -> list[Block]:
    """The equations of the nodes whose factors are shown, oldest first, and what else they use."""
    passed = {x: None, y: None, **{use.user: None for path in paths for use, _ in path.steps}}
    told = {x: None, y: None, **{path.steps[k][0].user: None for path in paths for k in path.kept}}
    shown = sorted(told, key=lambda node: node.age)
    if len(shown) > MAX_NODES + 1:
        shown = [*shown[: MAX_NODES // 2], *shown[-(MAX_NODES // 2) :]]
    rows = [[code(named.equation(node)), named.value(node)] for node in shown]
    if len(passed) > len(shown):
        rows.insert(-1, [f"… {len(passed) - len(shown):,} more on these paths", ""])
    others = {
        one: None
        for node in shown for one in node.arguments
        if isinstance(one, Node) and one not in passed
    }  # fmt: skip
    blocks: list[Block] = [Table(["", "value"], rows)]
    if others:
        words = [f"${named.symbol(one)} = {symbols.number(_one(one), named.digits)}$"
                 for one in list(others)[:MAX_NODES]]  # fmt: skip
        more = f" and {len(others) - MAX_NODES:,} more" if len(others) > MAX_NODES else ""
        blocks.append(Paragraph(f"Here {', '.join(words)}{more}."))
    return blocks


def _one(node: Node) -> Any:
    value = data_of(node)
    return value.item() if isinstance(value, np.ndarray) else value


# A path.


def _told(path: Path, x: Node, y: Node, named: Named) -> str:
    """``a → e → L: ∂L/∂e · ∂e/∂a = ... = ...``, in formulas that may go on separate lines."""
    way, steps, kept = path
    if not steps:
        return f"${named.symbol(x)}$ is the result itself, and its derivative is 1."
    backwards = [steps[k] for k in reversed(kept)]
    names = [_partial(use, named) for use, _ in backwards]
    formulas = [_slope(use, named) for use, _ in backwards]
    numbers = [symbols.number(local, named.digits) for _, local in backwards]
    seen = [symbols.shown(local, named.digits) for _, local in backwards]
    if len(steps) > 1:
        formulas, numbers = ([*map(symbols.in_brackets, each)] for each in (formulas, numbers))
    if len(kept) < len(steps):
        left_out = set(range(len(steps))).difference(kept)
        product = _product([steps[k][1] for k in sorted(left_out)])
        dots = rf"(\dots \text{{ {len(left_out):,} factors}})"
        words = rf"\dots \text{{ {len(left_out):,} factors with product }}"
        names.append(dots)
        formulas.append(dots)
        numbers.append(f"({words} {symbols.number(product, named.digits)})")
        seen.append(symbols.shown(product, named.digits))
    parts = [f"${TIMES.join(names)}$"]
    if formulas != names:
        parts.append(f"$= {TIMES.join(formulas)}$")
    if numbers != formulas:
        sign = "=" if len(steps) > 1 else _equals(way.product, named.digits)
        parts.append(f"${sign} {TIMES.join(numbers)}$")
    if len(steps) > 1:
        known = _product(seen) if None not in seen else None
        relation = symbols.relation(known, way.product, named.digits)
        parts.append(f"${relation} {symbols.number(way.product, named.digits)}$")
    each = f"; ${symbols.count(way.times)}$ such paths" if way.times > 1 else ""
    return f"${_route(path, x, y, named)}${_which_argument(path)}: {' '.join(parts)}{each}"


def _route(path: Path, x: Node, y: Node, named: Named) -> str:
    """Through the nodes whose factors are shown."""
    stops, before = [named.symbol(x)], -1
    for k in path.kept:
        if k > before + 1:
            stops.append(r"\dots")
        stops.append(named.symbol(path.steps[k][0].user))
        before = k
    if before < len(path.steps) - 1:
        gap = [r"\dots"] if before < len(path.steps) - 2 else []
        stops += [*gap, named.symbol(y)]
    return r" \to ".join(stops)


def _which_argument(path: Path) -> str:
    """Where an operation uses a node twice, which of the two uses this path takes."""
    if path.way.times > 1:
        return ""
    told = [
        use.position + 1
        for use, _ in path.steps
        if sum(one is use.user.arguments[use.position] for one in use.user.arguments) > 1
    ]
    runs = [(position, len(list(run))) for position, run in groupby(told)]
    words = [f"{k} ({many:,} times)" if many > 1 else f"{k}" for k, many in runs[:MAX_RUNS]]
    if len(runs) > MAX_RUNS:
        words.append("…")
    return f" (as argument {', '.join(words)})" if words else ""


def _partial(use: Use, named: Named) -> str:
    argument = use.user.arguments[use.position]
    return symbols.partial(named.symbol(use.user), named.symbol(argument))


def _slope(use: Use, named: Named) -> str:
    node = use.user
    return slope(node, use.position, named.symbol(node), named.operands(node), named.digits)


def _product(factors: Sequence[Any]) -> Any:
    found = factors[0]
    for each in factors[1:]:
        found = found * each
    return found


def _equals(number: Any, digits: int | None) -> str:
    return "=" if symbols.is_shown_exactly(number, digits) else r"\approx"


# Their sum.


def _sum(derivative: str, found: Sum, digits: int | None) -> Block:
    """``dy/dx = 3 + 3 + (… 252 more paths, sum 1) = 7``; a long one in parts, to go on lines."""
    added: list[str] = []
    seen: list[Fraction | None] = []
    for term in found.terms:
        number, is_first = symbols.number(term.product, digits), not added
        if term.times > 1:
            number = rf"{symbols.count(term.times)}{TIMES}{symbols.in_brackets(number)}"
        added.append(number if is_first else symbols.in_brackets(number))
        known = symbols.shown(term.product, digits)
        seen.append(None if known is None else known * term.times)
    if found.more:
        words = rf"\text{{ more path{'' if found.more == 1 else 's'}, sum }}"
        many, rest = symbols.count(found.more), symbols.number(found.rest, digits)
        added.append(rf"(\dots \, {many} {words} {rest})")
        seen.append(symbols.shown(found.rest, digits))
    total = symbols.number(found.total, digits)
    if len(added) == 1 and found.terms[0].times == 1:
        return Formula(f"{derivative} {_equals(found.total, digits)} {total}")
    terms = [each for each in seen if each is not None]
    whole = sum(terms, start=Fraction()) if len(terms) == len(seen) else None
    parts = [
        f"{derivative} = {added[0]}",
        *(f"{{}} + {each}" for each in added[1:]),
        f"{{}} {symbols.relation(whole, found.total, digits)} {total}",
    ]
    if len(added) > MAX_ON_A_LINE or len(as_text(" ".join(parts))) > WIDTH:
        return Paragraph(" ".join(f"${part}$" for part in parts))
    return Formula(" ".join(parts))
