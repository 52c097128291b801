"""How a loop is doing, in words. It rests on what was measured to mean something, and fits nothing.

The chief signal is what the model said of each queried point just before its label came. Leave-one-out is not used
alone: at 30 labels it does not warn of a model that is wrong elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree

from aljupyter.errors import AlJupyterError
from aljupyter.posterior import RegressionPosterior
from aljupyter.records import RoundRecord

#: queries that the signal was measured on, and what the accuracy before the label then meant (two classes)
FIRST_QUERY, LAST_QUERY, NO_GAIN, SURE_GAIN = 20, 50, 0.55, 0.8
RECENT = 20  # queries that say how things are going now
NOTHING_TO_LEARN = 0.75, 0.32  # error before the label in deviations of y, and share of noise in its variance
OVERCONFIDENT = 2.0  # mean squared standardised error; 2.4 to 3.7 where 95% intervals held far less
MOST_POINTS = 2000
FAR, NEAR = 95, 0.01  # percentile of distances between neighbours; share of their median
MANY_FAR, MANY_NEAR = 0.3, 0.2  # shares of the recent queries
FLAT, ROUGH = 10.0, 0.1  # length scales beyond the extent of the data, below the distance between neighbours

GOOD, BAD, UNKNOWN = "good", "bad", "unknown"


@dataclass(frozen=True)
class Finding:
    """One answer.

    Attributes
    ----------
    name : str
        The question, in a word or two.
    verdict : {"good", "bad", "unknown"}
    sentence : str
    value : float or None
        The figure behind it.
    advice : str
        What to try; empty where there is nothing to.
    """

    name: str
    verdict: str
    sentence: str
    value: float | None = None
    advice: str = ""


@dataclass(frozen=True, repr=False)
class Explanation:
    """What :func:`explain` gives; prints as paragraphs."""

    findings: tuple[Finding, ...]

    def __getitem__(self, name: str) -> Finding:
        return next(finding for finding in self.findings if finding.name == name)

    @property
    def advice(self) -> tuple[str, ...]:
        """What to try, three things at most, the first first."""
        return tuple(dict.fromkeys(f.advice for f in self.findings if f.advice))[:3]

    def __repr__(self) -> str:
        signs = {GOOD: "+", BAD: "!", UNKNOWN: "?"}
        lines = [f"{signs[f.verdict]} {f.name}: {f.sentence}" for f in self.findings]
        lines += [f"  To try: {advice}" for advice in self.advice]
        return "\n".join(lines)


def explain(learner: Any) -> Explanation:
    """How the loop is doing: whether it gains, what stands in the way, what to try.

    Parameters
    ----------
    learner : ActiveLearner

    Returns
    -------
    Explanation
        With one finding a question: "gain", "floor", "confidence" (regression), "queries", "likelihood" (GPs) and
        "classes" (classification).
    """
    asked = [record for record in learner.history if record.predicted is not None and record.strategy != "given"]
    questions = [_gain(learner, asked), _floor(learner, asked)]
    if learner.data.task == "regression":
        questions.append(_confidence(learner, asked))
    questions += [_queries(learner, asked), _likelihood(learner)]
    if learner.data.task == "classification":
        questions.append(_classes(learner))
    return Explanation(tuple(question for question in questions if question is not None))


def _answers(learner: Any, asked: list[RoundRecord]) -> Iterator[tuple[Any, Any]]:
    """Each queried point's own posterior, as numbers, and its label as the model saw it."""
    for record in asked:
        said: Any = record.predicted
        yield from zip(
            said.mean_N_C if hasattr(said, "mean_N_C") else _with_noise(said),
            learner.data.encode(record.labels.tolist()),
            strict=True,
        )


def _with_noise(said: RegressionPosterior) -> torch.Tensor:
    noise_N = torch.zeros_like(said.variance_N) if said.noise_N is None else said.noise_N
    return torch.stack([said.mean_N, said.variance_N + noise_N, noise_N], 1)


