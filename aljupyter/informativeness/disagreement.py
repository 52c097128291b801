"""What a label would say about the model: Bayesian active learning by disagreement, for both tasks."""

from __future__ import annotations

import torch
from torch import Tensor

from aljupyter.errors import InvalidPosterior
from aljupyter.informativeness.checks import class_posterior, draws_of
from aljupyter.posterior import Posterior, RegressionPosterior

#: probabilities that are looked at at once: 32 MB
_PIECE = 2**22


def bald(posterior: Posterior) -> Tensor:
    """Mutual information between a point's label and the model, in nats (Houlsby et al. 2011, arXiv:1112.5745).

    Classification: I(x) = H[sum over s of w_s p_s(y | x)] - sum over s of w_s H[p_s(y | x)], the entropy of what the
    draws say on average less the average of their entropies. A point is worth asking where each draw is sure and they
    contradict each other; where all are unsure alike, its label is noise and tells nothing. The average is that of the
    draws, which may differ from the predictive probabilities of the posterior.

    Regression: I(x) = log(1 + Var[f(x)] / noise) / 2, that of a normal latent function seen through normal noise. Where
    the posterior knows no noise, its variance is taken to be 1 (in squared units of the target), which is how
    PyRelationAL defines it; the paper gives no formula. Under noise that is everywhere the same this ranks as
    :func:`variance` does.

    Parameters
    ----------
    posterior : ClassPosterior or RegressionPosterior
        Over N points; of classes at least two, and at least two draws.

    Returns
    -------
    Tensor of shape (N,), float64, of at least 0
        At most log C and the entropy of the draws' weights (log S for S equal ones) for classification.

    Raises
    ------
    NoDraws
        For a classification without draws: that of a single network.
    InvalidPosterior
        If draws are no probabilities, or a label without noise would tell infinitely much.
    WrongTask, TooFewClasses

    Examples
    --------
    Two draws contradict each other about the first point, and agree that the second is a coin.

    >>> from aljupyter.posterior import ClassPosterior
    >>> draws = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]])
    >>> bald(ClassPosterior(draws.mean(0), draws)).tolist()
    [0.6931471805599453, 0.0]
    """
    if isinstance(posterior, RegressionPosterior):
        return _of_a_number(posterior)
    posterior = class_posterior(posterior, "bald")
    draws, weights_S = draws_of(posterior, "bald")
    size = max(1, _PIECE // (len(weights_S) * posterior.n_classes))
    starts = range(0, max(1, len(posterior)), size)
    return torch.cat([_of_a_class(draws(slice(start, start + size)), weights_S) for start in starts])


def _of_a_class(probs_S_N_C: Tensor, weights_S: Tensor) -> Tensor:
    probs_S_N_C = probs_S_N_C.cpu().double()  # a small difference of entropies is lost in single precision
    if probs_S_N_C.numel():
        is_one = bool((abs(probs_S_N_C.sum(-1) - 1) < 1e-4).all()) and float(probs_S_N_C.min()) >= -1e-6
        if not is_one:  # NaN is not, either
            raise InvalidPosterior(
                "The draws of a posterior are probabilities: of at least 0, with a sum of 1 over the classes. "
                "Logits? Apply a softmax to each draw, before anything is averaged."
            )
    probs_S_N_C = probs_S_N_C.clamp_min(0)
    mean_N_C = torch.einsum("s,snc->nc", weights_S, probs_S_N_C)
    each_S_N = torch.special.entr(probs_S_N_C).sum(-1)
    # Entropy is concave: below zero there are rounding errors only.
    return (torch.special.entr(mean_N_C).sum(-1) - weights_S @ each_S_N).clamp_min(0)


def _of_a_number(posterior: RegressionPosterior) -> Tensor:
    variance_N = posterior.variance_N.detach().cpu().double()
    if posterior.noise_N is None:
        return 0.5 * variance_N.log1p()
    noise_N = posterior.noise_N.detach().cpu().double()
    if not bool((noise_N >= 0).all()):
        raise InvalidPosterior("The variance of the noise is a number of at least 0 at each point.")
    if bool(((noise_N == 0) & (variance_N > 0)).any()):
        raise InvalidPosterior(
            "A label without noise tells infinitely much about a latent function, so bald cannot rank such points. "
            "Let the model learn its noise, or rank by variance: the order is that of bald under any equal noise."
        )
    return 0.5 * torch.where(variance_N > 0, variance_N / noise_N, 0.0).log1p()
