"""Which points go where: indices given by a person, and seeded draws of a count or a fraction."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from aljupyter.errors import (
    DataError,
    IndexOutOfRange,
    MissingLabels,
    OverlappingViews,
    RepeatedIndices,
    WrongShape,
)
from aljupyter.randomness import numpy_generator

WARM_START = 0.1  # of train, as in the paper


def is_number(value: Any) -> bool:
    """Whether a view is given as a count or a fraction, not as indices."""
    return isinstance(value, Real)


def as_indices(value: Any, n_rows: int, name: str) -> np.ndarray:
    """Indices that a person gave, checked.

    Parameters
    ----------
    value : int, or sequence, array, tensor, Series of int, or boolean mask of shape (n_rows,)
    n_rows : int
        Rows of the dataset.
    name : str
        What to call them in a message.

    Returns
    -------
    array of int64, in the order given

    Raises
    ------
    WrongShape, IndexOutOfRange, RepeatedIndices
    DataError
        For values that are not whole numbers.
    """
    try:
        array = np.atleast_1d(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value))
    except ValueError as error:
        raise WrongShape(f"{name} cannot be read as a list of indices: {error}") from None
    if array.ndim != 1:
        raise WrongShape(f"{name} have shape {array.shape}; a list of indices, shape (n,), is expected.")
    if array.dtype == bool:
        if len(array) != n_rows:
            raise WrongShape(f"{name} are a mask of {len(array)} values; the dataset has {n_rows} rows.")
        return np.flatnonzero(array)
    if not len(array):
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"{name} hold {array.flat[0]!s} ({array.dtype}); whole numbers, the rows' indices, are expected."
        )
    outside = array[(array < 0) | (array >= n_rows)]
    if len(outside):
        raise IndexOutOfRange(
            f"{name} hold {outside[0]}, which is not a row of the dataset: indices run from 0 to {n_rows - 1}."
        )
    in_order = np.sort(array)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    if len(repeated):
        raise RepeatedIndices(f"{name} hold {repeated[0]} more than once; give each index once.")
    return array.astype(np.int64)


def as_size(wish: Any, n_all: int, n_left: int, name: str, kind: str) -> int:
    """How many points a count or a fraction asks for.

    Parameters
    ----------
    wish : int or float
        A fraction is one of `n_all` points, and of one point at least.
    n_all, n_left : int
        Points of this kind, and those not taken yet.
    name, kind : str
        What to call the view and the points in a message.

    Raises
    ------
    DataError
        For a negative or too large count, or a fraction outside (0, 1).
    """
    if isinstance(wish, (bool, np.bool_)):
        raise DataError(f"{name}={wish} is neither indices, nor a count, nor a fraction.")
    if isinstance(wish, Integral):
        size = int(wish)
    elif 0 < wish < 1:
        size = max(1, round(float(wish) * n_all))
        if size == n_left + 1 > 1:  # 0.5 and 0.5 of 7 points round to 4 and 4
            size = n_left
    else:
        raise DataError(f"{name}={wish} is not a fraction between 0 and 1; a count of points is given as an int.")
    if not 0 <= size <= n_left:
        raise DataError(f"{name}={wish} asks for {size} {kind}; there are {n_left} to draw from.")
    return size


def draw(
    candidates: np.ndarray,
    size: int,
    generator: np.random.Generator,
    strata: np.ndarray | None = None,
    every_stratum: bool = False,
) -> np.ndarray:
    """Points drawn without replacement.

    Parameters
    ----------
    candidates : array of int, shape (n,)
    size : int
        At most n.
    generator : numpy.random.Generator
    strata : array of int, shape (n,), optional
        The class of each candidate: classes are then drawn in proportion to their size.
    every_stratum : bool
        Whether each class comes in at least once, as far as `size` allows.

    Returns
    -------
    array of int64, ascending
    """
    order = generator.permutation(len(candidates))
    if strata is not None:
        shuffled = strata[order]
        _, codes, counts = np.unique(shuffled, return_inverse=True, return_counts=True)
        by_class = np.argsort(codes, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)  # of each candidate within its class
        rank[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        # Points of a class of size m stand at 0.5/m, 1.5/m, ...: the first `size` of all hold each class in proportion.
        place = (rank + 0.5) / counts[codes]
        if every_stratum:
            place[rank == 0] = 0.0
        order = order[np.argsort(place, kind="stable")]
    return np.sort(candidates[order[:size]]).astype(np.int64)


@dataclass(frozen=True)
class Views:
    """Indices of the views, ascending; no point is in two."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_views(
    train: Any, validation: Any, test: Any, known: np.ndarray, strata: np.ndarray | None, seed: int
) -> Views:
    """Train, validation and test, given or drawn.

    Given indices are set aside first; then test, validation and train are drawn, in this order. Test and validation
    judge a model, so they are drawn among points whose label is known.

    Parameters
    ----------
    train, validation, test : indices, count, fraction or None
    known : bool array of shape (N,)
        Whether the dataset has a label for the point.
    strata : int array of shape (N,), optional
        Class codes, for draws in proportion to the classes.
    seed : int

    Raises
    ------
    IndexOutOfRange, RepeatedIndices, OverlappingViews, MissingLabels, DataError
    """
    n_rows = len(known)
    wishes = {"test": test, "validation": validation, "train": train}
    views: dict[str, np.ndarray] = {}
    owner = np.full(n_rows, "", dtype="U10")
    for name, wish in wishes.items():
        if wish is not None and not is_number(wish):
            indices = np.sort(as_indices(wish, n_rows, f"{name} indices"))
            _require_free(indices, owner, name)
            owner[indices] = name
            views[name] = indices
    for name, wish in wishes.items():
        if name in views:
            continue
        free = owner == ""
        if wish is None:
            chosen = np.flatnonzero(free & (name == "train"))
        else:
            eligible = np.ones(n_rows, dtype=bool) if name == "train" else known
            candidates = np.flatnonzero(free & eligible)
            kind = "rows" if name == "train" else "rows with a label"
            size = as_size(wish, int(eligible.sum()), len(candidates), name, kind)
            generator = numpy_generator(seed, "split", name)
            chosen = draw(candidates, size, generator, None if strata is None else strata[candidates])
        owner[chosen] = name
        views[name] = chosen
    for name in ("test", "validation"):
        blind = views[name][~known[views[name]]]
        if len(blind):
            raise MissingLabels(
                f"Point {blind[0]} of the {name} view has no label ({len(blind)} such points), so it cannot judge a "
                f"model. Leave these points in train, where they can be labelled."
            )
    if not len(views["train"]):
        raise DataError("No point is left for train: every row is in the validation or test view. Make them smaller.")
    return Views(**views)


