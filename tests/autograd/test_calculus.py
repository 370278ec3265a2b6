"""jacobian, hessian, hvp, value_and_grad against closed forms, each other and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_init as tg

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 3))
POINT = RNG.normal(size=3)


def quadratic(x: Any) -> Any:
    return (x * (MATRIX @ x)).sum() / 2


def curved(x: Any) -> Any:
    return (np.tanh(MATRIX @ x) * x.exp()).sum()


def test_value_and_grad_of_a_quadratic_form() -> None:
    value, slope = tg.value_and_grad(quadratic)(POINT)
    assert value.item() == pytest.approx(POINT @ MATRIX @ POINT / 2)
    np.testing.assert_allclose(slope.data, (MATRIX + MATRIX.T) @ POINT / 2)
    assert not value.requires_grad
    assert not slope.requires_grad


def test_the_jacobian_of_a_linear_map_is_its_matrix() -> None:
    np.testing.assert_array_equal(tg.jacobian(lambda x: MATRIX @ x)(POINT).data, MATRIX)


def test_the_jacobian_has_the_shapes_of_result_and_argument() -> None:
    found = tg.jacobian(lambda x: x.reshape(2, 2) @ np.ones((2, 3)))(np.arange(4.0))
    assert found.shape == (2, 3, 4)
    expected = np.einsum("ik,jl->ijkl", np.eye(2), np.ones((3, 2))).reshape(2, 3, 4)
    np.testing.assert_array_equal(found.data, expected)


def test_the_hessian_of_a_quadratic_form_is_its_symmetric_part() -> None:
    np.testing.assert_allclose(tg.hessian(quadratic)(POINT).data, (MATRIX + MATRIX.T) / 2)


def test_the_hessian_is_the_jacobian_of_the_gradient_by_finite_differences() -> None:
    def slope(x: NDArray[Any]) -> NDArray[Any]:
        return tg.value_and_grad(curved)(x)[1].data

    h = 1e-5
    columns = [(slope(POINT + h * e) - slope(POINT - h * e)) / (2 * h) for e in np.eye(3)]
    found = tg.hessian(curved)(POINT).data
    np.testing.assert_allclose(found, np.stack(columns, axis=1), atol=1e-8)
    np.testing.assert_allclose(found, found.T, rtol=1e-13)


def test_hvp_is_the_hessian_times_the_vector() -> None:
    v = RNG.normal(size=3)
    np.testing.assert_allclose(
        tg.hvp(curved)(POINT, v).data, tg.hessian(curved)(POINT).data @ v, rtol=1e-12
    )
    np.testing.assert_allclose(tg.hvp(curved)(tg.Tensor(POINT), tg.Tensor(v)).data,
                               tg.hvp(curved)(POINT, v).data)


def test_what_does_not_depend_on_x_has_zeros() -> None:
    def constant(_x: Any) -> Any:
        return tg.Tensor([1.0, 2.0])

    assert (tg.jacobian(constant)(POINT).data == np.zeros((2, 3))).all()
    assert (tg.hessian(lambda x: x.sum())(POINT).data == 0).all()
    assert (tg.hvp(lambda x: x.sum())(POINT, POINT).data == 0).all()


def test_in_reproducible_arithmetic_too() -> None:
    with tg.reproducible():
        np.testing.assert_allclose(tg.hessian(quadratic)(POINT).data, (MATRIX + MATRIX.T) / 2)


def test_a_function_that_gives_no_tensor_is_refused() -> None:
    with pytest.raises(tg.GraphError, match="float"):
        tg.jacobian(lambda x: 1.0)(POINT)


def test_the_tensor_asked_about_is_left_alone() -> None:
    x = tg.Tensor(POINT, requires_grad=True)
    tg.hessian(curved)(x)
    assert x.grad is None


@pytest.mark.torch
def test_hessian_and_jacobian_agree_with_pytorch() -> None:
    import torch
    from torch.autograd import functional

    weights = torch.tensor(MATRIX)
    point = torch.tensor(POINT)

    def theirs(x: Any) -> Any:
        return (torch.tanh(weights @ x) * x.exp()).sum()

    np.testing.assert_allclose(
        tg.hessian(curved)(POINT).data, functional.hessian(theirs, point).numpy(), rtol=1e-11
    )
    np.testing.assert_allclose(
        tg.jacobian(lambda x: np.tanh(MATRIX @ x))(POINT).data,
        functional.jacobian(lambda x: torch.tanh(weights @ x), point).numpy(), rtol=1e-12,
    )


# Operations of one's own.


def test_an_operation_of_ones_own_works_on_numbers_arrays_and_nodes() -> None:
    cube = tg.operation("cube", lambda x: x * x * x, lambda g, y, x: g * (3 * x * x), formula="x^3")
    assert cube(2.0) == 8.0
    assert cube(np.array([1.0, 2.0])).tolist() == [1.0, 8.0]
    tg.check_grad(cube, [1.0, -2.0], order=2)
    v = tg.Value(2)
    cube(v).backward()
    assert v.grad == 12
    assert "cube" not in tg.F.rows, "only rows of the engine are in the table"


def test_an_operation_of_ones_own_says_whether_it_is_reproducible() -> None:
    def cubed(x: Any) -> Any:
        return x * x * x

    plain = tg.operation("cube", cubed, lambda g, y, x: g * (3 * x * x))
    exact = tg.operation("cube", cubed, lambda g, y, x: g * (3 * x * x), exact=cubed)
    x = tg.Tensor([2.0], requires_grad=True)
    with tg.reproducible():
        assert exact(x).data.tolist() == [8.0]
        with pytest.raises(tg.GraphError, match="cube"):
            plain(x)


def test_a_rule_of_the_wrong_shape_is_named() -> None:
    broken = tg.operation("broken", lambda x: x * 2, lambda g, y, x: g[:1])
    with pytest.raises(tg.GradientError, match="shape"):
        broken(tg.Tensor([1.0, 2.0], requires_grad=True)).sum().backward()
