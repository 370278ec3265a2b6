"""The derivative by an array as an article: matrix by matrix, and one entry of it as a sum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from ..autograd import F, Node
from ..autograd.tape import data_of
from . import symbols, text
from .article import Article, Block, Formula, Heading, Items, Paragraph, Table, code, verbatim
from .back import at_entry, back
from .logits import at_the_logits
from .names import Named
from .slopes import ONE
from .sums import Flow, Sum, Term, Use, flows

MAX_STEPS = 24  #: that are written out
MAX_USES = 4  #: of one node that are
MAX_OTHERS = 12  #: arrays whose shapes are told
LETTERS = "kmpqrstuv"  #: for the places that a sum runs over


class Told(NamedTuple):
    """What there is to tell of: the derivative of y by x, an array.

    Attributes:
        uses: of every node on the way, the youngest first.
        gradients: of these nodes.
        named: what to call them.
        shown: how many terms to write out.
    """

    y: Node
    x: Node
    uses: dict[Node, list[Use]]
    gradients: dict[Node, Any]
    named: Named
    shown: int

    def total(self, node: Node) -> str:
        """The derivative of y by a node, in a formula."""
        return symbols.total(self.named.symbol(self.y), self.named.symbol(node))

    def is_passed(self, argument: Any) -> bool:
        """Whether a gradient passes through an argument on its way to x."""
        return isinstance(argument, Node) and argument in self.uses

    def number(self, x: Any) -> str:
        """In a cell of a table."""
        return text.number(x, self.named.digits)


def by_entries(told: Told, place: tuple[int, ...]) -> tuple[Article, list[Sum]]:
    """The article, and the sum for one entry."""
    found = flows(told.uses[told.x], told.gradients, place)
    total = sum_of(told, found, place)
    blocks = [*chain(told, found), *_one_entry(told, found, total, place)]
    return Article(told.named.title(told.y, told.x), blocks), [total]


# The chain of matrices.


def chain(told: Told, found: Sequence[Flow]) -> list[Block]:
    """From the result back; of a cross-entropy the example that the largest flow belongs to."""
    largest = max(found, key=lambda flow: abs(flow.product), default=None)
    return [
        Heading("From the result back"),
        *_products(told),
        *at_the_logits(told, largest.place if largest else ()),
    ]


def _products(told: Told) -> list[Block]:
    nodes = [node for node in told.uses if node is not told.y]
    half = MAX_STEPS // 2
    is_long = len(nodes) > MAX_STEPS
    shown = [*nodes[:half], *nodes[-half:]] if is_long else nodes
    blocks = _introduction(told)
    blocks += _steps(told, nodes[:half] if is_long else nodes)
    if is_long:
        blocks.append(Paragraph(f"… {len(nodes) - 2 * half:,} more steps …"))
        blocks += _steps(told, nodes[-half:])
    return [*blocks, *_others(told, shown)]


def _introduction(told: Told) -> list[Block]:
    shape = told.named.shape(told.x)
    extent = f"shape {shape}" if "×" in shape else shape if "entr" in shape else "one entry"
    return [
        Paragraph(
            f"${told.named.symbol(told.x)}$ has {extent}. From the result, where "
            f"${told.total(told.y)} = 1$, back to it, each line multiplies the gradient that "
            f"arrived by the derivative of one operation. A gradient has the shape of its node. "
            f"$\\odot$ multiplies entry by entry; $[\\dots]$ is 1 where that is true, 0 elsewhere."
        )
    ]


def _steps(told: Told, nodes: Sequence[Node]) -> list[Block]:
    """One line for each node, below the part of the program that it went into."""
    into = told.named.parts_of([told.uses[node][0].user for node in nodes])
    blocks: list[Block] = []
    for part, group in groupby(zip(into, nodes, strict=True), key=lambda pair: pair[0]):
        if part:
            blocks.append(Paragraph(f"In {code(part)}:"))
        elif any(into):
            blocks.append(Paragraph("Outside of these:" if blocks else "At the end:"))
        blocks.append(Items([_step(told, node) for _, node in group]))
    return blocks


def _step(told: Told, node: Node) -> str:
    """``z = x @ W: dL/dW = Xᵀ dL/dz; 4×2, -1 … 2``."""
    uses = told.uses[node]
    parts = [_contribution(told, use) for use in uses[:MAX_USES]]
    if len(parts) > 1:
        parts = [_apart(parts[0]), *(symbols.in_brackets(_apart(part)) for part in parts[1:])]
    if len(uses) > MAX_USES:
        parts.append(rf"\dots \text{{ ({len(uses) - MAX_USES:,} more)}}")
    users = list(dict.fromkeys(use.user for use in uses))
    computed = ", ".join(code(told.named.equation(user)) for user in users[:MAX_USES])
    branches = f", {len(uses)} contributions add up" if len(uses) > 1 else ""
    # Each in a formula of its own, so that lines may break between them.
    first, *others = parts
    whole = " ".join([f"${told.total(node)} = {first}$", *(f"${{}} + {one}$" for one in others)])
    return (
        f"{computed}{branches}: {whole}; "
        f"{told.named.shape(node)}, {_range(told.gradients[node])}{_note(told, node)}"
    )


def _contribution(told: Told, use: Use) -> str:
    user, named = use.user, told.named
    return back(
        user, use.position, named.symbol(user), named.operands(user), told.total(user),
        named.digits,
    )  # fmt: skip


def _apart(part: str) -> str:
    """Words would run into the next term."""
    return f"({part})" if part.endswith("}") and r"\text{ " in part else part


def _range(gradient: Any) -> str:
    array = np.asarray(gradient)
    if array.size == 1:
        return text.number(array.item())
    return text.lines(array, at_most=0)[0]


def _note(told: Told, node: Node) -> str:
    """Where the terms of a matrix product cancel, what is left is made of their roundings."""
    uses = told.uses[node]
    use = uses[0]
    if len(uses) != 1 or use.user.operation is not F.matmul:
        return ""
    gradient = np.asarray(told.gradients[node])
    matrices = [np.asarray(data_of(one)) for one in use.user.arguments]
    if not gradient.size or any(one.ndim < 2 for one in matrices):
        return ""
    upstream = np.abs(np.asarray(told.gradients[use.user]))
    other = np.abs(np.swapaxes(matrices[1 - use.position], -1, -2))
    with np.errstate(all="ignore"):
        sizes = upstream @ other if use.position == 0 else other @ upstream
    terms = upstream.shape[-1] if use.position == 0 else upstream.shape[-2]
    left, whole = np.abs(gradient).max(), sizes.max()
    if not 0 < left <= 4 * terms * np.finfo(gradient.dtype).eps * whole:
        return ""
    return (
        f". The terms, up to {text.number(whole)} if their signs are left out, cancel: what is "
        f"left is their rounding"
    )


def _others(told: Told, shown: Sequence[Node]) -> list[Block]:
    """Arrays in these formulas that no line is about: data, masks, other parameters."""
    users = [use.user for node in shown for use in told.uses[node][:MAX_USES]]
    found: dict[int, Any] = {}
    for user in users:
        for argument in (*user.arguments, user):
            value = data_of(argument)
            if np.size(value) > 1 and not told.is_passed(argument):
                found.setdefault(id(argument), argument)
    if not found:
        return []
    named = told.named
    words = [
        f"${named.symbol(one)}$ ({named.shape(one)}, {text.lines(data_of(one), at_most=0)[0]})"
        for one in list(found.values())[:MAX_OTHERS]
    ]
    more = f" and {len(found) - MAX_OTHERS} more" if len(found) > MAX_OTHERS else ""
    return [Paragraph(f"Other arrays in these formulas: {', '.join(words)}{more}.")]


# One entry.


def sum_of(told: Told, found: Sequence[Flow], place: tuple[int, ...]) -> Sum:
    """The contributions to an entry, the largest first."""
    named = told.named
    ordered = sorted(found, key=lambda flow: -abs(flow.product))
    terms = [
        Term(
            (
                symbols.entry(named.word(told.x), place),
                symbols.entry(named.word(flow.use.user), flow.place),
            ),
            (flow.local, flow.upstream),
            flow.product,
        )
        for flow in ordered[: told.shown]
    ]
    rest = add_up(flow.product for flow in ordered[told.shown :])
    return Sum(terms, len(ordered) - len(terms), rest)


def add_up(numbers: Iterable[float]) -> float:
    """Rounded once; where that overflows, or infinities meet, as floats add up."""
    terms = list(numbers)
    try:
        return math.fsum(terms)
    except (OverflowError, ValueError):
        return sum(terms)


def _one_entry(
    told: Told, found: Sequence[Flow], total: Sum, place: tuple[int, ...]
) -> list[Block]:
    name = symbols.entry(verbatim(told.named.word(told.x)), place)
    blocks: list[Block] = [
        Heading(f"One entry: {name}"),
        Paragraph(
            "Each entry that it goes into passes on its gradient, times the local derivative. "
            "Where that is 0, the term is left out."
        ),
        *formulas(told, found, place),
    ]
    gradient = float(told.gradients[told.x][place])
    if not found:
        return [*blocks, Paragraph("All local derivatives are 0 here, and so is the gradient.")]
    rows = [
        [verbatim(term.route[1]), *map(told.number, (*term.factors, term.product))]
        for term in total.terms
    ]
    if total.more:
        rows.append([f"… {total.more:,} more", "", "", told.number(total.rest)])
    rows.append(["sum", "", "", told.number(total.total)])
    blocks.append(Table(["through", "local derivative", "gradient there", "product"], rows))
    if math.isnan(gradient) and not math.isnan(total.total):
        blocks.append(Paragraph(
            "The gradient itself is nan: of the gradients that arrive some are not finite, and 0 "
            "times these is nan."
        ))  # fmt: skip
    return blocks


def formulas(told: Told, found: Sequence[Flow], place: tuple[int, ...]) -> list[Block]:
    """The sum in letters, for each use: places that vary get one, the others are numbers."""
    named = told.named
    y = named.symbol(told.y)
    target = symbols.entry_of_total(y, named.symbol(told.x), place)
    parts = []
    for use in dict.fromkeys(flow.use for flow in found):
        through = [flow.place for flow in found if flow.use is use]
        letters, where = _letters(through)
        user = named.symbol(use.user)
        upstream = symbols.entry_of_total(y, user, where)
        operands = named.operands(use.user)
        local = at_entry(use.user, use.position, user, operands, place, where, named.digits)
        if not local or (local == ONE and not _is_everywhere(through, use.user)):
            local = symbols.entry_of_partial(user, where, named.symbol(told.x), place)
        sign = rf"\sum_{{{', '.join(letters)}}} " if letters else ""
        times = "" if local == ONE else rf"{symbols.in_brackets(local)} \,\cdot\, "
        parts.append(f"{sign}{times}{upstream}")
    if not parts:
        return []
    if len(parts) > MAX_USES:
        parts = [*parts[:MAX_USES], rf"\dots \text{{ ({len(parts) - MAX_USES:,} more)}}"]
    return [Formula(f"{target} = {parts[0]}"), *(Formula(f"{{}} + {part}") for part in parts[1:])]


def _is_everywhere(through: Sequence[tuple[int, ...]], user: Node) -> bool:
    """Whether the letters may stand for any place: a lookup goes to some rows only."""
    lengths = zip(np.shape(user._data), zip(*through, strict=True), strict=True)
    return len(through) == math.prod(n for n, axis in lengths if len(set(axis)) > 1)


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
