"""The derivative of a number as a sum over paths, told in an article."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from ..autograd import Node
from . import symbols, text
from .article import Article, Block, Formula, Items, Paragraph, Table, code, verbatim
from .names import Named
from .slopes import slope
from .sums import Sum, Term, Use, Way, ways

MAX_FACTORS = 6  #: of a path that are written out
MAX_ON_A_LINE = 4  #: terms of a sum
MAX_NODES = 12  #: whose equations are
MAX_CHOICES = 24  #: between the two uses of one node in an operation that are told
TIMES = r" \,\cdot\, "


def by_paths(
    y: Node, x: Node, uses: dict[Node, list[Use]], named: Named, shown: int
) -> tuple[Article, Sum]:
    """The article, and the sum it tells of."""
    best, more, rest = ways(y, x, uses, shown)
    found = Sum([_term(way, x, named) for way in best], more, rest)
    total = symbols.total(named.symbols[y], named.symbols[x])
    blocks: list[Block] = [
        Paragraph(_how_many(found, named, y, x)),
        *_computation(best, x, named),
        *_paths(best, x, named),
        Paragraph(
            "The derivative is the sum over all paths:"
            if found.count > 1
            else "This is the derivative:"
        ),
        _sum(total, found),
    ]
    return Article(f"How {_word(y, named)} depends on {_word(x, named)}", blocks), found


def _word(node: Node, named: Named) -> str:
    return verbatim(named.words[node])


def _term(way: Way, x: Node, named: Named) -> Term:
    steps = list(way.steps())
    route = (named.words[x], *(named.words[use.user] for use, _ in steps))
    return Term(route, tuple(local for _, local in reversed(steps)), way.product)


def _how_many(found: Sum, named: Named, y: Node, x: Node) -> str:
    ends = f"from ${named.symbols[x]}$ to ${named.symbols[y]}$"
    if found.count == 1:
        return (
            f"One path leads {ends}. The derivative is the product of the local derivatives "
            f"along it."
        )
    words = (
        f"${symbols.count(found.count)}$ paths lead {ends}. Along a path the local "
        f"derivatives multiply, and the products of all paths add up."
    )
    return words + (f" The {len(found.terms)} largest are shown." if found.more else "")


def _computation(best: Sequence[Way], x: Node, named: Named) -> list[Block]:
    """The equations of the nodes on the paths that are shown, oldest first."""
    nodes = {x: None, **{use.user: None for way in best for use, _ in way.steps()}}
    ordered = sorted(nodes, key=lambda node: node.age)
    rows = [
        [
            f"${named.symbols[node]}$",
            code(named.equations[node]),
            text.inline(named.nodes[node].value),
        ]
        for node in ordered
    ]
    if len(rows) > MAX_NODES + 1:
        half = MAX_NODES // 2
        gap = ["…", f"{len(rows) - 2 * half:,} more", ""]
        rows = [*rows[:half], gap, *rows[-half:]]
    return [Table(["", "computed as", "value"], rows)]


def _paths(best: Sequence[Way], x: Node, named: Named) -> list[Block]:
    return [Items([_path(way, x, named) for way in best], is_numbered=len(best) > 1)]


def _path(way: Way, x: Node, named: Named) -> str:
    """``a → e → L: ∂L/∂e · ∂e/∂a = ... = ...``, in formulas that may go on separate lines."""
    steps = list(way.steps())
    if not steps:
        return f"${named.symbols[x]}$ is the result itself, and its derivative is 1."
    route = _route([named.symbols[x], *(named.symbols[use.user] for use, _ in steps)])
    backwards = steps[::-1]
    head, tail = _ends(len(backwards))
    middle = backwards[head : len(backwards) - tail]
    kept = [*backwards[:head], *backwards[len(backwards) - tail :]]
    names = [_partial(use, named) for use, _ in kept]
    formulas = [_slope(use, named) for use, _ in kept]
    numbers = [symbols.number(local) for _, local in kept]
    seen = [symbols.shown(local) for _, local in kept]
    if len(steps) > 1:
        formulas, numbers = ([*map(symbols.in_brackets, each)] for each in (formulas, numbers))
    if middle:
        product = _product([local for _, local in middle])
        dots = rf"(\dots \text{{ {len(middle):,} factors}})"
        words = rf"\dots \text{{ {len(middle):,} factors with product }}"
        grouped = f"({words} {symbols.number(product)})"
        names.insert(head, dots)
        formulas.insert(head, dots)
        numbers.insert(head, grouped)
        seen.insert(head, symbols.shown(product))
    parts = [f"${TIMES.join(names)}$"]
    if formulas != names:
        parts.append(f"$= {TIMES.join(formulas)}$")
    if numbers != formulas:
        sign = "=" if len(steps) > 1 else _equals(way.product)
        parts.append(f"${sign} {TIMES.join(numbers)}$")
    if len(steps) > 1:
        relation = symbols.relation(_product(seen) if None not in seen else None, way.product)
        parts.append(f"${relation} {symbols.number(way.product)}$")
    return f"${route}${_which_argument(steps)}: " + " ".join(parts)


def _ends(count: int) -> tuple[int, int]:
    """How many factors to show at the front and at the back."""
    if count <= MAX_FACTORS:
        return count, 0
    return MAX_FACTORS // 2, MAX_FACTORS // 2


def _route(stops: Sequence[str]) -> str:
    head, tail = _ends(len(stops) - 1)
    if tail:
        between = rf"\dots \text{{ {len(stops) - head - tail:,} more }} \dots"
        stops = [*stops[:head], between, *stops[-tail:]]
    return r" \to ".join(stops)


def _which_argument(steps: Sequence[tuple[Use, Any]]) -> str:
    """Where an operation uses a node twice, which of the two uses this path takes."""
    told = []
    for use, _ in steps:
        twins = [one for one in use.user.arguments if one is use.user.arguments[use.position]]
        if len(twins) > 1:
            told.append(str(use.position + 1))
    if not told:
        return ""
    dots = " …" if len(told) > MAX_CHOICES else ""
    return f" (as argument {' '.join(told[:MAX_CHOICES])}{dots})"


def _partial(use: Use, named: Named) -> str:
    argument = use.user.arguments[use.position]
    return symbols.partial(named.symbols[use.user], named.symbols[argument])


def _slope(use: Use, named: Named) -> str:
    node = use.user
    return slope(node, use.position, named.symbols[node], named.operands[node])


def _product(factors: Sequence[Any]) -> Any:
    found = factors[0]
    for each in factors[1:]:
        found = found * each
    return found


def _equals(number: Any) -> str:
    return "=" if symbols.is_shown_exactly(number) else r"\approx"


def _sum(derivative: str, found: Sum) -> Block:
    """``dy/dx = 3 + 3 + (… 252 more paths, sum 1) = 7``; a long one in parts, to go on lines."""
    added = [symbols.number(term.product) for term in found.terms]
    seen = [symbols.shown(term.product) for term in found.terms]
    if found.more:
        words = rf"\text{{ more path{'' if found.more == 1 else 's'}, sum }}"
        many = symbols.count(found.more)
        added.append(rf"(\dots \, {many} {words} {symbols.number(found.rest)})")
        seen.append(symbols.shown(found.rest))
    total = symbols.number(found.total)
    if len(added) == 1:
        return Formula(f"{derivative} {_equals(found.total)} {total}")
    known = [each for each in seen if each is not None]
    whole = sum(known, start=Fraction()) if len(known) == len(seen) else None
    parts = [
        f"{derivative} = {added[0]}",
        *(f"{{}} + {symbols.in_brackets(each)}" for each in added[1:]),
        f"{{}} {symbols.relation(whole, found.total)} {total}",
    ]
    if len(added) > MAX_ON_A_LINE:
        return Paragraph(" ".join(f"${part}$" for part in parts))
    return Formula(" ".join(parts))