def _gain(learner: Any, asked: list[RoundRecord]) -> Finding:
    compare = "run the same loop with random queries and compare."
    if learner.data.task == "regression":
        return Finding("gain", UNKNOWN, f"no signal of a gain over random queries is known for regression; {compare}")
    if learner.data.n_classes != 2:
        return Finding("gain", UNKNOWN, f"its signal was measured for two classes only; {compare}")
    right = [float(p.argmax() == y) for p, y in _answers(learner, asked)]
    if len(right) < 2 * FIRST_QUERY:
        queries = f"{len(right)} {'query' if len(right) == 1 else 'queries'}"
        return Finding("gain", UNKNOWN, f"{queries} so far; it shows after {2 * FIRST_QUERY}.")
    share = float(np.mean(right[FIRST_QUERY:LAST_QUERY]))
    told = (
        f"the model was right on {share:.0%} of queries {FIRST_QUERY} to {min(LAST_QUERY, len(right))} "
        f"before their labels came"
    )
    if share < NO_GAIN:
        told = f"{told}: below {NO_GAIN:.0%} no gain over random queries is to be expected."
        advice = "explore: Auto(), or a share of random queries; noise or finer structure may be the cause"
        return Finding("gain", BAD, told, share, advice)
    if share > SURE_GAIN:
        return Finding("gain", GOOD, f"{told}: above {SURE_GAIN:.0%} nine of ten runs beat random queries.", share)
    told = f"{told}: between {NO_GAIN:.0%} and {SURE_GAIN:.0%} a gain over random queries is likely, not sure."
    return Finding("gain", UNKNOWN, told, share)


def _floor(learner: Any, asked: list[RoundRecord]) -> Finding | None:
    name = "accuracy" if learner.data.task == "classification" else "rmse"
    floor = learner.floor_performance() or {}
    metrics = learner.metrics or (dict(learner.history[-1].metrics) if len(learner.history) else {})
    if name not in metrics or name not in floor:
        return Finding("floor", UNKNOWN, "there is no model with a metric yet.")
    value, constant = metrics[name], floor[name]
    better = value > constant + 0.02 if name == "accuracy" else value < 0.95 * constant
    told = f"{name} {value:.3g}, against {constant:.3g} without a model"
    if learner.data.task == "regression" and len(asked) >= RECENT:
        answers = list(_answers(learner, asked))[-RECENT:]
        deviation = float(learner.data.labelled.y.std()) or 1.0
        error = float(np.sqrt(np.mean([(float(p[0]) - float(y)) ** 2 for p, y in answers]))) / deviation
        noise = float(np.mean([float(p[2]) for p, _ in answers])) / deviation**2
        if error >= NOTHING_TO_LEARN[0] and noise >= NOTHING_TO_LEARN[1]:
            told = (
                f"{told}; errors before the label stay at {error:.2f} deviations of the target and {noise:.0%} of its "
                f"variance looks like noise: little is left to learn."
            )
            advice = "other features, or repeated measurements; more labels will change little"
            return Finding("floor", BAD, told, error, advice)
    if better:
        return Finding("floor", GOOD, f"{told}.", value)
    advice = "check features and their scaling, and look at the heatmap: is there any structure?"
    return Finding("floor", BAD, f"{told}: the model is at its floor.", value, advice)


def _confidence(learner: Any, asked: list[RoundRecord]) -> Finding:
    answers = list(_answers(learner, asked))[-RECENT:]
    if len(answers) < RECENT // 2:
        return Finding("confidence", UNKNOWN, f"shows after {RECENT // 2} queries.")
    squares = float(np.mean([(float(p[0]) - float(y)) ** 2 / max(float(p[1]), 1e-300) for p, y in answers]))
    told = (
        f"the last {len(answers)} labels came {squares:.1f} times as far (squared) from their predictions as these said"
    )
    if squares > OVERCONFIDENT:
        advice = "a few random labels for an honest estimate; GPRegressor() with its default prior"
        return Finding("confidence", BAD, f"{told}: intervals are too narrow.", squares, advice)
    return Finding("confidence", GOOD, f"{told}.", squares)


