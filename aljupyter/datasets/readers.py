"""Real data: from the bytes of their files to features and labels, rightly or as the paper's loaders did it.

What those loaders did is that of PyRelationAL's code of May 2022 (v0.1.6), with which the tables of the paper were
made: https://github.com/RelationRx/pyrelational.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from aljupyter.datasets.entries import Entry
from aljupyter.errors import InvalidOption

PAPER_SEED = 1234  # what the paper's code was seeded with, where it was seeded at all


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    entry : Entry
    paper : bool
        Whether as the paper's loaders did it.
    seed : int
    read : callable
        Gives the bytes of the i-th file of the entry, checked.
    """

    entry: Entry
    paper: bool
    seed: int
    read: Callable[[int], bytes]


@dataclass(frozen=True)
class Parts:
    """What a reader or a generator makes.

    Parameters
    ----------
    x : array of shape (N, D), or (N, ...) for images
    y : array of shape (N,)
        Labels as the source has them: numbers, or classes whose sorted order is that of the codes.
    feature_names, target_names : tuple, optional
        Those of the entry where not given.
    splits : dict of int arrays, optional
        The canonical "train" and "test".
    groups : array of shape (N,), optional
        Rows that belong together: recordings of one person, say.
    note : str
        Ends the description.
    """

    x: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...] | None = None
    target_names: tuple[Any, ...] | None = None
    splits: dict[str, np.ndarray] = field(default_factory=dict)
    groups: np.ndarray | None = None
    note: str = ""


def permuted(request: Request, parts: Parts) -> Parts:
    """For the paper's variant: rows in random order, as its loader of UCI files put them (unseeded there)."""
    if not request.paper:
        return parts
    order = np.random.RandomState(request.seed).permutation(len(parts.x))
    groups = None if parts.groups is None else parts.groups[order]
    return Parts(parts.x[order], parts.y[order], parts.feature_names, parts.target_names, groups=groups)


def stacked(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], paper: bool) -> Parts:
    """A training and a test set, one above the other; the paper's loaders forgot which was which."""
    n, m = len(train[0]), len(test[0])
    splits = {} if paper else {"train": np.arange(n), "test": np.arange(n, n + m)}
    return Parts(np.concatenate([train[0], test[0]]), np.concatenate([train[1], test[1]]), splits=splits)


def _numbers(content: bytes, **how: Any) -> np.ndarray:
    return pd.read_csv(io.BytesIO(content), **how).to_numpy(dtype=np.float64)


def _workbook(content: bytes) -> np.ndarray:
    """The first sheet, without empty rows and columns."""
    table = pd.read_excel(io.BytesIO(content), engine="calamine")
    return table.dropna(how="all").dropna(how="all", axis=1).to_numpy(dtype=np.float64)


# --- UCI ------------------------------------------------------------------------------------------------------------


def glass(request: Request) -> Parts:
    """The file has no header: the paper's loader took the first row for one. It kept the Id, which tells the class."""
    table = _numbers(request.read(0), header=None)
    if request.paper:
        names = ("Id", *request.entry.feature_names)
        return permuted(request, Parts(table[1:, :-1], table[1:, -1], feature_names=names))
    return Parts(table[:, 1:-1], table[:, -1])


def seeds(request: Request) -> Parts:
    """No header either; some rows have two tabs between numbers."""
    table = _numbers(request.read(0), header=None, sep=r"\s+")
    return permuted(request, Parts(table[request.paper :, :-1], table[request.paper :, -1]))


def parkinsons(request: Request) -> Parts:
    """The label stands in the middle. The paper's loader let a `set` order the columns; here they keep their order."""
    table = pd.read_csv(io.BytesIO(request.read(0)), index_col=0)
    subjects = table.index.str.extract(r"_(S\d+)_", expand=False).to_numpy(dtype=str)
    x = table.drop(columns="status").to_numpy(dtype=np.float64)
    return permuted(request, Parts(x, table["status"].to_numpy(), groups=subjects))


def energy(request: Request, target: str | None = None) -> Parts:
    """Two targets. The paper's loader took the last column for the label, and so the other target for a feature."""
    table = _workbook(request.read(0))
    targets = {"y1": 8, "y2": 9}
    target = str(("y2" if request.paper else "y1") if target is None else target).lower()
    if target not in targets or (request.paper and target != "y2"):
        allowed = (
            "'y2', with Y1 among the features," if request.paper else "'y1' (heating load) and 'y2' (cooling load)"
        )
        raise InvalidOption(f"target={target!r} is not a target of energy: {allowed} can be had.")
    if request.paper:
        names = (*request.entry.feature_names, "heating_load")
        return permuted(request, Parts(table[:, :9], table[:, 9], names, ("cooling_load_kWh_per_m2",)))
    name = {"y1": "heating_load_kWh_per_m2", "y2": "cooling_load_kWh_per_m2"}[target]
    return Parts(table[:, :8], table[:, targets[target]], target_names=(name,))


