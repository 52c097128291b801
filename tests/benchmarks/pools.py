"""Predictions for large pools: regression, 300 labels, 8 features.

Run as a script, `python -m tests.benchmarks.pools predict 0`, it predicts a million points and prints time and memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from aljupyter.data import DataManager
from aljupyter.models.gp import GPManager, GPRegressor
from tests.benchmarks.measure import peak_megabytes, timed
from tests.benchmarks.report import Demand, Section, Setting, progress
from tests.benchmarks.sets import smooth

_N_LABELLED, _N_FEATURES, _NOISE = 300, 8, 0.01
_SKLEARN_CHUNK = 10_000  # at which scikit-learn is two or three times faster than all at once
_REPEATS = 3
_MILLION = 1_000_000
Array = NDArray[np.float64]


def pools(setting: Setting) -> Section:
    """Time against scikit-learn, single precision, and a million points in a process of their own."""
    section = Section("4 pools (n = 300, d = 8, mean and deviation)")
    section.notes = "Seconds of CPU, median of 3. peak MB: of a fresh process, imports and data included."
    _against_sklearn(section, setting)
    for how in ("predict", "pool"):
        found = _million_elsewhere(how, setting.seed)
        section.rows.append({"what": f"1M points, {_HOW[how]}", "ours s": found["seconds"], "peak MB": found["peak"]})
        section.demands.append(Demand(f"1M points, {_HOW[how]}, peak MB", found["peak"], at_most=600))
    return section


def _against_sklearn(section: Section, setting: Setting) -> None:
    X, y = smooth(_N_LABELLED, _N_FEATURES, setting.seed)
    pool, _ = smooth(10_000 if setting.quick else 100_000, _N_FEATURES, setting.seed + 1)
    label = f"{len(pool) // 1000}k points"
    model = _regressor().fit(X, y)
    variance, length = np.exp(model.theta_)
    rival = GaussianProcessRegressor(ConstantKernel(variance) * RBF(length), alpha=_NOISE, optimizer=None).fit(X, y)
    seconds: dict[str, list[float]] = {"ours": [], "sklearn": [], "in chunks": []}
    for _ in progress(range(_REPEATS), "pools"):
        ours, took = timed(lambda: _moments(model, pool))
        seconds["ours"].append(took)
        theirs, took = timed(lambda: _moments(rival, pool))
        seconds["sklearn"].append(took)
        seconds["in chunks"].append(timed(lambda: _in_chunks(rival, pool))[1])
    ours_s, whole_s, chunked_s = (float(np.median(each)) for each in seconds.values())
    row = {"what": f"{label}, one call of sklearn's", "ours s": ours_s, "sklearn s": whole_s}
    section.rows.append(row | {"CPU ratio": whole_s / ours_s} | _differences(ours, theirs))
    row = {"what": f"{label}, sklearn 10k at a time", "ours s": ours_s, "sklearn s": chunked_s}
    section.rows.append(row | {"CPU ratio": chunked_s / ours_s})
    section.demands.append(Demand(f"{label}, CPU ratio to one call of sklearn's", whole_s / ours_s, at_least=10))

    row = {"what": f"{label}, float32", "ours s": "not there yet"}
    if "predict_dtype" in model.get_params():
        single = _regressor(predict_dtype="float32").fit(X, y)
        rough, took = timed(lambda: _moments(single, pool))
        row = {"what": f"{label}, float32 (d: from float64)", "ours s": took, "CPU ratio": whole_s / took}
        row |= _differences(rough, ours)
    section.rows.append(row)


def _moments(model: Any, pool: Array) -> tuple[Array, Array]:
    mean, std = model.predict(pool, return_std=True)
    return mean, std


def _regressor(**parameters: Any) -> GPRegressor:
    return GPRegressor(kernel="rbf", prior=None, noise=_NOISE, normalize_y=False, **parameters)


def _in_chunks(model: Any, pool: Array) -> tuple[Array, Array]:
    starts = range(0, len(pool), _SKLEARN_CHUNK)
    parts = [_moments(model, pool[start : start + _SKLEARN_CHUNK]) for start in starts]
    means, stds = zip(*parts, strict=True)
    return np.concatenate(means), np.concatenate(stds)


def _differences(found: tuple[Array, Array], expected: tuple[Array, Array]) -> dict[str, float]:
    names = ("d mean", "d std")
    return {name: float(np.abs(a - b).max()) for name, a, b in zip(names, found, expected, strict=True)}


# --- a million points -------------------------------------------------------------------------------------------------


def predict_million(seed: int) -> float:
    """CPU seconds of one call of `predict`."""
    model = _regressor(optimizer=None).fit(*smooth(_N_LABELLED, _N_FEATURES, seed))
    million = _million(seed)
    return timed(lambda: _moments(model, million))[1]


def score_million(seed: int) -> float:
    """CPU seconds of the posterior over the pool of a DataManager."""
    data = DataManager(
        _million(seed), np.zeros(_MILLION), labelled=_N_LABELLED, task="regression", preprocess=None, seed=seed
    )
    manager = GPManager(_regressor(optimizer=None))
    manager.fit(data.labelled)
    return timed(lambda: manager.posterior(data.unlabelled))[1]


_HOW = {"predict": "one call of predict", "pool": "pool of a DataManager"}


def _million(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, (_MILLION, _N_FEATURES))


def _million_elsewhere(how: str, seed: int) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.pools", how, str(seed)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Predict a million points and print seconds and peak megabytes as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("how", choices=_HOW)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = predict_million if options.how == "predict" else score_million
    print(json.dumps({"seconds": run(options.seed), "peak": peak_megabytes()}))


if __name__ == "__main__":
    main()
