"""Choosing from scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aljupyter.errors import InvalidParameter
from aljupyter.strategies import TopK

few_values = st.lists(st.sampled_from([0.0, 0.5, 1.0, -np.inf]), min_size=1, max_size=40)


@given(few_values, st.data(), st.sampled_from(["random", "first", "last"]))
def test_the_highest_scores_are_taken_best_first(values, data, ties):
    scores = np.array(values)
    n = data.draw(st.integers(1, len(scores)))
    chosen = TopK(ties)(scores, n, np.random.default_rng(0))
    assert len(set(chosen)) == n
    np.testing.assert_array_equal(scores[chosen], np.sort(scores)[::-1][:n])


@given(few_values)
def test_ties_follow_their_rule(values):
    scores = np.array(values)
    best = np.flatnonzero(scores == scores.max())
    generator = np.random.default_rng(0)
    assert TopK("first")(scores, 1, generator)[0] == best[0]
    assert TopK("last")(scores, 1, generator)[0] == best[-1]


def test_random_ties_are_seeded_and_fair():
    scores = np.zeros(4)
    draws = [TopK()(scores, 1, np.random.default_rng(seed))[0] for seed in range(400)]
    again = [TopK()(scores, 1, np.random.default_rng(seed))[0] for seed in range(400)]
    assert draws == again
    assert np.bincount(draws, minlength=4).min() > 60  # 100 expected each; 60 is 4.6 standard deviations away


def test_an_unknown_rule_is_refused():
    with pytest.raises(InvalidParameter, match="random, first, last"):
        TopK(ties="middle")
