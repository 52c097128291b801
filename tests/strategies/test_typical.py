"""TypiClust: on blobs it is plain which points are typical."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.neighbors import NearestNeighbors

from aljupyter.errors import QuerySizeError
from aljupyter.strategies import typical
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.spread import farthest_first
from aljupyter.strategies.typical import Clusters, clusters_of, pick_typical, typicality
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)
CENTRES = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0], [20.0, 20.0]])
SIZES = (60, 40, 30, 20)


def rng(seed=0):
    return np.random.default_rng(seed)


def blobs(seed=0):
    """Four crowds of 60, 40, 30 and 20 points, and which of them each point is in."""
    parts = [
        centre + rng([seed, i]).normal(size=(size, 2))
        for i, (centre, size) in enumerate(zip(CENTRES, SIZES, strict=True))
    ]
    return np.concatenate(parts), np.repeat(range(4), SIZES)


def mean_distance(points, k):
    """To the k nearest others, by scikit-learn."""
    return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)[0][:, 1:].mean(axis=1)


def most_typical(points, of, crowd):
    own = np.flatnonzero(of == crowd)
    return own[mean_distance(points[own], min(20, len(own) // 2)).argmin()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_a_pick_a_blob_the_largest_first_and_the_most_typical_of_each(seed, dtype):
    x, of = blobs(seed)
    picks, gains = pick_typical(x.astype(dtype), x[:0].astype(dtype), 4, rng(seed))
    np.testing.assert_array_equal(picks, [most_typical(x, of, crowd) for crowd in range(4)])
    np.testing.assert_allclose(gains, np.array(SIZES) / 150)


def test_blobs_that_have_a_label_are_passed_over():
    x, of = blobs()
    picks, _ = pick_typical(x, CENTRES[[0, 2]] + 0.5, 2, rng())
    np.testing.assert_array_equal(of[picks], [1, 3])
    np.testing.assert_array_equal(picks, [most_typical(x, of, 1), most_typical(x, of, 3)])


def test_outliers_are_not_typical():
    x, _ = blobs()
    x = np.concatenate([x, [[200.0, 0.0], [-150.0, 90.0]]])
    picks, _ = pick_typical(x, x[:0], 6, rng())
    assert max(picks) < 150
    assert {150, 151} <= set(farthest_first(x, x[:0], 6, rng())[0])  # which k-center asks at once


def test_when_all_blobs_have_a_label_the_next_is_asked_of_those_with_fewest():
    x, of = blobs()
    picks, _ = pick_typical(x, x[:0], 9, rng(), max_clusters=4)
    np.testing.assert_array_equal(of[picks], [0, 1, 2, 3, 0, 1, 2, 3, 0])
    labelled = np.repeat(CENTRES, (3, 1, 2, 3), axis=0)
    picks, _ = pick_typical(x, labelled, 3, rng(), max_clusters=4)
    np.testing.assert_array_equal(
        of[picks], [1, 1, 2]
    )  # with one label, then the larger of those with two, then the other


def test_small_clusters_come_when_all_others_are_used_up():
    x = np.concatenate([rng().normal(size=(12, 2)), 100 + rng(1).normal(size=(4, 2))])  # 4 are fewer than 5
    picks, _ = pick_typical(x, x[:0], 14, rng(), max_clusters=2)
    assert max(picks[:12]) < 12 <= min(picks[12:])
    few = np.array([[0.0], [0.1], [0.2], [9.0]])  # all small: then the largest is the first again
    assert pick_typical(few, few[:0], 2, rng())[0][0] < 3


@given(seeds, st.integers(2, 60), st.integers(1, 25))
def test_typicality_is_the_inverse_mean_distance_to_the_nearest(seed, n_points, n_neighbours):
    x = rng(seed).normal(size=(n_points, 3))
    mean = mean_distance(x, min(n_neighbours, n_points // 2))
    np.testing.assert_allclose(typicality(x, n_neighbours, rng()), mean.min() / mean, rtol=1e-9)


def test_typicality_among_equal_points_and_alone():
    np.testing.assert_array_equal(typicality(np.ones((7, 2)), 3, rng()), np.ones(7))
    np.testing.assert_array_equal(typicality(np.ones((1, 2)), 3, rng()), [1])
    half = typicality(np.array([[0.0], [0.0], [0.0], [5.0]]), 1, rng())
    np.testing.assert_array_equal(half, [1, 1, 1, 0])


def test_in_a_large_cluster_neighbours_are_sought_in_a_part_of_it(monkeypatch):
    x = rng().normal(size=(900, 2))
    exact = typicality(x, 20, rng())
    monkeypatch.setattr(typical, "MANY_POINTS", 300)
    estimate = typicality(x, 20, rng())
    np.testing.assert_array_equal(estimate, typicality(x, 20, rng()))
    assert np.corrcoef(np.argsort(np.argsort(exact)), np.argsort(np.argsort(estimate)))[0, 1] > 0.85
    assert np.linalg.norm(x[estimate.argmax()]) < 1


@given(seeds, st.integers(0, 6))
@settings(max_examples=25)
def test_the_first_pick_of_one_is_the_point_of_the_highest_value(seed, n_labelled):
    x, _ = blobs(seed % 10)
    labelled = x[rng(seed).permutation(150)[:n_labelled]]
    values = Clusters(x, labelled, 1, rng(seed)).values()
    picks, gains = pick_typical(x, labelled, 1, rng(seed))
    assert values[picks[0]] == values.max() == gains[0]  # the largest may be two that are equally large
    assert np.isfinite(values).all() and values.max() <= 1


@given(arrays(float, (11, 2), elements=st.sampled_from([0.0, 1.0, 5.0])), st.integers(1, 11), st.integers(0, 4))
@settings(max_examples=50, deadline=None)
def test_duplicates_never_stand_in_the_way(x, n, n_labelled):
    picks, gains = pick_typical(x, x[:n_labelled], n, rng())
    assert len(set(picks)) == n and np.isfinite(gains).all()
    np.testing.assert_array_equal(picks, pick_typical(x, x[:n_labelled], n, rng())[0])


def test_many_clusters_are_made_in_mini_batches():
    x = rng().normal(size=(400, 3))
    assert len(np.unique(clusters_of(x, 60, rng()))) > 50
    assert len(set(pick_typical(x, x[:0], 60, rng())[0])) == 60


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        pick_typical(np.zeros((3, 1)), np.zeros((0, 1)), 4, rng())


@given(seeds, st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_with_a_quota_the_most_typical_of_those_that_may_come_is_taken(seed, n_labelled):
    x, of = blobs(seed % 10)
    room = Room(seed, 150)
    assume(room.most + n_labelled >= 4)  # fewer clusters than crowds otherwise
    picks, gains = pick_typical(x, CENTRES[:n_labelled], room.most, rng(), max_clusters=4, batch=room.batch())
    assert len(set(picks)) == room.most and np.isfinite(gains).all()
    labels = np.arange(4) < n_labelled
    labels = labels.astype(int)
    for k, pick in enumerate(picks):
        may = np.array(room.still(picks[:k]))
        crowds = np.unique(of[may])  # a crowd of which nobody may come is passed over
        assert of[pick] == min(crowds, key=lambda c: (labels[c], c))  # crowds are in the order of their sizes
        own = np.flatnonzero(of == of[pick])
        distance = np.full(150, np.inf)
        distance[own] = mean_distance(x[own], min(20, len(own) // 2))
        assert pick == may[distance[may].argmin()]
        labels[of[pick]] += 1


def test_a_quota_that_does_not_bind_changes_nothing_and_an_empty_crowd_is_passed_over():
    x, of = blobs()
    free, ampler = (pick_typical(x, x[:0], 9, rng(), batch=b) for b in (None, ample(1, 150)))
    np.testing.assert_array_equal(free, ampler)
    nobody_of_the_first = Batch(150, of.astype(np.int64), np.array([0, 2, 2, 9]))
    picks, _ = pick_typical(x, x[:0], 8, rng(), max_clusters=4, batch=nobody_of_the_first)
    np.testing.assert_array_equal(of[picks], [1, 2, 3, 1, 2, 3, 3, 3])
