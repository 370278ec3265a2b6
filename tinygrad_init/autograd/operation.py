"""Operations: what can be computed, and how a computation is recorded.

An :class:`Operation` knows how to compute and how to differentiate. Calling it on numbers or arrays
computes. Calling it on a node (a ``Value`` or a ``Tensor``) computes and remembers: the result is a
node that holds its operation and its arguments.

A derivative rule is written in ``+ - * /`` and other operations. Given arrays it computes; given
nodes it is itself recorded. So one rule serves first derivatives, derivatives of any order, both
arithmetics, and scalars as well as arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import anomaly, errors, modes, scopes
from .inputs import ARRAYS, NUMBERS, REAL, check_setting, operand
from .tape import Node, data_of

Function = Callable[..., Any]
Rule = Callable[..., Any]  #: (g, y, *arguments, **params) -> the gradient of one argument

REQUIRED: Any = inspect.Parameter.empty  #: instead of a default: a setting that must be given
_FLOAT = np.dtype(float)
COMPOSED: set[Function] = set()  #: kernels that are written in rows of the table
LENGTHS_AGREE = "lengths that agree, counted from the right, or are 1"


@dataclass(eq=False, repr=False, slots=True)
class Operation:
    """What a function computes, and its derivative for each argument.

    Attributes:
        name: how ``F``, error messages and drawings call it.
        kernels: what computes on arrays, in ordinary and in reproducible arithmetic (``None``
            where there is no reproducible version).
        rules: one per argument, ``rule(g, y, *arguments, **params)``: ``g`` is the gradient that
            arrives, ``y`` the result. ``None`` where an argument has no derivative. A parameter
            whose name starts with an underscore is one of which it reads at most the shape.
        scalar: what computes on plain numbers, ``Fraction`` included.
        params: settings such as ``axis``, with their defaults (or ``REQUIRED``); they are never
            differentiated.
        formula: the operation in LaTeX. ``at_kinks``: the convention where it has no derivative.
        wants: what its operands must fulfil, for messages.
        symbol: what a drawing writes into the node.
        operator: Python's operator that calls it, ``"add"`` for ``+``.
        is_view: whether the result may share memory with the first argument.
        is_variadic: whether it takes any number of operands; its only rule then gives a list, the
            gradients of all of them.
        steps: each rule, with which of (y, *arguments) it reads.
    """

    name: str
    kernels: tuple[Function, Function | None]
    rules: tuple[Rule | None, ...]
    scalar: Function | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    formula: str = ""
    at_kinks: str = ""
    wants: str = ""
    symbol: str = ""
    operator: str = ""
    is_view: bool = False
    is_variadic: bool = False
    steps: tuple[tuple[Rule | None, tuple[bool, ...]], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.symbol = self.symbol or self.name
        self.wants = self.wants or (LENGTHS_AGREE if len(self.rules) > 1 else "")
        self.steps = tuple((rule, _what_it_reads(rule, len(self.rules))) for rule in self.rules)

    def __repr__(self) -> str:
        return f"<operation {self.name}: {self.formula}>"

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Compute on numbers and arrays; on nodes, compute and record."""
        if self.params or params or len(args) != len(self.rules):
            args, params = self._bind(args, params)
        is_recorded = False
        for position, arg in enumerate(args):
            if isinstance(arg, Node):
                is_recorded = True
            elif not ((type(arg) is np.ndarray and arg.dtype.char in REAL) or type(arg) in NUMBERS):
                found = operand(self.name, args, position)
                args = (*args[:position], found, *args[position + 1 :])
        return record(self, args, params) if is_recorded else self.compute(args, params)

    def _bind(self, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
        """Positional arguments beyond the differentiable ones are settings, in their order."""
        arity = len(args) if self.is_variadic else len(self.rules)
        given = dict(zip(self.params, args[arity:], strict=False))
        full = {**self.params, **given, **params}
        is_known = len(full) == len(self.params) and not given.keys() & params.keys()
        if not is_known or not 0 <= len(args) - arity <= len(self.params):
            raise errors.wrong_call(self.name, arity, self.params, args, params)
        for key, value in full.items():
            if value is REQUIRED:
                raise errors.missing_setting(self.name, key)
            if value is not self.params[key]:
                check_setting(self.name, key, value)
        return args[:arity], full

    def compute(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The bare result on numbers or arrays, in the arithmetic in force."""
        kernel = self.kernels[modes.current().arithmetic]
        if kernel is None:
            raise errors.not_reproducible(self.name)
        try:
            if self.scalar is None or any(isinstance(arg, ARRAYS) for arg in args):
                return kernel(*args, **params)
            result = self.scalar(*args, **params)
            if kernel is self.kernels[modes.PLAIN] or not isinstance(result, float):
                return result
            # Python may round a float its own way, so in the other arithmetic the kernel does it.
            return kernel(*map(np.float64, args), **params).item()
        except errors.FROM_NUMPY as error:
            chosen = {key: params[key] for key in params if params[key] is not self.params[key]}
            raise errors.in_words(self.name, self.wants, error, args, chosen) from error


def composed(kernel: Function) -> Function:
    """Mark a kernel that is written in operators and rows of the table alone.

    Such a kernel also takes nodes, so that ``capture`` can record what it is made of.
    """
    COMPOSED.add(kernel)
    return kernel


def _what_it_reads(rule: Rule | None, arity: int) -> tuple[bool, ...]:
    """Which of (y, *arguments) a rule reads: those without a leading underscore in its signature.

    A trailing ``*_`` stands for all that follow. The gradient ``g`` comes first and is left out.
    """
    if rule is None:
        return ()
    parameters = inspect.signature(rule).parameters.values()
    names = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY][1:]
    names += names[-1:] * (1 + arity - len(names))
    return tuple(not name.startswith("_") for name in names[: 1 + arity])


def record(operation: Operation, args: tuple[Any, ...], params: Mapping[str, Any]) -> Any:
    """Compute ``operation`` and, if a derivative can flow through it, remember how."""
    bare, kinds, is_tracked = [], set(), False
    rules = operation.rules * len(args) if operation.is_variadic else operation.rules
    for arg, rule in zip(args, rules, strict=True):
        bare.append(data_of(arg))
        if isinstance(arg, Node):
            kinds.add(type(arg))
            is_tracked = is_tracked or (arg.requires_grad and rule is not None)
    kind = kinds.pop()
    if kinds:
        raise errors.kinds_mixed(operation.name)
    if operation.scalar is None and kind.kind == "Value":
        raise errors.only_for_arrays(operation.name)
    settings = modes.current()
    if settings.recorder is None or kind.kind == "Value":
        result = operation.compute(bare, params)
    else:
        result = settings.recorder.compute(operation, args, params)
    node = kind._wrap(result, operation.name)
    if not isinstance(node, Node):  # an answer, as Values give to comparisons
        return node
    node.scope = scopes.current()
    if settings.detecting:
        node.evidence = anomaly.inspect(operation.name, node._data, bare)
    if operation.is_view and isinstance(args[0], kind) and np.may_share_memory(result, bare[0]):
        node._changes = args[0]._changes
    is_tracked = is_tracked and settings.recording and getattr(result, "dtype", _FLOAT).kind == "f"
    if is_tracked or (settings.recorder is not None and kind.kind == "Value"):
        node.requires_grad = is_tracked  # where none flows, a replay has to compute it all the same
        node.operation, node.arguments, node.params = operation, args, params
        node.arithmetic = settings.arithmetic
    return node
