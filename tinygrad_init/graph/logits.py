"""Where a cross-entropy meets its softmax: the gradient of the textbook, p - t, in numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd import F, Node
from ..autograd.axes import axes_of
from . import symbols, text
from .article import Block, Formula, Heading, Paragraph, Table

if TYPE_CHECKING:
    from .entries import Told

MAX_CLASSES = 12  #: of one example that are written out


def at_the_logits(told: Told, through: tuple[int, ...]) -> list[Block]:
    """For a log-softmax into each row of which a gradient comes at one place, that of the label.

    With -c for that gradient and p for the softmax, G - p sum(G) is c (p - t).

    Args:
        told: the derivative.
        through: an entry of some node on the way; the same example is shown, if it has one.
    """
    for node in told.uses:
        if node.operation is not F.log_softmax:
            continue
        logits = node.arguments[0]
        axes = axes_of(node.params["axis"], np.ndim(node._data))
        if len(axes) == 1 and len(told.uses.get(logits, ())) == 1:
            log_p, upstream, gradient = (
                np.moveaxis(np.asarray(one), axes[0], -1)
                for one in (node._data, told.gradients[node], told.gradients[logits])
            )
            t = (upstream != 0).astype(float)
            if np.isfinite(upstream).all() and (t.sum(axis=-1) == 1).all():
                c = -upstream.sum(axis=-1, keepdims=True)
                place = tuple(k for axis, k in enumerate(through) if axis != axes[0])
                return _told(told, node, (np.exp(log_p), t, c, gradient), place)
    return []


def _told(
    told: Told, node: Node, arrays: tuple[Any, Any, Any, Any], place: tuple[int, ...]
) -> list[Block]:
    p, t, c, gradient = arrays
    row = _example(gradient, place)
    z = told.named.symbol(node.arguments[0])
    return [
        Heading("At the logits: p - t"),
        Paragraph(
            f"Into each row of ${told.named.symbol(node)}$ a gradient comes at one place only, "
            f"that of the label. Let $t$ be 1 there and 0 elsewhere, $p$ the softmax of the "
            f"logits, and $-c$ that gradient. Then what the line about it says is"
        ),
        Formula(
            rf"{told.total(node.arguments[0])} = {_scaled(c)}, \quad "
            rf"p = \operatorname{{softmax}}({z})"
        ),
        Paragraph(
            f"For example {', '.join(map(str, row))}, whose label is {t[row].argmax()}:"
            if row else f"Here the label is {t.argmax()}:"
        ),
        _table(told, p[row], t[row], gradient[row]),
        *_what_a_step_does(float(c[row].item())),
    ]  # fmt: skip


def _what_a_step_does(c: float) -> list[Block]:
    if c < 0:
        return []
    return [Paragraph(
        "A step against the gradient raises the logit of the label, and lowers the others in "
        "proportion to the probability that they were given."
    )]  # fmt: skip


def _example(gradient: Any, place: tuple[int, ...]) -> tuple[int, ...]:
    """The row at a place, if there is one; else that of the largest gradient."""
    lengths = gradient.shape[:-1]
    if len(place) == len(lengths) and all(k < n for k, n in zip(place, lengths, strict=True)):
        return place
    return tuple(map(int, np.unravel_index(np.abs(gradient).argmax(), gradient.shape)))[:-1]


def _scaled(c: Any) -> str:
    """1/32 (p - t) for a mean over 32 examples; with the letter, if it differs by example."""
    first = float(c.flat[0])
    if not np.allclose(c, first, rtol=1e-6, atol=0):
        return r"c \, (p - t)"
    if first == 1:
        return "p - t"
    whole = Fraction(first).limit_denominator(100_000)
    is_near = abs(whole - Fraction(first)) <= abs(first) * 1e-6
    return rf"{symbols.factor(whole if is_near else first)} \, (p - t)"


def _table(told: Told, p: Any, t: Any, gradient: Any) -> Table:
    """One row for each class; of many those with the largest differences."""
    classes = np.arange(p.size)
    if p.size > MAX_CLASSES:
        classes = np.sort(np.argsort(-np.abs(p - t), kind="stable")[: MAX_CLASSES - 1])
    columns = (p, t, p - t, gradient)
    rows = [[str(k), *(told.number(float(one[k])) for one in columns)] for k in classes]
    if len(rows) < p.size:
        rest = np.delete(np.arange(p.size), classes)
        sums = (told.number(float(one[rest].sum())) for one in columns)
        rows.append([f"… {rest.size:,} more, sum", *sums])
    total = (text.number(round(float(one.sum()), 9)) for one in columns)
    return Table(["class", "p", "t", "p - t", "gradient"], [*rows, ["sum", *total]])
