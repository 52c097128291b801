"""Posteriors for tests: made by hand, and by hypothesis."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aljupyter.posterior import ClassPosterior, RegressionPosterior


def probs(*rows):
    """A posterior from rows of probabilities."""
    return ClassPosterior(torch.tensor(rows, dtype=torch.float64))


@st.composite
def class_posteriors(draw, max_points=30, max_classes=6):
    """Random class probabilities, certain ones (exact zeros and ones) among them."""
    shape = draw(st.tuples(st.integers(1, max_points), st.integers(2, max_classes)))
    weights = draw(hnp.arrays(float, shape, elements=st.sampled_from([0.0, 1e-9, 0.2, 0.5, 1.0, 3.0])))
    weights[weights.sum(1) == 0, 0] = 1.0
    return ClassPosterior(torch.from_numpy(weights / weights.sum(1, keepdims=True)))


@st.composite
def regression_posteriors(draw, max_points=30):
    n = draw(st.integers(1, max_points))
    numbers = st.floats(-1e6, 1e6)
    mean = draw(hnp.arrays(np.float64, n, elements=numbers))
    variance = draw(hnp.arrays(np.float64, n, elements=numbers.map(abs)))
    return RegressionPosterior(torch.from_numpy(mean), torch.from_numpy(variance))


def drawn(*draws, weights=None):
    """A posterior from draws, each a list of rows of probabilities; its mean is that of the draws."""
    probs_S_N_C = torch.tensor(draws, dtype=torch.float64)
    weights_S = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    shares_S = torch.ones(len(draws), dtype=torch.float64) if weights is None else weights_S
    return ClassPosterior(torch.einsum("s,snc->nc", shares_S / shares_S.sum(), probs_S_N_C), probs_S_N_C, weights_S)


@st.composite
def drawn_posteriors(draw, max_points=10, max_classes=4, max_draws=6):
    """Random draws of class probabilities, exact zeros and ones among them, with and without weights."""
    shape = draw(
        st.tuples(*(st.integers(low, high) for low, high in ((2, max_draws), (1, max_points), (2, max_classes))))
    )
    values = draw(hnp.arrays(float, shape, elements=st.sampled_from([0.0, 1e-9, 0.2, 0.5, 1.0, 3.0])))
    values[values.sum(-1) == 0, 0] = 1.0
    weights = draw(st.none() | hnp.arrays(float, shape[0], elements=st.sampled_from([0.0, 0.1, 1.0, 7.0])))
    if weights is not None and not weights.any():
        weights[0] = 1.0
    return drawn(
        *(values / values.sum(-1, keepdims=True)).tolist(), weights=None if weights is None else weights.tolist()
    )
