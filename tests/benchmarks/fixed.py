"""Loops with fixed hyperparameters, C = 1 and l = 1, as in the paper's runs."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_breast_cancer
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from aljupyter.data import DataManager
from aljupyter.models.gp import GPClassifier, GPManager, GPRegressor
from tests.benchmarks.paired import Tally, least_confident, most_uncertain, paired_loop
from tests.benchmarks.report import Demand, Section, Setting
from tests.benchmarks.sets import regression_sets

_ROUNDS = 250
_TEST = 0.2
#: noise variance -> how near the predictions must be to scikit-learn's, of a target of variance 1
_NOISES = {1e-6: 1e-6, 1e-10: 1e-4}


def fixed(setting: Setting) -> Section:
    """Regression at two noise variances, and classification."""
    sets = regression_sets(setting.seed)
    name = "concrete" if "concrete" in sets else "friedman1"
    rows, demands = [], []
    for noise, tolerance in _NOISES.items():
        tally = _regression(*sets[name], noise, setting)
        label = f"{name}, noise {noise:g}"
        rows.append(_row(label, tally))
        demands += [
            Demand(f"{label}, CPU ratio", tally.ratio, at_least=8),
            Demand(f"{label}, largest difference", max(tally.difference.values()), at_most=tolerance),
        ]
    tally = _classification(setting)
    rows.append(_row("breast cancer", tally))
    demands += [
        Demand("breast cancer, CPU ratio", tally.ratio, at_least=4),
        Demand("breast cancer, largest difference", max(tally.difference.values()), at_most=1e-6),
    ]
    notes = (
        "CPU per round: fit, pool and test view, mean and deviation or probabilities; the query is by ours.\n"
        "d mean, d std, d prob: largest difference from scikit-learn's; the target has variance 1."
    )
    return Section("3 fixed hyperparameters", rows, demands, notes)


def _regression(X: Any, y: Any, noise: float, setting: Setting) -> Tally:
    target = (y - y.mean()) / y.std()
    data = DataManager(X, target, test=_TEST, task="regression", seed=setting.seed)
    manager = GPManager(GPRegressor(kernel="rbf", prior=None, noise=noise, normalize_y=False, optimizer=None))
    rival = GaussianProcessRegressor(ConstantKernel() * RBF(), alpha=noise, optimizer=None)
    return paired_loop(data, manager, rival, most_uncertain, setting.rounds(_ROUNDS), f"fixed, noise {noise:g}")


def _classification(setting: Setting) -> Tally:
    data = DataManager(*load_breast_cancer(return_X_y=True), test=_TEST, task="classification", seed=setting.seed)
    manager = GPManager(GPClassifier(kernel="rbf", prior=None, optimizer=None))
    rival = GaussianProcessClassifier(ConstantKernel() * RBF(), optimizer=None)
    return paired_loop(data, manager, rival, least_confident, setting.rounds(_ROUNDS), "fixed, breast cancer")


def _row(label: str, tally: Tally) -> dict[str, Any]:
    short = {"mean": "d mean", "std": "d std", "probability": "d prob"}
    return tally.costs(label) | {short[name]: value for name, value in tally.difference.items()}
