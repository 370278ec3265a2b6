"""Local derivatives against finite differences, hand calculation, and the chain rule itself."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_init import DataError, Tensor, Value, operation, reproducible
from tinygrad_init.graph import Edge, Graph, LocalDerivative, trace


def numbers(graph: Graph) -> list[Any]:
    return [local and local.value for local in map(graph.local, graph.edges)]


class TestScalars:
    def test_by_hand(self) -> None:
        a, b = Value(2.0), Value(-3.0)
        assert numbers(trace(a * b)) == [-3.0, 2.0]
        assert numbers(trace(a - b)) == [1, -1]
        assert numbers(trace(a / b)) == [-1 / 3, -2 / 9]
        assert numbers(trace(a**3)) == [12.0, None]
        assert numbers(trace(a * a)) == [2.0, 2.0]  # one for each use

    def test_fractions_are_exact(self) -> None:
        a, b = Value(Fraction(1, 3)), Value(Fraction(2, 7))
        found = numbers(trace(a / b))
        assert found == [Fraction(7, 2), Fraction(-49, 12)]
        assert all(isinstance(one, Fraction) for one in found)

    @pytest.mark.parametrize(
        ("function", "point"),
        [
            ("exp", 0.3), ("log", 2.0), ("tanh", -0.7), ("sin", 1.0), ("cos", 1.0), ("sqrt", 2.0),
            ("sigmoid", 0.4), ("relu", 1.5), ("relu", -1.5), ("softplus", 0.2),
        ],
    )  # fmt: skip
    def test_against_finite_differences(self, function: str, point: float) -> None:
        def f(x: float) -> float:
            return float(getattr(Value(x), function)().data)

        h = 1e-6
        (found,) = numbers(trace(getattr(Value(point), function)()))
        assert found == pytest.approx((f(point + h) - f(point - h)) / (2 * h), rel=1e-8, abs=1e-9)

    def test_tensors_of_one_number(self) -> None:
        x = Tensor(0.5, requires_grad=True)
        graph = trace(x.tanh() * 3)
        slope, times, nothing = numbers(graph)
        assert slope == pytest.approx(1 - math.tanh(0.5) ** 2, rel=1e-14)
        assert (times, nothing) == (3.0, None)

    @given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
    def test_gradients_are_sums_of_upstream_times_local(self, given: list[float]) -> None:
        a, b, c = map(Value, given)
        inner = (a * b).tanh()
        graph = trace(inner * inner + (c - inner).exp() / (1 + b * b))
        by_id = {node.id: node for node in graph.nodes}
        sums = dict.fromkeys(by_id, 0.0)
        for edge in graph.edges:
            if (local := graph.local(edge)) is not None:
                sums[edge.source] += by_id[edge.target].gradient * local.value
        for node in graph.nodes[:-1]:
            if node.gradient is not None:
                assert sums[node.id] == pytest.approx(node.gradient, rel=1e-12, abs=1e-15)

    def test_later_steps_do_not_change_them(self) -> None:
        a, b = Value(2.0), Value(-3.0)
        graph = trace(a * b)
        a.data = b.data = 100.0
        assert numbers(graph) == [-3.0, 2.0]

    def test_a_changed_number_is_not_multiplied_with(self) -> None:
        a, b = Value(2.0), Value(-3.0)
        y = a * b + a
        a.data = 5.0
        graph = trace(y)
        product, *sums = map(graph.local, graph.edges[:1] + graph.edges[2:])
        assert product is not None
        assert product.value is None
        assert "changed" in product.unavailable
        assert [one and one.value for one in sums] == [1, 1]

    def test_where_there_is_none(self) -> None:
        graph = trace(Value(0.0).sqrt())
        local = graph.local(graph.edges[0])
        assert local is not None
        assert local.value is None
        assert "infinite" in local.unavailable

    def test_in_the_arithmetic_of_the_recording(self) -> None:
        with reproducible():
            y = Value(0.7).tanh()
        assert numbers(trace(y)) == [pytest.approx(1 - math.tanh(0.7) ** 2, rel=1e-14)]


class TestTensors:
    def test_the_shape_of_the_whole_derivative(self) -> None:
        x, w = np.ones((5, 3)), Tensor(np.ones((3, 2)), requires_grad=True)
        graph = trace((x @ w).sum())
        assert [graph.local(edge) for edge in graph.edges] == [
            None,
            LocalDerivative("matmul", 1, (5, 2, 3, 2)),
            LocalDerivative("sum", 0, (5, 2)),
        ]

    def test_operations_of_one_s_own_are_asked_only_when_wanted(self) -> None:
        asked: list[float] = []

        def rule(g: Any, y: Any, x: Any) -> Any:
            asked.append(g)
            return g * 2

        double = operation("double", lambda x: 2 * x, rule)
        graph = trace(double(Value(3.0)) * 5)
        assert asked == [5.0]  # for the gradient
        assert numbers(graph)[0] == 2
        assert asked == [5.0, 1.0]
        assert numbers(graph)[0] == 2
        assert asked == [5.0, 1.0]  # kept


@pytest.mark.parametrize("edge", [Edge("n0", "n9", 0), Edge("n1", "n2", 0), Edge("n1", "n2", -1)])
def test_an_edge_of_another_graph(edge: Edge) -> None:
    with pytest.raises(DataError, match=r"use one of graph\.edges"):
        trace(Value(1.0) * 2).local(edge)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copied_graph_shows_the_same(duplicate: Callable[[Graph], Graph]) -> None:
    a = Value(Fraction(2, 3), label="a")
    with reproducible():
        graph = trace((a * 3).clip(0, 5) - a)
    again = duplicate(graph)
    assert str(again) == str(graph)
    assert numbers(again) == [3, None, 1, 1, -1]
    assert again.to_json() == graph.to_json()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copied_graph_has_no_rules_of_one_s_own(duplicate: Callable[[Graph], Graph]) -> None:
    """Not even those of the row that has the same name."""
    own = operation("tanh", lambda x: 2 * x, lambda g, y, x: g * 2)
    graph = trace(own(Value(3.0)) * 5)
    again = duplicate(graph)
    assert str(again) == str(graph)
    assert numbers(again) == [None, 5, None]
    assert numbers(graph) == [2, 5, None]
