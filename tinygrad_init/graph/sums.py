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
from ..autograd.modes import Mode
from ..autograd.tape import youngest_first

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Term:
    """One product.

    Attributes:
        route: what it leads through, in words, from the leaf on: nodes, or entries of them.
        factors: in the order of the formula, from the result back to the leaf for a path; the
            local derivative and the gradient that arrives for an entry.
        product: of all factors.
    """

    route: tuple[str, ...]
    factors: tuple[Any, ...]
    product: Any


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
        return len(self.terms) + self.more

    @property
    def total(self) -> Any:
        """The sum of all of them, exact if the numbers are fractions."""
        return sum((term.product for term in self.terms), start=self.rest)


@dataclass(frozen=True, eq=False, slots=True)  # compared by identity: Tensors have no single "=="
class Use:
    """A node as one argument of an operation: an edge that derivatives flow along."""

    user: Node
    position: int


def uses_between(y: Node, x: Node) -> dict[Node, list[Use]]:
    """Every node on a path from x to y, the youngest first, with its uses on such paths."""
    onward: dict[Node, list[Use]] = {}
    for node in reversed(youngest_first(y)):  # arguments come first
        leads = [k for k in open_positions(node) if node.arguments[k] in onward]
        if node is x or leads:
            onward[node] = []
            for position in leads:
                onward[node.arguments[position]].append(Use(node, position))
    return dict(reversed(onward.items()))


def open_positions(node: Node) -> list[int]:
    """The arguments that a gradient flows to, in the order in which the engine gives theirs."""
    operation = node.operation
    if operation is None:
        return []
    return [
        position
        for position, argument in enumerate(node.arguments)
        if isinstance(argument, Node)
        and argument.requires_grad
        and operation.rules[0 if operation.is_variadic else position] is not None
    ]


def products(node: Node, gradient: Any) -> Iterator[tuple[int, Any]]:
    """What ``gradient`` at an operation gives for each argument, by position."""
    found = vector_jacobian_products(node, gradient)
    for position, (_, product) in zip(open_positions(node), found, strict=True):
        yield position, product


# Paths through numbers.


class Way(NamedTuple):
    """The last part of a path: from a node through its user, and then onward to the result."""

    product: Any
    local: Any
    use: Use | None = None
    onward: Way | None = None

    def steps(self) -> Iterator[tuple[Use, Any]]:
        """Each use on the way to the result, with its local derivative."""
        way: Way | None = self
        while way is not None and way.use is not None:
            yield way.use, way.local
            way = way.onward


def ways(y: Node, x: Node, uses: dict[Node, list[Use]], shown: int) -> tuple[list[Way], int, Any]:
    """The ``shown`` largest ways from x to y, how many others there are, and the sum of these."""
    one = _number(y._seed(None, False))
    arriving: dict[Node, list[Way]] = {node: [] for node in uses}
    count = dict.fromkeys(uses, 0)
    rest: dict[Node, Any] = dict.fromkeys(uses, 0)
    arriving[y], count[y] = [Way(one, one)], 1
    for node in uses:  # the youngest first, so all ways from it are complete
        known = sorted(arriving.pop(node), key=_size, reverse=True)
        best = known[:shown]
        rest[node] = sum((way.product for way in known[shown:]), start=rest[node])
        if node is x:
            return best, count[node] - len(best), rest[node]
        for position, found in products(node, node._seed(None, False)):
            argument, local = node.arguments[position], _number(found)
            if argument in uses:
                use = Use(node, position)
                arriving[argument] += [Way(local * way.product, local, use, way) for way in best]
                count[argument] += count[node]
                rest[argument] += local * rest[node] if count[node] > len(best) else 0
    raise AssertionError("x is one of the nodes")


def _number(found: Any) -> Any:
    """An array of one entry as a number."""
    return np.asarray(found).item() if isinstance(found, (np.ndarray, np.generic)) else found


def _size(way: Way) -> Any:
    """For sorting; nan would not let itself be compared."""
    size = abs(way.product)
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
    arguments = [
        type(one)._wrap(one._data) if isinstance(one, Node) else one for one in node.arguments
    ]
    arguments[position].requires_grad = True
    alone: Node = type(node)._wrap(node._data)
    alone.operation, alone.how = node.operation, node.how
    alone.arguments = tuple(arguments)
    chosen = np.zeros_like(arguments[position]._data)
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
