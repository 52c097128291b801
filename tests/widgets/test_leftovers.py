"""Running a cell anew replaces the view that it made."""

from types import SimpleNamespace

import IPython
import pytest

from aljupyter.widgets import leftovers
from aljupyter.widgets.leftovers import forget, replace_leftovers


class View:
    closed = False

    def close(self):
        self.closed = True
        forget(self)


@pytest.fixture
def run(monkeypatch):
    """Pretend that a cell is being run."""
    request = {}
    shell = SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: request))
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(leftovers, "_views", {})

    def start(cell, message):
        request.update(metadata={"cellId": cell} if cell else {}, header={"msg_id": message})

    return start


def made():
    view = View()
    replace_leftovers(view)
    return view


def test_a_cell_run_again_closes_what_it_made_before(run):
    run("a", "1")
    first, beside = made(), made()
    run("b", "2")
    elsewhere = made()
    run("a", "3")
    again = made()
    assert [view.closed for view in (first, beside, elsewhere, again)] == [True, True, False, False]
    assert set(leftovers._views) == {elsewhere, again}


def test_views_of_one_run_stay(run):
    run("a", "1")
    assert not any(view.closed for view in [made(), made(), made()])


def test_a_front_end_that_does_not_name_its_cells_loses_nothing(run):
    run(None, "1")
    first = made()
    run(None, "2")
    made()
    assert not first.closed


def test_nothing_happens_outside_a_notebook(monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert leftovers.running_cell() is None
    assert not made().closed
