"""Node by node, for a page: what each one is, and its gradient as the chain rule's sum."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from html import escape
from typing import Any

import numpy as np

from ..autograd import DataError
from . import symbols, text, tree
from .formula import as_mathml
from .parts import Edge, GraphNode, GraphScope, equation, equations, names
from .terms import Term, in_formulas, terms

MAX_ENTRIES = 64  #: of an array that are written out
MAX_SHORT = 28  #: characters of an array in a product
MAX_TERMS = 6  #: of a sum that are written on one line

_KINDS = {
    "leaf": "leaf", "constant": "constant", "operation": "operation", "module": "closed module",
}  # fmt: skip


class Cards:
    """What a page says about each node of a graph.

    Attributes:
        names: what each node is called, by id.
        worked: for each node how it was computed, in names and then in numbers, by id.
        terms: what gradients receive, in the order of the backward pass.
    """

    def __init__(
        self, nodes: Sequence[GraphNode], edges: Sequence[Edge], scopes: Sequence[GraphScope]
    ) -> None:
        self.nodes, self.edges = nodes, edges
        self.scopes = {one.id: one for one in scopes}
        self.names = names(nodes)
        self.by_id = {node.id: node for node in nodes}
        self._symbols = in_formulas(nodes)
        self._sources: dict[str, list[GraphNode]] = defaultdict(list)
        for edge in edges:
            self._sources[edge.target].append(self.by_id[edge.source])
        self.terms = terms(nodes, edges)
        self._received: dict[str, list[Term]] = defaultdict(list)
        for term in self.terms:
            self._received[term.node].append(term)
        self._numbers = {id(term): number for number, term in enumerate(self.terms)}
        self._said = equations(nodes, edges)
        self.worked = {node.id: self._worked(node) for node in nodes}

    # How a value came about.

    def _worked(self, node: GraphNode) -> str:
        """``e = a × b = 2 × (-3) = -6``, or ``Z = X @ W`` with its numbers."""
        if node.size > 1:
            value = "" if node.value is None else f": {text.inline(node.value)}"
            return f"{tree.head(node)}{value}"
        name, value = self.names[node.id], text.inline(node.value)
        said = self._said.get(node.id, "")
        sources = self._sources[node.id]
        if not said:
            now = ", now" if node.changed else ""
            return f"{name} = {value} ({_KINDS[node.kind]}{now})"
        if node.shape or any(one.shape or one.size > 1 for one in sources):
            return f"{name} = {said}: {text.shape(node.shape) or 'a number'}, {value}"
        if any(one.changed for one in sources):  # 5 × 3 is not 6, which it was before
            return f"{name} = {said} = {value}, from numbers that were changed since"
        in_numbers = equation(node, [_operand(node, one.value) for one in sources])
        parts = [name, said] if in_numbers == said else [name, said, in_numbers]
        return f"{' = '.join(parts)} {_relation(node, sources)} {value}"

    # Cards.

    def card(self, node: GraphNode) -> str:
        """The HTML of one."""
        label, name = text.label(node.label), self.names[node.id]
        what = f"{_KINDS[node.kind]} {text.label(node.operation)} {node.settings}"
        kinds = [node.id, what.strip()]
        if label.strip() and label != name:  # another node has the same label
            kinds.insert(1, label)
        return f"""<article class="card" id="about-{node.id}">
