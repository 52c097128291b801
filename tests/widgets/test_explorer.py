"""The Explorer without a browser: what buttons do to the learner, and what the learner does to the picture."""

import html
import re

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets

import aljupyter as al
from aljupyter.errors import EmptyPool, NoLabels, ViewError
from aljupyter.strategies import Measure, Random, Strategy
from tests.managers import Mean, NearestMean
from tests.widgets.explorers import choose, click, make_learner


def heat(explorer):
    return explorer._screen.heatmap.image.image.value


# --- what it shows --------------------------------------------------------------------------------------------------


def test_the_first_picture_is_there_at_once(explore):
    explorer = explore(make_learner())
    status, heatmap, points, curve, point, timeline = explorer.summary().splitlines()
    assert status.startswith("No round yet: balanced accuracy ") and status.endswith(
        "6 of 45 labelled. Step plays one."
    )
    assert heatmap.startswith("Heatmap: entropy (nats) over x0 and x1, from ")
    assert points.startswith("Points: 6 labelled (3 no, 3 yes), 39 in the pool; last asked none; next 1 at (")
    assert "ceiling" in curve and "floor 0.500" in curve
    assert point == "Point: Click a point, or any place of the heatmap, to ask about it."
    assert timeline == "Timeline: no round yet."


def test_step_moves_heat_curve_points_and_status(explore):
    explorer = explore(make_learner())
    before = heat(explorer)
    click(explorer, "step")
    learner = explorer.learner
    assert explorer.summary().startswith("After 1 round: asked 1 point; balanced accuracy ")
    assert "7 of 45 labelled." in explorer.summary()
    assert heat(explorer) != before
    np.testing.assert_array_equal(explorer._screen.right.curve.curve.x, [6, 7])
    asked = explorer._screen.heatmap.points.asked
    np.testing.assert_allclose([asked.x[0], asked.y[0]], learner.data.raw[learner.history[-1].indices[0]], rtol=1e-6)


def test_run_undo_and_batch(explore):
    explorer = explore(make_learner())
    choose(explorer, "rounds", 3)
    choose(explorer, "batch", 2)
    assert "next 2 at" in explorer.summary()
    click(explorer, "run")
    assert explorer.summary().startswith("After 3 rounds: asked 2 points")
    click(explorer, "undo")
    assert explorer.summary().startswith("Taken back. After 2 rounds: asked 2 points")
    assert explorer.learner.n_labels == 10
    np.testing.assert_array_equal(explorer._screen.right.curve.curve.x, [6, 8, 10])


def test_the_marked_candidates_are_asked_next_and_marking_them_changes_nothing(explore):
    watched, alone = make_learner(), make_learner()
    explorer = explore(watched)
    choose(explorer, "batch", 3)
    for _ in range(3):
        next_ = explorer._screen.heatmap.points.candidates
        marked = np.c_[next_.x, next_.y]
        click(explorer, "step")
        alone.step(3)
        np.testing.assert_allclose(marked, watched.data.raw[watched.history[-1].indices], rtol=1e-6)
    assert [record.indices.tolist() for record in watched.history] == [r.indices.tolist() for r in alone.history]


@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_kind_of_data_has_pictures(explore, task, n_features):
    learner = make_learner(n_features=n_features)
    if task == "regression":
        data = al.DataManager(learner.data.raw, learner.data.raw[:, 0], test=0.25, labelled=5)
        learner = al.ActiveLearner(data, Mean(), al.strategies.Variance())
    explorer = explore(learner)
    for measure in learner.measures():
        choose(explorer, "measure", measure)
        assert f": {measure}" in explorer.summary()
    for metric in learner.metric_names:
        explorer._right.metric.value = metric
        assert f"Learning curve: {metric.replace('_', ' ')}" in explorer.summary()
    click(explorer, "step")
    assert explorer.last_error is None
    assert explorer.picture().startswith(b"\x89PNG")


def test_the_plane_can_be_chosen(explore):
    learner = make_learner(n_features=4, feature_names=["a", "b", "c", "d"])
    explorer = explore(learner, plane=("d", "b"))
    assert "over d (others at median) and b," in explorer.summary()
    assert (explorer._picker.first.value, explorer._picker.second.value) == ("d", "b")
    choose(explorer, "second", "c")
    assert "over d (others at median) and c," in explorer.summary()
    choose(explorer, "first", "c")
    assert explorer.summary().startswith("Choose two different features")
    choose(explorer, "plane", "principal components")
    assert "over PC 1 (" in explorer.summary()
    assert explorer._picker.first.layout.display == "none"


