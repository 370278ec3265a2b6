"""The tape: operations, the nodes that remember them, and the walk back through the chain rule.

An :class:`Operation` knows how to compute and how to differentiate; the rows of the table
:data:`F` are all there are. Calling a row on numbers or arrays computes. Calling it on a
:class:`Node` (a ``Value`` or a ``Tensor``) computes and remembers: the result is a node that holds
its operation and its arguments. These nodes *are* the tape, plain data from which
:func:`backpropagate` reads the chain rule, youngest node first.

A derivative rule is written in ``+ - * /`` and the rows of ``F``. Given arrays it computes; given
nodes it is itself recorded. So one rule serves first derivatives, derivatives of any order, both
arithmetics, and scalars as well as arrays.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import anomaly, modes
from .errors import DataError, GraphError, ShapeError, TinygradInitError

Rule = Callable[..., Any]  #: (g, y, *arguments, **params) -> the gradient of one argument
NO_PARAMS: Mapping[str, Any] = {}

_ARRAYS = (np.ndarray, np.generic)
_NUMERIC_ERRORS = (ValueError, TypeError, IndexError, ArithmeticError)
_clock = count(1)  #: numbers nodes and changes of data in the order in which they happen
tick: Callable[[], int] = _clock.__next__


class Operation:
    """One row of the table: what a function computes, and its derivative for each argument.

    Attributes:
        name: how ``F``, error messages and drawings call it.
        kernels: what computes on arrays, in ordinary and in reproducible arithmetic (``None``
            where there is no reproducible version).
        scalar: what computes on plain numbers, ``Fraction`` included.
        rules: one per argument, ``rule(g, y, *arguments, **params)``: ``g`` is the gradient that
            arrives, ``y`` the result. ``None`` where an argument has no derivative. A parameter
            whose name starts with an underscore is one of which it reads at most the shape.
        params: settings such as ``axis``, with their defaults; they are never differentiated.
        formula: the operation in LaTeX. ``at_kinks``: the convention where it has no derivative.
        symbol: what a drawing writes into the node.
        is_view: whether the result may share memory with the first argument.
        is_variadic: whether it takes any number of operands; the only rule gets ``position=``.
    """

    __slots__ = (
        "at_kinks",
        "formula",
        "is_variadic",
        "is_view",
        "kernels",
        "name",
        "params",
        "reads",
        "rules",
        "scalar",
        "symbol",
    )

    def __init__(
        self,
        name: str,
        plain: Callable[..., Any],
        exact: Callable[..., Any] | None,
        *rules: Rule | None,
        scalar: Callable[..., Any] | None = None,
        params: Mapping[str, Any] = NO_PARAMS,
        formula: str = "",
        at_kinks: str = "",
        symbol: str = "",
        is_view: bool = False,
        is_variadic: bool = False,
    ) -> None:
        self.name = name
        self.kernels = (plain, exact)
        self.scalar = scalar
        self.rules = rules
        self.reads = tuple(_what_it_reads(rule) for rule in rules)
        self.params = params
        self.formula = formula
        self.at_kinks = at_kinks
        self.symbol = symbol or name
        self.is_view = is_view
        self.is_variadic = is_variadic

    def __repr__(self) -> str:
        return f"<operation {self.name}: {self.formula}>"

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Compute on numbers and arrays; on nodes, compute and record."""
        if self.params:
            args, params = self._bind(args, params)
        if len(args) != len(self.rules) and not self.is_variadic:
            raise TypeError(f"{self.name} takes {len(self.rules)} operand(s), got {len(args)}")
        for arg in args:
            if isinstance(arg, Node):
                return record(self, args, params)
        return self.compute(args, params)

    def rule_for(self, position: int) -> Rule | None:
        """The derivative for the argument at ``position``."""
        if self.is_variadic:
            assert self.rules[0] is not None
            return partial(self.rules[0], position=position)
        return self.rules[position]

    def compute(self, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """The bare result on numbers or arrays, in the arithmetic in force."""
        arithmetic = modes.current().arithmetic
        kernel = self.kernels[arithmetic]
        if kernel is None:
            raise GraphError(
                f"{self.name} has no reproducible version: leave tg.reproducible(), or compute it "
                f"beforehand and pass the result in as data"
            )
        try:
            if self.scalar is None or any(isinstance(arg, _ARRAYS) for arg in args):
                return kernel(*args, **params)
            return self._on_numbers(kernel, args, params)
        except ShapeError as error:  # of an operation that this one is made of
            raise ShapeError(f"{self.name}: {error}") from error
        except TinygradInitError:
            raise
        except _NUMERIC_ERRORS as error:
            raise self._explain(error, args) from error

    def _on_numbers(
        self, kernel: Callable[..., Any], args: Sequence[Any], params: Mapping[str, Any]
    ) -> Any:
        """Python's own arithmetic; a float that it may round its own way comes from the kernel."""
        assert self.scalar is not None
        result = self.scalar(*args, **params)
        if kernel is self.kernels[modes.PLAIN] or not isinstance(result, float):
            return result
        return kernel(*(np.float64(arg) for arg in args), **params).item()

    def _bind(
        self, args: tuple[Any, ...], params: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional arguments beyond the differentiable ones are settings, in their order."""
        arity = len(args) if self.is_variadic else len(self.rules)
        given = dict(zip(self.params, args[arity:], strict=False))
        unknown = params.keys() - self.params.keys()
        if unknown or given.keys() & params.keys() or len(args) > arity + len(self.params):
            raise TypeError(
                f"{self.name} takes {arity} operand(s) and the settings {list(self.params)}, "
                f"got {len(args)} positional arguments and {sorted(params)}"
            )
        return args[:arity], {**self.params, **given, **params}

    def _explain(self, error: Exception, args: Sequence[Any]) -> Exception:
        """A message of the kernel, with the name of the operation and its operands in front."""
        if self.scalar is not None and not any(isinstance(arg, _ARRAYS) for arg in args):
            message = f"{self.name} of {' and '.join(map(repr, args))}: {error}"
            return DataError(message) if isinstance(error, ValueError) else type(error)(message)
        shapes = " and ".join(str(np.shape(arg)) for arg in args)
        if isinstance(error, (ValueError, IndexError)):
            plural, verb = ("s", "do") if len(args) > 1 else ("", "does")
            message = str(error).removeprefix(f"{self.name}: ")
            return ShapeError(f"{self.name}: shape{plural} {shapes} {verb} not fit: {message}")
        kinds = " and ".join(type(arg).__name__ for arg in args)
        return TypeError(f"{self.name} of {kinds} (shapes {shapes}): {error}")


def _what_it_reads(rule: Rule | None) -> tuple[bool, ...]:
    """Which of (y, *arguments) a rule reads: those without a leading underscore in its signature.

    A trailing ``*_`` stands for all that follow. The gradient ``g`` comes first and is left out.
    """
    if rule is None:
        return ()
    positional = [
        parameter.name
        for parameter in inspect.signature(rule).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    return tuple(not name.startswith("_") for name in positional[1:])


def operation(
    name: str, forward: Callable[..., Any], *rules: Rule | None, formula: str = "", **settings: Any
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

    Check it with ``check_grad``:

    >>> import tinygrad_init as tg
    >>> cube = tg.operation("cube", lambda x: x * x * x, lambda g, y, x: g * (3 * x * x))
    >>> tg.check_grad(cube, [1.0, -2.0], order=2)
    >>> x = tg.Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    """
    exact = settings.pop("exact", None)
    settings.setdefault("scalar", forward)
    return Operation(name, forward, exact, *rules, formula=formula, **settings)


class Table:
    """The operations by name: ``F.tanh`` is the row of tanh."""

    def __init__(self) -> None:
        self.rows: dict[str, Operation] = {}

    def define(self, name: str, *args: Any, **kwargs: Any) -> Operation:
        """Add a row, see :class:`Operation`; from then on it is a method of nodes, too."""
        if name in self.rows:
            raise GraphError(f"there is an operation named {name!r} already: choose another name")
        operation = Operation(name, *args, **kwargs)
        self.rows[name] = operation
        setattr(self, name, operation)
        if not hasattr(Node, name):
            add_method(Node, name, operation, f"The operation {name}, {operation.formula}.")
        return operation

    def __getattr__(self, name: str) -> Operation:
        raise AttributeError(f"no operation is named {name!r}; there are {', '.join(self.rows)}")

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.rows.values())


def add_method(kind: type, name: str, function: Callable[..., Any], about: str) -> None:
    """Let ``x.name(...)`` be ``function(x, ...)``."""

    def method(self: Any, *args: Any, **params: Any) -> Any:
        return function(self, *args, **params)

    method.__name__, method.__doc__ = name, about
    setattr(kind, name, method)


F = Table()


class Node:
    """A number or an array with a history: the common part of ``Value`` and ``Tensor``.

    Attributes:
        data: the number or array.
        grad: the gradient that ``backward`` left here.
        label: a name for drawings and messages.
        requires_grad: whether derivatives flow to or through this node.
        operation: what made it (``None`` for a leaf), from which ``arguments`` (nodes, arrays and
            numbers, in order, repeats kept) and which ``params``.
        age: the tick of the clock at which it was made; arguments are older than results.
        arithmetic: the arithmetic in which it was recorded.
        evidence: what ``detect_anomaly`` keeps.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "age",
        "arguments",
        "arithmetic",
        "evidence",
        "grad",
        "label",
        "operation",
        "params",
        "requires_grad",
    )

    kind: ClassVar[str] = "node"

    def __init__(self, data: Any, requires_grad: bool, label: str) -> None:
        self._data = data
        self.grad: Any = None
        self.label = label
        self.requires_grad = requires_grad
        self.operation: Operation | None = None
        self.arguments: tuple[Any, ...] = ()
        self.params: Mapping[str, Any] = NO_PARAMS
        self.age = tick()
        self.arithmetic = modes.PLAIN
        self.evidence: anomaly.Evidence | None = None

    # What the two kinds of node answer differently.

    @classmethod
    def _wrap(cls, data: Any) -> Any:
        """A node around a result of an operation, without history so far."""
        raise NotImplementedError

    def _seed(self, gradient: Any, create_graph: bool = False) -> Any:
        """The gradient to start from: as given, or one."""
        raise NotImplementedError

    def _fit(self, gradient: Any) -> Any:
        """``gradient`` in the shape and dtype of this node: sum over what was broadcast."""
        raise NotImplementedError

    def _share_memory(self, with_node: Node) -> None:
        """Say that this node may look at the memory of ``with_node``."""

    def _changed_since(self, age: int) -> bool:
        """Whether the data were overwritten after the tick ``age``."""
        return False

    def __reduce__(self) -> Any:
        """How to pickle and copy: the data, but no history, which belongs to this process."""
        if self.operation is not None:
            raise GraphError(
                f"{self.describe()} cannot be copied or pickled with its history: "
                f"take .detach(), or the bare number or array in .data"
            )
        return _restore, (type(self), self._data, self.requires_grad, self.label, self.grad)

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this node."""
        return self.operation is None

    def describe(self) -> str:
        """How messages call this node."""
        made = self.operation.name if self.operation else f"leaf {self.kind}"
        return f"{made} {self.label!r}" if self.label else made

    def __format__(self, how: str) -> str:
        """``f"{loss:.3f}"`` formats the number; without a format the node is shown whole."""
        if not how:
            return str(self)
        return format(self._data.item() if isinstance(self._data, _ARRAYS) else self._data, how)

    # Arithmetic: an operator is the row of its name.

    def __add__(self, other: Any) -> Any:
        return F.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return F.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return F.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return F.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return F.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return F.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return F.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return F.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return F.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return F.power(other, self)

    def __neg__(self) -> Any:
        return F.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return F.absolute(self)

    def __lt__(self, other: Any) -> Any:
        return F.less(self, other)

    def __le__(self, other: Any) -> Any:
        return F.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return F.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return F.greater_equal(self, other)

    if TYPE_CHECKING:  # every row of the table is a method: see Table.define

        def __getattr__(self, name: str) -> Any: ...


def _restore(kind: type[Node], data: Any, requires_grad: bool, label: str, grad: Any) -> Node:
    """A leaf as it was, made now: ages belong to the process that counts them."""
    node: Node = kind._wrap(data)
    node.requires_grad, node.label, node.grad = requires_grad, label, grad
    return node


def data_of(argument: Any) -> Any:
    """The bare number or array of an argument."""
    return argument._data if isinstance(argument, Node) else argument


def record(operation: Operation, args: tuple[Any, ...], params: Mapping[str, Any]) -> Any:
    """Compute ``operation`` and, if a derivative can flow through it, remember how."""
    bare, kind, is_tracked = [], None, False
    rules = operation.rules * len(args) if operation.is_variadic else operation.rules
    for arg, rule in zip(args, rules, strict=True):
        if isinstance(arg, Node):
            if kind is not None and type(arg) is not kind:
                raise _mixture(operation)
            kind = type(arg)
            is_tracked = is_tracked or (arg.requires_grad and rule is not None)
            bare.append(arg._data)
        else:
            bare.append(arg)
    assert kind is not None
    if operation.scalar is None and kind.kind == "Value":
        raise GraphError(f"{operation.name} is an operation on arrays: use a Tensor, not a Value")
    result = operation.compute(bare, params)
    settings = modes.current()
    if settings.detecting:
        anomaly.check_value(operation.name, result, bare)
    node = kind._wrap(result)
    if operation.is_view:
        node._share_memory(args[0])
    if is_tracked and settings.recording:
        node.requires_grad = True
        node.operation = operation
        node.arguments = args
        node.params = params
        node.arithmetic = settings.arithmetic
        if settings.detecting:
            node.evidence = anomaly.collect(node._data, bare)
    return node


def _mixture(operation: Operation) -> GraphError:
    return GraphError(
        f"{operation.name}: a Value and a Tensor do not mix in one operation; "
        f"turn the Values into numbers with .data, or compute with one kind throughout"
    )


def youngest_first(root: Node, everything: bool = False) -> list[Node]:
    """``root`` and every node through which its gradient flows, results before arguments.

    With ``everything`` also the nodes through which it does not.

    Why an order at all? With ``b = a + a`` and ``c = b + b`` the gradient of ``b`` must be
    complete, from both of its uses, before it is passed on to ``a``. A node is younger than its
    arguments, so going from young to old does it, without recursion.
    """
    found = {root}
    waiting = [root]
    while waiting:
        for argument in waiting.pop().arguments:
            if not isinstance(argument, Node) or argument in found:
                continue
            if argument.requires_grad or everything:
                found.add(argument)
                waiting.append(argument)
    return sorted(found, key=lambda node: node.age, reverse=True)


def backpropagate(root: Node, seed: Any, create_graph: bool = False) -> dict[Node, Any]:
    """The gradient of ``root`` (times ``seed``) with respect to every node that it depends on.

    Numbers or arrays, or nodes that can be differentiated again if ``create_graph``.
    Nobody's ``.grad`` is touched.
    """
    if create_graph and not isinstance(seed, Node):
        seed = root._wrap(seed)
    gradients: dict[Node, Any] = {root: seed}
    for node in youngest_first(root):
        for argument, gradient in vector_jacobian_products(node, gradients[node], create_graph):
            known = gradients.get(argument)
            gradients[argument] = gradient if known is None else known + gradient
    return gradients


def vector_jacobian_products(
    node: Node, gradient: Any, create_graph: bool = False
) -> Iterator[tuple[Node, Any]]:
    """One step of the chain rule: what ``gradient`` at ``node`` means for each argument of it."""
    operation = node.operation
    if operation is None:
        return
    if node.arithmetic != modes.current().arithmetic:
        names = modes.ARITHMETIC_NAMES
        raise GraphError(
            f"{node.describe()} was recorded in {names[node.arithmetic]} arithmetic and is "
            f"differentiated in {names[modes.current().arithmetic]}: put both inside or both "
            f"outside `with tg.reproducible()`"
        )
    if create_graph:
        y, args = node, node.arguments
    else:
        y, args = node._data, tuple(data_of(argument) for argument in node.arguments)
    for position, argument in enumerate(node.arguments):
        rule = operation.rule_for(position)
        if rule is None or not isinstance(argument, Node) or not argument.requires_grad:
            continue
        reads = operation.reads[0 if operation.is_variadic else position]
        _refuse_stale(node, reads)
        if node.evidence is not None:
            values = [data_of(value) for value in (node, *node.arguments)]
            anomaly.check_unchanged(operation.name, values, reads, node.evidence)
        try:
            found = rule(gradient, y, *args, **node.params)
        except ZeroDivisionError as error:  # of Python's numbers; arrays give inf
            raise ZeroDivisionError(
                f"the derivative of {operation.name} at {', '.join(map(repr, args))} is infinite"
            ) from error
        if node.evidence is not None:
            bare = [data_of(value) for value in node.arguments]
            anomaly.check_gradient(
                operation.name, position, data_of(found), bare, node.evidence
            )
        yield argument, argument._fit(found)


def _refuse_stale(node: Node, reads: tuple[bool, ...]) -> None:
    """Raise if a value that a rule is about to read was overwritten after it was recorded."""
    for is_read, value in zip(reads, (node, *node.arguments), strict=False):
        if is_read and isinstance(value, Node) and value._changed_since(node.age):
            assert node.operation is not None
            raise GraphError(
                f"{node.operation.name}: its input {value.describe()} was changed after it was "
                f"recorded (an optimiser step between two backward passes?), so its derivative "
                f"is lost: compute the forward pass again before backward()"
            )
