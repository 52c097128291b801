"""Loops beside a loop: what is the same, what differs, and that the learner hears nothing of them."""

import numpy as np
import pandas as pd
import pytest

import aljupyter as al
from aljupyter.companions import Band, band_of, gain, in_words, replay
from aljupyter.control import Control
from aljupyter.errors import InvalidParameter, MissingLabels, RoundCancelled, UnknownRound
from tests.managers import NearestMean


def make(n=80, labelled=8, seed=0, strategy=None, y=None):
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 2
    x = rng.normal(size=(n, 2)) + 1.2 * truth[:, None]
    data = al.DataManager(x, truth if y is None else y, test=0.25, labelled=labelled, seed=0)
    return al.ActiveLearner(data, NearestMean(), strategy or al.strategies.Entropy(), seed=seed)


def played(rounds=4, n=(2, 1, 3, 2), **more):
    learner = make(**more)
    learner.run(rounds, n, progress=False)
    learner.fit()
    return learner


def test_the_same_strategy_and_start_give_the_same_curve():
    learner = played()
    again = replay(learner, al.strategies.Entropy(), draws=1)  # which draws nothing but ties
    curve = learner.curve()
    np.testing.assert_array_equal(again.n_labels, curve["n_labels"])
    for metric in learner.metric_names:
        np.testing.assert_allclose(again.values[metric][0], curve[metric])
    assert gain(learner, again, "accuracy") == (0.0, 0.0, 4)


def test_random_draws_differ_from_each_other_and_not_from_call_to_call():
    learner = played()
    first, second = replay(learner, draws=3), replay(learner, draws=3)
    assert first.name == "Random()"
    losses = first.values["log_loss"]
    assert losses.shape == (3, 5)
    assert len(np.unique(losses[:, -1])) == 3
    assert len(np.unique(losses[:, 0])) == 1  # the same start
    for metric in first.values:
        np.testing.assert_array_equal(first.values[metric], second.values[metric])
    other = replay(played(seed=1), draws=3)
    assert any((first.values[metric] != other.values[metric]).any() for metric in first.values)


def test_the_learner_hears_nothing_of_it():
    learner = played()
    heard, fits = [], learner.model.fits
    learner.observe(heard.append)
    labelled, history, metrics = learner.data.labelled, learner.history, learner.metrics
    replay(learner, draws=2)
    assert (learner.data.labelled, learner.history, learner.metrics) == (labelled, history, metrics)
    assert (heard, learner.model.fits) == ([], fits)
    assert not learner.busy


def test_mean_and_spread_by_hand():
    band = Band("three", np.array([10, 20]), {"accuracy": np.array([[0.1, 0.4], [0.2, 0.6], [0.6, 0.5]])})
    mean, spread = band.curve("accuracy")
    np.testing.assert_allclose(mean, [0.3, 0.5])
    np.testing.assert_allclose(spread, [np.sqrt(0.07), 0.1])
    assert band.n_loops == 3
    with pytest.raises(InvalidParameter, match="no metric 'rmse'; it has: accuracy"):
        band.curve("rmse")


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("log_loss", -1)])
def test_gain_by_hand(metric, sign):
    learner = played()
    own = learner.curve()
    values = np.stack([own[metric].to_numpy() - d for d in (0.1, 0.3)])
    values[:, 0] = 99  # the start, which is the same in truth, is left out
    band = Band("worse", own["n_labels"].to_numpy(), {metric: values})
    mean, spread, n = gain(learner, band, metric)
    assert (mean, spread, n) == pytest.approx((sign * 0.2, np.sqrt(0.02), 4))
    words = in_words(learner, band, metric)
    assert "± 0.141 on average (4 models, 2 loops)." in words


def test_words_do_not_claim_what_the_spread_does_not_show():
    learner = played()
    own = learner.curve()
    values = np.stack([own["accuracy"].to_numpy() + d for d in (-0.1, 0.05)])
    band = Band("chance", own["n_labels"].to_numpy(), {"accuracy": values})
    assert "Not clearly other than chance: accuracy " in in_words(learner, band, "accuracy")
    assert "No accuracy to compare" in in_words(make(), band, "accuracy")


def test_folds_meet_where_all_have_a_value():
    short, long = played(3, (2, 1, 3)), played(4, (2, 1, 3, 2))
    band = band_of("folds", [short, long])
    np.testing.assert_array_equal(band.n_labels, [8, 10, 11, 14])
    np.testing.assert_array_equal(band_of("one", [long.history]).n_labels, [8, 10, 11, 14])
    frame = pd.concat([short.curve().iloc[:4], long.curve().iloc[:4]])
    np.testing.assert_allclose(band.values["accuracy"].ravel(), frame["accuracy"])


def test_what_is_no_loop_is_refused():
    for loops in ([], [3], [played(1, (2,), labelled=8), played(1, (2,), labelled=20)]):
        with pytest.raises(InvalidParameter, match="'mine'"):
            band_of("mine", loops)


def test_before_a_round_or_without_labels_it_says_why_not():
    with pytest.raises(UnknownRound, match="nothing to compare"):
        replay(make())
    y = np.where(np.arange(80) == 70, np.nan, np.arange(80) % 2)
    learner = make(y=y, labelled=list(range(10)))
    learner.label(learner.data.unlabelled.indices[:1], [1.0])
    with pytest.raises(MissingLabels):
        replay(learner)
    with pytest.raises(InvalidParameter):
        replay(played(), draws=0)


def test_it_reports_and_can_be_cancelled():
    learner, seen = played(), []
    control = Control(lambda fraction, words: seen.append(fraction))
    replay(learner, draws=2, control=control)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1.0)
    control = Control(lambda fraction, words: fraction > 0.3 and control.cancel())
    with pytest.raises(RoundCancelled):
        replay(learner, draws=3, control=control)
    assert not learner.busy


def test_a_twin_has_labels_of_its_own():
    data = make().data
    twin = data.twin()
    new = data.unlabelled.indices[:3]
    twin.label(new, data.decode(data.truth(new)))
    assert (len(data.labelled), len(twin.labelled)) == (8, 11)
    assert set(new) <= set(data.unlabelled.indices)
    assert len(data.twin(data.snapshot()).labelled) == 8
    np.testing.assert_array_equal(twin.train.x, data.train.x)
