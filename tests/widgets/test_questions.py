"""Clicks on the heatmap: what is known of a point, what if, and labelling by hand; what a user's `show` may do."""

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets
from PIL import Image

import aljupyter as al
from aljupyter.widgets import theme
from aljupyter.widgets.show import shown_by
from tests.widgets.explorers import click, make_learner


def gp_learner(task="classification", n_features=2, names=None):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, n_features))
    y = np.array(["no", "yes"])[(x[:, 0] > 0).astype(int)] if task == "classification" else np.sin(2 * x[:, 0])
    if names is not None:
        x = pd.DataFrame(x, columns=names)
    data = al.DataManager(x, y, test=0.25, labelled=10, seed=0)
    strategy = al.strategies.Entropy() if task == "classification" else al.strategies.Variance()
    return al.ActiveLearner(data, strategy=strategy, seed=0)


def click_point(explorer, mark, position):
    """What bqplot sends when a point is clicked."""
    mark._handle_custom_msgs(mark, {"event": "element_click", "data": {"index": position}})


def place_of(explorer, k):
    """Where the k-th unlabelled point stands in the mark of the pool, which has those under labelled ones too."""
    marks = explorer._screen.heatmap.points
    return marks._indices[marks.pool.model_id].tolist().index(explorer.learner.data.unlabelled.indices[k])


def click_place(explorer, x, y):
    image = explorer._screen.heatmap.image
    image._handle_custom_msgs(image, {"event": "element_click", "data": {"click_x": x, "click_y": y}})


def point(explorer):
    return next(line for line in explorer.summary().splitlines() if line.startswith("Point: "))


def heat(explorer):
    return theme.decode_png(explorer._screen.heatmap.image.image.value)


def test_a_click_on_the_next_point_tells_all_of_it(explore):
    explorer = explore(gp_learner())
    learner, marks = explorer.learner, explorer._screen.heatmap.points
    asked = int(learner.query(1).indices[0])
    click_point(explorer, marks.candidates, 0)
    said = point(explorer)
    assert f"Point {asked} · rank 1 of 35 · p(no)" in said
    p = learner.model.posterior(learner.data.subset([asked])).mean_N_C[0]
    assert f"p(no) {p[0]:.3f}" in said and f"p(yes) {p[1]:.3f}" in said and "Entropy(): 0." in said
    assert "Nearest labels: point " in said
    assert [marks.chosen.x[0], marks.chosen.y[0]] == [marks.candidates.x[0], marks.candidates.y[0]]
    click_point(explorer, marks.labelled[0], 2)
    assert "labelled no at the start" in point(explorer)
    click_point(explorer, marks.pool, place_of(explorer, 5))
    assert f"Point {learner.data.unlabelled.indices[5]} · rank " in point(explorer)
    assert explorer.last_error is None


def test_a_click_beside_a_point_means_it_and_elsewhere_the_place(explore):
    explorer = explore(gp_learner())
    marks = explorer._screen.heatmap.points
    place = place_of(explorer, 7)
    x, y = float(marks.pool.x[place]), float(marks.pool.y[place])
    click_place(explorer, x + 0.001, y)
    assert f"Point {explorer.learner.data.unlabelled.indices[7]} · " in point(explorer)
    click_place(explorer, 9.0, 9.0)
    assert "This place · would be rank " in point(explorer)
    assert point(explorer).endswith("x0 9.00 · x1 9.00")  # in the units of the axes
    assert explorer._questions.view.label.disabled  # there is no point to label
    assert (marks.chosen.x[0], marks.chosen.y[0]) == (9.0, 9.0)


@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_plane_can_be_asked(explore, task, n_features):
    explorer = explore(gp_learner(task, n_features))
    click(explorer, "step")
    low, high = explorer._screen._frames[0].x_limits
    click_place(explorer, low + 0.31 * (high - low), 0.0)
    assert explorer.last_error is None and point(explorer).startswith(("Point: This place", "Point: Point "))
    explorer.ask(int(explorer.learner.data.unlabelled.indices[0]))
    explorer._questions.view._buttons[0].click()
    assert "If point " in point(explorer) and explorer.last_error is None
    explorer._questions.view.reset.click()
    assert "If point" not in point(explorer)


