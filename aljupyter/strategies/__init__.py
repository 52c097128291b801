"""How the next query is chosen: informativeness x selection, composable, and the named strategies."""

from aljupyter.strategies.base import Strategy, UpperConfidenceBound, as_strategy
from aljupyter.strategies.measures import (
    ClassProbability,
    Entropy,
    Greedy,
    LeastConfidence,
    Margin,
    Measure,
    Random,
    Ratio,
    StandardDeviation,
    Variance,
)
from aljupyter.strategies.named import catalogue, default, get, measures_to_show, names
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import TopK

__all__ = [
    "ClassProbability",
    "Entropy",
    "Greedy",
    "LeastConfidence",
    "Margin",
    "Measure",
    "Pool",
    "Random",
    "Ratio",
    "StandardDeviation",
    "Strategy",
    "TopK",
    "UpperConfidenceBound",
    "Variance",
    "as_strategy",
    "catalogue",
    "default",
    "get",
    "measures_to_show",
    "names",
]
