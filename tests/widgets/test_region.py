"""A rectangle on the heatmap restricts candidates, and nothing else."""

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets

import aljupyter as al
from tests.widgets.explorers import choose, click, make_learner


def within(explorer, left, right, lower, upper):
    """Draw a rectangle as a hand would: the brush reports its edges while it is dragged, then that it is done."""
    region = explorer._region
    region.toggle.value = True
    brush = explorer._screen.heatmap.figure.interaction
    brush.brushing = True
    brush.selected_x, brush.selected_y = np.array([right, left]), np.array([lower, upper])
    brush.brushing = False


def inside(learner, left, right, lower, upper):
    pool = learner.data.unlabelled
    x, y = np.asarray(learner.data.raw)[pool.indices, :2].T
    return set(pool.indices[(x >= left) & (x <= right) & (y >= lower) & (y <= upper)].tolist())


RECTANGLE = (0.0, 2.0, -1.0, 2.5)


def test_only_points_within_are_asked(explore):
    learner = make_learner()
    explorer = explore(learner)
    may = inside(learner, *RECTANGLE)
    assert 3 <= len(may) < 30
    within(explorer, *RECTANGLE)
    assert explorer._screen.heatmap.figure.interaction is None  # points can be clicked again
    assert f"{len(may)} points within it may be asked" in explorer._region.sentence.value
    choose(explorer, "rounds", 3)
    click(explorer, "run")
    asked = {i for record in learner.history for i in record.indices.tolist()}
    assert len(asked) == 3
    assert asked <= may
    assert f"{len(may) - 3} points within it" in explorer._region.sentence.value
    np.testing.assert_allclose(explorer._region._marks[0].x[:2], [0.0, 2.0])


def test_the_menu_keeps_its_name_and_another_strategy_the_region(explore):
    learner = make_learner()
    explorer = explore(learner)
    within(explorer, *RECTANGLE)
    assert explorer._controls.strategy.value == "entropy"
    choose(explorer, "strategy", "margin")
    assert explorer._controls.strategy.value == "margin"
    assert set(learner.strategy.restrictions.candidates.tolist()) == inside(learner, *RECTANGLE)
    explorer._region.toggle.value = False
    assert learner.strategy.restrictions.candidates is None
    assert explorer._controls.strategy.value == "margin"
    assert explorer._region.widget.layout.display == "none"
    assert len(explorer._region._marks[0].x) == 0


def test_edges_can_be_typed(explore):
    learner = make_learner()
    explorer = explore(learner)
    region = explorer._region
    region.toggle.value = True
    for edge, value in zip(region.edges, RECTANGLE, strict=True):
        edge.value = value
    assert set(learner.strategy.restrictions.candidates.tolist()) == inside(learner, *RECTANGLE)


def test_candidates_of_the_strategys_own_still_count_and_come_back(explore):
    own = list(range(0, 60, 2))
    learner = make_learner()
    learner.strategy = al.strategies.get("entropy").within(candidates=own)
    explorer = explore(learner)
    within(explorer, *RECTANGLE)
    assert set(learner.strategy.restrictions.candidates.tolist()) == inside(learner, *RECTANGLE) & set(own)
    explorer._region.toggle.value = False
    assert learner.strategy.restrictions.candidates.tolist() == own


def test_an_empty_rectangle_changes_nothing(explore):
    learner = make_learner()
    explorer = explore(learner)
    strategy = learner.strategy
    within(explorer, 900, 901, 900, 901)
    assert learner.strategy is strategy
    assert "No point of the pool lies within" in explorer._region.sentence.value


def test_a_strategy_given_elsewhere_ends_the_region(explore):
    learner = make_learner()
    explorer = explore(learner)
    within(explorer, *RECTANGLE)
    learner.strategy = al.strategies.get("random")
    assert not explorer._region.toggle.value
    assert learner.strategy.restrictions.candidates is None


def test_another_plane_keeps_the_points_but_not_the_rectangle(explore):
    learner = make_learner(n_features=3)
    explorer = explore(learner, plane=("x0", "x1"))
    within(explorer, *RECTANGLE)
    candidates = learner.strategy.restrictions.candidates
    choose(explorer, "second", "x2")
    assert learner.strategy.restrictions.candidates is candidates
    assert len(explorer._region._marks[0].x) == 0
    assert "of a region on another plane may be asked" in explorer._region.sentence.value


@pytest.mark.parametrize("drawn", [False, True])
def test_it_leaves_nothing_behind(explore, drawn):
    before = set(open_widgets)
    explorer = al.Explorer(make_learner(), grid=8, synchronous=True)
    explorer._region.toggle.value = True
    explorer._controls.settings.value = True
    if drawn:
        within(explorer, *RECTANGLE)
    explorer.close()
    assert set(open_widgets) == before
