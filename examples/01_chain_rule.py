"""Lesson 1: the chain rule on single numbers, and the graph that it walks.

Every Value remembers which operation made it and from what. backward() starts with dL/dL = 1 at
the end and multiplies by local derivatives on the way back. Nothing else is needed to train a
network.
"""

import tinygrad_init as tg

# The classic expression: L = (a * b + c) * f.
a = tg.Value(2.0, label="a")
b = tg.Value(-3.0, label="b")
c = tg.Value(10.0, label="c")
f = tg.Value(-2.0, label="f")
e = a * b
e.label = "e"
d = e + c
d.label = "d"
L = d * f
L.label = "L"

L.backward()
print("L = (a * b + c) * f, from the end back to the leaves:")
for node in (L, d, f, e, c, b, a):
    print(f"  {node.label} = {node.data:6.1f}    dL/d{node.label} = {node.grad:6.1f}")

print("\nThe chain rule, by hand, for a:")
print(f"  dL/dd = f = {f.data}")
print(f"  dL/de = dL/dd * dd/de = {f.data} * 1 = {e.grad}")
print(f"  dL/da = dL/de * de/da = dL/de * b = {e.grad} * {b.data} = {a.grad}")

# Is it true? Nudge a a little and watch L.
h = 1e-6
nudged = ((a.data + h) * b.data + c.data) * f.data
print(f"  nudging a by {h:g} changes L by {(nudged - L.data) / h:.4f} per unit")

# The same, told by the engine, which looks up each local derivative in its table.
print(f"\n{tg.explain(L, wrt=a)}")

# A number used twice gets the gradient of both uses: there are three paths from x to y.
x = tg.Value(3.0, label="x")
y = x * x + x
y.backward()
print(f"\ny = x * x + x at x = 3: dy/dx = 2 * 3 + 1 = {x.grad}")
print(f"\n{tg.explain(y, wrt=x)}")

# Exact arithmetic works as well: a Fraction stays a Fraction.
from fractions import Fraction  # noqa: E402 - introduced where the lesson needs it

third = tg.Value(Fraction(1, 3), label="third")
(third * third * third).backward()
print(f"d(x**3)/dx at x = 1/3, exactly: {third.grad}")

graph = tg.trace(L)
print(f"\n{graph}")
print(f"\nThe drawing: {graph.render('chain_rule.svg')} and {graph.render('chain_rule.html')}")
