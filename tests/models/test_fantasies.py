"""What a hypothetical label would change, without a fit."""

import numpy as np
import pytest
import torch
from gpytorch.kernels import LinearKernel, MaternKernel, ScaleKernel
from hypothesis import given, settings
from hypothesis import strategies as st

from aljupyter.errors import InvalidLabel, NonFiniteFeatures, NotFitted, WrongShape
from aljupyter.models import GPClassifier, GPRegressor

GENERATOR = np.random.default_rng(0)
X, NEW = GENERATOR.normal(size=(40, 3)), GENERATOR.normal(size=(60, 3)) * 1.5
Y = 50 + 20 * np.sin(2 * X[:, 0]) + 3 * GENERATOR.normal(size=40)
NAMES = np.array(["low", "middle", "high"])
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


def kernels():
    return {"rbf": "rbf", "ard": "ard", "any": LinearKernel() + ScaleKernel(MaternKernel(2.5))}


def labels(n_classes: int) -> np.ndarray:
    return NAMES[np.digitize(Y, [40, 55][: n_classes - 1])]


def refitted(model: GPRegressor, X, y) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of a regressor on more data, at the hyperparameters and with the centre and scale of `model`."""
    mean, scale, theta = Y.mean(), Y.std(), model.theta_
    noise = model.noise_ / scale**2 + model.model_.jitter
    with torch.no_grad():
        K = model.kernel_(torch.from_numpy(np.concatenate([X, NEW]))).to_dense().numpy()
    n = len(X)
    inverse = np.linalg.inv(K[:n, :n] + noise * np.eye(n))
    variance = (K[n:, n:] - K[n:, :n] @ inverse @ K[:n, n:]).diagonal()
    assert np.array_equal(model.theta_, theta)
    return mean + scale * K[n:, :n] @ inverse @ ((y - mean) / scale), scale * np.sqrt(variance)


@pytest.mark.parametrize("kernel", kernels())
@pytest.mark.parametrize("k", [1, 3])
def test_a_regressor_as_if_it_had_these_targets(kernel, k):
    model = GPRegressor(kernels()[kernel], optimizer=None).fit(X, Y)
    found = model.fantasize(NEW[:k], 70 + np.arange(k)).predict(NEW, return_std=True)
    truth = refitted(model, np.concatenate([X, NEW[:k]]), np.append(Y, 70 + np.arange(k)))
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_a_learned_regressor_keeps_hyperparameters_centre_and_scale():
    model = GPRegressor().fit(X, Y)
    grown = model.fantasize(NEW[0], 1e3)
    np.testing.assert_array_equal(grown.theta_, model.theta_)
    assert grown.noise_ == model.noise_
    truth = refitted(model, np.concatenate([X, NEW[:1]]), np.append(Y, 1e3))
    np.testing.assert_allclose(grown.predict(NEW, return_std=True), truth, atol=1e-6)


@pytest.mark.parametrize("kernel", kernels())
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("k", [1, 3])
def test_a_classifier_as_if_it_had_these_labels(kernel, n_classes, k):
    fixed = GPClassifier(kernels()[kernel], prior=None, optimizer=None)
    y, known = labels(n_classes), np.resize(np.unique(labels(n_classes)), k)
    found = fixed.fit(X, y).fantasize(NEW[:k], known).predict_proba(NEW)
    truth = fixed.fit(np.concatenate([X, NEW[:k]]), np.append(y, known)).predict_proba(NEW)
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_a_learned_classifier_keeps_its_hyperparameters():
    model = GPClassifier().fit(X, labels(3))
    grown = model.fantasize(NEW[0], "high")
    np.testing.assert_array_equal(grown.theta_, model.theta_)
    assert grown.predict_proba(NEW[:1])[0, 0] > model.predict_proba(NEW[:1])[0, 0]


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 8), st.integers(1, 20), st.integers(0, 1000))
def test_many_more_points_than_there_were(n, k, seed):
    generator = np.random.default_rng(seed)
    x, y = generator.normal(size=(n + k, 2)), generator.integers(0, 2, n + k)
    y[:2] = 0, 1
    fixed = GPClassifier(prior=None, optimizer=None)
    found = fixed.fit(x[:n], y[:n]).fantasize(x[n:], y[n:]).predict_proba(NEW[:, :2])
    np.testing.assert_allclose(found, fixed.fit(x, y).predict_proba(NEW[:, :2]), atol=1e-6)


@pytest.mark.parametrize("kernel", kernels())
def test_the_model_itself_stays_as_it_is_bit_for_bit(kernel):
    model, other = GPRegressor(kernels()[kernel]).fit(X, Y), GPClassifier(kernels()[kernel]).fit(X, labels(3))
    before = [*model.predict(NEW, return_std=True), model.theta_, other.predict_proba(NEW), other.theta_]
    grown = model.fantasize(NEW[:2], [0.0, 90.0]), other.fantasize(NEW[:2], ["low", "high"])
    assert grown[0].predict(NEW[:2]).tolist() != model.predict(NEW[:2]).tolist()
    assert grown[1].fantasize(NEW[3], "low").predict(NEW).shape == (60,)
    after = [*model.predict(NEW, return_std=True), model.theta_, other.predict_proba(NEW), other.theta_]
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
    assert len(model.model_.x_N_D) == len(other.models_[0].x_N_D) == 40


def test_points_one_after_the_other_are_points_at_once():
    model = GPClassifier().fit(X, labels(2))
    at_once = model.fantasize(NEW[:2], ["low", "middle"])
    in_turn = model.fantasize(NEW[0], "low").fantasize(NEW[1], "middle")
    np.testing.assert_allclose(at_once.predict_proba(NEW), in_turn.predict_proba(NEW), atol=1e-8)


def test_a_point_with_its_own_target_again_and_again_pulls_the_mean_to_it():
    """Fifty observations are one, their mean, with a fiftieth of the noise: precisions add up."""
    model = GPRegressor(noise=4.0).fit(X, Y)
    (before,), (std,) = model.predict(X[:1], return_std=True)
    for _ in range(50):
        model = model.fantasize(X[0], 90.0)
    precisions = np.array([std**-2, 50 / 4.0])
    truth = precisions @ [before, 90.0] / precisions.sum(), precisions.sum() ** -0.5
    assert abs(truth[0] - 90) < 5
    np.testing.assert_allclose(np.ravel(model.predict(X[:1], return_std=True)), truth, rtol=1e-6)


def test_no_point_changes_nothing():
    model = GPClassifier().fit(X, labels(3))
    grown = model.fantasize(NEW[:0], NAMES[:0])
    np.testing.assert_allclose(grown.predict_proba(NEW), model.predict_proba(NEW), atol=1e-9)


def test_scalars_tensors_and_booleans():
    truth = GPRegressor().fit(X, Y).fantasize(NEW[0], 60.0).predict(NEW)
    same = GPRegressor().fit(X, Y).fantasize(torch.from_numpy(NEW[0]), torch.tensor(60.0)).predict(NEW)
    np.testing.assert_array_equal(same, truth)
    model = GPClassifier().fit(X, Y > 50)
    assert model.fantasize(NEW[0], True).predict_proba(NEW[:1])[0, 1] > model.predict_proba(NEW[:1])[0, 1]


def test_all_that_a_fitted_model_can_do_a_fantasy_can(tmp_path):
    grown = GPClassifier().fit(X, labels(2)).fantasize(NEW[:2], ["low", "middle"])
    assert grown.leave_one_out_proba().shape == (42, 2)
    assert np.isfinite(grown.log_marginal_likelihood(grown.theta_))
    assert grown.sample_latent(NEW, 2).shape == (2, 60)
    grown.save(tmp_path / "model.safetensors")
    again = GPClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(NEW), grown.predict_proba(NEW))


@pytest.mark.parametrize("device", DEVICES)
def test_a_named_device_gives_the_same(device):
    here, there = (
        GPClassifier(optimizer=None, device=d).fit(X, labels(3)).fantasize(NEW[0], "low") for d in (None, device)
    )
    np.testing.assert_allclose(there.predict_proba(NEW), here.predict_proba(NEW), atol=1e-8)
    here, there = (
        GPRegressor(optimizer=None, device=d).fit(X, Y).fantasize(NEW[:2], [1.0, 2.0]) for d in (None, device)
    )
    np.testing.assert_allclose(there.predict(NEW), here.predict(NEW), atol=1e-8)


@pytest.mark.parametrize(
    ("x", "y", "error", "words"),
    [
        (NEW[0], "tall", InvalidLabel, r"Label 'tall' is none of the classes of this model, 'high', 'low', 'middle'"),
        (NEW[0], None, InvalidLabel, "numbers or all strings"),
        (NEW[0], 1, InvalidLabel, "Label 1 is none"),
        (NEW[:2], "low", WrongShape, "2 points, 1 labels"),
        (NEW[0, :2], "low", WrongShape, "2 features"),
        (NEW[:, :, None], "low", WrongShape, "dim 3"),
        (NEW[0] * np.nan, "low", NonFiniteFeatures, "row 0, column 0"),
    ],
)
def test_bad_input_is_refused_by_name(x, y, error, words):
    with pytest.raises(error, match=words):
        GPClassifier().fit(X, labels(3)).fantasize(x, y)


def test_targets_that_are_none_are_refused():
    model = GPRegressor().fit(X, Y)
    with pytest.raises(InvalidLabel, match="must be numbers"):
        model.fantasize(NEW[0], "high")
    with pytest.raises(InvalidLabel, match="NaN or infinity"):
        model.fantasize(NEW[0], np.inf)
    for estimator in (GPRegressor(), GPClassifier()):
        with pytest.raises(NotFitted):
            estimator.fantasize(NEW[0], 1.0)
