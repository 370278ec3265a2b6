"""A graph as one HTML page that works offline: a drawing to step through, and all its numbers.

Everything that the page says is written here, as HTML: the legend, the table, and a card for each
node. The script in ``web/`` only shows and hides it, and moves what Graphviz has drawn. So the page
can be read without the script, and foreign text never passes through it as markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from . import symbols, text
from .cards import Cards, summary
from .document import document
from .dot import fact, facts, in_stripes, role
from .export import dump
from .folded import SMALL
from .formula import as_text
from .layout import layout
from .palette import DARK, STYLES, UNCLASSED, of_class
from .parts import Edge, GraphNode, GraphScope, equations
from .terms import Term

#: in this order
SCRIPTS = ("arrange", "drawing", "camera", "player", "search", "tooltip", "main")
MAX_NODES = 500  #: of a page that opens modules: drawn in half a second, 3 MB
MAX_TURNED = 300  #: nodes of a drawing that is laid out twice, to be turned
MAX_BADGE = 36  #: characters beside an edge

_LEGEND = {
    "leaf": "leaf: a gradient is computed for it",
    "data": "leaf without a gradient",
    "operation": "operation",
    "constant": "constant",
    "module": "closed module",
    "output": "the result",
}
_ON_MODULES = "; modules open with + and close with −"
_ON_FOLDS = " What is folded opens in Python: <code>graph.fold(…)</code>."
_OUTLINE = {"filled": "solid", "filled,dashed": "dashed", "filled,dotted": "dotted"}


def to_html(
    nodes: Sequence[GraphNode],
    edges: Sequence[Edge],
    scopes: Sequence[GraphScope],
    drawings: Mapping[str, str],
    first: str,
    is_wanted: bool = False,
    note: str = "",
) -> str:
    """The page around drawings by direction: the first one, and others to turn it to.

    If the first one is wanted, the script does not turn it by itself. The note says what a reader
    of a folded graph should know.
    """
    cards = Cards(nodes, edges, scopes)
    svg = drawings[first]
    name = _called(cards, nodes[-1])
    result = symbols.origin(name, _made_by(cards, nodes[-1]))
    title = f"How {name}{result and f'{result},'} was computed"
    layouts = {name: layout(drawn, nodes, edges, scopes) for name, drawn in drawings.items()}
    told = {
        **_data(cards, scopes), "layouts": layouts, "first": first, "isWanted": is_wanted,
    }  # fmt: skip
    body = f"""<header>
