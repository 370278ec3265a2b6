"""The chain rule for two tied neurons side by side, with the numbers of a given network.

The equations are sums of products, read off the traced computation (and between them a step through
the activation). That two such sums have the same terms is what ties the neurons; that the same
terms have the same sum, in whatever order they come, is what the arithmetic is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, F, Tensor, grad
from ..autograd.modes import EXACT, in_arithmetic
from ..graph import Graph, GraphNode, trace
from ..graph.article import Block, Formula, Paragraph, Table, code, text_of
from ..nn import ACTIVATIONS, MLP
from ..nn.losses import Loss
from ..nn.optim import Optimiser
from .analysis import Symmetry, class_numbers, codes
from .watch import Batch, one_number

Array = NDArray[Any]
SHOWN_TERMS = 3  #: of a sum, in a table
SUM_ROUNDINGS, STEP_ROUNDINGS = 2, 32  #: of a sum and then its bias; of an activation's own rule
ROUNDING = 1e-10  #: gradients this much smaller than the loss's own are nothing but rounding
PATIENCE = 10  #: steps to wait for a gradient that is more than that


@dataclass(frozen=True, eq=False)
class Side:
    """One neuron's half of an equation.

    Attributes:
        neuron: its number.
        terms: shape (terms, 2): the factors of each product, in an order that depends on their
            values alone; a single number has the second factor 1.
        order: shape (terms,): at which place of the sum each of them stands.
        total: what the computation made of them.
        expected: what they give without it: their sum, or the activation of this neuron alone.
    """

    neuron: int
    terms: Array
    order: Array
    total: float
    expected: float

    @property
    def error(self) -> float:
        """How far the result is from what is expected, relative to the sizes of the terms."""
        size = _exact_sum(np.abs(self.terms[:, 0] * self.terms[:, 1]))
        return abs(self.total - self.expected) / size if size else abs(self.total - self.expected)


@dataclass(frozen=True, eq=False)
class Equation:
    """One step of the chain rule for two neurons.

    Attributes:
        latex: the equation for a neuron i.
        what: what its terms are, in words.
        index: the letter over which it sums; none for a step through the activation.
        sides: the two neurons.
        is_reordered: whether their terms come in another order.
        precision: of the numbers, 2**-52 for float64.
    """

    latex: str
    what: str
    index: str
    sides: tuple[Side, Side]
    is_reordered: bool
    precision: float

    @property
    def is_true(self) -> bool:
        """Whether the results are what the terms give, but for the roundings of the computation.

        A sum is as exact as its largest terms allow; a step through the activation as a few
        roundings do.
        """
        roundings = SUM_ROUNDINGS if self.index else STEP_ROUNDINGS
        return all(side.error <= roundings * self.precision for side in self.sides)

    @property
    def has_equal_terms(self) -> bool:
        """Whether the two sums have the same terms, bit for bit."""
        return bool(np.array_equal(codes(self.sides[0].terms), codes(self.sides[1].terms)))

    @property
    def has_equal_totals(self) -> bool:
        """Whether the two sums are the same number, bit for bit."""
        first, second = codes(np.array([side.total for side in self.sides]))
        return bool(first == second)

    def blocks(self) -> list[Block]:
        """The paragraphs of an article."""
        return [Paragraph(self.what), Formula(self.latex), _table(self)]

    def __str__(self) -> str:
        return text_of(self.blocks())


@dataclass(frozen=True, eq=False)
class Derivation:
    """The equations for two tied neurons of a layer, and the update that follows.

    Attributes:
        layer: the hidden layer, counted from 1.
        neurons: the two.
        step: the training step whose numbers are shown.
        is_telling: whether the gradients there are more than rounding.
        example: the example of the forward and the backward pass.
        equations: in the order of the computation.
        update: for two entries that move alike, by name: the values before, the gradients, what the
            optimiser remembers of them, and the values after.
        formula: of the optimiser's update, in LaTeX.
    """

    layer: int
    neurons: tuple[int, int]
    step: int
    is_telling: bool
    example: int
    equations: list[Equation]
    update: dict[str, tuple[float, float]]
    formula: str

    @property
    def holds(self) -> bool:
        """Whether every equation is true, and its two sides are equal, and so are the updates."""
        pairs = (codes(np.array(pair)) for pair in self.update.values())
        return all(
            one.is_true and one.has_equal_terms and one.has_equal_totals for one in self.equations
        ) and all(first == second for first, second in pairs)

    def blocks(self) -> list[Block]:
        """The paragraphs of an article."""
        i, j = self.neurons
        told: list[Block] = [Paragraph(
            f"Neurons {i} and {j} of hidden layer {self.layer}, in training step {self.step}; "
            f"example {self.example} of the minibatch where one is needed. An index $i$ stands for "
            f"either neuron."
        )]  # fmt: skip
        if not any(side.total for one in self.equations[2:] for side in one.sides):
            told.append(Paragraph(
                "All gradients of these two neurons are zero, so they are not only tied but stuck: "
                "no gradient moves them."
            ))  # fmt: skip
        elif not self.is_telling:
            told.append(Paragraph(
                "Up to this step these neurons had no gradients that were more than rounding."
            ))  # fmt: skip
        for equation in self.equations:
            told += equation.blocks()
        told.append(Paragraph(
            "Then the optimiser moves each entry by its own value, gradient and memory. One "
            "incoming weight of each neuron; the two were equal before the first step:"
        ))  # fmt: skip
        if self.formula:
            told.append(Formula(self.formula))
        rows = [[name, repr(a), repr(b), _equality(a, b)] for name, (a, b) in self.update.items()]
        told.append(Table(["", f"neuron {i}", f"neuron {j}", ""], rows))
        return told

    def __str__(self) -> str:
        return text_of(self.blocks())


def derive(
    model: MLP, batches: Iterable[Batch], loss: Loss, optimiser: Optimiser, symmetry: Symmetry
) -> list[Derivation]:
    """For every hidden layer with a tie, the equations of its largest class's first two neurons.

    Trains ``model`` (itself) up to the first step in which the gradients of these neurons are more
    than rounding: under softmax cross-entropy, constant weights start with none. If there is no
    such step among the first few, the last of these is shown.
    """
    pairs = {
        layer: max(classes, key=len)[:2]
        for layer, classes in enumerate(symmetry.classes)
        if max(map(len, classes)) > 1
    }
    for k, layer in enumerate(model.layers):
        layer.weight.label, layer.bias.label = _weights_of(k), _biases_of(k)
    twins = {layer: _Twins(model, symmetry, layer) for layer in pairs}
    found: list[Derivation] = []
    for step, (X, y) in enumerate(batches, start=1):
        traced = trace(one_number(loss(model(X), y)))
        passes = _Passes(traced, model)
        told = [passes.equations(layer, i, j) for layer, (i, j) in pairs.items()]
        entries = [
            twins[layer].of(passes.largest_slope(layer, i), i, j)
            for layer, (i, j) in pairs.items()
        ]
        before = [layer.weight.data.copy() for layer in model.layers]
        slopes = [passes.at(_weights_of(k)).gradient for k in range(len(model.layers))]
        for parameter in model.parameters():
            parameter.grad = passes.at(parameter.label).gradient
        optimiser.step()
        found = [
            Derivation(
                layer + 1, (i, j), step, passes.is_telling(layer), passes.example(layer), equations,
                _update(model, optimiser, layer, places, before, slopes), formula_of(optimiser),
            )
            for (layer, (i, j)), equations, places in zip(pairs.items(), told, entries, strict=True)
        ]  # fmt: skip
        if step == PATIENCE or all(passes.is_telling(layer) for layer in pairs):
            break
    return found


# By what the parameters are found in the trace. Not "W1": a loss may hold a Tensor of that name,
# such as the weights of the model that this one is a copy of.


def _weights_of(layer: int) -> str:
    return f"the weights of layer {layer + 1}"


def _biases_of(layer: int) -> str:
    return f"the biases of layer {layer + 1}"


def formula_of(optimiser: Optimiser) -> str:
    """Its formula, if the class that says how it moves weights says this, too."""

    def definer(name: str) -> type:
        return next(kind for kind in type(optimiser).__mro__ if name in vars(kind))

    return optimiser.formula if definer("formula") is definer("_change") else ""


def _update(
    model: MLP, optimiser: Optimiser, layer: int, places: Sequence[tuple[int, int]],
    before: Sequence[Array], slopes: Sequence[Array],
) -> dict[str, tuple[float, float]]:  # fmt: skip
    weight = model.layers[layer].weight
    remembered = {f"memory: {name}": kept for name, kept in optimiser.memory(weight).items()}
    columns: Mapping[str, Array] = {
        "weight before": before[layer], "gradient": slopes[layer], **remembered,
        "weight after": weight.data,
    }  # fmt: skip
    return {
        name: (float(array[places[0]]), float(array[places[1]])) for name, array in columns.items()
    }


class _Twins:
    """Which incoming weights of two neurons were equal at the start, and so move alike."""

    def __init__(self, model: MLP, symmetry: Symmetry, layer: int) -> None:
        self.start = codes(model.layers[layer].weight.data).copy()
        self.sources = class_numbers(symmetry.all_classes[layer])

    def of(self, k: int, i: int, j: int) -> list[tuple[int, int]]:
        """The place of a weight into neuron i, and that of an equal one into neuron j."""
        alike = (self.start[:, j] == self.start[k, i]) & (self.sources == self.sources[k])
        return [(k, i), (k if alike[k] else int(alike.argmax()), j)]


class _Passes:
    """What the forward and the backward pass left at the nodes around each layer."""

    def __init__(self, traced: Graph, model: MLP) -> None:
        self.model = model
        self.precision = float(np.finfo(model.layers[0].weight.dtype).eps)
        self.by_id = {node.id: node for node in traced.nodes}
        self.by_label = {node.label: node for node in traced.nodes if node.label}
        self.uses: dict[str, list[str]] = {}
        self.sources: dict[str, list[str]] = {}
        for edge in traced.edges:
            self.uses.setdefault(edge.source, []).append(edge.target)
            self.sources.setdefault(edge.target, []).append(edge.source)

    def at(self, label: str) -> GraphNode:
        """A parameter."""
        if label not in self.by_label or self.by_label[label].gradient is None:
            raise DataError(f"the loss does not depend on {label}: nothing flows back to them")
        return self.by_label[label]

    def into(self, layer: int) -> Array:
        """What flows into a layer, shape (N, fan_in)."""
        weight = self.at(_weights_of(layer)).id
        (product,) = self.uses[weight]
        (source,) = (one for one in self.sources[product] if one != weight)
        return _rows(self.by_id[source].value)

    def out_of(self, layer: int) -> GraphNode:
        """What the affine map of a layer makes of it."""
        (node,) = self.uses[self.at(_biases_of(layer)).id]
        return self.by_id[node]

    def activated(self, layer: int) -> tuple[Array, Array]:
        """What goes on to the next layer, and its gradient."""
        weight = self.at(_weights_of(layer + 1)).id
        (product,) = self.uses[weight]
        (source,) = (one for one in self.sources[product] if one != weight)
        node = self.by_id[source]
        return _rows(node.value), _rows(node.gradient)

    def slopes(self, layer: int) -> Array:
        """The gradient at the affine map of a layer, shape (N, width)."""
        return _rows(self.out_of(layer).gradient)

    def example(self, layer: int) -> int:
        """The one with the largest gradient in a layer."""
        return int(np.abs(self.slopes(layer)).max(axis=1).argmax())

    def is_telling(self, layer: int) -> bool:
        """Whether the gradients of a layer are more than rounding."""
        above = np.abs(self.slopes(len(self.model.layers) - 1)).max()
        return bool(np.abs(self.slopes(layer)).max() > ROUNDING * above)

    def largest_slope(self, layer: int, i: int) -> int:
        """The input of neuron i whose weight has the largest gradient."""
        return int(np.abs(self.at(_weights_of(layer)).gradient[:, i]).argmax())

    def equations(self, layer: int, i: int, j: int) -> list[Equation]:
        """The forward and the backward pass of two neurons, in this order."""
        n = self.example(layer)
        given, sums = self.into(layer), _rows(self.out_of(layer).value)
        hidden, hidden_slopes = self.activated(layer)
        slopes, above = self.slopes(layer), self.slopes(layer + 1)
        weight, bias = self.at(_weights_of(layer)), self.at(_biases_of(layer))
        onward = self.at(_weights_of(layer + 1))
        incoming, outgoing = weight.value, onward.value
        local = {c: slope_alone(self.model.activation, sums[n, c]) for c in (i, j)}
        k = self.largest_slope(layer, i)
        m = int(np.abs(onward.gradient[i]).argmax())
        x, z, h, W, b, V, above_z = _names(layer)
        phi = self.model.activation if isinstance(self.model.activation, str) else "a function"
        no_factor = np.ones(len(slopes))

        def equation(
            latex: str, what: str, index: str, terms: Callable[[int], tuple[Any, Any]],
            totals: Array, expected: Callable[[int], float] | None = None,
        ) -> Equation:
            left, right = (np.array(terms(neuron), np.float64).T for neuron in (i, j))
            sides = (
                _side(i, left, totals[i], expected and expected(i)),
                _side(j, right, totals[j], expected and expected(j)),
            )
            is_reordered = not np.array_equal(codes(left), codes(right))
            return Equation(latex, what, index, sides, is_reordered, self.precision)

        return [
            equation(
                rf"{z}_{{n,i}} = \sum_k {x}_{{n,k}} {W}_{{k,i}} + {b}_i",
                "Forward. What a neuron is given, times its weights, and then its bias:",
                "k",
                lambda c: ([*given[n], bias.value[c]], [*incoming[:, c], 1.0]),
                sums[n],
            ),
            equation(
                rf"{h}_{{n,i}} = \varphi({z}_{{n,i}})",
                f"Its activation, $\\varphi$ = {code(phi)}:",
                "",
                lambda c: ([sums[n, c]], [1.0]),
                hidden[n],
                lambda c: alone(self.model.activation, sums[n, c]),
            ),
            equation(
                rf"{_slope(h + '_{n,i}')} = \sum_m {_slope(above_z + '_{n,m}')} {V}_{{i,m}}",
                "Backward. What comes back along its outgoing weights:",
                "m",
                lambda c: (above[n], outgoing[c]),
                hidden_slopes[n],
            ),
            equation(
                rf"{_slope(z + '_{n,i}')} = \varphi'({z}_{{n,i}}) {_slope(h + '_{n,i}')}",
                "Back through the activation:",
                "",
                lambda c: ([local[c]], [hidden_slopes[n, c]]),
                slopes[n],
            ),
            equation(
                rf"{_slope(W + '_{k,i}')} = \sum_n {x}_{{n,k}} {_slope(z + '_{n,i}')}",
                f"The gradient of an incoming weight (here $k = {k}$), over all examples $n$:",
                "n",
                lambda c: (given[:, k], slopes[:, c]),
                weight.gradient[k],
            ),
            equation(
                rf"{_slope(b + '_i')} = \sum_n {_slope(z + '_{n,i}')}",
                "Of the bias:",
                "n",
                lambda c: (slopes[:, c], no_factor),
                bias.gradient,
            ),
            equation(
                rf"{_slope(V + '_{i,m}')} = \sum_n {h}_{{n,i}} {_slope(above_z + '_{n,m}')}",
                f"Of an outgoing weight (here $m = {m}$):",
                "n",
                lambda c: (hidden[:, c], above[:, m]),
                onward.gradient[:, m],
            ),
        ]


def _names(layer: int) -> tuple[str, ...]:
    """Symbols in LaTeX: input, sum, output, weight, bias; next weight, next sum."""
    before, own, after = (rf"^{{({layer + k})}}" for k in range(3))
    x = "x" if layer == 0 else f"h{before}"
    return x, f"z{own}", f"h{own}", f"W{own}", f"b{own}", f"W{after}", f"z{after}"


def _slope(of: str) -> str:
    return rf"\frac{{\partial L}}{{\partial {of}}}"


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _side(neuron: int, terms: Array, total: Any, expected: float | None) -> Side:
    """Large products first; what is equal is then at the same place, whatever the order was."""
    if expected is None:
        expected = _exact_sum(terms[:, 0] * terms[:, 1])
    order = np.lexsort((terms[:, 1], terms[:, 0], -np.abs(terms[:, 0] * terms[:, 1])))
    return Side(neuron, terms[order], order, float(total), expected)


def _exact_sum(numbers: Array) -> float:
    with in_arithmetic(EXACT):
        return float(F.sum(numbers))


def activate(activation: Any, z: Any) -> Any:
    """The activation, by name or as a function."""
    return (ACTIVATIONS[activation] if isinstance(activation, str) else activation)(z)


def alone(activation: Any, z: Any) -> float:
    """The activation of one neuron, without the others."""
    return float(activate(activation, Tensor(np.array([[z]]))).data.item())


def slope_alone(activation: Any, z: Any) -> float:
    """The derivative of the activation of one neuron, without the others."""
    at = Tensor(np.array([[z]]), requires_grad=True)
    return float(grad(activate(activation, at).sum(), at).data.item())


# Numbers in words.


def _table(equation: Equation) -> Table:
    rows = [
        [f"neuron {side.neuron}", _terms(equation, side), repr(side.total)]
        for side in equation.sides
    ]
    same = "the same terms" if equation.has_equal_terms else "other terms"
    if equation.has_equal_terms and equation.is_reordered:
        same += " in another order"
    first, second = (side.total for side in equation.sides)
    return Table(["", "terms", "result"], [*rows, ["", same, _equality(first, second)]])


def _terms(equation: Equation, side: Side) -> str:
    """``0.5 · 2 + 1 · 3 + … (7 more)``; where the order matters, with the index of each."""
    shown: list[str] = []
    for place, (left, right) in zip(side.order, side.terms[:SHOWN_TERMS], strict=False):
        product = f"{left:.4g}" if right == 1 else f"{left:.4g} · {_in_brackets(right)}"
        if equation.is_reordered:
            is_bias = equation.index == "k" and place == len(side.terms) - 1
            product = f"[{'bias' if is_bias else f'{equation.index}={place}'}] {product}"
        elif shown and product.startswith("-"):
            product = f"({product})"
        shown.append(product)
    rest = len(side.terms) - len(shown)
    return " + ".join(shown) + (f" + … ({rest} more)" if rest else "")


def _in_brackets(number: float) -> str:
    return f"({number:.4g})" if number < 0 else f"{number:.4g}"


def _equality(a: float, b: float) -> str:
    if a.hex() == b.hex():
        return "equal in every bit"
    first, second = codes(np.array([a, b]))
    return "equal" if first == second else f"{abs(a - b):.1e} apart"