<h3><bdi>{escape(name)}</bdi></h3>
<p class="kind">{" · ".join(f"<bdi>{escape(one)}</bdi>" for one in kinds)}</p>
<p class="worked"><bdi>{escape(self.worked[node.id])}</bdi></p>
<dl>{''.join(self._facts(node))}</dl>
<h4>The gradient, by the chain rule</h4>
{self._gradient(node)}
</article>"""

    def _facts(self, node: GraphNode) -> Iterable[str]:
        if node.formula:
            yield _fact("in general", _formula(node.formula), "general")
        kind = escape(f"{text.shape(node.shape) or 'a number'}, {node.dtype}")
        yield _fact("shape", kind)
        if node.kind == "module":
            parameters = f", {node.parameters:,} parameters" if node.parameters else ""
            yield _fact("inside", f"{node.size:,} nodes{parameters}")
        elif node.size > 1:
            row = ", each computed from the one before" if node.in_a_row else ""
            yield _fact("stands for", f"{node.size:,} alike{row}")
        if node.value is not None:
            yield _fact("value", entries(node.value))
        if node.changed:
            yield _fact("value now", _line(node.changed))
        if node.gradient is not None:
            yield _fact("gradient", entries(node.gradient))
        if node.unavailable:
            yield _fact("gradient", f"unavailable: {_line(node.unavailable)}")
        if node.colour is not None:
            yield _fact("class", str(node.colour))
        if node.scope:
            outer_first = [self.scopes[one].title for one in reversed(self.around(node.scope))]
            yield _fact("part of", " › ".join(map(_line, outer_first)))
        if node.line:
            yield _fact("made at", f"<code>{_line(node.line)}</code>")

    def around(self, scope: str) -> list[str]:
        """The ids of a scope and of those around it."""
        chain = []
        while scope:
            chain.append(scope)
            scope = self.scopes[scope].outer
        return chain

    # The sum.

    def _gradient(self, node: GraphNode) -> str:
        received = self._received[node.id]
        if node is self.nodes[-1] and node.gradient is not None:
            return self._seed(node)
        if received:
            rows = "\n".join(self._term(k, term) for k, term in enumerate(received))
            return f'<ol class="terms">\n{rows}\n</ol>\n{self._sum(node, received)}'
        if node.unavailable:
            return "<p>It is not available.</p>"
        return "<p>No gradient flows here: nothing asks for one.</p>"

    def _seed(self, node: GraphNode) -> str:
        result = self._symbols[node.id]
        entries = " for every entry" if node.shape else ""
        return (
            f'<p class="seed">The backward pass starts here, with '
            f"{_math(rf'{symbols.total(result, result)} = 1')}{entries}.</p>"
        )

    def _term(self, place: int, term: Term) -> str:
        """``upstream × local = term``, and what the sum is then."""
        through, body = "all its uses at once: they are folded, or their rules are not known", ""
        if term.edge is not None:
            edge = self.edges[term.edge]
            source, target = self.by_id[edge.source], self.by_id[edge.target]
            through = f"through <bdi>{escape(self.names[target.id])}</bdi>"
            if self._sources[target.id].count(source) > 1:
                through += f", as its argument {edge.position + 1}"
            if term.amount is not None:
                body = f'<p class="product">{self._product(term, source, target)}</p>'
        if term.amount is None:
            body = f'<p class="unavailable">not available: {_line(term.unavailable)}</p>'
        else:
            body += f'<p class="so-far">{self._so_far(place, term)}</p>'
        number = self._numbers[id(term)]
        return f'<li id="term-{number}"><p class="through">{through}</p>{body}</li>'

    def _product(self, term: Term, source: GraphNode, target: GraphNode) -> str:
        result, by, of = (self._symbols[one.id] for one in (self.nodes[-1], source, target))
        arriving = _math(symbols.total(result, of))
        upstream = _factor("upstream", arriving, target.gradient, "upstream", target.shape)
        if term.local is None:
            product = _factor(
                "term", _math(term.formula), term.amount, "vector-Jacobian product", source.shape
            )
            return f"{upstream}{_sign('→')}{product}"
        named = symbols.partial(of, by)
        formula = named if term.formula == named else f"{named} = {term.formula}"
        local = _factor("local", _math(formula), term.local, "local")
        product = _factor("term", "", term.amount, "term")
        return f"{upstream}{_sign('×')}{local}{_sign(self.equals(term))}{product}"

    def upstream(self, term: Term) -> Any:
        """The gradient of the target of its edge."""
        assert term.edge is not None
        return self.by_id[self.edges[term.edge].target].gradient

    def equals(self, term: Term) -> str:
        """Whether the product of the numbers that a reader sees is the one that he sees."""
        upstream = symbols.shown(self.upstream(term))
        local = symbols.shown(term.local)
        product = None if upstream is None or local is None else upstream * local
        return _RELATIONS[symbols.relation(product, term.amount)]

    def _derivative(self, node: str) -> str:
        return _math(symbols.total(self._symbols[self.nodes[-1].id], self._symbols[node]))

    def _so_far(self, place: int, term: Term) -> str:
        """``∂L/∂b: 4 + 4 = 8, use 2 of 2``."""
        uses, derivative = self._received[term.node], self._derivative(term.node)
        count = f"use {place + 1} of {len(uses)}" if len(uses) > 1 else "its only use"
        if term.edge is None:
            count = "all its uses at once"
        if term.so_far is None:
            return f"{derivative}: a part of the sum is not available ({count})"
        now = f"<strong>{escape(_short(term.so_far))}</strong>"
        added = ""
        if place:
            before = uses[place - 1].so_far
            sign = _added_up([before, term.amount], term.so_far)
            added = " + ".join((_short(before), _short(term.amount, in_brackets=True)))
            added = f"{escape(added)} {sign} "
        return f"{derivative} {'=' if place else ':'} {added}{now} ({count})"

    def _sum(self, node: GraphNode, received: Sequence[Term]) -> str:
        derivative = self._derivative(node.id)
        if node.gradient is None:
            return f'<p class="sum">{derivative}: unavailable</p>'
        amounts = [term.amount for term in received]
        if len(amounts) > 1 and np.ndim(node.gradient) == 0:
            shown = [text.inline(amounts[0]), *map(text.in_brackets, amounts[1:MAX_TERMS])]
            if len(amounts) > MAX_TERMS:
                shown.append(f"… ({len(amounts) - MAX_TERMS:,} more)")
            parts = f"{' + '.join(shown)} {_added_up(amounts, node.gradient)} "
        elif len(amounts) > 1:
            parts = f"the sum of these {len(amounts)} = "
        else:
            parts = ""
        total = f"<strong>{escape(text.inline(node.gradient))}</strong>"
        return f'<p class="sum">{derivative} = {escape(parts)}{total}</p>'

    def spoken(self, term: Term) -> str:
        """A term in words, for who listens."""
        source = self.names[term.node]
        if term.edge is None:
            return f"the gradient of {source} is {text.inline(term.so_far)}"
        target = self.names[self.edges[term.edge].target]
        if term.amount is None:
            return f"{source} receives what is not available, through {target}"
        amount, so_far = text.inline(term.amount), text.inline(term.so_far)
        if term.local is not None:
            factors = f"{text.number(self.upstream(term))} times {text.number(term.local)}"
            amount = f"{factors}, which is {amount}"
        return f"{source} receives {amount}, through {target}; its gradient is now {so_far}"


_RELATIONS = {"=": "=", r"\approx": "≈"}
#: what a reader can check without a table
_ARITHMETIC: dict[str, Callable[..., Fraction]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
    "divide": operator.truediv, "negative": operator.neg,
}  # fmt: skip


def _relation(node: GraphNode, sources: Sequence[GraphNode]) -> str:
    """Equal, if what a reader computes from the numbers that he sees is the one that he sees."""
    if node.operation not in _ARITHMETIC:
        is_exact = all(symbols.is_shown_exactly(one.value) for one in (node, *sources))
        return "=" if is_exact else "≈"
    seen = [symbols.shown(one.value) for one in sources]
    known = [one for one in seen if one is not None]
    try:
        whole = _ARITHMETIC[node.operation](*known) if len(known) == len(seen) else None
    except ZeroDivisionError:
        whole = None
    return _RELATIONS[symbols.relation(whole, node.value)]


def _operand(node: GraphNode, value: Any) -> str:
    """A number beside a sign is in brackets if it has one itself."""
    is_sign = not any(character.isalpha() for character in node.symbol)
    return text.in_brackets(value) if is_sign else text.inline(value)


def _added_up(parts: Sequence[Any], total: Any) -> str:
    """Whether the numbers that a reader sees add up to the total that he sees."""
    if np.ndim(total):
        return "="
    seen = [symbols.shown(part) for part in parts]
    known = [one for one in seen if one is not None]
    whole = sum(known, start=Fraction()) if len(known) == len(seen) else None
    return _RELATIONS[symbols.relation(whole, total)]


def _fact(head: str, shown: str, css: str = "fact") -> str:
    return f'<div class="{css}"><dt>{head}</dt><dd>{shown}</dd></div>'


def _factor(
    css: str, formula: str, value: Any, caption: str, shape: tuple[int, ...] = ()
) -> str:
    """A formula above its number, and what it is called."""
    said = f"{caption}, {text.shape(shape)}" if shape else caption
    return (
        f'<span class="factor {css}"><span class="formula">{formula}</span>'
        f'<span class="number">{escape(_short(value))}</span>'
        f'<span class="caption">{said}</span></span>'
    )


def _short(value: Any, in_brackets: bool = False) -> str:
    """On one line that leaves room for others."""
    shown = text.in_brackets(value) if in_brackets else text.inline(value)
    return shown if len(shown) <= MAX_SHORT else text.lines(value, at_most=0)[0]


def _sign(sign: str) -> str:
    return f' <span class="sign">{sign}</span> '


@lru_cache(maxsize=4096)
def _math(latex: str) -> str:
    return as_mathml(latex)


def _formula(latex: str) -> str:
    """A formula that may be a user's: what cannot be shown, or read, is written as it is."""
    try:
        if len(latex) <= text.MAX_TIP:
            return _math(latex)
    except DataError:
        pass
    return f"<code>{_line(latex)}</code>"


def _line(given: str) -> str:
    """Foreign text on one line."""
    return f"<bdi>{escape(text.label(' '.join(given.split()), text.MAX_LINE))}</bdi>"


# Numbers.


def summary(value: Any) -> str:
    """Numbers, entries of a small array, or the range and the norm of a large one."""
    if value is None:
        return ""
    shown = "<br>".join(escape(line) for line in text.lines(value))
    if isinstance(value, np.ndarray) and value.size > text.MAX_ENTRIES and value.dtype.kind == "f":
        shown += f"<br>norm {text.number(_norm(value))}"
    return shown


def entries(value: Any) -> str:
    """A number, a vector or matrix entry by entry, or the range and the norm of a large array."""
    array = np.asarray(value)
    if not 1 <= array.ndim <= 2 or not 1 <= array.size <= MAX_ENTRIES:
        return summary(value)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(text.number(one))}</td>' for one in row)}</tr>"
        for row in np.atleast_2d(array)
    )
    return f'<table class="entries">{rows}</table>'


def _norm(array: np.ndarray[Any, Any]) -> Any:
    with np.errstate(all="ignore"):  # may overflow to inf, and says so itself
        return np.linalg.norm(array.astype(np.float64).ravel())
