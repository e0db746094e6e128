"""A first call that compiles says so, once; a cached one is silent."""
import os
import subprocess
import sys

PROGRAM = """
import numpy as np
from recsys_utils.topn import top_n
for _ in range(2):
    top_n(np.ones((2, 3)), 2)
from recsys_utils.compiled import compiled
@compiled
def foreign(x):
    return x
foreign(1)
"""


def run(folder, **variables):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "RECSYS_QUIET": "0", **variables}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return done.stderr


def test_a_first_call_does_not_compile_in_silence(tmp_path):
    assert run(tmp_path / "quiet", RECSYS_QUIET="1") == ""
    first = run(tmp_path / "cold")
    assert first.count("\n") == 1 and first.startswith("recsys_utils: compiling")
    assert run(tmp_path / "cold") == "", "what is cached compiles nothing"
