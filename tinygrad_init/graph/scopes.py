"""Which parts of a computation have names, and which part each node belongs to.

An operation belongs to the scope in which it was recorded. What was made elsewhere is put where a
reader would look for it: a parameter into the box of the layer that holds it, a number beside its
operation, data outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..autograd import Node, scope
from .naming import names_of_owners, nodes_in
from .parts import GraphScope

MAX_TITLE = 48  #: characters of a module's own description that stand in a title


#: Arguments that no operation of the tape made, by place, with the operations that use them.
Uses = dict[int, tuple[Any, list[Node]]]


def innermost(uses: Uses) -> dict[int, scope | None]:
    """The scope that each argument belongs to which no operation of the tape made."""
    held: dict[int, set[int]] = {}  # by owner: the nodes that it holds
    found: dict[int, scope | None] = {}
    for key, (argument, users) in uses.items():
        inside = _common([user.scope for user in users])
        while inside is not None and not _belongs(argument, inside, held):
            inside = inside.outer
        found[key] = inside
    return found


def _belongs(argument: Any, inside: scope, held: dict[int, set[int]]) -> bool:
    if not isinstance(argument, Node):
        is_data = isinstance(argument, np.ndarray) and argument.ndim and argument.dtype != bool
        return not is_data
    if argument.scope is inside:  # a mask that was drawn there
        return True
    owner = inside.owner
    if owner is None:
        return False
    if id(owner) not in held:
        held[id(owner)] = {id(node) for node in nodes_in(owner)}
    return id(argument) in held[id(owner)]


def _common(scopes: Sequence[scope | None]) -> scope | None:
    """The innermost scope that encloses all of these."""
    shared = _chain(scopes[0] if scopes else None)
    for other in scopes[1:]:
        chain = _chain(other)
        shared = [one for one in shared if any(one is another for another in chain)]
    return shared[0] if shared else None


def _chain(inner: scope | None) -> list[scope]:
    """A scope and those around it."""
    chain = []
    while inner is not None:
        chain.append(inner)
        inner = inner.outer
    return chain


def described(of_nodes: Iterable[scope | None], names: Any) -> tuple[list[GraphScope], list[str]]:
    """The scopes as data, and for each node the id of its own.

    Args:
        of_nodes: for each node of a graph, oldest first, its scope.
        names: as :func:`trace` was given them.
    """
    given = list(of_nodes)
    known = {id(one): one for inner in given for one in reversed(_chain(inner))}
    ids = {key: f"s{k}" for k, key in enumerate(known)}
    labels = {} if names is None else names_of_owners(names)
    scopes = []
    for key, one in known.items():
        label = labels.get(id(one.owner), "")
        title = ": ".join(filter(None, [label, _description(one)]))
        outer = "" if one.outer is None else ids[id(one.outer)]
        scopes.append(GraphScope(ids[key], one.name, label, title, outer))
    return scopes, ["" if one is None else ids[id(one)] for one in given]


def _description(one: scope) -> str:
    """A module's own, if it is short and like ``Linear(64, 32)``; else the name of the scope."""
    try:
        said = repr(one.owner)
    except Exception:  # a user's __repr__; a drawing does not fail for it
        return one.name
    is_call = re.fullmatch(r"\w+\(.*\)", said) and len(said) <= MAX_TITLE
    return said if is_call else one.name
