"""Clicks on the heatmap in real JupyterLab: a point, a place, what if, a label by hand."""

import re

import pytest

from tests.browser.test_explorer import BREAST_CANCER, notebook

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser


def test_a_click_asks_and_what_if_answers(open_notebook, shots):
    opened = open_notebook(
        notebook(BREAST_CANCER, "explorer = al.Explorer(learner)\nexplorer", "print(learner.events)")
    )
    page = opened.page
    assert opened.run_all() == []
    panel, heat = page.locator(".al-point"), page.locator(".al-heatmap image").first
    expect(panel).to_contain_text("Click a point")
    heat.click(position={"x": 12, "y": 12})
    expect(panel).to_contain_text("This place")
    expect(page.locator(".al-label")).to_be_disabled()
    candidate = page.locator(".al-heatmap path.element").last
    candidate.click()
    expect(panel).to_contain_text(re.compile(r"Point \d+ rank 1 of 327"))
    expect(panel).to_contain_text("p(malignant)")
    before = heat.get_attribute("href")
    page.locator(".al-whatif-0").click()
    sentence = page.locator(".al-whatif-sentence")
    expect(sentence).to_contain_text("were benign: ")
    expect(heat).not_to_have_attribute("href", before)
    page.screenshot(path=shots / "what_if.png")
    page.locator(".al-whatif-reset").click()
    expect(sentence).not_to_contain_text("were benign")
    page.locator(".al-label-choice select").select_option("malignant")
    page.locator(".al-label").click()
    expect(page.locator(".al-status")).to_contain_text("After 1 round: was told the labels of 1 point", timeout=20_000)
    expect(panel).to_contain_text("labelled malignant by person in round 0")
    opened.idle()
    assert opened.run_cell(2) == []
    assert "by='person'" in opened.text(2) and "malignant" in opened.text(2)
