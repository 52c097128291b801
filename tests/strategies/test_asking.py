"""How a strategy is asked, and what becomes of one of somebody's own that gives nonsense."""

import numpy as np
import pandas as pd
import pytest
import torch

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import (
    EmptyPool,
    InvalidScores,
    InvalidSelection,
    NotFitted,
    QuerySizeError,
    WrongTask,
)
from aljupyter.strategies import asking
from tests.managers import Mean, NearestMean

N = 20


def data_of(task="regression", n_points=24, labelled=4):
    x = np.random.default_rng(0).normal(size=(n_points, 2))
    y = x[:, 0] if task == "regression" else (np.arange(n_points) % 2)
    return al.DataManager(x, y, labelled=list(range(labelled)), preprocess=None, task=task)


def learner_of(strategy, task="regression"):
    return al.ActiveLearner(data_of(task), Mean() if task == "regression" else NearestMean(), strategy)


def pool_of(data, model=None, **options):
    return s.Pool(data.unlabelled, data.labelled, model, **options)


class Own(s.Strategy):
    """A strategy whose two halves are given."""

    needs = ()

    def __init__(self, score=None, select=None):
        if score is not None:
            self.score = lambda pool: score
        if select is not None:
            self.select = lambda pool, n, scores: select

    def __repr__(self):
        return "Own()"


# --- strategies of one's own ------------------------------------------------------------------------------------------


class ScoreOnly(s.Strategy):
    """The distance from the origin."""

    needs = ()

    def __init__(self):
        """Takes nothing."""

    def score(self, pool):
        return pool.unlabelled.x.norm(dim=1)


class SelectOnly(s.Strategy):
    """Every third point of the pool."""

    needs = ()

    def __init__(self):
        """Takes nothing."""

    def select(self, pool, n, scores_N):
        return 3 * np.arange(n)


def test_a_score_alone_is_a_strategy():
    data = data_of()
    query = ScoreOnly().query(None, data, 3)
    away = data.unlabelled.x.norm(dim=1).numpy()
    assert query.indices.tolist() == data.unlabelled.indices[np.argsort(-away)[:3]].tolist()
    np.testing.assert_allclose(query.scores, np.sort(away)[::-1][:3])
    assert query.strategy == repr(ScoreOnly()) == "ScoreOnly()"


def test_a_selection_alone_is_a_strategy():
    data = data_of()
    query = SelectOnly().query(None, data, 3)
    assert query.indices.tolist() == data.unlabelled.indices[[0, 3, 6]].tolist()
    assert query.scores.tolist() == [0.0] * 3 and not query.pool.values.any()


def test_a_strategy_of_ones_own_needs_no_constructor():
    class Bare(s.Strategy):
        needs = ()

        def score(self, pool):
            return pool.unlabelled.x.norm(dim=1)

    assert len(Bare().query(None, data_of(), 3)) == 3 and repr(Bare()) == "Bare()"


@pytest.mark.parametrize(
    "scores",
    [
        torch.arange(20.0, requires_grad=True),
        list(range(20)),
        np.arange(20, dtype="float32"),
        pd.Series(range(20)),
        np.arange(20) > 18,
    ],
    ids=lambda scores: type(scores).__name__,
)
def test_scores_may_come_in_any_form(scores):
    query = Own(scores).query(None, data_of(), 1)
    assert query.indices.tolist() == [23] and query.pool.values.dtype == np.float64


@pytest.mark.parametrize(
    ("scores", "match"),
    [
        (np.zeros(19), r"shape \(19,\) for a pool of 20 points"),
        (np.zeros((20, 1)), r"shape \(20, 1\)"),
        (1.0, r"shape \(\)"),
        (np.append(np.zeros(18), [np.nan, np.nan]), "NaN for 2 of 20"),
    ],
    ids=str,
)
def test_scores_that_are_none_are_refused(scores, match):
    learner = learner_of(Own(scores))
    for ask in (learner.score, learner.query, learner.step):
        with pytest.raises(InvalidScores, match=rf"Own\(\) gave .*{match}"):
            ask()
    check_untouched(learner)


