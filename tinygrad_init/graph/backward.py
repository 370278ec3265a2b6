"""Gradients for every node of a tape, also where a part of it can no longer be differentiated.

:func:`~tinygrad_init.autograd.backpropagate` refuses a tape whose values were changed since they
were recorded. Looking at such a tape is still of use, so here the walk goes on: what depends on a
lost value gets a reason in place of a gradient.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import GraphError, Node, Operation, TinygradInitError, anomaly
from ..autograd.errors import FROM_NUMPY
from ..autograd.modes import in_arithmetic
from ..autograd.tape import data_of, vector_jacobian_products

CHANGED = "changed after it was recorded (an optimiser step?)"
MAY_BE_CHANGED = (
    "changed after it was recorded (an optimiser step?), it or another number beside it: "
    "what was computed from them does not follow from them any more"
)

Changes = Mapping[int, str]  #: by ``id`` of a node or an array


def changes(nodes: Sequence[Node]) -> Changes:
    """What is said about values that are not, or may not be, those that an operation read.

    Tensors know when they were last assigned to. Under ``detect_anomaly`` every value was marked.
    Values know nothing, so their operations are computed once more: where the result is another
    one, one of the leaves that went into it was changed, and it is not known which.
    """
    found: dict[int, str] = {}
    for node in nodes:
        if node.is_leaf:  # may change as often as it likes until an operation reads it
            continue
        for position, value in enumerate((node, *node.arguments)):
            is_newer = isinstance(value, Node) and value._changes[0] > node.age
            if is_newer or (node.evidence is not None and _was_written_to(node, position)):
                found[id(value)] = CHANGED
    scalars = [node for node in nodes if node.kind == "Value" and node.evidence is None]
    for arithmetic in {node.arithmetic for node in scalars}:
        with in_arithmetic(arithmetic), np.errstate(all="ignore"):
            for node in scalars:
                if node.arithmetic == arithmetic and not _follows(node):
                    for value in _suspects(node):
                        found.setdefault(id(value), MAY_BE_CHANGED)
    return found


def _was_written_to(node: Node, position: int) -> bool:
    """Whether the result (position 0) or an argument differs from the mark that was made of it."""
    asked = tuple(k == position for k in range(1 + len(node.arguments)))
    try:
        anomaly.check_unchanged(node, asked)
    except GraphError:
        return True
    return False


def _follows(node: Node) -> bool:
    """Whether a number is still what its operation gives for the arguments as they are."""
    if node.operation is None:
        return True
    try:
        again = node.operation.compute([data_of(one) for one in node.arguments], node.params)
    except (TinygradInitError, *FROM_NUMPY):
        return False
    return bool(again == node._data) or str(again) == str(node._data) == "nan"


def _suspects(node: Node) -> list[Node]:
    """Leaves among the arguments; without any, the arguments and the result itself."""
    arguments = [one for one in node.arguments if isinstance(one, Node)]
    return [one for one in arguments if one.is_leaf] or [*arguments, node]


def gradients(
    root: Node, youngest_first: Sequence[Node], changed: Changes, names: Mapping[Node, str]
) -> tuple[dict[Node, Any], dict[Node, str]]:
    """The gradient of the sum of the entries of ``root`` for every node that has one.

    ``names`` are those of the graph, for the reasons.

    Returns:
        Gradients by node; and by node, too, why there is none although derivatives flow there: a
        rule would read a changed value, or fails.
    """
    found: dict[Node, Any] = {}
    lost: dict[Node, str] = {}
    if root.requires_grad:
        several = isinstance(root._data, np.ndarray)
        found[root] = root._seed(np.ones_like(root._data) if several else None, False)
    with in_arithmetic(root.arithmetic):
        for node in youngest_first:
            if node not in found and node not in lost:
                continue
            closed = _closed(node, changed, lost, names)
            try:
                for argument, part in list(_products(node, found.get(node), closed)):
                    known = found.get(argument)
                    found[argument] = part if known is None else anomaly.add(node, known, part)
            except (TinygradInitError, *FROM_NUMPY) as error:
                closed = dict.fromkeys(range(len(node.arguments)), str(error))
            for position, reason in closed.items():
                if flows(node)[position]:
                    lost.setdefault(node.arguments[position], reason)
    return {node: one for node, one in found.items() if node not in lost}, lost


def flows(node: Node) -> tuple[bool, ...]:
    """For each argument of an operation, whether derivatives flow to it."""
    open_to = flows_to(node)
    return tuple(position in open_to for position in range(len(node.arguments)))


def flows_to(node: Node) -> list[int]:
    """The arguments that derivatives flow to, by position; none from a leaf."""
    if node.operation is None:
        return []
    rules, is_variadic = node.operation.rules, node.operation.is_variadic
    return [
        position
        for position, argument in enumerate(node.arguments)
        if isinstance(argument, Node)
        and argument.requires_grad
        and rules[0 if is_variadic else position] is not None
    ]


def only(node: Node, positions: Collection[int]) -> Node:
    """A twin of an operation, from which derivatives flow to these arguments alone."""
    twin: Node = type(node)._wrap(node._data)
    for trait in ("operation", "params", "arithmetic", "age", "evidence"):
        setattr(twin, trait, getattr(node, trait))
    twin.arguments = tuple(
        argument if k in positions or not isinstance(argument, Node) else _cut_off(argument)
        for k, argument in enumerate(node.arguments)
    )
    return twin


def _cut_off(node: Node) -> Any:
    """The value without a history; a Tensor that was changed is still one that was."""
    return node.detach() if node.kind == "Tensor" else node._data


def reads(operation: Operation, position: int, count: int) -> tuple[bool, ...]:
    """Which of ``count`` values, the result and its arguments, the rule for an argument reads."""
    _, flags = operation.steps[0 if operation.is_variadic else position]
    return (*flags, *flags[-1:] * (count - len(flags)))


def _closed(
    node: Node, changed: Changes, lost: Mapping[Node, str], names: Mapping[Node, str]
) -> dict[int, str]:
    """The arguments, by position, to which no gradient can be passed on any more, and why."""
    if node in lost:
        return dict.fromkeys(range(len(node.arguments)), lost[node])
    values = (node, *node.arguments)
    if not changed or node.operation is None or not any(id(one) in changed for one in values):
        return {}
    found: dict[int, str] = {}
    for position, is_open in enumerate(flows(node)):
        are_read = reads(node.operation, position, len(values)) if is_open else ()
        for k, is_read in enumerate(are_read):
            if is_read and (note := changed.get(id(values[k]))):
                name = _described(values[k], names)
                found[position] = f"{node.operation.name} needs its input {name}, which was {note}"
    return found


def _described(value: Any, names: Mapping[Node, str]) -> str:
    """By its own label, and by the name that it has in the graph, if that is another one."""
    if not isinstance(value, Node):
        return "array"
    name = names.get(value, value.label)
    return value.describe() + (f" ({name})" if name != value.label else "")


def _products(
    node: Node, gradient: Any, closed: Mapping[int, str]
) -> Iterable[tuple[Node, Any]]:
    """One step of the chain rule, to the arguments that are not closed."""
    if not closed:
        return vector_jacobian_products(node, gradient)
    if len(closed) == len(node.arguments):
        return ()
    return vector_jacobian_products(only(node, set(flows_to(node)) - closed.keys()), gradient)
