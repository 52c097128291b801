"""The features of a dataset, and their standardisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from aljupyter.errors import NonFiniteFeatures, WrongShape

BLOCK = 2**22  # numbers worked on at once


class Features(Protocol):
    """The features of N points. `names` is empty where a point is not a vector; `notes` say what was done to them."""

    names: tuple[str, ...]
    notes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype

    def __len__(self) -> int:
        """Number of points of the dataset."""
        ...

    def gather(self, indices: np.ndarray) -> Tensor:
        """Features of the points at `indices`, of shape (len(indices), *shape)."""
        ...


class TensorFeatures:
    """Features in memory.

    Parameters
    ----------
    values : Tensor of shape (N, ...)
        Not written to by anyone after this.
    names : tuple of str
        One a feature; empty where a point is not a vector.
    notes : tuple of str
        What was done to the features, in words.
    """

    def __init__(self, values: Tensor, names: tuple[str, ...], notes: tuple[str, ...]):
        self.values = values
        self.names = names
        self.notes = notes
        self.shape = tuple(values.shape[1:])
        self.dtype = values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def gather(self, indices: np.ndarray) -> Tensor:
        """Features of the points at `indices`; the tensor itself, not a copy, where these are all points in order."""
        if len(indices) == len(self.values) and np.array_equal(indices, np.arange(len(indices))):
            return self.values
        return self.values.index_select(0, torch.tensor(indices))


def names_of(shape: tuple[int, ...], given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the features of a point: those given, ``x0 x1 ...`` for a vector, none for an image and the like.

    Raises
    ------
    WrongShape
        For another number of names than of features.
    """
    if given is None:
        return tuple(f"x{j}" for j in range(shape[0])) if len(shape) == 1 else ()
    if shape != (len(given),):
        raise WrongShape(f"{len(given)} feature names were given for points of shape {shape}; give one a column.")
    return tuple(map(str, given))


def require_finite(x: Tensor, where: str = "X") -> None:
    """Refuse NaN and infinite features.

    Raises
    ------
    NonFiniteFeatures
        Naming the first rows and columns.
    """
    if not x.is_floating_point() or bool(torch.isfinite(x).all()):
        return
    bad = (~torch.isfinite(x)).reshape(len(x), -1)
    rows = bad.any(1).nonzero().flatten()
    columns = bad.any(0).nonzero().flatten()
    raise NonFiniteFeatures(
        f"{where} holds NaN or infinite values in {len(rows)} of {len(x)} rows (first rows "
        f"{_some(rows.tolist())}; columns {_some(columns.tolist())}). Features must be finite: leave those rows out, "
        f"or fill them in first, for example with sklearn.impute.SimpleImputer."
    )


def _some(values: list[Any], most: int = 5) -> str:
    return ", ".join(str(v) for v in values[:most]) + (", ..." if len(values) > most else "")


def standardise(x: Tensor, train: np.ndarray, columns: Sequence[int] | None = None) -> tuple[Tensor, str]:
    """Give columns mean 0 and standard deviation 1 over the training rows, in their own dtype.

    A column that is constant over the training rows tells nothing and becomes 0 everywhere.

    Parameters
    ----------
    x : Tensor of shape (N, D)
    train : array of int
        Rows whose statistics are used.
    columns : sequence of int, optional
        All where not given; the others stay as they are.

    Returns
    -------
    Tensor of shape (N, D), str
        New features, and what was done in words.
    """
    chosen = torch.arange(x.shape[1]) if columns is None else torch.tensor(columns, dtype=torch.int64)
    rows = torch.tensor(train)
    result = x.clone()
    n_constant = 0
    for part in chosen.split(max(1, BLOCK // len(x))):  # some columns at a time: no second matrix in float64
        block = x[:, part].double()
        block /= _or_one(block.abs().amax(0))  # squares of 1e200 would overflow
        known = block if len(rows) == len(x) else block[rows]
        low, high = known.aminmax(dim=0)
        constant = low == high
        block -= known.mean(0)
        known = block if len(rows) == len(x) else block[rows]
        block /= _or_one(known.square().mean(0).sqrt())
        result[:, part] = block.masked_fill_(constant, 0.0).to(x.dtype)
        n_constant += int(constant.sum())
    note = f"{len(chosen)} numbers, standardised by the {len(train)} rows of train"
    return result, note + (f" ({n_constant} constant there: set to 0)" if n_constant else "")


def _or_one(scale: Tensor) -> Tensor:
    return torch.where(scale == 0, 1.0, scale)
