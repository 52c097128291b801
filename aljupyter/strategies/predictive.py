"""What labels tell about predictions elsewhere: greedy selectors of EPIG, for classes and for numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.greedy import Batch, Numbers, Picks, blocks, check_batch
from aljupyter.strategies.joint_labels import Forecast, Labellings, bring_up_to_date

ROUNDING = 1e-12  # nats: a difference below this is a tie
NOTHING_LEFT = 1e-12  # of the largest variance, what is left by rounding
LEAST_NOISE = 1e-6  # of the largest variance: without noise, a label would tell all about a target at the same place
MOST_STORED = 2**24  # covariances with targets that are kept: 128 MB; of more they are computed again for each pick
LABELLINGS = 64  # of a batch, that are considered at once

Cross = Callable[[slice], Numbers]


# --- classes ----------------------------------------------------------------------------------------------------------


def information_about_labels(probs_S_N_C: Numbers, probs_S_T_C: Numbers) -> Numbers:
    """Mutual information of the label of each point with that of a target, averaged over targets, shape (N,), in nats.

    EPIG (Bickford Smith et al. 2023, arXiv:2304.08151, equation 5) with
    ``p(y, y_t) = mean over draws of p_s(y | x) p_s(y_t | x_t)``. O(N T C^2 S) time. Exact for these draws; few of them
    show information where there is none, of the order of 1 / S.

    Parameters
    ----------
    probs_S_N_C, probs_S_T_C : arrays of shapes (S, N, C) and (S, T, C)
        Class probabilities of the same S draws, of equal weight, at the points and at the targets.
    """
    n_draws, n_targets, n_classes = probs_S_T_C.shape
    nothing = Labellings.of_nothing(n_draws)
    forecast = Forecast(nothing, probs_S_T_C, n_targets * n_classes, np.random.default_rng(0))
    return forecast.information(probs_S_N_C)


def pick_by_information_about_labels(
    probs_S_N_C: Numbers,
    probs_S_T_C: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    n_configurations: int = 1024,
    first_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one whose label tells most about those of the targets, beyond the labels before it.

    Greedy in the mutual information of all labels of the batch together with the label of a target, averaged over
    targets. With the labels y of the batch so far a point adds ``E_y I(y_x; y_t | y)``, by draws that are weighted by
    how probable they find y. The mean is over at most `LABELLINGS` labellings of the batch, and `n_configurations`
    combinations of one with a target and its label; where there are more, so many stand for all without bias
    (:func:`aljupyter.strategies.joint_labels.thinned`).

    Only points whose value as of an earlier pick is above the largest new one are looked at again. Here that is a
    heuristic: a label can tell more once another one is known, and who gains so much by that is overlooked.

    O(N T C^2 S) time for the first pick, at most O(N C S n_configurations) for each further one, as a rule far less.

    Parameters
    ----------
    probs_S_N_C, probs_S_T_C : arrays of shapes (S, N, C) and (S, T, C)
        Class probabilities of the same S draws, of equal weight, at the points and at the targets.
    n : int
    generator : numpy.random.Generator
        Breaks ties, and draws labellings.
    n_configurations : int
    first_N : array of shape (N,), optional
        :func:`information_about_labels`, where it is known.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        What each added, in nats.

    Raises
    ------
    QuerySizeError
    """
    n_draws, n_points, _ = probs_S_N_C.shape
    check_batch(n, n_points)
    batch = batch or Batch(n_points)
    values_N = information_about_labels(probs_S_N_C, probs_S_T_C) if first_N is None else first_N.copy()
    labellings = Labellings.of_nothing(n_draws)
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        if i:
            labellings = labellings.followed_by(probs_S_N_C[:, positions[i - 1]], LABELLINGS, generator)
            forecast = Forecast(labellings, probs_S_T_C, n_configurations, generator)
            bring_up_to_date(values_N, batch.open_N, partial(_told, forecast, probs_S_N_C), ROUNDING)
        pick = batch.best(values_N, generator, within=ROUNDING)
        positions[i], gains[i] = pick, values_N[pick]
    return positions, gains


def _told(forecast: Forecast, probs_S_N_C: Numbers, rows: NDArray[np.int64]) -> Numbers:
    return forecast.information(probs_S_N_C[:, rows])


# --- numbers ----------------------------------------------------------------------------------------------------------


def kept(cross: Cross, n_points: int, n_targets: int) -> Cross:
    """The same covariances, computed once where there are not too many of them."""
    if n_points * n_targets > MOST_STORED:
        return cross
    cov_N_T = np.concatenate([cross(rows) for rows in blocks(n_points, n_targets)])
    return lambda rows: cov_N_T[rows]


