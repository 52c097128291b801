import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from aljupyter.errors import ModelError
from aljupyter.models.gp import arrays, exact

# arrays of NumPy and tensors; both make copies
pytestmark = pytest.mark.parametrize("kind", [np.array, torch.tensor], ids=["numpy", "torch"])


def problem(n: int, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """K_y and targets of n points in the plane."""
    generator = np.random.default_rng(n)
    x = generator.normal(size=(n, 2))
    K = 2 * np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1)) + noise * np.eye(n)
    return K, generator.normal(size=n)


def log_density(K: np.ndarray, y: np.ndarray) -> float:
    return float(multivariate_normal(cov=K).logpdf(y))


def slope(evidence, P: np.ndarray, step: float = 1e-5) -> float:
    """Central difference of a function of a matrix offset in the direction P."""
    return (evidence(step * P) - evidence(-step * P)) / (2 * step)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_the_evidence_is_the_density_of_the_targets(kind, n):
    K, y = problem(n)
    assert float(exact.factored(kind(K), kind(y)).log_evidence) == pytest.approx(log_density(K, y), abs=1e-9)
    assert float(exact.condition(kind(K), kind(y)).log_evidence) == pytest.approx(log_density(K, y), abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 8), st.integers(0, 1000), st.sampled_from([0.1, 1.0]))
def test_the_gradient_by_the_kernel_matrix_is_the_numerical_one(kind, n, seed, noise):
    K, y = problem(n, noise)
    P = np.random.default_rng(seed).normal(size=(n, n))
    P = P + P.T
    by_matrix = exact.gradient(exact.factored(kind(K), kind(y)), kind(y), noise)
    truth = slope(lambda step: log_density(K + step, y), P)
    assert float(by_matrix.along(kind(P))) == pytest.approx(truth, rel=1e-6, abs=1e-6)
    assert float((by_matrix.dense() * kind(P)).sum()) == pytest.approx(truth, rel=1e-6, abs=1e-6)
    along_K = slope(lambda step: log_density(K + step, y), K - noise * np.eye(n))
    assert float(by_matrix.along_K) == pytest.approx(along_K, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 8])
def test_the_gradient_by_the_noise_is_the_numerical_one(kind, n):
    K, y = problem(n)
    truth = slope(lambda step: log_density(K + step, y), np.eye(n))
    assert exact.gradient_by_noise(exact.factored(kind(K), kind(y))) == pytest.approx(truth, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("n_points", [10, 10**6])  # for many, the factor is inverted
def test_predictions_are_those_of_the_textbook(kind, n_points):
    K, y = problem(30)
    K_train, K_new, k_new = K[:20, :20], K[:20, 20:], K.diagonal()[20:]
    found = exact.condition(kind(K_train), kind(y[:20]))
    mean = kind(K_new.T) @ found.weights_N
    variance = kind(k_new) - exact.reduction(found, n_points)(kind(K_new.T))
    np.testing.assert_allclose(mean, K_new.T @ np.linalg.solve(K_train, y[:20]))
    np.testing.assert_allclose(variance, k_new - (K_new.T @ np.linalg.solve(K_train, K_new)).diagonal())


def test_whitened_points_give_the_joint_covariance(kind):
    K, y = problem(30)
    K_train, K_new = K[:20, :20], K[:20, 20:]
    v = exact.whiten(exact.condition(kind(K_train), kind(y[:20])), kind(K_new.T))
    np.testing.assert_allclose(v @ v.T, K_new.T @ np.linalg.solve(K_train, K_new))


@pytest.mark.parametrize("n", [2, 25])
def test_leave_one_out_is_leaving_one_out(kind, n):
    K, y = problem(n)
    mean, variance = exact.leave_one_out(exact.condition(kind(K), kind(y)), kind(y))
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        without = exact.condition(kind(K[rest][:, rest]), kind(y[rest]))
        k = kind(K[i : i + 1, rest])
        truth = k @ without.weights_N, kind(K[i : i + 1, i]) - exact.reduction(without, 1)(1.0 * k)
        np.testing.assert_allclose((mean[i : i + 1], variance[i : i + 1]), truth)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 5), st.sampled_from([1e-6, 1e-2, 1.0]))
def test_points_appended_to_the_factor_are_those_of_a_factor_of_all(kind, n, n_new, noise):
    K, y = problem(n + n_new, noise)
    chol = kind(np.linalg.cholesky(K[:n, :n]))
    for m in range(n, n + n_new):
        chol = exact.append(chol, kind(K[m, :m]), K[m, m])
    np.testing.assert_allclose(chol, np.linalg.cholesky(K), rtol=0, atol=1e-9 / noise**0.5)
    assert float(exact.solved(chol, kind(y)).log_evidence) == pytest.approx(log_density(K, y), rel=1e-9 / noise)


def test_a_point_that_adds_nothing_is_appended_as_nan(kind):
    grown = exact.append(kind(np.array([[2.0**0.5]])), kind(np.array([2.0])), 1.999)
    assert math.isnan(grown[1, 1])


def test_the_condition_number_is_a_lower_bound_and_that_of_a_diagonal_matrix(kind):
    assert exact.condition_number(kind(np.diag(np.sqrt([1e-3, 1.0, 1e5])))) == pytest.approx(1e8)
    for noise in (1e-8, 1e-2, 1.0):
        K, _ = problem(30, noise)
        bound = exact.condition_number(kind(np.linalg.cholesky(K)))
        assert 1 <= bound <= np.linalg.cond(K)


@pytest.mark.parametrize("n_points", [2, 100])
def test_the_inverse_is_the_inverse_and_another_precision_is_nearly_the_same(kind, n_points):
    K, y = problem(10)
    found = exact.condition(kind(K), kind(y))
    np.testing.assert_allclose(found.inverse_N_N, np.linalg.inv(K))
    k = np.random.default_rng(0).normal(size=(3, 10))
    double = exact.reduction(found, n_points)(kind(k))
    single = exact.reduction(found, n_points, "float32")(arrays.as_dtype(kind(k), "float32"))
    assert "float64" in str(double.dtype) and "float32" in str(single.dtype)
    np.testing.assert_allclose(double, np.einsum("ij,jk,ik->i", k, np.linalg.inv(K), k))
    np.testing.assert_allclose(single, double, rtol=1e-4)


def test_a_singular_matrix_gets_jitter_and_says_so(kind):
    K, y = np.ones((4, 4)), np.ones(4)
    assert not math.isfinite(exact.factored(kind(K), kind(y)).log_evidence)
    with pytest.warns(RuntimeWarning, match="singular in floating point"):
        found = exact.condition(kind(K), kind(y))
    assert np.isfinite(np.asarray(found.alpha_N)).all()


def test_a_matrix_that_is_no_covariance_is_refused(kind):
    with pytest.raises(ModelError, match="not positive definite"):
        exact.condition(kind(np.array([[1.0, 2.0], [2.0, 1.0]])), kind(np.ones(2)))
