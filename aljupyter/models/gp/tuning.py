"""Hyperparameters of a fitted GP in plain numbers, and an estimator that keeps them at given values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from gpytorch.kernels import Kernel
from sklearn.base import clone

from aljupyter.errors import InvalidParameter
from aljupyter.models.gp.classifier import GPClassifier
from aljupyter.models.gp.kernels import LogInterval, make_kernel, set_theta
from aljupyter.models.gp.regressor import GPRegressor

SIGNAL, LENGTH, NOISE = "signal variance", "length scale", "noise variance"
_WORDS = {"outputscale": SIGNAL, "lengthscale": LENGTH, "period_length": "period"}


def hyperparameters(fitted: GPClassifier | GPRegressor, features: Sequence[str] = ()) -> dict[str, float]:
    """Those of the kernel, such as signal variance and length scales, and the noise variance in units of the target.

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
    """
    theta_P = np.atleast_2d(fitted.theta_).mean(0)
    names = _names(fitted.models_[0].covar_module, features)
    found = {
        name: float(np.exp(value) if is_log else value)
        for (name, is_log), value in zip(names.items(), theta_P[: len(names)], strict=True)
    }
    if isinstance(fitted, GPRegressor):
        found[NOISE] = float(fitted.noise_)
    return found


def fixed_at(
    fitted: GPClassifier | GPRegressor, values: Mapping[str, float], features: Sequence[str] = ()
) -> GPClassifier | GPRegressor:
    """An estimator, not fitted, that keeps its hyperparameters: those given, and the fitted ones for the rest.

    Raises
    ------
    NotFitted
    InvalidParameter
        For a name that there is not, or a value that is not finite, or not positive where it has to be.
    """
    known = hyperparameters(fitted, features)
    is_positive = {NOISE: True, **_names(fitted.models_[0].covar_module, features)}
    for name, value in values.items():
        if name not in known:
            raise InvalidParameter(f"There is no hyperparameter {name!r}; there are: {', '.join(known)}.")
        if not np.isfinite(value) or (is_positive[name] and value <= 0):
            raise InvalidParameter(f"{name} is a {'positive ' * is_positive[name]}number, got {value!r}.")
    chosen = {**known, **values}
    noise = chosen.pop(NOISE, None)
    kernel = make_kernel(fitted.models_[0].covar_module, fitted.n_features_in_)
    set_theta(kernel, np.array([np.log(value) if is_positive[name] else value for name, value in chosen.items()]))
    kept = clone(fitted).set_params(kernel=kernel, optimizer=None)
    return kept if noise is None else kept.set_params(noise=noise)


def _names(kernel: Kernel, features: Sequence[str]) -> dict[str, bool]:
    """What each entry of theta is called, and whether it is the logarithm of it."""
    free = []
    for path, parameter, constraint in kernel.named_parameters_and_constraints():
        if parameter.requires_grad:
            owner, _, raw = path.rpartition(".")
            part = type(kernel.get_submodule(owner)).__name__.removesuffix("Kernel")
            bare = raw.removeprefix("raw_")
            free.append(
                (part, _WORDS.get(bare, bare.replace("_", " ")), parameter, isinstance(constraint, LogInterval))
            )
    often = Counter(word for _, word, _, _ in free)
    names: dict[str, bool] = {}
    for part, word, parameter, is_log in free:
        name = word if often[word] == 1 else f"{word} of {part}"
        for entry in _entries(name, parameter.numel(), features):
            unique, k = entry, 2
            while unique in names:
                unique, k = f"{entry} ({k})", k + 1
            names[unique] = is_log
    return names


def _entries(name: str, n: int, features: Sequence[str]) -> list[str]:
    if n == 1:
        return [name]
    of = list(features) if len(features) == n else [str(j) for j in range(n)]
    return [f"{name} of {feature}" for feature in of]
