"""Colours, pictures and numbers that all views share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aljupyter.widgets import theme

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_a_palette_picture_can_be_read_back(levels):
    np.testing.assert_array_equal(theme.decode_png(theme.encode_png(levels, theme.heat_palette())), levels)


def test_a_heatmap_of_a_hundred_cells_a_side_is_small_on_the_wire():
    smooth = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)
    assert len(theme.encode_png(smooth, theme.heat_palette())) < 15_000


def test_the_scale_that_bqplot_draws_has_the_colours_of_the_picture():
    palette, colours = theme.heat_palette(), theme.heat_colours(16)
    assert len(colours) == 16
    assert colours[0] == "#{:02x}{:02x}{:02x}".format(*palette[0])
    assert colours[-1] == "#{:02x}{:02x}{:02x}".format(*palette[-1])


def test_neighbouring_classes_differ_in_colour_and_in_shape():
    for code in range(40):
        assert theme.class_colour(code) != theme.class_colour(code + 1)
        assert theme.class_shape(code) != theme.class_shape(code + 1)
    assert len({(theme.class_colour(code), theme.class_shape(code)) for code in range(35)}) == 35


@given(finite, st.floats(1e-3, 1e6), st.integers(2, 8), st.booleans())
def test_ticks_are_few_and_within_the_limits(low, span, n, integer):
    ticks = theme.nice_ticks(low, low + span, n, integer)
    assert len(ticks) <= n + 2
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)
    assert (np.diff(ticks) > 0).all()
    if integer:
        np.testing.assert_array_equal(ticks, ticks.round())


def test_there_are_ticks_without_a_range():
    np.testing.assert_array_equal(theme.nice_ticks(3.0, 3.0), [3.0])


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [([0, 0.5, 1], ".1f"), ([0, 25, 50], ".0f"), ([0, 0.25], ".2f"), ([0, 2e6], ".1e"), ([0, 2e-4], ".1e")],
)
def test_a_tick_format_has_the_decimals_that_its_ticks_need(ticks, expected):
    assert theme.tick_format(np.array(ticks)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9761, "0.976"), (12.345, "12.35"), (427.0, "427"), (0.0, "0.000"), (-0.0001, "-0.0001"), (1e6, "1e+06"),
     (float("nan"), "not a number"), (float("inf"), "infinite")],
)  # fmt: skip
def test_numbers_in_sentences(value, text):
    assert theme.number(value) == text


def test_a_change_has_the_decimals_of_what_changed():
    assert theme.number(0.5, like=123.0) == "0"
    assert theme.number(0.00001, like=0.9) == "0.000"
    assert theme.number(-0.00001, like=0.9) == "0.000"
