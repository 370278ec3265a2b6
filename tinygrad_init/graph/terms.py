"""The chain rule, use by use: what every operation adds to the gradient of each of its arguments.

This is the backward pass once more, slowly: the same rules in the same order and arithmetic, with
what was added, and what the sum was then, kept for each use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autograd import TinygradInitError, vector_jacobian_products
from ..autograd.errors import FROM_NUMPY
from ..autograd.modes import in_arithmetic
from ..autograd.tape import data_of
from . import symbols, text
from .back import back
from .local import Quantity, local_derivatives, on_its_own, stale
from .parts import Edge, GraphNode
from .slopes import slope


@dataclass(frozen=True, eq=False)
class Term:
    """What the gradient of a node receives through one edge that leaves it.

    Attributes:
        node: the id of the node that receives it.
        edge: the place of the edge in the list of the graph; ``None`` for all edges at once, where
            their terms are not known.
        formula: in LaTeX: of the local derivative between two numbers, which is only named (∂z/∂x)
            if there is no other formula; otherwise of the vector-Jacobian product.
        local: the local derivative between two numbers, otherwise ``None``.
        amount: the gradient of the target times the local derivative: a number, or an array of the
            shape of the source. ``None`` if it is not known.
        so_far: the sum of this and the terms before it, ``None`` if one of them is not known.
        unavailable: why an amount is not known.
    """

    node: str
    edge: int | None
    formula: str
    local: Any
    amount: Any
    so_far: Any
    unavailable: str = ""


def terms(nodes: Sequence[GraphNode], edges: Sequence[Edge]) -> list[Term]:
    """All terms, in the order in which the engine finds them: the youngest operation first.

    Where the rule of an operation cannot be asked (a pickled graph has none of one's own, since
    they are functions; a folded node stands for many), its arguments get their gradients as a
    whole.
    """
    by_id = {node.id: node for node in nodes}
    shown = in_formulas(nodes)
    uses: dict[str, list[int]] = defaultdict(list)  # by operation: the edges of its arguments
    for place, edge in enumerate(edges):
        uses[edge.target].append(place)
    sums: dict[str, Any] = {}
    as_a_whole: set[str] = set()
    found = []
    for node in reversed(nodes):
        if node.id in as_a_whole and node.gradient is not None:
            found.append(Term(node.id, None, "", None, node.gradient, node.gradient))
        if node.gradient is None and not node.unavailable:
            continue
        places = sorted(uses[node.id], key=lambda place: edges[place].position)
        sources = [by_id[edges[place].source] for place in places]
        if node.recipe is None or any(one.size > 1 for one in (node, *sources)):
            as_a_whole.update(one.id for one in sources)
            continue
        for position, (amount, reason) in _amounts(node, sources).items():
            source = sources[position].id
            sums[source] = _added(sums[source], amount) if source in sums else amount
            formula, local = _told(node, position, sources, shown, shown[nodes[-1].id])
            found.append(
                Term(source, places[position], formula, local, amount, sums[source], reason)
            )
    return [term for term in found if term.edge is None or term.node not in as_a_whole]


def in_formulas(nodes: Sequence[GraphNode]) -> dict[str, str]:
    """By id: the label where it can stand in a formula and nobody else has it, else the id.

    A constant that is a number stands for itself.
    """
    own = symbols.own({node.id: text.label(node.label) for node in nodes})
    return {
        node.id: symbols.factor(node.value)
        if node.kind == "constant" and node.shape == ()
        else own.get(node.id) or symbols.of_id(node.id)
        for node in nodes
    }


def _added(known: Any, amount: Any) -> Any:
    with np.errstate(all="ignore"):  # may overflow to inf, or give nan, and says so itself
        return None if known is None or amount is None else known + amount


def _amounts(node: GraphNode, sources: Sequence[GraphNode]) -> dict[int, tuple[Any, str]]:
    """By position of the argument: what it receives, or why that is not known."""
    recipe = node.recipe
    assert recipe is not None
    values = [Quantity(one.value, one.shape, one.changed) for one in (node, *sources)]
    positions = [position for position, is_open in enumerate(recipe.flows) if is_open]
    reasons = {
        position: node.unavailable or stale(recipe, position, values) for position in positions
    }
    known = [position for position in positions if not reasons[position]]
    alone = on_its_own(recipe, node.value, [one.value for one in sources], known)
    try:
        with in_arithmetic(recipe.arithmetic):
            products = [data_of(one) for _, one in vector_jacobian_products(alone, node.gradient)]
    except (TinygradInitError, *FROM_NUMPY) as error:
        return dict.fromkeys(positions, (None, str(error)))
    amounts = dict(zip(known, products, strict=True))
    return {position: (amounts.get(position), reasons[position]) for position in positions}


def _told(
    node: GraphNode, position: int, sources: Sequence[GraphNode], shown: dict[str, str], result: str
) -> tuple[str, Any]:
    """The formula of a term, and the local derivative between two numbers."""
    assert node.recipe is not None
    here, operands = shown[node.id], [shown[one.id] for one in sources]
    alone = on_its_own(node.recipe, node.value, [one.value for one in sources], {position})
    if any(one.shape for one in (node, *sources)):
        return back(alone, position, here, operands, symbols.total(result, here)), None
    numbers = [Quantity(one.value, one.shape, one.changed) for one in (node, *sources)]
    local = local_derivatives(node.recipe, numbers[0], numbers[1:])[position]
    return slope(alone, position, here, operands), local and local.value
