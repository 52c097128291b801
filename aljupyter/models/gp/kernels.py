"""GPyTorch kernels whose raw parameters are the logarithms of the hyperparameters.

Everything that learns here moves one vector, `theta`: the free raw parameters of a GPyTorch module one after the other.
With :class:`LogInterval` a raw parameter *is* the log of its hyperparameter, so that for ``C * RBF`` theta is
(log signal variance, log length scale[s][, log noise variance]), scikit-learn's order and scale.
"""

from __future__ import annotations

import copy
import functools
import math
import warnings

import gpytorch
import numpy as np
import torch
from gpytorch.constraints import Interval
from gpytorch.kernels import Kernel, RBFKernel, ScaleKernel
from gpytorch.priors import Prior
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.errors import ModelError, WrongShape
from aljupyter.models.gp.arrays import Array

#: raw parameters that are learned, in the order of theta, and their constraints
Free = list[tuple[torch.nn.Parameter, Interval | None]]

#: scikit-learn's bounds of every hyperparameter
WIDEST = (1e-5, 1e5)


class LogInterval(Interval):
    """A positive hyperparameter that is held as its logarithm.

    The bounds are for the optimiser: it stays within them by steps in a box. (GPyTorch's own `Interval` bends the
    parameter space with a sigmoid instead, in which an optimum at a bound is infinitely far away.)

    Parameters
    ----------
    lower, upper : float or Tensor
        Bounds of the hyperparameter itself, 0 < lower < upper.
    """

    def __init__(self, lower: float | Tensor = WIDEST[0], upper: float | Tensor = WIDEST[1]):
        super().__init__(0.0, math.inf, transform=torch.exp, inv_transform=torch.log)
        self.lower_bound = torch.as_tensor(lower, dtype=torch.float64)  # the parent would round them to float32
        self.upper_bound = torch.as_tensor(upper, dtype=torch.float64)
        self.log_bounds = tuple(bound.log().cpu().numpy() for bound in (self.lower_bound, self.upper_bound))

    def transform(self, tensor: Tensor) -> Tensor:
        return tensor.exp()

    def inverse_transform(self, transformed_tensor: Tensor) -> Tensor:
        return transformed_tensor.log()


def make_kernel(kernel: str | Kernel, n_features: int) -> Kernel:
    """A kernel of its own for one model, float64, its positive hyperparameters held as logarithms.

    Parameters
    ----------
    kernel : {"rbf", "ard"} or gpytorch.kernels.Kernel
        ``C * RBF`` with one length scale, with one a feature, or any kernel (copied; its values are the first start).
    n_features : int

    Raises
    ------
    ModelError
        For an unknown name.
    WrongShape
        Where the kernel has length scales for another number of features.
    """
    if isinstance(kernel, Kernel):
        return _hold_logarithms(copy.deepcopy(kernel).double(), n_features)
    if kernel not in ("rbf", "ard"):
        raise ModelError(f'kernel must be "rbf", "ard" or a GPyTorch kernel such as MaternKernel(), got {kernel!r}.')
    return copy_of(_scaled_rbf(n_features if kernel == "ard" else None))


@functools.cache
def _scaled_rbf(ard_num_dims: int | None) -> ScaleKernel:
    """The pattern that is copied: to build one takes longer than to fit a few points."""
    rbf = RBFKernel(ard_num_dims=ard_num_dims, lengthscale_constraint=LogInterval())
    pattern = ScaleKernel(rbf, outputscale_constraint=LogInterval()).double()  # raw parameters start at 0: C = 1, l = 1
    pattern.is_named = True
    return pattern


def is_scaled_rbf(kernel: Kernel) -> bool:
    """Whether theta is (log C, log l...) of a plain C * RBF on all features, all of it free."""
    if vars(kernel).get("is_named"):
        return True
    if type(kernel) is not ScaleKernel or type(kernel.base_kernel) is not RBFKernel:
        return False
    return all(
        part.active_dims is None
        and not part.batch_shape
        and all(parameter.requires_grad for parameter in part.parameters())
        and all(isinstance(constraint, LogInterval) for constraint in part.constraints())
        for part in (kernel, kernel.base_kernel)
    )


def _hold_logarithms(kernel: Kernel, n_features: int) -> Kernel:
    """Swap the constraint of every positive hyperparameter for a :class:`LogInterval`; values and bounds stay."""
    vars(kernel).pop("is_named", None)  # where it is a copy of an estimator's: who knows what was changed
    for part in kernel.modules():
        if not isinstance(part, gpytorch.Module):
            continue
        wanted = getattr(part, "ard_num_dims", None)
        if wanted not in (None, 1, n_features) and part.active_dims is None and kernel.active_dims is None:
            raise WrongShape(
                f"The kernel has length scales for {wanted} features (ard_num_dims), the data have {n_features}."
            )
        for name, raw in part.named_parameters(recurse=False):
            constraint = part.constraint_for_parameter_name(name)
            if constraint is None or isinstance(constraint, LogInterval) or bool((constraint.lower_bound < 0).any()):
                continue
            lower = torch.where(constraint.lower_bound > 0, constraint.lower_bound, WIDEST[0])
            upper = torch.where(constraint.upper_bound < math.inf, constraint.upper_bound, WIDEST[1])
            value = constraint.transform(raw.data)
            part.register_constraint(name, LogInterval(lower, upper))
            raw.data = value.log()
    return kernel


