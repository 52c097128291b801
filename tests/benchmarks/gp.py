"""How the GP engine compares with scikit-learn: `python -m tests.benchmarks.gp`, under five minutes on two cores.

All times are CPU time of this process on one thread; ours and scikit-learn's take turns in the same run.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import sklearn
import torch
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

import aljupyter
from tests.benchmarks.defaults import defaults
from tests.benchmarks.fixed import fixed
from tests.benchmarks.loops import classification, own_file, regression
from tests.benchmarks.paired import warm_up
from tests.benchmarks.pools import pools
from tests.benchmarks.report import Section, Setting
from tests.benchmarks.whatif import whatif

SECTIONS: dict[str, Callable[[Setting], Section]] = {
    "classification": classification,
    "regression": regression,
    "fixed": fixed,
    "pools": pools,
    "whatif": whatif,
    "defaults": defaults,
}


def main() -> None:
    """Print the table. It is a report: demands that are not met do not change the exit status."""
    options = _options()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of searches that did not converge, on either side
    warm_up()
    setting = Setting(seed=options.seed, quick=options.quick, draws=options.draws)
    print(
        f"aljupyter {aljupyter.__version__} against scikit-learn {sklearn.__version__}, torch {torch.__version__}, "
        f"Python {platform.python_version()}; seed {options.seed}; load {os.getloadavg()[0]:.1f}\n{_blas()}\n",
        flush=True,
    )
    start = time.perf_counter()
    if options.csv:
        runs: list[Callable[[Setting], Section]] = [lambda setting: own_file(setting, options.csv, options.target)]
    else:
        runs = [SECTIONS[name] for name in options.only or SECTIONS]
    demands = []
    for run in runs:
        section = run(setting)
        print(section, flush=True)
        demands += section.demands
    n_met = sum(demand.is_met for demand in demands)
    print(f"{n_met} of {len(demands)} demands met; {time.perf_counter() - start:.0f} s")


def _blas() -> str:
    """For which processor the linear algebra is built: half of what is measured depends on it."""
    kinds = {f"{info['internal_api']} for {info.get('architecture', 'this processor')}" for info in threadpool_info()
             if info["user_api"] == "blas"}  # fmt: skip
    forced = os.environ.get("OPENBLAS_CORETYPE")
    return f"BLAS: {', '.join(sorted(kinds))}{f' (OPENBLAS_CORETYPE={forced} forces it)' if forced else ''}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gp", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section alone (may be repeated)")
    parser.add_argument("--seed", type=int, default=0, help="of splits, draws and orders")
    parser.add_argument("--draws", type=int, default=5, help="repetitions of the comparison of defaults")
    parser.add_argument("--quick", action="store_true", help="a few rounds each, to see that it runs")
    parser.add_argument("--csv", type=Path, help="run the loop on this file instead")
    parser.add_argument("--target", help="its column of labels")
    options = parser.parse_args()
    if (options.csv is None) != (options.target is None):
        parser.error("--csv and --target go together")
    return options


if __name__ == "__main__":
    main()
