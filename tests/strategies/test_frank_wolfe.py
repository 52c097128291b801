"""ACS-FW, against the paper's algorithm with its weights and inner products written out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelError, ModelLacks, QuerySizeError
from aljupyter.models import as_manager
from aljupyter.strategies import Pool, StandardDeviation, frank_wolfe
from aljupyter.strategies.asking import choose
from aljupyter.strategies.features import KCenter
from aljupyter.strategies.frank_wolfe import (
    ACSFW,
    DAMPING,
    PATIENCE,
    agreement,
    class_features,
    lengths,
    pick_by_frank_wolfe,
    value_features,
)
from tests.managers import NearestMean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def naive(features, n, still=None):
    """Algorithm 1 of the paper on the N x N matrix of inner products, by weights; and our rule for the rest."""
    inner = features @ features.T
    sigma = np.sqrt(np.diag(inner) + DAMPING)
    weights, picks, gains, rest, history = np.zeros(len(features)), [], [], 0, []
    while len(picks) < n:
        scores = (1 - weights) @ inner / sigma
        may = still(picks) if still else [i for i in range(len(features)) if i not in picks]
        best_new = max(may, key=lambda i: scores[i])
        best_old = max(picks, key=lambda i: scores[i]) if picks else None
        again = best_old is not None and scores[best_old] > scores[best_new] and rest < PATIENCE
        chosen = best_old if again else best_new
        rest = rest + 1 if again else 0
        if not again:
            picks.append(chosen)
            gains.append(scores[chosen])
        vertex = np.eye(len(features))[chosen] * sigma.sum() / sigma[chosen]
        step = vertex - weights
        size = step @ inner @ step
        if size > 0:
            weights = weights + np.clip(step @ inner @ (1 - weights) / size, 0, 1) * step
        history.append((chosen, weights))
    return picks, gains, history


@settings(deadline=None)
@given(seeds, st.integers(1, 14), st.integers(2, 20), st.data())
def test_batches_are_those_of_weights_and_inner_products(seed, n_points, n_draws, data):
    features = rng(seed).normal(size=(n_points, n_draws)) * rng(seed + 1).uniform(0.1, 2, n_points)[:, None]
    n = data.draw(st.integers(1, min(n_points, n_draws - 1, 6)))
    picks, gains = pick_by_frank_wolfe(features, n, rng(seed))
    expected_picks, expected_gains, _ = naive(features, n)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-6, atol=1e-8)


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(3, 14))
def test_with_a_quota_each_is_the_best_of_those_that_may_come(seed, n_points):
    features, room = rng(seed).normal(size=(n_points, 12)), Room(seed, n_points)
    n = min(room.most, 5)
    picks, _ = pick_by_frank_wolfe(features, n, rng(seed), batch=room.batch())
    np.testing.assert_array_equal(picks, naive(features, n, room.still)[0])
    with_room, _ = pick_by_frank_wolfe(features, n, rng(seed), batch=ample(seed, n_points))
    np.testing.assert_array_equal(with_room, pick_by_frank_wolfe(features, n, rng(seed))[0])


def test_steps_may_fall_on_points_of_the_batch_and_lead_elsewhere_then():
    """Without them the batch would be another one, which shows that they are taken."""
    different = 0
    for seed in range(40):
        features = rng(seed).normal(size=(10, 3)) + 1
        picks, _ = pick_by_frank_wolfe(features, 4, rng())
        expected, gains, history = naive(features, 4)
        if gains[-1] < 1e-6 * np.linalg.norm(features.sum(0)):  # nothing is left: all are equal
            continue
        np.testing.assert_array_equal(picks, expected)
        if len(history) > 4:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(frank_wolfe, "PATIENCE", 0)
                different += list(pick_by_frank_wolfe(features, 4, rng())[0]) != expected
    assert different > 3


def test_weights_go_towards_the_sum_of_all():
    """The rate of the paper's Theorem 1: the distance falls with each step, and geometrically on the whole."""
    features = rng(2).normal(size=(30, 4))
    _, _, history = naive(features, 25)
    away = [np.linalg.norm((1 - weights) @ features) for _, weights in history]
    assert (np.diff(away) <= 1e-9).all() and away[-1] < 0.1 * away[0]


@given(seeds, st.integers(1, 12), st.integers(1, 6))
def test_picks_are_distinct_whatever_the_features(seed, n_points, n_draws):
    base = rng(seed).integers(-1, 2, size=(n_points, n_draws)).astype(float)
    for features in (base, np.zeros_like(base), np.ones_like(base), base[:1].repeat(n_points, 0), base[:, :1]):
        picks, gains = pick_by_frank_wolfe(features, n_points, rng(seed))
        assert sorted(picks) == list(range(n_points)) and np.isfinite(gains).all()


