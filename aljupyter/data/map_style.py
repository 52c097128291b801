"""Map-style torch Datasets, read a point at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from aljupyter.data.features import Features, TensorFeatures, names_of, require_finite
from aljupyter.data.labels import shape_of
from aljupyter.data.source import Source, plain
from aljupyter.errors import DataError, WrongShape


class DatasetSource(Source):
    """A map-style Dataset of (x, y), or of x alone; the parameters are those of `DataManager`.

    It is read once as a whole, because its labels must be known. The features of that pass are kept where they fit the
    memory budget (so that random augmentations are frozen); else they are read again when they are asked for.
    """

    def __init__(self, dataset: Any, y: Any, feature_names: Sequence[str] | None, memory_budget: int):
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise DataError(
                f"{type(dataset).__name__} can only be iterated over, but active learning asks for single points. Give "
                f"a map-style Dataset, with __getitem__ and __len__."
            )
        if not len(dataset):
            raise WrongShape(f"{type(dataset).__name__} is empty; at least one point is expected.")
        if isinstance(dataset, TensorDataset) and len(dataset.tensors) <= 2:
            x, labels = _read_tensors(dataset)
        else:
            x, labels = _read_items(dataset, memory_budget)
        super().__init__(n_rows=len(dataset), y=labels if y is None else y, raw=dataset)
        self._x = x
        first = _point(dataset, 0)
        self._shape, self._dtype = tuple(first.shape), first.dtype
        self._names = names_of(self._shape, feature_names)

    def features(self, train: np.ndarray) -> Features:
        note = f"points of shape {self._shape} as the Dataset gives them"
        if self._x is not None:
            return TensorFeatures(self._x, self._names, (note,))
        return DatasetFeatures(self.raw, self._shape, self._dtype, self._names, (f"{note}, read when needed",))

    def display(self, index: int) -> dict[str, Any]:
        point = _point(self.raw, index)
        return dict(zip(self._names, point.tolist(), strict=True)) if self._names else {"x": point}


class DatasetFeatures:
    """Features that are read from the Dataset each time, being too large for memory as a whole.

    Parameters
    ----------
    dataset : map-style Dataset
    shape, dtype
        Of one point.
    names, notes
        As of :class:`TensorFeatures`.
    """

    def __init__(
        self,
        dataset: Any,
        shape: tuple[int, ...],
        dtype: torch.dtype,
        names: tuple[str, ...],
        notes: tuple[str, ...],
    ):
        self._dataset = dataset
        self.shape = shape
        self.dtype = dtype
        self.names = names
        self.notes = notes

    def __len__(self) -> int:
        return len(self._dataset)

    def gather(self, indices: np.ndarray) -> Tensor:
        """Features of the points at `indices`, read one by one."""
        if not len(indices):
            return torch.empty((0, *self.shape), dtype=self.dtype)
        return torch.stack([_point(self._dataset, i) for i in indices.tolist()])


def is_map_style(data: Any) -> bool:
    """Whether `data` is read item by item: a torch Dataset, or what behaves like one and is no array."""
    array_like = isinstance(data, (list, tuple, dict)) or hasattr(data, "__array__") or hasattr(data, "toarray")
    behaves = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return isinstance(data, Dataset) or (behaves and not array_like)


def _read_tensors(dataset: TensorDataset) -> tuple[Tensor | None, Any]:
    x = dataset.tensors[0].detach().cpu().clone()
    y = dataset.tensors[1] if len(dataset.tensors) == 2 else None
    if x.ndim < 2:
        raise WrongShape("The Dataset's points are single numbers; give them as vectors: x.reshape(-1, 1).")
    require_finite(x, "The Dataset")
    return x, y.flatten() if y is not None and y.numel() == len(y) else y


def _read_items(dataset: Any, memory_budget: int) -> tuple[Tensor | None, list[Any]]:
    """Features of all points, or None where they do not fit, and labels."""
    first = _point(dataset, 0)
    fits = len(dataset) * first.numel() * first.element_size() <= memory_budget
    x = torch.empty((len(dataset), *first.shape), dtype=first.dtype) if fits else None
    labels = []
    for i in range(len(dataset)):
        item = dataset[i]
        point = _features_of(item, i)
        if point.shape != first.shape or point.dtype != first.dtype:
            raise WrongShape(
                f"Point {i} of the Dataset has shape {tuple(point.shape)} ({point.dtype}), point 0 has "
                f"{tuple(first.shape)} ({first.dtype}); all must be alike."
            )
        if x is None:
            require_finite(point[None], f"Point {i} of the Dataset")
        else:
            x[i] = point
        labels.append(_label_of(item, i))
    if x is not None:
        require_finite(x, "The Dataset")
    return x, labels


def _point(dataset: Any, index: int) -> Tensor:
    return _features_of(dataset[index], index)


def _features_of(item: Any, index: int) -> Tensor:
    value = item[0] if isinstance(item, (tuple, list)) and len(item) in (1, 2) else item
    if not isinstance(value, (Tensor, np.ndarray)):
        raise DataError(
            f"Point {index} of the Dataset is a {type(item).__name__}, {_shortened(item)}; a pair (x, y) with x a "
            f"tensor or an array is expected. Give the Dataset a transform, torchvision's ToTensor say."
        )
    point = torch.as_tensor(value).detach().cpu()
    if not point.ndim:
        raise WrongShape("The Dataset's points are single numbers; give them as vectors: x.reshape(1).")
    return point


def _label_of(item: Any, index: int) -> Any:
    if not isinstance(item, (tuple, list)) or len(item) == 1:
        return None
    label = plain(item[1])
    shape = shape_of(label)
    if shape:
        raise WrongShape(
            f"The label of point {index} has shape {shape}; one label a point is expected: y.argmax() of a one-hot one."
        )
    return label


def _shortened(item: Any) -> str:
    text = " ".join(repr(item).split())
    return text if len(text) <= 60 else text[:57] + "..."
