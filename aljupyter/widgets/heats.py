"""What a heatmap can show beside the measures that strategies ask by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from aljupyter.errors import ModelError
from aljupyter.informativeness.checks import class_posterior, regression_posterior
from aljupyter.posterior import ClassPosterior
from aljupyter.strategies import BALD, Entropy, Measure
from aljupyter.widgets.planes import Plane

if TYPE_CHECKING:
    from aljupyter.widgets.frames import Moment

PREDICTED_CLASS = "predicted class"
NEIGHBOURS = 5
BLOCK = 2048  # cells whose distances to the pool are computed at once


class PredictedClass(Measure):
    """Code of the likeliest class; drawn in the classes' own colours."""

    task = "classification"

    def values(self, posterior: Any) -> Tensor:
        return class_posterior(posterior, PREDICTED_CLASS).mean_N_C.argmax(1).double()

    def limits(self, n_classes: int | None) -> tuple[float, float]:
        return -0.5, (n_classes or 2) - 0.5


class Noise(Measure):
    """The deviation of a measured value from the function: what no model can know (the aleatoric part)."""

    task = "regression"
    unit = "units of the target"

    def values(self, posterior: Any) -> Tensor:
        noise_N = regression_posterior(posterior, "noise").noise_N
        if noise_N is None:
            raise ModelError("This model says nothing of the noise of a measured value.")
        return noise_N.sqrt()

    def limits(self, n_classes: int | None) -> tuple[float, None]:
        return 0.0, None


class Field(ABC):
    """What depends on the moment, and not only on what the model says of a place."""

    unit: str = ""
    needs_model: bool = True

    @abstractmethod
    def on_grid(self, plane: Plane, grid_G_D: Tensor, moment: Moment, data: Any) -> np.ndarray:
        """One number a cell, shape (G,)."""

    def limits(self, n_classes: int | None) -> tuple[float | None, float | None]:
        return 0.0, None


class Density(Field):
    """Density of the pool, as one over the mean distance to the five nearest of its points, in the model's inputs."""

    needs_model = False

    def on_grid(self, plane: Plane, grid_G_D: Tensor, moment: Moment, data: Any) -> np.ndarray:
        if not len(moment.unlabelled):
            return np.zeros(len(grid_G_D))
        x_N_D = data.pool(moment.unlabelled).x.detach().reshape(len(moment.unlabelled), -1).double()
        k = min(NEIGHBOURS, len(x_N_D))
        grid = grid_G_D.detach().reshape(len(grid_G_D), -1).double()
        nearest = [torch.cdist(part, x_N_D).topk(k, largest=False).values.mean(1) for part in grid.split(BLOCK)]
        return (1 / (torch.cat(nearest) + 1e-12)).numpy()


class TrueError(Field):
    """How wrong the model is at the nearest point of the training view, by labels that the loop has not been told.

    One minus the probability of the true class, or the absolute error.
    """

    def on_grid(self, plane: Plane, grid_G_D: Tensor, moment: Moment, data: Any) -> np.ndarray:
        assert moment.model is not None
        indices = data.train.indices
        posterior, truth = moment.model.posterior(data.train), data.truth(indices)
        if isinstance(posterior, ClassPosterior):
            error = 1 - posterior.mean_N_C[torch.arange(len(truth)), truth.long()]
        else:
            error = (posterior.mean_N - truth).abs()
        if plane.points is not None:
            return error.detach().cpu().numpy()[np.searchsorted(indices, plane.points)]
        places, cells = plane.project(data.train.x), plane.project(grid_G_D)
        spans = np.array([plane.x_limits[1] - plane.x_limits[0], plane.y_limits[1] - plane.y_limits[0]])
        _, nearest = KDTree(places / spans).query(cells / spans)
        return error.detach().cpu().numpy()[nearest]

    def limits(self, n_classes: int | None) -> tuple[float, float | None]:
        return 0.0, None if n_classes is None else 1.0


def all_shown(measures: Mapping[str, Measure], data: Any) -> dict[str, Measure | Field]:
    """All that the heatmap of a task can show, by the name that a person reads.

    Parameters
    ----------
    measures : mapping
        What ``learner.measures()`` gives; first in the menu.
    data : DataManager
    """
    shown: dict[str, Measure | Field] = dict(measures)
    if data.n_classes:
        shown |= {
            PREDICTED_CLASS: PredictedClass(),
            "epistemic part (mutual information)": BALD(),
            "aleatoric part (expected entropy)": Entropy() - BALD(),
        }
    else:
        shown |= {"noise (aleatoric part)": Noise()}
    shown["density of the pool"] = Density()
    if data.has_truth(data.train.indices).all():
        shown["error at the nearest point (by the truth)"] = TrueError()
    return shown