def concrete(request: Request) -> Parts:
    """A workbook; the target is its last column."""
    table = _workbook(request.read(0))
    return permuted(request, Parts(table[:, :-1], table[:, -1]))


def power(request: Request) -> Parts:
    """The first sheet: the others are shuffles of it. The paper's loader did not permute it either."""
    table = _workbook(request.read(0))
    return Parts(table[:, :-1], table[:, -1])


def airfoil(request: Request) -> Parts:
    """No header: the paper's loader lost the first row to one."""
    table = _numbers(request.read(0), header=None, sep=r"\s+")[request.paper :]
    return permuted(request, Parts(table[:, :-1], table[:, -1]))


def yacht(request: Request) -> Parts:
    """No header, blanks at will: the paper's loader lost two rows."""
    table = _numbers(request.read(0), header=None, sep=r"\s+")[2 * request.paper :]
    return permuted(request, Parts(table[:, :-1], table[:, -1]))


def wine_quality(request: Request) -> Parts:
    """A header, and semicolons: the paper's loader took the first wine for the header."""
    table = _numbers(request.read(0), sep=";")[request.paper :]
    return permuted(request, Parts(table[:, :-1], table[:, -1]))


# --- with scikit-learn ----------------------------------------------------------------------------------------------


def breast_cancer(request: Request) -> Parts:
    """As scikit-learn gives it; its file is checked first."""
    from sklearn.datasets import load_breast_cancer

    request.read(0)
    return Parts(*load_breast_cancer(return_X_y=True))


def diabetes(request: Request) -> Parts:
    """As scikit-learn gives it: centred and scaled."""
    from sklearn.datasets import load_diabetes

    for i in range(len(request.entry.files)):
        request.read(i)
    return Parts(*load_diabetes(return_X_y=True))


def digits(request: Request, images: bool = False) -> Parts:
    """Pixels from 0 to 16, as rows of 64 or as images of shape (1, 8, 8)."""
    from sklearn.datasets import load_digits

    request.read(0)
    x, y = load_digits(return_X_y=True)
    return Parts(x.reshape(-1, 1, 8, 8), y, feature_names=()) if images else Parts(x, y, _pixels(8))


# --- others ---------------------------------------------------------------------------------------------------------


def credit_card(request: Request) -> Parts:
    """Time, 28 principal components, amount; the class is the last column."""
    table = pd.read_csv(io.BytesIO(request.read(0)))
    return Parts(table.drop(columns="Class").to_numpy(dtype=np.float64), table["Class"].to_numpy())


def striatum_mini(request: Request) -> Parts:
    """Four MATLAB files: features and labels for training and for test."""
    from scipy.io import loadmat

    keys = ("features", "labels", "features", "labels")
    arrays = [loadmat(io.BytesIO(request.read(i)))[key] for i, key in enumerate(keys)]
    train_x, train_y, test_x, test_y = (np.asarray(array, dtype=np.float64) for array in arrays)
    return stacked((train_x, train_y.ravel()), (test_x, test_y.ravel()), request.paper)


def checkerboard_files(request: Request) -> Parts:
    """LAL's own points: a training and a test set."""
    halves = []
    for i in range(2):
        with np.load(io.BytesIO(request.read(i)), allow_pickle=False) as arrays:
            halves.append((arrays["x"], arrays["y"].ravel().astype(np.int64)))
    return stacked(halves[0], halves[1], request.paper)


def mnist(request: Request, images: bool = False) -> Parts:
    """Pixels from 0 to 1 in single precision, as rows of 784 or as images of shape (1, 28, 28)."""
    train_x, train_y, test_x, test_y = (_idx(request.read(i)) for i in range(4))
    parts = stacked((train_x, train_y), (test_x, test_y), request.paper)
    x = parts.x.astype(np.float32)
    x /= 255
    shaped = x[:, None] if images else x.reshape(len(x), -1)
    return Parts(shaped, parts.y, () if images else _pixels(28), splits=parts.splits)


def _idx(content: bytes) -> np.ndarray:
    """An array of bytes in the format of MNIST: two zeros, the type, the number of dimensions, their sizes."""
    unpacked = gzip.decompress(content)
    n_dimensions = unpacked[3]
    shape = np.frombuffer(unpacked, ">i4", count=n_dimensions, offset=4)
    return np.frombuffer(unpacked, np.uint8, offset=4 + 4 * n_dimensions).reshape(shape)


def _pixels(side: int) -> tuple[str, ...]:
    return tuple(f"pixel_{row}_{column}" for row in range(side) for column in range(side))
