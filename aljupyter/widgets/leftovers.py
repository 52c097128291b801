"""Views that a notebook cell made when it was run before.

Running a cell anew clears its output, but ipywidgets keeps the old view alive: it would go on drawing, unseen, after
every round. So a view closes those that the same cell made in an earlier run.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class View(Protocol):
    """Whatever can be closed."""

    def close(self) -> None: ...


class Run(NamedTuple):
    """One run of one cell."""

    cell: str
    message: str


def running_cell() -> Run | None:
    """The run that this code is part of; None outside a notebook, or where the front end does not name its cells."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return None
    request: dict[str, Any] = kernel.get_parent()
    cell = request.get("metadata", {}).get("cellId")
    message = request.get("header", {}).get("msg_id")
    return Run(cell, message) if cell and message else None


_views: dict[View, Run] = {}


def replace_leftovers(view: View) -> None:
    """Remember a new view, and close those that earlier runs of its cell made."""
    run = running_cell()
    if run is None:
        return
    for other, made_in in list(_views.items()):
        if made_in.cell == run.cell and made_in.message != run.message:
            other.close()
    _views[view] = run


def forget(view: View) -> None:
    """The view is closed."""
    _views.pop(view, None)
