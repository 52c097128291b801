"""MaxHerding, against the objective computed from the whole kernel matrix for each pick."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import rbf_kernel

from aljupyter.errors import QuerySizeError
from aljupyter.strategies import herding
from aljupyter.strategies.coverage import cover_greedily
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.herding import herd, kernel_coverage, median_distance
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def check_greedy(pool, labelled, bandwidth, targets, picks, gains, still=None):
    """Each pick adds as much to the mean of the largest similarity as any other point would."""
    all_points = np.concatenate([labelled, pool])
    kernel = rbf_kernel(pool[targets], all_points, 0.5 / bandwidth**2)
    chosen = list(range(len(labelled)))
    for pick, gain in zip(picks + len(labelled), gains, strict=True):
        before = kernel[:, chosen].max(axis=1, initial=0).mean()
        added = np.array([kernel[:, [*chosen, i]].max(axis=1).mean() - before for i in range(len(all_points))])
        added[chosen] = -np.inf
        if still is not None:
            may = len(labelled) + np.array(still([i - len(labelled) for i in chosen[len(labelled) :]]))
            added[np.setdiff1d(np.arange(len(added)), may)] = -np.inf
        assert added[pick] == pytest.approx(added.max(), abs=1e-9) and gain == pytest.approx(added[pick], abs=1e-9)
        chosen.append(pick)


@given(seeds, st.integers(1, 25), st.integers(0, 4), st.floats(0.05, 5), st.booleans(), st.data())
def test_picks_are_those_of_the_slow_greedy_way(seed, n_points, n_labelled, bandwidth, all_targets, data):
    x = rng(seed).normal(size=(n_points + n_labelled, 3))
    pool, labelled = x[n_labelled:], x[:n_labelled]
    n = data.draw(st.integers(1, min(n_points, 8)))
    targets = np.arange(n_points) if all_targets else rng(seed).permutation(n_points)[: n_points // 2 + 1]
    given_targets = None if all_targets else pool[targets]
    picks, gains = herd(pool, labelled, n, rng(), bandwidth=bandwidth, x_T_D=given_targets)
    assert len(set(picks)) == n and (np.diff(gains) <= 1e-12).all()
    check_greedy(pool, labelled, bandwidth, targets, picks, gains)
    known = kernel_coverage(pool, labelled, bandwidth=bandwidth, x_T_D=given_targets)
    again = herd(pool, labelled, n, rng(), bandwidth=bandwidth, x_T_D=given_targets, first_N=known)
    np.testing.assert_array_equal(again, (picks, gains))


@given(arrays(np.float32, (12, 2), elements=st.integers(0, 2)), st.integers(1, 12))
def test_duplicates_and_ties_give_distinct_picks_that_are_greedy(pool, n):
    picks, gains = herd(pool, pool[:0], n, rng(), bandwidth=1.0)
    assert len(set(picks)) == n
    check_greedy(pool.astype(float), pool[:0], 1.0, np.arange(12), picks, gains)


def test_old_gains_spare_most_of_the_work(monkeypatch):
    looked_at = []
    gains = herding._Kernel.gains
    monkeypatch.setattr(
        herding._Kernel, "gains", lambda self, rows: looked_at.append(gains(self, rows)) or looked_at[-1]
    )
    pool = rng().normal(size=(2_000, 2))
    known = kernel_coverage(pool, pool[:0], bandwidth=0.3)
    looked_at.clear()
    herd(pool, pool[:0], 50, rng(), bandwidth=0.3, first_N=known)
    assert sum(map(len, looked_at)) < 0.2 * 49 * 2_000


@given(seeds)
def test_the_order_of_the_pool_does_not_matter(seed):
    pool = rng(seed).normal(size=(30, 3))
    order = rng(seed + 1).permutation(30)
    values = kernel_coverage(pool, pool[:2], bandwidth=1.0)
    np.testing.assert_allclose(kernel_coverage(pool[order], pool[:2], bandwidth=1.0), values[order], atol=1e-14)
    picks, _ = herd(pool, pool[:0], 2, rng(), bandwidth=1.0)  # later, two that only have each other are a tie
    np.testing.assert_array_equal(order[herd(pool[order], pool[:0], 2, rng(), bandwidth=1.0)[0]], picks)


def test_nearness_counts_by_degrees_where_a_ball_is_all_or_nothing():
    pool = np.array([[-1.0], [-0.95], [0.0], [0.95], [1.0], [10.0], [10.01], [10.02], [10.03]])
    # The ball around 0 holds five points, four of them at its rim; the crowd at 10 has four that are all but equal.
    assert cover_greedily(pool, pool[:0], 1, rng(), delta=1.0)[0][0] == 2
    assert herd(pool, pool[:0], 1, rng(), bandwidth=0.3)[0][0] >= 5


def test_crowds_come_before_outliers():
    pool = np.concatenate([rng().normal(size=(60, 2)), 10 + rng(1).normal(size=(30, 2)), [[50.0, 50.0]]])
    picks, _ = herd(pool, pool[:0], 2, rng(), bandwidth=2.0)
    assert picks[0] < 60 <= picks[1] < 90
    assert herd(pool, pool[:1], 1, rng(), bandwidth=2.0)[0][0] >= 60


@pytest.mark.parametrize("bandwidth", [1e-300, 1e-8, 1e8])
def test_any_bandwidth_gives_numbers(bandwidth):
    pool = 1e3 + rng().normal(size=(20, 3))
    values = kernel_coverage(pool, pool[:2], bandwidth=bandwidth)
    assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
    assert len(set(herd(pool, pool[:2], 20, rng(), bandwidth=bandwidth)[0])) == 20


def test_the_median_heuristic_by_hand():
    assert median_distance(np.array([[0.0], [1.0], [3.0]])) == 2  # of 1, 2 and 3
    assert median_distance(np.array([[0.0], [0.0], [0.0], [0.0], [5.0]])) == 2  # the median is 0, the mean 20 / 10
    assert median_distance(np.zeros((4, 2))) == median_distance(np.zeros((1, 2))) == 1


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        herd(np.zeros((3, 1)), np.zeros((0, 1)), 4, rng(), bandwidth=1.0)


@pytest.mark.slow
def test_twenty_thousand_points_take_little_memory():
    pool = rng().normal(size=(20_000, 64))
    tracemalloc.start()
    try:
        herd(pool, pool[:10], 10, rng(), bandwidth=11.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 * 2**20  # the kernel matrix would take 3 GiB


@given(seeds, st.integers(1, 25), st.integers(0, 4), st.floats(0.05, 5))
def test_with_a_quota_picks_are_greedy_among_those_that_may_come(seed, n_points, n_labelled, bandwidth):
    x = rng(seed).normal(size=(n_points + n_labelled, 3))
    pool, labelled, room = x[n_labelled:], x[:n_labelled], Room(seed, n_points)
    picks, gains = herd(pool, labelled, room.most, rng(), bandwidth=bandwidth, batch=room.batch())
    assert len(set(picks)) == room.most
    check_greedy(pool, labelled, bandwidth, np.arange(n_points), picks, gains, room.still)
    free, ampler = (
        herd(pool, labelled, room.most, rng(), bandwidth=bandwidth, batch=b) for b in (None, ample(seed, n_points))
    )
    np.testing.assert_array_equal(free, ampler)


@pytest.mark.parametrize("seed", range(5))
def test_many_closed_points_with_large_gains_do_not_hide_the_best_open_one(seed):
    """Their bounds are the largest, and no gain of an open point may be measured by them."""
    crowd, others = rng(seed).normal(scale=0.3, size=(150, 2)), 1.5 * rng(seed + 10).normal(size=(60, 2))
    pool = np.concatenate([crowd, others])
    batch = Batch(210, np.repeat([0, 1], [150, 60]), np.array([1, 60]))
    picks, gains = herd(pool, pool[:0], 8, rng(), bandwidth=0.4, batch=batch)

    def still(before):
        return [i for i in range(210) if i not in before and (i >= 150 or min(before, default=150) >= 150)]

    check_greedy(pool, pool[:0], 0.4, np.arange(210), picks, gains, still)


def test_points_that_may_not_come_are_targets_still():
    pool = np.concatenate([np.zeros((3, 1)), np.full((30, 1), 10.0), [[10.9]]])
    groups = np.repeat([0, 1, 0], [3, 30, 1])  # of the crowd itself nobody may come
    picks, _ = herd(pool, pool[:0], 2, rng(), bandwidth=1.0, batch=Batch(34, groups, np.array([2, 0])))
    assert picks[0] == 33 and picks[1] < 3
