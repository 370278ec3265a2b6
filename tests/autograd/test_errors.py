"""What a mistake gets for an answer: the fitting class, the operation, the numbers, and advice.

The tables name mistakes; :func:`complaint` says what every message must be like. Rows of the table
of operations are found by iterating it: a new row is given every mistake that its operands and
settings allow, and a new kind of setting without wrong values here fails a test.
"""

from __future__ import annotations

import copy
import datetime
import os
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init.autograd import F

Call = Callable[[], Any]
Kind = type[Exception] | tuple[type[Exception], ...]

SHAPE, GRAPH, DATA = tg.ShapeError, tg.GraphError, tg.DataError
KIND = (TypeError, tg.DataError)  # no real numbers: the wrong type, or data of a wrong sort
OURS = (
    tg.ShapeError, tg.GraphError, tg.GradientError, tg.DataError,
    TypeError, ZeroDivisionError, OverflowError,
)  # fmt: skip

# Verbs and bounds with which a message says what to do, or what would have been right.
ADVICE = re.compile(
    r"\b(use|pass|takes?|give|gives|make|write|reshape|transpose|reduce|choose|compute|leave|"
    r"convert|return|put|drop|keep|must|needs?|wants?|holds?|only|goe?s? from|defined|name|have)\b"
)
# What NumPy and Python say among themselves; a reader of ours need not know it.
FOREIGN = re.compile(
    r"gufunc|core dimension|remapp|contain a loop|casting rule|interpreted as an integer|"
    r"not iterable|not subscriptable|has no attribute|<lambda>|bitwise_xor|math (domain|range)|"
    r"unsupported operand|inhomogeneous|no identity|to unpack|tuple index|invalid literal|"
    r"set(ting)? an array element|not supported between|__array_ufunc__|Errno|\(34,"
)


