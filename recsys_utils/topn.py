"""Exact top-N: selection from dense scores, and search for the largest products of vectors.

Equal scores come in order of position. Where a row has fewer than n scores above −inf, its list ends with position
−1 and value −inf. NaN never ranks.
"""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .compiled import compiled, one_blas_thread, thread_count

# Scores of this many queries and items are held at once: they stay in a core's cache until they are read.
_QUERIES, _ITEMS = 256, 512
# Up to this many queries are answered one by one; a matrix product needs more of them to pay.
_FEW = 8
# Scores are first compared with the n-th best so far this many at a time.
_STRIDE = 64
# Below this many multiplications threads cost more than they save.
_WORTH_THREADS = 5e7


def top_n(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values of the `n` largest scores of each row, best first.

    Parameters
    ----------
    scores : ndarray of float, shape (n_rows, n_columns)
    n : int
        At most ``n_columns``.

    Returns
    -------
    positions : ndarray of int64, shape (n_rows, n)
        −1 where no score above −inf is left.
    values : ndarray, shape (n_rows, n)

    Examples
    --------
    >>> top_n(np.array([[0.1, 0.7, 0.4, 0.7]]), 3)[0].tolist()
    [[1, 3, 2]]
    """
    scores = _native(scores)
    values, found = _empty_heaps(len(scores), n, scores.dtype)
    nothing, width = np.zeros(len(scores) + 1, np.int64), scores.shape[1]
    _select(scores, width, np.arange(width), np.arange(len(scores)), nothing, nothing, values, found)
    _sort(values, found)
    return found, values


def top_n_products(
    queries: np.ndarray, items: np.ndarray, n: int, seen_pointers=None, seen_items=None
) -> tuple[np.ndarray, np.ndarray]:
    """The search of :class:`SortedVectors` for vectors that are searched only once."""
    return SortedVectors(items).search(queries, n, seen_pointers, seen_items)


class SortedVectors:
    """Vectors in order of falling length, for exact searches of the largest dot products.

    By the inequality of Cauchy and Schwarz no product with y exceeds the length of the query times that of y. So a
    search reads the vectors in this order, and ends at the first that is too short to reach the n-th best so far.

    Parameters
    ----------
    vectors : ndarray of float32 or float64, shape (n_vectors, f)
    """

    def __init__(self, vectors: np.ndarray):
        vectors = _native(vectors)
        lengths = _lengths(vectors)
        self.order = np.argsort(-lengths, kind="stable")
        in_order = (lengths[1:] <= lengths[:-1]).all()  # then they may stay where they are, on a disk for instance
        self.lengths, self.vectors = lengths[self.order], vectors if in_order else vectors[self.order]

    def search(
        self, queries: np.ndarray, n: int, seen_pointers=None, seen_items=None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and values of the `n` largest products of each query, best first.

        Few queries are answered one by one. Many are multiplied with the vectors block by block, never all at once.

        Parameters
        ----------
        queries : ndarray, shape (n_queries, f)
        n : int
            At most ``n_vectors``.
        seen_pointers, seen_items : ndarray, optional
            Positions to leave out, as (a stretch of) ``indptr`` and ``indices`` of a CSR matrix with sorted indices:
            those of query q are ``seen_items[seen_pointers[q]:seen_pointers[q + 1]]``.

        Returns
        -------
        positions : ndarray of int64, shape (n_queries, n)
            −1 where nothing is left.
        values : ndarray, shape (n_queries, n)
        """
        queries = np.ascontiguousarray(queries, dtype=self.vectors.dtype)
        values, found = _empty_heaps(len(queries), n, queries.dtype)
        if seen_pointers is None:
            pointers, seen = np.zeros(len(queries) + 1, np.int64), np.zeros(0, np.int64)
        else:
            pointers = np.asarray(seen_pointers, dtype=np.int64)
            seen = np.asarray(seen_items[pointers[0] : pointers[-1]], dtype=np.int64)
            pointers = pointers - pointers[0]
        lengths = _lengths(queries)
        if len(queries) <= _FEW:
            _scan(queries, lengths, self.vectors, self.lengths, self.order, pointers, seen, values, found)
        else:
            self._search_blocks(queries, lengths, pointers, seen, values, found)
        _sort(values, found)
        return found, values

    def _search_blocks(self, queries, lengths, pointers, seen, values, found) -> None:
        def work(rows: np.ndarray) -> None:
            block, heaps, positions = queries[rows], values[rows], found[rows]
            scores = np.empty((len(rows), _ITEMS), dtype=queries.dtype)
            for first in range(0, len(self.vectors), _ITEMS):
                if (lengths[rows] * self.lengths[first] < heaps[:, 0]).all():
                    break
                order = self.order[first : first + _ITEMS]
                np.matmul(block, self.vectors[first : first + _ITEMS].T, out=scores[:, : len(order)])
                _select(scores, len(order), order, rows, pointers, seen, heaps, positions)
            values[rows], found[rows] = heaps, positions

        # A query of zeros has no score to beat, and would keep a whole block from ending early.
        groups = [np.flatnonzero(lengths > 0), np.flatnonzero(~(lengths > 0))]
        blocks = [rows[i : i + _QUERIES] for rows in groups for i in range(0, len(rows), _QUERIES)]
        threads = min(thread_count(), len(blocks))
        if threads == 1 or len(queries) * self.vectors.size < _WORTH_THREADS:
            for rows in blocks:
                work(rows)
        else:
            with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
                list(pool.map(work, blocks))


def _native(array: np.ndarray) -> np.ndarray:
    """In rows one after the other, and in this machine's order of bytes: compiled code takes nothing else."""
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("=") if array.dtype.kind == "f" else np.float64
    return np.ascontiguousarray(array, dtype=dtype)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Lengths of the rows, a little too long: a bound must survive the rounding of what it bounds."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)) * (1 + 1e-5)


def _empty_heaps(n_rows: int, n: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    """Heaps of −inf at no position: any larger score replaces them."""
    return np.full((n_rows, n), -np.inf, dtype=dtype), np.full((n_rows, n), -1)


@compiled(fastmath={"reassoc", "contract"})
def _scan(queries, query_lengths, vectors, lengths, order, pointers, seen, heaps, found):
    """Offer each query's products to its heap, until the next vector is too short for it."""
    for q in range(len(queries)):
        query, heap, where, mine = queries[q], heaps[q], found[q], seen[pointers[q] : pointers[q + 1]]
        for place in range(len(vectors)):
            if query_lengths[q] * lengths[place] < heap[0]:
                break
            vector, score = vectors[place], query.dtype.type(0)
            for j in range(len(query)):
                score += query[j] * vector[j]
            if score >= heap[0]:
                _offer(score, order[place], mine, heap, where)


@compiled
def _select(scores, width, order, rows, pointers, seen, heaps, found):
    """Offer each row's first `width` scores to its heap."""
    for r in range(len(rows)):
        row, heap, where = scores[r], heaps[r], found[r]
        mine = seen[pointers[rows[r]] : pointers[rows[r] + 1]]
        for start in range(0, width, _STRIDE):
            end = min(start + _STRIDE, width)
            worst = heap[0]
            hits = 0
            for j in range(start, end):  # no branch: this loop runs many scores at a time
                hits += row[j] >= worst
            if hits:
                for j in range(start, end):
                    _offer(row[j], order[j], mine, heap, where)


@compiled
def _offer(score, position, seen, heap, where):
    """Put a score into a heap, whose root is the worst of the n best so far, if it is better and not seen."""
    if score > heap[0] or (score == heap[0] and position < where[0]):
        place = np.searchsorted(seen, position)
        if place == len(seen) or seen[place] != position:
            heap[0], where[0] = score, position
            _sift(heap, where, len(heap))


@compiled
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


@compiled
def _sort(heaps, found):
    """Turn the heaps into lists, best first, by moving the worst behind the rest again and again."""
    for r in range(len(heaps)):
        heap, where = heaps[r], found[r]
        for last in range(len(heap) - 1, 0, -1):
            value, position = heap[last], where[last]
            heap[last], where[last] = heap[0], where[0]
            heap[0], where[0] = value, position
            _sift(heap, where, last)
