"""Lesson 2: constant weights keep a layer one neuron wide, on real handwritten digits.

What the command `tinygrad-init` does, by hand and on the public API: the same network, data and
order of minibatches, once for each way to start.
"""

from typing import Any

import numpy as np

import tinygrad_init as tg

EPOCHS = 20
digits = tg.data.load("digits")
print(digits)


def train(weight_init: Any, epochs: int = EPOCHS) -> tuple[tg.nn.MLP, list[float]]:
    """Train a 64-33-10 network; return it with its held-out accuracy after each epoch."""
    model = tg.nn.MLP([64, 33, 10], activation="tanh", weight_init=weight_init, rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    order = np.random.default_rng(1)  # the same minibatches for everybody
    accuracies: list[float] = []
    for _ in range(epochs):
        for X, y in tg.data.batches(digits.X_train, digits.y_train, 64, order):
            loss = tg.losses.cross_entropy(model(X), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with tg.no_grad():
            predicted = model(digits.X_test).argmax(axis=-1).data
        accuracies.append((predicted == digits.y_test).mean())
    return model, accuracies


# 1. The gradients of constant weights, neuron by neuron, after one epoch.
with tg.reproducible():
    model, _ = train("constant", epochs=1)
    table = tg.symmetry.gradients(model, digits.X_train, digits.y_train)
print(f"\nIn arithmetic that does not depend on order:\n{table}")
assert table.identical, "equal neurons must receive equal gradients"

model, _ = train("constant", epochs=1)
table = tg.symmetry.gradients(model, digits.X_train, digits.y_train)
print(f"\nIn ordinary arithmetic:\n{table}")

# 2. What that means for learning.
arms = {
    "zeros": tg.init.zeros(),
    "ones": tg.init.ones(),
    "constant": tg.init.constant(0.05),
    "constant + 1e-8": tg.init.perturbed(tg.init.constant(0.05), 1e-8),
    "glorot": tg.init.glorot_uniform(),
}
print(f"\n{'start':<18}{'accuracy after 1':>18}{'10':>8}{EPOCHS:>8}   different neurons")
for name, start in arms.items():
    model, accuracies = train(start)
    (width,) = tg.symmetry.analyze(model).effective_widths
    cells = f"{accuracies[0]:>18.1%}{accuracies[9]:>8.1%}{accuracies[-1]:>8.1%}"
    print(f"{name:<18}{cells}   {width:>2} of 33")

print(
    "\nZeros never leave zero. Constant weights move, but as one neuron, or as the two that"
    "\nrounding makes of them; a trace of asymmetry grows until all part; random ones start apart."
)
