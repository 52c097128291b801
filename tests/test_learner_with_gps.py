"""The loop with the models that it comes with."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_iris

import aljupyter as al
from aljupyter.control import Control
from aljupyter.errors import RoundCancelled


@pytest.fixture
def iris():
    x, y = load_iris(return_X_y=True)
    names = load_iris().target_names
    return al.ActiveLearner(al.DataManager(x, names[y], test=0.3, labelled=9, seed=0), al.GPClassifier())


@pytest.fixture
def diabetes():
    """Without a test view."""
    x, y = load_diabetes(return_X_y=True)
    return al.ActiveLearner(al.DataManager(x, y, labelled=20, seed=0), al.GPRegressor(kernel="rbf"))


def said(learner, model):
    posterior = model.posterior(learner.data.subset(np.arange(40)))
    return posterior.mean_N_C if learner.data.task == "classification" else posterior.mean_N


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_the_past_says_what_the_model_said_then(name, request):
    learner = request.getfixturevalue(name)
    then = []
    for _ in range(4):
        learner.fit()
        then.append(said(learner, learner.model))
        learner.step(2)
    for k, expected in enumerate(then):
        torch.testing.assert_close(said(learner, learner.at(k).model), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_a_round_undone_and_played_again_is_the_same_round(name, request):
    learner = request.getfixturevalue(name)
    learner.run(rounds=3)
    played = learner.step(2)
    learner.fit()
    learner.undo()
    again = learner.step(2)
    np.testing.assert_array_equal(again.indices, played.indices)
    np.testing.assert_array_equal(again.scores, played.scores)
    assert dict(again.metrics) == dict(played.metrics)


def test_three_classes_are_learned_from_few_labels(iris):
    iris.run(rounds=15)
    assert iris.fit().metrics["accuracy"] > 0.9
    assert iris.metrics["accuracy"] > iris.floor_performance()["accuracy"] + 0.3


def test_without_a_test_view_the_labelled_points_are_left_out_in_turn(diabetes):
    fitted = diabetes.fit()
    labelled = diabetes.data.labelled
    left_out = diabetes.model.leave_one_out().mean_N
    assert fitted.measured_on == "leave-one-out"
    assert fitted.metrics["mse"] == pytest.approx(float(((left_out - labelled.y) ** 2).mean()))
    record = diabetes.step(3)
    error = record.predicted.mean_N.numpy() - record.labels
    assert record.before_label["rmse"] == pytest.approx(float(np.sqrt((error**2).mean())))
    assert diabetes.history.to_frame()["measured_on"].tolist() == ["leave-one-out"]
    assert 0 <= fitted.metrics["hit_ratio"] <= 1


def test_cancelling_in_the_middle_of_a_fit_rolls_back(iris):
    iris.run(rounds=2)
    model_state = iris.model.state()
    before = iris.n_labels, iris.round, len(iris.events)

    class AtTheThirdCheck(Control):
        checks = 0

        def check(self):
            self.checks += 1
            if self.checks == 3:
                self.cancel()
            super().check()

    control = AtTheThirdCheck()
    with pytest.raises(RoundCancelled):
        iris.step(control=control)
    assert control.checks == 3
    assert (iris.n_labels, iris.round, len(iris.events)) == before
    for key, value in iris.model.state().items():
        assert (
            torch.equal(torch.as_tensor(value), torch.as_tensor(model_state[key]))
            if torch.is_tensor(value)
            else (value == model_state[key])
        )
    iris.step()


def test_upper_confidence_finds_the_best_points_sooner_than_chance():
    x, y = load_diabetes(return_X_y=True)
    found = {}
    for name, strategy in [("ucb", al.strategies.UpperConfidenceBound(2)), ("random", al.strategies.Random())]:
        ratios = []
        for seed in range(3):
            data = al.DataManager(x, y, test=0.2, labelled=10, seed=seed)
            learner = al.ActiveLearner(data, al.GPRegressor(kernel="rbf"), strategy, seed=seed)
            learner.run(rounds=6, n=10)
            ratios.append(learner.fit().metrics["hit_ratio"])
        found[name] = np.mean(ratios)
    assert found["ucb"] > 1.5 * found["random"]


def test_images_are_rows_to_a_gaussian_process():
    digits = load_digits()
    flat = al.DataManager(digits.data, digits.target, test=0.5, labelled=30, preprocess=None)
    dataset = torch.utils.data.TensorDataset(torch.tensor(digits.images), torch.tensor(digits.target))
    images = al.DataManager(dataset, test=0.5, labelled=30)
    assert images.test.x.shape[1:] == (8, 8)
    records = [al.ActiveLearner(data, al.GPClassifier()).step(3) for data in (flat, images)]
    np.testing.assert_array_equal(records[0].indices, records[1].indices)
    assert records[0].metrics == pytest.approx(records[1].metrics)
