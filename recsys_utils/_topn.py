"""Exact top-N selection from dense blocks of scores."""
from __future__ import annotations

import numpy as np


def top_n(scores: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values of the `n` largest scores of each row, best first.

    Equal scores come in order of position, so the result does not depend on
    the size of a batch.

    Parameters
    ----------
    scores : ndarray, shape (n_rows, n_columns)
    n : int
        At most ``n_columns``.

    Returns
    -------
    positions : ndarray of int64, shape (n_rows, n)
    values : ndarray, shape (n_rows, n)
    """
    n_columns = scores.shape[1]
    if n < n_columns:
        # Take all that reach the n-th value, so that ties at the edge go to the lower position.
        edge = np.partition(scores, n_columns - n, axis=1)[:, n_columns - n]
        found = np.empty((len(scores), n), dtype=np.int64)
        for row, threshold in enumerate(edge):
            candidates = np.flatnonzero(scores[row] >= threshold)
            found[row] = candidates[np.argsort(-scores[row, candidates], kind="stable")[:n]]
    else:
        found = np.argsort(-scores, axis=1, kind="stable")
    return found, np.take_along_axis(scores, found, axis=1)
