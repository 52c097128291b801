"""The Explorer in real JupyterLab: what a person clicks, and what then stands on the screen."""

import re

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

BREAST_CANCER = """
import aljupyter as al
from sklearn.datasets import load_breast_cancer
b = load_breast_cancer()
data = al.DataManager(b.data, b.target_names[b.target], test=0.25, labelled=100, seed=0,
                      feature_names=list(b.feature_names))
learner = al.ActiveLearner(data, al.GPClassifier(), al.strategies.Entropy(), seed=0)
"""


def notebook(*cells):
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return made


class Seen:
    """One Explorer on the page, by what a person sees of it."""

    def __init__(self, page, k=0):
        self.root = page.locator(".al-explorer").nth(k)
        self.status = self.root.locator(".al-status [role]")
        self.heat = self.root.locator(".al-heatmap image")
        self.curve = self.root.locator(".al-curve path.line").last

    def click(self, name):
        self.root.locator(f".al-{name}").click()

    def now(self):
        return self.heat.get_attribute("href"), self.curve.get_attribute("d")

    def expect_other_than(self, before):
        heat, curve = before
        expect(self.heat).not_to_have_attribute("href", heat)
        expect(self.curve).not_to_have_attribute("d", curve)


def test_look(open_notebook, shots):
    opened = open_notebook(notebook(BREAST_CANCER, "explorer = al.Explorer(learner)\nexplorer"))
    assert opened.run_all() == []
    page = opened.page
    explorer = Seen(page)
    for k in range(1, 4):
        explorer.click("step")
        expect(explorer.status).to_contain_text(f"Round {k}: ")
    page.wait_for_timeout(1500)
    explorer.root.scroll_into_view_if_needed()
    print(explorer.now())
    page.screenshot(path=shots / "light.png")
    opened.theme(dark=True)
    page.wait_for_timeout(500)
    page.screenshot(path=shots / "dark.png")
