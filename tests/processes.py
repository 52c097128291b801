"""Scripts in processes of their own."""

import os
import subprocess
import sys


def outputs_under_hash_seeds(script, *hashseeds):
    """What a script prints in a fresh process, once for each value of PYTHONHASHSEED."""
    return [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hashseed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashseed in hashseeds
    ]
