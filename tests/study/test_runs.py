"""Arms differ in nothing but their start, and the records say what happened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init.autograd import modes
from tinygrad_init.study import Arm, Record, Study

EPOCHS = 8


@pytest.fixture(scope="module")
def study() -> Study:
    constant = tg.init.constant(0.05)
    return tg.study.run(
        {
            "zeros": "zeros",
            "exact": Arm(constant, reproducible=True),
            "nudged": tg.init.perturbed(constant, 1e-3),
            "glorot": "glorot_uniform",
            "glorot again": Arm(tg.init.glorot_uniform()),
        },
        "iris",
        sizes=[4, 7, 3],
        lr=0.1,
        epochs=EPOCHS,
        batch_size=16,
    )


def test_records_have_an_entry_for_the_start_and_one_for_each_epoch(study: Study) -> None:
    for record in study.records.values():
        assert record.epochs == EPOCHS
        columns: list[list[Any]] = [
            record.losses, record.accuracies, record.distances, record.widths,
        ]  # fmt: skip
        assert [len(column) for column in columns] == [EPOCHS + 1] * 4
        assert all(0 <= share <= 1 for share in record.accuracies)


def test_equal_starts_give_equal_records(study: Study) -> None:
    assert study.records["glorot"] == study.records["glorot again"]
    assert study.records["glorot"] != study.records["nudged"]


def test_an_arm_does_not_depend_on_its_neighbours(study: Study) -> None:
    alone = tg.study.run(
        {"glorot": "glorot_uniform"}, "iris", sizes=[4, 7, 3], lr=0.1, epochs=EPOCHS, batch_size=16
    )
    assert alone.records["glorot"] == study.records["glorot"]


def test_every_arm_sees_the_same_minibatches_in_the_same_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[list[bytes]] = []
    step = tg.study.runs.train_step

    def noting(model: Any, optimiser: Any, X: Any, y: Any) -> None:
        seen[-1].append(X.tobytes() + y.tobytes())
        step(model, optimiser, X, y)

    def start(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
        rng.normal(size=1000)  # an initialiser that draws much more than the others
        if shape == (4, 3):
            seen.append([])
        return np.full(shape, 0.1)

    monkeypatch.setattr(tg.study.runs, "train_step", noting)
    arms = {"greedy": start, "frugal": lambda shape, rng: start(shape, np.random.default_rng(1))}
    tg.study.run({k: tg.init.get(v) for k, v in arms.items()}, "iris", sizes=[4, 3, 3], epochs=3)
    assert len(seen) == 2
    assert len(seen[0]) == 3 * 2
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 6, "another order in every epoch"


@pytest.fixture
def arithmetics(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The activation "noting" is tanh, and writes down in which arithmetic it was computed."""
    seen: list[int] = []

    def noting(h: Any) -> Any:
        seen.append(modes.current().arithmetic)
        return h.tanh()

    monkeypatch.setitem(tg.nn.ACTIVATIONS, "noting", noting)
    return seen


@pytest.mark.parametrize("is_exact", [False, True])
def test_an_arm_is_trained_and_measured_in_its_own_arithmetic(
    arithmetics: list[int], is_exact: bool
) -> None:
    arms = {"a": Arm(tg.init.constant(), reproducible=is_exact)}
    tg.study.run(arms, "iris", sizes=[4, 2, 3], activation="noting", epochs=2)
    assert set(arithmetics) == {modes.EXACT if is_exact else modes.PLAIN}
    assert modes.current().arithmetic == modes.PLAIN


def test_one_standard_arm_is_exact_and_starts_where_the_ordinary_one_does() -> None:
    arms = tg.study.STANDARD_ARMS
    assert [name for name, arm in arms.items() if arm.reproducible] == ["constant, exact"]
    starts = {name: arm.weights((4, 5), 0) for name, arm in arms.items()}
    assert np.array_equal(starts["constant, exact"], starts["constant"])
    assert len(np.unique(starts["constant"])) == 1
    assert 0 < abs(starts["constant + 1e-8"] - starts["constant"]).max() < 1e-7
    assert not starts["zeros"].any()


