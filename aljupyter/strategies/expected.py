"""What a label is expected to change: the model, or its errors elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.errors import WrongTask
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from aljupyter.strategies import needs
from aljupyter.strategies.algebra import Limits, Measure
from aljupyter.strategies.points import one_of, whole
from aljupyter.strategies.pool import Pool

LOSSES = ("log", "zero_one")


class ExpectedModelChange(Measure):
    """How far a label is expected to move the weights of the last layer: one gradient step, averaged over labels.

    Classification: expected gradient length (Settles, Craven & Ray 2007; Settles & Craven 2008),

        I(x) = sum over c of p_c |p - e_c| |h|,

    with p the class probabilities, e_c the c-th unit vector and h what the last layer is given: the gradient of the log
    loss of class c is (p - e_c) h', whose length is the product of the two.

    Regression: expected model change (Cai, Zhang & Zhou 2013, EMCM), I(x) = E |f(x) - f_s(x)| |h|, with
    f_s what the label might be: the draws that the posterior holds (of an ensemble: its members), or else a normal
    variable, for which E |f - f_s| = sqrt(2 / pi) times the standard deviation of the latent function.

    |h| favours points far from the origin: the embedding of a GP are its inputs, centred and scaled by the default
    preprocessing.
    """

    needs = ("model", "gradients")
    redundant_for = ("regression",)

    def __call__(self, pool: Pool) -> Tensor:
        needs.fitted(pool, self)
        _, embed_N_E = needs.gradients(pool, pool.unlabelled, self)
        length_N = torch.from_numpy(np.linalg.norm(embed_N_E.astype(np.float64, copy=False), axis=1))
        return _expected_residual(pool.posterior) * length_N

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask(f"{self!r} asks the model for gradients at the points of a pool; a posterior alone has none.")

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None


def _expected_residual(posterior: ClassPosterior | RegressionPosterior) -> Tensor:
    """Expected length of the gradient by the outputs, shape (N,)."""
    if isinstance(posterior, ClassPosterior):
        return expected_class_residual(posterior.mean_N_C.detach().cpu().double())
    mean_N = posterior.mean_N.detach().cpu().double()
    if posterior.draws_S_N is not None:
        return (posterior.draws_S_N.detach().cpu().double() - mean_N).abs().mean(0)
    return math.sqrt(2 / math.pi) * posterior.variance_N.detach().cpu().double().sqrt()


def expected_class_residual(probs_N_C: Tensor) -> Tensor:
    """Sum over c of p_c |p - e_c|, shape (N,), for class probabilities (N, C)."""
    squares_N_1 = probs_N_C.square().sum(1, keepdim=True)
    return (probs_N_C * (squares_N_1 - 2 * probs_N_C + 1).clamp_min(0).sqrt()).sum(1)


class ExpectedErrorReduction(Measure):
    """How far a label is expected to lower the error that the model expects of itself elsewhere (Roy & McCallum 2001).

    I(x) = L - sum over c of p_c(x) L_(x, c), with L the mean over target points of the loss that the model expects: the
    entropy of its prediction ("log"), or one minus its largest probability ("zero_one"); and L_(x, c) the same for the
    model as if x had the label c. Differences of "zero_one" are often exactly 0: "log" ranks more points.

    For regression this is the reduction of integrated variance, in closed form: use `IVR()`.

    Parameters
    ----------
    loss : {"log", "zero_one"}
    n_candidates : int or None
        So many points of the pool are looked at in a round (as many as are asked, where those are more), drawn by the
        seed; the scores of all others are minus infinity. None: all.
    n_targets : int or None
        So many unlabelled points are the targets, drawn anew each round by the seed; those that may not be asked count
        as well. None: all.

    Raises
    ------
    InvalidParameter

    Notes
    -----
    In a batch each next point is chosen as if the points before it had their likeliest labels, among the same
    candidates and for the same targets. Cost: ``n_candidates`` times C hypothetical labels for each point of a batch,
    each with a prediction of the targets.
    """

    task = "classification"
    needs = ("model", "fantasies")

    def __init__(self, loss: str = "log", n_candidates: int | None = 50, n_targets: int | None = 200):
        self.loss = one_of(loss, LOSSES, "loss")
        self.n_candidates = None if n_candidates is None else whole(n_candidates, "n_candidates")
        self.n_targets = None if n_targets is None else whole(n_targets, "n_targets")
        self.unit = "nats" if loss == "log" else ""

    def __call__(self, pool: Pool) -> Tensor:
        model = needs.fitted(pool, self)
        posterior = pool.posterior
        if not isinstance(posterior, ClassPosterior):
            raise WrongTask(
                f"{self!r} is for classification. In regression it is the reduction of integrated variance, which "
                f"IVR() has in closed form."
            )
        imagine = needs.fantasies(pool, self)
        x_T = self._targets(pool.before)
        values_N = torch.full((len(pool),), -math.inf, dtype=torch.float64)
        if not len(pool):
            return values_N
        now = self._expected_loss(model.posterior(x_T))
        for i in self._candidates(pool):
            x_1 = pool.unlabelled.rows(torch.tensor([i]))
            probs_C = posterior.mean_N_C[i].detach().cpu().double().clamp_min(0)
            then = 0.0
            for c in probs_C.nonzero().flatten().tolist():  # a class without labels has probability 0, and no fantasy
                after = imagine(x_1, np.array([c])).posterior(x_T)
                then += float(probs_C[c] / probs_C.sum()) * self._expected_loss(after)
            values_N[i] = now - then
        return values_N

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask(f"{self!r} asks the model for hypothetical labels of a pool; a posterior alone has none.")

    def _candidates(self, pool: Pool) -> NDArray[np.int64]:
        """Positions of those that are looked at: the same for all places of a batch, less those that are taken."""
        before = pool.before
        open_rows = np.flatnonzero(before.batch().open_N)
        if self.n_candidates is not None and len(open_rows) > (size := max(self.n_candidates, before.n)):
            open_rows = np.sort(before.generator("candidates").permutation(open_rows)[:size])
        taken = pool.labelled.indices[len(pool.labelled) - pool.believed :]
        return open_rows[~np.isin(pool.unlabelled.indices[open_rows], taken)]

    def _targets(self, pool: Pool) -> Tensor:
        view = pool.whole.unlabelled
        if self.n_targets is None or self.n_targets >= len(view):
            return view.x
        rows = np.sort(pool.generator("targets").permutation(len(view))[: self.n_targets])
        return view.rows(torch.from_numpy(rows))

    def _expected_loss(self, posterior: Any) -> float:
        probs_T_C = posterior.mean_N_C.detach().cpu().double().clamp_min(0)
        loss_T = 1 - probs_T_C.amax(1) if self.loss == "zero_one" else torch.special.entr(probs_T_C).sum(1)
        return float(loss_T.mean())
