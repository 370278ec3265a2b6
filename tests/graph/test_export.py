"""JSON: valid, complete, harmless, and the same for the same graph."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_init import Tensor, Value
from tinygrad_init.graph import Graph, trace

NODE: dict[str, Any] = {
    "id": str, "kind": str, "operation": str, "symbol": str, "formula": str, "settings": str,
    "label": str, "shape": list, "dtype": str, "value": object, "gradient": object, "changed": str,
    "unavailable": str, "line": str, "class": (int, type(None)),
    "scope": (str, type(None)), "count": int, "in_a_row": bool, "size": int, "parameters": int,
}  # fmt: skip
SUMMARY = {"min", "max", "norm", "nan", "inf", "zero"}


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def read(graph: Graph) -> dict[str, Any]:
    """The document, after a check of every key and type that the schema promises."""
    document: dict[str, Any] = json.loads(graph.to_json(), parse_constant=refuse)
    assert set(document) == {"format", "version", "output", "nodes", "edges", "scopes"}
    assert (document["format"], document["version"]) == ("tinygrad_init.graph", 1)
    ids = [node["id"] for node in document["nodes"]]
    assert document["output"] == ids[-1]
    assert len(set(ids)) == len(ids) == len(graph.nodes)
    for node in document["nodes"]:
        assert list(node) == list(NODE)
        assert all(isinstance(node[key], kind) for key, kind in NODE.items()), node
        assert node["kind"] in {"leaf", "operation", "constant"}
        assert is_value(node["value"])
        assert node["gradient"] is None or is_value(node["gradient"])
    assert len(document["edges"]) == len(graph.edges)
    for edge in document["edges"]:
        assert set(edge) == {"source", "target", "position", "carried", "local"}
        assert {edge["source"], edge["target"]} <= set(ids)
        if edge["local"] is not None:
            assert set(edge["local"]) == {"shape", "value", "unavailable"}
            assert edge["local"]["value"] is None or is_number(edge["local"]["value"])
    return document


def is_number(x: Any) -> bool:
    return isinstance(x, (bool, int, float, str))


def is_value(x: Any) -> bool:
    if isinstance(x, dict) and "entries" in x:
        return len(x) == 1 and all(map(is_number, np.array(x["entries"], object).ravel()))
    return is_number(x) or (isinstance(x, dict) and set(x) == SUMMARY)


def value(x: Any) -> Any:
    return read(trace(x))["nodes"][0]["value"]


def written(numbers: list[Any]) -> Any:
    """What stands for several numbers of a folded graph."""
    graph = trace(sum(Value(number) * 0 for number in numbers)).fold("repeats")
    return read(graph)["nodes"][0]["value"]


class TestNumbers:
    @pytest.mark.parametrize(
        ("number", "written"),
        [
            (2.5, 2.5), (7, 7), (Fraction(1, 3), "1/3"), (math.inf, "inf"), (-math.inf, "-inf"),
            (math.nan, "nan"), (2**53, 2**53), (2**53 + 1, "9007199254740993"),
            (Fraction(4, 2), "2"), (10**5000, "about 10^5000"), (5e-324, 5e-324),
        ],
        ids=range(11),
    )  # fmt: skip
    def test_written(self, number: Any, written: Any) -> None:
        assert value(Value(number)) == written
        assert type(value(Value(number))) is type(written)

    @given(st.floats())
    def test_every_float_comes_back(self, number: float) -> None:
        back = float(value(Value(number)))
        assert back.hex() == number.hex()

    @given(st.fractions())
    def test_every_fraction_comes_back(self, number: Fraction) -> None:
        assert Fraction(value(Value(number))) == number

    def test_small_arrays_are_written_out(self) -> None:
        assert value(Tensor([[1.0, math.nan], [-math.inf, 0.5]])) == {
            "entries": [[1.0, "nan"], ["-inf", 0.5]]
        }
        assert value(Tensor(np.array([True, False]))) == {"entries": [True, False]}
        assert value(Tensor(np.zeros((0, 3)))) == {"entries": []}
        assert value(Tensor(np.array([2**60]))) == {"entries": [str(2**60)]}
        assert value(Tensor(np.float32(0.1))) == float(np.float32(0.1))

    def test_large_arrays_are_summarised(self) -> None:
        array = np.zeros(100)
        array[:5] = [3.0, -4.0, math.nan, math.inf, -math.inf]
        assert value(Tensor(array)) == {
            "min": -4.0, "max": 3.0, "norm": 5.0, "nan": 1, "inf": 2, "zero": 95,
        }
        assert value(Tensor(np.full(65, math.nan)))["norm"] is None
        exact = [Fraction(1, 3), 10**400, math.nan, math.inf, -0.5, *[0] * 60]
        assert written(exact) == {
            "min": -0.5, "max": "about 10^400", "norm": "inf", "nan": 1, "inf": 1, "zero": 60,
        }
        for huge in (1e154, 1e200):  # the sum of the squares is too large, then each square
            assert value(Tensor(np.full(65, huge)))["norm"] == "inf"
        assert value(Tensor(np.arange(65) > 60))["max"] is True

    def test_the_norm_does_not_depend_on_the_order_of_entries(self) -> None:
        array = np.random.default_rng(0).normal(size=1000)
        assert value(Tensor(array)) == value(Tensor(np.sort(array)))


class TestDocument:
    def test_the_numbers_of_a_graph(self) -> None:
        a, b = Value(2.0, label="a"), Value(Fraction(1, 2), label="b")
        document = read(trace(a * b + 1).colour({"a": 3}))
        nodes = {node["id"]: node for node in document["nodes"]}
        assert [nodes[f"n{i}"]["value"] for i in range(5)] == [2.0, "1/2", 1.0, 1, 2.0]
        assert [nodes[f"n{i}"]["gradient"] for i in range(5)] == [0.5, 2.0, 1.0, None, 1.0]
        assert (nodes["n0"]["class"], nodes["n1"]["class"]) == (3, None)
        assert [edge["local"] and edge["local"]["value"] for edge in document["edges"]] == [
            0.5, 2.0, 1.0, None,
        ]

    def test_tensors(self) -> None:
        w = Tensor(np.ones((30, 4)), requires_grad=True, label="w")
        document = read(trace((w * 2).sum(axis=0)))
        leaf = document["nodes"][0]
        assert (leaf["shape"], leaf["dtype"], leaf["gradient"]["min"]) == ([30, 4], "float64", 2.0)
        assert document["nodes"][-1]["settings"] == "axis=0"
        assert document["edges"][-1]["local"] == {
            "shape": [4, 30, 4], "value": None, "unavailable": "",
        }

    def test_reasons(self) -> None:
        w = Tensor([2.0], requires_grad=True)
        loss = (w * w).sum()
        w.data = [3.0]
        leaf = read(trace(loss))["nodes"][0]
        assert "changed" in leaf["changed"]
        assert "multiply" in leaf["unavailable"]

    def test_same_graph_same_bytes(self, tmp_path: Path) -> None:
        def make() -> Graph:
            w = Tensor(np.linspace(-1, 1, 200), requires_grad=True, label="w")
            return trace(np.tanh(w).mean())

        assert make().to_json() == make().to_json()
        path = make().render(tmp_path / "graph.json")
        assert path.read_bytes() == make().to_json().encode()

    @given(st.text())
    def test_labels_come_back_and_are_harmless(self, label: str) -> None:
        graph = trace(Value(2.0, label=label) * 3)
        assert read(graph)["nodes"][0]["label"] == label
        assert re.fullmatch(r"[\x20-\x7e\n]*", graph.to_json())
        assert not set("<>&") & set(graph.to_json())

    @pytest.mark.parametrize(
        ("label", "back"),
        [
            ("lone \ud800 and \udfff", "lone \ufffd and \ufffd"), ("a\x00b", "a\x00b"),
            ("</script><!--", "</script><!--"), ("x" * 1_000_000, "x" * 1_000_000),
            ('"}], "nodes": [', '"}], "nodes": ['), ("\u202e\u2028\ufffe", "\u202e\u2028\ufffe"),
        ],
    )  # fmt: skip
    def test_hostile_labels(self, label: str, back: str) -> None:
        graph = trace(Value(2.0, label=label) * 3)
        assert read(graph)["nodes"][0]["label"] == back
        assert not set("<>&") & set(graph.to_json())
