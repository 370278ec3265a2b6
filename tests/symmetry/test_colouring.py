"""The drawing of a network in the colours of its classes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init.graph import Graph
from tinygrad_init.graph.palette import CLASSES
from tinygrad_init.nn import scalar


def loss_of(model: scalar.MLP, examples: int = 2) -> Any:
    rng = np.random.default_rng(3)
    total: Any = 0
    for x in rng.normal(size=(examples, 2)).tolist():
        total = total + (model(x) - 1) ** 2
    return total


def drawn(model: scalar.MLP, **settings: Any) -> Graph:
    return tg.symmetry.analyze(model).colour(tg.trace(loss_of(model, **settings), model))


def colours(graph: Graph) -> list[int]:
    return sorted({node.colour for node in graph.nodes if isinstance(node.colour, int)})


def test_constant_weights_show_one_colour_for_each_hidden_layer() -> None:
    assert colours(drawn(scalar.MLP(2, [3, 4, 1], weight=0.5))) == [0, 1]


def test_random_weights_show_as_many_as_there_are_neurons() -> None:
    assert colours(drawn(scalar.MLP(2, [3, 4, 1], rng=0))) == list(range(7))


def test_all_that_a_neuron_computes_and_nothing_else() -> None:
    """By hand: 3 parameters; for each example two products, two sums and a relu."""
    graph = drawn(scalar.MLP(2, [3, 1], rng=0), examples=2)
    for colour in range(3):
        mine = [node for node in graph.nodes if node.colour == colour]
        assert sorted(node.operation for node in mine) == sorted(
            ["", "", "", *2 * ["multiply", "multiply", "add", "add", "relu"]]
        )
        names = [node.label for node in mine if node.label]
        assert names == [f"layers.0.neurons.{colour}.{name}" for name in ("w.0", "w.1", "b")]
    others = [node for node in graph.nodes if node.colour is None]
    assert graph.output in others
    assert {node.label for node in others if node.label} == {
        *(f"layers.1.neurons.0.w.{k}" for k in range(3)), "layers.1.neurons.0.b",
    }


def test_a_neuron_of_the_second_layer_owns_what_it_makes_of_the_first() -> None:
    graph = drawn(scalar.MLP(2, [3, 2, 1], rng=0), examples=1)
    for colour in (3, 4):
        mine = [node.operation for node in graph.nodes if node.colour == colour]
        assert sorted(mine) == sorted([*4 * [""], *3 * ["multiply", "add"], "relu"])


def test_two_of_three_tied() -> None:
    model = scalar.MLP(2, [3, 1], rng=0)
    first, second, _ = model.layers[0].neurons
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        other.data = one.data
    model.layers[1].neurons[0].w[1].data = model.layers[1].neurons[0].w[0].data
    assert tg.symmetry.analyze(model).classes == [((0, 1), (2,))]
    by_label = {node.label: node.colour for node in drawn(model).nodes if node.label}
    assert [by_label[f"layers.0.neurons.{k}.b"] for k in range(3)] == [0, 0, 1]


def test_names_below_a_name_of_one_s_own() -> None:
    model = scalar.MLP(2, [3, 1], weight=0.5)
    graph = tg.trace(loss_of(model), {"net": model})
    assert colours(tg.symmetry.analyze(model).colour(graph)) == [0]


@given(st.lists(st.sampled_from([-0.5, 0.25, 1.0]), min_size=13, max_size=13))
def test_analysis_is_that_of_the_same_weights_as_arrays(numbers: list[float]) -> None:
    model = scalar.MLP(2, [3, 1])
    for parameter, number in zip(model.parameters(), numbers, strict=True):
        parameter.data = number
    hidden = np.array(numbers[:9]).reshape(3, 3)
    pairs = [(hidden[:, :2].T, hidden[:, 2]), (np.array(numbers[9:12])[:, None], numbers[12:])]
    assert tg.symmetry.analyze(model).classes == tg.symmetry.analyze(pairs).classes


def step(model: tg.nn.MLP, examples: int = 5) -> Graph:
    rng = np.random.default_rng(3)
    X = tg.Tensor(rng.normal(size=(examples, model.sizes[0])), label="X")
    loss = tg.losses.mse(model(X), np.zeros((examples, model.sizes[-1])))
    return tg.symmetry.analyze(model).colour(tg.trace(loss, model))


def stripes(graph: Graph) -> dict[str, Any]:
    """The colour of each coloured node, by its label or operation and the shape."""
    return {
        f"{node.label or node.operation} {node.shape}": node.colour
        for node in graph.nodes if node.colour is not None
    }  # fmt: skip


class TestArrays:
    def test_all_that_has_the_neurons_of_a_hidden_layer_along_its_last_axis(self) -> None:
        found = stripes(step(tg.nn.MLP([2, 3, 4, 1], rng=0)))
        first, second = (0, 1, 2), (3, 4, 5, 6)
        assert found == {
            "layers.0.weight (2, 3)": first, "layers.0.bias (3,)": first,
            "matmul (5, 3)": first, "add (5, 3)": first, "tanh (5, 3)": first,
            "layers.1.weight (3, 4)": second, "layers.1.bias (4,)": second,
            "matmul (5, 4)": second, "add (5, 4)": second, "tanh (5, 4)": second,
        }

    def test_constant_weights_show_one_colour_for_each_hidden_layer(self) -> None:
        found = stripes(step(tg.nn.MLP([2, 3, 4, 1], weight_init="constant")))
        assert set(found.values()) == {(0, 0, 0), (1, 1, 1, 1)}

    def test_some_tied(self) -> None:
        model = tg.nn.MLP([2, 3, 1], rng=0)
        weight, out = model.layers[0].weight.data.copy(), model.layers[1].weight.data.copy()
        weight[:, 2], out[2] = weight[:, 0], out[0]
        model.layers[0].weight.data, model.layers[1].weight.data = weight, out
        graph = step(model)
        assert set(stripes(graph).values()) == {(0, 1, 0)}
        dot = graph.to_dot()
        assert "3 neurons, 2 classes" in dot
        assert dot.count("style=striped") == 5

    def test_other_axes_are_none_of_it(self) -> None:
        """All lengths are 3: only what the axis means tells neurons from examples and inputs."""
        model = tg.nn.MLP([3, 3, 1], rng=0)
        hidden = model.layers[0](np.ones((3, 3)))
        product = hidden @ hidden.T  # examples along both axes
        turned = model.layers[0].weight.T  # inputs along the last axis
        masked = np.tanh(hidden) * np.ones((3, 3))
        loss = product.sum() + (turned * 2).sum() + masked.sum() + hidden.mean(axis=0).sum()
        graph = tg.symmetry.analyze(model).colour(tg.trace(loss, model))
        assert [node.operation for node in graph.nodes if node.colour and node.operation] == [
            "matmul", "add", "tanh", "multiply",
        ]

    def test_folded(self) -> None:
        model = tg.nn.MLP([2, 3, 4, 1], weight_init="constant")
        graph = step(model).fold("modules")
        assert [(node.symbol, node.colour) for node in graph.nodes if node.colour] == [
            ("Linear(2, 3)", (0, 0, 0)), ("tanh", (0, 0, 0)),
            ("Linear(3, 4)", (1, 1, 1, 1)), ("tanh", (1, 1, 1, 1)),
        ]
        whole = tg.trace(model([[1.0, 2.0]]), model)
        folded = tg.symmetry.analyze(model).colour(whole.fold("modules"))
        assert [node.colour for node in folded.nodes if node.operation == "Linear"] == [
            (0, 0, 0), (1, 1, 1, 1), None,
        ]

    def test_drawn(self, tmp_path: Path) -> None:
        for init in ("constant", "glorot_uniform"):
            graph = step(tg.nn.MLP([2, 40, 1], weight_init=init, rng=0))
            svg = graph.to_svg()
            assert svg.count('class="node"') == len(graph.nodes)
            fills = [colour.lower() for colour in CLASSES]
            seen = {fill for fill in fills if f'fill="{fill}"' in svg}
            assert len(seen) == (1 if init == "constant" else 8)
            assert f"40 neurons, {1 if init == 'constant' else 40} class" in svg
            graph.render(tmp_path / "graph.html")


class TestRefuses:
    def test_a_graph_without_names(self) -> None:
        model = scalar.MLP(2, [3, 1], weight=0.5)
        with pytest.raises(tg.DataError, match=r"trace\(y, model\)"):
            tg.symmetry.analyze(model).colour(tg.trace(loss_of(model)))

    @pytest.mark.parametrize("sizes", [[2, 4, 1], [2, 3, 3, 1]])
    def test_another_network_of_arrays(self, sizes: list[int]) -> None:
        model, other = tg.nn.MLP([2, 3, 1], rng=0), tg.nn.MLP(sizes, rng=0)
        graph = tg.trace(other(np.ones((1, 2))).sum(), other)
        with pytest.raises(tg.DataError, match="analyze the model that was traced"):
            tg.symmetry.analyze(model).colour(graph)

    @pytest.mark.parametrize("widths", [[4, 1], [3, 3, 1]])
    def test_another_network(self, widths: list[int]) -> None:
        model, other = scalar.MLP(2, [3, 1], rng=0), scalar.MLP(2, widths, rng=0)
        with pytest.raises(tg.DataError, match="analyze the model that was traced"):
            tg.symmetry.analyze(model).colour(tg.trace(loss_of(other), other))

    def test_fractions_which_no_array_of_numbers_holds(self) -> None:
        model = scalar.MLP(2, [3, 1], weight=Fraction(1, 3))
        with pytest.raises(tg.DataError, match="real numbers, got dtype object"):
            tg.symmetry.analyze(model)
