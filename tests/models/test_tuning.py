"""Hyperparameters in plain numbers: those of the fit, and fits that keep them."""

import numpy as np
import pytest
from gpytorch.kernels import MaternKernel, PeriodicKernel, RBFKernel, ScaleKernel

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelLacks, NotFitted
from aljupyter.models import ModelManager, as_manager
from aljupyter.models.gp.tuning import LENGTH, NOISE, SIGNAL, fixed_at, hyperparameters


def points(task, n=40, n_classes=2):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 2))
    value = np.sin(2 * X[:, 0]) + 0.3 * X[:, 1]
    if task == "regression":
        return X, 50 + 10 * value + rng.normal(size=n)
    return X, np.digitize(value, np.quantile(value, np.linspace(0, 1, n_classes + 1)[1:-1]))


@pytest.mark.parametrize("kernel", ["ard", "rbf"])
def test_a_regressor_kept_at_its_own_hyperparameters_predicts_the_same(kernel):
    X, y = points("regression")
    fitted = al.GPRegressor(kernel).fit(X, y)
    kept = fixed_at(fitted, {}).fit(X, y)
    for got, expected in zip(kept.moments(X + 0.1), fitted.moments(X + 0.1), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert hyperparameters(kept) == pytest.approx(hyperparameters(fitted))


@pytest.mark.parametrize("kernel", ["ard", "rbf"])
def test_a_classifier_kept_at_its_own_hyperparameters_predicts_the_same(kernel):
    X, y = points("classification")
    fitted = al.GPClassifier(kernel).fit(X, y)
    kept = fixed_at(fitted, {}).fit(X, y)
    np.testing.assert_allclose(kept.predict_proba(X + 0.1), fitted.predict_proba(X + 0.1), atol=1e-5)


def test_they_are_the_parameters_of_the_kernel():
    X, y = points("regression")
    fitted = al.GPRegressor(noise=2.0).fit(X, y)
    found = hyperparameters(fitted, ["width", "height"])
    kernel = fitted.kernel_
    assert found[SIGNAL] == pytest.approx(float(kernel.outputscale.detach()))
    lengths = kernel.base_kernel.lengthscale.detach().flatten().tolist()
    assert [found[f"{LENGTH} of width"], found[f"{LENGTH} of height"]] == pytest.approx(lengths)
    assert found[NOISE] == pytest.approx(2.0)


def test_of_several_classes_it_is_the_geometric_mean():
    X, y = points("classification", n_classes=3)
    fitted = al.GPClassifier("rbf").fit(X, y)
    scales = [float(kernel.outputscale.detach()) for kernel in fitted.kernel_]
    assert hyperparameters(fitted)[SIGNAL] == pytest.approx(np.exp(np.log(scales).mean()))


def test_values_given_are_kept_and_the_fitted_estimator_stays_as_it_is():
    X, y = points("regression")
    fitted = al.GPRegressor("rbf").fit(X, y)
    before = hyperparameters(fitted)
    kept = fixed_at(fitted, {LENGTH: 0.5, NOISE: 3.0}).fit(X, y)
    assert hyperparameters(kept) == pytest.approx({**before, LENGTH: 0.5, NOISE: 3.0})
    assert hyperparameters(fitted) == before


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf])
def test_values_that_are_none_are_refused(value):
    X, y = points("regression")
    fitted = al.GPRegressor("rbf").fit(X, y)
    with pytest.raises(InvalidParameter, match="positive number"):
        fixed_at(fitted, {LENGTH: value})


def test_a_name_that_there_is_not_is_refused_with_those_that_there_are():
    X, y = points("classification")
    fitted = al.GPClassifier("rbf").fit(X, y)
    with pytest.raises(InvalidParameter, match="signal variance, length scale"):
        fixed_at(fitted, {NOISE: 1.0})


def matern():
    return ScaleKernel(MaternKernel(nu=1.5))


def seasonal():
    return ScaleKernel(RBFKernel()) + ScaleKernel(PeriodicKernel())


@pytest.mark.parametrize("kernel", [matern, seasonal])
def test_any_kernel_has_names_and_can_be_kept(kernel):
    X, y = points("regression")
    fitted = al.GPRegressor(kernel()).fit(X, y)
    found = hyperparameters(fitted)
    assert len(found) == len(fitted.theta_)
    kept = fixed_at(fitted, {}).fit(X, y)
    assert hyperparameters(kept) == pytest.approx(found)
    np.testing.assert_allclose(kept.moments(X + 0.1)[0], fitted.moments(X + 0.1)[0], rtol=1e-5)


def test_parameters_of_the_same_name_say_of_which_part_they_are():
    X, y = points("regression")
    found = hyperparameters(al.GPRegressor(seasonal(), optimizer=None).fit(X, y))
    assert {"length scale of RBF", "length scale of Periodic", "period", NOISE} < set(found)
    assert {"signal variance of Scale", "signal variance of Scale (2)"} < set(found)


def test_a_manager_says_and_keeps_them_too():
    X, y = points("regression")
    data = al.DataManager(X, y, labelled=range(30))
    manager = as_manager(al.GPRegressor("rbf"))
    with pytest.raises(NotFitted):
        manager.hyperparameters()
    manager.fit(data.labelled)
    held = manager.held_at({LENGTH: 0.7})
    held.fit(data.labelled)
    assert held.hyperparameters()[LENGTH] == pytest.approx(0.7)
    assert held.hyperparameters()[NOISE] == pytest.approx(manager.hyperparameters()[NOISE])
    assert held.is_held
    assert held.clone().is_held
    assert held.estimator is manager.estimator
    again = held.clone().released()
    assert not again.is_held
    assert repr(again) == repr(manager)
    again.fit(data.labelled)
    assert again.hyperparameters() == pytest.approx(manager.hyperparameters())
    assert as_manager(al.GPRegressor(optimizer=None)).released().estimator.optimizer == "fast"


def test_a_manager_without_hyperparameters_says_so():
    class Bare(ModelManager):
        task = "regression"
        fit = posterior = state = load = reset = clone = is_fitted = estimator_ = None

    assert Bare().hyperparameters() == {}
    with pytest.raises(ModelLacks, match="hyperparameters"):
        Bare().held_at({})


def test_before_a_fit_there_are_none():
    with pytest.raises(NotFitted):
        hyperparameters(al.GPRegressor())
