"""Who is labelled, unlabelled, validation and test."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter.data.labels import CLASSIFICATION, read_labels
from aljupyter.data.reading import read_source
from aljupyter.data.splits import as_indices, split_labelled, split_views
from aljupyter.data.subset import Subset
from aljupyter.errors import AlreadyLabelled, IndexOutOfPool, MissingLabels, NotLabelled, WrongShape

OUTSIDE, TRAIN, VALIDATION, TEST = range(4)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Which points were labelled, in labelling order, and as what."""

    indices: np.ndarray
    y: Tensor


class DataManager:
    """A dataset and its views: train = labelled + unlabelled, validation, test.

    Indices are always the dataset's own rows, 0 to N - 1. Labels that an oracle gives are kept apart from the dataset's
    own (`truth`). Whatever raises leaves the manager as it was.

    Parameters
    ----------
    dataset_or_X : array, tensor or nested list of shape (N, D); DataFrame; path of a CSV file; map-style torch Dataset
        A Dataset yields (x, y) with x of any fixed shape, or x alone.
    y : array, tensor, Series or list of shape (N,), or str, optional
        Labels; NaN, None or pandas.NA where missing. For a table, the name of the column that holds them.
    train, validation, test : indices, mask, count (int) or fraction (float in (0, 1)), optional
        Counts and fractions are drawn by the seed; in proportion to the classes for a classification; for validation
        and test among the points whose label is known. Without: no validation, no test, and train is all the rest.
    labelled : indices, mask, count or fraction, optional
        The initial labelled set, of train; a fraction is one of the points of train whose label is known. Without: all
        points of train that have a label, if some have none; else a warm start of 10% at random. 0 is a cold start.
    target, id : str, optional
        For a table: the column of the labels, and a column that names the rows.
    task : {"classification", "regression"}, optional
        Found out from the labels where not given, see :func:`aljupyter.data.labels.read_labels`.
    classes : sequence, optional
        All classes, where the known labels do not show them all.
    feature_names : sequence of str, optional
        For an array: a name a column.
    preprocess : {"auto", None}
        "auto" standardises numbers by the statistics of the training view, turns categories and text to 0/1 columns and
        leaves id columns out. None takes numbers as they are. A Dataset is always taken as it is.
    memory_budget : int
        Bytes that the features of one view may take, 1 GiB by default.
    seed : int
        Of every draw.

    Raises
    ------
    DataError, NonFiniteFeatures, WrongShape, MixedColumn, UnknownColumn, UnknownTask
        For data that cannot be used.
    IndexOutOfRange, RepeatedIndices, OverlappingViews, IndexOutOfPool, MissingLabels, InvalidLabel
        For views or labels that cannot be.

    Attributes
    ----------
    task : {"classification", "regression"}
    classes : array or None
        The labels of the classes, sorted (ordered pandas categories: in their order): class c has code c.
    n_classes : int or None
    n_features : int
        Numbers that make up one point.
    feature_names : tuple of str
        After preprocessing; empty where a point is not a vector.
    ids : array of shape (N,) or None
    raw : what was given
        A CSV file: the DataFrame read from it.
    seed : int

    Examples
    --------
    >>> data = DataManager([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", None], labelled=[0])
    >>> data.label([2], ["b"])
    >>> data.labelled.indices.tolist(), data.unlabelled.indices.tolist()
    ([0, 2], [1, 3])
    """

    def __init__(
        self,
        dataset_or_X: Any,
        y: Any = None,
        *,
        train: Any = None,
        validation: Any = None,
        test: Any = None,
        labelled: Any = None,
        target: str | None = None,
        id: str | None = None,
        task: str | None = None,
        classes: Sequence[Any] | None = None,
        feature_names: Sequence[str] | None = None,
        preprocess: str | None = "auto",
        memory_budget: int = 2**30,
        seed: int = 0,
    ):
        source = read_source(dataset_or_X, y, target, id, feature_names, preprocess, memory_budget)
        self._target, self._truth = read_labels(source.y, source.n_rows, task, classes, source.label_advice)
        known = ~self._target.is_missing(self._truth).numpy()
        strata = self._truth.numpy() if self._target.task == CLASSIFICATION else None
        views = split_views(train, validation, test, known, strata, seed)
        start = split_labelled(labelled, views.train, known, strata, seed)
        self._features = source.features(views.train)
        self._view_of = np.full(source.n_rows, OUTSIDE, dtype=np.int8)
        self._view_of[views.train] = TRAIN
        self._view_of[views.validation] = VALIDATION
        self._view_of[views.test] = TEST

        self.task = self._target.task
        self.classes = self._target.classes
        self.n_classes = self._target.n_classes
        self.feature_names = self._features.names
        self.n_features = int(np.prod(self._features.shape))
        self.ids = source.ids
        self.raw = source.raw
        self.seed = seed
        self._memory_budget = memory_budget
        source.y = None  # they are read; the given ones may be as large as the dataset
        self._source = source

        self._train: Subset | None = None  # made when it is asked for: its labels change with every label given
        self.validation = self._view(views.validation, self._truth[views.validation])
        self.test = self._view(views.test, self._truth[views.test])
        self._unlabelled: Subset | None = None
        self._train_is_old = False
        self.restore(Snapshot(start, self._truth[start]))

    # --- views ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._view_of)

    @property
    def train(self) -> Subset:
        """Labelled and unlabelled points, by ascending index. `.y` holds the present labels, as :meth:`subset` says."""
        train = self._train
        if train is None or self._train_is_old:
            self._train_is_old = False  # first: labels that change meanwhile make it old again
            is_train = self._view_of == TRAIN
            y = self._present_labels()[is_train]
            train = self._view(np.flatnonzero(is_train), y) if train is None else train.relabelled(y)
            self._train = train
        return train

    @property
    def unlabelled(self) -> Subset:
        """The pool: points of train without a label, by ascending index. `.y` holds the dataset's own labels."""
        if self._unlabelled is None:
            # not through `pool`: to check a million indices that are right takes memory
            indices = np.flatnonzero((self._view_of == TRAIN) & ~self._is_labelled)
            self._unlabelled = self._view(indices, self._truth[torch.from_numpy(indices)])
        return self._unlabelled

    def pool(self, indices: Any) -> Subset:
        """These points as a pool: `.y` holds the dataset's own labels, -1 or NaN where it has none.

        Raises
        ------
        IndexOutOfRange, RepeatedIndices
        """
        chosen = as_indices(indices, len(self), "indices")
        return self._view(chosen, self._truth[chosen])

    def subset(self, indices: Any, y: Tensor | None = None) -> Subset:
        """A view of any points, in the order given.

        Parameters
        ----------
        indices : sequence of int
        y : Tensor of shape (n,), optional
            Codes or numbers; the present labels where not given: the oracle's for labelled points, else the dataset's.

        Raises
        ------
        IndexOutOfRange, RepeatedIndices, WrongShape
        """
        chosen = as_indices(indices, len(self), "indices")
        if y is None:
            y = self._present_labels()[chosen]
        elif len(y) != len(chosen):
            raise WrongShape(f"{len(y)} labels were given for {len(chosen)} points; give one a point.")
        return self._view(chosen, torch.as_tensor(y, dtype=self._truth.dtype))

    def _view(self, indices: np.ndarray, y: Tensor) -> Subset:
        return Subset(
            self._features,
            indices,
            y,
            task=self.task,
            n_classes=self.n_classes,
            memory_budget=self._memory_budget,
        )

    def _present_labels(self) -> Tensor:
        y_N = self._truth.clone()
        y_N[self.labelled.indices.copy()] = self.labelled.y
        return y_N

    # --- labels -----------------------------------------------------------------------------------------------------

    def encode(self, labels: Any) -> Tensor:
        """Class codes (int64) or numbers (float64) of labels as a person gives them.

        Raises
        ------
        InvalidLabel
            For a label that is not one of the classes, or not a finite number.
        """
        return self._target.encode(labels)

    def decode(self, codes: Any) -> np.ndarray:
        """Labels as a person gives them, from class codes or numbers.

        Raises
        ------
        InvalidLabel
            For a code that no class has.
        """
        return self._target.decode(codes)

    def has_truth(self, indices: Any) -> np.ndarray:
        """Whether the dataset itself has a label for these points, shape (n,)."""
        y = self._truth[as_indices(indices, len(self), "indices")]
        return ~self._target.is_missing(y).numpy()

    def truth(self, indices: Any) -> Tensor:
        """The dataset's own labels of these points: codes or numbers, shape (n,).

        Raises
        ------
        MissingLabels
            If the dataset has none for one of them.
        """
        chosen = as_indices(indices, len(self), "indices")
        y = self._truth[chosen]
        missing = self._target.is_missing(y).numpy()
        if missing.any():
            raise MissingLabels(
                f"The dataset has no label for {missing.sum()} of these {len(chosen)} points, point "
                f"{chosen[missing][0]} for one. A person or an instrument must answer: "
                f"`learner.label(indices, labels)`."
            )
        return y

    def label(self, indices: Any, labels: Any) -> None:
        """Move points from the pool to the labelled set, in the order given.

        Parameters
        ----------
        indices : sequence of int
            Of unlabelled points.
        labels : sequence
            One a point, as a person writes them: classes, or numbers.

        Raises
        ------
        IndexOutOfRange, RepeatedIndices, IndexOutOfPool, AlreadyLabelled, WrongShape, InvalidLabel
            Nothing has changed then.
        """
        chosen = self.check_unlabelled(indices)
        y = self.encode(labels)
        if len(y) != len(chosen):
            raise WrongShape(f"{len(y)} labels were given for {len(chosen)} points; give one a point.")
        now = self.labelled
        self.restore(Snapshot(np.concatenate([now.indices, chosen]), torch.cat([now.y, y])))

    def check_unlabelled(self, indices: Any) -> np.ndarray:
        """Indices of points that can be labelled, as an array of shape (n,).

        Raises
        ------
        IndexOutOfRange, RepeatedIndices, IndexOutOfPool, AlreadyLabelled
        """
        chosen = as_indices(indices, len(self), "indices")
        self._require_train(chosen)
        again = chosen[self._is_labelled[chosen]]
        if len(again):
            raise AlreadyLabelled(
                f"Point {again[0]} has a label already, {self._present_label(again[0])!r}. To change it, take it back "
                f"first with `unlabel([{again[0]}])`."
            )
        return chosen

    def unlabel(self, indices: Any) -> None:
        """Take labels back: the points return to the pool. The dataset's own labels stay as they are.

        Raises
        ------
        IndexOutOfRange, RepeatedIndices, NotLabelled
        """
        chosen = as_indices(indices, len(self), "indices")
        unknown = chosen[~self._is_labelled[chosen]]
        if len(unknown):
            raise NotLabelled(
                f"Point {unknown[0]} has no label to take back; see `data.labelled.indices` for those that have one."
            )
        now = self.labelled
        stays = ~np.isin(now.indices, chosen)
        self.restore(Snapshot(now.indices[stays], now.y[torch.from_numpy(stays)]))

    def snapshot(self) -> Snapshot:
        """What :meth:`restore` needs to come back to the present labels."""
        return Snapshot(self.labelled.indices, self.labelled.y)

    def restore(self, snapshot: Snapshot) -> None:
        """Bring the labels of a snapshot back."""
        is_labelled = np.zeros(len(self), dtype=bool)
        is_labelled[snapshot.indices] = True
        self._is_labelled = is_labelled
        self.labelled = self._view(snapshot.indices, snapshot.y)
        self._unlabelled = None
        self._train_is_old = True

    def twin(self, snapshot: Snapshot | None = None) -> DataManager:
        """A manager of the same points and views with labels of its own: those of the snapshot, or the present ones.

        Features and the dataset's own labels are shared, not copied.
        """
        other = copy.copy(self)
        other.restore(self.snapshot() if snapshot is None else snapshot)
        return other

    def _present_label(self, index: int) -> Any:
        position = int(np.flatnonzero(self.labelled.indices == index)[0])
        return self.decode(self.labelled.y[position : position + 1])[0].item()

    def _require_train(self, chosen: np.ndarray) -> None:
        outside = chosen[self._view_of[chosen] != TRAIN]
        if len(outside):
            where = {TEST: "in the test view", VALIDATION: "in the validation view", OUTSIDE: "in no view"}
            raise IndexOutOfPool(
                f"Point {outside[0]} is {where[self._view_of[outside[0]]]}, so it cannot be labelled. Labels go to "
                f"points of the pool: see `data.unlabelled.indices`."
            )

    # --- for people -------------------------------------------------------------------------------------------------

    def display(self, index: int) -> dict[str, Any]:
        """A row as it was given, by name, its id included and its label left out: for showing to who labels it."""
        return self._source.display(int(as_indices(index, len(self), "index")[0]))

    def __repr__(self) -> str:
        n_missing = int(self._target.is_missing(self._truth).sum())
        lines = {
            "features": f"{self.n_features}: " + ("\n" + 12 * " ").join(self._features.notes),
            "task": self._target.describe(self._truth),
            "views": f"train {len(self.train)}, validation {len(self.validation)}, test {len(self.test)}",
            "labelled": f"{len(self.labelled)} of train; {len(self.train) - len(self.labelled)} in the pool",
            "missing": f"the dataset has no label for {n_missing} rows" if n_missing else "",
            "ids": f"{self.ids[0]!s}, ..." if self.ids is not None else "",
            "seed": str(self.seed),
        }
        return f"DataManager: {len(self)} rows\n" + "\n".join(f"  {k:<9} {v}" for k, v in lines.items() if v)
