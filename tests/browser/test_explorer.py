"""The Explorer in real JupyterLab: what a person clicks, and what then stands on the screen."""

import re
import statistics

import nbformat
import pytest

from aljupyter.records import in_number

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

BREAST_CANCER = """
import aljupyter as al
from sklearn.datasets import load_breast_cancer

cancer = load_breast_cancer()
data = al.DataManager(cancer.data, cancer.target_names[cancer.target], feature_names=list(cancer.feature_names),
                      test=0.25, labelled=100, seed=0)
learner = al.ActiveLearner(data, al.GPClassifier(), al.strategies.Entropy(), seed=0)
"""

SLOW = """
import time
from aljupyter.models.gp.manager import GPManager

class Slow(GPManager):
    def fit(self, labelled, control=None):
        for _ in range(50):
            time.sleep(0.01)
            if control is not None:
                control.check()
        super().fit(labelled, control)

slow = al.ActiveLearner(data, Slow(al.GPClassifier()), al.strategies.Margin(), seed=0)
slow_explorer = al.Explorer(slow)
slow_explorer
"""

# Seconds from a click to the frame in which the new heat and the new status line are on the screen.
CLICK_TO_PAINT = """async root => {
    const heat = root.querySelector('.al-heatmap image'), status = root.querySelector('.al-status');
    const before = [heat.getAttribute('href'), status.textContent], begun = performance.now();
    root.querySelector('.al-step').click();
    while (heat.getAttribute('href') === before[0] || status.textContent === before[1])
        await new Promise(requestAnimationFrame);
    await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
    return (performance.now() - begun) / 1000;
}"""


def notebook(*cells):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    made.cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in cells]
    return made


class Seen:
    """The k-th Explorer of a page, by what a person sees of it."""

    def __init__(self, page, k=0):
        self.root = page.locator(".al-explorer").nth(k)
        self.status = self.root.locator(".al-status [role]")
        self.heat = self.root.locator(".al-heatmap image")
        self.curve = self.root.locator(".al-curve path.line").last
        expect(self.heat).to_be_visible()

    def control(self, name):
        """A button, or the field of a menu or number."""
        found = self.root.locator(f".al-{name}")
        return found.locator("select, input") if found.locator("select, input").count() else found

    def click(self, name):
        self.control(name).click()

    def pictures(self):
        return self.heat.get_attribute("href"), self.curve.get_attribute("d")

    def expect_other_than(self, pictures):
        expect(self.heat).not_to_have_attribute("href", pictures[0])
        expect(self.curve).not_to_have_attribute("d", pictures[1])

    def expect_round(self, k, words=""):
        expect(self.status).to_contain_text(f"After {in_number(k, 'round')}: {words}")


