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
