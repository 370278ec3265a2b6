"""What can go wrong, by name. Each error is also the built-in that a reader would catch.

Below the classes stand the complaints of the engine, in words: what was wrong, with shapes or
values, and what to do. So the engine itself reads ``raise errors.no_history(node)``.
"""

from __future__ import annotations

import inspect
import math
import numbers
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

AnyError = TypeVar("AnyError", bound=Exception)


class TinygradInitError(Exception):
    """The root of every error that this package raises on purpose.

    >>> from tinygrad_init import Tensor, TinygradInitError
    >>> try:
    ...     Tensor("abc")
    ... except TinygradInitError as error:
    ...     type(error).__name__
    'DataError'
    """


class ShapeError(TinygradInitError, ValueError, IndexError):
    """Shapes, axes or indices do not fit; like NumPy's AxisError, a ValueError and an IndexError.

    >>> from tinygrad_init import Tensor
    >>> Tensor([1.0, 2.0]) + Tensor([1.0, 2.0, 3.0])
    Traceback (most recent call last):
    tinygrad_init.autograd.errors.ShapeError: add: shapes (2,) and (3,) do not fit: it wants \
lengths that agree, counted from the right, or are 1
    """


class GraphError(TinygradInitError, RuntimeError):
    """The recorded computation cannot be used as asked: changed, missing or foreign history.

    >>> from tinygrad_init import GraphError, Tensor
    >>> try:
    ...     Tensor([1.0, 2.0]).sum().backward()
    ... except GraphError as error:
    ...     str(error)[:60]
    'leaf Tensor depends on nothing that requires a gradient: mak'
    """


class GradientError(TinygradInitError, ArithmeticError):
    """A derivative is wrong: it disagrees with finite differences, or has the wrong shape.

    >>> import tinygrad_init as tg
    >>> wrong = tg.operation("wrong", lambda x: x * x, lambda g, y, x: g * (3 * x))
    >>> try:
    ...     tg.check_grad(wrong, 1.0)
    ... except tg.GradientError as error:
    ...     str(error)[:46]
    'first derivative of argument 0, entry []: got '
    """


class DataError(TinygradInitError, ValueError):
    """A value, a name or a data set is not one that can be used.

    >>> from tinygrad_init import DataError, Value
    >>> try:
    ...     Value("three")
    ... except DataError as error:
    ...     str(error)
    "a Value holds one real number, not 'three' (str)"
    """


# Calling an operation.

FROM_NUMPY = (ValueError, TypeError, IndexError, ArithmeticError)  #: what ``in_words`` is for


def name_taken(name: str) -> GraphError:
    """Two rows of the table by one name."""
    return GraphError(f"there is an operation named {name!r} already: choose another name")


def wrong_call(
    name: str, arity: int, settings: Iterable[str], args: Sequence[Any], given: Iterable[str]
) -> TypeError:
    """Operands or settings that an operation does not have, or does not get."""
    names = list(settings)
    those = f"the setting{'s' * (len(names) > 1)} {', '.join(names)}" if names else "no settings"
    takes = f"{_many(arity, 'operand')} and {those}"
    if unknown := set(given) - set(names):
        return TypeError(f"{name} has no setting {', '.join(sorted(unknown))}: it takes {takes}")
    others = "".join(f", {key}=" for key in given)
    return TypeError(f"{name} takes {takes}, not {_many(len(args), 'argument')}{others}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def wrong_arguments(
    name: str, parameters: Iterable[str], args: Sequence[Any], given: Iterable[str]
) -> TypeError:
    """Too many or too few arguments for a function that is made of operations."""
    others = "".join(f", {key}=" for key in given)
    return TypeError(
        f"{name} takes ({', '.join(parameters)}), not {_many(len(args), 'argument')}{others}"
    )


def missing_setting(name: str, key: str) -> TypeError:
    """A setting without which an operation has no meaning."""
    return TypeError(f"{name} must be told {key}=")


def wrong_setting(name: str, key: str, found: Any, kind: str) -> TypeError:
    """A setting of the wrong kind."""
    error = TypeError(f"{name}: {key}={_shown(found)} must be {kind}")
    return _keeping(f"{key} must be {kind}", error)


def wrong_kind(what: str, kind: str, found: Any) -> TypeError:
    """An argument of the wrong kind, of a function that puts its name in front."""
    told = f"{what} must be {kind}, not {_kind(found)}"
    return _keeping(told, TypeError(told))


