"""The algebra on NumPy arrays and on tensors, against numpy.linalg and scipy."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aljupyter.models.gp import arrays
from aljupyter.models.gp.arrays import Array


def array(values) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def tensor(values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# both make copies
pytestmark = pytest.mark.parametrize("kind", [array, tensor], ids=["numpy", "torch"])

SIZES = [(1,), (2,), (30,), (1, 5), (3, 8)]  # of one matrix, and of batches


def positive_definite(*size: int, seed: int = 0) -> np.ndarray:
    """Matrices whose eigenvalues are at least 1."""
    *batch, n = size
    root = np.random.default_rng(seed).normal(size=(*batch, n, n))
    return root @ np.swapaxes(root, -1, -2) + np.eye(n)


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def assert_is(found: Array, wanted: np.ndarray, kind, rtol: float = 1e-9, atol: float = 1e-11) -> None:
    """Of the same kind and precision, with these values."""
    assert isinstance(found, torch.Tensor if kind is tensor else np.ndarray)
    assert "float64" in str(found.dtype)
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=atol)


def test_the_namespace_is_that_of_the_array(kind):
    assert arrays.namespace(kind([1.0])).__name__ == ("torch" if kind is tensor else "numpy")


@pytest.mark.parametrize("values", [[1.0, 2.5], np.array([1, 2]), torch.tensor([1.0, 2.5]), 3.0], ids=repr)
def test_like_gives_the_kind_and_precision_of_the_other(kind, values):
    assert_is(arrays.like(values, kind([0.0])), np.asarray(values), kind)
    single = arrays.as_dtype(kind([0.0]), "float32")
    assert arrays.like(values, single).dtype == single.dtype


def test_another_precision_rounds_and_the_same_one_copies_nothing(kind):
    a = kind([1 / 3, 2.0])
    single = arrays.as_dtype(a, "float32")
    assert "float32" in str(single.dtype)
    np.testing.assert_array_equal(np.asarray(single), np.array([1 / 3, 2.0], dtype=np.float32))
    assert np.shares_memory(np.asarray(arrays.as_dtype(a, "float64")), np.asarray(a))


def test_a_tensor_and_an_array_share_the_memory(kind):
    a = kind([1.0, 2.0])
    tensor, array = arrays.as_tensor(a), arrays.as_numpy(a)
    assert isinstance(tensor, torch.Tensor) and isinstance(array, np.ndarray)
    a[0] = 5.0
    assert tensor[0] == array[0] == 5.0


def test_equal_means_shape_and_values(kind):
    a = kind([[1.0, 2.0]])
    assert arrays.equal(a, 1.0 * a)
    assert not arrays.equal(a, a[0])
    assert not arrays.equal(a, a + 1e-15)
    assert not arrays.equal(kind([np.nan]), kind([np.nan]))


def test_points_begin_with_the_first_of_them(kind):
    x = kind(normal(5, 2))
    for n in range(6):
        assert arrays.begins_with(x, x[:n]) and arrays.begins_with(x[:, 0], x[:n, 0])
    assert not arrays.begins_with(x[:3], x)
    assert not arrays.begins_with(x, x[1:3])


def test_the_largest_absolute_value(kind):
    assert arrays.largest(kind([1.0, -3.0, 2.0])) == 3
    assert arrays.largest(kind([[1.0, -3.0], [4.0, 0.0]])) == 4
    assert arrays.largest(kind([])) == arrays.largest(kind(np.zeros((2, 0)))) == 0
    assert np.isnan(arrays.largest(kind([1.0, np.nan, 2.0])))


@pytest.mark.parametrize(
    ("function", "truth"),
    [
        (arrays.sigmoid, scipy.special.expit),
        (arrays.erf, scipy.special.erf),
        (arrays.softplus, lambda a: -scipy.special.log_expit(-a)),
    ],
    ids=["sigmoid", "erf", "softplus"],
)
def test_special_functions_everywhere(kind, function, truth):
    a = np.concatenate([np.linspace(-40, 40, 201), [-800.0, 800.0, -1e-300, 0.0, np.inf, -np.inf]])
    assert_is(function(kind(a)), truth(a), kind, rtol=1e-12, atol=1e-15)
    assert_is(function(kind(a[:200].reshape(2, 4, 25))), truth(a[:200]).reshape(2, 4, 25), kind, rtol=1e-12, atol=1e-15)
    assert np.isnan(float(function(kind([np.nan]))[0]))


@pytest.mark.parametrize("size", SIZES)
def test_the_diagonal_is_a_view_and_can_be_added_to(kind, size):
    A = positive_definite(*size)
    a = kind(A)
    assert_is(arrays.diagonal(a), np.diagonal(A, axis1=-2, axis2=-1), kind, rtol=0, atol=0)
    assert arrays.add_to_diagonal(a, 2.5) is a
    assert_is(a, A + 2.5 * np.eye(size[-1]), kind, rtol=1e-15)
    arrays.diagonal(a)[...] = 0.0
    assert_is(arrays.diagonal(a), np.zeros(size), kind)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 4), (2, 3, 4)])
def test_a_matrix_times_a_vector(kind, shape):
    A, v = normal(*shape), normal(*shape[:-2], shape[-1], seed=2)
    assert_is(arrays.matvec(kind(A), kind(v)), np.einsum("...ij,...j->...i", A, v), kind)


@pytest.mark.parametrize("shape", [(4, 3), (0, 3), (3, 0)])
def test_squared_norms_of_rows(kind, shape):
    v = normal(*shape)
    assert_is(arrays.squared_rows(kind(v)), np.linalg.norm(v, axis=1) ** 2, kind)
    assert_is(arrays.squared_rows(kind(v.T).mT), np.linalg.norm(v, axis=1) ** 2, kind)


@pytest.mark.parametrize("size", SIZES)
def test_the_factor_is_numpys(kind, size):
    A = positive_definite(*size)
    assert_is(arrays.cholesky(kind(A)), np.linalg.cholesky(A), kind)  # zeros above the diagonal too


@pytest.mark.parametrize("bad", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, np.nan], [np.nan, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])
def test_what_is_not_positive_definite_has_a_factor_of_nan_and_its_batch_goes_on(kind, bad):
    assert np.isnan(np.asarray(arrays.diagonal(arrays.cholesky(kind(bad))))).any()
    good = positive_definite(2)
    one, two, three = arrays.cholesky(kind(np.stack([good, bad, good])))
    assert np.isnan(np.asarray(arrays.diagonal(two))).any()
    for factor in (one, three):
        assert_is(factor, np.linalg.cholesky(good), kind)


@pytest.mark.parametrize("size", SIZES)
def test_inverse_and_solutions_of_a_product_of_factors(kind, size):
    A, b = positive_definite(*size), normal(*size)
    L = kind(np.linalg.cholesky(A))
    of_L = arrays.inverse_of_lower(L)
    assert_is(of_L, np.linalg.inv(np.linalg.cholesky(A)), kind)
    assert arrays.equal(of_L, kind(np.tril(np.asarray(of_L))))
    inverse = arrays.gram_of_lower(of_L)
    assert_is(inverse, np.linalg.inv(A), kind)
    np.testing.assert_allclose(inverse, np.swapaxes(np.asarray(inverse), -1, -2), rtol=1e-13, atol=1e-15)
    assert_is(arrays.solve_product(L, kind(b)), np.linalg.solve(A, b[..., None])[..., 0], kind)
    assert_is(L, np.linalg.cholesky(A), kind, rtol=0, atol=0)  # nothing is written into


@pytest.mark.parametrize("n", [63, 64, 65, 200, 512, 513])  # in one block, in several, and by LAPACK
def test_the_inverse_of_a_triangular_matrix_is_as_accurate_as_lapacks(kind, n):
    L = np.linalg.cholesky(positive_definite(n))
    inverse, of_lapack = np.asarray(arrays.inverse_of_lower(kind(L))), scipy.linalg.lapack.dtrtri(L, lower=1)[0]
    assert abs(inverse @ L - np.eye(n)).max() < 10 * abs(of_lapack @ L - np.eye(n)).max() + 1e-14
    assert not np.triu(inverse, 1).any()


@pytest.mark.parametrize("n", [1, 2, 30])
def test_triangular_solutions_are_scipys(kind, n):
    L, b = np.linalg.cholesky(positive_definite(n)), normal(n)
    assert_is(arrays.solve_lower(kind(L), kind(b)), scipy.linalg.solve_triangular(L, b, lower=True), kind)
    assert_is(arrays.solve_transposed(kind(L), kind(b)), scipy.linalg.solve_triangular(L.T, b), kind)


@pytest.mark.parametrize("n", [1, 30])
def test_triangular_solutions_leave_their_arguments_also_where_factors_are_views(kind, n):
    """A factor as :func:`cholesky` gives it is stored by columns; a copy of it by rows."""
    A, b = positive_definite(n), kind(normal(n))
    kept = 1.0 * b
    by_columns, by_rows = arrays.cholesky(kind(A)), kind(np.linalg.cholesky(A))
    for solve in (arrays.solve_lower, arrays.solve_transposed, arrays.solve_product):
        assert_is(solve(by_columns, b), np.asarray(solve(by_rows, b)), kind)
        assert_is(
            solve(by_columns[: (n + 1) // 2, : (n + 1) // 2], b[: (n + 1) // 2]),
            np.asarray(solve(by_rows[: (n + 1) // 2, : (n + 1) // 2], b[: (n + 1) // 2])),
            kind,
        )
    assert arrays.equal(b, kept)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (30, 7), (7, 30), (5, 0)])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 1e-3)])
def test_rows_are_solved_in_either_precision(kind, n, m, dtype, rtol):
    L, K = np.linalg.cholesky(positive_definite(n)), normal(m, n)
    truth = scipy.linalg.solve_triangular(L, K.T, lower=True).T if m else K
    for rows in (K, np.asfortranarray(K)):  # by rows and by columns
        found = arrays.solve_rows(arrays.as_dtype(kind(L), dtype), arrays.as_dtype(kind(rows), dtype))
        assert dtype in str(found.dtype) and found.shape == (m, n)
        np.testing.assert_allclose(found, truth, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("n", [1, 5, 300])
@pytest.mark.parametrize("by", ["solving", "products"])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 1e-3)])
def test_squared_norms_of_solved_rows(kind, n, by, dtype, rtol):
    L, K = np.linalg.cholesky(positive_definite(n)), normal(7, n)
    truth = (scipy.linalg.solve_triangular(L, K.T, lower=True) ** 2).sum(0)
    triangle = kind(L) if by == "solving" else arrays.inverse_of_lower(kind(L))
    given_N_N = arrays.as_dtype(triangle, dtype)
    kept = 1.0 * given_N_N
    squares = arrays.squared_solver(given_N_N) if by == "solving" else arrays.squared_products(given_N_N)
    rows = [(K, truth), (np.asfortranarray(K), truth), (K[::-1].copy(), truth[::-1]), (K[:1], truth[:1])]
    for some, wanted in [*rows, (K[:0], truth[:0])]:
        found = squares(arrays.as_dtype(kind(some.copy(order="K")), dtype))
        assert dtype in str(found.dtype)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)
    assert arrays.equal(given_N_N, kept)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 1000), st.floats(0, 12))
def test_the_estimated_condition_number_is_near_the_true_one(kind, n, seed, digits):
    rotation = np.linalg.qr(normal(n, n, seed=seed))[0]
    A = rotation * np.logspace(0, -digits, n) @ rotation.T
    A = (A + A.T) / 2
    found = arrays.estimated_condition(kind(np.linalg.cholesky(A)), float(abs(A).sum(1).max()))
    truth = np.linalg.cond(A, 1)
    assert truth / 10 < found < truth * 1.01  # LAPACK's estimate is a lower bound


def test_the_condition_number_of_a_singular_matrix_is_large_and_finite(kind):
    L = kind(np.diag([1.0, 1e-200]))
    assert 1e100 < arrays.estimated_condition(L, 1.0) <= 1e300
