"""Gaussian processes on GPyTorch: scikit-learn estimators, and the manager that a learner drives."""

from aljupyter.models.gp.classifier import GPClassifier
from aljupyter.models.gp.manager import GPManager
from aljupyter.models.gp.regressor import GPRegressor

__all__ = ["GPClassifier", "GPManager", "GPRegressor"]
