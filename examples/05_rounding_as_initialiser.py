"""Lesson 5: rounding as a random initialiser, and how long a small difference has to wait.

Constant weights make 33 copies of one neuron. In exact sums they stay copies for ever. In ordinary
arithmetic they may come apart without anybody's help: the last bits of equal columns differ. How
does that compare with differences that are put in on purpose, of 1e-12, 1e-8 and 1e-4?
"""

import math

import numpy as np

import tinygrad_init as tg
from tinygrad_init.study import Arm, Record

EPOCHS = 60
TARGET = 0.9  # held-out accuracy
APART = 0.1  # a difference that is no longer small beside the weights

constant = tg.init.constant(0.05)
arms = {
    "constant, exact sums": Arm(constant, reproducible=True),
    "constant, rounded": Arm(constant),
    "constant + 1e-12": Arm(tg.init.perturbed(constant, 1e-12)),
    "constant + 1e-8": Arm(tg.init.perturbed(constant, 1e-8)),
    "constant + 1e-4": Arm(tg.init.perturbed(constant, 1e-4)),
    "glorot": Arm(tg.init.glorot_uniform()),
}

# 64-33-10, tanh, softmax cross-entropy, SGD at rate 0.02 with momentum 0.9, minibatches of 64: the
# defaults. Every arm sees the same minibatches in the same order.
study = tg.study.run(arms, "digits", epochs=EPOCHS, target=TARGET)
exact, rounded, tiny, small, larger, _ = study.records.values()

# 1. What happens.

shown = [1, 10, 20, 30, EPOCHS]
print(f"{'':22}{'held-out accuracy after epoch':^40}{'distance between neurons after':^40}")
print(f"{'':22}" + 2 * "".join(f"{epoch:>8}" for epoch in shown) + "   different neurons")
for name, record in study.records.items():
    accuracies = "".join(f"{record.accuracies[epoch]:>8.1%}" for epoch in shown)
    distances = "".join(f"{record.distances[epoch]:>8.0e}" for epoch in shown)
    print(f"{name:22}{accuracies}{distances}   {record.widths[0][0]:>2} -> {record.widths[-1][0]}")

assert set(exact.distances) == {0.0}, "in exact sums, copies stay copies to the last bit"
print(f"\nIn exact sums the distance is exactly 0 after each of {EPOCHS} epochs: one neuron.")

# 2. Why it takes a while, and how long.
#
# While the copies are nearly equal, the network moves as if they were equal, and a step changes
# their difference in proportion to it: difference -> (a matrix) times difference, and the matrix
# is the same for every small difference. So in one epoch, all arms grow by the same factor. As far
# as that factor is the same in all epochs, the logarithm of the distance climbs a straight line:
#
#     distance = size * exp(rate * epochs),    so the wait is log(1 / size) / rate, and a bit.
#
# A difference that starts 10,000 times smaller comes log(10,000) / rate epochs later.

print("\nBy how much the distance grows in one epoch, as a factor")
watched = {"+ 1e-12": tiny, "+ 1e-8": small, "+ 1e-4": larger}
print("epoch  " + "".join(f"{name:>10}" for name in watched))
for epoch in range(2, 15, 2):
    factors = [record.distances[epoch] / record.distances[epoch - 1] for record in watched.values()]
    print(f"{epoch:>5}  " + "".join(f"{factor:>10.2f}" for factor in factors))


def growth_rate(record: Record) -> float:
    """The slope of the logarithm of the distance over the epochs, while the distance is small."""
    distances = np.array(record.distances)
    epochs = np.flatnonzero((distances > 0) & (distances < APART / 10))
    epochs = epochs[epochs > 0]  # momentum needs an epoch to get going
    slope, _ = np.polyfit(epochs, np.log(distances[epochs]), 1)
    return float(slope)


def wait(record: Record) -> int:
    """The first epoch after which the neurons are apart."""
    return next(epoch for epoch, distance in enumerate(record.distances) if distance > APART)


rate = growth_rate(tiny)
print(
    f"\nFrom 1e-12 it climbs at a rate of {rate:.2f} per epoch (a factor of {math.exp(rate):.1f})."
    f"\nSo being 10,000 times smaller costs log(10,000) / {rate:.2f} = {math.log(1e4) / rate:.1f} "
    f"epochs. Counted from 1e-12:\n"
)
print(f"{'':10}{f'epochs until {APART} apart':^26}{f'epochs until {TARGET:.0%} accuracy':^30}")
print(f"{'size':10}{'predicted':>12}{'seen':>10}{'predicted':>16}{'seen':>10}")
accurate = tiny.epochs_to(TARGET)
assert accurate is not None, "a difference of 1e-12 is enough"
for size, record in ((1e-12, tiny), (1e-8, small), (1e-4, larger)):
    sooner = math.log(size / 1e-12) / rate
    apart = f"{wait(tiny) - sooner:>12.1f}{wait(record):>10}"
    print(f"{size:<10.0e}{apart}{accurate - sooner:>16.1f}{study.waited(record):>10}")

# 3. Rounding is one more small difference. How large? Read it off from the wait.

if max(rounded.distances) > APART:
    size = 1e-12 * math.exp(-rate * (wait(rounded) - wait(tiny)))
    print(
        f"\nNobody put a difference into the rounded arm, and after {wait(rounded)} epochs its "
        f"neurons are apart, too.\nIts wait is that of noise of {size:.0e}; the last bit of 0.05 "
        f"is worth {np.spacing(0.05):.0e}.\nColumns that are added up alike stay equal, though: "
        f"{rounded.widths[-1][0]} different neurons of 33 came out of it.\n"
        f"Epochs until {TARGET:.0%} accuracy: {study.waited(rounded)}."
    )
else:
    print(
        "\nOn this machine the matrix product treats all 33 columns alike, or nearly so: rounding "
        "has not told\nthe copies apart. At other widths it may: python -m benchmarks.splits."
    )

print(f"\nThe curves: {study.plot('rounding_as_initialiser.svg')}")
