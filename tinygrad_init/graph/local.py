"""Local derivatives: what one operation contributes to the chain rule, for each of its arguments.

They are asked of the operation's own rules with gradient 1, when somebody wants to know, from the
numbers that a graph has kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Node, Operation, TinygradInitError, vector_jacobian_products
from ..autograd.errors import FROM_NUMPY
from ..autograd.modes import in_arithmetic
from ..autograd.tape import How
from .backward import reads


@dataclass(frozen=True)
class LocalDerivative:
    """The derivative of the result of one operation with respect to one of its arguments.

    Attributes:
        operation: its name, and ``position``: of the argument, from 0. Together they say which rule
            of the engine multiplies a gradient with this derivative.
        shape: of the whole derivative: the axes of the result, then those of the argument; ``()``
            between two numbers.
        value: the number between two numbers, exact for fractions; otherwise ``None``, since
            the engine never forms these matrices.
        unavailable: why there is no number although both ends are numbers.
    """

    operation: str
    position: int
    shape: tuple[int, ...]
    value: Any = None
    unavailable: str = ""


class Recipe(NamedTuple):
    """What a graph keeps of an operation, to ask its rules later."""

    kind: type[Node]
    operation: Operation
    params: Mapping[str, Any]
    arithmetic: int
    flows: tuple[bool, ...]  #: for each argument, whether derivatives flow to it

    def __reduce__(self) -> Any:
        """Rules are functions, which cannot be pickled: a graph from a pickle has none."""
        return type(None), ()


class Quantity(NamedTuple):
    """A kept value, and why it may not be the one that was recorded."""

    value: Any
    shape: tuple[int, ...]
    changed: str


def local_derivatives(
    recipe: Recipe, result: Quantity, arguments: Sequence[Quantity]
) -> list[LocalDerivative | None]:
    """One for every argument, ``None`` where no derivative flows."""
    return [
        _one(recipe, position, result, arguments) if is_open else None
        for position, is_open in enumerate(recipe.flows)
    ]


def _one(
    recipe: Recipe, position: int, result: Quantity, arguments: Sequence[Quantity]
) -> LocalDerivative:
    values = (result, *arguments)
    value, unavailable = None, ""
    if not any(one.shape for one in values):
        unavailable = _stale(recipe, position, values)
        try:
            value = None if unavailable else _number(recipe, position, result, arguments)
        except (TinygradInitError, *FROM_NUMPY) as error:
            unavailable = str(error)
    shape = result.shape + arguments[position].shape
    return LocalDerivative(recipe.operation.name, position, shape, value, unavailable)


def _stale(recipe: Recipe, position: int, values: Sequence[Quantity]) -> str:
    """Why the rule would not see the numbers that were recorded."""
    flags = reads(recipe.operation, position, len(values))
    notes = [one.changed for one, is_read in zip(values, flags, strict=True) if is_read]
    return next((f"the rule needs a number that was {note}" for note in notes if note), "")


def _number(
    recipe: Recipe, position: int, result: Quantity, arguments: Sequence[Quantity]
) -> Any:
    """The operation is put on a tape of its own, on which derivatives flow to one argument."""
    node, wanted = (recipe.kind._wrap(one.value) for one in (result, arguments[position]))
    wanted.requires_grad = True
    node.operation, node.how = recipe.operation, How(recipe.params, recipe.arithmetic)
    node.arguments = tuple(
        wanted if k == position else one.value for k, one in enumerate(arguments)
    )
    with in_arithmetic(recipe.arithmetic):
        ((_, found),) = vector_jacobian_products(node, node._seed(None, False))
    return found[()] if isinstance(found, np.ndarray) else found
