"""How long batch strategies take: `python -m tests.benchmarks.strategies`, about a minute on one core.

CPU time of this process on one thread, and its peak of memory. scikit-activeml is no dependency; where it is installed
its strategies pick from the same points, each in a process of its own, and are given up after a limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read once, when the libraries load
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn.functional import one_hot  # noqa: E402

import aljupyter as al  # noqa: E402
from aljupyter.data.subset import Subset  # noqa: E402
from aljupyter.posterior import ClassPosterior  # noqa: E402
from aljupyter.strategies import BADGE, BatchBALD, Pool, Strategy, asking  # noqa: E402
from aljupyter.strategies.features import GSx, KCenter, MaxHerding, ProbCover, TypiClust  # noqa: E402
from tests.benchmarks.measure import peak_megabytes, timed  # noqa: E402
from tests.benchmarks.report import Demand, Section  # noqa: E402
from tests.managers import NearestMean  # noqa: E402

LABELLED = 10
CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A strategy on a pool, and what it may take.

    Parameters
    ----------
    name : str
    strategy : callable
    points, features, n : int
        N, D and the size of the batch.
    seconds, megabytes : float
        Demands: CPU time of a query, and memory beyond that of the points.
    theirs : str, optional
        The name of scikit-activeml's.
    ratio : float
        Demand: how many times faster than that; 0 for none.
    needs_model : bool
        Whether a model is asked; what it says is given.
    draws : int
        How many draws it has.
    """

    name: str
    strategy: Callable[[], Strategy]
    points: int
    features: int
    n: int
    seconds: float
    megabytes: float = 500
    theirs: str = ""
    ratio: float = 0
    needs_model: bool = False
    draws: int = 0


CASES = [
    Case("KCenter", KCenter, 20_000, 64, 100, 1, theirs="CoreSet", ratio=2),
    Case("KCenter, 1M", KCenter, 1_000_000, 8, 50, 10),
    Case("GSx", GSx, 20_000, 64, 100, 10, theirs="GreedySamplingX"),
    Case("TypiClust", TypiClust, 20_000, 64, 100, 2, theirs="TypiClust", ratio=2),
    Case("ProbCover", ProbCover, 20_000, 64, 100, 10, theirs="ProbCover", ratio=10),
    Case("MaxHerding", MaxHerding, 20_000, 64, 100, 10, theirs="MaxHerding"),
    Case("MaxHerding, all targets", lambda: MaxHerding(n_targets=None), 20_000, 64, 100, 10, theirs="MaxHerding"),
    Case("BADGE", BADGE, 20_000, 64, 100, 1, theirs="Badge", ratio=10, needs_model=True),
    Case("BatchBALD", BatchBALD, 10_000, 64, 10, 2, 1500, needs_model=True, draws=100),
]


def points(case: Case, kind: str, seed: int) -> np.ndarray:
    """The points of a case: without structure ("normal"), or in ten classes that touch ("classes")."""
    generator = np.random.default_rng(seed)
    x_N_D = generator.normal(size=(case.points, case.features))
    if kind == "classes":
        centres = 0.4 * generator.normal(size=(CLASSES, case.features))
        x_N_D += centres[np.arange(case.points) % CLASSES] * np.sqrt(case.features)
    return x_N_D


def resident_megabytes() -> float:
    """What this process holds now; where the system does not say, the most it has held."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_megabytes()
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return float(fields["VmRSS"].split()[0]) / 1024


def ours(case: Case, kind: str, seed: int) -> tuple[float, float]:
    """CPU seconds of a query, and the megabytes by which the peak of memory is above what was held."""
    x_N_D = points(case, kind, seed)
    data = al.DataManager(x_N_D, np.arange(case.points) % CLASSES, labelled=range(LABELLED), preprocess=None)
    small = al.DataManager(x_N_D[:300], np.arange(300) % CLASSES, labelled=range(LABELLED), preprocess=None)
    strategy = case.strategy()
    model = Given(probabilities(case, seed), case.draws, seed) if case.needs_model else None
    strategy.query(model, small, 5, seed)  # libraries load on first use
    _ = data.unlabelled.x, data.labelled.x
    posterior = Pool(data.unlabelled, data.labelled, model, seed).posterior if case.needs_model else None

    def query() -> float:
        pool = Pool(data.unlabelled, data.labelled, model, seed)
        if posterior is not None:
            pool.__dict__["posterior"] = posterior  # selection only: what the model takes is not counted
        return timed(lambda: asking.choose(strategy, pool, case.n))[1]

    before = resident_megabytes()
    return quickest(query), peak_megabytes() - before


def quickest(query: Callable[[], float]) -> float:
    """CPU seconds of a query: the least of three, where they are short, since the machine's speed wanders."""
    seconds = [query()]
    while len(seconds) < 3 and sum(seconds) < 2:
        seconds.append(query())
    return min(seconds)


def theirs(case: Case, kind: str, seed: int) -> tuple[float, float]:
    """The same of scikit-activeml."""
    from skactiveml import pool as skactiveml  # type: ignore[import-not-found, unused-ignore]

    x_N_D = points(case, kind, seed)
    y_N = np.where(np.arange(case.points) < LABELLED, np.arange(case.points) % CLASSES, np.nan)
    options: dict[str, Any] = {"ProbCover": {"n_classes": CLASSES}}.get(case.theirs, {})
    asked: dict[str, Any] = {}
    if case.theirs == "ProbCover":  # its grid ends at 2: give it ours
        data = al.DataManager(x_N_D, np.arange(case.points) % CLASSES, labelled=range(LABELLED), preprocess=None)
        options["deltas"] = [ProbCover().radius(Pool(data.unlabelled, data.labelled, None, seed))]
    if case.needs_model:
        asked = {"clf": their_classifier(probabilities(case, seed)), "fit_clf": False}

    def query() -> float:
        strategy = getattr(skactiveml, case.theirs)(random_state=seed, **options)
        return timed(lambda: strategy.query(x_N_D, y_N, batch_size=case.n, **asked))[1]

    before = resident_megabytes()
    return quickest(query), peak_megabytes() - before


