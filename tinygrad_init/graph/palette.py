"""The colours of a drawing: on white and on dark paper, and for every kind of eyes.

Nothing is told by colour alone. Kinds of node differ in their outline, classes have their number
written beside them. Text has a contrast of at least 4.5 to 1 on what is below it, outlines 3 to 1
(WCAG 2.2, level AA). Seen with each of the three kinds of colour blindness (Machado, Oliveira and
Fernandes 2009, full severity), two kinds are at least 10 and two classes at least 12 units of
CAM02-UCS apart.

The light colours are written into a drawing as attributes, so that every program shows them. A
style sheet in the SVG maps them to the dark ones where the page around the drawing is dark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import accumulate, pairwise

PAPER, INK = "#FFFFFF", "#1B1B1B"
EDGE = "#666666"  #: edges, boxes around scopes, and their text

#: fill, border and what else tells a kind from the others: the outline, so not colour alone
STYLES = {
    "leaf": ("#D2DDFC", "#0064A8", {"shape": "record", "style": "filled"}),
    "data": ("#D2DDFC", "#0064A8", {"shape": "record", "style": "filled,dashed"}),
    "operation": ("#FAE6BF", "#A06400", {"shape": "Mrecord", "style": "filled"}),
    "constant": ("#F5F5F5", "#6E6E6E", {"shape": "record", "style": "filled,dotted"}),
    "module": ("#D3A6E8", "#6A2C8E", {"shape": "record", "style": "filled", "penwidth": "2"}),
    "output": ("#8FD0BE", "#006B4F", {"shape": "Mrecord", "style": "filled", "penwidth": "2.5"}),
}
#: what the key of a drawing calls them
KEYS = {
    "leaf": "leaf",
    "data": "leaf without gradient",
    "operation": "operation",
    "constant": "constant",
    "module": "closed module",
    "output": "result",
}

#: fills for classes, the first ones furthest apart, and the ink on them, on light and dark paper;
#: begun from Paul Tol's scheme "light" (technical note SRON/EPS/TN/09-002) and moved apart
CLASSES = (
    "#9A93E0", "#EF7659", "#93EDFF", "#F4EA73", "#FFB8BD", "#B9B4CA", "#39AB8E", "#C7C42A",
)
CLASS_INK = "#111111"
UNCLASSED = PAPER
MAX_STRIPES = 32  #: in a node; more classes are only written
MIN_STRIPE = 0.01  #: of the width of a node, a few points: Graphviz takes 0 for no width given
MAX_WIDTH = 4  #: as many widths of outline tell apart classes that share a fill

#: what each of the above becomes on dark paper; the fills of classes stay
DARK = {
    PAPER: "#16181C", INK: "#ECECEC", EDGE: "#A3A9B2",
    "#D2DDFC": "#0C2C60", "#0064A8": "#6CB6F0",
    "#FAE6BF": "#48300A", "#A06400": "#E0A526",
    "#F5F5F5": "#26292D", "#6E6E6E": "#A9AFB7",
    "#D3A6E8": "#6A3593", "#6A2C8E": "#D9A6F5",
    "#8FD0BE": "#0A5A42", "#006B4F": "#4FD6AC",
}  # fmt: skip


def of_class(number: int) -> dict[str, str]:
    """How a node of a class is painted: classes that share a fill differ in their outline.

    >>> of_class(1)["fillcolor"] == of_class(9)["fillcolor"], of_class(9)["penwidth"]
    (True, '2.5')
    """
    round_, place = divmod(number, len(CLASSES))
    width = 1 + 1.5 * min(round_, MAX_WIDTH - 1)
    return {
        "fillcolor": CLASSES[place], "color": CLASS_INK, "fontcolor": CLASS_INK,
        "penwidth": f"{width:g}",
    }  # fmt: skip


def of_classes(numbers: Iterable[int]) -> dict[str, str]:
    """How an array is painted whose entries have classes: a stripe for each, as wide as it is big.

    The smallest ones are wide enough to be seen; of too many classes the largest have stripes.

    >>> of_classes([0, 1, 0])["fillcolor"]
    '#9A93E0;0.6667:#EF7659'
    """
    counted = Counter(numbers)
    largest = dict(counted.most_common(MAX_STRIPES))
    sizes = {number: size for number, size in counted.items() if number in largest}
    fills = [CLASSES[number % len(CLASSES)] for number in sizes]
    look = {"fillcolor": fills[0], "color": CLASS_INK, "fontcolor": CLASS_INK}
    if len(sizes) == 1:
        return look | {"style": "filled"}
    wide = [max(size / sum(sizes.values()), MIN_STRIPE) for size in sizes.values()]
    ends = [round(end / sum(wide), 4) for end in accumulate(wide, initial=0.0)]
    for k, (begin, end) in enumerate(pairwise(ends[:-1])):  # the last one gets the rest
        fills[k] += f";{end - begin:.4g}"
    return look | {"fillcolor": ":".join(fills), "shape": "box", "style": "striped"}


# Where a page says which way it is. Notebooks do not let their outputs know by the standard
# property, and a reader of a dark notebook may have a light system.
_DARK_PAGES = (
    "body[data-jp-theme-light=false]",            # JupyterLab, Jupyter Notebook
    "body.vscode-dark", "body.vscode-high-contrast",
    "html[theme=dark]",                           # Colab
    "[data-theme=dark]", "body.dark",             # themes of Sphinx; marimo
)  # fmt: skip
_LIGHT_PAGES = (
    "body[data-jp-theme-light=true]",
    "body.vscode-light", "body.vscode-high-contrast-light",
    "html[theme=light]",
    "[data-theme=light]", "body.light",
)  # fmt: skip

CLASS = "tinygrad-graph"  #: of every ``<svg>``, so that its style sheet reaches nothing else


def _style_sheet() -> str:
    """By itself a drawing follows the reader's system; in a page, the page."""
    rows = [f":root.{CLASS} {{ color-scheme: light dark }}"]
    for scheme, pages in (("dark", _DARK_PAGES), ("light", _LIGHT_PAGES)):
        rows.append(f":is({', '.join(pages)}) .{CLASS} {{ color-scheme: {scheme} }}")
    borders = {border for _, border, _ in STYLES.values()} | {EDGE}
    for light, dark in DARK.items():
        shade = f"light-dark({light}, {dark})"
        if light in borders:
            rows.append(f'.{CLASS} [stroke="{light.lower()}"] {{ stroke: {shade} }}')
        if light == EDGE or light not in borders:
            rows.append(f'.{CLASS} [fill="{light.lower()}"] {{ fill: {shade} }}')
    return "\n".join(rows)


STYLE_SHEET = _style_sheet()
STYLE_ELEMENT = f"<style>\n{STYLE_SHEET}\n</style>\n"  #: the first thing in a drawing
