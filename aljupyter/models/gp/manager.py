"""How a learner drives a GP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from torch import Tensor

from aljupyter.control import Control
from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError, NoLabels, NotFitted
from aljupyter.models.base import ModelManager, State
from aljupyter.models.gp import tuning
from aljupyter.models.gp.arrays import Array, as_tensor
from aljupyter.models.gp.classifier import GPClassifier
from aljupyter.models.gp.draws import LatentDraws
from aljupyter.models.gp.joint import LatentJoint
from aljupyter.models.gp.regressor import GPRegressor
from aljupyter.models.gp.running import Running, RunningCovariances, RunningPredictions
from aljupyter.models.gp.tracks import Track
from aljupyter.posterior import ClassPosterior, Posterior, RegressionPosterior

#: points of a view that are read at once
_PIECE = 8192


class GPManager(ModelManager):
    """A GP classifier or regressor in a loop: each fit starts from where the last one ended.

    Parameters
    ----------
    estimator : GPClassifier or GPRegressor
        Its parameters are used; it is not fitted itself.
    learning : GPClassifier or GPRegressor, optional
        Where this one is held at hyperparameters: the one that learned them.
    """

    def __init__(self, estimator: GPClassifier | GPRegressor, learning: GPClassifier | GPRegressor | None = None):
        self._template, self._learning = estimator, learning
        self._fitted: GPClassifier | GPRegressor | None = None
        self._n_classes: int | None = None
        self._running: Running | None = None
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

    @property
    def estimator(self) -> GPClassifier | GPRegressor:
        return self._learning or self._template

    def hyperparameters(self, features: Sequence[str] = ()) -> dict[str, float]:
        """See :func:`aljupyter.models.gp.tuning.hyperparameters`."""
        return tuning.hyperparameters(self.estimator_, features)

    def held_at(self, values: Mapping[str, float], features: Sequence[str] = ()) -> GPManager:
        """See :func:`aljupyter.models.gp.tuning.fixed_at`."""
        return GPManager(tuning.fixed_at(self.estimator_, values, features), self._learning or self._template)

    @property
    def is_held(self) -> bool:
        return self._template.optimizer is None

    def released(self) -> GPManager:
        learning = self._learning or self._template
        return GPManager(clone(learning).set_params(optimizer=learning.optimizer or "fast"))

    def reset(self) -> None:
        self._fitted, self._n_classes, self._running = None, None, None

    def clone(self) -> GPManager:
        return GPManager(clone(self._template), self._learning)

    def fit(self, labelled: Subset, control: Control | None = None) -> None:
        if len(labelled) == 0:
            raise NoLabels("A GP cannot be fitted without labels: label some points first.")
        x_N_D, y_N = self.embed(labelled), labelled.y.numpy()
        # a new estimator for each fit: whatever raises in here leaves the manager as it was
        estimator = self._appended(x_N_D, y_N)
        if estimator is None:
            estimator = self._blank().fit_from(x_N_D, y_N, self._fitted, control)
        self._fitted, self._n_classes = estimator, labelled.n_classes

    def _blank(self) -> GPClassifier | GPRegressor:
        """scikit-learn's `clone` reads the constructor's signature, which takes as long as a fit on a few points."""
        template = self._template
        blank = type(template).__new__(type(template))
        blank.__dict__.update((name, value) for name, value in vars(template).items() if not name.endswith("_"))
        return blank

    def _appended(self, x_N_D: Tensor, y_N: NDArray[Any]) -> GPClassifier | GPRegressor | None:
        """The last estimator with the new points added, where its hyperparameters are fixed."""
        last = self._fitted
        return None if last is None or last.optimizer is not None else last.appended(x_N_D, y_N)

    def posterior(self, x: Tensor | Subset) -> Posterior:
        """What the GP says about points, in chunks.

        Classification: probabilities of all classes of the data; 0 for a class that has no label yet.
        Regression: mean and latent variance, in units of the target.
        """
        estimator, joint = self.estimator_, self.estimator_.latent_joint(x)
        running = self._running_latent(estimator, x) if isinstance(x, Subset) else None
        if isinstance(estimator, GPClassifier):
            if running is not None:
                mean_N_C = self._of_all_classes(estimator.from_latent(running), estimator)
            else:
                mean_N_C = np.empty((len(x), self._n_classes or len(estimator.classes_)))
                for piece, x_M_D in self._pieces(x):
                    mean_N_C[piece] = self._of_all_classes(estimator.predict_proba(x_M_D), estimator)
            draws = LatentDraws(estimator, x, self.embed, partial(self._of_all_classes, estimator=estimator))
            return ClassPosterior(torch.from_numpy(mean_N_C), draws=draws, joint=joint, provenance="Laplace GP")
        if running is not None:
            mean_N, variance_N = estimator.in_target_units(*running[0])
        else:
            mean_N, variance_N = np.empty(len(x)), np.empty(len(x))
            for piece, x_M_D in self._pieces(x):
                mean_N[piece], variance_N[piece] = estimator.moments(x_M_D)
        return self._regression_posterior(mean_N, variance_N, joint)

    def _of_all_classes(self, known_M_K: NDArray[np.float64], estimator: GPClassifier) -> NDArray[np.float64]:
        """Probabilities of all classes of the data, (M, C), from those of the classes with labels: 0 for others."""
        if self._n_classes is None or self._n_classes == len(estimator.classes_):
            return known_M_K
        mean_M_C = np.zeros((len(known_M_K), self._n_classes))
        mean_M_C[:, estimator.classes_] = known_M_K
        return mean_M_C

    def _pieces(self, x: Tensor | Subset) -> Iterator[tuple[slice, Tensor]]:
        """Points to predict and where they are, a few thousand at a time: a view may be larger than memory."""
        start = 0
        for x_M_D, _ in x.chunks(_PIECE) if isinstance(x, Subset) else [(x, None)]:
            yield slice(start, start + len(x_M_D)), self.embed(x_M_D)
            start += len(x_M_D)

    def _running_latent(
        self, estimator: GPClassifier | GPRegressor, points: Subset
    ) -> list[tuple[Array, Array]] | None:
        """From predictions that are kept up to date, where hyperparameters are fixed and memory suffices."""
        models, features = estimator.models_, points.features
        if estimator.optimizer is not None or not Running.can_be_had(models, features):
            self._running = None
            return None
        kind = RunningCovariances if isinstance(estimator, GPClassifier) else RunningPredictions
        if self._running is None or self._running.features is not features or not self._running.continues(models):
            self._running = kind(models, features)
        return self._running.latent(models, points.indices)

    def gradient_embed(self, x: Tensor | Subset, posterior: Posterior | None = None) -> tuple[Tensor, Tensor]:
        """As if the inputs were those of a last layer; see :meth:`ModelManager.gradient_embed`."""
        said = self.posterior(x) if posterior is None else posterior
        embed_N_E = self.embed(x).double()
        if isinstance(said, RegressionPosterior):
            return torch.ones(len(said), 1, dtype=torch.float64), embed_N_E
        likeliest_N = said.mean_N_C.argmax(1)
        return said.mean_N_C - torch.nn.functional.one_hot(likeliest_N, said.n_classes), embed_N_E

    def fantasize(self, x: Tensor, y: ArrayLike) -> GPManager:
        """A manager whose model is as if these points had these labels; this one stays as it is, nothing is fitted.

        Parameters
        ----------
        x : Tensor of shape (D,) or (K, D)
        y : label, or array-like of shape (K,)
            Class codes, or numbers in units of the target.

        Raises
        ------
        NotFitted, WrongShape, NonFiniteFeatures
        InvalidLabel
            For a class that has no labelled point yet.
        """
        twin = GPManager(self._template)
        twin._fitted = self.estimator_.fantasize(x if x.ndim == 1 else self.embed(x), y)
        twin._n_classes = self._n_classes
        return twin

    def leave_one_out(self) -> Posterior:
        """Prediction for each labelled point without its label, in closed form; see the estimators."""
        estimator = self.estimator_
        if isinstance(estimator, GPClassifier):
            mean_N_C = self._of_all_classes(estimator.leave_one_out_proba(), estimator)
            return ClassPosterior(torch.from_numpy(mean_N_C), provenance="Laplace GP")
        mean_N, std_N = estimator.leave_one_out()
        return self._regression_posterior(mean_N, std_N**2)

    def _regression_posterior(
        self, mean_N: NDArray[np.float64], variance_N: NDArray[np.float64], joint: LatentJoint | None = None
    ) -> RegressionPosterior:
        noise = torch.tensor(self.estimator_.noise_, dtype=torch.float64).expand(len(mean_N))  # one number, N times
        mean, variance = torch.from_numpy(mean_N), torch.from_numpy(variance_N)
        return RegressionPosterior(mean, variance, noise, joint=joint, provenance="exact GP")

    def state(self) -> State | None:
        """Hyperparameters, curvature of the search and modes; the labelled points are not in it."""
        if self._fitted is None:
            return None
        models = self._fitted.models_
        state: State = {
            "n_classes": self._n_classes,
            "theta": torch.from_numpy(np.stack([model.theta for model in models])),
            "tracks": [model.track.to_json() for model in models],
        }
        if isinstance(self._fitted, GPClassifier):
            state["f"] = torch.stack([as_tensor(model.posterior.f_N).cpu() for model in self._fitted.models_])
        else:
            model = self._fitted.model_
            state |= {"factored_at": model.factored_at, "is_ill_conditioned": model.is_ill_conditioned}
        return state

    def load(self, state: State, labelled: Subset) -> None:
        estimator = clone(self._template)
        try:
            more = state["f" if isinstance(estimator, GPClassifier) else "factored_at"]
            estimator.restore(self.embed(labelled), labelled.y.numpy(), state["theta"].numpy(), more)
            if isinstance(estimator, GPRegressor):
                estimator.model_.is_ill_conditioned = state["is_ill_conditioned"]
            for model, track in zip(estimator.models_, state["tracks"], strict=True):
                model.track = Track.from_json(track)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"This state is not of {self!r} fitted on these {len(labelled)} points: {error!r}."
            ) from error
        self._fitted, self._n_classes = estimator, state["n_classes"]
