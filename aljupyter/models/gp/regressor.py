"""The GP regressor, a scikit-learn estimator."""

from __future__ import annotations

import copy
import math
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from gpytorch.kernels import Kernel
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from torch import Tensor

from aljupyter.control import Control
from aljupyter.errors import ModelError
from aljupyter.models.gp.arrays import Array, as_numpy, begins_with, like
from aljupyter.models.gp.checks import (
    check_features,
    check_fitted,
    check_hypothetical,
    check_parameters,
    check_targets,
)
from aljupyter.models.gp.estimator import GPEstimator
from aljupyter.models.gp.export import ExactTwin, regression_twin
from aljupyter.models.gp.kernels import data_start, get_theta, make_kernel, set_theta, warn_of_scale
from aljupyter.models.gp.learning import evidence_at, learn
from aljupyter.models.gp.modules import RegressionGP, gaussian_likelihood
from aljupyter.models.gp.priors import hierarchical, noisy

#: added to learned noise, as scikit-learn's `alpha` is by default
_JITTER = 1e-10
#: other starts of the search: log noise variance, log signal variance, log length scale less that of the typical
#: distance. Mostly signal, for the first fit; then mostly noise and scikit-learn's own in turn, which find most of the
#: maxima that a loop would miss (measured over growing sets of labels)
_SIGNAL, _NOISE, _OWN = (math.log(0.1), 0.0, 0.0), (0.0, -1.0, 0.0), None
_STARTS = (_SIGNAL, _NOISE, _OWN, _NOISE, _OWN)