def test_equal_points_are_drawn():
    features = np.ones((12, 3))
    firsts = {int(pick_by_frank_wolfe(features, 2, rng(seed))[0][0]) for seed in range(60)}
    assert firsts == set(range(12))


@pytest.mark.parametrize("n", [0, 5])
def test_a_batch_that_the_pool_cannot_give_is_refused(n):
    with pytest.raises(QuerySizeError):
        pick_by_frank_wolfe(np.ones((4, 2)), n, rng())


# --- what a point says ------------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 6), st.integers(2, 4), st.integers(2, 5))
def test_features_are_expected_log_likelihoods(seed, n_points, n_classes, n_draws):
    draws = rng(seed).dirichlet(np.ones(n_classes), (n_draws, n_points))
    probs = draws.mean(0)
    expected = np.array([[sum(p * np.log(q)) for p, q in zip(probs, d, strict=True)] for d in draws]).T
    features = class_features(probs, draws)
    np.testing.assert_allclose(features @ features.T, np.cov(expected, bias=True).reshape(n_points, -1), atol=1e-10)


def test_features_of_impossible_classes_are_finite():
    draws = np.array([[[1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0]]])
    features = class_features(np.array([[0.75, 0.25, 0.0]]), draws)
    first, second = 0.25 * np.log(1e-12), np.log(0.5)
    half = (second - first) / 2 / np.sqrt(2)
    np.testing.assert_allclose(features, [[-half, half]])


