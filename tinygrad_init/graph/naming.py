"""Names for nodes: where they are kept, as ``layers.0.weight``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..autograd import DataError, Node


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


def nodes_in(part: Any) -> list[Node]:
    """Every node that a module holds, or a list or mapping of nodes and modules."""
    return [node for _, node in _walk("", part)]


def names_of_owners(given: Any) -> dict[int, str]:
    """The name of every object with attributes in ``given``, such as a layer, by identity."""
    found: dict[int, str] = {}
    waiting = [("", given)]
    while waiting:
        name, part = waiting.pop()
        if isinstance(part, (Node, type)) or id(part) in found:
            continue
        if isinstance(part, Mapping):
            held: Mapping[Any, Any] = part
        elif isinstance(part, (list, tuple)):
            held = dict(enumerate(part))
        else:
            held = getattr(part, "__dict__", {})
        found[id(part)] = name
        waiting += reversed([
            (f"{name}.{key}" if name else str(key), inner) for key, inner in held.items()
            if hasattr(inner, "__dict__") or isinstance(inner, (Mapping, list, tuple))
        ])
    return found


def _walk(name: str, part: Any, inside: tuple[Any, ...] = ()) -> Iterator[tuple[str, Node]]:
    """The nodes in ``part``, with dotted names; what holds itself is entered once."""
    if isinstance(part, Node):
        yield name, part
        return
    if isinstance(part, type) or any(part is outer for outer in inside):
        return
    if callable(ask := getattr(part, "named_parameters", None)):
        held: Mapping[Any, Any] = dict(ask())
    elif isinstance(part, Mapping):
        held = part
    elif isinstance(part, (list, tuple)):
        held = dict(enumerate(part))
    else:
        held = getattr(part, "__dict__", {})
    for key, inner in held.items():
        yield from _walk(f"{name}.{key}" if name else str(key), inner, (*inside, part))
