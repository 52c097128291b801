"""Measures compose, strategies score a pool, names find them."""

import math

import numpy as np
import pytest
import torch

from aljupyter import strategies as s
from aljupyter.errors import InvalidScores, ModelError, UnknownStrategy, WrongTask
from aljupyter.informativeness import ucb
from aljupyter.posterior import RegressionPosterior
from tests.posteriors import probs

CLASSES = probs([0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0])
VALUES = RegressionPosterior(torch.tensor([3.0, 0.0]).double(), torch.tensor([0.25, 4.0]).double())


class PoolOf:
    """The part of a Pool that measures look at."""

    def __init__(self, posterior, seed=0):
        self.posterior, self.seed, self.terms = posterior, seed, {}

    def __len__(self):
        return len(self.posterior)

    def generator(self, purpose):
        return np.random.default_rng([self.seed, len(purpose)])


def test_measures_combine_as_their_values_do():
    mixed = 0.7 * s.Entropy() - s.Margin() * s.Ratio() + 1
    expected = 0.7 * s.Entropy().values(CLASSES) - s.Margin().values(CLASSES) * s.Ratio().values(CLASSES) + 1
    torch.testing.assert_close(mixed.values(CLASSES), expected)
    torch.testing.assert_close(mixed(PoolOf(CLASSES)), expected)


@pytest.mark.parametrize(
    ("measure", "reads"),
    [
        (0.7 * s.Entropy() + 0.3 * s.Margin(), "0.7 * Entropy() + 0.3 * Margin()"),
        (2 * (s.Entropy() + s.Margin()), "2 * (Entropy() + Margin())"),
        (s.Entropy() - (s.Margin() - s.Ratio()), "Entropy() - (Margin() - Ratio())"),
        (1 - s.LeastConfidence(), "1 - LeastConfidence()"),
        (s.UpperConfidenceBound(2), "Greedy() + 2 * StandardDeviation()"),
        (s.Strategy(s.Entropy(), s.TopK("last")), "Strategy(Entropy(), TopK(ties='last'))"),
    ],
)
def test_a_definition_reads_like_one(measure, reads):
    assert repr(measure) == reads


def test_the_upper_confidence_bound_is_greedy_plus_deviation():
    np.testing.assert_allclose(s.UpperConfidenceBound(2).score(PoolOf(VALUES)), ucb(VALUES, 2))


def test_least_confidence_is_the_variance_in_regression():
    np.testing.assert_allclose(s.LeastConfidence().values(VALUES), VALUES.variance_N)


def test_measures_of_two_tasks_do_not_mix():
    with pytest.raises(WrongTask, match="cannot be combined"):
        s.Entropy() + s.Greedy()
    with pytest.raises(WrongTask, match="finite numbers"):
        s.Entropy() * float("nan")


def test_random_needs_no_model_and_repeats_itself():
    pool = s.Pool(unlabelled=range(5), labelled=[], model=None, seed=3, round=1)
    strategy = s.get("random")
    assert not strategy.needs_model
    np.testing.assert_array_equal(strategy.score(pool), strategy.score(pool))
    other_round = s.Pool(unlabelled=range(5), labelled=[], model=None, seed=3, round=2)
    assert not np.array_equal(strategy.score(pool), strategy.score(other_round))


def test_a_strategy_that_needs_a_model_says_so():
    pool = s.Pool(unlabelled=range(5), labelled=[], model=None)
    with pytest.raises(ModelError, match="Label some points first"):
        s.get("margin").score(pool)


def test_scores_are_never_nan_or_of_another_length():
    class Broken(s.Measure):
        def __init__(self, scores):
            self.scores = torch.tensor(scores)

        def __call__(self, pool):
            return self.scores

    with pytest.raises(InvalidScores, match="NaN for 1 of 3"):
        s.Strategy(Broken([0.0, math.nan, 1.0])).score(PoolOf(CLASSES))
    with pytest.raises(InvalidScores, match="shape"):
        s.Strategy(Broken([0.0])).score(PoolOf(CLASSES))


def test_names_lead_to_strategies_and_back():
    for row in s.catalogue().itertuples():
        assert repr(s.get(row.name)) == row.definition
    of_regression = {"least_confidence", "variance", "greedy", "upper_confidence_bound", "expected_improvement"}
    of_both = {"bald", "relative_distance", "representative", "random"}
    assert set(s.names("regression")) >= of_regression | {"thompson"} | of_both
    assert set(s.names("classification")) >= {"margin", "entropy", "least_confidence", "ratio"} | of_both
    assert not {"margin", "entropy", "ratio"} & set(s.names("regression"))
    assert not {"variance", "greedy", "thompson"} & set(s.names("classification"))
    assert repr(s.get("UCB", weight=3)) == "Greedy() + 3 * StandardDeviation()"
    assert repr(s.get("ei", goal="min")) == "ExpectedImprovement(goal='min')"
    assert repr(s.get("Thompson sampling")) == "Thompson()"
    assert repr(s.get("representativeness")) == "Representative()"
    assert repr(s.get("BatchBALD")) == "BatchBALD()" and repr(s.get("typi-clust")) == "TypiClust()"
    assert repr(s.get("core set")) == repr(s.get("coreset")) == "KCenter()"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownStrategy, match="Did you mean 'margin'"):
        s.get("margni")


def test_a_strategy_for_the_other_task_is_refused():
    with pytest.raises(WrongTask, match="for classification, and the data are for regression"):
        s.as_strategy(s.Entropy(), "regression")
    with pytest.raises(WrongTask, match="Margin\\(\\) or Random"):
        s.as_strategy("margin", "classification")


@pytest.mark.parametrize("name", ["margin", "entropy", "least_confidence", "ratio"])
def test_limits_hold_what_a_measure_can_be(name):
    measure = s.get(name).measure
    low, high = measure.limits(3)
    values = measure.values(probs([1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]))
    assert values[0] == pytest.approx(low)
    assert values[1] == pytest.approx(high)


def test_a_strategy_for_a_selection_chooses_among_the_best():
    among = s.Strategy(score=s.Entropy(), select=s.KCenter(metric="cosine"))
    assert repr(among) == "Strategy(Entropy(), Prefilter(then=KCenter(metric='cosine')))"
    assert among.task == "classification" and among.needs == ("model",)
    with pytest.raises(WrongTask, match="TopK\\(\\) or Softmax"):
        s.Strategy(s.Entropy(), s.TopK)
