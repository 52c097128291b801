import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from aljupyter.errors import ModelError
from aljupyter.models.gp import exact


def problem(n: int, noise: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(n)
    x = generator.normal(size=(n, 2))
    K = 2 * np.exp(-0.5 * ((x[:, None] - x[None]) ** 2).sum(-1)) + noise * np.eye(n)
    return torch.from_numpy(K), torch.from_numpy(generator.normal(size=n))


@pytest.mark.parametrize("n", [1, 2, 30])
def test_the_evidence_is_the_density_of_the_targets(n):
    K, y = problem(n)
    truth = multivariate_normal(cov=K.numpy()).logpdf(y.numpy())
    assert exact.ExactEvidence.apply(K, y).item() == pytest.approx(truth, abs=1e-9)
    assert exact.condition(K, y).log_evidence.item() == pytest.approx(truth, abs=1e-9)


def test_the_gradient_by_the_kernel_matrix_is_the_numerical_one():
    K, y = problem(6)
    root = torch.linalg.cholesky(K).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: exact.ExactEvidence.apply(r @ r.T, y), (root,))


def test_predictions_are_those_of_the_textbook():
    K, y = problem(30)
    K_train, K_new, k_new = K[:20, :20], K[:20, 20:], K.diagonal()[20:]
    mean, variance = exact.predict_latent(exact.condition(K_train, y[:20]), K_new, k_new)
    torch.testing.assert_close(mean, K_new.T @ torch.linalg.solve(K_train, y[:20]))
    torch.testing.assert_close(variance, k_new - (K_new.T @ torch.linalg.solve(K_train, K_new)).diagonal())


@pytest.mark.parametrize("n", [2, 25])
def test_leave_one_out_is_leaving_one_out(n):
    K, y = problem(n)
    mean, variance = exact.leave_one_out(exact.condition(K, y), y)
    for i in range(n):
        rest = [j for j in range(n) if j != i]
        without = exact.condition(K[rest][:, rest], y[rest])
        truth = exact.predict_latent(without, K[rest, i : i + 1], K[i : i + 1, i])
        torch.testing.assert_close((mean[i : i + 1], variance[i : i + 1]), truth)


def test_a_singular_matrix_gets_jitter_and_says_so():
    K, y = torch.ones(4, 4).double(), torch.ones(4).double()
    assert exact.ExactEvidence.apply(K, y).item() == -np.inf
    with pytest.warns(RuntimeWarning, match="singular in floating point"):
        found = exact.condition(K, y)
    assert torch.isfinite(found.alpha_N).all()


def test_a_matrix_that_is_no_covariance_is_refused():
    with pytest.raises(ModelError, match="not positive definite"):
        exact.condition(torch.tensor([[1.0, 2.0], [2.0, 1.0]]).double(), torch.ones(2).double())
