"""The benchmarks: what they compare computes the same. Nothing here is timed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from benchmarks import __main__ as command
from benchmarks import compare, handwritten, pairs, results, scaling, sections, worker
from benchmarks.bars import BARS
from benchmarks.handwritten import CASES, LR, STEPS, Case
from benchmarks.pairs import Spread, Times
from benchmarks.results import Curve, Measurement, Note, Run

STEPS_TAKEN = 3


def _small(name: str) -> Case:
    """The case itself; but T4 with fewer neurons and a smaller ensemble, which take long."""
    if name == "T4":
        return Case((96, 80, 72, 64), "relu", batch=32)
    if name == "ensemble":
        return Case((64, 32, 10), "tanh", batch=64, loss="cross_entropy", members=5)
    return CASES[name]


def _trained_by_hand(name: str) -> tuple[list[Any], list[Any]]:
    case = _small(name)
    parameters, minibatch = case.parameters(np.float64), case.minibatch(np.float64)
    losses = [STEPS[name](parameters, *minibatch, LR) for _ in range(STEPS_TAKEN)]
    return losses, parameters


def _assert_same(name: str, losses: Sequence[Any], parameters: Sequence[Any]) -> None:
    expected_losses, expected = _trained_by_hand(name)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-12)
    moved = zip(parameters, expected, _small(name).parameters(np.float64), strict=True)
    for found, wanted, start in moved:
        assert np.abs(wanted - start).max() > 1e-6
        np.testing.assert_allclose(found - start, wanted - start, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_steps_by_hand_train_as_the_engine_does(name: str) -> None:
    case = _small(name)
    model = tg.nn.MLP(case.sizes, case.activation, members=case.members)
    for parameter, start in zip(model.parameters(), case.parameters(np.float64), strict=True):
        parameter.data = start
    optimiser = tg.optim.SGD(model.parameters(), lr=LR)
    x, target = case.minibatch(np.float64)
    losses = []
    for _ in range(STEPS_TAKEN):
        loss = tg.losses.get(case.loss)(model(x), target)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        losses.append(loss.data)
    _assert_same(name, losses, [parameter.data for parameter in model.parameters()])


@pytest.mark.torch
@pytest.mark.parametrize("name", CASES)
def test_steps_by_hand_train_as_pytorch_does(name: str) -> None:
    import torch

    case = _small(name)
    parameters = [torch.tensor(p, requires_grad=True) for p in case.parameters(np.float64)]
    x, target = map(torch.tensor, case.minibatch(np.float64))
    activate = getattr(torch, case.activation)
    losses = []
    for _ in range(STEPS_TAKEN):
        h = x
        for k in range(0, len(parameters), 2):
            bias = parameters[k + 1] if case.members is None else parameters[k + 1].unsqueeze(1)
            h = h @ parameters[k] + bias
            h = activate(h) if k + 2 < len(parameters) else h
        if case.loss == "mse":
            loss = torch.nn.functional.mse_loss(h, target)
        else:
            loss = torch.stack([torch.nn.functional.cross_entropy(each, target) for each in h])
        gradients = torch.autograd.grad(loss.sum(), parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= LR * gradient
        losses.append(loss.detach().numpy())
    _assert_same(name, losses, [parameter.detach().numpy() for parameter in parameters])


@pytest.mark.parametrize("name", CASES)
def test_steps_by_hand_stay_in_single_precision(name: str) -> None:
    case = _small(name)
    parameters, (x, target) = case.parameters(), case.minibatch()
    loss = handwritten.STEPS[name](parameters, x, target, LR)
    assert {loss.dtype, x.dtype, *(p.dtype for p in parameters)} == {np.dtype(np.float32)}


# How times are compared, with clocks that we wind.


def test_a_contestant_gives_the_time_of_one_call() -> None:
    now = 0.0

    def work() -> None:
        nonlocal now
        now += 2.5

    assert pairs.timed(work, clock=lambda: now)(4) == 2.5
    assert now == 10.0


def _at_speed(seconds: float, log: list[tuple[float, int]] | None = None) -> pairs.Contestant:
    def run(calls: int) -> float:
        if log is not None:
            log.append((seconds, calls))
        return seconds

    return run


def test_each_round_runs_every_contestant_and_blocks_are_equally_long() -> None:
    log: list[tuple[float, int]] = []
    contestants = {"fast": _at_speed(0.001, log), "slow": _at_speed(0.5, log)}
    times = pairs.take_turns(contestants, rounds=4, block=0.01, warm_up=0.0)
    assert [len(seconds) for seconds in times.seconds.values()] == [4, 4]
    warming, rounds = log[: 2 * pairs.FEWEST], log[2 * pairs.FEWEST :]
    assert {calls for _, calls in warming} == {1}
    assert sorted(rounds) == 4 * [(0.001, 10)] + 4 * [(0.5, 1)]
    # Both begin equally often, and follow each other equally often.
    assert [seconds for seconds, _ in rounds[::2]] == [0.001, 0.5, 0.5, 0.001]


def test_the_warm_up_lasts_as_long_as_asked() -> None:
    log: list[tuple[float, int]] = []
    pairs.take_turns({"a": _at_speed(0.1, log)}, rounds=0, warm_up=1.0)
    assert len(log) in (10, 11)


def test_ratios_are_taken_within_rounds_so_that_a_slow_machine_does_not_show() -> None:
    slowness = itertools.cycle([1.0, 1.0, 7.0, 7.0, 3.0, 3.0])
    contestants = {name: (lambda _, s=s: s * next(slowness)) for name, s in (("a", 2), ("b", 1))}
    times = pairs.take_turns(contestants, rounds=60, warm_up=0.0)
    assert times.ratio("a", "b") == (2.0, 2.0, 2.0)
    assert times.quartiles("a").high > times.quartiles("a").low


def test_joined_measurements_keep_their_pairs() -> None:
    both = pairs.joined([Times({"a": [1.0], "b": [2.0]}), Times({"a": [6.0], "b": [3.0]})])
    assert both.seconds == {"a": [1.0, 6.0], "b": [2.0, 3.0]}


# Contestants.


def test_a_process_of_its_own_takes_the_steps_that_it_is_told_to() -> None:
    step = handwritten.by_hand("T1")
    expected = [[float(step())] for _ in range(worker.CHECKED)]
    with worker.Worker("by hand", "T1") as contestant:
        assert contestant.losses == pytest.approx(np.asarray(expected), rel=1e-5)
        assert contestant.version.startswith("numpy ")
        assert contestant(5) > 0


def test_a_contestant_that_cannot_take_part_says_why() -> None:
    with pytest.raises(worker.AbsentError, match="no such case"):
        worker.Worker("by hand", "no such case")


def test_a_contestant_that_computes_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contestants, absent = sections._in_this_process("T1", "wall")
    assert {"by hand", "by hand, again", "eager"} <= contestants.keys()
    assert not {"by hand", "by hand, again", "eager"} & absent.keys()
    make = worker.make

    def wrong(name: str, case: str) -> Any:
        step = make(name, case)
        return (lambda: 1.01 * step()) if name == "eager" else step

    monkeypatch.setattr(worker, "make", wrong)
    with pytest.raises(ArithmeticError, match="eager computes something else"):
        sections._in_this_process("T1", "processor")


def test_what_a_version_cannot_do_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    make = worker.make

    def older(name: str, case: str) -> Any:
        if name == "captured":
            raise AttributeError("no attribute 'capture'")
        return make(name, case)

    monkeypatch.setattr(worker, "make", older)
    _, absent = sections._in_this_process("T1", "processor")
    assert absent == {"captured": "AttributeError: no attribute 'capture'"}


def test_every_bar_is_one_of_a_comparison_that_is_made() -> None:
    ours = {*sections.OURS, "Value, eager", "Value, captured"}
    for case, name, reference in BARS:
        if case == "start":
            assert name in {"import tinygrad_init", "tinygrad-init --help"}
        elif name == "bytes per node":
            assert reference == "micrograd"
        else:
            assert name in ours
            assert reference in {"by hand", "micrograd", *sections.PEERS.get(case, ())}


# Results.


def _measurement(ratio: float, **changes: Any) -> Measurement:
    spread = Spread(ratio - 0.01, ratio, ratio + 0.01)
    made = Measurement("steps", "T1", "eager", "by hand", 3e-5, 2e-5, spread, 60, 1)
    return replace(made, **changes)


def test_a_bar_is_reached_by_the_median_and_holds_for_one_thread() -> None:
    assert BARS["T1", "eager", "by hand"] == 1.6
    assert _measurement(1.6).verdict == "reached"
    assert _measurement(1.601).verdict == "not reached"
    assert _measurement(9.0, threads=2).verdict == ""
    assert _measurement(9.0, reference="HIPS autograd").verdict == ""


def _run() -> Run:
    curve = Curve("scaling", "Value, forward", (1000, 10000), (0.002, 0.025), "s", 1.097)
    note = Note("peers", "T1, JAX jit", "No module named 'jax'")
    records = (_measurement(1.5), _measurement(1.4, threads=2), curve, note)
    return Run("abc123+", "2026-11-24", "A processor", records)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    _run().write(path)
    assert Run.read(path) == _run()
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(ValueError, match="measure anew"):
        Run.read(path)


def test_tables_are_renewed_between_their_markers_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text("# By hand\n<!-- speed: begin -->old<!-- speed: end -->\nalso by hand\n")
    command.write_tables(_run(), path)
    command.write_tables(_run(), path)
    text = path.read_text()
    assert text.startswith("# By hand\n<!-- speed: begin -->\n")
    assert text.endswith("<!-- speed: end -->\nalso by hand\n")
    assert "old" not in text
    assert text.count("abc123+") == 1
    assert "1.50 [1.49, 1.51] | 1.6 | reached" in text
    assert "2 BLAS threads, time of the wall, 60 rounds:" in text
    assert "2.00 us" in text  # for each of 1,000 nodes
    assert "No module named 'jax'" in text
    with pytest.raises(ValueError, match="no place for speed"):
        results.replace_between("no markers", "speed", "new")


def test_the_results_in_the_repository_are_those_of_the_tables() -> None:
    shown = results.MARKDOWN.read_text(encoding="utf-8")
    assert results.replace_between(
        shown, "speed", f"\n{command.describe(Run.read(results.JSON))}\n"
    ) == shown


def test_an_exponent_is_that_of_the_growth() -> None:
    sizes = (1_000, 10_000, 100_000)
    assert scaling.exponent(sizes, [3 * n**1.25 for n in sizes]) == pytest.approx(1.25)


def test_a_commit_is_slower_when_three_quarters_of_the_pairs_say_so() -> None:
    ratios = {"slower": Spread(1.06, 1.1, 1.2), "unclear": Spread(1.04, 1.1, 1.2)}
    assert compare.became_slower(ratios, tolerance=0.05) == ["slower"]