def _require_free(indices: np.ndarray, owner: np.ndarray, name: str) -> None:
    taken = indices[owner[indices] != ""]
    if len(taken):
        raise OverlappingViews(
            f"Point {taken[0]} is in both {owner[taken[0]]} and {name} ({len(taken)} such points); a point belongs to "
            f"one view only, or the model would be judged on what it learned from."
        )


def split_labelled(
    labelled: Any, train: np.ndarray, known: np.ndarray, strata: np.ndarray | None, seed: int
) -> np.ndarray:
    """The initial labelled set: as given (in that order), or drawn (ascending).

    A draw holds every class, as far as its size allows.

    Raises
    ------
    IndexOutOfRange, RepeatedIndices, OverlappingViews, MissingLabels, DataError
    """
    candidates = train[known[train]]
    if labelled is None:
        if len(candidates) < len(train):
            return candidates
        least = 2 if strata is None else len(np.unique(strata[candidates]))
        size = min(max(round(WARM_START * len(train)), least), len(candidates))
    elif is_number(labelled):
        size = as_size(labelled, len(candidates), len(candidates), "labelled", "points of train with a label")
    else:
        indices = as_indices(labelled, len(known), "labelled indices")
        outside = indices[~np.isin(indices, train)]
        if len(outside):
            raise OverlappingViews(
                f"Point {outside[0]} was given as labelled, but it is not in the train view ({len(outside)} such "
                f"points). Labelled points are points of train."
            )
        blind = indices[~known[indices]]
        if len(blind):
            raise MissingLabels(
                f"Point {blind[0]} was given as labelled, but the dataset has no label for it ({len(blind)} such "
                f"points). State it afterwards: data.label([{blind[0]}], [...])."
            )
        return indices
    generator = numpy_generator(seed, "labelled")
    return draw(candidates, size, generator, None if strata is None else strata[candidates], every_stratum=True)
