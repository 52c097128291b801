"""Predictions that are kept up to date equal those made anew, whatever happens in between."""

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel, RBFKernel, ScaleKernel
from sklearn.base import clone
from torch import Tensor

from aljupyter.data import DataManager
from aljupyter.models import GPClassifier, GPRegressor, as_manager
from aljupyter.models.gp import GPManager, running
from aljupyter.models.gp.running import RunningCovariances, RunningPredictions

MATERN = ScaleKernel(MaternKernel(2.5))


def rbf(n_lengths: int) -> ScaleKernel:
    """Of other length scales than 1, that the points are neither islands nor one."""
    kernel = ScaleKernel(RBFKernel(ard_num_dims=n_lengths))
    kernel.base_kernel.lengthscale = 1.0 + torch.arange(n_lengths)
    kernel.outputscale = 3.0
    return kernel


KERNELS = {"rbf": rbf(1), "ard": rbf(3), "Matern": MATERN}


def data(n: int = 90, seed: int = 0) -> DataManager:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 3))
    y = 5 + 2 * np.sin(2 * X[:, 0]) + 0.1 * generator.normal(size=n)
    return DataManager(X, y, test=range(n - 20, n), labelled=8, task="regression", seed=seed)


def manager_of(kernel="rbf", normalize_y: bool = False, **parameters) -> GPManager:
    parameters = {"optimizer": None, "noise": 0.1, **parameters}
    return as_manager(GPRegressor(KERNELS[kernel], normalize_y=normalize_y, **parameters))


def label(points: DataManager, n: int = 1) -> None:
    indices = points.unlabelled.indices[:n]
    points.label(indices, points.decode(points.truth(indices)))


def numbers(manager: GPManager, x) -> Tensor:
    posterior = manager.posterior(x)
    return torch.stack([posterior.mean_N, posterior.variance_N, posterior.noise_N])