def test_features_of_values_are_those_of_normal_labels():
    mean, std, noise = np.array([0.5, -1.0]), np.array([0.3, 0.8]), np.array([0.2, 0.5])
    draws = mean + std * rng().normal(size=(7, 2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    expected = np.empty((2, 7))
    for n in range(2):  # E log N(y; f, noise) over the label that is predicted
        y = mean[n] + np.sqrt(std[n] ** 2 + noise[n]) * nodes
        expected[n] = [norm.logpdf(y, f, np.sqrt(noise[n])) @ weights / weights.sum() for f in draws[:, n]]
    features = value_features(mean, noise, draws)
    np.testing.assert_allclose(features * np.sqrt(7), expected - expected.mean(1, keepdims=True), atol=1e-10)


def test_inner_products_of_values_are_those_of_the_closed_form():
    """Two normal values of covariance c: the covariance of their squares is 2 c^2."""
    cov = np.array([[1.0, 0.6], [0.6, 0.8]])
    draws = rng().multivariate_normal([0, 0], cov, 400_000)
    features = value_features(np.zeros(2), np.array([0.5, 2.0]), draws)
    expected = 2 * cov**2 / np.outer([0.5, 2.0], [0.5, 2.0]) / 4
    np.testing.assert_allclose(features @ features.T, expected, rtol=0.03)


# --- the strategy -----------------------------------------------------------------------------------------------------


def gp_pool(task="regression", n_points=40, labelled=6, seed=0, n_classes=2):
    x = rng(seed).normal(size=(n_points, 2))
    y = np.sin(2 * x[:, 0]) if task == "regression" else np.arange(n_points) % n_classes
    data = al.DataManager(x, y, labelled=labelled, task=task, preprocess=None, seed=0)
    model = al.GPRegressor(optimizer=None, noise=0.1) if task == "regression" else al.GPClassifier(optimizer=None)
    manager = as_manager(model)
    manager.fit(data.labelled)
    return Pool(data.unlabelled, data.labelled, manager)


@pytest.mark.parametrize(("task", "n_classes"), [("regression", 0), ("classification", 2), ("classification", 3)])
def test_it_asks_what_the_draws_say(task, n_classes):
    pool = gp_pool(task, n_classes=n_classes)
    strategy = ACSFW(n_draws=30)
    if task == "regression":
        draws = pool.posterior.sample(30, pool.generator("functions")).numpy()
        features = value_features(pool.posterior.mean_N.numpy(), pool.posterior.noise_N.numpy(), draws)
    else:
        draws = pool.posterior.sample(30, pool.generator("functions")).numpy()
        features = class_features(pool.posterior.mean_N_C.numpy(), draws)
    np.testing.assert_allclose(strategy.score(pool), agreement(features, features.sum(0)))
    query = choose(strategy, pool, 5)
    np.testing.assert_array_equal(query.indices, pool.unlabelled.indices[naive(features, 5)[0]])
    assert query.scores[0] == pytest.approx(query.pool.values.max())
    assert query.why["gain"][0] == pytest.approx(query.scores[0])


@pytest.mark.parametrize("most", [2000, 20])
def test_points_that_may_not_be_asked_count_in_the_sum(most, monkeypatch):
    monkeypatch.setattr(frank_wolfe, "MOST_OTHERS", most)
    pool = gp_pool("regression", 120)
    some = np.arange(10)
    part = pool.restricted(some)
    features, total, total_length = ACSFW(200)._features(part)
    assert features.shape == (10, 200)
    own = features.sum(0)
    rest, total_of_rest = total - own, total_length - lengths(features).sum()
    everyone, total_of_all, length_of_all = ACSFW(200)._features(pool)
    exact = length_of_all - lengths(everyone[some]).sum()
    assert total_of_rest == pytest.approx(exact, rel=0.25)  # other draws of the same functions; of 20 points or of all
    assert np.linalg.norm(rest) > np.linalg.norm(own)
    assert set(choose(ACSFW(200), part, 3).indices) <= set(part.unlabelled.indices)


def test_a_batch_stands_for_crowds_in_turn():
    """Two crowds that vary together, a larger and a smaller one, and a lone point of the largest variance."""
    crowd = [np.full(9, k) + 0.01 * np.arange(9) for k in (0.0, 30.0)]
    x = np.concatenate([crowd[0], crowd[1][:5], [60.0, -30.0]])[:, None]
    data = al.DataManager(x, np.zeros(16), labelled=[15], preprocess=None, task="regression")
    model = as_manager(al.GPRegressor(optimizer=None, noise=0.1))
    model.fit(data.labelled)
    pool = Pool(data.unlabelled, data.labelled, model)
    for seed in range(5):
        pool.seed, pool.memo = seed, {}
        first, second = choose(ACSFW(400), pool, 2).indices
        assert first < 9 <= second < 14
    assert 14 in choose(KCenter(), pool, 2).indices
    assert 14 in {int(choose(al.strategies.as_strategy(StandardDeviation()), pool, 3).indices[k]) for k in range(3)}


class Coupled(NearestMean):
    def posterior(self, x):
        mean = super().posterior(x).mean_N_C.double()
        return al.posterior.ClassPosterior(mean, torch.stack([mean, mean.flip(1)]), coupled=True)


def test_parameters_needs_and_models_without_functions():
    assert ACSFW().task is None and ACSFW().needs == ("model", "functions")
    assert repr(ACSFW()) == "ACSFW()" and repr(ACSFW(7)) == "ACSFW(n_draws=7)"
    for bad in (0, 1, -1, 2.5, True, None, "many"):
        with pytest.raises(InvalidParameter, match="n_draws"):
            ACSFW(bad)
    data = al.DataManager(rng().normal(size=(20, 2)), np.arange(20) % 2, labelled=6)
    with pytest.raises(ModelLacks, match="draws that are one function"):
        al.ActiveLearner(data, NearestMean(), ACSFW()).query(2)
    with pytest.raises(ModelError, match="no model is fitted yet"):
        ACSFW().query(None, data)
    assert len(al.ActiveLearner(data, Coupled(), ACSFW()).query(3)) == 3


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_learner_goes_on_with_it_under_restrictions(task):
    x = rng().normal(size=(60, 3))
    y = (x[:, 0] > 0).astype(int) if task == "classification" else np.sin(x[:, 0])
    model = al.GPClassifier(optimizer=None) if task == "classification" else al.GPRegressor(optimizer=None)
    learner = al.ActiveLearner(
        al.DataManager(x, y, labelled=8, task=task, seed=0),
        model,
        ACSFW(20).within(forbidden=list(range(10, 30)), max_candidates=15),
    )
    before = set(learner.data.labelled.indices)
    learner.run(rounds=2, n=3, progress=False)
    new = set(learner.data.labelled.indices) - before
    assert len(new) == 6 and not new & set(range(10, 30))


def test_points_that_say_nothing_come_last():
    for seed in range(50):
        features = rng(seed).normal(size=(6, 4))
        features[2] = 0.0
        picks, gains = pick_by_frank_wolfe(features, 6, rng(seed))
        assert picks[-1] == 2 and gains[-1] == 0 and np.isfinite(gains).all()
    assert sorted(pick_by_frank_wolfe(np.zeros((3, 2)), 3, rng())[0]) == [0, 1, 2]
