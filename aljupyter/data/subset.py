"""A view of some points of a dataset: their indices, features and labels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aljupyter.data.features import Features
from aljupyter.errors import IndexOutOfRange, TooLargeForMemory
from aljupyter.randomness import torch_generator


class Subset(Dataset[tuple[Tensor, Tensor]]):
    """Some points of a dataset, as a map-style PyTorch dataset of (x, y).

    A view does not change: after a label the :class:`DataManager` gives new ones.

    Parameters
    ----------
    features : Features
        Of all points of the dataset.
    indices : array of int, shape (N,)
        The points of this view, by the dataset's own indices.
    y : Tensor of shape (N,)
        Class codes (int64, -1 where missing) or numbers (float64, NaN where missing).
    task : {"classification", "regression"}
    n_classes : int or None
        None for regression.
    memory_budget : int
        Bytes that `.x` may take.
    """

    def __init__(
        self,
        features: Features,
        indices: np.ndarray,
        y: Tensor,
        *,
        task: str,
        n_classes: int | None,
        memory_budget: int,
    ):
        self._features = features
        self._x: Tensor | None = None
        self.indices = np.array(indices, dtype=np.int64)
        self.indices.flags.writeable = False
        self.y = y
        self.task = task
        self.n_classes = n_classes
        self.memory_budget = memory_budget

    @property
    def features(self) -> Features:
        """Features of the whole dataset: the same object for all its views."""
        return self._features

    def relabelled(self, y: Tensor) -> Subset:
        """The same points with other labels; what was materialised is shared."""
        other = self._like(self.indices, y)
        other._x = self._x
        return other

    def part(self, positions: np.ndarray) -> Subset:
        """The view of some points of this one, given by their positions, in that order."""
        rows = torch.from_numpy(np.asarray(positions, dtype=np.int64))
        other = self._like(self.indices[rows.numpy()], self.y[rows])
        other._x = None if self._x is None else self._x[rows]
        return other

    def joined(self, other: Subset, y: Tensor) -> Subset:
        """The view of these points and of another view's, which have the labels `y`, of shape (len(other),)."""
        both = self._like(np.concatenate([self.indices, other.indices]), torch.cat([self.y, y.to(self.y)]))
        if self._x is not None and other._x is not None:
            both._x = torch.cat([self._x, other._x])
        return both

    def _like(self, indices: np.ndarray, y: Tensor) -> Subset:
        return Subset(
            self._features, indices, y, task=self.task, n_classes=self.n_classes, memory_budget=self.memory_budget
        )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= i < len(self):
            raise IndexOutOfRange(f"Position {i} is not in a view of {len(self)} points.")
        if self._fits:
            return self.x[i], self.y[i]
        return self._features.gather(self.indices[i : i + 1 or None])[0], self.y[i]

    @property
    def nbytes(self) -> int:
        """Bytes that `.x` takes."""
        return len(self) * math.prod(self._features.shape) * self._features.dtype.itemsize

    @property
    def _fits(self) -> bool:
        return self._x is not None or self.nbytes <= self.memory_budget

    @property
    def x(self) -> Tensor:
        """Features of shape (N, D), or (N, ...) for a Dataset of another shape; read once, then kept.

        Raises
        ------
        TooLargeForMemory
            If they take more than the memory budget.
        """
        if self._x is None:
            if not self._fits:
                raise TooLargeForMemory(
                    f"The features of these {len(self)} points take {_size(self.nbytes)}, more than the memory "
                    f"budget of {_size(self.memory_budget)}. Stream them with `.chunks()` or `.loader()`, or give "
                    f"DataManager(..., memory_budget=<bytes>)."
                )
            self._x = self._features.gather(self.indices)
        return self._x

    def rows(self, positions: Tensor) -> Tensor:
        """Features of some points, given by their positions in this view: no other point is read, nothing is kept.

        Parameters
        ----------
        positions : Tensor of int64, shape (M,)

        Returns
        -------
        Tensor of shape (M, D), or (M, ...)

        Raises
        ------
        IndexOutOfRange
        """
        outside = positions[(positions < 0) | (positions >= len(self))]
        if len(outside):
            raise IndexOutOfRange(f"Position {int(outside[0])} is not in a view of {len(self)} points.")
        if self._x is not None:
            return self._x[positions]
        return self._features.gather(self.indices[positions.numpy()])

    def chunks(self, size: int = 1024) -> Iterator[tuple[Tensor, Tensor]]:
        """Consecutive pieces (x, y) of at most `size` points, without holding the whole view in memory."""
        for start in range(0, len(self), size):
            piece = slice(start, start + size)
            x = self._x[piece] if self._x is not None else self._features.gather(self.indices[piece])
            yield x, self.y[piece]

    def loader(
        self, batch_size: int = 32, shuffle: bool = False, generator: torch.Generator | None = None
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        """A PyTorch DataLoader over this view.

        Parameters
        ----------
        batch_size : int
        shuffle : bool
        generator : torch.Generator, optional
            Orders the batches where `shuffle` is set. One with a fixed seed where not given: a DataLoader without one
            draws from torch's global generator, even when it does not shuffle.
        """
        return DataLoader(
            self, batch_size=batch_size, shuffle=shuffle, generator=generator or torch_generator(0, "loader")
        )

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.indices[:5])) + (", ..." if len(self) > 5 else "")
        shape = "x".join(map(str, (len(self), *self._features.shape)))
        classes = "" if self.n_classes is None else f", {self.n_classes} classes"
        return f"Subset({shape} {str(self._features.dtype).removeprefix('torch.')}, {self.task}{classes}, [{shown}])"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB" if n_bytes >= 2**20 else f"{n_bytes:,} bytes"