<h1>{escape(title)}</h1>
{_part("tools.html")}</header>
<div class="stage">
<div class="drawing" tabindex="0" role="img" aria-label="The graph; the table below says the same">
{svg}</div>
{_legend(nodes, scopes)}
<div class="tooltip" role="tooltip" hidden></div>
</div>
{_part("player.html")}<div class="table" tabindex="0">
{_table(nodes, edges)}
</div>
<aside class="panel" aria-label="The chosen node">
<button type="button" data-do="panel" aria-label="close" data-live hidden><svg viewBox="0 0 24 24" \
aria-hidden="true"><path d="M6 6l12 12M18 6L6 18"/></svg></button>
<div class="intro" data-live hidden>
<h2>Step through</h2>
<p>Press <kbd>→</kbd>, and the numbers appear in the order in which they were computed; then the \
gradients, one term of the chain rule at a time.</p>
{f"<p>{escape(note)}.{_ON_FOLDS}</p>" if note else ""}
<p>Choose a node to see its gradient as a sum{_ON_MODULES if scopes else ""}. \
<kbd>/</kbd> searches, <kbd>?</kbd> tells more.</p>
</div>
<section class="cards">
<h2>Node by node</h2>
{"".join(map(cards.card, nodes))}
</section>
</aside>
<script type="application/json" id="graph-data">{dump(told)}</script>"""
    script = "\n".join(map(_part, (f"{name}.js" for name in SCRIPTS)))
    return document(title, _part("page.css") + _size(svg) + _swatches(nodes), body, script)


def can_open(nodes: Sequence[GraphNode], scopes: Sequence[GraphScope]) -> bool:
    """Whether a page can have all of a graph, which is readable while its modules are closed."""
    outside = sum(not (node.scope or node.held_by) for node in nodes)
    return len(nodes) <= MAX_NODES and outside + sum(not one.outer for one in scopes) <= SMALL


def _called(cards: Cards, node: GraphNode) -> str:
    """Its name; a module that has none of its own is called by its kind."""
    name = cards.names[node.id]
    is_bare = node.kind == "module" and name == node.id and node.symbol
    return text.label(node.symbol) if is_bare else name


def _made_by(cards: Cards, node: GraphNode) -> str:
    """The whole part of the program that a result is from, else its operation."""
    around = cards.around(node.scope)
    return cards.scopes[around[-1]].kind if around else node.operation


def _part(name: str) -> str:
    """A file of the folder ``web``."""
    return (files(__package__) / "web" / name).read_text(encoding="utf-8")


def _size(svg: str) -> str:
    """A wide drawing shrinks to fit the window, but not until its text is too small to read."""
    found = re.search(r'<svg width="([\d.]+)pt"', svg)
    width = float(found[1]) if found else 0.0
    return (
        f".drawing > svg {{ width: {width:g}pt; min-width: {0.6 * width:g}pt; }}\n"
    )


# What the script knows.


def _data(cards: Cards, scopes: Sequence[GraphScope]) -> dict[str, Any]:
    """Words for the script, and what each step shows."""
    places = {node.id: place for place, node in enumerate(cards.nodes)}
    last = {term.node: term for term in cards.terms}
    return {
        "nodes": [_node(node, cards, scopes) for node in cards.nodes],
        "edges": [[places[edge.source], places[edge.target]] for edge in cards.edges],
        "scopes": [_scope(one, cards, places) for one in scopes],
        "terms": [
            {
                **_term(term, cards),
                "node": places[term.node],
                "isLast": term is last[term.node],
            }
            for term in cards.terms
        ],
        "seed": cards.nodes[-1].gradient is not None,
    }


def _holders(node: GraphNode, scopes: Sequence[GraphScope]) -> list[int]:
    """The calls of the modules that hold a parameter, by their places."""
    return [place for place, one in enumerate(scopes) if one.module in node.held_by]


def _node(node: GraphNode, cards: Cards, scopes: Sequence[GraphScope]) -> dict[str, Any]:
    lines, is_striped = facts(node), in_stripes(node)
    if is_striped:
        lines = [[" ".join(each)] for each in lines]
    value, gradient = (lines[0], lines[1:]) if lines else ([], [])  # a module of several results
    name = cards.names[node.id]
    parts = [name, node.id, node.label[:200], node.operation, node.symbol, node.kind]
    shown = None if node.gradient is None else text.inline(node.gradient)
    said = f"{cards.worked[node.id]}{f', gradient {shown}' if shown else ''}"
    return {
        "id": node.id,
        "name": name,
        "scope": node.scope,
        "holders": _holders(node, scopes),
        "find": " ".join(text.label(part, 200) for part in parts).lower(),
        "rows": [len(value), sum(map(len, gradient))],
        "together": [row for each in lines for row in each] if is_striped else [],
        "worked": cards.worked[node.id],
        "gradient": shown,
        "says": said,
    }


def _term(term: Term, cards: Cards) -> dict[str, Any]:
    """One step back: the lines of the sum so far, and the product beside its edge."""
    rows = ["grad unavailable"] if term.so_far is None else fact("grad", term.so_far)
    return {
        "edge": term.edge,
        "rows": [" ".join(rows)] if in_stripes(cards.by_id[term.node]) else rows,
        "badge": _badge(term, cards),
        "spoken": cards.spoken(term),
    }


def _badge(term: Term, cards: Cards) -> str:
    if term.amount is None or term.edge is None:
        return ""
    if term.local is None:
        formula = as_text(term.formula)
        return formula if len(formula) <= MAX_BADGE else ""
    factors = " × ".join(map(text.in_brackets, (cards.upstream(term), term.local)))
    return f"{factors} {cards.equals(term)} {text.number(term.amount)}"


def _scope(one: GraphScope, cards: Cards, places: Mapping[str, int]) -> dict[str, Any]:
    """A module, and the value and gradient of its result if there is only one."""
    inside = {node.id for node in cards.nodes if one.id in cards.around(node.scope)}
    ends = [edge.source for edge in cards.edges if edge.target not in inside]
    results = inside & {*ends, cards.nodes[-1].id}
    said: dict[str, Any] = {"id": one.id, "title": text.label(one.title), "outer": one.outer}
    if len(results) == 1:
        node = cards.by_id[results.pop()]
        said["output"] = places[node.id]
        said["value"] = f"data {text.inline(node.value)}"
        if node.gradient is not None:
            said["gradient"] = f"grad {text.inline(node.gradient)}"
    return said


# Legend and table.


def _roles(nodes: Sequence[GraphNode]) -> list[str]:
    """The kinds of node that are there, in the order of the legend."""
    present = {role(node, node is nodes[-1]) for node in nodes}
    return [one for one in _LEGEND if one in present]


def _classes(nodes: Sequence[GraphNode]) -> list[int]:
    given = [node.colour for node in nodes if node.colour is not None]
    return sorted({k for one in given for k in ([one] if isinstance(one, int) else one)})


def _swatches(nodes: Sequence[GraphNode]) -> str:
    """The legend's boxes, drawn as in the drawing: the same outline, the same fill."""
    rules = []
    is_coloured = bool(_classes(nodes))
    for one in _roles(nodes):
        fill, border, outline = STYLES[one]
        fill = UNCLASSED if is_coloured else fill
        radius = ".35em" if outline["shape"] == "Mrecord" else "0"
        width = outline.get("penwidth", "1")
        line = _OUTLINE[outline["style"]]
        rules.append(
            f".key-{one} {{ background: {_shade(fill)}; border: {width}px {line} {_shade(border)}; "
            f"border-radius: {radius}; }}\n"
        )
    for number in _classes(nodes):
        look = of_class(number)
        rules.append(
            f".key-class-{number} {{ background: {look['fillcolor']}; "
            f"border: {look['penwidth']}px solid {look['color']}; }}\n"
        )
    return "".join(rules)


def _shade(light: str) -> str:
    """A colour of the palette on paper of either kind."""
    return f"light-dark({light}, {DARK.get(light, light)})"


def _legend(nodes: Sequence[GraphNode], scopes: Sequence[GraphScope]) -> str:
    items: list[tuple[str, str]] = [(one, _LEGEND[one]) for one in _roles(nodes)]
    items += [(f"class-{number}", f"class {number}") for number in _classes(nodes)]
    rows = "\n".join(f'<li><span class="key-{css}"></span>{what}</li>' for css, what in items)
    if scopes:  # which the script closes
        rows += '\n<li data-live hidden><span class="key-closed"></span>closed: + opens it</li>'
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
            f'<td class="number">{summary(node.value)}{_reason("now", node.changed)}</td>',
            f'<td class="number">{summary(node.gradient)}'
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
