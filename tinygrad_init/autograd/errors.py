"""What can go wrong, by name. Each error is also the built-in that a reader would catch.

Below the classes stand the complaints of the engine, in words: what was wrong, with shapes or
values, and what to do. So the engine itself reads ``raise errors.no_history(node)``.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


class TinygradInitError(Exception):
    """The root of every error that this package raises on purpose."""


class ShapeError(TinygradInitError, ValueError, IndexError):
    """Shapes, axes or indices do not fit; like NumPy's AxisError, a ValueError and an IndexError.

    >>> from tinygrad_init import Tensor
    >>> Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])
    Traceback (most recent call last):
    tinygrad_init.autograd.errors.ShapeError: add: shapes (2,) and (3,) do not fit: it wants \
lengths that agree, counted from the right, or are 1
    """


class GraphError(TinygradInitError, RuntimeError):
    """The recorded computation cannot be used as asked: changed, missing or foreign history."""


class GradientError(TinygradInitError, ArithmeticError):
    """A derivative is wrong: it disagrees with finite differences, or has the wrong shape."""


class DataError(TinygradInitError, ValueError):
    """A value, a name or a data set is not one that can be used."""


# Calling an operation.

FROM_NUMPY = (ValueError, TypeError, IndexError, ArithmeticError)  #: what ``in_words`` is for


def name_taken(name: str) -> GraphError:
    """Two rows of the table by one name."""
    return GraphError(f"there is an operation named {name!r} already: choose another name")


def wrong_call(
    name: str, arity: int, settings: Iterable[str], args: Sequence[Any], given: Iterable[str]
) -> TypeError:
    """Operands or settings that an operation does not have, or does not get."""
    names, others = ", ".join(settings), ", ".join(sorted(given))
    return TypeError(
        f"{name} takes {arity} operand(s) and {'the settings ' + names if names else 'no settings'}"
        f"; got {len(args)} positional argument(s){' and ' + others if others else ''}: give what "
        f"is missing, leave out what it does not take"
    )


def missing_setting(name: str, key: str) -> TypeError:
    """A setting without which an operation has no meaning."""
    return TypeError(f"{name} must be told {key}=")


def wrong_setting(name: str, key: str, found: Any, kind: str) -> TypeError:
    """A setting of the wrong kind."""
    return TypeError(f"{name}: {key}={reprlib.repr(found)} must be {kind}")


def node_as_setting(name: str, key: str) -> TypeError:
    """A Tensor where only a plain number or array has a meaning."""
    return TypeError(
        f"{name}: {key}= is a node, and settings are not differentiated: pass its .data, or "
        f"write the operation with others (np.maximum and np.minimum instead of clip)"
    )


def not_an_operand(name: str, position: int, found: Any) -> TypeError:
    """Something that is no number, array or node."""
    return TypeError(
        f"{name}: operand {position} is {_kind(found)}: operations take real numbers, arrays of "
        f"them, and Values or Tensors"
    )


def kinds_mixed(name: str) -> GraphError:
    """A Value and a Tensor in one operation."""
    return GraphError(
        f"{name}: a Value and a Tensor do not mix in one operation; "
        f"turn the Values into numbers with .data, or compute with one kind throughout"
    )


def only_for_arrays(name: str) -> GraphError:
    """A Value where only arrays will do."""
    return GraphError(f"{name} is an operation on arrays: use a Tensor, not a Value")


def not_reproducible(name: str) -> GraphError:
    """No kernel for the second arithmetic."""
    return GraphError(
        f"{name} has no reproducible version: leave tg.reproducible(), or compute it "
        f"beforehand and pass the result in as data"
    )


def in_words(
    name: str, wants: str, error: Exception, args: Sequence[Any], settings: Mapping[str, Any]
) -> Exception:
    """What Python or NumPy complained of, as a complaint about an operation and its operands.

    Where the operation says what it ``wants``, that replaces NumPy's private language, which
    stays visible as the cause.
    """
    if isinstance(error, TinygradInitError) and not isinstance(error, ShapeError):
        return error
    how = "".join(f", {key}={reprlib.repr(value)}" for key, value in settings.items())
    operands = " and ".join(map(_shape, args))
    advice = f"; {name} wants {wants}" if wants else ""
    if any(getattr(arg, "dtype", None) == np.bool_ for arg in args) and "bool" in str(error):
        return TypeError(f"{name} of {operands}{how}: not with bools, convert with .astype(float)")
    if isinstance(error, (ValueError, IndexError)) and any(map(_has_shape, args)):
        plural, verb = ("s", "do") if len(args) > 1 else ("", "does")
        words = f"it wants {wants}" if wants else str(error)
        return ShapeError(f"{name}: shape{plural} {operands}{how} {verb} not fit: {words}")
    if isinstance(error, TypeError):
        return TypeError(f"{name} of {operands}{how}: {error}{advice}")
    words = str(error)
    if isinstance(error, OverflowError):
        words = "the result is too large for a float, use a Tensor where inf will do"
    if isinstance(error, ValueError):
        words = "outside its domain, not defined there"
    kind = DataError if isinstance(error, ValueError) else type(error)
    return kind(f"{name} of {operands}{how}: {words}")


def _has_shape(operand: Any) -> bool:
    if isinstance(operand, (list, tuple)):
        return any(map(_has_shape, operand))
    return hasattr(operand, "shape")


def _shape(operand: Any) -> str:
    """The shape of an array, the shapes of several; numbers and the rest as they are."""
    if isinstance(operand, (list, tuple)) and _has_shape(operand):
        return f"[{', '.join(map(_shape, operand))}]"
    return str(operand.shape) if hasattr(operand, "shape") else reprlib.repr(operand)


def _kind(found: Any) -> str:
    return f"{type(found).__name__} {reprlib.repr(found)}"


def no_such_axis(axis: Any, ndim: int) -> ShapeError:
    """An axis that an array does not have, or has once but is named twice."""
    have = f"axes go from {-ndim} to {ndim - 1}" if ndim else "a number has no axes"
    return ShapeError(f"axis {axis} does not fit {ndim} axes: {have}, each named once")


def not_an_axis(axis: Any) -> TypeError:
    """An axis that is no integer."""
    return TypeError(
        f"an axis is an integer, or a tuple of integers where several will do, not {_kind(axis)}"
    )


def not_an_operation(name: str, module: str = "", settings: Iterable[str] = ()) -> TypeError:
    """A function of NumPy's that the table does not have."""
    place = module.replace("numpy", "np", 1) or "np"
    how = f" with {', '.join(sorted(settings))}" if settings else ""
    return TypeError(
        f"{place}.{name}{how} is not an operation that a Tensor records: use the array inside, "
        f".data, if no derivative is needed, or write a custom operation with tg.operation"
    )


