"""Lesson 6: random is not enough, and not needed. What counts is that neurons differ.

"Random weights help because they are random." Two experiments against this sentence: weights that
are random and stuck, and weights without any chance in them that train.

The stuck ones are a Latin square: each of its rows holds the same random numbers, and each of its
columns, too, in orders that look arbitrary. Between two layers of equal weights, every neuron
receives these numbers from neurons that all say the same, so the order cannot matter: all neurons
are one neuron. See tinygrad_init/symmetry/analysis.py for why training keeps it so.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np

import tinygrad_init as tg

EPOCHS = 15
digits = tg.data.load("digits")
latin_square = tg.init.latin_square()

# 1. A Latin square, small enough to look at.

print("a Latin square of 5 random numbers, one letter for each")
square = latin_square((5, 5), rng=4)
letters = np.array(list("ABCDE"))[np.unique(square, return_inverse=True)[1].reshape(5, 5)]
for row, numbers in zip(letters, square, strict=True):
    print("  " + " ".join(row) + "   " + " ".join(f"{number:6.2f}" for number in numbers))

# 2. A network 64-17-17-10 with one in the middle.


def shuffled(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """The same numbers, equally often, each anywhere."""
    return rng.permuted(latin_square(shape, rng))


def in_order(shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    """Glorot's random numbers, but sorted within each neuron: no ups and downs are left."""
    return np.sort(tg.init.glorot_uniform()(shape, rng), axis=0)


def train(weight_init: Any, is_exact: bool = True) -> tuple[tg.nn.MLP, list[float]]:
    """The network after some epochs of AdamW, and its held-out accuracy after each."""
    model = tg.nn.MLP([64, 17, 17, 10], activation="tanh", weight_init=weight_init, rng=0)
    optimiser = tg.optim.AdamW(model.parameters(), lr=0.01)  # with its decay of 0.01
    order = np.random.default_rng(1)  # the same minibatches for everybody
    accuracies: list[float] = []
    with tg.reproducible() if is_exact else nullcontext():
        for _ in range(EPOCHS):
            for X, y in tg.data.batches(digits.X_train, digits.y_train, 64, order):
                loss = tg.losses.cross_entropy(model(X), y)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            with tg.no_grad():
                predicted = model(digits.X_test).argmax(axis=-1).data
            accuracies.append((predicted == digits.y_test).mean())
    return model, accuracies


arms = {
    "random, tied": ("Latin square between constants", ["constant", latin_square, "constant"]),
    "random, untied": ("the same numbers, shuffled", ["constant", shuffled, "constant"]),
    "random, sorted": ("Glorot, sorted in each neuron", in_order),
    "random": ("Glorot", "glorot_uniform"),
    "no chance, signs": ("Hadamard", "hadamard"),
    "no chance, waves": ("sinusoidal", "sinusoidal"),
}

print(f"\n{'':51}{'accuracy after':>16}    different   numbers")
print(f"{'64-17-17-10, in reproducible arithmetic':51}{'5':>8}{EPOCHS:>8}     neurons     in W2")


def report(name: str, start: str, model: tg.nn.MLP, accuracies: list[float]) -> tuple[Any, int]:
    """Print a line, and return the effective widths and how many numbers the middle layer has."""
    widths = tg.symmetry.analyze(model).effective_widths
    count = len(np.unique(model.layers[1].weight.data))
    shown = f"{accuracies[4]:>8.1%}{accuracies[-1]:>8.1%}"
    print(f"{name:18} {start:32}{shown}   {f'{widths[0]}, {widths[1]}':>9}{count:>10}")
    return widths, count


for name, (start, weight_init) in arms.items():
    model, accuracies = train(weight_init)
    widths, count = report(name, start, model, accuracies)
    if name == "random, tied":
        # Not "hardly any", but none: 17 numbers went in, each has moved, and 17 came out.
        assert widths == [1, 1]
        assert count == 17
    else:
        assert widths == [17, 17]

print("\nthe first again, in ordinary arithmetic")
model, accuracies = train(arms["random, tied"][1], is_exact=False)
widths, _ = report("random, tied", "Latin square between constants", model, accuracies)

print(
    f"\nThe Latin square is as random as the same numbers shuffled, and it stays one neuron per "
    f"layer: {EPOCHS}\nepochs of AdamW have split none of them. Signs and waves are computed, not "
    f"drawn, and train like\nGlorot's numbers. So it takes neither chance nor ups and downs: it "
    f"takes neurons that differ."
)
if widths != [1, 1]:
    print("In ordinary arithmetic they came to differ: rounding broke the tie, as in lesson 5.")
