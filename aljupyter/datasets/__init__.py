"""Datasets that a researcher can trust, and active learning tasks on them.

``load(name)`` gives a dataset of the paper's Table 4, of OpenML or of a file; ``.task(start="cold")`` makes a
:class:`DataManager` of it. ``catalogue()`` lists what there is, ``describe(name)`` draws it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aljupyter.datasets.dataset import Dataset
from aljupyter.datasets.entries import catalogue
from aljupyter.datasets.frames import from_frame, from_huggingface
from aljupyter.datasets.loading import from_json, load
from aljupyter.datasets.tasks import Task

if TYPE_CHECKING:
    from aljupyter.datasets.portrait import Portrait

__all__ = ["Dataset", "Task", "catalogue", "describe", "from_frame", "from_huggingface", "from_json", "load"]


def describe(dataset: str | Dataset, **options: Any) -> Portrait:
    """A picture of a dataset: classes or targets (the paper's Figure 5), ranges of features, a 2-D projection.

    Parameters
    ----------
    dataset : str or Dataset
        A name as for :func:`load`, or what it gave.
    **options
        As for :func:`load`, with a name.

    Returns
    -------
    Portrait
        A matplotlib figure that a notebook shows; ``.summary()`` says in words what is on it.

    Raises
    ------
    What :func:`load` raises.
    """
    from aljupyter.datasets.portrait import portrait

    return portrait(dataset if isinstance(dataset, Dataset) else load(dataset, **options))
