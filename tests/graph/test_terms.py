"""The terms of the chain rule: the backward pass once more, and what each step of it adds."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_init as tg
from tinygrad_init import Tensor, Value
from tinygrad_init.autograd.tape import youngest_first
from tinygrad_init.graph import Graph, trace
from tinygrad_init.graph.names import Named
from tinygrad_init.graph.terms import Term, in_formulas, terms


def told(graph: Graph) -> list[Term]:
    return terms(graph.nodes, graph.edges)


def shared() -> Graph:
    """Every node but the result is used twice by the same operation."""
    a = Value(2.0, label="a")
    b = a + a
    return trace(b * b)


def network(members: int | None = None) -> Graph:
    rng = np.random.default_rng(0)
    model = tg.nn.MLP([3, 4, 2], activation="tanh", rng=0, members=members)
    inputs, targets = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    return trace(tg.losses.mse(model(inputs), targets).sum(), model)


def program(numbers: list[Fraction], choices: list[tuple[int, int, int]]) -> Graph:
    nodes = [Value(number, label=f"x{k}") for k, number in enumerate(numbers)]
    for operation, i, j in choices:
        one, other = nodes[i % len(nodes)], nodes[j % len(nodes)]
        nodes.append([one + other, one * other, one - other][operation])
    result = nodes[-1]
    for node in nodes[:-1]:
        result = result + node
    return trace(result)


class TestSums:
    def test_a_shared_node_receives_one_term_for_each_use(self) -> None:
        assert [(term.node, term.edge, term.local, term.amount, term.so_far)
                for term in told(shared())] == [
            ("n1", 2, 4.0, 4.0, 4.0), ("n1", 3, 4.0, 4.0, 8.0),
            ("n0", 0, 1.0, 8.0, 8.0), ("n0", 1, 1.0, 8.0, 16.0),
        ]  # fmt: skip

    @given(
        st.lists(st.fractions(max_denominator=9), min_size=1, max_size=3),
        st.lists(st.tuples(*[st.integers(0, 2)] * 1, *[st.integers(0, 9)] * 2), max_size=9),
    )
    def test_of_exact_numbers(
        self, numbers: list[Fraction], choices: list[tuple[int, int, int]]
    ) -> None:
        """upstream times local is the term, and the terms add up to what backward() finds."""
        graph = program(numbers, choices)
        by_id = {node.id: node for node in graph.nodes}
        sums: dict[str, Any] = {}
        for term in told(graph):
            assert term.edge is not None
            edge = graph.edges[term.edge]
            assert term.node == edge.source
            assert term.amount == by_id[edge.target].gradient * term.local
            sums[term.node] = sums.get(term.node, 0) + term.amount
            assert term.so_far == sums[term.node]
        assert sums == {node.id: node.gradient for node in graph.nodes[:-1]}

    @pytest.mark.parametrize("members", [None, 3])
    @pytest.mark.parametrize("mode", ["plain", "reproducible"])
    def test_of_arrays_to_the_bit(self, mode: str, members: int | None) -> None:
        if mode == "reproducible":
            with tg.reproducible():
                graph = network(members)
        else:
            graph = network(members)
        last = {term.node: term for term in told(graph)}
        receivers = [node for node in graph.nodes[:-1] if node.gradient is not None]
        assert set(last) == {node.id for node in receivers}
        for node in receivers:
            assert last[node.id].amount.shape == node.shape
            assert last[node.id].so_far.tobytes() == node.gradient.tobytes()

    def test_in_the_order_of_the_engine(self) -> None:
        graph = network()
        order = {node.id: k for k, node in enumerate(graph.nodes)}
        places = [term.edge for term in told(graph)]
        keys = [(-order[graph.edges[k].target], graph.edges[k].position) for k in places if k]
        assert keys == sorted(keys)

    def test_the_first_term_of_minus_zero_keeps_its_sign(self) -> None:
        x = Value(1.0)
        (term,) = told(trace(x * -0.0))
        assert str(term.so_far) == "-0.0"


class TestFormulas:
    def test_of_numbers(self) -> None:
        x, y = Value(2.0, label="x"), Value(3.0, label="y")
        assert [term.formula for term in told(trace(x * y))] == ["y", "x"]
        assert [term.formula for term in told(trace(x**3))] == [r"3 \, x^{2}"]

    def test_of_matrices(self) -> None:
        x = Tensor([[1.0, 2.0]], requires_grad=True, label="X")
        w = Tensor([[3.0], [4.0]], requires_grad=True, label="W")
        found = told(trace(x @ w))
        upstream = r"\frac{\mathrm{d}n_{2}}{\mathrm{d}n_{2}}"
        assert [term.formula for term in found] == [
            rf"{upstream} W^{{\mathsf T}}", rf"X^{{\mathsf T}} {upstream}",
        ]  # fmt: skip
        assert [term.local for term in found] == [None, None]
        np.testing.assert_array_equal(found[1].amount, [[1.0], [2.0]])

    def test_of_an_operation_of_ones_own(self) -> None:
        cube = tg.operation("page_cube", lambda x: x * x * x, lambda g, y, x: g * 3 * x * x)
        x = Value(2.0, label="x")
        (term,) = told(trace(cube(x)))
        assert term.formula == r"\frac{\partial n_{1}}{\partial x}"
        assert term.amount == 12.0


LABELS = ["w", "w1", "w_1", "n1", "<b>", "two words", "\u03b7", "y", "x"]


class TestNames:
    @pytest.mark.parametrize(("labels", "symbols"), [
        (("a", "w_1"), ["a", "w_{1}"]),
        (("w1", "w_1"), ["n_{0}", "n_{1}"]),  # one symbol for two labels
        (("a", "a"), ["n_{0}", "n_{1}"]),
        (("n1", "<b>"), ["n_{0}", "n_{1}"]),
        (("two words", " "), [r"\text{two words}", "n_{1}"]),
    ])  # fmt: skip
    def test_in_formulas(self, labels: tuple[str, str], symbols: list[str]) -> None:
        a, b = Value(2.0, label=labels[0]), Value(3.0, label=labels[1])
        assert [term.formula for term in told(trace(a * b))] == symbols[::-1]

    @given(st.lists(st.sampled_from(LABELS), min_size=2, max_size=2), st.sampled_from([" ", "w"]))
    def test_are_those_of_an_explanation(self, labels: list[str], third: str) -> None:
        """A result and a leaf without a label get default names there, so these have labels."""
        a, b, c = (Value(k, label=label) for k, label in zip((2.0, 3.0, 5.0), (*labels, third),
                   strict=True))  # fmt: skip
        y = (a * b).tanh() * c + 7.0
        y.label = "loss"
        named = Named(youngest_first(y, everything=True), a, None, None, {})
        graph = trace(y)
        symbols = in_formulas(graph.nodes)
        by_value = {node.value: symbols[node.id] for node in graph.nodes if node.value != 7.0}
        assert by_value == {node.data: named.symbol(node) for node in youngest_first(y)}


class TestWhatIsNotKnown:
    def test_a_changed_number(self) -> None:
        w = Tensor([2.0], requires_grad=True, label="w")
        loss = (w * w + w).sum()
        w.data = [3.0]
        of_w = [term for term in told(trace(loss)) if term.node == "n0"]
        assert [term.amount is None for term in of_w] == [False, True, True]
        assert [term.so_far is None for term in of_w] == [False, True, True]
        assert "changed after it was recorded" in of_w[1].unavailable

    def test_a_pickled_graph_has_the_same_terms(self) -> None:
        for graph in (shared(), network()):
            again: Graph = pickle.loads(pickle.dumps(graph))
            assert [(term.node, term.edge, term.formula) for term in told(again)] == [
                (term.node, term.edge, term.formula) for term in told(graph)
            ]
            for one, other in zip(told(again), told(graph), strict=True):
                np.testing.assert_array_equal(one.amount, other.amount)

    def test_of_an_operation_of_one_s_own_a_pickle_has_gradients_but_no_rules(self) -> None:
        own = tg.operation("double", lambda x: 2 * x, lambda g, y, x: 2 * g)
        a = Value(2.0, label="a")
        b = own(a)
        graph: Graph = pickle.loads(pickle.dumps(trace(b * b)))
        assert [(term.node, term.edge, term.amount, term.so_far) for term in told(graph)] == [
            ("n1", 1, 4.0, 4.0), ("n1", 2, 4.0, 8.0), ("n0", None, 16.0, 16.0),
        ]  # fmt: skip

    def test_folded_nodes_have_gradients_as_a_whole(self) -> None:
        """x goes into a closed module and into x * x, and neither part of the sum is all of it."""
        x = Value(0.5, label="x")
        with tg.scope("part"):
            y = (x * 2).tanh()
        graph = trace(y + x * x).fold(detail=0)
        by_id = {node.id: node for node in graph.nodes}
        found = told(graph)
        assert [(term.node, term.edge) for term in found] == [
            ("n4", None), ("s0", None), ("n0", None),
        ]  # fmt: skip
        assert all(term.so_far == by_id[term.node].gradient for term in found)

    def test_where_no_gradient_flows_there_are_none(self) -> None:
        assert not told(trace(Tensor([1.0]) * 2))
        w = Tensor([1.0], requires_grad=True, label="w")
        graph = trace(w * Tensor([2.0]))
        assert [term.node for term in told(graph)] == ["n0"]
