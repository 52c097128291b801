"""The plane over which a heatmap is drawn: how its points map to inputs of the model, and the pool to its points.

Axes are in the units of the raw table wherever an input is an affine function of a raw column (standardised, say).
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter.errors import UnknownColumn, WrongShape

Limits = tuple[float, float]
PlaneChoice = str | Sequence[str | int] | None

MAX_ROWS = 2000  # rows that medians, ranges and principal components are computed from


class Inputs:
    """The model's inputs over the training view: names, a sample of rows, and how each maps to raw units.

    Parameters
    ----------
    data : DataManager

    Attributes
    ----------
    sample_M_D : float64 array
        Every k-th row of the training view, flattened to one row of D numbers a point.
    names : list of str, of length D
    """

    def __init__(self, data: Any):
        train = np.asarray(data.train.indices)
        # an even stride keeps the choice of rows the same in every round, and the extremes of sorted tables
        rows = train[np.unique(np.linspace(0, len(train) - 1, min(MAX_ROWS, len(train))).astype(int))]
        x = data.subset(rows).x
        self.shape = tuple(x.shape[1:])
        self.dtype = x.dtype
        self.sample_M_D = self.flatten(x)
        names = getattr(data, "feature_names", None)
        n_inputs = self.sample_M_D.shape[1]
        self.names = [str(name) for name in names] if names is not None and len(names) == n_inputs else []
        self.names = self.names or [f"x[{j}]" for j in range(n_inputs)]
        self._raw = getattr(data, "raw", None)
        self._rows = rows

    @property
    def n(self) -> int:
        return self.sample_M_D.shape[1]

    def flatten(self, x: Tensor) -> np.ndarray:
        """Points as rows of numbers, float64 of shape (N, D)."""
        return x.detach().cpu().reshape(len(x), -1).double().numpy()

    def unflatten(self, x_N_D: np.ndarray) -> Tensor:
        """Rows of numbers as inputs of the model: its shape and dtype."""
        return torch.from_numpy(x_N_D).to(self.dtype).reshape(len(x_N_D), *self.shape)

    def position(self, feature: str | int) -> int:
        """Position of an input given by its name or number.

        Raises
        ------
        UnknownColumn
            With the nearest name there is.
        """
        if isinstance(feature, str) and feature in self.names:
            return self.names.index(feature)
        if not isinstance(feature, str) and 0 <= int(feature) < self.n:
            return int(feature)
        near = difflib.get_close_matches(str(feature), self.names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" There are {self.n}: {', '.join(self.names[:8])}…"
        raise UnknownColumn(f"The model has no input {feature!r}.{hint}")

    def units(self, j: int) -> tuple[float, float]:
        """(scale, offset) with raw = scale * input + offset; (1, 0) where the raw table has no such column."""
        raw, x = self._raw_column(j), self.sample_M_D[:, j]
        if raw is None or np.ptp(x) == 0:
            return 1.0, 0.0
        low, high = x.argmin(), x.argmax()
        scale = (raw[high] - raw[low]) / (x[high] - x[low])
        offset = raw[low] - scale * x[low]
        fits = np.allclose(scale * x + offset, raw, rtol=1e-4, atol=1e-4 * (np.ptp(raw) or 1.0))
        return (float(scale), float(offset)) if fits and scale > 0 else (1.0, 0.0)

    def in_raw_units(self, x: Tensor) -> dict[str, float]:
        """One point's inputs by name, in the units of the raw table where they are known."""
        pairs = ((self.units(j), value) for j, value in enumerate(x.detach().cpu().double().reshape(-1).tolist()))
        values = [scale * value + offset for (scale, offset), value in pairs]
        return dict(zip(self.names, values, strict=True))

    def _raw_column(self, j: int) -> np.ndarray | None:
        """The column of the raw table that input j may come from, at the sampled rows."""
        raw: Any = self._raw
        if hasattr(raw, "columns"):  # a DataFrame
            if self.names[j] not in raw.columns:
                return None
            column = raw[self.names[j]]
        elif isinstance(raw, (np.ndarray, Tensor)) and raw.ndim == 2 and raw.shape[1] == self.n:
            column = raw[:, j]
        else:
            return None
        try:
            values = np.asarray(column, dtype=float)[self._rows]
        except (TypeError, ValueError):
            return None
        return values if np.isfinite(values).all() else None


