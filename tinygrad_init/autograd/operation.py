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
from numpy import ndarray

from . import anomaly, errors, modes
from .inputs import ARRAYS, FLOATS, NUMBERS, REAL, check_setting, operand
from .modes import current
from .scopes import current as current_scope
from .tape import ALL, NEVER, WITHOUT_PARAMS, How, Node

Function = Callable[..., Any]
Rule = Callable[..., Any]  #: (g, y, *arguments, **params) -> the gradient of one argument

Steps = tuple[tuple[Rule | None, tuple[bool, ...]], ...]

REQUIRED: Any = inspect.Parameter.empty  #: instead of a default: a setting that must be given
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
        made_of: for several operations in one, what they are: a function of the same arguments and
            settings, in rows of the table.
        symbol: what a drawing writes into the node.
        operator: Python's operator that calls it, ``"add"`` for ``+``.
        is_view: whether the result may share memory with the first argument.
        is_variadic: whether it takes any number of operands; its only rule then gives a list, the
            gradients of all of them.
        arity: how many operands it takes, if it is not variadic.
        is_smooth: whether all of them have a derivative.
        on_bare: the rules for arrays, in each arithmetic, see :mod:`readings`.
    """

    name: str
    kernels: tuple[Function, Function | None]
    rules: tuple[Rule | None, ...]
    scalar: Function | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    formula: str = ""
    at_kinks: str = ""
    wants: str = ""
    made_of: Function | None = None
    symbol: str = ""
    operator: str = ""
    is_view: bool = False
    is_variadic: bool = False
    arity: int = field(init=False)
    is_smooth: bool = field(init=False)
    on_bare: tuple[tuple[Rule | None, ...], ...] = field(init=False)
    _steps: Steps | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.symbol = self.symbol or self.name
        self.wants = self.wants or (LENGTHS_AGREE if len(self.rules) > 1 else "")
        self.arity = len(self.rules)
        self.is_smooth = None not in self.rules
        self.on_bare = self.rules, self.rules

    @property
    def steps(self) -> Steps:
        """Each rule, with which of (y, *arguments) it reads."""
        if self._steps is None:  # found out when first asked: 2 ms of the 20 of an import
            self._steps = tuple((rule, _what_it_reads(rule, self.arity)) for rule in self.rules)
        return self._steps

    def __repr__(self) -> str:
        return f"<operation {self.name}: {self.formula}>"

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Compute on numbers and arrays; on nodes, compute and record."""
        if params or self.params or len(args) != self.arity:
            args, params = self._bind(args, params)
        for arg in args:
            if type(arg) is not ndarray or arg.dtype.char not in REAL:
                return self.on_anything(args, params)
        return self.on_arrays(args, params)

    def on_anything(self, args: tuple[Any, ...], params: Mapping[str, Any]) -> Any:
        """Tell nodes from numbers and arrays, turn away what is neither, and compute."""
        bare: list[Any] = []
        kind: type[Node] | None = None
        is_tracked = has_array = False
        for arg in args:
            if type(arg) is kind:
                bare.append(arg._data)
                is_tracked = is_tracked or arg.requires_grad
            elif isinstance(arg, Node):
                if kind is not None:
                    raise errors.kinds_mixed(self.name)
                kind, is_tracked = type(arg), arg.requires_grad
                bare.append(arg._data)
            elif type(arg) in NUMBERS:
                bare.append(arg)
            else:
                if type(arg) is not ndarray or arg.dtype.char not in REAL:
                    arg = operand(self.name, args, len(bare))
                    args = (*args[: len(bare)], arg, *args[len(bare) + 1 :])
                has_array = has_array or isinstance(arg, ARRAYS)
                bare.append(arg)
        settings = current()
        if kind is not None and kind.is_watched and settings.recorder is None:
            data = self.on_arrays(bare, params)
        else:
            data = self._data(settings.recorder, kind, args, params, bare, has_array)
        if kind is None:
            return data
        if type(data) is not kind._holds or (kind.is_watched and data.dtype.char not in FLOATS):
            data = kind._admit(data, self.name)
            # A comparison of Values has no derivative: it is an answer. Only ``capture`` wants to
            # know where from.
            if isinstance(data, bool) and settings.recorder is None:
                return data
            is_tracked = is_tracked and not (kind.is_watched and data.dtype.kind != "f")
        return self._record(settings, kind, data, args, params, bare, is_tracked)

    def _data(
        self, recorder: Any, kind: type[Node] | None, args: tuple[Any, ...],
        params: Mapping[str, Any], bare: list[Any], has_array: bool,
    ) -> Any:  # fmt: skip
        """The bare result: an array for Tensors, and wherever an operand is an array."""
        if kind is not None and kind.is_watched:
            return recorder.compute(self, args, params)
        if self.scalar is None and kind is not None:
            raise errors.only_for_arrays(self.name)
        if has_array or self.scalar is None:
            return self.on_arrays(bare, params)
        return self.on_numbers(bare, params)

    def _record(
        self, settings: modes.Settings, kind: type[Node], data: Any, args: tuple[Any, ...],
        params: Mapping[str, Any], bare: list[Any], is_tracked: bool,
    ) -> Any:  # fmt: skip
        """A node; if a derivative can flow through it, it remembers how it was computed."""
        node: Any = kind.__new__(kind)
        is_tracked = (
            is_tracked and settings.recording and (self.is_smooth or self._has_rule(args))
        )
        # While Values are captured, a replay has to compute also what no derivative flows through.
        if is_tracked or (settings.recorder is not None and not kind.is_watched):
            arithmetic = settings.arithmetic
            how = How(params, arithmetic) if params else WITHOUT_PARAMS[arithmetic]
            first, rest = args, ALL
            if not kind.is_watched:
                first, rest = args[0], args[1] if len(args) == 2 else args[1:] or None
            Node.__init__(node, data, is_tracked, "", self, how, first, rest)
        else:
            Node.__init__(node, data)
        if kind.is_watched:
            node._changes, node._keeps_grad = NEVER, False
        node.scope = current_scope()
        if settings.detecting:
            node.evidence = anomaly.inspect(self.name, data, bare)
        if self.is_view and isinstance(args[0], kind) and np.may_share_memory(data, bare[0]):
            node._changes = args[0]._shared_changes()
        return node

    def _has_rule(self, args: Sequence[Any]) -> bool:
        """Whether one of those who want a gradient has a derivative."""
        return any(
            rule is not None and isinstance(arg, Node) and arg.requires_grad
            for rule, arg in zip(self.rules, args, strict=False)
        )

    def _bind(self, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, ...]:
        """Positional arguments beyond the differentiable ones are settings, in their order."""
        arity = len(args) if self.is_variadic else self.arity
        if len(args) == arity and params.keys() == self.params.keys():
            given, full = {}, params
        else:
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
        has_array = self.scalar is None or any(isinstance(arg, ARRAYS) for arg in args)
        return self.on_arrays(args, params) if has_array else self.on_numbers(args, params)

    def on_arrays(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The same, where there is an array among the arguments."""
        kernel = self.kernels[current().arithmetic]
        if kernel is None:
            raise errors.not_reproducible(self.name)
        try:
            return kernel(*args, **params) if params else kernel(*args)
        except errors.FROM_NUMPY as error:
            raise self._in_words(error, args, params) from error

    def on_numbers(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The same, where there is none."""
        assert self.scalar is not None
        plain, kernel = self.kernels[modes.PLAIN], self.kernels[current().arithmetic]
        if kernel is None:
            raise errors.not_reproducible(self.name)
        try:
            result = self.scalar(*args, **params)
            if kernel is plain or not isinstance(result, float):
                return result
            # Python may round a float its own way, so in the other arithmetic the kernel does it.
            return kernel(*map(np.float64, args), **params).item()
        except errors.FROM_NUMPY as error:
            raise self._in_words(error, args, params) from error

    def _in_words(
        self, error: Exception, args: Sequence[Any], params: Mapping[str, Any]
    ) -> Exception:
        chosen = {key: params[key] for key in params if params[key] is not self.params[key]}
        return errors.in_words(self.name, self.wants, error, args, chosen)


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
