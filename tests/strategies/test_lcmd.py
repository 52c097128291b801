"""LCMD, against a slow one that finds the clusters anew for each pick."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelError, ModelLacks, NonFiniteFeatures, QuerySizeError
from aljupyter.strategies import Pool
from aljupyter.strategies.asking import choose
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.lcmd import LCMD, Products, Rows, cluster_values, clusters_around, largest_cluster_farthest
from aljupyter.strategies.spread import farthest_first
from aljupyter.strategies.typical import pick_typical
from tests.managers import NearestMean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def lcmd(pool, labelled, n, generator=None, **options):
    return largest_cluster_farthest(Rows(pool), Rows(labelled), n, generator or rng(), **options)


def naive(pool, labelled, n, still=None):
    """Every distance and every cluster anew for each pick, of which `still` says who may come."""
    picks, gains, clusters = [], [], []
    for _ in range(n):
        may = np.setdiff1d(np.arange(len(pool)), picks) if still is None else np.array(still(picks))
        centres = np.concatenate([labelled, pool[picks]])
        if len(centres) == 0:
            sizes, cluster, squared = [], np.full(len(pool), -1), (pool**2).sum(1)
            reachable = may
        else:
            distances = cdist(pool, centres, "sqeuclidean")
            cluster, squared = distances.argmin(1), distances.min(1)
            sizes = [squared[cluster == c].sum() for c in range(len(centres))]
            alive = [c for c in range(len(centres)) if (squared[may[cluster[may] == c]] > 0).any()]
            largest = max(alive, key=lambda c: sizes[c])
            reachable = may[cluster[may] == largest]
        pick = reachable[squared[reachable].argmax()]
        picks.append(int(pick))
        clusters.append(int(cluster[pick]))
        gains.append(sizes[cluster[pick]] if len(centres) else squared[pick])
    return picks, gains, clusters


@given(seeds, st.integers(2, 40), st.integers(1, 6), st.integers(0, 6), st.data())
def test_picks_are_those_of_the_slow_way(seed, n_points, n_features, n_labelled, data):
    x = rng(seed).normal(size=(n_points + n_labelled, n_features)) + 3
    pool, labelled = x[n_labelled:], x[:n_labelled]
    n = data.draw(st.integers(1, n_points))
    picks, gains, clusters = lcmd(pool, labelled, n)
    expected_picks, expected_gains, expected_clusters = naive(pool, labelled, n)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-9)
    np.testing.assert_array_equal(clusters, expected_clusters)


@given(seeds, st.integers(2, 25), st.integers(1, 4), st.integers(1, 5), st.integers(0, 5), st.data())
def test_outer_products_are_picked_as_if_they_were_formed(seed, n_points, n_left, n_right, n_labelled, data):
    left, right = rng(seed).normal(size=(n_points + n_labelled, n_left)), rng(seed + 1).normal(size=(99, n_right))
    right = right[: len(left)]
    formed = np.einsum("nc,ne->nce", left, right).reshape(len(left), -1)
    n = data.draw(st.integers(1, n_points))
    factors = Products(left[n_labelled:], right[n_labelled:]), Products(left[:n_labelled], right[:n_labelled])
    picks, gains, clusters = largest_cluster_farthest(*factors, n, rng())
    expected = naive(formed[n_labelled:], formed[:n_labelled], n)
    np.testing.assert_array_equal(picks, expected[0])
    np.testing.assert_allclose(gains, expected[1], rtol=1e-9)
    np.testing.assert_array_equal(clusters, expected[2])


@given(seeds, st.integers(2, 8))
def test_copies_of_outer_products_are_at_distance_zero(seed, n_points):
    left, right = rng(seed).normal(size=(n_points, 3)), 1e3 * rng(seed).normal(size=(n_points, 4))
    points = Products(np.tile(left, (2, 1)), np.tile(right, (2, 1)))
    for i in range(n_points):
        squared = points.to(i, points)
        assert squared[i] == squared[i + n_points] == 0 and (np.delete(squared, [i, i + n_points]) > 0).all()


@given(seeds, st.integers(3, 30), st.integers(0, 4))
def test_with_a_quota_clusters_of_which_none_may_come_are_passed_over(seed, n_points, n_labelled):
    x = rng(seed).normal(size=(n_points + n_labelled, 3))
    pool, labelled, room = x[n_labelled:], x[:n_labelled], Room(seed, n_points)
    picks, gains, _ = lcmd(pool, labelled, room.most, batch=room.batch())
    expected_picks, expected_gains, _ = naive(pool, labelled, room.most, room.still)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-9)
    free, ampler = (lcmd(pool, labelled, room.most, batch=b) for b in (None, ample(seed, n_points)))
    np.testing.assert_array_equal(free[0], ampler[0])


def test_a_copy_of_a_centre_is_not_asked_while_others_are_open():
    pool = np.array([[0.0], [9.0], [9.0], [9.0], [100.0], [101.0]])  # the large cluster is closed but for a copy
    batch = Batch(6, np.array([0, 1, 1, 1, 2, 2]), np.array([1, 0, 2]))
    picks, gains, _ = lcmd(pool, np.array([[0.0], [100.0]]), 3, batch=batch)
    np.testing.assert_array_equal(picks[0], 5)
    np.testing.assert_array_equal(gains, [1, 0, 0])


@given(arrays(float, (12, 2), elements=st.sampled_from([0.0, 1.0, 2.0])), st.integers(1, 12), st.integers(0, 3), seeds)
def test_on_a_grid_full_of_ties_picks_are_distinct_and_of_a_largest_cluster(pool, n, n_labelled, seed):
    picks, gains, clusters = lcmd(pool, pool[:n_labelled], n, rng(seed))
    assert len(set(picks)) == n and (gains >= 0).all()
    for k in range(n):
        cluster, squared = clusters_around(Rows(pool), Rows(np.concatenate([pool[:n_labelled], pool[picks[:k]]])))
        if n_labelled + k == 0:
            assert gains[0] == (pool**2).sum(1).max()
        elif gains[k] > 0:  # sums do not depend on which of equals a point belongs to, but sizes do: bounds
            own = cdist(pool[picks[k : k + 1]], np.concatenate([pool[:n_labelled], pool[picks[:k]]])).min()
            assert own > 0 and gains[k] >= own**2 * (1 - 1e-12)
        else:
            assert squared.max() == 0


@pytest.mark.parametrize("n_points", [1, 2, 30])
@pytest.mark.parametrize("n_labelled", [0, 1])
def test_equal_points_are_picked_by_the_generator(n_points, n_labelled):
    pool = np.full((n_points, 3), 5.0)
    picks = [lcmd(pool, pool[:n_labelled], n_points, rng(seed))[0] for seed in range(4)]
    assert all(sorted(p) == list(range(n_points)) for p in picks)
    assert n_points < 30 or len({p[0] for p in picks}) > 1
    np.testing.assert_array_equal(picks[3], lcmd(pool, pool[:n_labelled], n_points, rng(3))[0])


def test_far_from_the_origin_and_in_single_precision_the_order_of_the_pool_does_not_matter():
    pool = (1e4 + rng().normal(size=(60, 4))).astype(np.float32)
    order = rng(1).permutation(60)
    picks, gains, _ = lcmd(pool[3:], pool[:3], 8)
    shuffled = order[order >= 3] - 3
    again, same, _ = lcmd(pool[3:][shuffled], pool[:3], 8)
    np.testing.assert_array_equal(shuffled[again], picks)
    np.testing.assert_allclose(same, gains, rtol=1e-9)
    np.testing.assert_array_equal(picks, naive(pool[3:].astype(float), pool[:3].astype(float), 8)[0])


def test_the_largest_value_is_of_the_farthest_of_the_largest_cluster():
    pool = np.array([[1.0], [2.0], [3.0], [101.0], [104.0], [100.0]])
    values = cluster_values(*clusters_around(Rows(pool), Rows(np.array([[0.0], [100.0]]))))
    # 1 + 4 + 9 = 14 around 0, 1 + 16 + 0 = 17 around 100
    np.testing.assert_allclose(values, [14 / 9, 14 * 4 / 9, 14, 17 / 16, 17, 0])


def crowd_and_outlier():
    """A crowd of 60 with a label in its middle, and an outlier a little farther from a label of its own."""
    return np.concatenate([[[0.0, 0.0], [50.0, 0.0]], rng().normal(size=(60, 2)), [[56.0, 0.0]]])


def test_a_crowd_comes_before_an_outlier_that_k_center_would_ask():
    x = crowd_and_outlier()
    pool, labelled = x[2:], x[:2]
    picks, _, clusters = lcmd(pool, labelled, 3)
    assert picks[0] == np.linalg.norm(pool[:60], axis=1).argmax() and clusters[0] == 0
    assert farthest_first(pool, labelled, 1, rng())[0][0] == 60
    assert pick_typical(pool, labelled, 1, rng())[0][0] not in (picks[0], 60)  # the middle of a part


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        lcmd(np.zeros((3, 1)), np.zeros((0, 1)), 4)


def fitted(kind):
    """A model that knows two points of its own."""
    model = kind()
    model.fit(al.DataManager(rng().normal(size=(2, 3)), [0, 1], labelled=[0, 1]).labelled)
    return model


def pool_of(x, labelled=0, model=None, seed=0):
    data = al.DataManager(x, np.arange(len(x)) % 2, labelled=list(range(labelled)), preprocess=None)
    return Pool(data.unlabelled, data.labelled, model, seed)


class Gradients(NearestMean):
    """Gradients are the first feature x the others; embeds as the second feature."""

    factor = 1.0

    def embed(self, x):
        return super().embed(x)[:, 1:2]

    def gradient_embed(self, x, posterior=None):
        points = super().embed(x)
        return points[:, :1] * self.factor, points[:, 1:]


@pytest.mark.parametrize("n_labelled", [0, 3])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99))
def test_the_strategy_is_the_selector_on_the_points_that_it_is_told(n_labelled, seed):
    x = rng(seed).normal(size=(30, 3))
    for embedding, points in [
        ("inputs", lambda rows: Rows(x[rows])),
        ("model", lambda rows: Rows(x[rows, 1:2])),
        ("gradients", lambda rows: Products(x[rows, :1], x[rows, 1:])),
    ]:
        pool, strategy = pool_of(x, n_labelled, fitted(Gradients)), LCMD(embedding)
        query = choose(strategy, pool, 5)
        expected, gains, clusters = largest_cluster_farthest(
            points(slice(n_labelled, None)), points(slice(0, n_labelled)), 5, rng()
        )
        np.testing.assert_array_equal(query.indices, expected + n_labelled)
        np.testing.assert_array_equal(query.why["gain"], gains)
        np.testing.assert_array_equal(query.why["cluster"], clusters)
        assert query.scores[0] == pytest.approx(query.pool.values.max(), rel=1e-12) and query.why["gain"][
            0
        ] == pytest.approx(query.scores[0])
        np.testing.assert_array_equal(choose(strategy, pool, 5, query.pool).indices, query.indices)  # a second time
        fresh = pool_of(x, n_labelled, fitted(Gradients))  # not scored before
        np.testing.assert_array_equal(strategy.select(fresh, 5, query.pool.values).positions, expected)


def test_it_needs_what_it_looks_at():
    assert (
        LCMD().needs == ()
        and LCMD("model").needs == ("model", "embedding")
        and LCMD("gradients").needs == ("model", "gradients")
    )
    assert LCMD().task is None and repr(LCMD("gradients", 100)) == "LCMD(embedding='gradients', max_candidates=100)"
    with pytest.raises(InvalidParameter, match="embedding is one of inputs, model, gradients"):
        LCMD("umap")
    with pytest.raises(InvalidParameter, match="max_candidates"):
        LCMD(max_candidates=0)
    x = rng().normal(size=(9, 3))
    with pytest.raises(ModelError, match="no model is fitted"):
        LCMD("gradients").score(pool_of(x))
    with pytest.raises(ModelLacks, match="gradients of its last layer"):
        LCMD("gradients").score(pool_of(x, 2, fitted(NearestMean)))
    broken = fitted(Gradients)
    broken.factor = torch.nan
    with pytest.raises(NonFiniteFeatures):
        LCMD("gradients").score(pool_of(x, 2, broken))


def test_a_learner_begins_with_no_label():
    x = rng().normal(size=(60, 2))
    learner = al.ActiveLearner(al.DataManager(x, x[:, 0] > 0, labelled=0), NearestMean(), strategy=LCMD())
    learner.run(rounds=3, n=5, progress=False)
    assert learner.n_labels == 15
