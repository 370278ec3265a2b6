"""The reference numbers of the mathematics, reproduced: ``python -m benchmarks.reference``.

Somebody else trained the same networks by hand in NumPy, without this project. Each table prints
our numbers, and theirs in brackets. They agree in kind and roughly in size; the orders of the
minibatches and the perturbations were others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

import tinygrad_init as tg
from benchmarks.machine import describe_machine
from tinygrad_init.study import Arm, Study
from tinygrad_init.study.runs import one_blas_thread

# What constant weights reach, by how they are told apart.

EPOCHS = (20, 40, 100, 200)
CONSTANT = tg.init.constant(0.05)
ARMS = {
    "constant, exact": Arm(CONSTANT, reproducible=True),
    "constant, BLAS": Arm(CONSTANT),
    **{
        f"constant + {size}": Arm(tg.init.perturbed(CONSTANT, float(size)))
        for size in ("1e-12", "1e-8", "1e-4", "0.1")
    },
}
THEIR_ACCURACIES = {
    "constant, exact": ("0.36", "0.39"),
    "constant, BLAS": ("0.36", "0.65", "0.70", "0.72"),
    "constant + 1e-12": ("0.86", "0.995", "1.0"),
    "constant + 1e-8": ("0.978", "0.996", "1.0"),
    "constant + 1e-4": ("0.993", "0.998"),
    "constant + 0.1": ("0.997", "0.999"),
}


def all_digits() -> tg.data.Dataset:
    """All 1,797, standardised, to be trained on and classified."""
    digits = tg.data.load("digits")
    X = np.concatenate([digits.X_train, digits.X_test])
    y = np.concatenate([digits.y_train, digits.y_test])
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return replace(digits, X_train=X, y_train=y, X_test=X, y_test=y)


def constant_starts(epochs: int = EPOCHS[-1]) -> Study:
    """64-33-10 with tanh, from constant weights told apart in several ways."""
    return tg.study.run(ARMS, all_digits(), [64, 33, 10], epochs=epochs)


def report_constant_starts() -> None:
    """Print accuracies, the distance between copies and how many kinds of neuron there are."""
    study = constant_starts()
    print(
        "digits, 64-33-10, tanh, softmax cross-entropy, all weights 0.05, SGD 0.02 with momentum "
        "0.9, batch 64:\naccuracy on the training data; distance and different neurons at the end\n"
    )
    print(f"{'epoch':18}" + "".join(f"{epoch:<16}" for epoch in EPOCHS) + "distance   different")
    for name, record in study.records.items():
        theirs = [f"({number})" for number in THEIR_ACCURACIES[name]]
        ours = [f"{record.accuracies[epoch]:.3f}" for epoch in EPOCHS]
        cells = [f"{mine} {other}" for mine, other in zip(ours, [*theirs, "", ""][:4], strict=True)]
        end = f"{record.distances[-1]:<11.2g}{record.widths[-1][0]}"
        print(f"{name:18}" + "".join(f"{cell:<16}" for cell in cells) + end)
    print()


# Which gradients are not zero when all weights are.


def gradient_norms(
    sizes: Sequence[int], activation: str, steps: int, weight_init: Any = "zeros",
    lr: float = 0.2, momentum: float = 0.9,
) -> list[dict[str, float]]:  # fmt: skip
    """For each step of training on digits, the length of the gradient of every parameter."""
    digits = tg.data.load("digits")
    model = tg.nn.MLP(sizes, activation, weight_init, rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    found = []
    for X, y in islice(tg.data.batches(digits.X_train, digits.y_train, 64, rng=0), steps):
        optimiser.zero_grad()
        tg.losses.cross_entropy(model(X), y).backward()
        found.append({p.label: float(np.linalg.norm(p.grad)) for p in model.parameters()})
        optimiser.step()
    return found


THEIR_GRADIENTS = {
    "tanh": ("b2", "b2", "b2"),
    "relu": ("b2", "b2", "b2"),
    "sigmoid": ("W2 b2", "W1 b1 W2 b2", "W1 b1 W2 b2"),
}
THEIR_WAVE = ("2e-01", "7e-04", "7e-08", "7e-15")
DEEP = (64, 16, 16, 16, 10)


def report_zeros() -> None:
    """Print which gradients are not zero, and how small they are when they first are not."""
    print("all weights and biases zero, digits, 64-16-10, SGD 0.2 with momentum 0.9, batch 64:\n"
          "parameters whose gradient is not exactly zero\n")  # fmt: skip
    print(f"{'step':10}{0:<28}{1:<28}2")
    for activation, theirs in THEIR_GRADIENTS.items():
        steps = gradient_norms([64, 16, 10], activation, steps=3)
        ours = [" ".join(name for name, norm in step.items() if norm) for step in steps]
        cells = [f"{mine} ({other})" for mine, other in zip(ours, theirs, strict=True)]
        print(f"{activation:10}" + "".join(f"{cell:28}" for cell in cells).rstrip())
    waves = zip(gradient_norms(DEEP, "sigmoid", steps=len(DEEP) - 1), THEIR_WAVE, strict=True)
    print(f"\nsigmoid, {'-'.join(map(str, DEEP))}: the norms of the gradients of weights that are "
          f"not zero\n")  # fmt: skip
    for step, (norms, newest) in enumerate(waves):
        shown = [f"{name} {norm:.0e}" for name, norm in norms.items() if norm and "W" in name]
        print(f"step {step}    {shown[0]} ({newest})   {'   '.join(shown[1:])}".rstrip())
    print()


# Random numbers that are tied.

TIED = ["constant", "latin_square", "constant"]
ADAM: dict[str, Callable[[Any], Any]] = {
    "AdamW, decay 0.01": partial(tg.optim.AdamW, lr=0.01, weight_decay=0.01),
    "Adam, decay 1e-4": partial(tg.optim.Adam, lr=0.01, weight_decay=1e-4),
}


def train(
    weight_init: Any, optimiser_of: Callable[[Any], Any], epochs: int = 20, is_exact: bool = True
) -> tuple[tg.nn.MLP, float]:
    """A network 64-17-17-10 with tanh, trained on digits, and its held-out accuracy."""
    digits = tg.data.load("digits")
    model = tg.nn.MLP([64, 17, 17, 10], "tanh", weight_init, rng=0)
    optimiser = optimiser_of(model.parameters())
    order = np.random.default_rng(1)
    with tg.reproducible() if is_exact else contextlib.nullcontext():
        for _ in range(epochs):
            for X, y in tg.data.batches(digits.X_train, digits.y_train, 64, order):
                optimiser.zero_grad()
                tg.losses.cross_entropy(model(X), y).backward()
                optimiser.step()
        with tg.no_grad():
            predicted = model(digits.X_test).argmax(axis=-1).data
    return model, float((predicted == digits.y_test).mean())


def report_latin_square() -> None:
    """Print accuracy, effective widths and the number of different entries in the middle."""
    print(
        "digits, 64-17-17-10, tanh, Adam at rate 0.01 with weight decay, 20 epochs: a Latin square "
        "of random\nnumbers between constant layers\n"
    )
    print(f"{'':44}{'held-out accuracy':20}{'effective widths':20}different of 289 entries")
    for name, is_exact, theirs in (
        ("Latin square, exact", True, ("(25%)", "(1, 1)", "(17)")),
        ("Latin square, BLAS", False, ("", "", "")),
        ("Glorot, exact", True, ("(98%)", "", "")),
    ):
        for adam, optimiser_of in ADAM.items():
            weight_init = TIED if "Latin" in name else "glorot_uniform"
            model, accuracy = train(weight_init, optimiser_of, is_exact=is_exact)
            widths = ", ".join(map(str, tg.symmetry.analyze(model).effective_widths))
            entries = len(np.unique(model.layers[1].weight.data))
            cells = [f"{accuracy:.1%} {theirs[0]}", f"{widths} {theirs[1]}"]
            line = "".join(f"{cell:20}" for cell in cells) + f"{entries} {theirs[2]}"
            print(f"{name:22}{adam:22}{line}".rstrip())
    print()


# How fast copies part.

THEIR_ESCAPES = {
    ("tanh", 0.2): ("1.425", "-0.4867", "0.0929", "0.0922"),
    ("relu", 0.1): ("1.634", "-0.4581", "0.0448", "0.0444"),
}


def report_escapes() -> None:
    """Print the plateau, its curvature, and the growth of a difference of 1e-9."""
    digits = all_digits()
    print("digits, 64-16-10, weights 0.05, full-batch gradient descent, 2,000 steps to the plateau,"
          "\nthen a difference of 1e-9\n")  # fmt: skip
    heads = ("loss", "eigenvalue", "predicted growth", "measured growth")
    print(f"{'':12}" + "".join(f"{head:22}" for head in heads).rstrip())
    for (activation, lr), theirs in THEIR_ESCAPES.items():
        model = tg.nn.MLP([64, 16, 10], activation, CONSTANT)
        found = tg.symmetry.escape(model, digits.X_train, digits.y_train, lr=lr)
        ours = (found.loss, found.eigenvalue, found.predicted, found.measured)
        cells = [f"{mine:.4f} ({other})" for mine, other in zip(ours, theirs, strict=True)]
        print(f"{f'{activation}, {lr}':12}" + "".join(f"{cell:22}" for cell in cells).rstrip())


def main() -> None:
    """Print all tables."""
    print(describe_machine(), "\n")
    with one_blas_thread():
        report_constant_starts()
        report_zeros()
        report_latin_square()
        report_escapes()


if __name__ == "__main__":
    main()
