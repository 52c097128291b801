"""How good the model is: metrics of a round, ceiling and floor of a learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from aljupyter.control import Control
from aljupyter.data.manager import DataManager
from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError
from aljupyter.models.base import ModelManager
from aljupyter.models.metrics import CLASSIFICATION, REGRESSION, evaluate_posterior
from aljupyter.posterior import ClassPosterior, Posterior, RegressionPosterior

HIT_RATIO = "hit_ratio"


class Measurer:
    """Measures models on one dataset: on its test view, or by leave-one-out where there is none.

    Parameters
    ----------
    data : DataManager
    metrics : sequence of str or None
        Some of the task's; all where None.
    top : float
        Share of the training view that counts as the best, for ``hit_ratio``.

    Raises
    ------
    ModelError
        For a metric that the task does not have, or `top` outside (0, 1).
    """

    def __init__(self, data: DataManager, metrics: Sequence[str] | None, top: float):
        if not 0 < top < 1:
            raise ModelError(f"top is a share of the training view between 0 and 1, such as 0.1; got {top}.")
        self.data = data
        self.top = top
        has = CLASSIFICATION if data.task == "classification" else (*REGRESSION, *self._hits_known)
        metrics = [metrics] if isinstance(metrics, str) else metrics
        unknown = [name for name in metrics or () if name not in has]
        if unknown:
            raise ModelError(f"This task has no metric {unknown[0]!r}; it has {', '.join(has)}.")
        self.names: tuple[str, ...] = has if metrics is None else tuple(metrics)

    @property
    def _of_posterior(self) -> list[str]:
        return [name for name in self.names if name != HIT_RATIO]

    @cached_property
    def _hits_known(self) -> tuple[str, ...]:
        return (HIT_RATIO,) if self.data.has_truth(self.data.train.indices).all() else ()

    @cached_property
    def _best(self) -> np.ndarray:
        """Indices of the top share of the training view by value, at least one; equals of the last are in."""
        indices = self.data.train.indices
        values = self.data.truth(indices).numpy()
        k = max(1, math.ceil(self.top * len(values)))
        return indices[values >= np.partition(values, -k)[-k]]

    def __call__(self, model: ModelManager) -> tuple[dict[str, float], str]:
        """Metrics of a model fitted on the labelled view, and what they were measured on."""
        metrics, measured_on = self._of_model(model, self.data.labelled)
        if HIT_RATIO in self.names:
            metrics[HIT_RATIO] = float(np.isin(self._best, self.data.labelled.indices).mean())
        return {name: metrics[name] for name in self.names if name in metrics}, measured_on

    def _of_model(self, model: ModelManager, labelled: Subset) -> tuple[dict[str, float], str]:
        if len(self.data.test):
            return model.evaluate(self.data.test, self._of_posterior), "test view"
        left_out = model.leave_one_out()
        if left_out is None:
            return {}, ""
        return evaluate_posterior(left_out, labelled.y, self._of_posterior), "leave-one-out"

    def before_label(self, predicted: Posterior, y: Tensor) -> dict[str, float]:
        """What the model said of queried points against their labels: ``accuracy``, or ``rmse``."""
        return evaluate_posterior(predicted, y, ["accuracy" if isinstance(predicted, ClassPosterior) else "rmse"])

    def ceiling(self, model: ModelManager, control: Control | None) -> dict[str, float] | None:
        """Metrics of `model`, fitted here on the whole training view; None where a label of it is not known."""
        indices = self.data.train.indices
        if not self.data.has_truth(indices).all():
            return None
        everything = self.data.subset(indices, self.data.truth(indices))
        model.fit(everything, control)
        metrics, _ = self._of_model(model, everything)
        return {**metrics, **({HIT_RATIO: 1.0} if HIT_RATIO in self.names else {})}

    def floor(self) -> dict[str, float] | None:
        """Metrics of predicting class frequencies (the majority class), or the mean, of the labels that are known."""
        indices = self.data.train.indices
        known = indices[self.data.has_truth(indices)]
        y = self.data.truth(known) if len(known) else self.data.labelled.y
        judged = self.data.test.y if len(self.data.test) else y
        if not len(y) or not len(judged):
            return None
        constant: Posterior
        if self.data.n_classes is not None:
            frequencies = torch.bincount(y, minlength=self.data.n_classes).double() / len(y)
            constant = ClassPosterior(frequencies.expand(len(judged), -1))
        else:
            constant = RegressionPosterior(y.double().mean().expand(len(judged)), torch.zeros(len(judged)).double())
        return evaluate_posterior(constant, judged, self._of_posterior)
