"""`explain`: a derivative spelled out, path by path or matrix by matrix, with its numbers."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..autograd import DataError, GraphError, Node
from ..autograd.modes import in_arithmetic
from ..autograd.tape import youngest_first
from . import backward, text
from .article import Article, Paragraph, code
from .entries import Told, by_entries
from .names import Named
from .naming import opened_with_names
from .neurons import by_neurons
from .paths import by_paths
from .sums import Between, Sum, between
from .written import Written

SHOWN = 6  #: how many terms are written out unless said
MAX_LABELS = 12  #: that are told because they cannot stand in formulas


@dataclass(frozen=True, eq=False)
class Explanation(Written):
    """What :func:`explain` found; printing it gives the document as text.

    Attributes:
        gradient: the derivative, as ``backward()`` would find it.
        sums: the derivative as a sum of products, see :class:`~.sums.Sum`: of the number, or of the
            chosen entry; two sums, if two neurons are compared.
        index: the chosen entry, or the two; none for a number.
        article: the document.
    """

    gradient: Any
    sums: list[Sum]
    index: list[tuple[int, ...]]
    article: Article
    called: ClassVar[str] = "an explanation"

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        counted = ", ".join(text.number(each.count) for each in self.sums)
        return f"Explanation({self.article.title!r}, terms: {counted})"


def explain(
    y: Node,
    wrt: Node,
    index: int | Sequence[int] | None = None,
    compare: Sequence[int] | None = None,
    shown: int = SHOWN,
    digits: int | None = text.DIGITS,
    names: Any = None,
) -> Explanation:
    r"""The chain rule for one derivative, in formulas and in numbers.

    For a number: every path from ``wrt`` to ``y`` with the product of the local derivatives along
    it, and their sum,

    .. math:: \frac{dy}{dx} = \sum_{\text{paths}} \prod_{\text{edges}} \frac{\partial u}{\partial v}

    For an array: the vector-Jacobian products from ``y`` back to ``wrt``, operation by operation,
    and one entry of the gradient worked out as a sum. With ``compare`` two neurons are set side by
    side, from their weights to their gradients: equal all the way, or not.

    ``backward()`` need not have been called, and nobody's ``.grad`` changes. The largest terms are
    written out; of the others their number and their sum, which are found without listing them.

    Args:
        y: a Value, or a Tensor with one entry.
        wrt: a Value or a Tensor that ``y`` was computed from.
        index: of an array, the entry to work out; that with the largest gradient unless said.
            With ``compare`` it says the place in all axes but the last.
        compare: of an array, two neurons (places along the last axis, so columns of a weight
            matrix) to set side by side.
        shown: how many terms to write out. If there are more paths, those that differ only in
            which argument they take, where an operation uses one number twice, count as one.
        digits: of the numbers; ``None`` for all, so that what is printed evaluates to the gradient
            but for the rounding of a float.
        names: a module, or Values, Tensors and modules by name, as :func:`trace` takes them.

    Returns:
        An :class:`Explanation`: text, Markdown, LaTeX or HTML.

    Raises:
        GraphError: if ``y`` does not depend on ``wrt``, or has several entries; if numbers that
            a derivative needs were changed since.
        DataError: for an index or neurons that ``wrt`` does not have.

    >>> from tinygrad_init import Value
    >>> x = Value(3.0, label="x")
    >>> print(explain(x * x + x, wrt=x))
    How y depends on x
    ==================
    ...
        dy/dx = 3 + 3 + 1 = 7
    """
    _refuse_other_results(y)
    if not isinstance(wrt, Node):
        raise GraphError(
            f"wrt= is one Value or Tensor that the result was computed from, got "
            f"{type(wrt).__name__}: pass it itself, not its .data or several at once"
        )
    whole = _at_least_one("shown", shown, "how many terms to write out")
    if digits is not None:
        digits = _at_least_one("digits", digits, "how many digits a number has, None for all")
    likes = opened_with_names(y, names)
    y, wrt = likes[y], likes.get(wrt, wrt)
    with in_arithmetic(y.arithmetic):
        tape = youngest_first(y, everything=True)
        through = between(tape, wrt)
        if not through.uses:
            raise _not_used(y, wrt)
        changed = backward.changes(tape)
        _refuse_changed_numbers(through, changed)
        named = Named(tape, wrt, names, digits, changed)
        gradients = through.gradients()
        gradient = gradients[wrt]
        if all(np.size(node._data) == 1 for node in through.uses):
            if index is not None or compare is not None:
                given = "compare" if index is None else "index"
                raise DataError(
                    f"{given}= is for an array of parameters, and {wrt.describe()} is a single "
                    f"number, as is everything between it and the result: leave it out"
                )
            article, total = by_paths(through, named, whole)
            return Explanation(gradient, [total], [], _with_labels(article, named))
        places = _places(gradient, index, compare)
        told = Told(y, wrt, through.uses, gradients, named, whole)
        article, sums = by_entries(told, *places) if compare is None else by_neurons(told, places)
        return Explanation(gradient, sums, places, _with_labels(article, named))


def _with_labels(article: Article, named: Named) -> Article:
    """First which node is which, where a label is too long for a formula or not the only one."""
    told = [f"${symbol}$ is labelled {code(label)}" for symbol, label in named.labels()]
    if not told:
        return article
    more = f", and so on for {len(told) - MAX_LABELS:,} more" if len(told) > MAX_LABELS else ""
    first = Paragraph(f"Here {', '.join(told[:MAX_LABELS])}{more}.")
    return Article(article.title, [first, *article.blocks])


def _refuse_other_results(y: Any) -> None:
    if not isinstance(y, Node):
        raise GraphError(
            f"explain takes what was computed, a Value or a Tensor, got {type(y).__name__}"
        )
    if np.size(y._data) != 1:
        raise GraphError(
            f"a derivative is of one number, and this result has shape {np.shape(y._data)}: "
            f"reduce it (.sum(), .mean()), or choose an entry (y[0])"
        )
    if not y.requires_grad:
        raise GraphError(
            f"{y.describe()} has no history: compute it from leaves with requires_grad=True, and "
            f"outside no_grad"
        )


def _not_used(y: Node, wrt: Node) -> GraphError:
    if not wrt.requires_grad:
        return GraphError(
            f"no derivative flows to {wrt.describe()}: make it with requires_grad=True before "
            f"computing"
        )
    return GraphError(
        f"the result ({y.describe()}) does not depend on {wrt.describe()}, or only through "
        f"operations that have no derivative: pass the very object that was computed with (a "
        f"copy, .detach() or .data is another one), and compute anew after replacing it"
    )


def _refuse_changed_numbers(through: Between, changed: backward.Changes) -> None:
    """Values are not checked by ``backward()``, and what they would explain is no chain rule."""
    for node in through.uses if changed else ():
        for one in (node, *node.arguments):
            if node.kind == "Value" and isinstance(one, Node) and id(one) in changed:
                raise GraphError(
                    f"{one.describe()}, on the way to the result, was {changed[id(one)]}: compute "
                    f"anew before explaining"
                )


def _at_least_one(name: str, given: Any, meaning: str) -> int:
    try:
        found = operator.index(given)
    except TypeError:
        found = 0
    if found < 1:
        raise DataError(f"{name}= is {meaning}, 1 or more, got {given!r}")
    return found


# Which entries.


def _places(gradient: Any, index: Any, compare: Any) -> list[tuple[int, ...]]:
    """The chosen entry, or the two of a comparison."""
    shape = gradient.shape
    if compare is None:
        return [_largest(gradient) if index is None else _place(index, shape, "index")]
    if not shape:
        raise DataError("compare= sets two neurons side by side, and this array has no axis")
    try:
        i, j = (_place(one, shape[-1:], "compare")[0] for one in compare)
    except (TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"compare= takes two neurons, such as compare=(0, 1), got {compare!r}"
        ) from error
    if i == j:
        raise DataError(f"compare= takes two different neurons, got {i} twice")
    if index is None:
        row = _largest(gradient[..., [i, j]])[:-1]
    else:
        row = _place(index, shape[:-1], "with compare=, index")
    return [(*row, i), (*row, j)]


def _largest(gradient: Any) -> tuple[int, ...]:
    if not gradient.size:
        raise DataError(
            f"an array of shape {gradient.shape} has no entry to work out, and its gradient is as "
            f"empty: explain one that has"
        )
    size = np.nan_to_num(np.abs(gradient), nan=np.inf)
    return tuple(map(int, np.unravel_index(size.argmax(), size.shape)))


def _place(index: Any, shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """An index as integers that are not negative."""
    try:
        place = tuple(map(operator.index, index if isinstance(index, (tuple, list)) else (index,)))
    except TypeError:
        place = ()
    fits = len(place) == len(shape)
    if not fits or not all(-n <= k < n for k, n in zip(place, shape, strict=True)):
        ranges = ", ".join(f"0 to {n - 1}" for n in shape)
        raise DataError(
            f"{what}={index!r} names no entry: it takes {len(shape)} integer"
            f"{'' if len(shape) == 1 else 's'} ({ranges}) for the shape {shape}"
        )
    return tuple(k % n for k, n in zip(place, shape, strict=True))
