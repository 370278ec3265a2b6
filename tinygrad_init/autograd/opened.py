"""Fused operations opened into what they are made of, for those who look at a tape.

A fused row, such as that of a layer, is one node where its parts would be several. ``opened`` gives
the tape that the parts would have left: the same numbers, the same gradients, the same leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from .anomaly import Evidence, mark
from .modes import Mode
from .tape import Node, data_of, youngest_first


def opened(root: Node) -> dict[Node, Node]:
    """For every node that ``root`` was computed from, its like on a tape without fused operations.

    A node is its own like, unless it is fused or something below it is. What is not kept by a fused
    node, such as the product within a layer, is computed again, and counts as changed if its
    arguments were changed since.

    >>> from tinygrad_init import F, Tensor
    >>> x, w, b = (Tensor(a, requires_grad=True) for a in ([[1.0, 2.0]], [[3.0], [4.0]], [0.5]))
    >>> y = F.affine(x, w, b)
    >>> y.operation.name, opened(y)[y].operation.name
    ('affine', 'add')
    """
    tape = youngest_first(root, everything=True)
    if not any(node.operation is not None and node.operation.made_of for node in tape):
        return {node: node for node in tape}
    likes: dict[Node, Node] = {}
    for node in reversed(tape):  # arguments come first
        arguments = [likes[one] if isinstance(one, Node) else one for one in node.arguments]
        likes[node] = _like(node, arguments)
    return likes


def _like(node: Node, arguments: Sequence[Any]) -> Node:
    """The same node on other arguments, or the last of its parts."""
    if node.operation is None:
        return node
    is_fused = node.operation.made_of is not None
    if not is_fused and all(one is own for one, own in zip(arguments, node.arguments, strict=True)):
        return node
    like: Any = type(node)._wrap(node._data)
    for trait in ("requires_grad", "label", "grad", "age", "scope"):
        setattr(like, trait, getattr(node, trait))
    if node.is_watched:
        like._changes = node._changes
    like.operation, like.how, like.arguments = node.operation, node.how, tuple(arguments)
    if is_fused:
        _put_together(like)
    return cast(Node, like)


def _put_together(node: Node) -> None:
    """Make a fused node the last of its parts, as if these had been recorded in its place."""
    arguments, evidence = node.arguments, node.evidence
    mode = Mode(recording=True, arithmetic=node.arithmetic, detecting=False)
    with mode, np.errstate(all="ignore"):
        last = node.operation.made_of(*arguments, **node.params)  # type: ignore[union-attr, misc]
    node.operation, node.how, node.arguments = last.operation, last.how, last.arguments
    parts = _between(arguments, node)
    marks_then = () if evidence is None else evidence.marks[1:]
    marks = dict(zip(map(id, arguments), marks_then, strict=False))
    for k, part in enumerate(parts, start=1):
        # Younger than all arguments, and older than the result.
        part.age, part.scope = node.age - 1 + k / (1 + len(parts)), node.scope
        for one in part.arguments:
            if isinstance(one, Node) and one._changes[0] > node.age:
                part._changes = one._changes
        if evidence is not None:
            part.evidence = _evidence_of(part, evidence, marks)
    if evidence is not None:
        seen = _evidence_of(node, evidence, marks).marks[1:]
        node.evidence = Evidence(evidence.line, (evidence.marks[0], *seen))


def _between(arguments: Sequence[Any], last: Node) -> list[Any]:
    """What was made of the arguments on the way to the last part, oldest first."""
    known = {*map(id, arguments), id(last)}
    found: list[Node] = []
    waiting = [last]
    while waiting:
        for one in waiting.pop().arguments:
            if isinstance(one, Node) and id(one) not in known:
                known.add(id(one))
                found.append(one)
                waiting.append(one)
    return sorted(found, key=lambda node: node.age)


def _evidence_of(part: Node, whole: Evidence, marks: dict[int, int | None]) -> Evidence:
    """Marks of the numbers of then; ``None``, which is like no mark, where they are gone."""
    now = [mark(data_of(one)) for one in part.arguments]
    then = [marks.get(id(one), here) for one, here in zip(part.arguments, now, strict=True)]
    own = mark(part._data) if now == then else None
    marks[id(part)] = own
    return Evidence(whole.line, (own, *then))
