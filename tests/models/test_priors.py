import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from aljupyter.models.gp.kernels import get_theta, make_kernel, set_theta, theta_bounds
from aljupyter.models.gp.modules import gaussian_likelihood
from aljupyter.models.gp.priors import guard, hierarchical, log_prior, noisy


def standardised(n: int = 500, d: int = 4) -> torch.Tensor:
    x = np.random.default_rng(0).normal(size=(n, d))
    return torch.from_numpy((x - x.mean(0)) / x.std(0, ddof=1))


def test_the_guard_bounds_variance_and_length_by_the_data():
    kernel = make_kernel("rbf", 1)
    guard(kernel, torch.tensor([[0.0], [10.0]]).double())
    np.testing.assert_allclose(np.exp(theta_bounds(kernel)), [[0.5, 1000], [1, 50]])


def test_the_hierarchical_prior_is_a_common_factor_with_deviations():
    """Up to a constant, the density of the log length scales is the best over the common factor of the joint one."""
    kernel = make_kernel("ard", 4)
    hierarchical(kernel, standardised())

    def joint(theta):
        def at(common):
            return norm(0.5 * math.log(4), 1).logpdf(common) + norm(common, math.sqrt(0.5)).logpdf(theta[1:]).sum()

        return -minimize_scalar(lambda common: -at(common)).fun + norm(0, 1.5).logpdf(theta[0])

    found, truth = [], []
    for seed in range(5):
        theta = np.random.default_rng(seed).normal(size=5)
        set_theta(kernel, theta)
        found.append(log_prior(kernel).item())
        truth.append(joint(theta))
    np.testing.assert_allclose(np.diff(found), np.diff(truth), atol=1e-6)


def test_the_hierarchical_prior_moves_with_the_scale_of_the_features():
    densities = []
    for scale in (1.0, 1e8):
        kernel = make_kernel("ard", 4)
        hierarchical(kernel, scale * standardised())
        set_theta(kernel, get_theta(kernel) + [0.3, *[math.log(scale)] * 4])
        densities.append(log_prior(kernel).item())
    assert densities[0] == pytest.approx(densities[1])


def test_noise_is_expected_to_be_a_fifth_of_the_variance():
    likelihood = gaussian_likelihood(None)
    noisy(likelihood)
    values = {}
    for noise in (0.1, 0.2, 0.4):
        set_theta(likelihood, np.log([noise]))
        values[noise] = log_prior(likelihood).item()
    assert max(values, key=values.get) == 0.2
    assert values[0.1] - values[0.2] == pytest.approx(-0.5 * math.log(2) ** 2)