def copy_of(module: gpytorch.Module) -> gpytorch.Module:
    """A copy with parameters of its own that shares constraints and priors: ten times cheaper than a deep copy."""
    twin = module.__new__(type(module))
    twin.__dict__.update(vars(module))
    for name in {"_parameters", "_modules", "_constraints", "_priors"} & vars(module).keys():
        twin.__dict__[name] = vars(module)[name].copy()
    for name, parameter in twin._parameters.items():
        if parameter is not None:
            twin._parameters[name] = torch.nn.Parameter(parameter.detach().clone(), parameter.requires_grad)
    for name, child in twin._modules.items():
        if not isinstance(child, Interval | Prior):
            twin._modules[name] = copy_of(child)
    return twin


def free_parameters(module: gpytorch.Module) -> Free:
    """The raw parameters that are learned, in the order of theta, and their constraints."""
    if vars(module).get("is_named"):
        parts = (module, "raw_outputscale"), (module.base_kernel, "raw_lengthscale")
        return [(part._parameters[name], part._constraints[f"{name}_constraint"]) for part, name in parts]
    return [
        (parameter, constraint)
        for _, parameter, constraint in module.named_parameters_and_constraints()
        if parameter.requires_grad
    ]


def flat(free: Free) -> NDArray[np.float64]:
    """Parameters one after the other, shape (P,)."""
    parts = [parameter.detach().cpu().numpy().reshape(-1) for parameter, _ in free]
    return np.concatenate(parts) if parts else np.zeros(0)


def write(free: Free, theta: NDArray[np.float64]) -> None:
    """Write a vector, shape (P,), into parameters."""
    n_parameters = sum(parameter.numel() for parameter, _ in free)
    if np.shape(theta) != (n_parameters,):
        raise WrongShape(f"theta must have {n_parameters} entries, one a hyperparameter; got shape {np.shape(theta)}.")
    values, start = np.array(theta, dtype=np.float64), 0
    for parameter, _ in free:
        part = values[start : start + parameter.numel()].reshape(parameter.shape)
        start += parameter.numel()
        parameter.data.copy_(torch.from_numpy(part))


def get_theta(module: gpytorch.Module) -> NDArray[np.float64]:
    """The free raw parameters of a module as one vector, shape (P,)."""
    return flat(free_parameters(module))


def set_theta(module: gpytorch.Module, theta: NDArray[np.float64]) -> None:
    """Write the vector, shape (P,), into the free raw parameters of a module."""
    write(free_parameters(module), theta)


def bounds_of(free: Free) -> NDArray[np.float64]:
    """Lowest and highest theta that the constraints allow, shape (P, 2); infinite for unconstrained parameters."""
    bounds, start = np.empty((sum(parameter.numel() for parameter, _ in free), 2)), 0
    for parameter, constraint in free:
        part = bounds[start : start + parameter.numel()].reshape(*parameter.shape, 2)
        start += parameter.numel()
        lower, upper = constraint.log_bounds if isinstance(constraint, LogInterval) else (-math.inf, math.inf)
        part[..., 0], part[..., 1] = lower, upper
    return bounds


def theta_bounds(module: gpytorch.Module) -> NDArray[np.float64]:
    """:func:`bounds_of` the free raw parameters of a module, shape (P, 2)."""
    return bounds_of(free_parameters(module))


def rms_distance(x: Array) -> float:
    """Root mean square distance between the points x, shape (N, D); 1 where no two points differ."""
    if len(x) < 2:
        return 1.0
    # the mean over pairs of (x_i - x_j)^2 is twice the unbiased variance
    rms = math.sqrt(2 * float(((x - x.mean(0)) ** 2).sum()) / (len(x) - 1))
    return rms if rms > 0 else 1.0


def warn_of_scale(x: Array) -> None:
    """Say where no length scale within :data:`WIDEST` suits the points x, (N, D)."""
    rms = rms_distance(x)
    if not 10 * WIDEST[0] <= rms <= 10 * WIDEST[1]:
        warnings.warn(
            f"The points are {rms:.1e} apart, typically, and length scales are sought within {WIDEST[0]:g} to "
            f"{WIDEST[1]:g}: the model can learn little. Standardise the features.",
            RuntimeWarning,
            stacklevel=2,
        )


def data_start(kernel: Kernel, x: Array, log_variance: float, log_length: float) -> NDArray[np.float64]:
    """A theta that suits the points x, (N, D); what it says nothing about stays as it is in the kernel.

    Parameters
    ----------
    log_variance : float
        Logarithm of the signal variance.
    log_length : float
        Logarithm of the length scale, in units of 0.7 times the rms distance of the points.
    """
    log_length += math.log(0.7 * rms_distance(x))
    for part in kernel.modules():
        if isinstance(part, Kernel) and part.has_lengthscale:
            part.raw_lengthscale.data.fill_(log_length)
        if isinstance(part, ScaleKernel):
            part.raw_outputscale.data.fill_(log_variance)
    return get_theta(kernel)
