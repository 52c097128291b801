"""The regressor against scikit-learn's, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel, RBFKernel, ScaleKernel
from gpytorch.priors import NormalPrior
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from aljupyter.errors import InvalidLabel, ModelError, NoLabels, NonFiniteFeatures, NotFitted, WrongShape
from aljupyter.models import GPRegressor

BOUNDS = (1e-5, 1e5)
THETAS = [[0.0, 0.0, 0.0], [1.0, 1.5, -2.0], [3.0, 2.0, -6.0], [-1.0, -0.5, 1.0]]


def points(n: int, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n)
    X = generator.normal(size=(n, d))
    return X, 50 + 20 * np.sin(2 * X[:, 0]) + 3 * generator.normal(size=n)


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("normalize_y", [True, False])
@pytest.mark.parametrize("n", [5, 40, 300])
def test_scikit_learns_numbers_at_the_same_hyperparameters(n, normalize_y, theta):
    X, y = points(n)
    new = np.random.default_rng(0).normal(size=(50, 3)) * 2
    constant, length, noise = np.exp(theta)
    kernel = ConstantKernel(constant) * RBF(length) + WhiteKernel(noise)
    theirs = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=normalize_y).fit(X, y)
    ours = GPRegressor("rbf", prior=None, normalize_y=normalize_y).restore(X, y, np.array([theta]), len(X))

    value, gradient = ours.log_marginal_likelihood(theta, eval_gradient=True)
    true_value, true_gradient = theirs.log_marginal_likelihood(np.array(theta), eval_gradient=True)
    assert value == pytest.approx(true_value, rel=1e-9, abs=1e-6)
    assert ours.log_marginal_likelihood_value_ == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient, true_gradient, rtol=1e-9, atol=1e-6)

    mean, std = ours.predict(new, return_std=True)
    true_mean, true_std = theirs.predict(new, return_std=True)
    scale = y.std() if normalize_y else 1.0
    np.testing.assert_allclose(mean, true_mean, atol=1e-6)
    np.testing.assert_allclose(std, np.sqrt(true_std**2 - scale**2 * noise), atol=1e-6)  # theirs has the noise in it
    assert ours.noise_ == pytest.approx(scale**2 * noise)
    np.testing.assert_array_equal(ours.predict(new), mean)


@pytest.mark.parametrize("noise", [1e-2, 1.0, 30.0])
def test_given_noise_is_scikit_learns_alpha_in_units_of_the_target(noise):
    X, y = points(40)
    theirs = GaussianProcessRegressor(
        ConstantKernel(1.0) * RBF(1.0), optimizer=None, alpha=noise / y.var(), normalize_y=True
    ).fit(X, y)
    ours = GPRegressor("rbf", noise=noise, optimizer=None).fit(X, y)
    np.testing.assert_allclose(ours.predict(X, return_std=True), theirs.predict(X, return_std=True), atol=1e-6)
    assert ours.log_marginal_likelihood() == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-6)
    assert ours.noise_ == pytest.approx(noise)
    assert len(ours.theta_) == 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n", [20, 60, 150, 300])
@pytest.mark.parametrize("scale", [True, False], ids=["standardised", "raw"])
def test_the_optimum_is_as_good_as_scikit_learns(scale, n):
    X, y = load_diabetes(return_X_y=True)
    chosen = np.random.default_rng(n).permutation(len(X))[:n]
    X, y = (StandardScaler().fit_transform(X) if scale else X)[chosen], y[chosen]
    kernel = ConstantKernel(1.0, BOUNDS) * RBF(1.0, BOUNDS) + WhiteKernel(1.0, BOUNDS)
    value = GaussianProcessRegressor(kernel, normalize_y=True).fit(X, y).log_marginal_likelihood_value_
    assert GPRegressor("rbf", prior=None).fit(X, y).log_marginal_likelihood_value_ >= value - 1e-3
    faithful = GPRegressor("rbf", prior=None, optimizer="faithful").fit(X, y)
    assert faithful.log_marginal_likelihood_value_ == pytest.approx(value, abs=1e-6)


def test_the_default_finds_the_feature_that_matters():
    X, y = points(40, d=6)
    log_lengths = GPRegressor().fit(X, y).theta_[1:-1]
    assert log_lengths.argmin() == 0
    assert log_lengths[0] < log_lengths[1:].min() - 0.5


def test_the_prior_of_a_kernel_of_ones_own_takes_part_unless_prior_is_none():
    X, y = points(15)
    wanted = NormalPrior(torch.tensor(7.0), torch.tensor(1e-3))
    kernel = ScaleKernel(RBFKernel(lengthscale_prior=wanted))
    assert GPRegressor(kernel).fit(X, y).kernel_.base_kernel.lengthscale.item() == pytest.approx(7, abs=0.1)
    assert GPRegressor(kernel, prior=None).fit(X, y).kernel_.base_kernel.lengthscale.item() < 5


def test_the_gradient_of_any_kernel_is_the_numerical_one():
    X, y = points(25)
    model = GPRegressor(ScaleKernel(MaternKernel(2.5, ard_num_dims=3))).fit(X, y)
    theta = np.array([1.0, 0.3, -0.2, 0.5, -1.0])
    _, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    likelihood = model.log_marginal_likelihood
    numerical = [(likelihood(theta + step) - likelihood(theta - step)) / 2e-5 for step in 1e-5 * np.eye(5)]
    np.testing.assert_allclose(gradient, numerical, atol=1e-6)


@pytest.mark.parametrize("noise", [None, 9.0])
def test_leave_one_out_is_leaving_one_out(noise):
    X, y = points(15)
    model = GPRegressor(noise=noise, normalize_y=False).fit(X, y - y.mean())
    mean, std = model.leave_one_out()
    for i in range(15):
        rest = np.arange(15) != i
        without = GPRegressor(noise=noise, normalize_y=False).restore(
            X[rest], (y - y.mean())[rest], model.theta_[None], len(rest)
        )
        truth = without.predict(X[i : i + 1], return_std=True)
        np.testing.assert_allclose([mean[i], std[i]], np.concatenate(truth), atol=1e-7)


def test_predictions_move_with_shift_and_scale_of_the_target():
    X, y = points(30)
    mean, std = GPRegressor().fit(X, y).predict(X, return_std=True)
    moved_mean, moved_std = GPRegressor().fit(X, 1000 * y - 7).predict(X, return_std=True)
    np.testing.assert_allclose(moved_mean, 1000 * mean - 7, rtol=1e-4)
    np.testing.assert_allclose(moved_std, 1000 * std, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:The points are:RuntimeWarning")
@settings(deadline=None, max_examples=20)
@given(st.integers(1, 12), st.integers(0, 100), st.sampled_from([1e-8, 1.0, 1e8]), st.sampled_from([0.0, 1e-9, 1, 1e9]))
def test_no_data_set_gives_nan(n, seed, x_scale, y_scale):
    generator = np.random.default_rng(seed)
    X, y = x_scale * generator.normal(size=(n, 2)), y_scale * generator.normal(size=n)
    if seed % 3 == 0:
        X[:] = X[0]
    model = GPRegressor(prior=generator.choice(["default", None])).fit(X, y)
    assert np.isfinite(model.predict(X, return_std=True)).all()
    assert np.isfinite(model.leave_one_out()).all()


@pytest.mark.filterwarnings("ignore:.*ill-conditioned:RuntimeWarning")
def test_noiseless_targets_of_close_points_warn_and_stay_finite():
    X = np.linspace(0, 1, 60)[:, None]
    with pytest.warns(RuntimeWarning, match="singular in floating point"):
        model = GPRegressor(noise=0.0).fit(X, np.sin(3 * X[:, 0]))
    np.testing.assert_allclose(model.predict(X), np.sin(3 * X[:, 0]), atol=1e-3)


@pytest.mark.parametrize("kernel", ["rbf", "ard", ScaleKernel(MaternKernel(2.5))], ids=["rbf", "ard", "Matern"])
def test_points_appended_are_a_fresh_fit_and_the_model_stays(kernel):
    X, y = points(40)
    fixed = GPRegressor(kernel, noise=0.5, optimizer=None, normalize_y=False)
    model = clone(fixed).fit(X[:20], y[:20])
    before = model.predict(X, return_std=True)
    for n in (21, 24, 40):
        grown, fresh = model.appended(X[:n], y[:n]), clone(fixed).fit(X[:n], y[:n])
        assert grown.log_marginal_likelihood_value_ == pytest.approx(fresh.log_marginal_likelihood_value_, rel=1e-12)
        np.testing.assert_allclose(grown.predict(X, True), fresh.predict(X, True), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(grown.leave_one_out(), fresh.leave_one_out(), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(model.predict(X, return_std=True), before)


def test_only_points_that_come_after_its_own_are_appended():
    X, y = points(40)
    model = GPRegressor(optimizer=None, normalize_y=False).fit(X[:20], y[:20])
    relabelled, reordered = changed(y, 3, 0.0), np.roll(np.arange(40), 1)
    assert model.appended(X[:30], y[:30]) is not None
    assert model.appended(X[:20], y[:20]) is None
    assert model.appended(X[:10], y[:10]) is None
    assert model.appended(X[:30], relabelled[:30]) is None
    assert model.appended(X[reordered][:30], y[reordered][:30]) is None
    assert model.appended(np.concatenate([X, X]), np.concatenate([y, y])) is None  # to factor anew is cheaper
    assert GPRegressor(optimizer=None).fit(X[:20], y[:20]).appended(X[:30], y[:30]) is None  # the scale moves
    with pytest.raises(InvalidLabel, match="first at position 25"):
        model.appended(X[:30], changed(y, 25, np.nan)[:30])
    with pytest.raises(NonFiniteFeatures):
        model.appended(changed(X, 25, np.inf)[:30], y[:30])


def test_the_same_fit_is_the_same_bit_for_bit():
    X, y = points(40)
    first, second = GPRegressor().fit(X, y), GPRegressor().fit(X, y)
    np.testing.assert_array_equal(first.theta_, second.theta_)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


def changed(array: np.ndarray, position, value) -> np.ndarray:
    array = array.copy()
    array[position] = value
    return array


X, Y = points(10)


@pytest.mark.parametrize(
    ("features", "targets", "error", "words"),
    [
        (X[:0], Y[:0], NoLabels, "label at least one point"),
        (X, ["high"] * 10, InvalidLabel, "must be numbers"),
        (X, changed(Y, 4, np.nan), InvalidLabel, "first at position 4"),
        (changed(X, (3, 1), np.nan), Y, NonFiniteFeatures, "row 3, column 1"),
        (X[:, 0], Y, WrongShape, "Reshape your data"),
        (X, Y[:9], WrongShape, "10 points, 9 labels"),
        (X, np.stack([Y, Y], 1), WrongShape, "one label a point"),
    ],
)
def test_bad_input_is_refused_by_name_and_the_last_fit_stays(features, targets, error, words):
    model = GPRegressor().fit(X, Y)
    before = model.predict(X)
    with pytest.raises(error, match=words):
        model.fit(features, targets)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("noise", [-1.0, math.inf, math.nan])
def test_noise_that_is_no_variance_is_refused(noise):
    with pytest.raises(ModelError, match="noise is a variance"):
        GPRegressor(noise=noise).fit(X, Y)


def test_predictions_are_checked():
    with pytest.raises(NotFitted, match="Call `fit`"):
        GPRegressor().predict(X)
    with pytest.raises(WrongShape, match="X has 2 features"):
        GPRegressor().fit(X, Y).predict(X[:, :2])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_numbers():
    X, y = points(60)
    here, there = GPRegressor().fit(X, y), GPRegressor(device="cuda").fit(X, y)
    np.testing.assert_allclose(here.predict(X), there.predict(X), atol=1e-5)


@parametrize_with_checks([GPRegressor()])
def test_scikit_learn_takes_it_for_its_own(estimator, check):
    check(estimator)


def test_the_evidence_elsewhere_leaves_a_model_with_appended_points_as_it_is():
    X, y = np.linspace(0, 3, 12)[:, None], np.sin(np.linspace(0, 3, 12))
    first = GPRegressor("rbf", noise=0.1, normalize_y=False, optimizer=None).fit(X[:10], y[:10])
    grown = first.appended(X, y)
    before = vars(grown.model_).copy()
    grown.log_marginal_likelihood([0.3, -0.2])
    assert grown.model_.factored_at == 10  # what a resumed session rebuilds the factor from
    assert all(vars(grown.model_)[name] is value for name, value in before.items())
