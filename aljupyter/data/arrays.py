"""Arrays, tensors and nested lists read as features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter.data.features import Features, TensorFeatures, names_of, require_finite, standardise
from aljupyter.data.source import Source, plain
from aljupyter.errors import DataError, WrongShape


class ArraySource(Source):
    """An array of shape (N, D); the parameters are those of `DataManager`."""

    def __init__(self, data: Any, y: Any, feature_names: Sequence[str] | None, preprocess: str | None):
        self._x = as_matrix(data)
        super().__init__(n_rows=len(self._x), y=y, raw=data)
        self._names = names_of(tuple(self._x.shape[1:]), feature_names)
        self._preprocess = preprocess

    def features(self, train: np.ndarray) -> Features:
        if self._preprocess is None:
            return TensorFeatures(self._x.clone(), self._names, (f"{len(self._names)} numbers as given",))
        x, note = standardise(self._x, train)
        return TensorFeatures(x, self._names, (note,))

    def display(self, index: int) -> dict[str, Any]:
        return dict(zip(self._names, map(plain, self.raw[index]), strict=True))


def as_matrix(data: Any) -> Tensor:
    """An array, tensor or nested list of numbers as a CPU tensor of shape (N, D), which may share its memory.

    Floats keep their dtype; whole numbers and booleans become float64.

    Raises
    ------
    WrongShape
        For anything but two dimensions, no rows, or no columns.
    DataError
        For strings, objects, complex numbers.
    NonFiniteFeatures
    """
    if hasattr(data, "toarray"):
        raise WrongShape("X is a sparse matrix; dense features are expected: give X.toarray().")
    if isinstance(data, Tensor):
        x = data.detach().cpu()
        if x.is_complex():
            raise DataError("X is complex; features are real numbers: give the real and imaginary parts as columns.")
        x = x if x.is_floating_point() else x.double()
    else:
        array = _real_array(data)
        x = torch.from_numpy(array) if array.flags.writeable else torch.tensor(array)
    if x.ndim == 1:
        raise WrongShape(
            f"X has shape {tuple(x.shape)}; (N, D) is expected, a row a point. One feature: X.reshape(-1, 1); "
            f"one point: X.reshape(1, -1)."
        )
    if x.ndim != 2 or 0 in x.shape:
        raise WrongShape(
            f"X has shape {tuple(x.shape)}; (N, D) with at least one row and one column is expected. Images and other "
            f"shapes go in as a Dataset: torch.utils.data.TensorDataset(X, y)."
        )
    require_finite(x)
    return x


def _real_array(data: Any) -> np.ndarray:
    """An array of floats."""
    if isinstance(data, np.ma.MaskedArray):
        data = np.ma.filled(data.astype(np.float64), np.nan)
    try:
        array = np.asarray(data)
    except ValueError as error:  # rows of unequal length
        raise WrongShape(f"X cannot be read as an array of shape (N, D): {error}") from None
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"X is read as an array of {array.dtype}; numbers are expected. A table of numbers and strings goes in as "
            f"a pandas DataFrame, a file as its path, other things as a torch Dataset."
        )
    keep = array.dtype.kind == "f" and array.dtype.itemsize <= 8
    array = array.astype(array.dtype.newbyteorder("=") if keep else np.float64, copy=False)
    return array if min(array.strides, default=0) >= 0 else array.copy()  # torch knows no negative strides
