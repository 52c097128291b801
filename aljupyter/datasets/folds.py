"""Which rows are in the test view: k folds of several kinds, or the split that a dataset comes with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from aljupyter.errors import FoldOutOfRange, InvalidOption
from aljupyter.randomness import numpy_generator

if TYPE_CHECKING:
    from aljupyter.datasets.dataset import Dataset

SPLITS = ("stratified", "random", "grouped", "canonical", "contiguous")


def test_rows(dataset: Dataset, split: str, fold: int, folds: int, seed: int) -> np.ndarray:
    """The test rows of a fold, ascending; all have a label.

    The parameters are those of :meth:`Dataset.task`.

    Raises
    ------
    InvalidOption
        For a split that there is not, or not of these data.
    FoldOutOfRange
    """
    if split not in SPLITS:
        raise InvalidOption(f"split={split!r} is not a split: {', '.join(map(repr, SPLITS))} can be had.")
    if split == "canonical":
        return _canonical(dataset, fold)
    if split == "stratified" and dataset.n_classes is None:
        raise InvalidOption(
            "split='stratified' is in proportion to classes, and a regression has none: split='random'."
        )
    rows = np.flatnonzero(dataset.known)
    parts = len(rows) if split != "grouped" else _n_groups(dataset, rows)
    whole = isinstance(folds, (int, np.integer)) and not isinstance(folds, bool)
    if not whole or not 2 <= folds <= parts:
        of_what = "groups" if split == "grouped" else "labelled rows"
        raise InvalidOption(f"folds={folds!r}: a whole number from 2 to {parts}, the number of {of_what}, is expected.")
    _require_fold(fold, folds)
    with warnings.catch_warnings():
        # a class of fewer rows than folds is not in every fold: so it is, and nothing is to be done about it
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return rows[_splits(dataset, rows, split, int(folds), seed)[fold]]


def _splits(dataset: Dataset, rows: np.ndarray, split: str, folds: int, seed: int) -> list[np.ndarray]:
    """Test positions of all folds, each ascending."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    y = dataset.y.numpy()[rows]
    state = int(numpy_generator(seed, "task", "folds").integers(2**31))
    shuffled = {"shuffle": True, "random_state": state}
    classes = dataset.n_classes is not None and np.bincount(y.astype(np.int64)).max() >= folds
    if split == "grouped":
        assert dataset.groups is not None
        grouped = StratifiedGroupKFold(folds, **shuffled) if classes else GroupKFold(folds, **shuffled)
        found = grouped.split(rows[:, None], y, dataset.groups[rows])
    elif split == "random" or not classes:
        found = KFold(folds, **({} if split == "contiguous" else shuffled)).split(rows[:, None])
    else:
        found = StratifiedKFold(folds, **({} if split == "contiguous" else shuffled)).split(rows[:, None], y)
    return [np.sort(test) for _, test in found]


def _canonical(dataset: Dataset, fold: int) -> np.ndarray:
    if "test" not in dataset.splits:
        raise InvalidOption(
            f"{dataset.name!r} ({dataset.variant}) comes without a split into train and test; split='stratified' or "
            f"split='random' makes folds."
        )
    _require_fold(fold, 1)
    return np.sort(dataset.splits["test"])


def _require_fold(fold: int, folds: int) -> None:
    if isinstance(fold, bool) or not isinstance(fold, (int, np.integer)) or not 0 <= fold < folds:
        raise FoldOutOfRange(f"fold={fold!r}: folds are counted from 0 to {folds - 1}.")


def _n_groups(dataset: Dataset, rows: np.ndarray) -> int:
    if dataset.groups is None:
        raise InvalidOption(
            f"{dataset.name!r} has no groups to keep together. Name the column that tells them: "
            f"al.datasets.from_frame(table, target=..., group=...)."
        )
    return len(np.unique(dataset.groups[rows]))
