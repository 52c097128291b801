"""What goes wrong in front of people: interrupts, restarts, deleted cells, code that raises, markup in data."""

import pytest

from tests.browser.test_explorer import BREAST_CANCER, SLOW, Seen, notebook

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

RESTART = """async () => { const context = jupyterapp.shell.currentWidget.sessionContext;
                          await context.restartKernel(); }"""
INTERRUPT = """async () => { await jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt(); }"""
DELETE = """async k => { const notebook = jupyterapp.shell.currentWidget.content; notebook.deselectAll();
                         notebook.activeCellIndex = k; await jupyterapp.commands.execute('notebook:delete-cell'); }"""
FRAMES = """async n => { const begun = performance.now();
                         for (let k = 0; k < n; k++) await new Promise(requestAnimationFrame);
                         return performance.now() - begun; }"""

HOSTILE = """
import numpy as np, pandas as pd
import aljupyter as al

evil = "<script>window.hacked = 1</script>"
image = "<img src=x onerror='window.hacked = 2'>"
rng = np.random.default_rng(0)
table = pd.DataFrame({evil: rng.normal(size=60), image: rng.normal(size=60), "c": rng.normal(size=60)})
y = np.where(table[evil] > 0, evil, image)
data = al.DataManager(table, y, test=0.25, labelled=10, seed=0)
learner = al.ActiveLearner(data, al.GPClassifier("ard"), al.strategies.Entropy(), seed=0)
explorer = al.Explorer(learner, plane=(evil, image), show=lambda index, row: f"{evil}{image} {row}")
explorer
"""

RAISING = """
class Odd(al.strategies.Strategy):
    needs = ()
    fails = True

    def __init__(self):
        super().__init__(al.strategies.Random())

    def score(self, pool):
        if Odd.fails:
            raise ZeroDivisionError("of my own making")
        return super().score(pool)


def show(index, row):
    raise KeyError("nothing to see")


odd = al.ActiveLearner(data, strategy=Odd(), seed=0)
al.Explorer(odd, show=show)
"""


def consistent(opened, cell):
    """What a cell prints: rounds, distinct points asked, labels less those of the start, whether busy."""
    opened.run_cell(cell)
    rounds, asked, more, busy = opened.text(cell).split()
    assert (rounds, rounds, "False") == (asked, more, busy)
    return int(rounds)


COUNTS = """
from itertools import chain
print(len({0}.history), len(set(chain(*(r.indices.tolist() for r in {0}.history)))), {0}.n_labels - 100, {0}.busy)
"""


def test_markup_in_names_and_values_is_text(open_notebook, shots):
    opened = open_notebook(notebook(HOSTILE))
    assert opened.run_all() == []
    page, explorer = opened.page, Seen(opened.page)
    explorer.click("step")
    explorer.expect_round(1)
    page.locator(".al-heatmap path.element").last.click()
    expect(page.locator(".al-point")).to_contain_text("<script>")
    page.locator(".al-whatif-0").click()
    expect(page.locator(".al-whatif-sentence")).to_contain_text("were <")
    for name in ("settings", "explain"):
        explorer.click(name)
    expect(page.locator(".al-settings-panel")).to_contain_text("length scale of <script>")
    for option in page.locator(".al-measure option").all_text_contents():
        explorer.control("measure").select_option(option)
    page.wait_for_timeout(500)
    page.screenshot(path=shots / "markup.png")
    assert page.evaluate("window.hacked") is None


def test_what_a_users_code_raises_is_shown_and_nothing_is_lost(open_notebook, shots):
    opened = open_notebook(notebook(BREAST_CANCER, RAISING, "Odd.fails = False", COUNTS.format("odd")))
    page = opened.page
    opened.run_cell(0)
    opened.run_cell(1)
    explorer = Seen(page)
    alert = page.locator(".al-status [role=alert]")
    expect(alert).to_contain_text("of my own making")
    page.locator(".al-status summary").click()
    expect(page.locator(".al-status pre")).to_contain_text("ZeroDivisionError")
    explorer.click("step")
    expect(alert).to_contain_text("of my own making")
    page.locator(".al-heatmap path.element").first.click()
    expect(page.locator(".al-explorer")).to_contain_text("raised KeyError")
    page.screenshot(path=shots / "raising.png")
    opened.idle()
    assert opened.run_cell(2) == []
    explorer.control("step").dblclick()
    expect(alert).to_have_count(0, timeout=10_000)
    expect(explorer.control("step")).to_be_enabled(timeout=10_000)
    opened.idle()
    assert consistent(opened, 3) in (1, 2)


def test_an_interrupt_a_deleted_cell_and_a_restart_lose_no_round(open_notebook):
    opened = open_notebook(
        notebook(
            BREAST_CANCER,
            SLOW,
            "slow.run(100, progress=False);",
            COUNTS.format("slow"),
            "slow_explorer.wait(60); slow_explorer",
            "al.Explorer(learner)",
        )
    )
    page = opened.page
    for k in (0, 1):
        assert opened.run_cell(k) == []
    explorer = Seen(page)

    # a cell is interrupted in the middle of its rounds
    page.evaluate("k => { jupyterapp.shell.currentWidget.content.activeCellIndex = k; "
                  "jupyterapp.commands.execute('notebook:run-cell'); }", 2)  # fmt: skip
    explorer.expect_round(2)
    page.evaluate(INTERRUPT)
    opened.idle()
    assert [error.partition(":")[0] for error in opened.errors()] == ["KeyboardInterrupt"]
    before = consistent(opened, 3)
    assert before >= 2

    # a run by button: an interrupt of the kernel leaves it alone, and the page draws meanwhile
    explorer.control("rounds").fill("6")
    explorer.control("rounds").press("Tab")
    explorer.click("run")
    explorer.expect_round(before + 1)
    page.evaluate(INTERRUPT)
    assert page.evaluate(FRAMES, 30) < 5_000
    explorer.expect_round(before + 6)

    # its cell is deleted in the middle of a run: the rounds are played, and another view shows them
    explorer.click("run")
    explorer.expect_round(before + 7)
    page.evaluate(DELETE, 1)
    expect(page.locator(".al-explorer")).to_have_count(0)
    opened.idle()
    opened.run_cell(3)
    expect(page.locator(".al-explorer .al-status")).to_contain_text(f"After {before + 12} rounds")
    opened.run_cell(2)
    assert opened.text(2).split()[0] == str(before + 12)

    # the kernel restarts in the middle of a run: the notebook can be run anew
    page.locator(".al-run").click()
    page.wait_for_timeout(800)
    page.evaluate(RESTART)
    opened.idle()
    assert page.evaluate(FRAMES, 30) < 5_000
    opened.run_cell(0)
    opened.run_cell(4)
    explorer = Seen(page, page.locator(".al-explorer").count() - 1)
    explorer.click("step")
    explorer.expect_round(1, "asked 1 point")
