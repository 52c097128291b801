"""Measures as objects: what they take from a pool, how they read, and how they are made comparable."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm, rankdata
from sklearn.cluster import DBSCAN

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import InvalidParameter, InvalidScores, ModelError, NoDraws, NoLabels, WrongTask
from aljupyter.informativeness import expected_improvement, relative_distance
from aljupyter.models.gp.manager import GPManager
from aljupyter.posterior import RegressionPosterior
from aljupyter.strategies.asking import choose
from aljupyter.strategies.selection import top_k
from tests.managers import Mean, NearestMean
from tests.posteriors import drawn, probs


def make_pool(model=None, n=40, labelled=6, seed=0, task="regression", **more):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    y = np.sin(2 * x[:, 0]) + x[:, 1] if task == "regression" else (x[:, 0] > 0).astype(int)
    data = al.DataManager(x, y, labelled=list(range(labelled)), preprocess=None, task=task)
    if model is not None:
        model.fit(data.labelled)
    return s.Pool(data.unlabelled, data.labelled, model, seed=seed, **more)


class Given(s.Measure):
    """Values that were made up."""

    needs = ()

    def __init__(self, numbers):
        self.numbers = numbers

    def __call__(self, pool):
        return torch.tensor(self.numbers, dtype=torch.float64)

    values = __call__


numbers = st.sampled_from([-math.inf, -3.0, 0.0, -0.0, 5e-324, 1.0, 1.0 + 1e-15, 7.5, 1e308, -1e308, math.inf])


# --- what they take from a pool ---------------------------------------------------------------------------------------


def test_bald_is_for_both_tasks():
    posterior = drawn([[0.5, 0.5], [0.9, 0.1]], [[0.5, 0.5], [0.6, 0.4]])
    assert s.BALD().values(posterior).argmax() == 1
    assert s.BALD().values(RegressionPosterior(torch.zeros(2), torch.tensor([1.0, 2.0]))).argmax() == 1
    contradiction = s.BALD().values(drawn([[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]))
    assert contradiction.item() == pytest.approx(s.BALD().limits(3)[1])
    assert s.BALD().limits(None) == (0.0, None)


def test_bald_ranks_a_gps_pool_as_its_variance_does():
    pool = make_pool(GPManager(al.GPRegressor()))
    np.testing.assert_array_equal(s.get("bald").score(pool).argsort(), s.get("variance").score(pool).argsort())


def test_a_model_without_draws_has_no_bald():
    with pytest.raises(NoDraws, match="ensembles"):
        s.get("bald").score(make_pool(NearestMean(), task="classification"))


def test_a_certain_point_is_not_asked_first():
    """PyRelationAL 1.0.2: the entropy at p = 0 is NaN there, and NaN sorts first."""
    scores = s.Entropy().values(probs([1.0, 0.0], [0.5, 0.5], [0.9, 0.1])).numpy()
    assert top_k(scores, 3, np.random.default_rng(0)).tolist() == [1, 2, 0]


@pytest.mark.parametrize("goal", ["max", "min"])
@pytest.mark.parametrize("xi", [0.0, 0.1])
def test_expected_improvement_is_over_the_best_label(goal, xi):
    pool = make_pool(GPManager(al.GPRegressor()))
    best = pool.labelled.y.max() if goal == "max" else pool.labelled.y.min()
    mean, std = pool.posterior.mean_N.numpy(), pool.posterior.std_N.numpy()
    gain = (mean - best.item() if goal == "max" else best.item() - mean) - xi
    expected = gain * norm.cdf(gain / std) + std * norm.pdf(gain / std)
    found = s.get("expected_improvement", goal=goal, xi=xi).score(pool)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)


def test_expected_improvement_takes_an_incumbent_and_a_logarithm():
    pool = make_pool(Mean())
    measure = s.ExpectedImprovement(incumbent=5.0, log=True)
    torch.testing.assert_close(measure(pool), expected_improvement(pool.posterior, 5.0, log=True))
    torch.testing.assert_close(measure(pool), measure.values(pool.posterior))
    assert measure.limits(None) == (None, None)


def test_expected_improvement_says_what_it_lacks():
    with pytest.raises(NoLabels, match="no point is labelled"):
        s.get("ei").score(make_pool(labelled=0))
    with pytest.raises(InvalidParameter, match="incumbent="):
        s.ExpectedImprovement().values(RegressionPosterior(torch.zeros(2), torch.ones(2)))
    for wrong in ({"goal": "up"}, {"xi": -1}, {"incumbent": math.nan}):
        with pytest.raises(InvalidParameter):
            s.ExpectedImprovement(**wrong)
    with pytest.raises(WrongTask, match="for regression"):
        s.as_strategy(s.ExpectedImprovement(), "classification")


def test_thompson_draws_a_function_a_round():
    model = GPManager(al.GPRegressor())
    first, again = (s.get("thompson").score(make_pool(model)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, s.get("thompson").score(make_pool(model, round=1)))
    assert not np.array_equal(first, s.get("thompson").score(make_pool(model, seed=1)))
    with pytest.raises(WrongTask, match="each round"):
        s.Thompson().values(make_pool(model).posterior)


def test_thompsons_draws_are_the_gps():
    """Mean and covariance over many rounds are those of the posterior."""
    model = GPManager(al.GPRegressor(optimizer=None, noise=0.1))
    pool = make_pool(model, n=12)
    draws = np.stack([s.Thompson()(s.Pool(pool.unlabelled, pool.labelled, model, round=r)) for r in range(1000)])
    cov = pool.posterior.joint.cov(slice(None), slice(None)).numpy()
    spread = np.sqrt(np.outer(cov.diagonal(), cov.diagonal()))
    np.testing.assert_allclose(
        abs(draws.mean(0) - pool.posterior.mean_N.numpy()) / np.sqrt(cov.diagonal()), 0, atol=0.1
    )
    np.testing.assert_allclose((np.cov(draws.T) - cov) / spread, 0, atol=0.2)


def test_relative_distance_is_to_the_labelled_points():
    pool = make_pool()
    expected = relative_distance(pool.unlabelled.x, pool.labelled.x, "cityblock")
    np.testing.assert_array_equal(s.get("relative_distance", metric="cityblock").score(pool), expected)
    assert s.get("relative_distance").score(make_pool(labelled=0)).tolist() == [0.0] * 40
    with pytest.raises(WrongTask, match="says nothing about a posterior"):
        s.RelativeDistance().values(probs([0.5, 0.5]))


def test_relative_distance_may_be_in_the_models_embedding():
    class Projects(Mean):
        def embed(self, x):
            return x[:, :1]

    pool = make_pool(Projects())
    expected = relative_distance(pool.unlabelled.x[:, :1], pool.labelled.x[:, :1])
    measure = s.RelativeDistance(embedding="model")
    assert measure.needs_model and not s.RelativeDistance().needs_model
    torch.testing.assert_close(measure(pool), expected)
    with pytest.raises(ModelError, match="no model is fitted"):
        measure(make_pool())
    with pytest.raises(InvalidParameter, match='"inputs" or "model"'):
        s.RelativeDistance(embedding="pixels")


def test_a_pool_larger_than_memory_is_streamed(monkeypatch):
    pool = make_pool()
    expected = s.RelativeDistance()(pool)
    monkeypatch.setattr("aljupyter.strategies.measures._PIECE", 7)
    monkeypatch.setattr(type(pool.unlabelled), "_fits", property(lambda view: len(view) < 10))
    streamed = make_pool()
    torch.testing.assert_close(s.RelativeDistance()(streamed), expected)


def test_representative_points_are_one_of_each_cluster():
    """Three groups; asked for 3, 2 and 1 of them."""
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [10, 20, 30])
    x = np.array([[0.0], [50.0], [90.0]])[groups] + rng.normal(size=(60, 1))
    data = al.DataManager(x, groups, labelled=[], preprocess=None, task="classification")
    pool = s.Pool(data.unlabelled, data.labelled, None)
    strategy = s.get("representative")
    assert not strategy.needs_model
    chosen = choose(strategy, pool, 3).indices
    assert groups[chosen].tolist() == [2, 1, 0]
    (nearest,) = choose(strategy, pool, 1).indices
    assert nearest == abs(x - x.mean()).argmin()
    np.testing.assert_array_equal(chosen, choose(strategy, pool, 3).indices)


def test_representative_gives_as_many_as_asked_whatever_the_clusterer():
    """PyRelationAL 1.0.2 with DBSCAN gave 2 of 5."""
    pool = make_pool(labelled=0)
    strategy = s.Representative(DBSCAN(eps=0.3, min_samples=3))
    for n in (1, 5, 40):
        assert len(set(choose(strategy, pool, n).indices.tolist())) == n
    with pytest.raises(WrongTask, match="says nothing about a posterior"):
        s.Representativeness().values(probs([0.5, 0.5]))


@pytest.mark.parametrize("name", ["bald", "expected_improvement", "thompson", "relative_distance", "representative"])
def test_a_learner_steps_by_them(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    learners = [
        al.ActiveLearner(al.DataManager(x, x[:, 0], test=0.25, labelled=5, seed=0), strategy=s.get(name), seed=0)
        for _ in range(2)
    ]
    for learner in learners:
        learner.step(n=3)
        learner.step(n=2)
    asked = [[row.indices.tolist() for row in learner.history] for learner in learners]
    assert asked[0] == asked[1] and [len(set(indices)) for indices in asked[0]] == [3, 2]


@pytest.mark.parametrize("measure", [s.RelativeDistance(), s.Representativeness(3)])
def test_an_empty_pool_has_no_scores(measure):
    assert measure(make_pool(n=6)).shape == (0,)


# --- how they read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "reads"),
    [
        (s.BALD(), "BALD()"),
        (s.ClassProbability(2), "ClassProbability(2)"),
        (s.ExpectedImprovement(), "ExpectedImprovement()"),
        (s.ExpectedImprovement("min", xi=0.5), "ExpectedImprovement(goal='min', xi=0.5)"),
        (s.RelativeDistance(embedding="model"), "RelativeDistance(embedding='model')"),
        (s.RelativeDistance(metric=math.dist), "RelativeDistance(metric=dist)"),
        (s.Representativeness(4), "Representativeness(n_clusters=4)"),
        (s.Representative(DBSCAN(eps=2)), "Representative(clusterer=DBSCAN(eps=2))"),
        (-1 * s.Thompson(), "-1 * Thompson()"),
        (0.7 * s.Entropy().ranked() + s.Random().scaled(), "0.7 * Entropy().ranked() + Random().scaled()"),
        ((s.Entropy() + s.Margin()).ranked() * 2, "(Entropy() + Margin()).ranked() * 2"),
    ],
)
def test_a_definition_reads_like_one(measure, reads):
    assert repr(measure) == reads


# --- how they are made comparable -------------------------------------------------------------------------------------


@given(hnp.arrays(float, st.integers(2, 20), elements=numbers))
def test_ranks_are_scipys_from_zero_to_one(values):
    found = Given(values.tolist()).ranked()(None)
    if (values == values[0]).all():
        assert found.tolist() == [0.0] * len(values)
    else:
        np.testing.assert_allclose(found, (rankdata(values) - 1) / (len(values) - 1), rtol=1e-15)


@given(hnp.arrays(float, st.integers(0, 20), elements=numbers.filter(math.isfinite)))
def test_scaled_values_reach_from_zero_to_one_in_the_same_order(values):
    found = Given(values.tolist()).scaled()(None).numpy()
    assert not np.isnan(found).any()
    if len(values) and values.min() < values.max():
        assert found.min() == 0 and found.max() == 1
        assert (np.diff(found[values.argsort(kind="stable")]) >= 0).all()
    else:
        assert not found.any()


def test_scaling_is_what_it_says():
    np.testing.assert_allclose(Given([2.0, 4.0, 3.0, 2.5]).scaled()(None), [0.0, 1.0, 0.5, 0.25])
    assert Given([1.0, 5.0, 1.0, 9.0]).ranked()(None).tolist() == pytest.approx([1 / 6, 2 / 3, 1 / 6, 1.0])


def test_one_point_and_none_are_zeros():
    for numbers in ([], [3.0], [2.0, 2.0, 2.0]):
        for measure in (Given(numbers).ranked(), Given(numbers).scaled()):
            assert measure(None).tolist() == [0.0] * len(numbers)


def test_what_cannot_be_scaled_is_refused():
    for broken in (Given([math.nan, 1.0]).ranked(), Given([math.nan, 1.0]).scaled()):
        with pytest.raises(InvalidScores, match="NaN for 1 of 2"):
            broken(None)
    with pytest.raises(InvalidScores, match="ranked"):
        Given([math.inf, 1.0]).scaled()(None)
    assert Given([math.inf, 1.0, -math.inf]).ranked()(None).tolist() == [1.0, 0.5, 0.0]


def test_measures_of_different_units_may_be_mixed():
    pool = make_pool(NearestMean(), task="classification")
    strategy = s.Strategy(0.7 * s.Entropy().ranked() + 0.3 * s.RelativeDistance().ranked())
    assert strategy.task == "classification" and strategy.needs_model
    entropies, distances = s.Entropy()(pool).numpy(), s.RelativeDistance()(pool).numpy()
    expected = (0.7 * (rankdata(entropies) - 1) + 0.3 * (rankdata(distances) - 1)) / (len(pool) - 1)
    np.testing.assert_allclose(strategy.score(pool), expected)
    assert not s.RelativeDistance().ranked().needs_model
    assert s.Entropy().scaled().limits(2) == (0.0, 1.0)
