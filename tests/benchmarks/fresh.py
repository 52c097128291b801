"""Data sets on which the default strategy is judged: none of those on which it was found, and drawn anew each time.

The files among them are read where ALJUPYTER_DATA names their folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn import datasets

import aljupyter as al
from tests.benchmarks.sets import Array, data_folder

Drawn = tuple[Array, NDArray[Any]]
#: a seed -> features and labels
Source = Callable[[int], Drawn]

TRAIN, TEST = 400, 300
_N = TRAIN + TEST


def classification_sets() -> dict[str, Source]:
    """From easy to hopeless, by name."""
    make = partial(datasets.make_classification, _N)
    found: dict[str, Source] = {
        "moons": lambda seed: datasets.make_moons(_N, noise=0.25, random_state=seed),
        "circles": lambda seed: datasets.make_circles(_N, noise=0.15, factor=0.5, random_state=seed),
        "spirals": _spirals,
        "blobs, rotated": _rotated_blobs,
        "quantiles, 4-d": lambda seed: datasets.make_gaussian_quantiles(
            n_samples=_N, n_features=4, n_classes=3, random_state=seed
        ),
        "shell, 10-d": lambda seed: datasets.make_hastie_10_2(_N, random_state=seed),
        "20-d, 10% flipped": lambda seed: make(20, n_informative=5, flip_y=0.1, random_state=seed),
        "5 classes, 10-d": lambda seed: make(10, n_informative=6, n_classes=5, random_state=seed),
        "10 classes, 8-d": lambda seed: make(
            8, n_informative=6, n_classes=10, n_clusters_per_class=1, class_sep=2.0, random_state=seed
        ),
        "10% positive": lambda seed: make(8, n_informative=4, weights=[0.9], random_state=seed),
        "xor and 4 idle": _xor,
        "sign of a process": _process_sign,
        "blobs, 25% noise": _noisy_blobs,
    }
    if data_folder() is not None:
        found["white wine, 3 grades"] = _wine_grades
    return found


def regression_sets() -> dict[str, Source]:
    """Smooth and rough, of 1 to 9 and more features, by name."""
    found: dict[str, Source] = {
        "friedman3": lambda seed: datasets.make_friedman3(_N, noise=0.1, random_state=seed),
        "sparse, 10-d": lambda seed: datasets.make_sparse_uncorrelated(_N, random_state=seed),
        "process, 2-d": partial(_process, n_features=2, length=0.5, noise=0.1),
        "process, 5-d": partial(_process, n_features=5, length=1.5, noise=0.2),
        "rough process, 3-d": partial(_process, n_features=3, length=1.0, noise=0.2, rough=True),
        "ishigami": _ishigami,
        "hartmann": _hartmann,
        "borehole": _borehole,
        "robot arm": _robot_arm,
        "steps": _steps,
        "growing noise": _growing_noise,
        "mostly noise": partial(_process, n_features=3, length=1.5, noise=1.5),
    }
    if data_folder() is not None:
        found["white wine"] = _wine
    return found


def own_set(argument: str) -> tuple[str, Source]:
    """A file of one's own: "PATH" or "PATH:COLUMN", the last column where none is named; and what it is called."""
    import pandas as pd

    path, _, column = argument.partition(":")
    table = pd.read_csv(path)
    target = table.pop(column or table.columns[-1])
    data = al.DataManager(table, target, labelled=0)
    x_N_D, y_N = data.train.x.double().numpy(), target.to_numpy()
    return Path(path).stem, lambda seed: (x_N_D, y_N)


def _generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 2_022])


def _rotated_blobs(seed: int) -> Drawn:
    rng = _generator(seed)
    x, y = datasets.make_blobs(_N, 3, centers=4, cluster_std=1.5, center_box=(-5.0, 5.0), random_state=seed)
    return x @ rng.normal(size=(3, 3)), y


def _noisy_blobs(seed: int) -> Drawn:
    x, y = datasets.make_blobs(_N, 2, centers=np.array([[-1.5, 0.0], [1.5, 0.0]]), random_state=seed)
    return x, np.where(_generator(seed).random(_N) < 0.25, 1 - y, y)


def _spirals(seed: int) -> Drawn:
    """Three arms."""
    rng = _generator(seed)
    y = rng.integers(3, size=_N)
    turn = np.sqrt(rng.uniform(0.03, 1, _N)) * 1.5 * np.pi
    angle = turn + y * 2 * np.pi / 3
    x = turn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return x + 0.2 * rng.normal(size=(_N, 2)), y