def test_what_if_shows_another_model_and_reset_brings_it_back(explore, monkeypatch):
    explorer = explore(gp_learner())
    learner, view = explorer.learner, explorer._questions.view
    fits = []
    monkeypatch.setattr(type(learner.model), "fit", lambda *args, **more: fits.append(1))
    before, labels = heat(explorer), learner.data.labelled.indices.tolist()
    click_point(explorer, explorer._screen.heatmap.points.candidates, 0)
    assert view.reset.disabled
    pictures = {}
    for code, name in enumerate(("no", "yes")):
        view._buttons[code].click()
        assert f"were {name}: " in point(explorer) and "pool points would change" in point(explorer)
        assert "Expected over its possible labels" in point(explorer)
        assert f"were {name}" in explorer._screen.heatmap.widget.children[0].value
        pictures[name] = heat(explorer)
    assert (pictures["no"] != pictures["yes"]).any() and (pictures["no"] != before).any()
    view.reset.click()
    assert (heat(explorer) == before).all() and view.reset.disabled and "were" not in point(explorer)
    view._buttons[0].click()
    click_point(
        explorer, explorer._screen.heatmap.points.pool, place_of(explorer, 3)
    )  # another point: nothing is imagined any more
    assert (heat(explorer) == before).all()
    assert not fits and learner.data.labelled.indices.tolist() == labels and not learner.history


def test_what_if_in_a_past_round_is_of_that_round(explore):
    explorer = explore(gp_learner())
    explorer.learner.run(3, progress=False)
    explorer._timeline.slider.value = 1
    record = explorer.learner.history[1]
    explorer.ask(int(record.indices[0]))
    assert "rank 1 of" in point(explorer) and "in round 1" in point(explorer)
    assert explorer._questions.view.label.disabled  # a label is given now, not then
    before = heat(explorer)
    explorer._questions.view._buttons[1].click()
    assert (heat(explorer) != before).any()
    explorer._timeline.now.click()  # the same point, as it is now
    assert "labelled " in point(explorer) and "in round 1" in point(explorer) and "were" not in point(explorer)
    assert all(button.disabled for button in explorer._questions.view._buttons)
    assert explorer.last_error is None


def test_a_person_labels_a_point_instead_of_the_oracle(explore):
    explorer = explore(gp_learner())
    learner, view = explorer.learner, explorer._questions.view
    index = int(learner.data.unlabelled.indices[4])
    explorer.ask(index)
    view._mine.value = 1
    view.label.click()
    record = learner.history[-1]
    assert record.indices.tolist() == [index] and record.labels.tolist() == ["yes"] and record.labelled_by == "person"
    assert explorer.summary().startswith("After 1 round: was told the labels of 1 point")
    assert "labelled yes by person in round 0" in point(explorer) and view.label.disabled
    click(explorer, "undo")
    assert f"Point {index} · rank " in point(explorer) and not view.label.disabled


def test_regression_takes_a_number(explore):
    explorer = explore(gp_learner("regression"))
    learner, view = explorer.learner, explorer._questions.view
    index = int(learner.query(1).indices[0])
    explorer.ask(index)
    mean = float(learner.model.posterior(learner.data.subset([index])).mean_N[0])
    assert view.choice.value == pytest.approx(mean, rel=1e-3) and "95% of labels from" in point(explorer)
    view.choice.value = 3.5
    view._buttons[0].click()
    assert "were 3.5: predictions in the pool would move by" in point(explorer)
    view.label.click()
    assert learner.history[-1].labels.tolist() == [3.5]


def test_a_model_that_cannot_imagine_says_so_in_the_panel(explore):
    explorer = explore(make_learner())
    click_point(explorer, explorer._screen.heatmap.points.candidates, 0)
    explorer._questions.view._buttons[0].click()
    assert "cannot say what a label would change without a fit" in point(explorer)
    assert theme.ERROR_TEXT in explorer._questions.view.sentence.value and explorer.last_error is None


