"""What is left of Explorers after many rounds: nothing; and a long run does not slow down or fill the memory."""

import gc
import statistics
import threading
import time
import tracemalloc

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances as open_widgets

import aljupyter as al
from tests.managers import NearestMean
from tests.widgets.explorers import choose, click, make_learner


def test_ten_explorers_of_twenty_rounds_leave_nothing():
    widgets = set(open_widgets)
    for k in range(10):
        explorer = al.Explorer(make_learner(n=90), grid=8, synchronous=k % 2 == 0)
        in_use = len(open_widgets)
        choose(explorer, "rounds", 20)
        click(explorer, "run")
        assert explorer.wait(30) and len(explorer.learner.history) == 20
        explorer._timeline.slider.value = k
        explorer._timeline.pin.value = True
        explorer.ask(int(explorer.learner.history[3].indices[0]))
        assert len(open_widgets) == in_use
        explorer.close()
        explorer.close()
    assert set(open_widgets) == widgets
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("aljupyter")]


def long_run(rounds):
    """Seconds that the view of each round took, and the bytes that the Explorer holds at the end."""
    learner = make_learner(n=2 * rounds + 100)
    explorer = al.Explorer(learner, grid=50, synchronous=True)
    alone = al.ActiveLearner(
        al.DataManager(learner.data.raw, learner.data.decode(learner.data.truth(np.arange(len(learner.data)))), seed=0,
                       labelled=learner.data.labelled.indices),
        NearestMean(), al.strategies.Entropy(), seed=0,
    )  # fmt: skip
    tracemalloc.start()
    alone.run(rounds, progress=False)
    gc.collect()
    records = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    before, seconds = tracemalloc.get_traced_memory()[0], []
    for _ in range(rounds):
        begun = time.process_time()
        click(explorer, "step")
        seconds.append(time.process_time() - begun)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before - records
    tracemalloc.stop()
    explorer.close()
    return seconds, held


def check_long_run(rounds):
    seconds, held = long_run(rounds)
    first, last = (statistics.median(part) for part in (seconds[5:30], seconds[-25:]))
    assert last < 2 * first, f"a round took {1000 * first:.1f} ms at first and {1000 * last:.1f} ms in the end"
    assert held < 50e6, f"{held / 1e6:.0f} MB beyond the records"


def test_a_hundred_rounds_stay_quick_and_small():
    check_long_run(100)


@pytest.mark.slow
def test_five_hundred_rounds_stay_quick_and_small():
    check_long_run(500)
