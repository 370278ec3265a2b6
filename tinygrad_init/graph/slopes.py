r"""The derivatives of operations as formulas: of numbers, and as products with a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import F, Node
from ..autograd.axes import axes_of
from ..autograd.tape import data_of
from .symbols import in_brackets, number, partial

#: ``%(x)s`` and ``%(y)s`` are the operands, ``%(z)s`` is the result; one formula for each operand
SLOPES: dict[str, tuple[str, ...]] = {
    "add": ("1", "1"),
    "subtract": ("1", "-1"),
    "multiply": ("%(y)s", "%(x)s"),
    "divide": (r"\frac{1}{%(y)s}", r"-\frac{%(x)s}{%(y)s^2}"),
    "power": (r"%(y)s \, %(x)s^{%(y)s - 1}", r"%(z)s \ln %(x)s"),
    "negative": ("-1",),
    "positive": ("1",),
    "reciprocal": (r"-\frac{1}{%(x)s^2}",),
    "square": (r"2 %(x)s",),
    "hypot": (r"\frac{%(x)s}{%(z)s}", r"\frac{%(y)s}{%(z)s}"),
    "absolute": (r"\operatorname{sign}(%(x)s)",),
    "exp": ("%(z)s",),
    "exp2": (r"%(z)s \ln 2",),
    "expm1": ("%(z)s + 1",),
    "log": (r"\frac{1}{%(x)s}",),
    "log2": (r"\frac{1}{%(x)s \ln 2}",),
    "log10": (r"\frac{1}{%(x)s \ln 10}",),
    "log1p": (r"\frac{1}{1 + %(x)s}",),
    "logaddexp": ("e^{%(x)s - %(z)s}", "e^{%(y)s - %(z)s}"),
    "sqrt": (r"\frac{1}{2 %(z)s}",),
    "cbrt": (r"\frac{1}{3 %(z)s^2}",),
    "sin": (r"\cos(%(x)s)",),
    "cos": (r"-\sin(%(x)s)",),
    "tan": ("1 + %(z)s^2",),
    "arcsin": (r"\frac{1}{\sqrt{1 - %(x)s^2}}",),
    "arccos": (r"-\frac{1}{\sqrt{1 - %(x)s^2}}",),
    "arctan": (r"\frac{1}{1 + %(x)s^2}",),
    "sinh": (r"\cosh(%(x)s)",),
    "cosh": (r"\sinh(%(x)s)",),
    "tanh": ("1 - %(z)s^2",),
    "arcsinh": (r"\frac{1}{\sqrt{%(x)s^2 + 1}}",),
    "arccosh": (r"\frac{1}{\sqrt{%(x)s^2 - 1}}",),
    "arctanh": (r"\frac{1}{1 - %(x)s^2}",),
    "where": ("0", "%(x)s", "1 - %(x)s"),  # the first is the condition, 1 or 0
    "relu": (r"[%(x)s > 0]",),
    "sigmoid": (r"%(z)s (1 - %(z)s)",),
    "softplus": (r"\sigma(%(x)s)",),
}

ONE, MINUS_ONE = "1", "-1"


def slope(node: Node, position: int, result: str, operands: Sequence[str]) -> str:
    """The local derivative of an operation on numbers, or entry by entry, as a formula.

    Without one in the table it is only named: ∂z/∂x.
    """
    operation = node.operation
    if operation is None or F.rows.get(operation.name) is not operation:
        return partial(result, operands[position])
    exponent = data_of(node.arguments[-1])
    is_constant = not isinstance(node.arguments[-1], Node) and np.ndim(exponent) == 0
    if operation.name == "power" and position == 0 and is_constant:
        return _slope_of_power(operands[0], exponent)
    templates = SLOPES.get(operation.name)
    if templates is None:
        return partial(result, operands[position])
    named = dict(zip("xy", operands, strict=False))
    return templates[position] % {**named, "z": result}


def _slope_of_power(x: str, exponent: Any) -> str:
    """``3 x^2``: nobody writes ``3 x^{3 - 1}``."""
    if exponent == 1:
        return ONE
    raised = x if exponent == 2 else f"{x}^{{{number(exponent - 1)}}}"
    return rf"{number(exponent)} \, {raised}"


def back(
    node: Node, position: int, result: str, operands: Sequence[str], upstream: str
) -> str:
    """What ``upstream``, the gradient at the result of an operation, gives for one argument."""
    operation = node.operation
    assert operation is not None
    x, z = node.arguments[position], node
    own = F.rows.get(operation.name)
    if own is operation and operation.scalar is not None:
        told = _entry_by_entry(node, position, result, operands, upstream)
        if told:
            return _summed(np.shape(data_of(x)), np.shape(z._data), told)
    if own is operation and operation.name in _BACK:
        told = _BACK[operation.name](node, position, operands, upstream)
        if told:
            return told
    return rf"({partial(result, operands[position])})^{{\mathsf T}} {upstream}"


def _entry_by_entry(
    node: Node, position: int, result: str, operands: Sequence[str], upstream: str
) -> str:
    local = slope(node, position, result, operands)
    if local == ONE:
        return upstream
    if local == MINUS_ONE:
        return f"-{upstream}"
    if local != partial(result, operands[position]):
        others = [data_of(one) for k, one in enumerate(node.arguments) if k != position]
        is_number = node.operation is F.multiply and not np.ndim(others[0])
        sign = r"\," if is_number else r"\odot"
        return f"{in_brackets(local)} {sign} {upstream}"
    name = node.operation.name if node.operation else ""
    if len(node.arguments) == 1 and name.isalnum():
        return rf"\operatorname{{{name}}}'({operands[0]}) \odot {upstream}"
    return ""


def _summed(shape: tuple[int, ...], whole: tuple[int, ...], told: str) -> str:
    """What was repeated to fit is summed on the way back."""
    extra = len(whole) - len(shape)
    repeated = [*range(extra)]
    repeated += [extra + k for k, n in enumerate(shape) if n == 1 and whole[extra + k] != 1]
    if not repeated:
        return told
    axes = f"ax{'i' if len(repeated) == 1 else 'e'}s {', '.join(map(str, repeated))}"
    return rf"\sum_{{\text{{{axes}}}}} {in_brackets(told)}"


def _of_matmul(node: Node, position: int, operands: Sequence[str], upstream: str) -> str:
    x, y = operands
    ndims = tuple(np.ndim(data_of(argument)) for argument in node.arguments)
    if min(ndims) < 1 or (ndims not in ((1, 1), (1, 2), (2, 1)) and min(ndims) < 2):
        return ""
    left, right = rf"{x}^{{\mathsf T}}", rf"{y}^{{\mathsf T}}"
    if ndims == (1, 1):
        return rf"{upstream} \, {y if position == 0 else x}"
    if ndims == (1, 2):
        return f"{y} {upstream}" if position == 0 else rf"{x} \, ({upstream})^{{\mathsf T}}"
    if ndims == (2, 1):
        return rf"{upstream} \, {right}" if position == 0 else f"{left} {upstream}"
    told = f"{upstream} {right}" if position == 0 else f"{left} {upstream}"
    stacks = np.shape(data_of(node.arguments[position]))[:-2]
    return _summed(stacks, np.shape(node._data)[:-2], told)


def _of_sum(node: Node, position: int, operands: Sequence[str], upstream: str) -> str:
    argument = data_of(node.arguments[0])
    axes = axes_of(node.params["axis"], np.ndim(argument))
    if node.operation is F.mean:
        many = int(np.prod([np.shape(argument)[axis] for axis in axes]))
        upstream = rf"\frac{{1}}{{{many}}} \, {upstream}"
    if len(axes) == np.ndim(argument):
        return rf"{upstream} \text{{ in every entry}}"
    named = f"ax{'i' if len(axes) == 1 else 'e'}s {', '.join(map(str, axes))}"
    return rf"{upstream} \text{{ repeated along {named}}}"


def _of_transpose(node: Node, position: int, operands: Sequence[str], upstream: str) -> str:
    if np.ndim(node._data) == 2 and node.params["axes"] in (None, (1, 0)):
        return rf"({upstream})^{{\mathsf T}}"
    return rf"{upstream} \text{{ with its axes put back}}"


def _moved(words: str) -> Any:
    return lambda node, position, operands, upstream: rf"{upstream} \text{{ {words}}}"




_BACK: dict[str, Any] = {
    "matmul": _of_matmul,
    "sum": _of_sum,
    "mean": _of_sum,
    "transpose": _of_transpose,
    "reshape": _moved("in the shape before"),
    "getitem": _moved("at its place, 0 elsewhere"),
    "astype": _moved("in the dtype before"),
}
