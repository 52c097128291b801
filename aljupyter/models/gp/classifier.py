"""The GP classifier, a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from gpytorch.kernels import Kernel
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor

from aljupyter.control import Control
from aljupyter.errors import OneClassOnly, WrongShape
from aljupyter.models.gp.checks import check_features, check_fitted, check_labels, check_parameters
from aljupyter.models.gp.kernels import data_start, get_theta, make_kernel, set_theta
from aljupyter.models.gp.modules import ClassificationGP, WarmStart
from aljupyter.models.gp.priors import guard

#: the second start's signal variance: latent values that make most points sure, as on most real data
_START_VARIANCE = float(np.exp(2.0))


class GPClassifier(ClassifierMixin, BaseEstimator):
    """Gaussian process classifier: logistic link, Laplace's approximation, one-vs-rest for more than two classes.

    The model of Rasmussen & Williams (2006), chapter 3, and of scikit-learn's `GaussianProcessClassifier`: at the same
    hyperparameters it gives the same numbers. Nothing in it is random.

    Parameters
    ----------
    kernel : {"rbf", "ard"} or gpytorch.kernels.Kernel
        "rbf" is ``C * RBF`` with one length scale, "ard" with one a feature.
    prior : {"default"} or None
        "default" keeps the signal variance of "rbf" and "ard" in [0.5, 1000] and the length scales in [0.1, 5] times
        the rms distance of the points, away from the optima where all is noise or each point is an island, which are
        frequent with few labels. A kernel of your own is used with the priors and constraints it has.
        None is the plain marginal likelihood within scikit-learn's bounds, 1e-5 to 1e5.
    optimizer : {"fast", "faithful"} or None
        "fast" makes scikit-learn's search and one from a start that suits the data, and keeps the better optimum; in a
        loop it starts from the last fit's. "faithful" makes scikit-learn's search alone, from the kernel's initial
        hyperparameters each time, and finds its optima, bad ones too. None keeps the initial hyperparameters (1 for
        "rbf" and "ard").
    device : str or torch.device, optional
        Where to compute; the processor where not given.

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    theta_ : ndarray of shape (P,), or (C, P) for C > 2
        Log hyperparameters.
    kernel_ : gpytorch.kernels.Kernel, or a torch.nn.ModuleList of one a class
    log_marginal_likelihood_value_ : float
        Without prior; the mean over the classes for C > 2.
    n_features_in_ : int

    Examples
    --------
    >>> model = GPClassifier().fit([[0.0], [1.0], [3.0], [4.0]], ["a", "a", "b", "b"])
    >>> model.predict([[0.5], [3.5]]).tolist()
    ['a', 'b']
    """

    classes_: NDArray[Any]
    models_: tuple[ClassificationGP, ...]
    n_features_in_: int

    def __init__(
        self,
        kernel: str | Kernel = "rbf",
        *,
        prior: str | None = "default",
        optimizer: str | None = "fast",
        device: str | torch.device | None = None,
    ):
        self.kernel = kernel
        self.prior = prior
        self.optimizer = optimizer
        self.device = device

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn hyperparameters and posterior.

        Parameters
        ----------
        X : array-like of shape (N, D)
        y : array-like of shape (N,)
            Class labels: numbers or strings.

        Raises
        ------
        NoLabels, OneClassOnly, WrongShape, NonFiniteFeatures, InvalidLabel
        """
        return self.fit_from(X, y)

    def fit_from(
        self,
        X: ArrayLike | Tensor,
        y: ArrayLike,
        warm: Sequence[WarmStart] | None = None,
        control: Control | None = None,
    ) -> Self:
        """:meth:`fit` from where an earlier fit ended, and with a way to cancel it.

        Parameters
        ----------
        warm : sequence of WarmStart, optional
            One a binary problem. Used by the "fast" optimizer.
        control : Control, optional

        Raises
        ------
        RoundCancelled
            The estimator is to be thrown away then.
        """
        classes, problems = self._prepare(X, y)
        for i, model in enumerate(problems):
            start = warm[i] if warm is not None and self.optimizer == "fast" else None
            starts = [model.theta, self._second_start(model)]
            if start is not None:
                model.f_N = start.f_N
                starts = [start.theta, starts[start.turn % 2]]
            model.learn(self.optimizer, starts, start.inverse_hessian if start else None, control)
        self.classes_, self.models_ = classes, problems
        return self

    def restore(self, X: ArrayLike | Tensor, y: ArrayLike, theta: NDArray[np.float64], f: Tensor) -> Self:
        """The fitted model again, bit for bit, from its hyperparameters (B, P) and modes (B, N); nothing is sought."""
        classes, problems = self._prepare(X, y)
        for model, theta_P, f_N in zip(problems, theta, f, strict=True):
            set_theta(model, theta_P)
            model.restore(f_N.to(model.x_N_D.device))
        self.classes_, self.models_ = classes, problems
        return self

    def _prepare(self, X: ArrayLike | Tensor, y: ArrayLike) -> tuple[NDArray[Any], tuple[ClassificationGP, ...]]:
        """Check the input; the classes, and one binary problem for two of them, one a class for more."""
        check_parameters(self)
        x_N_D = check_features(self, X, reset=True, device=self.device)
        labels = check_labels(y, len(x_N_D))
        classes = np.unique(labels)
        if len(classes) < 2:
            raise OneClassOnly(
                f"Classification needs labels of two classes at least, got one class only: all {len(labels)} are "
                f"{classes.tolist()[0]!r}. Label a point of another class, or start from points of every class."
            )
        positive = classes[1:] if len(classes) == 2 else classes
        return classes, tuple(self._problem(x_N_D, labels == label) for label in positive)

    def _problem(self, x_N_D: Tensor, is_positive: NDArray[np.bool_]) -> ClassificationGP:
        kernel = make_kernel(self.kernel, x_N_D.shape[1])
        if self.prior == "default" and isinstance(self.kernel, str):
            guard(kernel, x_N_D)
        y_N = torch.as_tensor(is_positive, dtype=torch.float64, device=x_N_D.device)
        return ClassificationGP(kernel.to(x_N_D.device), x_N_D, y_N, use_prior=self.prior is not None)

    def _second_start(self, model: ClassificationGP) -> NDArray[np.float64]:
        kernel = make_kernel(self.kernel, model.x_N_D.shape[1])
        data_start(kernel, model.x_N_D, _START_VARIANCE)
        return get_theta(kernel)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each point, shape (M,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]

    def predict_proba(self, X: ArrayLike | Tensor) -> NDArray[np.float64]:
        """Class probabilities, shape (M, C), columns as in `classes_`.

        Raises
        ------
        NotFitted, WrongShape, NonFiniteFeatures
        """
        check_fitted(self)
        x_M_D = check_features(self, X, reset=False, device=self.device)
        return self._columns([model.probability(x_M_D) for model in self.models_])

    def leave_one_out_proba(self) -> NDArray[np.float64]:
        """Class probabilities of each labelled point by the model without its label, shape (N, C).

        At the hyperparameters of the whole model, in closed form: see :func:`laplace.leave_one_out`.
        """
        check_fitted(self)
        return self._columns([model.probability_without_itself() for model in self.models_])

    def _columns(self, positive: list[Tensor]) -> NDArray[np.float64]:
        """Probabilities of the classes from those of the binary problems, normalised as scikit-learn does."""
        if len(positive) == 1:
            return torch.stack([1 - positive[0], positive[0]], dim=1).cpu().numpy()
        p_M_C = torch.stack(positive, dim=1)
        total_M_1 = p_M_C.sum(1, keepdim=True)
        p_M_C = torch.where(total_M_1 > 0, p_M_C / total_M_1, 1 / len(positive))
        return p_M_C.cpu().numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")

    @property
    def theta_(self) -> NDArray[np.float64]:
        check_fitted(self)
        thetas = [model.theta for model in self.models_]
        return thetas[0] if len(thetas) == 1 else np.stack(thetas)

    @property
    def kernel_(self) -> Kernel | torch.nn.ModuleList:
        check_fitted(self)
        kernels = [model.covar_module for model in self.models_]
        return kernels[0] if len(kernels) == 1 else torch.nn.ModuleList(kernels)

    @property
    def log_marginal_likelihood_value_(self) -> float:
        check_fitted(self)
        return float(np.mean([model.log_evidence_ for model in self.models_]))

    def log_marginal_likelihood(
        self, theta: ArrayLike | None = None, eval_gradient: bool = False
    ) -> float | tuple[float, NDArray[np.float64]]:
        """Log marginal likelihood of the labels (R&W 3.32), without prior; the mean over classes for C > 2.

        Parameters
        ----------
        theta : array-like of shape (P,) or (C * P,), optional
            Log hyperparameters: for all classes, or of each. The fitted ones where not given.
        eval_gradient : bool
            Whether to return the gradient by theta too.
        """
        check_fitted(self)
        fitted = np.concatenate([model.theta for model in self.models_])
        at = fitted if theta is None else np.asarray(theta, dtype=np.float64)
        n_classes, n_params = len(self.models_), len(fitted) // len(self.models_)
        if at.shape not in ((n_params,), (n_classes * n_params,)):
            raise WrongShape(f"theta must have {n_params} entries (or as many a class); got shape {at.shape}.")
        shared = len(at) == n_params
        parts = [at] * n_classes if shared else np.split(at, n_classes)
        results = [model.evidence_at(part) for model, part in zip(self.models_, parts, strict=True)]
        value = float(np.mean([result[0] for result in results]))
        gradients = np.stack([result[1] for result in results]) / n_classes
        gradient = gradients.sum(0) if shared else gradients.reshape(-1)
        return (value, gradient) if eval_gradient else value
