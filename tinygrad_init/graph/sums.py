"""A derivative as a sum of products: over paths through numbers, over entries of arrays.

Neither is found by trying: a chain of twenty doublings has 1,048,576 paths. Both the number of
paths and their sum obey the recursion that the gradient itself does, from the result to the leaf;
so do the largest products, since a path can only be among the largest through a node if its rest is
among the largest from there on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..autograd import Node, Tensor, TinygradInitError, backpropagate, vector_jacobian_products
from ..autograd.anomaly import add
from ..autograd.modes import Mode
from .backward import flows_to, only

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Term:
    """One product, or several that are alike.

    Attributes:
        route: what it leads through, in words, from the leaf on: nodes, or entries of them.
        factors: in the order of the formula, from the result back to the leaf for a path; the
            local derivative and the gradient that arrives for an entry.
        product: of all factors.
        times: how many paths have this route and these factors. They differ only in which argument
            they take where an operation uses one number twice, and are told together where there
            are too many paths to tell each.
    """

    route: tuple[str, ...]
    factors: tuple[Any, ...]
    product: Any
    times: int = 1


@dataclass(frozen=True, eq=False)
class Sum:
    """A sum of products, of which only the largest are written out.

    Attributes:
        terms: the largest products.
        more: how many others there are.
        rest: the sum of these.
    """

    terms: list[Term]
    more: int
    rest: Any

    @property
    def count(self) -> int:
        """How many products there are."""
        return sum(term.times for term in self.terms) + self.more

    @property
    def total(self) -> Any:
        """The sum of all of them, exact if the numbers are fractions."""
        return sum((term.product * term.times for term in self.terms), start=self.rest)


@dataclass(eq=False, slots=True)  # compared by identity: Tensors have no single "=="
class Use:
    """A node as one argument of an operation: an edge that derivatives flow along."""

    user: Node
    position: int


@dataclass(eq=False, slots=True)
class Between:
    """All that lies between a leaf x and a result y.

    Attributes:
        x, y: the ends.
        uses: of every node on a path, the youngest first, its uses on paths.
        inward: of each of these nodes the arguments on paths, by position.
        alone: the node itself, or a twin from which derivatives flow to these arguments only.
    """

    x: Node
    y: Node
    uses: dict[Node, list[Use]]
    inward: dict[Node, list[int]]
    alone: dict[Node, Node]

    def products(self, node: Node, gradient: Any) -> Iterator[tuple[int, Any]]:
        """What ``gradient`` at a node gives for each argument on a path, by position."""
        found = vector_jacobian_products(self.alone[node], gradient)
        for position, (_, product) in zip(self.inward[node], found, strict=True):
            yield position, product

    def gradients(self) -> dict[Node, Any]:
        """The gradient of y for every node on a path, as ``backward()`` finds it."""
        found = {self.y: self.y._seed(None, False)}
        for node in self.uses:  # the youngest first, so its own is complete
            for position, product in self.products(node, found[node]):
                argument = node.arguments[position]
                known = found.get(argument)
                found[argument] = product if known is None else add(node, known, product)
        return found


def between(tape: Sequence[Node], x: Node) -> Between:
    """All between x and the result, which is the first of its ``tape``; empty, if no path leads."""
    y = tape[0]
    uses: dict[Node, list[Use]] = {}
    inward: dict[Node, list[int]] = {}
    alone: dict[Node, Node] = {}
    for node in reversed(tape):  # arguments come first
        open_to = flows_to(node)
        leads = [k for k in open_to if node.arguments[k] in uses]
        if leads or node is x:
            uses[node], inward[node] = [], leads
            alone[node] = node if len(leads) == len(open_to) else only(node, leads)
            for position in leads:
                uses[node.arguments[position]].append(Use(node, position))
    # Forward from x some nodes lead nowhere: to an operation without a derivative.
    onward: dict[Node, list[Use]] = {}
    for node in reversed(uses):
        users = [use for use in uses[node] if use.user in onward]
        if users or node is y:
            onward[node] = users
    return Between(x, y, onward if x in onward else {}, inward, alone)


# Paths through numbers.


class Way(NamedTuple):
    """The last part of a path: from a node through its user, and then onward to the result."""

    product: Any
    local: Any
    use: Use | None = None
    onward: Way | None = None
    times: int = 1  #: how many paths are like it

    def steps(self) -> Iterator[tuple[Use, Any]]:
        """Each use on the way to the result, with its local derivative."""
        way: Way | None = self
        while way is not None and way.use is not None:
            yield way.use, way.local
            way = way.onward


def ways(through: Between, shown: int) -> tuple[list[Way], int, Any]:
    """The ``shown`` largest ways from x to y, how many other paths there are, and their sum.

    If there are more paths than that, those that are alike make one way.
    """
    x, y = through.x, through.y
    one = _number(y._seed(None, False))
    arriving: dict[Node, list[Way]] = {node: [] for node in through.uses}
    rest: dict[Node, Any] = dict.fromkeys(through.uses, 0)
    arriving[y] = [Way(one, one)]
    count = _count_of_paths(through)
    are_merged = count > shown
    for node in through.uses:  # the youngest first, so all ways from it are complete
        best, left = arriving.pop(node), rest.pop(node)
        if len(best) > shown:
            known = sorted(best, key=_size, reverse=True)
            best = known[:shown]
            left = sum((way.product * way.times for way in known[shown:]), start=left)
        if node is x:
            best.sort(key=_size, reverse=True)
            return best, count - sum(way.times for way in best), left
        for use, local, times in _steps(through, node, are_merged):
            argument = node.arguments[use.position]
            arriving[argument] += [
                Way(local * way.product, local, use, way, times * way.times) for way in best
            ]
            if left != 0:
                rest[argument] += local * left * times
    raise AssertionError("x is one of the nodes")


def _count_of_paths(through: Between) -> int:
    """In time that grows with the number of edges; the numbers themselves may have many digits."""
    counts = dict.fromkeys(through.uses, 0)
    counts[through.y] = 1
    for node in through.uses:
        here = counts.pop(node)
        if node is through.x:
            return here
        for position in through.inward[node]:
            counts[node.arguments[position]] += here
    raise AssertionError("x is one of the nodes")


def _steps(through: Between, node: Node, are_merged: bool) -> list[tuple[Use, Any, int]]:
    """An operation's uses of what is on the way, each with its local derivative, and how often."""
    found = [
        (Use(node, position), _number(product), 1)
        for position, product in through.products(node, node._seed(None, False))
    ]
    if not are_merged or len(found) == 1:
        return found
    alike: dict[tuple[Node, str], tuple[Use, Any, int]] = {}
    for use, local, _ in found:
        key = (node.arguments[use.position], repr(local))  # nan is not equal to itself
        first, _, times = alike.get(key, (use, local, 0))
        alike[key] = (first, local, times + 1)
    return list(alike.values())


