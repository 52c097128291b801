"""Loops in which the hyperparameters are learned anew in every round."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from aljupyter.data import DataManager
from aljupyter.models.gp import GPClassifier, GPManager, GPRegressor
from aljupyter.posterior import Posterior
from aljupyter.randomness import numpy_generator
from tests.benchmarks.paired import Query, Tally, least_confident, paired_loop
from tests.benchmarks.report import Demand, Section, Setting
from tests.benchmarks.sets import Course, classification_courses

_WORSE_BY = 0.01  # in log marginal likelihood, classification
_SAME_WITHIN = 1e-4  # regression
_COLUMNS = (
    "CPU per round, fit and pool. chol: Cholesky factorisations of ours; floor: LAPACK's time for these and inverses.\n"
    "gap: log marginal likelihood, ours - sklearn's; worse %: share of rounds x binary problems with a gap below -"
)


def run_classification(data: DataManager, n_rounds: int, name: str) -> Tally:
    """Least confidence, one query a round; ours without a prior, as scikit-learn's."""
    manager = GPManager(GPClassifier(kernel="rbf", prior=None, optimizer="fast"))
    rival = GaussianProcessClassifier(ConstantKernel() * RBF())
    return paired_loop(data, manager, rival, least_confident, n_rounds, name)


def run_regression(data: DataManager, n_rounds: int, name: str, seed: int) -> Tally:
    """Random queries, learned noise; the target is scaled by the labelled points' mean and deviation in both."""
    manager = GPManager(GPRegressor(kernel="rbf", prior=None, optimizer="fast", normalize_y=True))
    kernel = ConstantKernel() * RBF() + WhiteKernel()
    rival = GaussianProcessRegressor(kernel, alpha=1e-10, normalize_y=True)
    return paired_loop(data, manager, rival, _at_random(seed), n_rounds, name)


def _at_random(seed: int) -> Query:
    rng = numpy_generator(seed, "random query")

    def query(posterior: Posterior) -> int:
        return int(rng.integers(len(posterior)))

    return query


def classification(setting: Setting, courses: list[Course] | None = None) -> Section:
    """Six sets; `courses` in place of them where given."""
    tallies = {}
    for course in courses or classification_courses(setting.seed):
        data = DataManager(*course.data, labelled=course.first, task="classification", seed=setting.seed)
        n_rounds = setting.rounds(course.last - course.first + 1)
        tallies[course.name] = run_classification(data, n_rounds, course.name)
    rows = [tally.costs(name) | tally.quality(_WORSE_BY) for name, tally in tallies.items()]
    ratio = float(np.exp(np.mean([np.log(tally.ratio) for tally in tallies.values()])))
    gaps = np.concatenate([gap for tally in tallies.values() for gap in tally.gaps])
    share = float((gaps < -_WORSE_BY).mean())
    mean = float(np.mean([tally.mean_gap for tally in tallies.values()]))
    rows.append({"data": "geometric mean, all", "CPU ratio": ratio, "worse %": 100 * share, "mean gap": mean})
    demands = []
    if "breast cancer" in tallies:
        breast = tallies["breast cancer"]
        demands += [
            Demand("breast cancer, CPU ratio", breast.ratio, at_least=25),
            Demand("breast cancer, worst gap", breast.worst_gap, at_least=-_WORSE_BY),
        ]
    demands += [
        Demand(f"geometric mean of the CPU ratio over {len(tallies)} sets", ratio, at_least=12),
        Demand(f"% of rounds x problems worse by more than {_WORSE_BY}", 100 * share, at_most=1),
        Demand("mean gap over the sets (to rounding)", mean, at_least=-1e-4),
    ]
    return Section("1 classification loops", rows, demands, f"{_COLUMNS}{_WORSE_BY}")


def regression(setting: Setting) -> Section:
    """Diabetes, 30 to 280 labels."""
    data = DataManager(*load_diabetes(return_X_y=True), labelled=30, task="regression", seed=setting.seed)
    tally = run_regression(data, setting.rounds(251), "diabetes", setting.seed)
    rows = [tally.costs("diabetes") | tally.quality(_SAME_WITHIN)]
    demands = [
        Demand("CPU ratio", tally.ratio, at_least=12),
        Demand("worst gap", tally.worst_gap, at_least=-_SAME_WITHIN),
    ]
    return Section("2 regression loop", rows, demands, f"{_COLUMNS}{_SAME_WITHIN}")


def own_file(setting: Setting, path: Path, target: str) -> Section:
    """The loop of the file's task, from a tenth of its rows on for up to 250 rounds."""
    data = DataManager(path, target=target, labelled=0.1, seed=setting.seed)
    n_rounds = setting.rounds(min(251, len(data.unlabelled)))
    if data.task == "classification":
        tally, worse_by = run_classification(data, n_rounds, path.name), _WORSE_BY
    else:
        tally, worse_by = run_regression(data, n_rounds, path.name, setting.seed), _SAME_WITHIN
    rows = [tally.costs(path.name) | tally.quality(worse_by)]
    demands = [
        Demand("CPU ratio", tally.ratio, at_least=12),
        Demand("worst gap", tally.worst_gap, at_least=-worse_by),
    ]
    return Section(f"{data.task} loop", rows, demands, f"{_COLUMNS}{worse_by}")
