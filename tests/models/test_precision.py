"""Single precision predictions are as good as the docstrings say."""

import numpy as np
import pytest

from aljupyter.errors import ModelError
from aljupyter.models import GPClassifier, GPRegressor
from aljupyter.models.gp.kernels import make_kernel, set_theta


def points(n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(n + d)
    X, new = generator.normal(size=(n, d)), 1.3 * generator.normal(size=(500, d))
    return X, np.sin(2 * X @ generator.normal(size=d) / np.sqrt(d)) + 0.5 * X[:, 0], new


def in_both(model, predict):
    single = type(model)(**(model.get_params() | {"predict_dtype": "float32"}))
    single.__dict__.update({name: value for name, value in vars(model).items() if name.endswith("_")})
    return predict(model), predict(single)


@pytest.mark.parametrize("noise", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize(("n", "d"), [(30, 1), (200, 2), (300, 8), (100, 30)])
def test_moments_of_a_regressor(n, d, noise):
    X, y, new = points(n, d)
    y = 100 + 10 * (y + np.sqrt(noise) * np.random.default_rng(0).normal(size=n))
    model = GPRegressor(optimizer="faithful").fit(X, y)
    signal, unit = np.exp(model.theta_[0]), y.std()
    bound = 1 + np.sqrt(signal / model.model_.noise)
    (mean, std), (rough_mean, rough_std) = in_both(model, lambda one: one.predict(new, return_std=True))
    assert np.abs(rough_mean - mean).max() <= 1e-4 * bound * unit
    assert np.abs(rough_std**2 - std**2).max() <= 1e-6 * bound * signal * unit**2
    assert rough_std.dtype == np.float64 and (rough_std != std).any()


@pytest.mark.parametrize("variance", [1.0, 1e3])
@pytest.mark.parametrize("length", [1.0, 3.0])
def test_probabilities_of_a_classifier(variance, length):
    X, y, new = points(200, 3)
    kernel = make_kernel("rbf", 3)
    set_theta(kernel, np.log([variance, length]))
    for labels in (y > 0, np.digitize(y, [-0.5, 0.5])):
        model = GPClassifier(kernel, optimizer=None).fit(X, labels)
        exact, rough = in_both(model, lambda one: one.predict_proba(new))
        assert np.abs(rough - exact).max() <= 1e-3
        assert (rough != exact).any()


def test_features_far_from_the_origin_lose_nothing():
    X, y, new = points(60, 3)
    model = GPRegressor().fit(X + 1e6, y)
    exact, rough = in_both(model, lambda one: one.predict(new + 1e6))
    np.testing.assert_allclose(rough, exact, atol=1e-2)


@pytest.mark.parametrize("estimator", [GPClassifier, GPRegressor])
def test_another_precision_is_refused(estimator):
    X, y, _ = points(10, 2)
    with pytest.raises(ModelError, match="predict_dtype must be one of 'float64', 'float32'; got 'float16'"):
        estimator(predict_dtype="float16").fit(X, y > 0)
