"""The Explorer's worker: the same rounds on whatever thread, cancelled or not, and nothing left at the end."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ipywidgets.widgets.widget import _instances as open_widgets

import aljupyter as al
from aljupyter.errors import LearnerBusyError, RoundCancelled
from aljupyter.records import in_number
from tests.widgets.explorers import Slow, choose, click, eventually, make_learner


def test_the_worker_gives_what_the_calling_thread_gives(explore, on_thread):
    alone = make_learner()
    alone.run(3, progress=False)
    explorer = explore(make_learner(), synchronous=False)
    choose(explorer, "rounds", 3)
    on_thread(lambda: click(explorer, "run"))
    assert explorer.wait(20)
    assert [r.indices.tolist() for r in explorer.learner.history] == [r.indices.tolist() for r in alone.history]
    assert explorer.summary().startswith("After 3 rounds: ")
    assert not explorer._controls.step.disabled and explorer._controls.cancel.disabled


def test_cancel_rolls_back_the_round_in_flight(explore, on_thread):
    explorer = explore(make_learner(model=Slow()), synchronous=False)
    controls, learner = explorer._controls, explorer.learner
    choose(explorer, "rounds", 30)
    click(explorer, "run")
    assert controls.step.disabled and controls.undo.disabled and not controls.cancel.disabled
    eventually(lambda: len(learner.history) >= 2)
    on_thread(lambda: click(explorer, "cancel"))
    assert explorer.wait(20)
    finished = len(learner.history)
    assert 2 <= finished < 30
    assert learner.n_labels == 6 + finished
    said = f"Cancelled: the round in flight was rolled back, {finished} finished before it. After {finished} rounds: "
    assert explorer.summary().startswith(said)
    assert f"{6 + finished} labelled" in explorer.summary()
    assert explorer.last_error is None
    assert not controls.step.disabled and controls.cancel.disabled
    # the model in the picture is older than the labels, and the picture says so, until the next step
    assert "by the model before the last labels" in explorer._screen.heatmap.widget.children[0].value
    click(explorer, "step")
    assert explorer.wait(20)
    assert explorer.summary().startswith(f"After {in_number(finished + 1, 'round')}: ")
    assert "by the model" not in explorer._screen.heatmap.widget.children[0].value


def test_a_second_click_and_a_second_explorer_are_told_to_wait(explore, on_thread):
    learner = make_learner(model=Slow(seconds=3))  # longer than a click waits
    first, second = explore(learner, synchronous=False), explore(learner, synchronous=False)
    click(first, "step")
    eventually(lambda: len(learner.history) == 1)  # the new model is being fitted
    on_thread(lambda: click(first, "step"))
    assert isinstance(first.last_error, LearnerBusyError)
    on_thread(lambda: click(second, "step"))
    eventually(lambda: isinstance(second.last_error, LearnerBusyError))
    assert second.summary().startswith("This learner is in the middle of a round")
    assert first.wait(20) and second.wait(20)
    assert len(learner.history) == 1
    for explorer in (first, second):
        assert explorer.summary().startswith("After 1 round: ")


def test_another_look_that_is_asked_for_during_a_round_comes_with_it_or_after(explore, on_thread):
    learner = make_learner(n_features=3, model=Slow())
    explorer = explore(learner, synchronous=False)
    click(explorer, "step")
    eventually(lambda: len(learner.history) == 1)
    on_thread(lambda: choose(explorer, "measure", "ratio"))
    assert "Heatmap: ratio" in explorer.summary()
    on_thread(lambda: choose(explorer, "plane", "two features"))
    assert explorer.wait(20)
    assert "over x0 (others at median)" in explorer.summary()
    assert explorer.last_error is None


def run_cell(coroutine):
    """Await in a thread of its own: in the main one, the browser tests of this session may keep a loop running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result(30)


def test_rounds_can_be_awaited_in_a_cell(explore):
    explorer = explore(make_learner(), synchronous=False)

    async def cell():
        record = await explorer.step_async(2)
        return record, await explorer.run_async(2)

    record, records = run_cell(cell())
    assert record is explorer.learner.history[0] and len(record.indices) == 2
    assert records == list(explorer.learner.history[1:])


def test_an_awaited_round_can_be_cancelled(explore):
    explorer = explore(make_learner(model=Slow()), synchronous=False)

    async def cell():
        task = asyncio.ensure_future(explorer.run_async(30))
        await asyncio.sleep(0.1)
        click(explorer, "cancel")
        await task

    with pytest.raises(RoundCancelled):
        run_cell(cell())
    assert explorer.wait(20)


def test_the_ceiling_makes_way_for_a_round_and_comes_after_it(explore):
    learner = make_learner()
    asked, compute = [], learner.full_data_performance

    def slow_ceiling(control=None):
        asked.append(control)
        if len(asked) == 1:
            while True:
                control.check()
                time.sleep(0.01)
        return compute(control)

    learner.full_data_performance = slow_ceiling
    explorer = explore(learner, synchronous=False)
    eventually(lambda: len(asked) == 1)
    assert "ceiling" not in explorer.summary()
    click(explorer, "step")
    assert explorer.wait(20)
    assert len(asked) == 2
    assert explorer.summary().startswith("After 1 round: ") and "ceiling" in explorer.summary()


# --- the end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_close_leaves_no_widget_thread_or_observer(synchronous, n_features):
    widgets, threads = set(open_widgets), threading.active_count()
    learner = make_learner(n_features=n_features)
    explorer = al.Explorer(learner, grid=8, synchronous=synchronous)
    in_use = len(open_widgets)
    choose(explorer, "rounds", 20)
    click(explorer, "run")
    assert explorer.wait(30)
    explorer._repr_mimebundle_()
    assert len(open_widgets) == in_use, "a round makes no widget"
    explorer.close()
    explorer.close()
    assert set(open_widgets) == widgets
    assert threading.active_count() == threads
    learner.step()
    click(explorer, "step")  # a button that is still on some screen
    assert len(learner.history) == 21


def test_close_during_a_run_stops_it():
    learner = make_learner(model=Slow())
    explorer = al.Explorer(learner, grid=8)
    choose(explorer, "rounds", 30)
    click(explorer, "run")
    eventually(lambda: len(learner.history) >= 1)
    explorer.close()
    assert not learner.busy
    assert learner.n_labels == 6 + len(learner.history) < 36


def test_a_click_waits_for_a_picture_that_another_thread_draws():
    """Clicks and menus of one Explorer may come on two threads; neither may be lost for the other's sake."""
    learner = make_learner()
    explorer = al.Explorer(learner)
    assert explorer.wait(20)
    drawing, go_on = threading.Event(), threading.Event()
    look = explorer._screen.look

    def slow_look(*arguments):
        drawing.set()
        go_on.wait(10)
        look(*arguments)

    explorer._screen.look = slow_look
    menu = threading.Thread(target=setattr, args=(explorer._controls.batch, "value", 10_000))
    menu.start()
    assert drawing.wait(10)
    click(explorer, "step")
    go_on.set()
    menu.join(10)
    assert explorer.wait(20)
    assert "ask at most" in explorer.summary()
    assert "ask at most" in str(explorer.last_error)
    explorer.close()
