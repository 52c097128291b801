"""What is known of a point, and what a label would change: against refits and by hand, and never with a fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

import aljupyter as al
from aljupyter import errors
from aljupyter.informativeness import entropy
from aljupyter.inspection import ask_point, then
from aljupyter.posterior import ClassPosterior
from aljupyter.whatif import expected_change, what_if
from tests.managers import NearestMean


def classes(n=60, labelled=12, model=None, strategy=None):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    frame = pd.DataFrame(rng.normal(size=(n, 2)) + 1.5 * y[:, None], columns=["width", "height"])
    data = al.DataManager(frame, np.array(["no", "yes"])[y], test=0.25, labelled=labelled, seed=0)
    return al.ActiveLearner(data, model or al.GPClassifier(), strategy or al.strategies.Entropy(), seed=0)


def values(n=60, labelled=12, strategy=None, noise=0.01):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    data = al.DataManager(x, np.sin(2 * x[:, 0]) + x[:, 1], test=0.25, labelled=labelled, seed=0)
    return al.ActiveLearner(data, al.GPRegressor(noise=noise), strategy or al.strategies.Variance(), seed=0)


@pytest.fixture
def no_fit(monkeypatch):
    """Counts fits of any model of that kind, one brought back from the past too, from when it is switched on."""
    fits = []

    def watch(learner):
        kind = type(learner.model)
        fit = kind.fit
        monkeypatch.setattr(kind, "fit", lambda self, *args: fits.append(1) or fit(self, *args))
        fits.clear()
        return fits

    return watch


def test_a_point_of_the_pool(no_fit):
    learner = classes(strategy=al.strategies.Strategy(al.strategies.Entropy() + 0.1 * al.strategies.Margin()))
    learner.fit()
    fits = no_fit(learner)
    scores = learner.score()
    asked = int(learner.query(1).indices[0])
    report = ask_point(learner, asked)
    assert (report.rank, report.tied, report.n_pool) == (1, 0, len(scores.values))
    assert report.score == scores.values.max()
    assert report.features == learner.data.display(asked) and "width" in report.features
    posterior = learner.model.posterior(learner.data.subset([asked]))
    torch.testing.assert_close(report.posterior.mean_N_C, posterior.mean_N_C)
    assert list(report.parts) == ["Entropy()", "Margin()"]
    assert report.parts["Entropy()"] + 0.1 * report.parts["Margin()"] == pytest.approx(report.score)
    assert report.label is None and report.labelled_by == "" and report.is_current
    ranks = [ask_point(learner, int(index)).rank for index in scores.indices]
    order = np.argsort(np.argsort(-scores.values))
    assert ranks == (order + 1).tolist()
    assert not fits


def test_nearest_labelled_points_are_those_of_the_models_inputs():
    learner = classes()
    learner.fit()
    index = int(learner.data.unlabelled.indices[3])
    report = ask_point(learner, index)
    x, labelled = learner.data.subset([index]).x[0], learner.data.labelled
    distances = {int(i): float((row - x).norm()) for i, row in zip(labelled.indices, labelled.x, strict=True)}
    nearest = sorted(distances, key=distances.get)[:3]
    assert [near.index for near in report.nearest] == nearest
    for near in report.nearest:
        assert near.distance == pytest.approx(distances[near.index])
        assert near.label == learner.data.decode(labelled.y[labelled.indices == near.index])[0]
        assert type(near.label) is str


def test_a_labelled_point_says_when_and_by_whom():
    learner = classes()
    start = int(learner.data.labelled.indices[0])
    first = learner.step()
    told = int(learner.data.unlabelled.indices[0])
    learner.label([told], ["no"])
    report = ask_point(learner, start)
    assert (report.labelled_by, report.labelled_in, report.rank, report.score) == ("the start", None, None, None)
    report = ask_point(learner, int(first.indices[0]))
    assert (report.labelled_in, report.label) == (0, first.labels[0]) and report.labelled_by == first.labelled_by
    report = ask_point(learner, told)
    assert (report.labelled_by, report.labelled_in, report.label) == ("person", 1, "no")
    assert start not in [near.index for near in ask_point(learner, start).nearest]


def test_the_truth_of_the_pool_is_not_told():
    learner = classes()
    learner.step()
    report = ask_point(learner, int(learner.data.unlabelled.indices[0]))
    assert report.label is None and not {"yes", "no"} & set(map(str, report.features.values()))


def test_a_round_of_the_past_is_asked_as_it_was(no_fit):
    learner = classes(strategy=al.strategies.Strategy(al.strategies.Entropy() + 0.1 * al.strategies.Margin()))
    learner.run(3, progress=False)
    learner.fit()
    record, fits = learner.history[1], no_fit(learner)
    moment = then(learner, 1)
    report = ask_point(learner, int(record.indices[0]), moment=moment)
    assert report.rank == 1 and report.score == record.scores[0] and report.n_pool == len(record.pool.values)
    assert report.label is None  # it was not known then
    torch.testing.assert_close(report.posterior.mean_N_C, record.predicted.mean_N_C)
    assert list(report.parts) == ["Entropy()", "Margin()"]
    assert report.parts["Entropy()"] + 0.1 * report.parts["Margin()"] == pytest.approx(report.score)
    assert ask_point(learner, int(record.indices[0])).labelled_in == 1
    assert not fits
    with pytest.raises(errors.UnknownRound):
        then(learner, 7)


def test_a_place_has_a_score_where_the_measure_can_say():
    learner = classes()
    learner.fit()
    x = learner.data.unlabelled.x[4]
    place, point = ask_point(learner, x=x), ask_point(learner, int(learner.data.unlabelled.indices[4]))
    assert place.score == pytest.approx(point.score) and place.rank == point.rank and place.tied == point.tied + 1
    assert place.index is None and list(place.features) == ["width", "height"]
    learner.strategy = al.strategies.IVR() if learner.data.task == "regression" else al.strategies.Random()
    assert ask_point(learner, x=x).score is None
    for wrong in ({}, {"index": 1, "x": x}):
        with pytest.raises(errors.WrongShape):
            ask_point(learner, **wrong)
    with pytest.raises(errors.IndexOutOfRange):
        ask_point(learner, 10_000)


def test_before_the_first_fit_and_with_an_older_model(no_fit):
    learner = classes()
    fits = no_fit(learner)
    report = ask_point(learner, int(learner.data.unlabelled.indices[0]))
    assert report.posterior is None and report.score is None and not report.is_current and not fits
    learner = classes()
    learner.step()
    fits = no_fit(learner)
    report = ask_point(learner, int(learner.data.unlabelled.indices[0]))
    assert report.posterior is not None and not report.is_current and report.score is None and not fits


def test_a_point_that_is_held_out_is_never_asked():
    learner = classes()
    learner.fit()
    index = int(learner.data.test.indices[0])
    report = ask_point(learner, index)
    assert (report.held_out, report.score, report.rank, report.unscored) == ("test view", None, None, "")
    assert not report.can_be_labelled and report.posterior is not None and report.label is None
    with pytest.raises(errors.IndexOutOfPool, match=f"Point {index} is held out"):
        what_if(learner, "yes", index)
    with pytest.raises(errors.IndexOutOfPool):
        expected_change(learner, index)
    pool = ask_point(learner, int(learner.data.unlabelled.indices[0]))
    assert pool.held_out == "" and pool.can_be_labelled and ask_point(learner, x=torch.zeros(2)).can_be_labelled
    assert not ask_point(learner, int(learner.data.labelled.indices[0])).can_be_labelled


def test_it_says_why_a_point_has_no_score():
    learner = classes()
    index = int(learner.data.unlabelled.indices[0])
    assert "has not been fitted" in ask_point(learner, index).unscored
    learner.fit()
    assert ask_point(learner, index).unscored == ""
    learner.strategy = al.strategies.BADGE().within(candidates=[int(learner.data.labelled.indices[0])])
    report = ask_point(learner, index)
    assert report.score is None and "none is a candidate" in report.unscored
    learner.label([index], ["yes"])
    other = int(learner.data.unlabelled.indices[0])
    assert "given without a query" in ask_point(learner, other, moment=then(learner, 0)).unscored


def test_parts_and_places_keep_to_the_strategy_of_the_moment():
    learner = classes(strategy=al.strategies.Entropy())
    learner.step()
    learner.fit()
    learner.strategy = al.strategies.Margin()
    x = learner.data.unlabelled.x[0]
    assert ask_point(learner, x=x).score is not None
    assert ask_point(learner, x=x, moment=then(learner, 0)).score is None  # entropies then, and margins now
    few = [int(i) for i in learner.data.unlabelled.indices[:4]]
    learner.strategy = al.strategies.Strategy(al.strategies.Entropy() * al.strategies.Margin()).within(candidates=few)
    assert list(ask_point(learner, few[2]).parts) == ["Entropy()", "Margin()"]
    outside = ask_point(learner, int(learner.data.unlabelled.indices[9]))
    assert outside.score == -np.inf and outside.parts == {}


# --- what if --------------------------------------------------------------------------------------------------------


def test_an_imagined_value_is_what_a_refit_with_these_hyperparameters_would_say(no_fit):
    learner = values()
    learner.fit()
    fits = no_fit(learner)
    index = int(learner.data.unlabelled.indices[5])
    imagined = what_if(learner, 2.5, index)
    assert not fits
    fitted = learner.model.estimator_
    labelled = learner.data.labelled
    again = fitted.fantasize(learner.data.subset([index]).x[0], 2.5)
    x = learner.data.unlabelled.x
    mean, deviation = again.predict(x, return_std=True)
    said = imagined.model.posterior(x)
    np.testing.assert_allclose(said.mean_N, mean, atol=1e-10)
    # brute force: the same kernel and noise over one more point, in the units that the target was scaled to
    theta = fitted.model_.theta
    kernel = ConstantKernel(float(np.exp(theta[0]))) * RBF(np.exp(theta[1:]))
    X = torch.cat([labelled.x, learner.data.subset([index]).x]).numpy()
    y = np.append(labelled.y.numpy(), 2.5)
    offset, scale = fitted.y_mean_, fitted.y_scale_
    K = kernel(X) + 0.01 / scale**2 * np.eye(len(X))
    expected = offset + scale * kernel(x.numpy(), X) @ np.linalg.solve(K, (y - offset) / scale)
    np.testing.assert_allclose(said.mean_N, expected, atol=1e-6)
    rest = imagined.indices
    assert index not in rest and len(rest) == len(learner.data.unlabelled) - 1
    before = learner.model.posterior(learner.data.pool(rest)).mean_N
    np.testing.assert_allclose(
        imagined.change_N, (imagined.model.posterior(learner.data.pool(rest)).mean_N - before).abs()
    )
    assert imagined.uncertainty[1] < imagined.uncertainty[0]
    assert f"If point {index} were 2.5: predictions in the pool would move by" in imagined.sentence


def test_an_imagined_class_moves_predictions_towards_it():
    learner = classes()
    learner.fit()
    index = int(learner.query(1).indices[0])
    codes = {}
    for label in ("no", "yes"):
        imagined = what_if(learner, label, index)
        x = learner.data.subset([index]).x
        codes[label] = imagined.model.posterior(x).mean_N_C[0]
        pool = learner.data.pool(imagined.indices)
        changed = learner.model.posterior(pool).mean_N_C.argmax(1) != imagined.model.posterior(pool).mean_N_C.argmax(1)
        assert imagined.change_N.tolist() == changed.tolist()
        assert f"{int(changed.sum())} of {len(pool)} pool points would change" in imagined.sentence
    now = learner.model.posterior(learner.data.subset([index])).mean_N_C[0]
    assert codes["yes"][1] > now[1] > codes["no"][1]
    p = now.numpy()
    by_hand = sum(p[c] * what_if(learner, label, index).change_N.sum() for c, label in enumerate(("no", "yes")))
    assert expected_change(learner, index) == pytest.approx(by_hand)


@pytest.mark.parametrize("noise", [0.01, 0.5])
def test_the_expected_change_of_a_value_is_that_of_many_draws(noise):
    learner = values(noise=noise)
    learner.fit()
    index = int(learner.query(1).indices[0])
    at = learner.model.posterior(learner.data.subset([index]))
    deviation = float((at.variance_N + at.noise_N).sqrt()[0])
    draws = np.random.default_rng(0).normal(float(at.mean_N[0]), deviation, 400)
    changes = [what_if(learner, value, index).change_N.mean() for value in draws]
    assert expected_change(learner, index) == pytest.approx(np.mean(changes), rel=0.1)


def test_the_ranking_after_a_label_is_that_of_the_imagined_model():
    learner = classes()
    learner.run(2, progress=False)
    learner.fit()
    index = int(learner.query(1).indices[0])
    imagined = what_if(learner, "yes", index)
    entropies = entropy(imagined.model.posterior(learner.data.pool(imagined.indices))).numpy()
    np.testing.assert_allclose(imagined.scores.values, entropies)
    before = learner.score()
    best = imagined.scores.best(3)
    ranks = [1 + int((before.values > before.values[before.indices == i]).sum()) for i in best]
    said = ", ".join(f"point {i} (before: rank {rank})" for i, rank in zip(best, ranks, strict=True))
    assert imagined.sentence.endswith(f" Asked next then: {said}.")
    # strategies that look at the labelled points see the new one
    learner.strategy = al.strategies.GSx()
    learner.fit()
    told = what_if(learner, "yes", index)
    rest, labelled = (
        learner.data.pool(told.indices).x,
        torch.cat([learner.data.labelled.x, learner.data.subset([index]).x]),
    )
    np.testing.assert_allclose(told.scores.values, torch.cdist(rest, labelled).min(1).values, rtol=1e-6)
    # a round of another strategy is not ranked by the one there is now
    past = what_if(learner, "yes", int(learner.history[0].indices[0]), moment=then(learner, 0))
    assert past.scores is None and past.sentence.endswith(
        "That round was asked by Entropy(), so it is not ranked anew."
    )
    learner.strategy = al.strategies.Entropy()
    past = what_if(learner, "yes", int(learner.history[0].indices[0]), moment=then(learner, 0))
    assert len(past.scores) == len(past.indices) == len(learner.history[0].pool) - 1
    learner.strategy = al.strategies.Entropy().within(candidates=[index])
    alone = what_if(learner, "yes", index)
    assert alone.scores is None and "Not ranked anew: " in alone.sentence


def test_nothing_is_changed_by_imagining():
    learner = classes()
    learner.run(2, progress=False)
    learner.fit()
    before = learner.model.posterior(learner.data.test).mean_N_C.clone()
    history, events, n = learner.history, learner.events, learner.n_labels
    what_if(learner, "yes", int(learner.data.unlabelled.indices[0]))
    what_if(learner, "no", x=torch.zeros(2, dtype=torch.float64))
    what_if(learner, "no", int(learner.history[0].indices[0]), moment=then(learner, 0))
    torch.testing.assert_close(before, learner.model.posterior(learner.data.test).mean_N_C)
    assert (history, events, n) == (learner.history, learner.events, learner.n_labels) and learner.is_current


def test_what_cannot_be_imagined_is_refused():
    learner = classes()
    pool = int(learner.data.unlabelled.indices[0])
    with pytest.raises(errors.NotFitted, match="no model"):
        what_if(learner, "yes", pool)
    learner.fit()
    with pytest.raises(errors.InvalidLabel):
        what_if(learner, "perhaps", pool)
    with pytest.raises(errors.AlreadyLabelled):
        what_if(learner, "yes", int(learner.data.labelled.indices[0]))
    with pytest.raises(errors.WrongShape):
        what_if(learner, "yes")
    numbers = values()
    numbers.fit()
    for value in (np.nan, np.inf, True, np.bool_(False)):
        with pytest.raises(errors.InvalidLabel):
            what_if(numbers, value, int(numbers.data.unlabelled.indices[0]))
    plain = classes(model=NearestMean())
    plain.fit()
    with pytest.raises(errors.ModelLacks, match="GPClassifier"):
        what_if(plain, "yes", int(plain.data.unlabelled.indices[0]))


def test_a_class_that_nobody_has_seen_has_no_share_in_the_expected_change():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 10)
    data = al.DataManager(rng.normal(size=(30, 2)), y, labelled=[0, 1, 10, 11], seed=0)
    learner = al.ActiveLearner(data, seed=0)
    learner.fit()
    index = int(data.unlabelled.indices[0])
    with pytest.raises(errors.InvalidLabel):
        what_if(learner, "c", index)
    assert isinstance(learner.model.posterior(data.unlabelled), ClassPosterior)
    assert expected_change(learner, index) >= 0


def test_an_empty_pool_is_no_obstacle():
    learner = classes(n=20, labelled=12)
    learner.run(progress=False)
    learner.fit()
    report = ask_point(learner, int(learner.history[-1].indices[0]))
    assert report.n_pool == 0 and report.rank is None and report.score is None
    imagined = what_if(learner, "yes", x=torch.zeros(2, dtype=torch.float64))
    assert "no other point" in imagined.sentence


def test_a_strategy_that_raises_takes_nothing_else_away():
    class Odd(al.strategies.Strategy):
        def score(self, pool):
            raise ZeroDivisionError("of my own making")

    x = np.random.default_rng(0).normal(size=(20, 2))
    learner = al.ActiveLearner(al.DataManager(x, x[:, 0] > 0, labelled=6, seed=0), NearestMean(), Odd(), seed=0)
    learner.fit()
    report = ask_point(learner, int(learner.data.unlabelled.indices[0]))
    assert report.posterior is not None
    assert report.score is None
    assert report.unscored == "the strategy raised ZeroDivisionError: of my own making"