def test_the_measure_of_the_strategy_is_shown_first(explore):
    assert "Heatmap: entropy" in explore(make_learner()).summary()
    assert "Heatmap: ratio" in explore(make_learner(strategy=al.strategies.Ratio())).summary()
    assert "Heatmap: least confidence" in explore(make_learner(), measure="least confidence").summary()


def test_what_there_is_not_is_refused_with_advice():
    learner, before = make_learner(), set(open_widgets)
    with pytest.raises(ViewError, match="Did you mean 'entropy'"):
        al.Explorer(learner, measure="entropi")
    with pytest.raises(ViewError, match="no metric 'rmse'.*balanced_accuracy"):
        al.Explorer(learner, metric="rmse")
    with pytest.raises(ViewError, match="2 to 100"):
        al.Explorer(learner, grid=101)
    with pytest.raises(al.errors.UnknownColumn):
        al.Explorer(learner, plane=("x0", "z"))
    assert set(open_widgets) == before


def test_a_saved_notebook_has_a_picture_and_words(explore):
    explorer = explore(make_learner())
    bundle = explorer._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id
    assert bundle["text/plain"] == "\n".join(explorer.summary().splitlines()[:3])
    assert isinstance(bundle["image/png"], str)
    assert repr(explorer) == "Explorer of entropy over x0 and x1"


# --- following ------------------------------------------------------------------------------------------------------


def test_rounds_of_other_cells_are_shown(explore):
    explorer = explore(make_learner())
    explorer.learner.step(2)
    assert explorer.summary().startswith("After 1 round: asked 2 points")
    explorer.learner.label(explorer.learner.data.unlabelled.indices[:1], ["yes"])
    assert explorer.summary().startswith("After 2 rounds: was told the labels of 1 point")
    explorer.learner.undo()
    assert explorer.summary().startswith("After 1 round: ")
    assert not explorer._controls.undo.disabled


def test_two_explorers_stay_in_step_and_fit_once(explore):
    learner = make_learner()
    first, second = explore(learner), explore(learner, measure="margin")
    fits = learner.model.fits
    click(first, "step")
    assert learner.model.fits == fits + 1
    learner.step()
    assert learner.model.fits == fits + 2
    for explorer in (first, second):
        assert explorer.summary().startswith("After 2 rounds: ")
        np.testing.assert_array_equal(explorer._screen.right.curve.curve.x, [6, 7, 8])


def test_one_round_is_one_picture(explore):
    learner = make_learner()
    explorers = [explore(learner), explore(learner)]
    drawn = []
    for explorer in explorers:
        look = explorer._screen.look
        explorer._screen.look = lambda *args, look=look: (drawn.append(1), look(*args))
    learner.step()
    assert len(drawn) == 2


def test_the_menu_follows_the_strategy_and_the_strategy_the_menu(explore):
    learner = make_learner()
    first, second = explore(learner), explore(learner)
    choose(first, "strategy", "random")
    assert repr(learner.strategy) == "Random()"
    assert second._controls.strategy.value == "random"
    mine = Strategy(0.5 * al.strategies.Entropy() + Random())
    learner.strategy = mine
    assert first._controls.strategy.value == repr(mine)
    choose(first, "strategy", "margin")
    choose(first, "strategy", repr(mine))
    assert learner.strategy is mine


def test_without_labels_it_says_what_to_do_and_a_model_free_strategy_starts(explore):
    explorer = explore(make_learner(labelled=0))
    assert "No labels yet" in explorer._screen.heatmap.widget.children[0].value
    assert "No heatmap yet" in explorer.summary()
    click(explorer, "step")
    assert isinstance(explorer.last_error, NoLabels)
    assert explorer.summary().startswith("No point is labelled yet")
    choose(explorer, "strategy", "random")
    choose(explorer, "batch", 5)
    assert "next 5 at" in explorer.summary()
    click(explorer, "step")
    assert explorer.last_error is None
    assert "Heatmap: " in explorer.summary() and "5 labelled" in explorer.summary()


