"""EPIG against its definition, written out."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelLacks, WrongShape
from aljupyter.strategies.epig import EPIG
from aljupyter.strategies.joint_labels import Forecast, Labellings
from aljupyter.strategies.predictive import (
    information_about_labels,
    information_about_values,
    pick_by_information_about_labels,
)
from tests.managers import Mean, NearestMean

seeds = st.integers(0, 2**32 - 1)


def rng(seed=0):
    return np.random.default_rng(seed)


def mutual(joint):
    """Mutual information of a table of probabilities."""
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    return (joint * np.log(np.maximum(joint, 1e-300) / np.maximum(apart, 1e-300))).sum()


def by_definition(probs, targets, weights=None):
    weights = np.full(len(probs), 1 / len(probs)) if weights is None else weights
    joint = np.einsum("s,snc,std->ntcd", weights, probs, targets)
    return np.array([np.mean([mutual(table) for table in row]) for row in joint])


@given(seeds, st.integers(2, 4), st.integers(1, 9), st.integers(1, 5))
def test_information_is_that_of_the_joint_table(seed, n_classes, n_points, n_targets):
    probs = rng(seed).dirichlet(np.full(n_classes, 0.4), (7, n_points))
    targets = rng(seed + 1).dirichlet(np.full(n_classes, 0.4), (7, n_targets))
    np.testing.assert_allclose(information_about_labels(probs, targets), by_definition(probs, targets), atol=1e-12)


@given(seeds)
def test_given_labels_it_is_the_mean_over_them(seed):
    probs = rng(seed).dirichlet([0.5, 0.5], (6, 5))
    targets = rng(seed + 1).dirichlet([0.5, 0.5], (6, 3))
    labellings = Labellings.of_nothing(6).followed_by(probs[:, 0], 100, rng())
    expected = 0
    for label in range(2):
        likelihood = probs[:, 0, label]
        expected = expected + likelihood.mean() * by_definition(probs, targets, likelihood / likelihood.sum())
    np.testing.assert_allclose(Forecast(labellings, targets, 1000, rng()).information(probs), expected, atol=1e-12)


def test_a_point_that_shares_no_draw_with_the_targets_says_nothing():
    probs = np.array([[[1, 0], [1, 0]], [[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, 1], [0, 1]]], dtype=float)
    about_first = information_about_labels(probs, probs[:, :1])
    np.testing.assert_allclose(about_first, [np.log(2), 0], atol=1e-12)  # BALD gives both log 2


def gp_task():
    x = rng(2).uniform(-3, 3, (60, 2))
    y = np.sin(x).sum(axis=1)
    data = al.DataManager(x, y, labelled=list(range(8)), preprocess=None)
    kernel = "rbf"
    return al.ActiveLearner(data, al.GPRegressor(kernel=kernel, optimizer=None, noise=0.01), EPIG(n_targets=20))


def test_in_regression_each_pick_is_the_best_after_a_refit():
    learner = gp_task()
    query = learner.query(4)
    pool = al.strategies.Pool(learner.data.unlabelled, learner.data.labelled, learner.model, learner.seed, 0)
    targets = np.sort(pool.generator("targets").permutation(len(pool))[:20])
    posterior = learner.model.posterior(learner.data.unlabelled)
    everyone = torch.arange(len(pool))
    cov = posterior.joint.cov(everyone, everyone).numpy()
    noise = posterior.noise_N.numpy()[0]
    # an independent way: condition the whole matrix by Schur's complement at each step
    for i, index in enumerate(query.indices):
        taken = np.searchsorted(learner.data.unlabelled.indices, query.indices[:i])
        inverse = np.linalg.inv(cov[np.ix_(taken, taken)] + noise * np.eye(i))
        left = cov - cov[:, taken] @ inverse @ cov[taken]
        observed = np.diag(left) + noise
        share = left[:, targets] ** 2 / np.outer(observed, observed[targets])
        values = -0.5 * np.log1p(-share).mean(axis=1)
        values[taken] = -np.inf
        assert query.indices[i] == learner.data.unlabelled.indices[values.argmax()] == index
        assert query.why["gain"][i] == pytest.approx(values.max(), rel=1e-6)


def test_information_about_values_is_that_of_normal_variables():
    a = rng().normal(size=(30, 12))
    cov = a @ a.T / 12
    share = cov[:, 20:] ** 2 / np.outer(np.diag(cov) + 0.1, np.diag(cov)[20:] + 0.1)
    tenth = np.full(30, 0.1)
    found = information_about_values(lambda rows: cov[rows, 20:], np.diag(cov), tenth, np.diag(cov)[20:], tenth[:10])
    np.testing.assert_allclose(found, -0.5 * np.log1p(-share).mean(1))


@given(seeds)
def test_a_batch_of_classes_is_greedy_in_the_information_of_all_its_labels(seed):
    probs, targets = (rng(seed + k).dirichlet([0.5, 0.5], (6, 5 - 2 * k)) for k in range(2))
    picks, gains = pick_by_information_about_labels(probs, targets, 2, rng())
    assert picks[0] == by_definition(probs, targets).argmax()
    second = np.zeros(5)
    for label in range(2):
        likelihood = probs[:, picks[0], label]
        second += likelihood.mean() * by_definition(probs, targets, likelihood / likelihood.sum())
    assert gains[1] == pytest.approx(second[picks[1]], abs=1e-10)


@given(seeds)
def test_of_three_labels_each_is_conditioned_on_all_before_it(seed):
    probs, targets = (rng(seed + k).dirichlet([0.5, 0.5], (6, 5 - 2 * k)) for k in range(2))
    picks, gains = pick_by_information_about_labels(probs, targets, 3, rng())
    third = np.zeros(5)
    for first, second in product(range(2), repeat=2):
        likelihood = probs[:, picks[0], first] * probs[:, picks[1], second]
        third += likelihood.mean() * by_definition(probs, targets, likelihood / likelihood.sum())
    third[picks[:2]] = -np.inf
    assert gains[2] == pytest.approx(third.max(), abs=1e-10) == pytest.approx(third[picks[2]], abs=1e-10)


def test_targets_of_ones_own_draw_the_query_to_them():
    learner = gp_task()
    for corner in ([2.9, 2.9], [-2.9, -2.9]):
        learner.strategy = EPIG(targets=[corner])
        index = learner.query().indices[0]
        others = np.linalg.norm(learner.data.unlabelled.x.numpy() - corner, axis=1)
        assert np.linalg.norm(learner.data.subset([index]).x.numpy()[0] - corner) <= np.sort(others)[4]


def test_targets_are_of_the_whole_pool_where_candidates_are_few():
    learner = gp_task()
    few = learner.data.unlabelled.indices[::7]
    whole = learner.query().pool
    learner.strategy = EPIG(n_targets=20).within(candidates=few)
    part = learner.query().pool
    at = np.searchsorted(whole.indices, few)
    np.testing.assert_allclose(part.values[at], whole.values[at], rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_with_a_gp_classifier(n_classes):
    x = rng(1).uniform(-2, 2, (80, 2))
    y = (x[:, 0] > 0).astype(int) + (n_classes > 2) * (x[:, 1] > 0)
    learner = al.ActiveLearner(al.DataManager(x, y, labelled=20, seed=3), al.GPClassifier(optimizer=None), EPIG())
    query = learner.query(4)
    assert len(set(query.indices)) == 4
    np.testing.assert_array_equal(query.indices, learner.query(4).indices)
    assert (query.pool.values >= 0).all() and query.scores[0] == query.pool.values.max()


@pytest.mark.parametrize(
    "parameters",
    [{"n_targets": 0}, {"n_draws": 1}, {"targets": [1.0, 2.0]}, {"targets": [[np.nan]]}],
)
def test_parameters_are_checked_when_they_are_given(parameters):
    with pytest.raises(InvalidParameter, match=next(iter(parameters))):
        EPIG(**parameters)


def test_targets_of_another_shape_are_refused():
    learner = gp_task()
    learner.strategy = EPIG(targets=[[1.0, 2.0, 3.0]])
    with pytest.raises(WrongShape, match="Targets have features of shape"):
        learner.query()


def test_models_that_lack_what_it_needs_are_named():
    x = rng().normal(size=(20, 2))
    with pytest.raises(ModelLacks, match="one function at all points.*NearestMean"):
        al.ActiveLearner(al.DataManager(x, np.arange(20) % 2, labelled=6), NearestMean(), EPIG()).query(2)
    with pytest.raises(ModelLacks, match="covariances between points.*GPRegressor"):
        al.ActiveLearner(al.DataManager(x, x[:, 0], labelled=6), Mean(), EPIG()).query(2)