def assert_plain(manager: GPManager, points: DataManager) -> None:
    """What the manager says of a view is what it says of the view's features, and a fresh manager too."""
    fresh = manager.clone()
    fresh.fit(points.labelled)
    for view in (points.test, points.unlabelled, points.labelled, points.subset([5, 3, 40]), points.subset([])):
        found = numbers(manager, view)
        torch.testing.assert_close(found, numbers(manager, view.x), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(found, numbers(fresh, view.x), rtol=1e-10, atol=1e-10)


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """The numbers of labelled points at which running predictions were begun."""
    begun = []
    original = RunningPredictions.__init__

    def init(self, models, features):
        begun.append(len(models[0].y_N))
        original(self, models, features)

    monkeypatch.setattr(RunningPredictions, "__init__", init)
    return begun


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("kernel", KERNELS)
def test_over_a_loop_they_equal_plain_ones(counted, kernel, normalize_y):
    manager, points = manager_of(kernel, normalize_y), data()
    for n in [0, 1, 1, 3, 1, 12, 1, 1, 20, 1]:
        label(points, n)
        manager.fit(points.labelled)
        del counted[:]
        assert_plain(manager, points)
        assert_plain(manager, points)
        assert len(counted) == (1 if normalize_y or len(points.labelled) == 8 else 0)


def test_with_learned_noise_that_is_fixed_they_equal_plain_ones():
    manager, points = manager_of(noise=None), data()
    for _ in range(3):
        manager.fit(points.labelled)
        assert_plain(manager, points)
        label(points)


def test_rounds_without_a_prediction_are_caught_up_with(counted):
    manager, points = manager_of(), data()
    manager.fit(points.labelled)
    numbers(manager, points.test)
    for _ in range(4):
        label(points, 2)
        manager.fit(points.labelled)
    assert_plain(manager, points)
    assert counted == [8]


def test_more_than_twice_as_many_labels_begin_anew(counted):
    manager, points = manager_of(), data()
    manager.fit(points.labelled)
    assert_plain(manager, points)
    label(points, 30)
    manager.fit(points.labelled)
    assert_plain(manager, points)
    assert counted == [8, 38]


@pytest.mark.parametrize("normalize_y", [False, True])
def test_after_relabelling(normalize_y):
    manager, points = manager_of(normalize_y=normalize_y), data()
    for position in (0, -1):  # the last one stays at its place
        label(points)
        manager.fit(points.labelled)
        assert_plain(manager, points)
        index = points.labelled.indices[position]
        points.unlabel([index])
        points.label([index], [9.0])
        manager.fit(points.labelled)
        assert manager.estimator_.model_.y_N.max() > (8 if not normalize_y else 1)
        assert_plain(manager, points)


@pytest.mark.parametrize("normalize_y", [False, True])
def test_after_undo_and_along_another_branch(normalize_y):
    manager, points = manager_of(normalize_y=normalize_y), data()
    manager.fit(points.labelled)
    snapshot, state, first = points.snapshot(), manager.state(), numbers(manager, points.test)
    label(points, 3)
    manager.fit(points.labelled)
    assert_plain(manager, points)
    points.restore(snapshot)
    manager.load(state, points.labelled)
    assert torch.equal(numbers(manager, points.test), first)
    indices = points.unlabelled.indices[-2:]
    points.label(indices, points.decode(points.truth(indices)))
    manager.fit(points.labelled)
    assert_plain(manager, points)


def test_a_resumed_session_has_the_same_numbers_to_the_last_digit():
    manager, points = manager_of("ard"), data()
    for n in (0, 1, 3, 1):
        label(points, n)
        manager.fit(points.labelled)
        before = numbers(manager, points.test)
    other = manager.clone()
    other.load(manager.state(), points.labelled)
    assert torch.equal(numbers(other, points.test), before)
    for n in (1, 2):
        label(points, n)
        for each in (manager, other):
            each.fit(points.labelled)
        assert torch.equal(numbers(other, points.test), numbers(manager, points.test))


@pytest.mark.parametrize("normalize_y", [False, True])
def test_another_dataset_has_predictions_of_its_own(counted, normalize_y):
    manager, points, others = manager_of(normalize_y=normalize_y), data(), data(50, seed=1)
    manager.fit(points.labelled)
    for each in (points, others, points):
        found = numbers(manager, each.test)
        torch.testing.assert_close(found, numbers(manager, each.test.x), rtol=1e-10, atol=1e-10)
    assert counted == [8, 8, 8]
    manager.fit(others.labelled)
    assert_plain(manager, others)


@pytest.mark.parametrize("normalize_y", [False, True])
def test_fantasies_in_between_leave_no_trace(normalize_y):
    manager, quiet, points = manager_of(normalize_y=normalize_y), manager_of(normalize_y=normalize_y), data()
    for _ in range(3):
        for each in (manager, quiet):
            each.fit(points.labelled)
        x = points.unlabelled.x[:2]
        before = numbers(manager, points.test)
        fantasy = manager.estimator_.fantasize(x, [50.0, -50.0])
        assert abs(fantasy.predict(points.test.x) - before[0].numpy()).max() > 1
        assert torch.equal(numbers(manager, points.test), before)
        assert_plain(manager, points)
        label(points)
    for each in (manager, quiet):
        each.fit(points.labelled)
    assert torch.equal(numbers(manager, points.test), numbers(quiet, points.test))


def test_two_fantasies_of_one_point_are_told_apart():
    """They have the same points, and the same factor."""
    points = data()
    manager = manager_of()
    manager.fit(points.labelled)
    model, x = manager.estimator_.model_, points.unlabelled.x[:1].numpy()
    kept = RunningPredictions([model], points.test.features)
    for target in (0.0, 10.0):
        fantasy = model.with_points(x, np.array([target]))
        assert kept.continues([fantasy])
        (found,) = kept.latent([fantasy], points.test.indices)
        np.testing.assert_allclose(found, fantasy.latent(points.test.x.numpy()), rtol=1e-10, atol=1e-10)
    assert not kept.continues([model])


def test_a_fit_on_the_same_points_changes_nothing():
    manager, points = manager_of(), data()
    manager.fit(points.labelled)
    before = numbers(manager, points.test)
    manager.fit(points.labelled)
    assert torch.equal(numbers(manager, points.test), before)


def test_beyond_the_memory_predictions_are_made_anew(monkeypatch, counted):
    manager, points = manager_of(), data()
    label(points, 4)
    manager.fit(points.labelled)
    monkeypatch.setattr(running, "MEMORY", 2 * 8 * 90 * 12)  # room for 12 labelled points of 90
    assert_plain(manager, points)
    assert counted == [12]
    label(points)
    manager.fit(points.labelled)
    assert_plain(manager, points)
    assert manager._running is None
    assert counted == [12]


@pytest.mark.parametrize("model", [GPRegressor(), GPRegressor(optimizer="faithful"), GPClassifier()])
def test_they_are_for_fixed_hyperparameters(counted, model):
    points = data() if isinstance(model, GPRegressor) else classes(2)
    manager = as_manager(model)
    manager.fit(points.labelled)
    manager.posterior(points.labelled)
    assert counted == [] and manager._running is None


def classes(n_classes: int, n: int = 90) -> DataManager:
    generator = np.random.default_rng(n_classes)
    X = generator.normal(size=(n, 3))
    y = np.digitize(X[:, 0] + 0.3 * generator.normal(size=n), np.linspace(-1, 1, n_classes + 1)[1:-1])
    return DataManager(X, y, test=range(n - 20, n), labelled=[*range(10)], task="classification", seed=0)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_classifiers_loop_equals_plain_predictions_and_plain_fits(kernel, n_classes):
    points, template = classes(n_classes), GPClassifier(KERNELS[kernel], optimizer=None)
    manager, kept = as_manager(template), []
    for n in [0, 1, 1, 3, 1, 12, 1, 1, 20, 1]:
        label(points, n)
        manager.fit(points.labelled)
        plain = clone(template).fit(points.labelled.x, points.labelled.y.numpy())
        for view in (points.test, points.unlabelled, points.labelled, points.subset([5, 3, 40]), points.subset([])):
            found = manager.posterior(view).mean_N_C
            torch.testing.assert_close(found, manager.posterior(view.x).mean_N_C, rtol=0, atol=1e-10)
            np.testing.assert_allclose(found, plain.predict_proba(view.x), rtol=0, atol=1e-7)
        kept.append(manager._running)
    assert isinstance(kept[0], RunningCovariances)
    assert all(each is kept[0] for each in kept)


def test_a_classifiers_covariances_are_made_anew_for_other_points_labels_do_not_matter():
    points, manager = classes(2), as_manager(GPClassifier(KERNELS["rbf"], optimizer=None))
    manager.fit(points.labelled)
    before = manager.posterior(points.test).mean_N_C
    first = manager._running
    index = points.labelled.indices[-1:]
    points.unlabel(index)
    points.label(index, points.decode(1 - points.truth(index)))
    manager.fit(points.labelled)
    assert not torch.equal(manager.posterior(points.test).mean_N_C, before)
    assert manager._running is first
    other = classes(2, n=80)
    label(other, 10)
    manager.fit(other.labelled)
    torch.testing.assert_close(
        manager.posterior(other.test).mean_N_C, manager.posterior(other.test.x).mean_N_C, rtol=0, atol=1e-10
    )
    assert manager._running is not first


def test_classes_of_different_hyperparameters_are_predicted_each_by_its_own():
    """As in a state that a loop with learned ones left."""
    points = classes(3)
    learned = as_manager(GPClassifier())
    learned.fit(points.labelled)
    thetas = learned.estimator_.theta_
    assert len(np.unique(thetas, axis=0)) > 1
    fixed = as_manager(GPClassifier(optimizer=None))
    fixed.load(learned.state(), points.labelled)
    torch.testing.assert_close(
        fixed.posterior(points.test).mean_N_C, learned.posterior(points.test).mean_N_C, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_loop_on_a_named_device_is_the_same(task):
    points = classes(3) if task == "classification" else data()
    fixed = {"kernel": KERNELS["rbf"], "optimizer": None}
    estimator = GPClassifier(**fixed) if task == "classification" else GPRegressor(noise=0.1, **fixed)
    here, there = (as_manager(clone(estimator).set_params(device=device)) for device in (None, "cpu"))
    for _ in range(4):
        for manager in (here, there):
            manager.fit(points.labelled)
        ours, theirs = (manager.posterior(points.unlabelled) for manager in (here, there))
        assert here._running is not None and there._running is not None
        for name in ("mean_N_C",) if task == "classification" else ("mean_N", "variance_N"):
            torch.testing.assert_close(getattr(theirs, name), getattr(ours, name), rtol=0, atol=1e-8)
        label(points)


def test_after_an_undo_a_classifier_predicts_as_before():
    points, manager = classes(2), as_manager(GPClassifier(KERNELS["rbf"], optimizer=None))
    manager.fit(points.labelled)
    before = manager.posterior(points.test).mean_N_C
    indices = points.unlabelled.indices[:3]
    label(points, 3)
    manager.fit(points.labelled)
    manager.posterior(points.test)
    points.unlabel(indices)
    manager.fit(points.labelled)
    torch.testing.assert_close(manager.posterior(points.test).mean_N_C, before, rtol=0, atol=1e-9)


def test_a_class_that_appears_later_is_learned():
    X = np.random.default_rng(0).normal(size=(30, 2))
    points = DataManager(X, [0, 1] * 5 + [2] * 20, labelled=range(8), task="classification", seed=0)
    manager = as_manager(GPClassifier(KERNELS["rbf"], optimizer=None))
    for index in (8, 9, 10, 11):
        manager.fit(points.labelled)
        mean = manager.posterior(points.unlabelled).mean_N_C
        assert mean.shape[1] == 3 and (mean[:, 2] > 0).all() == (index > 10)
        points.label([index], points.decode(points.truth([index])))


def test_reset_forgets_them():
    manager, points = manager_of(), data()
    manager.fit(points.labelled)
    numbers(manager, points.test)
    manager.reset()
    assert manager._running is None
    assert manager.clone()._running is None


@pytest.mark.filterwarnings("ignore:.*ill-conditioned:RuntimeWarning")
def test_noiseless_points_that_need_jitter_in_the_midst_of_a_loop(counted):
    X = np.random.default_rng(0).permutation(np.linspace(0, 1, 60))[:, None]
    points = DataManager(X, np.sin(6 * X[:, 0]), labelled=range(8), task="regression", seed=0)
    manager = as_manager(GPRegressor("rbf", noise=0.0, optimizer=None, normalize_y=False))
    with pytest.warns(RuntimeWarning, match="singular in floating point"):
        for _ in range(40):
            manager.fit(points.labelled)
            posterior = manager.posterior(points.unlabelled)
            truth = np.sin(6 * X[points.unlabelled.indices, 0])
            plain = numbers(manager, points.unlabelled.x)
            torch.testing.assert_close(numbers(manager, points.unlabelled), plain, rtol=0, atol=1e-3)
            label(points)
    np.testing.assert_allclose(posterior.mean_N, truth, rtol=0, atol=1e-2)
    assert 1 < len(counted) < 40  # anew with each factor that is not the last one with more rows
