"""A graph as one HTML page that works offline: drawing, legend, and a table of the nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from . import text
from .document import document
from .dot import role
from .palette import CLASSES, STYLES
from .parts import Edge, GraphNode, equations, names

_LEGEND = {
    "leaf": "leaf: a gradient is computed for it",
    "data": "leaf without a gradient",
    "operation": "operation",
    "constant": "constant",
    "output": "the result",
}
_OUTLINE = {"filled": "solid", "filled,dashed": "dashed", "filled,dotted": "dotted"}

_STYLE = """
body { max-width: 90rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
.drawing, .table { overflow-x: auto; margin: 1.5rem 0; }
.drawing svg { display: block; height: auto; margin: auto; max-width: 100%; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; }
.legend li { display: flex; align-items: center; gap: .5em; }
.legend span { box-sizing: border-box; width: 1.8em; height: 1.1em; }
th, td { padding: .35rem .8rem; text-align: left; vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; }
"""


def to_html(nodes: Sequence[GraphNode], edges: Sequence[Edge], svg: str) -> str:
    """The page around a drawing."""
    output = nodes[-1]
    title = f"How {names(nodes)[output.id]} was computed"
    return document(title, _STYLE + _size(svg) + _swatches(nodes), f"""<h1>{escape(title)}</h1>
{_legend(nodes)}
<div class="drawing" tabindex="0" role="img" aria-label="The graph; the table below says the same">
{svg}</div>
<div class="table" tabindex="0">
{_table(nodes, edges)}
</div>""")


def _size(svg: str) -> str:
    """A wide drawing shrinks to fit the window, but not until its text is too small to read."""
    found = re.search(r'<svg width="([\d.]+)pt"', svg)
    width = float(found[1]) if found else 0.0
    return f".drawing svg {{ width: {width:g}pt; min-width: {0.6 * width:g}pt; }}\n"


def _roles(nodes: Sequence[GraphNode]) -> list[str]:
    """The kinds of node that are there, in the order of the legend."""
    present = {role(node, node is nodes[-1]) for node in nodes}
    return [one for one in _LEGEND if one in present]


def _classes(nodes: Sequence[GraphNode]) -> list[int]:
    return sorted({node.colour for node in nodes if node.colour is not None})


def _swatches(nodes: Sequence[GraphNode]) -> str:
    """The legend's boxes, drawn as in the drawing: the same outline, the same fill."""
    rules = []
    is_coloured = bool(_classes(nodes))
    for one in _roles(nodes):
        fill, border, outline = STYLES[one]
        fill = "#FFFFFF" if is_coloured else fill
        radius = ".35em" if outline["shape"] == "Mrecord" else "0"
        width = outline.get("penwidth", "1")
        line = _OUTLINE[outline["style"]]
        rules.append(
            f".{one} {{ background: {fill}; border: {width}px {line} {border}; "
            f"border-radius: {radius}; }}\n"
        )
    rules += [
        f".class-{number} {{ background: {CLASSES[number % len(CLASSES)]}; }}\n"
        for number in _classes(nodes)
    ]
    return "".join(rules)


def _legend(nodes: Sequence[GraphNode]) -> str:
    items = [(one, _LEGEND[one]) for one in _roles(nodes)]
    items += [(f"class-{number}", f"class {number}") for number in _classes(nodes)]
    rows = "\n".join(f'<li><span class="{css}"></span>{what}</li>' for css, what in items)
    return f'<ul class="legend">\n{rows}\n</ul>'


def _table(nodes: Sequence[GraphNode], edges: Sequence[Edge]) -> str:
    """The same facts as in the drawing, for reading, copying and screen readers."""
    computed = equations(nodes, edges)
    heads = ["node", "name", "computed as", "formula (LaTeX)", "shape", "value", "gradient"]
    rows = [_row(f"<th>{head}</th>" for head in heads)]
    for node in nodes:
        rows.append(_row([
            f"<td>{node.id}</td>",
            f"<td><bdi>{escape(text.label(node.label))}</bdi></td>",
            f"<td>{escape(computed.get(node.id, node.kind))}</td>",
            f"<td>{_formula(node.formula)}</td>",
            f"<td>{text.shape(node.shape)}</td>",
            f'<td class="number">{_numbers(node.value)}{_reason("now", node.changed)}</td>',
            f'<td class="number">{_numbers(node.gradient)}'
            f'{_reason("unavailable", node.unavailable)}</td>',
        ]))
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _formula(latex: str) -> str:
    return f"<code>{escape(text.label(latex, text.MAX_LINE))}</code>" if latex else ""


def _row(cells: Iterable[str]) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _reason(word: str, reason: str) -> str:
    """The word, which says why when it is pointed at."""
    said = escape(text.label(" ".join(reason.split()), text.MAX_LINE))
    return f' <abbr title="{said}">{word}</abbr>' if reason else ""


def _numbers(value: object) -> str:
    """Numbers, entries of a small array, or the range and the norm of a large one."""
    if value is None:
        return ""
    shown = "<br>".join(escape(line) for line in text.lines(value))
    if isinstance(value, np.ndarray) and value.size > text.MAX_ENTRIES and value.dtype.kind == "f":
        shown += f"<br>norm {text.number(_norm(value))}"
    return shown


def _norm(array: np.ndarray[Any, Any]) -> Any:
    with np.errstate(all="ignore"):  # may overflow to inf, and says so itself
        return np.linalg.norm(array.astype(np.float64).ravel())
