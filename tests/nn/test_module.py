"""A module finds its parameters wherever they are kept, and gives and takes their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg


def _parameter(*shape: int) -> tg.Tensor:
    return tg.Tensor(np.arange(float(np.prod(shape))).reshape(shape), requires_grad=True)


class Nested(tg.nn.Module):
    """Parameters in every kind of place, one of them in two places."""

    def __init__(self) -> None:
        self.scale = _parameter(2)
        self.stack = [tg.nn.Linear(2, 3, rng=0), _parameter(1)]
        self.pair = (tg.nn.Linear(3, 1, rng=1), "a note", 7)
        self.named: dict[str, Any] = {"left": tg.nn.Linear(1, 1, rng=2), "again": self.scale}
        self.fixed = tg.Tensor([1.0, 2.0])
        self.deep = [[{"inner": _parameter(4)}]]
        self.other: Any = None


def test_parameters_are_found_by_name_in_lists_tuples_dictionaries_and_modules() -> None:
    assert [name for name, _ in Nested().named_parameters()] == [
        "scale", "stack.0.weight", "stack.0.bias", "stack.1", "pair.0.weight", "pair.0.bias",
        "named.left.weight", "named.left.bias", "deep.0.0.inner",
    ]  # fmt: skip


def test_a_shared_parameter_counts_once_under_its_first_name() -> None:
    model = Nested()
    found = [parameter for parameter in model.parameters() if parameter is model.scale]
    assert len(found) == 1
    model.other = model.stack[0]  # a whole layer in two places
    assert len(model.parameters()) == 9


def test_a_tensor_without_gradient_is_no_parameter() -> None:
    model = Nested()
    assert all(parameter is not model.fixed for parameter in model.parameters())


def test_parameters_and_named_parameters_agree() -> None:
    model = Nested()
    by_name = [parameter for _, parameter in model.named_parameters()]
    pairs = zip(model.parameters(), by_name, strict=True)
    assert all(a is b for a, b in pairs)


def test_a_state_goes_round_into_another_model_and_computes_the_same() -> None:
    first = tg.nn.MLP([3, 5, 2], rng=1)
    second = tg.nn.MLP([3, 5, 2], rng=2)
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    assert not np.array_equal(first(x).data, second(x).data)
    second.load_state_dict(first.state_dict())
    assert np.array_equal(first(x).data, second(x).data)


def test_a_state_is_a_copy() -> None:
    model = tg.nn.MLP([2, 2], rng=0)
    state = model.state_dict()
    before = model.layers[0].weight.data.copy()
    state["layers.0.weight"][:] = 99
    assert np.array_equal(model.layers[0].weight.data, before)
    model.load_state_dict(state)
    state["layers.0.weight"][:] = 7
    assert (model.layers[0].weight.data == 99).all()


def test_a_loaded_parameter_stays_the_same_tensor_in_its_dtype() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0, dtype=np.float32)
    before = model.parameters()
    wide = {name: np.full(array.shape, 0.1) for name, array in model.state_dict().items()}
    model.load_state_dict(wide)
    for old, new in zip(before, model.parameters(), strict=True):
        assert old is new
        assert new.dtype == np.float32
        assert (new.data == np.float32(0.1)).all()


BROKEN_STATES = [
    pytest.param({"layers.1.bias": None}, tg.DataError, "missing.*layers.1.bias", id="missing"),
    pytest.param({"extra": np.zeros(1)}, tg.DataError, "unknown.*extra", id="unknown"),
    pytest.param({"layers.1.bias": np.zeros(3)}, tg.ShapeError, r"\(2,\).*\(3,\)", id="shape"),
    pytest.param(
        {"layers.1.weight": np.zeros((3, 1))}, tg.ShapeError, r"\(3, 2\).*\(3, 1\)",
        id="a shape that would broadcast",
    ),
    pytest.param({"layers.1.bias": np.array([1j, 2])}, tg.TinygradInitError, "complex", id="kind"),
    pytest.param({"layers.1.bias": ["a", "b"]}, tg.TinygradInitError, "bias|<U1", id="words"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error", "message"), BROKEN_STATES)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    model = tg.nn.MLP([2, 3, 2], rng=0)
    before = model.state_dict()
    state: dict[str, Any] = {name: array + 1 for name, array in before.items()}
    for name, value in change.items():
        if value is None:
            del state[name]
        else:
            state[name] = value
    with pytest.raises(error, match=message):
        model.load_state_dict(state)
    for name, array in model.state_dict().items():
        assert np.array_equal(array, before[name]), name


def test_loading_counts_as_a_change_for_what_was_recorded_before() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    loss = tg.losses.mse(model([[1.0, 2.0]]), [[0.0]])
    model.load_state_dict(model.state_dict())
    with pytest.raises(tg.GraphError, match="changed"):
        loss.backward()


def test_train_and_eval_reach_every_part() -> None:
    model, bystander = Nested(), tg.nn.Linear(1, 1)
    parts = [model, model.stack[0], model.pair[0], model.named["left"]]
    assert all(part.training for part in parts)
    assert model.eval() is model
    assert not any(part.training for part in parts)
    assert bystander.training, "the switch belongs to the module, not to the class"
    assert model.train() is model
    assert all(part.training for part in parts)


def test_zero_grad_forgets_every_gradient() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    model([[1.0, 2.0]]).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Nested"):
        Nested()(1.0)
