"""Measures of regression against their formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aljupyter.errors import InvalidParameter, WrongTask
from aljupyter.informativeness import greedy, ucb, variance
from aljupyter.posterior import RegressionPosterior
from tests.posteriors import probs, regression_posteriors


@given(regression_posteriors(), st.floats(0, 10))
def test_ucb_is_mean_plus_weighted_standard_deviation(posterior, weight):
    expected = posterior.mean_N.numpy() + weight * np.sqrt(posterior.variance_N.numpy())
    np.testing.assert_allclose(ucb(posterior, weight), expected, rtol=1e-12)


def test_each_measure_prefers_its_own_point():
    posterior = RegressionPosterior(torch.tensor([3.0, 0.0, 2.5]), torch.tensor([0.0, 4.0, 1.0]))
    assert greedy(posterior).argmax() == 0
    assert variance(posterior).argmax() == 1
    assert ucb(posterior, 1.0).argmax() == 2


def test_observation_noise_is_no_reason_to_ask():
    posterior = RegressionPosterior(torch.zeros(2), torch.tensor([0.2, 0.1]), noise_N=torch.tensor([0.0, 9.0]))
    assert variance(posterior).argmax() == 0


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_makes_no_sense_is_refused(weight):
    with pytest.raises(InvalidParameter, match="at least 0"):
        ucb(RegressionPosterior(torch.zeros(2), torch.ones(2)), weight)


@pytest.mark.parametrize("measure", [greedy, ucb, variance])
def test_class_probabilities_are_refused(measure):
    with pytest.raises(WrongTask, match="for regression"):
        measure(probs([0.5, 0.5]))
