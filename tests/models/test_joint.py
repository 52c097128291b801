"""Covariances of the latent function in blocks, and joint draws of it."""

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel, ScaleKernel
from scipy.special import expit
from scipy.stats import chi2, kstest
from torch.utils.data import Dataset

from aljupyter.data import DataManager
from aljupyter.errors import IndexOutOfRange, ModelError, NotFitted, TooLargeForMemory, WrongShape
from aljupyter.models import GPClassifier, GPRegressor
from aljupyter.models.gp import joint
from aljupyter.randomness import numpy_generator

EVERYWHERE = slice(None)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]
GENERATOR = np.random.default_rng(0)
X, NEW = GENERATOR.normal(size=(30, 3)), torch.from_numpy(GENERATOR.normal(size=(25, 3)))
Y = 50 + 20 * np.sin(2 * X[:, 0]) + 3 * GENERATOR.normal(size=30)


def regressor(**parameters):
    return GPRegressor(**({"optimizer": None} | parameters)).fit(X, Y)


def classifier(n_classes: int = 2):
    return GPClassifier(optimizer=None).fit(X, np.digitize(Y, [40, 55][: n_classes - 1]))


def by_hand(model, unit: float = 1.0) -> np.ndarray:
    """K** - K*' (K + N)^-1 K*, with N the noise of targets or pseudo-targets."""
    with torch.no_grad():
        K = model.covar_module(torch.from_numpy(np.concatenate([X, NEW]))).to_dense().numpy()
    if hasattr(model, "noise"):
        noise = np.full(30, model.noise + model.jitter)
    else:
        pi = expit(model.posterior.f_N)
        noise = 1 / (pi * (1 - pi))
    cross = K[:30, 30:]
    return unit**2 * (K[30:, 30:] - cross.T @ np.linalg.solve(K[:30, :30] + np.diag(noise), cross))


# --- covariances ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["ard", ScaleKernel(MaternKernel(2.5))])
def test_blocks_of_a_regressor_are_in_squared_units_of_the_target(kernel):
    model = regressor(kernel=kernel)
    truth = by_hand(model.model_, Y.std())
    rows, cols = torch.tensor([3, 3, 0]), torch.tensor([24, 1])
    np.testing.assert_allclose(model.latent_joint(NEW).cov(rows, cols), truth[np.ix_(rows, cols)], atol=1e-8)
    np.testing.assert_allclose(model.latent_joint(NEW).cov(EVERYWHERE, slice(20, 5, -3)), truth[:, 20:5:-3], atol=1e-8)
    _, std = model.predict(NEW, return_std=True)
    np.testing.assert_allclose(model.latent_joint(NEW).cov(EVERYWHERE, EVERYWHERE).diagonal(), std**2, atol=1e-8)


def test_blocks_of_a_classifier_are_of_its_latent_function():
    model = classifier()
    truth = by_hand(model.models_[0])
    np.testing.assert_allclose(model.latent_joint(NEW).cov(EVERYWHERE, torch.tensor([7])), truth[:, [7]], atol=1e-10)


def test_one_block_a_class():
    model = classifier(3)
    block = model.latent_joint(NEW).cov(slice(4), slice(10))
    assert block.shape == (3, 4, 10)
    for one, found in zip(model.models_, block, strict=True):
        np.testing.assert_allclose(found, by_hand(one)[:4, :10], atol=1e-10)


@pytest.mark.parametrize("points", [NEW.float(), NEW.reshape(25, 1, 3)])
def test_points_are_taken_as_a_manager_takes_them(points):
    truth = regressor().latent_joint(NEW).cov(EVERYWHERE, EVERYWHERE)
    np.testing.assert_allclose(regressor().latent_joint(points).cov(EVERYWHERE, EVERYWHERE), truth, atol=1e-4)


def test_empty_blocks():
    nothing = torch.tensor([], dtype=torch.int64)
    assert regressor().latent_joint(NEW).cov(nothing, EVERYWHERE).shape == (0, 25)
    assert classifier(3).latent_joint(NEW[:0]).cov(EVERYWHERE, nothing).shape == (3, 0, 0)


