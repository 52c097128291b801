"""Narrow places, where the parts stand one below the other; an empty start, and the end of a pool."""

import pytest

from tests.browser.test_explorer import notebook

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

IRIS = """
import aljupyter as al
from sklearn.datasets import load_iris

iris = load_iris()
data = al.DataManager(iris.data, iris.target_names[iris.target], feature_names=iris.feature_names, test=0.3,
                      labelled=0, seed=0)
learner = al.ActiveLearner(data, seed=0)
explorer = al.Explorer(learner)
explorer
"""

MIRROR = """async () => { const notebook = jupyterapp.shell.currentWidget.content; notebook.deselectAll();
                        notebook.activeCellIndex = 0;
                        await jupyterapp.commands.execute('notebook:create-output-view'); }"""
SIDEWAYS = "root => root.scrollWidth > root.clientWidth + 1"


def test_from_an_empty_start_to_the_end_of_the_pool_wide_and_narrow(open_notebook, shots):
    opened = open_notebook(notebook(IRIS))
    assert opened.run_all() == []
    page, root = opened.page, opened.page.locator(".al-explorer").first
    expect(root.locator(".al-heatmap-caption")).to_contain_text("No labels yet")
    for dark in (False, True):
        opened.theme(dark)
        page.wait_for_timeout(300)
        page.screenshot(path=shots / f"empty_{'dark' if dark else 'light'}.png")
    opened.theme(False)
    root.locator(".al-rounds input").fill("200")
    root.locator(".al-batch input").fill("15")
    root.locator(".al-batch input").press("Tab")
    root.locator(".al-run").click()
    expect(root.locator(".al-status")).to_contain_text("105 of 105 labelled", timeout=60_000)
    expect(root.locator(".al-status [role=alert]")).to_have_count(0)
    expect(root.locator(".al-step")).to_be_enabled(timeout=20_000)
    for dark in (False, True):
        opened.theme(dark)
        page.wait_for_timeout(300)
        page.screenshot(path=shots / f"end_{'dark' if dark else 'light'}.png")
    opened.theme(False)

    # an output view of its own, in a narrow page
    page.set_viewport_size({"width": 1024, "height": 1400})
    page.evaluate(MIRROR)
    mirrored = page.locator(".jp-LinkedOutputView .al-explorer")
    expect(mirrored.locator(".al-heatmap image")).to_be_visible()
    page.wait_for_timeout(600)
    heatmap, curve = (mirrored.locator(part).bounding_box() for part in (".al-heatmap", ".al-curve"))
    assert curve["y"] >= heatmap["y"] + heatmap["height"]
    page.screenshot(path=shots / "mirrored.png")
    for seen in (root, mirrored):
        assert not page.evaluate(SIDEWAYS, seen.element_handle())
