"""Learning curves as plain numbers: what the right picture shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aljupyter.companions import Band
from aljupyter.widgets.frames import Metrics, Moment

LABELS, ROUNDS = "labels", "rounds"


@dataclass(frozen=True)
class CurveBand:
    """Other loops beside the curve: their mean, and one standard deviation to either side.

    Attributes
    ----------
    name : str
    n_loops : int
    x_N, mean_N, spread_N : arrays
    """

    name: str
    n_loops: int
    x_N: np.ndarray
    mean_N: np.ndarray
    spread_N: np.ndarray


@dataclass(frozen=True)
class CurveFrame:
    """A learning curve in one metric; NaN where a round has no value of it.

    `x_N` counts labels, or rounds, as `over` says; `n_labels` always labels. `at` is the place of the round that is
    shown; None where that is the last, the present.
    """

    metric: str
    n_labels: np.ndarray
    values: np.ndarray
    ceiling: float | None = None
    floor: float | None = None
    n_train: int = 0
    at: int | None = None
    over: str = LABELS
    bands: tuple[CurveBand, ...] = ()

    @property
    def x_N(self) -> np.ndarray:
        return self.n_labels if self.over == LABELS else np.arange(len(self.n_labels), dtype=float)

    @property
    def marked(self) -> tuple[np.ndarray, np.ndarray]:
        """Place and value of the model that is shown; empty where it has no value."""
        known = np.flatnonzero(np.isfinite(self.values))
        place = known[-1:] if self.at is None else known[known == self.at]
        return self.x_N[place], self.values[place]


def curve_frame(
    moment: Moment,
    metric: str,
    n_train: int,
    ceiling: Metrics | None = None,
    floor: Metrics | None = None,
    at: int | None = None,
    over: str = LABELS,
    bands: Sequence[Band] = (),
) -> CurveFrame:
    """The learning curve up to a moment: a point a round, and one for the model of the moment. Round `at` is marked."""
    rows = [(record.n_labels, record.metrics.get(metric, np.nan)) for record in moment.history]
    if moment.is_current:
        rows.append((len(moment.labelled), moment.metrics.get(metric, np.nan)))
    n_labels, values = np.array(rows, dtype=float).reshape(-1, 2).T
    beside = tuple(made for band in bands if (made := _beside(band, metric, over, n_labels)) is not None)
    ends = (ceiling or {}).get(metric), (floor or {}).get(metric)
    return CurveFrame(metric, n_labels, values, *ends, n_train, at, over, beside)


def _beside(band: Band, metric: str, over: str, n_labels: np.ndarray) -> CurveBand | None:
    if metric not in band.values:
        return None
    mean_K, spread_K = band.curve(metric)
    known = np.isfinite(mean_K)
    x_K = band.n_labels.astype(float)
    if over == ROUNDS:  # where this loop had as many labels; between its rounds in proportion
        inside = (x_K >= n_labels.min()) & (x_K <= n_labels.max()) if len(n_labels) else np.zeros(len(x_K), bool)
        known &= inside
        x_K = np.interp(x_K, n_labels, np.arange(len(n_labels))) if len(n_labels) else x_K
    if not known.any():
        return None
    return CurveBand(band.name, band.n_loops, x_K[known], mean_K[known], spread_K[known])