def with_noise(noise: Numbers, variance: Numbers, largest: float) -> Numbers:
    """Variances of observations: the noise is at least `LEAST_NOISE` of the largest latent variance."""
    return variance + np.maximum(noise, LEAST_NOISE * largest or 1.0)


def information_about_values(
    cross: Cross, variance_N: Numbers, noise_N: Numbers, variance_T: Numbers, noise_T: Numbers
) -> Numbers:
    """Mutual information of the label of each point with that of a target, averaged over targets, shape (N,), in nats.

    EPIG (Bickford Smith et al. 2023, arXiv:2304.08151) of jointly normal labels:
    ``-1/2 log(1 - c^2 / (v_x v_t))`` with c the covariance of the latent function between the two, and v the variances
    of an observation at each: of the latent function, and of the noise (at least `LEAST_NOISE` of the largest).
    A target at the place of a point is another observation there, with noise of its own.

    Parameters
    ----------
    cross : callable
        Of a slice of the points: their covariances with all targets, shape (rows, T).
    variance_N, noise_N, variance_T, noise_T : arrays of shapes (N,) and (T,)
        Of the latent function and of the noise, at points and targets.
    """
    largest = max(variance_N.max(initial=0.0), variance_T.max(initial=0.0))
    total_N, total_T = with_noise(noise_N, variance_N, largest), with_noise(noise_T, variance_T, largest)
    values_N = np.empty(len(variance_N))
    for rows in blocks(len(variance_N), len(variance_T)):
        values_N[rows] = _mean_information(cross(rows), total_N[rows], total_T)
    return values_N


def _mean_information(cov_B_T: Numbers, total_B: Numbers, total_T: Numbers) -> Numbers:
    correlated_B_T = cov_B_T**2
    correlated_B_T /= total_B[:, None]
    correlated_B_T /= total_T
    np.minimum(correlated_B_T, 1 - NOTHING_LEFT, out=correlated_B_T)
    return -0.5 * np.log1p(-correlated_B_T).mean(axis=1)


def pick_by_information_about_values(
    cross: Cross,
    column: Callable[[int], Numbers],
    variance_N: Numbers,
    noise_N: Numbers,
    variance_T: Numbers,
    noise_T: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    first_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one whose label tells most about those of the targets, beyond the labels before it.

    Greedy in the mutual information of all labels of the batch together with the label of a target, averaged over
    targets: that of a point adds :func:`information_about_values` of the posterior given the batch. This does not
    depend on what the labels will be, so that each pick conditions all variances and covariances exactly, by an update
    of rank one. O(N (T + n)) numbers are read a pick, and all their logarithms taken; O(N n) memory, and up to
    `MOST_STORED` numbers for `cross`, see :func:`kept`.

    Parameters
    ----------
    cross, variance_N, noise_N, variance_T, noise_T
        See :func:`information_about_values`.
    column : callable
        Of a position: covariances of all points with it, shape (N,).
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    first_N : array of shape (N,), optional
        :func:`information_about_values`, where it is known.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        What each added, in nats.

    Raises
    ------
    QuerySizeError
    """
    n_points, n_targets = len(variance_N), len(variance_T)
    check_batch(n, n_points)
    batch = batch or Batch(n_points)
    largest = max(variance_N.max(), variance_T.max(initial=0.0))
    total_N, total_T = with_noise(noise_N, variance_N, largest), with_noise(noise_T, variance_T, largest)
    left_N, total_T = variance_N.copy(), total_T.copy()
    loads_n_N, pulls_n_T = np.empty((n - 1, n_points)), np.empty((n - 1, n_targets))
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    values_N = first_N
    for i in range(n):
        if values_N is None:
            values_N = np.empty(n_points)
            for rows in blocks(n_points, n_targets):
                cov_B_T = cross(rows) - loads_n_N[:i, rows].T @ pulls_n_T[:i]
                values_N[rows] = _mean_information(cov_B_T, total_N[rows], total_T)
        pick = batch.best(values_N, generator, within=ROUNDING)
        positions[i], gains[i] = pick, values_N[pick]
        if i == n - 1:
            break
        values_N = None
        if left_N[pick] <= NOTHING_LEFT * largest:  # it tells nothing of others, and the rest of it is rounding
            loads_n_N[i], pulls_n_T[i] = 0.0, 0.0
            continue
        scale, before_i = np.sqrt(total_N[pick]), loads_n_N[:i, pick]
        loads_n_N[i] = (column(pick) - before_i @ loads_n_N[:i]) / scale
        pulls_n_T[i] = (cross(slice(pick, pick + 1))[0] - before_i @ pulls_n_T[:i]) / scale
        taken_N = np.minimum(loads_n_N[i] ** 2, left_N)
        left_N, total_N, total_T = left_N - taken_N, total_N - taken_N, total_T - pulls_n_T[i] ** 2
    return positions, gains