@pytest.mark.parametrize("restriction", [{}, {"forbidden": [22]}, {"quota": s.AtMost(3, range(24))}], ids=str)
@pytest.mark.parametrize(
    "chosen",
    [
        [0, 1],  # two of three
        [0, 1, 2, 3],
        [0, 0, 1],
        [0, 1, -1],
        [0, 1, 20],
        [0.0, 1.0, 2.0],
        [[0, 1, 2]],
        [True, False, True],
        ["a", "b", "c"],
        [],
        s.Chosen(np.array([0, 1])),
    ],
    ids=str,
)
def test_a_selection_that_is_none_is_refused(chosen, restriction):
    learner = learner_of(Own(select=chosen).within(**restriction))
    for ask in (learner.query, learner.step):
        with pytest.raises(InvalidSelection, match=r"Own\(\).* was asked for 3 distinct positions in a pool of"):
            ask(3)
    check_untouched(learner)


def test_a_selection_that_does_not_keep_the_quota_is_refused_and_told_how():
    learner = learner_of(Own(select=[0, 1, 2]).within(quota=s.AtMost(2, ["a"] * 12 + ["b"] * 12)))
    with pytest.raises(InvalidSelection, match=r"does not keep AtMost\(2, <24 groups>\).*pool\.batch\(\)"):
        learner.step(3)
    check_untouched(learner)
    learner.strategy = Own(select=[0, 1, 12]).within(quota=s.AtMost(2, ["a"] * 12 + ["b"] * 12))
    assert len(learner.step(3).indices) == 3


@pytest.mark.parametrize("where", ["score", "select"])
def test_a_strategy_that_fails_leaves_the_learner_as_it_was(where):
    def fail(*_):
        raise ZeroDivisionError("mine")

    strategy = Own()
    setattr(strategy, where, fail)
    learner = learner_of(strategy)
    with pytest.raises(ZeroDivisionError, match="mine"):
        learner.step(2)
    check_untouched(learner)
    learner.strategy = s.Random()
    assert len(learner.step(2).indices) == 2


def check_untouched(learner):
    assert learner.round == 0 and len(learner.history) == 0 and len(learner.data.labelled) == 4
    assert learner.data.unlabelled.indices.tolist() == list(range(4, 24))


def test_what_a_selection_knows_is_in_the_query_and_cannot_be_written_to():
    why = {"gain": [3.0, 2.0], "cluster": np.array([1, 0])}
    query = Own(select=s.Chosen(np.array([5, 2]), why)).query(None, data_of(), 2)
    assert query.why["cluster"].tolist() == [1, 0] and query.why["gain"].tolist() == [3.0, 2.0]
    for values in (query.why["gain"], query.indices, query.scores, query.pool.values, query.pool.indices):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 9
    with pytest.raises(TypeError):
        query.why["gain"] = 0
    why["cluster"][0] = 7
    assert query.why["cluster"].tolist() == [1, 0]


# --- what a query says ------------------------------------------------------------------------------------------------


def test_the_nearest_labelled_point_is_told():
    data = al.DataManager([[4.0], [7.0], [0.0], [10.0]], [0, 1, 0, 1], labelled=[3, 2], preprocess=None)
    query = Own(select=[1, 0]).query(None, data, 2)
    assert query.why["nearest_labelled"].tolist() == [3, 2] and query.why["distance"].tolist() == [3.0, 4.0]
    cold = al.DataManager([[0.0], [10.0]], [0, 1], labelled=[], preprocess=None)
    why = Own(select=[1, 0]).query(None, cold, 2).why
    assert why["nearest_labelled"].tolist() == [-1, -1] and np.isinf(why["distance"]).all()


def test_the_terms_of_a_sum_are_told_for_the_points_that_were_chosen():
    data = data_of("classification")
    model = NearestMean()
    model.fit(data.labelled)
    strategy = s.Strategy(0.7 * s.Entropy().ranked() + 0.3 * (s.RelativeDistance() - 2 * s.Random()))
    query = strategy.query(model, data, 4)
    terms = query.why["terms"]
    assert list(terms) == ["Entropy().ranked()", "RelativeDistance()", "Random()"]
    entropy, distance, drawn = terms.values()
    np.testing.assert_allclose(0.7 * entropy + 0.3 * (distance - 2 * drawn), query.scores)
    assert dict(s.get("margin").query(model, data, 2).why["terms"]) == {}


def test_restricted_points_alone_are_scored():
    seen = []

    class Looks(s.Random):
        def __call__(self, pool):
            seen.append(pool.unlabelled.indices.tolist())
            return super().__call__(pool)

    strategy = s.Strategy(Looks()).within(candidates=[7, 5, 9, 2])
    scores = asking.score(strategy, pool_of(data_of()))
    assert seen == [[5, 7, 9]]
    assert scores.indices[np.isfinite(scores.values)].tolist() == [5, 7, 9]
    assert set(scores.best(3)) == {5, 7, 9} and np.isneginf(scores.values[[0, -1]]).all()


