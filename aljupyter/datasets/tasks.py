"""Tasks: who is in train and in test, and who is labelled at the start; frozen, so that others can run exactly these.

The paper's Appendix C: five folds, stratified for a classification; a cold start of one observation a class, or of the
two points farthest apart for a regression; a warm start of 10% at random.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from aljupyter.data import DataManager
from aljupyter.data.manager import Snapshot
from aljupyter.data.splits import WARM_START, as_indices, as_size, is_number, split_labelled, split_views
from aljupyter.data.splits import draw as draw_rows
from aljupyter.datasets.folds import test_rows
from aljupyter.datasets.readers import PAPER_SEED
from aljupyter.datasets.starts import farthest_pair, group_draw, nearest_to_centres, one_of_each
from aljupyter.errors import InvalidOption, OtherData, UnknownStart
from aljupyter.randomness import numpy_generator

if TYPE_CHECKING:
    from aljupyter.datasets.dataset import Dataset

STARTS = ("cold", "warm")
DRAWS = ("random", "stratified", "kmeans")
FORMAT = "aljupyter task"


class Task(DataManager):
    """A :class:`DataManager` that knows where it comes from.

    Made by ``dataset.task(...)`` and :func:`aljupyter.datasets.from_json`.

    Parameters
    ----------
    dataset : Dataset
    train, validation, test : int arrays
    preprocess : {"auto", None}
    seed : int
    terms : dict
        What it was asked for with: JSON values.

    Attributes
    ----------
    dataset : Dataset
    initial : int array
        The initial labelled set, in labelling order.
    terms : dict
    """

    def __init__(
        self,
        dataset: Dataset,
        train: np.ndarray,
        validation: np.ndarray,
        test: np.ndarray,
        preprocess: str | None,
        seed: int,
        terms: dict[str, Any],
    ):
        inputs, options = dataset.manager_inputs()
        super().__init__(
            *inputs,
            **options,
            train=train,
            validation=validation,
            test=test,
            labelled=np.empty(0, dtype=np.int64),
            preprocess=preprocess,
            seed=seed,
        )
        self.dataset = dataset
        self.terms = {**terms, "preprocess": preprocess, "seed": seed}
        self.initial = np.empty(0, dtype=np.int64)

    def begin(self, initial: np.ndarray) -> None:
        """Label these rows, and no others, as the dataset has them."""
        self.initial = initial
        self.restore(Snapshot(initial, self.truth(initial)))

    def to_json(self) -> str:
        """The task, frozen: its rows by index, and the fingerprint of the data. Labels given since are not in it.

        :func:`aljupyter.datasets.from_json` makes the task again, here or on another machine.
        """
        views = {
            "train": self.train.indices,
            "validation": self.validation.indices,
            "test": self.test.indices,
            "labelled": self.initial,
        }
        frozen = {
            "format": FORMAT,
            "version": 1,
            "dataset": self.dataset.name,
            "recipe": self.dataset.recipe,
            "fingerprint": self.dataset.fingerprint,
            "terms": self.terms,
            **{name: indices.tolist() for name, indices in views.items()},
        }
        return json.dumps(frozen)

    @staticmethod
    def from_json(text: str, dataset: Dataset | None = None) -> Task:
        """As :func:`aljupyter.datasets.from_json`."""
        from aljupyter.datasets.loading import from_json

        return from_json(text, dataset)

    def __repr__(self) -> str:
        terms = self.terms
        folds = "" if terms["split"] == "canonical" else f", fold {terms['fold']} of {terms['folds']}"
        how = f"{terms['start']} start, {terms['split']} split{folds}, seed {terms['seed']}"
        return f"Task: {self.dataset.name} ({self.dataset.variant}), {how}\n{super().__repr__()}"


def thawed(frozen: Any, dataset: Dataset) -> Task:
    """The task of a parsed JSON document.

    Raises
    ------
    OtherData
        Where the data at hand are not those that it was frozen with.
    DataError
        For rows that cannot be.
    """
    if dataset.fingerprint != frozen["fingerprint"]:
        raise OtherData(
            f"This task was frozen with other data: fingerprint {frozen['fingerprint'][:12]}, where "
            f"{dataset.name!r} ({dataset.variant}, {len(dataset)} rows) has {dataset.fingerprint[:12]}. Load the same "
            f"dataset with the same variant, seed and options: {frozen['recipe']}."
        )
    terms = dict(frozen["terms"])
    names = ("train", "validation", "test", "labelled")
    train, validation, test, labelled = (as_indices(frozen[name], len(dataset), f"{name} indices") for name in names)
    task = Task(dataset, train, validation, test, terms.pop("preprocess"), terms.pop("seed"), terms)
    task.begin(split_labelled(labelled, train, dataset.known, None, task.seed))
    return task


def make_task(
    dataset: Dataset,
    *,
    start: str,
    fold: int,
    folds: int,
    seed: int,
    split: str | None,
    validation: Any,
    initial: Any,
    draw: str,
    preprocess: str | None,
) -> Task:
    """See :meth:`Dataset.task`."""
    if start not in STARTS:
        raise UnknownStart(f"start={start!r} is not a start: 'cold' and 'warm' can be had.")
    if draw not in DRAWS:
        raise InvalidOption(f"draw={draw!r} is not a way to draw a warm start: {', '.join(map(repr, DRAWS))} are.")
    if draw != "random" and start == "cold":
        raise InvalidOption(
            f"draw={draw!r} is for a warm start; a cold one is one of each class, or the farthest pair."
        )
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise InvalidOption(f"seed={seed!r} is not a seed; give an int, 0 or more.")
    paper = dataset.variant == "paper"
    if split is None:
        plain = "stratified" if dataset.n_classes else "random"
        split = "contiguous" if paper else plain
    if preprocess == "default":
        preprocess = None if paper else "auto"
    test = test_rows(dataset, split, fold, folds, seed)
    parts = 1 if split == "canonical" else int(folds)
    terms = {"start": start, "split": split, "fold": int(fold), "folds": parts, "draw": draw}
    views = _views(dataset, split, validation, test, seed)
    task = Task(dataset, *views, preprocess, int(seed), terms)
    task.begin(_initial(task, start, initial, draw))
    return task


def _views(
    dataset: Dataset, split: str, validation: Any, test: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train, validation and test, ascending."""
    known = dataset.known
    theirs = np.ones(len(dataset), dtype=bool)  # rows that may be in train
    if split == "grouped" and is_number(validation):
        rest = np.setdiff1d(np.flatnonzero(known), test)
        size = as_size(validation, int(known.sum()), len(rest), "validation", "rows with a label")
        generator = numpy_generator(seed, "task", "validation")
        validation = rest[group_draw(np.arange(len(rest)), size, _groups(dataset)[rest], generator)]
    strata = dataset.y.numpy() if dataset.n_classes else None
    if split == "canonical":
        validation = dataset.splits.get("validation") if validation is None else validation
        if "train" in dataset.splits:  # parts of other names are in no view
            theirs = np.isin(np.arange(len(dataset)), np.concatenate([dataset.splits["train"], test]))
    views = split_views(None, validation, test, known & theirs if is_number(validation) else known, strata, seed)
    if split == "grouped":  # nor is a row without a label whose group judges the model
        judging = np.concatenate([views.validation, views.test])
        theirs = known | ~np.isin(_groups(dataset), _groups(dataset)[judging])
    return views.train[theirs[views.train]], views.validation, views.test


