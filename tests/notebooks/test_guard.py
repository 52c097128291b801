"""What nbval does not see: that a tutorial has outputs to compare, in order, and something to look at without a kernel.

nbval passes a notebook whose outputs were stripped, and never compares a widget or a picture.
"""

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
WIDGET, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
IGNORED = {"nbval-ignore-output"}

pytestmark = pytest.mark.notebook


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell):
    """The outputs of a cell that nbval compares."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        elif WIDGET not in output.get("data", {}) and "text/plain" in output.get("data", {}):
            yield output.data["text/plain"]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_every_cell_was_run_once_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_cell_failed_or_warned(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", output
            assert output.get("name") != "stderr", output


def test_most_cells_say_something_that_is_compared(notebook):
    compared = [
        cell for cell in code_cells(notebook) if not IGNORED & set(cell.metadata.get("tags", [])) and any(texts(cell))
    ]
    assert len(compared) >= 0.6 * len(code_cells(notebook))
    assert sum(len(re.findall(r"\d", text)) for cell in compared for text in texts(cell)) >= 50, "hardly a number"


def test_only_pictures_are_left_uncompared(notebook):
    for cell in code_cells(notebook):
        tags = set(cell.metadata.get("tags", []))
        assert tags <= IGNORED, tags
        if tags & IGNORED:
            assert views(cell), cell.source


def views(cell):
    """What bqplot and ipywidgets draw, progress bars aside."""
    shown = [output.data for output in cell.outputs if WIDGET in output.get("data", {})]
    return [data for data in shown if not re.match(r"\s*\d+%\|", data["text/plain"])]


def test_every_widget_has_a_text_twin_that_is_compared(notebook):
    cells = code_cells(notebook)
    for k in [k for k, cell in enumerate(cells) if views(cell)]:
        assert any("summary()" in cell.source and any(texts(cell)) for cell in cells[k + 1 : k + 3]), cells[k].source


def test_every_widget_is_saved_with_its_state_and_a_picture(notebook):
    shown = [view for cell in code_cells(notebook) for view in views(cell)]
    assert shown
    models = notebook.metadata.widgets[STATE]["state"]
    for view in shown:
        assert view[WIDGET]["model_id"] in models
        assert "image/png" in view, "nothing to see without a kernel"


def test_the_saved_state_holds_the_marks_of_a_heatmap_and_a_curve(notebook):
    models = notebook.metadata.widgets[STATE]["state"].values()
    names = [model["model_name"] for model in models]
    for name in ("FigureModel", "ImageModel", "ScatterModel", "LinesModel"):
        assert name in names
    pngs = [model for model in models if model["model_name"] == "ImageModel" and model.get("buffers")]
    assert pngs, "the heatmap's picture is not in the saved state"


FORBIDDEN = {
    r";\s*$": "a trailing semicolon hides the output from a reader and fails nbval",
    r"clear_output|display_id|Output\(": "nbval cannot compare it",
    r"^from tqdm import|^import tqdm": "only tqdm.auto draws a bar that nbval can compare",
    r"^\s*[%!]": "no magics: the cell must be Python",
    r"/home/|/tmp/|/Users/|/work/|C:\\\\": "no path of one machine",
}


def test_sources_are_plain(notebook):
    for cell in code_cells(notebook):
        for pattern, why in FORBIDDEN.items():
            assert not re.search(pattern, cell.source, re.MULTILINE), f"{why}: {cell.source}"


def test_outputs_are_of_no_one_machine(notebook):
    for cell in code_cells(notebook):
        for text in texts(cell):
            assert not re.search(r"/home/|/tmp/|/Users/|/root/|0x[0-9a-f]{6,}", text), text


def test_the_kernel_is_python3_and_the_file_is_small(path, notebook):
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 1.5e6
    nbformat.validate(notebook)
