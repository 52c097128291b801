"""Whether `Auto` is the right default: `python -m tests.benchmarks.defaults`, half an hour on two cores.

Learners that differ in nothing but the strategy play on data sets that had no part in finding it. In each draw all have
the same points, split and start, and so differences are taken pair by pair.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.datasets.starts import one_of_each
from aljupyter.strategies.auto import EXPLORED, Auto, Exploring
from aljupyter.strategies.diversify import Clustered
from aljupyter.strategies.selection import EpsilonGreedy
from tests.benchmarks import fresh
from tests.benchmarks.report import Section

ASKED = 50  # labels beyond those of the start
_QUICK_ASKED = 20
BATCHES = (1, 5)
START_OF_VALUES = 5
TOP = 0.05
_SURE = 2.0  # |t| from which a difference counts


@dataclass(frozen=True)
class Task:
    """What is measured, on which data."""

    kind: str  # "classification" or "regression"
    metric: str
    unit: str  # of a difference
    lower_is_better: bool = False


TASKS = {
    "classification": Task("classification", "balanced_accuracy", "points of balanced accuracy"),
    "regression": Task("regression", "rmse", "% less error", lower_is_better=True),
    "goal": Task("regression", "hit_ratio", f"points of the best {TOP:.0%} found"),
}


class Then(Auto):
    """Auto's start, or a longer one, and then another strategy."""

    def __init__(self, then: s.Strategy, per_class: int = 0, at_most: int = 0):
        super().__init__()
        self.then, self.per_class, self.at_most = then, per_class, at_most

    def _now(self, pool: s.Pool) -> tuple[str, s.Strategy]:
        if len(pool.labelled) < min(self.per_class * (pool.labelled.n_classes or 2), self.at_most):
            return "a longer start", s.TypiClust()
        said, strategy = super()._now(pool)
        return (said, strategy) if isinstance(strategy, s.TypiClust) else ("then", self.then)


@dataclass(frozen=True)
class Entry:
    """A strategy in the contest, and the sizes of batches for which it is another than those before it."""

    name: str
    make: Callable[[], Any]
    batches: tuple[int, ...] = BATCHES


def _then(select: Any = None, **start: int) -> Callable[[], s.Strategy]:
    return lambda: Then(s.Strategy(s.Margin(), select), **start)


ENTRIES = {
    "classification": [
        Entry("random", s.Random),
        Entry("Auto", Auto),
        Entry("long start", _then(Exploring(EXPLORED), per_class=10, at_most=40)),
        Entry("no random", _then(), (5,)),
        Entry("top-k", _then(EpsilonGreedy(EXPLORED)), (5,)),
        Entry("margin", s.Margin),
        Entry("margin top-k", lambda: s.Strategy(s.Margin(), s.TopK()), (5,)),
        Entry("entropy", s.Entropy, (5,)),
        Entry("entr. top-k", lambda: s.Strategy(s.Entropy(), s.TopK()), (5,)),
    ],
    "regression": [
        Entry("random", s.Random),
        Entry("Auto", Auto),
        Entry("variance", s.Variance),
        Entry("var. top-k", lambda: s.Strategy(s.Variance(), s.TopK()), (5,)),
        Entry("var. clust.", lambda: s.Strategy(s.Variance(), Clustered()), (5,)),
        Entry("GSx", s.GSx),
    ],
    "goal": [
        Entry("random", s.Random),
        Entry("Auto", lambda: Auto(goal="max")),
        Entry("UCB(2)", lambda: s.UpperConfidenceBound(2)),
        Entry("EI", s.ExpectedImprovement),
        Entry("greedy", s.Greedy),
        Entry("UCB(1) top-k", lambda: s.Strategy(s.Greedy() + s.StandardDeviation(), s.TopK()), (5,)),
    ],
}
if hasattr(s, "EPIG"):
    ENTRIES["regression"].append(Entry("EPIG", s.EPIG))


#: strategies to be compared with each other
PAIRS = {
    "classification": [
        ("margin", "margin top-k"),
        ("entropy", "entr. top-k"),
        ("Auto", "top-k"),
        ("Auto", "no random"),
        ("Auto", "long start"),
        ("Auto", "margin"),
    ],
    "regression": [("Auto", "variance"), ("Auto", "GSx"), ("Auto", "EPIG"), ("variance", "var. top-k")],
    "goal": [("Auto", "EI"), ("Auto", "greedy"), ("Auto", "UCB(2)"), ("Auto", "UCB(1) top-k")],
}


