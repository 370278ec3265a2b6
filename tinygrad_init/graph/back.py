r"""One step of the chain rule for arrays as a formula: what a gradient becomes on its way back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import F, Node
from ..autograd.axes import axes_of
from ..autograd.tape import data_of
from .slopes import MINUS_ONE, ONE, slope
from .symbols import entry, in_brackets, partial
from .text import DIGITS


class Step(NamedTuple):
    """From the result of an operation to one of its arguments.

    Attributes:
        node: the result, and ``position`` of the argument.
        z: the symbol of the result, and ``operands`` those of the arguments.
        G: the gradient at the result.
    """

    node: Node
    position: int
    z: str
    operands: Sequence[str]
    G: str

    @property
    def x(self) -> str:
        """The argument."""
        return self.operands[self.position]

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of the argument and of the result."""
        return np.shape(data_of(self.node.arguments[self.position])), np.shape(self.node._data)


def back(
    node: Node, position: int, z: str, operands: Sequence[str], G: str,
    digits: int | None = DIGITS,
) -> str:  # fmt: skip
    """What ``G``, the gradient at the result z of an operation, gives for one argument."""
    step = Step(node, position, z, operands, G)
    operation = node.operation
    assert operation is not None
    told = ""
    if F.rows.get(operation.name) is operation:
        if operation.scalar is not None:
            told = _summed(*step.shapes, _entry_by_entry(step, digits))
        elif operation.name in BACK:
            told = BACK[operation.name](step)
    return told or rf"({partial(z, step.x)})^{{\mathsf T}} {G}"


def _entry_by_entry(step: Step, digits: int | None) -> str:
    node = step.node
    local = slope(node, step.position, step.z, step.operands, digits)
    if local == ONE:
        return step.G
    if local == MINUS_ONE:
        return f"-{step.G}"
    if local == partial(step.z, step.x):
        return ""
    return rf"{in_brackets(local)} {_times(node, step.position)} {step.G}"


def _times(node: Node, position: int) -> str:
    """Entry by entry, or by one number."""
    factors = [data_of(one) for k, one in enumerate(node.arguments) if k != position]
    is_linear = node.operation is F.multiply or (node.operation is F.divide and position == 0)
    return r"\," if not np.ndim(node._data) or (is_linear and not np.ndim(factors[0])) else r"\odot"


def _summed(shape: tuple[int, ...], whole: tuple[int, ...], told: str) -> str:
    """What was repeated to fit is summed on the way back."""
    extra = len(whole) - len(shape)
    repeated = [*range(extra)]
    repeated += [extra + k for k, n in enumerate(shape) if n == 1 and whole[extra + k] != 1]
    if not repeated or not told:
        return told
    return rf"\sum_{{\text{{{_axes(repeated)}}}}} {in_brackets(told)}"


def _axes(axes: Sequence[int]) -> str:
    return f"ax{'i' if len(axes) == 1 else 'e'}s {', '.join(map(str, axes))}"


def _reduced(step: Step) -> tuple[int, ...]:
    return axes_of(step.node.params["axis"], len(step.shapes[0]))


def _repeated(step: Step) -> str:
    """The gradient of a reduction, for every entry that went into it."""
    axes = _reduced(step)
    if len(axes) == len(step.shapes[0]):
        return rf"{step.G} \text{{ in every entry}}"
    return rf"{step.G} \text{{ repeated along {_axes(axes)}}}"


def _count(step: Step) -> int:
    return math.prod(step.shapes[0][axis] for axis in _reduced(step))


def _of_matmul(step: Step) -> str:
    (x, y), node, G = step.operands, step.node, step.G
    is_left = step.position == 0
    ndims = tuple(np.ndim(data_of(argument)) for argument in node.arguments)
    if min(ndims) < 1 or (ndims not in ((1, 1), (1, 2), (2, 1)) and min(ndims) < 2):
        return ""
    left, right = rf"{x}^{{\mathsf T}}", rf"{y}^{{\mathsf T}}"
    if ndims == (1, 1):
        return rf"{G} \, {y if is_left else x}"
    if ndims == (1, 2):
        return f"{y} {G}" if is_left else rf"{x} \, ({G})^{{\mathsf T}}"
    if ndims == (2, 1):
        return rf"{G} \, {right}" if is_left else f"{left} {G}"
    shape, whole = step.shapes
    return _summed(shape[:-2], whole[:-2], f"{G} {right}" if is_left else f"{left} {G}")


def _of_mean(step: Step) -> str:
    return rf"\frac{{1}}{{{_count(step)}}} \, {_repeated(step)}"


def _of_extreme(step: Step) -> str:
    """Equal entries share it."""
    which = "largest" if step.node.operation is F.max else "smallest"
    where = "" if len(_reduced(step)) == len(step.shapes[0]) else f" along {_axes(_reduced(step))}"
    return rf"{step.G} \text{{ for the {which}{where}, in equal shares}}"


def _of_spread(step: Step) -> str:
    """Variance, and standard deviation."""
    divisor = max(_count(step) - step.node.params["ddof"], 0)
    deviation = rf"{step.x} - \operatorname{{mean}} {step.x}"
    if step.node.operation is F.var:
        return rf"\frac{{2}}{{{divisor}}} \, ({deviation}) \odot {_repeated(step)}"
    return rf"\frac{{{deviation}}}{{{divisor} \, {step.z}}} \odot {_repeated(step)}"


