"""GPyTorch kernels whose raw parameters are the logarithms of the hyperparameters.

Everything that learns here moves one vector, `theta`: the free raw parameters of a GPyTorch module one after the other.
With :class:`LogInterval` a raw parameter *is* the log of its hyperparameter, so that for ``C * RBF`` theta is
(log signal variance, log length scale[s][, log noise variance]), scikit-learn's order and scale.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import gpytorch
import numpy as np
import torch
from gpytorch.constraints import Interval
from gpytorch.kernels import Kernel, RBFKernel, ScaleKernel
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.errors import ModelError, WrongShape

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
    rbf = RBFKernel(ard_num_dims=n_features if kernel == "ard" else None, lengthscale_constraint=LogInterval())
    return ScaleKernel(rbf, outputscale_constraint=LogInterval()).double()  # raw parameters start at 0: C = 1, l = 1


def _hold_logarithms(kernel: Kernel, n_features: int) -> Kernel:
    """Swap the constraint of every positive hyperparameter for a :class:`LogInterval`; values and bounds stay."""
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


def _free(module: gpytorch.Module) -> Iterator[tuple[torch.nn.Parameter, Interval | None]]:
    for _, parameter, constraint in module.named_parameters_and_constraints():
        if parameter.requires_grad:
            yield parameter, constraint


def free_parameters(module: gpytorch.Module) -> list[torch.nn.Parameter]:
    """The raw parameters that are learned, in the order of theta."""
    return [parameter for parameter, _ in _free(module)]


def get_theta(module: gpytorch.Module) -> NDArray[np.float64]:
    """The free raw parameters as one vector, shape (P,)."""
    parts = [parameter.detach().reshape(-1).cpu().numpy() for parameter in free_parameters(module)]
    return np.concatenate(parts) if parts else np.zeros(0)


def set_theta(module: gpytorch.Module, theta: NDArray[np.float64]) -> None:
    """Write the vector, shape (P,), into the free raw parameters."""
    parameters = free_parameters(module)
    sizes = [parameter.numel() for parameter in parameters]
    if np.shape(theta) != (sum(sizes),):
        raise WrongShape(f"theta must have {sum(sizes)} entries, one a hyperparameter; got shape {np.shape(theta)}.")
    values = torch.from_numpy(np.array(theta, dtype=np.float64))
    with torch.no_grad():
        for parameter, part in zip(parameters, values.split(sizes), strict=True):
            parameter.copy_(part.view_as(parameter))


def theta_bounds(module: gpytorch.Module) -> NDArray[np.float64]:
    """Lowest and highest theta that the constraints allow, shape (P, 2); infinite for unconstrained parameters."""
    rows = []
    for parameter, constraint in _free(module):
        if isinstance(constraint, LogInterval):
            ends = (constraint.lower_bound.log(), constraint.upper_bound.log())
        else:
            ends = (torch.tensor(-math.inf), torch.tensor(math.inf))
        rows.append(torch.stack([end.double().expand_as(parameter).reshape(-1).cpu() for end in ends], dim=1))
    return torch.cat(rows).numpy() if rows else np.zeros((0, 2))


def rms_distance(x: Tensor) -> float:
    """Root mean square distance between the points x, shape (N, D); 1 where no two points differ."""
    if len(x) < 2:
        return 1.0
    rms = (2 * x.var(0).sum()).sqrt().item()  # mean over pairs of (x_i - x_j)^2 is twice the unbiased variance
    return rms if rms > 0 else 1.0


def data_start(kernel: Kernel, x: Tensor, variance: float) -> None:
    """Set length scales to 0.7 of the typical distance, the signal variance as given: a start that suits the data."""
    log_length = math.log(0.7 * rms_distance(x))
    with torch.no_grad():
        for part in kernel.modules():
            if isinstance(part, Kernel) and part.has_lengthscale:
                part.raw_lengthscale.fill_(log_length)
            if isinstance(part, ScaleKernel):
                part.raw_outputscale.fill_(math.log(variance))
