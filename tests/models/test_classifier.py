"""The classifier against scikit-learn's, and what it refuses."""

import pickle

import numpy as np
import pytest
import torch
from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from aljupyter.errors import (
    InvalidLabel,
    ModelError,
    NoLabels,
    NonFiniteFeatures,
    NotFitted,
    OneClassOnly,
    WrongShape,
)
from aljupyter.models import GPClassifier, GPRegressor
from aljupyter.models.gp.kernels import make_kernel, set_theta

BOUNDS = (1e-5, 1e5)
THETAS = [[0.0, 0.0], [2.0, 1.0], [4.0, 2.5], [-1.0, -0.5], [6.0, 2.0]]


def points(n: int, n_classes: int, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n)
    X = generator.normal(size=(n, d))
    y = np.digitize(X[:, 0] + 0.7 * generator.normal(size=n), np.linspace(-1, 1, n_classes + 1)[1:-1])
    y[:n_classes] = range(n_classes)
    return X, y


def reference(theta, X, y, d: int | None = None) -> GaussianProcessClassifier:
    length = np.exp(theta[1]) if d is None else np.exp(theta[1:])
    return GaussianProcessClassifier(ConstantKernel(np.exp(theta[0])) * RBF(length), optimizer=None).fit(X, y)


def fixed(kernel: str, theta, X, y) -> GPClassifier:
    own = make_kernel(kernel, X.shape[1])
    set_theta(own, np.asarray(theta))
    return GPClassifier(own, prior=None, optimizer=None).fit(X, y)


@pytest.mark.parametrize("theta", THETAS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n", [5, 40, 300])
def test_scikit_learns_numbers_at_the_same_hyperparameters(n, n_classes, theta):
    X, y = points(n, n_classes)
    new = np.random.default_rng(0).normal(size=(50, 3)) * 2
    theirs, ours = reference(theta, X, y), fixed("rbf", theta, X, y)
    np.testing.assert_allclose(ours.predict_proba(new), theirs.predict_proba(new), atol=1e-6)
    np.testing.assert_allclose(ours.theta_, np.squeeze([theta] * len(ours.models_)), atol=1e-12)
    value, gradient = ours.log_marginal_likelihood(theta, eval_gradient=True)
    assert value == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-6)
    assert ours.log_marginal_likelihood_value_ == pytest.approx(value, rel=1e-8, abs=1e-8)
    parts = theirs.base_estimator_.estimators_ if n_classes > 2 else [theirs.base_estimator_]
    truth = np.mean([part.log_marginal_likelihood(np.array(theta), eval_gradient=True)[1] for part in parts], axis=0)
    np.testing.assert_allclose(gradient, truth, atol=1e-6)