def node_as_setting(name: str, key: str) -> TypeError:
    """A Tensor where only a plain number or array has a meaning."""
    return TypeError(
        f"{name}: {key}= is a node, and settings are not differentiated: pass its .data, or "
        f"write it with operations that take it as an operand, as np.maximum takes a bound"
    )


def not_an_operand(name: str, found: Any, position: int) -> TypeError:
    """Something that is no number, array or node."""
    kind = getattr(getattr(found, "dtype", None), "kind", "")
    advice = "operations take real numbers, arrays of them, Values and Tensors"
    if isinstance(found, complex) or kind == "c":
        advice = "take the real and the imaginary part apart"
    elif isinstance(found, numbers.Rational) and not kind:
        advice = "only Values take it, convert it with float()"
    elif isinstance(found, np.ndarray) and type(found) is not np.ndarray:
        advice = "only plain arrays are multiplied place by place, make one with np.asarray"
    elif kind == "f":
        advice = "numbers have at most 64 bits, convert with .astype(np.float64)"
    return _keeping(
        f"{_kind(found)} is no operand: {advice}",
        TypeError(f"{name}: operand {position} is {_kind(found)}: {advice}"),
    )


def kinds_mixed(name: str) -> GraphError:
    """A Value and a Tensor in one operation."""
    return GraphError(
        f"{name}: a Value and a Tensor do not mix in one operation; "
        f"turn the Values into numbers with .data, or compute with one kind throughout"
    )


def only_for_arrays(name: str) -> GraphError:
    """A Value where only arrays will do."""
    told = "operations on arrays take Tensors, not Values: use a Tensor"
    return _keeping(told, GraphError(f"{name}: {told}"))


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

    Their private language stays visible as the cause. What an inner operation of ours told about
    an axis, an index or an operand is told again, in the name of the outer one.
    """
    told = _told(error) or _translated(error, args)
    if not told and isinstance(error, (GraphError, GradientError)):
        return type(error)(str(error))  # these know best what they are about
    others = [f"{key}={_shown(value)}" for key, value in settings.items()]
    operands = ", ".join(filter(None, [" and ".join(map(_shape, args)), *others])) or "nothing"
    words = told or f"it wants {wants or 'at least one real number'}"
    is_raw = not isinstance(error, TinygradInitError)
    if isinstance(error, ShapeError) or (is_raw and isinstance(error, (ValueError, IndexError))):
        if args and not any(hasattr(arg, "shape") for arg in args):
            return _keeping(words, DataError(f"{name} of {operands}: {words}"))
        plural, verb = ("s", "do") if len(args) > 1 else ("", "does")
        return _keeping(
            told, ShapeError(f"{name}: shape{plural} {operands} {verb} not fit: {words}")
        )
    kind = TypeError if isinstance(error, TypeError) else type(error)  # NumPy has its own
    return _keeping(told, kind(f"{name} of {operands}: {words}"))


def _keeping(told: str, error: AnyError) -> AnyError:
    """``error``, with the part of its message that is true of outer operations, too."""
    vars(error)["told"] = told
    return error


def _told(error: Exception) -> str:
    whole = str(error) if isinstance(error, (ShapeError, DataError)) else ""
    return str(vars(error).get("told", whole))


_NO_ENTRY = re.compile(r"index (-?\d+) is out of bounds for axis \d+ with size (\d+)")


def _translated(error: Exception, args: Sequence[Any]) -> str:
    """What is known about an error of Python's or NumPy's, beyond that something does not fit."""
    arrays = [arg for arg in args if isinstance(getattr(arg, "dtype", None), np.dtype)]
    if isinstance(error, np.exceptions.AxisError) and error.ndim is not None:
        return str(no_such_axis(error.axis, error.ndim))
    if isinstance(error, ValueError) and re.search("duplicate value|repeated axis", str(error)):
        return str(repeated_axis())
    if isinstance(error, IndexError) and (found := _NO_ENTRY.search(str(error))):
        length = int(found[2])
        have = f"indices go from {-length} to {length - 1}" if length else "it must have entries"
        return f"there is no entry {found[1]} along an axis of length {length}, {have}"
    has_bools = any(array.dtype.kind == "b" for array in arrays)
    if isinstance(error, TypeError) and has_bools and "bool" in str(error).lower():
        return "it is not defined for bools, convert with .astype(float)"
    if isinstance(error, OverflowError) and arrays:
        return f"too large for {arrays[0].dtype}, convert with .astype(float)"
    if isinstance(error, OverflowError):
        return "the result is too large for a float, use a Tensor where inf will do"
    if isinstance(error, ZeroDivisionError):
        return "division by zero, use a Tensor where inf or nan will do"
    if isinstance(error, ValueError) and args and not any(hasattr(arg, "shape") for arg in args):
        return "outside its domain, it is not defined there"
    return ""


class _Brief(reprlib.Repr):
    """Values in messages: a few entries of a list, and of an array only what it is like."""

    def repr_ndarray(self, array: Any, _level: int) -> str:
        return f"{type(array).__name__}(shape={array.shape}, dtype={array.dtype})"

    def repr_function(self, _function: Any, _level: int) -> str:
        return "a function"

    repr_matrix = repr_ndarray
    repr_Tensor = repr_MaskedArray = repr_ndarray  # noqa: N815 - the names of types


_shown = _Brief().repr


def _shape(operand: Any) -> str:
    """The shape of an array, a number as it is."""
    return str(operand.shape) if hasattr(operand, "shape") else _shown(operand)


def _kind(found: Any) -> str:
    """A value with the name of its type."""
    shown, kind = _shown(found), type(found).__name__
    return shown if shown.startswith(kind) else f"{shown} ({kind})"


def no_such_axis(axis: Any, ndim: int) -> ShapeError:
    """An axis that an array does not have."""
    have = f"axes go from {-ndim} to {ndim - 1}" if ndim else "numbers have none"
    return ShapeError(f"there is no axis {axis}, {have}")


def repeated_axis() -> ShapeError:
    """An axis that is named twice."""
    return ShapeError("an axis is named twice, give each once")


def not_an_axis(axis: Any) -> TypeError:
    """An axis that is no integer."""
    return wrong_kind("an axis", "an integer, or a tuple of integers where several will do", axis)


def not_an_operation(name: str, module: str = "", settings: Iterable[str] = ()) -> TypeError:
    """A function of NumPy's that the table does not have."""
    place = module.replace("numpy", "np", 1) or "np"
    how = f" with {', '.join(sorted(settings))}" if settings else ""
    return TypeError(
        f"{place}.{name}{how} is not an operation that a Tensor records: use the array inside, "
        f".data, if no derivative is needed, or write a custom operation with tg.operation"
    )


