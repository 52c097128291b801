"""BatchBALD against every configuration of the labels of every batch."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.errors import ModelLacks, QuerySizeError
from aljupyter.strategies.batch_bald import BatchBALD, _Added, pick_by_joint_information
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.joint_labels import Labellings, thinned
from tests.managers import NearestMean

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def draws(seed, n_draws=8, n_points=6, n_classes=2):
    return rng(seed).dirichlet(np.full(n_classes, 0.5), (n_draws, n_points))


def information(probs, picks):
    """I(labels of the picks; draw), by its definition."""
    total, within = 0.0, 0.0
    for labels in product(range(probs.shape[2]), repeat=len(picks)):
        likelihood_S = np.prod([probs[:, i, c] for i, c in zip(picks, labels, strict=True)], axis=0)
        mean = likelihood_S.mean()
        total -= mean * np.log(mean) if mean > 0 else 0
        within -= (likelihood_S * np.log(np.maximum(likelihood_S, 1e-300))).mean()
    return total - within


@settings(max_examples=40)
@given(seeds, st.integers(2, 3), st.integers(1, 4))
def test_gains_add_up_to_the_information_of_the_batch_and_picks_are_greedy(seed, n_classes, n):
    probs = draws(seed, n_classes=n_classes)
    picks, gains = pick_by_joint_information(probs, n, rng())
    assert gains.sum() == pytest.approx(information(probs, picks), abs=1e-10)
    for i in range(n):
        rivals = [information(probs, [*picks[:i], k]) for k in range(6) if k not in picks[:i]]
        assert information(probs, picks[: i + 1]) == pytest.approx(max(rivals), abs=1e-10)


def test_no_point_is_overlooked_because_its_old_value_was_low():
    """More points than are looked at again at once: what they added before is a bound, and no more than that."""
    for seed in range(5):
        probs = draws(seed, n_draws=20, n_points=400)
        picks, gains = pick_by_joint_information(probs, 4, rng())
        labellings, within = Labellings.of_nothing(20), -(probs * np.log(np.maximum(probs, 1e-300))).sum(2)
        for i in range(4):
            every = labellings.mean_entropy(probs) - labellings.shares_M @ labellings.weights_M_S @ within
            every[picks[:i]] = -np.inf
            assert gains[i] == pytest.approx(every.max(), abs=1e-10)
            labellings = labellings.followed_by(probs[:, picks[i]], 100, rng())


@pytest.mark.parametrize("is_new", [True, False])
def test_behind_many_copies_a_point_is_judged_by_what_it_adds_now(is_new):
    """A label that is right in 9 of 10 cases tells 0.37 nats, a second one of the kind 0.15; one in 0.79 tells 0.18.

    Of something else that is the best now; of the same thing it is 0.07 by now, although it was 0.18 before.
    """
    kind = np.array([[0.9, 0.1], [0.1, 0.9]])
    mild = np.array([[0.79, 0.21], [0.21, 0.79]])
    last = mild[[0, 1, 0, 1]] if is_new else mild[[0, 0, 1, 1]]
    probs = np.stack([kind[[0, 0, 1, 1]]] * 150 + [last], axis=1)
    picks, gains = pick_by_joint_information(probs, 2, rng())
    assert (picks[1] == 150) == is_new
    assert gains == pytest.approx([0.368, 0.179 if is_new else 0.146], abs=1e-3)
    np.testing.assert_allclose(gains.sum(), information(probs, picks))


def test_what_a_point_adds_is_weighed_alike_on_both_sides():
    probs = draws(4, n_draws=10, n_points=12)
    entropy = -(probs * np.log(probs)).sum(2)
    few = Labellings.of_nothing(10)
    for i in range(6):
        few = few.followed_by(probs[:, i], 5, rng(i))
    mixed = np.einsum("ms,snc->mnc", few.weights_M_S, probs)
    expected = few.shares_M @ (-(mixed * np.log(mixed)).sum(2) - few.weights_M_S @ entropy)
    np.testing.assert_allclose(_Added(probs, entropy, few)(np.arange(12)), expected, atol=1e-12)
    assert (expected > 0).all()


def test_the_batch_is_almost_the_best_there_is():
    shares = []
    for seed in range(30):
        probs = draws(seed, n_points=8)
        best = max(information(probs, some) for some in combinations(range(8), 3))
        shares.append(information(probs, pick_by_joint_information(probs, 3, rng())[0]) / best)
    assert min(shares) > 0.9 and np.mean(shares) > 0.995


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_configurations_by_lot_lose_next_to_nothing(seed):
    probs = draws(seed, n_draws=20, n_points=40, n_classes=3)
    exact, gains = pick_by_joint_information(probs, 5, rng(), n_configurations=3**5)
    by_lot, _ = pick_by_joint_information(probs, 5, rng(seed), n_configurations=1000 - 1000 % 3**4 if seed % 2 else 60)
    assert information(probs, by_lot) >= 0.97 * gains.sum()
    assert gains.sum() == pytest.approx(information(probs, exact), abs=1e-10)


def test_among_many_points_screening_by_few_configurations_loses_next_to_nothing():
    probs = draws(0, n_draws=20, n_points=3000, n_classes=4)
    picks, gains = pick_by_joint_information(probs, 5, rng(), n_configurations=4**4)
    labellings, within = Labellings.of_nothing(20), -(probs * np.log(probs)).sum(2)
    for i in range(4):
        labellings = labellings.followed_by(probs[:, picks[i]], 4**4, rng())
        every = labellings.mean_entropy(probs) - labellings.shares_M @ labellings.weights_M_S @ within
        every[picks[: i + 1]] = -np.inf
        assert gains[i + 1] >= 0.995 * every.max()


def test_a_copy_of_the_best_point_is_avoided_where_bald_takes_it():
    split, mild = np.array([[0.99, 0.01], [0.01, 0.99]] * 4), np.array([[0.7, 0.3]] * 4 + [[0.3, 0.7]] * 4)
    probs = np.stack([split, split, mild], axis=1)
    assert set(pick_by_joint_information(probs, 2, rng())[0]) in ({0, 2}, {1, 2})
    alone = [information(probs, [i]) for i in range(3)]
    assert alone[0] == alone[1] > alone[2]


def test_the_belief_is_that_of_bayes():
    probs = draws(5, n_draws=4, n_points=3)
    labellings = Labellings.of_nothing(4)
    for i in range(2):
        labellings = labellings.followed_by(probs[:, i], 100, rng())
    assert len(labellings) == 4
    for b, (first, second) in enumerate(product(range(2), repeat=2)):
        likelihood = probs[:, 0, first] * probs[:, 1, second]
        assert labellings.shares_M[b] == pytest.approx(likelihood.mean())
        np.testing.assert_allclose(labellings.weights_M_S[b], likelihood / likelihood.sum())


@given(seeds, st.integers(1, 30), st.integers(1, 30))
def test_thinned_alternatives_keep_their_sum_and_the_large_ones(seed, n, most):
    shares = rng(seed).dirichlet(np.full(n, 0.2))
    kept, after = thinned(shares, most, rng(seed))
    assert len(kept) <= most and len(set(kept)) == len(kept)
    assert after.sum() == pytest.approx(1)
    if n > most:
        threshold = after.min()
        large = shares > threshold * (1 + 1e-9)
        assert set(np.flatnonzero(large)) <= set(kept)


def test_thinning_is_right_on_average():
    shares = rng(3).dirichlet(np.full(12, 0.5))
    total = np.zeros(12)
    for seed in range(4000):
        kept, after = thinned(shares, 5, rng(seed))
        total[kept] += after
    np.testing.assert_allclose(total / 4000, shares, atol=0.01)


def test_where_draws_agree_there_is_nothing_to_learn_and_the_batch_is_full_all_the_same():
    probs = np.repeat(rng().dirichlet([1, 1], (1, 10)), 5, axis=0)
    picks, gains = pick_by_joint_information(probs, 10, rng())
    assert len(set(picks)) == 10
    np.testing.assert_allclose(gains, 0, atol=1e-12)


def test_certain_labels_are_no_trouble():
    probs = np.zeros((4, 5, 2))
    probs[..., 0] = 1
    probs[2:, 1] = [0, 1]
    picks, gains = pick_by_joint_information(probs, 3, rng())
    assert picks[0] == 1 and gains[0] == pytest.approx(np.log(2))
    assert np.isfinite(gains).all()


@given(seeds)
def test_a_quota_is_kept(seed):
    group = np.arange(12) % 3
    picks, _ = pick_by_joint_information(
        draws(seed, n_points=12), 5, rng(), batch=Batch(12, group, np.array([1, 2, 12]))
    )
    counts = np.bincount(group[picks], minlength=3)
    assert len(set(picks)) == 5 and counts[0] <= 1 and counts[1] <= 2


@pytest.mark.parametrize("n", [0, 7])
def test_a_batch_that_the_pool_cannot_give_is_refused(n):
    with pytest.raises(QuerySizeError):
        pick_by_joint_information(draws(0), n, rng())


@pytest.mark.parametrize("n_classes", [2, 3])
def test_with_a_gp_it_asks_more_than_bald_does(n_classes):
    x = rng(1).uniform(-2, 2, (150, 2))
    y = (x[:, 0] > 0).astype(int) + (n_classes > 2) * (x[:, 1] > 1)
    data = al.DataManager(x, y, labelled=12, seed=0)
    learner = al.ActiveLearner(data, al.GPClassifier(), BatchBALD(n_draws=300))
    query = learner.query(6)
    np.testing.assert_array_equal(query.indices, learner.query(6).indices)
    probs = learner.model.posterior(data.unlabelled).sample(300, rng(9)).numpy()
    ours = np.searchsorted(data.unlabelled.indices, query.indices)
    top = np.argsort(-query.pool.values)[:6]
    if n_classes == 2:
        assert information(probs, ours) > information(probs, top) + 0.02
    assert query.why["gain"][0] == query.scores[0] == query.pool.values.max()
    assert (np.diff(query.why["gain"]) < 0.05).all()


def test_a_model_without_draws_is_named():
    data = al.DataManager(rng().normal(size=(20, 2)), np.arange(20) % 2, labelled=6)
    learner = al.ActiveLearner(data, NearestMean(), BatchBALD())
    with pytest.raises(ModelLacks, match="draws.*NearestMean.*GPClassifier"):
        learner.query(2)
