"""Datasets in real JupyterLab: a picture that is seen without matplotlib's inline backend, and nothing else put out."""

import nbformat
import pytest

pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

KINDS = """k => jupyterapp.shell.currentWidget.content.model.sharedModel.cells[k].outputs.map(output =>
                output.output_type + (output.data?.['image/png'] ? ' with a picture' : ''))"""


def test_a_description_is_a_picture_in_light_and_dark_and_nothing_else(open_notebook, shots):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    cells = [
        "import aljupyter as al",
        'al.datasets.describe("diabetes")',
        'print(al.datasets.load("breast_cancer").task(start="warm"))',
        "al.datasets.catalogue().head()",
    ]
    made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    opened = open_notebook(made, "datasets.ipynb")
    assert opened.run_all() == []
    opened.idle()
    picture = opened.page.locator(".jp-RenderedImage img").first
    picture.wait_for()
    assert opened.page.evaluate(KINDS, 1) == ["execute_result with a picture"]
    assert picture.evaluate("image => image.naturalWidth") > 800
    assert opened.text(2).startswith("Task: breast_cancer (clean), warm start")
    for dark in (False, True):
        opened.theme(dark)
        opened.page.screenshot(path=shots / f"datasets-{'dark' if dark else 'light'}.png")
