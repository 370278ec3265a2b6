"""The certificate: what it claims is computed, and its numbers are those of the network."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import tinygrad_init as tg
from tests.symmetry.coloured import STRUCTURES, at_random, configuration, network
from tinygrad_init.symmetry.derivation import Derivation, Equation

Array = NDArray[Any]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 4)), RNG.integers(0, 3, 12)
LATIN: list[Any] = ["constant", tg.init.latin_square(), "constant"]
OPTIMISERS = [
    (tg.optim.SGD, {}), (tg.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (tg.optim.Adam, {"weight_decay": 0.01}), (tg.optim.AdamW, {}),
    (tg.optim.RMSProp, {"momentum": 0.5}), (tg.optim.Adagrad, {"weight_decay": 0.1}),
]  # fmt: skip


def _certify(model: Any = None, **given: Any) -> tg.symmetry.Certificate:
    if model is None:
        model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    return tg.symmetry.certify(model, X, Y, **{"steps": 6, **given})


# It holds where it should.


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda row: row[0].__name__)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_holds_for_tied_networks_under_every_optimiser(optimiser: Any, dtype: str) -> None:
    make, more = optimiser
    model = tg.nn.MLP([4, 7, 7, 3], "tanh", LATIN, rng=0, dtype=dtype)
    found = _certify(model, optimizer=make, lr=0.01, batch_size=5, **more)
    assert found.holds
    assert found.symmetry.effective_widths == [1, 1]
    assert found.exact.first_break is None
    assert found.exact.compared > 0
    assert [one.layer for one in found.derivation] == [1, 2]
    assert all(one.holds for one in found.derivation)
    assert all(one.is_met for one in found.assumptions)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_it_holds_exactly_where_a_class_has_two_members(seed: int) -> None:
    drawn = configuration(
        at_random(np.random.default_rng(seed)), structures=[*STRUCTURES, "random"],
        depths=(1, 2), widths=range(1, 7),
    )  # fmt: skip
    model = network(drawn)[0]
    rng = np.random.default_rng(seed)
    examples, labels = rng.normal(size=(6, drawn.sizes[0])), rng.integers(0, drawn.sizes[-1], 6)
    found = tg.symmetry.certify(model, examples, labels, steps=3, lr=0.05)
    assert found.holds == any(
        width < size for width, size in
        zip(found.symmetry.effective_widths, drawn.sizes[1:-1], strict=True)
    )  # fmt: skip


# It does not hold where it should not.


def test_a_network_without_symmetry_gets_a_certificate_that_says_so() -> None:
    found = _certify(tg.nn.MLP([4, 7, 3], rng=0))
    assert not found.holds
    assert found.derivation == []
    assert "nothing to certify" in str(found)
    assert "7 of 7" in str(found)
    assert found.digest in str(found)


def test_so_does_a_network_without_hidden_layers() -> None:
    found = _certify(tg.nn.MLP([4, 3], weight_init="constant"))
    assert not found.holds
    assert "it has none" in str(found)


def test_dropout_is_found_out() -> None:
    drop = tg.nn.Dropout(0.5, rng=0)
    found = _certify(tg.nn.MLP([4, 7, 3], lambda z: drop(np.tanh(z)), "constant"))
    assert not found.holds
    assert found.exact.first_break is not None
    assert (found.exact.first_break.phase, found.exact.first_break.operation) == (
        "forward", "multiply")  # fmt: skip
    assert [one.is_met for one in found.assumptions] == [True] * 4 + [None, True, False]
    assert "It does not hold" in str(found)
    assert "NOT MET" in str(found)
    assert "on any machine" not in str(found), "its digest depends on the masks"


class _PerNeuron(tg.optim.SGD):
    """A rate that differs by the neuron."""

    def _change(self, w: Array, gradient: Array, state: Any, settings: Any) -> Array:
        return gradient * settings["lr"] * (1 + np.arange(w.shape[-1]))


def test_an_optimiser_that_treats_neurons_differently_is_found_out() -> None:
    found = _certify(optimizer=_PerNeuron)
    assert not found.holds
    assert found.exact.first_break is not None
    assert (found.exact.first_break.phase, found.exact.first_break.operation) == (
        "update", "_PerNeuron")  # fmt: skip
    assert found.assumptions[1].is_met is None
    assert "Nothing is known of _PerNeuron" in " ".join(str(found).split())


@pytest.mark.parametrize("start", [0.0, 0.5, "uneven"])
def test_a_memory_may_be_there_at_the_start_if_it_is_even(start: Any) -> None:
    def warm(parameters: list[tg.Tensor], lr: float) -> tg.optim.Optimiser:
        optimiser = tg.optim.SGD(parameters, lr, momentum=0.9)
        kept = [parameter.data.copy() for parameter in parameters]
        for parameter in parameters:
            parameter.grad = np.full(parameter.shape, 0.0 if start == "uneven" else start)
            if start == "uneven" and parameter.ndim == 2:
                parameter.grad[0, -1] = 1e-3
        optimiser.step()
        for parameter, data in zip(parameters, kept, strict=True):
            parameter.data = data
        return optimiser

    found = _certify(optimizer=warm)
    assert found.assumptions[2].is_met is (start != "uneven")
    assert found.holds is (start != "uneven")
    if start == "uneven":
        assert "Why it lasts" not in str(found), "the induction has no start"


class _Sign(tg.optim.SGD):
    """Moves by the sign of the gradient; its formula is not that of SGD."""

    def _change(self, w: Array, gradient: Array, state: Any, settings: Any) -> Array:
        return np.sign(gradient) * settings["lr"]


def test_the_formula_of_another_update_is_not_shown() -> None:
    found = _certify(optimizer=_Sign)
    assert found.holds
    assert all(one.formula == "" for one in found.derivation)
    assert "w - η g" not in str(found)
    assert not found.is_repeatable


@pytest.mark.parametrize("mix", [
    tg.F.softmax, lambda z: np.tanh(z) / ((z * z).sum(axis=-1, keepdims=True) + 1),
    lambda z: z - z.mean(axis=0),
])  # fmt: skip
def test_an_activation_that_mixes_is_found_out(mix: Any) -> None:
    """Neurons are treated alike by softmax, too, but the equations are not those of the document.

    The last one mixes examples, which a neuron alone does as well: the equations tell.
    """
    model = tg.nn.MLP([4, 7, 3], mix, ["constant", tg.init.constant(0.2)])
    found = tg.symmetry.certify(model, X, np.eye(3)[Y], loss="mse", steps=4)
    assert not found.holds
    assert found.exact.first_break is None
    assert found.verdict.startswith(("It is not shown", "It does not hold: an equation"))


def test_what_mixes_neurons_does_not_meet_the_assumption() -> None:
    model = tg.nn.MLP([4, 7, 3], tg.F.softmax, ["constant", tg.init.constant(0.2)])
    assert _certify(model).assumptions[4].is_met is False
    own = _certify(tg.nn.MLP([4, 7, 3], lambda z: z * z, "constant"))
    assert own.assumptions[4].is_met is None
    assert own.holds


@pytest.mark.parametrize("place", range(7))
def test_an_assumption_that_is_not_met_refuses_the_certificate(place: int) -> None:
    found = _certify()
    unmet = dataclasses.replace(found.assumptions[place], is_met=False)
    changed = [*found.assumptions[:place], unmet, *found.assumptions[place + 1 :]]
    refused = dataclasses.replace(found, assumptions=changed)
    assert not refused.holds
    assert not refused.is_repeatable
    assert f"assumption {place + 1} is not met" in refused.verdict
    assert "Why it lasts" in str(found)
    assert "Why it lasts" not in str(refused)


def test_a_network_that_computes_otherwise_is_refused() -> None:
    class Centred(tg.nn.MLP):
        def forward(self, x: Any) -> Any:
            return super().forward(x - np.mean(x))

    for ask in (tg.symmetry.certify, tg.symmetry.escape):
        with pytest.raises(tg.DataError, match="Centred has a forward of its own"):
            ask(Centred([4, 7, 3], weight_init="constant"), X, Y)


def test_parameters_that_are_frozen_shared_or_not_of_a_layer_are_refused() -> None:
    frozen = tg.nn.MLP([4, 7, 3], weight_init="constant")
    frozen.layers[0].bias.requires_grad = False
    shared = tg.nn.MLP([4, 4, 4, 3], weight_init="constant")
    shared.layers[1].weight = shared.layers[0].weight
    more = tg.nn.MLP([4, 7, 3], weight_init="constant")
    more.scale = tg.Tensor(1.0, requires_grad=True)  # type: ignore[attr-defined]
    for model in (frozen, shared, more):
        for ask in (tg.symmetry.certify, tg.symmetry.escape):
            with pytest.raises(tg.DataError, match="each its own and requiring a gradient"):
                ask(model, X, Y)
    with pytest.raises(tg.DataError, match="share a parameter"):
        tg.symmetry.analyze(shared)


def test_a_loss_may_hold_tensors_of_the_names_that_layers_give() -> None:
    def with_penalty(output: Any, labels: Any) -> Any:
        other = tg.Tensor(np.ones((4, 7)), requires_grad=True, label="W1")
        return tg.losses.cross_entropy(output, labels) + (other**2).sum()

    model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    assert model.layers[0].weight.label == "W1"
    found = _certify(model, loss=with_penalty)
    assert found.holds
    assert found.digest == _certify(model).digest, "the penalty is on no weight of the model"


def test_a_layer_that_the_loss_does_not_see_is_named() -> None:
    with pytest.raises(tg.DataError, match="does not depend on the biases of layer 1"):
        _certify(tg.nn.MLP([4, 7, 3], lambda z: z.detach() * tg.Tensor(1.0), "constant"))


@pytest.mark.parametrize("loss", [
    lambda output, labels: 1.0, lambda output, labels: (output * output).sum(axis=-1),
])  # fmt: skip
def test_a_loss_that_is_no_number_is_refused(loss: Any) -> None:
    with pytest.raises(tg.DataError, match="a loss gives a Tensor with one entry"):
        _certify(loss=loss)


def test_who_may_repeat_it_is_said() -> None:
    everybody = "whoever repeats the run gets the same"
    own_loss = lambda output, labels: tg.losses.cross_entropy(output, labels) * 2
    seed = np.random.SeedSequence(3)
    ways: list[tuple[bool, dict[str, Any]]] = [
        (True, {}), (True, {"batch_size": 5}), (True, {"batch_size": 5, "rng": seed}),
        (False, {"batch_size": 5, "rng": None}), (False, {"loss": own_loss}),
    ]  # fmt: skip
    for is_repeatable, more in ways:
        found = _certify(**more)
        assert found.is_repeatable is is_repeatable
        assert (everybody in " ".join(str(found).split())) is is_repeatable


def test_what_the_run_started_from_is_in_the_document() -> None:
    found = _certify(batch_size=5, rng=77)
    sha = hashlib.sha256(X.astype("<f8").tobytes() + Y.astype("<i8").tobytes()).hexdigest()
    assert sha[:16] in found.setting["data"]
    assert found.setting["minibatches"] == "5 examples, seed 77"
    assert _certify(batch_size=100).setting["minibatches"] == "12 examples, seed 0"
    other = _certify(tg.nn.MLP([4, 7, 3], weight_init="ones"))
    assert other.setting["starting weights"] != found.setting["starting weights"]


def test_both_arithmetics_are_run() -> None:
    examples, labels = RNG.random((40, 31)), RNG.integers(0, 3, 40)
    model = tg.nn.MLP([31, 17, 3], rng=0)
    found = tg.symmetry.certify(model, examples, labels, steps=5)
    assert found.exact.digest != found.ordinary.digest
    digest, _ = _by_hand(model, [(examples, labels)] * 5, lambda p: tg.optim.SGD(p, 0.1))
    assert found.exact.digest == digest


def test_a_model_that_was_in_evaluation_is_certified_in_training() -> None:
    class Drop(tg.nn.Module):
        def __init__(self) -> None:
            self.inner = tg.nn.Dropout(0.5, rng=0)

        def forward(self, z: Any) -> Any:
            return self.inner(np.tanh(z))

    model = tg.nn.MLP([4, 7, 3], Drop(), "constant").eval()
    assert not _certify(model).holds
    assert not model.training, "the model itself is left in evaluation"


def test_losses_classes_and_counts_are_those_of_the_run() -> None:
    model = tg.nn.MLP([4, 9, 3], weight_init="constant")
    model.layers[0].bias.data = [0.0, 1, 2, 3, 4, 5, 6, 7, 7]
    found = _certify(model, steps=9)
    text = " ".join(str(found).split())
    assert f"from {found.exact.losses[0]:.6g} to {found.exact.losses[-1]:.6g}" in text
    assert found.exact.losses[0] != found.exact.losses[-1]
    assert "{7-8}; {0}; {1}; {2}; {3}; {4}; … 2 more" in text
    assert "8 of 9 at the start, as many at the end" in text
    assert found.derivation[0].neurons == (7, 8)


@pytest.mark.parametrize("part", ["terms", "total", "update"])
def test_one_unequal_bit_in_the_derivation_and_it_does_not_hold(part: str) -> None:
    found = _certify()
    (one,) = found.derivation
    if part == "update":
        first, second = one.update["weight after"]
        broken = dataclasses.replace(
            one, update={**one.update, "weight after": (first, np.nextafter(second, 1.0))}
        )
    else:
        left, right = one.equations[4].sides
        if part == "terms":
            terms = right.terms.copy()
            terms[3, 1] = np.nextafter(terms[3, 1], 1.0)
            right = dataclasses.replace(right, terms=terms)
        else:
            right = dataclasses.replace(right, total=float(np.nextafter(right.total, 1.0)))
        equation = dataclasses.replace(one.equations[4], sides=(left, right))
        broken = dataclasses.replace(
            one, equations=[*one.equations[:4], equation, *one.equations[5:]]
        )
    assert not broken.holds
    assert not dataclasses.replace(found, derivation=[broken]).holds


def test_a_difference_in_a_run_and_it_does_not_hold() -> None:
    found = _certify()
    broken = tg.symmetry.Break(1, "forward", "matmul", 1, (0, 1), "example 0", (1.0, 2.0))
    exact = dataclasses.replace(found.exact, first_break=broken)
    assert not dataclasses.replace(found, exact=exact).holds
    other = copy.deepcopy(found.exact.model)
    other.layers[0].bias.data = np.arange(7.0)
    exact = dataclasses.replace(found.exact, model=other)
    assert not dataclasses.replace(found, exact=exact).holds


# Its numbers.


def _by_hand(model: tg.nn.MLP, batches: Any, make: Any) -> tuple[str, tg.nn.MLP]:
    """The digest of a run that nobody watched."""
    model = copy.deepcopy(model)
    optimiser, sha = make(model.parameters()), hashlib.sha256()

    def note() -> None:
        for parameter in model.parameters():
            sha.update(parameter.data.astype("<f8").tobytes())

    note()
    with tg.reproducible():
        for examples, labels in batches:
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(examples), labels).backward()
            optimiser.step()
            note()
    return sha.hexdigest(), model


def test_the_digest_is_that_of_training_by_hand() -> None:
    model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    found = _certify(model, lr=0.3, momentum=0.5)
    make = lambda parameters: tg.optim.SGD(parameters, 0.3, 0.5)
    digest, trained = _by_hand(model, [(X, Y)] * 6, make)
    assert found.digest == digest
    for mine, other in zip(found.exact.model.parameters(), trained.parameters(), strict=True):
        assert mine.data.tobytes() == other.data.tobytes()


def test_minibatches_are_those_of_the_seed() -> None:
    model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    rng = np.random.default_rng(5)
    batches = [batch for _ in range(2) for batch in tg.data.batches(X, Y, 4, rng)]
    digest, _ = _by_hand(model, batches, lambda parameters: tg.optim.SGD(parameters, 0.1))
    assert _certify(model, batch_size=4, rng=5).digest == digest
    given = np.random.default_rng(5)
    assert _certify(model, batch_size=4, rng=given).digest == digest
    assert given.random() == np.random.default_rng(5).random(), "the caller's stream moved on"


_SCRIPT = """
import numpy as np
import tinygrad_init as tg
rng = np.random.default_rng(3)
X, y = rng.random((40, 11)), rng.integers(0, 3, 40)
for activation in ("tanh", "gelu"):
    model = tg.nn.MLP([11, 17, 17, 3], activation, ["constant", "latin_square", "constant"], rng=0)
    found = tg.symmetry.certify(model, X, y, optimizer=tg.optim.Adam, lr=0.01, batch_size=8)
    print(found.holds, found.digest)
