"""Planes in real JupyterLab: one input with the acquisition below, an embedding, features held at a point."""

import pytest

from tests.browser.test_explorer import BREAST_CANCER, Seen, notebook
from tests.browser.test_pane import look

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

LINE = """
import numpy as np
import aljupyter as al

rng = np.random.default_rng(0)
dose = rng.uniform(0, 10, size=(120, 1))
effect = 3 * np.sin(dose[:, 0]) + dose[:, 0] + 0.3 * rng.normal(size=120)
data = al.DataManager(dose, {y}, feature_names=["dose"], test=0.25, labelled=8, seed=0)
learner = al.ActiveLearner(data, seed=0)
al.Explorer(learner)
"""


@pytest.mark.parametrize(("task", "y"), [("regression", "effect"), ("classification", "np.digitize(effect, [4, 7])")])
def test_one_input_has_its_acquisition_below(open_notebook, shots, task, y):
    opened = open_notebook(notebook(LINE.format(y=y)))
    assert opened.run_all() == []
    page, explorer = opened.page, Seen(opened.page)
    explorer.click("run")
    explorer.expect_round(5)
    expect(explorer.control("step")).to_be_enabled()
    expect(page.locator(".al-heatmap")).to_contain_text("dose")
    expect(page.locator(".al-heatmap")).to_contain_text("standard deviation" if task == "regression" else "margin")
    page.locator(".al-heatmap image").first.click(position={"x": 100, "y": 20})
    expect(page.locator(".al-point")).to_contain_text("This place")
    for dark in (False, True):
        look(page, shots, f"line_{task}", dark, opened)


def test_an_embedding_and_features_held_at_a_point(open_notebook, shots):
    opened = open_notebook(notebook(BREAST_CANCER, "explorer = al.Explorer(learner)\nexplorer"))
    assert opened.run_all() == []
    page, explorer = opened.page, Seen(opened.page)
    explorer.control("plane").select_option("t-SNE")
    heatmap = page.locator(".al-heatmap")
    expect(heatmap).to_contain_text("t-SNE 1 (heat of the nearest point)", timeout=60_000)
    expect(explorer.control("step")).to_be_enabled(timeout=20_000)
    page.locator(".al-heatmap image").first.click(position={"x": 100, "y": 100})
    expect(page.locator(".al-point")).to_contain_text("Point ")
    for dark in (False, True):
        look(page, shots, "tsne", dark, opened)
    point = page.locator(".al-point b").first.text_content().lower()
    explorer.control("plane").select_option("two features")
    explorer.control("others").select_option(point)
    expect(heatmap).to_contain_text(f"mean radius (others at {point})")
    explorer.click("step")
    explorer.expect_round(1)
    look(page, shots, "held", False, opened)
