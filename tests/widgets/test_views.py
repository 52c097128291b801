"""Views: what they put on the screen, what they say of it, and that they leave nothing behind."""

import io

import numpy as np
import PIL.Image
import pytest
from ipywidgets import HTML, Button, Image, Label, ValueWidget
from ipywidgets.widgets.widget import _instances as open_widgets

from aljupyter.widgets import static, theme
from aljupyter.widgets.cleanup import tree
from aljupyter.widgets.controls import Controls
from aljupyter.widgets.curve import CurveView
from aljupyter.widgets.curves import CurveFrame
from aljupyter.widgets.frames import Curves, Heat, PlaneFrame, Points
from aljupyter.widgets.heatmap import HeatmapView
from aljupyter.widgets.keys import KeyGuard
from tests.widgets.explorers import make_learner

NOWHERE = Points(np.zeros(0, int), np.zeros((0, 2)))


def points(*xy):
    return Points(np.arange(len(xy)), np.array(xy, float).reshape(-1, 2))


def plane_frame(**changes):
    heat = Heat(np.array([[0.0, 0.25], [0.5, 1.0]], np.float32), (0, 4), (10, 20), (0.0, 2.0), "entropy (nats)")
    frame = {
        "x_label": "acidity", "y_label": "sugar", "x_limits": (0, 4), "y_limits": (10, 20), "heat": heat,
        "pool": points((1, 12), (2, 14), (3, 19)), "n_pool": 3, "labelled": points((1, 11), (3, 18), (2, 15)),
        "labels": np.array([0, 1, 1]), "asked": points((3, 18)), "candidates": points((2, 14)),
    }  # fmt: skip
    return PlaneFrame(**(frame | changes))


def curve_frame(**changes):
    frame = {"n_labels": [10, 12, 14], "values": [0.7, np.nan, 0.9], "ceiling": 0.95, "floor": 0.5, "n_train": 100}
    frame = frame | {"metric": "balanced_accuracy"} | changes
    return CurveFrame(**{k: np.array(v, float) if k in ("n_labels", "values") else v for k, v in frame.items()})


@pytest.fixture
def heatmap():
    view = HeatmapView(["dry", "sweet"])
    yield view
    view.close()


@pytest.fixture
def curve():
    view = CurveView()
    yield view
    view.close()


# --- heatmap --------------------------------------------------------------------------------------------------------


def test_the_picture_has_the_values_with_y_upwards(heatmap):
    heatmap.render(plane_frame())
    levels = theme.decode_png(heatmap.image.image.value)
    np.testing.assert_array_equal(levels[::-1], np.round(np.array([[0, 0.25], [0.5, 1]]) / 2 * 255))
    np.testing.assert_array_equal(heatmap.image.x, [0, 4])
    np.testing.assert_array_equal(heatmap.image.y, [10, 20])
    assert (heatmap.colours.min, heatmap.colours.max) == (0, 2)


def test_another_heat_is_another_image_for_bqplot_repaints_for_nothing_less(heatmap):
    heatmap.render(plane_frame())
    first, widgets = heatmap.image.image, len(open_widgets)
    for k in range(20):
        heatmap.render(plane_frame(n_pool=k))
        assert heatmap.image.image is not first
        first = heatmap.image.image
    assert len(open_widgets) == widgets


def test_what_goes_over_the_wire_is_float32(heatmap):
    heatmap.render(plane_frame())
    for mark in heatmap.points.marks:
        assert mark.x.dtype == mark.y.dtype == np.float32
    assert heatmap.image.x.dtype == np.float32


def test_classes_have_colour_and_shape_and_the_query_a_ring(heatmap):
    heatmap.render(plane_frame())
    dry, sweet = heatmap.points.labelled
    assert (dry.colors, dry.marker) != (sweet.colors, sweet.marker)
    np.testing.assert_array_equal(dry.x, [1])
    np.testing.assert_array_equal(sweet.x, [3, 2])
    assert not heatmap.points.asked.fill and heatmap.points.asked.colors == [theme.ASKED_COLOUR]
    np.testing.assert_array_equal(heatmap.points.asked.y, [18])
    assert heatmap.points.candidates.marker == "cross"