def test_another_plane_keeps_the_point_and_forgets_a_place(explore):
    explorer = explore(gp_learner(n_features=4))
    explorer.ask(int(explorer.learner.data.unlabelled.indices[0]))
    chosen = explorer._screen.heatmap.points.chosen
    before = chosen.x[0]
    explorer._picker.plane.value = "two features"
    assert len(chosen.x) == 1 and chosen.x[0] != before
    click_place(explorer, 9.0, 9.0)
    explorer._picker.plane.value = "principal components"
    assert len(chosen.x) == 0 and "Click a point" in point(explorer)


def test_names_and_values_are_never_markup(explore):
    evil = "<script>window.hacked = 1</script>"
    learner = gp_learner(names=[evil, "<img src=x onerror=alert(1)>"])
    explorer = explore(learner, show=lambda index, row: evil)
    explorer.ask(int(learner.data.unlabelled.indices[0]))
    view = explorer._questions.view
    assert evil in point(explorer)  # in words
    for html in (view.about.value, view.shown.children[0].value, explorer._screen.heatmap.widget.children[0].value):
        assert "<script" not in html and "<img" not in html


def test_class_names_are_never_markup(explore):
    evil = "<script>window.hacked = 1</script>"
    x = np.random.default_rng(3).normal(size=(60, 2))
    data = al.DataManager(x, np.array(["no", evil])[(x[:, 0] > 0).astype(int)], test=0.25, labelled=10, seed=0)
    explorer = explore(al.ActiveLearner(data, strategy=al.strategies.Entropy(), seed=0))
    view = explorer._questions.view
    for index in (data.unlabelled.indices[0], data.labelled.indices[0], data.labelled.indices[1]):
        explorer.ask(int(index))
        assert "<script>" in point(explorer) and "<script" not in view.about.value
    explorer.ask(int(data.unlabelled.indices[0]))
    for button in view._buttons:
        button.click()
        assert "were" in view.sentence.value and "<script" not in view.sentence.value


def test_a_held_out_point_can_be_looked_at_and_no_more(explore):
    explorer = explore(gp_learner())
    view = explorer._questions.view
    explorer.ask(int(explorer.learner.data.test.indices[0]))
    assert "of the test view: held out to measure the model, never asked" in point(explorer)
    assert view.label.disabled and all(button.disabled for button in view._buttons)
    explorer.ask(int(explorer.learner.data.unlabelled.indices[0]))
    assert not view.label.disabled and not any(button.disabled for button in view._buttons)


def test_the_panel_says_why_a_point_is_not_scored(explore):
    explorer = explore(gp_learner())
    explorer.learner.strategy = al.strategies.Entropy().within(
        candidates=[int(explorer.learner.data.labelled.indices[0])]
    )
    explorer.ask(int(explorer.learner.data.unlabelled.indices[0]))
    assert "not scored: " in point(explorer)
    few = explorer.learner.data.unlabelled.indices[:3].tolist()
    explorer.learner.strategy = al.strategies.Entropy().within(candidates=few)
    explorer.ask(int(explorer.learner.data.unlabelled.indices[5]))
    assert "not among the candidates" in point(explorer) and "inf" not in point(explorer)


def test_the_candidates_of_an_imagined_label_are_marked(explore):
    explorer = explore(gp_learner())
    index = int(explorer.learner.query(1).indices[0])
    marks = explorer._screen.heatmap.points
    before = [marks.candidates.x[0], marks.candidates.y[0]]
    explorer.ask(index)
    explorer._questions.view._buttons[1].click()
    after = [marks.candidates.x[0], marks.candidates.y[0]]
    assert after != before and "Asked next then: point " in point(explorer)
    explorer._questions.view.reset.click()
    assert [marks.candidates.x[0], marks.candidates.y[0]] == before


def test_many_features_and_many_classes_are_folded(explore):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 12)), np.arange(80) % 10
    x[:, 0] += 3 * y
    data = al.DataManager(x, y, test=0.25, labelled=20, seed=0)
    explorer = explore(al.ActiveLearner(data, strategy=al.strategies.Entropy(), seed=0))
    explorer.ask(int(data.unlabelled.indices[0]))
    view = explorer._questions.view
    assert "<details><summary>all 12 features</summary>" in view.about.value
    assert all(f"<span>x{j}</span>" in view.about.value for j in range(12))
    assert len(view.choice.options) == 10 and len(view._buttons) == 1
    view.choice.value = 7
    view._buttons[0].click()
    assert f"were {data.classes[7]}:" in point(explorer)


