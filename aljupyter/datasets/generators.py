"""Synthetic data, by the definitions of the paper's code of May 2022. All draws come from the seed.

`numpy.random.RandomState` is used on purpose: its stream is frozen (NEP 19), so a seed names the same data with every
NumPy to come. Normal points are made as ``mean + z A^T``, without a decomposition whose signs depend on the machine.
"""

from __future__ import annotations

import warnings

import numpy as np

from aljupyter.datasets.readers import PAPER_SEED, Parts, Request, checkerboard_files, stacked
from aljupyter.errors import DownloadFailed, WrongChecksum


def _blobs(random: np.random.RandomState, means: list[tuple[float, float]], sizes: list[int]) -> np.ndarray:
    """Round clouds of unit variance."""
    return np.concatenate([random.randn(n, 2) + mean for mean, n in zip(means, sizes, strict=True)])


def _positives_first(n_positive: int, n_negative: int) -> np.ndarray:
    return np.repeat([1, 0], [n_positive, n_negative])


def synth_class1(request: Request) -> Parts:
    """Two round clouds (Yang & Loog 2018), at (3, 3) and (0, 0)."""
    x = _blobs(np.random.RandomState(request.seed), [(3, 3), (0, 0)], [250, 250])
    return Parts(x, _positives_first(250, 250))


def synth_class2(request: Request) -> Parts:
    """Six round clouds, three a class (Huang et al., in Yang & Loog 2018)."""
    means: list[tuple[float, float]] = [(0, 5), (-5, 10), (-5, -10), (0, -5), (5, 10), (5, -10)]
    x = _blobs(np.random.RandomState(request.seed), means, [84, 83, 83] * 2)
    return Parts(x, _positives_first(250, 250))


def synth_class3(request: Request) -> Parts:
    """Two long clouds around another (Yang & Loog 2018)."""
    random = np.random.RandomState(request.seed)
    positive = np.array([[0.60834549, -0.63667341], [-0.40887718, 0.85253229]])
    negative = np.linalg.cholesky([[1.0, 2.0], [2.0, 7.0]])
    clouds = [((0, 0), positive, 125), ((3, 10), positive, 125), ((3, 3), negative, 250)]
    return Parts(np.concatenate([random.randn(n, 2) @ a.T + mean for mean, a, n in clouds]), _positives_first(250, 250))


def gaussian_clouds(request: Request) -> Parts:
    """Two normal clouds of random shape and place, a test set ten times the training set (Konyushkova et al. 2017)."""
    random = np.random.RandomState(request.seed)
    share = 0.8 if request.paper else 0.5 + 0.8 * (random.random_sample() - 0.5)
    n_positive = int(1000 * share)
    shapes = []
    for _ in range(2):
        mean = random.random_sample(2)
        shapes.append((mean, random.random_sample((2, 2)) - 0.5))
    halves = []
    for times in (1, 10):
        sizes = (times * n_positive, times * (1000 - n_positive))
        x = [random.randn(n, 2) @ a.T + mean for n, (mean, a) in zip(sizes, shapes, strict=True)]
        halves.append((np.concatenate(x), _positives_first(*sizes)))
    return stacked(halves[0], halves[1], request.paper)


def checkerboard2x2(request: Request, generate: bool = False) -> Parts:
    """See :func:`checkerboard`."""
    return _board(request, generate, k=2)


def checkerboard4x4(request: Request, generate: bool = False) -> Parts:
    """See :func:`checkerboard`."""
    return _board(request, generate, k=4)


def rotated_checkerboard2x2(request: Request, generate: bool = False) -> Parts:
    """See :func:`checkerboard`."""
    return _board(request, generate, k=2, rotated=True)


def checkerboard(x: np.ndarray, k: int, rotated: bool = False) -> np.ndarray:
    """Classes of points of the unit square on a board of k x k fields (Konyushkova et al. 2017).

    Class 1 where floor(k x0) + floor(k x1) is even; the rotated board is turned by 45 degrees about its middle.

    Parameters
    ----------
    x : array of shape (N, 2)
    k : int
    rotated : bool

    Returns
    -------
    int array of shape (N,)
    """
    if rotated:
        u, v = (x - 0.5).T
        return ((u > v) == (u > -v)).astype(np.int64)
    return (np.floor(k * x).sum(axis=1) % 2 == 0).astype(np.int64)


def _board(request: Request, generate: bool, k: int, rotated: bool = False) -> Parts:
    if not generate:
        try:
            return checkerboard_files(request)
        except WrongChecksum:  # there is a copy, and something is wrong with it: to be told, not to be replaced
            raise
        except DownloadFailed as error:
            warnings.warn(
                f"The files of {request.entry.name} cannot be had, so its points are drawn anew by the same rule, from "
                f"seed {request.seed}. To do so without this warning: generate=True. {error}",
                stacklevel=2,
            )
    random = np.random.RandomState(request.seed)
    train, test = random.random_sample((1000, 2)), random.random_sample((1000, 2))
    parts = stacked((train, checkerboard(train, k, rotated)), (test, checkerboard(test, k, rotated)), request.paper)
    note = f"These points were drawn anew by the rule, from seed {request.seed}; they are not those of the files."
    return Parts(parts.x, parts.y, splits=parts.splits, note=note)


def synth_reg1(request: Request) -> Parts:
    """A straight line without noise: seed 0 is that of the paper."""
    from sklearn.datasets import make_regression

    x, y = make_regression(n_samples=1000, n_features=1, n_targets=1, random_state=PAPER_SEED + request.seed)
    return Parts(x, y)


def synth_reg2(request: Request) -> Parts:
    """A spiral: the angle and, with noise, its sine are given, its cosine is asked for."""
    random = np.random.RandomState(request.seed)
    angle = 15 * random.random_sample(1000)
    x = np.column_stack([angle, np.sin(angle) + 0.1 * random.randn(1000)])
    return Parts(x, np.cos(angle) + 0.1 * random.randn(1000))