# Walking back.


def nothing_to_follow(node: Any) -> GraphError:
    """No derivative flows to this node."""
    return GraphError(
        f"{node.describe()} depends on nothing that requires a gradient: make a leaf with "
        f"requires_grad=True, and compute outside no_grad, so that there is a history to follow"
    )


def not_a_node(found: Any, what: str) -> GraphError:
    """Something else than a Value or a Tensor."""
    return GraphError(f"{what} a Value or a Tensor, got {type(found).__name__}")


def no_variable(x: Any) -> GraphError:
    """A derivative with respect to something that takes none."""
    return GraphError(
        f"cannot differentiate with respect to {x!r}: "
        f"use a Value, or a Tensor with requires_grad=True"
    )


def many_entries(shape: tuple[int, ...]) -> GraphError:
    """A derivative of several numbers at once."""
    return GraphError(
        f"backward from shape {shape}: a derivative starts from one number; "
        f"reduce first (.sum(), .mean()) or pass gradient= of that shape"
    )


def seed_with_history() -> GraphError:
    """A differentiable ``gradient=`` without ``create_graph``."""
    return GraphError(
        "gradient= requires a gradient itself: pass create_graph=True to follow it, or "
        "its .data to stop there"
    )


def seed_shape(seed: tuple[int, ...], shape: tuple[int, ...]) -> ShapeError:
    """A ``gradient=`` of another shape."""
    return ShapeError(f"gradient= has shape {seed}, and the Tensor {shape}: they must be the same")


def other_arithmetic(node: Any) -> GraphError:
    """Forward in one arithmetic, backward in the other."""
    recorded, now = ("inside", "outside") if node.arithmetic else ("outside", "inside")
    return GraphError(
        f"{node.describe()} was recorded {recorded} `with tg.reproducible()` and is "
        f"differentiated {now} it: put both inside, or both outside"
    )


def changed(node: Any, value: Any) -> GraphError:
    """A value that a rule is about to read is not what it was."""
    return GraphError(
        f"{node.operation.name}: its input {value.describe()} was changed after it was "
        f"recorded (an optimiser step between two backward passes?), so its derivative "
        f"is lost: compute the forward pass again before backward()"
    )