def _of_softmax(step: Step) -> str:
    axes = rf"\sum_{{\text{{{_axes(_reduced(step))}}}}}"
    return rf"{step.z} \odot ({step.G} - {axes} {step.z} \odot {step.G})"


def _of_log_softmax(step: Step) -> str:
    axes = rf"\sum_{{\text{{{_axes(_reduced(step))}}}}}"
    return rf"{step.G} - \operatorname{{softmax}}({step.x}) \odot {axes} {step.G}"


def _of_transpose(step: Step) -> str:
    ndim, axes = len(step.shapes[0]), step.node.params["axes"]
    order = range(ndim)[::-1] if axes is None else [axis % ndim for axis in axes]
    if [*order] == [*range(ndim)]:
        return step.G
    if ndim == 2:
        return rf"({step.G})^{{\mathsf T}}"
    return rf"{step.G} \text{{ with its axes put back}}"


def _moved(words: str) -> Callable[[Step], str]:
    return lambda step: rf"{step.G} \text{{ {words}}}"


def _of_affine(step: Step) -> str:
    x, w, _ = step.operands
    if [np.ndim(data_of(one)) for one in step.node.arguments] != [2, 2, 1]:
        return ""
    if step.position == 2:
        return _summed(*step.shapes, step.G)
    is_left = step.position == 0
    return rf"{step.G} {w}^{{\mathsf T}}" if is_left else rf"{x}^{{\mathsf T}} {step.G}"


def _of_mse(step: Step) -> str:
    (a, b), (shape, whole) = step.operands, step.shapes
    if whole:
        return ""
    first, second = (a, b) if step.position == 0 else (b, a)
    return rf"\frac{{2}}{{{math.prod(shape)}}} ({first} - {second}) \, {step.G}"


BACK: dict[str, Callable[[Step], str]] = {
    "matmul": _of_matmul,
    "affine": _of_affine,
    "mse": _of_mse,
    "sum_rows": lambda step: rf"{step.G} \text{{ in every row}}",
    "sum": _repeated,
    "mean": _of_mean,
    "max": _of_extreme,
    "min": _of_extreme,
    "var": _of_spread,
    "std": _of_spread,
    "norm": lambda step: rf"\frac{{{step.x}}}{{{step.z}}} \odot {_repeated(step)}",
    "prod": lambda step: rf"\prod_{{\text{{others}}}} {step.x} \odot {_repeated(step)}",
    "cumsum": lambda step: rf"\sum_{{\text{{from here on}}}} {step.G}",
    "logsumexp": lambda step: rf"e^{{{step.x} - {step.z}}} \odot {_repeated(step)}",
    "softmax": _of_softmax,
    "log_softmax": _of_log_softmax,
    "transpose": _of_transpose,
    "broadcast_to": lambda step: _summed(*step.shapes, step.G),
    "concatenate": lambda step: rf"\text{{its part of }} {step.G}",
    "reshape": _moved("in the shape before"),
    "getitem": _moved("at its place, 0 elsewhere"),
    "scatter": _moved("at the places that it went to"),
    "astype": _moved("in the dtype before"),
}


# The same for one entry of the result and one of the argument.


def at_entry(
    node: Node, position: int, z: str, operands: Sequence[str],
    place: Sequence[Any], where: Sequence[Any], digits: int | None = DIGITS,
) -> str:  # fmt: skip
    """The local derivative of the entry ``where`` of the result by ``place`` of the argument.

    Empty where the table has no formula for it.
    """
    operation = node.operation
    if operation is None or F.rows.get(operation.name) is not operation:
        return ""
    if operation.name == "matmul":
        return _factor_of_matmul(node, position, operands, place, where)
    if operation.name in _MOVES:
        return ONE
    if operation.name == "mean":
        return rf"\frac{{1}}{{{_count(Step(node, position, z, operands, ''))}}}"
    if operation.scalar is None:
        return ""
    at = [_broadcast(one, where) for one in node.arguments]
    entries = [entry(name, at_one) for name, at_one in zip(operands, at, strict=True)]
    result = entry(z, where)
    local = slope(node, position, result, entries, digits)
    return "" if local == partial(result, entries[position]) else local


_MOVES = ("sum", "reshape", "transpose", "broadcast_to", "concatenate", "getitem", "astype")


def _broadcast(argument: Any, where: Sequence[Any]) -> list[Any]:
    """Which entry of an argument, fitted to the result, goes into its entry ``where``."""
    shape = np.shape(data_of(argument))
    last = where[len(where) - len(shape) :]
    return [0 if n == 1 else k for n, k in zip(shape, last, strict=True)]


def _factor_of_matmul(
    node: Node, position: int, operands: Sequence[str], place: Sequence[Any], where: Sequence[Any]
) -> str:
    """An entry of the other matrix: of stacks, the one that this product is made with."""
    ndims = [np.ndim(data_of(one)) for one in node.arguments]
    other = 1 - position
    k = place[-1] if position == 0 or ndims[1] == 1 else place[-2]  # what the product sums over
    if ndims[other] == 1:
        return entry(operands[other], [k])
    axes = sum(ndim > 1 for ndim in ndims)  # of one product; those before count the stack
    stack, inside = where[: len(where) - axes], where[len(where) - axes :]
    lengths = np.shape(data_of(node.arguments[other]))[:-2]
    last = stack[len(stack) - len(lengths) :]
    lead = [0 if n == 1 else i for n, i in zip(lengths, last, strict=True)]
    return entry(operands[other], [*lead, *((k, inside[-1]) if position == 0 else (inside[0], k))])