# Operations of one's own.


def not_defined(name: Any, forward: Any, rules: Sequence[Any]) -> TypeError:
    """What is missing to make an operation."""
    return TypeError(
        f"operation wants a name, a function that computes, and one derivative rule for each of "
        f"its arguments (None where there is none), not {_shown(name)}, {_shown(forward)}, "
        f"{_shown(rules)}"
    )


def wrong_rule(name: str, position: int, rules: Sequence[Any], params: Any) -> TypeError:
    """A rule that cannot be called with what it will get."""
    rule = rules[position]
    shown = f"one of {inspect.signature(rule)}" if inspect.isfunction(rule) else _kind(rule)
    settings = f", then {', '.join(params)} by name" if params else ""
    return TypeError(
        f"{name}: rule {position} of {len(rules)} must be a function of g, y and {len(rules)} "
        f"argument(s){settings}, not {shown}: there must be one rule for each argument"
    )


def wrong_params(name: str, params: Any) -> TypeError:
    """Settings without defaults."""
    return TypeError(f"{name}: params= must be a dict of settings with defaults, not {params!r}")


def unknown_trait(name: str, given: Iterable[str]) -> TypeError:
    """Something that an operation does not have."""
    return TypeError(f"{name}: operations have no {', '.join(sorted(given))}, leave it out")


# Walking back.


def nothing_to_follow(node: Any) -> GraphError:
    """No derivative flows to this node."""
    return GraphError(
        f"{node.describe()} depends on nothing that requires a gradient: make a leaf with "
        f"requires_grad=True, and compute outside no_grad, so that there is a history to follow"
    )


def not_a_node(found: Any, what: str) -> GraphError:
    """Something else than a Value or a Tensor."""
    return GraphError(
        f"{what} a Value or a Tensor, not {_kind(found)}: pass what was computed, not its .data"
    )


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
        f"reduce first (.sum(), .mean()), or give backward() a gradient= of that shape"
    )


