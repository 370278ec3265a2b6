"""Two neurons side by side: equal all the way, or where they part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..autograd import F, Node
from ..autograd.tape import data_of
from . import symbols, text
from .article import Article, Block, Heading, Paragraph, Table, Tone, code, verbatim
from .entries import Told, add_up, chain, formulas, sum_of
from .sums import Flow, Sum, flows

Array = NDArray[Any]
Masks = tuple[Array, Array]  #: which entries of a node belong to the one neuron, and to the other
MAX_ROWS = 24  #: of what is compared on the way
FEW = 3  #: numbers that a cell lists
ROUNDING = 1e-6  #: a difference below this, relative to the numbers, is taken for rounding


class Row(NamedTuple):
    """What is compared: its name, and the numbers of both neurons in the same order."""

    name: str
    first: Array
    second: Array

    @property
    def equal(self) -> Array:
        """Which numbers are equal; +0 and -0 are."""
        return np.asarray(self.first == self.second)

    @property
    def is_equal(self) -> bool:
        """Whether all are."""
        return bool(self.equal.all())

    @property
    def apart(self) -> float:
        """The largest difference."""
        with np.errstate(all="ignore"):
            return float(np.abs(self.first - self.second).max(initial=0))

    @property
    def is_rounding(self) -> bool:
        """Whether the difference is small enough to come from the order of additions."""
        return self.apart <= ROUNDING * float(np.abs(self.first).max(initial=0))


def by_neurons(told: Told, places: Sequence[tuple[int, ...]]) -> tuple[Article, list[Sum]]:
    """The article, and the sums for the two entries."""
    found = [flows(told.uses[told.x], told.gradients, place) for place in places]
    sums = [sum_of(told, each, place) for each, place in zip(found, places, strict=True)]
    i, j = (place[-1] for place in places)
    rows = list(_along_the_way(told, i, j))
    blocks = [
        Heading(f"Neurons {i} and {j}, all the way"),
        Paragraph(_verdict(rows)),
        _way(rows, i, j),
        *_terms(told, found, places),
        *chain(told, found[0]),
    ]
    return Article(told.named.title(told.y, told.x), blocks), sums


# All the way: weights, what is computed from them, and the gradients that come back.


def _along_the_way(told: Told, i: int, j: int) -> Iterator[Row]:
    own, meetings = _own_entries(told, i, j)
    named, x = told.named, told.x
    uses = told.uses[x]
    are_weights = all(use.user.operation is F.matmul and use.position == 1 for use in uses)
    name = code(_entries(named.word(x), own[x], (i, j)))
    yield _row(f"weights in, {name}" if are_weights else name, x._data, own[x])
    for node, masks in own.items():
        if node is not x:
            yield from _beside(told, node, masks, (i, j))
            yield _row(code(named.equation(node)), node._data, masks)
    for node, position, masks in meetings:
        yield from _outgoing(told, node, position, masks)
    for node, masks in reversed(own.items()):
        slope = symbols.entry_of_total(named.symbol(told.y), named.symbol(node), ())
        yield _row(f"${slope}$", told.gradients[node], masks)


def _row(name: str, array: Any, masks: Masks) -> Row:
    first, second = (np.asarray(array)[mask] for mask in masks)
    return Row(name, first, second)


def _own_entries(
    told: Told, i: int, j: int
) -> tuple[dict[Node, Masks], list[tuple[Node, int, Masks]]]:
    """Which entries are one neuron's alone, oldest node first; and where the two neurons meet.

    An entry depends on a neuron if it becomes nan when the neuron does.
    """
    shape = np.shape(told.x._data)
    own: dict[Node, Masks] = {told.x: (_column(shape, i), _column(shape, j))}
    meetings = []
    for node in reversed(told.uses):
        leads = [k for k, one in enumerate(node.arguments) if isinstance(one, Node) and one in own]
        if node is told.x or not leads:
            continue
        first, second = (_reached(node, own, side) for side in (0, 1))
        if first.sum() == second.sum() > 0 and not (first & second).any():
            own[node] = first, second
        else:
            meetings += [(node, k, own[node.arguments[k]]) for k in leads]
    return own, meetings


def _reached(node: Node, own: dict[Node, Masks], side: int) -> Array:
    """The entries of a result that depend on entries of the one neuron; none, if unknown."""
    assert node.operation is not None
    arguments = []
    for argument in node.arguments:
        value = data_of(argument)
        if isinstance(argument, Node) and argument in own:
            value = np.where(own[argument][side], np.nan, value).astype(value.dtype)
        arguments.append(value)
    try:
        with np.errstate(all="ignore"):
            return np.isnan(node.operation.compute(arguments, node.params))
    except Exception:  # of a kernel of one's own, which may not like nan
        return np.zeros(np.shape(node._data), dtype=bool)


def _beside(told: Told, node: Node, masks: Masks, neurons: tuple[int, int]) -> Iterator[Row]:
    """Other arrays that go into a neuron's entries one by one, such as its bias."""
    if node.operation is None or node.operation.scalar is None:
        return
    for argument in node.arguments:
        value = np.asarray(data_of(argument))
        if value.size > 1 and not told.is_passed(argument):
            numbers = np.arange(value.size).reshape(value.shape)
            repeated = np.broadcast_to(numbers, np.shape(node._data))
            first, second = (np.isin(numbers, repeated[mask]) for mask in masks)
            if first.sum() == second.sum():
                name = code(_entries(told.named.word(argument), (first, second), neurons))
                yield _row(name, value, (first, second))


