"""What the GP estimators accept, refused with this package's errors (which scikit-learn takes for its own)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data
from torch import Tensor

from aljupyter.errors import InvalidLabel, ModelError, NoLabels, NonFiniteFeatures, NotFitted, WrongShape

OPTIMIZERS = ("fast", "faithful", None)
PRIORS = ("default", None)
_LARGEST = 1e150


class EstimatorNotFitted(NotFitted, NotFittedError):
    """A prediction was asked of an estimator that has not been fitted."""


def check_parameters(estimator: Any) -> None:
    """Refuse an unknown optimizer or prior."""
    for name, known in (("optimizer", OPTIMIZERS), ("prior", PRIORS)):
        value = getattr(estimator, name)
        if value not in known:
            raise ModelError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}.")


def check_fitted(estimator: Any) -> None:
    """Refuse to predict before a fit."""
    if not estimator.__sklearn_is_fitted__():
        name = type(estimator).__name__
        raise EstimatorNotFitted(f"This {name} instance is not fitted yet. Call `fit` with labelled points first.")


def check_features(estimator: BaseEstimator, X: ArrayLike | Tensor, *, reset: bool, device: Any) -> Tensor:
    """Features as a float64 tensor of shape (N, D).

    Raises
    ------
    NoLabels
        Where there is no point to fit on.
    WrongShape
        For anything but two dimensions, or another number of features than at fit.
    NonFiniteFeatures
    """
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    try:
        values: NDArray[np.float64] = validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0
        )
    except ValueError as error:
        raise WrongShape(str(error)) from error
    if reset and len(values) == 0:
        raise NoLabels(f"Found array with 0 sample(s) (shape={values.shape}): label at least one point before a fit.")
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise NonFiniteFeatures(
            f"Input X contains NaN or infinity: {(~finite).sum()} value(s), the first in row {row}, column {column}. "
            "Fill them in or leave those points or features out; a GP has no notion of a missing feature."
        )
    if len(values) and np.abs(values).max() > _LARGEST:
        raise NonFiniteFeatures(
            f"Input X holds {np.abs(values).max():.3g}: squared distances of such features overflow to infinity. "
            "Rescale them, or let DataManager(..., preprocess='auto') standardise them."
        )
    return torch.tensor(values, device=device)  # a copy: the caller's array may change later


def check_labels(y: ArrayLike, n_points: int) -> NDArray[Any]:
    """Class labels, shape (N,), of a kind that can be sorted.

    Raises
    ------
    InvalidLabel
        For missing or mixed labels, and for numbers that are not classes.
    WrongShape
    """
    labels = _one_dimension(y, n_points)
    if labels.dtype.kind == "f":
        _require_finite(labels)
    try:
        check_classification_targets(labels)
        np.unique(labels)
    except (TypeError, ValueError) as error:
        raise InvalidLabel(f"Class labels must be all numbers or all strings: {error}") from error
    return labels


def check_targets(y: ArrayLike, n_points: int) -> NDArray[np.float64]:
    """Targets of a regression as finite float64, shape (N,).

    Raises
    ------
    InvalidLabel
        For strings and for missing or infinite targets.
    WrongShape
    """
    labels = _one_dimension(y, n_points)
    try:
        targets = labels.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidLabel(f"Targets of a regression must be numbers: {error}.") from error
    _require_finite(targets)
    return targets


def _one_dimension(y: ArrayLike, n_points: int) -> NDArray[Any]:
    if y is None:
        raise InvalidLabel("This estimator requires y to be passed, but the target y is None.")
    try:
        labels: NDArray[Any] = column_or_1d(y, warn=True)
    except ValueError as error:
        raise WrongShape(f"There must be one label a point: {error}") from error
    if len(labels) != n_points:
        raise WrongShape(f"There must be one label a point: {n_points} points, {len(labels)} labels.")
    return labels


def _require_finite(labels: NDArray[np.floating]) -> None:
    finite = np.isfinite(labels)
    if not finite.all():
        raise InvalidLabel(
            f"Input y contains NaN or infinity, first at position {finite.argmin()}. A point without a label belongs "
            "to the pool, not to a fit."
        )
