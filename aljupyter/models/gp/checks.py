"""What the GP estimators accept, refused with this package's errors (which scikit-learn takes for its own)."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data
from torch import Tensor

from aljupyter.errors import InvalidLabel, ModelError, NoLabels, NonFiniteFeatures, NotFitted, WrongShape
from aljupyter.models.gp.arrays import Array

OPTIMIZERS = ("fast", "faithful", None)
PRIORS = ("default", None)
DTYPES = ("float64", "float32")
_LARGEST = 1e150


class EstimatorNotFitted(NotFitted, NotFittedError):
    """A prediction was asked of an estimator that has not been fitted."""


def check_parameters(estimator: Any) -> None:
    """Refuse an unknown optimizer, prior or precision."""
    for name, known in (("optimizer", OPTIMIZERS), ("prior", PRIORS), ("predict_dtype", DTYPES)):
        value = getattr(estimator, name)
        if value not in known:
            raise ModelError(f"{name} must be one of {', '.join(map(repr, known))}; got {value!r}.")


def check_fitted(estimator: Any) -> None:
    """Refuse to predict before a fit."""
    if not estimator.__sklearn_is_fitted__():
        name = type(estimator).__name__
        raise EstimatorNotFitted(f"This {name} instance is not fitted yet. Call `fit` with labelled points first.")


def check_features(estimator: BaseEstimator, X: ArrayLike | Tensor, *, reset: bool, device: Any) -> Array:
    """Features as float64, shape (N, D): a NumPy array, or a tensor where a device is named.

    Raises
    ------
    NoLabels
        Where there is no point to fit on.
    WrongShape
        For anything but two dimensions, or another number of features than at fit.
    NonFiniteFeatures
    """
    if _is_plain(estimator, X, reset):
        values: NDArray[np.float64] = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
        if reset:
            estimator.n_features_in_ = values.shape[1]
        elif values.shape[1] != estimator.n_features_in_:
            raise WrongShape(
                f"X has {values.shape[1]} features, but {type(estimator).__name__} is expecting "
                f"{estimator.n_features_in_} features as input."
            )
    else:
        values = _validated(estimator, X, reset)
    if reset and len(values) == 0:
        raise NoLabels(f"Found array with 0 sample(s) (shape={values.shape}): label at least one point before a fit.")
    largest = max(-values.min(), values.max()) if len(values) else 0.0  # NaN where there is one
    if not largest <= _LARGEST:
        _refuse(values)
    if reset:
        values = values.copy()  # the caller's array may change later
    if device is None:
        return values
    return torch.tensor(values, device=device)


def check_hypothetical(estimator: BaseEstimator, x: ArrayLike | Tensor, device: Any) -> Array:
    """One point, shape (D,), or several, (K, D), for a fitted estimator: as features of shape (K, D).

    Raises
    ------
    WrongShape, NonFiniteFeatures
    """
    if np.ndim(x) == 1:
        x = x[None] if isinstance(x, Tensor) else np.asarray(x)[None]
    return check_features(estimator, x, reset=False, device=device)


def _is_plain(estimator: BaseEstimator, X: Any, reset: bool) -> bool:
    """Whether there is no more to check about the shape than the number of features."""
    if isinstance(X, Tensor):
        return X.ndim == 2 and X.dtype == torch.float64 and X.shape[1] > 0
    if reset or type(X) is not np.ndarray or hasattr(estimator, "feature_names_in_"):
        return False
    return X.ndim == 2 and X.dtype == np.float64 and X.shape[1] > 0


def _validated(estimator: BaseEstimator, X: ArrayLike | Tensor, reset: bool) -> NDArray[np.float64]:
    """scikit-learn's checks of the shape, which are thorough and take longer than many a prediction."""
    if isinstance(X, Tensor):
        X = X.detach().cpu().numpy()
    try:
        values: NDArray[np.float64] = validate_data(
            estimator, X, reset=reset, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0
        )
    except ValueError as error:
        raise WrongShape(str(error)) from error
    return values


def _refuse(values: NDArray[np.float64]) -> NoReturn:
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise NonFiniteFeatures(
            f"Input X contains NaN or infinity: {(~finite).sum()} value(s), the first in row {row}, column {column}. "
            "Fill them in or leave those points or features out; a GP has no notion of a missing feature."
        )
    raise NonFiniteFeatures(
        f"Input X holds {np.abs(values).max():.3g}: squared distances of such features overflow to infinity. "
        "Rescale them, or let DataManager(..., preprocess='auto') standardise them."
    )


def check_labels(y: ArrayLike, n_points: int) -> NDArray[Any]:
    """Class labels, shape (N,), of a kind that can be sorted.

    Raises
    ------
    InvalidLabel
        For missing or mixed labels, and for numbers that are not classes.
    WrongShape
    """
    labels = _one_dimension(y, n_points)
    if labels.dtype.kind in "iu":  # codes, as a learner gives them: nothing more can be wrong with them
        return labels
    if labels.dtype.kind == "f":
        _require_finite(labels)
    try:
        check_classification_targets(labels)
        np.unique(labels)
    except (TypeError, ValueError) as error:
        raise InvalidLabel(f"Class labels must be all numbers or all strings: {error}") from error
    return labels


def check_known_labels(y: ArrayLike, n_points: int, classes: NDArray[Any]) -> NDArray[Any]:
    """Class labels, or one label, that a fitted classifier knows: shape (N,).

    Raises
    ------
    InvalidLabel, WrongShape
    """
    labels, known = check_labels(np.atleast_1d(y), n_points), classes.tolist()
    unknown = [label for label in labels.tolist() if label not in known]
    if unknown:
        raise InvalidLabel(
            f"Label {unknown[0]!r} is none of the classes of this model, {', '.join(map(repr, known))}. A class "
            "that has no labelled point yet is not in it: label one of its points and fit."
        )
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
        labels: NDArray[Any] = y if isinstance(y, np.ndarray) and y.ndim == 1 else column_or_1d(y, warn=True)
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
