"""The estimators among scikit-learn's: pipelines, searches, cross-validation."""

import numpy as np
import pytest
from gpytorch.kernels import MaternKernel, ScaleKernel
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aljupyter.models import GPClassifier, GPRegressor

NAMES = np.array(["setosa", "versicolor", "virginica"])


def iris(step: int = 3) -> tuple[np.ndarray, np.ndarray]:
    X, y = load_iris(return_X_y=True)
    return X[::step], NAMES[y[::step]]


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_diabetes(return_X_y=True)
    return X[:80], y[:80]


def test_a_pipeline_and_cross_validation_take_the_regressor():
    scores = cross_val_score(make_pipeline(StandardScaler(), GPRegressor()), *diabetes(), cv=3)
    assert scores.mean() > 0.1


def test_a_grid_search_chooses_among_kernels_and_priors():
    grid = {
        "gpclassifier__kernel": ["rbf", "ard", ScaleKernel(MaternKernel(2.5))],
        "gpclassifier__prior": ["default", None],
    }
    search = GridSearchCV(make_pipeline(StandardScaler(), GPClassifier()), grid, cv=2, error_score="raise").fit(*iris())
    assert search.best_score_ > 0.9
    assert len(search.cv_results_["params"]) == 6
    search = GridSearchCV(GPRegressor(), {"noise": [None, 1e6], "kernel": ["rbf", "ard"]}, cv=2, error_score="raise")
    assert search.fit(*diabetes()).best_params_["noise"] is None


def test_columns_of_probabilities_follow_the_classes():
    X, y = iris()
    shuffled = np.random.default_rng(0).permutation(len(y))
    model = GPClassifier().fit(X[shuffled], y[shuffled])
    assert model.classes_.tolist() == sorted(NAMES)
    for k, name in enumerate(model.classes_):
        assert (model.predict_proba(X[y == name]).argmax(1) == k).mean() > 0.9
    probabilities = cross_val_predict(GPClassifier(), X, y, cv=3, method="predict_proba")
    assert (NAMES[probabilities.argmax(1)] == y).mean() > 0.9


def test_two_classes_have_the_second_as_the_positive_one():
    X, y = iris()
    X, y = X[y != "virginica"], y[y != "virginica"]
    model = GPClassifier().fit(X, y)
    assert model.predict_proba(X).shape == (len(X), 2)
    assert (model.predict_proba(X[y == "versicolor"])[:, 1] > 0.5).all()
    flipped = GPClassifier().fit(X, np.where(y == "setosa", 1, 0))
    np.testing.assert_allclose(flipped.predict_proba(X)[:, ::-1], model.predict_proba(X), rtol=0, atol=1e-3)


def test_calibration_takes_the_probabilities():
    X, y = iris()
    calibrated = CalibratedClassifierCV(GPClassifier(optimizer=None), cv=2, method="sigmoid").fit(X, y)
    assert calibrated.score(X, y) > 0.8


@pytest.mark.parametrize(
    "estimator", [GPClassifier(ScaleKernel(MaternKernel()), prior=None), GPRegressor("rbf", noise=0.1)]
)
def test_parameters_are_as_given_and_a_clone_is_not_fitted(estimator):
    X, y = diabetes()
    y = y > 150 if isinstance(estimator, GPClassifier) else y
    estimator.fit(X, y)
    twin = clone(estimator)
    assert not twin.__sklearn_is_fitted__()
    assert twin.get_params().keys() == estimator.get_params().keys()
    np.testing.assert_array_equal(twin.fit(X, y).predict(X), estimator.predict(X))
    assert twin.set_params(optimizer=None).fit(X, y).predict(X).shape == (80,)


def test_fitting_again_forgets_the_first_fit():
    X, y = iris()
    model = GPClassifier().fit(X, y)
    model.fit(X[:, :2], y == "setosa")
    fresh = GPClassifier().fit(X[:, :2], y == "setosa")
    np.testing.assert_array_equal(model.predict_proba(X[:, :2]), fresh.predict_proba(X[:, :2]))
    assert model.n_features_in_ == 2