class Read(Dataset):
    """A Dataset too large to hold, which remembers what was read."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        self.read.append(i)
        return torch.from_numpy(X[i]), Y[i]


def test_of_a_view_only_the_rows_asked_for_are_read():
    dataset = Read()
    pool = DataManager(dataset, labelled=3, test=5, memory_budget=10).unlabelled
    dataset.read.clear()
    found = regressor().latent_joint(pool)
    assert not dataset.read
    block = found.cov(torch.tensor([4, 2]), slice(1))
    assert dataset.read == [*pool.indices[[4, 2]], pool.indices[0]]
    of_all = regressor().latent_joint(torch.from_numpy(X)).cov(EVERYWHERE, EVERYWHERE).numpy()
    np.testing.assert_allclose(block, of_all[pool.indices[[4, 2]]][:, pool.indices[:1]], atol=1e-10)


@pytest.mark.parametrize(
    ("positions", "error", "words"),
    [
        (torch.tensor([0, 25]), IndexOutOfRange, "0 to 25 were asked for; this posterior is over 25 points"),
        (torch.tensor([-1]), IndexOutOfRange, "-1"),
        (torch.tensor([0.0]), WrongShape, "float32"),
        (torch.ones(25, dtype=torch.bool), WrongShape, "nonzero"),
        (torch.tensor([[0]]), WrongShape, "one dimension"),
    ],
)
def test_positions_that_are_none_are_refused(positions, error, words):
    with pytest.raises(error, match=words):
        regressor().latent_joint(NEW).cov(positions, EVERYWHERE)


def test_points_of_other_features_are_refused():
    with pytest.raises(WrongShape, match="2 features, the model was fitted on 3"):
        regressor().latent_joint(NEW[:, :2]).cov(slice(1), slice(1))


# --- draws ----------------------------------------------------------------------------------------------------------


def test_a_draw_is_mean_plus_factor_times_normal_numbers():
    model = regressor()
    mean, covariance = model.predict(NEW), model.latent_joint(NEW).cov(EVERYWHERE, EVERYWHERE)
    z = numpy_generator(7, "sample_latent", 0).standard_normal((4, 25))
    truth = mean + z @ np.linalg.cholesky(covariance.numpy()).T
    np.testing.assert_allclose(model.sample_latent(NEW, 4, seed=7), truth, atol=1e-8)


def test_draws_of_each_class_are_its_own():
    model = classifier(3)
    draws = model.sample_latent(NEW, 4)
    assert draws.shape == (4, 25, 3)
    for b, one in enumerate(model.models_):
        z = numpy_generator(0, "sample_latent", b).standard_normal((4, 25))
        truth = one.latent(NEW.numpy())[0] + z @ np.linalg.cholesky(by_hand(one)).T
        np.testing.assert_allclose(draws[:, :, b], truth, atol=1e-7)


def test_draws_have_the_posteriors_mean_and_covariance():
    model, n_draws = classifier(), 20_000
    draws = model.sample_latent(NEW[:6], n_draws, seed=3)
    mean, covariance = model.models_[0].latent(NEW[:6].numpy())[0], by_hand(model.models_[0])[:6, :6]
    # standardised jointly, they are standard normal in six dimensions: radius and each coordinate
    white = np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean).T)
    assert kstest((white**2).sum(0), chi2(6).cdf).pvalue > 0.001
    assert min(kstest(row, "norm").pvalue for row in white) > 0.001
    np.testing.assert_allclose(white @ white.T / n_draws, np.eye(6), atol=0.04)  # 5 / sqrt(20,000)


def test_a_seed_is_the_same_functions_and_more_draws_begin_alike():
    model, state = regressor(), torch.random.get_rng_state()
    few, many = model.sample_latent(NEW, 2, seed=1), model.sample_latent(NEW, 5, seed=1)
    np.testing.assert_allclose(many[:2], few, atol=1e-12)
    assert (model.sample_latent(NEW, 2, seed=2) != few).all()
    assert torch.equal(torch.random.get_rng_state(), state)


def test_points_twice_and_points_close_together_are_drawn_alike():
    model = regressor(noise=1e-3)
    line = torch.linspace(-1, 1, 400).double()[:, None] * torch.ones(3)
    draws = model.sample_latent(torch.cat([line, line[:5]]), 3)
    assert np.isfinite(draws).all()
    np.testing.assert_allclose(draws[:, 400:], draws[:, :5], atol=1e-4)
    assert np.abs(np.diff(draws[:, :400])).max() < 1.0  # in units of a target that moves by 20 in 200 of these steps


def test_a_block_more_or_less_changes_nothing(monkeypatch):
    whole = regressor().sample_latent(NEW, 2)
    monkeypatch.setattr(joint, "_BLOCK", 7)
    np.testing.assert_allclose(regressor().sample_latent(NEW, 2), whole, atol=1e-9)


@pytest.mark.parametrize("device", DEVICES)
def test_a_named_device_gives_the_same_draws_and_covariances(device):
    here, there = regressor(), regressor(device=device)
    np.testing.assert_allclose(there.sample_latent(NEW, 2), here.sample_latent(NEW, 2), atol=1e-7)
    positions = torch.tensor([3, 1], device=device)
    block = there.latent_joint(NEW.to(device)).cov(positions, slice(5))
    np.testing.assert_allclose(block, here.latent_joint(NEW).cov(torch.tensor([3, 1]), slice(5)), atol=1e-8)


def test_no_point_and_one_point():
    assert regressor().sample_latent(NEW[:0], 3).shape == (3, 0)
    assert regressor().sample_latent(NEW[:1]).shape == (1, 1)
    assert classifier(3).sample_latent(NEW[:0], 3).shape == (3, 0, 3)


def test_what_cannot_be_drawn_is_refused(monkeypatch):
    with pytest.raises(ModelError, match="n_draws must be 1 or more, got 0"):
        regressor().sample_latent(NEW, 0)
    with pytest.raises(NotFitted):
        GPRegressor().sample_latent(NEW)
    monkeypatch.setattr(joint, "MOST_JOINT_POINTS", 24)
    with pytest.raises(TooLargeForMemory, match=r"25 points need .* At most 24 points"):
        regressor().sample_latent(NEW)
