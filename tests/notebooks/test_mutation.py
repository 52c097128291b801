"""The tutorials must fail when the library is wrong: nbval with one thing broken at a time.

A start-up file of the kernel breaks it, so that the library itself has no switch for tests.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "notebooks" / "01_first_rounds.ipynb"

MUTATIONS = {
    "strategy": """
        from aljupyter.strategies import Margin
        right = Margin.values
        Margin.values = lambda self, posterior: -right(self, posterior)
    """,
    "heatmap": """
        from aljupyter.widgets.heatmap import HeatmapView
        import dataclasses
        right = HeatmapView.render
        HeatmapView.render = lambda self, frame, *a, **k: right(
            self, dataclasses.replace(frame, heat=frame.heat and dataclasses.replace(
                frame.heat, values_H_W=frame.heat.values_H_W[::-1])), *a, **k)
    """,
    "curve": """
        from aljupyter.widgets.curve import CurveView
        import dataclasses
        right = CurveView.render
        CurveView.render = lambda self, frame, *a, **k: right(
            self, dataclasses.replace(frame, values=0.5 * frame.values), *a, **k)
    """,
}

pytestmark = pytest.mark.notebook


def run_nbval(tmp_path, mutation):
    start = tmp_path / "ipython" / "profile_default" / "startup"
    start.mkdir(parents=True)
    (start / "00-mutation.py").write_text("\n".join(line[8:] for line in mutation.splitlines()))
    command = [sys.executable, "-m", "pytest", str(FIRST), "--nbval", "--nbval-current-env", "-q", "-x", "--no-cov"]
    command += [f"--nbval-sanitize-with={ROOT / 'tests/notebooks/sanitize.cfg'}", "-p", "no:cacheprovider"]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_library_fails_the_tutorial(tmp_path, name):
    result = run_nbval(tmp_path, MUTATIONS[name])
    assert result.returncode == 1, result.stdout[-3000:] + result.stderr[-2000:]
    assert "Cell outputs differ" in result.stdout or "mismatch" in result.stdout, result.stdout[-3000:]
    assert "NameError" not in result.stdout and "ImportError" not in result.stdout
