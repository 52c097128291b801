"""Strategies by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from aljupyter.errors import InvalidParameter, UnknownStrategy
from aljupyter.strategies import features, measures
from aljupyter.strategies.auto import Auto
from aljupyter.strategies.badge import BADGE
from aljupyter.strategies.bait import BAIT
from aljupyter.strategies.base import Strategy, UpperConfidenceBound, as_strategy
from aljupyter.strategies.batch_bald import BatchBALD
from aljupyter.strategies.cluster_margin import ClusterMargin
from aljupyter.strategies.committee import QueryByCommittee
from aljupyter.strategies.density import DensityWeighted, RankedBatch
from aljupyter.strategies.determinant import DOptimal, MaxDet
from aljupyter.strategies.epig import EPIG
from aljupyter.strategies.expected import ExpectedErrorReduction, ExpectedModelChange
from aljupyter.strategies.frank_wolfe import ACSFW
from aljupyter.strategies.integrated import IVR
from aljupyter.strategies.lcmd import LCMD
from aljupyter.strategies.representative import Representative
from aljupyter.strategies.selection import EpsilonGreedy, Power, Softmax, SoftRank
from aljupyter.strategies.spread_y import IGS, GSy

if TYPE_CHECKING:
    import pandas as pd


class Named(NamedTuple):
    """What the catalogue says of a strategy.

    N points of the pool, M labelled, n asked, D features, C classes, S draws, T targets, E numbers in an embedding.
    """

    make: Callable[..., Strategy | measures.Measure]
    cost: str  # of choosing, after one prediction of the pool
    reference: str


def _power_bald(temperature: float = 1.0) -> Strategy:
    return Strategy(measures.BALD(), Power(temperature))


def _softmax_bald(temperature: float = 1.0) -> Strategy:
    return Strategy(measures.BALD(), Softmax(temperature))


def _softrank_bald(temperature: float = 1.0) -> Strategy:
    return Strategy(measures.BALD(), SoftRank(temperature))


def _epsilon_greedy(eps: float = 0.05) -> Strategy:
    return Strategy(measures.Greedy(), EpsilonGreedy(eps))


_NAMED: dict[str, Named] = {
    "auto": Named(Auto, "that of its phase", "measured: tests/benchmarks/defaults.py"),
    "margin": Named(measures.Margin, "O(N C)", "Scheffer, Decomain & Wrobel 2001"),
    "entropy": Named(measures.Entropy, "O(N C)", "Shannon 1948; Settles 2009"),
    "least_confidence": Named(measures.LeastConfidence, "O(N C)", "Lewis & Gale 1994"),
    "ratio": Named(measures.Ratio, "O(N C)", "Settles 2009"),
    "bald": Named(measures.BALD, "O(N S C)", "Houlsby et al. 2011, arXiv:1112.5745"),
    "power_bald": Named(_power_bald, "O(N S C)", "Kirsch et al. 2021, arXiv:2106.12059"),
    "softmax_bald": Named(_softmax_bald, "O(N S C)", "Kirsch et al. 2021, arXiv:2106.12059"),
    "softrank_bald": Named(_softrank_bald, "O(N S C + N log N)", "Kirsch et al. 2021, arXiv:2106.12059"),
    "batch_bald": Named(BatchBALD, "O(N n S C B), B label configurations", "Kirsch et al. 2019, arXiv:1906.08158"),
    "epig": Named(EPIG, "O(N T S C^2); regression O(N T n)", "Bickford Smith et al. 2023, arXiv:2304.08151"),
    "query_by_committee": Named(QueryByCommittee, "O(N S C)", "Seung, Opper & Sompolinsky 1992"),
    "variance": Named(measures.Variance, "O(N)", "MacKay 1992"),
    "ivr": Named(IVR, "O(N T n)", "Cohn, Ghahramani & Jordan 1996; Seo et al. 2000"),
    "d_optimal": Named(DOptimal, "O(N n (M + n))", "Krause, Singh & Guestrin 2008"),
    "greedy": Named(measures.Greedy, "O(N)", "PyRelationAL, arXiv:2205.11117"),
    "epsilon_greedy": Named(_epsilon_greedy, "O(N log N)", "PyRelationAL's Listing 5, arXiv:2205.11117"),
    "upper_confidence_bound": Named(UpperConfidenceBound, "O(N)", "Auer 2002"),
    "expected_improvement": Named(measures.ExpectedImprovement, "O(N)", "Jones, Schonlau & Welch 1998"),
    "thompson": Named(measures.Thompson, "O(N S^2), S up to 2,048", "Thompson 1933"),
    "badge": Named(BADGE, "O(N n (C + E)) at most", "Ash et al. 2020, arXiv:1906.03671"),
    "bait": Named(BAIT, "O(N E (n + E)); more classes O(N C^2 E (n + E))", "Ash et al. 2021, arXiv:2106.09675"),
    "acs_fw": Named(ACSFW, "O(N S (n + C))", "Pinsler et al. 2019, arXiv:1908.02144"),
    "lcmd": Named(LCMD, "O(N (M + n) D)", "Holzmueller et al. 2022, arXiv:2203.09410"),
    "max_det": Named(MaxDet, "O(N n (n + D)) at most", "Holzmueller et al. 2022, arXiv:2203.09410"),
    "expected_model_change": Named(
        ExpectedModelChange, "O(N (C + E)); regression O(N (S + E))", "Settles & Craven 2008; Cai, Zhang & Zhou 2013"
    ),
    "expected_error_reduction": Named(
        ExpectedErrorReduction, "C fantasies a candidate, at T targets", "Roy & McCallum 2001"
    ),
    "density_weighted": Named(DensityWeighted, "O(N T D)", "Settles & Craven 2008"),
    "ranked_batch": Named(RankedBatch, "O(N (M + n) D)", "Cardoso et al. 2017"),
    "cluster_margin": Named(
        ClusterMargin, "O(N^2 D) up to a few thousand points, then k-means", "Citovsky et al. 2021, arXiv:2107.14263"
    ),
    "gsy": Named(GSy, "O(N (M + n))", "Wu, Lin & Huang 2019, arXiv:1808.04245"),
    "igs": Named(IGS, "O(N (M + n) D)", "Wu, Lin & Huang 2019, arXiv:1808.04245"),
    "relative_distance": Named(measures.RelativeDistance, "O(N M D)", "PyRelationAL, arXiv:2205.11117"),
    "representative": Named(Representative, "k-means: O(N n D) a step", "PyRelationAL, arXiv:2205.11117"),
    "k_center": Named(features.KCenter, "O(N (M + n) D) at most", "Sener & Savarese 2018, arXiv:1708.00489"),
    "gsx": Named(features.GSx, "O(N (M + n) D) at most", "Wu, Lin & Huang 2019, arXiv:1808.04245"),
    "typiclust": Named(features.TypiClust, "k-means: O(N (M + n) D) a step", "Hacohen et al. 2022, arXiv:2202.02794"),
    "prob_cover": Named(features.ProbCover, "O(N^2 D) time, O(N) memory", "Yehuda et al. 2022, arXiv:2205.11320"),
    "max_herding": Named(features.MaxHerding, "O(N T D)", "Bae, Noh & Sutherland 2024, arXiv:2407.12212"),
    "random": Named(measures.Random, "O(N)", "the baseline"),
}
_SHORT = {
    "alc": "ivr",
    "committee": "query_by_committee",
    "core_set": "k_center",
    "egl": "expected_model_change",
    "expected_gradient_length": "expected_model_change",
    "information_density": "density_weighted",
    "eer": "expected_error_reduction",
    "ei": "expected_improvement",
    "emc": "expected_model_change",
    "integrated_variance": "ivr",
    "qbc": "query_by_committee",
    "representativeness": "representative",
    "thompson_sampling": "thompson",
    "ucb": "upper_confidence_bound",
}
#: names without their underscores
_SPELLINGS = {name.replace("_", ""): name for name in _NAMED} | {
    short.replace("_", ""): name for short, name in _SHORT.items()
}
_RESTRICTIONS = ("candidates", "forbidden", "max_candidates", "quota")


def get(name: str, **parameters: Any) -> Strategy:
    """The strategy of a name, e.g. ``get("upper_confidence_bound", weight=2, max_candidates=10_000)``.

    Parameters
    ----------
    name : str
        See :func:`catalogue`. Case, ``-`` and ``_`` do not matter.
    **parameters
        Those of the strategy, and those of :meth:`Strategy.within`: every strategy takes `candidates`, `forbidden`,
        `max_candidates` and `quota`.

    Raises
    ------
    UnknownStrategy
        With the nearest name there is.
    InvalidParameter
        For a parameter that the strategy does not have, or a value that makes no sense.
    """
    key = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    key = _SPELLINGS.get(key.replace("_", ""), key)
    if key not in _NAMED:
        near = difflib.get_close_matches(key, _NAMED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownStrategy(f"No strategy is called {name!r}.{hint} There are: {', '.join(_NAMED)}.")
    make = _NAMED[key].make
    known = inspect.signature(make).parameters
    restrictions = {k: parameters.pop(k) for k in _RESTRICTIONS if k in parameters and k not in known}
    for parameter in parameters:
        if parameter not in known:
            raise InvalidParameter(
                f"The strategy {key!r} has no parameter {parameter!r}. There are: "
                f"{', '.join(dict.fromkeys((*known, *_RESTRICTIONS)))}."
            )
    strategy = as_strategy(make(**parameters))
    return strategy.within(**restrictions) if restrictions else strategy


def names(task: str | None = None) -> list[str]:
    """Names of the strategies, of one task ("classification" or "regression") or of all."""
    return [name for name in _NAMED if task is None or get(name).task in (None, task)]


def catalogue() -> pd.DataFrame:
    """All named strategies, one a row.

    Returns
    -------
    DataFrame
        ``name``; ``task`` ("classification", "regression" or "both"); ``needs``: "nothing", or what is asked of the
        model, with commas between; ``cost`` of choosing n of N points after one prediction of the pool (M labelled
        ones, D features, C classes, S draws, T targets, E numbers in an embedding); ``reference``; ``definition``.
    """
    import pandas as pd

    rows = []
    for name, named in _NAMED.items():
        strategy = get(name)
        rows.append(
            {
                "name": name,
                "task": strategy.task or "both",
                "needs": ", ".join(strategy.needs) or "nothing",
                "cost": named.cost,
                "reference": named.reference,
                "definition": repr(strategy),
            }
        )
    return pd.DataFrame(rows)


def default(task: str) -> Strategy:
    """What is used when a person names none."""
    return Auto()


def measures_to_show(classes: Iterable[Any] | None) -> dict[str, measures.Measure]:
    """Measures for a heatmap, by the name that a person reads.

    Parameters
    ----------
    classes : iterable or None
        Labels of the classes; None for regression.
    """
    if classes is not None:
        shown: dict[str, measures.Measure] = {
            "margin": measures.Margin(),
            "entropy": measures.Entropy(),
            "least confidence": measures.LeastConfidence(),
            "ratio": measures.Ratio(),
        }
        return shown | {f"probability of {name}": measures.ClassProbability(c) for c, name in enumerate(classes)}
    return {
        "standard deviation": measures.StandardDeviation(),
        "variance": measures.Variance(),
        "mean": measures.Greedy(),
        "upper confidence bound": measures.Greedy() + measures.StandardDeviation(),
    }
