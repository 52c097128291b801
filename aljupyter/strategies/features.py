"""Batches chosen by where points lie: they need no label to begin with."""

from __future__ import annotations

import numpy as np

from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.coverage import ball_coverage, cover_greedily, pure_radius
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points
from aljupyter.strategies.herding import herd, kernel_coverage, median_distance
from aljupyter.strategies.points import FeatureStrategy, one_of, points_of, positive_or, share, whole
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.spread import METRICS, farthest_first, spread
from aljupyter.strategies.typical import Clusters, pick_from_clusters

SAMPLE = 5_000  # points from which ProbCover chooses its radius
SMALL_SAMPLE = 1_000  # points whose median distance is MaxHerding's bandwidth


class KCenter(FeatureStrategy):
    """Core-set by greedy k-center: each pick is the point farthest from all labelled and picked ones.

    Sener & Savarese (2018, arXiv:1708.00489). Covers the whole of the pool, outliers first. Where nothing is
    labelled, it begins with the point nearest the mean. Scores are distances to the nearest labelled point (minus the
    distance to the mean where there is none).

    Parameters
    ----------
    metric : {"euclidean", "cosine", "cityblock"}
    embedding, max_candidates
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter

    Examples
    --------
    >>> KCenter(metric="cosine")
    KCenter(metric='cosine')
    """

    def __init__(self, metric: str = "euclidean", embedding: str = "inputs", max_candidates: int | None = None):
        super().__init__(embedding, max_candidates)
        self.metric = one_of(metric, METRICS, "metric")

    def _first(self, pool: Pool, x_N_D: Points, x_M_D: Points) -> Numbers:
        return spread(x_N_D, x_M_D, metric=self.metric)

    def _greedy(self, pool: Pool, x_N_D: Points, x_M_D: Points, n: int, first_N: Numbers, batch: Batch) -> Picks:
        generator = pool.generator("select")
        return farthest_first(x_N_D, x_M_D, n, generator, metric=self.metric, first_N=first_N, batch=batch)


class GSx(KCenter):
    """Greedy sampling in the inputs (GSx), for regression: the point nearest the centroid, then farthest-first.

    Wu, Lin & Huang (2019, arXiv:1808.04245). The picks are those of :class:`KCenter` in Euclidean distance between the
    inputs. What differs: GSx says what the first of them is, where the core-set method takes labels for granted, and
    it knows no model and no other metric.

    Parameters
    ----------
    max_candidates
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, max_candidates: int | None = None):
        super().__init__(max_candidates=max_candidates)


class TypiClust(FeatureStrategy):
    """The most typical point of each cluster that has no label yet, the largest clusters first.

    Hacohen, Dekel & Weinshall (2022, arXiv:2202.02794): made for the first few labels. k-means makes as many clusters
    as there will be labels; see :func:`aljupyter.strategies.typical.pick_typical`. Scores are those of a first pick:
    the share of the points in its cluster times how typical it is, less one for each label in the cluster.

    Parameters
    ----------
    n_neighbours : int
        Typical is who is near to so many of its neighbours in the cluster.
    max_clusters : int
        With many labels there are no more clusters than this.
    embedding, max_candidates
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter
    """

    def __init__(
        self,
        n_neighbours: int = 20,
        max_clusters: int = 500,
        embedding: str = "inputs",
        max_candidates: int | None = None,
    ):
        super().__init__(embedding, max_candidates)
        self.n_neighbours = whole(n_neighbours, "n_neighbours")
        self.max_clusters = whole(max_clusters, "max_clusters")

    def score(self, pool: Pool) -> Numbers:
        """What each unlabelled point is worth as the first pick, shape (N,), with clusters for as many as are asked."""
        return self._clusters(pool, pool.n).values()

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; for each its ``"gain"`` and the ``"cluster"`` it stands for."""
        clusters = self._clusters(pool, n)
        positions, gains = pick_from_clusters(clusters, n, pool.generator("ties"), batch=pool.batch(n))
        return Chosen(positions, {"gain": gains, "cluster": clusters.of_N[positions]})

    def _clusters(self, pool: Pool, n: int) -> Clusters:
        key = (repr(self), n)
        if key not in pool.memo:
            pool.memo[key] = Clusters(
                *self._points(pool),
                n,
                pool.generator("clusters"),
                n_neighbours=self.n_neighbours,
                max_clusters=self.max_clusters,
            )
        clusters: Clusters = pool.memo[key]
        return clusters