def _outgoing(told: Told, node: Node, position: int, masks: Masks) -> Iterator[Row]:
    """The weights that the numbers of a neuron are multiplied by where the two meet."""
    matrices = [np.asarray(data_of(one)) for one in node.arguments]
    if node.operation is not F.matmul or min(one.ndim for one in matrices) < 2:
        return
    name, other = told.named.word(node.arguments[1 - position]), matrices[1 - position]
    inner = masks[0].ndim - (1 if position == 0 else 2)  # the axis that the product sums over
    axes = tuple(axis for axis in range(masks[0].ndim) if axis != inner)
    weights = [
        other.take(np.flatnonzero(mask.any(axis=axes)), axis=-2 if position == 0 else -1).ravel()
        for mask in masks
    ]
    place = "[·, :]" if position == 0 else "[:, ·]"
    yield Row(f"weights out, {code(name + place)}", *weights)


def _entries(word: str, masks: Masks, neurons: tuple[int, int]) -> str:
    """``W1[:, ·]``, if the entries of each neuron are the column of that number."""
    for mask, neuron in zip(masks, neurons, strict=True):
        if not (mask == _column(mask.shape, neuron)).all():
            return f"{word}, the part of each"
    return symbols.entry(word, [*":" * (masks[0].ndim - 1), "·"])


def _column(shape: tuple[int, ...], neuron: int) -> Array:
    """Which entries have this number along the last axis."""
    return np.broadcast_to(np.arange(shape[-1]) == neuron, shape)


def _way(rows: Sequence[Row], i: int, j: int) -> Table:
    shown = [[row.name, _inline(row.first), _inline(row.second), _counted(row)] for row in rows]
    tones: list[Tone] = [_tone(row.is_equal) for row in rows]
    if len(rows) > MAX_ROWS + 1:
        half = MAX_ROWS // 2
        hidden = rows[half:-half]
        same = sum(row.is_equal for row in hidden)
        gap = [f"… {len(hidden)} more", "", "", f"{same} of {len(hidden)} equal"]
        shown = [*shown[:half], gap, *shown[-half:]]
        tones = [*tones[:half], _tone(same == len(hidden)), *tones[-half:]]
    return Table(["", f"neuron {i}", f"neuron {j}", "equal"], shown, tones)


def _tone(is_equal: bool) -> Tone:
    return "equal" if is_equal else "apart"


def _inline(numbers: Array) -> str:
    return text.lines(numbers, at_most=FEW)[0] if numbers.size != 1 else text.number(numbers[0])


