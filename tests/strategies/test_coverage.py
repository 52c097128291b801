"""ProbCover, against set cover by Python sets; its radius, against its definition."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from aljupyter.errors import QuerySizeError
from aljupyter.strategies import coverage
from aljupyter.strategies.coverage import ball_coverage, cover_greedily, pure_radius
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.typical import clusters_of
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def balls(pool, delta):
    return [set(np.flatnonzero(row <= delta)) for row in cdist(pool, pool)]


def covered_by(labelled, pool, delta):
    return set(np.flatnonzero((cdist(pool, labelled) <= delta).any(axis=1)))


def check_greedy(pool, labelled, delta, picks, gains, still=None):
    """Each pick's ball holds as many uncovered points as any other's; where only one does, there is no choice."""
    still = still or (lambda picked: set(range(len(pool))) - set(picked))
    around, covered = balls(pool, delta), covered_by(labelled, pool, delta)
    for k, (pick, gain) in enumerate(zip(picks, gains, strict=True)):
        may = still(picks[:k])
        new = [len(ball - covered) if i in may else -1 for i, ball in enumerate(around)]
        assert new[pick] == max(new) and gain * len(pool) == pytest.approx(new[pick], abs=1e-9)
        covered |= around[pick]


@given(seeds, st.integers(1, 40), st.integers(0, 5), st.floats(0.05, 4), st.data())
def test_picks_are_those_of_greedy_set_cover(seed, n_points, n_labelled, delta, data):
    x = rng(seed).normal(size=(n_points + n_labelled, 2))
    pool, labelled = x[n_labelled:], x[:n_labelled]
    n = data.draw(st.integers(1, n_points))
    picks, gains = cover_greedily(pool, labelled, n, rng(seed), delta=delta)
    assert len(set(picks)) == n and (np.diff(gains) <= 1e-12).all()
    check_greedy(pool, labelled, delta, picks, gains)
    known = ball_coverage(pool, labelled, delta=delta)
    again = cover_greedily(pool, labelled, n, rng(seed), delta=delta, first_N=known)
    np.testing.assert_array_equal(again, (picks, gains))


@given(arrays(np.float64, (15, 2), elements=st.integers(0, 4)), st.integers(1, 15), st.sampled_from([1.0, 2**0.5, 2.0]))
def test_points_on_the_rim_are_covered(pool, n, delta):
    shift = np.array([1e3, -1e3]) + 0.1
    expected = [len(ball) / 15 for ball in balls(pool, delta + 1e-9)]
    np.testing.assert_allclose(ball_coverage(pool + shift, pool[:0], delta=delta), expected)
    picks, gains = cover_greedily(pool + shift, pool[:0], n, rng(), delta=delta)
    check_greedy(pool, pool[:0], delta + 1e-9, picks, gains)


@pytest.mark.parametrize("block", [1, 7, 64, 10**6])
def test_the_size_of_the_blocks_does_not_matter(block, monkeypatch):
    pool = rng().normal(size=(60, 3))
    whole = cover_greedily(pool, pool[:2], 20, rng(), delta=0.9)
    blocks = coverage.blocks
    monkeypatch.setattr(coverage, "blocks", lambda n_rows, width: blocks(n_rows, width, size=block))
    np.testing.assert_array_equal(cover_greedily(pool, pool[:2], 20, rng(), delta=0.9), whole)


def test_the_densest_part_comes_first_then_the_next_and_outliers_last():
    dense, sparse = rng().normal(scale=0.2, size=(60, 2)), 10 + rng(1).normal(scale=0.2, size=(30, 2))
    pool = np.concatenate([dense, sparse, [[50.0, 50.0]]])
    picks, gains = cover_greedily(pool, pool[:0], 3, rng(), delta=1.0)
    assert picks[0] < 60 <= picks[1] < 90 and picks[2] == 90
    np.testing.assert_allclose(gains, [60 / 91, 30 / 91, 1 / 91])
    assert cover_greedily(pool, dense[:1], 1, rng(), delta=1.5)[0][0] >= 60  # what a label covers is done


def test_when_all_is_covered_picks_are_random_but_new():
    picks, gains = cover_greedily(rng().normal(size=(20, 2)), np.zeros((0, 2)), 20, rng(), delta=100.0)
    assert sorted(picks) == list(range(20)) and gains[0] == 1 and (gains[1:] == 0).all()


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        cover_greedily(np.zeros((3, 1)), np.zeros((0, 1)), 4, rng(), delta=1.0)


@given(seeds, st.integers(6, 60), st.integers(2, 4), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_radius_is_the_largest_at_which_the_balls_are_pure(seed, n_points, n_classes, purity):
    x = rng(seed).normal(size=(n_points, 2))
    delta = pure_radius(x, rng(seed), n_classes=n_classes, purity=purity)
    clusters, distances = clusters_of(x, n_classes, rng(seed)), cdist(x, x)

    def share_of_pure_balls(radius):
        return np.mean([len(set(clusters[row <= radius])) == 1 for row in distances])

    assert share_of_pure_balls(delta) >= purity - 1e-9
    assert share_of_pure_balls(delta * (1 + 1e-5)) < purity


def test_the_radius_lies_in_the_gap_between_blobs():
    x = np.concatenate([rng(i).uniform(size=(100, 2)) + 10 * i for i in range(3)])
    assert 10 < pure_radius(x, rng(), n_classes=3) < 14.2


def test_without_classes_the_median_ball_holds_a_twentieth():
    x = rng().normal(size=(201, 3))
    delta = pure_radius(x, rng())
    assert (
        np.median((cdist(x, x) <= delta * (1 + 1e-9)).sum(axis=1)) == 12
    )  # itself and 11, the first that are 5 % of 201


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize("n_points", [1, 8])
def test_equal_points_have_a_radius_and_a_cover(n_classes, n_points):
    x = np.full((n_points, 2), 7.0)
    delta = pure_radius(x, rng(), n_classes=n_classes)
    assert delta == 0
    picks, gains = cover_greedily(x, x[:0], n_points, rng(), delta=delta)
    assert sorted(picks) == list(range(n_points)) and gains[0] == 1


@pytest.mark.slow
def test_twenty_thousand_points_take_little_memory():
    pool = rng().normal(size=(20_000, 64))
    tracemalloc.start()
    try:
        cover_greedily(pool, pool[:10], 100, rng(), delta=9.8)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150 * 2**20  # the pairs that are near each other would take 600 MiB, all distances 3 GiB


@given(seeds, st.integers(1, 40), st.integers(0, 5), st.floats(0.05, 4))
def test_with_a_quota_picks_are_those_of_greedy_set_cover_among_those_that_may_come(seed, n_points, n_labelled, delta):
    x = rng(seed).normal(size=(n_points + n_labelled, 2))
    pool, labelled, room = x[n_labelled:], x[:n_labelled], Room(seed, n_points)
    picks, gains = cover_greedily(pool, labelled, room.most, rng(seed), delta=delta, batch=room.batch())
    assert len(set(picks)) == room.most
    check_greedy(pool, labelled, delta, picks, gains, room.still)
    free, ampler = (
        cover_greedily(pool, labelled, room.most, rng(), delta=delta, batch=b) for b in (None, ample(seed, n_points))
    )
    np.testing.assert_array_equal(free, ampler)


def test_points_that_may_not_come_are_there_to_be_covered():
    pool = np.concatenate([np.zeros((3, 1)), np.full((30, 1), 10.0), [[10.9]]])
    groups = np.repeat([0, 1, 0], [3, 30, 1])  # of the crowd itself nobody may come
    picks, gains = cover_greedily(pool, pool[:0], 2, rng(), delta=1.0, batch=Batch(34, groups, np.array([2, 0])))
    assert picks[0] == 33 and picks[1] < 3
    np.testing.assert_allclose(gains, [31 / 34, 3 / 34])
