"""How hyperparameters are learned, over loops: against scikit-learn's search, cold fits and scipy."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel, RBFKernel, ScaleKernel
from gpytorch.priors import GammaPrior, LogNormalPrior, MultivariateNormalPrior, NormalPrior
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.preprocessing import StandardScaler

from aljupyter.models import GPClassifier, GPRegressor
from aljupyter.models.gp import learning
from aljupyter.models.gp.kernels import get_theta, make_kernel, theta_bounds
from aljupyter.models.gp.modules import ClassificationGP, RegressionGP, gaussian_likelihood
from aljupyter.models.gp.priors import Hyperprior, hierarchical, log_prior, noisy

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BOUNDS = (1e-5, 1e5)
MATERN = ScaleKernel(MaternKernel(2.5))
Data = tuple[np.ndarray, np.ndarray]


def moons(n: int, seed: int = 0) -> Data:
    """Two half circles in two dimensions with noise: several optima of the likelihood."""
    generator = np.random.default_rng(seed)
    y = generator.integers(0, 2, n)
    angle = np.pi * generator.random(n)
    X = np.stack([np.cos(angle) + y, np.sin(angle) * (1 - 2 * y) + 0.4 * y], 1)
    y[:3] = 0, 1, 0
    return X + 0.3 * generator.normal(size=(n, 2)), y


def real(load, n: int) -> Data:
    X, y = load(return_X_y=True)
    chosen = np.random.default_rng(8).permutation(len(X))[:n]
    return StandardScaler().fit_transform(X)[chosen], y[chosen]


def three(n: int) -> Data:
    """Three noisy classes in the plane, all of them among the first three points."""
    generator = np.random.default_rng(1)
    X = generator.normal(size=(n, 2))
    y = np.digitize(X[:, 0] + 0.3 * generator.normal(size=n), [-0.5, 0.5])
    X[:3, 0], y[:3] = [-1, 0, 1], [0, 1, 2]
    return X, y


def wave(n: int) -> Data:
    generator = np.random.default_rng(2)
    X = generator.normal(size=(n, 3))
    return X, 50 + 20 * np.sin(2 * X[:, 0]) + 3 * generator.normal(size=n)


def loop(estimator, X, y, sizes) -> Iterator[tuple[int, GPClassifier | GPRegressor]]:
    """The fits of a loop in which labels are appended."""
    last = None
    for n in sizes:
        last = estimator().fit_from(X[:n], y[:n], last)
        yield n, last


def evidences(model: GPClassifier | GPRegressor) -> np.ndarray:
    return np.array([part.log_evidence_ for part in model.models_])


def scikit_learns(X, y) -> np.ndarray:
    """The log marginal likelihood that scikit-learn's classifier ends at, for each class."""
    theirs = GaussianProcessClassifier(ConstantKernel(1.0, BOUNDS) * RBF(1.0, BOUNDS)).fit(X, y).base_estimator_
    return np.array([part.log_marginal_likelihood_value_ for part in getattr(theirs, "estimators_", [theirs])])


CLASSES = {
    "breast cancer": (lambda: real(load_breast_cancer, 50), range(20, 50, 2)),
    "moons": (lambda: moons(60), range(16, 60, 3)),
    "iris": (lambda: real(load_iris, 45), range(16, 46, 2)),
}


@pytest.mark.parametrize("name", CLASSES)
def test_in_a_loop_no_optimum_is_worse_than_scikit_learns(name):
    make, sizes = CLASSES[name]
    X, y = make()
    for n, model in loop(lambda: GPClassifier(prior=None), X, y, sizes):
        assert (evidences(model) > scikit_learns(X[:n], y[:n]) - 0.01).all()
        assert model.log_marginal_likelihood() == pytest.approx(model.log_marginal_likelihood_value_, rel=1e-7)