def _queries(learner: Any, asked: list[RoundRecord]) -> Finding:
    indices = np.concatenate([record.indices for record in asked[-RECENT:]]) if asked else np.zeros(0, int)
    train = learner.data.train.indices
    if len(indices) < 5 or len(train) < 10:
        return Finding("queries", UNKNOWN, "shows after five queries.")
    train = train[np.unique(np.linspace(0, len(train) - 1, min(MOST_POINTS, len(train))).astype(int))]
    try:
        points, queried = (
            learner.data.subset(which).x.reshape(len(which), -1).double().numpy() for which in (train, indices)
        )
    except AlJupyterError:
        return Finding("queries", UNKNOWN, "the data are too large to look at distances.")
    tree = KDTree(points)
    between = tree.query(points, k=2)[0][:, 1]
    distance = np.where(np.isin(indices, train), tree.query(queried, k=2)[0][:, 1], tree.query(queried, k=1)[0])
    far = float((distance > np.percentile(between, FAR)).mean())
    near = _near_duplicates(learner, asked[-RECENT:], NEAR * float(np.median(between)))
    told = (
        f"of the last {len(indices)}, {far:.0%} lie farther out than {FAR}% of points, {near:.0%} are near-duplicates"
    )
    if near > MANY_NEAR:
        advice = "remove duplicates, or a batch strategy that spreads: KCenter(), BADGE()"
        return Finding("queries", BAD, f"{told} of labelled ones.", near, advice)
    if far > MANY_FAR:
        return Finding("queries", BAD, f"{told}.", far, "weigh by density: Representativeness(), or Auto()")
    return Finding("queries", GOOD, f"{told}.", far)


def _near_duplicates(learner: Any, records: list[RoundRecord], limit: float) -> float:
    found = []
    for record in records:
        labelled = learner.data.subset(record.labelled_before).x.reshape(record.n_labels, -1).double()
        queried = learner.data.subset(record.indices).x.reshape(len(record.indices), -1).double()
        found += (torch.cdist(queried, labelled).min(1).values <= limit).tolist()
    return float(np.mean(found))


def _likelihood(learner: Any) -> Finding | None:
    models = getattr(learner.model.estimator_, "models_", None) if learner.model.is_fitted else None
    if models is None or not hasattr(learner.model, "fantasize"):
        return None
    x = learner.data.labelled.x.reshape(learner.n_labels, -1).double().numpy()
    if len(x) < 3:
        return None
    extent = float(np.linalg.norm(np.ptp(x, axis=0))) or 1.0
    apart = float(np.median(KDTree(x).query(x, k=2)[0][:, 1]))
    scales = [_length_scales(model) for model in models]
    known = [scale for scale in scales if scale is not None]
    if not known:
        return None
    shortest, longest = min(float(scale.min()) for scale in known), max(float(scale.max()) for scale in known)
    if shortest > FLAT * extent:
        told = f"every length scale is beyond {FLAT:.0f} times the extent of the data: the GP sees no structure."
        return Finding("likelihood", BAD, told, shortest, "more labels, or other features")
    if longest < ROUGH * apart:
        told = "every length scale is far below the distance between points: to the GP each is an island."
        return Finding("likelihood", BAD, told, longest, "fewer features, or a start with more labels")
    return Finding("likelihood", GOOD, "the optimum of the GP's likelihood is not degenerate.")


def _length_scales(model: Any) -> np.ndarray | None:
    kernel = getattr(model, "covar_module", None)
    scales = getattr(getattr(kernel, "base_kernel", kernel), "lengthscale", None)
    return None if scales is None else scales.detach().cpu().double().numpy().ravel()


def _classes(learner: Any) -> Finding:
    counts = torch.bincount(learner.data.labelled.y.long(), minlength=learner.data.n_classes or 2)
    names = list(learner.data.classes if learner.data.classes is not None else range(len(counts)))
    missing = [str(name) for name, count in zip(names, counts.tolist(), strict=True) if not count]
    told = ", ".join(f"{count} {name}" for name, count in zip(names, counts.tolist(), strict=True))
    if missing:
        advice = "look for it: TypiClust(), a share of random queries, or a label by hand"
        return Finding("classes", BAD, f"{told}: no label yet of {', '.join(missing)}.", float(len(missing)), advice)
    if int(counts.max()) > 10 * int(counts.min()):
        return Finding("classes", BAD, f"{told}: far from balanced.", float(counts.min()), "read balanced accuracy")
    return Finding("classes", GOOD, f"{told}.", float(counts.min()))
