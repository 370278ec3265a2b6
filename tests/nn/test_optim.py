"""Optimisers step by step: in exact fractions, by their formulas, and beside PyTorch."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg


@pytest.mark.parametrize(
    ("momentum", "decay"), [("0", "0"), ("1/2", "0"), ("0", "1/8"), ("1/2", "1/8"), ("3/4", "1/4")]
)
def test_every_step_is_the_one_of_exact_arithmetic(momentum: str, decay: str) -> None:
    # Dyadic numbers all the way, so that floating point does not round and must agree exactly.
    lr, mu, lam = Fraction(1, 4), Fraction(momentum), Fraction(decay)
    start, gradients = [Fraction(3), Fraction(-5, 2)], [(1, -2), (3, 0), (-4, 1), (0, 0), (2, 5)]
    w = tg.Tensor([float(x) for x in start], requires_grad=True)
    optimiser = tg.optim.SGD([w], float(lr), float(mu), float(lam))
    exact, velocity = list(start), [Fraction(0)] * 2
    for gradient in gradients:
        w.grad = np.array(gradient, float)
        optimiser.step()
        for i, g in enumerate(gradient):
            velocity[i] = mu * velocity[i] + g + lam * exact[i]
            exact[i] -= lr * velocity[i]
        assert [Fraction(x) for x in w.data.tolist()] == exact


def test_without_momentum_a_quadratic_shrinks_by_a_fixed_factor() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    optimiser = tg.optim.SGD([w], lr=0.25)
    for step in range(1, 20):
        optimiser.zero_grad()
        (w * w).sum().backward()
        optimiser.step()
        assert w.data[0] == 0.5**step


def test_a_parameter_without_gradient_stays() -> None:
    used, unused = (tg.Tensor([1.0], requires_grad=True) for _ in range(2))
    optimiser = tg.optim.SGD([used, unused], lr=0.1, momentum=0.9, weight_decay=0.1)
    used.sum().backward()
    optimiser.step()
    assert used.data[0] != 1
    assert unused.data[0] == 1


def test_each_parameter_has_its_own_velocity() -> None:
    a, b = (tg.Tensor([0.0], requires_grad=True) for _ in range(2))
    optimiser = tg.optim.SGD([a, b], lr=1, momentum=0.5)
    for gradient in (1.0, 0.0):
        a.grad, b.grad = np.array([gradient]), np.array([-gradient])
        optimiser.step()
    assert (a.data[0], b.data[0]) == (-1.5, 1.5)


def test_the_rate_may_change_between_steps_without_touching_the_velocity() -> None:
    w = tg.Tensor([0.0], requires_grad=True)
    optimiser = tg.optim.SGD([w], lr=1, momentum=0.5)
    w.grad = np.array([1.0])
    optimiser.step()
    optimiser.lr = 0.25
    optimiser.step()
    assert w.data[0] == -1 - 0.25 * 1.5


def test_zero_grad_forgets_and_gradients_are_left_alone_by_a_step() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    optimiser = tg.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.5)
    (w * 3).sum().backward()
    optimiser.step()
    optimiser.step()
    assert w.grad.tolist() == [3.0]
    optimiser.zero_grad()
    assert w.grad is None


def test_a_step_between_two_backward_passes_is_noticed() -> None:
    w = tg.Tensor([1.0], requires_grad=True)
    optimiser = tg.optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward()
    optimiser.step()
    with pytest.raises(tg.GraphError, match="changed"):
        loss.backward()


def test_parameters_may_come_from_a_generator() -> None:
    model = tg.nn.MLP([2, 3, 1], rng=0)
    optimiser = tg.optim.SGD((p for p in model.parameters()), lr=0.1)
    assert len(optimiser.parameters) == 4


@pytest.mark.parametrize(
    "settings",
    [{"lr": -0.1}, {"lr": math.nan}, {"momentum": 1}, {"momentum": -0.1}, {"momentum": math.nan},
     {"weight_decay": -1e-9}, {"weight_decay": math.nan}],
)  # fmt: skip
def test_hyperparameters_out_of_range_are_refused_with_their_value(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(tg.DataError, match=str(next(iter(settings.values())))):
        tg.optim.SGD([tg.Tensor([1.0], requires_grad=True)], **settings)


LEAF = tg.Tensor([1.0, 2.0], requires_grad=True)


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param([], id="nothing"),
        pytest.param([tg.Tensor([1.0])], id="no gradient is required"),
        pytest.param([np.ones(3)], id="an array"),
        pytest.param([tg.Value(1.0)], id="a Value"),
        pytest.param(LEAF, id="one Tensor without a list, whose entries would be new Tensors"),
        pytest.param([LEAF * 2], id="a result of an operation, which the next forward replaces"),
    ],
)
def test_what_cannot_be_optimised_is_refused(parameters: Any) -> None:
    with pytest.raises(tg.DataError):
        tg.optim.SGD(parameters, lr=0.1)


@pytest.mark.torch
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_twenty_steps_agree_with_pytorch(momentum: float, weight_decay: float) -> None:
    import torch

    rng = np.random.default_rng(0)
    start, A = rng.normal(size=(4, 3)), rng.normal(size=(5, 4))
    w, t = tg.Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    ours = tg.optim.SGD([w], lr=0.05, momentum=momentum, weight_decay=weight_decay)
    theirs = torch.optim.SGD([t], lr=0.05, momentum=momentum, weight_decay=weight_decay)
    for _ in range(20):
        ours.zero_grad()
        theirs.zero_grad()
        np.tanh(tg.Tensor(A) @ w).sum().backward()
        (torch.tensor(A) @ t).tanh().sum().backward()
        ours.step()
        theirs.step()
        np.testing.assert_allclose(w.data, t.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_training_an_mlp_agrees_with_pytorch(activation: str, loss: str) -> None:
    import torch

    rng = np.random.default_rng(1)
    X, labels = rng.normal(size=(16, 6)), rng.integers(0, 3, 16)
    model = tg.nn.MLP([6, 8, 5, 3], activation, bias_init="normal", rng=0)
    act = getattr(torch, activation)
    theirs = [torch.tensor(p.data, requires_grad=True) for p in model.parameters()]
    ours = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    reference = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, weight_decay=1e-3)
    for _ in range(5):
        ours.zero_grad()
        reference.zero_grad()
        h = torch.tensor(X)
        for k in range(0, 6, 2):
            h = h @ theirs[k] + theirs[k + 1]
            h = act(h) if k < 4 else h
        if loss == "mse":
            target = np.eye(3)[labels]
            tg.losses.mse(model(X), target).backward()
            torch.nn.functional.mse_loss(h, torch.tensor(target)).backward()
        else:
            tg.losses.cross_entropy(model(X), labels).backward()
            torch.nn.functional.cross_entropy(h, torch.tensor(labels)).backward()
        for mine, other in zip(model.parameters(), theirs, strict=True):
            np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-12, atol=1e-12)
        ours.step()
        reference.step()
        for mine, other in zip(model.parameters(), theirs, strict=True):
            np.testing.assert_allclose(mine.data, other.detach().numpy(), rtol=1e-12, atol=1e-12)


# The others: what the formulas say of a constant gradient, and PyTorch.


def _steps(optimiser: Any, w: tg.Tensor, gradient: float, count: int) -> list[float]:
    """How far ``w`` moves in each step under a constant gradient."""
    moves = []
    for _ in range(count):
        before = float(w.data[0])
        w.grad = np.array([gradient])
        optimiser.step()
        moves.append(before - float(w.data[0]))
    return moves


@pytest.mark.parametrize("gradient", [1e-3, 7.0, -1e4])
def test_adam_moves_by_its_rate_whatever_the_size_of_a_constant_gradient(gradient: float) -> None:
    for kind in (tg.optim.Adam, tg.optim.AdamW):
        w = tg.Tensor([0.0], requires_grad=True)
        moves = _steps(kind([w], lr=0.01, eps=0.0, weight_decay=0.0), w, gradient, 50)
        np.testing.assert_allclose(moves, math.copysign(0.01, gradient), rtol=1e-9)


def test_rmsprop_and_adagrad_divide_by_the_root_of_what_they_remember() -> None:
    t = np.arange(1, 30)
    w = tg.Tensor([0.0], requires_grad=True)
    moves = _steps(tg.optim.RMSProp([w], lr=0.5, decay=0.75, eps=0.0), w, 3.0, 29)
    np.testing.assert_allclose(moves, 0.5 / np.sqrt(1 - 0.75**t), rtol=1e-12)
    w = tg.Tensor([0.0], requires_grad=True)
    moves = _steps(tg.optim.Adagrad([w], lr=0.5, eps=0.0), w, 3.0, 29)
    np.testing.assert_allclose(moves, 0.5 / np.sqrt(t), rtol=1e-12)


def test_nesterov_looks_one_velocity_ahead() -> None:
    # Under a constant gradient the velocity after t steps is 1 + mu + ... + mu**(t-1).
    t = np.arange(1, 20)
    w = tg.Tensor([0.0], requires_grad=True)
    moves = _steps(tg.optim.SGD([w], lr=1.0, momentum=0.5, nesterov=True), w, 1.0, 19)
    np.testing.assert_allclose(moves, 1 + 0.5 * (2 - 2.0 ** (1 - t)), rtol=1e-12)


ALL: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
                 {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": ("Adam", {"beta1": 0.8, "beta2": 0.95}, {"betas": (0.8, 0.95)}),
    "adam with decay": ("Adam", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "adamw": ("AdamW", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
    "rmsprop": ("RMSProp", {"decay": 0.9}, {"alpha": 0.9}),
    "rmsprop with all": ("RMSProp", {"momentum": 0.7, "weight_decay": 0.1, "eps": 1e-3},
                         {"momentum": 0.7, "weight_decay": 0.1, "eps": 1e-3}),
    "adagrad": ("Adagrad", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_thirty_steps_of_every_optimiser_agree_with_pytorch(name: str, dtype: str) -> None:
    import torch

    kind, ours, theirs = ALL[name]
    rng = np.random.default_rng(0)
    start, A = rng.normal(size=(4, 3)).astype(dtype), rng.normal(size=(5, 4)).astype(dtype)
    w, t = tg.Tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    optimiser = getattr(tg.optim, kind)([w], lr=0.05, **ours)
    oracle = getattr(torch.optim, {"RMSProp": "RMSprop"}.get(kind, kind))([t], lr=0.05, **theirs)
    for _ in range(30):
        optimiser.zero_grad()
        oracle.zero_grad()
        np.tanh(tg.Tensor(A) @ w).sum().backward()
        (torch.tensor(A) @ t).tanh().sum().backward()
        optimiser.step()
        oracle.step()
        rtol = 1e-10 if dtype == "float64" else 1e-4
        np.testing.assert_allclose(w.data, t.detach().numpy(), rtol=rtol, atol=rtol / 10)
    assert w.dtype == dtype


EVERY = [
    lambda p: tg.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: tg.optim.Adam(p, lr=0.05, weight_decay=0.01),
    lambda p: tg.optim.AdamW(p, lr=0.05),
    lambda p: tg.optim.RMSProp(p, lr=0.05, momentum=0.5),
    lambda p: tg.optim.Adagrad(p, lr=0.05),
]


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_optimiser_breaks_a_tie_in_reproducible_arithmetic(make: Any, dtype: str) -> None:
    model = tg.nn.MLP([6, 19, 3], weight_init="constant", dtype=dtype)
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(40, 6)).astype(dtype), rng.integers(0, 3, 40)
    optimiser = make(model.parameters())
    with tg.reproducible():
        for _ in range(60):
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(X), labels).backward()
            tg.optim.clip_norm(model.parameters(), 0.3)
            optimiser.step()
    assert tg.symmetry.analyze(model).effective_widths == [1]
    assert len(np.unique(model.layers[0].weight.data)) > 1  # but it has learned


# Groups, rates, clipping.


def test_groups_have_settings_of_their_own() -> None:
    a, b, c = (tg.Tensor([1.0], requires_grad=True) for _ in range(3))
    optimiser = tg.optim.SGD([{"parameters": [a, b], "lr": 0.5}, {"parameters": [c]}], lr=0.25)
    for parameter in (a, b, c):
        parameter.grad = np.array([1.0])
    optimiser.step()
    assert [x.data[0] for x in (a, b, c)] == [0.5, 0.5, 0.75]
    assert optimiser.parameters == [a, b, c]
    optimiser.lr = 1.0
    assert [group["lr"] for group in optimiser.groups] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([{"lr": 0.1}], "parameters"),
        ([{"parameters": [LEAF], "rate": 0.1}], "rate"),
        ([{"parameters": [LEAF], "lr": -1}], "-1"),
        ([{"parameters": [LEAF]}, {"parameters": [LEAF]}], "twice"),
        ([{"parameters": [LEAF]}, LEAF], "dictionary"),
        ({"parameters": [LEAF]}, "list"),
    ],
)
def test_groups_that_make_no_sense_are_refused(groups: Any, words: str) -> None:
    with pytest.raises(tg.DataError, match=words):
        tg.optim.Adam(groups)


def test_a_rate_out_of_range_is_refused_when_it_is_assigned() -> None:
    optimiser = tg.optim.Adam([LEAF])
    with pytest.raises(tg.DataError, match="nan"):
        optimiser.lr = math.nan


@pytest.mark.parametrize(("limit", "expected"), [(13.0, 1.0), (6.5, 0.5), (100.0, 1.0)])
def test_gradients_are_clipped_by_their_length_over_all_entries(
    limit: float, expected: float
) -> None:
    a, b, idle = (tg.Tensor(np.zeros(2), requires_grad=True) for _ in range(3))
    a.grad, b.grad = np.array([3.0, 4.0]), np.array([0.0, 12.0])
    shared = a.grad
    assert tg.optim.clip_norm([a, idle, b], limit) == 13.0
    np.testing.assert_allclose([*a.grad, *b.grad], expected * np.array([3, 4, 0, 12]))
    assert idle.grad is None
    assert shared.tolist() == [3.0, 4.0]  # nobody else's array is written to


def test_clipping_nothing_or_by_nothing() -> None:
    assert tg.optim.clip_norm([tg.Tensor([1.0], requires_grad=True)], 1.0) == 0.0
    with pytest.raises(tg.DataError, match="above 0"):
        tg.optim.clip_norm([LEAF], 0.0)


# What they say of themselves.


def _parameter() -> tg.Tensor:
    return tg.Tensor([1.0, -2.0], requires_grad=True)


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (tg.optim.SGD, r"w \leftarrow w - \eta g"),
        (lambda p: tg.optim.SGD(p, weight_decay=0.1), r"w \leftarrow w - \eta (g + \lambda w)"),
        (lambda p: tg.optim.SGD(p, momentum=0.9),
         r"v \leftarrow \mu v + g, \quad w \leftarrow w - \eta v"),
        (lambda p: tg.optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=0.1),
         r"v \leftarrow \mu v + g + \lambda w, \quad "
         r"w \leftarrow w - \eta (g + \lambda w + \mu v)"),
        (lambda p: tg.optim.Adagrad(p, weight_decay=0.1),
         r"g \leftarrow g + \lambda w, \quad s \leftarrow s + g^2, \quad "
         r"w \leftarrow w - \eta \frac{g}{\sqrt{s} + \varepsilon}"),
    ],
)  # fmt: skip
def test_formulas_say_the_update_with_its_settings(make: Any, formula: str) -> None:
    assert make([_parameter()]).formula == formula


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_decay_stands_where_it_acts(decay: float) -> None:
    def formula(make: Any) -> str:
        said: str = make([_parameter()], weight_decay=decay).formula
        return said

    coupled, decoupled = r"g \leftarrow g + \lambda w", r"- \eta \lambda w"
    for make in (tg.optim.Adam, tg.optim.RMSProp, tg.optim.Adagrad):
        assert formula(make).startswith(coupled) == bool(decay)
        assert decoupled not in formula(make)
    assert coupled not in formula(tg.optim.AdamW)
    assert formula(tg.optim.AdamW).endswith(decoupled) == bool(decay)
    assert (r"\mu u" in tg.optim.RMSProp([_parameter()], momentum=0.5).formula) is True


def test_the_memory_is_a_copy_of_what_is_remembered_of_each_entry() -> None:
    w, single = _parameter(), tg.Tensor(3.0, requires_grad=True)
    optimiser = tg.optim.Adam([w, single], lr=0.1)
    assert optimiser.memory(w) == {}
    w.grad, single.grad = np.array([1.0, 2.0]), np.array(5.0)
    optimiser.step()
    memory = optimiser.memory(w)
    np.testing.assert_allclose(memory["mean"], [0.1, 0.2], rtol=1e-15)
    np.testing.assert_allclose(memory["square"], [0.001, 0.004], rtol=1e-12)
    assert optimiser.memory(single)["mean"] == pytest.approx(0.5)
    memory["mean"][:] = 7
    assert optimiser.memory(w)["mean"][0] == pytest.approx(0.1)
    with pytest.raises(tg.DataError, match="not a parameter"):
        optimiser.memory(_parameter())


def test_without_momentum_nothing_is_remembered() -> None:
    w = _parameter()
    optimiser = tg.optim.SGD([w], lr=0.1, weight_decay=0.5)
    w.grad = np.array([1.0, 1.0])
    optimiser.step()
    assert optimiser.memory(w) == {}
    np.testing.assert_allclose(w.data, [1 - 0.1 * 1.5, -2 - 0.1 * 0.0], rtol=1e-15)


def test_optimisers_go_by_name() -> None:
    kinds = [tg.optim.SGD, tg.optim.Adam, tg.optim.AdamW, tg.optim.RMSProp, tg.optim.Adagrad]
    assert [tg.optim.get(kind.__name__.lower()) for kind in kinds] == kinds
    assert [tg.optim.get(kind) for kind in kinds] == kinds
    with pytest.raises(tg.DataError, match="choose from sgd"):
        tg.optim.get("SGD with momentum")
    with pytest.raises(tg.DataError, match="wants lr from 0"):
        tg.optim.SGD([_parameter()], lr="0.1")  # type: ignore[arg-type]
