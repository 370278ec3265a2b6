"""What a notebook shows of a graph: the drawing, in a piece of HTML that leaves the rest alone.

It has no script and no ids, and its style sheet reaches drawings only. Notebooks prefer HTML to
SVG, and make an SVG as narrow as the page; here a wide drawing shrinks no further than one can
read it, and then scrolls.
"""

from __future__ import annotations

import re
from html import escape

SMALLEST = 0.6  #: of its size, to which a drawing shrinks
MAX_LINES = 60  #: of the text that stands in for a drawing


def with_drawing(svg: str) -> str:
    """The fragment around an ``<svg>`` element."""
    found = re.search(r'<svg width="([\d.]+)pt"', svg)
    width = float(found[1]) if found else 0.0
    style = f"width:{width:g}pt;max-width:100%;min-width:{SMALLEST * width:g}pt;height:auto"
    sized = svg.replace("<svg", f'<svg style="{style}"', 1)
    return f'<div style="overflow-x:auto">\n{sized}</div>\n'


def with_text(tree: str, reason: str) -> str:
    """The fragment where nothing can be drawn: the beginning of the tree, and why."""
    lines = tree.splitlines()
    more = len(lines) - MAX_LINES
    if more > 0:
        lines = [*lines[:MAX_LINES], f"... and {more:,} more lines: print(graph) shows them"]
    return f"<pre>{escape(chr(10).join(lines))}</pre>\n<p>No drawing: {escape(reason)}</p>\n"
