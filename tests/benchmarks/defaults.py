"""Whether the defaults help: `GPRegressor()` against an isotropic kernel fitted by plain marginal likelihood.

Random queries from 5 to 100 labels, each model refitted after every label up to 12 and after every fifth from there on.
Both get the same labels.

Whether the default strategy helps is another question, with an experiment of its own, which is what
`python -m tests.benchmarks.defaults` runs: see `contest.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aljupyter.data import DataManager
from aljupyter.models.gp import GPManager, GPRegressor
from aljupyter.posterior import RegressionPosterior
from aljupyter.randomness import numpy_generator
from tests.benchmarks.measure import timed
from tests.benchmarks.report import Demand, Section, Setting, progress
from tests.benchmarks.sets import Array, regression_sets

_SIZES = np.array([*range(5, 12), *range(15, 101, 5)])  # labels at which the models are fitted
_QUICK_SIZES = np.array([5, 8, 12])
_LARGEST_TRAIN, _LARGEST_TEST = 700, 300


@dataclass
class Curve:
    """What one model did in one draw.

    Attributes
    ----------
    error_area : float
        Root mean squared error on the test view, in units of the target's deviation, averaged over 5 to 100 labels.
    coverage : float
        Share of test targets within the central 95% interval, averaged over the fits.
    seconds : float
        CPU of fits and predictions.
    """

    error_area: float
    coverage: float
    seconds: float


def defaults(setting: Setting) -> Section:
    """All regression sets there are, a few draws each."""
    sets = regression_sets(setting.seed)
    if setting.quick:
        sets = dict(list(sets.items())[:2])
    draws = range(1 if setting.quick else setting.draws)
    rows = [_compare(name, *sets[name], draws, setting) for name in progress(sets, "defaults")]
    ratio = float(np.median([row["RMSE ratio"] for row in rows]))
    coverage = float(np.mean([row["coverage"] for row in rows]))
    cost = sum(row["ours s"] for row in rows) / sum(row["iso s"] for row in rows)
    rows.append({"data": "median, mean, total", "RMSE ratio": ratio, "coverage": coverage, "cost ratio": cost})
    demands = [
        Demand(f"median RMSE area over {len(sets)} sets, default / isotropic", ratio, at_most=0.9),
        Demand("mean coverage of the 95% interval", coverage, at_least=0.9),
        Demand("CPU, default / isotropic", cost, at_most=2),
    ]
    notes = (
        f"Mean of {len(draws)} draw(s) of split and order. RMSE: area under the curve over labels / the target's "
        f"deviation.\niso: isotropic, without prior. {len(sets)} sets; ALJUPYTER_DATA names a folder with more."
    )
    return Section("6 defaults for regression (ARD with prior, against isotropic without)", rows, demands, notes)


def _compare(name: str, X: Array, y: Array, draws: range, setting: Setting) -> dict[str, Any]:
    sizes = _QUICK_SIZES if setting.quick else _SIZES
    plain, ours = [], []
    for draw in draws:
        seed = setting.seed + draw
        plain.append(run_curve(GPRegressor(kernel="rbf", prior=None), X, y, sizes, seed))
        ours.append(run_curve(GPRegressor(), X, y, sizes, seed))
    isotropic, default = _mean(plain), _mean(ours)
    return {
        "data": name,
        "iso RMSE": isotropic.error_area,
        "RMSE": default.error_area,
        "RMSE ratio": default.error_area / isotropic.error_area,
        "iso coverage": isotropic.coverage,
        "coverage": default.coverage,
        "iso s": isotropic.seconds,
        "ours s": default.seconds,
        "cost ratio": default.seconds / isotropic.seconds,
    }


def _mean(curves: list[Curve]) -> Curve:
    fields = ((curve.error_area, curve.coverage, curve.seconds) for curve in curves)
    return Curve(*(float(np.mean(values)) for values in zip(*fields, strict=True)))


def run_curve(estimator: GPRegressor, X: Array, y: Array, sizes: np.ndarray, seed: int) -> Curve:
    """One model in a loop of random queries.

    Parameters
    ----------
    estimator : GPRegressor
    X, y : ndarray of shape (N, D), (N,)
    sizes : ndarray of int
        Numbers of labels at which the model is fitted.
    seed : int
        Of the split and the order of the queries.
    """
    order = numpy_generator(seed, "defaults").permutation(len(y))[: _LARGEST_TRAIN + _LARGEST_TEST]
    n_train = round(0.7 * len(order))
    train, test = order[:n_train], order[n_train:]
    data = DataManager(X, y, train=train, test=test, labelled=train[: sizes[0]], task="regression")
    manager, target = GPManager(estimator), data.test.y.numpy()
    errors, coverages, seconds = [], [], 0.0
    for size in sizes:
        if size > len(data.labelled):
            new = train[len(data.labelled) : size]
            data.label(new, y[new])
        said, cpu = timed(lambda: _fit_and_predict(manager, data))
        seconds += cpu
        miss = np.abs(said.mean_N.numpy() - target)
        assert said.noise_N is not None
        coverages.append((miss < 1.96 * (said.variance_N + said.noise_N).sqrt().numpy()).mean())
        errors.append(np.sqrt((miss**2).mean()) / y[train].std())
    area = float(np.trapezoid(errors, sizes) / (sizes[-1] - sizes[0]))
    return Curve(area, float(np.mean(coverages)), seconds)


def _fit_and_predict(manager: GPManager, data: DataManager) -> RegressionPosterior:
    manager.fit(data.labelled)
    posterior = manager.posterior(data.test)
    assert isinstance(posterior, RegressionPosterior)
    return posterior


if __name__ == "__main__":
    from tests.benchmarks.contest import main

    main()