def _counted(row: Row) -> str:
    many = f"{int(row.equal.sum()):,} of {row.equal.size:,}"
    return many if row.is_equal else f"{many}; up to {text.number(row.apart)} apart"


def _verdict(rows: Sequence[Row]) -> str:
    """What follows for training, from the gradients (the last row) and the values (the first)."""
    values, gradients = rows[0], rows[-1]
    if gradients.is_equal:
        found = f"Their gradients are equal, bit for bit, in all {gradients.equal.size:,} entries."
        if values.is_equal:
            return (
                f"{found} So are their values: a step of gradient descent moves both in the same "
                f"way, and leaves one neuron twice."
            )
        return f"{found} Their values are not: a step of gradient descent keeps their difference."
    equal = int(gradients.equal.sum())
    zeros = " (they are 0)" if equal and not gradients.first[gradients.equal].any() else ""
    parted = next(row for row in rows if not row.is_equal)
    found = (
        f"Their gradients differ: of {gradients.equal.size:,} entries {equal:,} are equal{zeros}, "
        f"the others up to {text.number(gradients.apart)} apart. From the top, the first "
        f"difference is in the row of {parted.name}"
    )
    if parted.is_rounding and parted is not values:
        return (
            f"{found}, of {text.number(parted.apart)}: as small as rounding. The order in which "
            f"numbers are added can do that; under `tg.reproducible()` it cannot."
        )
    return f"{found}."


# Term by term.


def _terms(
    told: Told, found: Sequence[Sequence[Flow]], places: Sequence[tuple[int, ...]]
) -> list[Block]:
    """One entry of the gradient of each, as sums with the same terms in the same rows."""
    named, x = told.named, told.x
    left, right = (_aligned(flows, place[-1]) for flows, place in zip(found, places, strict=True))
    nothing = (0.0, 0.0)
    keys = sorted(
        dict.fromkeys([*left, *right]),
        key=lambda key: -max(abs(math.prod(side.get(key, nothing))) for side in (left, right)),
    )
    rows, tones = [], []
    for key in keys[: told.shown]:
        pair = [side.get(key, nothing) for side in (left, right)]
        written = [f"{_factor(told, a)} · {_factor(told, b)} = {told.number(a * b)}"
                   for a, b in pair]  # fmt: skip
        a, b = map(math.prod, pair)
        rows.append([verbatim(_through(key, named.word)), *written, _mark(a, b)])
        tones.append(_tone(a == b))
    rest = keys[told.shown :]
    if rest:
        pairs = [[math.prod(side.get(key, nothing)) for side in (left, right)] for key in rest]
        same = sum(a == b for a, b in pairs)
        sums = map(told.number, map(add_up, zip(*pairs, strict=True)))
        rows.append([f"… {len(rest):,} more", *sums, f"{same:,} of {len(rest):,} equal"])
        tones.append(_tone(same == len(rest)))
    for name, array in (("gradient", told.gradients[x]), ("value", x._data)):
        a, b = (array[place].item() for place in places)
        rows.append([name, told.number(a), told.number(b), _mark(a, b)])
        tones.append(_tone(a == b))
    i, j = (place[-1] for place in places)
    entries = " and ".join(symbols.entry(verbatim(named.word(x)), place) for place in places)
    return [
        Heading(f"Term by term: {entries}"),
        *(block for one, place in zip(found, places, strict=True)
          for block in formulas(told, one, place)),
        Table(["through", f"neuron {i}", f"neuron {j}", ""], rows, tones),
    ]  # fmt: skip


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


def _through(key: Any, word: Callable[[Node], str]) -> str:
    use, place = key
    return symbols.entry(word(use.user), ["·" if k is None else k for k in place])


def _factor(told: Told, number: float) -> str:
    shown = told.number(number)
    return f"({shown})" if shown.startswith("-") else shown


def _mark(first: float, second: float) -> str:
    """``equal``, or how far apart."""
    return "equal" if first == second else f"{text.number(abs(first - second))} apart"
