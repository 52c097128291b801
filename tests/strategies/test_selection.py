"""Choosing from scores: by order, and by frequencies where it is drawn."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import aljupyter as al
from aljupyter.errors import InvalidParameter, InvalidScores, QuerySizeError
from aljupyter.strategies import AtMost, OneGroup, Pool, Random, Strategy, asking
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.selection import EpsilonGreedy, Power, Softmax, SoftRank, Threshold, TopK, top_k
from tests.rooms import Room

few_values = st.lists(st.sampled_from([0.0, 0.5, 1.0, -np.inf]), min_size=1, max_size=40)
some_values = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1e-9, 1e9, -np.inf, np.inf]), min_size=1, max_size=40)
EVERY = [TopK(), Softmax(0.5), Power(0.5), SoftRank(0.5), EpsilonGreedy(0.5), Threshold(0.5)]
every = pytest.mark.parametrize("selection", EVERY, ids=repr)


class Scored:
    """As much of a pool as a selection from scores looks at."""

    def __init__(self, n_points, seed=0, room=None, batch=None):
        self.seed, self.quota, self._n, self._batch = seed, room or batch, n_points, batch

    def generator(self, purpose):
        return np.random.default_rng(self.seed)

    def batch(self, n=None):
        if self._batch:
            return self._batch()
        return self.quota.batch() if self.quota else Batch(self._n)


def ask(selection, scores, n, seed=0, room=None, batch=None):
    scores = np.asarray(scores, dtype=float)
    return selection(Scored(len(scores), seed, room, batch), n, scores, None)


def check_frequencies(selection, scores, n, chance_of, draws=4000, batch=None):
    """Batches come in their orders as often as they should: chance_of(first picks) gives the chances of the next."""
    counts = {}
    for seed in range(draws):
        order = tuple(ask(selection, scores, n, seed, batch=batch).positions.tolist())
        counts[order] = counts.get(order, 0) + 1
    expected = {}
    for order in permutations(range(len(scores)), n):
        chance = 1.0
        for k in range(n):
            chance *= chance_of(list(order[:k]))[order[k]]
        if chance > 0:
            expected[order] = chance * draws
    assert set(counts) <= set(expected)
    orders = list(expected)
    assert chisquare([counts.get(o, 0) for o in orders], [expected[o] for o in orders]).pvalue > 1e-3


def by_weights(weights):
    """The chances of draws without replacement."""

    def chance_of(before):
        left = np.array(weights, dtype=float)
        left[before] = 0
        return left / left.sum()

    return chance_of


@given(few_values, st.data(), st.sampled_from(["random", "first", "last"]))
def test_the_highest_scores_are_taken_best_first(values, data, ties):
    scores = np.array(values)
    n = data.draw(st.integers(1, len(scores)))
    for chosen in (
        top_k(scores, n, np.random.default_rng(0), ties=ties),
        ask(TopK(ties), scores, n).positions,
        top_k(scores, n, np.random.default_rng(0), ties=ties, batch=Batch(len(scores))),
    ):
        assert len(set(chosen)) == n
        np.testing.assert_array_equal(scores[chosen], np.sort(scores)[::-1][:n])


@given(few_values)
def test_ties_follow_their_rule(values):
    scores = np.array(values)
    best = np.flatnonzero(scores == scores.max())
    for batch in (None, lambda: Batch(len(scores))):
        assert ask(TopK("first"), scores, 1, batch=batch).positions[0] == best[0]
        assert ask(TopK("last"), scores, 1, batch=batch).positions[0] == best[-1]


@pytest.mark.parametrize("batch", [None, lambda: Batch(4)])
def test_random_ties_are_seeded_and_fair(batch):
    draws = [ask(TopK(), np.zeros(4), 1, seed, batch=batch).positions[0] for seed in range(400)]
    again = [ask(TopK(), np.zeros(4), 1, seed, batch=batch).positions[0] for seed in range(400)]
    assert draws == again
    assert np.bincount(draws, minlength=4).min() > 60  # 100 expected each; 60 is 4.6 standard deviations away


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from(["random", "first", "last"]))
def test_with_a_quota_the_highest_of_those_that_may_come_is_taken(seed, n_points, ties):
    scores = np.random.default_rng(seed).integers(0, 6, n_points).astype(float)
    room = Room(seed, n_points)
    chosen = ask(TopK(ties), scores, room.most, room=room).positions
    for k, pick in enumerate(chosen):
        best = [i for i in room.still(chosen[:k]) if scores[i] == scores[room.still(chosen[:k])].max()]
        assert pick == best[0] if ties == "first" else pick == best[-1] if ties == "last" else pick in best


def test_an_unknown_rule_is_refused():
    with pytest.raises(InvalidParameter, match="random, first, last"):
        TopK(ties="middle")


@every
@given(values=some_values, data=st.data(), seed=st.integers(0, 999))
@settings(max_examples=50)
def test_as_many_are_chosen_as_are_asked_and_those_of_minus_infinity_last(selection, values, data, seed):
    scores = np.array(values)
    n = data.draw(st.integers(1, len(scores)))
    chosen = ask(selection, scores, n, seed)
    assert chosen.positions.shape == (n,) and chosen.positions.dtype == np.int64
    assert len(set(chosen.positions)) == n
    np.testing.assert_array_equal(chosen.why["gain"], scores[chosen.positions])
    last = np.isneginf(scores[chosen.positions])
    assert (np.diff(last.astype(int)) >= 0).all() and last.sum() == max(0, n - (scores > -np.inf).sum())
    np.testing.assert_array_equal(ask(selection, scores, n, seed).positions, chosen.positions)


@every
@given(seed=st.integers(0, 999), n_points=st.integers(1, 30))
@settings(max_examples=30)
def test_all_keep_a_quota(selection, seed, n_points):
    room, scores = Room(seed, n_points), np.random.default_rng(seed).integers(0, 4, n_points).astype(float)
    chosen = ask(selection, scores, room.most, seed, room).positions
    assert len(set(chosen)) == room.most
    assert (np.bincount(room.groups[chosen], minlength=3) <= room.room).all()


@every
def test_more_than_there_are_is_refused(selection):
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        ask(selection, np.zeros(3), 4)


@every
def test_they_serve_a_learner(selection):
    x = np.random.default_rng(0).normal(size=(30, 2))
    groups = np.arange(30) % 5
    data = al.DataManager(x, x[:, 0] > 0, labelled=2)
    strategy = Strategy(Random(), selection)
    query = strategy.query(None, data, 4, quota=AtMost(1, groups))
    assert len(set(groups[query.indices])) == 4
    assert len(set(groups[strategy.query(None, data, 4, quota=OneGroup(groups)).indices])) == 1
    np.testing.assert_array_equal(query.why["gain"], query.scores)


def test_softmax_draws_by_the_exponentials_of_scores():
    scores = np.array([1.0, 0.3, -0.2, -2.0])
    check_frequencies(Softmax(0.7), scores, 2, by_weights(np.exp(scores / 0.7)))
    check_frequencies(Softmax(3.0), scores, 2, by_weights(np.exp(scores / 3.0)))


def test_power_draws_by_powers_of_scores():
    scores = np.array([2.0, 1.0, 0.7, 0.1])
    check_frequencies(Power(), scores, 2, by_weights(scores))
    check_frequencies(Power(0.5), scores, 2, by_weights(scores**2))
    check_frequencies(Power(2), scores, 2, by_weights(scores**0.5))


def test_softrank_draws_by_powers_of_ranks():
    scores = np.array([0.1, 5.0, -3.0, 4.9])
    check_frequencies(SoftRank(), scores, 2, by_weights([1 / 3, 1, 1 / 4, 1 / 2]))
    check_frequencies(SoftRank(0.5), scores, 2, by_weights([1 / 9, 1, 1 / 16, 1 / 4]))
    check_frequencies(SoftRank(), np.array([1.0, 7.0, 1.0, -np.inf]), 2, by_weights([1 / 2.5, 1, 1 / 2.5, 0]))


def test_with_a_quota_the_draws_are_among_those_that_may_come():
    scores, groups = np.array([2.0, 1.0, 0.7, 0.1]), np.array([0, 0, 1, 1])

    def chance_of(before):
        left = scores.copy()
        left[np.isin(groups, groups[before])] = 0
        return left / left.sum()

    check_frequencies(Power(), scores, 2, chance_of, batch=lambda: Batch(4, groups, np.array([1, 1])))


@pytest.mark.parametrize("kind", [Softmax, Power, SoftRank])
def test_the_temperature_leads_from_the_highest_scores_to_random_points(kind):
    scores = np.array([0.4, 3.0, 1.0, 2.0, 0.1])
    for seed in range(20):
        np.testing.assert_array_equal(ask(kind(1e-300), scores, 4, seed).positions, [1, 3, 2, 0])
    check_frequencies(kind(1e300), scores[:3], 2, by_weights(np.ones(3)))


@pytest.mark.parametrize("kind", [Softmax, Power, SoftRank])
@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf, True, "warm", None])
def test_a_temperature_that_is_none_is_refused(kind, temperature):
    with pytest.raises(InvalidParameter, match="temperature is a positive finite number"):
        kind(temperature)


@pytest.mark.parametrize("selection", [Softmax(), Power(), SoftRank(), EpsilonGreedy(0.3), Threshold(0.0)], ids=repr)
def test_equal_scores_have_equal_chances(selection):
    check_frequencies(selection, np.zeros(4), 2, by_weights(np.ones(4)), draws=2000)


def test_power_takes_scores_from_zero_and_those_of_zero_last():
    with pytest.raises(InvalidScores, match=r"Power\(\).*-0.5.*SoftRank"):
        ask(Power(), [1.0, -0.5], 1)
    for seed in range(30):
        chosen = ask(Power(), [0.0, -np.inf, 1e-30, 5.0, -1e-15], 4, seed).positions  # rounding is forgiven
        assert set(chosen[:2]) == {2, 3} and set(chosen[2:]) == {0, 4}
    firsts = {ask(Power(), [0.0, 0.0, 0.0], 1, seed).positions[0] for seed in range(30)}
    assert firsts == {0, 1, 2}


def test_epsilon_greedy_explores_each_place_by_chance():
    scores, eps = np.array([0.3, 0.9, 0.5, -np.inf]), 0.4

    def chance_of(before):
        chance = np.zeros(4)
        left = [i for i in range(3) if i not in before]
        chance[left] = eps / len(left)
        chance[max(left, key=lambda i: scores[i])] += 1 - eps
        return chance

    check_frequencies(EpsilonGreedy(eps), scores, 2, chance_of)
    check_frequencies(EpsilonGreedy(eps), scores, 1, chance_of)


def test_epsilon_greedy_says_who_was_explored_and_has_its_two_ends():
    scores = np.random.default_rng(0).normal(size=30)
    chosen = ask(EpsilonGreedy(0.5), scores, 10)
    explored = chosen.why["explored"]
    assert 0 < explored.sum() < 10
    # The others are the best of who was left, in order.
    by_score = [i for i in np.argsort(-scores) if i not in chosen.positions[explored]]
    np.testing.assert_array_equal(chosen.positions[~explored], by_score[: (~explored).sum()])
    np.testing.assert_array_equal(ask(EpsilonGreedy(0), scores, 10).positions, np.argsort(-scores)[:10])
    assert ask(EpsilonGreedy(1), scores, 10).why["explored"].all()


@pytest.mark.parametrize("eps", [-0.1, 1.1, np.nan, True, "often", None])
def test_a_probability_that_is_none_is_refused(eps):
    with pytest.raises(InvalidParameter, match="from 0 to 1"):
        EpsilonGreedy(eps)


def test_a_threshold_draws_among_the_high_and_goes_on_with_the_next_best():
    scores = np.array([0.9, 0.1, 0.5, 0.3, 0.8, -np.inf])
    firsts = []
    for seed in range(60):
        chosen = ask(Threshold(0.5), scores, 6, seed).positions
        assert set(chosen[:3]) == {0, 2, 4}
        np.testing.assert_array_equal(chosen[3:], [3, 1, 5])
        firsts.append(tuple(chosen[:3]))
    assert len(set(firsts)) == 6  # in all orders
    with pytest.raises(InvalidParameter, match="at_least"):
        Threshold(np.nan)
    with pytest.raises(InvalidParameter, match="at_least"):
        Threshold("high")


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        (TopK(), "TopK()"),
        (TopK("last"), "TopK(ties='last')"),
        (Softmax(0.5), "Softmax(temperature=0.5)"),
        (Power(), "Power()"),
        (SoftRank(2), "SoftRank(temperature=2)"),
        (EpsilonGreedy(), "EpsilonGreedy()"),
        (EpsilonGreedy(0.2), "EpsilonGreedy(eps=0.2)"),
        (Threshold(0.2), "Threshold(at_least=0.2)"),
    ],
)
def test_a_definition_reads_like_one(selection, text):
    assert repr(selection) == text
    if text != "TopK()":
        assert repr(Strategy(Random(), selection)) == f"Strategy(Random(), {text})"


def test_scores_of_a_restricted_pool_are_drawn_among_candidates_only():
    data = al.DataManager(np.arange(20.0)[:, None], np.arange(20) % 2, labelled=0)
    pool = Pool(data.unlabelled, data.labelled, None)
    query = asking.choose(Strategy(Random(), Softmax(100.0)).within(candidates=[3, 5, 8]), pool, 3)
    assert set(query.indices) == {3, 5, 8}
