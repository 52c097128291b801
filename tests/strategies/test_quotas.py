"""Rules that a batch keeps: against all the batches there are, and said before any work is done."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import (
    IndexOutOfRange,
    InvalidParameter,
    QuerySizeError,
    QuotaError,
    UnknownColumn,
    WrongShape,
)
from aljupyter.strategies.asking import choose
from tests.managers import NearestMean


class Scored(s.Measure):
    """Scores that were made up, by the dataset's indices."""

    needs = ()
    sees_batch = False

    def __init__(self, scores):
        self.scores = np.asarray(scores, dtype=float)

    def __call__(self, pool):
        import torch

        return torch.from_numpy(self.scores[pool.unlabelled.indices])


def pool_of(n_points, labelled=(), raw=None, seed=0):
    x = np.arange(float(n_points))[:, None]
    data = al.DataManager(x, np.arange(n_points) % 2, labelled=list(labelled), preprocess=None, task="classification")
    return s.Pool(data.unlabelled, data.labelled, None, seed, raw=raw)


def allowed(groups, quota):
    """All sets of points that keep a rule, as sorted tuples, counted by hand."""
    for size in range(1, len(groups) + 1):
        for batch in itertools.combinations(range(len(groups)), size):
            held = [groups[i] for i in batch]
            if isinstance(quota, s.OneGroup):
                keeps = len(set(held)) == 1
            elif isinstance(quota.most, dict):
                keeps = all(held.count(g) <= quota.most.get(g, size) for g in set(held))
            else:
                keeps = all(held.count(g) <= quota.most for g in set(held))
            if keeps:
                yield batch


groups_of = st.lists(st.sampled_from("abc"), min_size=1, max_size=7)
rules = st.one_of(
    st.integers(1, 3).map(lambda most: lambda groups: s.AtMost(most, groups)),
    st.dictionaries(st.sampled_from("abcz"), st.integers(0, 3), min_size=1).map(
        lambda most: lambda groups: s.AtMost(most, groups)
    ),
    st.just(s.OneGroup),
)


# --- the rules --------------------------------------------------------------------------------------------------------


@given(groups_of, rules, st.data())
@settings(max_examples=150, deadline=None)
def test_a_batch_of_the_highest_scores_keeps_its_quota_wherever_one_can(groups, rule, data):
    """The greedy batch under at-most rules is the best there is; under one-group rules it is that of the best point."""
    quota = rule(groups)
    scores = np.array(data.draw(st.permutations(range(len(groups)))), dtype=float)
    n = data.draw(st.integers(1, len(groups)))
    batches = [batch for batch in allowed(groups, quota) if len(batch) == n]
    strategy = s.Strategy(Scored(scores), s.TopK()).within(quota=quota)
    if not batches:
        with pytest.raises(QuotaError, match="Ask for"):
            choose(strategy, pool_of(len(groups)), n)
        return
    picks = choose(strategy, pool_of(len(groups)), n).indices.tolist()
    assert tuple(sorted(picks)) in batches
    if isinstance(quota, s.AtMost):
        assert scores[picks].sum() == max(scores[list(batch)].sum() for batch in batches)
    else:
        first = max((i for batch in batches for i in batch), key=lambda i: scores[i])
        best = max((b for b in batches if first in b), key=lambda b: scores[list(b)].sum())
        assert tuple(sorted(picks)) == best


@given(groups_of, rules, st.data())
@settings(max_examples=100, deadline=None)
def test_whoever_is_taken_the_rest_of_the_batch_can_be_filled(groups, rule, data):
    """Points are taken at random among the open ones, to the end: no choice leads into a dead end."""
    quota, pool = rule(groups), pool_of(len(groups))
    sizes = {len(batch) for batch in allowed(groups, quota)}
    n = data.draw(st.sampled_from(sorted(sizes or {0})))
    if n == 0:
        return
    batch = quota.batch(pool, n)
    for _ in range(n):
        batch.take(data.draw(st.sampled_from(np.flatnonzero(batch.open_N).tolist())))
    assert tuple(sorted(batch.positions)) in set(allowed(groups, quota))


