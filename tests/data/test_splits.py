"""Seeded draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aljupyter.data.splits import draw

classes = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@given(classes, st.data())
def test_a_stratified_draw_has_each_class_in_proportion(strata, data):
    size = data.draw(st.integers(0, len(strata)))
    drawn = draw(np.arange(len(strata)) * 3, size, np.random.default_rng(0), strata)
    assert len(set(drawn.tolist())) == size and (np.diff(drawn) > 0).all()
    for c in np.unique(strata):
        share = size * np.mean(strata == c)
        assert abs(np.sum(strata[drawn // 3] == c) - share) < 2  # ties go by lot, so one point may not be all


@given(classes, st.data())
def test_every_class_comes_in_where_the_size_allows(strata, data):
    n_classes = len(np.unique(strata))
    size = data.draw(st.integers(n_classes, len(strata)))
    drawn = draw(np.arange(len(strata)), size, np.random.default_rng(0), strata, every_stratum=True)
    assert len(np.unique(strata[drawn])) == n_classes and len(drawn) == size


@pytest.mark.parametrize("strata", [None, np.arange(10) % 3])
def test_every_point_can_be_drawn(strata):
    generator = np.random.default_rng(0)
    counts = sum(np.bincount(draw(np.arange(10), 3, generator, strata), minlength=10) for _ in range(400))
    assert counts.min() > 60  # 120 expected of each