def test_an_epoch_is_what_numpy_makes_of_it_written_by_hand() -> None:
    data = tg.data.load("iris")
    record = tg.study.run({"mine": "he_normal"}, data, [4, 5, 3], epochs=2, batch_size=7,
                          lr=0.05, momentum=0.8, seed=3).records["mine"]  # fmt: skip
    for_weights, for_batches = (np.random.SeedSequence(3, spawn_key=(k,)) for k in range(2))
    layers = tg.nn.MLP([4, 5, 3], weight_init="he_normal", rng=for_weights).layers
    W1, b1, W2, b2 = (p.data for layer in layers for p in (layer.weight, layer.bias))
    velocities = [np.zeros_like(p) for p in (W1, b1, W2, b2)]

    def forward(X: Any) -> tuple[Any, Any]:
        hidden = np.tanh(X @ W1 + b1)
        powers = np.exp(hidden @ W2 + b2)
        return hidden, powers / powers.sum(axis=1, keepdims=True)

    def loss_and_accuracy() -> tuple[float, float]:
        _, p = forward(data.X_train)
        _, held_out = forward(data.X_test)
        right = (held_out.argmax(axis=1) == data.y_test).mean()
        return float(-np.log(p[np.arange(len(p)), data.y_train]).mean()), float(right)

    expected = [loss_and_accuracy()]
    rng = np.random.default_rng(for_batches)
    for _ in range(2):
        order = rng.permutation(len(data.X_train))
        for start in range(0, len(order), 7):
            X, y = data.X_train[order[start : start + 7]], data.y_train[order[start : start + 7]]
            hidden, p = forward(X)
            p[np.arange(len(p)), y] -= 1
            p /= len(p)
            back = p @ W2.T * (1 - hidden**2)
            gradients = [X.T @ back, back.sum(axis=0), hidden.T @ p, p.sum(axis=0)]
            for parameter, v, g in zip((W1, b1, W2, b2), velocities, gradients, strict=True):
                v *= 0.8
                v += g
                parameter -= 0.05 * v
        expected.append(loss_and_accuracy())
    assert record.losses == pytest.approx([loss for loss, _ in expected], rel=1e-9)
    assert record.accuracies == pytest.approx([right for _, right in expected])


def test_an_ordinary_arm_stays_ordinary_inside_reproducible() -> None:
    def distances() -> list[float]:
        return tg.study.run({"ones": "ones"}, "digits", [64, 33, 10], epochs=1).records[
            "ones"
        ].distances

    outside = distances()
    with tg.reproducible():
        assert distances() == outside


def test_tied_gradients_are_computed_in_exact_and_then_in_ordinary_arithmetic(
    arithmetics: list[int],
) -> None:
    tg.study.tied_gradients(tg.data.load("iris"), 3, activation="noting", steps=4)
    assert arithmetics == [modes.EXACT] * 5 + [modes.PLAIN] * 5  # four steps and the last look


def test_the_seed_decides_everything() -> None:
    def record(seed: int) -> Record:
        return tg.study.run(
            {"a": "he_normal"}, "iris", sizes=[4, 3, 3], epochs=2, seed=seed
        ).records["a"]

    assert record(1) == record(1)
    assert record(1) != record(2)


def test_the_loss_at_the_start_from_zeros_is_the_logarithm_of_the_classes(study: Study) -> None:
    assert study.records["zeros"].losses[0] == pytest.approx(np.log(3), rel=1e-15)


def test_zeros_stay_one_neuron_wide(study: Study) -> None:
    record = study.records["zeros"]
    assert record.widths == [[1]] * (EPOCHS + 1)
    assert record.distances == [0.0] * (EPOCHS + 1)


def test_constants_in_exact_sums_keep_a_distance_of_exactly_zero(study: Study) -> None:
    record = study.records["exact"]
    assert record.distances == [0.0] * (EPOCHS + 1)
    assert record.widths == [[1]] * (EPOCHS + 1)
    assert record.losses[-1] < record.losses[0], "it does learn, one neuron wide"


def test_a_nudge_parts_the_neurons_from_the_start(study: Study) -> None:
    record = study.records["nudged"]
    assert record.widths[0] == [7]
    assert 0 < record.distances[0] < 0.01
    assert record.distances[-1] > record.distances[0]


def test_random_weights_learn_iris(study: Study) -> None:
    record = study.records["glorot"]
    assert record.accuracies[-1] >= 0.8
    assert record.losses[-1] < 0.3
    assert record.losses[-1] < study.records["exact"].losses[-1]


def test_deeper_networks_have_a_width_per_hidden_layer() -> None:
    study = tg.study.run({"zeros": "zeros"}, "iris", sizes=[4, 5, 6, 3], epochs=1)
    assert study.records["zeros"].widths == [[1, 1]] * 2
    assert "1 -> 1, 1 -> 1" in study.table()


def test_without_sizes_there_is_one_hidden_layer_of_33() -> None:
    assert tg.study.run({"zeros": "zeros"}, "iris", epochs=1).settings["sizes"] == [4, 33, 3]


def test_a_data_set_may_be_handed_in() -> None:
    data = tg.data.load("wine", seed=5, held_out=0.4)
    study = tg.study.run({"zeros": "zeros"}, data, sizes=[13, 2, 3], epochs=1)
    assert study.data is data


def test_progress_is_told_after_every_epoch_of_every_arm() -> None:
    heard: list[tuple[str, int]] = []
    tg.study.run(
        {"a": "zeros", "b": "ones"}, "iris", sizes=[4, 2, 3], epochs=3,
        progress=lambda name, record: heard.append((name, record.epochs)),
    )  # fmt: skip
    assert heard == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]