def test_scikit_learns_numbers_with_a_length_scale_a_feature():
    X, y = points(60, 2)
    theta = np.array([1.0, 0.0, 0.7, -0.4])
    theirs, ours = reference(theta, X, y, d=3), fixed("ard", theta, X, y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    _, truth = theirs.log_marginal_likelihood(theta, eval_gradient=True)
    np.testing.assert_allclose(ours.log_marginal_likelihood(theta, eval_gradient=True)[1], truth, atol=1e-6)


def test_the_likelihood_of_each_class_at_its_own_hyperparameters():
    X, y = points(40, 3)
    thetas = np.array(THETAS[:3])
    theirs, ours = reference(thetas[0], X, y), fixed("rbf", thetas[0], X, y)
    value, gradient = ours.log_marginal_likelihood(thetas.reshape(-1), eval_gradient=True)
    assert value == pytest.approx(theirs.log_marginal_likelihood(thetas.reshape(-1)), abs=1e-6)
    parts = zip(theirs.base_estimator_.estimators_, thetas, strict=True)
    truth = [part.log_marginal_likelihood(theta, eval_gradient=True)[1] / 3 for part, theta in parts]
    np.testing.assert_allclose(gradient, np.concatenate(truth), atol=1e-6)
    np.testing.assert_array_equal(ours.theta_, [thetas[0]] * 3)  # asking moves nothing
    with pytest.raises(WrongShape, match="theta must have 2 entries"):
        ours.log_marginal_likelihood(np.zeros(5))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n", [30, 90, 150])
@pytest.mark.parametrize("scale", [True, False], ids=["standardised", "raw"])
@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
def test_the_optimum_is_as_good_as_scikit_learns(load, scale, n):
    X, y = load(return_X_y=True)
    chosen = np.random.default_rng(8).permutation(len(X))[:n]
    X, y = (StandardScaler().fit_transform(X) if scale else X)[chosen], y[chosen]
    theirs = GaussianProcessClassifier(ConstantKernel(1.0, BOUNDS) * RBF(1.0, BOUNDS)).fit(X, y)
    fast = GPClassifier(prior=None).fit(X, y)
    faithful = GPClassifier(prior=None, optimizer="faithful").fit(X, y)
    binary = theirs.base_estimator_
    truth = [part.log_marginal_likelihood_value_ for part in getattr(binary, "estimators_", [binary])]
    for value, ours, same in zip(truth, fast.models_, faithful.models_, strict=True):
        assert ours.log_evidence_ >= value - 1e-3
        if scale:  # raw iris has likelihoods so steep that rounding decides where the search ends
            assert same.log_evidence_ == pytest.approx(value, abs=1e-6)  # its bad optima included


def test_the_default_prior_keeps_clear_of_degenerate_optima():
    X, y = points(6, 2)
    y = np.array([0, 1, 0, 1, 0, 1])  # nothing to learn
    variance, length = np.exp(GPClassifier().fit(X, y).theta_)
    rms = np.sqrt(2 * X.var(0, ddof=1).sum())
    assert 0.5 - 1e-9 <= variance <= 1000
    assert 0.1 * rms - 1e-9 <= length <= 5 * rms
    assert np.exp(GPClassifier(prior=None).fit(X, y).theta_[0]) < 0.5


def test_optimizer_none_keeps_the_kernels_hyperparameters():
    X, y = points(20, 2)
    np.testing.assert_array_equal(GPClassifier(optimizer=None).fit(X, y).theta_, [0, 0])
    kernel = ScaleKernel(MaternKernel(2.5))
    kernel.outputscale = 3.0
    model = GPClassifier(kernel, optimizer=None).fit(X, y)
    assert model.kernel_.outputscale.item() == pytest.approx(3, rel=1e-6)


def test_the_gradient_of_any_kernel_is_the_numerical_one():
    X, y = points(25, 2)
    model = GPClassifier(ScaleKernel(MaternKernel(1.5, ard_num_dims=3))).fit(X, y)
    theta = np.array([1.0, 0.3, -0.2, 0.5])
    _, gradient = model.log_marginal_likelihood(theta, eval_gradient=True)
    steps = 1e-5 * np.eye(4)
    likelihood = model.log_marginal_likelihood
    numerical = [(likelihood(theta + step) - likelihood(theta - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, numerical, atol=1e-6)


def test_string_labels_come_back_and_columns_follow_classes():
    X, y = points(60, 3)
    names = np.array(["oak", "ash", "elm"])[y]
    model = GPClassifier().fit(X, names)
    assert model.classes_.tolist() == ["ash", "elm", "oak"]
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert (model.predict(X) == model.classes_[probabilities.argmax(1)]).all()
    assert model.score(X, names) > 0.6
    assert len(model.kernel_) == 3


@pytest.mark.filterwarnings("ignore:The points are:RuntimeWarning")
@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12), st.integers(0, 100), st.sampled_from([1e-8, 1e-3, 1.0, 1e8]), st.booleans())
def test_no_data_set_gives_nan(n, seed, scale, duplicated):
    generator = np.random.default_rng(seed)
    X = scale * generator.normal(size=(n, 2))
    if duplicated:
        X[:] = X[0]
    y = generator.integers(0, 3, n)
    y[:2] = 0, 1
    model = GPClassifier(prior=generator.choice(["default", None])).fit(X, y)
    for probabilities in (model.predict_proba(X), model.leave_one_out_proba()):
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(1), 1)


def test_far_from_all_labels_nothing_is_known():
    model = GPClassifier().fit([[0.0], [1.0]], ["a", "b"])
    np.testing.assert_allclose(model.predict_proba([[1e6]]), 0.5, atol=1e-6)


def test_the_same_fit_is_the_same_bit_for_bit_and_a_pickle_keeps_it():
    X, y = points(40, 3)
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first, second = GPClassifier().fit(X, y), GPClassifier().fit(X, y)
    np.testing.assert_array_equal(first.theta_, second.theta_)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).predict_proba(X), first.predict_proba(X))
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert (np.random.get_state()[1] == state[1]).all()


