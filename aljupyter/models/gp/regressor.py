"""The GP regressor, a scikit-learn estimator."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
import torch
from gpytorch.kernels import Kernel
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from torch import Tensor

from aljupyter.control import Control
from aljupyter.errors import ModelError
from aljupyter.models.gp.checks import check_features, check_fitted, check_parameters, check_targets
from aljupyter.models.gp.kernels import data_start, get_theta, make_kernel, set_theta
from aljupyter.models.gp.modules import RegressionGP, WarmStart, gaussian_likelihood
from aljupyter.models.gp.priors import hierarchical, noisy

#: added to learned noise, as scikit-learn's `alpha` is by default
_JITTER = 1e-10
#: the second start: most of the target's variance is signal
_START_VARIANCE, _START_NOISE = 1.0, 0.1


class GPRegressor(RegressorMixin, BaseEstimator):
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

    Attributes
    ----------
    theta_ : ndarray of shape (P,)
        Log hyperparameters: log C, log length scale(s), and log noise variance (of the scaled target) where learned.
    kernel_ : gpytorch.kernels.Kernel
    noise_ : float
        Variance of the noise, in squared units of the target.
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
    ):
        self.kernel = kernel
        self.prior = prior
        self.noise = noise
        self.normalize_y = normalize_y
        self.optimizer = optimizer
        self.device = device

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
        self, X: ArrayLike | Tensor, y: ArrayLike, warm: WarmStart | None = None, control: Control | None = None
    ) -> Self:
        """:meth:`fit` from where an earlier fit ended (with the "fast" optimizer), and with a way to cancel it.

        Raises
        ------
        RoundCancelled
            The estimator is to be thrown away then.
        """
        model, mean, scale = self._prepare(X, y)
        starts = [model.theta, self._second_start(model)]
        inverse_hessian = None
        if warm is not None and self.optimizer == "fast":
            starts, inverse_hessian = [warm.theta, starts[warm.turn % 2]], warm.inverse_hessian
        model.learn(self.optimizer, starts, inverse_hessian, control)
        self.model_, self._y_mean, self._y_scale = model, mean, scale
        return self

    def restore(self, X: ArrayLike | Tensor, y: ArrayLike, theta: NDArray[np.float64]) -> Self:
        """The fitted model again, bit for bit, from its hyperparameters; nothing is sought."""
        model, mean, scale = self._prepare(X, y)
        set_theta(model, theta)
        model.condition()
        self.model_, self._y_mean, self._y_scale = model, mean, scale
        return self

    def _prepare(self, X: ArrayLike | Tensor, y: ArrayLike) -> tuple[RegressionGP, float, float]:
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
        y_N = torch.as_tensor((targets - mean) / scale, device=x_N_D.device)
        jitter = _JITTER if self.noise is None else 0.0
        model = RegressionGP(kernel, x_N_D, y_N, self.prior is not None, likelihood, jitter)
        return model.to(x_N_D.device), mean, scale

    def _second_start(self, model: RegressionGP) -> NDArray[np.float64]:
        kernel = make_kernel(self.kernel, model.x_N_D.shape[1])
        data_start(kernel, model.x_N_D, _START_VARIANCE)
        log_noise = [math.log(_START_NOISE)] if self.noise is None else []
        return np.concatenate([get_theta(kernel), log_noise])

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
        check_fitted(self)
        x_M_D = check_features(self, X, reset=False, device=self.device)
        mean_M, std_M = self._in_target_units(*self.model_.latent(x_M_D))
        return (mean_M, std_M) if return_std else mean_M

    def leave_one_out(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and latent standard deviation at each labelled point given the other labels, (N,) each (R&W 5.12).

        At the hyperparameters, and with the centring and scaling, of the whole model.
        """
        check_fitted(self)
        return self._in_target_units(*self.model_.latent_without_itself())

    def _in_target_units(self, mean_M: Tensor, variance_M: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean_M, std_M = self._y_mean + self._y_scale * mean_M, self._y_scale * variance_M.sqrt()
        return mean_M.cpu().numpy(), std_M.cpu().numpy()

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    @property
    def theta_(self) -> NDArray[np.float64]:
        check_fitted(self)
        return self.model_.theta

    @property
    def kernel_(self) -> Kernel:
        check_fitted(self)
        return self.model_.covar_module

    @property
    def noise_(self) -> float:
        check_fitted(self)
        return self.model_.likelihood.noise.item() * self._y_scale**2

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
        value, gradient = self.model_.evidence_at(at)
        return (value, gradient) if eval_gradient else value
