"""Benchmarks: reports for people, run by hand. On one thread each, which is set here, before numpy is imported."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
