"""Graphs of computations whose parameters were changed since: what is left, and what is said."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_init import (
    F,
    Tensor,
    Value,
    detect_anomaly,
    losses,
    nn,
    operation,
    optim,
    reproducible,
)
from tinygrad_init.graph import Graph, GraphNode, trace
from tinygrad_init.nn import scalar


def by_label(graph: Graph) -> dict[str, GraphNode]:
    return {node.label: node for node in graph.nodes if node.label}


def same(x: Any, y: Any) -> bool:
    return bool(np.array_equal(x, y)) and type(x) is type(y)


class TestTensors:
    def test_by_hand(self) -> None:
        w, v = (Tensor([x], requires_grad=True, label=name) for name, x in (("w", 2.0), ("v", 5.0)))
        loss = (w * w * v).sum()
        w.data = [3.0]
        graph = trace(loss)
        nodes = by_label(graph)
        square = next(node for node in graph.nodes if node.kind == "operation")
        assert (square.value, square.gradient, square.changed) == ([4.0], [5.0], "")
        assert graph.output.value == 20.0
        assert nodes["w"].value == [3.0]
        assert "changed after it was recorded" in nodes["w"].changed
        assert nodes["w"].gradient is None
        assert "multiply needs its input leaf Tensor 'w'" in nodes["w"].unavailable
        assert (nodes["v"].gradient, nodes["v"].unavailable) == ([4.0], "")  # 2 * 2, as recorded
        named = next(node for node in trace(loss, {"layers.1.weight": w}).nodes if node.unavailable)
        assert "needs its input leaf Tensor 'w' (layers.1.weight), which" in named.unavailable

    def test_a_training_step_between(self) -> None:
        """After a step the last layer's gradients can be found, those before it cannot."""
        model = nn.MLP([3, 4, 2], rng=0)
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(5, 3)), np.array([0, 1, 0, 1, 1])
        optimiser = optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):  # before, and during training: changes of earlier steps do not count
            loss = losses.cross_entropy(model(X), y)
            before = trace(loss, model)
            assert not any(node.changed or node.unavailable for node in before.nodes)
            model.zero_grad()
            loss.backward()
            for name, parameter in model.named_parameters():
                assert same(by_label(before)[name].gradient, parameter.grad)
            optimiser.step()
        after = trace(loss, model)
        for old, new in zip(before.nodes, after.nodes, strict=True):
            assert (old.id, old.kind, old.label) == (new.id, new.kind, new.label)
            assert same(old.value, new.value) != bool(new.changed), new.label
            if not new.unavailable:
                assert same(old.gradient, new.gradient)
        nodes = by_label(after)
        assert all(nodes[name].changed for name, _ in model.named_parameters())
        lost = {name for name, _ in model.named_parameters() if nodes[name].unavailable}
        assert lost == {"layers.0.weight", "layers.0.bias"}

    def test_a_view_of_what_was_changed(self) -> None:
        w = Tensor([[1.0, 2.0]], requires_grad=True, label="w")
        flat = w.reshape(2)
        flat.label = "flat"
        y = (flat * 3).sum()
        w.data = [[7.0, 7.0]]
        nodes = by_label(trace(y))
        assert nodes["flat"].changed
        assert nodes["w"].changed
        np.testing.assert_array_equal(nodes["w"].gradient, [[3.0, 3.0]])  # 3 was not changed

    def test_a_write_that_only_numpy_sees(self) -> None:
        w, x = Tensor([2.0], requires_grad=True, label="w"), np.array([5.0])
        with detect_anomaly():
            y = (w * x).sum()
        assert not any(node.changed for node in trace(y).nodes)
        x[0] = 6.0
        graph = trace(y)
        assert [node.kind for node in graph.nodes if node.changed] == ["constant"]
        assert "multiply needs its input array" in by_label(graph)["w"].unavailable

    def test_another_arithmetic_is_a_reason(self) -> None:
        w = Tensor([2.0], requires_grad=True, label="w")
        y = w * 2
        with reproducible():
            z = y.sum()
        node = by_label(trace(z))["w"]
        assert node.gradient is None
        assert "reproducible" in node.unavailable


