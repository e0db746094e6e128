"""Exact top-N: selection from dense blocks of scores, and from products of vectors.

Equal scores always come in order of position, so a result does not depend on the size of a batch.
"""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from threadpoolctl import threadpool_limits

# Scores of this many users and items are held at once: they stay in a core's cache until they are read.
_USERS, _ITEMS = 256, 512
# Scores are first compared with the n-th best so far this many at a time.
_STRIDE = 64
# Below this many multiplications threads cost more than they save.
_WORTH_THREADS = 5e7
_NOWHERE = np.iinfo(np.int64).max


def top_n(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values of the `n` largest scores of each row, best first.

    Parameters
    ----------
    scores : ndarray, shape (n_rows, n_columns)
        −inf ranks last; NaN never ranks.
    n : int
        At most ``n_columns``.

    Returns
    -------
    positions : ndarray of int64, shape (n_rows, n)
        A value of −inf may have a position that means nothing.
    values : ndarray, shape (n_rows, n)

    Examples
    --------
    >>> top_n(np.array([[0.1, 0.7, 0.4, 0.7]]), 3)[0].tolist()
    [[1, 3, 2]]
    """
    values, found = _empty_heaps(len(scores), n, scores.dtype)
    _scan(np.ascontiguousarray(scores), scores.shape[1], np.arange(scores.shape[1]), values, found)
    _sort(values, found)
    return found, values


def top_n_products(
    users: np.ndarray, items: np.ndarray, n: int, seen_pointers=None, seen_items=None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values of the `n` largest dot products of each user's vector with the items' vectors.

    The products are computed and read block by block in cache, never all held at once. Items are taken in
    order of falling length: by the inequality of Cauchy and Schwarz a block whose items are too short to
    reach the n-th best of any user at hand need not be multiplied, nor any after it.

    Parameters
    ----------
    users, items : ndarray, shapes (n_users, f) and (n_items, f)
        Of one floating type.
    n : int
        At most ``n_items``.
    seen_pointers, seen_items : ndarray, optional
        Items to leave out, as ``indptr`` and ``indices`` of a CSR matrix with a row per user. Where fewer
        than `n` items are left, the last values are −inf and their positions mean nothing.

    Returns
    -------
    positions : ndarray of int64, shape (n_users, n)
    values : ndarray, shape (n_users, n)
    """
    item_lengths, user_lengths = _lengths(items), _lengths(users)
    order = np.argsort(-item_lengths, kind="stable")
    reach, items = item_lengths[order], np.ascontiguousarray(items[order])
    values, found = _empty_heaps(len(users), n, items.dtype)
    if seen_pointers is not None:
        place = np.empty(len(items), dtype=np.int64)
        place[order] = np.arange(len(items))

    def work(rows: np.ndarray) -> None:
        block, heap, positions = users[rows], values[rows], found[rows]
        scores = np.empty((len(rows), min(_ITEMS, len(items))), dtype=items.dtype)
        if seen_pointers is not None:
            seen, cursor, stop = _places(rows, seen_pointers, seen_items, place)
        for first in range(0, len(items), _ITEMS):
            if (user_lengths[rows] * reach[first] < heap[:, 0]).all():
                break
            width = min(_ITEMS, len(items) - first)
            np.matmul(block, items[first : first + width].T, out=scores[:, :width])
            if seen_pointers is not None:
                _mask(scores, first, first + width, seen, cursor, stop)
            _scan(scores, width, order[first : first + width], heap, positions)
        _sort(heap, positions)
        values[rows], found[rows] = heap, positions

    # A user without a vector has no score to beat, and would keep a whole block from stopping early.
    with_vector = user_lengths > 0
    groups = [np.flatnonzero(with_vector), np.flatnonzero(~with_vector)]
    blocks = [rows[i : i + _USERS] for rows in groups for i in range(0, len(rows), _USERS)]
    threads = numba.get_num_threads()
    if threads == 1 or len(blocks) == 1 or len(users) * items.size < _WORTH_THREADS:
        for rows in blocks:
            work(rows)
    else:
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, blocks))
    return found, values


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Lengths of the rows, a little too long: a bound must survive the rounding of what it bounds."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)) * (1 + 1e-5)


def _empty_heaps(n_rows: int, n: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Heaps of −inf at no position: any score replaces them."""
    return np.full((n_rows, n), -np.inf, dtype=dtype), np.full((n_rows, n), _NOWHERE)


@numba.njit(cache=True, nogil=True)
def _places(rows, pointers, items, place):
    """For each row the places of its seen items, ascending, between its cursor and its stop."""
    stop = np.cumsum(pointers[rows + 1] - pointers[rows])
    cursor = np.empty_like(stop)
    seen = np.empty(stop[-1], np.int64)
    for r in range(len(rows)):
        cursor[r] = stop[r - 1] if r else 0
        seen[cursor[r] : stop[r]] = np.sort(place[items[pointers[rows[r]] : pointers[rows[r] + 1]]])
    return seen, cursor, stop


@numba.njit(cache=True, nogil=True)
def _mask(scores, first, last, seen, cursor, stop):
    """Give seen items among those at places first to last −inf, and move the cursors past them."""
    for r in range(len(cursor)):
        c = cursor[r]
        while c < stop[r] and seen[c] < last:
            scores[r, seen[c] - first] = -np.inf
            c += 1
        cursor[r] = c


@numba.njit(cache=True, nogil=True)
def _scan(scores, width, positions, heaps, found):
    """Offer each row's first `width` scores to its heap, whose root is the worst of the n best so far."""
    for r in range(len(heaps)):
        row, heap, where = scores[r], heaps[r], found[r]
        for start in range(0, width, _STRIDE):
            end = min(start + _STRIDE, width)
            worst = heap[0]
            hits = 0
            for j in range(start, end):  # no branch: this loop runs many scores at a time
                hits += row[j] >= worst
            if hits:
                for j in range(start, end):
                    if row[j] > heap[0] or (row[j] == heap[0] and positions[j] < where[0]):
                        heap[0], where[0] = row[j], positions[j]
                        _sift(heap, where, len(heap))


@numba.njit(cache=True, nogil=True)
def _sift(heap, where, n):
    """Let the root sink to its place. Worse is a lower score or, at equal scores, a later position."""
    value, position = heap[0], where[0]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        other = child + 1
        if other < n and (
            heap[other] < heap[child] or (heap[other] == heap[child] and where[other] > where[child])
        ):
            child = other
        if heap[child] < value or (heap[child] == value and where[child] > position):
            heap[i], where[i] = heap[child], where[child]
            i = child
        else:
            break
    heap[i], where[i] = value, position


@numba.njit(cache=True, nogil=True)
def _sort(heaps, found):
    """Turn the heaps into lists, best first, by moving the worst behind the rest again and again."""
    for r in range(len(heaps)):
        heap, where = heaps[r], found[r]
        for last in range(len(heap) - 1, 0, -1):
            value, position = heap[last], where[last]
            heap[last], where[last] = heap[0], where[0]
            heap[0], where[0] = value, position
            _sift(heap, where, last)
        for k in range(len(where)):
            if where[k] == _NOWHERE:
                where[k] = 0
