"""The benchmarks: what they compare computes the same. Nothing here is timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from benchmarks import handwritten
from benchmarks.handwritten import CASES, LR, STEPS, Case

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
