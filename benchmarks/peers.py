"""The same training steps in other frameworks, written as their users write them.

They start from the weights of :mod:`benchmarks.handwritten`, train on its minibatches and give the
loss, by which the harness sees that they compute the same. The extra ``peers`` installs them. This
module imports nothing of this project but that data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import moons
from benchmarks.handwritten import CASES, LR, Case

Step = Callable[[], Any]


# PyTorch.


def _torch_networks(case: Case) -> Iterator[tuple[Any, Any]]:
    """The modules of a case, and their optimisers: one, or one for each member."""
    import torch
    from torch import nn

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    activations = {"tanh": nn.Tanh, "relu": nn.ReLU}
    for member in range(case.members or 1):
        start = [p if case.members is None else p[member] for p in case.parameters()]
        layers: list[Any] = []
        for weight, bias in zip(start[::2], start[1::2], strict=True):
            layer = nn.Linear(*weight.shape)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.T)))
                layer.bias.copy_(torch.from_numpy(bias))
            layers += [layer, activations[case.activation]()]
        model = nn.Sequential(*layers[:-1])
        yield model, torch.optim.SGD(model.parameters(), lr=LR)


def pytorch(name: str, compiled: bool = False) -> Step:
    """Eager PyTorch; an ensemble is a loop over its networks."""
    import torch

    case = CASES[name]
    loss_of = getattr(torch.nn.functional, {"mse": "mse_loss"}.get(case.loss, case.loss))
    networks = list(_torch_networks(case))
    if compiled:
        networks = [(torch.compile(model), optimiser) for model, optimiser in networks]
    x, target = map(torch.from_numpy, case.minibatch())

    def step() -> Any:
        losses = []
        for model, optimiser in networks:
            loss = loss_of(model(x), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        return losses if case.members else losses[0]

    return step


def pytorch_compiled(name: str) -> Step:
    """The model compiled by ``torch.compile``."""
    return pytorch(name, compiled=True)


# JAX: one step is one compiled function.


def jax_jit(name: str) -> Step:
    """Loss, gradient and update under ``jit``; an ensemble with ``vmap`` inside."""
    import jax
    import jax.numpy as jnp

    case = CASES[name]
    activate = {"tanh": jnp.tanh, "relu": jax.nn.relu}[case.activation]

    def loss_of(parameters: Any, x: Any, target: Any) -> Any:
        *hidden, (weight, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for W, b in hidden:
            x = activate(x @ W + b)
        outputs = x @ weight + bias
        if case.loss == "mse":
            return jnp.mean((outputs - target) ** 2)
        return -jnp.mean(jax.nn.log_softmax(outputs)[jnp.arange(len(target)), target])

    def update(parameters: Any, x: Any, target: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, target)
        return loss, [p - LR * g for p, g in zip(parameters, gradients, strict=True)]

    each = update if case.members is None else jax.vmap(update, in_axes=(0, None, None))
    train = jax.jit(each, donate_argnums=0)
    parameters = [jnp.asarray(p) for p in case.parameters()]
    x, target = map(jnp.asarray, case.minibatch())

    def step() -> Any:
        nonlocal parameters
        loss, parameters = train(parameters, x, target)
        jax.block_until_ready(parameters)
        return loss

    return step


# Engines on NumPy.


def mygrad(name: str) -> Step:
    """MyGrad, with its own layers' arithmetic and its update in place."""
    import mygrad as mg
    import mygrad.nnet

    case = CASES[name]
    activate = {"tanh": mg.tanh, "relu": mygrad.nnet.relu}[case.activation]
    parameters = [mg.tensor(p) for p in case.parameters()]
    x, target = case.minibatch()

    def step() -> Any:
        h = x
        for k in range(0, len(parameters), 2):
            h = mg.matmul(h, parameters[k]) + parameters[k + 1]
            h = activate(h) if k + 2 < len(parameters) else h
        loss = mg.mean((h - target) ** 2)
        loss.backward()
        for parameter in parameters:
            parameter.data -= LR * parameter.grad
        return loss.item()

    return step


def hips_autograd(name: str) -> Step:
    """HIPS autograd."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    case = CASES[name]
    activate = anp.tanh if case.activation == "tanh" else lambda z: anp.maximum(z, 0)
    parameters = case.parameters()
    x, target = case.minibatch()

    def loss_of(parameters: Any) -> Any:
        h = x
        for k in range(0, len(parameters), 2):
            h = h @ parameters[k] + parameters[k + 1]
            h = activate(h) if k + 2 < len(parameters) else h
        return anp.mean((h - target) ** 2)

    gradient_of = value_and_grad(loss_of)

    def step() -> Any:
        loss, gradients = gradient_of(parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= LR * gradient
        return loss

    return step


# micrograd.


def micrograd(_name: str) -> Step:
    """Its own demo."""
    from micrograd.engine import Value
    from micrograd.nn import MLP

    return moons.eager(Value, MLP)


def micrograd_bytes() -> float:
    """Bytes for each node of the demo's graph."""
    from micrograd.engine import Value
    from micrograd.nn import MLP

    return moons.bytes_per_node(Value, MLP, lambda root: _count(root, lambda node: node._prev))


def _count(root: Any, arguments: Callable[[Any], Any]) -> int:
    """How many nodes a graph has."""
    seen, waiting = {root}, [root]
    while waiting:
        new = [argument for argument in arguments(waiting.pop()) if argument not in seen]
        seen.update(new)
        waiting += new
    return len(seen)
