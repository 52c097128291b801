"""Gaussian processes on GPyTorch: scikit-learn estimators, and the manager that a learner drives."""

import warnings

with warnings.catch_warnings():
    # GPyTorch's linear algebra decorates a function with torch.jit.script, which torch deprecates
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
    import gpytorch  # noqa: F401  (first, so that the imports below find it loaded)

from aljupyter.models.gp.classifier import GPClassifier
from aljupyter.models.gp.manager import GPManager
from aljupyter.models.gp.regressor import GPRegressor

__all__ = ["GPClassifier", "GPManager", "GPRegressor"]
