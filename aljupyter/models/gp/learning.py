"""How theta is learned: from where searches start, and which of them go together.

The marginal likelihood has several maxima. In a loop the search goes on from the last round's, which takes one or two
evaluations. Two things guard against staying at a maximum that others have overtaken: the best other one that is known,
the runner-up, is looked at the more often the nearer it is; and whenever the labels have grown by a tenth there is a
search from somewhere new. Over growing sets of labels (twelve data sets, with noise and many classes among them) this
leaves 0.2 to 0.9 percent of rounds more than 0.01 below scikit-learn's cold searches, and the mean above; without it,
5 to 8 percent of rounds are below on the harder sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.control import Control
from aljupyter.errors import ModelError
from aljupyter.models.gp.covariance import AnyKernel, Vector
from aljupyter.models.gp.kernels import bounds_of
from aljupyter.models.gp.modules import ClassificationGP
from aljupyter.models.gp.optimise import Optimum, Search, bfgs, lbfgsb, run, run_together
from aljupyter.models.gp.priors import Hyperprior, has_priors
from aljupyter.models.gp.process import GaussianProcess
from aljupyter.models.gp.threads import one_thread
from aljupyter.models.gp.tracks import RunnerUp, Track

#: searches elsewhere are this coarse before they are compared
_COARSE = 1e-2
#: a runner-up may catch up by this much a label, and is looked at at the latest after this share of new labels
_CATCH_UP, _LOOK = 0.3, 0.1
#: with this many labels a search from somewhere new waits until they have doubled: the more, the rarer other maxima
_MANY = 2000
#: a hyperparameter whose logarithm has this variance hardly matters
_FLAT = 10.0
#: a better maximum is one that is better by this
_BETTER = 1e-4
#: a new maximum is the runner-up if it is not this much worse than the present one
_MUCH = 0.5
#: theta this near to the best, or a step from it, is drawn to it; at the end, this near is the same
_NEAR, _SAME = 0.3, 0.02


class Objective:
    """Minus log evidence and log prior of a GP, as the searches want it.

    Parameters
    ----------
    problem : GaussianProcess
    use_prior : bool
        Whether the priors registered in the module take part.
    """

    def __init__(self, problem: GaussianProcess, use_prior: bool):
        self.problem = problem
        self.bounds = bounds_of(problem.free)
        self.prior = Hyperprior(problem) if use_prior and has_priors(problem) else None

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        return self.of(theta, *self.problem.evidence(theta))

    def of(self, theta: Vector, value: float, gradient: Vector) -> tuple[float, Vector]:
        """The objective where the evidence is known."""
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return math.inf, np.zeros_like(theta)
        if self.prior is not None:
            log_prior, pull = self.prior(theta)
            value, gradient = value + log_prior, gradient + pull
        return -value, -gradient


def learn(
    problems: Sequence[GaussianProcess],
    optimizer: str | None,
    data_starts: Callable[[], Sequence[Vector]],
    last: Sequence[GaussianProcess] | None,
    use_prior: bool,
    control: Control | None = None,
) -> None:
    """Find the hyperparameters of problems on the same points, and condition.

    Parameters
    ----------
    problems : sequence of GaussianProcess
        At the hyperparameters that the kernel came with.
    optimizer : {"fast", "faithful"} or None
    data_starts : callable
        Gives starts that suit the points, of shape (P,) each, the most typical first.
    last : sequence of GaussianProcess, optional
        The same problems as they were learned in an earlier round.
    use_prior : bool
    control : Control, optional

    Raises
    ------
    ModelError
        Where the evidence is finite at no start.
    RoundCancelled
    """
    with one_thread(len(problems[0].y_N)):
        if optimizer is None or not len(problems[0].theta):
            for problem, before in zip(problems, last or problems, strict=True):
                if last is not None and np.array_equal(problem.theta, before.theta):
                    problem.continue_from(before)
                problem.settle(problem.theta)
        else:
            objectives = [Objective(problem, use_prior) for problem in problems]
            if optimizer == "faithful":
                _learn_cold(objectives, control)
            elif last is None:
                optima = _learn_cold(objectives, control)
                _challenge(objectives, optima, [_Challenge(i, data_starts()[0]) for i in range(len(problems))], control)
            else:
                _learn_warm(objectives, data_starts, last, control)
        if not all(math.isfinite(problem.log_evidence_) for problem in problems):
            raise ModelError(
                "The GP's log marginal likelihood is not finite at any hyperparameters tried: the kernel gives NaN or "
                "infinite covariances for these features."
            )


def _learn_cold(objectives: Sequence[Objective], control: Control | None) -> list[Optimum]:
    """scikit-learn's search, so that the optimum is no worse than scikit-learn's."""
    optima = []
    for objective in objectives:
        problem = objective.problem
        problem.track = Track(second_at=len(problem.y_N), turn=1)
        optima.append(lbfgsb(objective, problem.theta, objective.bounds, control))
        _settle(problem, optima[-1])
    return optima


def _learn_warm(
    objectives: Sequence[Objective],
    data_starts: Callable[[], Sequence[Vector]],
    last: Sequence[GaussianProcess],
    control: Control | None,
) -> None:
    """From the last round's optimum, with its curvature; then from elsewhere, where that is due."""
    searches = []
    for objective, before in zip(objectives, last, strict=True):
        problem = objective.problem
        problem.continue_from(before)
        problem.track = before.track
        H = before.track.inverse_hessian
        known_H = H if len(H) == len(before.theta) else None  # it had fixed hyperparameters
        searches.append(bfgs(before.theta, objective.bounds, known_H, problem.tolerance))
    optima = _run(objectives, searches, control)
    for objective, optimum in zip(objectives, optima, strict=True):
        _settle(objective.problem, optimum)

    n = len(objectives[0].problem.y_N)
    tracks = [objective.problem.track for objective in objectives]
    known = [
        _Challenge(i, other.theta, other.inverse_hessian, is_known=True)
        for i, other in enumerate(track.runner_up for track in tracks)
        if other is not None and not 0 <= n - other.at < min(max(1, other.behind / _CATCH_UP), max(1, _LOOK * other.at))
    ]
    _challenge(objectives, optima, known, control)
    new = []
    for i, track in enumerate(tracks):
        problem = objectives[i].problem
        if not track.second_at <= n < max(problem.growth, 1 + track.second_at / _MANY) * track.second_at:
            starts = data_starts()
            new.append(_Challenge(i, starts[track.turn % len(starts)], _curvature(objectives[i], optima[i])))
            problem.track = replace(problem.track, second_at=n, turn=track.turn + 1)
    _challenge(objectives, optima, new, control)


