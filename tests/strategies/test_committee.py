"""Query by committee: whom it asks, who its members are, and what these were fitted on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import aljupyter as al
from aljupyter.errors import (
    InvalidParameter,
    ModelError,
    ModelLacks,
    NoLabels,
    OneClassOnly,
    RedundantBatch,
    UnsupportedModel,
    WrongTask,
)
from aljupyter.informativeness import bald
from aljupyter.informativeness.committee import member_variance, vote_entropy
from aljupyter.models.gp.manager import GPManager
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from aljupyter.strategies import BALD, Entropy, Margin, Pool, as_strategy
from aljupyter.strategies.asking import choose
from aljupyter.strategies.committee import QueryByCommittee, bootstrap, fit_committee
from tests.managers import Mean, NearestMean

KINDS = ("vote_entropy", "consensus_entropy", "kl", "variation_ratio")


class Says(NearestMean):
    """An ensemble whose members say what they are told to."""

    def __init__(self, posterior):
        super().__init__()
        self._posterior, self.means = posterior, 0
        self.task = "classification" if isinstance(posterior, ClassPosterior) else "regression"

    def posterior(self, x):
        return self._posterior


def ensemble(*members):
    probs_S_N_C = torch.tensor(np.stack(members, 1), dtype=torch.float64)  # points first: easier to read
    return Says(ClassPosterior(probs_S_N_C.mean(0), probs_S_N_C, coupled=True))


def pool_of(x, y, labelled, model=None, seed=0, round=0, **more):
    data = al.DataManager(x, y, labelled=labelled, preprocess=None, **more)
    return Pool(data.unlabelled, data.labelled, model, seed, round)


def dummies(n, model, classes=3):
    return pool_of(np.arange(n + classes)[:, None] / 1.0, np.arange(n + classes) % classes, range(classes), model)


def two_groups(n=40, labelled=12, seed=0, task="classification", model=None, round=0):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    y = (x[:, 0] > 0).astype(int) if task == "classification" else np.sin(2 * x[:, 0]) + x[:, 1]
    pool = pool_of(x, y, range(labelled), model, seed, round, task=task)
    if model is not None:
        model.fit(pool.labelled)
    return pool


# --- whom it asks -----------------------------------------------------------------------------------------------------


def test_each_kind_asks_another_point():
    """Margin and entropy ask where all members are unsure alike; BALD asks where few votes differ, but much."""
    split = [[0.55, 0.45, 0.0]] * 3 + [[0.45, 0.55, 0.0]] * 3  # 3 votes to 3, by a hair
    unsure = [[0.34, 0.33, 0.33]] * 6
    sure = [[1.0, 0.0, 0.0]] * 5 + [[0.0, 1.0, 0.0]]
    third = [[0.5, 0.3, 0.2]] * 4 + [[0.3, 0.5, 0.2], [0.3, 0.2, 0.5]]  # 4 to 1 to 1
    pool = dummies(4, ensemble(split, unsure, sure, third))
    asked = {kind: int(choose(as_strategy(QueryByCommittee(kind)), pool, 1).indices[0]) - 3 for kind in KINDS}
    assert asked == {"vote_entropy": 3, "consensus_entropy": 1, "kl": 2, "variation_ratio": 0}
    assert choose(as_strategy(QueryByCommittee()), pool, 1).indices[0] - 3 == 3
    rivals = [int(choose(as_strategy(rival), pool, 1).indices[0]) - 3 for rival in (Entropy(), BALD())]
    assert rivals == [1, 2]
    assert Margin()(pool).argmax() != 3


def test_in_regression_it_is_the_variance_of_the_members():
    draws = torch.tensor([[0.0, 1.0, 5.0], [0.0, 3.0, 5.5]], dtype=torch.float64)
    model = Says(RegressionPosterior(draws.mean(0), torch.tensor([9.0, 0.1, 0.1]).double(), draws_S_N=draws))
    pool = pool_of(np.arange(5.0)[:, None], np.arange(5) / 7, [0, 1], model)
    for measure in (QueryByCommittee(), QueryByCommittee("variance")):
        assert measure(pool).tolist() == [0.0, 1.0, 0.0625]


# --- draws as members -------------------------------------------------------------------------------------------------


def test_the_draws_of_a_gp_have_its_variance():
    pool = two_groups(task="regression", model=GPManager(al.GPRegressor(optimizer=None, noise=0.1)))
    variances = QueryByCommittee(n_members=4000)(pool)
    np.testing.assert_allclose(variances, pool.posterior.variance_N, rtol=0.15)
    assert (QueryByCommittee(n_members=5)(pool) - pool.posterior.variance_N).abs().max() > 0.05


def test_the_draws_of_a_gp_classifier_are_coupled_and_tell_what_bald_tells():
    pool = two_groups(model=GPManager(al.GPClassifier(optimizer=None)))
    values = QueryByCommittee("kl", n_members=4000)(pool)
    np.testing.assert_allclose(values, bald(pool.posterior), atol=0.02)


def test_a_committee_is_drawn_once_a_round():
    def score(**where):
        pool = two_groups(task="regression", model=GPManager(al.GPRegressor(optimizer=None)), **where)
        return QueryByCommittee(n_members=3)(pool).numpy()

    np.testing.assert_array_equal(score(), score())
    assert not np.array_equal(score(), score(round=1)) and not np.array_equal(score(), score(seed=1))


def test_a_batch_knows_the_labels_believed_before():
    """The same point twice: one is picked, and then the other tells little."""
    x = np.array([[-2.0], [-1.9], [3.0], [3.0], [-3.5]])
    pool = pool_of(x, np.arange(5) / 7, [0, 1], GPManager(al.GPRegressor(optimizer=None, noise=0.01)))
    pool.model.fit(pool.labelled)
    query = choose(as_strategy(QueryByCommittee(n_members=300)), pool, 2)
    assert set(query.indices) in ({2, 4}, {3, 4})
    with pytest.warns(RedundantBatch):
        at_once = choose(al.strategies.Strategy(QueryByCommittee(n_members=300), al.strategies.TopK()), pool, 2)
    assert set(at_once.indices) == {2, 3}


def test_without_draws_that_are_functions_it_says_who_has_some():
    with pytest.raises(ModelLacks, match="one function at all points"):
        QueryByCommittee()(two_groups(model=NearestMean()))
    with pytest.raises(ModelLacks):
        QueryByCommittee()(two_groups(model=Mean(), task="regression"))
    point_by_point = ensemble([[0.9, 0.1]] * 2, [[0.4, 0.6]] * 2).posterior(None)
    with pytest.raises(ModelLacks):
        QueryByCommittee()(dummies(2, Says(replace(point_by_point, coupled=False)), classes=2))
    with pytest.raises(ModelError, match="no model is fitted yet"):
        QueryByCommittee()(two_groups())


# --- estimators as members --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 99))
@settings(deadline=None)
def test_a_bootstrap_sample_keeps_every_class(labels, seed):
    y_M = np.array(labels)
    rows = bootstrap(y_M, np.random.default_rng(seed), every_class=True)
    assert len(rows) == len(y_M) and set(y_M[rows]) == set(labels)
    assert set(rows) <= set(range(len(y_M)))


def test_a_bootstrap_sample_is_drawn_with_replacement_from_all():
    y_M = np.repeat([0, 1], [90, 10])
    samples = [bootstrap(y_M, np.random.default_rng(seed), every_class=True) for seed in range(300)]
    counts = np.bincount(np.concatenate(samples), minlength=100) / 300
    np.testing.assert_allclose(counts[:90].mean(), 98 / 100 + 1 / 90, atol=0.02)
    np.testing.assert_allclose(counts[90:].mean(), 98 / 100 + 1 / 10, atol=0.03)
    assert 60 < np.mean([len(set(sample)) for sample in samples]) < 66  # 63 % of the points, as ever
    plain = [bootstrap(np.arange(50) / 7, np.random.default_rng(seed), every_class=False) for seed in range(200)]
    assert 30 < np.mean([len(set(sample)) for sample in plain]) < 33


def test_members_are_clones_fitted_on_samples_of_their_own():
    pool = two_groups()
    tree = DecisionTreeClassifier(max_features=1)
    members = fit_committee([tree] * 5, pool.labelled, np.random.default_rng(0), "test")
    assert len({id(member) for member in members}) == 5 and not hasattr(tree, "classes_") and tree.random_state is None
    assert len({member.random_state for member in members}) == 5
    fixed = fit_committee([DecisionTreeClassifier(random_state=7)] * 2, pool.labelled, np.random.default_rng(0), "test")
    assert [member.random_state for member in fixed] == [7, 7]
    predictions = np.stack([member.predict(pool.unlabelled.x.numpy()) for member in members])
    assert (predictions != predictions[0]).any()
    lines = fit_committee(
        [LinearRegression()] * 2, two_groups(task="regression").labelled, np.random.default_rng(0), ""
    )
    assert not np.allclose(lines[0].coef_, lines[1].coef_)  # nothing but their samples differs


@pytest.mark.parametrize("committee", [DecisionTreeClassifier(), [LogisticRegression(), DecisionTreeClassifier()]])
def test_the_score_is_the_disagreement_of_the_members(committee):
    pool = two_groups()
    measure = QueryByCommittee(committee=committee, n_members=6)
    estimators = committee if isinstance(committee, list) else [committee] * 6
    members = fit_committee(estimators, pool.labelled, pool.generator("committee"), measure)
    says = np.stack([member.predict_proba(pool.unlabelled.x.numpy()) for member in members])
    torch.testing.assert_close(measure(pool), vote_entropy(says))
    assert not measure.needs_model and not as_strategy(measure).asks_model(pool)


def test_a_committee_of_regressors_needs_no_model_either():
    pool = two_groups(task="regression")
    measure = QueryByCommittee(committee=[DecisionTreeRegressor(), LinearRegression()])
    members = fit_committee(measure.committee, pool.labelled, pool.generator("committee"), measure)
    says = np.stack([member.predict(pool.unlabelled.x.numpy()) for member in members])
    torch.testing.assert_close(measure(pool), member_variance(says))


def test_a_member_without_probabilities_votes_and_a_class_without_labels_has_none():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    pool = pool_of(x, np.where(x[:, 0] > 0, 2, 0), range(10), classes=[0, 1, 2])
    members = [make_pipeline(StandardScaler(), LinearSVC()), DummyClassifier(strategy="uniform")]
    values = QueryByCommittee("kl", committee=members)(pool)
    # one is sure of either class, the other takes both for a coin: by hand
    expected = -0.75 * math.log(0.75) - 0.25 * math.log(0.25) - math.log(2) / 2
    np.testing.assert_allclose(values, expected)


def test_estimators_are_fitted_once_a_round_on_true_labels_alone(monkeypatch):
    fits = []
    fit = DecisionTreeClassifier.fit
    monkeypatch.setattr(DecisionTreeClassifier, "fit", lambda self, X, y: fits.append(len(y)) or fit(self, X, y))
    pool = two_groups(model=GPManager(al.GPClassifier(optimizer=None)))
    measure = QueryByCommittee(committee=DecisionTreeClassifier(), n_members=3)
    query = choose(as_strategy(measure), pool, 4)
    values = measure(pool).numpy()
    assert sorted(values[np.searchsorted(pool.unlabelled.indices, query.indices)]) == sorted(np.sort(values)[-4:])
    choose(as_strategy(measure + 0.1 * Margin()), pool, 3)  # Margin is given beliefs between
    assert fits == [12] * 3
    assert not measure.sees_batch and QueryByCommittee().sees_batch


def test_a_learner_begins_without_a_model():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 2))
    data = al.DataManager(x, (x[:, 0] > 0).astype(int), labelled=6, test=0.2, seed=0)
    learner = al.ActiveLearner(data, al.GPClassifier(optimizer=None), QueryByCommittee(committee=LogisticRegression()))
    assert len(learner.query(3)) == 3


def test_what_is_no_committee_is_refused():
    for wrong in ([LogisticRegression], [LogisticRegression(), "tree"], 5, [GPManager(al.GPClassifier())] * 2):
        with pytest.raises(UnsupportedModel, match="scikit-learn estimators"):
            QueryByCommittee(committee=wrong)
    for wrong in ({"disagreement": "votes"}, {"n_members": 1}, {"n_members": 2.5}, {"committee": []}):
        with pytest.raises(InvalidParameter):
            QueryByCommittee(**wrong)
    with pytest.raises(InvalidParameter, match="two members"):
        QueryByCommittee(committee=[LogisticRegression()])
    of_trees = QueryByCommittee(committee=DecisionTreeClassifier())
    with pytest.raises(NoLabels, match="no point is labelled"):
        of_trees(two_groups(labelled=0))
    with pytest.raises(OneClassOnly):
        of_trees(pool_of(np.arange(6.0)[:, None], [0, 0, 1, 1, 0, 1], [0, 1]))
    with pytest.raises(WrongTask, match="not for regression"):
        of_trees(two_groups(task="regression"))
    with pytest.raises(WrongTask, match="for regression"):
        as_strategy(QueryByCommittee("variance"), "classification")
    with pytest.raises(WrongTask, match="alone"):
        QueryByCommittee().values(two_groups(model=NearestMean()).posterior)


def test_definitions_and_limits():
    assert repr(QueryByCommittee()) == "QueryByCommittee()"
    shown = repr(QueryByCommittee("kl", [LogisticRegression(), LinearSVC()], n_members=4))
    assert shown == "QueryByCommittee(disagreement='kl', committee=[LogisticRegression(), LinearSVC()], n_members=4)"
    assert QueryByCommittee("kl").limits(4) == (0.0, math.log(4))
    assert QueryByCommittee("variation_ratio").limits(4) == (0.0, 0.75)
    assert QueryByCommittee().limits(None) == (0.0, None)
    assert [QueryByCommittee(kind).task for kind in (None, "kl", "variance")] == [None, "classification", "regression"]