def padded(values: np.ndarray, share: float = 0.04) -> Limits:
    """Limits of an axis that holds the values, with some room."""
    low, high = float(values.min()), float(values.max())
    pad = share * (high - low) or 0.5
    return low - pad, high + pad


def cell_centres(limits: Limits, n: int) -> np.ndarray:
    """Centres of n cells of equal width that fill the limits, ascending."""
    low, high = limits
    return low + (np.arange(n) + 0.5) * (high - low) / n


class Plane(ABC):
    """Two coordinates of the screen and the model inputs behind them."""

    x_label: str
    y_label: str
    x_limits: Limits
    y_limits: Limits
    #: whether there is one input only: the heat is then a curve below those of the model
    is_line: bool = False
    #: indices of the points that the rows of :meth:`grid` are; None where they are places of the plane
    points: np.ndarray | None = None

    @abstractmethod
    def at(self, xy_N_2: np.ndarray) -> Tensor:
        """Inputs of the model at places of the plane."""

    def grid(self, n: int) -> Tensor:
        """Inputs of the model at n x n cell centres: rows from low to high y, within a row from low to high x."""
        return self.at(np.column_stack(self._cells(n)))

    @abstractmethod
    def project(self, x: Tensor) -> np.ndarray:
        """Where points lie on the plane, shape (N, 2)."""

    def locate(self, data: Any, indices: np.ndarray) -> np.ndarray:
        """Where points of the dataset lie on the plane, shape (N, 2)."""
        return self.project(data.subset(indices).x)

    def nearest(self, xy_M_2: np.ndarray) -> np.ndarray | None:
        """Index of the point that each place stands for; None where a place stands for itself."""
        return None

    def on_cells(self, values_M: np.ndarray) -> np.ndarray:
        """One value a cell, from one for each row of :meth:`grid`."""
        return values_M

    @property
    def name(self) -> str:
        return f"{self.x_label} and {self.y_label}"

    def _cells(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        u, v = np.meshgrid(cell_centres(self.x_limits, n), cell_centres(self.y_limits, n))
        return u.ravel(), v.ravel()


class FeaturePlane(Plane):
    """Two inputs; the others, if there are any, at their median or as some point has them.

    Parameters
    ----------
    inputs : Inputs
    first, second : str or int
    held : Tensor of shape (1, ...), optional
        The model's inputs of a point: where the others are held.
    words : str
        Where that is.

    Attributes
    ----------
    features : list of two int
        Their positions among the inputs.
    """

    def __init__(
        self,
        inputs: Inputs,
        first: str | int,
        second: str | int,
        held: Tensor | None = None,
        words: str = "median",
    ):
        i, j = inputs.position(first), inputs.position(second)
        if i == j:
            raise WrongShape(f"A plane needs two different features, got {inputs.names[i]!r} twice.")
        self._inputs, self.features = inputs, [i, j]
        self._units = [inputs.units(i), inputs.units(j)]
        self._others_D = np.median(inputs.sample_M_D, axis=0) if held is None else inputs.flatten(held)[0]
        self.x_label, self.y_label = inputs.names[i], inputs.names[j]
        if inputs.n > 2:
            self.x_label += f" (others at {words})"
        shown = self._shown(inputs.sample_M_D)
        self.x_limits, self.y_limits = padded(shown[:, 0]), padded(shown[:, 1])

    def _shown(self, x_N_D: np.ndarray) -> np.ndarray:
        scale, offset = np.transpose(self._units)
        return x_N_D[:, self.features] * scale + offset

    def at(self, xy_N_2: np.ndarray) -> Tensor:
        x = np.tile(self._others_D, (len(xy_N_2), 1))
        scale, offset = np.transpose(self._units)
        x[:, self.features] = (xy_N_2 - offset) / scale
        return self._inputs.unflatten(x)

    def project(self, x: Tensor) -> np.ndarray:
        return self._shown(self._inputs.flatten(x))


class PrincipalPlane(Plane):
    """The first two principal components of the inputs; the grid lies in the plane through their mean."""

    def __init__(self, inputs: Inputs):
        if inputs.n < 2:
            raise WrongShape("Principal components need two inputs or more; this model has one.")
        self._inputs = inputs
        self._mean_D = inputs.sample_M_D.mean(0)
        centred = inputs.sample_M_D - self._mean_D
        self._axes_2_D = _two_largest_components(centred)
        total = (centred**2).sum() or 1.0
        shares = ((centred @ self._axes_2_D.T) ** 2).sum(0) / total
        self.x_label, self.y_label = (f"PC {k} ({share:.0%} of variance)" for k, share in enumerate(shares, 1))
        shown = centred @ self._axes_2_D.T
        self.x_limits, self.y_limits = padded(shown[:, 0]), padded(shown[:, 1])

    def at(self, xy_N_2: np.ndarray) -> Tensor:
        return self._inputs.unflatten(self._mean_D + xy_N_2 @ self._axes_2_D)

    def project(self, x: Tensor) -> np.ndarray:
        return (self._inputs.flatten(x) - self._mean_D) @ self._axes_2_D.T


def _two_largest_components(centred_M_D: np.ndarray) -> np.ndarray:
    """Unit vectors of shape (2, D), each with its largest entry positive: signs are free, and could flip the plane."""
    if min(centred_M_D.shape) <= 200:
        axes = np.linalg.svd(centred_M_D, full_matrices=False)[2][:2]
    else:
        from scipy.sparse.linalg import svds

        axes = svds(centred_M_D, k=2, v0=np.ones(min(centred_M_D.shape)))[2][::-1]
    if len(axes) < 2:  # a single point: any second direction will do
        axes = np.vstack([axes, np.eye(centred_M_D.shape[1])[1]])
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], axis=1)
    return axes * np.sign(np.where(largest == 0, 1.0, largest))


