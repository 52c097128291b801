"""Checks that measures share."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aljupyter.errors import InvalidParameter, NoDraws, NonFiniteFeatures, TooFewClasses, WrongShape, WrongTask
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
            f"For regression use variance, bald, greedy, ucb, expected_improvement or thompson."
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
            f"For classification use entropy, margin, ratio, least_confidence or bald."
        )
    return posterior


def draws_of(posterior: ClassPosterior, measure: str) -> tuple[Callable[[slice], Tensor], Tensor]:
    """What gives the draws (S, n, C) of a posterior at some of its points, and their weights (S,), which sum to one.

    Raises
    ------
    NoDraws
        Where there are none; or one only, which disagrees with nothing.
    """
    probs_S_N_C = posterior.probs_S_N_C
    if probs_S_N_C is None and posterior.draws is not None:
        return posterior.draws, posterior.draws.weights_S
    if probs_S_N_C is None or len(probs_S_N_C) < 2:
        has = "none" if probs_S_N_C is None else f"{len(probs_S_N_C)}"
        raise NoDraws(
            f"{measure} asks how much draws from the posterior disagree, so it needs two or more; this posterior "
            f"({posterior.provenance}) has {has}. GP classifiers give them, and so do models that draw their "
            f"parameters: ensembles, dropout at prediction, SWAG, a last-layer Laplace approximation. Without draws "
            f"use entropy or margin."
        )
    probs: Tensor = probs_S_N_C.detach()

    def stored(rows: slice) -> Tensor:
        return probs[:, rows]

    if posterior.weights_S is None:
        return stored, torch.full((len(probs_S_N_C),), 1 / len(probs_S_N_C), dtype=torch.float64)
    weights_S = posterior.weights_S.detach().cpu().double()
    return stored, weights_S / weights_S.sum()


def features(x: ArrayLike | Tensor, name: str) -> NDArray[np.float64]:
    """Features as an array of shape (N, D): of a point of several dimensions, an image say, the values in a row.

    Raises
    ------
    WrongShape, NonFiniteFeatures
    """
    if isinstance(x, Tensor):
        x = x.detach().cpu().double()  # NumPy does not know bfloat16
    x_N_D: NDArray[Any] = np.asarray(x, dtype=np.float64)
    if x_N_D.ndim < 2:
        raise WrongShape(f"{name} has shape (N, D), one row a point; got shape {x_N_D.shape}.")
    x_N_D = x_N_D.reshape(len(x_N_D), math.prod(x_N_D.shape[1:]))
    if not np.isfinite(x_N_D).all():
        raise NonFiniteFeatures(f"{name} holds NaN or infinite values: there is no distance to such a point.")
    return x_N_D


def check_goal(goal: str) -> str:
    """What is sought: "max" or "min".

    Raises
    ------
    InvalidParameter
    """
    if goal not in ("max", "min"):
        raise InvalidParameter(f'The goal is "max" or "min", got {goal!r}.')
    return goal


def check_incumbent(incumbent: float) -> float:
    """The best value so far.

    Raises
    ------
    InvalidParameter
        If it is not finite.
    """
    if not isinstance(incumbent, Real) or not math.isfinite(incumbent):
        raise InvalidParameter(f"The incumbent is the best value so far, a finite number; got {incumbent!r}.")
    return float(incumbent)


def check_xi(xi: float) -> float:
    """The improvement that is not counted as one.

    Raises
    ------
    InvalidParameter
        If it is negative or not finite.
    """
    if not isinstance(xi, Real) or not (math.isfinite(xi) and xi >= 0):
        raise InvalidParameter(f"xi is an improvement in units of the target, a number of at least 0; got {xi!r}.")
    return xi


def check_weight(weight: float) -> float:
    """The weight of the standard deviation in an upper confidence bound.

    Raises
    ------
    InvalidParameter
        If it is negative or not finite.
    """
    if not isinstance(weight, Real) or not (math.isfinite(weight) and weight >= 0):
        raise InvalidParameter(f"The weight of the upper confidence bound is a number of at least 0, got {weight!r}.")
    return weight
