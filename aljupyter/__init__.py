"""Active learning you can watch.

Wrap a dataset, a model and a strategy, then step through rounds::

    import aljupyter as al

    data = al.DataManager(X, y, test=0.25, labelled=10, seed=0)
    learner = al.ActiveLearner(data, al.GPClassifier(), al.strategies.Entropy(), seed=0)
    learner.step(n=5)
    al.Explorer(learner)

The names below load on first use (PEP 562), so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aljupyter import (
        companions,
        data,
        datasets,
        errors,
        informativeness,
        models,
        oracles,
        posterior,
        stopping,
        strategies,
        widgets,
    )
    from aljupyter.data import DataManager
    from aljupyter.journal import Journal
    from aljupyter.learner import ActiveLearner
    from aljupyter.models import GPClassifier, GPRegressor
    from aljupyter.posterior import ClassPosterior, RegressionPosterior
    from aljupyter.widgets import Explorer

__version__ = "0.1.0"

__all__ = [
    "ActiveLearner",
    "ClassPosterior",
    "DataManager",
    "Explorer",
    "GPClassifier",
    "GPRegressor",
    "Journal",
    "RegressionPosterior",
    "companions",
    "data",
    "datasets",
    "errors",
    "informativeness",
    "models",
    "oracles",
    "posterior",
    "stopping",
    "strategies",
    "widgets",
]

# The submodule of each class; the other names of `__all__` are submodules themselves.
_HOME = {
    "ActiveLearner": "learner",
    "ClassPosterior": "posterior",
    "DataManager": "data",
    "Explorer": "widgets",
    "GPClassifier": "models",
    "GPRegressor": "models",
    "Journal": "journal",
    "RegressionPosterior": "posterior",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME.get(name, name)}")
    value = getattr(module, name) if name in _HOME else module
    globals()[name] = value  # from now on found without this function
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