def _xor(seed: int) -> Drawn:
    """Two clouds a class, and four features that say nothing."""
    rng = _generator(seed)
    corner = rng.choice([-1, 1], (_N, 2))
    x = np.column_stack([1.5 * corner + 0.7 * rng.normal(size=(_N, 2)), rng.normal(size=(_N, 4))])
    return x, (corner.prod(axis=1) > 0).astype(int)


def _process(
    seed: int, n_features: int, length: float, noise: float, rough: bool = False, rng: np.random.Generator | None = None
) -> Drawn:
    """A function drawn from a Gaussian process of variance 1: RBF kernel, or rough, Matern 3/2; and noise."""
    rng = rng or _generator(seed)
    x = rng.uniform(-1.5, 1.5, (_N, n_features))
    r = cdist(x, x) / (length * np.exp(rng.normal(0, 0.2)))
    kernel = (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r) if rough else np.exp(-(r**2) / 2)
    f = np.linalg.cholesky(kernel + 1e-8 * np.eye(_N)) @ rng.normal(size=_N)
    return x, f + noise * rng.normal(size=_N)


def _process_sign(seed: int) -> Drawn:
    rng = _generator(seed)
    x, f = _process(seed, 2, 0.6, 0.0, rng=rng)
    return x, (f > np.quantile(f, 0.4)).astype(int) ^ (rng.random(_N) < 0.05)


def _ishigami(seed: int) -> Drawn:
    """Ishigami & Homma 1990."""
    rng = _generator(seed)
    x = rng.uniform(-np.pi, np.pi, (_N, 3))
    y = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    return x, y + 0.2 * rng.normal(size=_N)


def _hartmann(seed: int) -> Drawn:
    """Hartmann's function of six variables, to be maximised (Dixon & Szego 1978)."""
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    rng = _generator(seed)
    x = rng.random((_N, 6))
    y = np.exp(-(a * (x[:, None] - p) ** 2).sum(axis=2)) @ alpha
    return x, y + 0.02 * rng.normal(size=_N)


def _borehole(seed: int) -> Drawn:
    """Flow of water through a borehole (Worley 1987), without noise."""
    low = np.array([0.05, 100, 63_070, 990, 63.1, 700, 1120, 9855])
    high = np.array([0.15, 50_000, 115_600, 1110, 116, 820, 1680, 12_045])
    x = _generator(seed).uniform(low, high, (_N, 8))
    rw, r, tu, hu, tl, hl, length, kw = x.T
    log = np.log(r / rw)
    return x, 2 * np.pi * tu * (hu - hl) / (log * (1 + 2 * length * tu / (log * rw**2 * kw) + tu / tl))


def _robot_arm(seed: int) -> Drawn:
    """How far an arm of four pieces reaches, by its angles and lengths (An & Owen 2001)."""
    rng = _generator(seed)
    x = rng.random((_N, 8))
    angle = 2 * np.pi * x[:, :4].cumsum(axis=1)
    place = np.stack([(x[:, 4:] * f(angle)).sum(axis=1) for f in (np.cos, np.sin)])
    return x, np.hypot(*place) + 0.02 * rng.normal(size=_N)


def _steps(seed: int) -> Drawn:
    rng = _generator(seed)
    x = rng.uniform(-1.5, 1.5, (_N, 3))
    return x, np.floor(2 * x[:, 0]) + (x[:, 1] > 0.3) + 0.1 * rng.normal(size=_N)


def _growing_noise(seed: int) -> Drawn:
    rng = _generator(seed)
    x = rng.uniform(0, 3, (_N, 2))
    return x, np.sin(2 * x[:, 0]) + x[:, 1] / 3 + 0.3 * x[:, 0] * rng.normal(size=_N)


def _wine(seed: int) -> Drawn:
    """Quality of white wine, by its chemistry."""
    found = al.datasets.load("wine_quality_white")
    rows = _generator(seed).permutation(len(found.y))[:_N]
    return found.x[rows].numpy(), found.y[rows].numpy()


def _wine_grades(seed: int) -> Drawn:
    """At most 5, 6, at least 7."""
    x, y = _wine(seed)
    return x, np.digitize(y, [5.5, 6.5])
