import json
from dataclasses import fields

import numpy as np
import pytest
import torch
from gpytorch.kernels import MaternKernel, ScaleKernel
from sklearn.datasets import load_breast_cancer
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


def innards(manager: GPManager) -> list[bytes]:
    """All that the models hold, byte by byte."""
    found = []
    for model in manager.estimator_.models_:
        arrays = [getattr(model.posterior, field.name) for field in fields(model.posterior)]
        arrays += [model.theta, model.at, model.x_N_D, model.y_N, model.track.inverse_hessian]
        found += [np.ascontiguousarray(array).tobytes() for array in arrays]
    return found


def assert_same_state(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        assert torch.equal(value, wanted[name]) if isinstance(value, Tensor) else value == wanted[name]


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


def through_a_file(state: dict) -> dict:
    """A state as a store keeps it: tensors as bytes, all else as JSON."""
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    rest = json.loads(json.dumps({name: value for name, value in state.items() if name not in tensors}))
    held = {name: (value.contiguous().numpy().tobytes(), value.dtype, value.shape) for name, value in tensors.items()}
    back = {
        name: torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape) if data else torch.zeros(shape, dtype=dtype)
        for name, (data, dtype, shape) in held.items()
    }
    return {**rest, **back}


def binary_data() -> DataManager:
    X, y = load_breast_cancer(return_X_y=True)
    chosen = np.random.default_rng(0).permutation(len(X))[:120]
    return DataManager(X[chosen], y[chosen], test=range(100, 120), labelled=20, preprocess="auto", seed=0)


MATERN = ScaleKernel(MaternKernel(2.5))
LOOPS = {
    "two classes": (GPClassifier(), binary_data),
    "two classes, no prior": (GPClassifier(prior=None), binary_data),
    "two classes, ARD": (GPClassifier("ard"), binary_data),
    "three classes": (GPClassifier(), lambda: data("classification")),
    "three classes, Matern": (GPClassifier(MATERN), lambda: data("classification")),
    "three classes, faithful": (GPClassifier(optimizer="faithful"), lambda: data("classification")),
    "three classes, fixed": (GPClassifier(optimizer=None), lambda: data("classification")),
    "numbers": (GPRegressor(), lambda: data("regression")),
    "numbers, no prior": (GPRegressor("rbf", prior=None), lambda: data("regression")),
    "numbers, Matern": (GPRegressor(MATERN), lambda: data("regression")),
    "numbers, faithful": (GPRegressor(optimizer="faithful"), lambda: data("regression")),
    "numbers, fixed": (GPRegressor("rbf", optimizer=None, normalize_y=False), lambda: data("regression")),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loaded_manager_goes_on_bit_for_bit(name):
    estimator, make = LOOPS[name]
    points, manager = make(), as_manager(estimator)
    for _ in range(3):
        manager.fit(points.labelled)
        label_one(points)
    manager.fit(points.labelled)
    state = manager.state()
    assert all(
        len(points.labelled) * points.labelled.x.shape[1] != value.numel()
        for value in state.values()
        if isinstance(value, Tensor)
    )  # no training data inside
    other = manager.clone()
    other.load(through_a_file(state), points.labelled)
    for _ in range(10):
        assert torch.equal(numbers(other, points.test), numbers(manager, points.test))
        assert_same_state(other.state(), manager.state())
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


class Impatient(Control):
    """Cancelled after so many checks."""

    def __init__(self, checks: float):
        super().__init__()
        self.left = checks
        self.heard = 0

    def check(self):
        self.heard += 1
        self.left -= 1
        if self.left < 0:
            self.cancel()
        super().check()


@pytest.mark.parametrize("n_new", [1, 8])
@pytest.mark.parametrize("task", TASKS)
def test_a_fit_cancelled_at_any_check_changes_nothing(task, n_new):
    manager, points = fitted(task)
    last, before, state, memory = manager.estimator_, numbers(manager, points.test), manager.state(), innards(manager)
    for _ in range(n_new):
        label_one(points)
    patient, other = Impatient(checks=np.inf), manager.clone()
    other.load(state, points.subset(points.labelled.indices[:-n_new]))
    other.fit(points.labelled, patient)
    assert patient.heard >= 2
    for checks in range(patient.heard):
        with pytest.raises(RoundCancelled):
            manager.fit(points.labelled, Impatient(checks))
    assert manager.estimator_ is last
    assert torch.equal(numbers(manager, points.test), before)
    assert_same_state(manager.state(), state)
    assert innards(manager) == memory
    manager.fit(points.labelled)  # and the next one is not disturbed
    assert torch.equal(numbers(manager, points.test), numbers(other, points.test))


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
