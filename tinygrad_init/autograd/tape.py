"""The tape: nodes that remember how they were computed, and the walk back along the chain rule.

A :class:`Node` is the result of an operation together with its arguments. These nodes *are* the
tape, plain data from which :func:`backpropagate` reads the chain rule, youngest node first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import count, zip_longest
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from . import anomaly, errors, modes, scopes
from .modes import current

if TYPE_CHECKING:
    from .operation import Operation

#: Numbers nodes and changes of data in the order in which they happen. (Floats: there is always
#: room between two of them, and they are smaller than Python's integers.)
tick: Callable[[], float] = count(1.0).__next__
NO_PARAMS: Mapping[str, Any] = {}


class How(NamedTuple):
    """How an operation was applied. Nodes share it where nothing is special about them."""

    params: Mapping[str, Any]
    arithmetic: int
    evidence: anomaly.Evidence | None = None


ALL: Any = object()  #: stands for the rest of the arguments where the first is a tuple of them all
_age = attrgetter("age")
NEVER = (0.0,)  #: the tick of the last change of data that did not change
_last_change = [0.0]  #: the tick of the last change of any data


def tick_of_change() -> float:
    """The time of a change that happens now."""
    _last_change[0] = tick()
    return _last_change[0]


WITHOUT_PARAMS = How(NO_PARAMS, modes.PLAIN), How(NO_PARAMS, modes.EXACT)


class Node:
    """A number or an array with a history: the common part of ``Value`` and ``Tensor``.

    Every row of the table of operations is a method; Python's operators call rows, too.

    Attributes:
        data: the number or array.
        grad: the gradient that ``backward`` left here.
        label: a name for drawings and messages.
        requires_grad: whether derivatives flow to or through this node.
        operation: what made it (``None`` for a leaf), from which ``arguments`` (nodes, arrays and
            numbers, in order, repeats kept).
        how: with which ``params`` and in which ``arithmetic``, and the ``evidence`` that
            ``detect_anomaly`` keeps; all of them are attributes, too.
        age: the tick of the clock at which it was made; arguments are older than results.
        scope: the part of a program in which it was recorded, such as the call of a layer.
    """

    __slots__ = (
        "__weakref__", "_data", "_first", "_rest", "age", "grad", "how", "label", "operation",
        "requires_grad", "scope",
    )  # fmt: skip
    kind: ClassVar[str] = "node"
    _holds: ClassVar[Any] = float  #: what ``data`` is nearly always
    is_watched: ClassVar[bool] = False  #: whether it is an array, whose changes are noted
    grad_of_none: ClassVar[Any] = None  #: ``grad`` where none has arrived
    _changes: Sequence[float]  #: the tick of the last change, for those that are watched
    #: Which results show what ``backward`` finds; all of them, unless said.
    _shows_grad: ClassVar[Callable[[Any], bool] | None] = None

    def __init__(
        self, data: Any, requires_grad: bool = False, label: str = "",
        operation: Operation | None = None, how: How = WITHOUT_PARAMS[modes.PLAIN],
        first: Any = None, rest: Any = None,
    ) -> None:  # fmt: skip
        self._data = data
        self.grad = self.grad_of_none
        self.label = label
        self.requires_grad = requires_grad
        self.operation = operation
        self.how = how
        self._first = first  #: the arguments, see _arguments
        self._rest = rest
        self.age = tick()
        self.scope: scopes.scope | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the operation was applied to."""
        return _arguments(self)

    @arguments.setter
    def arguments(self, arguments: tuple[Any, ...]) -> None:
        self._first, self._rest = arguments, ALL

    @property
    def params(self) -> Mapping[str, Any]:
        """The settings of the operation."""
        return self.how.params

    @params.setter
    def params(self, params: Mapping[str, Any]) -> None:
        self.how = self.how._replace(params=params)

    @property
    def arithmetic(self) -> int:
        """In which it was recorded."""
        return self.how.arithmetic

    @arithmetic.setter
    def arithmetic(self, arithmetic: int) -> None:
        self.how = self.how._replace(arithmetic=arithmetic)

    @property
    def evidence(self) -> anomaly.Evidence | None:
        """What ``detect_anomaly`` keeps."""
        return self.how.evidence

    @evidence.setter
    def evidence(self, evidence: anomaly.Evidence | None) -> None:
        self.how = self.how._replace(evidence=evidence)

    # What the two kinds of node answer differently.

    @classmethod
    def _admit(cls, data: Any, made_by: str = "") -> Any:
        """``data`` as nodes hold it."""

    @classmethod
    def _wrap(cls, data: Any) -> Any:
        """A node around a result, without history so far."""
        node = cls.__new__(cls)
        Node.__init__(node, cls._admit(data))
        return node

    def _seed(self, gradient: Any, create_graph: bool) -> Any:
        """The gradient to start from: as given, or one."""

    def _fit(self, gradient: Any) -> Any:
        """``gradient`` in the shape and dtype of this node: sum over what was broadcast."""

    def _collect(self, found: Mapping[Node, Any]) -> None:
        """Keep the gradient that ``backward`` found for this node in ``grad``."""

    # What they have in common.

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this node."""
        return self.operation is None

    def describe(self) -> str:
        """How messages call this node."""
        made = self.operation.name if self.operation else f"leaf {self.kind}"
        return f"{made} {self.label!r}" if self.label else made

    def backward(self, gradient: Any = None, create_graph: bool = False) -> None:
        """Add the derivative of this node to the ``.grad`` of every leaf that it depends on.

        A Value inside the graph shows its gradient of this walk in ``.grad``, too; a Tensor does
        after ``retain_grad()``.

        Args:
            gradient: what to multiply from the left, of this node's shape; 1 for one entry.
            create_graph: leave gradients as nodes that can be differentiated again. A leaf and its
                gradient then hold each other: set ``grad`` to ``None`` when done.

        Raises:
            GraphError: without history, from several entries without ``gradient``, or if a value
                that a rule reads was changed after it was recorded.
            ShapeError: if ``gradient`` has another shape.

        >>> from tinygrad_init import Tensor
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).backward(gradient=[1.0, 10.0])
        >>> x.grad
        array([ 2., 40.])
        """
        modes.refuse_reading("backward(), which capture does itself,")
        found = backpropagate(self, gradient, create_graph, type(self)._shows_grad)
        for node in found:
            node._collect(found)

    def __reduce__(self) -> Any:
        """How to pickle and copy: the data, but no history, which belongs to this process."""
        if self.operation is not None:
            raise errors.has_history(self)
        return _restore, (type(self), self._data, self.requires_grad, self.label, self.grad)

    if TYPE_CHECKING:  # Table.define adds these, and every row of the table as a method

        def __getattr__(self, name: str) -> Any: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = cast(Any, None)
        __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __add__
        __neg__ = __pos__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = __add__


def _restore(kind: type[Node], data: Any, requires_grad: bool, label: str, grad: Any) -> Node:
    """A leaf as it was, made now: ages belong to the process that counts them."""
    node: Node = kind._wrap(copy(data))
    node.requires_grad, node.label, node.grad = requires_grad, label, grad
    return node


def _arguments(node: Node) -> tuple[Any, ...]:
    # A Value keeps no tuple for one or two arguments: half as many objects for the garbage
    # collector, which otherwise takes 0.18 of the 0.57 s of a training step with 65,818 Values.
    first, rest = node._first, node._rest
    if rest is ALL:
        return first
    if rest is None:
        return () if first is None else (first,)
    return (first, *rest) if type(rest) is tuple else (first, rest)


def data_of(argument: Any) -> Any:
    """The bare number or array of an argument."""
    return argument._data if isinstance(argument, Node) else argument


def youngest_first(root: Node, everything: bool = False, leaves: bool = True) -> list[Node]:
    """``root`` and every node through which its gradient flows, results before arguments.

    With ``everything`` also the nodes through which it does not; without ``leaves`` only what an
    operation made.

    Why an order at all? With ``b = a + a`` and ``c = b + b`` the gradient of ``b`` must be
    complete, from both of its uses, before it is passed on to ``a``. A node is younger than its
    arguments, so going from young to old does it, without recursion.
    """
    found, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        for argument in node._first if node._rest is ALL else _arguments(node):
            if not isinstance(argument, Node):
                continue
            if argument.operation is not None:
                if argument not in found:
                    found.add(argument)
                    waiting.append(argument)
            elif leaves and (argument.requires_grad or everything):
                found.add(argument)
    return sorted(found, key=_age, reverse=True)


def backpropagate(
    root: Node, gradient: Any = None, create_graph: bool = False,
    is_wanted: Callable[[Node], bool] | None = None,
) -> dict[Node, Any]:  # fmt: skip
    """The gradient of ``root`` (times ``gradient``) with respect to every node it depends on.

    Numbers or arrays, or nodes that can be differentiated again if ``create_graph``. Nobody's
    ``.grad`` is touched. Arguments and errors are those of :meth:`Node.backward`. The gradients of
    results that are not wanted are let go as soon as they were passed on.
    """
    if not root.requires_grad:
        raise errors.nothing_to_follow(root)
    create_graph = create_graph or modes.current().recorder is not None  # so that it is recorded
    seed = root._seed(gradient, create_graph)
    is_bare = create_graph and not isinstance(seed, Node)
    gradients: dict[Node, Any] = {root: root._wrap(seed) if is_bare else seed}
    for node in youngest_first(root, leaves=False):
        gradient = gradients.get(node)
        if gradient is None or node.operation is None:  # nothing arrives, or nothing is beyond
            continue
        _pass_on(node, gradient, gradients, create_graph)
        if is_wanted is not None and not is_wanted(node):
            del gradients[node]
    return gradients


def vector_jacobian_products(
    node: Node, gradient: Any, create_graph: bool = False
) -> list[tuple[Node, Any]]:
    """One step of the chain rule: what ``gradient`` at ``node`` means for each argument of it."""
    products = _Each()
    if node.operation is not None:
        _pass_on(node, gradient, products, create_graph)
    return products


class _Each(list[tuple[Node, Any]]):
    """What is passed on, taken in the way of a dictionary of gradients, but not added up."""

    def get(self, _argument: Node) -> None:
        """The gradient so far: none."""

    def __setitem__(self, argument: Any, found: Any) -> None:
        self.append((argument, found))


def _pass_on(
    node: Node, gradient: Any, gradients: dict[Node, Any] | _Each, create_graph: bool
) -> None:
    """The step itself: add to ``gradients`` what it gives."""
    operation, (params, arithmetic, evidence) = node.operation, node.how
    assert operation is not None
    is_marked = evidence is not None
    if is_marked or node.age < _last_change[0] or arithmetic != current().arithmetic:
        _refuse_changed(node)
    arguments = node._first if node._rest is ALL else _arguments(node)
    rules: Sequence[Any] = operation.rules
    if create_graph:
        operands = (gradient, node, *arguments)
    else:
        if node.is_watched:
            rules = operation.on_bare[arithmetic]
        operands = _bare(gradient, node, arguments)
    if operation.is_variadic:
        rules = _one_for_each(rules[0], operands, params)
    for position, argument in enumerate(arguments):
        rule = rules[position]
        if rule is None or not isinstance(argument, Node) or not argument.requires_grad:
            continue
        try:
            found = rule(*operands, **params) if params else rule(*operands)
            held = argument._data
            if type(found) is not argument._holds or (
                argument.is_watched and (found.shape != held.shape or found.dtype is not held.dtype)
            ):
                found = argument._fit(found)
        except errors.FROM_NUMPY as error:
            raise errors.in_rule(operation.name, position, operands[2:], error) from error
        if is_marked:
            anomaly.check_gradient(node, position, data_of(found))
        known = gradients.get(argument)
        if known is not None:
            found = anomaly.add(node, known, found) if is_marked else known + found
        gradients[argument] = found


def _bare(gradient: Any, node: Node, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a rule is given: the gradient, the result and the arguments, without their history."""
    if len(arguments) == 2:  # as nearly all of a Value's: 0.2 of 1.5 us less than the loop
        a, b = arguments
        a, b = a._data if isinstance(a, Node) else a, b._data if isinstance(b, Node) else b
        return gradient, node._data, a, b
    operands = [gradient, node._data]
    for argument in arguments:
        operands.append(argument._data if isinstance(argument, Node) else argument)
    return tuple(operands)