def test_nothing_is_printed_and_no_random_state_is_touched(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before = np.random.get_state()  # noqa: NPY002 - the legacy state is what this is about
    tg.study.run({"a": "he_normal"}, "iris", sizes=[4, 2, 3], epochs=1)
    after = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert capfd.readouterr() == ("", "")


# What is read off the records.


def test_the_epochs_to_a_target_are_those_of_the_first_time() -> None:
    record = Record(losses=[0.0] * 4, accuracies=[0.1, 0.5, 0.9, 0.7])
    assert record.epochs_to(0.05) == 0
    assert record.epochs_to(0.5) == 1
    assert record.epochs_to(0.8) == 2
    assert record.epochs_to(0.91) is None


def test_a_target_that_is_never_reached_is_put_in_words(study: Study) -> None:
    assert study.waited(study.records["zeros"]) == "not reached"
    row = next(
        line for line in study.table().split("held-out")[1].splitlines() if line.startswith("zeros")
    )
    assert "not reached" in row
    assert row.endswith("1 -> 1")


def test_the_table_shows_the_records(study: Study) -> None:
    text = str(study)
    assert study.shown_epochs() == [1, 5, EPOCHS]
    for name, record in study.records.items():
        rows = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        assert len(rows) >= 2, name
        assert f"{record.losses[EPOCHS]:.4f}" in text
        assert f"{record.accuracies[EPOCHS]:.1%}" in text
    assert "to 90%" in text


def test_the_distance_between_neurons_counts_incoming_bias_and_outgoing() -> None:
    for where, amount in [("weight", 0.25), ("bias", 0.5), ("out", 0.125)]:
        model = tg.nn.MLP([2, 3, 2], weight_init="constant")
        assert tg.study.runs.distance_between_neurons(model) == 0
        hidden, out = model.layers
        array = {"weight": hidden.weight.data[0], "bias": hidden.bias.data,
                 "out": out.weight.data[:, 1]}[where]  # fmt: skip
        array[:] = 0
        array[2] = amount
        assert tg.study.runs.distance_between_neurons(model) == amount, where


# Mistakes.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": -3}, "epochs=-3"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"lr": -1.0}, "-1.0"),
        ({"momentum": 1.0}, "1.0"),
        ({"activation": "swish"}, "'swish'"),
        ({"data": "mnist"}, "'mnist'"),
        ({"sizes": [4, 3]}, r"\[4, 3\]"),
        ({"sizes": [5, 3, 3]}, r"\[5, 3, 3\]"),
        ({"sizes": [4, 3, 2]}, r"\[4, 3, 2\]"),
        ({"sizes": [4, 0, 3]}, "0"),
        ({"arms": {"a": "kaiming"}}, "'kaiming'"),
        ({"arms": {}}, "arm"),
        ({"seed": -1}, "-1"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"arms": {"a": "zeros"}, "data": "iris", "sizes": [4, 2, 3],
                             "epochs": 1, **settings}  # fmt: skip
    with pytest.raises(tg.DataError, match=message):
        tg.study.run(**given)


# The question.


@pytest.mark.parametrize("width", [1, 5, 33])
def test_constant_weights_send_every_neuron_the_same_gradient(width: int) -> None:
    tied = tg.study.tied_gradients(tg.data.load("iris"), width)
    assert tied.exact.identical
    assert len(tied.exact.neurons) == len(tied.ordinary.neurons) == width
    assert max(neuron.norm for neuron in tied.exact.neurons) > 1e-3, "not the zero of the start"
    if width > 1:
        assert f"all {width} gradients are identical, bit for bit" in str(tied)
    np.testing.assert_allclose(
        tied.ordinary.neurons[0].gradient, tied.exact.neurons[0].gradient, rtol=1e-9
    )


def test_the_verdict_on_ordinary_arithmetic_says_what_was_found() -> None:
    tied = tg.study.tied_gradients(tg.data.load("iris"), 5)
    random = tg.nn.MLP([4, 5, 3], rng=0)
    data = tg.data.load("iris")
    apart = tg.symmetry.gradients(random, data.X_train, data.y_train)
    assert "identical here, too" in tg.study.TiedGradients(tied.exact, tied.exact, 1).verdicts[1]
    words = tg.study.TiedGradients(tied.exact, apart, 1).verdicts[1]
    assert "5 different gradients among 5 neurons" in words
    assert f"{apart.largest_difference:.1e}" in words
    assert "must not happen" in tg.study.TiedGradients(apart, apart, 1).verdicts[0]


def test_the_drawn_step_has_tied_columns_and_the_gradient_of_its_loss() -> None:
    graph = tg.study.tiny_step()
    by_label = {node.label: node for node in graph.nodes if node.label}
    assert graph.output is by_label["loss"]
    W1, W2 = by_label["W1"], by_label["W2"]
    assert W1.value.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert np.array_equal(W1.gradient[:, 0], W1.gradient[:, 1])
    assert np.array_equal(W2.gradient[0], W2.gradient[1])
    # By hand: h = tanh(X @ W1), out = h @ W2, loss = mean((out - target)**2).
    X = np.array([[1.0, -2.0], [0.5, 1.0]])
    h = np.tanh(0.5 * X.sum(axis=1))
    error = h - np.array([1.0, 0.0])
    assert float(graph.output.value) == pytest.approx((error**2).mean(), rel=1e-14)
    np.testing.assert_allclose(W2.gradient[0], (error * h).sum(), rtol=1e-13)
    np.testing.assert_allclose(
        W1.gradient[:, 0], (error * 0.5 * (1 - h**2)) @ X, rtol=1e-13
    )
