"""Measures of how much a label would teach: pure functions from a posterior to one score a point.

They see posteriors and features, never a model or a DataManager. Higher is more informative.
"""

from aljupyter.informativeness.classification import entropy, least_confidence, margin, ratio
from aljupyter.informativeness.regression import greedy, ucb, variance

__all__ = [
    "entropy",
    "greedy",
    "least_confidence",
    "margin",
    "ratio",
    "ucb",
    "variance",
]
