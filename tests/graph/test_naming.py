"""Where nodes are found in what holds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_init import Tensor, Value
from tinygrad_init.graph.naming import names_of, names_of_owners, nodes_in
from tinygrad_init.nn import MLP, scalar


class Holder:
    """An object with the attributes that it is given."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


def test_names_are_places() -> None:
    a, b, c, d = (Value(float(k)) for k in range(4))
    held = {"layers": [Holder(w=a), (b, {"deep": Holder(c=c)})], "bias": d, 3: 5.0, "text": "w"}
    assert names_of(held) == {a: "layers.0.w", b: "layers.1.0", c: "layers.1.1.deep.c", d: "bias"}
    assert nodes_in(held) == [a, b, c, d]


def test_what_is_held_twice_has_its_first_name() -> None:
    a = Value(1.0)
    layer: Any = Holder(w=a)
    assert names_of({"first": layer, "second": layer, "alone": a}) == {a: "first.w"}
    layer.again = layer
    assert names_of(layer) == {a: "w"}


def test_many_ways_to_one_layer_are_not_all_walked() -> None:
    a = Value(1.0)
    part = Holder(w=a)
    for _ in range(100):  # 2**100 ways to the innermost
        part = Holder(left=part, right=part)
    assert names_of(part) == {a: ".".join(["left"] * 100) + ".w"}
    assert len(names_of_owners(part)) == 101


def test_deep_nesting_does_not_recurse() -> None:
    a = Value(1.0)
    part: Any = a
    for _ in range(5_000):
        part = [part]
    assert nodes_in(part) == [a]


def test_modules_and_functions_are_no_part_of_a_model() -> None:
    a = Value(1.0)
    held = Holder(library=np, function=test_names_are_places, method=a.backward, kind=Tensor, w=a)
    assert names_of(held) == {a: "w"}
    assert set(names_of_owners(held).values()) <= {"", "library", "function", "method", "kind"}


class Slotted:
    """Without a dictionary of attributes, but with names for what it holds."""

    __slots__ = ("held",)
    held: Any

    def named_parameters(self) -> Any:
        return iter([("the.one", self.held)])


def test_whatever_names_its_parameters_is_asked() -> None:
    part = Slotted()
    part.held = Value(1.0)
    assert names_of([part]) == {part.held: "0.the.one"}


def test_modules_of_nn_say_their_own_names() -> None:
    model = MLP([2, 3, 1], rng=0)
    assert names_of({"net": model}) == {
        parameter: f"net.{name}" for name, parameter in model.named_parameters()
    }
    small = scalar.MLP(2, [2, 1], rng=0)
    assert set(names_of(small)) == set(small.parameters())