def test_the_fitted_model_does_not_share_memory_with_its_data():
    X, y = points(20, 2)
    model = GPClassifier().fit(X, y)
    new = X[:3].copy()
    before = model.predict_proba(new)
    X[:] = 0
    np.testing.assert_array_equal(model.predict_proba(new), before)


def test_chunks_change_nothing():
    X, y = points(20, 2)
    model = GPClassifier().fit(X, y)
    many = np.random.default_rng(0).normal(size=(2500, 3))
    one_by_one = np.concatenate([model.predict_proba(part) for part in np.array_split(many, 7)])
    np.testing.assert_allclose(model.predict_proba(many), one_by_one, atol=1e-12)
    assert model.predict_proba(many[:0]).shape == (0, 2)


def test_a_pipeline_and_cross_validation_take_it():
    X, y = load_iris(return_X_y=True)
    scores = cross_val_score(make_pipeline(StandardScaler(), GPClassifier()), X[::2], y[::2], cv=3)
    assert scores.mean() > 0.9


def changed(array: np.ndarray, position, value) -> np.ndarray:
    array = array.astype(float)
    array[position] = value
    return array


X, Y = points(10, 2)


@pytest.mark.parametrize(
    ("features", "labels", "error", "words"),
    [
        (X[:0], Y[:0], NoLabels, "label at least one point"),
        (X, np.zeros(10), OneClassOnly, "one class only"),
        (changed(X, (3, 1), np.nan), Y, NonFiniteFeatures, "row 3, column 1"),
        (changed(X, (3, 1), -np.inf), Y, NonFiniteFeatures, "row 3, column 1"),
        (1e200 * X, Y, NonFiniteFeatures, "overflow"),
        (X[:, 0], Y, WrongShape, "Reshape your data"),
        (X[:, :, None], Y, WrongShape, "dim 3"),
        (X, Y[:9], WrongShape, "10 points, 9 labels"),
        (X, np.stack([Y, Y], 1), WrongShape, "one label a point"),
        (X, Y + 0.5, InvalidLabel, "Unknown label type"),
        (X, changed(Y, 4, np.nan), InvalidLabel, "first at position 4"),
        (X, np.array(["a", None] * 5, dtype=object), InvalidLabel, "all numbers or all strings"),
        (X, None, InvalidLabel, "requires y"),
    ],
)
def test_bad_input_is_refused_by_name_and_the_last_fit_stays(features, labels, error, words):
    model = GPClassifier().fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(error, match=words):
        model.fit(features, labels)
    np.testing.assert_array_equal(model.classes_, [0, 1])
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"optimizer": "adam"}, "optimizer must be"),
        ({"prior": "flat"}, "prior must be"),
        ({"kernel": "x"}, "kernel must"),
    ],
)
def test_unknown_parameters_are_refused(parameters, words):
    with pytest.raises(ModelError, match=words):
        GPClassifier(**parameters).fit(X, Y)


class Broken(Kernel):
    def forward(self, x1, x2, diag=False, **params):
        return torch.full((len(x1),) if diag else (len(x1), len(x2)), torch.nan, dtype=x1.dtype)


@pytest.mark.parametrize("estimator", [GPClassifier, GPRegressor])
def test_a_kernel_that_gives_nan_is_refused(estimator):
    with pytest.raises(ModelError, match="NaN"):
        estimator(ScaleKernel(Broken())).fit(X, Y)


def test_predictions_are_checked():
    with pytest.raises(NotFitted, match="Call `fit`"):
        GPClassifier().predict_proba(X)
    model = GPClassifier().fit(X, Y)
    with pytest.raises(WrongShape, match="X has 2 features"):
        model.predict(X[:, :2])
    with pytest.raises(NonFiniteFeatures):
        model.predict(np.full((1, 3), np.nan))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_the_same_numbers():
    X, y = points(60, 3)
    here, there = GPClassifier().fit(X, y), GPClassifier(device="cuda").fit(X, y)
    np.testing.assert_allclose(here.predict_proba(X), there.predict_proba(X), atol=1e-6)


@parametrize_with_checks([GPClassifier()])
def test_scikit_learn_takes_it_for_its_own(estimator, check):
    check(estimator)
