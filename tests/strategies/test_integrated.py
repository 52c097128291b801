"""IVR, against the variance of scikit-learn's GPs fitted with each other point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics.pairwise import rbf_kernel

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelError, ModelLacks, QuerySizeError, WrongTask
from aljupyter.models import as_manager
from aljupyter.strategies import Pool, StandardDeviation, Strategy, integrated
from aljupyter.strategies.asking import choose
from aljupyter.strategies.features import KCenter
from aljupyter.strategies.integrated import IVR, Towards, pick_by_reduction, variance_reduction
from tests.managers import Mean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def conditioned(cov, noise, picks):
    """The covariance given noisy labels at some points."""
    picks = list(picks)
    if not picks:
        return cov
    among = cov[np.ix_(picks, picks)] + np.diag(noise[picks])
    return cov - cov[:, picks] @ np.linalg.solve(among, cov[picks])


def naive(cov, noise, targets, n, still=None):
    """The mean variance given the batch and each other point, computed anew from the whole matrix for each pick."""
    picks, gains = [], []
    for _ in range(n):
        before = np.diag(conditioned(cov, noise, picks))[targets].mean()
        values = np.full(len(cov), -np.inf)
        for i in np.setdiff1d(np.arange(len(cov)), picks) if still is None else still(picks):
            values[i] = before - np.diag(conditioned(cov, noise, [*picks, i]))[targets].mean()
        picks.append(int(values.argmax()))
        gains.append(values.max())
    return picks, gains


def pick(cov, noise, targets, n, generator=None, **options):
    towards = Towards(lambda rows: cov[rows][:, targets], len(cov), len(targets))
    return pick_by_reduction(towards, lambda i: cov[:, i], np.diag(cov).copy(), noise, n, generator or rng(), **options)


def a_case(seed, n_points):
    x = rng(seed).normal(size=(n_points, 2))
    cov = conditioned(rbf_kernel(x, gamma=0.5), np.full(n_points, 0.1), [0])  # a GP that knows one label
    targets = np.sort(rng(seed + 1).permutation(n_points)[: max(1, n_points // 2)])
    return cov, rng(seed + 2).uniform(0.01, 0.3, n_points), targets


@pytest.mark.parametrize("most", [2**24, 0])
@given(seed=seeds, n_points=st.integers(1, 25), data=st.data())
def test_picks_are_those_of_the_slow_way_whether_covariances_are_kept_or_not(most, seed, n_points, data):
    cov, noise, targets = a_case(seed, n_points)
    n = data.draw(st.integers(1, min(n_points, 8)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integrated, "MOST_STORED", most)
        picks, gains = pick(cov, noise, targets, n)
    expected_picks, expected_gains = naive(cov, noise, targets, n)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-7, atol=1e-12)


@given(seeds, st.integers(3, 20))
def test_with_a_quota_each_is_the_best_of_those_that_may_come(seed, n_points):
    (cov, noise, targets), room = a_case(seed, n_points), Room(seed, n_points)
    n = min(room.most, 6)
    picks, gains = pick(cov, noise, targets, n, batch=room.batch())
    expected_picks, expected_gains = naive(cov, noise, targets, n, room.still)
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(gains, expected_gains, rtol=1e-7, atol=1e-12)
    free, ampler = (pick(cov, noise, targets, n, batch=b) for b in (None, ample(seed, n_points)))
    np.testing.assert_array_equal(free, ampler)


@given(seeds, st.integers(1, 20), st.sampled_from([0.0, 1e-12, 0.1]))
@settings(max_examples=30, deadline=None)
def test_to_the_last_point_picks_are_distinct_and_gains_add_up_to_what_was_lowered(seed, n_points, level):
    cov, _, targets = a_case(seed, n_points)
    noise = np.full(n_points, level)
    picks, gains = pick(cov, noise, targets, n_points)
    assert sorted(picks) == list(range(n_points)) and (gains >= 0).all() and np.isfinite(gains).all()
    left = np.diag(conditioned(cov, noise + 1e-13, picks))[targets].mean()
    assert gains.sum() == pytest.approx(np.diag(cov)[targets].mean() - left, abs=1e-5)


@pytest.mark.parametrize("cov", [np.zeros((30, 30)), np.ones((30, 30)), np.eye(30)], ids=["zero", "copies", "apart"])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_equal_points_are_picked_by_the_generator(cov, level):
    noise, every = np.full(30, level), np.arange(30)
    picks = [pick(cov, noise, every, 30, rng(seed))[0] for seed in range(4)]
    assert all(sorted(p) == list(range(30)) for p in picks)
    assert len({p[0] for p in picks}) > 1 and len({p[-1] for p in picks}) > 1
    np.testing.assert_array_equal(picks[3], pick(cov, noise, every, 30, rng(3))[0])


def test_the_covariances_are_read_block_by_block(monkeypatch):
    monkeypatch.setattr(integrated, "blocks", lambda n, width: iter([slice(0, 7), slice(7, n)]))
    cov, noise, targets = a_case(0, 20)
    np.testing.assert_array_equal(pick(cov, noise, targets, 5)[0], naive(cov, noise, targets, 5)[0])


def test_by_hand():
    cov = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 2.0]])
    towards = Towards(lambda rows: cov[rows], 3, 3)
    values = variance_reduction(towards, np.diag(cov), np.array([0.0, 0.25, 2.0]))
    np.testing.assert_allclose(values, [1.25 / 3, 1.25 / 3 / 1.25, 4 / 3 / 4])


def test_a_batch_that_the_pool_cannot_give_is_refused():
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        pick(np.eye(3), np.ones(3), np.arange(3), 4)


def pool_of(x, y, labelled, optimizer=None, noise=0.1, seed=0):
    data = al.DataManager(x, y, labelled=list(range(labelled)), preprocess=None)
    model = as_manager(al.GPRegressor(kernel="rbf", optimizer=optimizer, noise=noise, normalize_y=False))
    model.fit(data.labelled)
    return Pool(data.unlabelled, data.labelled, model, seed)


def sklearn_variance(x, chosen, at, noise=0.1):
    gp = GaussianProcessRegressor(RBF(1.0), alpha=noise, optimizer=None).fit(x[chosen], np.zeros(len(chosen)))
    return gp.predict(x[at], return_std=True)[1] ** 2


@given(st.integers(0, 99), st.integers(2, 20))
@settings(max_examples=15, deadline=None)
def test_scores_and_batches_are_those_of_scikit_learns_refits(seed, n_points):
    x = rng(seed).uniform(-3, 3, size=(n_points + 3, 2))
    pool, known, every = pool_of(x, np.sin(x[:, 0]), 3), [0, 1, 2], np.arange(3, n_points + 3)
    n = min(4, n_points)
    query = choose(IVR(), pool, n)
    for k in range(n):
        before = sklearn_variance(x, known, every).mean()
        reductions = np.array([before - sklearn_variance(x, [*known, i], every).mean() for i in every])
        if k == 0:
            np.testing.assert_allclose(query.pool.values, reductions, atol=1e-9)
        reductions[np.isin(every, known)] = -np.inf
        assert reductions[query.indices[k] - 3] == pytest.approx(reductions.max(), abs=1e-9)
        assert query.why["gain"][k] == pytest.approx(reductions.max(), abs=1e-9)
        known.append(int(query.indices[k]))


def test_restricted_candidates_still_serve_the_whole_pool():
    x = np.concatenate([[[0.0]], np.linspace(1, 6, 30)[:, None], [[0.2], [6.8]]])
    pool = pool_of(x, np.zeros(len(x)), 1)
    crowd = list(range(1, 31))
    free, bound = choose(IVR(), pool, 1), choose(IVR().within(forbidden=crowd), pool, 1)
    assert free.indices[0] in crowd
    np.testing.assert_allclose(bound.scores, [free.pool.values[bound.indices[0] - 1]])
    np.testing.assert_allclose(bound.pool.values[30:], free.pool.values[30:])
    part = choose(IVR(n_targets=10).within(forbidden=crowd), pool, 2)
    assert set(part.indices) == {31, 32} and np.isfinite(part.why["gain"]).all()


def test_targets_are_some_points_of_a_large_pool():
    x = rng().normal(size=(303, 2))
    pool = pool_of(x, x[:, 0], 3)
    exact, some = IVR(n_targets=None).score(pool), IVR(n_targets=100).score(pool)
    assert 0 < np.abs(exact - some).max() < 0.3 * exact.max()
    np.testing.assert_array_equal(IVR(n_targets=300).score(pool), exact)
    targets = np.sort(pool.generator("targets").permutation(300)[:100])
    at = [5, 50]
    by_hand = [(sklearn_variance(x, [0, 1, 2], 3 + targets) - sklearn_variance(x, [0, 1, 2, 3 + i], 3 + targets)).mean()
               for i in at]  # fmt: skip
    np.testing.assert_allclose(some[at], by_hand, atol=1e-9)


def test_it_asks_in_the_middle_where_the_variance_and_k_center_ask_at_the_rim():
    x = np.concatenate([[[-4.0]], np.linspace(-1.5, 1.5, 31)[:, None]])
    pool = pool_of(x, np.zeros(32), 1)
    at = {
        repr(s): float(x[choose(s, pool, 1).indices[0], 0]) for s in (IVR(), Strategy(StandardDeviation()), KCenter())
    }
    assert abs(at["IVR()"]) < 0.3 and at["StandardDeviation()"] == at["KCenter()"] == 1.5
    batch = np.sort(x[choose(IVR(), pool, 2).indices, 0])
    highest = x[np.argsort(-IVR().score(pool))[:2] + 1, 0]
    assert batch[1] - batch[0] > 0.7 and np.ptp(highest) < 0.11  # the highest scores are neighbours


def test_parameters_and_needs():
    assert IVR().needs == ("model", "covariance") and IVR().task == "regression"
    assert repr(IVR()) == "IVR()" and repr(IVR(n_targets=None)) == "IVR(n_targets=None)"
    for bad in (0, -3, 1.5, True, "all"):
        with pytest.raises(InvalidParameter, match="n_targets"):
            IVR(n_targets=bad)
    with pytest.raises(WrongTask):
        al.strategies.as_strategy(IVR(), "classification")
    x = rng().normal(size=(9, 2))
    data = al.DataManager(x, x[:, 0], labelled=[0, 1], preprocess=None)
    unsure = Mean()
    unsure.fit(data.labelled)
    with pytest.raises(ModelLacks, match=r"IVR\(\) needs a model with covariances between points.*GPRegressor"):
        IVR().score(Pool(data.unlabelled, data.labelled, unsure))
    with pytest.raises(ModelError, match="no model is fitted"):
        IVR().score(Pool(data.unlabelled, data.labelled, None))


def test_the_seed_repeats_a_query_and_a_new_one_changes_targets():
    x = rng().normal(size=(103, 2))
    queries = [choose(IVR(n_targets=20), pool_of(x, x[:, 0], 3, seed=seed), 3) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(queries[0].pool.values, queries[1].pool.values)
    np.testing.assert_array_equal(queries[0].indices, queries[1].indices)
    assert not np.array_equal(queries[0].pool.values, queries[2].pool.values)


def test_a_learner_goes_on_with_it_under_restrictions():
    x = rng().normal(size=(60, 2))
    learner = al.ActiveLearner(
        al.DataManager(x, np.sin(x[:, 0]), labelled=[0, 1, 2, 3]),
        al.GPRegressor(),
        IVR().within(forbidden=list(range(10, 40)), max_candidates=15),
    )
    learner.run(rounds=2, n=3, progress=False)
    assert learner.n_labels == 10 and not set(learner.data.labelled.indices) & set(range(10, 40))
