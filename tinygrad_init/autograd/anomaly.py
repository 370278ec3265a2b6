"""What ``detect_anomaly`` looks at: the first nan or inf, where it came from, and silent writes.

>>> import numpy as np
>>> import tinygrad_init as tg
>>> x = tg.Tensor([1.0, 0.0], requires_grad=True)
>>> with tg.detect_anomaly(), np.errstate(divide="ignore"):
...     y = x.log()
Traceback (most recent call last):
    ...
tinygrad_init.autograd.errors.GraphError: log gave inf
  input 0: shape (2,), from 0.0 to 1.0
  at ...
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import GraphError

if TYPE_CHECKING:
    from .tape import Node

_PACKAGE = os.path.dirname(os.path.dirname(__file__))


class Evidence(NamedTuple):
    """What is kept with a node in this mode: the user's line, and marks of what a rule may read."""

    line: str
    marks: tuple[int | None, ...]


def inspect(name: str, result: Any, arguments: Sequence[Any]) -> Evidence:
    """Evidence about an operation that was just computed, from bare numbers and arrays.

    Raises:
        GraphError: if it gave nan or inf.
    """
    line = _line_of_user_code()
    if (found := _not_finite(result)) is not None:
        raise GraphError(_report(f"{name} gave {found}", arguments, line))
    return Evidence(line, tuple(map(mark, (result, *arguments))))


def check_gradient(node: Node, position: int, gradient: Any) -> None:
    """Raise if the rule for an argument of ``node`` gave nan or inf."""
    name, evidence = _evidence(node)
    if (bad := _not_finite(gradient)) is not None:
        what = f"the gradient of {name} for its argument {position} is {bad}"
        raise GraphError(_report(what, _bare(node.arguments), evidence.line))


def add(node: Node, known: Any, found: Any) -> Any:
    """The gradient that an argument of ``node`` has so far, and what ``node`` adds to it."""
    total = known + found
    if node.evidence is not None and (bad := _not_finite(getattr(total, "_data", total))):
        name, evidence = _evidence(node)
        what = f"the sum of the gradients for an argument of {name} is {bad}"
        raise GraphError(_report(what, _bare(node.arguments), evidence.line))
    return total


def check_unchanged(node: Node, reads: tuple[bool, ...]) -> None:
    """Raise if a value that a rule is about to read is not what it was, by a write to the array."""
    name, evidence = _evidence(node)
    values = _bare((node, *node.arguments))
    for k, is_read in enumerate((*reads, *reads[-1:] * (len(values) - len(reads)))):
        if is_read and mark(values[k]) != evidence.marks[k]:
            raise GraphError(
                f"{name}: an array that it needs for its derivative was written to after it was "
                f"recorded: keep arrays as they are until backward()\n  at {evidence.line}"
            )


def _evidence(node: Node) -> tuple[str, Evidence]:
    assert node.operation is not None
    assert node.evidence is not None
    return node.operation.name, node.evidence


def _bare(values: Sequence[Any]) -> list[Any]:
    return [getattr(value, "_data", value) for value in values]


def _not_finite(data: Any) -> str | None:
    """``"nan"`` or ``"inf"`` if there is one among the numbers."""
    if isinstance(data, (np.ndarray, np.generic, float)):
        array = np.asarray(data)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return "nan" if np.isnan(array).any() else "inf"
    return None


def mark(data: Any) -> int:
    """A number that is another one, nearly always, if the data are."""
    return hash(data.tobytes() if isinstance(data, np.ndarray) else data)


def _report(what: str, arguments: Sequence[Any], line: str) -> str:
    inputs = [f"  input {k}: {_summary(argument)}" for k, argument in enumerate(arguments)]
    return "\n".join([what, *inputs, f"  at {line}"])


def _summary(data: Any) -> str:
    if not isinstance(data, np.ndarray) or not data.size or data.dtype.kind != "f":
        return repr(data) if not isinstance(data, np.ndarray) else f"shape {data.shape}"
    bad = _not_finite(data)
    return f"shape {data.shape}, from {data.min()} to {data.max()}{f', with {bad}' if bad else ''}"


def _line_of_user_code() -> str:
    """The innermost line that is not part of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    path, number = frame.f_code.co_filename, frame.f_lineno
    return f"{path}:{number}: {linecache.getline(path, number).strip()}"