def seed_with_history() -> GraphError:
    """A differentiable ``gradient=`` without ``create_graph``."""
    return GraphError(
        "gradient= requires a gradient itself: pass create_graph=True to follow it, or "
        "its .data to stop there"
    )


def seed_shape(seed: tuple[int, ...], shape: tuple[int, ...]) -> ShapeError:
    """A ``gradient=`` of another shape."""
    return ShapeError(f"gradient= of shape {seed} must have the shape {shape} of the result")


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
    at, words = " and ".join(map(_shape, args)), str(error).strip()
    if isinstance(error, (ZeroDivisionError, OverflowError)):  # of numbers; arrays give inf
        return type(error)(
            f"the derivative of {name} at {at} is infinite, or too large for a float: "
            f"use a Tensor where inf will do"
        )
    is_told = isinstance(error, DataError) and "told" in vars(error)  # by an operation in the rule
    if is_told and not any(hasattr(arg, "shape") for arg in args):
        return DataError(f"the derivative of {name} at {at} is not defined: {words}")
    return GradientError(
        f"the derivative of {name} for its argument {position}, at {at}: {words} "
        f"(a rule takes g, y and the arguments, and gives a gradient)"
    )


def gradient_shape(gradient: tuple[int, ...], shape: tuple[int, ...]) -> GradientError:
    """A rule that is wrong about shapes."""
    return GradientError(
        f"the rule gave a gradient of shape {gradient} for an argument of shape {shape}: "
        f"it must have that shape, or one that broadcasting made of it"
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
        f"a Tensor of shape {node.shape} and dtype {node.dtype} takes no data of shape "
        f"{new.shape} and dtype {new.dtype}: give it data of its own kind, or make a new Tensor"
    )


def foreign_grad(grad: Any, new: Any) -> ShapeError:
    """A ``.grad`` of another shape than the gradient that is to be added to it."""
    return ShapeError(
        f"the .grad that a leaf has already is of shape {np.shape(grad)}, and its gradient of "
        f"shape {new.shape}: leave to .grad what backward() wrote there, or set it to None"
    )


def no_matrix(shape: tuple[int, ...]) -> ShapeError:
    """Too few axes for a matrix."""
    return ShapeError(f"mT: exchanges the last two axes, and shape {shape} has fewer: use .T")


def not_one_entry(asked: str, shape: tuple[int, ...]) -> ShapeError:
    """A number or a yes or no asked of an array."""
    return ShapeError(
        f"{asked} wants one entry, and shape {shape} has {math.prod(shape)}: reduce first "
        f"(.sum(), .mean(), .max()) or take one by its index"
    )


def not_one_number(data: Any, made_by: str = "") -> DataError:
    """A Value of something else."""
    is_many = isinstance(data, (list, tuple, np.ndarray))
    advice = ": use a Tensor for arrays and lists" if is_many else ""
    return DataError(f"{_by(made_by)}a Value holds one real number, not {_kind(data)}{advice}")


def not_real(dtype: np.dtype[Any], made_by: str = "") -> DataError:
    """Data of a dtype that has no place here."""
    advice = ": take the real and the imaginary part apart" if dtype.kind == "c" else ""
    return DataError(
        f"{_by(made_by)}a Tensor holds real numbers of up to 64 bits, not data of dtype "
        f"{dtype}{advice}"
    )


def not_an_array(data: Any, made_by: str = "", dtype: Any = None) -> DataError:
    """Data that NumPy cannot read, such as a ragged list."""
    which = "" if dtype is None else f" of dtype {dtype!r}"
    told = (
        f"{_kind(data)} is no data for a Tensor{which}: it takes real numbers, in lists of equal "
        f"lengths"
    )
    return _keeping(told, DataError(f"{_by(made_by)}{told}"))


def _by(made_by: str) -> str:
    return f"{made_by}: " if made_by else ""


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
        f"{name} takes a function of a Tensor, not {_kind(found)}: pass the function itself, not "
        f"its result"
    )


def not_a_result(name: str, found: Any) -> GraphError:
    """A function that gives no Tensor."""
    return GraphError(
        f"{name}: the function must return a Tensor computed from its arguments, not "
        f"{_kind(found)} (is a `return` missing?)"
    )


def wrong_check(key: str, kind: str, found: Any) -> DataError:
    """A setting of ``check_grad`` without a meaning."""
    return DataError(f"check_grad: {key}={_shown(found)} must be {kind}")
