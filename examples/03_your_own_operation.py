"""Lesson 3: an operation of your own, in three lines: forward, derivative, formula.

The engine knows nothing about tanh but one row of a table. Here is another row, the "bump"
e**(-x*x), and what comes with it for free: broadcasting, scalars, second derivatives, drawings.
"""

import numpy as np

import tinygrad_init as tg
from tinygrad_init import F

# The three lines. g is the gradient that arrives, y the result, x the argument. Written in
# + - * / and rows of F (not np.exp), the rule can be differentiated once more.
bump = tg.operation(
    "bump",
    lambda x: np.exp(-x * x),
    lambda g, y, x: g * (-2 * x * y),
    formula=r"e^{-x^2}",
)

# Believe nothing: the checker compares both derivatives with finite differences.
tg.check_grad(bump, np.linspace(-2, 2, 7), order=2)
print("the rule is right, to the second order")

wrong = tg.operation("wrong", lambda x: np.exp(-x * x), lambda g, y, x: g * (-2.002 * x * y))
try:
    tg.check_grad(wrong, [0.5])
except tg.GradientError as error:
    print(f"a rule that is wrong by a thousandth is caught:\n  {error}")

# It works on Tensors, broadcasts, and has higher derivatives.
x = tg.Tensor([0.0, 0.5, 1.0], requires_grad=True, label="x")
slope = tg.grad(bump(x).sum(), x, create_graph=True)
print(f"\nslope of the bump     {slope.data}")
print(f"its curvature         {tg.grad(slope.sum(), x).data}")

# It works on single numbers, and in a drawing it stands by its name.
v = tg.Value(0.5, label="v")
height = bump(v) * 3
height.backward()
print(f"\n3 * bump(0.5) = {height.data:.4f}, slope {v.grad:.4f}")
print(tg.trace(height))

# A rule made of other rows: the softened absolute value, with two arguments.
soft = tg.operation(
    "soft_abs",
    lambda x, width: np.sqrt(x * x + width * width),
    lambda g, y, x, width: g * (x / y),
    lambda g, y, x, width: g * (width / y),
    formula=r"\sqrt{x^2 + w^2}",
)
tg.check_grad(soft, [-1.0, 0.1, 2.0], [0.3], order=2)
total = soft(x, 0.1) + F.relu(x)
print(f"\nrows of the table and your own mix: {total.data}")
