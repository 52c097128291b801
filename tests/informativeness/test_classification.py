"""Measures of classification against brute force and scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.stats import entropy as scipy_entropy

from aljupyter.errors import TooFewClasses, WrongTask
from aljupyter.informativeness import entropy, least_confidence, margin, ratio
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from tests.posteriors import class_posteriors, probs

ALL = [entropy, least_confidence, margin, ratio]


@given(class_posteriors())
def test_entropy_is_scipys(posterior):
    np.testing.assert_allclose(entropy(posterior), scipy_entropy(posterior.mean_N_C.numpy(), axis=1), atol=1e-12)


@given(class_posteriors())
def test_least_confidence_is_one_minus_the_largest(posterior):
    expected = [1 - max(row) for row in posterior.mean_N_C.tolist()]
    np.testing.assert_allclose(least_confidence(posterior), expected, atol=1e-12)


@given(class_posteriors())
def test_margin_is_one_minus_the_gap_of_the_two_largest(posterior):
    expected = [1 - (row[-1] - row[-2]) for row in np.sort(posterior.mean_N_C.numpy(), axis=1)]
    np.testing.assert_allclose(margin(posterior), expected, atol=1e-12)


@given(class_posteriors())
def test_ratio_is_the_second_over_the_largest(posterior):
    expected = [row[-2] / row[-1] for row in np.sort(posterior.mean_N_C.numpy(), axis=1)]
    np.testing.assert_allclose(ratio(posterior), expected, atol=1e-12)


@pytest.mark.parametrize("measure", ALL)
@given(posterior=class_posteriors())
def test_no_measure_is_ever_nan(measure, posterior):
    assert torch.isfinite(measure(posterior)).all()


@pytest.mark.parametrize("measure", ALL)
def test_a_certain_point_scores_zero_and_an_undecided_one_the_most(measure):
    scores = measure(probs([1.0, 0.0, 0.0], [0.6, 0.3, 0.1], [1 / 3, 1 / 3, 1 / 3]))
    assert scores[0] == 0
    assert scores.argmax() == 2


def test_measures_differ_where_they_should():
    """Two classes nearly tied, or all three alike: margin takes the first, entropy the second."""
    posterior = probs([0.5, 0.5, 0.0], [0.4, 0.3, 0.3])
    assert margin(posterior).argmax() == 0
    assert entropy(posterior).argmax() == 1
    assert least_confidence(posterior).argmax() == 1
    assert ratio(posterior).argmax() == 0


@pytest.mark.parametrize("measure", ALL)
def test_regression_and_single_classes_are_refused(measure):
    with pytest.raises(WrongTask, match="for classification"):
        measure(RegressionPosterior(torch.zeros(2), torch.ones(2)))
    with pytest.raises(TooFewClasses, match="at least two"):
        measure(ClassPosterior(torch.ones(3, 1)))
