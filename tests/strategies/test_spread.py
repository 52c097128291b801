"""Farthest-first picks, against a slow one that looks at every pair again for each pick."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from aljupyter.errors import QuerySizeError
from aljupyter.strategies.greedy import random_argmax
from aljupyter.strategies.spread import METRICS, farthest_first, spread
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def naive(pool, labelled, n, metric="euclidean", still=None):
    """Every distance anew for every pick, of which `still` says who may come."""
    if metric == "cosine":  # about the mean of the unit vectors
        pool, labelled = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (pool, labelled))
    picks, gains = [], []
    for _ in range(n):
        chosen = np.concatenate([labelled, pool[picks]])
        if len(chosen) == 0:
            mean = pool.mean(0, keepdims=True)
            values = -(
                cdist(pool, mean, "sqeuclidean")[:, 0] / 2 if metric == "cosine" else cdist(pool, mean, metric).T[0]
            )
        else:
            values = cdist(pool, chosen, metric).min(axis=1)
            values[picks] = -np.inf
        if still is not None:
            values[np.setdiff1d(np.arange(len(pool)), still(picks))] = -np.inf
        picks.append(int(values.argmax()))
        gains.append(values.max())
    return picks, gains


@given(seeds, st.integers(3, 40), st.integers(2, 6), st.integers(0, 5), st.data(), st.sampled_from(METRICS))
def test_picks_are_those_of_the_slow_way(seed, n_points, n_features, n_labelled, data, metric):
    x = rng(seed).normal(size=(n_points + n_labelled, n_features)) + (0 if metric == "cosine" else 3)
    pool, labelled = x[n_labelled:], x[:n_labelled]
    n = data.draw(st.integers(1, n_points))
    picks, gains = farthest_first(pool, labelled, n, rng(), metric=metric)
    expected_picks, expected_gains = naive(pool, labelled, n, metric)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, atol=1e-12)


@given(seeds, st.integers(1, 4))
def test_the_pool_is_covered_within_twice_the_best_radius(seed, n):
    pool = rng(seed).normal(size=(9, 2))
    distances = cdist(pool, pool)
    best = min(distances[:, centres].min(axis=1).max() for centres in combinations(range(9), n))
    picks, _ = farthest_first(pool, pool[:0], n, rng())
    assert distances[:, picks].min(axis=1).max() <= 2 * best + 1e-12


def test_a_far_clump_is_asked_first_and_by_its_farthest_point_and_only_once():
    crowd, clump = rng().normal(scale=0.5, size=(50, 2)), 20 + rng(1).normal(scale=0.1, size=(5, 2))
    pool = np.concatenate([crowd, clump, [[20.4, 20.4]]])
    picks, _ = farthest_first(pool, np.zeros((1, 2)), 4, rng())
    assert picks[0] == 55  # the top k of distances would be the clump: all of 50 to 55
    assert set(picks[1:]) <= set(range(50))


def test_with_no_label_the_first_is_nearest_the_mean_and_the_next_farthest_from_it():
    pool = np.array([[-4.0], [0.5], [1.0], [9.0]])  # mean 1.625
    picks, gains = farthest_first(pool, pool[:0], 3, rng())
    np.testing.assert_array_equal(picks, [2, 3, 0])
    np.testing.assert_allclose(gains, [-0.625, 8, 5])


@given(arrays(float, (12, 2), elements=st.sampled_from([0.0, 1.0, 2.0])), st.integers(1, 12), st.integers(0, 3))
def test_on_a_grid_full_of_ties_picks_are_distinct_and_gains_do_not_increase(pool, n, n_labelled):
    picks, gains = farthest_first(pool, pool[:n_labelled], n, rng())
    assert len(set(picks)) == n
    assert (np.diff(gains[0 if n_labelled else 1 :]) <= 0).all()
    for k, gain in enumerate(gains):  # each was the farthest there was
        chosen = np.concatenate([pool[:n_labelled], pool[picks[:k]]])
        if len(chosen):
            assert gain == cdist(np.delete(pool, picks[:k], axis=0), chosen).min(axis=1).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(seed=seeds)
def test_the_order_of_the_pool_does_not_matter(dtype, seed):
    pool = rng(seed).normal(size=(30, 3)).astype(dtype)
    order = rng(seed + 1).permutation(30)
    picks, gains = farthest_first(pool, pool[:0], 8, rng())
    again, same = farthest_first(pool[order], pool[:0], 8, rng())
    np.testing.assert_array_equal(order[again], picks)
    np.testing.assert_allclose(same, gains, rtol=1e-6)


def test_an_equal_point_is_at_distance_zero_however_far_from_the_origin():
    pool = 1e6 + rng().normal(size=(40, 5)).astype(np.float32)
    values = spread(pool, pool[[3, 7]])
    np.testing.assert_array_equal(values == 0, [i in (3, 7) for i in range(40)])
    np.testing.assert_allclose(values, cdist(pool, pool[[3, 7]]).min(axis=1), rtol=1e-5)


def test_the_cosine_of_a_zero_vector_is_defined():
    pool = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(spread(pool, pool[1:2], metric="cosine"), [0.5, 0, 1])


def test_ties_are_broken_by_the_generator():
    pool = np.zeros((50, 2))
    picks = [farthest_first(pool, pool[:0], 5, rng(seed))[0] for seed in range(8)]
    assert all(len(set(p)) == 5 for p in picks) and len({p[0] for p in picks}) > 4
    np.testing.assert_array_equal(picks[3], farthest_first(pool, pool[:0], 5, rng(3))[0])


def test_equal_to_within_rounding_is_equal():
    values = np.array([0.1 + 0.2, 0.3, 0.0])
    assert {random_argmax(values, rng(seed)) for seed in range(20)} == {0, 1}
    assert {random_argmax(np.array([1.0, 1 + 1e-9]), rng(seed), within=1e-8) for seed in range(20)} == {0, 1}
    assert random_argmax(np.array([-np.inf, -5.0, -np.inf]), rng()) == 1


@pytest.mark.parametrize("n", [0, 4])
def test_a_batch_that_the_pool_cannot_give_is_refused(n):
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        farthest_first(np.zeros((3, 1)), np.zeros((0, 1)), n, rng())


@given(seeds, st.integers(3, 30), st.integers(0, 4), st.sampled_from(METRICS))
def test_with_a_quota_each_pick_is_the_farthest_of_those_that_may_come(seed, n_points, n_labelled, metric):
    x = rng(seed).normal(size=(n_points + n_labelled, 3)) + (0 if metric == "cosine" else 3)
    pool, labelled, room = x[n_labelled:], x[:n_labelled], Room(seed, n_points)
    picks, gains = farthest_first(pool, labelled, room.most, rng(), metric=metric, batch=room.batch())
    expected_picks, expected_gains = naive(pool, labelled, room.most, metric, room.still)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, atol=1e-12)
    n = room.most
    free, ampler = (farthest_first(pool, labelled, n, rng(), batch=b) for b in (None, ample(seed, n_points)))
    np.testing.assert_array_equal(free, ampler)


def test_ties_of_float32_points_are_ties_whichever_point_is_the_nearest():
    # 4, 4 comes first; the others are then at the root of 2 from it, or from the label at 0, 0.
    pool = np.array([[4, 4], [1, 1], [3, 3], [-1, 1]], dtype=np.float32)
    seconds = {int(farthest_first(pool, pool[:1] * 0, 2, rng(seed))[0][1]) for seed in range(40)}
    assert seconds == {1, 2, 3}


def test_equal_points_keep_a_quota():
    room = Room(3, 20)
    picks, _ = farthest_first(np.zeros((20, 1)), np.zeros((1, 1)), room.most, rng(), batch=room.batch())
    assert len(set(picks)) == room.most
    assert (np.bincount(room.groups[picks], minlength=3) <= room.room).all()
