"""The default strategy: what it does when, that it explores as often as it says, and that a learner can use it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import aljupyter as al
from aljupyter import errors
from aljupyter import strategies as s
from aljupyter.models.gp import GPManager
from aljupyter.strategies.auto import Auto, Exploring
from aljupyter.strategies.integrated import IVR
from tests.managers import Mean, NearestMean

EXPLORED = 0.1


def classes_data(counts, n=150, n_features=2, **options):
    """Points at random, of which so many of each class are labelled."""
    rng = np.random.default_rng(len(counts))
    y = np.arange(n) % len(counts)
    x = rng.normal(size=(n, n_features)) + 1.5 * np.eye(len(counts), n_features)[y]
    labelled = np.concatenate([np.flatnonzero(y == c)[:count] for c, count in enumerate(counts)])
    return al.DataManager(x, y, labelled=labelled.astype(int), classes=range(len(counts)), **options)


def values_data(n_labelled, n=60, sign=1, **options):
    rng = np.random.default_rng(3)
    x = rng.uniform(-2, 2, (n, 2))
    y = sign * (np.sin(2 * x[:, 0]) + x[:, 1])
    return al.DataManager(x, y, labelled=np.arange(n_labelled), task="regression", **options)


def classifier(data):
    """A GP with the parameters it starts from: nothing to search for, and yet every capability."""
    manager = GPManager(al.GPClassifier(optimizer=None))
    manager.fit(data.labelled)
    return manager


def regressor(data):
    manager = GPManager(al.GPRegressor(optimizer=None))
    manager.fit(data.labelled)
    return manager


def pool_of(data, model=None, seed=0):
    return s.Pool(data.unlabelled, data.labelled, model, seed, raw=data.raw)


def doing(data, model=None, goal=None):
    return Auto(goal).doing(pool_of(data, model))


# --- what it does when ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "phase"),
    [
        ((0, 0), "TypiClust"),
        ((1, 0), "TypiClust"),
        ((5, 4), "TypiClust"),
        ((5, 5), "margin"),
        ((9, 1), "margin"),
        ((70, 0), "TypiClust"),  # a classifier cannot be fitted to one class, however many labels there are
        ((5, 5, 4), "TypiClust"),
        ((5, 5, 5), "margin"),
        ((10, 5, 0), "TypiClust"),  # a class is missing
        ((15, 14, 0), "TypiClust"),
        ((15, 15, 0), "margin"),  # it may not exist
        ((5, 5, 5, 5, 5, 2, 2), "TypiClust"),
        ((5, 5, 5, 5, 5, 3, 2), "margin"),  # 30 at most
    ],
)
def test_classification_starts_with_what_is_typical_and_goes_on_with_what_is_undecided(counts, phase):
    data = classes_data(counts)
    assert doing(data).startswith(f"Auto(): {phase}")
    assert Auto().asks_model(pool_of(data)) == (phase == "margin")


@pytest.mark.parametrize("goal", [None, "max", "min"])
@pytest.mark.parametrize("n_labelled", [0, 1, 4])
def test_regression_starts_with_five_random_points(n_labelled, goal):
    data = values_data(n_labelled, n=25)
    assert "5 random points" in doing(data, goal=goal)
    assert not Auto(goal).asks_model(pool_of(data))
    asked = {Auto(goal).query(None, data, 1, seed).indices[0] for seed in range(150)}
    assert asked == set(data.unlabelled.indices)


def test_regression_goes_on_with_the_variance_of_all():
    data = values_data(5)
    model = regressor(data)
    assert doing(data, model) == "Auto(): IVR"
    assert Auto().asks_model(pool_of(data))
    for n in (1, 4):
        query, same = (strategy.query(model, data, n, 7) for strategy in (Auto(), IVR()))
        np.testing.assert_array_equal(query.indices, same.indices)
        np.testing.assert_array_equal(query.scores, same.scores)
        np.testing.assert_array_equal(query.why["gain"], same.why["gain"])
    assert query.indices[0] != s.Strategy(s.Variance()).query(model, data).indices[0]  # which asks at the rim


@pytest.mark.parametrize("goal", ["max", "min"])
def test_with_a_goal_it_asks_where_the_best_may_lie(goal):
    data = values_data(8)
    model = regressor(data)
    posterior, sign = model.posterior(data.unlabelled), 1 if goal == "max" else -1
    bound = sign * posterior.mean_N + posterior.std_N
    query = Auto(goal).query(model, data)
    np.testing.assert_allclose(query.pool.values, bound)
    assert query.indices[0] == data.unlabelled.indices[int(bound.argmax())]
    assert "standard deviation" in query.strategy and repr(goal) in query.strategy


def test_the_least_is_the_greatest_of_the_opposite():
    up, down = values_data(8), values_data(8, sign=-1)
    for n in (1, 6):
        most = Auto("max").query(regressor(up), up, n, 1)
        least = Auto("min").query(regressor(down), down, n, 1)
        np.testing.assert_array_equal(most.indices, least.indices)
        np.testing.assert_allclose(most.scores, least.scores)
    assert Auto("min").query(regressor(up), up, 1, 1).indices[0] not in most.indices


def test_the_phase_is_that_of_the_labels_and_of_nothing_else():
    data = classes_data((5, 4))
    learner = al.ActiveLearner(data, NearestMean(), Auto())
    first = learner.step()
    assert "TypiClust" in first.strategy and "margin" in learner.step().strategy
    learner.undo(), learner.undo()
    again = learner.step()
    assert again.strategy == first.strategy
    np.testing.assert_array_equal(again.indices, first.indices)


# --- exploration ----------------------------------------------------------------------------------------------------


def test_one_query_in_ten_is_random_and_the_seed_says_which():
    data = classes_data((10, 10))
    model = classifier(data)
    queries = [Auto().query(model, data, 1, seed) for seed in range(200)]
    explored = np.array([query.why["explored"][0] for query in queries])
    assert abs(explored.mean() - EXPLORED) < 4 * np.sqrt(EXPLORED * (1 - EXPLORED) / len(explored))
    best = s.Strategy(s.Margin()).query(model, data).indices[0]
    asked = np.array([query.indices[0] for query in queries])
    assert (asked[~explored] == best).all()
    assert len(set(asked[explored])) > explored.sum() / 2
    again = [Auto().query(model, data, 1, seed).indices[0] for seed in range(40)]
    np.testing.assert_array_equal(asked[:40], again)


def test_one_place_in_ten_of_a_batch_is_random():
    data = classes_data((10, 10), n=40)
    model = classifier(data)
    explored = np.concatenate([Auto().query(model, data, 5, seed).why["explored"] for seed in range(60)])
    assert abs(explored.mean() - EXPLORED) < 4 * np.sqrt(EXPLORED * (1 - EXPLORED) / len(explored))
    assert explored.reshape(-1, 5).any(axis=0).all()  # the first and the last, too


@pytest.mark.parametrize("n", [1, 5])
def test_who_explores_may_meet_anyone(n):
    """Every point that is open is as likely, whatever its score."""
    data = classes_data((10, 10), n=40)
    pool = pool_of(data, classifier(data))
    counts = np.zeros(len(pool))
    for seed in range(150):
        again = pool_of(data, pool.model, seed)
        again.__dict__["posterior"] = pool.posterior
        counts[Exploring(1.0)(again, n, np.arange(20.0), lambda part: np.arange(20.0)).positions] += 1
    expected = 150 * n / 20
    assert ((counts - expected) ** 2 / expected).sum() < 19 + 5 * np.sqrt(2 * 19)  # chi-squared, 19 degrees of freedom


def test_without_exploration_it_is_the_believer():
    data = classes_data((10, 10))
    pool = pool_of(data, classifier(data))
    strategy = s.Strategy(s.Margin())
    scores = strategy.score(pool)
    chosen = Exploring(0.0)(pool, 6, scores, strategy.score)
    same = strategy.select(pool, 6, scores)
    np.testing.assert_array_equal(chosen.positions, same.positions)
    np.testing.assert_array_equal(chosen.why["gain"], same.why["gain"])
    assert not chosen.why["explored"].any()


def test_a_random_point_counts_for_those_that_come_after_it():
    """Each place is scored with the labels of all before it believed, random ones among them."""
    data = classes_data((10, 10))
    pool, seen = pool_of(data, classifier(data)), []

    def rescore(part):
        seen.append(part.labelled.indices[20:].tolist())
        return s.Strategy(s.Margin()).score(part)

    chosen = Exploring(0.5)(pool, 8, s.Strategy(s.Margin()).score(pool), rescore)
    explored = chosen.why["explored"]
    assert 0 < explored.sum() < 8
    asked = data.unlabelled.indices[chosen.positions].tolist()
    assert seen == [asked[:i] for i in range(1, 8) if not explored[i]]


def test_the_seed_says_which_places_of_a_batch_are_random():
    data = classes_data((10, 10), n=40)
    model = classifier(data)
    first = [Auto().query(model, data, 5, seed) for seed in range(8)]
    again = [Auto().query(model, data, 5, seed) for seed in range(8)]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.indices, two.indices)
        np.testing.assert_array_equal(one.why["explored"], two.why["explored"])
    assert any(one.why["explored"].any() for one in first)


@pytest.mark.parametrize("n", [1, 3])
def test_a_point_that_is_no_candidate_is_not_explored_and_a_gain_is_a_score(n):
    data = classes_data((10, 10), n=40)
    pool, scores = pool_of(data, classifier(data)), np.arange(20.0)
    scores[4:] = -np.inf
    for seed in range(12):
        pool.seed = seed
        chosen = Exploring(1.0)(pool, n, scores, lambda part: scores)
        assert set(chosen.positions) <= set(range(4))
        np.testing.assert_array_equal(chosen.why["gain"], scores[chosen.positions])


def test_a_batch_does_not_ask_the_same_question_twice():
    """Where many points are alike and undecided, the highest scores are all of them."""
    x = np.r_[
        np.linspace(-2.2, -1.8, 10), np.linspace(1.8, 2.2, 10), np.full(8, 0.0), np.full(3, 0.6), np.full(3, -0.6)
    ]
    y = (x > 0).astype(int)
    y[20:28] = [0, 1] * 4
    data = al.DataManager(x[:, None], y, labelled=np.arange(20), preprocess=None)
    model = classifier(data)
    top = s.Strategy(s.Margin(), s.TopK()).query(model, data, 2)
    assert set(top.indices) <= set(range(20, 28))
    unexplored = 0
    for seed in range(20):
        query = Auto().query(model, data, 2, seed)
        if not query.why["explored"].any():
            unexplored += 1
            assert query.indices[0] in range(20, 28)
            assert query.indices[1] not in range(20, 28)
    assert unexplored > 10


def test_a_model_without_fantasies_explores_as_well():
    data = classes_data((10, 10))
    model = NearestMean()
    model.fit(data.labelled)
    queries = [Auto().query(model, data, 4, seed) for seed in range(50)]
    assert 0 < np.mean([query.why["explored"] for query in queries]) < 0.3
    best = data.unlabelled.indices[np.argsort(-queries[0].pool.values)[:4]]
    for query in queries:
        taken = query.indices[~query.why["explored"]]
        np.testing.assert_array_equal(
            taken, [i for i in best if i not in query.indices[query.why["explored"]]][: len(taken)]
        )


# --- every size, every model, restrictions --------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 7, None])
@pytest.mark.parametrize("counts", [(0, 0), (2, 2), (12, 12)])
def test_any_number_of_points_can_be_asked_in_classification(counts, n):
    data = classes_data(counts, n=40)
    n = n or len(data.unlabelled)
    model = classifier(data) if Auto().asks_model(pool_of(data)) else None
    query = Auto().query(model, data, n, 2)
    assert len(set(query.indices)) == n and set(query.indices) <= set(data.unlabelled.indices)


@pytest.mark.parametrize("goal", [None, "max", "min"])
@pytest.mark.parametrize("n", [1, 7, None])
@pytest.mark.parametrize("n_labelled", [0, 3, 12])
def test_any_number_of_points_can_be_asked_in_regression(n_labelled, n, goal):
    data = values_data(n_labelled, n=30)
    n = n or len(data.unlabelled)
    query = Auto(goal).query(regressor(data) if n_labelled >= 5 else None, data, n, 2)
    assert len(set(query.indices)) == n and set(query.indices) <= set(data.unlabelled.indices)


def test_a_model_without_covariances_is_asked_for_its_variance():
    data = values_data(8)
    model = Mean()
    model.fit(data.labelled)
    assert "variance" in doing(data, model)
    variance_N = model.posterior(data.unlabelled).variance_N.numpy()
    query = Auto().query(model, data)
    assert query.indices[0] == data.unlabelled.indices[variance_N.argmax()]
    batch = Auto().query(model, data, 5)  # without the warning of a redundant batch, which is an error here
    assert len(set(batch.indices)) == 5
    x = data.subset(batch.indices).x
    top = data.subset(data.unlabelled.indices[np.argsort(-variance_N)[:5]]).x
    assert torch.pdist(x).min() > torch.pdist(top).min()


def test_what_may_not_be_asked_is_not_asked():
    data = classes_data((12, 12))
    model = classifier(data)
    allowed = data.unlabelled.indices[::4]
    groups = np.arange(150) % 10
    strategy = Auto().within(candidates=allowed, quota=s.AtMost(1, groups))
    for seed in range(30):
        query = strategy.query(model, data, 4, seed)
        assert set(query.indices) <= set(allowed)
        assert len(set(groups[query.indices])) == 4
    assert repr(strategy).startswith("Auto().within(")


def test_of_a_large_pool_only_those_that_are_looked_at_are_predicted():
    class Counting(Mean):
        asked = 0

        def posterior(self, x):
            type(self).asked += len(x)
            return super().posterior(x)

    data = values_data(8)
    model = Counting()
    model.fit(data.labelled)
    Auto().within(max_candidates=10).query(model, data)
    assert Counting.asked < 20


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 30), st.integers(1, 6), st.integers(0, 2**31), st.sampled_from(["classification", "regression"]),
    st.booleans(),
)  # fmt: skip
def test_queries_are_distinct_repeatable_and_leave_all_as_it_was(n_labelled, n, seed, task, alike):
    rng = np.random.default_rng(seed)
    x = np.zeros((40, 2)) if alike else rng.normal(size=(40, 2)).round(1)
    y = rng.integers(3, size=40) if task == "classification" else rng.normal(size=40)
    data = al.DataManager(x, y, labelled=np.arange(n_labelled), task=task, preprocess=None)
    model = None
    if Auto().asks_model(pool_of(data)):
        model = (classifier if task == "classification" else regressor)(data)
    one, two = (Auto().query(model, data, n, seed) for _ in range(2))
    np.testing.assert_array_equal(one.indices, two.indices)
    assert len(set(one.indices)) == n and set(one.indices) <= set(data.unlabelled.indices)
    assert len(data.labelled) == n_labelled


# --- in a learner ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4])
def test_it_plays_from_no_label_at_all(n):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    data = al.DataManager(x, x[:, 0] > 0, labelled=0, test=0.2, seed=0)
    learner = al.ActiveLearner(data, al.GPClassifier(optimizer=None), Auto())
    records = learner.run(rounds=10, n=n, progress=False)
    phases = [record.strategy for record in records]
    assert phases == sorted(phases, key=lambda text: "margin" in text)
    assert ("margin" in phases[-1]) == (n == 4)
    values = al.DataManager(x, x.sum(axis=1), labelled=0, test=0.2, seed=0)
    learner = al.ActiveLearner(values, al.GPRegressor(optimizer=None), Auto())
    phases = [record.strategy for record in learner.run(rounds=10, n=n, progress=False)]
    start = 5 if n == 1 else 2
    assert ["random" in phase for phase in phases] == [True] * start + [False] * (10 - start)


def test_the_first_queries_need_no_fit():
    data = classes_data((0, 0), n=30)
    learner = al.ActiveLearner(data, NearestMean(), Auto())
    learner.query(3), learner.score()
    assert learner.model.fits == 0 and not learner.asks_model


def test_its_definition_says_the_goal_and_its_doing_what_it_does():
    assert [repr(Auto()), repr(Auto("max")), repr(Auto(goal="min"))] == [
        "Auto()",
        "Auto(goal='max')",
        "Auto(goal='min')",
    ]
    assert doing(classes_data((10, 10))) == "Auto(): margin, 10% random"


def test_a_goal_is_for_numbers():
    with pytest.raises(errors.InvalidParameter, match="max"):
        Auto("up")
    with pytest.raises(errors.WrongTask, match="regression"):
        al.ActiveLearner(classes_data((3, 3)), NearestMean(), Auto("max"))
