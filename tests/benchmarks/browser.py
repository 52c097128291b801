"""How long a person waits for the Explorer, in real JupyterLab: ``python -m tests.benchmarks.browser``.

Breast cancer, 200 labels, 569 points, 100 x 100 cells. Chromium must be there (see CONTRIBUTING.md).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from tests.benchmarks.report import Demand, Section

MEASURED = Path(__file__).parents[1] / "browser/speed.py"


def section(figures: dict[str, float]) -> Section:
    """The figures beside what they must be."""
    rows = [
        {"what": "Step", "ms": figures["step"], "bare update ms": figures["bare"]},
        {"what": "round on the slider", "ms": figures["slide"], "bare update ms": figures["bare_slide"]},
        {"what": "what if", "ms": figures["what_if"]},
        {"what": "1+1 while Run goes", "ms": figures["answer"]},
    ]
    demands = [
        Demand("Step, click to painted, ms", figures["step"], at_most=250),
        Demand("Step / bare update", figures["step"] / figures["bare"], at_most=4),
        Demand("round on the slider, ms", figures["slide"], at_most=100),
        Demand("round on the slider / bare update", figures["slide"] / figures["bare_slide"], at_most=2.5),
        Demand("what if, ms", figures["what_if"], at_most=150),
        Demand("kB received a round", figures["bytes"] / 1000, at_most=60),
        Demand("the kernel's slowest answer while Run goes, ms", figures["answer_worst"], at_most=300),
    ]
    return Section("the Explorer in JupyterLab", rows, demands, "Medians; the first two of each are left out.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=17)
    clicks = parser.parse_args().clicks
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "figures.json"
        os.environ |= {"AL_FIGURES": str(saved), "AL_CLICKS": str(clicks)}
        code = pytest.main(["-q", "-p", "no:cacheprovider", str(MEASURED)])
        if code:
            sys.exit(int(code))
        figures = json.loads(saved.read_text())["figures"]
    print(f"load {os.getloadavg()[0]:.1f}\n{section(figures)}")


if __name__ == "__main__":
    main()
