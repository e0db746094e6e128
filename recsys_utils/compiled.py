"""Compilation by Numba, and threads that share compiled work.

Compiled functions let go of Python's global lock, so plain Python threads run them side by side. Numba's own
thread pools are not used: they abort when two Python threads meet in them, and hang after a fork.
"""
from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numba
import numba.core.event
import scipy.linalg  # noqa: F401  its BLAS is one of those to limit, and is not loaded otherwise
from threadpoolctl import ThreadpoolController

from .check import check_int

# Rows are dealt to that many hands a thread, like cards: no hand gets all the long rows, none is waited for long.
_HANDS_PER_THREAD = 8
_lock = threading.Lock()
_holders, _limiter = 0, None


class _Notice(numba.core.event.Listener):
    """Say once a process that this package compiles: a first call would stand still for seconds without a word."""

    said = False

    def on_start(self, event):
        ours = event.data["dispatcher"].py_func.__module__.startswith("recsys_utils")
        if ours and not self.said and os.environ.get("RECSYS_QUIET") != "1":
            self.said = True
            print("recsys_utils: compiling for this machine, some seconds; later calls reuse it", file=sys.stderr)

    def on_end(self, event):
        """Nothing is left to say."""


numba.core.event.register("numba:compile", _Notice())


def compiled(function=None, **options):
    """`numba.njit` with the global lock released, kept on disk where any place for it can be written to.

    Parameters
    ----------
    function : callable
    **options
        Of `numba.njit`, for example ``fastmath``.
    """
    if function is None:
        return lambda function: compiled(function, **options)
    try:
        return numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return numba.njit(nogil=True, **options)(function)


def thread_count(n_threads: int | None = None) -> int:
    """`n_threads`, or by default one for each processor (at most NUMBA_NUM_THREADS, where that is set)."""
    return numba.config.NUMBA_NUM_THREADS if n_threads is None else n_threads


def check_threads(name: str, value) -> None:
    """Raise InvalidInput unless `value` is None or a number of threads."""
    if value is not None:
        check_int(name, value)


@contextmanager
def one_blas_thread():
    """Keep BLAS and LAPACK to one thread meanwhile; several Python threads may be inside at once.

    The number of threads is the process's: the first one in sets it, the last one out restores it.
    """
    global _holders, _limiter
    with _lock:
        if _holders == 0:
            _limiter = _elsewhere(lambda: _controller().limit(limits=1, user_api="blas").__enter__())
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _elsewhere(lambda: _limiter.__exit__(None, None, None))


@contextmanager
def workers(n_threads: int | None = None):
    """Threads for compiled functions, each with one BLAS thread.

    Yields
    ------
    deal : callable
        ``deal(kernel, n_rows, *arguments)`` calls ``kernel(hand, hands, *arguments)`` for ``hand`` in
        ``range(hands)`` and waits. A kernel works on the rows ``range(hand, n_rows, hands)``: one thread computes
        a row, in one order, so the result does not depend on the number of threads.
    """
    count = thread_count(n_threads)
    with one_blas_thread():
        if count == 1:
            yield lambda kernel, n_rows, *arguments: kernel(0, 1, *arguments)
            return
        pool = ThreadPoolExecutor(count)

        def deal(kernel, n_rows, *arguments):
            hands = min(n_rows, count * _HANDS_PER_THREAD)
            for done in [pool.submit(kernel, hand, hands, *arguments) for hand in range(hands)]:
                done.result()

        try:
            yield deal
        finally:
            pool.shutdown(cancel_futures=True)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _elsewhere(call):
    """Call it in a thread of its own: while the thread that set a limit lives, no other may change it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()