def test_the_summary_is_read_from_the_marks(heatmap):
    heatmap.render(plane_frame())
    assert heatmap.summary() == (
        "Heatmap: entropy (nats) over acidity and sugar, from 0.000 to 1.00, mean 0.439 "
        "(upper left 0.502, upper right 1.00, lower left 0.000, lower right 0.251).\n"
        "Points: 3 labelled (1 dry, 2 sweet), 3 in the pool; last asked 1 at (3.00, 18.00); next 1 at (2.00, 14.00)."
    )
    heatmap.points.pool.x = heatmap.points.pool.y = np.zeros(0, np.float32)
    heatmap.points.candidates.x = heatmap.points.candidates.y = np.arange(5, dtype=np.float32)
    assert "0 of 3 pool points drawn" in heatmap.summary()
    assert heatmap.summary().endswith("next 5 at (0.000, 0.000), (1.00, 1.00), (2.00, 2.00) and 2 more.")


def test_points_under_labelled_ones_are_drawn_with_the_pool_and_not_counted(heatmap):
    ground = points((1, 12), (1, 11), (2, 14), (3, 19))
    heatmap.render(plane_frame(ground=ground))
    np.testing.assert_array_equal(heatmap.points.pool.x, [1, 1, 2, 3])
    assert "3 in the pool" in heatmap.summary()
    drawn = heatmap.points.pool.x
    heatmap.render(plane_frame(ground=ground, pool=points((2, 14), (3, 19)), n_pool=2))
    assert heatmap.points.pool.x is drawn  # nothing is sent
    assert "2 in the pool" in heatmap.summary()


def test_a_pool_that_is_drawn_in_part_says_so(heatmap):
    heatmap.render(plane_frame(n_pool=5000))
    assert "3 of 5000 pool points drawn" in heatmap.summary()
    assert "3 of 5000 drawn" in heatmap.widget.children[2].value


def test_without_heat_it_says_what_to_do(heatmap):
    heatmap.render(plane_frame())
    heatmap.render(plane_frame(heat=None, message="No labels yet: Step."))
    assert not heatmap.image.visible
    assert heatmap.summary().startswith("No heatmap yet over acidity and sugar.")
    assert "No labels yet: Step." in heatmap.widget.children[0].value
    heatmap.render(plane_frame())
    assert heatmap.image.visible


def test_text_from_data_is_escaped():
    view = HeatmapView(["<script>alert(1)</script>", "&"])
    heat = Heat(np.zeros((1, 1), np.float32), (0, 1), (0, 1), (0, 1), "<b>probability</b>")
    view.render(plane_frame(heat=heat, message="<img src=x>"))
    html = "".join(child.value for child in view.widget.children if hasattr(child, "value"))
    assert "<script" not in html and "<b>probability" not in html and "<img" not in html
    assert "&lt;script&gt;" in html
    view.close()


def test_a_line_has_curves_and_a_band():
    view = HeatmapView(None, is_line=True)
    x = np.linspace(0, 1, 4)
    curves = Curves(x, x[None], x - 1, x + 1)
    view.render(plane_frame(curves=curves, labels=np.array([0.5, 1.0, 2.0])))
    np.testing.assert_allclose(view.lines.y.ravel(), x, rtol=1e-6)
    np.testing.assert_allclose(view.band.y, [x - 1, x + 1], rtol=1e-6)
    assert "3 labelled," in view.summary() and "over acidity," in view.summary()
    view.render(plane_frame(heat=None, curves=None, labels=np.zeros(3)))
    assert view.lines.y.size == view.band.y.size == 0
    view.close()


# --- curve ----------------------------------------------------------------------------------------------------------


def test_the_curve_is_drawn_between_floor_and_ceiling(curve):
    curve.render(curve_frame())
    np.testing.assert_allclose(curve.curve.x, [10, 14])  # a round without a value leaves a gap in numbers, not a NaN
    np.testing.assert_allclose(curve.curve.y, [0.7, 0.9], rtol=1e-6)
    np.testing.assert_allclose(curve.present.x, [14])
    np.testing.assert_allclose(curve.ceiling.y, [0.95, 0.95], rtol=1e-6)
    np.testing.assert_allclose(curve.floor.y, [0.5, 0.5])
    assert curve.summary() == (
        "Learning curve: balanced accuracy 0.900 at 14 labels; 0.700 at 10, best 0.900; ceiling 0.950; floor 0.500."
    )


