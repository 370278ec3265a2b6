"""The derivative by an array as an article: matrix by matrix, and one entry of it as a sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import Node
from . import symbols, text
from .article import Article, Block, Formula, Heading, Items, Paragraph, Table, code, verbatim
from .names import Named
from .slopes import back
from .sums import Flow, Sum, Term, Use, flows

MAX_STEPS = 24  #: that are written out
MAX_USES = 4  #: of one node that are
LETTERS = "kmpqrstuv"  #: for the places that a sum runs over


def by_entries(
    y: Node, x: Node, uses: dict[Node, list[Use]], named: Named,
    places: Sequence[tuple[int, ...]], shown: int,
) -> tuple[Article, list[Sum]]:  # fmt: skip
    """The article, and the sum for each of the places."""
    gradients = named.gradients([*uses, y])
    found = [flows(uses[x], gradients, place) for place in places]
    sums = [_sum(each, x, place, named, shown) for each, place in zip(found, places, strict=True)]
    blocks: list[Block] = [
        Paragraph(
            f"${named.symbols[x]}$ has {_extent(named, x)}. From the result, where "
            f"${symbols.total(named.symbols[y], named.symbols[y])} = 1$, back to it, each line "
            f"multiplies the gradient that arrived by the derivative of one operation. A gradient "
            f"has the shape of its node; $\\odot$ multiplies entry by entry, and "
            f"$({symbols.partial('u', 'v')})^{{\\mathsf T}}$, with the derivative of every entry "
            f"of $u$ by every entry of $v$, sums over those of $u$. Numbers are rounded to four "
            f"digits."
        ),
        Items(_chain(y, uses, named, gradients)),
        *(
            _one_entry(y, x, found[0], sums[0], places[0], named)
            if len(places) == 1
            else _two_entries(y, x, found, sums, places, named, shown)
        ),
    ]
    title = f"How {verbatim(named.words[y])} depends on {verbatim(named.words[x])}"
    return Article(title, blocks), sums


def _extent(named: Named, x: Node) -> str:
    shape = named.shape(x)
    return f"shape {shape}" if "×" in shape else shape if "entr" in shape else "one entry"


# The chain of matrices.


def _chain(
    y: Node, uses: dict[Node, list[Use]], named: Named, gradients: dict[Node, Any]
) -> list[str]:
    nodes = [node for node in uses if node is not y]
    half = MAX_STEPS // 2
    if len(nodes) <= MAX_STEPS:
        return [_step(y, node, uses[node], named, gradients) for node in nodes]
    return [
        *(_step(y, node, uses[node], named, gradients) for node in nodes[:half]),
        f"… {len(nodes) - 2 * half:,} more steps …",
        *(_step(y, node, uses[node], named, gradients) for node in nodes[-half:]),
    ]


def _step(
    y: Node, node: Node, uses: Sequence[Use], named: Named, gradients: dict[Node, Any]
) -> str:
    """``z = x @ W: dL/dW = Xᵀ dL/dz (4×2), entries -1 … 2``."""
    parts = [_contribution(y, use, named) for use in uses[:MAX_USES]]
    if len(parts) > 1:
        parts = [parts[0], *(symbols.in_brackets(part) for part in parts[1:])]
    if len(uses) > MAX_USES:
        parts.append(rf"\dots \text{{ ({len(uses) - MAX_USES:,} more)}}")
    computed = ", ".join(code(named.equations[user]) for user in _users(uses)[:MAX_USES])
    total = symbols.total(named.symbols[y], named.symbols[node])
    branches = f", {len(uses)} contributions add up" if len(uses) > 1 else ""
    return (
        f"{computed}{branches}: ${total} = {' + '.join(parts)}$; "
        f"{named.shape(node)}, {_range(gradients[node])}"
    )


def _users(uses: Sequence[Use]) -> list[Node]:
    return list(dict.fromkeys(use.user for use in uses))


def _contribution(y: Node, use: Use, named: Named) -> str:
    user = use.user
    upstream = symbols.total(named.symbols[y], named.symbols[user])
    return back(user, use.position, named.symbols[user], named.operands[user], upstream)


def _range(gradient: Any) -> str:
    array = np.asarray(gradient)
    if array.size == 1:
        return text.number(array.item())
    return text.lines(array, at_most=0)[0]


# One entry.


def _sum(found: Sequence[Flow], x: Node, place: tuple[int, ...], named: Named, shown: int) -> Sum:
    ordered = sorted(found, key=lambda flow: -abs(flow.product))
    terms = [
        Term(
            (
                symbols.entry(named.words[x], place),
                symbols.entry(named.words[flow.use.user], flow.place),
            ),
            (flow.local, flow.upstream),
            flow.product,
        )
        for flow in ordered[:shown]
    ]
    rest = math.fsum(flow.product for flow in ordered[shown:])
    return Sum(terms, len(ordered) - len(terms), rest)


def _one_entry(
    y: Node, x: Node, found: Sequence[Flow], told: Sum, place: tuple[int, ...], named: Named
) -> list[Block]:
    name = symbols.entry(verbatim(named.words[x]), place)
    blocks: list[Block] = [
        Heading(f"One entry: {name}"),
        Paragraph(
            "Each entry that it goes into passes on its gradient, times the local derivative. "
            "Where that is 0, the term is left out."
        ),
        *(Formula(each) for each in _formulas(y, x, found, place, named)),
    ]
    if not found:
        return [*blocks, Paragraph("All local derivatives are 0 here, and so is the gradient.")]
    rows = [
        [verbatim(term.route[1]), *map(text.number, (*term.factors, term.product))]
        for term in told.terms
    ]
    if told.more:
        rows.append([f"… {told.more:,} more", "", "", text.number(told.rest)])
    rows.append(["sum", "", "", text.number(told.total)])
    return [*blocks, Table(["through", "local derivative", "gradient there", "product"], rows)]


def _formulas(
    y: Node, x: Node, found: Sequence[Flow], place: tuple[int, ...], named: Named
) -> list[str]:
    """The sum in letters, for each use: places that vary get one, the others are numbers."""
    target = symbols.entry_of_total(named.symbols[y], named.symbols[x], place)
    parts = []
    for use in dict.fromkeys(flow.use for flow in found):
        through = [flow.place for flow in found if flow.use is use]
        letters, where = _letters(through)
        user = named.symbols[use.user]
        upstream = symbols.entry_of_total(named.symbols[y], user, where)
        local = _local(use, place, where, named) or (
            rf"\partial {symbols.entry(user, where)} / "
            rf"\partial {symbols.entry(named.symbols[x], place)}"
        )
        sign = rf"\sum_{{{', '.join(letters)}}} " if letters else ""
        parts.append(rf"{sign}{local} \,\cdot\, {upstream}")
    if not parts:
        return []
    if len(parts) > MAX_USES:
        parts = [*parts[:MAX_USES], rf"\dots \text{{ ({len(parts) - MAX_USES:,} more)}}"]
    return [f"{target} = {parts[0]}", *(f"{{}} + {part}" for part in parts[1:])]


def _letters(through: Sequence[tuple[int, ...]]) -> tuple[list[str], list[str]]:
    """Which places vary, by a letter each, and how an entry is then written."""
    letters: list[str] = []
    where = []
    for axis in zip(*through, strict=True):
        if len(set(axis)) == 1:
            where.append(str(axis[0]))
        else:
            letters.append(LETTERS[len(letters) % len(LETTERS)])
            where.append(letters[-1])
    return letters, where


def _local(
    use: Use, place: tuple[int, ...], where: Sequence[str], named: Named
) -> str:
    """For a product of two matrices the local derivative is an entry of the other one."""
    node = use.user
    shapes = [np.ndim(getattr(one, "_data", one)) for one in node.arguments]
    if node.operation is None or node.operation.name != "matmul" or shapes != [2, 2]:
        return ""
    if use.position == 1:
        return f"{named.operands[node][0]}[{where[0]}, {place[0]}]"
    return f"{named.operands[node][1]}[{place[1]}, {where[1]}]"


# Two entries.


def _two_entries(
    y: Node, x: Node, found: Sequence[Sequence[Flow]], sums: Sequence[Sum],
    places: Sequence[tuple[int, ...]], named: Named, shown: int,
) -> list[Block]:  # fmt: skip
    i, j = (place[-1] for place in places)
    left, right = (_aligned(flows, place[-1]) for flows, place in zip(found, places, strict=True))
    nothing = (0.0, 0.0)
    keys = sorted(
        dict.fromkeys([*left, *right]),
        key=lambda key: -max(abs(math.prod(side.get(key, nothing))) for side in (left, right)),
    )
    rows = []
    for key in keys[:shown]:
        pair = [side.get(key, nothing) for side in (left, right)]
        written = [f"{_in_sum(a)} · {_in_sum(b)} = {text.number(a * b)}" for a, b in pair]
        rows.append([verbatim(_through(key, named)), *written, _mark(*pair)])
    rest = keys[shown:]
    if rest:
        sides = [math.fsum(math.prod(side.get(key, nothing)) for key in rest)
                 for side in (left, right)]  # fmt: skip
        same = sum(left.get(key, nothing) == right.get(key, nothing) for key in rest)
        rows.append(
            [f"… {len(rest):,} more", *map(text.number, sides), f"{same:,} of {len(rest):,} equal"]
        )
    gradient = named.nodes[x].gradient
    a, b = (gradient[place].item() for place in places)
    rows.append(["gradient", text.number(a), text.number(b), _mark(a, b)])
    value = named.nodes[x].value
    rows.append(
        ["value", *(text.number(value[place]) for place in places),
         _mark(*(value[place].item() for place in places))]
    )  # fmt: skip
    equal = int(np.count_nonzero(gradient[..., i] == gradient[..., j]))
    whole = gradient[..., i].size
    entries = ", ".join(symbols.entry(verbatim(named.words[x]), place) for place in places)
    return [
        Heading(f"Neurons {i} and {j} side by side: {entries}"),
        *(Formula(each) for each in _formulas(y, x, found[0], places[0], named)),
        *(Formula(each) for each in _formulas(y, x, found[1], places[1], named)),
        Table(["through", f"neuron {i}", f"neuron {j}", ""], rows),
        Paragraph(_verdict(i, j, equal, whole, gradient)),
    ]


def _aligned(found: Sequence[Flow], neuron: int) -> dict[Any, tuple[float, float]]:
    """The factors by place; where all places are the neuron's own, its number is left open."""
    own = {
        use
        for use in {flow.use for flow in found}
        if all(flow.place[-1:] == (neuron,) for flow in found if flow.use is use)
    }
    return {
        (flow.use, (*flow.place[:-1], None) if flow.use in own else flow.place): (
            flow.local, flow.upstream
        )
        for flow in found
    }  # fmt: skip


def _through(key: Any, named: Named) -> str:
    use, place = key
    return symbols.entry(named.words[use.user], ["·" if k is None else k for k in place])


def _in_sum(number: float) -> str:
    return f"({text.number(number)})" if number < 0 else text.number(number)


def _mark(first: Any, second: Any) -> str:
    return "equal" if first == second else "different"


def _verdict(i: int, j: int, equal: int, whole: int, gradient: Any) -> str:
    if equal < whole:
        apart = text.number(np.abs(gradient[..., i] - gradient[..., j]).max())
        return (
            f"Of the {whole:,} entries of these two neurons, {equal:,} have equal gradients; the "
            f"largest difference is {apart}. One step of training moves them differently."
        )
    return (
        f"All {whole:,} entries of these two neurons have exactly equal gradients. Where their "
        f"values are equal, too, a step of gradient descent leaves them equal."
    )
