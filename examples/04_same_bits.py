"""Lesson 4: the same bits. Three numbers in two orders, then a matrix, then a whole training run.

Floating-point addition rounds, so it depends on the order of its terms. Most of the time nobody
notices. Here it decides the answer: neurons that start equal stay equal only as long as their
gradients are the same to the last bit.
"""

import hashlib

import numpy as np

import tinygrad_init as tg


def bits(number: float) -> str:
    """A number with all the digits that tell it from its neighbours."""
    return float(number).hex()


# Three numbers, added from the left and from the right.

a, b, c = 0.1, 0.2, 0.3
print("three numbers in two orders")
print(f"  (0.1 + 0.2) + 0.3 = {(a + b) + c!r:20} {bits((a + b) + c)}")
print(f"  0.1 + (0.2 + 0.3) = {a + (b + c)!r:20} {bits(a + (b + c))}")

terms = tg.Tensor([1e16, 1.0, -1e16])
print(f"  1e16 + 1 - 1e16   = {float(terms.sum())} by rounding each time, ", end="")
with tg.reproducible():
    print(f"{float(terms.sum())} by rounding once")

with tg.reproducible():
    sums = {bits(tg.Tensor(order).sum()) for order in ([a, b, c], [c, b, a], [b, c, a])}
print(f"  rounded once, all orders of 0.1, 0.2 and 0.3 give {', '.join(sums)}")

# How it is done: cut numbers into slices that are small integers times a power of two, so that
# every product of slices is exact; add those, and round at the very end. See
# tinygrad_init/autograd/exact/products.py for a worked example.

# A matrix: 17 equal columns go in. Do 17 equal columns come out?

rng = np.random.default_rng(0)
X = rng.random((64, 64))
rows = rng.random((65, 64))
W = np.repeat(rng.random((64, 1)), 17, axis=1)


def report(product: tg.Tensor) -> str:
    """How many different columns there are, and how far they are apart."""
    columns = np.unique(product.data, axis=1).shape[1]
    gap = np.ptp(product.data, axis=1).max()
    return f"{columns} different column(s) among 17, at most {gap:.1e} apart"


print("\na matrix: 65 rows @ W, where all columns of W are equal (some kernels keep them so)")
print(f"  ordinary      {report(tg.Tensor(rows) @ W)}")
with tg.reproducible():
    print(f"  reproducible  {report(tg.Tensor(rows) @ W)}")

# A training run: constant weights, 300 steps. In ordinary arithmetic the last bits of the gradients
# differ, which breaks the tie; in reproducible arithmetic the layer stays one neuron wide.

labels = (X[:, :8].sum(axis=1) > X[:, 8:16].sum(axis=1)).astype(int)


def train(weights: str) -> tg.nn.MLP:
    """A network 64-17-2 after 300 steps of gradient descent with momentum."""
    model = tg.nn.MLP([64, 17, 2], weight_init=weights, rng=0)
    optimiser = tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(300):
        optimiser.zero_grad()
        tg.losses.cross_entropy(model(X), labels).backward()
        optimiser.step()
    return model


def digest(model: tg.nn.MLP) -> str:
    """A fingerprint of all parameters: one changed bit changes it all."""
    everything = b"".join(p.data.astype("<f8").tobytes() for p in model.parameters())
    return hashlib.sha256(everything).hexdigest()[:16]


# What every machine should print, whatever its processor, its BLAS and its number of threads.
EXPECTED = {"constant": "93996b410046e798", "glorot_normal": "1e58cb8212729993"}

print("\na training run: 300 steps of 64-17-2")
for weights, expected in EXPECTED.items():
    ordinary = train(weights)
    with tg.reproducible():
        model = train(weights)
    for name, trained in (("ordinary", ordinary), ("reproducible", model)):
        width = tg.symmetry.analyze(trained).effective_widths[0]
        print(f"  {weights:14} {name:13} {digest(trained)}   different neurons: {width} of 17")
    verdict = "the same" if digest(model) == expected else "ANOTHER ONE"
    print(f"  {'':14} in this file  {expected}   {verdict}")
    assert digest(model) == expected, "please report your processor and your version of NumPy"
print("the ordinary digests may be others on your machine; the reproducible ones may not")