def curve(x_N_D: np.ndarray, y_N: np.ndarray, task: Task, strategy: Any, n: int, asked: int, seed: int) -> np.ndarray:
    """The metric on the test view after each round, from the start on: shape (rounds + 1,)."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(y_N))
    n_train = min(fresh.TRAIN, len(order) - len(order) // 3)
    train, test = order[:n_train], order[n_train : n_train + fresh.TEST]
    if task.kind == "classification":
        codes = np.unique(y_N, return_inverse=True)[1]
        start = train[one_of_each(codes[train], generator)]
    else:
        start = train[:START_OF_VALUES]
    data = al.DataManager(x_N_D, y_N, train=train, test=test, labelled=start, task=task.kind, seed=seed)
    learner = al.ActiveLearner(data, None, strategy, seed=seed, metrics=(task.metric,), top=TOP)
    learner.run(rounds=asked // n, n=n, progress=False)
    values: np.ndarray = learner.curve()[task.metric].to_numpy()
    return values


def play(task_name: str, set_name: str, source: fresh.Source, draw: int, asked: int, seed: int) -> list[dict[str, Any]]:
    """All strategies on one draw of a set; a row for each curve."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of batches that are known to be redundant, and of searches that did not converge
    task, rows = TASKS[task_name], []
    x_N_D, y_N = source(seed + draw)
    for entry in ENTRIES[task_name]:
        for n in entry.batches:
            clock = time.process_time()
            values = curve(x_N_D, y_N, task, entry.make(), n, asked, seed + draw)
            rows.append(
                {"task": task_name, "set": set_name, "draw": draw, "batch": n, "strategy": entry.name,
                 "area": np.trapezoid(values) / (len(values) - 1), "curve": values,
                 "seconds": time.process_time() - clock}
            )  # fmt: skip
    return rows


def gains(runs: pd.DataFrame, task: Task, against: str = "random") -> pd.DataFrame:
    """Areas minus those of another strategy in the same draws, higher is better.

    Parameters
    ----------
    runs : DataFrame
        Of one task and one size of batches.

    Returns
    -------
    DataFrame
        Indexed by set and draw, a column a strategy. In hundredths of the metric; of an error, in hundredths of what
        `against` has on this set.
    """
    areas = runs.pivot(index=["set", "draw"], columns="strategy", values="area")
    found = areas.sub(areas[against], axis=0)
    if task.lower_is_better:
        return -100 * found.div(areas[against].groupby("set").transform("mean"), axis=0)
    return 100 * found


def t_of(differences: pd.Series | np.ndarray) -> float:
    """Student's t of paired differences; 0 where they do not vary."""
    values = np.asarray(differences)
    if len(values) < 2 or values.std() == 0:
        return 0.0
    return float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values))))


def won_and_lost(found: pd.Series) -> tuple[int, int]:
    """Sets on which differences, indexed by set and draw, are surely above and surely below zero."""
    t = found.groupby("set").agg(t_of)
    return int((t > _SURE).sum()), int((t < -_SURE).sum())


