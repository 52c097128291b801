import json

import numpy as np
import pytest
import torch
from torch import Tensor

import aljupyter.models as models
from aljupyter.control import Control
from aljupyter.data import DataManager
from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError, NoLabels, NotFitted, OneClassOnly, RoundCancelled, UnsupportedModel, WrongShape
from aljupyter.models import GPClassifier, GPRegressor, as_manager, default_manager
from aljupyter.models.gp import GPManager
from aljupyter.posterior import ClassPosterior, RegressionPosterior

TASKS = ("classification", "regression")


def data(task: str, labelled: list[int] | int = 20) -> DataManager:
    """Three classes along the first of four features, or a wave along it."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 4))
    wave = np.sin(2 * X[:, 0]) + 0.1 * generator.normal(size=80)
    y = np.digitize(X[:, 0], [-0.5, 0.5]) if task == "classification" else 1000 * wave
    return DataManager(X, y, test=range(60, 80), labelled=labelled, task=task, seed=0)


def fitted(task: str) -> tuple[GPManager, DataManager]:
    manager, points = default_manager(task), data(task)
    manager.fit(points.labelled)
    return manager, points


def label_one(points: DataManager) -> None:
    index = points.unlabelled.indices[:1]
    points.label(index, points.decode(points.truth(index)))


def numbers(manager: GPManager, x: Tensor | Subset) -> Tensor:
    posterior = manager.posterior(x)
    if isinstance(posterior, ClassPosterior):
        return posterior.mean_N_C
    return torch.stack([posterior.mean_N, posterior.variance_N])


@pytest.mark.parametrize("task", TASKS)
def test_the_posterior_is_the_estimators_prediction(task):
    manager, points = fitted(task)
    posterior = manager.posterior(points.test)
    if task == "classification":
        np.testing.assert_array_equal(posterior.mean_N_C, manager.estimator_.predict_proba(points.test.x))
        assert posterior.provenance == "Laplace GP"
    else:
        mean, std = manager.estimator_.predict(points.test.x, return_std=True)
        np.testing.assert_array_equal(posterior.mean_N, mean)
        np.testing.assert_allclose(posterior.std_N, std)
        np.testing.assert_array_equal(posterior.noise_N, np.full(20, manager.estimator_.noise_))
        assert manager.evaluate(points.test)["r2"] > 0.8
    torch.testing.assert_close(numbers(manager, points.test), numbers(manager, points.test.x))
    assert len(manager.posterior(points.subset([]))) == 0


def test_a_class_without_labels_has_probability_zero():
    points = data("classification")
    codes = points.truth(np.arange(60)).numpy()
    without_middle = np.flatnonzero(codes != 1)[:12]
    manager = default_manager("classification")
    manager.fit(data("classification", labelled=without_middle.tolist()).labelled)
    for posterior in (manager.posterior(points.test), manager.leave_one_out()):
        assert posterior.n_classes == 3
        assert (posterior.mean_N_C[:, 1] == 0).all()
        torch.testing.assert_close(posterior.mean_N_C.sum(1), torch.ones(len(posterior), dtype=torch.float64))
    assert manager.posterior(points.test).mean_N_C[points.test.y == 2].argmax(1).eq(2).all()


def test_a_new_class_starts_cold_and_is_learned():
    points = data("classification")
    codes = points.truth(np.arange(60)).numpy()
    few = np.concatenate([np.flatnonzero(codes == c)[:6] for c in (0, 2)])
    some = data("classification", labelled=few.tolist())
    manager = default_manager("classification")
    manager.fit(some.labelled)
    some.label(np.flatnonzero(codes == 1)[:6], [1] * 6)
    manager.fit(some.labelled)
    assert len(manager.estimator_.models_) == 3
    assert (manager.posterior(points.test).mean_N_C[:, 1] > 0.3).any()


@pytest.mark.parametrize("task", TASKS)
def test_a_warm_fit_is_as_good_as_a_cold_one(task):
    manager, points = fitted(task)
    for _ in range(15):
        label_one(points)
        manager.fit(points.labelled)
        cold = manager.clone()
        cold.fit(points.labelled)
        warm = manager.estimator_
        gap = cold.estimator_.log_marginal_likelihood_value_ - warm.log_marginal_likelihood_value_
        if task == "classification":  # with the regressor's prior the likelihood alone is not what is maximised
            assert gap < 1e-3
        else:
            torch.testing.assert_close(numbers(manager, points.test), numbers(cold, points.test), rtol=1e-2, atol=1)


@pytest.mark.parametrize("task", TASKS)
def test_a_warm_fit_takes_fewer_steps(task):
    class Counter(Control):
        n = 0

        def check(self):
            self.n += 1

    manager, points = fitted(task)
    label_one(points)
    warm, cold = Counter(), Counter()
    manager.clone().fit(points.labelled, cold)
    manager.fit(points.labelled, warm)
    assert warm.n < cold.n


@pytest.mark.parametrize("task", TASKS)
def test_a_loaded_manager_goes_on_bit_for_bit(task):
    manager, points = fitted(task)
    label_one(points)
    manager.fit(points.labelled)
    state = manager.state()
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    json.dumps({name: value for name, value in state.items() if name not in tensors})
    assert all(len(points.labelled) * 4 != value.numel() for value in tensors.values())  # no training data inside

    other = manager.clone()
    other.load({**state, **{name: value.clone() for name, value in tensors.items()}}, points.labelled)
    assert torch.equal(numbers(other, points.test), numbers(manager, points.test))
    for _ in range(3):
        label_one(points)
        manager.fit(points.labelled)
        other.fit(points.labelled)
        assert torch.equal(numbers(other, points.test), numbers(manager, points.test))


@pytest.mark.parametrize("optimizer", ["faithful", None])
@pytest.mark.parametrize("estimator", [GPClassifier, GPRegressor])
def test_every_optimizer_has_a_state(estimator, optimizer):
    manager = as_manager(estimator(optimizer=optimizer))
    points = data(manager.task)
    manager.fit(points.labelled)
    other = manager.clone()
    other.load(manager.state(), points.labelled)
    for _ in range(2):
        assert torch.equal(numbers(other, points.test), numbers(manager, points.test))
        label_one(points)
        manager.fit(points.labelled)
        other.fit(points.labelled)


@pytest.mark.parametrize("task", TASKS)
def test_going_back_is_loading_an_earlier_state(task):
    manager, points = fitted(task)
    state, before, snapshot = manager.state(), numbers(manager, points.test), points.snapshot()
    label_one(points)
    manager.fit(points.labelled)
    points.restore(snapshot)
    manager.load(state, points.labelled)
    assert torch.equal(numbers(manager, points.test), before)


@pytest.mark.parametrize("task", TASKS)
def test_load_never_searches(task, monkeypatch):
    manager, points = fitted(task)
    state, other = manager.state(), manager.clone()
    for name in ("bfgs", "lbfgsb"):
        monkeypatch.setattr(f"aljupyter.models.gp.optimise.{name}", None)
    monkeypatch.setattr("aljupyter.models.gp.laplace.find_mode", None)
    other.load(state, points.labelled)
    assert other.is_fitted


@pytest.mark.parametrize("task", TASKS)
def test_a_state_of_other_points_is_refused(task):
    manager, points = fitted(task)
    state = manager.state()
    if task == "classification":
        state["f"] = state["f"][:, :-1]
    else:
        state["theta"] = state["theta"][:-1]
    before = numbers(manager, points.test)
    with pytest.raises(ModelError, match="This state is not of"):
        manager.load(state, points.labelled)
    assert torch.equal(numbers(manager, points.test), before)


@pytest.mark.parametrize("checks", [0, 1, 5])
@pytest.mark.parametrize("task", TASKS)
def test_a_cancelled_fit_changes_nothing(task, checks):
    class Impatient(Control):
        n = 0

        def check(self):
            self.n += 1
            if self.n > checks:
                self.cancel()
            super().check()

    manager, points = fitted(task)
    before, state = numbers(manager, points.test), manager.state()
    label_one(points)
    with pytest.raises(RoundCancelled):
        manager.fit(points.labelled, Impatient())
    assert torch.equal(numbers(manager, points.test), before)
    for name, value in manager.state().items():
        assert torch.equal(value, state[name]) if isinstance(value, Tensor) else value == state[name]


def test_a_refused_fit_changes_nothing():
    manager, points = fitted("classification")
    before = numbers(manager, points.test)
    with pytest.raises(NoLabels):
        manager.fit(points.subset([]))
    with pytest.raises(OneClassOnly):
        manager.fit(points.subset(points.labelled.indices[:1]))
    with pytest.raises(WrongShape):
        manager.posterior(torch.zeros(3, 2))
    assert torch.equal(numbers(manager, points.test), before)


@pytest.mark.parametrize("task", TASKS)
def test_leave_one_out_predicts_every_labelled_point(task):
    manager, points = fitted(task)
    posterior = manager.leave_one_out()
    assert len(posterior) == len(points.labelled)
    if task == "classification":
        assert posterior.mean_N_C.argmax(1).eq(points.labelled.y).double().mean() > 0.5
    else:
        assert isinstance(posterior, RegressionPosterior)
        seen = manager.posterior(points.labelled)
        assert (posterior.variance_N > seen.variance_N).all()
        assert (posterior.mean_N - points.labelled.y).abs().mean() > (seen.mean_N - points.labelled.y).abs().mean()


@pytest.mark.parametrize("task", TASKS)
def test_reset_and_clone_forget(task):
    manager, points = fitted(task)
    copy = manager.clone()
    manager.reset()
    for forgetful in (manager, copy):
        assert not forgetful.is_fitted
        assert forgetful.state() is None
        with pytest.raises(NotFitted, match="has not been fitted"):
            forgetful.posterior(points.test)
        with pytest.raises(NotFitted):
            _ = forgetful.estimator_


@pytest.mark.parametrize("task", TASKS)
def test_the_estimator_given_is_not_fitted(task):
    estimator = GPClassifier() if task == "classification" else GPRegressor()
    manager = as_manager(estimator)
    manager.fit(data(task).labelled)
    assert not estimator.__sklearn_is_fitted__()


def test_a_gp_embeds_as_its_inputs():
    manager, points = fitted("regression")
    assert manager.embed(points.test) is points.test.x


def test_as_manager_takes_managers_and_gps():
    manager = as_manager(GPClassifier(kernel="ard"), "classification")
    assert as_manager(manager) is manager
    assert repr(manager) == "GPManager(GPClassifier(kernel='ard'))"
    assert default_manager("regression").task == "regression"


@pytest.mark.parametrize(
    ("model", "task", "words"),
    [
        (object(), None, "A GPClassifier, a GPRegressor or a ModelManager can"),
        (GPClassifier, None, r"Give an instance: GPClassifier\(\)"),
        (GPRegressor(), "classification", "is for regression, the data are for classification"),
    ],
)
def test_as_manager_refuses_the_rest(model, task, words):
    with pytest.raises(UnsupportedModel, match=words):
        as_manager(model, task)


def test_unknown_names_of_the_package_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'GPTransformer'"):
        _ = models.GPTransformer
