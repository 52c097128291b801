"""Measures of how much a label would teach: pure functions from a posterior to one score a point.

They see posteriors and features, never a model or a DataManager. Higher is more informative.
"""

from aljupyter.informativeness.classification import entropy, least_confidence, margin, ratio
from aljupyter.informativeness.disagreement import bald
from aljupyter.informativeness.features import relative_distance, representativeness
from aljupyter.informativeness.optimisation import expected_improvement, thompson
from aljupyter.informativeness.regression import greedy, ucb, variance

__all__ = [
    "bald",
    "entropy",
    "expected_improvement",
    "greedy",
    "least_confidence",
    "margin",
    "ratio",
    "relative_distance",
    "representativeness",
    "thompson",
    "ucb",
    "variance",
]
