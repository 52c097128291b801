"""What strategies ask of a model beyond its posterior, and the errors where one does not have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError, ModelLacks, NonFiniteFeatures, WrongShape
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, JointCovariance

if TYPE_CHECKING:
    from aljupyter.strategies.pool import Pool

#: What a strategy may need, and who has it.
NEEDS = {
    "model": ("a fitted model", "Every model, once it is fitted"),
    "draws": ("draws from its posterior", "GPClassifier"),
    "functions": ("draws that are one function at all points", "GPClassifier and GPRegressor"),
    "covariance": ("covariances between points", "GPRegressor"),
    "embedding": ("a representation of points", "Every model; a GP's are its inputs"),
    "gradients": ("gradients of its last layer", "GPClassifier and GPRegressor"),
    "fantasies": ("posteriors after hypothetical labels", "GPClassifier and GPRegressor"),
}


def lacks(who: object, model: object, need: str) -> ModelLacks:
    """The error of a strategy for a model that does not have what it needs."""
    what, have = NEEDS[need]
    return ModelLacks(f"{who!r} needs a model with {what}, and {model!r} has none. {have} can be asked for them.")


def fitted(pool: Pool, who: object) -> ModelManager:
    """The model of a pool.

    Raises
    ------
    ModelError
        If there is none yet.
    """
    if pool.model is None:
        raise ModelError(
            f"{who!r} asks the model, and no model is fitted yet. Label some points first "
            f"(a model-free strategy such as Random() can choose them)."
        )
    return pool.model


def functions(
    pool: Pool, k: int, generator: np.random.Generator, who: object, rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Draws from the posterior about the unlabelled points, each one function at all of them.

    Returns
    -------
    array of shape (k, N, C), class probabilities; or (k, N), values of the latent function
        At the positions `rows` only where given.

    Raises
    ------
    ModelError, ModelLacks
    """
    model, posterior = fitted(pool, who), pool.posterior
    chosen = None if rows is None else torch.from_numpy(np.asarray(rows, dtype=np.int64))
    if isinstance(posterior, ClassPosterior):
        try:
            return posterior.sample(k, generator, chosen).numpy()
        except ModelLacks as error:
            raise lacks(who, model, "functions") from error
    if posterior.draws_S_N is None and posterior.joint is None:
        raise lacks(who, model, "functions")
    draws = posterior.sample(k, generator)
    return (draws if chosen is None else draws[:, chosen]).numpy()


def covariance(pool: Pool, who: object) -> JointCovariance:
    """Covariances between the unlabelled points; raises ModelError and ModelLacks."""
    model, joint = fitted(pool, who), pool.posterior.joint
    if joint is None:
        raise lacks(who, model, "covariance")
    return joint


def embedding(pool: Pool, view: Subset, who: object) -> NDArray[np.floating]:
    """The model's representation of the points of a view, shape (N, E).

    Raises
    ------
    ModelError, WrongShape, NonFiniteFeatures
    """
    return _finite(fitted(pool, who).embed(view), who, len(view))


def gradients(pool: Pool, view: Subset, who: object) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Factors (N, C) and (N, E) of the gradients at the points of a view: a point's is their outer product.

    Raises
    ------
    ModelError, ModelLacks, WrongShape, NonFiniteFeatures
    """
    model = fitted(pool, who)
    is_pool = view is pool.unlabelled
    if is_pool and "gradients" in pool.memo:
        known: tuple[NDArray[np.floating], NDArray[np.floating]] = pool.memo["gradients"]
        return known
    try:
        residual, embed = model.gradient_embed(view, pool.posterior if is_pool else None)
    except ModelLacks as error:
        raise lacks(who, model, "gradients") from error
    found = _finite(residual, who, len(view)), _finite(embed, who, len(view))
    if is_pool:
        pool.memo["gradients"] = found
    return found


def fantasies(pool: Pool, who: object) -> Callable[..., ModelManager]:
    """What gives a manager as if some points had some labels, called with (x_K_D, y_K).

    Raises
    ------
    ModelError, ModelLacks
    """
    model: Any = fitted(pool, who)
    if not callable(getattr(model, "fantasize", None)):
        raise lacks(who, model, "fantasies")
    imagine: Callable[..., ModelManager] = model.fantasize
    return imagine


def check_length(rows: Any, n_points: int, what: str) -> None:
    """Refuse representations that are not one row a point.

    Raises
    ------
    WrongShape
    """
    if rows.ndim < 2 or len(rows) != n_points:
        raise WrongShape(
            f"An embedding has one row for each of {n_points} points; {what} has the shape {tuple(rows.shape)}."
        )


def _finite(values: Any, who: object, n_points: int) -> NDArray[np.floating]:
    rows = values.detach().cpu()
    check_length(rows, n_points, f"what the model makes of the points, for {who!r}")
    array: NDArray[np.floating] = rows.flatten(1).numpy()
    if not np.isfinite(array).all():
        raise NonFiniteFeatures(f"What the model makes of the points is not finite, so {who!r} cannot compare them.")
    return array
