"""BADGE by factors, against k-means++ on the gradients written out."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

import aljupyter as al
from aljupyter.errors import ModelLacks, QuerySizeError
from aljupyter.strategies.badge import BADGE, OuterProducts, seed_by_gradients
from aljupyter.strategies.greedy import Batch
from tests.managers import NearestMean

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def factors(seed, n_points, n_classes=3, n_features=2):
    probs = rng(seed).dirichlet(np.ones(n_classes), n_points)
    return probs - np.eye(n_classes)[probs.argmax(1)], rng(seed + 1).normal(size=(n_points, n_features))


def written_out(residual, embed):
    return np.einsum("nc,ne->nce", residual, embed).reshape(len(residual), -1)


def naive(gradients, n, generator):
    """k-means++ as in its definition, from the largest gradient."""
    picks = [int((gradients**2).sum(1).argmax())]
    while len(picks) < n:
        squared = ((gradients[:, None] - gradients[picks]) ** 2).sum(-1).min(1)
        picks.append(int(generator.choice(len(gradients), p=squared / squared.sum())))
    return tuple(picks)


@given(seeds, st.integers(1, 20), st.integers(2, 5), st.integers(1, 6))
def test_distances_are_those_of_the_gradients(seed, n_points, n_classes, n_features):
    residual, embed = factors(seed, n_points, n_classes, n_features)
    gradients = written_out(residual, embed)
    expected = ((gradients[:, None] - gradients) ** 2).sum(-1)
    points = OuterProducts(residual, embed)
    np.testing.assert_allclose(points.squared(slice(None), np.arange(n_points)), expected, atol=1e-11)
    np.testing.assert_allclose(points.squares_N, (gradients**2).sum(1), atol=1e-12)
    assert (np.diag(points.squared(slice(None), np.arange(n_points))) == 0).all()


def test_batches_come_as_often_as_by_the_definition():
    residual, embed = factors(3, 6)
    gradients, generator = written_out(residual, embed), rng()
    ours = Counter(tuple(seed_by_gradients(residual, embed, 4, generator)[0]) for _ in range(6000))
    theirs = Counter(naive(gradients, 4, generator) for _ in range(6000))
    often = [picks for picks, count in (ours + theirs).items() if count >= 20]
    assert len(often) > 10
    table = [[counts[picks] for picks in often] for counts in (ours, theirs)]
    assert chi2_contingency(table).pvalue > 1e-3


@given(seeds, st.integers(2, 30), st.data())
def test_gains_are_distances_to_the_nearest_pick_before(seed, n_points, data):
    residual, embed = factors(seed, n_points)
    n = data.draw(st.integers(1, n_points))
    picks, gains = seed_by_gradients(residual, embed, n, rng(seed))
    assert len(set(picks)) == n
    gradients = written_out(residual, embed)
    np.testing.assert_allclose(gains[0], np.linalg.norm(gradients[picks[0]]))
    assert picks[0] == np.linalg.norm(gradients, axis=1).argmax()
    for i in range(1, n):
        nearest = np.linalg.norm(gradients[picks[:i]] - gradients[picks[i]], axis=1).min()
        assert gains[i] == pytest.approx(nearest, abs=1e-6)


def test_a_copy_of_a_pick_is_never_drawn_while_others_are_left():
    residual, embed = factors(0, 12)
    residual, embed = np.tile(residual, (3, 1)), np.tile(embed, (3, 1))
    for seed in range(20):
        picks, gains = seed_by_gradients(residual, embed, 12, rng(seed))
        assert len(set(picks % 12)) == 12 and (gains > 0).all()
    picks, gains = seed_by_gradients(residual, embed, 36, rng())
    assert len(set(picks)) == 36 and (gains[12:] == 0).all()


def test_many_rejected_draws_bring_all_distances_up_to_date():
    # One far clump of a thousand points: once one of them is picked, the bounds of all others in it are far too large.
    embed = np.concatenate([100 + rng().normal(scale=1e-3, size=(1000, 2)), rng(1).normal(size=(50, 2))])
    residual = np.full((1050, 1), 1.0)
    picks, _ = seed_by_gradients(residual, embed, 20, rng())
    assert (picks < 1000).sum() == 1


@given(seeds)
def test_a_quota_is_kept(seed):
    residual, embed = factors(seed, 30)
    group = np.arange(30) % 3
    batch = Batch(30, group, np.array([2, 1, 30]))
    picks, _ = seed_by_gradients(residual, embed, 10, rng(seed), batch=batch)
    assert len(set(picks)) == 10
    counts = np.bincount(group[picks], minlength=3)
    assert counts[0] <= 2 and counts[1] <= 1


@pytest.mark.parametrize("n", [0, 5])
def test_a_batch_that_the_pool_cannot_give_is_refused(n):
    with pytest.raises(QuerySizeError):
        seed_by_gradients(*factors(0, 4), n, rng())


def test_with_a_gp_gradients_are_doubt_times_inputs():
    x = rng().normal(size=(40, 3))
    data = al.DataManager(x, (x[:, 0] > 0).astype(int), labelled=10, preprocess=None, seed=1)
    learner = al.ActiveLearner(data, al.GPClassifier(optimizer=None), BADGE())
    query = learner.query(5)
    probs = learner.model.posterior(data.unlabelled).mean_N_C.numpy()
    expected = np.sqrt(2) * probs.min(1) * np.linalg.norm(x[data.unlabelled.indices], axis=1)
    np.testing.assert_allclose(query.pool.values, expected, rtol=1e-6)
    assert query.indices[0] == data.unlabelled.indices[expected.argmax()]
    residual, embed = learner.model.gradient_embed(data.unlabelled.x[:4])
    np.testing.assert_allclose(residual.sum(1), 0, atol=1e-12)
    np.testing.assert_array_equal(embed, x[data.unlabelled.indices[:4]])


def test_a_model_without_a_last_layer_is_named():
    data = al.DataManager(rng().normal(size=(20, 2)), np.arange(20) % 2, labelled=6)
    learner = al.ActiveLearner(data, NearestMean(), BADGE())
    with pytest.raises(ModelLacks, match="gradients of its last layer.*NearestMean.*GPClassifier"):
        learner.query(2)
