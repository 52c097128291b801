"""What labels mean: class codes or numbers, which of them are missing, and the way back to a person's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from aljupyter.errors import DataError, InvalidLabel, UnknownTask, WrongShape

CLASSIFICATION = "classification"
REGRESSION = "regression"
MOST_CODES = 20  # a column of more distinct whole numbers holds a quantity


class Target:
    """The task, its classes, and the way between a person's labels and a model's.

    Parameters
    ----------
    task : {"classification", "regression"}
    classes : array, optional
        The labels of the classes in the order of their codes; None for regression. Class c has code c.
    reason : str
        How the task was found out, in words.
    """

    def __init__(self, task: str, classes: np.ndarray | None, reason: str):
        self.task = task
        self.classes = classes
        self.reason = reason
        self._codes = {} if classes is None else {label: code for code, label in enumerate(classes.tolist())}

    @property
    def n_classes(self) -> int | None:
        return None if self.classes is None else len(self.classes)

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.classes is None else torch.int64

    def missing(self, n: int) -> Tensor:
        """Labels of n points of which none is known: -1, or NaN."""
        return torch.full((n,), torch.nan if self.classes is None else -1, dtype=self.dtype)

    def is_missing(self, y: Tensor) -> Tensor:
        """Which labels are missing, shape (N,)."""
        return torch.isnan(y) if self.classes is None else y < 0

    def encode(self, labels: Any) -> Tensor:
        """Codes (int64) or numbers (float64) of labels as a person gives them; one label is a list of one.

        Raises
        ------
        InvalidLabel
            For a label that is not a class, or not a finite number.
        """
        one = self._number if self.classes is None else self._code
        return torch.tensor([one(label) for label in label_list(labels)], dtype=self.dtype)

    def _code(self, label: Any) -> int:
        try:
            return self._codes[label]
        except (KeyError, TypeError):  # TypeError: a list is not hashable
            raise InvalidLabel(
                f"{label!r} is not one of the classes {shown(self._codes)}. Give a class as it is written there; "
                f"classes that no known label shows are named with DataManager(..., classes=[...])."
            ) from None

    def _number(self, label: Any) -> float:
        try:
            number = float("nan") if isinstance(label, str) else float(label)
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number):
            raise InvalidLabel(
                f"{label!r} is not a label of a regression: a finite number is expected. Numbers written as text: "
                f"pandas.to_numeric(labels). Classes: DataManager(..., task='classification')."
            )
        return number

    def decode(self, codes: Any) -> np.ndarray:
        """Labels as a person gives them, from codes or numbers.

        Raises
        ------
        InvalidLabel
            For a code that no class has; -1 (missing) too.
        """
        array = np.asarray(codes, dtype=np.float64 if self.classes is None else np.int64)
        if self.classes is None:
            return array.copy()
        wrong = array[(array < 0) | (array >= len(self.classes))]
        if len(wrong):
            raise InvalidLabel(f"{wrong[0]} is not a class code: codes run from 0 to {len(self.classes) - 1}.")
        return self.classes[array]

    def describe(self, y: Tensor) -> str:
        """The task, and the labels `y` of it that are known, in words."""
        known = y[~self.is_missing(y)]
        if self.classes is None:
            what = f"from {known.min():.4g} to {known.max():.4g}" if len(known) else "no label known"
        else:
            counts = torch.bincount(known, minlength=len(self.classes)).tolist()
            each = [f"{label!r} {count}" for label, count in zip(self.classes.tolist(), counts, strict=True)]
            what = f"{len(each)} classes: {', '.join(each[:10])}{', ...' if len(each) > 10 else ''}"
            if len(each) == 1:
                what = f"one class only: {each[0]}; others are named with classes=[...]"
        return f"{self.task} ({self.reason}), {what}"


def label_list(labels: Any) -> list[Any]:
    """Labels as a list of plain Python values; a string or a number is one label.

    Raises
    ------
    WrongShape
        For labels of more than one dimension.
    """
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    shape = shape_of(labels)
    if not shape:
        return [labels.item() if hasattr(labels, "item") else labels]
    if len(shape) > 1:
        raise WrongShape(f"Labels have shape {shape}; (n,), one label a point, is expected.")
    values = labels.tolist() if hasattr(labels, "tolist") else list(labels)
    return [value.item() if isinstance(value, (np.generic, Tensor)) else value for value in values]


def shape_of(labels: Any) -> tuple[int, ...]:
    """Shape of labels; () of a single one.

    Raises
    ------
    WrongShape
        For lists of unequal length in a list.
    """
    try:
        return tuple(np.shape(labels))
    except ValueError:
        raise WrongShape("Labels are a list of lists of unequal length; one label a point is expected.") from None


def read_labels(
    y: Any, n_rows: int, task: str | None = None, classes: Sequence[Any] | None = None, advice: str = ""
) -> tuple[Target, Tensor]:
    """The task and the dataset's own labels.

    What is not said is found out. Strings, booleans and pandas categories are classes; categories that pandas knows as
    ordered keep their order as class codes, others are sorted. Whole numbers are classes where
    they look like codes: at most 20 distinct ones, that run from 0 or 1 without a gap, are -1 and 1, or come twice each
    on average. Other numbers make a regression. Floats are read as the whole numbers they are where a label is missing
    (which turns whole numbers to floats), and where they are 0 and 1 only.

    Parameters
    ----------
    y : array, tensor, Series or sequence of shape (N,), or None
        Missing labels are NaN, None or pandas.NA; None where all are missing.
    n_rows : int
    task : {"classification", "regression"}, optional
        Overrules what the labels look like.
    classes : sequence, optional
        All classes; makes it a classification.
    advice : str
        Ends the message of UnknownTask.

    Returns
    -------
    Target, Tensor of shape (N,)
        Class codes (int64, -1 where missing) or numbers (float64, NaN where missing).

    Raises
    ------
    UnknownTask, WrongShape, InvalidLabel
    """
    if task not in (None, CLASSIFICATION, REGRESSION):
        raise UnknownTask(f"task={task!r} is neither 'classification' nor 'regression'.")
    if classes is not None and task == REGRESSION:
        raise DataError("classes=[...] make a classification, but task='regression' was given with them; give one.")
    known = _as_series(y, n_rows).dropna()
    if classes is not None:
        target = Target(CLASSIFICATION, _sorted_classes(classes), "classes given")
    elif not len(known) and not _is_categorical(known) and task != REGRESSION:
        raise UnknownTask(
            "No label is known, so the task is not either. Name the classes, DataManager(..., classes=['a', 'b']), or "
            f"say task='regression'.{advice}"
        )
    else:
        target = _infer(known, len(known) < n_rows, task)
    y_N = target.missing(n_rows)
    y_N[torch.tensor(known.index.to_numpy())] = _encode_many(target, known)
    return target, y_N


def _encode_many(target: Target, known: pd.Series) -> Tensor:
    """As `target.encode`, without a step of Python for each label."""
    if target.task == REGRESSION and pd.api.types.is_numeric_dtype(known.dtype):
        numbers = known.to_numpy(dtype=np.float64)
        target.encode(numbers[~np.isfinite(numbers)][:1])  # refuses the first infinite one
        return torch.from_numpy(numbers.copy())  # torch knows no negative strides
    positions, distinct = pd.factorize(known.astype(object) if _is_categorical(known) else known)
    return target.encode(distinct.tolist())[torch.tensor(positions)]


def _is_categorical(labels: pd.Series) -> bool:
    return isinstance(labels.dtype, pd.CategoricalDtype)


def _as_series(y: Any, n_rows: int) -> pd.Series:
    """Labels by position, as pandas types them best."""
    if y is None:
        return pd.Series([None] * n_rows, dtype=object)
    if isinstance(y, Tensor):
        y = (y.double() if y.is_floating_point() else y).detach().cpu().numpy()
    shape = shape_of(y)
    if len(shape) != 1:
        hint = "y=[...]"
        if shape:
            hint = "y.ravel()" if shape[-1] == 1 else "one-hot rows become codes by y.argmax(1)"
        raise WrongShape(f"y has shape {shape}; (N,), one label a row, is expected: {hint}.")
    series = pd.Series(y).reset_index(drop=True)
    if len(series) != n_rows:
        raise WrongShape(
            f"y has {len(series)} labels, the dataset has {n_rows} rows; give one a row, NaN where missing."
        )
    return series


def _infer(known: pd.Series, partly: bool, task: str | None) -> Target:
    """The task that known labels look like, or the one that was said, and its classes."""
    looks, reason = _looks_like(known, partly, task)
    if task is not None and task != looks:
        looks, reason = task, "as said"
    if looks == REGRESSION:
        return Target(REGRESSION, None, reason)
    # A category that no label shows is a class where some are missing; else it is left over from a larger table.
    declared = _is_categorical(known) and partly
    classes = known.cat.categories.tolist() if declared else known.unique().tolist()
    if _is_categorical(known) and known.cat.ordered:
        return Target(CLASSIFICATION, _checked_classes([c for c in known.cat.categories if c in classes]), reason)
    return Target(CLASSIFICATION, _sorted_classes(classes), reason)


def _looks_like(known: pd.Series, partly: bool, task: str | None) -> tuple[str, str]:
    """The task that known labels look like, and why."""
    if _is_categorical(known):
        return CLASSIFICATION, "labels are categories"
    kind = pd.api.types.infer_dtype(known, skipna=True) if len(known) else "floating"
    if kind == "boolean":
        return CLASSIFICATION, "labels are booleans"
    if kind == "string":
        if task is None:
            _refuse_numbers_as_text(known)
        return CLASSIFICATION, "labels are strings"
    if kind not in ("integer", "floating", "mixed-integer-float", "decimal"):
        examples = {type(value).__name__: value for value in reversed(known.tolist())}
        raise InvalidLabel(
            f"Labels are of more than one kind, or of one that is not understood: "
            f"{', '.join(f'{value!r} ({name})' for name, value in list(examples.items())[:3])}. Give strings, whole "
            f"numbers or booleans for classes, numbers for a regression, and NaN or None where a label is missing."
        )
    distinct = np.unique(known.to_numpy(dtype=np.float64))
    read_as_whole = kind == "integer" or partly or np.array_equal(distinct, [0, 1])
    if read_as_whole and (distinct == distinct.round()).all() and _look_like_codes(distinct, len(known)):
        return CLASSIFICATION, f"{len(distinct)} distinct whole numbers; quantities? task='regression'"
    return REGRESSION, "labels are numbers" + "; classes? task='classification'" * (len(distinct) <= MOST_CODES)


def _look_like_codes(distinct: np.ndarray, n_known: int) -> bool:
    if not 0 < len(distinct) <= MOST_CODES:
        return False
    gapless = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == len(distinct) - 1
    return bool(gapless) or np.array_equal(distinct, [-1, 1]) or 2 * len(distinct) <= n_known


def _refuse_numbers_as_text(known: pd.Series) -> None:
    """Measurements read as text, because one cell says "pending", would make hundreds of classes."""
    distinct = pd.Series(known.unique()).astype(str)
    numbers = pd.to_numeric(distinct, errors="coerce")
    is_number = numbers.notna()
    if is_number.mean() <= 0.5 or (is_number.all() and (numbers == numbers.round()).all()):
        return
    other = "" if is_number.all() else f" and {distinct[~is_number].iloc[0]!r}"
    raise InvalidLabel(
        f"Labels are numbers written as text, such as {distinct[is_number].iloc[0]!r}{other}. Numbers: "
        f"pandas.to_numeric(labels, errors='coerce'). If they are classes: DataManager(..., task='classification')."
    )


def _sorted_classes(classes: Any) -> np.ndarray:
    """As :func:`_checked_classes`, sorted."""
    array = np.sort(_checked_classes(classes))
    array.flags.writeable = False
    return array


def _checked_classes(classes: Any) -> np.ndarray:
    """Classes as an array, in the order given.

    Raises
    ------
    InvalidLabel
        For repeats, missing values, numbers that are not whole, and values of several kinds.
    """
    if len(shape_of(classes)) != 1:
        raise InvalidLabel(f"classes={classes!r} is not a list of labels, for example ['no', 'yes'].")
    values = label_list(classes)
    continuous = [value for value in values if isinstance(value, float) and not value.is_integer()]
    if continuous:
        raise InvalidLabel(
            f"{continuous[0]!r} is not a class: classes are strings, booleans or whole numbers. For numbers to "
            f"predict: task='regression'."
        )
    values = [int(value) if isinstance(value, float) else value for value in values]
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= {str, int, bool}:
        names = sorted(kind.__name__ for kind in kinds)
        raise InvalidLabel(
            f"The classes {shown(values)} are of the kinds {names}; give strings, whole numbers or booleans."
        )
    if len(set(values)) < len(values):
        raise InvalidLabel(f"The classes {shown(values)} hold one label twice.")
    array = np.array(values)
    array.flags.writeable = False
    return array


def shown(labels: Any, most: int = 10) -> str:
    """The first labels, for a message."""
    values = [repr(label) for label in labels]
    return ", ".join(values[:most]) + (f", ... ({len(values)} in all)" if len(values) > most else "")
