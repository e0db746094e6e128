"""Compilation without a place for a cache, and threads that share BLAS."""
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

import recsys_utils
from recsys_utils.compiled import one_blas_thread, workers

PACKAGE = Path(recsys_utils.__file__).parent


def test_imports_and_compiles_where_nothing_can_be_written(tmp_path):
    """A read-only package and no home: Numba refused to decorate, so the import failed."""
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"  # as if no place could be written to, also for root
        "import numpy as np, recsys_utils.models\n"
        "from recsys_utils.topn import top_n\n"
        "print(top_n(np.array([[1.0, 3.0, 2.0]]), 2)[0].tolist())"
    )
    env = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "[[1, 2]]"


def test_every_compiled_function_takes_the_same_way():
    """One way to compile: no pools of Numba's, and a fall-back where no cache can be written."""
    used = ("njit(", "prange(", "@numba", "parallel=True")
    found = [
        path.name for path in PACKAGE.rglob("*.py")
        if path.name != "compiled.py" and any(word in path.read_text(encoding="utf-8") for word in used)
    ]
    assert found == []


def blas_threads():
    """Of the BLAS that NumPy and SciPy call; other libraries of the test process bring their own, and load it later."""
    return [
        pool["num_threads"] for pool in threadpool_info()
        if pool["user_api"] == "blas" and "faiss" not in pool["filepath"]
    ]


def test_the_last_one_out_restores_the_threads_of_blas():
    """Two that overlap: the first must not restore while the second computes, nor the second restore to one."""
    before, first_in, second_in, first_out = blas_threads(), *(threading.Event() for _ in range(3))
    seen = []

    def second():
        first_in.wait(10)
        with one_blas_thread():
            second_in.set()
            first_out.wait(10)
            seen.extend(blas_threads())

    thread = threading.Thread(target=second)
    thread.start()
    with one_blas_thread():
        first_in.set()
        second_in.wait(10)
    first_out.set()
    thread.join()
    assert set(seen) == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_error_in_a_kernel_reaches_the_caller(n_threads):
    def kernel(hand, hands):
        if hand == hands - 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), workers(n_threads) as deal:
        deal(kernel, 50)