def in_rule(name: str, position: int, args: Sequence[Any], error: Exception) -> Exception:
    """What went wrong while a derivative was computed."""
    at = " and ".join(map(_shape, args))
    if isinstance(error, (ZeroDivisionError, OverflowError)):  # of numbers; arrays give inf
        return type(error)(f"the derivative of {name} at {at} is infinite, or too large")
    if isinstance(error, DataError) and not any(map(_has_shape, args)):
        return DataError(f"the derivative of {name} at {at} is not defined: {error}")
    return GradientError(
        f"the derivative of {name} for its argument {position}, at {at}: {error} "
        f"(a rule takes g, y and the arguments, and gives a gradient)"
    )


def gradient_shape(gradient: tuple[int, ...], shape: tuple[int, ...]) -> GradientError:
    """A rule that is wrong about shapes."""
    return GradientError(
        f"the rule gave a gradient of shape {gradient} for an argument of shape {shape}: "
        f"a rule must return the argument's shape, or one that broadcasting made of it"
    )


# Using a node.


def has_history(node: Any) -> GraphError:
    """Copying what belongs to a graph."""
    return GraphError(
        f"{node.describe()} cannot be copied or pickled with its history: "
        f"take .detach(), or the bare number or array in .data"
    )


def cut_history() -> GraphError:
    """``np.asarray`` of what has a history."""
    return GraphError(
        "turning a Tensor that requires a gradient into an array would cut its history "
        "silently: use .data"
    )


def in_place(node: Any, sign: str) -> GraphError:
    """``t += 1`` inside a graph."""
    name = node.label or "t"
    update = f"`{name}.data {sign}= ...` to change the numbers without recording it"
    compute = f"`{name} = {name} {sign} ...` to go on computing with a new Tensor"
    advice = (update, compute) if node.is_leaf else (compute, update)
    return GraphError(
        f"`{name} {sign}= ...` would overwrite a part of the graph: write {advice[0]}, "
        f"or {advice[1]}"
    )


def item_assignment() -> GraphError:
    """``t[0] = 1``."""
    return GraphError(
        "entries of a Tensor are not assigned to, for the tape would not see it: compute a new "
        "one (np.where(mask, new, t)), or write t.data = ... to replace all numbers of a leaf"
    )


def does_not_hold(node: Any, new: np.ndarray[Any, Any]) -> ShapeError:
    """Assigning data of another shape or kind."""
    return ShapeError(
        f"data of shape {node.shape} and dtype {node.dtype} cannot hold shape "
        f"{new.shape} and dtype {new.dtype}: make a new Tensor instead"
    )


def not_one_entry(shape: tuple[int, ...]) -> ShapeError:
    """A number or a yes or no asked of an array."""
    return ShapeError(
        f"one entry is wanted, and shape {shape} has {math.prod(shape)}: reduce first "
        f"(.sum(), .mean(), .max()) or pick one by its index"
    )


def not_one_number(data: Any, made_by: str = "") -> DataError:
    """A Value of something else."""
    is_many = isinstance(data, (list, tuple, np.ndarray))
    advice = " (for arrays and lists there is Tensor)" if is_many else ""
    what = f"{made_by} gave" if made_by else "got"
    return DataError(f"a Value holds one real number, {what} {_kind(data)}{advice}")


def not_real(dtype: np.dtype[Any], made_by: str = "") -> DataError:
    """Data of a dtype that has no place here."""
    advice = ": take real and imaginary part apart" if dtype.kind == "c" else ""
    what = f"{made_by} gave" if made_by else "got"
    return DataError(
        f"a Tensor holds data that are real numbers of up to 64 bits, {what} dtype {dtype}{advice}"
    )


def not_an_array(data: Any, name: str = "") -> DataError:
    """Data that NumPy cannot read, such as a ragged list."""
    whose = f"{name}: " if name else ""
    return DataError(
        f"{whose}cannot make an array of numbers from {_kind(data)}: lists in it must be equally "
        f"long, and hold real numbers"
    )


def not_differentiable(dtype: np.dtype[Any]) -> DataError:
    """A gradient asked of integers."""
    return DataError(
        f"only floating data have derivatives, got dtype {dtype}: "
        f"pass dtype=float, or leave requires_grad off"
    )


# Asking for derivatives by name.


def not_a_function(name: str, found: Any) -> TypeError:
    """A result where the function belongs."""
    return TypeError(
        f"{name} takes a function of a Tensor, got {_kind(found)}: write {name}(f)(x), not "
        f"{name}(f(x))"
    )


def not_a_result(name: str, found: Any) -> GraphError:
    """A function that gives no Tensor."""
    return GraphError(
        f"{name}: the function must return a Tensor computed from its arguments, got "
        f"{_kind(found)} (is a `return` missing?)"
    )
