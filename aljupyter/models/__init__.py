"""Models and their managers: fit on a view, say a posterior about points.

GPyTorch is imported when a GP is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aljupyter.errors import UnsupportedModel
from aljupyter.models.base import ModelManager

if TYPE_CHECKING:
    from aljupyter.models.gp import GPClassifier, GPRegressor

__all__ = ["GPClassifier", "GPRegressor", "ModelManager", "as_manager", "default_manager"]


def __getattr__(name: str) -> Any:
    if name in ("GPClassifier", "GPRegressor"):
        from aljupyter.models import gp

        return getattr(gp, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def as_manager(model: Any, task: str | None = None) -> ModelManager:
    """What a learner can drive, from what a person has.

    Parameters
    ----------
    model : ModelManager, GPClassifier or GPRegressor
    task : {"classification", "regression"}, optional
        The data's task, where the model is to be checked against it.

    Raises
    ------
    UnsupportedModel
        For any other object, and for a model of the other task.
    """
    from aljupyter.models.gp import GPClassifier, GPManager, GPRegressor

    if isinstance(model, GPClassifier | GPRegressor):
        model = GPManager(model)
    if not isinstance(model, ModelManager):
        hint = f" Give an instance: {model.__name__}()." if isinstance(model, type) else ""
        raise UnsupportedModel(
            f"{model!r} cannot be used as a model. A GPClassifier, a GPRegressor or a ModelManager can.{hint}"
        )
    if task is not None and model.task != task:
        raise UnsupportedModel(f"{model!r} is for {model.task}, the data are for {task}.")
    return model


def default_manager(task: str) -> ModelManager:
    """The model used where none is given: a GP for the task, "classification" or "regression"."""
    from aljupyter.models.gp import GPClassifier, GPManager, GPRegressor

    return GPManager(GPClassifier() if task == "classification" else GPRegressor())
