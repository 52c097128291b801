"""Examples in docstrings run, and give what they say."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import aljupyter as al

NEED_A_SCREEN = {"aljupyter.widgets.explorer"}
MODULES = [m.name for m in pkgutil.walk_packages(al.__path__, "aljupyter.") if m.name not in NEED_A_SCREEN]


def names():
    """What examples take for granted, as after the first cell of a notebook."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    data = al.DataManager(x, x[:, 0] > 0, test=0.25, labelled=10, seed=0)
    return {"data": data, "al": al, "strategies": al.strategies, "GPClassifier": al.GPClassifier}


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name, extraglobs=names()):
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_there_are_examples():
    found = [
        t for name in MODULES for t in doctest.DocTestFinder().find(importlib.import_module(name), name) if t.examples
    ]
    assert len(found) >= 10
