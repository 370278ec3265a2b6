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
from ..autograd.tape import youngest_first
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


Uses = dict[Node, list[Use]]


def uses_between(y: Node, x: Node) -> Uses:
    """Every node on a path from x to y, the youngest first, with its uses on such paths."""
    onward: Uses = {}
    for node in reversed(youngest_first(y)):  # arguments come first
        leads = [k for k in flows_to(node) if node.arguments[k] in onward]
        if node is x or leads:
            onward[node] = []
            for position in leads:
                onward[node.arguments[position]].append(Use(node, position))
    return dict(reversed(onward.items()))


def products(node: Node, gradient: Any, uses: Uses) -> Iterator[tuple[int, Any]]:
    """What ``gradient`` at an operation gives for each argument on the way to x, by position."""
    positions = flows_to(node)
    wanted = [position for position in positions if node.arguments[position] in uses]
    if len(wanted) < len(positions):
        node = only(node, wanted)
    found = vector_jacobian_products(node, gradient)
    for position, (_, product) in zip(wanted, found, strict=True):
        yield position, product


def gradients(y: Node, uses: Uses) -> dict[Node, Any]:
    """The gradient of y for every node on the way, as ``backward()`` finds it."""
    found = {y: y._seed(None, False)}
    for node in uses:  # the youngest first, so its own is complete
        for position, product in products(node, found[node], uses):
            argument = node.arguments[position]
            known = found.get(argument)
            found[argument] = product if known is None else add(node, known, product)
    return found


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


def ways(y: Node, x: Node, uses: Uses, shown: int) -> tuple[list[Way], int, Any]:
    """The ``shown`` largest ways from x to y, how many other paths there are, and their sum.

    If there are more paths than that, those that are alike make one way.
    """
    one = _number(y._seed(None, False))
    arriving: dict[Node, list[Way]] = {node: [] for node in uses}
    rest: dict[Node, Any] = dict.fromkeys(uses, 0)
    arriving[y] = [Way(one, one)]
    count = _count_of_paths(y, x, uses)
    are_merged = count > shown
    for node in uses:  # the youngest first, so all ways from it are complete
        best, left = arriving.pop(node), rest.pop(node)
        if len(best) > shown:
            known = sorted(best, key=_size, reverse=True)
            best = known[:shown]
            left = sum((way.product * way.times for way in known[shown:]), start=left)
        if node is x:
            best.sort(key=_size, reverse=True)
            return best, count - sum(way.times for way in best), left
        for use, local, times in _steps(node, uses, are_merged):
            argument = node.arguments[use.position]
            arriving[argument] += [
                Way(local * way.product, local, use, way, times * way.times) for way in best
            ]
            if left != 0:
                rest[argument] += local * left * times
    raise AssertionError("x is one of the nodes")


def _count_of_paths(y: Node, x: Node, uses: Uses) -> int:
    """In time that grows with the number of edges; the numbers themselves may have many digits."""
    counts = dict.fromkeys(uses, 0)
    counts[y] = 1
    for node in uses:
        here = counts.pop(node)
        if node is x:
            return here
        for position in flows_to(node):
            if node.arguments[position] in counts:
                counts[node.arguments[position]] += here
    raise AssertionError("x is one of the nodes")


def _steps(node: Node, uses: Uses, are_merged: bool) -> list[tuple[Use, Any, int]]:
    """An operation's uses of what is on the way, each with its local derivative, and how often."""
    found = [
        (Use(node, position), _number(product), 1)
        for position, product in products(node, node._seed(None, False), uses)
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
    alone.evidence = None  # the numbers of these walks are nobody's anomaly
    leaf = type(node)._wrap(node.arguments[position]._data)
    leaf.requires_grad = True
    alone.arguments = tuple(
        leaf if k == position else one for k, one in enumerate(alone.arguments)
    )
    chosen = np.zeros_like(leaf._data)
    chosen[index] = 1
    upstream = Tensor(np.ones_like(node._data), requires_grad=True)
    try:
        with Mode(recording=True):
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