def test_two_explorers_and_a_cell_on_one_learner(open_notebook, shots):
    opened = open_notebook(
        notebook(BREAST_CANCER, "al.Explorer(learner)", "al.Explorer(learner, measure='margin')", "learner.step(3);")
    )
    assert opened.run_all() == []
    page, first, second = opened.page, Seen(opened.page, 0), Seen(opened.page, 1)
    first.expect_round(1, "asked 3 points")  # the last cell

    # Step moves the heatmap, the curve and the status, here and there
    before = first.pictures(), second.pictures()
    first.click("step")
    for explorer, pictures in zip((first, second), before, strict=True):
        explorer.expect_round(2, "asked 1 point")
        explorer.expect_other_than(pictures)

    # so does a step in another cell
    before = first.pictures()
    assert opened.run_cell(3) == []
    first.expect_round(3, "asked 3 points")
    first.expect_other_than(before)
    second.expect_round(3)

    # Run plays as many rounds as it says
    second.click("run")
    first.expect_round(8)
    second.expect_round(8)
    expect(first.status).to_contain_text("112 of 427 labelled")

    # Undo takes one back
    before = second.pictures()
    first.click("undo")
    expect(first.status).to_contain_text("Taken back. After 7 rounds")
    second.expect_round(7)
    second.expect_other_than(before)
    expect(second.status).to_contain_text("111 of 427 labelled")

    # menus: another measure, another plane, another strategy
    before = first.pictures()
    first.control("measure").select_option("probability of malignant")
    expect(first.heat).not_to_have_attribute("href", before[0])
    expect(first.root.locator(".al-heatmap-caption")).to_have_text("probability of malignant")
    before = first.pictures()
    first.control("plane").select_option("two features")
    expect(first.heat).not_to_have_attribute("href", before[0])
    expect(first.root.locator(".al-heatmap")).to_contain_text("mean radius (others at median)")
    first.control("strategy").select_option("random")
    expect(second.control("strategy")).to_have_value("random")

    # keys pressed in it are its own: in JupyterLab they would insert, undo and delete cells
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    first.control("measure").focus()
    for key in ("b", "a", "d", "d", "z"):
        page.keyboard.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    expect(first.heat).to_be_visible()

    # a batch larger than the pool: an error in words, nothing lost, and the next click works
    first.control("batch").fill("1000")
    first.control("batch").press("Tab")
    first.click("step")
    alert = first.root.locator(".al-status [role=alert]")
    expect(alert).to_contain_text("ask at most 316")
    first.control("batch").fill("2")
    first.control("batch").press("Tab")
    first.click("step")
    first.expect_round(8, "asked 2 points")
    expect(alert).to_have_count(0)

    expect(first.root.locator(".al-curve")).to_contain_text("all 427 labelled")  # the ceiling, when it is known
    for dark in (False, True):
        opened.theme(dark)
        for width in (1280, 1024):
            page.set_viewport_size({"width": width, "height": 1000})
            second.root.scroll_into_view_if_needed()
            page.wait_for_timeout(400)  # figures follow the width of the page a moment later
            page.screenshot(path=shots / f"explorer-{'dark' if dark else 'light'}-{width}.png")
            assert page.evaluate("root => root.scrollWidth <= root.clientWidth", first.root.element_handle())


def test_cancel_rolls_back_the_round_in_flight(open_notebook):
    opened = open_notebook(
        notebook(
            BREAST_CANCER,
            SLOW,
            "print(len(slow.history), slow.n_labels, len(slow.data.unlabelled), slow.busy)",
            "from aljupyter.widgets.leftovers import _views\nprint(len(_views))",
        )
    )
    assert opened.run_all() == []
    explorer = Seen(opened.page)
    explorer.control("rounds").fill("100")
    explorer.control("rounds").press("Tab")
    explorer.click("run")
    explorer.expect_round(2)
    expect(explorer.control("step")).to_be_disabled()
    explorer.click("cancel")
    expect(explorer.status).to_contain_text("Cancelled: the round in flight was rolled back")
    finished = int(re.search(r"(\d+) finished", explorer.status.inner_text())[1])
    assert 2 <= finished < 100

    # the engine agrees with the screen, and goes on
    assert opened.run_cell(2) == []
    assert opened.text(2).split() == [str(finished), str(100 + finished), str(327 - finished), "False"]
    expect(explorer.control("step")).to_be_enabled()
    explorer.control("step").focus()
    opened.page.keyboard.press("Enter")
    explorer.expect_round(finished + 1, "asked 1 point")
    expect(explorer.control("step")).to_be_focused()  # though it was disabled for a while
    expect(explorer.status).to_contain_text(f"{101 + finished} of 427 labelled")

    # running the cell of the Explorer anew leaves no second one behind
    assert opened.text(3).split() == ["1"]
    assert opened.run_cell(1) == []
    assert opened.run_cell(3) == []
    assert opened.text(3).split() == ["1"]


@pytest.mark.slow
def test_a_step_is_painted_within_a_second(open_notebook):
    """Of a machine that does nothing else; `make test` leaves it out because a busy one would fail it."""
    opened = open_notebook(notebook(BREAST_CANCER, "al.Explorer(learner)"))
    assert opened.run_all() == []
    root = Seen(opened.page).root.element_handle()
    seconds = [opened.page.evaluate(CLICK_TO_PAINT, root) for _ in range(7)]
    print(f"click to painted round: median {statistics.median(seconds):.3f} s of {[f'{s:.3f}' for s in seconds]}")
    assert statistics.median(seconds) < 1