class Line(Plane):
    """The only input of a model with one; what stands on the y axis is what the model says, so a frame decides it."""

    is_line = True

    def __init__(self, inputs: Inputs):
        self._inputs = inputs
        self._scale, self._offset = inputs.units(0)
        self.x_label, self.y_label = inputs.names[0], ""
        self.x_limits, self.y_limits = padded(self._scale * inputs.sample_M_D[:, 0] + self._offset), (0.0, 1.0)

    @property
    def name(self) -> str:
        return self.x_label

    def at(self, xy_N_2: np.ndarray) -> Tensor:
        return self._inputs.unflatten((xy_N_2[:, :1] - self._offset) / self._scale)

    def grid(self, n: int) -> Tensor:
        """Inputs at 2n cell centres along the line, ascending."""
        return self.at(cell_centres(self.x_limits, 2 * n)[:, None])

    def project(self, x: Tensor) -> np.ndarray:
        """Place on the line, and 0."""
        shown = self._scale * self._inputs.flatten(x)[:, 0] + self._offset
        return np.column_stack([shown, np.zeros(len(shown))])


def choose_plane(inputs: Inputs, choice: PlaneChoice = None) -> Plane:
    """The plane that a person chose: "pca", two features by name or number, or None for what suits the inputs.

    Raises
    ------
    UnknownColumn, WrongShape
    """
    if inputs.n == 1:
        return Line(inputs)
    if choice is None:
        return FeaturePlane(inputs, 0, 1) if inputs.n == 2 else PrincipalPlane(inputs)
    if isinstance(choice, str):
        if choice.lower() == "pca":
            return PrincipalPlane(inputs)
        raise WrongShape(f'A plane is "pca" or two features such as ({inputs.names[0]!r}, {inputs.names[1]!r}), '
                         f"got {choice!r}.")  # fmt: skip
    if len(choice) != 2:
        raise WrongShape(f"A plane needs two features, got {len(choice)}.")
    first, second = choice
    return FeaturePlane(inputs, first, second)
