"""Fitted estimators as files: one .safetensors file each, with tensors and text, and no code that could run.

The posterior itself is in the file, so that a loaded estimator predicts the same bits on any machine, and at once.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import torch
from gpytorch.kernels import Kernel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from aljupyter import __version__
from aljupyter.errors import AlJupyterError, ModelError
from aljupyter.models.gp.arrays import Array, as_tensor, like
from aljupyter.models.gp.covariance import ARDRBF, AnyKernel, IsotropicRBF
from aljupyter.models.gp.exact import Conditioned
from aljupyter.models.gp.laplace import Laplace
from aljupyter.models.gp.modules import ClassificationGP, RegressionGP
from aljupyter.models.gp.process import GaussianProcess
from aljupyter.models.gp.tracks import Track

Estimator = TypeVar("Estimator")
AnyPath = str | os.PathLike[str]

#: the layout of the file; another one gets another number
_FORMAT = "aljupyter GP 1"
# Covariances of a few points are in the file: a kernel with the same parameters may still be another function.
_N_PROBES, _PROBE_TOLERANCE = 16, 1e-6


def save(estimator: Any, path: AnyPath) -> None:
    """Write a fitted :class:`GPEstimator` to a file; see there."""
    arrays = {"x": estimator.models_[0].x_N_D}
    for b, model in enumerate(estimator.models_):
        arrays |= {f"{b}.{name}": value for name, value in _arrays_of(model).items()}
    tensors = {name: _own_tensor(value) for name, value in arrays.items()}
    _write(Path(path), to_bytes(tensors, _metadata_of(estimator)))


def load(kind: type[Estimator], path: AnyPath, kernel: Kernel | None) -> Estimator:
    """Read a fitted estimator of a class from a file; see :meth:`GPEstimator.load`."""
    tensors, metadata = _read(Path(path))
    _check_class(kind.__name__, metadata, path)
    parameters = _parameters(metadata, kernel, path)
    try:
        estimator = kind(**parameters)
        _fill(estimator, tensors, metadata)
    except AlJupyterError as error:
        raise ModelError(f"{path} cannot be loaded: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged, or was not written by `save`: {error!r}.") from error
    return estimator


def _arrays_of(model: GaussianProcess) -> dict[str, Array]:
    arrays = {"y": model.y_N, "theta": model.theta, "probe": _probe(model)}
    if isinstance(model.covariance, IsotropicRBF | ARDRBF):
        arrays["centre"] = model.covariance.centre_D
    arrays |= {f"state.{name}": value for name, value in model.state_dict().items()}
    posterior = model.posterior
    return arrays | {f"posterior.{field.name}": getattr(posterior, field.name) for field in fields(posterior)}


def _own_tensor(value: Array) -> Tensor:
    """A copy: models may share memory, which this format refuses."""
    tensor = value.detach().cpu() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return tensor.clone(memory_format=torch.contiguous_format)


def _probe(model: GaussianProcess) -> Tensor:
    """Prior covariances of the first few points."""
    x_K_D = model.x_N_D[:_N_PROBES]
    return as_tensor(model.covariance.between(model.kernel_theta, x_K_D, x_K_D)).cpu()


def _metadata_of(estimator: Any) -> dict[str, str]:
    parameters = estimator.get_params(deep=False)
    if isinstance(parameters["kernel"], Kernel):
        parameters["kernel"] = None
    if parameters["device"] is not None:
        parameters["device"] = str(parameters["device"])
    try:
        facts = _to_json(estimator._facts())
    except TypeError as error:
        raise ModelError(f"Class labels must be numbers, strings or booleans to be saved: {error}.") from error
    return {
        "format": _FORMAT,
        "class": type(estimator).__name__,
        "version": __version__,
        "parameters": _to_json(parameters),
        "kernel": str(estimator.models_[0].covar_module),
        "facts": facts,
        "features": _to_json(getattr(estimator, "feature_names_in_", np.array([])).tolist()),
        "models": _to_json([_notes_of(model) for model in estimator.models_]),
    }


def _notes_of(model: GaussianProcess) -> dict[str, Any]:
    """What later fits take from a model beside its posterior."""
    arrays = {field.name: getattr(model.posterior, field.name) for field in fields(model.posterior)}
    notes: dict[str, Any] = {
        "track": model.track.to_json(),
        # the file counts rows first; the last bits of a product depend on the order in memory
        "columns_first": [name for name, array in arrays.items() if _counts_columns_first(array)],
    }
    if isinstance(model, RegressionGP):
        notes |= {"is_ill_conditioned": model.is_ill_conditioned, "factored_at": model.factored_at}
    return notes


def _counts_columns_first(array: Array) -> bool:
    strides = array.stride() if isinstance(array, Tensor) else np.asarray(array).strides
    return len(strides) == 2 and strides[0] < strides[1]


def _to_json(value: Any) -> str:
    return json.dumps(value, default=_number)


def _number(value: Any) -> Any:
    """A scalar of numpy's as one of Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is a {type(value).__name__}")


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: written beside the place, then moved there."""
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with path.open("rb"):  # whose errors say what is wrong with the path
            pass
        with safe_open(path, framework="pt") as file:
            # copies: what safetensors gives reads from the file as long as it lives
            return {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"{path} is no whole .safetensors file: {error}. Save the model again.") from error


def _check_class(name: str, metadata: dict[str, str], path: AnyPath) -> None:
    if metadata.get("format") != _FORMAT:
        raise ModelError(
            f"{path} was not written by `{name}.save` of this version (its format is {metadata.get('format')!r}, "
            f"expected {_FORMAT!r})."
        )
    if metadata.get("class") != name:
        raise ModelError(f"{path} holds a {metadata.get('class')}, not a {name}: load it with that class.")


def _parameters(metadata: dict[str, str], kernel: Kernel | None, path: AnyPath) -> dict[str, Any]:
    """Constructor parameters, with the kernel that the file does not hold."""
    try:
        parameters = dict(json.loads(metadata["parameters"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is damaged: its parameters cannot be read ({error!r}).") from error
    if parameters.get("kernel") is None:
        if kernel is None:
            raise ModelError(
                f"{path} was saved with a kernel of your own, which is code and not in the file: give "
                f"load(path, kernel=<the same kernel>). It was {metadata.get('kernel')}"
            )
        parameters["kernel"] = kernel
    elif kernel is not None:
        raise ModelError(f"{path} was saved with the kernel {parameters['kernel']!r}: leave out `kernel`.")
    device = parameters.get("device")
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        warnings.warn(f"{path} was saved on {device}, which is not here: it computes on the processor.", stacklevel=4)
        parameters["device"] = None
    return parameters


def _fill(estimator: Any, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Set all that a fit sets."""
    notes = json.loads(metadata["models"])
    y_B_N = torch.stack([tensors[f"{b}.y"] for b in range(len(notes))])
    models = estimator._rebuilt(tensors["x"], y_B_N, json.loads(metadata["facts"]))
    for b, (model, note) in enumerate(zip(models, notes, strict=True)):
        prefix = f"{b}."
        _fill_model(model, {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}, note)
    names = json.loads(metadata["features"])
    if len(names) not in (0, estimator.n_features_in_):
        raise ValueError(f"{len(names)} names for {estimator.n_features_in_} features")
    if names:
        estimator.feature_names_in_ = np.array(names, dtype=object)