class ProbCover(FeatureStrategy):
    """Balls around the picks that cover as many points of the pool as they can, the densest part first.

    Yehuda et al. (2022, arXiv:2205.11320). Scores are the share of the pool that a point's ball would newly cover.

    Parameters
    ----------
    delta : float or "auto"
        Radius of the balls. "auto": the largest at which 95 % (`purity`) of the balls hold one class only, with k-means
        clusters for classes as in the paper; where the number of classes is not known (regression), the radius at which
        the median ball holds 5 % of the points. Either is found from a seeded sample of at most 5,000 labelled and
        unlabelled points, the same in every round, so the balls keep their size.
    n_classes : int, optional
        Number of clusters for that; the task's number of classes where not given.
    purity : float
        In (0, 1).
    embedding, max_candidates
        See :class:`FeatureStrategy`. Time grows with the square of the candidates, which are the points to be covered.

    Raises
    ------
    InvalidParameter
    """

    def __init__(
        self,
        delta: float | str = "auto",
        n_classes: int | None = None,
        purity: float = 0.95,
        embedding: str = "inputs",
        max_candidates: int | None = 20_000,
    ):
        super().__init__(embedding, max_candidates)
        self.delta = positive_or(delta, "auto", "delta")
        self.n_classes = n_classes if n_classes is None else whole(n_classes, "n_classes", at_least=2)
        self.purity = share(purity, "purity")

    def radius(self, pool: Pool) -> float:
        """Radius of the balls: `delta`, or what "auto" finds."""
        if not isinstance(self.delta, str):
            return float(self.delta)
        x_S_D, generator = self.sample(pool, SAMPLE, "radius")
        n_classes = self.n_classes or pool.unlabelled.n_classes
        return pure_radius(x_S_D, generator, n_classes=n_classes, purity=self.purity)

    def _first(self, pool: Pool, x_N_D: Points, x_M_D: Points) -> Numbers:
        return ball_coverage(x_N_D, x_M_D, delta=self.radius(pool))

    def _greedy(self, pool: Pool, x_N_D: Points, x_M_D: Points, n: int, first_N: Numbers, batch: Batch) -> Picks:
        generator = pool.generator("select")
        return cover_greedily(x_N_D, x_M_D, n, generator, delta=self.radius(pool), first_N=first_N, batch=batch)


class MaxHerding(FeatureStrategy):
    """Points that are alike to as much of the pool as they can be: ProbCover with soft balls.

    Bae, Noh & Sutherland (2024, arXiv:2407.12212), with a Gaussian kernel. Scores are what a point would add to the
    mean, over the pool, of the similarity to the nearest labelled point.

    Parameters
    ----------
    bandwidth : float or "median"
        Standard deviation of the kernel. "median": the median distance between two points, of a seeded sample of at
        most 1,000 labelled and unlabelled ones, the same in every round.
    n_targets : int, optional
        The mean is taken over so many points, drawn anew each round by the seed; over all where not given. Those that
        may not be asked (:meth:`within`) count as well.
    embedding, max_candidates
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter
    """

    def __init__(
        self,
        bandwidth: float | str = "median",
        n_targets: int | None = 5_000,
        embedding: str = "inputs",
        max_candidates: int | None = 20_000,
    ):
        super().__init__(embedding, max_candidates)
        self.bandwidth = positive_or(bandwidth, "median", "bandwidth")
        self.n_targets = n_targets if n_targets is None else whole(n_targets, "n_targets")

    def width(self, pool: Pool) -> float:
        """Standard deviation of the kernel: `bandwidth`, or what "median" finds."""
        if not isinstance(self.bandwidth, str):
            return float(self.bandwidth)
        return median_distance(self.sample(pool, SMALL_SAMPLE, "bandwidth")[0])

    def _first(self, pool: Pool, x_N_D: Points, x_M_D: Points) -> Numbers:
        return kernel_coverage(x_N_D, x_M_D, bandwidth=self.width(pool), x_T_D=self._targets(pool))

    def _greedy(self, pool: Pool, x_N_D: Points, x_M_D: Points, n: int, first_N: Numbers, batch: Batch) -> Picks:
        return herd(
            x_N_D,
            x_M_D,
            n,
            pool.generator("select"),
            bandwidth=self.width(pool),
            x_T_D=self._targets(pool),
            first_N=first_N,
            batch=batch,
        )

    def _targets(self, pool: Pool) -> Points | None:
        """The points over which the mean is taken, of all unlabelled ones; None for those of the pool itself."""
        view = pool.whole.unlabelled
        if self.n_targets is not None and self.n_targets < len(view):
            rows = np.sort(pool.generator("targets").permutation(len(view))[: self.n_targets])
        elif len(pool) == len(view):
            return None
        else:
            rows = np.arange(len(view))
        return points_of(pool, view, self.embedding, self, rows)
