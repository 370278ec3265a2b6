"""The escape: curvature against dense Hessians, growth against the recurrence, waits against both.

Measured on 300 digits or more: with fewer the plateau does not hold still, and predictions are
local.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tests.symmetry.coloured import Configuration, network
from tinygrad_init.symmetry import spectrum
from tinygrad_init.symmetry.plateau import growth

Array = NDArray[Any]

WITHIN = 0.03  #: predicted and measured growth, near a plateau


@pytest.fixture(scope="module")
def digits() -> Any:
    return tg.data.load("digits")


def _constant(width: int, activation: str = "tanh") -> tg.nn.MLP:
    return tg.nn.MLP([64, width, 10], activation, "constant")


# The spectrum, against LAPACK.


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(["mixed", "negative", "positive"]))
def test_the_lowest_eigenpair_is_that_of_lapack(seed: int, signs: str) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 12))
    square = rng.normal(size=(size, size))
    matrix = square + square.T
    if signs != "mixed":
        matrix = (square @ square.T) * (1 if signs == "positive" else -1)
    values = np.linalg.eigvalsh(matrix)
    gap = (values[1] - values[0]) / np.abs(values).max()
    start = rng.normal(size=size)
    ways = [spectrum.lowest_eigenpair]
    if gap > 0.01:  # power iteration takes the longer the smaller the gap
        ways.append(spectrum.by_power_iteration)
    for way in ways:
        value, vector = way(lambda v: matrix @ v, start)
        scale = np.abs(values).max()
        assert abs(value - values[0]) < 1e-5 * scale
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert np.linalg.norm(matrix @ vector - value * vector) < 2e-3 * scale


def test_without_scipy_power_iteration_takes_its_place(
    monkeypatch: pytest.MonkeyPatch, digits: Any
) -> None:
    X, y = digits.X_train[:60], digits.y_train[:60]
    settings: dict[str, Any] = {"lr": 0.2, "plateau_steps": 400, "steps": 0}
    by_lanczos = tg.symmetry.escape(_constant(4), X, y, **settings)
    used: list[str] = []
    monkeypatch.setattr(spectrum, "find_spec", used.append)
    by_power = tg.symmetry.escape(_constant(4), X, y, **settings)
    assert used
    assert by_power.eigenvalue == pytest.approx(by_lanczos.eigenvalue, rel=1e-4)


def test_a_matrix_of_zeros_has_the_eigenvalue_zero() -> None:
    assert spectrum.by_power_iteration(lambda v: 0 * v, np.ones(4))[0] == 0


# The growth, against the recurrence step by step.


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(("eigenvalue", "lr"), [(-0.5, 0.2), (-3.0, 0.01), (2.0, 0.1), (-1e-3, 1)])
def test_growth_is_what_many_steps_do_to_a_difference(
    eigenvalue: float, lr: float, momentum: float
) -> None:
    d, v, logs = 1.0, 0.0, []
    for _ in range(6000):
        v = momentum * v + eigenvalue * d
        d -= lr * v
        size = math.hypot(d, v)
        logs.append(math.log(size))
        d, v = d / size, v / size
    assert np.mean(logs[3000:]) == pytest.approx(growth(eigenvalue, lr, momentum), abs=1e-3)


def test_without_momentum_growth_has_a_closed_form() -> None:
    for eigenvalue in (-2.0, -0.4867, 0.0, 0.3, 30.0):
        expected = math.log(abs(1 - 0.2 * eigenvalue))
        assert growth(eigenvalue, 0.2) == pytest.approx(expected, abs=1e-12)


# The plateau and its curvature.


def _train_wide(model: tg.nn.MLP, X: Array, y: Array, lr: float, momentum: float, n: int) -> None:
    optimiser = tg.optim.SGD(model.parameters(), lr, momentum)
    with tg.reproducible():
        for _ in range(n):
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(X), y).backward()
            optimiser.step()


@pytest.mark.parametrize("structure", ["constant", "blocks", "latin", "mixed"])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_the_plateau_is_where_training_the_whole_network_leads(
    structure: str, momentum: float
) -> None:
    model = network(Configuration((3, 8, 8, 2), structure, seed=21))[0]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    wide = copy.deepcopy(model)
    found = tg.symmetry.escape(model, X, y, lr=0.1, plateau_steps=80, momentum=momentum, steps=0)
    _train_wide(wide, X, y, 0.1, momentum, 80)
    for mine, other, start in zip(
        found.plateau.parameters(), wide.parameters(), model.parameters(), strict=True
    ):
        np.testing.assert_allclose(mine.data, other.data, rtol=1e-10, atol=1e-12)
        assert np.abs(mine.data - start.data).max() > 1e-3
    assert tg.symmetry.analyze(model).holds_for(found.plateau), "tied in every bit"


def _dense_lowest(model: tg.nn.MLP, X: Array, y: Array, classes: Any) -> float:
    """The lowest eigenvalue of the Hessian on the differences, by central differences of gradients.

    The transverse space is spanned by differences of two entries of one block.
    """
    parameters = model.parameters()
    at = np.concatenate([p.data.ravel() for p in parameters])

    def gradient(flat: Array) -> Array:
        ends = np.cumsum([p.size for p in parameters])[:-1]
        for parameter, part in zip(parameters, np.split(flat, ends), strict=True):
            parameter.data = part.reshape(parameter.shape)
        model.zero_grad()
        tg.losses.cross_entropy(model(X), y).backward()
        return np.concatenate([p.grad.ravel() for p in parameters])

    h = 1e-5
    rows = [(gradient(at + h * e) - gradient(at - h * e)) / (2 * h) for e in np.eye(at.size)]
    hessian = np.array(rows)
    gradient(at)
    layers = [[(i,) for i in range(model.sizes[0])], *classes, [
        (i,) for i in range(model.sizes[-1])]]  # fmt: skip
    differences, offset = [], 0
    for k, (fan_in, fan_out) in enumerate(zip(model.sizes, model.sizes[1:], strict=False)):
        for C in layers[k]:
            for D in layers[k + 1]:
                block = [offset + c * fan_out + d for c in C for d in D]
                differences += [(block[0], other) for other in block[1:]]
        offset += fan_in * fan_out
        for D in layers[k + 1]:
            differences += [(offset + D[0], offset + d) for d in D[1:]]
        offset += fan_out
    basis = np.zeros((at.size, len(differences)))
    for column, (a, b) in enumerate(differences):
        basis[a, column], basis[b, column] = 1, -1
    q, _ = np.linalg.qr(basis)
    return float(np.linalg.eigvalsh(q.T @ hessian @ q)[0])


@pytest.mark.parametrize("structure", ["constant", "copies", "blocks", "latin", "mixed"])
def test_the_eigenvalue_is_that_of_the_dense_hessian_on_the_differences(structure: str) -> None:
    model = network(Configuration((3, 6, 6, 2), structure, seed=8))[0]
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(15, 3)), rng.integers(0, 2, 15)
    found = tg.symmetry.escape(model, X, y, lr=0.1, plateau_steps=50, steps=0)
    classes = tg.symmetry.analyze(model).classes
    expected = _dense_lowest(copy.deepcopy(found.plateau), X, y, classes)
    assert found.eigenvalue == pytest.approx(expected, rel=1e-4, abs=1e-7)


# Predicted and measured, on digits.


@pytest.mark.parametrize(
    ("width", "activation", "lr"),
    [(16, "tanh", 0.2), (33, "tanh", 0.2), (16, "relu", 0.1), (33, "relu", 0.1)],
)
def test_copies_part_as_fast_as_the_curvature_says(
    digits: Any, width: int, activation: str, lr: float
) -> None:
    found = tg.symmetry.escape(
        _constant(width, activation), digits.X_train, digits.y_train, lr=lr, eps=1e-8, steps=250
    )
    assert found.eigenvalue < -0.3
    assert found.measured is not None
    assert abs(found.measured / found.predicted - 1) < WITHIN
    assert found.predicted == pytest.approx(math.log(1 - lr * found.eigenvalue), rel=1e-12)


def test_the_wait_grows_with_the_logarithm_of_the_perturbation(digits: Any) -> None:
    X, y = digits.X_train[:300], digits.y_train[:300]
    first = tg.symmetry.escape(_constant(8), X, y, lr=0.2, eps=1e-6)
    found = [first, *(first.again(eps) for eps in (1e-8, 1e-10, 1e-12, 1e-14))]
    waits = [one.wait for one in found]
    assert None not in waits
    for one in found:
        assert one.measured is not None
        assert abs(one.measured / one.predicted - 1) < WITHIN
        assert one.wait == pytest.approx(one.predicted_wait, abs=8)
        assert np.flatnonzero(one.curve >= 0.1).tolist() == [one.wait]
    logs = [math.log(1 / one.eps) for one in found]
    slope, _ = np.polyfit(logs, np.array(waits, float), 1)
    assert abs(slope * first.predicted - 1) < WITHIN
    again = first.again(1e-10)
    assert again.curve.tobytes() == found[2].curve.tobytes()


def test_with_momentum_too(digits: Any) -> None:
    X, y = digits.X_train[:300], digits.y_train[:300]
    found = tg.symmetry.escape(_constant(8), X, y, lr=0.05, momentum=0.9, plateau_steps=1500)
    assert found.measured is not None
    assert abs(found.measured / found.predicted - 1) < WITHIN
    assert found.predicted > 1.5 * growth(found.eigenvalue, 0.05)


def test_no_difference_stays_no_difference(digits: Any) -> None:
    X, y = digits.X_train[:100], digits.y_train[:100]
    found = tg.symmetry.escape(_constant(9), X, y, eps=0, plateau_steps=300, steps=60)
    assert not found.curve.any()
    assert (found.measured, found.wait, found.predicted_wait) == (None, None, math.inf)
    assert "from no difference at all" in str(found)
    assert "there was no difference to measure" in str(found)


def test_rounding_alone_is_enough_where_the_kernels_round_columns_differently(
    digits: Any,
) -> None:
    """Which widths and batches these are depends on the machine; some width is usually among them.

    Where rounding breaks the tie, the copies part at the same rate; where it does not, they do not
    part at all. Both are checked, whichever it is.
    """
    X, y = digits.X_train[:300], digits.y_train[:300]
    for width in (8, 17, 33):
        found = tg.symmetry.escape(_constant(width), X, y, lr=0.2, eps=0, reproducible=False)
        if found.curve.any():
            assert found.measured is not None
            assert abs(found.measured / found.predicted - 1) < WITHIN
            assert "from the rounding of ordinary arithmetic alone" in str(found)
        else:
            assert found.wait is None


def test_a_plateau_that_still_moves_shows_in_the_eigenvalue(digits: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int) + (X[:, 2] > 0)
    model = tg.nn.MLP([3, 4, 3], weight_init="constant")
    moving = tg.symmetry.escape(model, X, y, lr=0.5, plateau_steps=500)
    assert moving.eigenvalue_after > 0.6 * moving.eigenvalue
    assert not moving.is_steady
    assert "no plateau yet" in str(moving)
    still = tg.symmetry.escape(_constant(8), digits.X_train[:300], digits.y_train[:300], lr=0.2)
    assert still.eigenvalue_after == pytest.approx(still.eigenvalue, rel=0.02)
    assert still.is_steady
    assert "no plateau yet" not in str(still)


def test_where_the_loss_is_flat_no_growth_is_predicted(digits: Any) -> None:
    X, y = digits.X_train[:50], digits.y_train[:50]
    for sizes in ([64, 4, 10], [64, 4, 4, 10]):
        model = tg.nn.MLP(sizes, "relu", "zeros")
        found = tg.symmetry.escape(model, X, y, plateau_steps=20, steps=5)
        assert (found.eigenvalue, found.predicted) == (0.0, 0.0)
        assert "flat here to second order" in str(found)


def test_zeros_of_one_hidden_layer_have_the_eigenvalues_of_the_covariance() -> None:
    """At zero, with fitted output bias and squared error, they are -+ a s(C), C = Cov(x, y).

    The engine's mse is the mean over outputs, too, so the gradient is twice the error over D.
    """
    rng = np.random.default_rng(2)
    X, target = rng.normal(size=(30, 4)), rng.normal(size=(30, 3))
    model = tg.nn.MLP([4, 5, 3], "tanh", "zeros")
    found = tg.symmetry.escape(model, X, target, loss="mse", lr=0.5, plateau_steps=400, steps=0)
    np.testing.assert_allclose(found.plateau.layers[1].bias.data, target.mean(axis=0), rtol=1e-9)
    cross = 2 / 3 * X.T @ (target - target.mean(axis=0)) / 30
    assert found.eigenvalue == pytest.approx(-np.linalg.svd(cross)[1][0], rel=1e-5)


def test_an_escape_says_what_it_found(digits: Any) -> None:
    X, y = digits.X_train[:100], digits.y_train[:100]
    found = tg.symmetry.escape(_constant(5), X, y, lr=0.2, plateau_steps=800, eps=1e-8)
    assert found.measured is not None
    text = str(found)
    assert f"{found.loss:.6f}" in text
    for number in (found.eigenvalue, found.predicted, found.measured):
        assert f"{number:.5f}" in text
    assert f"predicted {found.predicted_wait:.0f}, measured {found.wait}" in text
    assert "from a difference of 1e-08, in reproducible arithmetic" in text
    with pytest.raises(tg.DataError, match="steps=-1"):
        found.again(1e-8, steps=-1)
    numbers = f"predicted={found.predicted:.5f}, measured={found.measured:.5f}"
    assert repr(found) == f"Escape({numbers}, eps=1e-08)"
    short = found.again(1e-8, steps=3)
    assert "too few steps to tell" in str(short)
    assert "not in 3 (then " in str(short)


def test_the_whole_distance_grows_at_that_rate_as_well(digits: Any) -> None:
    X, y = digits.X_train[:300], digits.y_train[:300]
    first = tg.symmetry.escape(_constant(8), X, y, lr=0.2, eps=1e-9)
    for found in (first, first.again(1e-13), first.again(1e-7)):
        assert found.slope is not None
        assert abs(found.slope / found.predicted - 1) < WITHIN
        half = (found.curve > math.sqrt(found.eps * 1e-4)) & (found.curve < 1e-4)
        slope, _ = np.polyfit(np.flatnonzero(half), np.log(found.curve[half]), 1)
        assert found.slope == pytest.approx(slope)
        assert f"{found.slope:.5f}" in str(found)


def test_a_latin_square_that_nothing_touches_is_not_apart(digits: Any) -> None:
    weights: Any = ["constant", tg.init.latin_square(), "constant"]
    model = tg.nn.MLP([64, 5, 5, 10], weight_init=weights, rng=0)
    X, y = digits.X_train[:60], digits.y_train[:60]
    found = tg.symmetry.escape(model, X, y, eps=0, plateau_steps=50, steps=30)
    assert not found.curve.any()
    assert found.again(1e-9, steps=30).curve.all()


def test_an_activation_that_mixes_neurons_has_no_quotient_and_is_refused(digits: Any) -> None:
    mix = lambda z: np.tanh(z) / ((z * z).sum(axis=-1, keepdims=True) + 1)
    model = tg.nn.MLP([64, 5, 10], mix, "constant")
    with pytest.raises(tg.DataError, match="mixes the neurons"):
        tg.symmetry.escape(model, digits.X_train[:20], digits.y_train[:20])


def test_training_that_diverges_is_refused(digits: Any) -> None:
    X, y = digits.X_train[:20], digits.y_train[:20]
    with pytest.raises(tg.DataError, match="diverged"):
        tg.symmetry.escape(_constant(5, "relu"), X, y, lr=1e200, plateau_steps=20)
    model = _constant(5)
    model.layers[0].bias.data = np.full(5, np.nan)
    with pytest.raises(tg.DataError, match=r"layers\.0\.bias"):
        tg.symmetry.escape(model, X, y)


def test_the_model_is_left_alone(digits: Any) -> None:
    model = _constant(5)
    before = model.state_dict()
    tg.symmetry.escape(model, digits.X_train[:50], digits.y_train[:50], plateau_steps=5, steps=5)
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": [(np.ones((2, 2)), np.zeros(2))]}, "takes an MLP, got list"),
        ({"model": tg.nn.MLP([64, 5, 10], rng=0)}, r"no two neurons.*constant"),
        ({"model": tg.nn.MLP([64, 10], weight_init="constant")}, "no two neurons"),
        ({"eps": -1e-9}, "eps"), ({"eps": 1e-3}, "eps"), ({"eps": math.nan}, "eps"),
        ({"lr": -0.1}, "lr"), ({"momentum": 1.0}, "momentum"),
        ({"plateau_steps": -1}, "plateau_steps"), ({"steps": -5}, "steps"),
        ({"loss": "huber"}, "huber"), ({"eps": "1e-9"}, "eps"), ({"steps": 1.5}, "steps=1.5"),
    ],
)  # fmt: skip
def test_mistakes_are_answered(change: Any, message: str, digits: Any) -> None:
    given = {"model": _constant(3), "X": digits.X_train[:9], "y": digits.y_train[:9], **change}
    with pytest.raises(tg.DataError, match=message):
        tg.symmetry.escape(**given)
