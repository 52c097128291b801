"""Hyperparameters of a fitted GP in plain numbers, and an estimator that keeps them at given values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.base import clone

from aljupyter.errors import InvalidParameter, ModelLacks
from aljupyter.models.gp.classifier import GPClassifier
from aljupyter.models.gp.kernels import is_scaled_rbf, make_kernel, set_theta
from aljupyter.models.gp.regressor import GPRegressor

SIGNAL, LENGTH, NOISE = "signal variance", "length scale", "noise variance"


def hyperparameters(fitted: GPClassifier | GPRegressor, features: Sequence[str] = ()) -> dict[str, float]:
    """Signal variance and length scales of a kernel ``C * RBF``, and the noise variance, in units of the target.

    Of one GP a class the geometric means over the classes. The signal variance of a regressor is that of the
    target as it was scaled for the fit.

    Parameters
    ----------
    fitted : GPClassifier or GPRegressor
    features : sequence of str, optional
        Names for the length scales of the features, where each has its own.

    Raises
    ------
    NotFitted
    ModelLacks
        For a kernel of another form.
    """
    theta_P = np.atleast_2d(fitted.theta_).mean(0)
    kernel = fitted.models_[0].covar_module
    if not is_scaled_rbf(kernel):
        raise ModelLacks(f"Hyperparameters have names for kernels C * RBF only; this one is {fitted.kernel!r}.")
    n_lengths = kernel.base_kernel.lengthscale.numel()
    found = {SIGNAL: float(np.exp(theta_P[0]))}
    found.update(zip(_lengths(n_lengths, features), np.exp(theta_P[1 : 1 + n_lengths]).tolist(), strict=True))
    if isinstance(fitted, GPRegressor):
        found[NOISE] = float(fitted.noise_)
    return found


def fixed_at(
    fitted: GPClassifier | GPRegressor, values: Mapping[str, float], features: Sequence[str] = ()
) -> GPClassifier | GPRegressor:
    """An estimator, not fitted, that keeps its hyperparameters: those given, and the fitted ones for the rest.

    Raises
    ------
    InvalidParameter
        For a name that there is not, or a value that is not positive and finite.
    """
    known = hyperparameters(fitted, features)
    for name, value in values.items():
        if name not in known:
            raise InvalidParameter(f"There is no hyperparameter {name!r}; there are: {', '.join(known)}.")
        if not (np.isfinite(value) and value > 0):
            raise InvalidParameter(f"{name} is a positive number, got {value!r}.")
    chosen = {**known, **values}
    noise = chosen.pop(NOISE, None)
    lengths = len(chosen) - 1
    kernel = make_kernel("ard" if lengths > 1 else "rbf", fitted.n_features_in_)
    set_theta(kernel, np.log(list(chosen.values())))
    kept = clone(fitted).set_params(kernel=kernel, optimizer=None)
    return kept if noise is None else kept.set_params(noise=noise)


def _lengths(n: int, features: Sequence[str]) -> list[str]:
    if n == 1:
        return [LENGTH]
    names = list(features) if len(features) == n else [str(j) for j in range(n)]
    return [f"{LENGTH} of {name}" for name in names]