class GPRegressor(RegressorMixin, GPEstimator):
    """Gaussian process regressor: exact, with Gaussian noise (Rasmussen & Williams 2006, chapter 2).

    At the same hyperparameters it gives the numbers of scikit-learn's `GaussianProcessRegressor` with the kernel
    ``C * RBF + WhiteKernel``. Nothing in it is random.

    Parameters
    ----------
    kernel : {"ard", "rbf"} or gpytorch.kernels.Kernel
        "ard" is ``C * RBF`` with one length scale a feature, "rbf" with one for all.
    prior : {"default"} or None
        "default" is a hierarchical prior over the length scales of "ard" and "rbf" and one over signal and noise
        variance; it suits a normalised target. Against plain marginal likelihood it needs fewer labels and its
        intervals are less overconfident. A kernel of your own is used with the priors and constraints it has.
        None is the plain marginal likelihood within scikit-learn's bounds, 1e-5 to 1e5.
    noise : float, optional
        Variance of the observation noise, in squared units of the target. Learned where not given.
    normalize_y : bool
        Whether to centre and scale the target by its mean and standard deviation before the fit. The signal variance
        in `theta_` and `kernel_` is then in units of the scaled target.
    optimizer : {"fast", "faithful"} or None
        "fast" makes scikit-learn's search and one from a start that suits the data, and keeps the better optimum; in a
        loop it starts from the last fit's. "faithful" makes scikit-learn's search alone, from the kernel's initial
        hyperparameters each time. None keeps the initial hyperparameters: 1 for "ard" and "rbf", and for the noise (of
        the scaled target) where none is given.
    device : str or torch.device, optional
        Where to compute; the processor where not given.
    predict_dtype : {"float64", "float32"}
        Precision of the larger part of the work on predicted variances; all else is float64 always. "float32" takes
        less time for a large pool. Variances are then off by 1e-6 (1 + sqrt(s)) times the signal variance at most,
        with s the ratio of signal to noise variance (measured with up to 300 labels, 30 features and s up to 1e7).

    Attributes
    ----------
    theta_ : ndarray of shape (P,)
        Log hyperparameters: log C, log length scale(s), and log noise variance (of the scaled target) where learned.
    kernel_ : gpytorch.kernels.Kernel
    noise_ : float
        Variance of the noise, in squared units of the target.
    y_mean_, y_scale_ : float
        What the target was centred and scaled by.
    log_marginal_likelihood_value_ : float
        Of the scaled target, without prior.
    n_features_in_ : int

    Examples
    --------
    >>> model = GPRegressor(noise=1e-4).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 4.0])
    >>> mean, std = model.predict([[1.0]], return_std=True)
    >>> round(float(mean[0]), 2), bool(std[0] < 0.02)
    (1.0, True)
    """

    model_: RegressionGP
    n_features_in_: int

    def __init__(
        self,
        kernel: str | Kernel = "ard",
        *,
        prior: str | None = "default",
        noise: float | None = None,
        normalize_y: bool = True,
        optimizer: str | None = "fast",
        device: str | torch.device | None = None,
        predict_dtype: str = "float64",
    ):
        self.kernel = kernel
        self.prior = prior
        self.noise = noise
        self.normalize_y = normalize_y
        self.optimizer = optimizer
        self.device = device
        self.predict_dtype = predict_dtype

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn hyperparameters and condition on the targets.

        Parameters
        ----------
        X : array-like of shape (N, D)
        y : array-like of shape (N,)

        Raises
        ------
        NoLabels, WrongShape, NonFiniteFeatures, InvalidLabel
        """
        return self.fit_from(X, y)

    def fit_from(
        self, X: ArrayLike | Tensor, y: ArrayLike, last: GPRegressor | None = None, control: Control | None = None
    ) -> Self:
        """:meth:`fit` from where an earlier fit ended, and with a way to cancel it.

        Parameters
        ----------
        last : GPRegressor, optional
            Fitted in an earlier round, on the first of these points say; it stays as it is. Used by the "fast"
            optimizer, and where hyperparameters are fixed.
        control : Control, optional

        Raises
        ------
        RoundCancelled
            The estimator is to be thrown away then.
        """
        model, mean, scale = self._prepare(X, y, last)
        before = None
        if last is not None and len(last.model_.theta) == len(model.theta):
            before = [last.model_]
            model.is_ill_conditioned = last.model_.is_ill_conditioned
        starts = partial(self._data_starts, model.x_N_D)
        learn([model], self.optimizer, starts, before, self.prior is not None, control)
        model.warn_if_ill_conditioned()
        self.model_, self.y_mean_, self.y_scale_ = model, mean, scale
        return self

    def appended(self, x_N_D: Array | Tensor, y_N: NDArray[np.float64]) -> GPRegressor | None:
        """The same with the points at the end of these, O(n^2) each; None where these points do not continue its own.

        Hyperparameters, noise and, where the target is normalised, its scale must be fixed.
        """
        model, n = self.model_, len(self.model_.y_N)
        x_N_D = like(x_N_D, model.x_N_D)
        if self.normalize_y or not (n < len(x_N_D) <= 2 * n and begins_with(x_N_D, model.x_N_D)):
            return None
        targets = like(check_targets(y_N, len(x_N_D)), model.y_N)
        if not begins_with(targets, model.y_N):
            return None
        grown = type(self).__new__(type(self))  # copy.copy goes the slow way of pickles
        grown.__dict__.update(self.__dict__)
        grown.model_ = model.with_points(check_features(grown, x_N_D[n:], reset=False, device=self.device), targets[n:])
        grown.model_.warn_if_ill_conditioned()
        return grown

    def restore(self, X: Tensor, y: NDArray[np.float64], theta: NDArray[np.float64], factored_at: int) -> Self:
        """The fitted model again, bit for bit, from its hyperparameters (1, P); nothing is sought.

        Parameters
        ----------
        factored_at : int
            How many of the points were factored at once; the others are appended, as they were.
        """
        model, mean, scale = self._prepare(X, y)
        (theta_P,) = theta
        set_theta(model, theta_P)
        if factored_at < len(model.y_N):
            first = RegressionGP(
                model.covar_module,
                model.x_N_D[:factored_at],
                model.y_N[:factored_at],
                model.likelihood,
                model.jitter,
            )
            first.condition()
            model = first.with_points(model.x_N_D[factored_at:], model.y_N[factored_at:])
        else:
            model.condition()
        self.model_, self.y_mean_, self.y_scale_ = model, mean, scale
        return self

    def _prepare(
        self, X: ArrayLike | Tensor, y: ArrayLike, last: GPRegressor | None = None
    ) -> tuple[RegressionGP, float, float]:
        """Check the input; the model to be learned, mean and scale of the target."""
        check_parameters(self)
        if self.noise is not None and not (0 <= self.noise < math.inf):
            raise ModelError(f"noise is a variance, so 0 or more; got {self.noise!r}. None learns it.")
        x_N_D = check_features(self, X, reset=True, device=self.device)
        targets = check_targets(y, len(x_N_D))
        mean, scale = (float(targets.mean()), float(targets.std())) if self.normalize_y else (0.0, 1.0)
        if scale <= 10 * np.finfo(float).eps * abs(mean):  # targets that do not differ
            scale = 1.0
        kernel = make_kernel(self.kernel, x_N_D.shape[1])
        likelihood = gaussian_likelihood(None if self.noise is None else self.noise / scale**2)
        if self.prior == "default" and isinstance(self.kernel, str):
            hierarchical(kernel, x_N_D)
            if self.noise is None:
                noisy(likelihood)
        elif isinstance(self.kernel, str) and self.optimizer is not None and last is None:
            warn_of_scale(x_N_D)
        y_N = like((targets - mean) / scale, x_N_D)
        jitter = _JITTER if self.noise is None else 0.0
        known = last.model_.covariance if last is not None else None
        if self.device is not None:
            kernel, likelihood = kernel.to(self.device), likelihood.to(self.device)
        return RegressionGP(kernel, x_N_D, y_N, likelihood, jitter, known), mean, scale

    def _data_starts(self, x_N_D: Array) -> list[NDArray[np.float64]]:
        starts = []
        for start in _STARTS:
            kernel = make_kernel(self.kernel, x_N_D.shape[1])
            if start is None:
                theta, log_noise = get_theta(kernel), 0.0
            else:
                log_noise, *of_kernel = start
                theta = data_start(kernel, x_N_D, *of_kernel)
            starts.append(np.append(theta, log_noise) if self.noise is None else theta)
        return starts

    def predict(
        self, X: ArrayLike | Tensor, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean, and standard deviation of the latent function, at new points.

        Parameters
        ----------
        X : array-like of shape (M, D)
        return_std : bool
            Whether to return the standard deviation too: of the function, without the noise of an observation.

        Returns
        -------
        mean : ndarray of shape (M,)
        std : ndarray of shape (M,), with `return_std`
            In units of the target.

        Raises
        ------
        NotFitted, WrongShape, NonFiniteFeatures
        """
        mean_M, variance_M = self.moments(X)
        return (mean_M, np.sqrt(variance_M)) if return_std else mean_M

    def leave_one_out(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and latent standard deviation at each labelled point given the other labels, (N,) each (R&W 5.12).

        At the hyperparameters, and with the centring and scaling, of the whole model.
        """
        check_fitted(self)
        mean_N, variance_N = self.in_target_units(*self.model_.latent_without_itself())
        return mean_N, np.sqrt(variance_N)

    def moments(self, X: ArrayLike | Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of the latent function in units of the target, (M,) each."""
        check_fitted(self)
        x_M_D = check_features(self, X, reset=False, device=self.device)
        return self.in_target_units(*self.model_.latent(x_M_D, self.predict_dtype))

    def in_target_units(self, mean_M: Array, variance_M: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance in units of the target from those of the scaled one."""
        return as_numpy(mean_M) * self.y_scale_ + self.y_mean_, as_numpy(variance_M) * self.y_scale_**2

    def fantasize(self, x: ArrayLike | Tensor, y: ArrayLike) -> GPRegressor:
        """What the model would be if these points had these targets: at the same hyperparameters, without a fit.

        Centre and scale of the target stay as they are.

        Parameters
        ----------
        x : array-like of shape (D,) or (K, D)
        y : float, or array-like of shape (K,)
            In units of the target.

        Returns
        -------
        GPRegressor
            A new one, fitted; this one stays as it is.

        Raises
        ------
        NotFitted, InvalidLabel, WrongShape, NonFiniteFeatures
        """
        check_fitted(self)
        x_K_D = check_hypothetical(self, x, self.device)
        targets = check_targets(np.atleast_1d(y), len(x_K_D))
        grown = copy.copy(self)
        grown.model_ = self.model_.with_points(x_K_D, (targets - self.y_mean_) / self.y_scale_)
        return grown

    def to_exact_gp(self) -> ExactTwin:
        """The model as a GPyTorch `ExactGP` in eval mode, in units of the target: a copy.

        Its mean is the constant that targets were centred by. `covariance_matrix` of what it gives is exact, while
        GPyTorch's `variance` is never below `gpytorch.settings.min_variance`, 1e-10 in squared units of the target.
        """
        check_fitted(self)
        return regression_twin(self.model_, self.y_mean_, self.y_scale_)

    def _units(self) -> tuple[float, float]:
        return self.y_mean_, self.y_scale_

    def _facts(self) -> dict[str, Any]:
        return {"y_mean": self.y_mean_, "y_scale": self.y_scale_}

    def _rebuilt(self, X: Tensor, y_B_N: Tensor, facts: dict[str, Any]) -> tuple[RegressionGP]:
        mean, scale = float(facts["y_mean"]), float(facts["y_scale"])
        self.model_, _, _ = self._prepare(X, (mean + scale * y_B_N[0]).numpy())
        self.model_.y_N, self.y_mean_, self.y_scale_ = like(y_B_N[0], self.model_.x_N_D), mean, scale
        return (self.model_,)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    @property
    def models_(self) -> tuple[RegressionGP]:
        """The one GP, as the classifier has one or several."""
        check_fitted(self)
        return (self.model_,)

    @property
    def theta_(self) -> NDArray[np.float64]:
        check_fitted(self)
        return self.model_.theta

    @property
    def kernel_(self) -> Kernel:
        check_fitted(self)
        return copy.deepcopy(self.model_.covar_module)  # a caller may change it

    @property
    def noise_(self) -> float:
        check_fitted(self)
        return self.model_.noise * self.y_scale_**2

    @property
    def log_marginal_likelihood_value_(self) -> float:
        check_fitted(self)
        return self.model_.log_evidence_

    def log_marginal_likelihood(
        self, theta: ArrayLike | None = None, eval_gradient: bool = False
    ) -> float | tuple[float, NDArray[np.float64]]:
        """Log marginal likelihood of the scaled target (R&W 2.30), without prior.

        Parameters
        ----------
        theta : array-like of shape (P,), optional
            Log hyperparameters; the fitted ones where not given.
        eval_gradient : bool
            Whether to return the gradient by theta too.
        """
        check_fitted(self)
        at = self.model_.theta if theta is None else np.asarray(theta, dtype=np.float64)
        value, gradient = evidence_at(self.model_, at)
        return (value, gradient) if eval_gradient else value
