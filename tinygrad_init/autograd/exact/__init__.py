"""The second arithmetic: the kernels that ``tg.reproducible()`` computes with.

- :mod:`products`: sums and matrix products that are exact and rounded once; begin here, it is the
  one hard idea of the project;
- :mod:`elementary`: exp, log, tanh, sin and their kin from correctly rounded operations alone, with
  :mod:`pairs` (two floats that stand for one number), :mod:`elementwise` (dtypes and special
  values), :mod:`exponential`, :mod:`logarithm`, :mod:`angles`, :mod:`normal` and :mod:`powers`;
- :mod:`selections`: the larger of two numbers, where 0 and -0 are one zero.

Kernels know nothing of nodes or derivatives: arrays in, arrays out.
"""
