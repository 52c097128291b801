"""Uncertainty of a classifier about points (Table 3 and Appendix A.1 of the PyRelationAL paper, arXiv:2205.11117)."""

from __future__ import annotations

import torch
from torch import Tensor

from aljupyter.informativeness.checks import class_posterior
from aljupyter.posterior import ClassPosterior

_PIECE = 2**14  # points worked on at once: they stay in the processor's cache, which halves the time


def entropy(posterior: ClassPosterior) -> Tensor:
    """Entropy of the predicted class, in nats.

    I(x) = - sum over y of p(y | x) log p(y | x), with 0 log 0 = 0 (Shannon 1948; the paper's Appendix A.1).

    Parameters
    ----------
    posterior : ClassPosterior
        Over N points and C >= 2 classes.

    Returns
    -------
    Tensor of shape (N,), in [0, log C]

    Raises
    ------
    WrongTask, TooFewClasses

    Examples
    --------
    >>> entropy(ClassPosterior(torch.tensor([[0.5, 0.5], [1.0, 0.0]])))
    tensor([0.6931, 0.0000])
    """
    pieces = class_posterior(posterior, "entropy").mean_N_C.split(_PIECE)
    return torch.cat([torch.special.entr(piece.clamp_min(0)).sum(-1) for piece in pieces])


def least_confidence(posterior: ClassPosterior) -> Tensor:
    """How improbable the most probable class is.

    I(x) = 1 - max over y of p(y | x) (Lewis & Gale 1994; the paper's Appendix A.1).

    Parameters
    ----------
    posterior : ClassPosterior
        Over N points and C >= 2 classes.

    Returns
    -------
    Tensor of shape (N,), in [0, 1 - 1 / C]

    Raises
    ------
    WrongTask, TooFewClasses

    Examples
    --------
    >>> least_confidence(ClassPosterior(torch.tensor([[0.5, 0.5], [0.9, 0.1]])))
    tensor([0.5000, 0.1000])
    """
    return 1 - class_posterior(posterior, "least_confidence").mean_N_C.amax(-1)


def _two_most_probable(posterior: ClassPosterior, measure: str) -> tuple[Tensor, Tensor]:
    top_N_2 = class_posterior(posterior, measure).mean_N_C.topk(2, dim=-1).values
    return top_N_2[:, 0], top_N_2[:, 1]


def margin(posterior: ClassPosterior) -> Tensor:
    """How close the two most probable classes are.

    I(x) = 1 - (p(y0 | x) - p(y1 | x)), with y0, y1 the most and second most probable classes
    (Scheffer et al. 2001; the paper's Appendix A.1).

    Parameters
    ----------
    posterior : ClassPosterior
        Over N points and C >= 2 classes.

    Returns
    -------
    Tensor of shape (N,), in [0, 1]
        1 where the model cannot choose between two classes.

    Raises
    ------
    WrongTask, TooFewClasses

    Examples
    --------
    >>> margin(ClassPosterior(torch.tensor([[0.5, 0.5], [0.9, 0.1]])))
    tensor([1.0000, 0.2000])
    """
    first_N, second_N = _two_most_probable(posterior, "margin")
    return 1 - (first_N - second_N)


def ratio(posterior: ClassPosterior) -> Tensor:
    """Ratio of the second largest to the largest class probability.

    I(x) = p(y1 | x) / p(y0 | x), with y0, y1 the most and second most probable classes (the paper's Appendix A.1).

    Parameters
    ----------
    posterior : ClassPosterior
        Over N points and C >= 2 classes.

    Returns
    -------
    Tensor of shape (N,), in [0, 1]
        1 where the model cannot choose between two classes.

    Raises
    ------
    WrongTask, TooFewClasses

    Examples
    --------
    >>> ratio(ClassPosterior(torch.tensor([[0.5, 0.5], [0.8, 0.2]])))
    tensor([1.0000, 0.2500])
    """
    first_N, second_N = _two_most_probable(posterior, "ratio")
    return second_N / first_N
