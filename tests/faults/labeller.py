"""A process that labels through a journal as fast as it can, and says which labels were acknowledged. No torch here.

``python labeller.py PATH FIRST``: labels FIRST, FIRST + 1, ... each by its own number, until it is killed.
"""

import os
import sys

from aljupyter.journal import Journal

path, first = sys.argv[1], int(sys.argv[2])
with Journal(path) as journal:
    os.write(1, b"ready\n")
    k = first
    while True:
        if k % 7 == 0:
            journal.record("query", [k, k + 1])
        journal.record("label", [k], [k])
        os.write(1, b"%d\n" % k)  # one write: what the pipe has is what was acknowledged
        k += 1
