"""How the next query is chosen: informativeness x selection, composable, and the named strategies."""

from aljupyter.strategies.auto import Auto
from aljupyter.strategies.badge import BADGE
from aljupyter.strategies.bait import BAIT
from aljupyter.strategies.base import Strategy, UpperConfidenceBound, as_strategy
from aljupyter.strategies.batch_bald import BatchBALD
from aljupyter.strategies.believer import Believer
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.cluster_margin import ClusterMargin
from aljupyter.strategies.committee import QueryByCommittee
from aljupyter.strategies.density import Density, DensityWeighted, RankedBatch
from aljupyter.strategies.determinant import DOptimal, MaxDet
from aljupyter.strategies.diversify import Clustered, DeterminantalBatch, Prefilter
from aljupyter.strategies.epig import EPIG
from aljupyter.strategies.expected import ExpectedErrorReduction, ExpectedModelChange
from aljupyter.strategies.features import GSx, KCenter, MaxHerding, ProbCover, TypiClust
from aljupyter.strategies.frank_wolfe import ACSFW
from aljupyter.strategies.integrated import IVR
from aljupyter.strategies.lcmd import LCMD
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
from aljupyter.strategies.query import Query, Scores
from aljupyter.strategies.quotas import AtMost, OneGroup
from aljupyter.strategies.representative import Representative
from aljupyter.strategies.selection import EpsilonGreedy, Gumbel, Power, Softmax, SoftRank, Threshold, TopK
from aljupyter.strategies.spread_y import IGS, GSy

__all__ = [
    "ACSFW",
    "AtMost",
    "Auto",
    "BADGE",
    "BAIT",
    "BALD",
    "BatchBALD",
    "Believer",
    "Chosen",
    "ClassProbability",
    "ClusterMargin",
    "Clustered",
    "DOptimal",
    "Density",
    "DensityWeighted",
    "DeterminantalBatch",
    "EPIG",
    "Entropy",
    "EpsilonGreedy",
    "ExpectedErrorReduction",
    "ExpectedImprovement",
    "ExpectedModelChange",
    "GSx",
    "GSy",
    "Greedy",
    "Gumbel",
    "IGS",
    "IVR",
    "KCenter",
    "LCMD",
    "LeastConfidence",
    "Margin",
    "MaxDet",
    "MaxHerding",
    "Measure",
    "OneGroup",
    "Pool",
    "Power",
    "Prefilter",
    "ProbCover",
    "Query",
    "QueryByCommittee",
    "Random",
    "RankedBatch",
    "Ratio",
    "RelativeDistance",
    "Representative",
    "Representativeness",
    "Scores",
    "SoftRank",
    "Softmax",
    "StandardDeviation",
    "Strategy",
    "Thompson",
    "Threshold",
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