class TestValues:
    def test_by_hand(self) -> None:
        a, b = Value(2.0, label="a"), Value(-3.0, label="b")
        product = a * b
        product.label = "product"
        y = product + b * 4
        b.data = 1.0
        nodes = by_label(trace(y))
        assert (nodes["product"].value, nodes["product"].gradient) == (-6.0, 1)
        assert (nodes["b"].value, bool(nodes["b"].changed)) == (1.0, True)
        # d y / d b = a + 4, but a stands beside what was changed, and might have been, too.
        assert nodes["a"].gradient is None
        assert "another number beside it" in nodes["a"].changed
        assert y.data == -18.0

    def test_what_no_rule_reads_keeps_its_gradient(self) -> None:
        a, b = Value(Fraction(1, 2), label="a"), Value(Fraction(1, 3), label="b")
        y = a - b
        a.data = Fraction(9)
        nodes = by_label(trace(y))
        assert (nodes["a"].gradient, nodes["b"].gradient) == (1, -1)

    def test_the_result_itself(self) -> None:
        y = (Value(2.0) * 3).tanh()
        y.data = 5.0
        graph = trace(y)
        assert graph.output.changed
        assert graph.nodes[0].unavailable

    def test_a_step_of_a_network(self) -> None:
        model = scalar.MLP(2, [2, 1], rng=1)
        y = model([1.0, 2.0])
        before = trace(y, model)
        y.backward()
        for parameter in model.parameters():
            parameter.data -= 0.1 * (parameter.grad + 1)
        after = trace(y, model)
        for old, new in zip(before.nodes, after.nodes, strict=True):
            assert bool(new.changed) == (old.kind == "leaf")
            assert (old.value == new.value) == (old.kind != "leaf")
            assert new.gradient in (old.gradient, None)
            assert (new.gradient is None) == (old.gradient is None or bool(new.unavailable))
        assert by_label(after)["layers.1.neurons.0.w.0"].gradient is not None
        assert by_label(after)["layers.0.neurons.0.w.0"].unavailable

    @given(
        st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.integers(0, 2), st.floats(0.5, 2.0)
    )
    def test_a_gradient_that_is_shown_is_that_of_the_recording(
        self, numbers: list[float], which: int, step: float
    ) -> None:
        leaves = [Value(number, label=f"x{k}") for k, number in enumerate(numbers)]
        a, b, c = leaves
        y = (a * b + c).tanh() * (c - a) + b.sin() * 2
        before = by_label(trace(y))
        leaves[which].data += step
        after = by_label(trace(y))
        assert after[f"x{which}"].changed or y.data == trace(y).output.value
        for name, node in after.items():
            if node.gradient is not None:
                assert node.gradient == before[name].gradient
            if not node.changed:
                assert node.value == before[name].value

    def test_a_number_without_derivative(self) -> None:
        x = Value(0.0, label="x")
        graph = trace(x.sqrt() * 2)
        assert [node.gradient for node in graph.nodes if node.kind == "operation"] == [2.0, 1]
        assert "derivative of sqrt at 0.0 is infinite" in by_label(graph)["x"].unavailable

    def test_nan_is_no_change(self) -> None:
        x = Value(float("nan"), label="x")
        assert not any(node.changed for node in trace(x * 2 + 1).nodes)


def test_a_rule_that_fails_is_seen_where_it_fails() -> None:
    def broken(g: Any, y: Any, x: Any) -> Any:
        raise ValueError("not today")

    twice = operation("twice", lambda x: x + x, broken)
    x = Value(1.0, label="x")
    nodes = by_label(trace(twice(x * 1) + 1))
    assert "not today" in nodes["x"].unavailable


def test_an_argument_without_rule_has_no_gradient() -> None:
    first = operation("first", lambda a, b: a + 0 * b, lambda g, y, a, b: g, None)
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    nodes = by_label(trace(first(a, b)))
    assert (nodes["a"].gradient, nodes["b"].gradient, nodes["b"].unavailable) == (1.0, None, "")
    inner = trace(first(a, b * 2)).nodes
    assert not any(node.unavailable for node in inner)
    assert [node.gradient for node in inner] == [1.0, None, None, None, 1.0]


def test_the_one_rule_of_an_operation_of_many_arguments_reads_all_of_them() -> None:
    def product(*numbers: Any) -> Any:
        return numbers[0] * numbers[1] * numbers[2]

    def rule(g: Any, _y: Any, *numbers: Any) -> Any:
        x, y, z = numbers
        return [g * y * z, g * x * z, g * x * y]

    multiply = operation("product", product, rule, is_variadic=True)
    x, y, z = (Value(float(k), label=name) for k, name in ((2, "x"), (3, "y"), (4, "z")))
    result = multiply(x + 0, y + 0, z)
    assert by_label(trace(result))["z"].gradient == 6.0
    z.data = 5.0
    nodes = by_label(trace(result))
    assert [nodes[name].gradient for name in "xy"] == [None, None]
    assert "product needs its input leaf Value 'z'" in nodes["x"].unavailable


def test_it_is_said_wherever_a_graph_is_shown() -> None:
    w = Tensor([2.0], requires_grad=True, label="w")
    loss = (w * w).sum()
    w.data = [3.0]
    graph = trace(loss)
    text = str(graph)
    assert "w: 1 entry, data now [3], grad unavailable" in text
    assert "w: data now: changed after it was recorded (an optimiser step?)" in text
    assert "w: grad unavailable: multiply needs its input leaf Tensor 'w'" in text
    assert "{data now [3]|grad unavailable}" in graph.to_dot()
    assert "dashed" not in graph.to_dot()  # it is a parameter all the same
    assert '>unavailable</abbr>' in graph.to_html()
    assert '>now</abbr>' in graph.to_html()


def test_a_layers_result_that_was_overwritten_says_so() -> None:
    x, w, b = (
        Tensor(array, requires_grad=True) for array in ([[1.0, 2.0]], [[3.0], [4.0]], [0.5])
    )
    y = F.affine(x, w, b)  # one node, which drawings open
    z = (y * y).sum()
    y.data = [[7.0]]
    (sum_of_layer,) = (node for node in trace(z).nodes if node.operation == "add")
    assert "changed after it was recorded" in sum_of_layer.changed