def test_the_interval_of_labels_knows_the_noise(explore):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 2))
    data = al.DataManager(x, x[:, 0] + rng.normal(0, 2, 60), test=0.25, labelled=20, seed=0)
    learner = al.ActiveLearner(data, al.GPRegressor(noise=4.0), al.strategies.Variance(), seed=0)
    explorer = explore(learner)
    index = int(data.unlabelled.indices[0])
    explorer.ask(index)
    at = learner.model.posterior(data.subset([index]))
    half = 1.96 * float((at.variance_N + at.noise_N).sqrt()[0])
    low, high = float(at.mean_N[0]) - half, float(at.mean_N[0]) + half
    assert float(at.noise_N[0]) == pytest.approx(4.0)
    assert f"95% of labels from {theme.number(low)} to {theme.number(high)}" in point(explorer)


def test_the_panel_leaves_nothing_behind():
    widgets = set(open_widgets)
    explorer = al.Explorer(gp_learner(), grid=8, synchronous=True, show=lambda index, row: np.eye(8) * index)
    for index in explorer.learner.data.unlabelled.indices[:5]:
        explorer.ask(int(index))
        explorer._questions.view._buttons[0].click()
    n = len(open_widgets)
    for index in explorer.learner.data.unlabelled.indices[5:15]:
        explorer.ask(int(index))
    assert len(open_widgets) == n
    explorer.close()
    assert set(open_widgets) == widgets


# --- show -----------------------------------------------------------------------------------------------------------


def figure():
    made = matplotlib.figure.Figure(figsize=(1, 1))
    made.subplots().plot([0, 1])
    return made


class Html:
    def _repr_html_(self):
        return "<b>bold</b>"


@pytest.mark.parametrize(
    ("made", "kind", "inside"),
    [
        (np.eye(8), "png", b"\x89PNG"),
        (np.zeros((4, 4, 3), np.uint8), "png", b"\x89PNG"),
        (Image.new("RGB", (3, 3)), "png", b"\x89PNG"),
        (figure(), "png", b"\x89PNG"),
        ("a < b", "html", "a &lt; b"),
        (pd.DataFrame({"<i>": ["<script>"]}), "html", "&lt;script&gt;"),
        (pd.Series({"a": 1}), "html", "<table"),
        (Html(), "html", "<b>bold</b>"),
        (3, "html", "3"),
    ],
    ids=["array", "rgb", "pil", "figure", "text", "frame", "series", "html", "other"],
)
def test_what_show_returns_is_shown(made, kind, inside):
    shown = shown_by(lambda index, row: made, 7, {"a": 1})
    assert inside in getattr(shown, kind) and not shown.nothing
    widget = shown.widget()
    widget.layout.close(), widget.close()


def test_a_show_that_fails_says_so_and_nothing_else_breaks(explore):
    def broken(index, row):
        raise ValueError(f"no picture of <{index}>")

    explorer = explore(gp_learner(), show=broken)
    index = int(explorer.learner.data.unlabelled.indices[0])
    explorer.ask(index)
    html = explorer._questions.view.shown.children[0].value
    assert f"no picture of &lt;{index}&gt;" in html and theme.ERROR_TEXT in html
    assert "rank" in point(explorer)
    click(explorer, "step")
    assert explorer.summary().startswith("After 1 round")
    assert shown_by(lambda index, row: np.zeros(3), 0, {}).html.count("shape (H, W)") == 1
    assert shown_by(None, 0, {}).nothing and shown_by(lambda index, row: None, 0, {}).nothing


def test_show_is_given_the_row_as_it_was_given(explore):
    given = []
    explorer = explore(gp_learner(names=["a", "b"]), show=lambda index, row: given.append((index, row)))
    index = int(explorer.learner.data.unlabelled.indices[0])
    explorer.ask(index)
    assert given == [(index, explorer.learner.data.display(index))]
