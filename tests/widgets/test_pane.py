"""The right pane: views that follow the moment shown, random queries beside the curve, other loops as bands."""

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances as open_widgets
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

import aljupyter as al
from aljupyter.errors import InvalidParameter, MissingLabels, UnknownRound
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from aljupyter.widgets import theme
from aljupyter.widgets.diagnostics import CALIBRATION, LABELS, OUTCOME, calibration, label_counts
from tests.managers import NearestMean
from tests.widgets.explorers import click, make_learner


def regression(test=0.25):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(60, 2))
    y = 10 + 3 * np.sin(2 * x[:, 0]) + 0.5 * rng.normal(size=60)
    data = al.DataManager(x, y, test=test, labelled=20, seed=0)
    return al.ActiveLearner(data, al.GPRegressor("rbf"), al.strategies.get("variance"), seed=0)


def right(explorer):
    return explorer._right.summary()


# --- numbers --------------------------------------------------------------------------------------------------------


def test_calibration_of_classes_is_scikit_learns():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], size=300)
    y = np.array([rng.choice(3, p=row) for row in p])
    found = calibration(ClassPosterior(torch.from_numpy(p)), torch.from_numpy(y))
    true_B, said_B = calibration_curve(p.argmax(1) == y, p.max(1), n_bins=10)
    np.testing.assert_allclose(found.said_B, said_B)
    np.testing.assert_allclose(found.true_B, true_B)
    assert len(found.count_B) == len(said_B)
    assert found.count_B.sum() == 300


def test_calibration_of_a_model_that_is_always_right():
    p = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    found = calibration(ClassPosterior(p), torch.tensor([0, 1]))
    assert (found.said_B.tolist(), found.true_B.tolist(), found.count_B.tolist()) == ([1.0], [1.0], [2])


def test_intervals_of_a_true_model_hold_what_they_say():
    rng = np.random.default_rng(0)
    n, std, noise = 200_000, 2.0, 1.5
    y = 3 + rng.normal(size=n) * np.hypot(std, noise)
    posterior = RegressionPosterior(
        torch.full((n,), 3.0, dtype=torch.float64),
        torch.full((n,), std**2, dtype=torch.float64),
        torch.full((n,), noise**2, dtype=torch.float64),
    )
    found = calibration(posterior, torch.from_numpy(y))
    np.testing.assert_allclose(found.true_B, found.said_B, atol=0.005)
    inside = np.abs(y - 3) <= norm.ppf(0.5 + found.said_B[9] / 2) * np.hypot(std, noise)
    assert found.true_B[9] == inside.mean()


def test_labels_are_counted():
    assert label_counts(np.array([0, 2, 2]), ("a", "b", "c")).counts_B.tolist() == [1, 0, 2]
    values = np.random.default_rng(0).normal(size=50)
    found = label_counts(values, ())
    counts, edges = np.histogram(values, bins="auto")
    np.testing.assert_array_equal(found.counts_B, counts)
    np.testing.assert_array_equal(found.edges, edges)


# --- views ----------------------------------------------------------------------------------------------------------


def test_the_confusion_matrix_is_scikit_learns_in_every_round(explore):
    learner = make_learner(n=200, labelled=4)
    explorer = explore(learner)
    explorer._right.view.value = OUTCOME
    click(explorer, "step")
    test = learner.data.test

    def expected(model):
        return confusion_matrix(test.y, model.posterior(test).mean_N_C.argmax(1))

    counts = expected(learner.model)
    np.testing.assert_array_equal(explorer._right.frame.shown.counts_C_C, counts)
    assert f"Confusion matrix: {np.trace(counts)} of 50 right" in right(explorer)
    fits = learner.model.fits
    explorer._timeline.slider.value = 0
    np.testing.assert_array_equal(explorer._right.frame.shown.counts_C_C, expected(learner.at(0).model))
    assert learner.model.fits == fits
    table = explorer._right._diagnostic.table.value
    assert "<caption>true class down, predicted across</caption>" in table


def test_predicted_against_measured(explore):
    learner = regression()
    explorer = explore(learner)
    explorer._right.view.value = OUTCOME
    dots = explorer._right._diagnostic.dots
    np.testing.assert_allclose(dots.x, learner.data.test.y, rtol=1e-6)
    np.testing.assert_allclose(dots.y, learner.model.posterior(learner.data.test).mean_N, rtol=1e-5)
    assert f"rmse {theme.number(learner.metrics['rmse'])}" in right(explorer)


def test_labels_so_far_follow_the_moment(explore):
    learner = make_learner()
    explorer = explore(learner)
    explorer._right.view.value = LABELS
    assert right(explorer) == "Labels so far: 3 no, 3 yes."
    click(explorer, "step")
    assert explorer._right.frame.shown.counts_B.sum() == 7
    explorer._timeline.slider.value = 0
    assert right(explorer) == "Labels so far: 3 no, 3 yes."


@pytest.mark.parametrize("view", [CALIBRATION, OUTCOME, LABELS])
@pytest.mark.parametrize("make", [regression, make_learner])
def test_every_view_has_words_and_a_still_picture(explore, view, make):
    explorer = explore(make())
    before = explorer.picture()
    explorer._right.view.value = view
    assert right(explorer)
    assert right(explorer) in explorer.summary()
    assert explorer.picture() != before
    assert explorer.last_error is None


def test_without_a_test_view_points_are_left_out_one_by_one(explore):
    explorer = explore(regression(test=None))
    explorer._right.view.value = CALIBRATION
    assert "20 points of the labelled ones, each left out" in explorer._right._diagnostic._caption.value


