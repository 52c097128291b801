"""Checks that measures share."""

from __future__ import annotations

import math

from aljupyter.errors import InvalidParameter, TooFewClasses, WrongTask
from aljupyter.posterior import ClassPosterior, RegressionPosterior


def class_posterior(posterior: object, measure: str) -> ClassPosterior:
    """The posterior, if it is one over two classes or more.

    Raises
    ------
    WrongTask, TooFewClasses
    """
    if not isinstance(posterior, ClassPosterior):
        raise WrongTask(
            f"{measure} is a measure for classification and got a {type(posterior).__name__}. "
            f"For regression use variance, greedy or ucb."
        )
    if posterior.n_classes < 2:
        raise TooFewClasses(f"{measure} compares classes and needs at least two, got {posterior.n_classes}.")
    return posterior


def regression_posterior(posterior: object, measure: str) -> RegressionPosterior:
    """The posterior, if it is one of a regression.

    Raises
    ------
    WrongTask
    """
    if not isinstance(posterior, RegressionPosterior):
        raise WrongTask(
            f"{measure} is a measure for regression and got a {type(posterior).__name__}. "
            f"For classification use entropy, margin, ratio or least_confidence."
        )
    return posterior


def check_weight(weight: float) -> float:
    """The weight of the standard deviation in an upper confidence bound.

    Raises
    ------
    InvalidParameter
        If it is negative or not finite.
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise InvalidParameter(f"The weight of the upper confidence bound is a number of at least 0, got {weight}.")
    return weight