def test_a_score_is_computed_once_where_it_was_asked_for_before():
    """Also where it was restricted, and not where more points are looked at than were scored."""
    calls = []

    class Counts(s.Random):
        def __call__(self, pool):
            calls.append(len(pool))
            return super().__call__(pool)

    for restrictions, n, expected in [({}, 3, [N]), ({"max_candidates": 5}, 3, [5]), ({"max_candidates": 5}, 8, [5, 8]),
                                      ({"quota": s.AtMost(1, range(24))}, 3, [N])]:  # fmt: skip
        calls.clear()
        strategy, pool = s.Strategy(Counts()).within(**restrictions), pool_of(data_of())
        query = asking.choose(strategy, pool, n, asking.score(strategy, pool))
        assert calls == expected and len(query) == n
        assert np.isfinite(query.scores).all()


def test_a_restricted_pool_knows_the_whole():
    sizes = []

    class Looks(s.Random):
        def __call__(self, pool):
            sizes.append((len(pool), len(pool.whole), pool.n))
            return super().__call__(pool)

    s.Strategy(Looks()).within(candidates=range(10)).query(None, data_of(), 3)
    assert sizes == [(6, N, 3)]


def test_the_posterior_of_a_pool_is_computed_once():
    class Counts(NearestMean):
        asked = 0

        def posterior(self, x):
            self.asked += 1
            return super().posterior(x)

    data, model = data_of("classification"), Counts()
    model.fit(data.labelled)
    s.Strategy(s.Entropy() + s.Margin() - s.Ratio(), s.TopK()).query(model, data, 5)
    assert model.asked == 1
    s.Strategy(s.Entropy() + s.Margin(), s.TopK()).within(forbidden=[5]).query(model, data, 5)
    assert model.asked == 2


# --- what is refused --------------------------------------------------------------------------------------------------


def test_fewer_are_asked_where_there_are_fewer():
    assert len(s.get("random").query(None, data_of(), 100)) == N
    assert len(s.get("random", candidates=[5, 6]).query(None, data_of(), 100)) == 2
    learner = learner_of(s.get("random", candidates=[5, 6]))
    assert len(learner.query(5)) == 2
    with pytest.raises(QuerySizeError, match="more than the 20 left"):  # a learner takes n at its word
        learner.query(21)


def test_an_empty_pool_is_named():
    data = data_of(labelled=24)
    for ask in (lambda: s.get("random").query(None, data), lambda: asking.score(s.get("random"), pool_of(data))):
        with pytest.raises(EmptyPool, match="nothing left to ask"):
            ask()


@pytest.mark.parametrize("generator", [True, None, 1.5, "0", np.random.RandomState(0)], ids=str)
def test_a_generator_is_one_or_a_seed(generator):
    with pytest.raises(WrongTask, match="numpy.random.Generator or a seed"):
        s.get("random").query(None, data_of(), 1, generator)


def test_generators_in_the_same_state_ask_the_same_and_move_on():
    generator = np.random.default_rng(0)
    first = s.get("random").query(None, data_of(), 5, np.random.default_rng(0)).indices.tolist()
    assert s.get("random").query(None, data_of(), 5, generator).indices.tolist() == first
    assert s.get("random").query(None, data_of(), 5, generator).indices.tolist() != first
    assert s.get("random").query(None, data_of(), 5, np.int64(3)).indices.tolist() == (
        s.get("random").query(None, data_of(), 5, 3).indices.tolist()
    )


def test_an_estimator_is_taken_for_a_model_and_has_to_be_fitted():
    data = data_of("classification")
    for model in (al.GPClassifier(), NearestMean()):
        with pytest.raises(NotFitted):
            s.get("margin").query(model, data)
    with pytest.raises(WrongTask, match="for regression, and the data are for classification"):
        s.get("random").query(Mean(), data)
    with pytest.raises(TypeError, match="cannot be used as a model"):
        s.get("random").query("svm", data)


def test_a_measure_by_itself_can_be_restricted():
    strategy = s.Entropy().within(max_candidates=3)
    assert isinstance(strategy, s.Strategy) and repr(strategy) == "Entropy().within(max_candidates=3)"


def test_a_score_is_a_measure_and_a_selection_can_be_called():
    with pytest.raises(WrongTask, match="measure such as Entropy"):
        s.Strategy("entropy")
    with pytest.raises(WrongTask, match=r"selection such as TopK\(\)"):
        s.Strategy(s.Entropy(), "top")
