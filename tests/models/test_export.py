"""The `ExactGP` that a fitted estimator becomes: its posterior, in GPyTorch's hands."""

import copy
import pickle

import gpytorch
import numpy as np
import pytest
import torch
from gpytorch.kernels import LinearKernel, MaternKernel, RBFKernel, ScaleKernel

from aljupyter.errors import NotFitted
from aljupyter.models import GPClassifier, GPRegressor
from aljupyter.models.gp.kernels import make_kernel, set_theta

EVERYWHERE = slice(None)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


def points(n: int, d: int = 3) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Labelled points, their targets, and points to predict."""
    generator = np.random.default_rng(n)
    X, new = generator.normal(size=(n, d)), generator.normal(size=(20, d)) * 1.5
    return X, 50 + 20 * np.sin(2 * X[:, 0]) + 3 * generator.normal(size=n), torch.from_numpy(new)


def fixed(theta, d: int = 3):
    kernel = make_kernel("rbf", d)
    set_theta(kernel, np.asarray(theta, dtype=float))
    return kernel


def kernels():
    return {
        "ard": "ard",
        "rbf": "rbf",
        "matern": ScaleKernel(MaternKernel(1.5, ard_num_dims=3)),
        "low rank": LinearKernel() + ScaleKernel(RBFKernel()),  # has a prediction strategy of its own
        "one feature": ScaleKernel(RBFKernel(active_dims=[1])),
    }


def latent_mean(model: GPClassifier, new: torch.Tensor, b: int = 0) -> np.ndarray:
    return model.models_[b].latent(new.numpy())[0]


@torch.no_grad()
def assert_same(twin, model, new, mean, unit):
    """Mean and covariance of the twin, in units of the target's or the latent function's own."""
    posterior = twin(new)
    covariance = model.latent_joint(new).cov(EVERYWHERE, EVERYWHERE)
    np.testing.assert_allclose(posterior.mean / unit, mean / unit, rtol=0, atol=1e-8)
    np.testing.assert_allclose(posterior.covariance_matrix / unit**2, covariance / unit**2, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", kernels())
@pytest.mark.parametrize("noise", [None, 1e-3, 9.0])
def test_a_regressors_posterior_in_units_of_the_target(name, noise):
    X, y, new = points(40)
    model = GPRegressor(kernels()[name], noise=noise, optimizer=None).fit(X, y)
    twin = model.to_exact_gp()
    assert not twin.training and not twin.likelihood.training
    assert_same(twin, model, new, model.predict(new), y.std())
    with torch.no_grad():
        noisy = twin.likelihood(twin(new)).covariance_matrix - twin(new).covariance_matrix
    np.testing.assert_allclose(noisy.diagonal(), model.noise_, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 900])  # beyond 800 points GPyTorch would iterate
def test_any_number_of_points(n):
    X, y, new = points(n)
    model = GPRegressor(optimizer=None).fit(X, y)
    assert_same(model.to_exact_gp(), model, new, model.predict(new), y.std() or 1.0)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_any_unit_of_the_target(scale):
    X, y, new = points(30)
    model = GPRegressor().fit(X, scale * y)
    assert_same(model.to_exact_gp(), model, new, model.predict(new), scale * y.std())


@pytest.mark.parametrize("normalize_y", [True, False])
def test_little_noise(normalize_y):
    X, y, new = points(100)
    model = GPRegressor(fixed([0, 0]), noise=1e-6, normalize_y=normalize_y, optimizer=None).fit(X, y - 50)
    assert_same(model.to_exact_gp(), model, new, model.predict(new), 20.0)


@pytest.mark.filterwarnings("ignore:.*ill-conditioned:RuntimeWarning")
def test_jitter_that_a_singular_matrix_needed_is_in_the_noise():
    X = np.repeat(np.arange(5.0), 2)[:, None]
    with pytest.warns(RuntimeWarning, match="singular"):
        model = GPRegressor(noise=0.0, optimizer=None).fit(X, np.sin(X[:, 0]))
    new = torch.linspace(0, 4, 9).double()[:, None]
    with torch.no_grad():
        np.testing.assert_allclose(model.to_exact_gp()(new).mean, model.predict(new), atol=1e-3)


@pytest.mark.parametrize("name", kernels())
def test_a_binary_classifiers_latent_posterior(name):
    X, y, new = points(40)
    model = GPClassifier(kernels()[name], optimizer=None).fit(X, y > 50)
    twin = model.to_exact_gp()
    assert not twin.training
    assert_same(twin, model, new, latent_mean(model, new), 1.0)


@pytest.mark.parametrize("theta", [[11.5, 1.1], [20.7, 1.1]])
def test_points_that_the_classifier_is_sure_of(theta):
    X, _, new = points(200)
    labels = X[:, 0] > 0
    labels[:3] = ~labels[:3]  # some of them wrong
    model = GPClassifier(fixed(theta), optimizer=None).fit(X, labels)
    assert model.models_[0].posterior.sqrt_w_N.min() == 0
    assert_same(model.to_exact_gp(), model, new, latent_mean(model, new), np.exp(theta[0] / 2))


def test_one_twin_a_class():
    X, y, new = points(40)
    model = GPClassifier(optimizer=None).fit(X, np.digitize(y, [40, 60]))
    twins = model.to_exact_gp()
    covariance = model.latent_joint(new).cov(EVERYWHERE, EVERYWHERE)
    assert len(twins) == 3
    for b, (twin, truth) in enumerate(zip(twins, covariance, strict=True)):
        with torch.no_grad():
            np.testing.assert_allclose(twin(new).mean, latent_mean(model, new, b), atol=1e-8)
            np.testing.assert_allclose(twin(new).covariance_matrix, truth, atol=1e-8)


@pytest.mark.parametrize("predicted_before", [True, False])
@pytest.mark.parametrize("n", [1, 30])
def test_gpytorchs_fantasies_of_a_regressor_are_ours(n, predicted_before):
    X, y, new = points(n)
    model = GPRegressor(optimizer=None).fit(X, y)
    twin = model.to_exact_gp()
    ours = model.fantasize(new[:2], [45.0, 61.0])
    with torch.no_grad():
        if predicted_before:
            twin(new)
        fantasy = twin.get_fantasy_model(new[:2], torch.tensor([45.0, 61.0]).double())
    assert_same(fantasy, ours, new, ours.predict(new), 20.0)
    assert_same(twin, model, new, model.predict(new), 20.0)  # the twin itself is as it was
    with torch.no_grad():
        fantasy = fantasy.get_fantasy_model(new[2:3], torch.tensor([50.0]).double())
    ours = ours.fantasize(new[2], 50.0)
    assert_same(fantasy, ours, new, ours.predict(new), 20.0)


def test_gpytorchs_fantasies_of_a_classifier_take_pseudo_targets():
    X, y, new = points(40)
    model = GPClassifier(fixed([7, 1]), optimizer=None).fit(X, y > 50)
    twin = model.to_exact_gp()
    z, noise = torch.tensor([2.0, -1.0]).double(), torch.tensor([4.0, 1e25]).double()
    with torch.no_grad():
        fantasy = twin.get_fantasy_model(new[:2], z, noise=noise)(new[2:])
        before, between = model.latent_joint(new), torch.as_tensor(latent_mean(model, new))
        K, cross = before.cov(slice(2), slice(2)) + noise.diag(), before.cov(slice(2, None), slice(2))
        mean = between[2:] + cross @ torch.linalg.solve(K, z - between[:2])
        covariance = before.cov(slice(2, None), slice(2, None)) - cross @ torch.linalg.solve(K, cross.mT)
    np.testing.assert_allclose(fantasy.mean, mean, atol=1e-8)
    np.testing.assert_allclose(fantasy.covariance_matrix, covariance, atol=1e-7)


def test_gradients_by_the_points_flow():
    X, y, new = points(30)
    model = GPRegressor(optimizer=None).fit(X, y)
    x = new[:1].clone().requires_grad_()
    model.to_exact_gp()(x).mean.sum().backward()
    steps = 1e-5 * torch.eye(3).double()
    numerical = [(model.predict(new[:1] + s) - model.predict(new[:1] - s)) / 2e-5 for s in steps]
    np.testing.assert_allclose(x.grad[0], np.ravel(numerical), atol=1e-4)


@pytest.mark.parametrize("estimator", [GPRegressor, GPClassifier])
def test_nothing_is_shared_with_the_estimator(estimator):
    X, y, new = points(30)
    model = estimator().fit(X, y if estimator is GPRegressor else y > 50)
    theta, before = model.theta_, model.predict(X)
    twin = model.to_exact_gp()
    twin.covar_module.base_kernel.outputscale = 7.0
    twin.train_inputs[0][:] = 0
    twin.float()
    model.kernel_.outputscale = 7.0
    model.kernel_.float()
    np.testing.assert_array_equal(model.theta_, theta)
    np.testing.assert_array_equal(model.predict(X), before)
    constraints = [one.lower_bound.dtype for one in model.kernel_.constraints()]
    assert constraints and set(constraints) == {torch.float64}


def test_a_twin_can_be_copied_pickled_and_trained_on():
    X, y, new = points(30)
    twin = GPRegressor(noise=4.0).fit(X, y).to_exact_gp()
    with torch.no_grad():
        mean = twin(new).mean
        assert torch.equal(copy.deepcopy(twin)(new).mean, mean)
        assert torch.equal(pickle.loads(pickle.dumps(twin))(new).mean, mean)
    twin.train()
    loss = -gpytorch.mlls.ExactMarginalLogLikelihood(twin.likelihood, twin)(
        twin(*twin.train_inputs), twin.train_targets
    )
    loss.backward()
    assert torch.isfinite(twin.covar_module.base_kernel.raw_outputscale.grad).all()


@pytest.mark.parametrize("device", DEVICES)
def test_a_named_device_gives_the_same_twin(device):
    X, y, new = points(30)
    for estimator, labels in ((GPRegressor, y), (GPClassifier, y > 50)):
        here, there = (estimator(optimizer=None, device=d).fit(X, labels).to_exact_gp() for d in (None, device))
        with torch.no_grad():
            np.testing.assert_allclose(there(new.to(device)).mean.cpu(), here(new).mean, atol=1e-8)


def test_an_estimator_without_a_fit_has_none():
    for estimator in (GPClassifier(), GPRegressor()):
        with pytest.raises(NotFitted, match="Call `fit`"):
            estimator.to_exact_gp()
