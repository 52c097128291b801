import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from aljupyter.models.gp import laplace


def problem(n: int, seed: int = 0, variance: float = 4.0) -> tuple[torch.Tensor, torch.Tensor]:
    """An RBF kernel matrix and labels of n points in the plane, one of each class at least."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 2))
    K = variance * np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1))
    y = (x[:, 0] + 0.5 * generator.normal(size=n) > 0).astype(float)
    y[0], y[-1] = 0, 1
    return torch.from_numpy(K), torch.from_numpy(y)


def dense_evidence(K: np.ndarray, y: np.ndarray, f: np.ndarray) -> float:
    """R&W 3.32 with explicit inverses, for well-conditioned K."""
    pi = expit(f)
    log_likelihood = np.log(np.where(y == 1, pi, 1 - pi)).sum()
    log_det_B = np.linalg.slogdet(np.eye(len(y)) + K @ np.diag(pi * (1 - pi)))[1]
    return log_likelihood - 0.5 * f @ np.linalg.solve(K, f) - 0.5 * log_det_B


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), st.integers(0, 1000), st.floats(1e-5, 1e5))
def test_at_the_mode_f_is_K_times_the_gradient(n, seed, variance):
    K, y = problem(n, seed, variance)
    f = laplace.find_mode(K, y)
    rounding = 1e-11 * K.sum(1).max().item()  # what an error in the gradient's last digits comes to
    torch.testing.assert_close(f, K @ (y - torch.sigmoid(f)), rtol=0, atol=1e-9 + rounding)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.floats(0.01, 1e4), st.floats(-100, 100))
def test_the_mode_does_not_depend_on_the_start(seed, variance, scale):
    K, y = problem(15, seed, variance)
    start = scale * torch.from_numpy(np.random.default_rng(seed).normal(size=15))
    torch.testing.assert_close(laplace.find_mode(K, y, start), laplace.find_mode(K, y), rtol=1e-7, atol=1e-7)


def test_a_kernel_matrix_that_is_not_finite_gives_a_mode_that_is_not_finite():
    K, y = problem(5)
    K[0, 0] = math.nan
    assert not torch.isfinite(laplace.find_mode(K, y)).all()


@pytest.mark.parametrize("n", [2, 10, 30])
def test_the_evidence_is_that_of_the_textbook(n):
    K, y = problem(n)
    K += 1e-3 * torch.eye(n)
    found = laplace.approximate(K, y, laplace.find_mode(K, y))
    assert found.log_evidence.item() == pytest.approx(dense_evidence(K.numpy(), y.numpy(), found.f_N.numpy()), abs=1e-9)


def test_the_evidence_is_near_the_true_one_for_two_points():
    K, y = torch.tensor([[2.0, 1.2], [1.2, 2.0]]).double(), torch.tensor([0.0, 1.0]).double()
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    f = np.linalg.cholesky(K.numpy()) @ np.stack([g.ravel() for g in np.meshgrid(nodes, nodes, indexing="ij")])
    likelihood = (1 - expit(f[0])) * expit(f[1])
    truth = math.log((likelihood * np.outer(weights, weights).ravel()).sum() / weights.sum() ** 2)
    found = laplace.approximate(K, y, laplace.find_mode(K, y)).log_evidence.item()
    assert found == pytest.approx(truth, abs=0.05)


@pytest.mark.parametrize("n", [2, 8])
def test_the_gradient_by_the_kernel_matrix_is_the_numerical_one(n):
    K, y = problem(n)
    root = torch.linalg.cholesky(K + 0.1 * torch.eye(n)).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: laplace.LaplaceEvidence.apply(r @ r.T, y, None)[0], (root,), atol=1e-6)


def test_latent_predictions_are_those_of_the_textbook():
    K, y = problem(30)
    K += 1e-6 * torch.eye(30)
    K_train, K_new, k_new = K[:20, :20], K[:20, 20:], K.diagonal()[20:]
    found = laplace.approximate(K_train, y[:20], laplace.find_mode(K_train, y[:20]))
    mean, variance = laplace.predict_latent(found, K_new, k_new)
    W = torch.diag(found.sqrt_w_N**2)
    torch.testing.assert_close(mean, K_new.T @ torch.linalg.solve(K_train, found.f_N), rtol=0, atol=1e-6)  # 3.21
    reduction = K_new.T @ torch.linalg.solve(K_train + torch.linalg.inv(W), K_new)  # 3.24
    torch.testing.assert_close(variance, k_new - reduction.diagonal(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("variance", [0.0, 1e-3, 0.1, 1.0, 10.0, 100.0])
def test_the_expected_logistic_is_near_its_integral(variance):
    mean = np.linspace(-20, 20, 81)
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    truth = expit(mean[:, None] + math.sqrt(variance) * nodes) @ weights / weights.sum()
    found = laplace.expected_logistic(torch.from_numpy(mean), torch.full((81,), variance).double())
    np.testing.assert_allclose(found, truth, atol=5e-4)  # the mixture of error functions is that near to the logistic


@pytest.mark.parametrize(("n", "largest", "average"), [(20, 0.1, 0.015), (60, 0.06, 0.01)])
def test_leave_one_out_is_near_to_leaving_one_out(n, largest, average):
    K, y = problem(n, variance=10.0)
    found = laplace.approximate(K, y, laplace.find_mode(K, y))
    closed_form = laplace.expected_logistic(*laplace.leave_one_out(found, K))
    truth = []
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        without = K[rest][:, rest]
        one_less = laplace.approximate(without, y[rest], laplace.find_mode(without, y[rest]))
        truth.append(laplace.expected_logistic(*laplace.predict_latent(one_less, K[rest, i : i + 1], K[i : i + 1, i])))
    error = (closed_form - torch.cat(truth)).abs()
    assert error.max() < largest
    assert error.mean() < average