def test_labelled_points_do_not_count():
    """A quota is about one batch: what was labelled before takes no place in it."""
    strategy = s.Strategy(Scored([9, 8, 7, 6])).within(quota=s.AtMost(1, ["a", "a", "a", "b"]))
    assert choose(strategy, pool_of(4, labelled=[0]), 2).indices.tolist() == [1, 3]


def test_missing_values_are_a_group_of_their_own():
    groups = pd.Series(["p", None, None, "p"])
    strategy = s.Strategy(Scored([4, 3, 2, 1])).within(quota=s.AtMost(1, groups))
    assert choose(strategy, pool_of(4), 2).indices.tolist() == [0, 1]
    with pytest.raises(QuotaError, match=r"of 4 points in 2 groups it lets 2 into one batch. Ask for 2 or fewer"):
        choose(strategy, pool_of(4), 3)


@pytest.mark.parametrize("most", [0, -1, 1.5, True, "two", None, {"a": -1}, {"a": True}, {"a": 0.5}])
def test_a_quota_that_is_no_number_is_refused(most):
    with pytest.raises(InvalidParameter, match="A quota is a whole number"):
        s.AtMost(most, "plate")


def test_groups_are_a_column_or_one_value_for_each_row():
    with pytest.raises(InvalidParameter, match="one value for each row"):
        s.AtMost(1, [["a", "b"]])
    with pytest.raises(WrongShape, match="3 groups for a dataset of 5 rows"):
        choose(s.get("random", quota=s.AtMost(1, ["a", "b", "c"])), pool_of(5), 2)


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    plates = ["p1", "p2", "p3"] * 8
    return pd.DataFrame({"x": rng.normal(size=24), "z": rng.normal(size=24), "plate": plates, "y": [0, 1] * 12})


@pytest.mark.parametrize("quota", [s.AtMost(1, "plate"), s.OneGroup("plate"), s.AtMost({"p1": 0}, "plate")], ids=repr)
def test_a_column_of_the_table_says_the_groups(table, quota):
    data = al.DataManager(table, target="y", labelled=4, seed=0)
    learner = al.ActiveLearner(data, NearestMean(), s.get("margin", quota=quota))
    plates = table["plate"].to_numpy()[learner.query(3).indices]
    again = s.get("margin", quota=type(quota)(*([quota.most] if hasattr(quota, "most") else []), table["plate"]))
    np.testing.assert_array_equal(again.query(learner.model, data, 3, 0).indices, learner.query(3).indices)
    if isinstance(quota, s.OneGroup):
        assert len(set(plates)) == 1
    elif quota.most == 1:
        assert len(set(plates)) == 3
    else:
        assert "p1" not in plates


def test_a_column_that_is_not_there_is_missed_by_name(table):
    data = al.DataManager(table, target="y", labelled=4)
    with pytest.raises(UnknownColumn, match=r"AtMost\(1, 'dish'\).*Columns: x, z, plate, y"):
        s.get("random", quota=s.AtMost(1, "dish")).query(None, data, 2)
    with pytest.raises(UnknownColumn, match="The data are not a table"):
        choose(s.get("random", quota=s.AtMost(1, "plate")), pool_of(5), 2)


# --- before any work is done ------------------------------------------------------------------------------------------


class Counts(NearestMean):
    """Counts how often it is asked."""

    asked = 0

    def posterior(self, x):
        self.asked += 1
        return super().posterior(x)