def probabilities(case: Case, seed: int) -> np.ndarray:
    """Class probabilities of all points of a case, (N, C): some clear, some not."""
    return np.random.default_rng(seed).dirichlet(np.ones(CLASSES), case.points)


class Given(NearestMean):
    """A model that says given probabilities, and for which the points are the input of the last layer."""

    def __init__(self, probs_N_C: np.ndarray, n_draws: int, seed: int):
        super().__init__()
        self._mean_N_C, self._n_draws, self._seed = torch.from_numpy(probs_N_C), n_draws, seed

    def posterior(self, x: torch.Tensor | Subset) -> ClassPosterior:
        assert isinstance(x, Subset)
        mean_n_C = self._mean_N_C[torch.tensor(x.indices)]
        if not self._n_draws:
            return ClassPosterior(mean_n_C)
        weights = np.random.default_rng(self._seed).normal(size=(self._n_draws, x.x.shape[1], CLASSES))
        logits = np.einsum("nd,sdc->snc", x.x.numpy(), weights) / np.sqrt(x.x.shape[1])
        draws = torch.from_numpy(logits).softmax(-1)
        return ClassPosterior(draws.mean(0), draws, coupled=True)

    def gradient_embed(self, x: torch.Tensor | Subset, posterior: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        said = posterior or self.posterior(x)
        return said.mean_N_C - one_hot(said.mean_N_C.argmax(1), CLASSES), self.embed(x)


def their_classifier(probs_N_C: np.ndarray) -> Any:
    """The same for scikit-activeml, which asks for all points or for those without a label."""
    from skactiveml.base import SkactivemlClassifier  # type: ignore[import-not-found, unused-ignore]

    class Said(SkactivemlClassifier):  # type: ignore[misc, unused-ignore]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: Any) -> np.ndarray:
            return probs_N_C[len(probs_N_C) - len(X) :]

    return Said(classes=list(range(CLASSES)))


def measures(seed: int) -> Section:
    """Uncertainty of 1,000,000 points of ten classes."""
    from aljupyter import informativeness

    probs = np.random.default_rng(seed).dirichlet(np.ones(CLASSES), 1_000_000)
    posterior = ClassPosterior(torch.from_numpy(probs))
    found = Section("uncertainty of 1,000,000 x 10 probabilities")
    for name in ("entropy", "least_confidence", "margin", "ratio"):
        seconds = min(timed(lambda name=name: getattr(informativeness, name)(posterior))[1] for _ in range(3))
        found.rows.append({"measure": name, "s": f"{seconds:.3f}"})
        found.demands.append(Demand(f"{name}: seconds", seconds, at_most=0.2))
    return found


def apart(arguments: Sequence[str], limit: float) -> tuple[float, float] | None:
    """Run one case in a process of its own, for its peak of memory; None where it failed or took too long."""
    command = [sys.executable, "-m", "tests.benchmarks.strategies", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return None
    seconds, megabytes = map(float, done.stdout.split()[-2:])
    return seconds, megabytes


def section(kind: str, cases: Sequence[Case], seed: int, limit: float) -> Section:
    """A row a case."""
    compare = find_spec("skactiveml") is not None
    found = Section(
        f"batches of {kind} points", notes="" if compare else "scikit-activeml is not installed: ours alone"
    )
    for case in cases:
        own = apart(["--case", case.name, "--kind", kind, "--seed", str(seed)], limit)
        seconds, megabytes = own or (float("nan"), float("nan"))
        row = {
            "strategy": case.name,
            "pool": f"{case.points:,} x {case.features}",
            "n": str(case.n),
            "query s": f"{seconds:.2f}",
            "MB": f"{megabytes:.0f}",
        }
        found.demands.append(Demand(f"{case.name}: seconds", seconds, at_most=case.seconds))
        found.demands.append(Demand(f"{case.name}: MB", megabytes, at_most=case.megabytes))
        if compare and case.theirs:
            other = apart(["--case", case.name, "--kind", kind, "--seed", str(seed), "--theirs"], limit)
            row["skactiveml s"] = f"> {limit:g}" if other is None else f"{other[0]:.2f}"
            row["its MB"] = "?" if other is None else f"{other[1]:.0f}"
            ratio = (limit if other is None else other[0]) / seconds
            row["ratio"] = f"{'> ' if other is None else ''}{ratio:.1f}"
            if case.ratio:
                found.demands.append(Demand(f"{case.name}: times faster", ratio, at_least=case.ratio))
        found.rows.append(row)
    return found


def main() -> None:
    """Print the table. It is a report: demands that are not met do not change the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.strategies", description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", help="strategies whose name begins so (may be repeated)")
    parser.add_argument("--kind", action="append", choices=["normal", "classes"], help="what points; both if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a run is given up")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # one run in a process of its own
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    kinds = options.kind or ["normal", "classes"]
    if options.case:
        case = next(case for case in CASES if case.name == options.case)
        print(*(theirs if options.theirs else ours)(case, kinds[0], options.seed))
        return
    start = time.perf_counter()
    chosen = [c for c in CASES if not options.only or any(c.name.startswith(name) for name in options.only)]
    print(f"aljupyter {al.__version__}, one thread; seed {options.seed}; load {os.getloadavg()[0]:.1f}\n", flush=True)
    if not options.only:
        print(measures(options.seed), flush=True)
    for kind in kinds:
        print(section(kind, chosen, options.seed, options.limit), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
