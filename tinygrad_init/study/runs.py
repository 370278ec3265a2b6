"""Training networks that differ in their starting weights, and one in its arithmetic."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import DataError, modes, no_grad
from ..nn import MLP, init, losses, optim
from ..symmetry import analyze
from .arms import Arm
from .data import Dataset, batches, load
from .extras import require

LR, MOMENTUM, BATCH_SIZE = 0.02, 0.9, 64
WIDTH = 33  #: no multiple of what a BLAS kernel takes at once, so that its rounding shows
TIMES = (1, 5, 10, 20, 40)  #: epochs that tables show

Progress = Callable[[str, "Record"], None]  #: called with the arm's name after every epoch


@dataclass
class Record:
    """What happened in one arm, epoch by epoch; entry 0 is the start.

    Attributes:
        losses: mean training loss.
        accuracies: share of held-out examples that are classified correctly.
        distances: the largest difference of a weight between two neurons of the first hidden
            layer, incoming, bias and outgoing.
        widths: the number of different neurons in each hidden layer.
    """

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    widths: list[list[int]] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return len(self.losses) - 1

    def epochs_to(self, target: float) -> int | None:
        """The first epoch with that held-out accuracy, or ``None`` if it was not reached."""
        reached = (epoch for epoch, found in enumerate(self.accuracies) if found >= target)
        return next(reached, None)


@dataclass(frozen=True, eq=False)
class Study:
    """The records of all arms, with the settings that they share."""

    records: dict[str, Record]
    arms: dict[str, Arm]
    data: Dataset
    settings: dict[str, Any]

    def table(self, at: Sequence[int] = TIMES) -> str:
        """Loss, accuracy, epochs to the target and effective width of every arm, as text."""
        epochs = self.shown_epochs(at)
        name = max(map(len, self.records)) + 1
        columns = "".join(f"{epoch:>8}" for epoch in epochs)
        lines = [f"{'':<{name}}training loss after so many epochs", f"{'':<{name}}{columns}"]
        for arm, record in self.records.items():
            lines.append(f"{arm:<{name}}" + "".join(f"{record.losses[e]:>8.4f}" for e in epochs))
        target = f"to {self.settings['target']:.0%}"
        lines += [
            "",
            f"{'':<{name}}held-out accuracy; epochs until the target; different hidden neurons",
            f"{'':<{name}}{columns}  {target:>11}  start -> end",
        ]
        for arm, record in self.records.items():
            cells = "".join(f"{record.accuracies[e]:>8.1%}" for e in epochs)
            waited = self.waited(record)
            lines.append(f"{arm:<{name}}{cells}  {waited:>11}  {width_text(record)}")
        return "\n".join(lines)

    def plot(self, path: str | Path) -> Path:
        """Draw accuracy and distance between neurons over the epochs, one line for each arm.

        Args:
            path: where to, ending in ``.svg`` or ``.png``.

        Raises:
            DataError: for another suffix, or if Matplotlib is missing.
        """
        from .plots import write_plot  # which imports this module

        return write_plot(path, self)

    def shown_epochs(self, at: Sequence[int] = TIMES) -> list[int]:
        """Those of the epochs that were trained, and the last one."""
        last: int = self.settings["epochs"]
        return sorted({epoch for epoch in at if epoch < last} | {last})

    def waited(self, record: Record) -> str:
        """How many epochs a record took to the target, in words if it never came."""
        reached = record.epochs_to(self.settings["target"])
        return "not reached" if reached is None else str(reached)

    def __str__(self) -> str:
        return self.table()


def run(
    arms: Mapping[str, Arm | init.Initialiser | str],
    data: Dataset | str = "digits",
    sizes: Sequence[int] | None = None,
    activation: str = "tanh",
    lr: float = LR,
    momentum: float = MOMENTUM,
    epochs: int = 40,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    target: float = 0.9,
    progress: Progress | None = None,
) -> Study:
    """Train one network for each arm: same data, same order of minibatches, same optimiser.

    Args:
        arms: by name, an :class:`Arm`, an initialiser, or the name of one.
        data: a data set, or the name of one.
        sizes: inputs, hidden neurons of each layer, outputs; one hidden layer of 33 unless said.
        activation: as an MLP takes it.
        lr: the learning rate of SGD on the softmax cross-entropy.
        momentum: of SGD.
        epochs: how many passes over the training data.
        batch_size: examples in a minibatch.
        seed: of the split, the draws and the order of minibatches.
        target: the held-out accuracy to wait for.
        progress: called after every epoch.

    Raises:
        DataError: for settings that make no sense, with what was wrong.

    >>> import tinygrad_init as tg
    >>> arms = {"stuck": "zeros", "free": "glorot_uniform"}
    >>> study = tg.study.run(arms, "iris", sizes=[4, 6, 3], epochs=5)
    >>> study.records["stuck"].widths[-1], study.records["free"].widths[-1]
    ([1], [6])
    """
    if not arms:
        raise DataError("there is nothing to train: give at least one arm")
    if not 0 < target <= 1:
        raise DataError(f"the target is an accuracy above 0 and up to 1, got {target}")
    if epochs < 1:
        raise DataError(f"training takes one epoch or more, got epochs={epochs}")
    dataset = load(data, seed) if isinstance(data, str) else data
    ends = (dataset.features, dataset.classes)
    sizes = list(sizes) if sizes is not None else [ends[0], WIDTH, ends[1]]
    if len(sizes) < 3 or (sizes[0], sizes[-1]) != ends:
        raise DataError(
            f"{dataset.name} needs sizes=[{ends[0]}, one or more hidden widths, {ends[1]}], "
            f"got {sizes}"
        )
    chosen = {
        name: arm if isinstance(arm, Arm) else Arm(init.get(arm)) for name, arm in arms.items()
    }
    settings = {
        "sizes": sizes,
        "activation": activation,
        "lr": lr,
        "momentum": momentum,
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "target": target,
    }
    records = {}
    # An arm that diverges shows it in its numbers; NumPy need not warn between the lines.
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        for name, arm in chosen.items():
            for record in _epochs(arm, dataset, settings):
                if progress is not None and record.epochs:
                    progress(name, record)
            records[name] = record
    return Study(records, chosen, dataset, settings)


def _epochs(arm: Arm, data: Dataset, settings: Mapping[str, Any]) -> Iterator[Record]:
    """Train one arm; the record is yielded after each epoch, and it is always the same one."""
    seed, batch_size = settings["seed"], settings["batch_size"]
    # The draws and the order of minibatches have streams of their own, so that every arm sees the
    # same batches whatever its initialiser drew.
    for_weights, for_batches = init.spawn(seed, 2)
    model = MLP(settings["sizes"], settings["activation"], arm.weights, rng=for_weights)
    optimiser = optim.SGD(model.parameters(), settings["lr"], settings["momentum"])
    rng = init.generator(for_batches)
    record = Record()
    for epoch in range(settings["epochs"] + 1):
        with arithmetic(arm.reproducible):
            if epoch > 0:
                train_one_epoch(model, optimiser, data, batch_size, rng)
            _measure(model, data, record)
        yield record


def train_one_epoch(
    model: MLP, optimiser: optim.SGD, data: Dataset, batch_size: int, rng: np.random.Generator
) -> None:
    """One pass over the training data, minibatch by minibatch."""
    for X, y in batches(data.X_train, data.y_train, batch_size, rng):
        train_step(model, optimiser, X, y)


def train_step(model: MLP, optimiser: optim.SGD, X: NDArray[Any], y: NDArray[Any]) -> None:
    """The whole of training: feed forward, compare, run backwards, update."""
    loss = losses.cross_entropy(model(X), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _measure(model: MLP, data: Dataset, record: Record) -> None:
    with no_grad():
        record.losses.append(float(losses.cross_entropy(model(data.X_train), data.y_train)))
        predicted = model(data.X_test).data.argmax(axis=-1)
    record.accuracies.append(float((predicted == data.y_test).mean()))
    record.distances.append(distance_between_neurons(model))
    record.widths.append(analyze(model).effective_widths)


def distance_between_neurons(model: MLP, layer: int = 0) -> float:
    """The largest difference of a weight between two neurons of a hidden layer.

    Incoming weights, bias and outgoing weights count; 0 means that all neurons are copies.
    """
    into, out = model.layers[layer], model.layers[layer + 1]
    neurons: NDArray[Any] = np.concatenate(
        [into.weight.data, into.bias.data[np.newaxis], out.weight.data.T]
    )
    return float(np.ptp(neurons, axis=1).max())


def arithmetic(is_reproducible: bool) -> modes.Mode:
    """The arithmetic of an arm, as a block, whatever is in force around it."""
    return modes.in_arithmetic(modes.EXACT if is_reproducible else modes.PLAIN)


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Small matrix products are several times faster on one thread than on two."""
    require("threadpoolctl")
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def width_text(record: Record) -> str:
    """``33 -> 2``, layer by layer."""
    pairs = zip(record.widths[0], record.widths[-1], strict=True)
    return ", ".join(f"{start} -> {end}" for start, end in pairs)