def test_one_class_is_not_enough_for_heat(explore):
    learner = make_learner(labelled=0)
    learner.label([learner.data.unlabelled.indices[0]], ["no"])
    explorer = explore(learner)
    assert "one class only" in explorer._screen.heatmap.widget.children[0].value
    assert explorer.last_error is None


def test_an_empty_pool_is_no_error_until_one_more_is_asked(explore):
    explorer = explore(make_learner(n=12, labelled=2))
    choose(explorer, "rounds", 100)
    click(explorer, "run")
    assert "9 of 9 labelled" in explorer.summary() and "0 in the pool" in explorer.summary()
    assert explorer.last_error is None
    click(explorer, "step")
    assert isinstance(explorer.last_error, EmptyPool)


# --- faults ---------------------------------------------------------------------------------------------------------


class Broken(Measure):
    needs_model = False

    def __call__(self, pool):
        raise RuntimeError("the <instrument> is off")


def test_a_strategy_that_raises_is_shown_and_another_one_goes_on(explore, capsys):
    explorer = explore(make_learner())
    explorer.learner.strategy = Broken()
    assert explorer.summary().splitlines()[0].endswith("labelled. Step plays one. the <instrument> is off")
    assert "<instrument>" not in explorer._controls.status.value
    click(explorer, "step")
    assert str(explorer.last_error) == "the <instrument> is off"
    choose(explorer, "strategy", "margin")
    assert explorer.summary().startswith("No round yet: ")
    click(explorer, "step")
    assert explorer.summary().startswith("After 1 round: ")
    assert explorer.last_error is None
    assert capsys.readouterr() == ("", "")


def test_a_model_that_fails_after_a_round_leaves_the_round(explore):
    class Failing(NearestMean):
        def fit(self, labelled, control=None):
            if len(labelled) > 6:
                raise ArithmeticError("singular")
            super().fit(labelled, control)

    explorer = explore(make_learner(model=Failing()))
    click(explorer, "step")
    assert explorer.summary().startswith("After 1 round: asked 1 point; 7 of 45 labelled. singular")
    assert isinstance(explorer.last_error, ArithmeticError)
    assert len(explorer.learner.history) == 1
    assert "7 labelled" in explorer.summary()
    assert "by the model before the last labels" in explorer._screen.heatmap.widget.children[0].value


def test_a_ceiling_that_cannot_be_had_is_left_out(explore):
    learner = make_learner()
    learner.full_data_performance = lambda control=None: 1 / 0
    explorer = explore(learner)
    assert isinstance(explorer.last_error, ZeroDivisionError)
    assert "ceiling" not in explorer.summary()
    click(explorer, "step")
    assert explorer.summary().startswith("After 1 round: ")


def test_an_interrupted_cell_leaves_a_picture_of_what_is(explore):
    class Interrupted(NearestMean):
        def fit(self, labelled, control=None):
            if len(labelled) > 6:
                raise KeyboardInterrupt
            super().fit(labelled, control)

    explorer = explore(make_learner(model=Interrupted()))
    with pytest.raises(KeyboardInterrupt):
        explorer.learner.step()
    assert explorer.summary().startswith("After 1 round: asked 1 point")
    assert not explorer.learner.busy


def test_explain_says_how_it_is_doing_and_follows_the_rounds(explore):
    explorer = explore(make_learner())
    shown = explorer._explained
    assert shown.layout.display == "none"
    explorer._controls.explain.value = True
    assert shown.layout.display is None and "0 queries so far" in shown.value and "3 no, 3 yes" in shown.value
    click(explorer, "step")
    assert "1 query so far" in shown.value
    explorer._controls.explain.value = False
    assert shown.layout.display == "none" and shown.value == ""
    assert explorer.last_error is None


def test_all_of_it_can_be_read_in_words(explore):
    explorer = explore(make_learner())
    assert explorer._words.layout.display == "none"
    explorer._controls.in_words.value = True
    for act in (lambda: click(explorer, "step"), lambda: choose(explorer, "measure", "margin"),
                lambda: setattr(explorer._timeline.slider, "value", 0), lambda: explorer.ask(3)):  # fmt: skip
        act()
        explorer._voice.stand()
        shown = html.unescape(re.sub("<[^>]*>", "\n", explorer._words.value)).split("\n")
        assert [line for line in shown if line] == explorer.summary().splitlines()
    explorer._controls.in_words.value = False
    assert (explorer._words.value, explorer._words.layout.display) == ("", "none")
