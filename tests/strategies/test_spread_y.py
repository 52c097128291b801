"""GSy and iGS, against a slow one that looks at every pair again for each pick."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

import aljupyter as al
from aljupyter.errors import ModelError, QuerySizeError, WrongTask
from aljupyter.posterior import RegressionPosterior
from aljupyter.strategies import Pool, StandardDeviation, Strategy
from aljupyter.strategies.asking import choose
from aljupyter.strategies.features import GSx
from aljupyter.strategies.spread_y import IGS, GSy, output_spread, pick_by_outputs
from tests.managers import Mean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def naive(mean, y, n, inputs=None, still=None):
    """Every distance anew for every pick."""
    picks, gains = [], []
    for _ in range(n):
        outputs = np.abs(mean[:, None] - np.concatenate([y, mean[picks]]))
        if inputs is not None:
            outputs = outputs * cdist(inputs[0], np.concatenate([inputs[1], inputs[0][picks]]))
        if outputs.shape[1]:
            values = outputs.min(1)
        elif inputs is None:
            values = -np.abs(mean - mean.mean())
        else:
            values = -np.linalg.norm(inputs[0] - inputs[0].mean(0), axis=1)
        values[picks] = -np.inf
        if still is not None:
            values[np.setdiff1d(np.arange(len(mean)), still(picks))] = -np.inf
        picks.append(int(values.argmax()))
        gains.append(values.max())
    return picks, gains


def a_case(seed, n_points, n_labelled, with_inputs):
    generator = rng(seed)
    mean, y = generator.normal(size=n_points), generator.normal(size=n_labelled)
    inputs = (generator.normal(size=(n_points, 3)), generator.normal(size=(n_labelled, 3))) if with_inputs else None
    return mean, y, inputs


@given(seeds, st.integers(1, 40), st.integers(0, 6), st.booleans(), st.data())
def test_picks_are_those_of_the_slow_way(seed, n_points, n_labelled, with_inputs, data):
    assume(n_points > 2 or n_labelled)  # two points are as far from their mean
    mean, y, inputs = a_case(seed, n_points, n_labelled, with_inputs)
    n = data.draw(st.integers(1, n_points))
    picks, gains = pick_by_outputs(mean, y, n, rng(), inputs=inputs)
    expected_picks, expected_gains = naive(mean, y, n, inputs)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, atol=1e-12)
    assert (np.diff(gains[0 if n_labelled else 1 :]) <= 0).all()


@given(seeds, st.integers(3, 30), st.integers(0, 4), st.booleans())
def test_with_a_quota_each_pick_is_the_farthest_of_those_that_may_come(seed, n_points, n_labelled, with_inputs):
    mean, y, inputs = a_case(seed, n_points, n_labelled, with_inputs)
    room = Room(seed, n_points)
    picks, gains = pick_by_outputs(mean, y, room.most, rng(), inputs=inputs, batch=room.batch())
    expected_picks, expected_gains = naive(mean, y, room.most, inputs, room.still)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, atol=1e-12)
    batches = (None, ample(seed, n_points))
    free, ampler = (pick_by_outputs(mean, y, room.most, rng(), inputs=inputs, batch=b) for b in batches)
    np.testing.assert_array_equal(free, ampler)


@given(
    arrays(float, 12, elements=st.sampled_from([0.0, 1.0, 2.5])), st.integers(1, 12), st.integers(0, 3), st.booleans()
)
def test_where_outputs_repeat_picks_are_distinct_and_each_is_the_farthest(mean, n, n_labelled, with_inputs):
    inputs = (np.arange(12.0)[:, None] // 2, np.zeros((n_labelled, 1))) if with_inputs else None
    y = mean[:n_labelled]
    picks, gains = pick_by_outputs(mean, y, n, rng(), inputs=inputs)
    assert len(set(picks)) == n
    for k in range(n):
        again = np.abs(mean[:, None] - np.concatenate([y, mean[picks[:k]]]))
        if inputs is not None:
            again = again * cdist(inputs[0], np.concatenate([inputs[1], inputs[0][picks[:k]]]))
        if n_labelled + k:
            assert gains[k] == np.delete(again.min(1), picks[:k]).max()


@pytest.mark.parametrize("with_inputs", [False, True])
@pytest.mark.parametrize("n_points", [1, 30])
def test_a_constant_prediction_leaves_it_to_the_generator(n_points, with_inputs):
    inputs = (rng().normal(size=(n_points, 2)), np.zeros((1, 2))) if with_inputs else None
    picks = [pick_by_outputs(np.ones(n_points), np.ones(1), n_points, rng(s), inputs=inputs)[0] for s in range(4)]
    assert all(sorted(p) == list(range(n_points)) for p in picks)
    assert n_points == 1 or len({p[0] for p in picks}) > 1


def test_many_points_and_labels_are_compared_in_blocks():
    mean, y, inputs = a_case(0, 3_000, 100, True)
    values = output_spread(mean, y, inputs)
    np.testing.assert_array_equal(values, (cdist(*inputs) * np.abs(mean[:, None] - y)).min(1))


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        pick_by_outputs(np.zeros(3), np.zeros(1), 4, rng())


class Known(Mean):
    """Predicts ten times the second feature; unsure by the third."""

    def posterior(self, x):
        points = super().embed(getattr(x, "x", x)).double()
        return RegressionPosterior(10 * points[:, 1], points[:, 2])


def pool_of(x, y, labelled, model, seed=0):
    data = al.DataManager(x, y, labelled=list(range(labelled)), preprocess=None)
    return Pool(data.unlabelled, data.labelled, model, seed)


def test_each_is_itself_on_a_case_where_all_differ():
    # feature 0 is the place, as good as, 1 a tenth of the prediction, 2 the variance; labels 0 and 1 at places 0 and 1
    x = np.array(
        [
            [0.0, 0.0, 0.0],
            [1.0, 0.1, 0.0],
            [50.0, 0.1, 0.0],  # far from all in place, and of an output that is known
            [1.1, 0.9, 0.0],  # a new output, in a known place
            [9.0, 0.7, 0.0],  # rather new in both
            [0.5, 0.05, 5.0],  # unsure
        ]
    )
    pool = pool_of(x, np.array([0.0, 1.0, 0, 0, 0, 0]), 2, Known())
    strategies = (GSx(), GSy(), IGS(), Strategy(StandardDeviation()))
    first = {repr(s): int(choose(s, pool, 1).indices[0]) for s in strategies}
    assert first == {"GSx()": 2, "GSy()": 3, "IGS()": 4, "StandardDeviation()": 5}
    np.testing.assert_allclose(GSy().score(pool), [0, 8, 6, 0.5])
    np.testing.assert_allclose(IGS().score(pool)[:3], [0, 8 * np.hypot(0.1, 0.8), 6 * np.hypot(8, 0.6)])


@pytest.mark.parametrize("kind", [GSy, IGS])
def test_a_batch_does_not_repeat_an_output(kind):
    x = np.array([[0.0, 0.0, 0], [10, 0.9, 0], [10, 0.91, 0], [10.1, 0.9, 0], [-5, 0.4, 0], [-5, -0.6, 0]])
    pool = pool_of(x, np.zeros(6), 1, Known())
    query = choose(kind(), pool, 3)
    assert set(query.indices) == {2, 4, 5} and query.why["gain"][0] == query.scores[0]
    top = np.argsort(-kind().score(pool))[:3] + 1
    assert set(top) == {1, 2, 3}  # the highest scores are one output three times


@pytest.mark.parametrize("kind", [GSy, IGS])
def test_they_ask_a_model_of_regression(kind):
    assert kind().task == "regression" and kind().needs == ("model",) and repr(kind()) == f"{kind.__name__}()"
    with pytest.raises(WrongTask):
        al.strategies.as_strategy(kind(), "classification")
    with pytest.raises(ModelError, match=r"no model is fitted"):
        kind().score(pool_of(rng().normal(size=(9, 3)), np.zeros(9), 2, None))


@pytest.mark.parametrize("kind", [GSy, IGS])
def test_a_learner_of_a_gp_goes_on_with_them(kind):
    x = rng().normal(size=(50, 2)).astype(np.float32)
    data = al.DataManager(x, torch.from_numpy(np.sin(x[:, 0])), labelled=[0, 1, 2, 3, 4])
    learner = al.ActiveLearner(data, al.GPRegressor(), strategy=kind())
    learner.run(rounds=2, n=3, progress=False)
    assert learner.n_labels == 11
