"""The second arithmetic: results that depend on the numbers, not on the order of adding them.

Floating-point addition rounds after every step, so ``(a + b) + c`` and ``a + (b + c)`` may differ
in the last bit, and a fast matrix product adds in whatever order suits the shape and the processor.
Two equal columns of ``X @ W`` can then come out unequal. Here they cannot:

- :mod:`products`: a sum over an axis or a product of matrices is the exact value, rounded once.
  Begin here: it is the one hard idea of the project. Its parts are in :mod:`digits` and
  :mod:`rounding`, and its memory in :mod:`scratch`.
- :mod:`elementary`: exp, log, tanh, sin and their kin from correctly rounded operations alone. They
  stand on :mod:`pairs` (two floats for one number) and :mod:`elementwise` (dtypes, special values),
  by family in :mod:`exponential`, :mod:`logarithm`, :mod:`angles`, :mod:`normal`, :mod:`powers`.
- :mod:`selections`: maxima, with one kind of zero.

These are plain functions on arrays, which know nothing of nodes or derivatives; the table of
operations puts them to work under ``tg.reproducible()``.
"""