def _curvature(objective: Objective, optimum: Optimum) -> NDArray[np.float64] | None:
    """Inverse Hessian for a search from elsewhere: variance and length scales trade off there in much the same way.

    Not so at a degenerate optimum, where some are on a bound or hardly matter; nor the period of a periodic kernel.
    """
    lower, upper = objective.bounds.T
    is_inside = ((optimum.theta > lower) & (optimum.theta < upper)).all()
    is_known = not isinstance(objective.problem.covariance, AnyKernel)
    H = optimum.inverse_hessian
    return H if is_known and is_inside and np.diag(H).max() < _FLAT else None


class _Challenge(NamedTuple):
    """A search elsewhere, for the i-th problem."""

    i: int
    theta: Vector
    inverse_hessian: NDArray[np.float64] | None = None
    is_known: bool = False  # whether it follows the runner-up


def _challenge(
    objectives: Sequence[Objective], optima: list[Optimum], challenges: Sequence[_Challenge], control: Control | None
) -> None:
    """Search from elsewhere, coarsely; where that is better, to the end. What comes second is kept as runner-up."""
    if not challenges:
        return
    asked = [objectives[challenge.i] for challenge in challenges]
    kept = [(objective.problem.posterior, objective.problem.at) for objective in asked]
    searches = []
    for objective, challenge in zip(asked, challenges, strict=True):
        objective.problem.jump()
        search = bfgs(challenge.theta, objective.bounds, challenge.inverse_hessian, tolerance=_COARSE)
        searches.append(_until_near(search, optima[challenge.i]))
    rough = _run(asked, searches, control)
    for objective, challenge, other, (posterior, at) in zip(asked, challenges, rough, kept, strict=True):
        problem, best = objective.problem, optima[challenge.i]
        n, runner_up = len(problem.y_N), problem.track.runner_up
        if other.value < best.value - _BETTER:
            search = bfgs(other.theta, objective.bounds, other.inverse_hessian, problem.tolerance)
            found = run(search, objective, control)
            optima[challenge.i] = found
            _settle(problem, found)
            runner_up = RunnerUp(best.theta, best.inverse_hessian, best.value - found.value, n)
        else:
            problem.posterior, problem.at = posterior, at
            behind = other.value - best.value
            if other is best:
                runner_up = None if challenge.is_known else runner_up
            elif challenge.is_known or runner_up is None or behind < runner_up.behind + _MUCH:
                runner_up = RunnerUp(other.theta, other.inverse_hessian, behind, n)
        problem.track = replace(problem.track, runner_up=runner_up)


def _until_near(search: Search, best: Optimum) -> Search:
    """A search that ends, with the best so far, as soon as it is drawn to it."""
    theta = next(search)
    while True:
        answer = yield theta
        if answer[0] < best.value + 1:
            landing = theta - best.inverse_hessian @ answer[1]  # a Newton step, were the curvature that of the best
            if min(np.abs(where - best.theta).max() for where in (theta, landing)) < _NEAR:
                return best
        try:
            theta = search.send(answer)
        except StopIteration as end:
            found: Optimum = end.value
            return best if np.abs(found.theta - best.theta).max() < _SAME else found


def _settle(problem: GaussianProcess, optimum: Optimum) -> None:
    problem.settle(optimum.theta)
    problem.track = replace(problem.track, inverse_hessian=optimum.inverse_hessian)


def _run(objectives: Sequence[Objective], searches: Sequence[Search], control: Control | None) -> list[Optimum]:
    """One search a problem, in one batch where that is faster."""
    if not _batch_pays(objectives):
        return [run(search, objective, control) for objective, search in zip(objectives, searches, strict=True)]

    def evaluate(which: list[int], thetas: list[Vector]) -> list[tuple[float, Vector]]:
        asked = [objectives[i] for i in which]
        found = ClassificationGP.evidence_together([objective.problem for objective in asked], thetas)
        return [objective.of(theta, *pair) for objective, theta, pair in zip(asked, thetas, found, strict=True)]

    return run_together(searches, evaluate, control)


def _batch_pays(objectives: Sequence[Objective]) -> bool:
    problem = objectives[0].problem if len(objectives) > 1 else None
    if not isinstance(problem, ClassificationGP) or isinstance(problem.covariance, AnyKernel):
        return False
    return isinstance(problem.x_N_D, Tensor)


def evidence_at(problem: GaussianProcess, theta: Vector) -> tuple[float, Vector]:
    """Log marginal likelihood and its gradient at any theta, the GP left as it is."""
    kept = vars(problem).copy()
    try:
        with one_thread(len(problem.y_N)):
            return problem.evidence(theta)
    finally:
        problem.__dict__.update(kept)