def test_what_is_not_known_is_not_drawn(curve):
    curve.render(curve_frame())
    curve.render(curve_frame(ceiling=None, floor=np.nan))
    assert len(curve.ceiling.x) == len(curve.floor.x) == 0
    assert "ceiling" not in curve.summary() and "floor" not in curve.summary()
    curve.render(curve_frame(n_labels=[], values=[], ceiling=None, floor=None))
    assert curve.summary() == "Learning curve: no value of balanced accuracy yet."


def test_a_metric_that_should_fall_says_so(curve):
    curve.render(curve_frame(metric="rmse", values=[3.0, 1.0, 2.0]))
    assert "rmse (lower is better) 2.00 at 14 labels" in curve.summary()
    assert "best 1.00" in curve.summary()


def test_the_label_axis_has_whole_numbers_and_stays_for_some_rounds(curve):
    limits = set()
    for k in range(1, 9):
        n = np.arange(20, 20 + k)
        curve.render(curve_frame(n_labels=n, values=np.linspace(0.5, 0.9, k)))
        axis = curve.figure.axes[0]
        np.testing.assert_array_equal(axis.tick_values, axis.tick_values.round())
        limits.add((axis.scale.min, axis.scale.max))
    assert len(limits) == 1


# --- all ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: HeatmapView(["a", "b", "c"]),
        lambda: HeatmapView(None, is_line=True),
        CurveView,
        lambda: Controls(["random"], ["entropy"], [Button(description="p", tooltip="plane")]),
        lambda: Controls(["random"], ["entropy"]),
    ],
    ids=["heatmap", "line", "curve", "controls", "controls for one feature"],
)
def test_close_leaves_no_widget(make):
    before = set(open_widgets)
    view = make()
    if isinstance(view, HeatmapView):
        view.render(plane_frame())
        view.render(plane_frame(n_pool=9))
    assert set(open_widgets) > before
    view.close()
    assert set(open_widgets) == before


def test_every_control_of_an_explorer_says_what_it_is(explore):
    explorer = explore(make_learner(n_features=3))
    explorer._controls.settings.value = explorer._region.toggle.value = True
    for widget in tree(explorer.widget):
        if isinstance(widget, ValueWidget | Button) and not isinstance(widget, HTML | Label | Image | KeyGuard):
            tip = getattr(widget, "tooltip", None) or "title=" in getattr(widget, "description", "")
            assert tip, repr(widget)


def test_every_control_has_a_label_and_a_tooltip():
    controls = Controls(["random"], ["entropy"], [Button(description="p", tooltip="plane")])
    for row in controls.widget.children[:2]:
        for control in row.children:
            if control not in (controls.bar, controls.words):
                assert control.description and (control.tooltip or 'title="' in control.description)
    controls.close()


def test_the_status_line_is_announced_and_escaped():
    controls = Controls(["random"], ["entropy"])
    controls.say("1 < 2 & so on")
    assert 'role="status"' in controls.status.value and 'aria-live="polite"' in controls.status.value
    assert controls.summary() == "1 < 2 & so on"
    try:
        raise ValueError("<script>")
    except ValueError as error:
        controls.say("<b> failed", error)
    assert 'role="alert"' in controls.status.value and "<script>" not in controls.status.value
    assert controls.summary() == "<b> failed"
    assert "<details" in controls.status.value and "ValueError: &lt;script&gt;" in controls.status.value
    assert "test_views.py" in controls.status.value  # where it happened
    assert theme.ERROR_TEXT in controls.status.value
    controls.close()


@pytest.mark.parametrize("classes", [["dry", "_sweet $x$"], None])
def test_the_still_picture_shows_what_the_frames_hold(classes):
    x = np.linspace(0, 4, 5)
    curves = Curves(x, x[None] + 10, x + 9, x + 11)
    png = static.picture(plane_frame(curves=curves), curve_frame(), classes, "After 3 rounds: it costs $5 or $6.")
    with PIL.Image.open(io.BytesIO(png)) as image:
        assert image.size[0] > 2 * image.size[1] > 200
    empty = plane_frame(heat=None, pool=NOWHERE, labelled=NOWHERE, labels=np.zeros(0, int), asked=NOWHERE,
                        candidates=NOWHERE, message="nothing yet")  # fmt: skip
    other = static.picture(empty, curve_frame(ceiling=None, floor=None, n_labels=[], values=[]), classes)
    assert other != png
    assert png == static.picture(
        plane_frame(curves=curves), curve_frame(), classes, "After 3 rounds: it costs $5 or $6."
    )
