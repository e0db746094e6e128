"""Re-ranking: trading accuracy for diversity after the model has spoken."""
from __future__ import annotations

import numpy as np

from .check import check_float, check_int
from .errors import InvalidInput
from .evaluation.diversity import unit_vectors
from .evaluation.lists import Lists, as_lists, rows_of_items

_BLOCK_CELLS = 8_000_000
_LAST = -1e6  # worth of an empty place: behind every item, before what is already placed


def mmr(recommended, scores, item_ids, vectors, n: int = 10, trade_off: float = 0.7) -> Lists:
    r"""Maximal marginal relevance: fill each place with the best compromise of score and difference.

    .. math::
        \arg\max_{i \notin S} \; \lambda\, s_i - (1 - \lambda) \max_{j \in S} \cos(v_i, v_j)

    where :math:`S` holds the items already placed and the scores :math:`s` of a user's candidates are
    scaled to [0, 1]. Ties go to the candidate that the model ranked higher.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, n_candidates)
        More candidates than places, best first.
    scores : array-like, shape (n_users, n_candidates)
    item_ids, vectors
        What the items are compared by, as in :func:`~recsys_utils.evaluation.intra_list_distance`.
    n : int
        Length of the new lists.
    trade_off : float
        :math:`\lambda` in [0, 1]; 1 keeps the model's order, 0 looks at differences only.

    Returns
    -------
    Lists
        ``.items`` holds the new lists, shape (n_users, n), in the ids of `recommended`; every metric takes it.

    Raises
    ------
    InvalidInput
        If there are fewer candidates than places, or `scores` are refused by
        :func:`~recsys_utils.evaluation.as_lists`.

    References
    ----------
    Carbonell and Goldstein (1998), *The use of MMR, diversity-based reranking for reordering
    documents and producing summaries*.

    Examples
    --------
    Two dramas score 1.0 and 0.9, a comedy 0.0. At λ = 0.5 the second drama is worth
    0.45 − 0.5, the comedy 0 − 0.

    >>> drama, comedy = [1, 0], [0, 1]
    >>> mmr([[10, 20, 30]], [[1.0, 0.9, 0.0]], [10, 20, 30], [drama, drama, comedy], n=2, trade_off=0.5).items
    array([[10, 30]])
    """
    check_float("trade_off", trade_off, 0, 1)
    lists = as_lists(recommended, scores)
    check_int("n", n)
    if n > lists.items.shape[1]:
        raise InvalidInput(f"n={n} is larger than the {lists.items.shape[1]} candidates: pass more of them")
    units = np.vstack([unit_vectors(item_ids, vectors), np.zeros(np.shape(vectors)[1])])
    rows = rows_of_items(lists, item_ids)
    scores = np.asarray(scores, dtype=np.float64)
    order = np.empty((len(rows), n), dtype=np.int64)
    step = max(1, _BLOCK_CELLS // (rows.shape[1] * units.shape[1]))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        order[block] = _order(_scaled(scores[block], rows[block] >= 0), units[rows[block]], n, trade_off)
    return Lists(np.take_along_axis(lists.items, order, axis=1), np.minimum(lists.lengths, n))


def _scaled(scores: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Scores of each list scaled to [0, 1]; empty places far below."""
    low = np.min(scores, axis=1, where=filled, initial=np.inf, keepdims=True)
    high = np.max(scores, axis=1, where=filled, initial=-np.inf, keepdims=True)
    span = np.where(high > low, high - low, 1.0)
    return np.divide(scores - low, span, out=np.full_like(scores, _LAST), where=filled)


def _order(scores: np.ndarray, vectors: np.ndarray, n: int, trade_off: float) -> np.ndarray:
    """Positions of the chosen candidates, shape (n_users, n)."""
    users = np.arange(len(scores))
    relevance = np.where(scores == _LAST, _LAST, trade_off * scores)
    nearest = np.zeros_like(scores)
    order = np.empty((len(scores), n), dtype=np.int64)
    for place in range(n):
        # Rounding keeps a tie of equal vectors a tie on every processor.
        value = relevance if place == 0 else np.round(relevance - (1 - trade_off) * nearest, 12)
        order[:, place] = chosen = value.argmax(axis=1)
        relevance[users, chosen] = -np.inf
        cosine = np.einsum("ucf,uf->uc", vectors, vectors[users, chosen])
        nearest = cosine if place == 0 else np.maximum(nearest, cosine)
    return order
