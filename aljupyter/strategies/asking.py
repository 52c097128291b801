"""How a strategy is asked: restrictions before, checks after. The learner and `Strategy.query` both come here."""

from __future__ import annotations

from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree

from aljupyter.errors import EmptyPool, InvalidScores, InvalidSelection, QuerySizeError, WrongTask
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.query import Query, Scores, frozen_array

if TYPE_CHECKING:
    from aljupyter.data.manager import DataManager
    from aljupyter.models.base import ModelManager
    from aljupyter.strategies.base import Strategy


def pool_of(
    strategy: Strategy, model: ModelManager | None, data: DataManager, generator: np.random.Generator | int
) -> Pool:
    """What a strategy is shown of data and a model.

    Raises
    ------
    WrongTask
        If the model is for another task than the data.
    """
    if model is not None:
        from aljupyter.models import as_manager

        model = as_manager(model)
        if model.task != data.task:
            raise WrongTask(f"{model!r} is a model for {model.task}, and the data are for {data.task}.")
    if isinstance(generator, bool) or not isinstance(generator, Integral | np.random.Generator):
        raise WrongTask(f"A numpy.random.Generator or a seed is expected, got {generator!r}.")
    seed = int(generator) if isinstance(generator, Integral) else int(generator.integers(2**62))
    return Pool(data.unlabelled, data.labelled, model, seed, raw=data.raw)


def check(strategy: Strategy, pool: Pool, n: int) -> None:
    """Refuse what cannot be asked, before any work is done.

    Raises
    ------
    QuerySizeError, EmptyPool, QuotaError, IndexOutOfRange, UnknownColumn, WrongShape
    """
    part, n = _part(strategy, pool, n)
    if part.quota is not None:
        part.batch(n)


def score(strategy: Strategy, pool: Pool, n: int = 1) -> Scores:
    """One score for each unlabelled point; minus infinity where a point is not a candidate.

    Parameters
    ----------
    strategy : Strategy
    pool : Pool
    n : int
        How many points will be chosen, as far as is known: what one is worth may depend on it (TypiClust).

    Raises
    ------
    InvalidScores
        If they are not one number a point.
    """
    part, _ = _part(strategy, pool, n)
    return _told(strategy, pool, part, _scores(strategy, part))


def choose(strategy: Strategy, pool: Pool, n: int, scores: Scores | None = None) -> Query:
    """The query of a strategy.

    Parameters
    ----------
    strategy : Strategy
    pool : Pool
    n : int
        All that may be asked, where they are fewer.
    scores : Scores, optional
        What :func:`score` gave for this pool.

    Raises
    ------
    QuerySizeError, EmptyPool, QuotaError
    InvalidSelection
        If the strategy did not choose n distinct points of the pool, or did not keep the quota.
    """
    part, n = _part(strategy, pool, n)
    if part.quota is not None:
        part.batch(n)
    known = None if scores is None else scores.values[_places(pool, part)]
    if known is None or (part is not pool and np.isneginf(known).any()):  # more are looked at than were scored
        scores, known = None, _scores(strategy, part)
    chosen = strategy.select(part, n, known)
    if not isinstance(chosen, Chosen):
        chosen = Chosen(np.asarray(chosen))
    _check_chosen(strategy, part, n, chosen.positions)
    if scores is None:
        scores = _told(strategy, pool, part, known)
    indices = part.unlabelled.indices[chosen.positions]
    why = {
        **{name: frozen_array(values) for name, values in chosen.why.items()},
        **_nearest_labelled(part, chosen.positions),
        "terms": MappingProxyType(
            {name: frozen_array(values.numpy()[chosen.positions]) for name, values in part.terms.items()}
        ),
    }
    return Query(
        frozen_array(indices), frozen_array(known[chosen.positions]), pool.round, scores.strategy, scores,
        MappingProxyType(why),
    )  # fmt: skip


