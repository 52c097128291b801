"""Explorers that are closed after the test, and callbacks on one thread or another."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import aljupyter as al


@pytest.fixture
def explore():
    """Makes Explorers, small and synchronous where not said otherwise, and closes them."""
    made = []

    def go(learner, **options):
        made.append(al.Explorer(learner, **({"grid": 8, "synchronous": True} | options)))
        return made[-1]

    yield go
    for explorer in made:
        explorer.close()


@pytest.fixture(params=["main thread", "another thread"])
def on_thread(request):
    """Runs a callback where one version of ipykernel or another does: in the main thread, or in one of its own."""

    def call(act):
        if request.param == "main thread":
            return act()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(act).result(20)

    return call
