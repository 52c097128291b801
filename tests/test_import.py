"""`import aljupyter` is light: nothing heavy is loaded before it is used."""

import subprocess
import sys

import pytest

import aljupyter as al

HEAVY = {"bqplot", "gpytorch", "ipywidgets", "matplotlib", "numpy", "pandas", "scipy", "sklearn", "torch"}


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_import_loads_no_heavy_library():
    loaded = python("import aljupyter, sys; print(*sys.modules)").split()
    assert HEAVY.isdisjoint(loaded)


def test_the_import_takes_less_than_300_ms():
    code = "import time; t = time.perf_counter(); import aljupyter; print(time.perf_counter() - t)"
    assert min(float(python(code)) for _ in range(3)) < 0.3


@pytest.mark.parametrize("name", al.__all__)
def test_every_public_name_is_found(name):
    assert al.__getattr__(name).__name__ in {name, f"aljupyter.{name}"}


def test_dir_lists_the_public_names():
    assert set(al.__all__) <= set(dir(al))


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'aljupyter' has no attribute 'Learner'"):
        _ = al.Learner
