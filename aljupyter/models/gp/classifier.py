"""The GP classifier, a scikit-learn estimator."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from gpytorch.kernels import Kernel
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from torch import Tensor

from aljupyter.control import Control
from aljupyter.errors import OneClassOnly, WrongShape
from aljupyter.models.gp.arrays import Array, as_numpy, begins_with, like
from aljupyter.models.gp.checks import (
    check_features,
    check_fitted,
    check_hypothetical,
    check_known_labels,
    check_labels,
    check_parameters,
)
from aljupyter.models.gp.estimator import GPEstimator
from aljupyter.models.gp.export import ExactTwin, classification_twin
from aljupyter.models.gp.kernels import copy_of, data_start, make_kernel, set_theta, warn_of_scale
from aljupyter.models.gp.laplace import expected_logistic
from aljupyter.models.gp.learning import evidence_at, learn
from aljupyter.models.gp.modules import ClassificationGP
from aljupyter.models.gp.priors import guard

#: other starts of the search: log signal variance, and log length scale less that of the typical distance. Such as
#: most data have; short and strong; hard, for classes that a line separates; weak, for labels that are mostly noise
_STARTS = ((2.0, 0.0), (4.0, -1.2), (9.0, 0.0), (-1.0, -0.5))


class GPClassifier(ClassifierMixin, GPEstimator):
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
    predict_dtype : {"float64", "float32"}
        Precision of the larger part of the work on predicted variances; all else is float64 always. "float32" takes
        less time for a large pool. Its probabilities are off by 1e-4 at most for signal variances up to 1000, the
        largest that the default prior allows, and by 0.01 at 1e5 (measured with up to 300 labels and 30 features).

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
        predict_dtype: str = "float64",
    ):
        self.kernel = kernel
        self.prior = prior
        self.optimizer = optimizer
        self.device = device
        self.predict_dtype = predict_dtype

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
        self, X: ArrayLike | Tensor, y: ArrayLike, last: GPClassifier | None = None, control: Control | None = None
    ) -> Self:
        """:meth:`fit` from where an earlier fit ended, and with a way to cancel it.

        Parameters
        ----------
        last : GPClassifier, optional
            Fitted in an earlier round, on the first of these points say; it stays as it is. Used by the "fast"
            optimizer, and where hyperparameters are fixed.
        control : Control, optional

        Raises
        ------
        RoundCancelled
            The estimator is to be thrown away then.
        """
        classes, problems = self._prepare(X, y, last)
        before = last.models_ if last is not None and np.array_equal(last.classes_, classes) else None
        if before is not None and len(before[0].theta) != len(problems[0].theta):
            before = None  # of another kernel
        starts = partial(self._data_starts, problems[0].x_N_D)
        learn(problems, self.optimizer, starts, before, self.prior is not None, control)
        self.classes_, self.models_ = classes, problems
        return self

    def appended(self, x_N_D: Array | Tensor, y_N: NDArray[Any]) -> GPClassifier | None:
        """The same with the points at the end of these; None where these points do not continue its own.

        For fixed hyperparameters: what :meth:`fit_from` would find, without its preparations.
        """
        n, x_N_D = len(self.models_[0].y_N), like(x_N_D, self.models_[0].x_N_D)
        if not (n < len(x_N_D) <= 2 * n and begins_with(x_N_D, self.models_[0].x_N_D)):
            return None
        labels = check_labels(y_N, len(x_N_D))
        positive = [like(labels == label, x_N_D) for label in _positive(self.classes_)]
        if not set(labels[n:].tolist()) <= set(self.classes_.tolist()):
            return None
        if not all(map(begins_with, positive, (model.y_N for model in self.models_))):
            return None
        return self._with_points(x_N_D[n:], [y_N[n:] for y_N in positive])

    def _with_points(self, x_K_D: Array, y_B_K: Sequence[Array]) -> GPClassifier:
        x_K_D = check_features(self, x_K_D, reset=False, device=self.device)
        grown = type(self).__new__(type(self))  # copy.copy goes the slow way of pickles
        grown.__dict__.update(self.__dict__)
        grown.models_ = tuple(model.with_points(x_K_D, y_K) for model, y_K in zip(self.models_, y_B_K, strict=True))
        return grown

    def restore(self, X: ArrayLike | Tensor, y: ArrayLike, theta: NDArray[np.float64], f: Tensor) -> Self:
        """The fitted model again, bit for bit, from its hyperparameters (B, P) and modes (B, N); nothing is sought."""
        classes, problems = self._prepare(X, y)
        for model, theta_P, f_N in zip(problems, theta, f, strict=True):
            set_theta(model, theta_P)
            model.restore(like(f_N, model.x_N_D))
        self.classes_, self.models_ = classes, problems
        return self

    def _prepare(
        self, X: ArrayLike | Tensor, y: ArrayLike, last: GPClassifier | None = None
    ) -> tuple[NDArray[Any], tuple[ClassificationGP, ...]]:
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
        kernel = make_kernel(self.kernel, x_N_D.shape[1])
        if self.prior == "default" and isinstance(self.kernel, str):
            guard(kernel, x_N_D)
        elif isinstance(self.kernel, str) and self.optimizer is not None and last is None:
            warn_of_scale(x_N_D)
        if self.device is not None:
            kernel = kernel.to(self.device)
        known = last.models_[0].covariance if last is not None else None
        problems: list[ClassificationGP] = []
        for label in _positive(classes):
            own = copy_of(kernel) if problems else kernel
            problems.append(ClassificationGP(own, x_N_D, like(labels == label, x_N_D), known))
            known = problems[0].covariance  # all have the same points
        return classes, tuple(problems)

    def _data_starts(self, x_N_D: Array) -> list[NDArray[np.float64]]:
        kernel = make_kernel(self.kernel, x_N_D.shape[1])
        return [data_start(kernel, x_N_D, *start) for start in _STARTS]

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
        return self.from_latent(self.latent(X))

    def latent(self, X: ArrayLike | Tensor) -> list[tuple[Array, Array]]:
        """Mean and variance, (M,) each, of the latent functions: one for two classes, else one a class.

        Raises
        ------
        NotFitted, WrongShape, NonFiniteFeatures
        """
        check_fitted(self)
        x_M_D = check_features(self, X, reset=False, device=self.device)
        return [model.latent(x_M_D, self.predict_dtype) for model in self.models_]

    def from_latent(self, moments: Sequence[tuple[Array, Array]]) -> NDArray[np.float64]:
        """Class probabilities, (M, C), from each latent function's mean and variance, (M,) each."""
        return self._columns([expected_logistic(*pair) for pair in moments])

    def leave_one_out_proba(self) -> NDArray[np.float64]:
        """Class probabilities of each labelled point by the model without its label, shape (N, C).

        At the hyperparameters of the whole model, in closed form: see :func:`laplace.leave_one_out`.
        """
        check_fitted(self)
        return self.from_latent([model.latent_without_itself() for model in self.models_])

    def fantasize(self, x: ArrayLike | Tensor, y: ArrayLike) -> GPClassifier:
        """What the model would be if these points had these labels: at the same hyperparameters, without a fit.

        Parameters
        ----------
        x : array-like of shape (D,) or (K, D)
        y : label, or array-like of shape (K,)
            Of the classes that the model knows.

        Returns
        -------
        GPClassifier
            A new one, fitted; this one stays as it is.

        Raises
        ------
        NotFitted, InvalidLabel, WrongShape, NonFiniteFeatures
        """
        check_fitted(self)
        x_K_D = check_hypothetical(self, x, self.device)
        labels = check_known_labels(y, len(x_K_D), self.classes_)
        return self._with_points(x_K_D, [labels == label for label in _positive(self.classes_)])

    def to_exact_gp(self) -> ExactTwin | tuple[ExactTwin, ...]:
        """The latent posterior as a GPyTorch `ExactGP` in eval mode, a copy; one a class for C > 2.

        Its targets are pseudo-targets with a noise of their own (see :mod:`aljupyter.models.gp.export`): what it says
        about the latent function is what this model says. Its `get_fantasy_model` takes pseudo-targets with their
        `noise` variances too; for the posterior after a hypothetical label use :meth:`fantasize`.
        """
        check_fitted(self)
        twins = tuple(classification_twin(model) for model in self.models_)
        return twins[0] if len(twins) == 1 else twins

    def _facts(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}

    def _rebuilt(self, X: Tensor, y_B_N: Tensor, facts: dict[str, Any]) -> tuple[ClassificationGP, ...]:
        codes = y_B_N[0].long() if len(y_B_N) == 1 else y_B_N.argmax(0)
        classes = np.array(facts["classes"], dtype=facts["dtype"])
        self.classes_, self.models_ = self._prepare(X, classes[codes.numpy()])
        return self.models_

    def _columns(self, positive: list[Array]) -> NDArray[np.float64]:
        """Probabilities of the classes from those of the binary problems, normalised as scikit-learn does."""
        if len(positive) == 1:
            p_M = as_numpy(positive[0])
            return np.stack([1 - p_M, p_M], 1)
        p_M_C = np.stack([as_numpy(p_M) for p_M in positive], 1)
        p_M_C[p_M_C.sum(1) == 0] = 1.0  # no class at all: all alike
        return p_M_C / p_M_C.sum(1, keepdims=True)

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
        kernels = [copy.deepcopy(model.covar_module) for model in self.models_]  # a caller may change them
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
        results = [evidence_at(model, part) for model, part in zip(self.models_, parts, strict=True)]
        value = float(np.mean([result[0] for result in results]))
        gradients = np.stack([result[1] for result in results]) / n_classes
        gradient = gradients.sum(0) if shared else gradients.reshape(-1)
        return (value, gradient) if eval_gradient else value


def _positive(classes: NDArray[Any]) -> NDArray[Any]:
    """The class that each binary problem is about: one for two classes, one a class for more."""
    return classes[1:] if len(classes) == 2 else classes
