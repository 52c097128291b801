"""GSy and iGS: batches spread over the predicted outputs, or over inputs and outputs at once."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, blocks, check_batch
from aljupyter.strategies.needs import fitted
from aljupyter.strategies.points import points_of
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.spread import spread

Inputs = tuple[Points, Points]


def output_spread(mean_N: Numbers, y_M: Numbers, inputs: Inputs | None = None) -> Numbers:
    """What each point is worth as the first pick, shape (N,); see :func:`pick_by_outputs`.

    The distance to the nearest label: between outputs or, with inputs, the product of the distances of both. Where
    there is no label, minus the distance to the mean: of the outputs or, with inputs, of these.

    Parameters
    ----------
    mean_N : array of shape (N,)
        Predictions at the pool.
    y_M : array of shape (M,)
        Labels.
    inputs : tuple of arrays of shapes (N, D) and (M, D), optional
        The pool and the labelled points.
    """
    if inputs is not None:
        if len(y_M) == 0:
            return spread(*inputs)
        x_N_D, x_M_D = inputs
        return np.concatenate(
            [
                (cdist(x_N_D[rows], x_M_D) * np.abs(mean_N[rows, None] - y_M)).min(axis=1)
                for rows in blocks(len(x_N_D), len(y_M), 2**17)  # three matrices that stay in the processor's cache
            ]
        )
    if len(y_M) == 0:
        return -np.abs(mean_N - mean_N.mean())
    y_M = np.sort(y_M)
    above_N = np.searchsorted(y_M, mean_N)  # on a line, the nearest is one of two neighbours
    below_N = np.maximum(above_N - 1, 0)
    return np.minimum(np.abs(mean_N - y_M[below_N]), np.abs(mean_N - y_M[np.minimum(above_N, len(y_M) - 1)]))


def pick_by_outputs(
    mean_N: Numbers,
    y_M: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    inputs: Inputs | None = None,
    first_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each with an output that is farthest from all labels; with inputs, a place that is so as well.

    Wu, Lin & Huang (2019, arXiv:1808.04245): GSy, ``min_m |f(x_n) - y_m|``; with inputs iGS,
    ``min_m |x_n - x_m| |f(x_n) - y_m|``. Theirs asks one point at a time; here the output of a
    pick is taken to be its prediction, for those after it. GSy takes O((N + M) log M + N n) time, iGS
    O(N D (M + n)); both O(N) memory.

    Parameters
    ----------
    mean_N : array of shape (N,)
        Predictions f(x_n) at the pool.
    y_M : array of shape (M,)
        Labels. Where there are none, the first pick is the point nearest the mean, see :func:`output_spread`.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    inputs : tuple of arrays of shapes (N, D) and (M, D), optional
        The pool and the labelled points.
    first_N : array of shape (N,), optional
        What :func:`output_spread` gave, where it is known.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        How far each pick was from all before it. They do not increase, but for a first one without labels.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(mean_N))
    batch = batch or Batch(len(mean_N))
    values_N = output_spread(mean_N, y_M, inputs) if first_N is None else first_N.copy()
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        pick = batch.best(values_N, generator)
        positions[i], gains[i] = pick, values_N[pick]
        if i + len(y_M) == 0:
            values_N.fill(np.inf)
        to_pick_N = np.abs(mean_N - mean_N[pick])
        if inputs is not None:
            to_pick_N *= cdist(inputs[0], inputs[0][pick : pick + 1])[:, 0]
        np.minimum(values_N, to_pick_N, out=values_N)
    return positions, gains


class GSy(Strategy):
    """Greedy sampling in the output: the point whose prediction is farthest from all labels.

    Wu, Lin & Huang (2019, arXiv:1808.04245), for regression. It seeks outputs that were not seen yet, wherever they
    are. In a batch, the output of a pick is taken to be its prediction. Scores are distances between outputs.

    The paper has the first labels chosen by :class:`GSx`.
    """

    task = "regression"
    needs = ("model",)

    def __init__(self) -> None:
        pass

    def score(self, pool: Pool) -> Numbers:
        """Distance of each point's prediction to the nearest label, shape (N,)."""
        return output_spread(*self._outputs(pool), self._inputs(pool))

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; ``"gain"`` is how far each was from all before it."""
        positions, gains = pick_by_outputs(
            *self._outputs(pool),
            n,
            pool.generator("select"),
            inputs=self._inputs(pool),
            first_N=np.asarray(scores_N, dtype=np.float64),
            batch=pool.batch(n),
        )
        return Chosen(positions, {"gain": gains})

    def _outputs(self, pool: Pool) -> tuple[Numbers, Numbers]:
        fitted(pool, self)
        mean_N, y_M = pool.posterior.mean_N, pool.labelled.y  # type: ignore[union-attr]  # of regression
        return mean_N.detach().cpu().double().numpy(), y_M.detach().cpu().double().numpy()

    def _inputs(self, pool: Pool) -> Inputs | None:
        return None


class IGS(GSy):
    """Improved greedy sampling (iGS): the point farthest from all labels in input and predicted output at once.

    Wu, Lin & Huang (2019, arXiv:1808.04245), the best of their three for regression, and one that needs no variance.
    Scores are the smallest product of both distances to a label: 0 for a copy of a labelled point, and for a prediction
    that is one of the labels. In a batch, the output of a pick is taken to be its prediction.

    The paper has the first labels chosen by :class:`GSx`.
    """

    def _inputs(self, pool: Pool) -> Inputs:
        """Features of the unlabelled and the labelled points."""
        return tuple(points_of(pool, view, "inputs", self) for view in (pool.unlabelled, pool.labelled))  # type: ignore
