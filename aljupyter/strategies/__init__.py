"""How the next query is chosen: informativeness x selection, composable, and the named strategies."""

from aljupyter.strategies.base import Strategy, UpperConfidenceBound, as_strategy
from aljupyter.strategies.features import GSx, KCenter, MaxHerding, ProbCover, TypiClust
from aljupyter.strategies.measures import (
    BALD,
    ClassProbability,
    Entropy,
    ExpectedImprovement,
    Greedy,
    LeastConfidence,
    Margin,
    Measure,
    Random,
    Ratio,
    RelativeDistance,
    Representativeness,
    StandardDeviation,
    Thompson,
    Variance,
)
from aljupyter.strategies.named import catalogue, default, get, measures_to_show, names
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.representative import Representative
from aljupyter.strategies.selection import TopK

__all__ = [
    "BALD",
    "ClassProbability",
    "Entropy",
    "ExpectedImprovement",
    "GSx",
    "Greedy",
    "KCenter",
    "LeastConfidence",
    "Margin",
    "MaxHerding",
    "Measure",
    "Pool",
    "ProbCover",
    "Random",
    "Ratio",
    "RelativeDistance",
    "Representative",
    "Representativeness",
    "StandardDeviation",
    "Strategy",
    "Thompson",
    "TopK",
    "TypiClust",
    "UpperConfidenceBound",
    "Variance",
    "as_strategy",
    "catalogue",
    "default",
    "get",
    "measures_to_show",
    "names",
]
