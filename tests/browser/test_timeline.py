"""Time travel in real JupyterLab: arrow keys, Play and Now."""

import pytest

from tests.browser.test_explorer import BREAST_CANCER, notebook

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser


def test_arrow_keys_and_play_go_through_the_rounds(open_notebook):
    explorer = "learner.run(6, progress=False)\nexplorer = al.Explorer(learner)\nexplorer"
    look = "explorer._timeline.play.interval = 150\nprint(learner.n_labels)"
    opened = open_notebook(notebook(BREAST_CANCER, explorer, look))
    page = opened.page
    assert opened.run_all() == []
    status, where, heat = page.locator(".al-status"), page.locator(".al-where"), page.locator(".al-heatmap image").first
    expect(where).to_have_text("6 of 6")
    now = heat.get_attribute("href")
    page.locator(".al-round [role=slider]").focus()
    for k in (5, 4, 3):
        page.keyboard.press("ArrowLeft")
        expect(where).to_have_text(f"{k} of 6")
        expect(status).to_contain_text(f"Round {k} of 6, with {100 + k} labels")
        expect(heat).not_to_have_attribute("href", now)
    page.keyboard.press("ArrowRight")
    expect(status).to_contain_text("Round 4 of 6")
    page.locator(".al-now").click()
    expect(status).to_contain_text("After 6 rounds")
    for _ in range(6):
        page.locator(".al-round [role=slider]").press("ArrowLeft")
    expect(where).to_have_text("0 of 6")
    page.locator(".al-play button").first.click()
    expect(status).to_contain_text("After 6 rounds", timeout=20_000)
    opened.idle()
    expect(page.locator(".al-step")).to_be_enabled()
    page.locator(".al-step").click()
    expect(where).to_have_text("7 of 7", timeout=20_000)
    expect(page.locator(".al-step")).to_be_enabled()
    page.locator(".al-step").click()
    expect(where).to_have_text("8 of 8", timeout=20_000)
    opened.idle()
    page.wait_for_timeout(500)  # a slider that is given a new end must not answer with its old value
    expect(where).to_have_text("8 of 8")
    expect(status).to_contain_text("After 8 rounds")
    assert opened.run_cell(2) == []
    assert opened.text(2).strip() == "108"
