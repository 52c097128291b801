"""What a picture shows, as plain numbers: no widget is known here, so a frame can be checked without a browser.

A moment (present or past) goes in, frames come out; views draw frames and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from aljupyter.data.subset import Subset
from aljupyter.errors import AlJupyterError
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, Posterior, RegressionPosterior
from aljupyter.randomness import numpy_generator
from aljupyter.records import RoundRecord
from aljupyter.strategies import Measure
from aljupyter.widgets.heats import Field, PredictedClass
from aljupyter.widgets.planes import Limits, Plane

MAX_POOL_DRAWN = 1500  # SVG points: 1,000 cost 0.1 s a redraw, 10,000 cost 0.6 s
CHUNK = 2048
MOST_REMEMBERED = 32 * 2**20  # bytes of heat values of past rounds: 800 of 100 x 100 cells
BAND = 1.96  # standard deviations either side of the mean: 95%

HEAT, DIFFERENCE, CLASSES = "heat", "difference", "classes"

Metrics = Mapping[str, float]
Shown = Measure | Field
NO_POINTS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Moment:
    """A loop at one point in time.

    Attributes
    ----------
    labelled : Subset
        With the labels that were known.
    unlabelled : int array
        Indices of the pool.
    asked : int array
        Indices of the last query, which are labelled by now.
    candidates : int array
        Indices that would be asked next.
    model : ModelManager or None
        None where none is fitted.
    is_current : bool
        Whether that model was fitted on these labels.
    history : sequence of RoundRecord
        The rounds before.
    metrics : mapping
        Of the model.
    """

    labelled: Subset
    unlabelled: np.ndarray
    asked: np.ndarray = field(default_factory=lambda: NO_POINTS)
    candidates: np.ndarray = field(default_factory=lambda: NO_POINTS)
    model: ModelManager | None = None
    is_current: bool = False
    history: Sequence[RoundRecord] = ()
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class Heat:
    """One number a cell, with what its colours mean.

    Attributes
    ----------
    values_H_W : float32 array
        Row 0 is the lowest y.
    x_extent, y_extent : (float, float)
        Edges of the outer cells.
    limits : (float, float)
        Values of the first and the last colour.
    title : str
        The measure, with its unit.
    palette : str
        "heat"; "difference" of two rounds, whose limits lie evenly about 0 and whose colours have two sides; or
        "classes", whose values are class codes.
    """

    values_H_W: np.ndarray
    x_extent: Limits
    y_extent: Limits
    limits: Limits
    title: str
    palette: str = HEAT

    @property
    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Of a line: the values as a curve (x_N, y_N) in units of the picture; limits lie on the extent's edges."""
        n, (left, right) = self.values_H_W.shape[1], self.x_extent
        (low, high), (bottom, top) = self.limits, self.y_extent
        share = np.clip((self.values_H_W[0] - low) / (high - low), 0, 1)
        return left + (np.arange(n) + 0.5) * (right - left) / n, bottom + share * (top - bottom)

    def height_at(self, x_N: np.ndarray) -> np.ndarray:
        """Where the curve of a line passes these places."""
        return np.interp(x_N, *self.curve)

    def scale_beside(self, y_limits: Limits) -> Limits:
        """What an axis of the values says at the ends of the picture's own."""
        (low, high), (bottom, top) = self.limits, self.y_extent
        ends = [low + (y - bottom) / (top - bottom) * (high - low) for y in y_limits]
        return ends[0], ends[1]


@dataclass(frozen=True)
class Curves:
    """What the model predicts along a line, for one input: class probabilities, or the mean and its 95% band.

    Attributes
    ----------
    x_N : array
    y_K_N : array of shape (K, N)
        One row a class, or one for the mean.
    lower_N, upper_N : arrays or None
    """

    x_N: np.ndarray
    y_K_N: np.ndarray
    lower_N: np.ndarray | None = None
    upper_N: np.ndarray | None = None


@dataclass(frozen=True)
class Points:
    """Places on the plane, of shape (N, 2), of points given by their index."""

    indices: np.ndarray
    xy: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class PlaneFrame:
    """All that the left picture shows. `heat` is None before there is a model; `message` then says what to do.

    `ground` are the points of the pool and those under a labelled one, the same in every round: what does not change is
    not drawn again. None where labelled points lie elsewhere.
    """

    x_label: str
    y_label: str
    x_limits: Limits
    y_limits: Limits
    pool: Points
    n_pool: int
    labelled: Points
    labels: np.ndarray
    asked: Points
    candidates: Points
    heat: Heat | None = None
    curves: Curves | None = None
    message: str = ""
    ground: Points | None = None


