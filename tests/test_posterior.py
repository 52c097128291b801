"""Posteriors refuse what cannot be."""

import pytest
import torch

from aljupyter.errors import InvalidPosterior
from aljupyter.posterior import ClassPosterior, RegressionPosterior


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([[0.5, 0.6]], "sum to 1"),
        ([[2.0, -1.0]], "negative"),
        ([[float("nan"), 1.0]], "NaN"),
        ([0.5, 0.5], "shape"),
    ],
)
def test_probabilities_that_cannot_be_are_refused(rows, says):
    with pytest.raises(InvalidPosterior, match=says):
        ClassPosterior(torch.tensor(rows))


def test_draws_must_be_over_the_same_points():
    with pytest.raises(InvalidPosterior, match="Draws"):
        ClassPosterior(torch.full((2, 2), 0.5), probs_S_N_C=torch.full((4, 3, 2), 0.5))


@pytest.mark.parametrize(
    ("mean", "variance", "says"),
    [
        ([0.0], [-1.0], "negative"),
        ([0.0, 1.0], [1.0], "one variance a point"),
        ([float("nan")], [1.0], "NaN"),
        ([[0.0]], [[1.0]], "shape"),
    ],
)
def test_moments_that_cannot_be_are_refused(mean, variance, says):
    with pytest.raises(InvalidPosterior, match=says):
        RegressionPosterior(torch.tensor(mean), torch.tensor(variance))


def test_an_empty_posterior_is_one_over_no_point():
    assert len(ClassPosterior(torch.empty(0, 3))) == 0
    assert len(RegressionPosterior(torch.empty(0), torch.empty(0))) == 0


def test_half_precision_of_a_network_is_checked_too():
    assert len(ClassPosterior(torch.tensor([[0.25, 0.75]], dtype=torch.bfloat16))) == 1
    with pytest.raises(InvalidPosterior, match="sum to 1"):
        ClassPosterior(torch.tensor([[0.25, 0.25]], dtype=torch.bfloat16))
    assert len(RegressionPosterior(torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16))) == 2
