"""A dataset with all that is known about it."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import TensorDataset

from aljupyter.data.labels import CLASSIFICATION
from aljupyter.datasets.tasks import Task, make_task

if TYPE_CHECKING:
    import pandas as pd

CLEAN, PAPER = "clean", "paper"


class Dataset(TorchDataset[tuple[Tensor, Tensor]]):
    """Features, labels and what is known about them; a map-style PyTorch Dataset of (x, y).

    Made by :func:`aljupyter.datasets.load`, :func:`from_frame` and :func:`from_huggingface`.

    Parameters
    ----------
    x : Tensor of shape (N, D), or (N, ...) for images
    y : Tensor of shape (N,)
        Class codes (int64, -1 where unknown), or numbers (NaN where unknown).
    name : str
    task : {"classification", "regression"}
    feature_names : tuple of str
        One a feature; empty for images.
    target_names : tuple
        The class of each code, or the one name of what is to be predicted.
    description : str
    variant : {"clean", "paper"}
    kind : {"real", "synthetic", ""}
    splits : mapping, optional
        The canonical "train" and "test" indices, where the source has such a split.
    groups : array of shape (N,), optional
        Rows of one group belong together: recordings of one person, say.
    group : str
        What the column of the groups is called.
    table : DataFrame, optional
        What the features were read from, where it is more than numbers; with its target and its ids.
    target, id : str, optional
        Columns of `table`.
    about : mapping, optional
        Of the catalogue: "source", "doi", "licence", "citation".
    recipe : mapping, optional
        The arguments of `load` that give this dataset again.

    Attributes
    ----------
    seed : int
        What it was drawn or permuted with.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        *,
        name: str,
        task: str,
        feature_names: tuple[str, ...],
        target_names: tuple[Any, ...],
        description: str = "",
        variant: str = CLEAN,
        kind: str = "",
        splits: Mapping[str, np.ndarray] | None = None,
        groups: np.ndarray | None = None,
        group: str = "group",
        table: pd.DataFrame | None = None,
        target: str = "target",
        id: str | None = None,
        about: Mapping[str, str] | None = None,
        recipe: Mapping[str, Any] | None = None,
    ):
        self.x = x
        self.y = y
        self.name = name
        self.task_type = task
        self.feature_names = feature_names
        self.target_names = target_names
        self.description = description
        self.variant = variant
        self.kind = kind
        self.splits = dict(splits or {})
        self.groups = groups
        self.group = group
        self.table = table
        self.target = target
        self.id = id
        self.about = dict(about or {})
        self.recipe = dict(recipe or {})
        self.seed = int(self.recipe.get("seed", 0))
        self._fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.x[i], self.y[i]

    @property
    def n_classes(self) -> int | None:
        """None for a regression."""
        return len(self.target_names) if self.task_type == CLASSIFICATION else None

    @property
    def known(self) -> np.ndarray:
        """Which rows have a label, bool array of shape (N,)."""
        known = self.y >= 0 if self.task_type == CLASSIFICATION else ~self.y.isnan()
        return known.numpy()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of features, labels, class names and the variant.

        Numbers count in single precision, so that the last bits, in which mathematical libraries differ, do not.
        """
        if self._fingerprint is None:
            what = (tuple(self.x.shape), self.task_type, self.target_names, self.variant)
            digest = hashlib.sha256(repr(what).encode())
            y = self.y.float() if self.task_type != CLASSIFICATION else self.y
            for part in (*self.x.split(2**16), y):
                values = part.float() + 0.0 if part.is_floating_point() else part  # -0.0 becomes 0.0
                array = values.contiguous().numpy()
                digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def labels(self) -> pd.Series:
        """Labels as a person writes them, missing where unknown; classes are categories in the order of their codes."""
        import pandas as pd

        name = self.target
        if self.task_type != CLASSIFICATION:
            return pd.Series(self.y.double().numpy(), name=name)
        categories = pd.Index(list(self.target_names))
        return pd.Series(pd.Categorical.from_codes(self.y.numpy(), categories=categories, ordered=True), name=name)

    def to_frame(self) -> pd.DataFrame:
        """Features as given, then the groups where there are any, then the target.

        Returns
        -------
        DataFrame of N rows
        """
        import pandas as pd

        if self.table is not None:
            table = self.table.copy()
        else:
            x = self.x.reshape(len(self), -1).numpy()
            table = pd.DataFrame(x, columns=list(self.feature_names) or [f"pixel{j}" for j in range(x.shape[1])])
        if self.groups is not None:
            table[self.group] = self.groups
        table[self.target] = self.labels().to_numpy() if self.task_type != CLASSIFICATION else self.labels().array
        return table

    def task(
        self,
        start: str = "cold",
        fold: int = 0,
        folds: int = 5,
        seed: int = 0,
        *,
        split: str | None = None,
        validation: Any = None,
        initial: Any = None,
        draw: str = "random",
        preprocess: str | None = "default",
    ) -> Task:
        """An active learning task on these data, as in the paper's Appendix C.

        Parameters
        ----------
        start : {"cold", "warm"}
            Cold: one observation of each class, drawn at random; for a regression, the two points farthest apart (in
            the features that the model sees). Warm: 10% of train, drawn at random.
        fold, folds : int
            The test view is the fold-th of so many parts, counted from 0. Rows without a label are in train.
        seed : int
            Of all draws: folds, validation, initial labels. With ``variant="paper"`` the folds are contiguous and the
            warm start is that of Python's ``random.sample`` seeded with 1234 + seed, so seed 0 is the paper's own.
        split : {"stratified", "random", "grouped", "canonical", "contiguous"}, optional
            How the folds are made. Stratified, the default for a classification: each has the classes in proportion.
            Random, the default for a regression. Grouped: no group is on both sides, for data with ``.groups``; rows
            without a label whose group is in the test view are in no view. Canonical: the train, test and validation
            rows of ``.splits``; there is one fold then. Contiguous: in the order of the
            rows (and stratified for a classification), the paper's way and the default of its variant.
        validation : indices, mask, count (int) or fraction (float in (0, 1)), optional
            As for :class:`DataManager`; drawn from the rows that are not in the test view, in whole groups if
            ``split="grouped"``.
        initial : indices, mask, count or fraction, optional
            Of a warm start: which rows of train are labelled, or how many. Of a cold start of a classification: how
            many of each class, or which rows.
        draw : {"random", "stratified", "kmeans"}
            How a warm start is drawn. Stratified: classes in proportion, each at least once as far as the number
            allows. K-means: the points nearest to the centres of so many clusters of train.
        preprocess : {"auto", None}, optional
            As for :class:`DataManager`; "auto" if not given, None for the paper's variant.

        Returns
        -------
        Task
            A :class:`DataManager` that can be frozen with ``to_json``.

        Raises
        ------
        UnknownStart, FoldOutOfRange, InvalidOption
        DataError
            For initial labels or validation rows that cannot be: too many, outside of train, without a label.

        Examples
        --------
        >>> import aljupyter as al
        >>> task = al.datasets.load("breast_cancer").task(start="warm", fold=1)
        >>> len(task.labelled), len(task.unlabelled), len(task.test)
        (46, 409, 114)
        """
        return make_task(
            self,
            start=start,
            fold=fold,
            folds=folds,
            seed=seed,
            split=split,
            validation=validation,
            initial=initial,
            draw=draw,
            preprocess=preprocess,
        )

    def manager_inputs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a :class:`DataManager` of these data is made from."""
        options: dict[str, Any] = {"task": self.task_type}
        if self.task_type == CLASSIFICATION and self.known.all() and len(self.y.unique()) < len(self.target_names):
            # a class that no label shows, named with classes=[...], so in sorted order
            options["classes"] = list(self.target_names)
        if self.table is not None:
            return (self.table, self.labels()), {**options, "id": self.id}
        if self.x.ndim > 2:
            return (TensorDataset(self.x), self.labels()), options
        return (self.x, self.labels()), {**options, "feature_names": self.feature_names}

    def __repr__(self) -> str:
        width = self.x.shape[1]
        shape = f"{width} feature{'s' * (width != 1)}"
        if self.x.ndim > 2:
            shape = f"{' x '.join(map(str, self.x.shape[1:]))} pixels"
        n_missing = len(self) - int(self.known.sum())
        lines = {
            "features": "" if self.x.ndim > 2 else _listed(self.feature_names),
            "target": self._target_in_words(),
            "missing": f"{n_missing} rows have no label" if n_missing else "",
            "groups": f"{len(np.unique(self.groups))}, for split='grouped'" if self.groups is not None else "",
            "splits": ", ".join(f"{name} {len(rows)}" for name, rows in self.splits.items()),
            "source": self.about.get("source", ""),
            "licence": self.about.get("licence", ""),
        }
        what = f"{self.kind} data, " if self.kind else ""
        head = f"Dataset {self.name!r} ({self.variant}): {len(self)} rows, {shape}, {what}{self.task_type}"
        body = [
            textwrap.fill(text, 110, initial_indent=f"  {key:<9} ", subsequent_indent=12 * " ")
            for key, text in lines.items()
            if text
        ]
        return "\n".join([head, *body, "  more      print(dataset.description)"])

    def _target_in_words(self) -> str:
        y = self.y[torch.from_numpy(self.known)]
        if self.task_type != CLASSIFICATION:
            span = f" from {y.min():.4g} to {y.max():.4g}" if len(y) else ""
            return f"{self.target_names[0]}{span}"
        counts = torch.bincount(y, minlength=len(self.target_names)).tolist()
        each = [f"{name} {count}" for name, count in zip(self.target_names, counts, strict=True)]
        return f"{len(each)} classes: {_listed(each)}"


def _listed(values: Any, most: int = 12) -> str:
    shown = list(map(str, values))
    return ", ".join(shown[:most]) + (f", ... ({len(shown)} in all)" if len(shown) > most else "")
