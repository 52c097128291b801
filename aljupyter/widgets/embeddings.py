"""Planes that an embedding makes: each point of the dataset has a place, and between them there is nothing to ask.

So the heat of a cell is that of the nearest training point, and the labels of the axes say so.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.spatial import KDTree
from sklearn.neighbors import KNeighborsRegressor
from torch import Tensor

from aljupyter.errors import ViewError, WrongShape
from aljupyter.widgets.planes import Plane, cell_centres, padded

MAX_POINTS = 1000  # that an embedding is computed from; t-SNE takes 4 s for so many, and the others are put beside them
NEIGHBOURS = 3
TSNE, ISOMAP, UMAP = "t-SNE", "Isomap", "UMAP"


class EmbeddingPlane(Plane):
    """Places of all points; a cell stands for the training point nearest to its centre.

    Parameters
    ----------
    data : DataManager
    xy_N_2 : array of shape (N, 2)
        One place for each row of the dataset.
    name : str
    more : str
        What else is to be said of it, on the other axis.

    Raises
    ------
    WrongShape
        For another shape, or a training point without a finite place.
    """

    def __init__(self, data: Any, xy_N_2: np.ndarray, name: str, more: str = ""):
        xy_N_2 = np.asarray(xy_N_2, dtype=float)
        if xy_N_2.shape != (len(data), 2):
            raise WrongShape(
                f"An embedding has two numbers for each of the {len(data)} rows of the dataset, shape ({len(data)}, 2);"
                f" got {xy_N_2.shape}."
            )
        train = np.asarray(data.train.indices)
        bad = train[~np.isfinite(xy_N_2[train]).all(1)]
        if len(bad):
            raise WrongShape(f"Point {bad[0]} of the training view has no finite place in the embedding.")
        self._data, self._xy, self._train, self.title = data, xy_N_2, train, name
        self.x_label, self.y_label = f"{name} 1 (heat of the nearest point)", f"{name} 2{more}"
        self.x_limits, self.y_limits = padded(xy_N_2[train, 0]), padded(xy_N_2[train, 1])
        self._span = np.array([np.ptp(self.x_limits), np.ptp(self.y_limits)])
        self._tree = KDTree(xy_N_2[train] / self._span)
        self._of_cell = np.zeros(0, dtype=np.int64)

    @property
    def name(self) -> str:
        return f"{self.title} (heat of the nearest point)"

    def nearest(self, xy_M_2: np.ndarray) -> np.ndarray:
        """Index of the training point nearest to each place, in shares of the axes."""
        _, position = self._tree.query(np.asarray(xy_M_2, dtype=float) / self._span)
        return self._train[position]

    def at(self, xy_N_2: np.ndarray) -> Tensor:
        x: Tensor = self._data.subset(np.unique(self.nearest(xy_N_2))).x
        return x

    def grid(self, n: int) -> Tensor:
        """Inputs of the points that cells stand for, each once; :meth:`on_cells` gives every cell its own."""
        u, v = np.meshgrid(cell_centres(self.x_limits, n), cell_centres(self.y_limits, n))
        of_cell = self.nearest(np.column_stack([u.ravel(), v.ravel()]))
        self.points, self._of_cell = np.unique(of_cell, return_inverse=True)
        x: Tensor = self._data.subset(self.points).x
        return x

    def on_cells(self, values_M: np.ndarray) -> np.ndarray:
        return values_M[self._of_cell]

    def project(self, x: Tensor) -> np.ndarray:
        raise ViewError("An embedding has places for the points of the dataset alone.")

    def locate(self, data: Any, indices: np.ndarray) -> np.ndarray:
        return self._xy[np.asarray(indices, dtype=np.int64)]


def offered() -> tuple[str, ...]:
    """Names of the embeddings that can be computed here."""
    return (TSNE, ISOMAP, *((UMAP,) if importlib.util.find_spec("umap") else ()))


def named(name: str) -> str | None:
    """The name of an embedding as it is written, from what a person may write; None for another word."""
    plain = name.lower().replace("-", "").replace("_", "")
    return next((known for known in (TSNE, ISOMAP, UMAP) if known.lower().replace("-", "") == plain), None)


def computed(data: Any, how: str | Any, seed: int = 0) -> EmbeddingPlane:
    """The plane of an embedding that is computed: from up to 1,000 training points, the others put beside them.

    Parameters
    ----------
    data : DataManager
    how : {"t-SNE", "Isomap", "UMAP"} or object
        With ``fit_transform``; where it has ``transform`` too, that places the other points.
    seed : int

    Raises
    ------
    ViewError
        For UMAP where umap-learn is not installed, and where the embedding itself fails.
    WrongShape
        If what the object gives is not two finite numbers a point.
    """
    train = np.asarray(data.train.indices)
    chosen = train[np.unique(np.linspace(0, len(train) - 1, min(MAX_POINTS, len(train))).astype(int))]
    x_M_D = _rows(data, chosen)
    maker = _MAKERS[how](len(chosen), seed) if isinstance(how, str) else how
    name = how if isinstance(how, str) else type(how).__name__
    try:
        xy_M_2 = np.asarray(maker.fit_transform(x_M_D), dtype=float)
    except Exception as error:  # of the user's own object, or of a method that these points are too few for
        raise ViewError(f"{name} of {len(chosen)} points raised {type(error).__name__}: {error}") from error
    if xy_M_2.shape != (len(chosen), 2):
        raise WrongShape(f"{name} gave shape {xy_M_2.shape} for {len(chosen)} points; a plane needs two numbers each.")
    xy_N_2 = np.full((len(data), 2), np.nan)
    xy_N_2[chosen] = xy_M_2
    others = np.setdiff1d(np.arange(len(data)), chosen)
    if len(others):
        place = maker.transform if not isinstance(how, str) and hasattr(maker, "transform") else None
        if place is None:
            beside = KNeighborsRegressor(min(NEIGHBOURS, len(chosen)), weights="distance").fit(x_M_D, xy_M_2)
            place = beside.predict
        for part in np.array_split(others, -(-len(others) // 4096)):
            xy_N_2[part] = place(_rows(data, part))
    more = f" ({len(chosen)} computed, others beside)" if len(train) > len(chosen) else ""
    return EmbeddingPlane(data, xy_N_2, name, more)


def _rows(data: Any, indices: np.ndarray) -> np.ndarray:
    rows: np.ndarray = data.subset(indices).x.detach().cpu().reshape(len(indices), -1).double().numpy()
    return rows


def _tsne(n: int, seed: int) -> Any:
    from sklearn.manifold import TSNE as Tsne

    return Tsne(perplexity=max(1.0, min(30.0, (n - 1) / 3)), init="pca", random_state=seed)


def _isomap(n: int, seed: int) -> Any:
    from sklearn.manifold import Isomap

    return Isomap(n_neighbors=max(1, min(10, n - 1)))


def _umap(n: int, seed: int) -> Any:
    try:
        umap = importlib.import_module("umap")
    except ImportError:
        raise ViewError('UMAP comes with the package umap-learn: `pip install umap-learn`, or "t-SNE".') from None
    return umap.UMAP(n_neighbors=max(2, min(15, n - 1)), random_state=seed)


_MAKERS: dict[str, Callable[[int, int], Any]] = {TSNE: _tsne, ISOMAP: _isomap, UMAP: _umap}
