"""The table of operations: its rows by name, as methods of nodes, and as NumPy's functions.

The rows themselves stand in the package :mod:`operations`, by family. A row of your own is made by
:func:`operation`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import wraps
from typing import Any

import numpy as np

from . import errors, manual
from .operation import Function, Operation, Rule
from .tape import Node

#: Settings by the names that other releases of NumPy have for them.
_RENAMED = {"newshape": "shape", "min": "a_min", "max": "a_max"}


class Table:
    r"""The operations by name: ``F.tanh`` is the row of tanh.

    Attributes:
        rows: the operations.
        compositions: functions made of rows, by name; ``F.stack`` is one.
        of_numpy: both, by the function of NumPy's that they stand for on a Tensor.

    Rows compute on numbers and arrays as on nodes; iterating the table gives the rows.

    >>> from tinygrad_init import F, Tensor
    >>> F.maximum([1.0, 5.0], 2.0)
    array([2., 5.])
    >>> F.maximum(Tensor([1.0, 5.0]), 2.0)
    Tensor([2., 5.])
    >>> F.tanh
    <operation tanh: \tanh x>
    """

    def __init__(self) -> None:
        self.rows: dict[str, Operation] = {}
        self.compositions: dict[str, Function] = {}
        self.of_numpy: dict[Function, Function] = {}

    def define(
        self, name: str, plain: Function, exact: Function | None, *rules: Rule | None,
        also: Sequence[Function] = (), **settings: Any,
    ) -> Operation:  # fmt: skip
        """Add a row, see :class:`Operation`; from then on nodes have it as a method, too.

        It stands for NumPy's function of that name, if there is one, and for those in ``also``.
        """
        if name in self.rows:
            raise errors.name_taken(name)
        row = Operation(name, (plain, exact), rules, **settings)
        self.rows[name] = vars(self)[name] = row
        self.of_numpy.update(dict.fromkeys((getattr(np, name, row), *also), row))
        if not row.is_variadic:
            add_method(Node, name, row, manual.of_row(row))
        if row.operator:
            _add_operator(row)
        return row

    def compose(self, numpy_function: Function, wants: str) -> Callable[[Function], Function]:
        """Decorate a function made of rows that is to be ``numpy_function`` on Tensors.

        Args:
            numpy_function: NumPy's function of the same arguments.
            wants: what its arguments must fulfil, for messages.
        """

        def register(function: Function) -> Function:
            name, signature = function.__name__, inspect.signature(function)

            @wraps(function)
            def checked(*args: Any, **settings: Any) -> Any:
                try:
                    return function(*args, **settings)
                except (*errors.FROM_NUMPY, errors.GraphError) as error:
                    operands, others = _sorted_out(name, signature, args, settings)
                    raise errors.in_words(name, wants, error, operands, others) from error

            checked.__doc__ = manual.of_function(name, function.__doc__ or "")
            self.compositions[name] = vars(self)[name] = checked
            self.of_numpy[numpy_function] = checked
            return checked

        return register

    def call_ufunc(
        self, ufunc: np.ufunc, method: str, args: Sequence[Any], settings: Mapping[str, Any]
    ) -> Any:
        """``np.tanh(x)`` where x is a Tensor."""
        if method != "__call__" or settings or ufunc not in self.of_numpy:
            name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise errors.not_an_operation(name, settings=settings)
        return self.of_numpy[ufunc](*args)

    def call_numpy(
        self, function: Function, args: Sequence[Any], settings: Mapping[str, Any]
    ) -> Any:
        """``np.sum(x, axis=0)`` where x is a Tensor."""
        row = self.of_numpy.get(function)
        if isinstance(row, Operation):
            # NumPy's settings in NumPy's order, which has more of them: np.sum(x, axis, dtype).
            operands, others = args[: len(row.rules)], args[len(row.rules) :]
            names = list(inspect.signature(function).parameters)[len(row.rules) :] if others else []
            given = {**dict(zip(names, others, strict=False)), **settings}
            args, settings = operands, {_RENAMED.get(key, key): given[key] for key in given}
        unknown = settings.keys() - row.params.keys() if isinstance(row, Operation) else ()
        if row is None or unknown:
            raise errors.not_an_operation(function.__name__, function.__module__, unknown)
        return row(*args, **settings)

    def __getattr__(self, name: str) -> Operation:
        raise AttributeError(f"no operation is named {name!r}; there are {', '.join(self.rows)}")

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.rows.values())


def _sorted_out(
    name: str, signature: inspect.Signature, args: Sequence[Any], settings: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The operands of a call, which have shapes, and its other arguments, by name."""
    if unknown := settings.keys() - signature.parameters.keys():
        raise errors.not_an_operation(name, settings=unknown)
    try:
        given = signature.bind(*args, **settings).arguments
    except TypeError as error:
        raise errors.wrong_arguments(name, signature.parameters, args, settings) from error
    operands: list[Any] = []
    others: dict[str, Any] = {}
    for key, value in given.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        if any(hasattr(each, "shape") for each in several):
            operands += several
        else:
            others[key] = value
    return operands, others


