"""When a search from elsewhere ends, and what it takes from the best optimum known."""

import numpy as np
import pytest
from gpytorch.kernels import MaternKernel, ScaleKernel

from aljupyter.models import GPClassifier
from aljupyter.models.gp import learning
from aljupyter.models.gp.optimise import Optimum, bfgs, run

CENTRE = np.array([1.0, -2.0])
HESSIAN = np.array([[0.3, 0.1], [0.1, 2.0]])
WIDE = np.array([[-50.0, 50.0]] * 2)
BEST = Optimum(CENTRE, 5.0, np.linalg.inv(HESSIAN))


def bowl(theta, centre=CENTRE, bottom=5.0):
    off = theta - centre
    return bottom + 0.5 * off @ HESSIAN @ off, HESSIAN @ off


def search(start, objective) -> tuple[Optimum, int]:
    calls = []

    def counted(theta):
        calls.append(theta)
        return objective(theta)

    return run(learning._until_near(bfgs(np.asarray(start), WIDE), BEST), counted), len(calls)


@pytest.mark.parametrize("start", [[3.0, -2.0], [1.0, -1.1], [0.0, -1.5], [1.1, -2.1]])
def test_it_ends_with_the_best_where_a_newton_step_would_land_there(start):
    assert search(start, bowl) == (BEST, 1)


def test_far_above_the_best_it_goes_on_until_it_is_lower():
    found, n_calls = search([9.0, 4.0], bowl)
    assert found is BEST and n_calls > 1


def test_an_optimum_of_its_own_is_kept():
    centre = CENTRE + [4.0, 1.0]
    found, _ = search([3.0, 0.0], lambda theta: bowl(theta, centre, bottom=5.2))
    assert found is not BEST
    np.testing.assert_allclose(found.theta, centre, atol=0.01)


def test_it_takes_the_curvature_of_a_best_that_is_well_determined():
    X = np.random.default_rng(0).normal(size=(40, 2))
    y = (X[:, 0] + 0.3 * X[:, 1] ** 2 > 0).astype(int)

    def objective_of(kernel):
        return learning.Objective(GPClassifier(kernel, prior=None).fit(X, y).models_[0], use_prior=False)

    rbf = objective_of("rbf")
    inside, H = np.zeros(2), np.diag([1.0, 0.1])
    assert learning._curvature(rbf, Optimum(inside, 0.0, H)) is H
    assert learning._curvature(rbf, Optimum(rbf.bounds[:, 1], 0.0, H)) is None
    assert learning._curvature(rbf, Optimum(np.array([0.0, rbf.bounds[1, 0]]), 0.0, H)) is None
    assert learning._curvature(rbf, Optimum(inside, 0.0, np.diag([1.0, 1e3]))) is None
    assert learning._curvature(objective_of(ScaleKernel(MaternKernel(2.5))), Optimum(inside, 0.0, H)) is None
