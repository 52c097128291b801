"""What a hypothetical label would change: `fantasize`, then predictions on a grid, against predictions alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aljupyter.models.gp import GPClassifier, GPRegressor
from tests.benchmarks.measure import timed
from tests.benchmarks.report import Demand, Section, Setting, progress
from tests.benchmarks.sets import smooth

_N_LABELLED, _SIDE, _REPEATS = 200, 100, 9
Array = NDArray[np.float64]
Predict = Callable[[Any, Array], Any]


def whatif(setting: Setting) -> Section:
    """Classifier and regressor, 2 and 30 features."""
    section = Section("5 what-if (n = 200, grid of 100 x 100)")
    section.notes = "Median CPU of predicting the grid, and of the posterior after a hypothetical label with the grid."
    for n_features in (2, 30):
        X, y = smooth(_N_LABELLED, n_features, setting.seed)
        _measure(section, f"regressor, d={n_features}", GPRegressor(), X, y, _moments)
        _measure(
            section, f"classifier, d={n_features}", GPClassifier(), X, (y > np.median(y)).astype(int), _probability
        )
    return section


def _moments(model: Any, grid: Array) -> Any:
    return model.predict(grid, return_std=True)


def _probability(model: Any, grid: Array) -> Any:
    return model.predict_proba(grid)


def _grid(n_features: int) -> Array:
    """A plane through the origin, along the first two features."""
    line = np.linspace(-1.5, 1.5, _SIDE)
    grid = np.zeros((_SIDE**2, n_features))
    grid[:, 0], grid[:, 1] = (axis.ravel() for axis in np.meshgrid(line, line))
    return grid


def _measure(section: Section, name: str, estimator: Any, X: Array, y: NDArray[Any], predict: Predict) -> None:
    model, grid = estimator.fit(X, y), _grid(X.shape[1])
    point, label = np.full((1, X.shape[1]), 0.3), y[:1]
    has_it = hasattr(model, "fantasize")
    plain, hypothetical = [], []
    for _ in progress(range(_REPEATS), name):
        plain.append(timed(lambda: predict(model, grid))[1])
        if has_it:
            hypothetical.append(timed(lambda: predict(model.fantasize(point, label), grid))[1])
    row: dict[str, Any] = {"model": name, "grid ms": 1e3 * float(np.median(plain))}
    if not has_it:
        section.rows.append(row | {"with label ms": "not there yet", "cost ratio": ""})
        return
    ratio = float(np.median(hypothetical) / np.median(plain))
    section.rows.append(row | {"with label ms": 1e3 * float(np.median(hypothetical)), "cost ratio": ratio})
    section.demands.append(Demand(f"{name}, cost ratio", ratio, at_most=1.5))
