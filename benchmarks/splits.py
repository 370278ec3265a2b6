"""At which widths rounding alone tells equal neurons apart: ``python -m benchmarks.splits``.

All weights of a network 64-w-10 start at 0.05, so its hidden neurons are copies, and in exact
arithmetic they stay copies. Here the network takes five steps of training, for every width w from 1
to 70, in NumPy (this engine in ordinary arithmetic), in PyTorch (where it is installed) and in
reproducible arithmetic. What is noted is the first step after which two neurons differ in a bit of
their incoming weights, bias or outgoing weights.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import tinygrad_init as tg
from benchmarks.machine import describe_machine
from tinygrad_init.study.runs import arithmetic, one_blas_thread

Array = NDArray[Any]
Weights = list[Array]  #: W1, b1, W2, b2
Minibatches = list[tuple[Array, Array]]
Engine = Callable[[Weights, Minibatches], Iterator[Weights]]  #: the weights after each step

WIDTHS = range(1, 71)
DTYPES = ("float64", "float32")
STEPS, BATCH, LR, MOMENTUM = 5, 64, 0.02, 0.9


def equal_weights(width: int, dtype: str) -> Weights:
    """64-width-10 with all weights 0.05 and biases 0."""
    shapes = [(64, width), (width,), (width, 10), (10,)]
    return [np.full(shape, 0.05 if len(shape) == 2 else 0.0, dtype) for shape in shapes]


def minibatches(dtype: str) -> Minibatches:
    """The first few of the digits."""
    digits = tg.data.load("digits")
    passes = tg.data.batches(digits.X_train, digits.y_train, BATCH, rng=0)
    return [(X.astype(dtype), y) for X, y in islice(passes, STEPS)]


def in_numpy(start: Weights, batches: Minibatches, is_exact: bool = False) -> Iterator[Weights]:
    """Trained by this engine, on NumPy's kernels or exactly."""
    sizes = [64, start[1].size, 10]
    model = tg.nn.MLP(sizes, "tanh", "zeros", dtype=start[0].dtype)
    for parameter, weights in zip(model.parameters(), start, strict=True):
        parameter.data = weights
    optimiser = tg.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    for X, y in batches:
        with arithmetic(is_exact):
            optimiser.zero_grad()
            tg.losses.cross_entropy(model(X), y).backward()
            optimiser.step()
        yield [parameter.data.copy() for parameter in model.parameters()]


def exactly(start: Weights, batches: Minibatches) -> Iterator[Weights]:
    """Trained by this engine in reproducible arithmetic."""
    return in_numpy(start, batches, is_exact=True)


def in_pytorch(start: Weights, batches: Minibatches) -> Iterator[Weights]:
    """Trained by PyTorch: its products, its tanh, its cross-entropy, its SGD."""
    torch = importlib.import_module("torch")
    parameters = [torch.tensor(weights, requires_grad=True) for weights in start]
    W1, b1, W2, b2 = parameters
    optimiser = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM)
    for X, y in batches:
        logits = torch.tanh(torch.from_numpy(X) @ W1 + b1) @ W2 + b2
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)).backward()
        optimiser.step()
        yield [parameter.detach().numpy().copy() for parameter in parameters]


def engines() -> dict[str, Engine]:
    """Those that are installed."""
    found: dict[str, Engine] = {"NumPy": in_numpy}
    if importlib.util.find_spec("torch"):
        found["PyTorch"] = in_pytorch
    found["tinygrad_init, reproducible"] = exactly
    return found


def first_split(engine: Engine, start: Weights, batches: Minibatches) -> int | None:
    """The first step, counted from 0, after which two neurons differ in a bit."""
    for step, (W1, b1, W2, _) in enumerate(engine(start, batches)):
        neurons = np.vstack([W1, b1, W2.T])  # one in each column
        bits = neurons.view(f"i{neurons.itemsize}")
        if (bits != bits[:, :1]).any():
            return step
    return None


def splits(engine: Engine, dtype: str, widths: Sequence[int] = WIDTHS) -> dict[int, int]:
    """The widths at which neurons come apart, and the first step of each."""
    batches = minibatches(dtype)
    found = {
        width: first_split(engine, equal_weights(width, dtype), batches)
        for width in tqdm(widths, leave=False, disable=None)
    }
    return {width: step for width, step in found.items() if step is not None}


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers, with neighbours drawn together: ``1, 3-5``."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups)


def table(widths: Sequence[int] = WIDTHS) -> Iterator[str]:
    """Two lines for every engine and dtype: how many widths split at which step, and which."""
    steps = range(STEPS)
    yield f"{'':39}{'widths that split,':>18}   at step"
    yield f"{'':39}{f'of {len(widths)}':>18}" + "".join(f"{step:>5}" for step in steps)
    for name, engine in engines().items():
        for dtype in DTYPES:
            found = splits(engine, dtype, widths)
            counts = Counter(found.values())
            row = "".join(f"{counts[step]:>5}" for step in steps)
            yield f"{name:29}{dtype:10}{len(found):>18}{row}"
            if found:
                yield f"    {ranges(list(found))}"


def main() -> None:
    """Print the table."""
    print(describe_machine())
    if importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
        print(f"PyTorch {torch.__version__}, threads: {torch.get_num_threads()}")
    print()
    with one_blas_thread():
        for line in table():
            print(line, flush=True)


if __name__ == "__main__":
    main()
