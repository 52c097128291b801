"""Representative sampling: one point of each of n clusters of the pool."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.measures import Representativeness
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import TopK


class Representative(Strategy):
    """The pool in as many clusters as points are asked, of each the point nearest its centre.

    Always gives as many as asked: where a clusterer finds fewer clusters, the second nearest points follow. Needs no
    model. Scores are those of one cluster, since before the query the number of points is not known
    (:func:`aljupyter.informativeness.representativeness`; the paper's Appendix A.2).

    Parameters
    ----------
    clusterer : scikit-learn clusterer, optional
        `KMeans` where not given; its `n_clusters` is set to the number of points asked.

    Examples
    --------
    >>> Representative()
    Representative()
    """

    def __init__(self, clusterer: Any = None):
        super().__init__(score=Representativeness(1, clusterer), select=TopK())
        self.clusterer = clusterer

    def select(self, pool: Pool, n: int, scores_N: NDArray[np.float64]) -> NDArray[np.int64] | Chosen:
        """Positions in the pool of the n points to ask, that of the largest cluster first, shape (n,)."""
        if n > 1:
            scores_N = Representativeness(int(n), self.clusterer)(pool).numpy()
        return super().select(pool, n, scores_N)
