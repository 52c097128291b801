"""Density and ranked batches against matrices of all pairs, and on cases small enough to reason about."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

import aljupyter as al
from aljupyter.errors import InvalidParameter, InvalidScores, ModelError, NonFiniteFeatures, QuerySizeError, WrongTask
from aljupyter.models.gp.manager import GPManager
from aljupyter.strategies import AtMost, Entropy, KCenter, LeastConfidence, Margin, Measure, Pool, Variance, as_strategy
from aljupyter.strategies import density as module
from aljupyter.strategies.asking import choose
from aljupyter.strategies.density import Density, DensityWeighted, RankedBatch, mean_similarity, rank_batch
from tests.managers import Mean, NearestMean
from tests.posteriors import probs
from tests.rooms import Room


def rng(seed=0):
    return np.random.default_rng(seed)


class Told(NearestMean):
    """Says of the pool what it is told to."""

    def __init__(self, *rows):
        super().__init__()
        self._posterior, self.means = probs(*rows), 0

    def posterior(self, x):
        return self._posterior


class Given(Measure):
    """Values that were made up."""

    needs = ()

    def __init__(self, numbers, least=0.0, most=1.0):
        self.numbers, self.least, self.most = numbers, least, most

    def __call__(self, pool):
        return torch.tensor(self.numbers, dtype=torch.float64)

    def limits(self, n_classes):
        return self.least, self.most


def pool_of(x, labelled=0, model=None, seed=0, round=0, task="classification"):
    x = np.asarray(x, dtype=float)
    y = np.arange(len(x)) % 2 if task == "classification" else np.arange(len(x)) / 7
    data = al.DataManager(x, y, labelled=list(range(labelled)), preprocess=None, task=task)
    return Pool(data.unlabelled, data.labelled, model, seed, round)


def similarities(x_N_D, x_T_D, bandwidth):
    """All pairs."""
    if bandwidth is not None:
        return np.exp(-0.5 * cdist(x_N_D, x_T_D, "sqeuclidean") / bandwidth**2)
    norms = [np.linalg.norm(x, axis=1, keepdims=True) for x in (x_N_D, x_T_D)]
    cosine = (x_N_D @ x_T_D.T) / np.maximum(norms[0] @ norms[1].T, 1e-300)
    return (1 + np.where(norms[0] @ norms[1].T > 0, cosine, 0)) / 2


# --- density ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bandwidth", [None, 0.7])
@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 99), st.booleans())
@settings(deadline=None, max_examples=40)
def test_the_mean_over_all_points_is_that_of_the_matrix(bandwidth, n_points, n_features, seed, whole_numbers):
    x = rng(seed).normal(size=(n_points, n_features)) * 2
    x = np.round(x) if whole_numbers else x  # with duplicates, and zero vectors
    found = mean_similarity(x, x, np.ones(n_points, dtype=bool), bandwidth=bandwidth)
    matrix = similarities(x, x, bandwidth)
    np.fill_diagonal(matrix, 1.0)
    np.testing.assert_allclose(found, matrix.mean(1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bandwidth", [None, 0.7])
@given(st.integers(2, 12), st.integers(1, 8), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_the_mean_over_a_sample_leaves_the_point_itself_out(bandwidth, n_points, n_targets, seed):
    x, n_targets = rng(seed).normal(size=(n_points, 2)), min(n_targets, n_points)
    rows = rng(seed).permutation(n_points)[:n_targets]
    is_target = np.isin(np.arange(n_points), rows)
    found = mean_similarity(x, x[rows], is_target, n_points=n_points, bandwidth=bandwidth)
    for i in range(n_points):
        others = [j for j in rows if j != i]
        mean = similarities(x[[i]], x[others], bandwidth).mean() if others else 0.0
        assert found[i] == pytest.approx((1 + (n_points - 1) * mean) / n_points, abs=1e-12)


def test_blocks_do_not_matter(monkeypatch):
    x = rng().normal(size=(50, 3))
    args = x, x[:20], np.arange(50) < 20
    whole = mean_similarity(*args, bandwidth=1.0)
    monkeypatch.setattr(module, "blocks", lambda n, width: [slice(i, i + 7) for i in range(0, n, 7)])
    np.testing.assert_allclose(mean_similarity(*args, bandwidth=1.0), whole, rtol=1e-13)


def test_a_point_far_from_the_origin_loses_no_precision():
    x = rng().normal(size=(30, 2))
    near, far = (mean_similarity(x + shift, x + shift, np.ones(30, bool), bandwidth=0.5) for shift in (0, 1e6))
    np.testing.assert_allclose(far, near, rtol=1e-8)


def test_a_sample_is_an_estimate_of_the_whole():
    pool = pool_of(rng().normal(size=(800, 2)))
    full = Density(n_targets=None)(pool)
    some = Density(n_targets=200)(pool_of(rng().normal(size=(800, 2))))
    assert float((some - full).abs().max()) < 0.06
    assert np.corrcoef(some, full)[0, 1] > 0.99
    rows = np.sort(pool.generator("targets").permutation(800)[:200])
    x = pool.unlabelled.x.numpy()
    by_hand = mean_similarity(x, x[rows], np.isin(np.arange(800), rows), n_points=800, bandwidth=0.3)
    np.testing.assert_array_equal(Density(bandwidth=0.3, n_targets=200)(pool), by_hand)
    # a lonely point does not gain by being a target itself
    lonely = np.arange(100.0)[:, None] * 1e3
    assert np.ptp(Density(n_targets=10, bandwidth=1.0)(pool_of(lonely)).numpy()) < 1e-12


@pytest.mark.parametrize("similarity", ["gaussian", "cosine"])
@pytest.mark.parametrize("n_targets", [None, 2])
def test_equal_points_and_one_point_are_as_dense_as_can_be(similarity, n_targets):
    for x in (np.full((7, 3), 5.0), [[4.0]]):
        np.testing.assert_allclose(Density(similarity=similarity, n_targets=n_targets)(pool_of(x)), 1.0)
    zeros = Density(similarity="cosine")(pool_of(np.zeros((4, 2))))  # they have no direction: 1/2 with all others
    np.testing.assert_allclose(zeros, (1 + 3 / 2) / 4)


def test_the_median_distance_is_the_bandwidth():
    x = rng().normal(size=(40, 2))
    pool = pool_of(x, labelled=5)
    width = np.median(pdist(x))
    torch.testing.assert_close(Density()(pool), Density(bandwidth=float(width))(pool))
    assert not torch.equal(Density()(pool), Density(bandwidth=2 * float(width))(pool))


def test_the_power_is_that_of_the_mean():
    pool = pool_of(rng().normal(size=(40, 2)))
    torch.testing.assert_close(Density(beta=2.5)(pool), Density()(pool) ** 2.5)
    assert Density(beta=0)(pool).tolist() == [1.0] * 40


def test_part_of_a_pool_has_the_density_of_the_whole():
    pool = pool_of(rng().normal(size=(40, 2)))
    rows = np.array([3, 8, 30])
    torch.testing.assert_close(Density()(pool.restricted(rows)), Density()(pool)[rows])
    torch.testing.assert_close(Density(n_targets=10)(pool.restricted(rows)), Density(n_targets=10)(pool)[rows])


def test_it_is_computed_once_for_a_batch(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "mean_similarity", lambda *a, **k: calls.append(1) or mean_similarity(*a, **k))
    x = rng().normal(size=(30, 2))
    pool = pool_of(x, 8, GPManager(al.GPRegressor(optimizer=None)), task="regression")
    pool.model.fit(pool.labelled)
    choose(as_strategy(Variance() * Density()), pool, 5)
    assert len(calls) == 1


def test_distances_may_be_those_of_the_models_embedding():
    class Doubled(NearestMean):
        def embed(self, x):
            return super().embed(x)[:, :1]

    x = rng().normal(size=(30, 2))
    pool = pool_of(x, 4, Doubled())
    one_feature = pool_of(x[:, :1], 4)
    torch.testing.assert_close(Density(embedding="model")(pool), Density()(one_feature))
    assert Density(embedding="model").needs == ("model", "embedding") and not Density().needs_model
    with pytest.raises(ModelError, match="no model is fitted"):
        Density(embedding="model")(pool_of(x, 4))


def test_uncertain_in_a_crowd_is_asked_before_uncertain_alone():
    """By hand: margin, entropy and least confidence ask the lonely point; density alone asks the certain one."""
    rows = [[0.5, 0.5], [0.55, 0.45], [0.98, 0.02], [0.9, 0.1]]
    x = [[0.0], [0.0], [100.0], [1.0], [1.2], [1.1]]
    pool = pool_of(x, 2, Told(*rows))
    assert {int(m(pool).argmax()) for m in (Margin(), Entropy(), LeastConfidence())} == {0}
    assert Density(bandwidth=1.0)(pool).argmax() == 3
    strategy = DensityWeighted()
    assert choose(strategy, pool, 1).indices.tolist() == [3]
    assert choose(as_strategy(Entropy() * Density(bandwidth=1.0)), pool, 1).indices.tolist() == [3]
    assert choose(DensityWeighted(beta=0), pool, 1).indices.tolist() == [2]
    np.testing.assert_allclose(strategy.score(pool), (Margin()(pool) * Density()(pool)).numpy())


def test_definitions_read_and_are_checked():
    assert repr(DensityWeighted()) == "Margin() * Density()"
    assert repr(DensityWeighted(Entropy(), 2)) == "Entropy() * Density(beta=2.0)"
    assert repr(Density(similarity="cosine", n_targets=None)) == "Density(similarity='cosine', n_targets=None)"
    assert DensityWeighted().task == "classification" and DensityWeighted(Variance()).task == "regression"
    for wrong in (
        {"beta": -1},
        {"beta": math.nan},
        {"beta": True},
        {"similarity": "euclidean"},
        {"bandwidth": 0},
        {"n_targets": 0},
        {"embedding": "umap"},
    ):
        with pytest.raises(InvalidParameter):
            Density(**wrong)
    with pytest.raises(InvalidParameter):
        DensityWeighted(beta=-1)
    for kind in (DensityWeighted, RankedBatch):
        with pytest.raises(WrongTask, match="base is a measure"):
            kind("margin")
    with pytest.raises(WrongTask, match="nothing about a posterior"):
        Density().values(probs([0.5, 0.5]))
    broken = pool_of([[0.0], [1.0], [2.0]])
    broken.unlabelled._x = torch.tensor([[0.0], [math.nan], [1.0]])
    with pytest.raises(NonFiniteFeatures):
        Density()(broken)


# --- ranked batches ---------------------------------------------------------------------------------------------------


def brute(uncertainty, x, x_M, n, still=None):
    """By the definition, with all pairs, anew for each pick: who may be picked next, a set each time."""
    picks, choices, gains = [], [], []
    for i in range(n):
        left = [j for j in range(len(x)) if j not in picks] if still is None else still(picks)
        alpha = (len(x) - i) / (len(x) + len(x_M))
        known = np.concatenate([x_M, x[picks]])
        s = (1 / (1 + cdist(x, known))).max(1) if len(known) else np.zeros(len(x))
        values = alpha * (1 - s) + (1 - alpha) * uncertainty
        best = max(values[left])
        choices.append({j for j in left if values[j] >= best - 1e-12})
        gains.append(best)
        picks.append((yield choices[-1], gains[-1]))


def check_against_brute(positions, gains, uncertainty, x, x_M, still=None):
    reference = brute(uncertainty, x, x_M, len(positions), still)
    choices, gain = next(reference)
    for i, (pick, found) in enumerate(zip(positions.tolist(), gains, strict=True)):
        assert pick in choices and found == pytest.approx(gain, abs=1e-12)
        if i + 1 < len(positions):
            choices, gain = reference.send(pick)


@given(st.integers(1, 15), st.integers(0, 4), st.integers(1, 3), st.integers(0, 99), st.booleans(), st.data())
@settings(deadline=None, max_examples=60)
def test_a_ranked_batch_is_that_of_the_definition(n_points, n_labelled, n_features, seed, whole_numbers, data):
    x = rng(seed).normal(size=(n_points + n_labelled, n_features)) * 2
    x = np.round(x) if whole_numbers else x
    uncertainty = rng(seed).choice([0.0, 0.3, 0.5, 0.51], n_points)
    n = data.draw(st.integers(1, n_points))
    x_M, x_N = x[:n_labelled], x[n_labelled:]
    pool = pool_of(x, n_labelled)
    strategy = RankedBatch(Given(uncertainty.tolist()))
    scores = strategy.score(pool)
    chosen = strategy.select(pool, n, scores)
    check_against_brute(chosen.positions, chosen.why["gain"], uncertainty, x_N, x_M)
    assert len(set(chosen.positions.tolist())) == n
    assert scores[chosen.positions[0]] == pytest.approx(scores.max(), abs=1e-12)


@given(st.integers(2, 20), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_a_quota_is_kept(n_points, seed):
    room = Room(seed, n_points)
    x, u = rng(seed).normal(size=(n_points, 2)), rng(seed).random(n_points)
    picks = rank_batch(
        u, np.full(n_points, np.inf), x, room.most, rng(), n_unlabelled=n_points, n_labelled=0, batch=room.batch()
    )
    check_against_brute(*picks, u, x, x[:0], room.still)


def test_few_labels_spread_and_many_ask_the_uncertain():
    """By hand: margin would ask 1.1 (and then 1.2) whatever is labelled; farthest-first would ask 9."""
    x = np.concatenate([np.zeros(1), [1.1, 1.2, 9.0]])[:, None]
    rows = [[0.5, 0.5], [0.51, 0.49], [0.9, 0.1]]
    few = pool_of(x, 1, Told(*rows))
    assert choose(RankedBatch(), few, 2).indices.tolist() == [3, 2]  # 9.0; then 1.2, farther from 0 than 1.1
    many = pool_of(np.concatenate([np.zeros((40, 1)), x[1:]]), 40, Told(*rows))
    assert choose(RankedBatch(), many, 1).indices.tolist() == [40]
    assert choose(as_strategy(Margin()), few, 1).indices.tolist() == [1]
    assert choose(KCenter(), many, 1).indices.tolist() == [42]


def test_each_pick_counts_as_labelled():
    """alpha falls from 2/3 to 1/3: by hand."""
    nearest = np.array([3.0, 1.0])
    picks = rank_batch(np.array([0.0, 1.0]), nearest, np.array([[3.0], [1.0]]), 2, rng(), n_unlabelled=2, n_labelled=1)
    assert nearest.tolist() == [3.0, 1.0]  # what was given is left alone
    assert picks[0].tolist() == [1, 0]
    np.testing.assert_allclose(picks[1], [2 / 3 * 0.5 + 1 / 3, 1 / 3 * (1 - 1 / 3)])


def test_all_unlabelled_points_count_for_alpha():
    pool = pool_of(rng().normal(size=(30, 2)), 6)
    part = pool.restricted(np.array([1, 5]))
    strategy = RankedBatch(Given([0.2, 0.4]))
    nearest = cdist(part.unlabelled.x, pool.labelled.x).min(1)
    np.testing.assert_allclose(strategy.score(part), 24 / 30 * (1 - 1 / (1 + nearest)) + 6 / 30 * np.array([0.2, 0.4]))
    chosen = strategy.select(part, 1, strategy.score(part))
    assert chosen.why["gain"][0] == strategy.score(part).max()


def test_the_strategy_keeps_a_quota():
    groups = np.repeat([0, 1], [10, 20])
    pool = pool_of(np.concatenate([rng().normal(size=(10, 2)), 100 * rng(1).normal(size=(20, 2))]), 2)
    strategy = RankedBatch(Given([0.5] * 28))
    assert groups[choose(strategy, pool, 6).indices].sum() == 6  # all from afar
    bound = choose(strategy.within(quota=AtMost(3, groups)), pool, 6).indices
    assert groups[bound].sum() == 3


def test_a_share_is_taken_as_it_is_and_all_else_is_scaled():
    x, numbers = rng().normal(size=(8, 2)), [0.1, 0.3, 0.2, 0.3, 0.15, 0.1]
    scaled = ((np.array(numbers) - 0.1) / 0.2).tolist()
    as_it_is, as_large = (RankedBatch(Given(numbers, 0.0, most)).score(pool_of(x, 2)) for most in (1.0, None))
    np.testing.assert_allclose(as_large, RankedBatch(Given(scaled)).score(pool_of(x, 2)))
    assert not np.allclose(as_it_is, as_large)
    rows = [[0.5, 0.5]] * 3 + [[0.9, 0.1]] * 3
    raw = RankedBatch(Given([0.5] * 3 + [0.1] * 3)).score(pool_of(x, 2))
    np.testing.assert_allclose(RankedBatch().score(pool_of(x, 2, Told(*rows))), raw)
    with pytest.raises(InvalidScores, match="NaN"):
        RankedBatch(Given([math.nan] * 6)).score(pool_of(x, 2))


def test_in_regression_it_is_the_scaled_variance():
    pool = pool_of(rng().normal(size=(12, 2)), 4, Mean(), task="regression")
    pool.model.fit(pool.labelled)
    np.testing.assert_array_equal(RankedBatch().score(pool), RankedBatch(Variance().scaled()).score(pool))


@pytest.mark.parametrize("n_points", [1, 5, 30])
def test_equal_points_are_picked_by_the_seed(n_points):
    x = np.full((n_points + 2, 2), 5.0)
    picks = [choose(RankedBatch(Given([0.5] * n_points)), pool_of(x, 2, seed=s), n_points).indices for s in range(4)]
    assert all(sorted(p) == list(range(2, n_points + 2)) for p in picks)
    assert n_points == 1 or len({tuple(p) for p in picks}) > 1


def test_nothing_labelled_is_all_the_same_at_first():
    pool = pool_of(rng().normal(size=(9, 2)))
    assert RankedBatch(Given([0.1] * 8 + [0.9])).score(pool).tolist() == [1.0] * 9
    assert len(set(choose(RankedBatch(Given([0.1] * 9)), pool, 9).indices)) == 9


def test_what_was_scored_is_not_computed_again(monkeypatch):
    calls = []
    monkeypatch.setattr(module, "spread", lambda *a: calls.append(1) or np.ones(7))
    pool = pool_of(rng().normal(size=(9, 2)), 2)
    choose(RankedBatch(Given([0.1] * 7)), pool, 3)
    assert len(calls) == 1


def test_ranked_batches_are_checked_and_read_like_their_definition():
    assert repr(RankedBatch()) == "RankedBatch()"
    assert repr(RankedBatch(Entropy(), "model")) == "RankedBatch(base=Entropy(), embedding='model')"
    assert RankedBatch(Entropy(), "model").needs == ("model", "embedding") and RankedBatch(Entropy()).needs == (
        "model",
    )
    assert RankedBatch(Entropy()).task == "classification"
    with pytest.raises(InvalidParameter):
        RankedBatch(embedding="umap")
    with pytest.raises(QuerySizeError):
        rank_batch(np.zeros(2), np.zeros(2), np.zeros((2, 1)), 3, rng(), n_unlabelled=2, n_labelled=0)