@pytest.mark.parametrize(
    ("restrictions", "error"),
    [
        ({"quota": s.AtMost(1, ["a"] * 20)}, QuotaError),
        ({"quota": s.OneGroup(np.arange(20))}, QuotaError),
        ({"quota": s.AtMost(1, "plate")}, UnknownColumn),
        ({"quota": s.AtMost(1, ["a"])}, WrongShape),
        ({"candidates": [20]}, IndexOutOfRange),
        ({"forbidden": [-1]}, IndexOutOfRange),
        ({"forbidden": range(20)}, QuerySizeError),
        ({"candidates": []}, QuerySizeError),
        ({"candidates": [0, 1]}, QuerySizeError),  # labelled, both of them
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused_before_the_model_is_fitted_or_asked(restrictions, error):
    x = np.random.default_rng(0).normal(size=(20, 2))
    data = al.DataManager(x, [0, 1] * 10, labelled=[0, 1], preprocess=None)
    learner = al.ActiveLearner(data, Counts(), s.get("margin", **restrictions))
    for ask in (learner.query, learner.step):
        with pytest.raises(error):
            ask(2)
    assert learner.model.fits == learner.model.asked == 0 and len(data.labelled) == 2 and learner.round == 0
    model = Counts()
    model.fit(data.labelled)
    with pytest.raises(error):
        learner.strategy.query(model, data, 2)
    assert model.asked == 0


def test_a_quota_leaves_fewer_candidates_than_are_looked_at_and_is_counted_among_these():
    """max_candidates draws first; the quota is then about those."""
    strategy = s.get("random", max_candidates=4, quota=s.AtMost(1, np.arange(20)))
    assert len(choose(strategy, pool_of(20), 4)) == 4
    with pytest.raises(QuotaError):
        choose(s.get("random", candidates=[3, 4], quota=s.AtMost(1, ["a"] * 20)), pool_of(20), 2)


# --- restrictions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": [0.5]},
        {"candidates": [[1, 2]]},
        {"forbidden": "all"},
        {"forbidden": [True, False]},
        {"max_candidates": 0},
        {"max_candidates": 2.0},
        {"max_candidates": True},
        {"quota": "plate"},
        {"quota": 2},
        {"colour": 1},
    ],
    ids=str,
)
def test_a_restriction_that_is_none_is_refused_at_once(wrong):
    for make in (s.get("random").within, s.Random().within):
        with pytest.raises(InvalidParameter, match=next(iter(wrong))):
            make(**wrong)


def test_restrictions_add_up_and_leave_the_strategy_as_it_was():
    plain = s.get("margin")
    some = plain.within(candidates=[1, 2, 3])
    fewer = some.within(forbidden=(2,), quota=s.OneGroup("plate"))
    assert repr(plain) == "Margin()" and repr(some) == "Margin().within(candidates=<3 indices>)"
    assert repr(fewer) == "Margin().within(candidates=<3 indices>, forbidden=<1 indices>, quota=OneGroup('plate'))"
    assert repr(fewer.within(candidates=None, forbidden=None, quota=None)) == "Margin()"
    assert repr(s.AtMost(2, ["a", "b"])) == "AtMost(2, <2 groups>)"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_who_may_be_asked_is_who_is_a_candidate_and_not_forbidden(data):
    n_points = data.draw(st.integers(1, 12))
    indices = st.lists(st.integers(0, n_points - 1))
    candidates, forbidden = data.draw(st.none() | indices), data.draw(st.none() | indices)
    labelled = data.draw(st.sets(st.integers(0, n_points - 1), max_size=n_points - 1))
    left = set(range(n_points)) - labelled - set(forbidden or [])
    left &= left if candidates is None else set(candidates)
    strategy, pool = s.get("random", candidates=candidates, forbidden=forbidden), pool_of(n_points, sorted(labelled))
    if not left:
        with pytest.raises(QuerySizeError, match="may be asked"):
            choose(strategy, pool, 1)
        return
    query = choose(strategy, pool, n_points)
    assert sorted(query.indices) == sorted(left)
    assert set(query.pool.indices[np.isfinite(query.pool.values)]) == left
