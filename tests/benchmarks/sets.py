"""Data: scikit-learn's, synthetic, and files in the folder that ALJUPYTER_DATA names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

import aljupyter as al

Array = NDArray[np.float64]


class Course(NamedTuple):
    """Features and labels, and the numbers of labels between which a loop runs over them."""

    name: str
    data: tuple[Array, NDArray[np.generic]]
    first: int
    last: int


def classification_courses(seed: int) -> list[Course]:
    """The six sets of the classification loop."""
    noisy = datasets.make_classification(500, 20, n_informative=5, flip_y=0.15, random_state=seed)
    moons = datasets.make_moons(500, noise=0.3, random_state=seed)
    return [
        Course("breast cancer", datasets.load_breast_cancer(return_X_y=True), 57, 307),
        Course("moons, noise 0.3", moons, 20, 220),
        Course("20-d, 15% flipped", noisy, 30, 150),
        Course("iris", datasets.load_iris(return_X_y=True), 15, 110),
        Course("wine", datasets.load_wine(return_X_y=True), 20, 120),
        Course("digits", datasets.load_digits(return_X_y=True), 60, 90),
    ]


def data_folder() -> Path | None:
    """The folder that ALJUPYTER_DATA names; None where it is not set."""
    folder = os.environ.get("ALJUPYTER_DATA")
    return Path(folder) if folder else None


def regression_sets(seed: int) -> dict[str, tuple[Array, Array]]:
    """Features and targets by name: the sets of the experiment on defaults, as far as there are files of them."""
    found = {
        "diabetes": datasets.load_diabetes(return_X_y=True),
        "friedman1": datasets.make_friedman1(1000, noise=1.0, random_state=seed),
        "friedman2": datasets.make_friedman2(1000, noise=50.0, random_state=seed),
        "branin": _branin(np.random.default_rng(seed)),
        "spiral": _spiral(np.random.default_rng(seed)),
    }
    if data_folder() is not None:
        names = ["concrete", "energy", "power", "yacht", "airfoil", "wine_quality"]
        found |= {name: _arrays(al.datasets.load(name)) for name in names}
    return found


def _arrays(dataset: al.datasets.Dataset) -> tuple[Array, Array]:
    return dataset.x.numpy(), dataset.y.numpy()


def _branin(rng: np.random.Generator) -> tuple[Array, Array]:
    """Branin's function with noise, to be maximised."""
    X = rng.uniform([-5, 0], [10, 15], (1000, 2))
    a, b = X.T
    height = (b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10
    return X, -height + 5 * rng.standard_normal(1000)


def _spiral(rng: np.random.Generator) -> tuple[Array, Array]:
    """A circle gone round twice and more, by its angle and its sine: the target is the cosine."""
    angle = 15 * rng.uniform(size=1000)
    X = np.column_stack([angle, np.sin(angle) + 0.1 * rng.standard_normal(1000)])
    return X, np.cos(angle) + 0.1 * rng.standard_normal(1000)


def smooth(n: int, n_features: int, seed: int) -> tuple[Array, Array]:
    """Points in a cube, and a smooth function of a few of their features with a little noise, of variance about 1."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.5, 1.5, (n, n_features))
    y = 1.4 * np.sin(2 * X[:, 0]) * np.cos(X[:, 1]) + 0.7 * X[:, 1] + 0.1 * rng.standard_normal(n)
    return X, y
