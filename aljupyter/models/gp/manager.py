"""How a learner drives a GP."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor

from aljupyter.control import Control
from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError, NoLabels, NotFitted
from aljupyter.models.base import ModelManager, State
from aljupyter.models.gp.classifier import GPClassifier
from aljupyter.models.gp.modules import WarmStart
from aljupyter.models.gp.regressor import GPRegressor
from aljupyter.posterior import ClassPosterior, Posterior, RegressionPosterior


class GPManager(ModelManager):
    """A GP classifier or regressor in a loop: each fit starts from where the last one ended.

    Parameters
    ----------
    estimator : GPClassifier or GPRegressor
        Its parameters are used; it is not fitted itself.
    """

    def __init__(self, estimator: GPClassifier | GPRegressor):
        self._template = estimator
        self._fitted: GPClassifier | GPRegressor | None = None
        self._n_classes: int | None = None
        self._n_fits = 0
        self.task = "classification" if isinstance(estimator, GPClassifier) else "regression"

    def __repr__(self) -> str:
        return f"GPManager({self._template!r})"

    @property
    def is_fitted(self) -> bool:
        return self._fitted is not None

    @property
    def estimator_(self) -> GPClassifier | GPRegressor:
        if self._fitted is None:
            raise NotFitted("The GP has not been fitted yet: call `learner.fit()`, or `fit` with a labelled view.")
        return self._fitted

    def reset(self) -> None:
        self._fitted, self._n_classes, self._n_fits = None, None, 0

    def clone(self) -> GPManager:
        return GPManager(clone(self._template))

    def fit(self, labelled: Subset, control: Control | None = None) -> None:
        if len(labelled) == 0:
            raise NoLabels("A GP cannot be fitted without labels: label some points first.")
        x_N_D, y_N = self.embed(labelled), labelled.y.numpy()
        # a new estimator for each fit: whatever raises in here leaves the manager as it was
        estimator = clone(self._template)
        if isinstance(estimator, GPClassifier):
            estimator.fit_from(x_N_D, y_N, self._warm_classifier(x_N_D, y_N), control)
        else:
            estimator.fit_from(x_N_D, y_N, self._warm_regressor(x_N_D), control)
        self._fitted, self._n_classes, self._n_fits = estimator, labelled.n_classes, self._n_fits + 1

    def _warm_classifier(self, x_N_D: Tensor, y_N: NDArray[np.int64]) -> list[WarmStart] | None:
        last = self._fitted
        if not isinstance(last, GPClassifier) or last.n_features_in_ != x_N_D.shape[1]:
            return None
        if not np.array_equal(last.classes_, np.unique(y_N)):  # other one-vs-rest problems than last time
            return None
        # the last model's latent mean: its mode at points that it knew, its prediction at new ones
        return [
            WarmStart(model.theta, model.inverse_hessian, self._n_fits, model.latent(x_N_D.to(model.x_N_D))[0])
            for model in last.models_
        ]

    def _warm_regressor(self, x_N_D: Tensor) -> WarmStart | None:
        last = self._fitted
        if not isinstance(last, GPRegressor) or last.n_features_in_ != x_N_D.shape[1]:
            return None
        return WarmStart(last.theta_, last.model_.inverse_hessian, self._n_fits)

    def posterior(self, x: Tensor | Subset) -> Posterior:
        """What the GP says about points, in chunks.

        Classification: probabilities of all classes of the data; 0 for a class that has no label yet.
        Regression: mean and latent variance, in units of the target.
        """
        estimator = self.estimator_
        pieces = (x_M_D for x_M_D, _ in x.chunks()) if isinstance(x, Subset) and len(x) else [x]
        chunks = map(self.embed, pieces)  # lazily: a view may be larger than memory
        if isinstance(estimator, GPClassifier):
            return self._class_posterior(np.concatenate([estimator.predict_proba(chunk) for chunk in chunks]))
        moments = [estimator.predict(chunk, return_std=True) for chunk in chunks]
        mean_N, std_N = (np.concatenate(parts) for parts in zip(*moments, strict=True))
        return self._regression_posterior(mean_N, std_N)

    def leave_one_out(self) -> Posterior:
        """Prediction for each labelled point without its label, in closed form; see the estimators."""
        estimator = self.estimator_
        if isinstance(estimator, GPClassifier):
            return self._class_posterior(estimator.leave_one_out_proba())
        return self._regression_posterior(*estimator.leave_one_out())

    def _class_posterior(self, known_N_K: NDArray[np.float64]) -> ClassPosterior:
        """From the classes labelled so far to all classes of the data."""
        codes = torch.from_numpy(self.estimator_.classes_)
        mean_N_C = torch.zeros(len(known_N_K), self._n_classes or len(codes), dtype=torch.float64)
        mean_N_C[:, codes] = torch.from_numpy(known_N_K)
        return ClassPosterior(mean_N_C, provenance="Laplace GP")

    def _regression_posterior(self, mean_N: NDArray[np.float64], std_N: NDArray[np.float64]) -> RegressionPosterior:
        mean, variance = torch.from_numpy(mean_N), torch.from_numpy(std_N).square()
        return RegressionPosterior(mean, variance, torch.full_like(mean, self.estimator_.noise_), provenance="exact GP")

    def state(self) -> State | None:
        """Hyperparameters, curvature of the search and modes; the labelled points are not in it."""
        if self._fitted is None:
            return None
        if isinstance(self._fitted, GPClassifier):
            models = self._fitted.models_
            return {
                "n_fits": self._n_fits,
                "n_classes": self._n_classes,
                "theta": torch.from_numpy(np.stack([model.theta for model in models])),
                "inverse_hessian": torch.from_numpy(np.stack([model.inverse_hessian for model in models])),
                "f": torch.stack([model.posterior.f_N for model in models]).cpu(),
            }
        return {
            "n_fits": self._n_fits,
            "n_classes": None,
            "theta": torch.from_numpy(self._fitted.theta_),
            "inverse_hessian": torch.from_numpy(self._fitted.model_.inverse_hessian),
        }

    def load(self, state: State, labelled: Subset) -> None:
        estimator = clone(self._template)
        x_N_D, y_N = self.embed(labelled), labelled.y.numpy()
        try:
            theta, inverse_hessian = state["theta"].numpy(), state["inverse_hessian"].numpy()
            if isinstance(estimator, GPClassifier):
                estimator.restore(x_N_D, y_N, theta, state["f"])
                for model, H in zip(estimator.models_, inverse_hessian, strict=True):
                    model.inverse_hessian = H
            else:
                estimator.restore(x_N_D, y_N, theta)
                estimator.model_.inverse_hessian = inverse_hessian
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"This state is not of {self!r} fitted on these {len(labelled)} points: {error!r}."
            ) from error
        self._fitted, self._n_classes, self._n_fits = estimator, state["n_classes"], state["n_fits"]