def add_method(kind: type, name: str, function: Function, about: str) -> None:
    """Let ``x.name(...)`` be ``function(x, ...)``."""

    def method(self: Any, *args: Any, **params: Any) -> Any:
        return function(self, *args, **params)

    method.__name__, method.__doc__ = name, about
    setattr(kind, name, method)


def _add_operator(row: Operation) -> None:
    """Let Python's operator be the operation."""
    # Not of any number of arguments: their packing takes 0.1 of the 1.2 us of an addition.

    def alone(x: Any) -> Any:
        return row(x)

    def of_two(x: Any, other: Any) -> Any:
        return row(x, other)

    def reflected(x: Any, other: Any) -> Any:
        return row(other, x)

    setattr(Node, f"__{row.operator}__", alone if row.arity == 1 else of_two)
    if hasattr(np.ndarray, f"__r{row.operator}__"):
        setattr(Node, f"__r{row.operator}__", reflected)


F = Table()


def operation(
    name: str, forward: Function, *rules: Rule | None, formula: str = "", **settings: Any
) -> Operation:
    """An operation of your own: forward, one derivative per argument, formula.

    Args:
        name: for messages and drawings.
        forward: computes on arrays (and on numbers, if it is to work on Values).
        rules: one per argument, ``rule(g, y, *arguments)``: the gradient that arrives times the
            derivative. Written in ``+ - * /`` and rows of ``tg.F``, it can itself be
            differentiated. ``None`` for an argument that has no derivative.
        formula: in LaTeX.
        settings: more of what an :class:`Operation` takes, such as ``params`` or ``at_kinks``;
            ``exact=`` says how to compute in reproducible arithmetic, where it is refused
            otherwise.

    Raises:
        TypeError: if ``forward`` or a rule cannot be called with what it will get.

    Check it with ``check_grad``:

    >>> import tinygrad_init as tg
    >>> cube = tg.operation("cube", lambda x: x * x * x, lambda g, y, x: g * (3 * x * x))
    >>> tg.check_grad(cube, [1.0, -2.0], order=2)
    >>> x = tg.Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    """
    if not (isinstance(name, str) and name and callable(forward) and rules):
        raise errors.not_defined(name, forward, rules)
    params = settings.get("params", {})
    if not isinstance(params, Mapping):
        raise errors.wrong_params(name, params)
    for position, rule in enumerate(rules):
        try:
            if rule is not None:
                inspect.signature(rule).bind("g", "y", *rules, **params)
        except (TypeError, ValueError) as error:
            raise errors.wrong_rule(name, position, rules, params) from error
    kernels = (forward, settings.pop("exact", None))
    settings.setdefault("scalar", forward)
    settings.setdefault("is_view", True)  # forward may hand its argument through
    settings.setdefault("wants", "operands that its forward function can compute with")
    if unknown := settings.keys() - {trait.name for trait in fields(Operation)}:
        raise errors.unknown_trait(name, unknown)
    return Operation(name, kernels, rules, formula=formula, **settings)
