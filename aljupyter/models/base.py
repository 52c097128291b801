"""The contract between a model and the loop.

A manager wraps whatever a person has (a GP, a scikit-learn estimator, a network) and offers one face: fit on a view,
say a posterior about points, give its state away and take it back. It knows nothing of strategies or learners.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from aljupyter.control import Control
from aljupyter.data.subset import Subset
from aljupyter.errors import ModelLacks
from aljupyter.models.metrics import evaluate_posterior
from aljupyter.posterior import Posterior

State = dict[str, Any]


class ModelManager(ABC):
    """A model that a learner can drive. Subclasses implement the abstract methods and nothing more is required."""

    #: "classification" or "regression"
    task: str

    @abstractmethod
    def fit(self, labelled: Subset, control: Control | None = None) -> None:
        """Fit on the labelled view. A call that raises leaves the manager as it was.

        Parameters
        ----------
        labelled : Subset
            ``.x`` of shape (N, D), ``.y`` of shape (N,): class codes (int64) or numbers (float64), ``.n_classes``.
            Its ``.indices`` are in labelling order: a longer list with the same beginning is an append.
        control : Control, optional
            Asked between optimiser steps whether to stop.

        Raises
        ------
        NoLabels, OneClassOnly, RoundCancelled
        """

    @abstractmethod
    def posterior(self, x: Tensor | Subset) -> Posterior:
        """What the fitted model says about points, of shape (N, D).

        Raises
        ------
        NotFitted
        """

    @abstractmethod
    def state(self) -> State | None:
        """All that the next fit needs beyond the data, as tensors and JSON values; None where a model cannot say."""

    @abstractmethod
    def load(self, state: State, labelled: Subset) -> None:
        """Take back what :meth:`state` gave, for a model fitted on `labelled`. Never fits."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all that was learned; parameters given by the user stay."""

    @abstractmethod
    def clone(self) -> ModelManager:
        """A new manager with the same parameters, not fitted."""

    @property
    @abstractmethod
    def is_fitted(self) -> bool: ...

    @property
    @abstractmethod
    def estimator_(self) -> Any:
        """The fitted model itself."""

    @property
    def estimator(self) -> Any:
        """With the parameters that a person gave, as before :meth:`held_at`; None for a model without such."""
        return None

    def hyperparameters(self, features: Sequence[str] = ()) -> dict[str, float]:
        """What was learned, in a few plain numbers by name; empty for a model that has no such numbers.

        Parameters
        ----------
        features : sequence of str, optional
            Names of the inputs, for those that have a number each.

        Raises
        ------
        NotFitted
        """
        return {}

    def held_at(self, values: Mapping[str, float], features: Sequence[str] = ()) -> ModelManager:
        """A model of this kind, not fitted, whose hyperparameters stay where they are, but for those given.

        Raises
        ------
        NotFitted
        ModelLacks
            For a model that has none.
        InvalidParameter
        """
        raise ModelLacks(f"{self!r} has no hyperparameters that could be held.")

    @property
    def is_held(self) -> bool:
        """Whether hyperparameters stay as they are instead of being learned."""
        return False

    def released(self) -> ModelManager:
        """A model of this kind, not fitted, that learns its hyperparameters; the reverse of :meth:`held_at`."""
        return self.clone()

    def leave_one_out(self) -> Posterior | None:
        """Prediction for each labelled point by the model without it, in labelling order; None if that is a refit."""
        return None

    def embed(self, x: Tensor | Subset) -> Tensor:
        """Representation of points for distances, shape (N, E): where not overridden the inputs, an image as a row."""
        points = x.x if isinstance(x, Subset) else x
        return points.flatten(1)

    def gradient_embed(self, x: Tensor | Subset, posterior: Posterior | None = None) -> tuple[Tensor, Tensor]:
        """Gradients of the loss by the weights of the last layer, as if the likeliest label were true, in two factors.

        The gradient at a point is the outer product of its rows of the two (Ash et al. 2020, arXiv:1906.03671,
        equation 1), which is never formed: it has C x E numbers.

        Parameters
        ----------
        x : Tensor of shape (N, ...) or Subset
        posterior : Posterior, optional
            What :meth:`posterior` says of these points, where it is known.

        Returns
        -------
        residual_N_C : Tensor of shape (N, C)
            p - onehot(argmax p), by the cross-entropy of a softmax. In regression of shape (N, 1), ones: the gradient
            of the prediction itself.
        embed_N_E : Tensor of shape (N, E)
            The input of the last layer, as :meth:`embed` gives it.

        Raises
        ------
        ModelLacks
            For a model without a last layer.
        """
        raise ModelLacks(f"{self!r} has no last layer whose gradients could be asked for.")

    def evaluate(self, subset: Subset, metrics: Sequence[str] | None = None) -> dict[str, float]:
        """Metrics of the fitted model on a view with labels; see :func:`evaluate_posterior`."""
        return evaluate_posterior(self.posterior(subset), subset.y, metrics)
