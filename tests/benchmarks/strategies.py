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

import aljupyter as al  # noqa: E402
from aljupyter.strategies import Pool, Strategy  # noqa: E402
from aljupyter.strategies.features import GSx, KCenter, MaxHerding, ProbCover, TypiClust  # noqa: E402
from tests.benchmarks.measure import peak_megabytes, timed  # noqa: E402
from tests.benchmarks.report import Demand, Section  # noqa: E402

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
        Demands: CPU time of a query (score and select), and memory beyond that of the points.
    theirs : str, optional
        The name of scikit-activeml's.
    """

    name: str
    strategy: Callable[[], Strategy]
    points: int
    features: int
    n: int
    seconds: float
    megabytes: float = 500
    theirs: str = ""


CASES = [
    Case("KCenter", KCenter, 20_000, 64, 100, 0.5, theirs="CoreSet"),
    Case("KCenter, 1M", KCenter, 1_000_000, 8, 50, 10),
    Case("GSx", GSx, 20_000, 64, 100, 10, theirs="GreedySamplingX"),
    Case("TypiClust", TypiClust, 20_000, 64, 100, 1.2, theirs="TypiClust"),
    Case("ProbCover", ProbCover, 20_000, 64, 100, 5, theirs="ProbCover"),
    Case("MaxHerding", MaxHerding, 20_000, 64, 100, 10, theirs="MaxHerding"),
    Case("MaxHerding, all targets", lambda: MaxHerding(n_targets=None), 20_000, 64, 100, 10, theirs="MaxHerding"),
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


def ours(case: Case, kind: str, seed: int) -> tuple[float, float, float]:
    """CPU seconds of scoring and of selecting, and the megabytes by which the peak of memory is above what was held."""
    x_N_D = points(case, kind, seed)
    data = al.DataManager(x_N_D, np.arange(case.points) % CLASSES, labelled=range(LABELLED), preprocess=None)
    pool, strategy = Pool(data.unlabelled, data.labelled, None, seed), case.strategy()
    small = al.DataManager(x_N_D[:300], np.arange(300) % CLASSES, labelled=range(LABELLED), preprocess=None)
    warm = Pool(small.unlabelled, small.labelled, None, seed)  # libraries load on first use
    strategy.select(warm, 5, strategy.score(warm))
    _ = pool.unlabelled.x, pool.labelled.x
    before = resident_megabytes()
    scores, scoring = timed(lambda: strategy.score(pool))
    _, selecting = timed(lambda: strategy.select(pool, case.n, scores))
    return scoring, selecting, peak_megabytes() - before


def theirs(case: Case, kind: str, seed: int) -> tuple[float, float, float]:
    """The same of scikit-activeml, which does all in one call."""
    from skactiveml import pool as skactiveml  # type: ignore[import-not-found, unused-ignore]

    x_N_D = points(case, kind, seed)
    y_N = np.where(np.arange(case.points) < LABELLED, np.arange(case.points) % CLASSES, np.nan)
    options: dict[str, Any] = {"ProbCover": {"n_classes": CLASSES}}.get(case.theirs, {})
    if case.theirs == "ProbCover":  # its grid ends at 2: give it ours
        data = al.DataManager(x_N_D, np.arange(case.points) % CLASSES, labelled=range(LABELLED), preprocess=None)
        options["deltas"] = [ProbCover().radius(Pool(data.unlabelled, data.labelled, None, seed))]
    strategy = getattr(skactiveml, case.theirs)(random_state=seed, **options)
    before = resident_megabytes()
    _, seconds = timed(lambda: strategy.query(x_N_D, y_N, batch_size=case.n))
    return 0.0, seconds, peak_megabytes() - before


def apart(arguments: Sequence[str], limit: float) -> tuple[float, float, float] | None:
    """Run one case in a process of its own, for its peak of memory; None where it failed or took too long."""
    command = [sys.executable, "-m", "tests.benchmarks.strategies", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return None
    scoring, selecting, megabytes = map(float, done.stdout.split()[-3:])
    return scoring, selecting, megabytes


def section(kind: str, cases: Sequence[Case], seed: int, limit: float) -> Section:
    """A row a case."""
    compare = find_spec("skactiveml") is not None
    found = Section(
        f"batches of {kind} points", notes="" if compare else "scikit-activeml is not installed: ours alone"
    )
    for case in cases:
        own = apart(["--case", case.name, "--kind", kind, "--seed", str(seed)], limit)
        shape = f"{case.points:,} x {case.features}"
        if own is None:
            found.rows.append({"strategy": case.name, "pool": shape, "n": str(case.n), "query s": "-"})
            found.demands.append(Demand(f"{case.name}: seconds", float("nan"), at_most=case.seconds))
            continue
        scoring, selecting, megabytes = own
        row = {
            "strategy": case.name,
            "pool": shape,
            "n": str(case.n),
            "score s": f"{scoring:.2f}",
            "select s": f"{selecting:.2f}",
            "query s": f"{scoring + selecting:.2f}",
            "MB": f"{megabytes:.0f}",
        }
        if compare and case.theirs:
            other = apart(["--case", case.name, "--kind", kind, "--seed", str(seed), "--theirs"], limit)
            row["skactiveml s"] = f"> {limit:g}" if other is None else f"{other[1]:.2f}"
            row["its MB"] = "?" if other is None else f"{other[2]:.0f}"
            ratio = (limit if other is None else other[1]) / (scoring + selecting)
            row["ratio"] = f"{'> ' if other is None else ''}{ratio:.1f}"
        found.rows.append(row)
        found.demands.append(Demand(f"{case.name}: seconds", scoring + selecting, at_most=case.seconds))
        found.demands.append(Demand(f"{case.name}: MB", megabytes, at_most=case.megabytes))
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
    for kind in kinds:
        print(section(kind, chosen, options.seed, options.limit), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