@dataclass(frozen=True)
class Against:
    """The round that a moment is compared with, what it is remembered by, and its name."""

    moment: Moment
    key: Hashable
    words: str


class Painter:
    """Makes frames of one plane.

    What the model says of the grid is computed once a model; measures are then a matter of microseconds. Their values
    are remembered by the key of the look, so that going back and forth over rounds asks no model twice.

    Parameters
    ----------
    data : DataManager
    plane : Plane
    n : int
        Cells along an axis.
    """

    def __init__(self, data: Any, plane: Plane, n: int):
        self.data, self.plane = data, plane
        self._n = n
        self._grid = plane.grid(n)
        self._model: ModelManager | None = None
        self._posteriors: list[Posterior] | None = None
        self._key: Hashable = None
        self._known: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._limits: dict[str, Limits] = {}
        train = np.asarray(data.train.indices)
        if len(train) > MAX_POOL_DRAWN:  # the same points in every round
            train = np.sort(numpy_generator(0, "points drawn").choice(train, MAX_POOL_DRAWN, replace=False))
        self._drawn = train
        self._ground = None if plane.is_line else self._points(train)

    def look(self, model: ModelManager | None, key: Hashable = None, lasts: bool = False) -> None:
        """Take in a model; forget the last one.

        Parameters
        ----------
        model : ModelManager or None
        key : hashable, optional
            What this moment's values are remembered by.
        lasts : bool
            Whether the model will stay as it is, and so may be asked later, when a picture needs it. The present one
            will be fitted anew, and is asked about the grid at once.
        """
        self._model, self._key, self._posteriors = model, key, None
        if model is not None and not lasts:
            self._ask()

    def _ask(self) -> list[Posterior]:
        if self._posteriors is None:
            assert self._model is not None
            model = self._model
            self._posteriors = [model.posterior(chunk) for chunk in self._grid.split(CHUNK)]
        return self._posteriors

    def frame(
        self, moment: Moment, measure: Shown, name: str, message: str = "", against: Against | None = None
    ) -> PlaneFrame:
        """The picture of a moment, by the model that was last looked at; or how it differs from another one."""
        plane, labels = self.plane, moment.labelled.y.cpu().numpy()
        at = {key: self._points(indices) for key, indices in (
            ("pool", self._drawn[np.isin(self._drawn, moment.unlabelled)]),
            ("labelled", moment.labelled.indices), ("asked", moment.asked), ("candidates", moment.candidates),
        )}  # fmt: skip
        n_pool, y_label, y_limits, curves = len(moment.unlabelled), plane.y_label, plane.y_limits, None
        y_extent = y_limits
        if plane.is_line:
            curves = self._curves()
            low, high = self._range_of_line(curves, labels)
            height = high - low
            # below the curves a panel: what the strategy goes by, with the pool at its foot
            y_limits, y_extent = (low - 0.48 * height, high), (low - 0.44 * height, low - 0.08 * height)
            y_label = "probability" if self.data.n_classes else "predicted mean, 95% band"
        try:
            heat = self._heat(measure, name, y_extent, moment, against)
        except AlJupyterError as error:  # the model does not say this: the points are worth seeing all the same
            heat, message = None, str(error)
        if plane.is_line:
            for key, points in at.items():
                points.xy[:, 1] = (
                    self._height(points.indices, moment.labelled, low)
                    if key in ("labelled", "asked")
                    else heat.height_at(points.xy[:, 0])
                    if key == "candidates" and heat is not None
                    else y_extent[0] + 0.04 * (y_extent[1] - y_extent[0])
                )
        return PlaneFrame(
            plane.x_label, y_label, plane.x_limits, y_limits, n_pool=n_pool, labels=labels, heat=heat, curves=curves,
            message=message, ground=self._ground, **at,
        )  # fmt: skip

    def _points(self, indices: np.ndarray) -> Points:
        indices = np.asarray(indices, dtype=np.int64)
        if not len(indices):
            return Points(indices, np.zeros((0, 2)))
        return Points(indices, self.plane.locate(self.data, indices))

    def _values(self, measure: Shown, name: str, moment: Moment) -> np.ndarray | None:
        if measure.needs_model and self._model is None:
            return self._remembered(self._key, name, None)
        return self._remembered(self._key, name, lambda: self._compute(measure, moment, self._ask))

    def _compute(self, measure: Shown, moment: Moment, ask: Callable[[], list[Posterior]]) -> np.ndarray:
        if isinstance(measure, Field):
            found = measure.on_grid(self.plane, self._grid, moment, self.data)
        else:
            found = torch.cat([measure.values(posterior) for posterior in ask()]).cpu().numpy()
        return self.plane.on_cells(found.astype(np.float32))

    def _remembered(self, key: Hashable, name: str, compute: Callable[[], np.ndarray] | None) -> np.ndarray | None:
        place = None if key is None else (key, name)
        values = self._known.get(place)
        if values is not None:
            self._known.move_to_end(place)
        elif compute is not None:
            values = compute()
            if place is not None:
                self._known[place] = values
                while sum(v.nbytes for v in self._known.values()) > MOST_REMEMBERED:
                    self._known.popitem(last=False)
        return values

    def _heat(
        self, measure: Shown, name: str, y_extent: Limits, moment: Moment, against: Against | None
    ) -> Heat | None:
        values = self._values(measure, name, moment)
        if values is None:
            return None
        height = 1 if self.plane.is_line else self._n
        title = f"{name} ({measure.unit})" if measure.unit else name
        other = None if against is None else self._values_against(against, measure, name)
        if against is None or other is None:
            limits = self._colour_limits(measure, name, values)
            palette = CLASSES if isinstance(measure, PredictedClass) else HEAT
            return Heat(values.reshape(height, -1), self.plane.x_limits, y_extent, limits, title, palette)
        values = values - other
        most = float(np.abs(values).max()) or 1.0
        title = f"{title}: what changed since {against.words}"
        return Heat(values.reshape(height, -1), self.plane.x_limits, y_extent, (-most, most), title, DIFFERENCE)

    def _values_against(self, against: Against, measure: Shown, name: str) -> np.ndarray | None:
        model = against.moment.model

        def ask() -> list[Posterior]:
            assert model is not None
            return [model.posterior(chunk) for chunk in self._grid.split(CHUNK)]

        known = None if model is None else lambda: self._compute(measure, against.moment, ask)
        return self._remembered(against.key, name, known)

    def _colour_limits(self, measure: Shown, name: str, values: np.ndarray) -> Limits:
        """Limits that last, so that a colour means the same in every round: the measure's own, or all seen so far.

        A line has an axis that tells its values, and its shape is what matters: those of the moment.
        """
        low, high = measure.limits(self.data.n_classes)
        if self.plane.is_line:
            self._limits.pop(name, None)
        seen_low, seen_high = self._limits.get(name, (np.inf, -np.inf))
        limits = (
            float(min(seen_low, values.min())) if low is None else low,
            float(max(seen_high, values.max())) if high is None else high,
        )
        if limits[1] <= limits[0]:
            limits = limits[0], limits[0] + 1.0
        self._limits[name] = limits
        return limits

    def _curves(self) -> Curves | None:
        if self._model is None:
            return None
        posteriors = self._ask()
        n_cells = len(self._grid)
        low, high = self.plane.x_limits
        x = low + (np.arange(n_cells) + 0.5) * (high - low) / n_cells
        if isinstance(posteriors[0], ClassPosterior):
            probabilities = [p.mean_N_C for p in posteriors if isinstance(p, ClassPosterior)]
            return Curves(x, torch.cat(probabilities).T.cpu().numpy())
        regression = [p for p in posteriors if isinstance(p, RegressionPosterior)]
        mean = torch.cat([p.mean_N for p in regression]).cpu().numpy()
        half = BAND * torch.cat([p.std_N for p in regression]).cpu().numpy()
        return Curves(x, mean[None], mean - half, mean + half)

    def _range_of_line(self, curves: Curves | None, labels: np.ndarray) -> Limits:
        if self.data.n_classes:
            return 0.0, 1.04
        known = [labels] if curves is None else [labels, curves.lower_N, curves.upper_N]
        values = np.concatenate([part for part in known if part is not None])
        if not len(values):
            return 0.0, 1.0
        pad = 0.05 * float(np.ptp(values)) or 0.5
        return float(values.min()) - pad, float(values.max()) + pad

    def _height(self, indices: np.ndarray, labelled: Subset, low: float) -> np.ndarray:
        """Where labelled points stand above a line: at their value; two classes at 0 and 1, more on the base line."""
        place = {index: k for k, index in enumerate(labelled.indices.tolist())}
        y = labelled.y.cpu().numpy()[[place[index] for index in indices.tolist()]].astype(float)
        return np.full(len(y), low) if (self.data.n_classes or 0) > 2 else y