"""


def test_everybody_gets_the_same_digest() -> None:
    """With other kernels for matrices and for elementary functions, on one thread or two."""
    ways = [
        {}, {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"},
        {"OPENBLAS_NUM_THREADS": "2", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX X86_V4"},
    ]  # fmt: skip
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "NPY_"))}
    root = str(Path(tg.__file__).parents[1])
    printed = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT], env={**kept, "PYTHONPATH": root, **way},
            capture_output=True, text=True, check=True,
        ).stdout
        for way in ways
    }  # fmt: skip
    assert len(printed) == 1
    assert printed.pop().count("True") == 2


def _exact_sum(equation: Equation, side: int) -> Fraction:
    return sum(
        (Fraction(a) * Fraction(b) for a, b in equation.sides[side].terms.tolist()), Fraction(0)
    )


def _ulps(equation: Equation, side: int) -> float:
    """How far a result is from the sum of its terms, in units of its last place."""
    total = equation.sides[side].total
    far = abs(Fraction(total) - _exact_sum(equation, side))
    return float(far / Fraction(float(np.spacing(abs(total)))))


@pytest.mark.parametrize("structure", ["constant", "latin"])
def test_every_result_is_the_sum_of_its_terms(structure: str) -> None:
    init: Any = "constant" if structure == "constant" else LATIN
    sizes = [4, 7, 3] if structure == "constant" else [4, 7, 7, 3]
    model = tg.nn.MLP(sizes, "tanh", init, bias_init=tg.init.constant(0.1), rng=0)
    for one in _certify(model, momentum=0.9).derivation:
        forward, activation, backward, through, *gradients = one.equations
        for side in (0, 1):
            # The product is rounded, then the sum with the bias.
            assert _ulps(forward, side) <= 1.5
            assert activation.sides[side].total == pytest.approx(
                np.tanh(float(_exact_sum(activation, side))), rel=1e-15
            )
            assert _ulps(backward, side) <= 0.5
            assert _ulps(through, side) <= 4, "the rule multiplies in another order"
            assert [_ulps(equation, side) <= 0.5 for equation in gradients] == [True] * 3


def test_the_results_are_those_of_the_engine_at_that_step() -> None:
    model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    (one,) = _certify(model, lr=0.5).derivation
    _, twin = _by_hand(model, [(X, Y)] * (one.step - 1), lambda p: tg.optim.SGD(p, 0.5))
    twin.zero_grad()
    with tg.reproducible():
        tg.losses.cross_entropy(twin(X), Y).backward()
        sums = (tg.Tensor(X) @ twin.layers[0].weight + twin.layers[0].bias).data
    i, j = one.neurons
    first, last = twin.layers
    found = [equation.sides[0].total for equation in one.equations]
    assert found[0] == sums[one.example, i] == sums[one.example, j]
    assert found[4] in first.weight.grad[:, i]
    assert abs(found[4]) == abs(first.weight.grad[:, i]).max()
    assert found[5] == first.bias.grad[i]
    assert found[6] in last.weight.grad[i]
    before, slope, after = (
        one.update[k] for k in ("weight before", "gradient", "weight after")
    )
    assert before[0] - 0.5 * slope[0] == after[0] == after[1]


def test_the_step_shown_is_the_first_with_a_gradient_that_is_more_than_rounding() -> None:
    # Under softmax cross-entropy constant weights send nothing back at first; under mse they do.
    assert _certify().derivation[0].step == 2
    model = tg.nn.MLP([4, 7, 1], weight_init="constant")
    found = tg.symmetry.certify(model, X, X[:, :1], loss="mse", steps=3)
    assert found.derivation[0].step == 1


def test_zeros_are_certified_with_zeros() -> None:
    found = _certify(tg.nn.MLP([4, 7, 3], weight_init="zeros"), steps=15)
    assert found.holds
    assert found.derivation[0].step == 10, "it waited, and then showed what there was"
    assert found.derivation[0].equations[4].sides[0].total == 0


def test_terms_in_another_order_are_said_to_be() -> None:
    found = _certify(tg.nn.MLP([4, 7, 7, 3], weight_init=LATIN, rng=0))
    into_first, into_second = (one.equations[0] for one in found.derivation)
    assert not into_first.is_reordered
    assert into_second.is_reordered
    assert into_second.has_equal_terms
    assert "the same terms in another order" in str(found)
    assert "the same terms in another order" not in str(_certify())


# Ordinary arithmetic.


def test_where_ordinary_arithmetic_parts_them_is_reported_or_that_it_did_not() -> None:
    examples, labels = RNG.random((64, 64)), RNG.integers(0, 3, 64)
    for width in range(15, 36):
        model = tg.nn.MLP([64, width, 3], weight_init="constant")
        found = tg.symmetry.certify(model, examples, labels, steps=2)
        assert found.holds
        broken = found.first_break
        if broken is None:
            assert "none found a difference" in str(found).split("In ordinary arithmetic")[1]
            continue
        # An independent look at the very numbers, where the break is in the first product.
        assert f"differ by {broken.difference:.1e}" in " ".join(str(found).split())
        if (broken.step, broken.phase, broken.operation) == (1, "forward", "matmul"):
            product = examples @ model.layers[0].weight.data
            row = int(broken.where.removeprefix("example "))
            assert tuple(product[row, list(broken.neurons)].tolist()) == broken.values
        assert 0 < broken.difference < 1e-12


def test_the_model_and_the_data_are_left_alone() -> None:
    model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    before, labels = model.state_dict(), [one.label for one in model.parameters()]
    _certify(model)
    assert all(np.array_equal(a, before[name]) for name, a in model.state_dict().items())
    assert [one.label for one in model.parameters()] == labels
    assert all(one.grad is None for one in model.parameters())
    with tg.reproducible():
        inside = _certify(model)
    assert (inside.digest, inside.ordinary.digest) == (
        _certify(model).digest, _certify(model).ordinary.digest)  # fmt: skip


def test_tensors_lists_and_arrays_are_taken_alike() -> None:
    model = tg.nn.MLP([4, 7, 3], weight_init="constant")
    ways = [(X, Y), (tg.Tensor(X), Y), (X.tolist(), Y.tolist())]
    digests = {tg.symmetry.certify(model, *way, steps=3).digest for way in ways}
    assert len(digests) == 1


def test_a_run_that_diverges_is_no_evidence_and_gives_no_warnings() -> None:
    found = _certify(tg.nn.MLP([4, 7, 3], "relu", "constant"), lr=1e200, steps=8)
    assert not found.holds, "nan equals nan by convention alone"
    assert found.exact.first_break is None
    assert found.exact.diverged is not None
    assert not np.isfinite(found.exact.losses[found.exact.diverged :]).any()
    assert np.isfinite(found.exact.losses[: found.exact.diverged]).all()
    assert f"diverged. After step {found.exact.diverged} " in found.verdict
    assert _certify().exact.diverged is None


def test_entries_that_meet_and_part_again_are_not_taken_for_twins() -> None:
    """With rate times decay 1 all weights of the second layer are equal after the first step.

    Their velocities are not, so they part again; the two that are shown must have started equal.
    """
    model = tg.nn.MLP([4, 2, 2, 2], weight_init=LATIN, rng=3)
    examples, labels = np.random.default_rng(0).normal(size=(6, 4)), [0, 1, 0, 1, 1, 1]
    settings: dict[str, Any] = {"lr": 1.0, "momentum": 0.9, "weight_decay": 1.0}
    for steps in range(1, 5):
        found = tg.symmetry.certify(model, examples, labels, steps=steps, **settings)
        assert found.holds
    start = model.layers[1].weight.data
    assert len(np.unique(start)) == 2
    _, met = _by_hand(model, [(examples, np.array(labels))], lambda p: tg.optim.SGD(p, **settings))
    assert len(np.unique(met.layers[1].weight.data)) == 1, "they met"


def test_the_two_zeros_are_equal_but_not_in_every_bit() -> None:
    model = tg.nn.MLP([4, 7, 3], weight_init="zeros")
    weight = model.layers[0].weight.data.copy()
    weight[:, 1] = -0.0
    model.layers[0].weight.data = weight
    found = _certify(model)
    assert found.holds
    (row,) = (line for line in str(found).splitlines() if line.startswith("weight before"))
    assert row.split() == ["weight", "before", "0.0", "-0.0", "equal"]


def test_zeros_are_said_to_be_stuck_and_others_are_not() -> None:
    stuck = str(_certify(tg.nn.MLP([4, 7, 3], weight_init="zeros")))
    assert "not only tied but stuck" in stuck
    assert "not only tied but stuck" not in str(_certify())


def test_the_document_says_what_follows() -> None:
    latin = " ".join(str(_certify(tg.nn.MLP([4, 7, 7, 3], weight_init=LATIN, rng=0))).split())
    assert "a network of sizes [4, 1, 1, 3] computes" in latin
    free = " ".join(str(_certify(tg.nn.MLP([4, 7, 3], rng=0))).split())
    assert "all different with probability 1" in free


def test_terms_in_another_order_are_shown_with_their_places() -> None:
    model = tg.nn.MLP([4, 7, 7, 3], weight_init=LATIN, rng=0)
    equation = _certify(model).derivation[1].equations[0]
    weight = model.layers[1].weight.data
    for side in equation.sides:
        column = np.append(weight[:, side.neuron], 1.0)
        if equation.sides[0].terms.shape == side.terms.shape:
            own = side.terms[side.order.argsort()][:, 1]
            # In step 2 the weights have moved by one number, so their order is that of the start.
            assert np.array_equal(own[:-1].argsort(), column[:-1].argsort())
    assert "[k=" in str(equation)
    assert "[k=" not in str(_certify().derivation[0].equations[0])


def test_an_optimiser_may_be_named() -> None:
    by_name = _certify(optimizer="adamw", lr=0.01)
    assert by_name.digest == _certify(optimizer=tg.optim.AdamW, lr=0.01).digest


def test_groups_of_parameters_are_told_apart() -> None:
    def make(parameters: list[tg.Tensor], lr: float) -> tg.optim.Optimiser:
        first = {"parameters": parameters[:2], "lr": lr}
        return tg.optim.SGD([first, {"parameters": parameters[2:], "lr": 0.5}])

    found = _certify(optimizer=make)
    assert found.holds
    assert "group 1 of 2 parameters: lr 0.1" in found.setting["optimiser"]
    assert "group 2 of 2 parameters: lr 0.5" in found.setting["optimiser"]


def test_a_loss_or_activation_of_ones_own_is_left_to_the_evidence() -> None:
    found = _certify(
        tg.nn.MLP([4, 7, 3], lambda z: z * z, "constant"),
        loss=lambda output, labels: tg.losses.cross_entropy(output, labels) * 2,
    )
    assert found.holds
    assert [one.is_met for one in found.assumptions] == [True] * 4 + [None, None, True]


# Printing.


def test_it_prints_itself_in_short_and_in_full() -> None:
    found = _certify()
    assert repr(found) == (
        f"Certificate(holds=True, effective_widths=[1], steps=6, digest='{found.digest[:12]}')"
    )
    text = str(found)
    assert text.startswith("Certificate of symmetry\n=====")
    assert text.rstrip().endswith(found.digest)
    assert "{0-6}" in text
    assert f"{found.exact.compared:,} comparisons in 6 steps found no difference" in " ".join(
        text.split())  # fmt: skip


def test_the_same_certificate_is_the_same_text() -> None:
    one, other = (
        _certify(tg.nn.MLP([4, 7, 3], lambda z: np.tanh(z) * 1.0, "constant")) for _ in range(2)
    )
    assert str(one) == str(other), "a function has an address, which must not be shown"


# What is refused.


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"steps": 0}, tg.DataError, "steps=0"),
        ({"loss": "huber"}, tg.DataError, r"'huber'.*mse, cross_entropy"),
        ({"lr": -1.0}, tg.DataError, "lr"),
        ({"batch_size": 0}, tg.DataError, "batch_size=0"),
        ({"optimizer": lambda parameters, lr: "none"}, tg.DataError, "makes a str"),
        ({"model": [(np.zeros((2, 2)), np.zeros(2))]}, tg.DataError, "takes an MLP, got list"),
        ({"model": tg.nn.MLP([4, 5, 3], members=2)}, tg.DataError, "ensemble"),
        ({"rng": "seed"}, tg.DataError, "seed"),
        ({"steps": 2.5}, tg.DataError, "steps=2.5"),
        ({"batch_size": "64"}, tg.DataError, "batch_size='64'"),
        ({"lr": "0.1"}, tg.DataError, "lr"),
        ({"epochs": 3}, tg.DataError, r"no setting 'epochs': it has lr, momentum"),
        ({"optimizer": "adma"}, tg.DataError, r"'adma': choose from sgd, adam"),
        ({"optimizer": tg.optim.SGD([tg.Tensor(1.0, requires_grad=True)])}, tg.DataError,
         r"give tg\.optim\.SGD"),
    ],
)
def test_mistakes_are_answered(change: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _certify(**change)


def test_pairs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(tg.ShapeError, match="12 examples in X and 11 labels in y"):
        tg.symmetry.certify(tg.nn.MLP([4, 7, 3]), X, Y[:-1])


@pytest.mark.parametrize(
    ("examples", "error", "message"),
    [
        (None, tg.DataError, "X is an array of real numbers, got NoneType"),
        ("four", tg.DataError, "X is an array of real numbers, got str"),
        ([[1.0, 2.0], [3.0]], tg.DataError, "several lengths"),
        (np.zeros((0, 4)), tg.ShapeError, r"\(0, 4\)"),
        (X[0], tg.ShapeError, r"shape \(4,\)"),
        (np.where(np.arange(48).reshape(12, 4) == 13, np.nan, X), tg.DataError, r"\[3, 1\] is nan"),
    ],
)
def test_examples_that_are_none_are_refused(
    examples: Any, error: type[Exception], message: str
) -> None:
    for ask in (tg.symmetry.certify, tg.symmetry.escape):
        with pytest.raises(error, match=message):
            ask(tg.nn.MLP([4, 7, 3], weight_init="constant"), examples, Y)


def test_the_types_are_public() -> None:
    assert isinstance(_certify().derivation[0], Derivation)