@pytest.mark.parametrize("name", ["wave", "diabetes"])
def test_in_a_loop_no_optimum_of_a_regression_is_worse_than_scikit_learns(name):
    X, y = wave(60) if name == "wave" else real(load_diabetes, 60)
    kernel = ConstantKernel(1.0, BOUNDS) * RBF(1.0, BOUNDS) + WhiteKernel(1.0, BOUNDS)
    for n, model in loop(lambda: GPRegressor("rbf", prior=None), X, y, range(30, 60, 2)):
        theirs = GaussianProcessRegressor(kernel, normalize_y=True).fit(X[:n], y[:n])
        assert model.log_marginal_likelihood_value_ > theirs.log_marginal_likelihood_value_ - 1e-4


@pytest.mark.parametrize("name", CLASSES)
def test_faithful_ends_where_scikit_learn_does_whatever_came_before(name):
    make, sizes = CLASSES[name]
    X, y = make()
    for n, model in loop(lambda: GPClassifier(prior=None, optimizer="faithful"), X, y, sizes[:6]):
        np.testing.assert_allclose(evidences(model), scikit_learns(X[:n], y[:n]), rtol=0, atol=1e-5)


FIXED = {
    "two classes": (lambda: GPClassifier(optimizer=None), lambda: moons(60)),
    "three classes": (lambda: GPClassifier(optimizer=None), lambda: three(60)),
    "two classes, Matern": (lambda: GPClassifier(MATERN, optimizer=None), lambda: moons(60)),
    "numbers": (lambda: GPRegressor("rbf", optimizer=None, noise=1.0, normalize_y=False), lambda: wave(60)),
    "numbers, scaled": (lambda: GPRegressor("ard", optimizer=None), lambda: wave(60)),
    "numbers, Matern": (lambda: GPRegressor(MATERN, optimizer=None, normalize_y=False), lambda: wave(60)),
}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_hyperparameters_stay_and_appending_equals_a_fresh_fit(name):
    make, data = FIXED[name]
    X, y = data()
    new = X[:7] + 0.1
    for n, model in loop(make, X, y, [20, 21, 22, 25, 35, 36, 60, 59, 30, 31]):
        fresh = make().fit(X[:n], y[:n])
        np.testing.assert_array_equal(model.theta_, 0 if "Matern" not in name else fresh.theta_)
        np.testing.assert_allclose(evidences(model), evidences(fresh), rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(model.predict(new), fresh.predict(new), rtol=1e-9)
        if isinstance(model, GPClassifier):
            np.testing.assert_allclose(model.predict_proba(new), fresh.predict_proba(new), rtol=0, atol=1e-8)
        else:
            np.testing.assert_allclose(model.predict(new, True)[1], fresh.predict(new, True)[1], rtol=1e-7)


def test_a_point_is_appended_to_the_factor_of_fixed_hyperparameters(monkeypatch):
    X, y = wave(30)
    make = FIXED["numbers"][0]
    last = make().fit(X[:29], y[:29])
    monkeypatch.setattr("aljupyter.models.gp.exact.factored", None)  # no matrix is factored
    assert len(last.appended(X, y).model_.y_N) == 30


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The messages of all warnings, repeated ones too."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += [str(warning.message) for warning in caught]


def test_noiseless_points_that_are_close_equal_a_fresh_fit_when_appended():
    """Where jitter was added to the first matrix, the next must have it too, or be factored anew."""
    X = np.random.default_rng(0).permutation(np.linspace(0, 1, 45))[:, None]
    y = np.sin(6 * X[:, 0])

    def make() -> GPRegressor:
        return GPRegressor("rbf", noise=0.0, optimizer=None, normalize_y=False)

    with recorded() as messages:
        last = make().fit(X[:40], y[:40])
        fresh, grown = make().fit(X, y), make().fit_from(X, y, last)
    assert any("singular in floating point" in message for message in messages)
    middle = X[X[:, 0] < 1] + 0.01
    for model in (fresh, grown):
        np.testing.assert_allclose(model.predict(middle), np.sin(6 * middle[:, 0]), rtol=0, atol=1e-3)


@pytest.mark.parametrize("optimizer", ["fast", "faithful", None])
def test_the_papers_jitter_is_told_of_once_in_a_loop(optimizer):
    X = np.random.default_rng(0).random((60, 1))
    y = np.sin(3 * X[:, 0])
    with recorded() as messages:
        list(loop(lambda: GPRegressor("rbf", noise=1e-10, optimizer=optimizer, normalize_y=False), X, y, range(50, 56)))
    assert len([message for message in messages if "ill-conditioned" in message]) == 1
    assert len(messages) == 1


def test_at_the_papers_jitter_a_loop_equals_scikit_learns():
    X, y = wave(60)
    y = (y - y.mean()) / y.std()
    with recorded():
        fits = loop(lambda: GPRegressor("rbf", noise=1e-10, optimizer=None, normalize_y=False), X, y, range(30, 60))
        for n, model in fits:
            theirs = GaussianProcessRegressor(RBF(1.0), optimizer=None, alpha=1e-10).fit(X[:n], y[:n])
            np.testing.assert_allclose(model.predict(X + 0.1), theirs.predict(X + 0.1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kernel", ["rbf", "ard"])
@pytest.mark.parametrize("prior", ["default", None])
def test_classes_learned_in_one_batch_end_where_they_would_alone(monkeypatch, kernel, prior):
    X, y = three(60)
    found = []
    for pays in (True, False):
        monkeypatch.setattr(learning, "_batch_pays", lambda _, pays=pays: pays)
        found.append(
            [evidences(model) for _, model in loop(lambda: GPClassifier(kernel, prior=prior), X, y, range(20, 60, 4))]
        )
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-6 if kernel == "rbf" else 1e-4)


def test_a_batch_is_evaluated_as_its_problems_are_alone():
    X, y = three(25)
    kernel = make_kernel("ard", 2)

    def problems() -> list[ClassificationGP]:
        x_N_D = torch.from_numpy(X)
        return [
            ClassificationGP(make_kernel(kernel, 2), x_N_D, torch.from_numpy((y == k).astype(float))) for k in range(3)
        ]

    together, alone = problems(), problems()
    for seed in range(3):
        thetas = list(np.random.default_rng(seed).normal(size=(3, 3)))
        found = ClassificationGP.evidence_together(together, thetas)
        for (value, gradient), problem, theta in zip(found, alone, thetas, strict=True):
            truth, true_gradient = problem.evidence(theta)
            assert value == pytest.approx(truth, rel=1e-7)
            np.testing.assert_allclose(gradient, true_gradient, rtol=1e-5, atol=1e-6)


def test_a_second_start_finds_the_better_of_two_modes():
    """With features far from 1, scikit-learn's cold start ends where every point is an island."""
    X, y = real(load_breast_cancer, 60)
    cold = GPClassifier(prior=None, optimizer="faithful").fit(40 * X, y)
    warm = GPClassifier(prior=None).fit(40 * X, y)
    assert cold.log_marginal_likelihood_value_ == pytest.approx(60 * np.log(0.5), abs=3)
    assert warm.log_marginal_likelihood_value_ > cold.log_marginal_likelihood_value_ + 10


@pytest.mark.parametrize("make", [lambda: GPClassifier(prior=None), lambda: GPRegressor("rbf", prior=None)])
def test_a_loop_stuck_in_the_worse_mode_leaves_it_at_the_next_second_start(make):
    X, y = real(load_breast_cancer if isinstance(make(), GPClassifier) else load_diabetes, 60)
    best = make().fit(X[:50], y[:50])
    stuck = make().fit(X[:50], y[:50])
    (part,) = stuck.models_
    part.settle(np.log([1e-4, 1e-4, 1.0])[: len(part.theta)])  # nothing but noise, each point an island
    grown = make().fit_from(X, y, stuck)
    assert grown.log_marginal_likelihood_value_ > make().fit(X, y).log_marginal_likelihood_value_ - 1e-3
    assert (best.models_[0].track.second_at, grown.models_[0].track.second_at) == (50, 60)


@pytest.mark.parametrize("kernel", ["rbf", "ard", MATERN], ids=["rbf", "ard", "Matern"])
@pytest.mark.parametrize("make", [GPClassifier, GPRegressor])
def test_a_later_fit_leaves_the_last_estimator_as_it_was(make, kernel):
    X, y = moons(40)
    y = y if make is GPClassifier else y + 0.1 * X[:, 0]
    last = make(kernel).fit(X[:30], y[:30])
    before, theta, value = last.predict(X), last.theta_.copy(), last.log_marginal_likelihood_value_
    for n in (20, 30, 31, 40):
        later = make(kernel).fit_from(X[:n], y[:n], last)
        later.predict(X)
        np.testing.assert_array_equal(last.theta_, theta)
        np.testing.assert_array_equal(last.predict(X), before)
        assert last.log_marginal_likelihood_value_ == value
        assert len(last.models_[0].y_N) == 30


@pytest.mark.parametrize("make", [GPClassifier, GPRegressor])
def test_asking_for_the_likelihood_elsewhere_moves_nothing(make):
    X, y = three(20)
    for kernel in ("rbf", "ard", MATERN):
        model = make(kernel).fit(X, y)
        before, theta = model.predict(X), model.theta_.copy()
        model.log_marginal_likelihood(np.ravel(theta) + 0.5, eval_gradient=True)
        np.testing.assert_array_equal(model.theta_, theta)
        np.testing.assert_array_equal(model.predict(X), before)


def change(name: str, X, y) -> Data:
    """The points of a later round, from those of forty."""
    generator = np.random.default_rng(0)
    if name == "undo":
        return X[:25], y[:25]
    if name == "a batch of ten":
        return X[:40], y[:40]
    if name == "more than twice as many":
        return np.concatenate([X, X + 0.05]), np.concatenate([y, y])
    if name == "relabelled":
        y = y.copy()
        y[5:8] = y[5:8][::-1] if y.dtype.kind == "f" else (y[5:8] + 1) % 2
        return X[:30], y[:30]
    if name == "another order":
        order = generator.permutation(30)
        return X[order], y[order]
    assert name == "other points"
    return X[30:], y[30:]


CHANGES = ["undo", "a batch of ten", "more than twice as many", "relabelled", "another order", "other points"]


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("kernel", ["rbf", MATERN], ids=["rbf", "Matern"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_whatever_changed_a_warm_fit_is_as_good_as_a_cold_one(task, kernel, name):
    X, y = moons(60) if task == "classification" else wave(60)
    make = GPClassifier if task == "classification" else GPRegressor
    later_X, later_y = change(name, X, y)
    last = make(kernel, prior=None).fit(X[:30], y[:30])
    warm = make(kernel, prior=None).fit_from(later_X, later_y, last)
    cold = make(kernel, prior=None).fit(later_X, later_y)
    assert evidences(warm) > evidences(cold) - 0.01
    assert warm.log_marginal_likelihood() == pytest.approx(warm.log_marginal_likelihood_value_, rel=1e-7)


def test_a_new_class_starts_all_classes_anew():
    X, y = three(60)
    few = np.flatnonzero(y != 2)[:20]
    last = GPClassifier().fit(X[few], y[few])
    warm, cold = GPClassifier().fit_from(X, y, last), GPClassifier().fit(X, y)
    np.testing.assert_array_equal(warm.theta_, cold.theta_)
    np.testing.assert_array_equal(warm.predict_proba(X), cold.predict_proba(X))


@pytest.mark.parametrize(
    "before", [{"optimizer": None}, {"kernel": "ard"}, {"kernel": MATERN}, {"optimizer": "faithful"}]
)
@pytest.mark.parametrize("make", [GPClassifier, GPRegressor])
def test_an_estimator_of_other_parameters_may_come_before(make, before):
    X, y = moons(30)
    last = make(**{"kernel": "rbf", **before}).fit(X[:25], y[:25])
    warm, cold = make("rbf").fit_from(X, y, last), make("rbf").fit(X, y)
    np.testing.assert_allclose(warm.predict(X), cold.predict(X), rtol=0, atol=0.05)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from(["rbf", "ard"]), st.booleans())
def test_the_default_prior_in_closed_form_is_gpytorchs(seed, kernel, learned_noise):
    """Up to a constant: differences between thetas are compared, and the gradient with autograd's."""
    generator = np.random.default_rng(seed)
    x = torch.from_numpy(generator.normal(size=(10, 3)))
    own, likelihood = make_kernel(kernel, 3), gaussian_likelihood(None if learned_noise else 0.1)
    hierarchical(own, x)
    if learned_noise:
        noisy(likelihood)
    model = RegressionGP(own, x.numpy(), x[:, 0].numpy(), likelihood, 0.0)
    hyperprior = Hyperprior(model)
    assert hyperprior._quadratic is not None
    found, truth = [], []
    for theta in generator.normal(size=(3, len(get_theta(model)))):
        value, gradient = hyperprior(theta)
        model.settle(theta)
        parameters = [p for p in model.parameters() if p.requires_grad]
        density = log_prior(model)
        parts = torch.autograd.grad(density, parameters)
        np.testing.assert_allclose(gradient, torch.cat([part.reshape(-1) for part in parts]), rtol=1e-9, atol=1e-9)
        found.append(value)
        truth.append(density.item())
    np.testing.assert_allclose(np.diff(found), np.diff(truth), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "prior",
    [
        GammaPrior(2.0, 3.0),
        NormalPrior(torch.tensor(1.0), torch.tensor(0.5)),
        LogNormalPrior(torch.tensor(0.3), torch.tensor(0.5)),
        MultivariateNormalPrior(torch.ones(3), torch.eye(3)),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_other_priors_go_through_autograd(prior):
    kernel = make_kernel(ScaleKernel(RBFKernel(ard_num_dims=3, lengthscale_prior=prior)), 3)
    hyperprior = Hyperprior(kernel)
    assert hyperprior._quadratic is None
    theta = np.array([0.2, 0.1, -0.3, 0.4])
    value, gradient = hyperprior(theta)
    lengths = torch.from_numpy(np.exp(theta[1:]))
    assert value == pytest.approx(prior.double().log_prob(lengths).sum().item(), rel=1e-6)
    steps = 1e-6 * np.eye(4)
    truth = [(hyperprior(theta + step)[0] - hyperprior(theta - step)[0]) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, truth, rtol=1e-5, atol=1e-6)


def test_two_priors_about_one_parameter_are_both_heard():
    kernel = make_kernel("rbf", 1)
    for name, mean in (("first", 1.0), ("second", 3.0)):
        kernel.register_prior(name, NormalPrior(torch.tensor(mean), torch.tensor(1.0)), lambda m: m.raw_outputscale)
    _, gradient = Hyperprior(kernel)(np.array([0.5, 0.0]))
    np.testing.assert_allclose(gradient, [0.5 + 2.5, 0.0], rtol=1e-6)


@pytest.mark.parametrize("make", [GPClassifier, GPRegressor])
def test_a_fit_ends_within_the_bounds(make):
    X, y = moons(30)
    for kernel in ("rbf", "ard"):
        last = None
        for n in (12, 13, 30):
            last = make(kernel).fit_from(X[:n], y[:n], last)
            for model in last.models_:
                lower, upper = theta_bounds(model).T
                assert ((lower - 1e-12 <= model.theta) & (model.theta <= upper + 1e-12)).all()