def _fill_model(model: GaussianProcess, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
    state = {name.removeprefix("state."): value for name, value in tensors.items() if name.startswith("state.")}
    theta = tensors["theta"].numpy()
    try:
        model.load_state_dict(state)
        if isinstance(model.covariance, AnyKernel):  # which has a copy of what is not learned
            model.covariance = AnyKernel(model.covar_module, model.x_N_D)
        elif "centre" in tensors and isinstance(model.covariance, IsotropicRBF | ARDRBF):
            model.covariance.centre_D = like(tensors["centre"], model.x_N_D)
        same = np.array_equal(model.theta, theta) and _is_close(_probe(model), tensors["probe"])
    except RuntimeError as error:
        raise ModelError(f"the kernel is not built as the saved one was. {error}") from error
    if not same:
        raise ModelError(
            "the kernel has the parameters of the saved one, but is another function (a smoothness `nu`, say, or "
            "features that it leaves out), or learns others of them."
        )
    kind = Laplace if isinstance(model, ClassificationGP) else Conditioned
    parts = {field.name: tensors[f"posterior.{field.name}"] for field in fields(kind)}
    n_points = len(model.y_N)
    for name, part in parts.items():
        if not all(size == n_points for size in part.shape):
            raise ValueError(f"{name} has shape {tuple(part.shape)} for {n_points} points")
        if name in notes["columns_first"]:
            parts[name] = part.mT.contiguous().mT
    model.posterior = kind(**{name: like(part, model.x_N_D) for name, part in parts.items()})
    model.at = theta
    model.track = Track.from_json(notes["track"])
    if isinstance(model, RegressionGP):
        model.is_ill_conditioned, model.factored_at = notes["is_ill_conditioned"], notes["factored_at"]


def _is_close(found: Tensor, saved: Tensor) -> bool:
    return found.shape == saved.shape and bool((found - saved).abs().max() <= _PROBE_TOLERANCE * saved.abs().max())