def _number(found: Any) -> Any:
    """An array of one entry as a number."""
    return np.asarray(found).item() if isinstance(found, (np.ndarray, np.generic)) else found


def _size(way: Way) -> Any:
    """For sorting; nan would not let itself be compared."""
    size = abs(way.product) * way.times
    return math.inf if isinstance(size, float) and math.isnan(size) else size


# Entries of arrays.


class Flow(NamedTuple):
    """What one entry of the result of an operation contributes to one entry of its argument."""

    use: Use
    place: tuple[int, ...]  #: of the entry of the result
    local: float
    upstream: float

    @property
    def product(self) -> float:
        """The contribution."""
        return self.local * self.upstream


def flows(uses: Sequence[Use], gradients: dict[Node, Any], index: tuple[int, ...]) -> list[Flow]:
    """All contributions to one entry, except where the local derivative is 0."""
    found = []
    for use in uses:
        column = column_of_jacobian(use, index)
        upstream = np.asarray(gradients[use.user])
        for place in map(tuple, np.argwhere(column)):
            where = tuple(map(int, place))
            found.append(Flow(use, where, column[where].item(), upstream[where].item()))
    return found


def column_of_jacobian(use: Use, index: tuple[int, ...]) -> Array:
    """The derivative of every entry of a result by one entry of an argument.

    A rule is linear in the gradient G that it is given, v(G) = J^T G. So the gradient of
    v(G)[index] with respect to G is the column of J, at the price of two walks through one
    operation. The operation is put on leaves of its own, so that these walks end there.
    """
    node, position = use.user, use.position
    alone = only(node, [position])
    leaf = type(node)._wrap(node.arguments[position]._data)
    leaf.requires_grad = True
    alone.arguments = tuple(
        leaf if k == position else one for k, one in enumerate(alone.arguments)
    )
    chosen = np.zeros_like(leaf._data)
    chosen[index] = 1
    upstream = Tensor(np.ones_like(node._data), requires_grad=True)
    try:
        with Mode(recording=True), np.errstate(all="ignore"):  # the ones may overflow
            ((_, product),) = vector_jacobian_products(alone, upstream, create_graph=True)
        if not product.requires_grad:
            return np.zeros_like(node._data)
        column: Array = backpropagate(product, chosen)[upstream]
    except (TinygradInitError, TypeError):  # a rule of one's own that can only compute
        return _entry_by_entry(alone, index)
    return column


def _entry_by_entry(node: Node, index: tuple[int, ...]) -> Array:
    column = np.zeros_like(node._data)
    for place in np.ndindex(column.shape):
        chosen = np.zeros_like(column)
        chosen[place] = 1
        ((_, product),) = vector_jacobian_products(node, chosen)
        column[place] = product[index]
    return column
