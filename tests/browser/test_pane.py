"""The right pane in real JupyterLab: its views, values under the mouse, and random queries beside the curve."""

import re

import pytest

from tests.browser.test_explorer import BREAST_CANCER, Seen, notebook

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

DIABETES = """
import aljupyter as al
from sklearn.datasets import load_diabetes

sugar = load_diabetes()
data = al.DataManager(sugar.data, sugar.target, feature_names=list(sugar.feature_names), test=0.25, labelled=40, seed=0)
learner = al.ActiveLearner(data, al.GPRegressor(), al.strategies.get("variance"), seed=0)
"""


def look(page, shots, name, dark, opened):
    opened.theme(dark)
    page.wait_for_timeout(300)
    page.screenshot(path=shots / f"{name}_{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize(("setup", "outcome"), [(BREAST_CANCER, "confusion matrix"),
                                                (DIABETES, "predicted against measured")])  # fmt: skip
def test_views_of_the_right_pane(open_notebook, shots, setup, outcome):
    opened = open_notebook(notebook(setup, "explorer = al.Explorer(learner)\nexplorer"))
    assert opened.run_all() == []
    page, explorer = opened.page, Seen(opened.page)
    name = outcome.split()[0]
    explorer.control("batch").fill("3")
    explorer.control("batch").press("Tab")
    explorer.click("run")
    explorer.expect_round(5)
    expect(explorer.control("step")).to_be_enabled(timeout=20_000)

    # values under the mouse
    page.locator(".al-curve path.element").first.hover(force=True)
    expect(page.locator(".bqplot_tooltip_div, .mark_tooltip").filter(has_text="labels").first).to_be_visible()

    # random queries, with progress, beside the curve
    explorer.click("baseline")
    expect(page.locator(".al-gain")).to_contain_text("than random queries: ", timeout=60_000)
    expect(page.locator(".al-gain")).to_contain_text("5 loops)")
    for dark in (False, True):
        look(page, shots, f"pane_{name}_curve", dark, opened)

    explorer.control("over").select_option("rounds")
    expect(page.locator(".al-curve")).to_contain_text("rounds")
    explorer.control("log").check()
    expect(page.locator(".al-curve")).to_have_count(1)
    look(page, shots, f"pane_{name}_log", False, opened)

    for view in ("calibration", outcome, "labels so far"):
        explorer.control("view").select_option(view)
        shown = page.locator(".al-diagnostic:visible, .al-diagnostic-table:visible")
        expect(shown).to_have_count(1)
        for dark in (False, True):
            look(page, shots, f"pane_{name}_{view.split()[0]}", dark, opened)
        expect(page.locator(".al-metric:visible")).to_have_count(0)
    handle = page.locator(".al-round [role=slider]")
    handle.focus()
    handle.press("Home")
    expect(page.locator(".al-explorer")).to_contain_text(re.compile("100 labels|40 labels"))