def _one_for_each(rule: Any, operands: Sequence[Any], params: Mapping[str, Any]) -> list[Any]:
    """For each argument a rule, made of the one that gives the gradients of all of them."""
    found: list[Any] = []

    def part(position: int) -> Any:
        if not found:
            found.extend(rule(*operands, **params))
        return found[position]

    return [lambda *_, k=k, **__: part(k) for k in range(len(operands) - 2)]


def _refuse_changed(node: Node) -> None:
    """Raise in another arithmetic, or if a rule would read a value that was overwritten since."""
    assert node.operation is not None
    if node.arithmetic != current().arithmetic:
        raise errors.other_arithmetic(node)
    values = (node, *node.arguments)
    steps = node.operation.steps * (1 if not node.operation.is_variadic else len(values) - 1)
    for argument, (rule, reads) in zip(values[1:], steps, strict=True):
        if rule is None or not isinstance(argument, Node) or not argument.requires_grad:
            continue
        for value, is_read in zip_longest(values, reads, fillvalue=reads[-1]):
            if is_read and isinstance(value, Node) and value._changes[0] > node.age:
                raise errors.changed(node, value)
        if node.evidence is not None:
            anomaly.check_unchanged(node, reads)
        if node.operation.is_variadic:  # one rule for all
            break
