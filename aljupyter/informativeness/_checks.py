"""Checks that measures share."""

from __future__ import annotations

from aljupyter.errors import TooFewClasses, WrongTask
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
