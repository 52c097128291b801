"""Settings, stop rules and the region in real JupyterLab: typed, ticked and dragged."""

import re

import pytest

from tests.browser.test_explorer import BREAST_CANCER, notebook

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser


def test_settings_are_typed_and_a_rule_ends_the_run(open_notebook, shots):
    opened = open_notebook(
        notebook(BREAST_CANCER, "explorer = al.Explorer(learner)\nexplorer", "print(explorer.summary())")
    )
    page = opened.page
    assert opened.run_all() == []
    status = page.locator(".al-status")
    page.locator(".al-settings").click()
    panel = page.locator(".al-settings-panel")
    expect(panel).to_contain_text("learned from the labels")
    signal = panel.locator(".al-set-signal-variance input")
    signal.fill("-1")
    signal.press("Enter")
    expect(status.locator('[role="alert"]')).to_contain_text("signal variance is a positive number")
    signal.fill("2.5")
    signal.press("Enter")
    expect(panel).to_contain_text("held", timeout=10_000)
    expect(panel.locator(".al-hold input")).to_be_checked()
    panel.locator(".al-stop-budget input").check()
    budget = panel.locator(".al-set-labels input")
    labels = int(budget.input_value())
    budget.fill(str(labels - 47))
    budget.press("Enter")
    page.locator(".al-rounds input").fill("30")
    page.locator(".al-rounds input").press("Tab")
    page.screenshot(path=shots / "settings_light.png")
    page.locator(".al-run").click()
    expect(status).to_contain_text(f"Stopped: the budget of {labels - 47} labels is spent.", timeout=30_000)
    expect(status).to_contain_text("After 3 rounds")
    opened.theme(dark=True)
    page.screenshot(path=shots / "settings_dark.png")
    opened.theme(dark=False)
    assert opened.run_cell(2) == []
    assert "Hyperparameters (held): signal variance 2.5" in opened.text(2)


def test_a_rectangle_is_dragged_and_points_in_it_can_be_clicked(open_notebook, shots):
    opened = open_notebook(
        notebook(
            BREAST_CANCER,
            "explorer = al.Explorer(learner)\nexplorer",
            "print(learner.strategy)",
        )
    )
    page = opened.page
    assert opened.run_all() == []
    page.locator(".al-region").click()
    sentence = page.locator(".al-region-sentence")
    expect(sentence).to_contain_text("Drag a rectangle")
    box = page.locator(".al-heatmap image").first.bounding_box()
    across, up = box["width"], box["height"]
    page.mouse.move(box["x"] + 0.3 * across, box["y"] + 0.4 * up)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * across, box["y"] + 0.5 * up, steps=5)
    page.mouse.move(box["x"] + 0.6 * across, box["y"] + 0.8 * up, steps=5)
    page.mouse.up()
    expect(sentence).to_contain_text(re.compile(r"\d+ points within it may be asked"))
    page.screenshot(path=shots / "region_light.png")
    count = int(re.search(r"(\d+) points", sentence.text_content()).group(1))
    page.locator(".al-heatmap path.element").last.click()
    expect(page.locator(".al-point")).to_contain_text("rank 1 of 327")
    page.locator(".al-step").click()
    expect(page.locator(".al-status")).to_contain_text("After 1 round", timeout=20_000)
    expect(sentence).to_contain_text(f"{count - 1} points within it")
    opened.theme(dark=True)
    page.screenshot(path=shots / "region_dark.png")
    opened.theme(dark=False)
    opened.idle()
    assert opened.run_cell(2) == []
    assert f".within(candidates=<{count} indices>)" in opened.text(2)
    page.locator(".al-region").click()
    expect(sentence).to_be_hidden()
