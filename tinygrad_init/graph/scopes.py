"""Which parts of a computation have names, and which part each node belongs to.

An operation belongs to the scope in which it was recorded. What was made elsewhere is put where a
reader would look for it: a parameter into the box of the layer that holds it, a number beside its
operation, data outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Node, scope
from .naming import names_of_owners, nodes_in
from .parts import GraphScope

MAX_TITLE = 48  #: characters of a module's own description that stand in a title

#: Arguments that no operation of the tape made, by place, with the operations that use them.
Uses = dict[int, tuple[Any, list[Node]]]


class Modules(NamedTuple):
    """The objects that computed: layers and the like.

    Attributes:
        scopes: in the order of their first operations, outer ones before inner ones.
        ids: ``"m0"``, ``"m1"``, ... in the order of their first calls, by identity.
        holding: for every node that they hold, by identity, the ids of those that do.
        alive: the objects themselves, so that no other object gets their identity meanwhile.
    """

    scopes: list[scope]
    ids: dict[int, str]
    holding: dict[int, list[str]]
    alive: list[Any]


def modules(of_operations: Iterable[scope | None]) -> Modules:
    """The owners of scopes, and what they hold."""
    found = Modules(list(_known(of_operations).values()), {}, {}, [])
    for one in found.scopes:
        owner = one.owner
        if owner is None or id(owner) in found.ids:
            continue
        found.ids[id(owner)] = name = f"m{len(found.ids)}"
        found.alive.append(owner)
        for key in {id(node) for node in nodes_in(owner)}:
            found.holding.setdefault(key, []).append(name)
    return found


def innermost(uses: Uses, known: Modules) -> dict[int, scope | None]:
    """The scope that each argument belongs to which no operation of the tape made."""
    found: dict[int, scope | None] = {}
    for key, (argument, users) in uses.items():
        inside = _common([user.scope for user in users])
        while inside is not None and not _belongs(argument, inside, known):
            inside = inside.outer
        found[key] = inside
    return found


def _belongs(argument: Any, inside: scope, known: Modules) -> bool:
    if not isinstance(argument, Node):
        is_data = isinstance(argument, np.ndarray) and argument.ndim and argument.dtype != bool
        return not is_data
    if argument.scope is inside:  # a mask that was drawn there
        return True
    return known.ids.get(id(inside.owner)) in known.holding.get(id(argument), ())


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


def outermost(inner: scope | None) -> scope | None:
    """The whole part of the program that a scope is in."""
    return _chain(inner)[-1] if inner else None


def _known(of_nodes: Iterable[scope | None]) -> dict[int, scope]:
    """Each scope once, outer ones before inner ones, by identity."""
    found: dict[int, scope] = {}
    for inner in of_nodes:
        if inner is not None and id(inner) not in found:
            found |= {id(one): one for one in reversed(_chain(inner)) if id(one) not in found}
    return found


def described(
    of_nodes: Sequence[scope | None], names: Any, known: Modules | None = None
) -> tuple[list[GraphScope], list[str]]:
    """The scopes as data, and for each node the id of its own.

    Args:
        of_nodes: for each node of a graph, oldest first, its scope.
        names: as :func:`trace` was given them.
        known: as :func:`modules` found them; without, no scope says which module it is of.
    """
    ids: dict[int, str] = {}
    scopes = []
    labels = {} if names is None else names_of_owners(names)
    written: dict[int, str] = {}  # by owner, who may be called a thousand times
    for key, one in _known([*(known.scopes if known else ()), *of_nodes]).items():
        owner = one.owner
        if id(owner) not in written:
            written[id(owner)] = "" if owner is None else _description(owner)
        label = labels.get(id(owner), "")
        title = ": ".join(filter(None, [label, written[id(owner)] or one.name]))
        outer = "" if one.outer is None else ids[id(one.outer)]
        ids[key] = f"s{len(ids)}"
        module = known.ids.get(id(owner), "") if known else ""
        scopes.append(GraphScope(ids[key], one.name, label, title, outer, module))
    return scopes, ["" if one is None else ids[id(one)] for one in of_nodes]


def _description(owner: Any) -> str:
    """An object's own, if it is short and like ``Linear(64, 32)``."""
    try:
        said = repr(owner)
    except Exception:  # a user's __repr__; a drawing does not fail for it
        return ""
    return said if len(said) <= MAX_TITLE and re.fullmatch(r"\w+\(.*\)", said) else ""
