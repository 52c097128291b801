"""The tutorial on strategies in JupyterLab: its batches side by side, and every strategy in the Explorer's menu."""

from pathlib import Path

import nbformat
import pytest

from aljupyter import strategies

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "02_choosing.ipynb"


def test_the_tutorial_on_strategies_runs_and_shows_its_batches(open_notebook, shots):
    opened = open_notebook(nbformat.read(TUTORIAL, as_version=4), "choosing.ipynb")
    assert opened.run_all() == []
    explorer = opened.page.locator(".al-explorer").first
    explorer.scroll_into_view_if_needed()
    expect(explorer.locator(".al-heatmap image")).to_be_visible()
    menu = explorer.locator(".al-strategy select option").all_text_contents()
    assert set(strategies.names("classification")) <= set(menu)
    opened.page.screenshot(path=shots / "choosing_explorer.png")
    picture = opened.page.locator(".jp-RenderedImage img").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible()
    opened.page.screenshot(path=shots / "choosing_batches.png")