def _groups(dataset: Dataset) -> np.ndarray:
    assert dataset.groups is not None  # or there would be no grouped split
    return dataset.groups


def _initial(task: Task, start: str, initial: Any, draw: str) -> np.ndarray:
    """Rows that are labelled at the start, in labelling order."""
    dataset, train, seed = task.dataset, task.train.indices, task.seed
    known = dataset.known
    if initial is not None and not is_number(initial):
        return split_labelled(initial, train, known, None, seed)
    candidates = train[known[train]]
    farthest = start == "cold" and task.n_classes is None
    if dataset.variant == "paper" and initial is None and draw == "random" and not farthest:
        return _as_in_the_paper(task, start, candidates)
    if start == "warm":
        return _warm(task, WARM_START if initial is None else initial, draw, candidates)
    if farthest:
        return _farthest(task, initial, candidates)
    codes = dataset.y.numpy()[candidates]
    if len(np.unique(codes)) < 2:
        raise UnknownStart(
            f"There is no cold start: train has labels of {len(np.unique(codes))} class, and one observation of "
            f"each of two classes or more is labelled. Take another fold, or start='warm'."
        )
    if initial is not None and (not isinstance(initial, (int, np.integer)) or isinstance(initial, bool) or initial < 1):
        raise InvalidOption(
            f"initial={initial} is not a number of observations of each class; give an int, 1 or more, or the rows."
        )
    count = 1 if initial is None else int(initial)
    return candidates[one_of_each(codes, numpy_generator(seed, "task", "cold"), count)]


def _farthest(task: Task, initial: Any, candidates: np.ndarray) -> np.ndarray:
    if initial is not None:
        raise InvalidOption(
            f"initial={initial}: the cold start of a regression is the two points farthest apart. Give the rows, "
            f"initial=[...], or start='warm', initial={initial}."
        )
    if len(candidates) < 2:
        raise UnknownStart(f"There is no cold start: train has {len(candidates)} labels, and two are needed.")
    return candidates[list(farthest_pair(_features(task, candidates)))]


def _warm(task: Task, wish: Any, draw: str, candidates: np.ndarray) -> np.ndarray:
    size = as_size(wish, len(candidates), len(candidates), "initial", "points of train with a label")
    if draw == "kmeans":
        return candidates[nearest_to_centres(_features(task, candidates), size, task.seed)]
    if draw == "random":
        return draw_rows(candidates, size, numpy_generator(task.seed, "task", "warm"))
    if task.n_classes is None:
        raise InvalidOption("draw='stratified' is in proportion to classes, and a regression has none.")
    strata = task.dataset.y.numpy()[candidates]
    return draw_rows(candidates, size, numpy_generator(task.seed, "task", "warm"), strata, every_stratum=True)


def _as_in_the_paper(task: Task, start: str, candidates: np.ndarray) -> np.ndarray:
    """Python's own generator, as PyRelationAL used it; its cold starts were not seeded."""
    generator = random.Random(PAPER_SEED + task.seed)
    rows = candidates.tolist()
    if start == "warm":
        return np.array(generator.sample(rows, int(WARM_START * len(rows))), dtype=np.int64)
    by_class: dict[int, list[int]] = {}
    for row, code in zip(rows, task.dataset.y[candidates].tolist(), strict=True):
        by_class.setdefault(code, []).append(row)
    return np.array([generator.choice(members) for members in by_class.values()], dtype=np.int64)


def _features(task: Task, rows: np.ndarray) -> np.ndarray:
    """What the model sees, as a matrix."""
    return task.subset(rows).x.reshape(len(rows), -1).numpy()
