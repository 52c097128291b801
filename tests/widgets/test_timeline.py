"""Going back in time: what was shown is shown again, nothing is fitted, and the present stays as it is."""

import time

import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances as open_widgets

import aljupyter as al
from aljupyter.widgets import theme
from aljupyter.widgets.timeline import Timeline
from tests.managers import NearestMean
from tests.widgets.explorers import Slow, choose, click, eventually, make_learner


def picture(explorer):
    """All that the left picture shows."""
    points = explorer._screen.heatmap.points
    marks = [(mark.x.tolist(), mark.y.tolist()) for mark in points.marks]
    return explorer._screen.heatmap.image.image.value, marks


def heat(explorer):
    """The numbers behind the colours, whose limits grow with what has been seen, and half a colour."""
    view = explorer._screen.heatmap
    low, high = view.colours.min, view.colours.max
    return low + theme.decode_png(view.image.image.value) / 255 * (high - low), (high - low) / 255 * 0.51


def go(explorer, k):
    """What the browser does when a person moves the slider."""
    explorer._timeline.slider.value = k


def gp_learner(task):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 2))
    y = (x[:, 0] > 0).astype(int) if task == "classification" else np.sin(2 * x[:, 0]) + x[:, 1]
    data = al.DataManager(x, y, test=0.25, labelled=10, seed=0)
    return al.ActiveLearner(data, strategy=al.strategies.Margin() if task == "classification" else None, seed=0)


@pytest.mark.parametrize(
    "make",
    [make_learner, lambda: gp_learner("classification"), lambda: gp_learner("regression")],
    ids=["nearest mean", "GP classifier", "GP regressor"],
)
def test_every_round_is_shown_as_it_was_when_it_was_the_present(explore, make):
    explorer = explore(make())
    then = [(picture(explorer)[1], heat(explorer))]
    for _ in range(4):
        click(explorer, "step")
        then.append((picture(explorer)[1], heat(explorer)))
    # an Explorer that is opened now has seen none of it
    late = explore(explorer.learner)
    for view in (explorer, late):
        for k in (2, 0, 3, 1, 4):
            go(view, k)
            marks, (values, half) = then[k]
            assert picture(view)[1] == marks
            np.testing.assert_allclose(heat(view)[0], values, rtol=0, atol=half + heat(view)[1])


def test_going_back_fits_nothing_and_leaves_the_present_alone(explore, monkeypatch):
    learner = gp_learner("classification")
    explorer = explore(learner)
    learner.run(4, progress=False)
    theta = learner.model.estimator_.models_[0].theta.copy()
    before = learner.data.labelled.indices.tolist(), learner.n_labels, learner.history, learner.metrics, learner.events
    calls = []
    for kind in (type(learner.model), NearestMean):
        monkeypatch.setattr(kind, "fit", lambda *args, **more: calls.append(1))
    state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    for k in (0, 1, 2, 3, 4, 0):
        go(explorer, k)
        for measure in ("entropy", "margin"):
            choose(explorer, "measure", measure)
    assert not calls
    after = learner.data.labelled.indices.tolist(), learner.n_labels, learner.history, learner.metrics, learner.events
    assert before == after and learner.is_current
    np.testing.assert_array_equal(theta, learner.model.estimator_.models_[0].theta)
    assert torch.equal(state[0], torch.random.get_rng_state()) and (state[1] == np.random.get_state()[1]).all()
    assert explorer.last_error is None


def test_the_status_and_the_timeline_say_which_round(explore):
    explorer = explore(make_learner())
    assert explorer.summary().endswith("Timeline: no round yet.") and explorer._timeline.slider.disabled
    choose(explorer, "rounds", 3)
    click(explorer, "run")
    assert explorer.summary().endswith("Timeline: 3 of 3, the present.")
    go(explorer, 1)
    value = explorer.learner.history[1].metrics["balanced_accuracy"]
    said = f"Round 1 of 3, with 7 labels: balanced accuracy {value:.3f}"
    assert explorer.summary().startswith(said) and "then Entropy() asked 1 point." in explorer.summary()
    assert explorer.summary().endswith("Timeline: 1 of 3.") and not explorer._timeline.now.disabled
    curve = explorer._screen.right.curve
    assert (curve.present.x[0], curve.present.y[0]) == (7, np.float32(value)) and len(curve.curve.x) == 4
    assert f"shown is {value:.3f} at 7" in explorer.summary()
    explorer._timeline.now.click()
    assert explorer.summary().startswith("After 3 rounds: ") and explorer._timeline.now.disabled
    assert curve.present.x[0] == 9 and "shown is" not in explorer.summary()


