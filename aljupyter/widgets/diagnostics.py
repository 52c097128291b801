"""What the model of a moment gets right and wrong, as plain numbers: scikit-learn's, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix
from torch import Tensor

from aljupyter.posterior import ClassPosterior, Posterior, RegressionPosterior
from aljupyter.records import in_number
from aljupyter.widgets.frames import Moment

CURVE, CALIBRATION, OUTCOME, LABELS = "learning curve", "calibration", "outcome", "labels so far"
BINS = 10
SHARES = np.arange(0.05, 1.0, 0.05)
_NO_MODEL = "No model of this moment."
_NOTHING = "Nothing to judge the model by: give the data a test view, DataManager(..., test=0.25)."


@dataclass(frozen=True)
class Calibration:
    """How often the model was right, beside how sure it was.

    Classification: by bins of the largest probability, the share of right predictions. Regression: by the share of
    labels that a central interval should hold, the share that it holds.

    Attributes
    ----------
    said_B, true_B : arrays
    count_B : int array
        Points in a bin; of all points where empty.
    is_interval : bool
    """

    said_B: np.ndarray
    true_B: np.ndarray
    count_B: np.ndarray
    is_interval: bool


@dataclass(frozen=True)
class Confusion:
    """Counts of points by true class (rows) and predicted class, shape (C, C)."""

    counts_C_C: np.ndarray
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Parity:
    """Predicted beside measured values, and the standard deviation of a label."""

    measured_N: np.ndarray
    predicted_N: np.ndarray
    std_N: np.ndarray


@dataclass(frozen=True)
class LabelCounts:
    """How many labels there are of each class, or within each pair of edges (B + 1 of them)."""

    counts_B: np.ndarray
    classes: tuple[str, ...] = ()
    edges: np.ndarray | None = None


Judgement = Calibration | Confusion | Parity | LabelCounts


@dataclass(frozen=True)
class DiagnosticFrame:
    """One of them, or None; and what is to be said beside it."""

    view: str
    shown: Judgement | None
    message: str = ""


def diagnostic_frame(view: str, moment: Moment, data: Any) -> DiagnosticFrame:
    """What is asked for, of the model and the labels of a moment. Nothing is fitted.

    Parameters
    ----------
    view : {"calibration", "outcome", "labels so far"}
        The outcome is a confusion matrix, or measured values beside predicted ones.
    moment : Moment
    data : DataManager
        The test view is what the model is judged by; without one its leave-one-out predictions.
    """
    classes = () if data.classes is None else tuple(map(str, data.classes))
    if view == LABELS:
        given = moment.labelled.y.cpu().numpy()
        if not len(given):
            return DiagnosticFrame(view, None, "No labels yet: Step asks for the first.")
        return DiagnosticFrame(view, label_counts(given, classes), in_number(len(given), "label"))
    if moment.model is None:
        return DiagnosticFrame(view, None, _NO_MODEL)
    posterior, y, by = _judged(moment, data)
    if posterior is None:
        return DiagnosticFrame(view, None, _NOTHING)
    older = "" if moment.is_current else ", the model before the last labels"
    message = f"{in_number(len(y), 'point')} of {by}{older}"
    if view == CALIBRATION:
        return DiagnosticFrame(view, calibration(posterior, y), message)
    if isinstance(posterior, ClassPosterior):
        guess = posterior.mean_N_C.argmax(1).cpu().numpy()
        counts = confusion_matrix(y.cpu().numpy(), guess, labels=range(posterior.n_classes))
        return DiagnosticFrame(view, Confusion(counts, classes), message)
    assert isinstance(posterior, RegressionPosterior)
    parity = Parity(y.double().cpu().numpy(), posterior.mean_N.cpu().numpy(), _deviation(posterior))
    return DiagnosticFrame(view, parity, message)


def _judged(moment: Moment, data: Any) -> tuple[Posterior | None, Tensor, str]:
    """What the model says of points that it did not see, their labels, and what they are."""
    assert moment.model is not None
    if len(data.test):
        return moment.model.posterior(data.test), data.test.y, "the test view"
    y = moment.labelled.y
    left_out = moment.model.leave_one_out() if moment.is_current else None
    return left_out, y, "the labelled ones, each left out"


def calibration(posterior: Posterior, y: Tensor) -> Calibration:
    """See :class:`Calibration`; of classes by :func:`sklearn.calibration.calibration_curve`."""
    if isinstance(posterior, ClassPosterior):
        p_N_C = posterior.mean_N_C.double().cpu().numpy()
        sure_N = np.clip(p_N_C.max(1), 0.0, 1.0)
        right_N = p_N_C.argmax(1) == y.cpu().numpy()
        true_B, said_B = calibration_curve(right_N, sure_N, n_bins=BINS, pos_label=True)
        # the same bins as there, and as there without those that are empty
        counts = np.bincount(np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], sure_N), minlength=BINS)
        return Calibration(said_B, true_B, counts[counts > 0], is_interval=False)
    assert isinstance(posterior, RegressionPosterior)
    away_N = np.abs(y.double().cpu().numpy() - posterior.mean_N.cpu().numpy())
    std_N = _deviation(posterior)
    widths_S = np.array([NormalDist().inv_cdf(0.5 + share / 2) for share in SHARES])
    held_S = (away_N[None] <= widths_S[:, None] * std_N[None]).mean(1)
    return Calibration(SHARES.copy(), held_S, np.zeros(0, np.int64), is_interval=True)


def label_counts(y: np.ndarray, classes: Sequence[str]) -> LabelCounts:
    """Counts by class, or a histogram of the values."""
    if classes:
        return LabelCounts(np.bincount(y, minlength=len(classes)), tuple(classes))
    counts, edges = np.histogram(y, bins="auto" if len(y) < 1000 else 30)
    return LabelCounts(counts, edges=edges)


def _deviation(posterior: RegressionPosterior) -> np.ndarray:
    """Of a label: of the function, and of the noise where it is known; shape (N,)."""
    variance = posterior.variance_N if posterior.noise_N is None else posterior.variance_N + posterior.noise_N
    deviation: np.ndarray = variance.clamp(min=0).sqrt().cpu().numpy()
    return deviation
