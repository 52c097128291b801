"""How much the members of a committee disagree about points (Seung, Opper & Sompolinsky 1992, query by committee).

A member is a model of its own, or a draw from a posterior that is one function at all points. Each has one vote.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from aljupyter.errors import InvalidPosterior, NoDraws, TooFewClasses, WrongShape

#: probabilities that are looked at at once: 32 MB
_PIECE = 2**22


def vote_entropy(probs_S_N_C: ArrayLike | Tensor) -> Tensor:
    """Entropy of the members' votes, in nats.

    I(x) = - sum over c of V(c) / S log(V(c) / S), with V(c) the number of members to whom c is the likeliest class
    (Dagan & Engelson 1995; Engelson & Dagan 1996, who divide by the logarithm of the number of members or of classes).
    A member to whom several classes are the likeliest splits its vote among them.

    Parameters
    ----------
    probs_S_N_C : array-like or Tensor of shape (S, N, C)
        Class probabilities at N points by S >= 2 members, for C >= 2 classes.

    Returns
    -------
    Tensor of shape (N,), float64, in [0, log min(S, C)], or to log C where votes are split

    Raises
    ------
    WrongShape, NoDraws, TooFewClasses
    InvalidPosterior
        If these are no probabilities.

    Examples
    --------
    Two of four members contradict the others about the first point, however little; about the second all agree.

    >>> vote_entropy([[[0.6, 0.4], [0.6, 0.4]]] * 2 + [[[0.4, 0.6], [0.6, 0.4]]] * 2).tolist()
    [0.6931471805599453, 0.0]
    """
    return _by_piece(probs_S_N_C, lambda probs: torch.special.entr(_vote_shares(probs)).sum(-1))


def variation_ratio(probs_S_N_C: ArrayLike | Tensor) -> Tensor:
    """Share of the votes that the class with most of them does not have.

    I(x) = 1 - max over c of V(c) / S (Freeman 1965), with votes as in :func:`vote_entropy`.

    Parameters
    ----------
    probs_S_N_C : array-like or Tensor of shape (S, N, C)

    Returns
    -------
    Tensor of shape (N,), float64, in [0, 1 - 1 / C]

    Raises
    ------
    WrongShape, NoDraws, TooFewClasses, InvalidPosterior

    Examples
    --------
    >>> variation_ratio([[[0.9, 0.1]], [[0.8, 0.2]], [[0.7, 0.3]], [[0.2, 0.8]]]).tolist()
    [0.25]
    """
    return _by_piece(probs_S_N_C, lambda probs: 1 - _vote_shares(probs).amax(-1))


def consensus_entropy(probs_S_N_C: ArrayLike | Tensor) -> Tensor:
    """Entropy of what the members say on average, in nats: soft vote entropy.

    I(x) = H[p], with the consensus p = sum over s of p_s / S (Settles 2009, section 3.2). Unlike the others it does not
    tell disagreement from doubt that all share.

    Parameters
    ----------
    probs_S_N_C : array-like or Tensor of shape (S, N, C)

    Returns
    -------
    Tensor of shape (N,), float64, in [0, log C]

    Raises
    ------
    WrongShape, NoDraws, TooFewClasses, InvalidPosterior
    """
    return _by_piece(probs_S_N_C, lambda probs: torch.special.entr(probs.mean(0)).sum(-1))


def mean_divergence(probs_S_N_C: ArrayLike | Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of the members from their consensus, in nats.

    I(x) = sum over s of KL(p_s || p) / S, with the consensus p = sum over s of p_s / S (McCallum & Nigam 1998, "KL
    divergence to the mean"). It is the entropy of the consensus less the mean entropy of the members, and so what
    :func:`bald` gives for draws of equal weights.

    Parameters
    ----------
    probs_S_N_C : array-like or Tensor of shape (S, N, C)

    Returns
    -------
    Tensor of shape (N,), float64, in [0, log min(S, C)]

    Raises
    ------
    WrongShape, NoDraws, TooFewClasses, InvalidPosterior

    Examples
    --------
    All members take the first point for a coin; about the second they are sure, and contradict each other.

    >>> mean_divergence([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]]).tolist()
    [0.0, 0.6931471805599453]
    """

    def divergence(probs: Tensor) -> Tensor:
        # Entropy is concave: below zero there are rounding errors only.
        own_N = torch.special.entr(probs).sum(-1).mean(0)
        return (torch.special.entr(probs.mean(0)).sum(-1) - own_N).clamp_min(0)

    return _by_piece(probs_S_N_C, divergence)


def member_variance(values_S_N: ArrayLike | Tensor) -> Tensor:
    """Variance of the members' predictions of a number: the ambiguity of the committee.

    I(x) = sum over s of (f_s(x) - f(x))^2 / S, with f the mean of the S members (Krogh & Vedelsby 1995).

    Parameters
    ----------
    values_S_N : array-like or Tensor of shape (S, N)
        Predictions at N points by S >= 2 members.

    Returns
    -------
    Tensor of shape (N,), float64, in squared units of the target

    Raises
    ------
    WrongShape, NoDraws
    InvalidPosterior
        If a prediction is not finite.

    Examples
    --------
    >>> member_variance([[1.0, 2.0], [1.0, 4.0]]).tolist()
    [0.0, 1.0]
    """
    values = _members(values_S_N, 2, "(S, N)")
    if not bool(values.isfinite().all()):
        raise InvalidPosterior("The predictions of a committee's members are finite numbers, got NaN or infinite ones.")
    return (values - values.mean(0)).square().mean(0)


def _by_piece(probs_S_N_C: ArrayLike | Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """The measure at all points, a few of them at a time: what is made on the way is as large as the probabilities."""
    probs = _members(probs_S_N_C, 3, "(S, N, C)")
    n_members, n_points, n_classes = probs.shape
    if n_classes < 2:
        raise TooFewClasses(f"Members disagree about classes, of which there are at least two; got {n_classes}.")
    size = max(1, _PIECE // (n_members * n_classes))
    starts = range(0, max(1, n_points), size)
    return torch.cat([of(_checked(probs[:, start : start + size])) for start in starts])


def _members(values: ArrayLike | Tensor, n_dimensions: int, shape: str) -> Tensor:
    members = torch.as_tensor(values).detach().cpu().double()
    if members.ndim != n_dimensions:
        raise WrongShape(f"What members say of points has shape {shape}; got {tuple(members.shape)}.")
    if len(members) < 2:
        raise NoDraws(f"A committee has two members or more, got {len(members)}: one alone disagrees with nobody.")
    return members


def _checked(probs_S_N_C: Tensor) -> Tensor:
    is_one = bool((abs(probs_S_N_C.sum(-1) - 1) < 1e-4).all())  # NaN is not, either
    if not is_one or float(torch.amin(probs_S_N_C, (0, 1, 2)) if probs_S_N_C.numel() else 0.0) < -1e-6:
        raise InvalidPosterior(
            "What a committee's members say are probabilities: of at least 0, with a sum of 1 over the classes. "
            "Logits? Apply a softmax first."
        )
    return probs_S_N_C.clamp_min(0)


def _vote_shares(probs_S_N_C: Tensor) -> Tensor:
    """Shares of the votes, (N, C). Classes equal to within rounding share a vote."""
    highest_S_N_1 = probs_S_N_C.amax(-1, keepdim=True)
    votes_S_N_C = (probs_S_N_C >= highest_S_N_1 * (1 - 1e-12)).double()
    return (votes_S_N_C / votes_S_N_C.sum(-1, keepdim=True)).mean(0)