def test_who_steps_sees_the_present_and_who_looks_back_stays(explore):
    learner = make_learner()
    learner.run(3, progress=False)
    explorer = explore(learner)
    go(explorer, 1)
    before = picture(explorer)
    learner.step()  # another cell
    assert explorer._timeline.at == 1 and explorer._timeline.slider.max == 4
    assert picture(explorer) == before
    assert explorer.summary().startswith("Round 1 of 4")
    click(explorer, "step")
    assert explorer._timeline.at is None and explorer.summary().startswith("After 5 rounds")
    go(explorer, 4)
    click(explorer, "undo")
    assert explorer.summary().startswith("Taken back. After 4 rounds") and explorer._timeline.slider.max == 4
    go(explorer, 3)
    learner.undo(), learner.undo()
    assert explorer._timeline.at is None and explorer._timeline.slider.max == 2
    assert explorer.last_error is None


def test_a_person_may_look_back_while_rounds_are_played(explore, on_thread):
    learner = make_learner(model=Slow())
    explorer = explore(learner, synchronous=False)
    choose(explorer, "rounds", 3)
    click(explorer, "run")
    eventually(lambda: len(learner.history) >= 2)
    start = time.monotonic()
    on_thread(lambda: go(explorer, 0))
    assert time.monotonic() - start < 0.5  # it does not wait for a fit of a second
    assert explorer.summary().startswith("Round 0 of ")
    assert explorer.wait(30)
    assert len(learner.history) == 3 and explorer._timeline.at == 0
    assert explorer.last_error is None


def test_a_pinned_round_is_subtracted(explore):
    explorer = explore(gp_learner("regression"))
    explorer.learner.run(4, progress=False)
    view = explorer._screen.heatmap
    shown, then = {}, {}
    for k in range(5):
        go(explorer, k)
        shown[k], then[k] = heat(explorer)
    go(explorer, 1)
    explorer._timeline.pin.value = True
    assert (theme.decode_png(view.image.image.value) == 128).all()  # nothing has changed since itself
    for k in (3, 4, 0):
        go(explorer, k)
        values, half = heat(explorer)
        np.testing.assert_allclose(values, shown[k] - shown[1], rtol=0, atol=half + then[k] + then[1])
        assert view.colours.min == -view.colours.max and view.colours.colors == theme.heat_colours(name="PuOr")
        assert "what changed since round 1" in explorer.summary()
    click(explorer, "step")
    assert "what changed since round 1" in explorer.summary() and explorer._timeline.pin.description == "against 1"
    assert explorer.picture().startswith(b"\x89PNG")
    explorer._timeline.pin.value = False
    assert "what changed" not in explorer.summary() and view.colours.colors == theme.heat_colours()
    explorer._timeline.pin.value = True  # the present is pinned, and is a round of the past soon
    click(explorer, "step")
    assert "what changed since round 5" in explorer.summary()
    click(explorer, "undo"), click(explorer, "undo")
    assert not explorer._timeline.pin.value and "what changed" not in explorer.summary()
    assert explorer.last_error is None


def test_a_round_without_a_stored_model_shows_its_points(explore):
    class Forgetful(NearestMean):
        def state(self):
            return None

    learner = make_learner(model=Forgetful())
    learner.run(2, progress=False)
    explorer = explore(learner)
    go(explorer, 0)
    assert "No model of this round is stored" in explorer._screen.heatmap.widget.children[0].value
    assert explorer.summary().startswith("Round 0 of 2") and "6 labelled" in explorer.summary()
    assert explorer.last_error is None


def test_the_slider_calls_nobody_when_the_loop_moves_it():
    heard, pins, widgets = [], [], set(open_widgets)
    timeline = Timeline(heard.append, pins.append)
    timeline.show(5, None)
    timeline.show(5, 2)
    timeline.show(2, None)
    timeline.show(9, 0)
    assert not heard and timeline.at == 0
    timeline.slider.value = 4
    timeline.slider.value = 9
    timeline.now.click()
    assert heard == [4, None]
    timeline.slider.value = 3
    assert timeline.play.value == 3
    for frame in range(4, 10):  # a film goes on from there
        timeline.play.value = frame
    timeline.show(9, None, pinned=3)
    assert timeline.pin.description == "against 3" and not pins
    timeline.pin.value = False
    assert pins == [False]
    assert timeline.slider.value == 9 and heard[2:] == [3, 4, 5, 6, 7, 8, None]
    timeline.show(0, None)
    assert timeline.slider.disabled and timeline.play.disabled
    timeline.close()
    assert set(open_widgets) == widgets
