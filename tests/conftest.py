"""Fixtures of all tests. One thread each: tests run side by side, and sums come out the same everywhere."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # read once, when the libraries load
    os.environ.setdefault(name, "1")

import shutil  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with copies of the datasets, named by ALJUPYTER_DATA."""
    folder = os.environ.get("ALJUPYTER_DATA")
    if not folder:
        pytest.skip("ALJUPYTER_DATA is not set: it names a folder with copies of the datasets")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium or Chrome, for the browser tests."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("AL_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    message = f"no browser: none of {', '.join(names)} is on PATH, and AL_CHROMIUM does not name one"
    if os.environ.get("CI") == "true":  # there a missing browser is a fault of the set-up, not a machine without one
        pytest.fail(message)
    pytest.skip(message)
