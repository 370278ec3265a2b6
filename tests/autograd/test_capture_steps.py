"""Captured steps: what is recorded anew, what is read anew, what is refused, who owns what."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_init as tg
from tinygrad_init.autograd import F, modes


@pytest.fixture
def w() -> tg.Tensor:
    return tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, label="w")


def _squares(w: tg.Tensor) -> Any:
    return tg.capture(lambda x: ((w * x) ** 2).sum(), [w])


X = np.array([1.0, -1.0, 0.5])


def test_a_step_gives_a_number_and_sets_gradients(w: tg.Tensor) -> None:
    step = _squares(w)
    for _ in range(3):
        loss = step(X)
        assert type(loss) is float
        assert loss == 1 + 4 + 2.25
        np.testing.assert_array_equal(w.grad, 2 * w.data * X * X)


def test_gradients_are_set_not_added_and_live_in_one_array(w: tg.Tensor) -> None:
    b = tg.Tensor(0.5, requires_grad=True)
    step = tg.capture(lambda x: ((w * x + b) ** 2).sum(), [w, b])
    step(X)
    first = w.grad
    w.grad = np.full(3, 7.0)
    step(X)
    assert w.grad is first
    assert w.grad.base is b.grad.base is not None
    assert w.grad.base.size == 4
    w.grad = b.grad = None
    step(X)
    assert w.grad is first


def test_eager_code_goes_on_from_the_gradients_of_a_step(w: tg.Tensor) -> None:
    step = _squares(w)
    step(X)
    (w * X).sum().backward()
    np.testing.assert_array_equal(w.grad, 2 * w.data * X * X + X)
    step(X)
    np.testing.assert_array_equal(w.grad, 2 * w.data * X * X)


# What is recorded anew.


def test_each_shape_and_dtype_has_a_plan_of_its_own(w: tg.Tensor) -> None:
    step = tg.capture(lambda x: (x * w).sum(), [w])
    arguments: list[Any] = [np.ones(3), np.ones((2, 3)), np.ones((1, 3)), np.ones(3, np.float32),
                 np.ones(3, int), np.ones(3).astype(">f8"), [1.0, 1.0, 1.0], tg.Tensor(np.ones(3))]
    for count in (1, 2, 3):
        for argument in arguments * count:
            expected = np.full(3, 2.0 if len(argument) == 2 else 1.0)
            assert step(argument) == expected @ w.data
            np.testing.assert_array_equal(w.grad, expected)
    assert len(step.plans) == 6  # a list and a Tensor are as good as their array


def test_each_arithmetic_has_a_plan_of_its_own(w: tg.Tensor) -> None:
    step = tg.capture(lambda x: (x * w).sum(), [w])
    x = np.array([1e16, 0.5, -1e16 / 3])
    for _ in range(2):
        assert step(x) == (x * w.data).sum()
        with tg.reproducible():
            assert step(x) == (tg.Tensor(x) * w).sum().item()
    assert len(step.plans) == 2


def test_train_and_eval_have_a_plan_each() -> None:
    model = tg.nn.MLP([3, 4, 2], rng=0)
    drop = tg.nn.Dropout(0.5, rng=1)
    step = tg.capture(lambda x: drop(model(x)).sum(), model.parameters())
    x = np.ones((5, 3))
    for _ in range(3):
        trained = {step(x) for _ in range(8)}
        drop.eval()
        (evaluated,) = {step(x) for _ in range(8)}
        assert evaluated == pytest.approx(model(x).sum().item())
        assert len(trained) > 4
        drop.train()
    assert len(step.plans) == 2


def test_dropout_with_another_probability_or_generator_is_recorded_anew(w: tg.Tensor) -> None:
    drop = tg.nn.Dropout(0.5, rng=1)
    step = tg.capture(lambda: np.sum(drop(w)), [w])
    step()
    drop.p = 0.0
    assert step() == 6
    drop.p, drop.rng = 0.5, np.random.default_rng(3)
    expected = (w.data * (np.random.default_rng(3).random(3) < 0.5) / 0.5).sum()
    assert step() == expected


def test_a_parameter_that_moves_to_other_memory_is_found_there(w: tg.Tensor) -> None:
    step = _squares(w)
    step(X)
    w._data = np.array([0.0, 0.0, 2.0])
    assert step(X) == 1
    assert step(X) == 1
    assert len(step.plans) == 1  # the old plan would never be used again


def test_memory_of_a_detached_constant_is_watched_too(w: tg.Tensor) -> None:
    other = tg.Tensor([1.0, 1.0, 1.0])
    step = tg.capture(lambda: np.sum(w * other.detach()), [w])
    assert step() == 6
    other._data = np.zeros(3)
    assert step() == 0


def test_with_detect_anomaly_every_call_is_computed_as_ever(w: tg.Tensor) -> None:
    step = tg.capture(lambda x: (w * x).sum(), [w])
    step(X)
    with tg.detect_anomaly():
        assert step(X) == X @ w.data
        with pytest.raises(tg.GraphError, match="multiply gave nan"):
            step(X * np.nan)
    assert len(step.plans) == 1
    assert np.isnan(step(X * np.nan))


def test_no_grad_around_a_step_does_not_stop_it(w: tg.Tensor) -> None:
    step = _squares(w)
    with tg.no_grad():
        step(X)
    np.testing.assert_array_equal(w.grad, 2 * w.data * X * X)


# What is read anew.


def test_arguments_are_bound_by_reference_and_not_written_to(w: tg.Tensor) -> None:
    step = tg.capture(lambda x, y: ((w * x - y) ** 2).sum() + x.T.reshape(-1).sum(), [w])
    wide = np.arange(24.0).reshape(4, 6)
    for x in (wide[:2, ::2], wide[2:, 3:], np.asfortranarray(wide[:2, :3]), np.ones((2, 3))):
        x = x.view()
        x.flags.writeable = False
        before = x.copy()
        expected = ((w.data * x - x) ** 2).sum() + x.sum()
        assert step(x, x) == pytest.approx(expected, rel=1e-14)
        np.testing.assert_array_equal(x, before)
    assert len(step.plans) == 1


def test_the_same_array_twice_is_two_arguments(w: tg.Tensor) -> None:
    step = tg.capture(lambda x, y: (w * (x - y)).sum(), [w])
    assert step(X, X) == 0
    assert step(X, 2 * X) == -X @ w.data


def test_arguments_are_not_kept(w: tg.Tensor) -> None:
    step = tg.capture(lambda x: (w * x[::-1]).sum(), [w])
    for _ in range(3):
        x = np.ones(3)
        alive = weakref.ref(x)
        step(x)
        del x
        assert alive() is None


def test_a_gradient_may_be_an_argument(w: tg.Tensor) -> None:
    step = tg.capture(lambda x: ((w * x) ** 2).sum() + (w * x[::-1]).sum(), [w])
    x = X.copy()
    for _ in range(4):
        given = x.copy()
        assert step(x) == pytest.approx(((w.data * given) ** 2).sum() + w.data @ given[::-1])
        np.testing.assert_allclose(w.grad, 2 * w.data * given**2 + given[::-1])
        x = w.grad[:]


def test_arrays_and_tensors_that_the_function_uses_are_read_anew(w: tg.Tensor) -> None:
    array, tensor = np.ones(3), tg.Tensor(np.ones(3))
    index, frozen = np.array([0, 1]), tg.Tensor(2.0, requires_grad=True)
    step = tg.capture(lambda: np.sum((w * array * tensor * frozen)[index]), [w])
    assert step() == 2 * (1 + 2)
    array[:] = 10
    assert step() == 20 * (1 + 2)
    tensor.data = np.full(3, 3.0)
    assert step() == 60 * (1 + 2)
    frozen.data = 1.0
    assert step() == 30 * (1 + 2)
    index[:] = 2
    assert step() == 30 * (3 + 3)
    assert frozen.grad is None
    assert len(step.plans) == 1


def test_what_python_does_happens_once(w: tg.Tensor) -> None:
    calls: list[int] = []

    def fn() -> Any:
        calls.append(1)
        return (w * float(len(calls))).sum()

    step = tg.capture(fn, [w])
    assert [step() for _ in range(3)] == [6, 6, 6]
    assert calls == [1]


def test_an_ensemble_gets_losses_of_its_own() -> None:
    w = tg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    step = tg.capture(lambda x: (w * x).sum(axis=-1), [w])
    first, second = step(X[:2]), step(2 * X[:2])
    np.testing.assert_array_equal(first, [-1.0, -1.0])
    np.testing.assert_array_equal(second, [-2.0, -2.0])
    np.testing.assert_array_equal(w.grad, [2 * X[:2]] * 2)


# What is refused.


def _optimise(w: tg.Tensor, _x: tg.Tensor) -> None:
    w.grad = np.ones(3)
    tg.optim.SGD([w]).step()


READING: dict[str, Callable[[tg.Tensor, tg.Tensor], Any]] = {
    "if": lambda w, x: 1 if x.sum() > 0 else 2,
    "float": lambda w, x: float(x[0]),
    "int": lambda w, x: int(x[0]),
    "item": lambda w, x: x[0].item(),
    "format": lambda w, x: f"{x[0]:.2f}",
    "asarray": lambda w, x: np.asarray(x),
    "numpy": lambda w, x: np.ones(3)[x.argmax()],
    "data": lambda w, x: x.data,
    "data of a parameter": lambda w, x: w.data,
    "assignment": lambda w, x: setattr(x, "data", np.ones(3)),
    "in place": lambda w, x: x.__iadd__(1),
    "Tensor": lambda w, x: tg.Tensor(x),
    "backward": lambda w, x: (w * x).sum().backward(),
    "optimiser": _optimise,
    "value_and_grad": lambda w, x: tg.value_and_grad(lambda z: z.sum())(x),
    "jacobian": lambda w, x: tg.jacobian(lambda z: z * z)(x),
    "mask": lambda w, x: w[x > 0],
    "repeat": lambda w, x: np.repeat(w, x.argsort()),
    "split": lambda w, x: np.split(w, x.argsort()),
    "load": lambda w, x: tg.nn.LayerNorm(3).load_state_dict({"weight": x, "bias": x}),
}


@pytest.mark.parametrize("how", READING)
def test_reading_numbers_while_recording_is_refused(how: str, w: tg.Tensor) -> None:
    def fn(x: Any) -> Any:
        READING[how](w, x)
        return (w * x).sum()

    step = tg.capture(fn, [w])
    w.grad = before = np.ones(3)
    for _ in range(2):
        with pytest.raises(tg.GraphError, match=r"np\.where|mask"):
            step(X)
        assert modes.current() == modes.Settings()
        assert w.grad is before or how == "optimiser"
        assert step.plans == []
    assert (w * X).sum().item() == X @ w.data  # nothing is left behind


def test_shapes_and_dtypes_may_be_read(w: tg.Tensor) -> None:
    def fn(x: Any) -> Any:
        assert repr(x).startswith("Tensor")
        return (w * x).sum() / (len(x) + x.size + x.ndim + np.dtype(x.dtype).itemsize)

    assert tg.capture(fn, [w])(X) == X @ w.data / 15


REFUSED: dict[str, tuple[Callable[[tg.Tensor, tg.Tensor], Any], str]] = {
    "nothing": (lambda w, x: None, "NoneType"),
    "a number": (lambda w, x: 3.0, "float"),
    "a pair": (lambda w, x: ((w * x).sum(), x), "tuple"),
    "a Value": (lambda w, x: tg.Value(3.0), "Value"),
    "an array": (lambda w, x: w * x, r"\(3,\).*\.mean\(\)"),
    "a matrix": (np.outer, r"\(3, 3\)"),
    "no parameter": (lambda w, x: x.sum(), "no parameter"),
    "no gradient": (lambda w, x: (w > x).sum(), "no parameter"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_function_that_returns_no_loss_is_refused(what: str, w: tg.Tensor) -> None:
    fn, message = REFUSED[what]
    b = tg.Tensor(0.0, requires_grad=True)
    with pytest.raises(tg.GraphError, match=message):
        tg.capture(lambda x: fn(w, x), [w, b])(X)


def test_a_parameter_without_influence_is_named(w: tg.Tensor) -> None:
    idle = tg.Tensor([1.0], requires_grad=True, label="idle")
    with pytest.raises(tg.GraphError, match=r"'idle'.*leave it out"):
        tg.capture(lambda x: (w * x).sum(), [w, idle])(X)


@pytest.mark.parametrize("params", [
    [], [np.ones(3)], [tg.Tensor(1.0)], tg.Tensor(1.0, requires_grad=True), 3, None,
    [tg.Tensor(1.0, requires_grad=True) * 2], tg.nn.Linear(2, 2),
])
def test_what_is_no_list_of_parameters_is_refused(params: Any) -> None:
    with pytest.raises(tg.GraphError, match="list of parameters"):
        tg.capture(lambda x: x, params)


def test_a_result_in_place_of_the_function_is_refused(w: tg.Tensor) -> None:
    with pytest.raises(TypeError, match="the function itself"):
        tg.capture((w * w).sum(), [w])


def test_a_wrong_number_of_arguments_is_refused(w: tg.Tensor) -> None:
    step = _squares(w)
    step(X)
    for arguments in ((), (X, X)):
        with pytest.raises(TypeError, match="argument"):
            step(*arguments)
    with pytest.raises(tg.DataError, match="complex"):
        step(X * 1j)


def test_history_from_outside_is_refused(w: tg.Tensor) -> None:
    outside = w * 2
    with pytest.raises(tg.GraphError, match=r"multiply.*outside.*inside"):
        tg.capture(lambda x: (outside * x * w).sum(), [w])(X)
    constant = outside.detach()
    assert tg.capture(lambda x: (constant * x * w).sum(), [w])(X) == 2 * w.data**2 @ X


def test_a_captured_function_inside_of_another_is_refused(w: tg.Tensor) -> None:
    inner = _squares(w)
    with pytest.raises(tg.GraphError, match="outer"):
        tg.capture(lambda x: (w * inner(x)).sum(), [w])(X)


def test_a_gradient_as_a_constant_is_refused(w: tg.Tensor) -> None:
    step = tg.capture(lambda x: (w * (x if w.grad is None else w.grad)).sum(), [w])
    step(X)
    with pytest.raises(tg.GraphError, match=r"\.grad"):
        step(np.ones((2, 3)))


def test_an_error_in_a_replay_names_the_operation_and_takes_back_the_gradients(
    w: tg.Tensor,
) -> None:
    step = tg.capture(lambda labels, k: tg.losses.cross_entropy(w.reshape(1, 3), labels)
                      + w[k].sum(), [w])
    step(np.array([2]), np.array([1, 1]))
    with pytest.raises(tg.DataError, match="labels go from 0 to 2 here, got 3 to 3"):
        step(np.array([3]), np.array([1, 1]))
    assert w.grad is None
    with pytest.raises(tg.ShapeError, match=r"getitem.*\(3,\).*no entry 5"):
        step(np.array([2]), np.array([1, 5]))
    assert w.grad is None
    step(np.array([0]), np.array([0, 1]))
    assert w.grad is not None


def test_an_operation_with_a_shape_that_changes_is_found_out(w: tg.Tensor) -> None:
    mask = np.array([True, True, False])
    step = tg.capture(lambda: np.sum(w[mask]), [w])
    assert step() == 3
    mask[0] = False
    with pytest.raises(tg.ShapeError, match=r"getitem.*\(1,\).*\(2,\)"):
        step()


# Threads.


def test_threads_take_turns() -> None:
    w = tg.Tensor(np.ones(1000), requires_grad=True)
    step = tg.capture(lambda x: (np.tanh(w * x) * w).sum(), [w])
    wrong = []

    def work(k: int) -> None:
        x = np.full(1000, k / 10)
        for _ in range(50):
            if step(x) != pytest.approx(1000 * np.tanh(k / 10)):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(step.plans) == 1


def test_another_thread_computes_as_ever_while_one_records(w: tg.Tensor) -> None:
    found = []

    def fn(x: Any) -> Any:
        thread = threading.Thread(target=lambda: found.append(float((w * 2).sum())))
        thread.start()
        thread.join()
        return (w * x).sum()

    tg.capture(fn, [w])(X)
    assert found == [12.0]


def test_labels_are_checked_by_their_row() -> None:
    with pytest.raises(tg.DataError, match=r"0 to 1.*got -1 to 0"):
        F.one_hot([0, -1], count=2)
