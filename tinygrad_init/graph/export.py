r"""A graph as JSON, for other programs. The same graph gives the same bytes.

The document is one object:

==========  ========================================================================================
format      ``"tinygrad_init.graph"``
version     1; a change that a reader could stumble over raises it
output      the id of the traced result
nodes       oldest first; each has the keys ``id``, ``kind`` (``"leaf"``, ``"operation"``,
            ``"constant"`` or ``"module"``), ``operation``, ``symbol``, ``formula`` (LaTeX),
            ``settings``, ``label``, ``dtype`` and ``line`` (strings, empty where there is nothing
            to say), ``shape`` (lengths of the axes), ``value`` and ``gradient`` (as below; null if
            there is none), ``changed`` and ``unavailable`` (strings: why the value may not be the
            recorded one, why there is no gradient), ``class`` (an integer, a list of integers, or
            null), ``scope`` (the id of the innermost one, or null), ``count``, ``in_a_row``,
            ``size`` and ``parameters`` (as a :class:`~tinygrad_init.graph.GraphNode` has them)
edges       ``source``, ``target`` (ids), ``position`` (of the argument, from 0), ``carried``
            (whether it leads to the next turn of a loop), and ``local``: the local derivative, null
            where none flows, else an object of ``shape``, ``value`` (a number as below, or null)
            and ``unavailable`` (a string)
scopes      outer ones first; each has ``id``, ``kind``, ``label``, ``title`` (strings), ``outer``
            (an id, or null), ``module`` (a string), ``count`` and ``in_a_row`` (as a
            :class:`~tinygrad_init.graph.GraphScope` has them)
==========  ========================================================================================

A number is a JSON number or, where JSON has none for it, a string: ``"nan"``, ``"inf"``,
``"-inf"``, a fraction ``"1/3"``, a whole number beyond 2\ :sup:`53` (``"about 10^5000"`` if even
its digits are too many). Truth values are true and false. An array of up to 64 entries is an object
with its nested ``entries``; of a larger one there are ``min``, ``max`` and ``norm`` of the entries
that are finite (null if none is) and how many are ``nan``, ``inf`` (of either sign) and ``zero``.

The text is ASCII and has none of ``< > &``, so that it may stand inside a page; lone surrogates,
which no other program takes, become U+FFFD.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import text
from .local import LocalDerivative
from .parts import Edge, GraphNode, GraphScope

FORMAT, VERSION = "tinygrad_init.graph", 1
MAX_ENTRIES = 64  #: entries of an array that are written out
_LARGEST_INTEGER = 2**53  #: up to which every reader of JSON keeps them exact
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(
    nodes: Sequence[GraphNode],
    edges: Sequence[Edge],
    locals_: Iterable[LocalDerivative | None],
    scopes: Sequence[GraphScope] = (),
) -> str:
    """The document, with a line for each node and each edge; ``locals_`` in the order of edges."""
    node_rows = ",\n".join(dump(_node(node)) for node in nodes)
    edge_rows = ",\n".join(
        dump(_edge(edge, local)) for edge, local in zip(edges, locals_, strict=True)
    )
    scope_rows = ",\n".join(dump(_scope(one)) for one in scopes)
    head = f'"format": {dump(FORMAT)}, "version": {VERSION}, "output": {dump(nodes[-1].id)}'
    lists = {"nodes": node_rows, "edges": edge_rows, "scopes": scope_rows}
    body = ",\n".join(f'"{name}": [\n{rows}\n]' for name, rows in lists.items())
    return f"{{{head},\n{body}}}\n"


def dump(value: Any) -> str:
    """JSON in ASCII that may stand inside a page."""
    written = json.dumps(value, ensure_ascii=True, allow_nan=False)
    for character in "<>&":  # can only be inside a string
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def _node(node: GraphNode) -> dict[str, Any]:
    return {
        "id": node.id,
        "kind": node.kind,
        "operation": _text(node.operation),
        "symbol": _text(node.symbol),
        "formula": _text(node.formula),
        "settings": _text(node.settings),
        "label": _text(node.label),
        "shape": list(node.shape),
        "dtype": node.dtype,
        "value": None if node.kind == "module" and node.value is None else _value(node.value),
        "gradient": None if node.gradient is None else _value(node.gradient),
        "changed": node.changed,
        "unavailable": _text(node.unavailable),
        "line": _text(node.line),
        "class": list(node.colour) if isinstance(node.colour, tuple) else node.colour,
        "scope": node.scope or None,
        "count": node.count,
        "in_a_row": node.in_a_row,
        "size": node.size,
        "parameters": node.parameters,
    }


def _edge(edge: Edge, local: LocalDerivative | None) -> dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "position": edge.position,
        "carried": edge.carried,
        "local": local and {
            "shape": list(local.shape),
            "value": None if local.value is None else _number(local.value),
            "unavailable": _text(local.unavailable),
        },
    }


def _scope(one: GraphScope) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": _text(one.kind),
        "label": _text(one.label),
        "title": _text(one.title),
        "outer": one.outer or None,
        "module": one.module,
        "count": one.count,
        "in_a_row": one.in_a_row,
    }


def _text(given: str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", given)


def _value(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return _number(value)
    if not value.ndim:
        return _number(value[()])
    return {"entries": _entries(value)} if value.size <= MAX_ENTRIES else _summary(value)


def _entries(array: np.ndarray[Any, Any]) -> list[Any]:
    if array.dtype == bool or (array.dtype.kind == "f" and np.isfinite(array).all()):
        return array.tolist()
    return [_entries(row) if array.ndim > 1 else _number(row) for row in array]


def _summary(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    # Fractions and numbers that no array type holds are finite; among them may be floats.
    rounded = np.vectorize(_rounded, [float])(array) if array.dtype == object else array
    finite = array[np.isfinite(rounded)]
    return {
        "min": _number(finite.min()) if finite.size else None,
        "max": _number(finite.max()) if finite.size else None,
        "norm": _number(_norm(rounded[np.isfinite(rounded)])) if finite.size else None,
        "nan": int(np.count_nonzero(np.isnan(rounded))),
        "inf": int(np.count_nonzero(np.isinf(rounded))),
        "zero": int(array.size - np.count_nonzero(array)),
    }


def _rounded(x: Any) -> float:
    """A float; the largest one in place of a number that is too large."""
    try:
        return float(x)
    except OverflowError:
        return -sys.float_info.max if x < 0 else sys.float_info.max


def _norm(array: np.ndarray[Any, Any]) -> float:
    """The Euclidean length, with an exact sum: the same on every machine; inf if it overflows."""
    with np.errstate(all="ignore"):
        squares = np.square(array, dtype=np.float64)
    try:
        return math.sqrt(math.fsum(squares.tolist()))
    except OverflowError:
        return math.inf


def _number(x: Any) -> Any:
    if isinstance(x, (bool, np.bool_)):
        return bool(x)
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else str(float(x))
    if isinstance(x, (int, np.integer)) and abs(int(x)) <= _LARGEST_INTEGER:
        return int(x)
    try:
        return _text(str(x))
    except ValueError:  # more digits than Python writes
        return text.number(x)
