"""Lesson 7: can you show it mathematically? A proof with the numbers of a given network.

certify() finds the neurons that are tied, writes out the chain rule for two of them side by side,
with the numbers of this network on these data, and trains a copy to see whether it is true, bit by
bit. escape() asks what happens when something does tell them apart: how fast does it grow?
"""

import numpy as np

import tinygrad_init as tg

digits = tg.data.load("digits")
X, y = digits.X_train, digits.y_train

# 1. Constant weights.

model = tg.nn.MLP([64, 33, 10], activation="tanh", weight_init="constant")
found = tg.symmetry.certify(model, X, y, lr=0.02, momentum=0.9, batch_size=64, steps=50)
print(f"constant weights: {found!r}\n")
assert found.holds

# One equation of the derivation.
(derivation,) = found.derivation  # one for each hidden layer
print(derivation.equations[4])

print(f"\nin exact sums    {found.exact.compared:,} comparisons, first difference: "
      f"{found.exact.first_break}")  # fmt: skip
print(f"in ordinary sums {found.ordinary.compared:,} comparisons, first difference: "
      f"{found.first_break}")  # fmt: skip

for name in ("certificate.html", "certificate.md", "certificate.tex"):
    found.render(name)
print("\nThe whole document: certificate.html, .md and .tex (for pdflatex)")

# 2. Networks that get no such certificate. It is computed, so it can fail.

drop = tg.nn.Dropout(0.5, rng=0)
for name, other in {
    "Glorot's random weights": tg.nn.MLP([64, 33, 10], rng=0),
    "constant, with dropout": tg.nn.MLP([64, 33, 10], lambda z: drop(np.tanh(z)), "constant"),
}.items():
    refused = tg.symmetry.certify(other, X, y, lr=0.02, batch_size=64, steps=2)
    print(f"\n{name}: {refused.verdict}")
    assert not refused.holds

# 3. What if something does tell the copies apart?
#
# Train the tied network to where it gets stuck. There, the curvature of the loss says by which
# factor a difference between copies grows in every step. Then make a difference and watch.

escape = tg.symmetry.escape(tg.nn.MLP([64, 16, 10], weight_init="constant"), X, y, lr=0.2)
print(f"\n{escape}")
for step in range(0, len(escape.curve), 40):
    print(f"  step {step:3}   {escape.curve[step]:.1e} apart")
assert escape.measured is not None
assert abs(escape.measured / escape.predicted - 1) < 0.03
