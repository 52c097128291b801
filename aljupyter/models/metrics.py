"""Metrics of a posterior against labels: scikit-learn's, by name."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn import metrics as sk
from torch import Tensor

from aljupyter.errors import ModelError
from aljupyter.posterior import ClassPosterior, Posterior

CLASSIFICATION = ("accuracy", "balanced_accuracy", "log_loss")
REGRESSION = ("mse", "rmse", "r2")
LOWER_IS_BETTER = frozenset({"log_loss", "mse", "rmse"})


def evaluate_posterior(posterior: Posterior, y: Tensor, metrics: Sequence[str] | None = None) -> dict[str, float]:
    """Metrics of predictions against labels.

    Parameters
    ----------
    posterior : Posterior
        Over N points.
    y : Tensor of shape (N,)
        Class codes, or numbers.
    metrics : sequence of str, optional
        Some of `accuracy balanced_accuracy log_loss` (classification) or `mse rmse r2` (regression); all of them where
        not given.

    Raises
    ------
    ModelError
        For a metric that the task does not have.
    """
    known = CLASSIFICATION if isinstance(posterior, ClassPosterior) else REGRESSION
    wanted = known if metrics is None else tuple(metrics)
    for name in wanted:
        if name not in known:
            raise ModelError(f"Metric {name!r} is not one of {', '.join(known)}.")
    truth = y.cpu().numpy()
    if isinstance(posterior, ClassPosterior):
        probs_N_C = posterior.mean_N_C.double().cpu().numpy()
        probs_N_C = probs_N_C / probs_N_C.sum(1, keepdims=True)
        guess = probs_N_C.argmax(1)
        present = sorted(set(truth.tolist()))
        compute = {
            "accuracy": lambda: sk.accuracy_score(truth, guess),
            # balanced accuracy = mean recall over the classes that occur; balanced_accuracy_score itself warns
            # whenever a guess is of another class
            "balanced_accuracy": lambda: sk.recall_score(truth, guess, labels=present, average="macro"),
            "log_loss": lambda: sk.log_loss(truth, probs_N_C, labels=range(posterior.n_classes)),
        }
    else:
        mean = posterior.mean_N.cpu().numpy()
        compute = {
            "mse": lambda: sk.mean_squared_error(truth, mean),
            "rmse": lambda: sk.root_mean_squared_error(truth, mean),
            "r2": lambda: sk.r2_score(truth, mean) if len(truth) > 1 else float("nan"),
        }
    return {name: float(compute[name]()) for name in wanted}
