"""Lesson 9: a step recorded once. What is left of a framework when nothing is left to decide.

A training step builds a graph, walks it back, and throws it away; the next step does all of it
again, with other numbers. `tg.capture` lets that happen once and keeps the list of what was
computed. Read that list: it is backpropagation as one writes it by hand.
"""

import time
from collections.abc import Callable

import numpy as np

import tinygrad_init as tg
from tinygrad_init.nn import scalar

# 1. The list. m1, m2 ... are pieces of memory: what has the same name overwrites what was there.

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])  # exclusive or
model = tg.nn.MLP([2, 3, 1], activation="tanh", rng=0)
step = tg.capture(lambda x, y: tg.losses.mse(model(x), y), model.parameters())
step(X, y)
print(f"one step of {model}, forward and backward:\n\n{step.plan}\n")
print(f"drawn: {tg.graph.plan_graph(step.plan).render('plan.svg')}\n")

# 2. The same numbers. In reproducible arithmetic not a bit differs from the step with a graph, even
# with a learning rate that falls and neurons that are dropped at random.


def train(is_captured: bool, steps: int = 50) -> tuple[float, tg.nn.MLP]:
    """The last loss, and the network."""
    model = tg.nn.MLP([2, 8, 1], activation="tanh", rng=0)
    dropout = tg.nn.Dropout(0.25, rng=1)
    optimiser = tg.optim.Adam(model.parameters(), lr=0.1)

    def loss_of(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        hidden, last = model.layers
        return tg.losses.mse(last(dropout(hidden(x).tanh())), y)

    captured = tg.capture(loss_of, model.parameters())
    for k in range(steps):
        optimiser.lr = 0.1 * 0.97**k
        if is_captured:
            loss = captured(X, y)  # sets .grad
        else:
            optimiser.zero_grad()
            result = loss_of(tg.Tensor(X), tg.Tensor(y))
            result.backward()
            loss = float(result)
        optimiser.step()
    return loss, model


with tg.reproducible():
    (loss, eager), (again, replayed) = train(False), train(True)
pairs = zip(eager.parameters(), replayed.parameters(), strict=True)
same = all(np.array_equal(a.data, b.data) for a, b in pairs)
print(f"50 steps of Adam with dropout: loss {loss:.6f} and {again:.6f}; same weights: {same}\n")

# 3. What a list cannot know. Python's `if` happens once, while recording; so it may not depend on
# numbers that will be others the next time.


def stops_early(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
    """A loss that asks a question about its numbers."""
    loss = tg.losses.mse(model(x), y)
    return loss if loss < 0.1 else 2 * loss


try:
    tg.capture(stops_early, model.parameters())(X, y)
except tg.GraphError as error:
    print(f"an `if` about a number: {error}\n")

# 4. Single numbers. Here a graph has a node for each addition; recorded, all that can be computed
# at once is, level by level.

net = scalar.MLP(2, [16, 16, 1], rng=0)
points = np.random.default_rng(0).uniform(-1, 1, (100, 2))
signs = np.where(points[:, 0] * points[:, 1] > 0, 1.0, -1.0)


def hinge(points: list[list[tg.Value]], signs: list[tg.Value]) -> tg.Value:
    """The mean of max(0, 1 - sign * score)."""
    margins = [
        (1 - sign * net(point)).relu() for point, sign in zip(points, signs, strict=True)
    ]
    return sum(margins) * (1 / len(margins))


fast = tg.capture(hinge, net.parameters())
fast(points, signs)
print(f"100 points through 16 and 16 neurons of single numbers:\n\n{fast.plan}\n")

# 5. What it is worth, on this machine and now. `python -m benchmarks` measures it with care.


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Milliseconds of one call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def with_a_graph() -> None:
    """A node for each number."""
    hinge([[*map(tg.Value, point)] for point in points], [*map(tg.Value, signs)]).backward()


slow_ms, fast_ms = median_ms(with_a_graph, 3), median_ms(lambda: fast(points, signs), 30)
print(f"with a graph of single numbers {slow_ms:.0f} ms, recorded {fast_ms:.1f} ms")
