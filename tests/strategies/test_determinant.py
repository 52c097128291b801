"""Greedy determinants, against determinants computed from the whole matrix for each pick."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics.pairwise import rbf_kernel

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelLacks, QuerySizeError, WrongTask
from aljupyter.models import as_manager
from aljupyter.strategies import KCenter, Pool
from aljupyter.strategies.asking import choose
from aljupyter.strategies.determinant import Conditioned, DOptimal, MaxDet, information, pick_by_determinant
from aljupyter.strategies.integrated import IVR
from aljupyter.strategies.lcmd import LCMD
from tests.managers import Mean, NearestMean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def pick(matrix, n, generator=None, **options):
    def kernel(rows, cols):
        return matrix[np.ix_(rows, cols)]

    return pick_by_determinant(np.diag(matrix).copy(), kernel, n, generator or rng(), **options)


def naive(matrix, n, noise=0.0, still=None):
    """The determinant of the batch with each other point, anew for each pick."""
    picks, gains, last = [], [], 1.0
    full = matrix + noise * np.eye(len(matrix))
    for _ in range(n):
        values = np.full(len(matrix), -np.inf)
        for i in np.setdiff1d(np.arange(len(matrix)), picks) if still is None else still(picks):
            values[i] = np.linalg.det(full[np.ix_([*picks, i], [*picks, i])]) / last
        picks.append(int(values.argmax()))
        gains.append(values.max())
        last *= values.max()
    return picks, gains


def a_matrix(seed, n_points, rank):
    x = rng(seed).normal(size=(n_points, rank)) * rng(seed + 1).uniform(0.5, 2, size=(n_points, 1))
    return x @ x.T


@given(seeds, st.integers(1, 30), st.integers(1, 6), st.floats(0.01, 2), st.data())
def test_picks_are_those_of_the_slow_way(seed, n_points, rank, noise, data):
    matrix = a_matrix(seed, n_points, rank)
    n = data.draw(st.integers(1, min(n_points, 8)))
    picks, gains = pick(matrix, n, noise=noise)
    expected_picks, expected_gains = naive(matrix, n, noise)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-8)
    assert (np.diff(gains) <= 1e-12 * gains[0]).all()
    full = matrix[np.ix_(picks, picks)] + noise * np.eye(n)
    assert np.log(gains).sum() == pytest.approx(np.linalg.slogdet(full)[1], abs=1e-8)


@given(seeds, st.integers(2, 30))
def test_without_noise_as_many_are_told_apart_as_the_rank_and_the_others_are_distinct(seed, n_points):
    matrix = a_matrix(seed, n_points, 3)
    picks, gains = pick(matrix, n_points)
    assert sorted(picks) == list(range(n_points))
    rank = min(3, n_points)
    np.testing.assert_allclose(gains[:rank], naive(matrix, rank)[1], rtol=1e-6)
    assert (gains[:rank] > 0).all() and (gains[rank:] == 0).all()
    others = {int(pick(matrix, n_points, rng(s))[0][-1]) for s in range(12)}
    assert n_points < 12 or len(others) > 1  # once nothing is left, the generator chooses


@given(seeds, st.integers(3, 25), st.floats(0.01, 1))
def test_with_a_quota_each_is_the_best_of_those_that_may_come(seed, n_points, noise):
    matrix, room = a_matrix(seed, n_points, 4), Room(seed, n_points)
    n = min(room.most, 7)
    picks, gains = pick(matrix, n, noise=noise, batch=room.batch())
    expected_picks, expected_gains = naive(matrix, n, noise, room.still)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-8)
    free, ampler = (pick(matrix, n, noise=noise, batch=b) for b in (None, ample(seed, n_points)))
    np.testing.assert_array_equal(free, ampler)


@given(seeds, st.integers(2, 20), st.floats(0.05, 1))
def test_quality_scales_both_sides(seed, n_points, noise):
    matrix, quality = a_matrix(seed, n_points, 4), rng(seed + 2).uniform(0, 3, n_points)
    n = min(n_points, 6)
    scaled, gains = pick(matrix, n, noise=noise, quality_N=quality)
    expected_picks, expected_gains = naive(quality[:, None] * matrix * quality, n, noise)
    np.testing.assert_array_equal(scaled, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-8)


def test_scores_and_similarities_make_a_determinantal_batch():
    x = np.array([[0.0], [0.01], [5.0], [9.0]])
    scores = np.array([1.0, 0.99, 0.5, 0.4])
    picks, gains = pick(rbf_kernel(x, gamma=0.5), 3, quality_N=scores)
    np.testing.assert_array_equal(picks, [0, 2, 3])  # the two highest scores are at one place
    np.testing.assert_allclose(gains, scores[[0, 2, 3]] ** 2, rtol=1e-4)


@given(arrays(float, (10, 2), elements=st.sampled_from([0.0, 1.0, 2.0])), st.integers(1, 10), seeds)
def test_on_a_grid_full_of_ties_each_pick_is_as_good_as_any_other(x, n, seed):
    matrix = x @ x.T
    picks, gains = pick(matrix, n, rng(seed), noise=0.5)
    assert len(set(picks)) == n
    for k in range(n):
        left = (
            np.diag(matrix + 0.5 * np.eye(10))
            - (
                matrix[:, picks[:k]]
                @ np.linalg.solve(matrix[np.ix_(picks[:k], picks[:k])] + 0.5 * np.eye(k), matrix[picks[:k]])
            ).diagonal()
        )
        assert gains[k] == pytest.approx(np.delete(left, picks[:k]).max()) == pytest.approx(left[picks[k]])


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("matrix", [np.zeros((30, 30)), np.ones((30, 30)), np.eye(30)], ids=["zero", "copies", "apart"])
def test_equal_points_are_picked_by_the_generator(matrix, noise):
    picks = [pick(matrix, 30, rng(seed), noise=noise)[0] for seed in range(4)]
    assert all(sorted(p) == list(range(30)) for p in picks)
    assert len({p[0] for p in picks}) > 1 and len({p[-1] for p in picks}) > 1
    np.testing.assert_array_equal(picks[3], pick(matrix, 30, rng(3), noise=noise)[0])


def test_old_variances_spare_most_of_the_work():
    x = rng().uniform(size=(3_000, 2)) * 10
    looked_at = []

    def kernel(rows, cols):
        looked_at.append(len(rows))
        return rbf_kernel(x[rows], x[cols], 0.5)

    picks, gains = pick_by_determinant(np.ones(3_000), kernel, 60, rng(), noise=0.1)
    assert sum(looked_at) < 0.25 * 60 * 3_000
    matrix = rbf_kernel(x, gamma=0.5)
    np.testing.assert_array_equal(picks, pick(matrix, 60, noise=0.1)[0])
    assert np.log(gains).sum() == pytest.approx(np.linalg.slogdet(matrix[np.ix_(picks, picks)] + 0.1 * np.eye(60))[1])


def test_of_points_that_have_nothing_to_do_with_each_other_few_are_looked_at():
    looked_at = []

    def kernel(rows, cols):
        looked_at.append(len(rows))
        return (rows[:, None] // 2 == cols // 2).astype(float)  # pairs of copies

    for seed in range(5):
        picks, gains = pick_by_determinant(np.ones(2_000), kernel, 30, rng(seed), noise=0.1)
        assert len(set(picks // 2)) == 30 and np.allclose(gains, 1.1)
    assert sum(looked_at) < 0.06 * 5 * 30 * 2_000


@pytest.mark.slow
def test_each_of_the_points_that_are_equal_is_as_likely():
    matrix = np.kron(np.eye(4), np.ones((2, 2)))  # four pairs of copies: after one, the six of other pairs are equal
    seconds = np.zeros(8)
    for seed in range(6_000):
        first, second = pick(matrix, 2, rng(seed), noise=0.1)[0]
        assert first // 2 != second // 2
        seconds[(second - first // 2 * 2) % 8] += 1
    np.testing.assert_allclose(seconds[2:] / 1_000, 1, atol=0.15)


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        pick(np.eye(3), 4)


@given(seeds, st.integers(1, 12), st.integers(0, 12), st.integers(1, 5), st.booleans())
def test_a_linear_model_is_conditioned_on_what_is_labelled(seed, n_points, n_labelled, n_features, outer):
    left, right = rng(seed).normal(size=(24, 2)), rng(seed + 1).normal(size=(24, n_features))
    parts = (left, right) if outer else (right,)
    formed = np.einsum("nc,ne->nce", left, right).reshape(24, -1) if outer else right
    points, labelled = (tuple(part[rows] for part in parts) for rows in (slice(n_points), slice(12, 12 + n_labelled)))
    known = Conditioned(points, labelled, 0.1)
    x, z = formed[:n_points], formed[12 : 12 + n_labelled]
    noise = 0.1 * (np.concatenate([x, z]) ** 2).sum(1).mean()
    weights = np.linalg.inv(np.eye(x.shape[1]) + z.T @ z / noise)
    assert known.noise == pytest.approx(noise)
    np.testing.assert_allclose(known.left_N, np.diag(x @ weights @ x.T), atol=1e-10)
    every = np.arange(n_points)
    np.testing.assert_allclose(known.kernel(every, every[::-1]), x @ weights @ x[::-1].T, atol=1e-10)


def pool_of(x, y, labelled, model=None, seed=0):
    data = al.DataManager(x, y, labelled=list(range(labelled)), preprocess=None)
    return Pool(data.unlabelled, data.labelled, model, seed)


def gp_pool(seed=0, n_points=30, labelled=5):
    x = rng(seed).uniform(-3, 3, size=(n_points + labelled, 2))
    pool = pool_of(x, np.sin(x[:, 0]), labelled)
    pool.model = as_manager(al.GPRegressor(kernel="rbf", optimizer=None, noise=0.1, normalize_y=False))
    pool.model.fit(pool.labelled)
    return x, pool


def test_d_optimal_is_the_information_of_a_gp_by_scikit_learn():
    x, pool = gp_pool()
    query = choose(DOptimal(), pool, 6)
    theta = pool.model.estimator_.model_.kernel_theta
    assert np.allclose(theta, 0)  # variance 1, length scale 1
    gp = GaussianProcessRegressor(RBF(1.0), alpha=0.1, optimizer=None).fit(x[:5], np.sin(x[:5, 0]))
    _, cov = gp.predict(x[5:], return_cov=True)
    np.testing.assert_allclose(DOptimal().score(pool), 0.5 * np.log1p(np.diag(cov) / 0.1), rtol=1e-8)
    picks, gains = naive(cov / 0.1, 6, 1.0)
    np.testing.assert_array_equal(query.indices - 5, picks)
    np.testing.assert_allclose(query.why["gain"], 0.5 * np.log(gains), rtol=1e-8)
    assert query.scores[0] == pytest.approx(query.why["gain"][0])


def test_d_optimal_keeps_out_of_the_middle_where_ivr_goes():
    x = np.concatenate([[[0.0]], np.linspace(0.5, 3, 41)[:, None]])
    pool = pool_of(x, np.zeros(42), 1)
    pool.model = as_manager(al.GPRegressor(kernel="rbf", optimizer=None, noise=0.01, normalize_y=False))
    pool.model.fit(pool.labelled)
    at = {repr(s): float(x[choose(s, pool, 1).indices[0], 0]) for s in (DOptimal(), IVR())}
    assert at["DOptimal()"] == 3 and 1.5 < at["IVR()"] < 2.5
    two = x[choose(DOptimal(), pool, 2).indices, 0]
    highest = x[np.argsort(-DOptimal().score(pool))[:2] + 1, 0]
    assert abs(two[1] - two[0]) > 1 > 0.1 > abs(highest[1] - highest[0])  # the highest variances are neighbours


def test_labels_without_noise_and_copies_are_asked_all_the_same():
    x = np.repeat([[0.0], [1.0], [2.0]], 4, axis=0)
    pool = pool_of(x, x[:, 0], 1)
    pool.model = as_manager(al.GPRegressor(kernel="rbf", optimizer=None, noise=1e-10, normalize_y=False))
    pool.model.fit(pool.labelled)
    query = choose(DOptimal(), pool, 11)
    assert len(set(query.indices)) == 11 and set(x[query.indices[:2], 0]) == {1.0, 2.0}
    assert np.isfinite(query.why["gain"]).all() and (np.diff(query.why["gain"]) <= 1e-6).all()


def test_max_det_is_the_design_of_a_ridge_regression():
    x = rng().normal(size=(30, 3)) * [1, 2, 0.5]
    query = choose(MaxDet(regularisation=0.05), pool_of(x, x[:, 0], 4), 5)
    noise = 0.05 * (x**2).sum(1).mean()
    weights = np.linalg.inv(np.eye(3) + x[:4].T @ x[:4] / noise)
    picks, gains = naive(x[4:] @ weights @ x[4:].T / noise, 5, 1.0)
    np.testing.assert_array_equal(query.indices - 4, picks)
    np.testing.assert_allclose(query.why["gain"], 0.5 * np.log(gains), rtol=1e-7)
    assert query.scores[0] == pytest.approx(query.why["gain"][0])
    fresh = MaxDet(regularisation=0.05).select(pool_of(x, x[:, 0], 4), 5, query.pool.values)  # not scored before
    np.testing.assert_array_equal(fresh.positions, picks)


def test_max_det_asks_for_directions_where_others_ask_for_places():
    x = np.array([[0.0, 0.0], [10.0, 0.0], [9.9, 0.3], [-9.9, 0.0], [0.0, 3.0], [5.0, 1.0]])
    pool = pool_of(x, np.arange(6.0), 1)
    assert list(choose(MaxDet(), pool, 2).indices) == [1, 4]  # 3 is the direction of 1, turned round
    assert list(choose(KCenter(), pool, 2).indices) == [1, 3]
    assert choose(LCMD(), pool, 2).indices[1] == 3


class Gradients(NearestMean):
    """Gradients are the first feature x the others."""

    def gradient_embed(self, x, posterior=None):
        points = self.embed(x)
        return points[:, :2], points[:, 2:]


@pytest.mark.parametrize("labelled", [0, 3])
def test_max_det_of_gradients_and_of_the_models_points(labelled):
    x, y = rng().normal(size=(20, 5)), np.arange(20) % 2
    model = Gradients()
    model.fit(al.DataManager(x[:2], [0, 1], labelled=[0, 1]).labelled)
    outer = np.einsum("nc,ne->nce", x[:, :2], x[:, 2:]).reshape(20, -1)
    for embedding, flat in [("gradients", outer), ("model", x)]:
        query = choose(MaxDet(embedding), pool_of(x, y, labelled, model), 4)
        plain = choose(MaxDet(), pool_of(flat, y, labelled), 4)
        np.testing.assert_array_equal(query.indices, plain.indices)
        np.testing.assert_allclose(query.scores, plain.scores)


def test_parameters_and_needs():
    assert MaxDet().needs == () and MaxDet("model").needs == ("model", "embedding")
    assert MaxDet("gradients").needs == ("model", "gradients") and MaxDet().task is None
    assert repr(MaxDet("gradients", 0.1, 50)) == "MaxDet(embedding='gradients', regularisation=0.1, max_candidates=50)"
    for bad in (0, -1.0, np.nan, np.inf, None, "auto", True):
        with pytest.raises(InvalidParameter, match="regularisation"):
            MaxDet(regularisation=bad)
    with pytest.raises(InvalidParameter, match="embedding is one of"):
        MaxDet("umap")
    assert DOptimal().needs == ("model", "covariance") and repr(DOptimal()) == "DOptimal()"
    with pytest.raises(WrongTask):
        al.strategies.as_strategy(DOptimal(), "classification")
    x = rng().normal(size=(9, 2))
    unsure = Mean()
    unsure.fit(al.DataManager(x, np.arange(9.0), labelled=[0, 1]).labelled)
    with pytest.raises(ModelLacks, match="covariances between points"):
        DOptimal().score(pool_of(x, x[:, 0], 2, unsure))


def test_information_is_that_of_a_normal_value():
    assert information(np.array([3.0]), 1.0)[0] == pytest.approx(math.log(2))


@pytest.mark.parametrize("strategy", [MaxDet(), DOptimal()], ids=repr)
def test_a_learner_goes_on_with_them_under_restrictions(strategy):
    x = rng().normal(size=(60, 2))
    learner = al.ActiveLearner(
        al.DataManager(x, np.sin(x[:, 0]), labelled=[0, 1, 2, 3]),
        al.GPRegressor(),
        strategy.within(forbidden=list(range(10, 40)), max_candidates=15),
    )
    learner.run(rounds=2, n=3, progress=False)
    assert learner.n_labels == 10 and not set(learner.data.labelled.indices) & set(range(10, 40))