def complaint(call: Call, kind: Kind, *words: str) -> str:
    """The message of what ``call`` raises, after checking what every message must be like."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is checked below
            call()
    error, message = caught.value, str(caught.value)
    assert isinstance(error, kind), repr(error)
    assert type(error) in OURS, repr(error)
    assert not FOREIGN.search(message), message
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
    advice = message.replace(words[0], "") if words else message  # `take` is a name, too
    assert ADVICE.search(advice), f"no advice in: {message}"
    assert message.count("wants") <= 1  # one complaint, not those of all functions inside
    assert message.count(": ") <= 3
    assert len(message) < 500
    assert message.count("\n") < 4
    return message


def mistake(name: str, call: Call, kind: Kind, *words: str) -> Any:
    return pytest.param(call, kind, words, id=name)


def x(*shape: int, dtype: Any = np.float64) -> tg.Tensor:
    """A Tensor of numbers between 0.1 and 0.9 that requires a gradient."""
    numbers = np.linspace(0.1, 0.9, int(np.prod(shape))).reshape(shape)
    return tg.Tensor(numbers.astype(dtype), requires_grad=True)


def ints(*numbers: int) -> tg.Tensor:
    return tg.Tensor(np.array(numbers))


X, N = x(3), x(2, 3)
RAGGED = [[1.0], [1.0, 2.0]]
COMPLEX = np.ones(3, complex)


# The table, row by row. Should a row be asked for in another way, these are the places to change.

ROWS = list(F)
ONE_MASK = np.array([True, False, True])
SPECIAL_OPERANDS: dict[str, Callable[[], list[Any]]] = {
    "where": lambda: [ONE_MASK, x(3), x(3)],
    "concatenate": lambda: [x(2, 3), x(2, 3)],
    "scatter": lambda: [x(2)],
    "one_hot": lambda: [np.array([0, 2, 1])],
}
NEEDED_SETTINGS: dict[str, dict[str, Any]] = {
    "reshape": {"shape": (3, 2)},
    "broadcast_to": {"shape": (4, 2, 3)},
    "astype": {"dtype": np.float64},
    "clip": {"a_min": 0.0, "a_max": 1.0},
    "getitem": {"index": 0},
    "scatter": {"index": np.array([0, 1]), "shape": (3,)},
    "bernoulli": {"rng": 0},
    "uniform": {"rng": 0},
    "one_hot": {"count": 3},
}


def operands(row: tg.autograd.Operation) -> list[Any]:
    """Operands that ``row`` takes."""
    if row.name in SPECIAL_OPERANDS:
        return SPECIAL_OPERANDS[row.name]()
    return [x(2, 3) if row.params else x(3) for _ in row.rules]


def settings(row: tg.autograd.Operation) -> dict[str, Any]:
    return NEEDED_SETTINGS.get(row.name, {})


def arithmetics(row: tg.autograd.Operation) -> Iterator[AbstractContextManager[None]]:
    """Every arithmetic that has a version of ``row``."""
    yield nullcontext()
    if row.kernels[1] is not None:
        yield tg.reproducible()


def named(rows: list[tg.autograd.Operation]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


# Operands.

NO_NUMBERS: dict[str, Any] = {
    "string": "a",
    "None": None,
    "object": object(),
    "date": datetime.date(2020, 1, 1),
    "datetime64": np.datetime64("2020-01-01"),
    "timedelta64": np.timedelta64(1),
    "bytes": b"abc",
    "dict": {},
    "set": {1.0},
    "function": len,
    "somebody else's array": SimpleNamespace(shape=(3,), dtype="theirs"),
    "array of strings": np.array(["a", "b", "c"]),
    "array of records": np.zeros(3, [("a", float)]),
    "array of objects": np.array([object(), None, "a"], dtype=object),
}
NO_REAL_NUMBERS: dict[str, Any] = {
    "complex": 1j,
    "complex array": COMPLEX,
    "complex array of singles": COMPLEX.astype(np.complex64),
    "ragged list": RAGGED,
}
# Exact numbers are for Values: beside an array they would make an array of Python objects.
NO_FLOATS = {"Fraction": Fraction(1, 2), "array of Fractions": np.array([Fraction(1, 2)] * 3)}
NO_OPERANDS = {**NO_NUMBERS, **NO_REAL_NUMBERS}
EQUALITIES = ("equal", "not_equal")  # Python's convention: anything may be compared for equality
OF_VALUES = [row for row in ROWS if row.scalar is not None and len(row.rules) > 1]
NARY = [row for row in ROWS if len(operands(row)) > 1]


@named([row for row in ROWS if row not in NARY])
@pytest.mark.parametrize("wrong", NO_OPERANDS)
def test_the_only_operand_is_no_real_number(row: tg.autograd.Operation, wrong: str) -> None:
    for arithmetic in arithmetics(row):
        with arithmetic:
            complaint(lambda: row(NO_OPERANDS[wrong], **settings(row)), KIND, row.name)


@pytest.mark.parametrize(("row", "wrong"), [
    pytest.param(row, wrong, id=f"{row.name}-{name}")
    for row in NARY
    for name, wrong in (
        NO_REAL_NUMBERS if row.name in EQUALITIES else {**NO_OPERANDS, **NO_FLOATS}
    ).items()
])
def test_one_of_the_operands_is_no_real_number(row: tg.autograd.Operation, wrong: Any) -> None:
    for position in range(len(operands(row))):
        for arithmetic in arithmetics(row):
            right = operands(row)
            right[position] = wrong
            with arithmetic:
                complaint(partial(row, *right, **settings(row)), KIND, row.name)


@named(NARY if np.dtype(np.longdouble).itemsize > 8 else [])  # some platforms have none
def test_numbers_wider_than_64_bits(row: tg.autograd.Operation) -> None:
    right = operands(row)
    right[-1] = np.ones(right[-1].shape, np.longdouble)
    complaint(lambda: row(*right, **settings(row)), KIND, row.name, "64")


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_an_array_whose_multiplication_means_something_else() -> None:
    matrix, masked = np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.ma.masked_less(np.ones((2, 2)), 0)
    for other in (matrix, matrix.astype(int), masked):
        complaint(lambda: x(2, 2) * other, TypeError, "multiply", "np.asarray")  # noqa: B023
        complaint(lambda: np.dot(x(2, 2), other), TypeError, "dot", "np.asarray")  # noqa: B023


@named([row for row in OF_VALUES if row.name not in EQUALITIES])
@pytest.mark.parametrize("odd", ["a", None, 1j, {}, RAGGED], ids=repr)
def test_a_value_with_what_is_no_real_number(row: tg.autograd.Operation, odd: Any) -> None:
    values = [tg.Value(2.0), *(odd for _ in row.rules[1:])]
    complaint(lambda: row(*values), KIND, row.name)


@named(OF_VALUES)
def test_a_value_with_an_array_or_a_tensor(row: tg.autograd.Operation) -> None:
    for other in (np.ones(2), x(2), [1.0]):
        values = [tg.Value(2.0), *(other for _ in row.rules[1:])]
        complaint(partial(row, *values), (GRAPH, DATA), row.name, "Tensor")


@named([row for row in ROWS if row.scalar is None])
def test_a_value_where_an_array_is_needed(row: tg.autograd.Operation) -> None:
    values = [tg.Value(2.0) for _ in operands(row)]
    complaint(lambda: row(*values, **settings(row)), GRAPH, row.name, "Value", "Tensor")


@named(ROWS)
def test_too_few_or_too_many_operands(row: tg.autograd.Operation) -> None:
    complaint(lambda: row(**settings(row)), (TypeError, SHAPE), row.name)
    if not row.is_variadic:
        complaint(lambda: row(*[x(3)] * 9), TypeError, row.name, "9")


@named(ROWS)
@pytest.mark.parametrize("setting", ["axes_", "out", "dtype_", "where"])
def test_an_unknown_setting(row: tg.autograd.Operation, setting: str) -> None:
    for arithmetic in arithmetics(row):
        with arithmetic:
            complaint(
                lambda: row(*operands(row), **settings(row), **{setting: np.zeros(3)}),
                TypeError, row.name, f"no setting {setting}",
            )


# Shapes.

BROADCASTING = [row for row in NARY if row.name not in ("matmul", "concatenate")]


@named(BROADCASTING)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shapes_that_do_not_broadcast(row: tg.autograd.Operation, dtype: Any) -> None:
    shapes = [(2, 3), (4,)]
    for a, b in (shapes, shapes[::-1]):
        others = [True for _ in row.rules[2:]]
        left, right = (tg.Tensor(np.ones(shape, dtype), requires_grad=True) for shape in (a, b))
        for arithmetic in arithmetics(row):
            with arithmetic:
                for pair in ((left, right), (left, right.data), (left.data, right)):
                    complaint(
                        partial(row, *others, *pair), SHAPE, row.name, "(2, 3)", "(4,)"
                    )


def test_a_condition_that_does_not_broadcast() -> None:
    complaint(lambda: F.where(np.ones((2, 2), bool), x(3), 1.0), SHAPE, "where", "(2, 2)", "(3,)")


@pytest.mark.parametrize("arithmetic", [nullcontext, tg.reproducible])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("a", "b"), [
    ((2, 3), (4,)), ((2, 3), (2, 3)), ((3,), (2, 3)), ((3,), ()), ((), (3,)), ((), ()),
    ((0, 3), (2, 3)), ((2, 2, 3), (3, 3, 2)), ((2, 0), (3, 2)),
])
def test_matrices_that_do_not_multiply(a: Any, b: Any, dtype: Any, arithmetic: Any) -> None:
    with arithmetic():
        complaint(
            lambda: x(*a, dtype=dtype) @ x(*b, dtype=dtype), SHAPE, "matmul", str(a), str(b)
        )


# Settings: by the name of the setting, or by row and setting where rows differ.

TENSOR_AS_SETTING: tuple[Any, Kind] = (x(2, 3), (TypeError, GRAPH))
NO_FACTORS: list[tuple[Any, Kind]] = [("a", TypeError), (None, TypeError), (1j, KIND),
                                      TENSOR_AS_SETTING]
NO_BOUNDS: list[tuple[Any, Kind]] = [("a", TypeError), (1j, KIND), (np.zeros(4), SHAPE),
                                     TENSOR_AS_SETTING]
NO_INDICES: list[tuple[Any, Kind]] = [
    (1.0, (SHAPE, TypeError)), ("a", (SHAPE, TypeError)), ({}, (SHAPE, TypeError)),
    (1j, (SHAPE, TypeError)), (object(), (SHAPE, TypeError)), (slice(0.5, 1), (SHAPE, TypeError)),
    (np.array([1.5]), (SHAPE, TypeError)), (slice(0, 1, 0), SHAPE), ((..., ...), SHAPE),
    (([0], [0, 1], [0, 1, 2]), SHAPE),
    ((np.array([0, 1]), np.array([0, 1, 2])), SHAPE), (9, SHAPE), (-9, SHAPE), ([0, 9], SHAPE),
    ((0, 0, 0), SHAPE), ((0, 9), SHAPE), (np.ones(4, bool), SHAPE), (np.ones((2, 2), bool), SHAPE),
]  # fmt: skip
WRONG_VALUES: dict[str, list[tuple[Any, Kind]]] = {
    "axis": [(5, SHAPE), (-4, SHAPE), ((0, 0), (SHAPE, TypeError)), ((0, -2), (SHAPE, TypeError)),
             ((0, 5), (SHAPE, TypeError)), (1.0, TypeError), ("x", TypeError),
             ((0, None), TypeError), (x(2), TypeError)],
    "concatenate.axis": [(5, SHAPE), (-4, SHAPE), ((0, 0), (SHAPE, TypeError)), (1.0, TypeError),
                         ("x", TypeError), (x(2), TypeError)],
    "keepdims": [("no", TypeError), (None, TypeError), (x(2), TypeError)],
    "ddof": [("a", TypeError), (None, TypeError), TENSOR_AS_SETTING],
    "ord": [(1, TypeError), ("nuc", TypeError), (np.inf, TypeError), TENSOR_AS_SETTING],
    "p": [("a", TypeError), (None, TypeError), (1.5, DATA), (-0.1, DATA), (float("nan"), DATA),
          TENSOR_AS_SETTING],
    "rng": [("a", TypeError), (None, TypeError), (1.5, TypeError), (-1, TypeError),
            (np.random, TypeError), TENSOR_AS_SETTING],
    "slope": NO_FACTORS,
    "alpha": NO_FACTORS,
    "a_min": NO_BOUNDS,
    "a_max": NO_BOUNDS,
    "reshape.shape": [((4,), SHAPE), ((-1, -1), SHAPE), ((-1, 4), SHAPE), ((0, -1), SHAPE),
                      ((), SHAPE), ((2.0, 3), TypeError), ("a", TypeError), (None, TypeError),
                      ((2, "a"), TypeError), ((2, None), TypeError)],
    "broadcast_to.shape": [((4,), SHAPE), ((3,), SHAPE), ((2, 4), SHAPE), ((-1, 3), SHAPE),
                           ((2.0, 3), TypeError), ("a", TypeError), (None, TypeError)],
    "scatter.shape": [((1,), SHAPE), ((-1,), SHAPE), ("a", TypeError), (None, TypeError)],
    "axes": [((0,), SHAPE), ((0, 0), SHAPE), ((0, 5), SHAPE), ((0, 1, 2), SHAPE),
             ((1.0, 0), TypeError), (("a", "b"), TypeError), ("ab", TypeError)],
    "dtype": [(complex, KIND), (str, KIND), (object, KIND), ("M8[s]", KIND), (3.5, KIND),
              ("nonsense", KIND)],
    "count": [(0, TypeError), (-1, TypeError), (1.5, TypeError), (True, TypeError), (None, TypeError),
              ("a", TypeError), TENSOR_AS_SETTING],
    "getitem.index": NO_INDICES,
    "scatter.index": [(9, SHAPE), (np.array([0, 9]), SHAPE), (np.array([0, 1, 2]), SHAPE),
                      (0.5, (SHAPE, TypeError)), ("a", (SHAPE, TypeError))],
}  # fmt: skip
SETTINGS = [(row, setting) for row in ROWS for setting in row.params]


def wrong_values(row: tg.autograd.Operation, setting: str) -> list[tuple[Any, Kind]]:
    return WRONG_VALUES.get(f"{row.name}.{setting}", WRONG_VALUES.get(setting, []))


@pytest.mark.parametrize(("row", "setting"), SETTINGS, ids=[f"{r.name}.{s}" for r, s in SETTINGS])
def test_every_setting_has_wrong_values(row: tg.autograd.Operation, setting: str) -> None:
    assert wrong_values(row, setting), f"add wrong values of {row.name}.{setting} to WRONG_VALUES"


@pytest.mark.parametrize(("row", "setting", "value", "kind"), [
    pytest.param(row, setting, value, kind, id=f"{row.name}.{setting}{k}")
    for row, setting in SETTINGS for k, (value, kind) in enumerate(wrong_values(row, setting))
])
def test_a_wrong_setting(row: tg.autograd.Operation, setting: str, value: Any, kind: Kind) -> None:
    is_shape = kind is SHAPE
    for arithmetic in arithmetics(row):
        right = operands(row)
        words = (row.name, setting, *([str(right[0].shape)] if is_shape else []))
        if row.name == "getitem":  # an index is seen in the code: `t[5]`
            words = (words[0], *words[2:])
        with arithmetic:
            complaint(partial(row, *right, **{**settings(row), setting: value}), kind, *words)


REDUCTIONS = [row for row in ROWS if "axis" in row.params and not row.is_variadic]
WORK_ON_NOTHING = ("sum", "prod", "norm", "cumsum", "argsort", "logsumexp")
NAN_OF_NOTHING = ("mean", "var", "std")
NEED_ENTRIES = ("max", "min", "argmax", "argmin", "softmax", "log_softmax")


@named(REDUCTIONS)
def test_an_axis_that_a_number_does_not_have(row: tg.autograd.Operation) -> None:
    for arithmetic in arithmetics(row):
        with arithmetic:
            complaint(lambda: row(x(), axis=1), SHAPE, row.name, "axis", "()")


@named(REDUCTIONS)
def test_a_reduction_of_nothing(row: tg.autograd.Operation) -> None:
    nothing = tg.Tensor(np.ones((0, 3)), requires_grad=True)
    for arithmetic in arithmetics(row):
        with arithmetic:
            if row.name in WORK_ON_NOTHING:
                assert row(nothing, axis=0).shape[-1] == 3
            elif row.name in NAN_OF_NOTHING:
                with pytest.warns(RuntimeWarning, match="divide"):
                    assert np.isnan(row(nothing, axis=0).data).all()
            else:
                assert row.name in NEED_ENTRIES
                complaint(lambda: row(nothing, axis=0), SHAPE, row.name, "(0, 3)")


@pytest.mark.parametrize("name", ["var", "std"])
@pytest.mark.parametrize("ddof", [2, 3])
def test_a_spread_with_too_few_entries_is_what_numpy_gives(name: str, ddof: int) -> None:
    numbers = np.array([1.0, 3.0])
    with pytest.warns(RuntimeWarning):
        expected = getattr(np, name)(numbers, ddof=ddof)
    with pytest.warns(RuntimeWarning, match="divide"):
        found = getattr(tg.Tensor(numbers), name)(ddof=ddof)
    assert found.item() == expected == np.inf


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("0-d", lambda: x()[0], SHAPE, "getitem", "()"),
    mistake("0-d slice", lambda: x()[:], SHAPE, "getitem", "()"),
    mistake("empty", lambda: tg.Tensor(np.ones((0, 3)))[0], SHAPE, "getitem", "(0, 3)"),
    mistake("number", lambda: N[5], SHAPE, "getitem", "(2, 3)", "5"),
    mistake("string", lambda: N["a"], (SHAPE, TypeError), "getitem", "'a'"),
    mistake("tensor of floats", lambda: N[x(2)], (SHAPE, TypeError), "getitem"),
    mistake("tensor of integers", lambda: N[ints(0, 7)], SHAPE, "getitem", "7"),
    mistake("tensor mask", lambda: N[X > 0], SHAPE, "getitem", "(2, 3)"),
    mistake("reshape", lambda: N.reshape(4, 2), SHAPE, "reshape", "(2, 3)", "(4, 2)"),
    mistake("reshape float", lambda: N.reshape(2.0, 3), TypeError, "reshape", "2.0"),
    mistake("reshape nested", lambda: N.reshape((2, 3), 1), TypeError, "reshape"),
    mistake("transpose", lambda: N.transpose(0), SHAPE, "transpose", "(2, 3)"),
    mistake("sum", lambda: N.sum(axis=2), SHAPE, "sum", "(2, 3)", "2"),
    mistake("astype", lambda: N.astype("nonsense"), KIND, "astype", "nonsense"),
    mistake("concatenate no list", F.concatenate, TypeError, "concatenate", "arrays"),
    mistake("concatenate nothing", lambda: F.concatenate([]), SHAPE, "concatenate"),
    mistake("concatenate 0-d", lambda: F.concatenate([x(), x()]), SHAPE, "concatenate", "()"),
    mistake("concatenate one", lambda: F.concatenate(x()), TypeError, "concatenate", "()"),
    mistake("concatenate two", lambda: F.concatenate(X, X), TypeError, "concatenate", "(3,)"),
])  # fmt: skip
def test_a_method_called_wrongly(call: Call, kind: Kind, words: tuple[str, ...]) -> None:
    complaint(call, kind, *words)


# Dtypes.

BITS = tg.Tensor(np.array([True, False]))


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("integers", lambda: tg.Tensor(np.array([1, 2]), requires_grad=True), DATA, "int64"),
    mistake("bools", lambda: tg.Tensor([True], requires_grad=True), DATA, "bool"),
    mistake("hessian", lambda: tg.hessian(lambda a: a.sum())(np.array([1])), DATA, "int64"),
    mistake("int ** -1", lambda: ints(1, 2) ** -1, KIND, "power", "int64"),
    mistake("int ** ints", lambda: ints(1, 2) ** ints(-1, 2), KIND, "power", "int64"),
    mistake("bool - bool", lambda: BITS - BITS, TypeError, "subtract", "bool"),
    mistake("-bool", lambda: -BITS, TypeError, "negative", "bool"),
    mistake("int too large", lambda: ints(1, 2) + 10**30, (*KIND, OverflowError), "add", "int64"),
    mistake("int8 + 300", lambda: tg.Tensor(np.ones(2, np.int8)) + 300, (*KIND, OverflowError),
            "add", "int8"),
    mistake("sign", BITS.sign, TypeError, "sign", "bool"),
])
def test_a_dtype_that_does_not_fit(call: Call, kind: Kind, words: tuple[str, ...]) -> None:
    complaint(call, kind, *words)


@pytest.mark.parametrize("dtype", [int, bool, np.uint8])
def test_integers_made_of_a_tensor_have_no_history(dtype: Any) -> None:
    rounded = (X * 2).astype(dtype)
    assert not rounded.requires_grad
    complaint(lambda: rounded.sum().backward(), GRAPH, "Tensor")


@pytest.mark.parametrize("name", ["gelu", "normal_cdf", "exp", "sigmoid", "softplus", "silu"])
def test_activations_of_integers_are_not_rounded_to_integers(name: str) -> None:
    expected = F.rows[name](np.array([1.0, 2.0, -3.0]))
    np.testing.assert_allclose(F.rows[name](np.array([1, 2, -3])), expected, rtol=1e-15)


def test_cumsum_of_a_number_has_a_derivative_in_both_arithmetics() -> None:
    for arithmetic in (nullcontext(), tg.reproducible()):
        with arithmetic:
            number = x()
            number.cumsum(axis=0).sum().backward()
        assert number.grad == 1


# NumPy's functions that are made of several operations.

numpy: Any = np  # called wrongly on purpose: nothing here for a type checker

COMPOSED: dict[Callable[..., Any], list[tuple[Call, Kind, tuple[str, ...]]]] = {
    np.ravel: [
        (lambda: numpy.ravel(N, "F"), TypeError, ()),
        (lambda: numpy.ravel(N, order="Q"), TypeError, ("order",)),
    ],
    np.expand_dims: [
        (lambda: numpy.expand_dims(N, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.expand_dims(N, (0, 0)), SHAPE, ("(2, 3)",)),
        (lambda: numpy.expand_dims(N, "a"), TypeError, ("'a'",)),
        (lambda: numpy.expand_dims(N, 0.5), TypeError, ("0.5",)),
        (lambda: numpy.expand_dims(N, None), TypeError, ("None",)),
    ],
    np.squeeze: [
        (lambda: numpy.squeeze(N, 0), SHAPE, ("(2, 3)",)),
        (lambda: numpy.squeeze(N, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.squeeze(N, (0, 0)), SHAPE, ("(2, 3)",)),
        (lambda: numpy.squeeze(N, 0.5), TypeError, ("0.5",)),
        (lambda: numpy.squeeze(N, "a"), TypeError, ("'a'",)),
    ],
    np.moveaxis: [
        (lambda: numpy.moveaxis(N, 0, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.moveaxis(N, 5, 0), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.moveaxis(N, [0, 1], 0), SHAPE, ("2", "1")),
        (lambda: numpy.moveaxis(N, [0, 0], [0, 1]), SHAPE, ("(2, 3)",)),
        (lambda: numpy.moveaxis(N, None, 0), TypeError, ("None",)),
        (lambda: numpy.moveaxis(N, "a", 0), TypeError, ("'a'",)),
    ],
    np.swapaxes: [
        (lambda: numpy.swapaxes(N, 0, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.swapaxes(N, 0.5, 0), TypeError, ("0.5",)),
        (lambda: numpy.swapaxes(N, (0, 1), 0), TypeError, ("(0, 1)",)),
        (lambda: numpy.swapaxes(N, None, 1), TypeError, ("None",)),
    ],
    np.flip: [
        (lambda: numpy.flip(N, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.flip(N, (0, 0)), SHAPE, ("(2, 3)",)),
        (lambda: numpy.flip(N, "a"), TypeError, ("'a'",)),
    ],
    np.concatenate: [
        (lambda: numpy.concatenate([N, X]), SHAPE, ("(2, 3)", "(3,)")),
        (lambda: numpy.concatenate([N, x(3, 3)], 1), SHAPE, ("(2, 3)", "(3, 3)")),
        (lambda: numpy.concatenate([N, N], 5), SHAPE, ("5",)),
        (lambda: numpy.concatenate([N, N], "a"), TypeError, ("'a'",)),
        (lambda: numpy.concatenate([N, None]), KIND, ("None",)),
        (lambda: numpy.concatenate([X, COMPLEX]), KIND, ("complex",)),
        (lambda: numpy.concatenate([X, np.array(["a"])]), KIND, ()),
        (lambda: numpy.concatenate([X, RAGGED]), (*KIND, SHAPE), ()),
        (lambda: numpy.concatenate([X, tg.Value(1.0)]), GRAPH, ("Value",)),
        (lambda: numpy.concatenate([N, N], dtype=int), TypeError, ("dtype",)),
        (lambda: numpy.concatenate([N, N], out=np.ones((4, 3))), TypeError, ("out",)),
    ],
    np.stack: [
        (lambda: numpy.stack([N, X]), SHAPE, ("(2, 3)", "(3,)")),
        (lambda: numpy.stack([N, N], 5), SHAPE, ("5",)),
        (lambda: numpy.stack([N, N], "a"), TypeError, ("'a'",)),
        (lambda: numpy.stack([N, N], None), TypeError, ("None",)),
        (lambda: numpy.stack([N, 2.0]), SHAPE, ("(2, 3)", "2.0")),
        (lambda: numpy.stack([N, None]), KIND, ("None",)),
        (lambda: numpy.stack([x(), tg.Value(1.0)]), GRAPH, ("Value",)),
    ],
    np.split: [
        (lambda: numpy.split(N, 4), SHAPE, ("2", "4")),
        (lambda: numpy.split(N, 0), SHAPE, ("0",)),
        (lambda: numpy.split(N, -1), SHAPE, ("-1",)),
        (lambda: numpy.split(N, 2, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.split(N, 2, "a"), TypeError, ("'a'",)),
        (lambda: numpy.split(x(), 1), SHAPE, ("()",)),
        (lambda: numpy.split(N, 2.0), TypeError, ("2.0",)),
        (lambda: numpy.split(N, [1.5]), TypeError, ("1.5",)),
        (lambda: numpy.split(N, "a"), TypeError, ("'a'",)),
        (lambda: numpy.split(N, None), TypeError, ("None",)),
        (lambda: numpy.split(N, [[1]]), TypeError, ()),
    ],
    np.repeat: [
        (lambda: numpy.repeat(N, -1), SHAPE, ("-1",)),
        (lambda: numpy.repeat(N, 2, 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.repeat(N, 2, "a"), TypeError, ("'a'",)),
        (lambda: numpy.repeat(N, 1.5), TypeError, ("1.5",)),
        (lambda: numpy.repeat(N, "a"), TypeError, ("'a'",)),
        (lambda: numpy.repeat(N, None), TypeError, ("None",)),
        (lambda: numpy.repeat(N, [1, 2]), SHAPE, ("2", "(2, 3)")),
        (lambda: numpy.repeat(N, [1, 2, 3, 4], 1), SHAPE, ("4", "(2, 3)")),
        (lambda: numpy.repeat(N, [[1]], 0), SHAPE, ()),
    ],
    np.take: [
        (lambda: numpy.take(N, 7), SHAPE, ("7", "(2, 3)")),
        (lambda: numpy.take(N, [0, 9], 1), SHAPE, ("9", "(2, 3)")),
        (lambda: numpy.take(N, [0], 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.take(N, [0], "a"), TypeError, ("'a'",)),
        (lambda: numpy.take(N, [0.5]), (SHAPE, TypeError), ()),
        (lambda: numpy.take(N, "a"), (SHAPE, TypeError), ()),
        (lambda: numpy.take(N, None), (SHAPE, TypeError), ()),
        (lambda: numpy.take(N, [[0], [0, 1]]), (SHAPE, *KIND), ()),
        (lambda: numpy.take(N, [9], mode="clip"), TypeError, ("mode",)),
    ],
    np.take_along_axis: [
        (lambda: numpy.take_along_axis(N, np.array([0]), 0), SHAPE, ("(1,)", "(2, 3)")),
        (lambda: numpy.take_along_axis(N, np.zeros((2, 3), int), 5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.take_along_axis(N, np.full((2, 3), 9), 0), SHAPE, ("9", "(2, 3)")),
        (lambda: numpy.take_along_axis(N, np.zeros((4, 4), int), 0), SHAPE, ("(4, 4)", "(2, 3)")),
        (lambda: numpy.take_along_axis(N, np.zeros((2, 3)), 0), (SHAPE, TypeError), ("float64",)),
        (lambda: numpy.take_along_axis(N, np.zeros((2, 3), int), "a"),
         TypeError, ("'a'",)),
        (lambda: numpy.take_along_axis(N, None, 0), (SHAPE, TypeError), ()),
    ],
    np.tensordot: [
        (lambda: numpy.tensordot(N, N, 1), SHAPE, ("(2, 3)",)),
        (lambda: numpy.tensordot(N, N, 3), SHAPE, ("3", "(2, 3)")),
        (lambda: numpy.tensordot(x(), N, 1), SHAPE, ("()", "(2, 3)")),
        (lambda: numpy.tensordot(N, N, ([0], [5])), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.tensordot(N, N, ([0], [0, 1])), SHAPE, ("(2, 3)",)),
        (lambda: numpy.tensordot(N, N, ([0, 0], [0, 0])), SHAPE, ("(2, 3)",)),
        (lambda: numpy.tensordot(N, N, (0,)), (SHAPE, TypeError), ()),
        (lambda: numpy.tensordot(N, N, "a"), TypeError, ("'a'",)),
        (lambda: numpy.tensordot(N, N, None), TypeError, ("None",)),
        (lambda: numpy.tensordot(N, N, 1.0), TypeError, ("1.0",)),
        (lambda: numpy.tensordot(N, None), KIND, ("None",)),
        (lambda: numpy.tensordot(N, RAGGED), (*KIND, SHAPE), ()),
    ],
    np.dot: [
        (lambda: numpy.dot(N, N), SHAPE, ("(2, 3)",)),
        (lambda: numpy.dot(N, None), KIND, ("None",)),
        (lambda: numpy.dot(N, "a"), KIND, ()),
        (lambda: numpy.dot(N, 1j), KIND, ()),
        (lambda: numpy.dot(N, RAGGED), (*KIND, SHAPE), ()),
    ],
    np.inner: [
        (lambda: numpy.inner(N, x(2)), SHAPE, ("(2, 3)", "(2,)")),
        (lambda: numpy.inner(N, None), KIND, ("None",)),
        (lambda: numpy.inner("a", N), KIND, ()),
    ],
    np.outer: [
        (lambda: numpy.outer(N, None), KIND, ("None",)),
        (lambda: numpy.outer(N, "a"), KIND, ()),
        (lambda: numpy.outer(N, RAGGED), (*KIND, SHAPE), ()),
        (lambda: numpy.outer(N, N, out=np.ones((6, 6))), TypeError, ("out",)),
    ],
    np.einsum: [
        (lambda: numpy.einsum("ij,jk", N), SHAPE, ("'ij,jk'", "2", "1")),
        (lambda: numpy.einsum("ij->ji", N, N), SHAPE, ("'ij->ji'", "1", "2")),
        (lambda: numpy.einsum("ij->ijk", N), SHAPE, ("'ij->ijk'",)),
        (lambda: numpy.einsum("ij->ii", N), SHAPE, ("'ij->ii'",)),
        (lambda: numpy.einsum("ijk", N), SHAPE, ("'ijk'", "2")),
        (lambda: numpy.einsum("", N), SHAPE, ("2",)),
        (lambda: numpy.einsum("ii", N), SHAPE, ("'ii'", "(2, 3)")),
        (lambda: numpy.einsum("ij,ij", N, np.ones((2, 2))), SHAPE, ("'j'", "3", "2")),
        (lambda: numpy.einsum("i1", N), (SHAPE, DATA), ("i1",)),
        (lambda: numpy.einsum("i-j", N), (SHAPE, DATA), ("i-j",)),
        (lambda: numpy.einsum("ij->->i", N), (SHAPE, DATA), ("ij->->i",)),
        (lambda: numpy.einsum("i....", N), (SHAPE, DATA), ("i....",)),
        (lambda: numpy.einsum("i...j...", N), (SHAPE, DATA), ("i...j...",)),
        (lambda: numpy.einsum("..", N), (SHAPE, DATA), ("..",)),
        (lambda: numpy.einsum("é", X), (SHAPE, DATA), ("é",)),
        (lambda: numpy.einsum("ij,jk->ik", N, None), (*KIND, SHAPE), ()),
        (lambda: numpy.einsum("ij,kl->", N, [[1j]]), KIND, ()),
        (lambda: numpy.einsum(3, N), TypeError, ("3",)),
        (lambda: numpy.einsum(N, [0, 1]), TypeError, ()),
        (lambda: numpy.einsum("ij", N, optimize=True), TypeError, ("optimize",)),
        (lambda: numpy.einsum("ij", N, out=np.ones((2, 3))), TypeError, ("out",)),
    ],
    np.linalg.norm: [
        (lambda: numpy.linalg.norm(N, ord=1), TypeError, ("ord=1",)),
        (lambda: numpy.linalg.norm(N, ord="x"), TypeError, ("'x'",)),
        (lambda: numpy.linalg.norm(N, ord=np.inf, axis=0), TypeError, ("inf",)),
        (lambda: numpy.linalg.norm(N, axis=5), SHAPE, ("5", "(2, 3)")),
        (lambda: numpy.linalg.norm(N, axis=(0, 0)), SHAPE, ("(2, 3)",)),
        (lambda: numpy.linalg.norm(N, axis="a"), TypeError, ("'a'",)),
    ],
}


def test_every_composed_function_has_mistakes() -> None:
    composed = F.compositions.values()
    assert {f for f, ours in F.of_numpy.items() if ours in composed} <= COMPOSED.keys()


@pytest.mark.parametrize(("call", "kind", "words"), [
    pytest.param(call, kind, (function.__name__, *words), id=f"{function.__name__}{k}")
    for function, cases in COMPOSED.items() for k, (call, kind, words) in enumerate(cases)
])
@pytest.mark.parametrize("arithmetic", [nullcontext, tg.reproducible])
def test_a_composed_function_called_wrongly(
    call: Call, kind: Kind, words: tuple[str, ...], arithmetic: Any
) -> None:
    with arithmetic():
        complaint(call, kind, *words)


# NumPy's functions that are no operations.

REFUSED: dict[str, Call] = {
    "np.fft.fft": lambda: np.fft.fft(X),
    "np.linalg.solve": lambda: np.linalg.solve(x(3, 3), np.ones((3, 3))),
    "np.linalg.inv": lambda: np.linalg.inv(x(3, 3)),
    "np.sort": lambda: np.sort(X),
    "np.median": lambda: np.median(X),
    "np.histogram": lambda: np.histogram(X),
    "np.save": lambda: np.save(os.devnull, X),
    "np.zeros_like": lambda: np.zeros_like(X),
    "np.vstack": lambda: np.vstack([X, X]),
    "np.add.reduce": lambda: np.add.reduce(X),
    "np.add.accumulate": lambda: np.add.accumulate(X),
    "np.add.outer": lambda: np.add.outer(X, X),
    "np.add.at": lambda: np.add.at(X, 0, 1.0),
    "np.floor": lambda: np.floor(X),
    "np.rint": lambda: np.rint(X),
    "np.cumprod": lambda: np.cumprod(X),
    "np.isnan": lambda: np.isnan(X),
    "np.logical_and": lambda: np.logical_and(X, X),
}
REFUSED_SETTINGS: dict[str, tuple[str, Call]] = {
    "add out": ("out", lambda: np.add(X, 1, out=np.ones(3))),
    "array += Tensor": ("out", lambda: np.ones(3).__iadd__(X)),
    "add where": ("where", lambda: np.add(X, 1, where=np.ones(3, bool))),
    "exp dtype": ("dtype", lambda: np.exp(X, dtype=np.float32)),
    "exp casting": ("casting", lambda: np.exp(X, casting="safe")),
    "matmul axes": ("axes", lambda: np.matmul(x(2, 2), x(2, 2), axes=[(0, 1)] * 3)),
    "sum out": ("out", lambda: np.sum(X, out=np.ones(()))),
    "sum where": ("where", lambda: np.sum(X, where=np.ones(3, bool))),
    "sum initial": ("initial", lambda: np.sum(X, initial=1.0)),
    "mean dtype": ("dtype", lambda: np.mean(X, dtype=float)),
    "argsort kind": ("kind", lambda: np.argsort(X, kind="stable")),
    "reshape order": ("order", lambda: np.reshape(X, (3, 1), order="F")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_numpy_function_that_is_no_operation(name: str) -> None:
    message = complaint(REFUSED[name], TypeError, name, ".data")
    assert "tg.operation" in message


@pytest.mark.parametrize("case", REFUSED_SETTINGS)
def test_a_setting_of_numpy_that_is_not_recorded(case: str) -> None:
    setting, call = REFUSED_SETTINGS[case]
    name = "add" if case.startswith("array") else case.split(maxsplit=1)[0]
    complaint(call, TypeError, name, setting)


def test_a_tensor_with_a_gradient_does_not_become_an_array_unasked() -> None:
    for call in (lambda: np.asarray(X), lambda: np.ones(3).dot(X), lambda: np.array([X, X])):
        complaint(call, GRAPH, "Tensor", ".data")


# Tensor.

def unrecorded(node: Any) -> Any:
    with tg.no_grad():
        return node * 2


def assign(target: Any, name: str, value: Any) -> None:
    setattr(target, name, value)


def set_entry(target: Any) -> None:
    target[0] = 1.0


def constant() -> tg.Tensor:
    return tg.Tensor([1.0, 2.0])


@pytest.mark.parametrize("data", [
    *NO_NUMBERS.values(), *NO_REAL_NUMBERS.values(), [None, 1.0], [1j], 10**30, iter([1.0]),
    [tg.Value(1.0)],
], ids=lambda data: type(data).__name__)
def test_data_that_a_tensor_does_not_hold(data: Any) -> None:
    complaint(lambda: tg.Tensor(data), DATA, "Tensor")
    complaint(lambda: assign(x(3), "data", data), (DATA, SHAPE), "data")


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("dtype complex", lambda: tg.Tensor([1.0], dtype=complex), DATA, "complex"),
    mistake("dtype nonsense", lambda: tg.Tensor([1.0], dtype="nonsense"), DATA, "nonsense"),
    mistake("list of Tensors", lambda: tg.Tensor([x(1), x(1)]), GRAPH, ".data"),
    mistake("data shape", lambda: assign(x(3), "data", np.ones(2)), SHAPE, "data", "(3,)", "(2,)"),
    mistake("data number", lambda: assign(x(3), "data", 5.0), SHAPE, "data", "(3,)", "()"),
    mistake("data dtype", lambda: assign(ints(1, 2), "data", [0.5, 1.5]), SHAPE, "int64"),
    mistake("entry", lambda: set_entry(x(3)), (TypeError, GRAPH), ".data"),
    mistake("+=", lambda: x(3).__iadd__(1), GRAPH, "+=", ".data"),
    mistake("/= by a Tensor", lambda: constant().__itruediv__(x(2)), GRAPH, "/="),
    mistake("+= shapes", lambda: constant().__iadd__(np.ones(3)), SHAPE, "add", "(2,)", "(3,)"),
    mistake("+= larger", lambda: constant().__iadd__(np.ones((2, 2))), SHAPE, "(2,)", "(2, 2)"),
    mistake("+= string", lambda: constant().__iadd__("a"), KIND, "add"),
    mistake("+= None", lambda: constant().__iadd__(None), KIND, "add", "None"),
    mistake("+= complex", lambda: constant().__iadd__(1j), (*KIND, SHAPE), "complex"),
    mistake("+= Value", lambda: constant().__iadd__(tg.Value(1.0)), GRAPH, "+="),
    mistake("int /= 2", lambda: ints(1, 2).__itruediv__(2), (*KIND, SHAPE), "int64"),
    mistake("item", N.item, SHAPE, "item", ".sum()", "(2, 3)"),
    mistake("item of nothing", lambda: tg.Tensor([]).item(), SHAPE, "item", "(0,)"),
    mistake("bool", lambda: bool(N > 0), SHAPE, "bool", ".sum()", "(2, 3)"),
    mistake("float", lambda: float(N), SHAPE, "float", ".sum()", "(2, 3)"),
    mistake("int", lambda: int(N), SHAPE, "int", ".sum()", "(2, 3)"),
    mistake("len of a number", lambda: len(x()), TypeError, "Tensor", "()"),
    mistake("iteration over a number", lambda: list(x()), TypeError, "Tensor", "()"),
    mistake("format", lambda: f"{N:.3f}", (SHAPE, TypeError), "(2, 3)"),
    mistake("copy", lambda: copy.deepcopy(X * 2), GRAPH, "multiply", ".detach()"),
    mistake("pickle", lambda: pickle.dumps(X * 2), GRAPH, "multiply", ".detach()"),
    mistake("Value", lambda: X + tg.Value(1.0), GRAPH, "add", "Value", "Tensor"),
    mistake("Value in a product", lambda: X @ tg.Value(1.0), GRAPH, "matmul", "Value"),
    mistake("None @ Tensor", lambda: None @ X, KIND, "matmul", "None"),
    mistake("string * Tensor", lambda: "a" * X, KIND, "multiply", "'a'"),
    mistake("Tensor < None", lambda: X < None, KIND, "less", "None"),
])  # fmt: skip
def test_a_tensor_used_wrongly(call: Call, kind: Kind, words: tuple[str, ...]) -> None:
    complaint(call, kind, *words)


def test_integers_that_require_a_gradient_after_all_do_not_get_one() -> None:
    whole = ints(1)
    whole.requires_grad = True  # not checked here, for every operation reads it
    complaint((whole * 2.0).sum().backward, (DATA, tg.GradientError), "multiply", "int64")


def methods(kind: type) -> list[str]:
    return [name for name in dir(kind) if name[0] != "_" and callable(getattr(kind, name))]


@pytest.mark.parametrize("name", methods(tg.Tensor))
def test_a_method_of_a_tensor_names_itself(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        getattr(x(2, 3), name)(nonsense=1)


# Value.

@pytest.mark.parametrize("name", methods(tg.Value))
def test_a_method_of_a_value_names_itself(name: str) -> None:
    with pytest.raises((TypeError, tg.GraphError), match=name):
        getattr(tg.Value(1.0), name)(nonsense=1)


@pytest.mark.parametrize("number", [
    "a", None, 1j, np.complex64(1), np.ones(2), [1.0], {}, np.datetime64("2020"),
    np.timedelta64(1, "D"), x(), tg.Value(1.0),
], ids=lambda number: type(number).__name__)
def test_what_a_value_does_not_hold(number: Any) -> None:
    complaint(lambda: tg.Value(number), DATA, "Value", type(number).__name__)
    complaint(lambda: assign(tg.Value(1.0), "data", number), DATA, "Value")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), Fraction(1, 3), 10**400, -0.0])
def test_what_a_value_holds(number: Any) -> None:
    assert repr(tg.Value(number).data) == repr(number)


V = tg.Value


def slope(function: Callable[[tg.Value], tg.Value], at: Any) -> Call:
    """The derivative of ``function`` of a Value, once it is asked for."""

    def call() -> Any:
        point = V(at)
        return tg.grad(function(point), point)

    return call


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("/ 0", lambda: V(2.0) / 0, ZeroDivisionError, "divide", "2.0", "0"),
    mistake("1 / 0", lambda: 1 / V(0.0), ZeroDivisionError, "divide", "0.0"),
    mistake("0 / 0", lambda: V(0) / V(0), ZeroDivisionError, "divide", "0"),
    mistake("0 ** -1", lambda: V(0.0) ** -1, ZeroDivisionError, "power", "0.0", "-1"),
    mistake("reciprocal", lambda: V(0.0).reciprocal(), ZeroDivisionError, "reciprocal", "0.0"),
    mistake("log 0", lambda: V(0.0).log(), DATA, "log", "0.0"),
    mistake("log -1", lambda: V(-1.0).log(), DATA, "log", "-1.0"),
    mistake("log1p", lambda: V(-2.0).log1p(), DATA, "log1p", "-2.0"),
    mistake("sqrt", lambda: V(-1.0).sqrt(), DATA, "sqrt", "-1.0"),
    mistake("arcsin", lambda: V(2.0).arcsin(), DATA, "arcsin", "2.0"),
    mistake("arccosh", lambda: V(0.0).arccosh(), DATA, "arccosh", "0.0"),
    mistake("arctanh", lambda: V(1.0).arctanh(), DATA, "arctanh", "1.0"),
    mistake("sin", lambda: V(float("inf")).sin(), DATA, "sin", "inf"),
    mistake("root of a negative", lambda: V(-2.0) ** 0.5, DATA, "power", "-2.0", "0.5"),
    mistake("complex power", lambda: V(-2.0) ** 1j, KIND, "power", "1j"),
    mistake("exp", lambda: V(1000.0).exp(), OverflowError, "exp", "1000.0"),
    mistake("power", lambda: V(1e300) ** 2, OverflowError, "power", "1e+300"),
    mistake("exp of many digits", lambda: V(10**400).exp(), OverflowError, "exp"),
    mistake("slope of sqrt", slope(lambda v: v.sqrt(), 0.0), ZeroDivisionError, "sqrt", "0.0"),
    mistake("slope of a power", slope(lambda v: v**0.5, 0.0), ZeroDivisionError, "power", "0.0"),
    mistake("slope of arcsin", slope(lambda v: v.arcsin(), 1.0), ZeroDivisionError, "arcsin"),
    mistake("slope of -2 ** v", slope(lambda v: (-2.0) ** v, 2.0), (DATA, tg.GradientError),
            "power", "-2.0"),
    mistake("slope too large", slope(lambda v: v**-1, 1e-200), (OverflowError, tg.GradientError),
            "power", "1e-200"),
    mistake("array method", lambda: V(1.0).sum(), GRAPH, "sum", "Value", "Tensor"),
    mistake("too many", lambda: V(1.0).relu(3), TypeError, "relu"),
    mistake("unknown setting", lambda: V(1.0).exp(base=2), TypeError, "exp", "base"),
    mistake("slope as a string", lambda: V(1.0).leaky_relu("a"), TypeError, "leaky_relu", "slope"),
    mistake("bound as a Value", lambda: V(1.0).clip(V(0.0), 2.0), (TypeError, GRAPH), "clip"),
    mistake("no_grad", lambda: unrecorded(V(1.0)).backward(), GRAPH, "no_grad"),
])  # fmt: skip
def test_a_value_used_wrongly(call: Call, kind: Kind, words: tuple[str, ...]) -> None:
    complaint(call, kind, *words)


def test_a_function_of_numpy_does_not_take_a_value() -> None:
    # `__array_ufunc__ = None` lets `np.float64(2) * value` come to the Value; in its name NumPy
    # refuses everything else before anybody is asked, in words of its own.
    for function in (np.exp, np.sin):
        with pytest.raises(TypeError, match="'Value' does not support ufuncs"):
            function(V(1.0))


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("log 0", lambda: V(0.0).log(), DATA, "log", "0.0"),
    mistake("exp", lambda: V(1000.0).exp(), OverflowError, "exp", "1000.0"),
    mistake("no version", lambda: V(0.5).arcsin(), GRAPH, "arcsin", "reproducible"),
    mistake("no version of a Tensor's", X.prod, GRAPH, "prod", "reproducible"),
    mistake("power", lambda: X**0.5, GRAPH, "power", "sqrt"),
])
def test_a_mistake_under_reproducible(call: Call, kind: Kind, words: tuple[str, ...]) -> None:
    with tg.reproducible():
        complaint(call, kind, *words)


# The walk back.

WRONG_GRADIENTS: dict[str, tuple[Any, Kind, tuple[str, ...]]] = {
    "shape": (np.ones(4), SHAPE, ("(4,)", "(3,)")),
    "number": (1.0, SHAPE, ("()", "(3,)")),
    "string": ("a", KIND, ("gradient",)),
    "list of None": ([None] * 3, KIND, ("gradient",)),
    "complex": (COMPLEX, KIND, ("complex",)),
    "ragged": (RAGGED, (DATA, SHAPE, TypeError), ("gradient",)),
    "dict": ({}, KIND, ("gradient",)),
    "with a history": (X, GRAPH, ("create_graph=True",)),
}


@pytest.mark.parametrize("case", WRONG_GRADIENTS)
def test_a_gradient_that_does_not_fit(case: str) -> None:
    gradient, kind, words = WRONG_GRADIENTS[case]
    complaint(lambda: (X * 2).backward(gradient), kind, *words)
    complaint(lambda: tg.grad(X * 2, X, gradient=gradient), kind, *words)
    if case != "with a history":
        complaint(
            lambda: tg.grad(X * 2, X, gradient=gradient, create_graph=True), kind, *words
        )


@pytest.mark.parametrize("gradient", [np.ones(2), "a", 1j, RAGGED], ids=repr)
def test_a_gradient_that_does_not_fit_a_value(gradient: Any) -> None:
    v = V(2.0)
    complaint(lambda: tg.grad(v * 3, v, gradient=gradient), (*KIND, SHAPE), "gradient")


@pytest.mark.parametrize(("call", "words"), [
    pytest.param(call, words, id=name) for name, call, words in (
        ("several entries", (X * 2).backward, ("(3,)", ".sum()")),
        ("no entries", (x(0) * 2).backward, ("(0,)", ".sum()")),
        ("no history", lambda: tg.Tensor(1.0).backward(), ("requires_grad=True",)),
        ("integers", lambda: ints(1, 2).sum().backward(), ("requires_grad=True",)),
        ("unrecorded", lambda: unrecorded(X).sum().backward(), ("no_grad",)),
        ("a comparison", lambda: (X > 0).sum().backward(), ("requires_grad=True",)),
        ("argmax", lambda: X.argmax().backward(), ("requires_grad=True",)),
        ("grad of a number", lambda: tg.grad(3.0, X), ("float",)),  # type: ignore[arg-type]
        ("grad of a list", lambda: tg.grad([X.sum()], X), ("list",)),  # type: ignore[arg-type]
        ("by an array", lambda: tg.grad(X.sum(), np.ones(3)), ("requires_grad=True",)),
        ("by a string", lambda: tg.grad(X.sum(), "X"), ("'X'",)),
        ("by a constant", lambda: tg.grad(X.sum(), constant()), ("requires_grad=True",)),
        ("once too often", lambda: tg.grad(tg.grad((X * X).sum(), X), X), ("requires_grad=True",)),
    )
])  # fmt: skip
def test_a_derivative_that_cannot_be_had(call: Call, words: tuple[str, ...]) -> None:
    complaint(call, GRAPH, *words)


def test_backward_twice_is_no_mistake() -> None:
    leaf = x(3)
    loss = (leaf * leaf).sum()
    loss.backward()
    once = leaf.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(leaf.grad, 2 * once)


def test_a_gradient_left_in_a_leaf_has_another_shape() -> None:
    leaf = x(3)
    leaf.grad = np.ones(7)
    complaint((leaf * leaf).sum().backward, (SHAPE, GRAPH), "grad", "(7,)", "(3,)")


def test_detect_anomaly_does_not_hide_a_mistake() -> None:
    with tg.detect_anomaly():
        complaint(lambda: X + x(4), SHAPE, "add", "(3,)", "(4,)")
        complaint(lambda: F.where(True, X, None), KIND, "where", "None")


def test_a_walk_back_in_the_other_arithmetic() -> None:
    with tg.reproducible():
        loss = (X * 2).sum()
    complaint(loss.backward, GRAPH, "sum", "reproducible")


# Derivatives by name.

FUNCTIONALS: dict[str, Callable[..., Any]] = {
    "jacobian": lambda f, point: tg.jacobian(f)(point),
    "hessian": lambda f, point: tg.hessian(f)(point),
    "value_and_grad": lambda f, point: tg.value_and_grad(f)(point),
    "hvp": lambda f, point: tg.hvp(f)(point, point),
    "check_grad": tg.check_grad,
}
POINT = [1.0, 2.0]


def constant_function(result: Any) -> Callable[..., Any]:
    return lambda *_: result


@pytest.mark.parametrize("name", FUNCTIONALS)
def test_a_derivative_of_what_is_no_function_of_tensors(name: str) -> None:
    derive = FUNCTIONALS[name]
    complaint(lambda: derive(3, POINT), TypeError, name, "int")
    for result in (None, 1.0, np.ones(2), [X], V(1.0)):
        kind = type(result).__name__
        complaint(partial(derive, constant_function(result), POINT), (GRAPH, TypeError),
                  name, kind, "Tensor")


@pytest.mark.parametrize("name", FUNCTIONALS)
@pytest.mark.parametrize("point", ["a", None, [1j], RAGGED, {}], ids=repr)
def test_a_derivative_at_what_is_no_point(name: str, point: Any) -> None:
    complaint(lambda: FUNCTIONALS[name](lambda a: (a * a).sum(), point), KIND, name)


@pytest.mark.parametrize("name", ["hessian", "value_and_grad", "hvp"])
def test_a_derivative_of_several_numbers_at_once(name: str) -> None:
    complaint(lambda: FUNCTIONALS[name](lambda a: a * a, POINT), GRAPH, name, "(2,)")


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("hvp shape", lambda: tg.hvp(lambda a: (a * a).sum())(POINT, np.ones(3)), SHAPE,
            "hvp", "(3,)", "(2,)"),
    mistake("hvp of a line", lambda: tg.hvp(lambda a: a.sum())(POINT, np.ones(3)), SHAPE,
            "hvp", "(3,)", "(2,)"),
    mistake("hvp None", lambda: tg.hvp(lambda a: (a * a).sum())(POINT, None), KIND, "hvp"),
    mistake("order 3", lambda: tg.check_grad(np.exp, POINT, order=3), DATA, "check_grad", "3"),
    mistake("order as a string", lambda: tg.check_grad(np.exp, POINT, order="2"), KIND,  # type: ignore[arg-type]
            "check_grad", "'2'"),
    mistake("tolerance as a string", lambda: tg.check_grad(np.exp, POINT, tolerance="a"), KIND,  # type: ignore[arg-type]
            "check_grad", "'a'"),
    mistake("no points", lambda: tg.check_grad(np.exp), KIND, "check_grad"),
])  # fmt: skip
def test_a_functional_used_wrongly(call: Call, kind: Kind, words: tuple[str, ...]) -> None:
    complaint(call, kind, *words)


def test_check_grad_of_a_constant_passes_in_both_orders() -> None:
    tg.check_grad(lambda a: tg.Tensor(1.0), POINT, order=1)
    tg.check_grad(lambda a: tg.Tensor(1.0), POINT, order=2)


# Operations of one's own.

def square(a: Any) -> Any:
    return a * a


def slope_of_square(g: Any, _y: Any, a: Any) -> Any:
    return g * (a + a)


MINE = tg.operation("mine", square, slope_of_square)


@pytest.mark.parametrize(("make", "kind", "words"), [
    mistake("no rules", lambda: tg.operation("mine", square), (TypeError, GRAPH), "mine"),
    mistake("forward", lambda: tg.operation("mine", 3, slope_of_square), TypeError, "mine", "3"),  # type: ignore[arg-type]
    mistake("rule", lambda: tg.operation("mine", square, 3), TypeError, "mine", "3"),  # type: ignore[arg-type]
    mistake("too few parameters", lambda: tg.operation("mine", square, lambda g: g),
            (TypeError, tg.GradientError), "mine"),
    mistake("too many parameters", lambda: tg.operation("mine", square, lambda g, y, a, b: g),
            (TypeError, tg.GradientError), "mine"),
    mistake("name", lambda: tg.operation(3, square, slope_of_square), KIND, "name"),  # type: ignore[arg-type]
    mistake("empty name", lambda: tg.operation("", square, slope_of_square), KIND, "name"),
    mistake("settings", lambda: tg.operation("mine", square, slope_of_square, params=["k"]),
            TypeError, "mine", "params"),
    mistake("unknown", lambda: tg.operation("mine", square, slope_of_square, colour="red"),
            TypeError, "mine", "colour"),
    mistake("taken", lambda: F.define("exp", square, None, slope_of_square), GRAPH, "exp"),
])  # fmt: skip
def test_an_operation_is_refused_when_it_is_made(
    make: Call, kind: Kind, words: tuple[str, ...]
) -> None:
    complaint(make, kind, *words)


RESULTS: dict[str, Any] = {
    "None": None,
    "string": "a",
    "dict": {},
    "object": object(),
    "complex": COMPLEX,
    "ragged": RAGGED,
}


@pytest.mark.parametrize("result", RESULTS)
def test_a_forward_pass_that_gives_no_real_numbers(result: str) -> None:
    mine = tg.operation("mine", lambda a: RESULTS[result], slope_of_square)
    complaint(lambda: mine(X), KIND, "mine")
    complaint(lambda: mine(V(1.0)), (*KIND, GRAPH), "mine")


@pytest.mark.parametrize("result", [*RESULTS, "shape", "Value"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_gives_no_gradient(result: str, create_graph: bool) -> None:
    given = {**RESULTS, "shape": np.ones(7), "Value": V(1.0)}[result]
    mine = tg.operation("mine", square, lambda g, y, a: given)
    complaint(
        lambda: tg.grad(mine(X).sum(), X, create_graph=create_graph), tg.GradientError, "mine"
    )


@pytest.mark.parametrize("result", ["None", "string", "dict", "object", "complex", "ragged"])
def test_a_rule_that_gives_no_gradient_of_a_value(result: str) -> None:
    mine = tg.operation("mine", square, lambda g, y, a: RESULTS[result])
    v = V(1.0)
    complaint(lambda: tg.grad(mine(v), v), (tg.GradientError, GRAPH), "mine")


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_rule_that_fails_is_named(create_graph: bool) -> None:
    mine = tg.operation("mine", square, lambda g, y, a: g + np.ones(7))
    complaint(
        lambda: tg.grad(mine(X).sum(), X, create_graph=create_graph),
        (tg.GradientError, SHAPE), "mine", "(3,)", "(7,)",
    )


def test_which_argument_a_wrong_gradient_is_for() -> None:
    mine = tg.operation("mine", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g[:2])
    complaint(lambda: tg.grad(mine(x(3), X).sum(), X), tg.GradientError, "mine", "1", "(2,)")


@pytest.mark.parametrize(("call", "kind", "words"), [
    mistake("too few", MINE, TypeError, "mine"),
    mistake("too many", lambda: MINE(X, X), TypeError, "mine", "2"),
    mistake("unknown setting", lambda: MINE(X, k=1), TypeError, "mine", "k"),
    mistake("forward fails", lambda: tg.operation("mine", lambda a: a + np.ones(7),
            slope_of_square)(X), SHAPE, "mine", "(3,)"),
    mistake("no reproducible version", lambda: tg.reproducible()(MINE)(X), GRAPH, "mine",
            "reproducible"),
])  # fmt: skip
def test_an_operation_of_ones_own_called_wrongly(
    call: Call, kind: Kind, words: tuple[str, ...]
) -> None:
    complaint(call, kind, *words)


def test_a_forward_pass_in_integers_has_no_derivative() -> None:
    mine = tg.operation("mine", lambda a: np.rint(a).astype(int), slope_of_square)
    assert not mine(X).requires_grad