def label_ratio(runs: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Labels until the mean curve reaches the quality that random queries end with, relative to these; inf if never.

    One row a set, one column a strategy. The start's labels do not count.
    """
    means = runs.groupby(["set", "strategy"])["curve"].agg(lambda curves: np.mean(np.stack(list(curves)), axis=0))
    sign = -1 if task.lower_is_better else 1

    def rounds(of: np.ndarray, goal: float) -> float:
        reached = np.flatnonzero(sign * of >= sign * goal)
        return float(reached[0]) if len(reached) else np.inf

    table = {}
    for name in means.index.levels[0]:
        own = means[name]
        goal = own["random"][-1]
        base = max(1.0, rounds(own["random"], goal))
        table[name] = {strategy: rounds(values, goal) / base for strategy, values in own.items()}
    return pd.DataFrame(table).T


def section(runs: pd.DataFrame, task_name: str, batch: int) -> tuple[Section, list[str]]:
    """The table of one task and one size of batches, and what is to be said of Auto."""
    task = TASKS[task_name]
    runs = runs[(runs["task"] == task_name) & (runs["batch"] == batch)]
    names = [entry.name for entry in ENTRIES[task_name] if batch in entry.batches]
    found, ratios = gains(runs, task)[names], label_ratio(runs, task)
    means = found.groupby("set", sort=False).mean()
    ranks = means.rank(axis=1, ascending=False).mean()
    rows = []
    bases = runs[runs["strategy"] == "random"].groupby("set")["area"].mean()
    for name in dict.fromkeys(runs["set"]):
        here = found.loc[name]
        cells = {other: f"{here[other].mean():+.1f} ({t_of(here[other]):.0f})" for other in names if other != "random"}
        rows.append({"data": name, "random": f"{bases[name]:.3f}", **cells})
    others = [name for name in names if name != "random"]
    tally = {name: won_and_lost(found[name]) for name in others}
    rows += [
        {"data": "mean", **{name: f"{means[name].mean():+.2f}" for name in others}},
        {"data": "worst set", **{name: f"{means[name].min():+.1f}" for name in others}},
        {"data": "won, lost", **{name: f"{won}, {lost}" for name, (won, lost) in tally.items()}},
        {"data": "mean rank", **{name: f"{ranks[name]:.1f}" for name in names}},
        {"data": "label ratio", **{name: f"{ratios[name].median():.2f}" for name in names}},
        {"data": "runs < random", **{name: f"{100 * (found[name] < 0).mean():.0f}%" for name in others}},
        {"data": "CPU s", **{name: f"{runs[runs['strategy'] == name]['seconds'].mean():.2f}" for name in names}},
    ]
    t = found["Auto"].groupby("set").agg(t_of)
    lost = [f"{name} (t = {value:.1f})" for name, value in t.items() if value < -_SURE]
    best = ranks.idxmin()
    notes = (
        f"random: the area under its curve ({task.metric}). The others: {task.unit} more than random, mean over draws "
        f"(t of the pairs).\nlabel ratio: labels until random's last quality is reached, relative to random's; the "
        f"median of sets. CPU s: of one run."
    )
    said = [
        f"{task_name}, batches of {batch}: Auto loses to random on {', '.join(lost) or 'no set'}; won, lost: "
        f"{tally['Auto'][0]}, {tally['Auto'][1]} of {len(t)}; mean rank {ranks['Auto']:.1f} of {len(names)}. "
        f"Best by mean rank: {best} ({ranks[best]:.1f}); by mean gain: {means.mean().idxmax()} "
        f"({means.mean().max():+.2f}, Auto {means['Auto'].mean():+.2f})."
    ]
    return Section(f"{task_name}, batches of {batch}", rows, notes=notes), said


def duels(runs: pd.DataFrame, task_name: str, batch: int) -> list[str]:
    """Pairs that differ in one thing, head to head, as far as both played."""
    chosen = runs[(runs["task"] == task_name) & (runs["batch"] == batch)]
    said = []
    for one, other in PAIRS[task_name]:
        if not {one, other} <= set(chosen["strategy"]):
            continue
        found = gains(chosen, TASKS[task_name], against=other)[one]
        means = found.groupby("set").mean()
        won, lost = won_and_lost(found)
        said.append(
            f"  {one} against {other}: won {won}, lost {lost} of {len(means)}; mean {means.mean():+.2f} "
            f"(t over sets {t_of(means):.1f}), from {means.min():+.1f} to {means.max():+.1f}"
        )
    return said


def main(arguments: list[str] | None = None) -> None:
    """Print the tables. It is a report: an Auto that loses does not change the exit status."""
    options = _options(arguments)
    asked = _QUICK_ASKED if options.quick else ASKED
    draws = 2 if options.quick else options.draws
    own = dict(fresh.own_set(argument) for argument in options.csv or [])
    start, jobs = time.perf_counter(), []
    for task_name in options.task or TASKS:
        kind = TASKS[task_name].kind
        sets = own or (fresh.classification_sets() if kind == "classification" else fresh.regression_sets())
        names = [name for name in sets if not options.only or any(name.startswith(only) for only in options.only)]
        for name in names[:2] if options.quick else names:
            jobs += [(task_name, name, sets[name], draw, asked, options.seed) for draw in range(draws)]
    print(
        f"aljupyter {al.__version__}, one thread a run; seed {options.seed}, {draws} draws, {asked} labels beyond the "
        f"start; load {os.getloadavg()[0]:.1f}\n",
        flush=True,
    )
    runs = pd.DataFrame([row for rows in _played(jobs, options.jobs) for row in rows])
    if options.save:
        runs.to_json(options.save, orient="records")
    verdicts: list[str] = []
    for (task_name, batch), _ in runs.groupby(["task", "batch"], sort=False):
        table, said = section(runs, task_name, batch)
        print(table, flush=True)
        verdicts += [*said, *duels(runs, task_name, batch)]
    print(*verdicts, f"{time.perf_counter() - start:.0f} s", sep="\n")


def _played(jobs: list[tuple[Any, ...]], n_jobs: int) -> Iterable[list[dict[str, Any]]]:
    runs = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(joblib.delayed(play)(*job) for job in jobs)
    return tqdm(runs, total=len(jobs), desc="draws", file=sys.stderr, leave=False, disable=None)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.defaults", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--task", action="append", choices=TASKS, help="this alone (may be repeated)")
    parser.add_argument("--only", action="append", help="sets whose name begins so (may be repeated)")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="two sets and draws each, to see that it runs")
    parser.add_argument("--csv", action="append", metavar="FILE[:COLUMN]", help="files of one's own instead")
    parser.add_argument("--save", type=Path, help="write all curves to this JSON file")
    options = parser.parse_args(arguments)
    if options.csv and len(options.task or []) != 1:
        parser.error("--csv goes with one --task")
    return options


if __name__ == "__main__":
    main()
