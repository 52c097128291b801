"""Kernels of one's own, end to end: fit, predict, gradient, priors, copies."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import LinearKernel, MaternKernel, PeriodicKernel, RBFKernel, ScaleKernel
from gpytorch.priors import GammaPrior, LogNormalPrior, NormalPrior
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from aljupyter.models import GPClassifier, GPRegressor
from aljupyter.models.gp.kernels import make_kernel, set_theta, theta_bounds

KERNELS = {
    "Matern": lambda: ScaleKernel(MaternKernel(2.5)),
    "ARD Matern": lambda: ScaleKernel(MaternKernel(1.5, ard_num_dims=2)),
    "sum": lambda: ScaleKernel(RBFKernel()) + LinearKernel(),
    "product": lambda: ScaleKernel(RBFKernel(active_dims=[0])) * MaternKernel(2.5, active_dims=[1]),
    "periodic": lambda: ScaleKernel(PeriodicKernel()),
    "one length scale fixed": lambda: fixed(ScaleKernel(MaternKernel(2.5))),
}
ESTIMATORS = [GPClassifier, GPRegressor]


def fixed(kernel: ScaleKernel) -> ScaleKernel:
    kernel.base_kernel.raw_lengthscale.requires_grad_(False)
    return kernel


def points(estimator, n: int = 30) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    X = generator.normal(size=(n, 2))
    wave = np.sin(2 * X[:, 0]) + 0.3 * X[:, 1] + 0.1 * generator.normal(size=n)
    return X, wave if estimator is GPRegressor else (wave > 0).astype(int)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_loop_with_any_kernel(estimator, name):
    X, y = points(estimator)
    last = None
    for n in range(16, 30, 3):
        last = estimator(KERNELS[name]()).fit_from(X[:n], y[:n], last)
        cold = estimator(KERNELS[name](), optimizer="faithful").fit(X[:n], y[:n])
        value = last.log_marginal_likelihood()
        assert value == pytest.approx(last.log_marginal_likelihood_value_, rel=1e-7)  # theta_ is the optimum's
        if name != "periodic":  # which has an optimum at every multiple of a period
            assert value > cold.log_marginal_likelihood_value_ - 0.2
        lower, upper = theta_bounds(last.models_[0]).T
        for step in 0.01 * np.concatenate([np.eye(len(lower)), -np.eye(len(lower))]):
            assert last.log_marginal_likelihood(np.clip(last.theta_ + step, lower, upper)) < value + 1e-4
    assert last.score(X, y) > 0.7
    own = make_kernel(KERNELS[name](), 2)
    set_theta(own, last.theta_[: len(last.theta_) - (estimator is GPRegressor)])
    torch.testing.assert_close(last.kernel_(torch.from_numpy(X)).to_dense(), own(torch.from_numpy(X)).to_dense())


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_gradient_with_any_kernel_is_the_numerical_one(estimator, name):
    X, y = points(estimator)
    model = estimator(KERNELS[name](), optimizer=None).fit(X, y)
    theta = np.random.default_rng(0).uniform(-0.5, 0.5, len(model.theta_))
    _, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    likelihood = model.log_marginal_likelihood
    numerical = [(likelihood(theta + step) - likelihood(theta - step)) / 2e-5 for step in 1e-5 * np.eye(len(theta))]
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-5)


def test_a_matern_kernel_gives_scikit_learns_numbers():
    theta = np.array([0.5, 0.2])
    kernel = make_kernel(ScaleKernel(MaternKernel(2.5)), 2)
    set_theta(kernel, theta)
    theirs = ConstantKernel(np.exp(0.5)) * Matern(np.exp(0.2), nu=2.5)
    new = np.random.default_rng(9).normal(size=(20, 2))

    X, y = points(GPClassifier)
    ours, truth = (
        GPClassifier(kernel, optimizer=None).fit(X, y),
        GaussianProcessClassifier(theirs, optimizer=None).fit(X, y),
    )
    np.testing.assert_allclose(ours.predict_proba(new), truth.predict_proba(new), rtol=0, atol=1e-6)
    assert ours.log_marginal_likelihood_value_ == pytest.approx(truth.log_marginal_likelihood_value_, abs=1e-6)

    X, y = points(GPRegressor)
    ours = GPRegressor(kernel, noise=0.01, normalize_y=False, optimizer=None).fit(X, y)
    truth = GaussianProcessRegressor(theirs, alpha=0.01, optimizer=None).fit(X, y)
    np.testing.assert_allclose(ours.predict(new, True), truth.predict(new, True), rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_optimum_of_a_matern_kernel_is_as_good_as_scikit_learns():
    for n in (15, 30):
        X, y = points(GPClassifier, n)
        theirs = GaussianProcessClassifier(ConstantKernel() * Matern(nu=2.5)).fit(X, y)
        ours = GPClassifier(ScaleKernel(MaternKernel(2.5))).fit(X, y)
        assert ours.log_marginal_likelihood_value_ > theirs.log_marginal_likelihood_value_ - 1e-3
        X, y = points(GPRegressor, n)
        theirs = GaussianProcessRegressor(ConstantKernel() * Matern(nu=2.5) + WhiteKernel(), normalize_y=True).fit(X, y)
        ours = GPRegressor(ScaleKernel(MaternKernel(2.5))).fit(X, y)
        assert ours.log_marginal_likelihood_value_ > theirs.log_marginal_likelihood_value_ - 1e-3


PRIORS = {
    "normal": lambda: NormalPrior(torch.tensor(6.0), torch.tensor(0.01)),
    "gamma": lambda: GammaPrior(60000.0, 10000.0),
    "log-normal": lambda: LogNormalPrior(torch.tensor(np.log(6.0)), torch.tensor(0.002)),
}


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("base", [RBFKernel, partial(MaternKernel, 2.5)], ids=["RBF", "Matern"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_optimum_moves_to_a_narrow_prior(estimator, base, prior):
    X, y = points(estimator)
    kernel = ScaleKernel(base(lengthscale_prior=PRIORS[prior]()))
    for last in (None, estimator(kernel, prior=None).fit(X[:25], y[:25])):
        heard = estimator(kernel).fit_from(X, y, last)
        assert heard.kernel_.base_kernel.lengthscale.item() == pytest.approx(6, abs=0.2)
        assert heard.log_marginal_likelihood() == pytest.approx(heard.log_marginal_likelihood_value_, rel=1e-7)
    unheard = estimator(kernel, prior=None).fit(X, y)
    assert unheard.kernel_.base_kernel.lengthscale.item() < 5.5
    assert unheard.log_marginal_likelihood_value_ >= heard.log_marginal_likelihood_value_


def test_the_prior_in_a_sum_is_heard():
    X, y = points(GPRegressor)
    prior = NormalPrior(torch.tensor(6.0), torch.tensor(0.01))
    model = GPRegressor(ScaleKernel(MaternKernel(2.5)) + ScaleKernel(RBFKernel(lengthscale_prior=prior))).fit(X, y)
    assert model.kernel_.kernels[1].base_kernel.lengthscale.item() == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_constraints_of_ones_own_are_kept(estimator):
    X, y = points(estimator)
    kernel = ScaleKernel(MaternKernel(2.5, lengthscale_constraint=GreaterThan(4.0)))
    model = estimator(kernel).fit(X, y)
    assert model.kernel_.base_kernel.lengthscale.item() >= 4 - 1e-9


@pytest.mark.parametrize("optimizer", ["fast", "faithful", None])
@pytest.mark.parametrize("name", ["rbf", "ard", *KERNELS])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_fitted_model_can_be_copied_and_pickled(estimator, name, optimizer):
    X, y = points(estimator)
    kernel = KERNELS[name]() if name in KERNELS else name
    last = estimator(kernel, optimizer=optimizer).fit(X[:25], y[:25])
    for model in (last, estimator(kernel, optimizer=optimizer).fit_from(X, y, last)):
        before = model.predict(X)
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            np.testing.assert_array_equal(twin.predict(X), before)
            twin.fit(X[:10], y[:10])
            np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_parameter_that_the_kernel_does_not_use_stays(estimator):
    X, y = points(estimator)
    kernel = ScaleKernel(MaternKernel(2.5))
    kernel.register_parameter("idle", torch.nn.Parameter(torch.tensor([-2.0])))
    model = estimator(kernel).fit(X, y)
    assert model.kernel_.idle.item() == -2
    assert model.score(X, y) > 0.7
