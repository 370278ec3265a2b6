"""What ``help`` says about each operation: a sentence, and an example that is tested.

The rest of an entry (formula, settings, what happens at kinks) comes from the row itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operation import Operation

#: By name: what it does, an example, and what that gives.
MANUAL: dict[str, tuple[str, str, str]] = {
    # Arithmetic.
    "add": (
        "Sums, place by place.",
        "F.add([1.0, 2.0], 10.0)", "array([11., 12.])",
    ),
    "subtract": (
        "Differences, place by place.",
        "F.subtract([1.0, 2.0], 10.0)", "array([-9., -8.])",
    ),
    "multiply": (
        "Products, place by place; for matrix products see matmul.",
        "F.multiply([1.0, 2.0], 10.0)", "array([10., 20.])",
    ),
    "divide": (
        "Quotients, place by place.",
        "F.divide([1.0, 2.0], 4.0)", "array([0.25, 0.5 ])",
    ),
    "negative": (
        "The same numbers with the other sign.",
        "F.negative([1.0, -2.0])", "array([-1.,  2.])",
    ),
    "positive": (
        "The same numbers, as a result of their own.",
        "F.positive([1.0, -2.0])", "array([ 1., -2.])",
    ),
    "power": (
        "Powers, place by place.",
        "F.power([2.0, 3.0], 2)", "array([4., 9.])",
    ),
    "reciprocal": (
        "One divided by each number.",
        "F.reciprocal([2.0, -4.0])", "array([ 0.5 , -0.25])",
    ),
    "square": (
        "Each number times itself.",
        "F.square([2.0, -3.0])", "array([4., 9.])",
    ),
    "absolute": (
        "The size of each number, without its sign.",
        "F.absolute([2.0, -3.0])", "array([2., 3.])",
    ),
    "sign": (
        "-1, 0 or 1; without derivative.",
        "F.sign([2.0, 0.0, -3.0])", "array([ 1.,  0., -1.])",
    ),
    "hypot": (
        "The length of the vector (x, y), without overflow.",
        "F.hypot([3.0, 0.0], 4.0)", "array([5., 4.])",
    ),
    "maximum": (
        "The larger of two numbers, place by place; see max for the largest along an axis.",
        "F.maximum([1.0, 5.0], 2.0)", "array([2., 5.])",
    ),
    "minimum": (
        "The smaller of two numbers, place by place; see min for the smallest along an axis.",
        "F.minimum([1.0, 5.0], 2.0)", "array([1., 2.])",
    ),
    "clip": (
        "Numbers held between two bounds, of which one may be None.",
        "F.clip([-2.0, 0.5, 9.0], 0.0, 1.0)", "array([0. , 0.5, 1. ])",
    ),
    # Elementary functions.
    "exp": (
        "e to the power of each number.",
        "F.exp([0.0, 1.0])", "array([1.        , 2.71828183])",
    ),
    "exp2": (
        "2 to the power of each number.",
        "F.exp2([0.0, 3.0])", "array([1., 8.])",
    ),
    "expm1": (
        "e to the power of each number, less 1, without loss near 0.",
        "F.expm1([0.0, 1e-20])", "array([0.e+00, 1.e-20])",
    ),
    "log": (
        "The natural logarithm.",
        "F.log([1.0, 10.0])", "array([0.        , 2.30258509])",
    ),
    "log2": (
        "The logarithm to base 2.",
        "F.log2([1.0, 8.0])", "array([0., 3.])",
    ),
    "log10": (
        "The logarithm to base 10.",
        "F.log10([1.0, 1000.0])", "array([0., 3.])",
    ),
    "log1p": (
        "The natural logarithm of 1 + x, without loss near 0.",
        "F.log1p([0.0, 1e-20])", "array([0.e+00, 1.e-20])",
    ),
    "logaddexp": (
        "The logarithm of the sum of two exponentials, without overflow.",
        "F.logaddexp(1000.0, [1000.0, 0.0])", "array([1000.69314718, 1000.        ])",
    ),
    "sqrt": (
        "The square root.",
        "F.sqrt([4.0, 9.0])", "array([2., 3.])",
    ),
    "cbrt": (
        "The cube root, also of negative numbers.",
        "F.cbrt([8.0, -27.0])", "array([ 2., -3.])",
    ),
    "sin": (
        "The sine of an angle in radians.",
        "F.sin([0.0, 1.0])", "array([0.        , 0.84147098])",
    ),
    "cos": (
        "The cosine of an angle in radians.",
        "F.cos([0.0, 1.0])", "array([1.        , 0.54030231])",
    ),
    "tan": (
        "The tangent of an angle in radians.",
        "F.tan([0.0, 1.0])", "array([0.        , 1.55740772])",
    ),
    "arcsin": (
        "The angle with this sine, from -pi/2 to pi/2.",
        "F.arcsin([0.0, 1.0])", "array([0.        , 1.57079633])",
    ),
    "arccos": (
        "The angle with this cosine, from 0 to pi.",
        "F.arccos([1.0, 0.0])", "array([0.        , 1.57079633])",
    ),
    "arctan": (
        "The angle with this tangent, between -pi/2 and pi/2.",
        "F.arctan([0.0, 1.0])", "array([0.        , 0.78539816])",
    ),
    "arctan2": (
        "The angle of the point (y, x), from -pi to pi.",
        "F.arctan2([0.0, 1.0], [-1.0, 0.0])", "array([3.14159265, 1.57079633])",
    ),
    "sinh": (
        "The hyperbolic sine.",
        "F.sinh([0.0, 1.0])", "array([0.        , 1.17520119])",
    ),
    "cosh": (
        "The hyperbolic cosine.",
        "F.cosh([0.0, 1.0])", "array([1.        , 1.54308063])",
    ),
    "tanh": (
        "The hyperbolic tangent: numbers squeezed between -1 and 1.",
        "F.tanh([0.0, 1.0])", "array([0.        , 0.76159416])",
    ),
    "arcsinh": (
        "The inverse of sinh.",
        "F.arcsinh([0.0, 1.0])", "array([0.        , 0.88137359])",
    ),
    "arccosh": (
        "The inverse of cosh, from 1 on.",
        "F.arccosh([1.0, 2.0])", "array([0.       , 1.3169579])",
    ),
    "arctanh": (
        "The inverse of tanh, between -1 and 1.",
        "F.arctanh([0.0, 0.5])", "array([0.        , 0.54930614])",
    ),
    # Activations.
    "relu": (
        "Negative numbers become 0.",
        "F.relu([-2.0, 3.0])", "array([0., 3.])",
    ),
    "sigmoid": (
        "The logistic function: numbers squeezed between 0 and 1.",
        "F.sigmoid([0.0, 1000.0])", "array([0.5, 1. ])",
    ),
    "leaky_relu": (
        "Negative numbers are multiplied by a small slope.",
        "F.leaky_relu([-2.0, 3.0])", "array([-0.02,  3.  ])",
    ),
    "elu": (
        "The exponential linear unit (Clevert, Unterthiner, Hochreiter 2015).",
        "F.elu([-1000.0, 3.0])", "array([-1.,  3.])",
    ),
    "selu": (
        "The scaled elu of self-normalising networks (Klambauer et al. 2017).",
        "F.selu([-1000.0, 1.0])", "array([-1.75809934,  1.05070099])",
    ),
    "gelu": (
        "The Gaussian error linear unit (Hendrycks, Gimpel 2016), by the exact Phi.",
        "F.gelu([-1.0, 0.0, 1.0])", "array([-0.15865525,  0.        ,  0.84134475])",
    ),
    "silu": (
        "The sigmoid linear unit, also called swish.",
        "F.silu([0.0, 1.0])", "array([0.        , 0.73105858])",
    ),
    "softplus": (
        "A smooth relu, without overflow.",
        "F.softplus([0.0, 1000.0])", "array([6.93147181e-01, 1.00000000e+03])",
    ),
    "softsign": (
        "Numbers squeezed between -1 and 1, without exponentials.",
        "F.softsign([-1.0, 3.0])", "array([-0.5 ,  0.75])",
    ),
    "hardtanh": (
        "Numbers held between -1 and 1.",
        "F.hardtanh([-2.0, 0.5])", "array([-1. ,  0.5])",
    ),
    "normal_cdf": (
        "The probability that a standard normal variable is below x.",
        "F.normal_cdf([0.0, 1.96])", "array([0.5      , 0.9750021])",
    ),
    "softmax": (
        "Positive numbers along an axis that add up to 1; no overflow.",
        "F.softmax([1000.0, 1000.0])", "array([0.5, 0.5])",
    ),
    "log_softmax": (
        "The logarithm of the softmax, without loss where that is tiny.",
        "F.log_softmax([0.0, -1000.0])", "array([    0., -1000.])",
    ),
    # Reductions.
    "sum": (
        "The sum over one, several or all axes.",
        "F.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([4., 6.])",
    ),
    "sum_rows": (
        "Sums over the last axis but one: of the rows of a matrix.",
        "F.sum_rows([[1.0, 2.0], [3.0, 4.0]])", "array([4., 6.])",
    ),
    "mean": (
        "The mean over one, several or all axes.",
        "F.mean([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([2., 3.])",
    ),
    "prod": (
        "The product over one, several or all axes.",
        "F.prod([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([3., 8.])",
    ),
    "max": (
        "The largest entry along axes.",
        "F.max([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([3., 4.])",
    ),
    "min": (
        "The smallest entry along axes.",
        "F.min([[1.0, 2.0], [3.0, 4.0]], axis=0)", "array([1., 2.])",
    ),
    "argmax": (
        "Where the largest entry is, the first if there are several; without derivative.",
        "F.argmax([[1.0, 9.0], [3.0, 4.0]], axis=1)", "array([1, 1])",
    ),
    "argmin": (
        "Where the smallest entry is, the first if there are several; without derivative.",
        "F.argmin([[1.0, 9.0], [3.0, 4.0]], axis=1)", "array([0, 0])",
    ),
    "argsort": (
        "The order that sorts the entries; without derivative.",
        "F.argsort([3.0, 1.0, 2.0])", "array([1, 2, 0])",
    ),
    "var": (
        "The variance along axes: the mean squared distance from the mean.",
        "float(F.var([1.0, 3.0]))", "1.0",
    ),
    "std": (
        "The standard deviation, the root of the variance.",
        "float(F.std([1.0, 3.0]))", "1.0",
    ),
    "norm": (
        "The Euclidean length along axes.",
        "float(F.norm([3.0, 4.0]))", "5.0",
    ),
    "cumsum": (
        "The sums of the first entries along an axis.",
        "F.cumsum([1.0, 2.0, 3.0])", "array([1., 3., 6.])",
    ),
    "logsumexp": (
        "The logarithm of the sum of the exponentials, without overflow.",
        "float(F.logsumexp([1000.0, 1000.0]))", "1000.6931471805599",
    ),
    # Products and shapes.
    "affine": (
        "A layer: the matrix product of examples and weights, plus a bias.",
        "F.affine([[1.0, 2.0]], [[3.0], [4.0]], [0.5])", "array([[11.5]])",
    ),
    "mse": (
        "The mean of the squared differences over the last two axes: examples and features.",
        "F.mse([[1.0], [3.0]], [[0.0], [1.0]])", "np.float64(2.5)",
    ),
    "matmul": (
        "The matrix product; axes in front are a stack of matrices, one axis is a vector.",
        "F.matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])", "array([3., 7.])",
    ),
    "reshape": (
        "The same entries in another shape.",
        "F.reshape([1.0, 2.0, 3.0, 4.0], (2, 2))", "array([[1., 2.],\n       [3., 4.]])",
    ),
    "transpose": (
        "The axes in another order, or in reverse.",
        "F.transpose([[1.0, 2.0], [3.0, 4.0]])", "array([[1., 3.],\n       [2., 4.]])",
    ),
    "broadcast_to": (
        "Entries repeated along axes of length 1 and new ones in front.",
        "F.broadcast_to([1.0, 2.0], (2, 2))", "array([[1., 2.],\n       [1., 2.]])",
    ),
    "astype": (
        "The same numbers in another dtype.",
        "F.astype([1.5, 2.0], np.float32)", "array([1.5, 2. ], dtype=float32)",
    ),
    "getitem": (
        "The entries at an index, ``x[index]``; a repeated index gets all its gradients.",
        "F.getitem([1.0, 2.0, 3.0], [2, 0, 0])", "array([3., 1., 1.])",
    ),
    "scatter": (
        "Zeros with numbers added at an index: what getitem is undone by.",
        "F.scatter([1.0, 2.0, 3.0], [0, 2, 2], (3,))", "array([1., 0., 5.])",
    ),
    "concatenate": (
        "Arrays one after another along an axis that they have.",
        "F.concatenate([[1.0, 2.0], [3.0]])", "array([1., 2., 3.])",
    ),
    # Choices and draws.
    "equal": (
        "Whether two numbers are equal; without derivative.",
        "F.equal([1.0, 2.0], 2.0)", "array([False,  True])",
    ),
    "not_equal": (
        "Whether two numbers differ; without derivative.",
        "F.not_equal([1.0, 2.0], 2.0)", "array([ True, False])",
    ),
    "less": (
        "Whether x is below y; without derivative.",
        "F.less([1.0, 2.0], 2.0)", "array([ True, False])",
    ),
    "less_equal": (
        "Whether x is at most y; without derivative.",
        "F.less_equal([1.0, 2.0], 2.0)", "array([ True,  True])",
    ),
    "greater": (
        "Whether x is above y; without derivative.",
        "F.greater([1.0, 3.0], 2.0)", "array([False,  True])",
    ),
    "greater_equal": (
        "Whether x is at least y; without derivative.",
        "F.greater_equal([1.0, 2.0], 2.0)", "array([False,  True])",
    ),
    "where": (
        "The one number where a condition holds, the other where it does not.",
        "F.where([True, False], 1.0, [2.0, 3.0])", "array([1., 3.])",
    ),
    "one_hot": (
        "For each label a row that is True at that place, and nowhere else; without derivative.",
        "F.one_hot([1, 0], count=2)", "array([[False,  True],\n       [ True, False]])",
    ),
    "bernoulli": (
        "1 with probability p and else 0, drawn for each entry; without derivative.",
        "F.bernoulli(np.zeros(6), p=0.5, rng=0)", "array([0., 1., 1., 1., 0., 0.])",
    ),
    "uniform": (
        "A number from [0, 1), drawn for each entry; without derivative.",
        "F.uniform(np.zeros(2), rng=0)", "array([0.63696169, 0.26978671])",
    ),
    # Functions made of operations; what they do is said where they are defined.
    "ravel": (
        "",
        "F.ravel(np.array([[1.0, 2.0], [3.0, 4.0]]))", "array([1., 2., 3., 4.])",
    ),
    "expand_dims": (
        "",
        "F.expand_dims(np.array([1.0, 2.0]), axis=1)", "array([[1.],\n       [2.]])",
    ),
    "squeeze": (
        "",
        "F.squeeze(np.array([[1.0, 2.0]]))", "array([1., 2.])",
    ),
    "moveaxis": (
        "",
        "F.moveaxis(np.zeros((2, 3, 4)), 0, -1).shape", "(3, 4, 2)",
    ),
    "swapaxes": (
        "",
        "F.swapaxes(np.zeros((2, 3, 4)), 0, -1).shape", "(4, 3, 2)",
    ),
    "flip": (
        "",
        "F.flip(np.array([1.0, 2.0, 3.0]))", "array([3., 2., 1.])",
    ),
    "stack": (
        "",
        "F.stack([[1.0, 2.0], [3.0, 4.0]], axis=1)", "array([[1., 3.],\n       [2., 4.]])",
    ),
    "split": (
        "",
        "F.split(np.array([1.0, 2.0, 3.0]), [1])", "[array([1.]), array([2., 3.])]",
    ),
    "repeat": (
        "",
        "F.repeat(np.array([1.0, 2.0]), 2)", "array([1., 1., 2., 2.])",
    ),
    "take": (
        "",
        "F.take(np.array([10.0, 20.0, 30.0]), [2, 0])", "array([30., 10.])",
    ),
    "take_along_axis": (
        "",
        "F.take_along_axis(np.array([[10.0, 20.0], [30.0, 40.0]]), [[1], [0]], axis=1)",
        "array([[20.],\n       [30.]])",
    ),
    "tensordot": (
        "",
        "F.tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape", "(2, 4)",
    ),
    "dot": (
        "",
        "F.dot([1.0, 2.0], [3.0, 4.0])", "array(11.)",
    ),
    "inner": (
        "",
        "F.inner([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])", "array([3., 7.])",
    ),
    "outer": (
        "",
        "F.outer([1.0, 2.0], [3.0, 4.0])", "array([[3., 4.],\n       [6., 8.]])",
    ),
    "einsum": (
        "",
        'F.einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])', "array([3., 7.])",
    ),
}


def of_row(row: Operation) -> str:
    """The docstring of an operation."""
    about, example, result = MANUAL.get(row.name, ("", "", ""))
    settings = ", ".join(
        f"{name}={value!r}" if not isinstance(value, type) else f"{name}="
        for name, value in row.params.items()
    )
    wants = f"Operands: {row.wants}.\n" if row.wants else ""
    kinks = f"Derivative where there is none: {row.at_kinks}.\n" if row.at_kinks else ""
    facts = (
        f"Settings: {settings or 'none'}. Dtype: as NumPy's; float32 stays float32.\n{wants}{kinks}"
        f"Raises: ShapeError if shapes do not fit; TypeError for what is no real number."
    )
    return f"{about}\n\n    {row.formula}\n\n{facts}{_example(example, result)}"


def of_function(name: str, about: str) -> str:
    """The docstring of a function made of operations: what it says of itself, and an example."""
    _, example, result = MANUAL.get(name, ("", "", ""))
    return f"{about}{_example(example, result)}"


def _example(call: str, result: str) -> str:
    if not call:
        return ""
    return f"\n\n>>> import numpy as np\n>>> from tinygrad_init import F\n>>> {call}\n{result}\n"