def test_where_there_is_nothing_to_judge_by_it_says_what_to_do(explore):
    data = al.DataManager(np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2, labelled=6, seed=0)
    explorer = explore(al.ActiveLearner(data, NearestMean()))
    explorer._right.view.value = OUTCOME
    assert "give the data a test view" in right(explorer)
    explorer = explore(make_learner(labelled=0))
    explorer._right.view.value = LABELS
    assert right(explorer) == "No labels yet: Step asks for the first."
    explorer._right.view.value = CALIBRATION
    assert right(explorer) == "No model of this moment."


def test_what_is_not_looked_at_is_neither_made_nor_drawn(explore):
    explorer = explore(make_learner())
    assert explorer._right._diagnostic is None
    explorer._right.view.value = CALIBRATION
    before = explorer._right.curve.curve.x
    click(explorer, "step")
    assert explorer._right.curve.curve.x is before
    explorer._right.view.value = "learning curve"
    assert len(explorer._right.curve.curve.x) == 2


# --- the curve ------------------------------------------------------------------------------------------------------


def test_the_curve_goes_over_rounds_and_on_a_logarithmic_axis(explore):
    explorer = explore(make_learner())
    explorer._controls.batch.value = 3
    for _ in range(2):
        click(explorer, "step")
    explorer._right.over.value = "rounds"
    np.testing.assert_array_equal(explorer._right.curve.curve.x, [0, 1, 2])
    assert "at 2 rounds" in right(explorer)
    explorer._right.metric.value = "log_loss"
    explorer._right.log.value = True
    log = explorer._right._log_curve
    assert explorer._right._body.children == (log.widget,)
    np.testing.assert_allclose(log.curve.y, [r.metrics["log_loss"] for r in explorer.learner.history]
                               + [explorer.learner.metrics["log_loss"]], rtol=1e-5)  # fmt: skip
    assert (log._y_axis.tick_values > 0).all() and len(log._y_axis.tick_values) >= 2
    explorer._timeline.slider.value = 1
    np.testing.assert_array_equal(log.present.x, [1])


def test_values_that_a_logarithm_does_not_have_are_left_out_and_counted(explore):
    learner = regression()
    explorer = explore(learner, metric="r2")
    click(explorer, "step")
    explorer._right.log.value = True
    shown = learner.curve()["r2"].to_numpy()
    drawn = explorer._right._log_curve.curve.y
    np.testing.assert_allclose(drawn, shown[shown > 0], rtol=1e-5)


def test_points_of_the_curve_tell_their_values(explore):
    explorer = explore(make_learner())
    curve = explorer._right.curve
    assert curve.rounds.tooltip.fields == ["x", "y"]
    assert curve.rounds.tooltip.labels == ["labels", "balanced accuracy"]
    explorer._right.metric.value = "log_loss"
    assert curve.rounds.tooltip.labels == ["labels", "log loss"]


def test_random_queries_are_one_click_away(explore):
    learner = make_learner(n=120)
    explorer = explore(learner)
    explorer._controls.rounds.value = 4
    click(explorer, "run")
    explorer._timeline.slider.value = 2
    labelled, history = learner.data.labelled, learner.history
    explorer._right.baseline.click()
    assert (learner.data.labelled, learner.history) == (labelled, history)
    assert explorer._follower.at == 2  # what is looked at stays
    (band,) = explorer._right.frame.bands
    assert (band.name, band.n_loops, len(band.x_N)) == ("random queries", 5, 5)
    drawn = explorer._right.curve._beside[0][1]
    np.testing.assert_allclose(drawn.y, band.mean_N, rtol=1e-6)
    assert "than random queries: " in right(explorer) and "5 loops)" in right(explorer)
    explorer._right.metric.value = "log_loss"
    assert "random queries: log loss" in right(explorer)
    explorer._timeline.now.click()
    click(explorer, "step")  # the curve goes on beside it
    assert "(4 models, 5 loops)" in explorer._right.sentence.value
    assert explorer.last_error is None


def test_random_queries_say_why_they_cannot_be(explore):
    explorer = explore(make_learner())
    explorer._right.baseline.click()
    assert isinstance(explorer.last_error, UnknownRound)
    y = np.where(np.arange(60) == 50, np.nan, np.arange(60) % 2)
    data = al.DataManager(np.random.default_rng(0).normal(size=(60, 2)), y, labelled=list(range(8)), seed=0)
    learner = al.ActiveLearner(data, NearestMean(), seed=0)
    learner.label(data.unlabelled.indices[:1], [1.0])
    explorer = explore(learner)
    explorer._right.baseline.click()
    assert isinstance(explorer.last_error, MissingLabels)
    assert 'role="alert"' in explorer._controls.status.value


def test_folds_are_drawn_as_a_band(explore):
    folds = []
    for seed in range(3):
        learner = make_learner()
        learner.seed = seed
        learner.strategy = al.strategies.Random()
        learner.run(3, progress=False)
        folds.append(learner)
    learner = make_learner()
    learner.run(3, progress=False)
    explorer = explore(learner, beside={"folds 2 to 4": folds, "one": folds[0].history})
    assert [band.name for band in explorer._right.frame.bands] == ["folds 2 to 4", "one"]
    assert len(explorer._right.curve._beside) == 2
    assert "folds 2 to 4 0." in right(explorer)
    assert "mean of 3 loops" in explorer._right.curve._caption.value
    with pytest.raises(InvalidParameter, match="'nothing'"):
        explore(learner, beside={"nothing": []})


def test_it_leaves_nothing_behind():
    before = set(open_widgets)
    learner = make_learner()
    learner.run(2, progress=False)
    explorer = al.Explorer(learner, grid=8, synchronous=True)
    for view in (CALIBRATION, OUTCOME, LABELS, "learning curve"):
        explorer._right.view.value = view
    explorer._right.log.value = True
    explorer._right.baseline.click()
    explorer.close()
    assert set(open_widgets) == before