def _part(strategy: Strategy, pool: Pool, n: Any) -> tuple[Pool, int]:
    """The part of the pool that is looked at for n points, and how many of these there are."""
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise QuerySizeError(f"A query has a whole number of points, 1 or more; got {n!r}.")
    if len(pool) == 0:
        raise EmptyPool("Every point of the pool is labelled: there is nothing left to ask.")
    restrictions = strategy.restrictions
    positions = restrictions.positions(pool, int(n))
    n = min(int(n), len(pool) if positions is None else len(positions))
    if positions is None and restrictions.quota is None:
        pool.n = n
        return pool, n
    key = (restrictions, None if positions is None else len(positions))
    part = pool.parts.get(key)
    if part is None:
        part = pool.restricted(np.arange(len(pool)) if positions is None else positions)
        pool.parts[key] = part
    part.quota, part.n = restrictions.quota, n
    return part, n


def _places(pool: Pool, part: Pool) -> NDArray[np.int64]:
    """Where the points of a part are in the pool; its indices ascend."""
    if part is pool:
        return np.arange(len(pool))
    return np.searchsorted(pool.unlabelled.indices, part.unlabelled.indices)


def _told(strategy: Strategy, pool: Pool, part: Pool, values: NDArray[np.float64]) -> Scores:
    """Scores of the whole pool, from those of the part that was looked at."""
    terms = {
        name: _spread(term.numpy(), pool, part, np.nan) for name, term in part.terms.items() if len(term) == len(part)
    }
    return Scores(
        pool.unlabelled.indices, frozen_array(_spread(values, pool, part, -np.inf)), strategy.doing(pool),
        MappingProxyType({name: frozen_array(term_N) for name, term_N in terms.items()}),
    )  # fmt: skip


def _spread(values: NDArray[Any], pool: Pool, part: Pool, elsewhere: float) -> NDArray[Any]:
    if part is pool:
        return values
    spread_N = np.full(len(pool), elsewhere)
    spread_N[_places(pool, part)] = values
    return spread_N


def _scores(strategy: Strategy, pool: Pool) -> NDArray[np.float64]:
    scores = strategy.score(pool)
    if isinstance(scores, torch.Tensor):
        scores = scores.detach().cpu().numpy()
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != (len(pool),):
        raise InvalidScores(f"{strategy!r} gave scores of shape {values.shape} for a pool of {len(pool)} points.")
    if np.isnan(values).any():
        raise InvalidScores(f"{strategy!r} gave NaN for {int(np.isnan(values).sum())} of {len(pool)} points.")
    return values


def _check_chosen(strategy: Strategy, pool: Pool, n: int, positions: NDArray[Any]) -> None:
    is_right = positions.shape == (n,) and positions.dtype.kind in "iu" and len(np.unique(positions)) == n
    if not is_right or positions.min() < 0 or positions.max() >= len(pool):
        raise InvalidSelection(
            f"{strategy!r} was asked for {n} distinct positions in a pool of {len(pool)} points, 0 to "
            f"{len(pool) - 1}, and chose {positions.tolist()[:10]}."
        )
    if pool.quota is not None:
        batch = pool.batch(n)
        for position in positions:
            if not batch.open_N[position]:
                raise InvalidSelection(
                    f"{strategy!r} does not keep {pool.quota!r}. A strategy of one's own does, where it picks by "
                    f"`batch = pool.batch()`: `batch.best(values, generator)` or `batch.take(position)`."
                )
            batch.take(int(position))


def _nearest_labelled(pool: Pool, positions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The labelled point nearest to each chosen one between features, and how far it is."""
    labelled = pool.labelled
    if len(labelled) == 0:
        return {"nearest_labelled": np.full(len(positions), -1), "distance": np.full(len(positions), np.inf)}
    chosen = pool.unlabelled.rows(torch.from_numpy(np.asarray(positions, dtype=np.int64)))
    x_n_D, x_M_D = chosen.flatten(1).double().numpy(), labelled.x.flatten(1).double().numpy()
    distance_n, nearest_n = KDTree(x_M_D).query(x_n_D)
    return {"nearest_labelled": frozen_array(labelled.indices[nearest_n]), "distance": frozen_array(distance_n)}
