"""Layers do not leak: each folder imports only what stands below it (CONTRIBUTING.md, "The house")."""

import ast
from pathlib import Path

import pytest

import aljupyter

PACKAGE = Path(aljupyter.__file__).parent
# From the bottom up. Those in one row do not know of each other.
FLOORS = [
    ["errors"],
    ["control", "randomness", "posterior"],
    ["data", "journal"],
    ["datasets"],
    ["models", "informativeness"],
    ["oracles", "strategies"],
    ["parameters", "records", "sizes", "turns"],
    ["performance", "past", "keeping"],
    ["explain"],
    ["standing"],
    ["rounds", "stopping"],
    ["runs"],
    ["learner"],
    ["companions", "inspection"],
    ["whatif"],
    ["widgets"],
]
HEIGHT = {name: floor for floor, names in enumerate(FLOORS) for name in names}
FILES = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]


def home(path):
    """The folder or module that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """Folders and modules of the package that a file imports, those for type checkers aside."""
    tree = ast.parse(path.read_text())
    for guard in [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]:
        guard.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "aljupyter":
            below = node.module.split(".")[1:]
            yield from below[:1] or [alias.name for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("aljupyter."))


def test_every_module_has_its_floor():
    assert {home(path) for path in FILES} == set(HEIGHT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_stands_below(path):
    here = home(path)
    for name in imported(path):
        assert name == here or HEIGHT[name] < HEIGHT[here], f"{here} imports {name}, which stands above or beside it"


def test_only_the_widgets_have_heard_of_jupyter():
    for path in FILES:
        if home(path) != "widgets":
            text = path.read_text()
            assert "ipywidgets" not in text and "bqplot" not in text and "IPython" not in text, path


def test_measures_see_neither_models_nor_data():
    seen = {name for path in FILES if home(path) == "informativeness" for name in imported(path)}
    assert seen <= {"errors", "posterior", "informativeness"}


def test_threads_live_in_one_file_of_the_widgets():
    starting = [p.name for p in FILES if "Thread(" in p.read_text() or "ThreadPoolExecutor(" in p.read_text()]
    assert starting == ["controller.py"]
