"""Names for nodes: where they are kept, as ``layers.0.weight``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ..autograd import DataError, Node
from ..autograd.opened import opened


def names_of(given: Any) -> dict[Node, str]:
    """The name of every node that ``given`` holds: a module, or nodes and modules by name.

    Modules are asked for their ``named_parameters()``; what has none, such as a network of single
    numbers, is searched: attributes, and entries of lists, tuples and dictionaries. A node that is
    held twice has its first name.

    Raises:
        DataError: if there is no node.

    >>> from tinygrad_init import Value
    >>> list(names_of({"w": [Value(1.0), Value(2.0)], "b": Value(0.0)}).values())
    ['w.0', 'w.1', 'b']
    """
    found: dict[Node, str] = {}
    for name, node in _walk("", given):
        found.setdefault(node, name)
    if not found:
        raise DataError(
            f"names= takes a module, or a mapping from names to Values, Tensors and modules; "
            f"there is no Value or Tensor in this {type(given).__name__}"
        )
    return found


def opened_with_names(y: Node, names: Any) -> dict[Node, Node]:
    """For every node below ``y`` its like on a tape of unfused operations, by its name there."""
    likes = opened(y)
    for node, name in ({} if names is None else names_of(names)).items():
        if (like := likes.get(node, node)) is not node:
            like.label = name
    return likes


def nodes_in(part: Any) -> list[Node]:
    """Every node that a module holds, or a list or mapping of nodes and modules."""
    return [node for _, node in _walk("", part)]


def names_of_owners(given: Any) -> dict[int, str]:
    """The name of every object with attributes in ``given``, such as a layer, by identity."""
    found: dict[int, str] = {}
    waiting = [("", given)]
    while waiting:
        name, part = waiting.pop()
        if part is not None and not isinstance(part, Node) and id(part) not in found:
            found[id(part)] = name
            waiting += reversed(list(_inside(name, _attributes(part))))
    return found


def _walk(name: str, given: Any) -> Iterator[tuple[str, Node]]:
    """The nodes in ``given``, with dotted names; what is held twice is entered once."""
    entered: set[int] = set()
    waiting = [(name, given)]
    while waiting:
        name, part = waiting.pop()
        if isinstance(part, Node):
            yield name, part
        elif id(part) not in entered:
            entered.add(id(part))
            ask = None if isinstance(part, _STRANGE) else getattr(part, "named_parameters", None)
            held = dict(ask()) if callable(ask) else _attributes(part)
            waiting += reversed(list(_inside(name, held)))


_STRANGE = (type, ModuleType, FunctionType)  #: what holds much that is not part of a model
_PLAIN = (int, float, str, bytes, np.ndarray, np.generic)  #: what holds nothing


def _attributes(part: Any) -> Mapping[Any, Any]:
    """What an object holds by name: entries, places, or attributes."""
    if isinstance(part, Mapping):
        return part
    if isinstance(part, (list, tuple)):
        return dict(enumerate(part))
    return {} if isinstance(part, _STRANGE) else getattr(part, "__dict__", {})


def _inside(name: str, held: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """What may be a node or hold some, with its name."""
    for key, inner in held.items():
        if not isinstance(inner, _PLAIN):
            yield f"{name}.{key}" if name else str(key), inner
