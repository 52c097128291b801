"""Strategies by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from aljupyter.errors import UnknownStrategy
from aljupyter.strategies import features, measures
from aljupyter.strategies.base import Strategy, UpperConfidenceBound, as_strategy
from aljupyter.strategies.representative import Representative

if TYPE_CHECKING:
    import pandas as pd

_NAMED: dict[str, Callable[..., Strategy | measures.Measure]] = {
    "margin": measures.Margin,
    "entropy": measures.Entropy,
    "least_confidence": measures.LeastConfidence,
    "ratio": measures.Ratio,
    "bald": measures.BALD,
    "variance": measures.Variance,
    "greedy": measures.Greedy,
    "upper_confidence_bound": UpperConfidenceBound,
    "expected_improvement": measures.ExpectedImprovement,
    "thompson": measures.Thompson,
    "relative_distance": measures.RelativeDistance,
    "representative": Representative,
    "k_center": features.KCenter,
    "gsx": features.GSx,
    "typiclust": features.TypiClust,
    "prob_cover": features.ProbCover,
    "max_herding": features.MaxHerding,
    "random": measures.Random,
}
_SHORT = {
    "core_set": "k_center",
    "coreset": "k_center",
    "kcenter": "k_center",
    "maxherding": "max_herding",
    "probcover": "prob_cover",
    "typi_clust": "typiclust",
    "ei": "expected_improvement",
    "representativeness": "representative",
    "thompson_sampling": "thompson",
    "ucb": "upper_confidence_bound",
}


def get(name: str, **parameters: Any) -> Strategy:
    """The strategy of a name, e.g. ``get("upper_confidence_bound", weight=2)``.

    Raises
    ------
    UnknownStrategy
        With the nearest name there is.
    """
    key = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    key = _SHORT.get(key, key)
    if key not in _NAMED:
        near = difflib.get_close_matches(key, _NAMED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownStrategy(f"No strategy is called {name!r}.{hint} There are: {', '.join(_NAMED)}.")
    return as_strategy(_NAMED[key](**parameters))


def names(task: str | None = None) -> list[str]:
    """Names of the strategies, of one task ("classification" or "regression") or of all."""
    return [name for name in _NAMED if task is None or get(name).task in (None, task)]


def catalogue() -> pd.DataFrame:
    """All named strategies, one a row: ``name``, ``task``, ``needs`` ("model" or "nothing"), ``definition``."""
    import pandas as pd

    rows = []
    for name in _NAMED:
        strategy = get(name)
        rows.append(
            {
                "name": name,
                "task": strategy.task or "both",
                "needs": "model" if strategy.needs_model else "nothing",
                "definition": repr(strategy),
            }
        )
    return pd.DataFrame(rows)


def default(task: str) -> Strategy:
    """What is used when a person names none: margin for classification, variance for regression."""
    return get("margin" if task == "classification" else "variance")


def measures_to_show(classes: Iterable[Any] | None) -> dict[str, measures.Measure]:
    """Measures for a heatmap, by the name that a person reads.

    Parameters
    ----------
    classes : iterable or None
        Labels of the classes; None for regression.
    """
    if classes is not None:
        shown: dict[str, measures.Measure] = {
            "margin": measures.Margin(),
            "entropy": measures.Entropy(),
            "least confidence": measures.LeastConfidence(),
            "ratio": measures.Ratio(),
        }
        return shown | {f"probability of {name}": measures.ClassProbability(c) for c, name in enumerate(classes)}
    return {
        "standard deviation": measures.StandardDeviation(),
        "variance": measures.Variance(),
        "mean": measures.Greedy(),
        "upper confidence bound": UpperConfidenceBound().measure,
    }
