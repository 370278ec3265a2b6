"""Lesson 8: see the computation. One training step in every form that a class may want.

A graph is data: every value, every gradient and every derivative of a computation. Here it is
printed, drawn as a picture, opened as a page that steps through it, exported, and folded where it
is too large to read; and coloured, so that equal neurons show as one colour.
"""

import shutil

import numpy as np

import tinygrad_init as tg
from tinygrad_init.nn import scalar

# 1. A step of a small network, with its parts as boxes.

X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
y = [0, 1, 1, 0]  # exclusive or
model = tg.nn.MLP([2, 3, 2], activation="tanh", rng=0)
loss = tg.losses.cross_entropy(model(X), y)
loss.label = "loss"
graph = tg.trace(loss, model)  # nobody called backward(), and nobody's .grad changes
print(f"a step of {model} is a {graph!r}:\n\n{graph}\n")

print("the same with its modules closed:\n")
print(f"{graph.fold('modules')}\n")

files = [
    graph.render("step.svg"),  # follows a light or a dark page
    graph.render("step_modules.svg", detail="modules"),
    graph.render("step.html"),  # opens offline; press the right arrow to step through
    graph.render("step.dot"),
    graph.render("step.json"),
]
if shutil.which("dot"):  # only an installed Graphviz draws these
    files += [graph.render("step.png"), graph.render("step.pdf")]
print(f"written: {', '.join(map(str, files))}\n")

# 2. The chain rule behind one of its numbers, for two neurons side by side.

told = tg.explain(loss, wrt=model.layers[0].weight, compare=(0, 1))
print(f"{told}\n")
print(f"written: {told.render('step_chain_rule.html')}, {told.render('step_chain_rule.md')}\n")

# 3. A network of single numbers is a graph of single numbers, and a large one. What is repeated
# folds, with a count and the range of the numbers.

net = scalar.MLP(2, [16, 16, 1], rng=0)
points = np.random.default_rng(0).uniform(-1, 1, (100, 2)).tolist()
margins = [(1 - (1 if a * b > 0 else -1) * net([a, b])).relu() for a, b in points]
penalty = 0.0001 * sum(weight * weight for weight in net.parameters())
large = tg.trace(sum(margins) * (1 / len(margins)) + penalty, net)
print(f"100 points through 16 and 16 neurons, as in micrograd's demonstration:\n\n{large}\n")
print(f"written: {large.render('hundred_points.svg')}\n")

# 4. Neurons that are the same neuron have the same colour.

for name, weight in {"constant": 0.5, "random": None}.items():
    net = scalar.MLP(2, [4, 1], rng=0, weight=weight)
    ties = tg.symmetry.analyze(net)
    coloured = ties.colour(tg.trace(net([1.0, 0.5]), net))
    path = coloured.render(f"neurons_{name}.svg", detail="operations")
    print(f"{name} weights: {ties.effective_widths[0]} of 4 neurons are different, see {path}")
