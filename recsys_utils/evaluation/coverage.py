"""How much of the catalogue the lists of all users show together, and how evenly.

Both are properties of all lists at once: there is no value for one user to average.
"""
from __future__ import annotations

import numpy as np

from ..check import check_finite
from ..errors import InvalidInput
from .lists import rows_of_items


def exposure(recommended, item_ids, k: int | None = None) -> np.ndarray:
    """How many lists each item of the catalogue stands in, shape (n_items,).

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    item_ids : array-like, shape (n_items,)
        The whole catalogue.
    k : int, optional
        Look at the first `k` places only.

    Raises
    ------
    UnknownIdError
        If a list holds an item that is not in the catalogue.
    InvalidInput
        If the catalogue repeats an item.

    Examples
    --------
    >>> exposure([[10, 20], [10, 30]], item_ids=[10, 20, 30, 40])
    array([2, 1, 1, 0])
    """
    rows = rows_of_items(recommended, item_ids, k)
    return np.bincount(rows[rows >= 0], minlength=len(item_ids))


def coverage(recommended, item_ids, k: int | None = None) -> float:
    """Share of the catalogue that at least one list shows; arguments as in :func:`exposure`.

    References
    ----------
    Ge, Delgado-Battenfeld and Jannach (2010), *Beyond accuracy: evaluating recommender
    systems by coverage and serendipity*.

    Examples
    --------
    Three of four items are shown to somebody.

    >>> coverage([[10, 20], [10, 30]], item_ids=[10, 20, 30, 40])
    0.75
    """
    return float(np.mean(exposure(recommended, item_ids, k) > 0))


def gini(counts) -> float:
    r"""Gini coefficient of how often each item was shown (or bought, or rated).

    .. math:: G = \frac{\sum_{j=1}^{n} (2j - n - 1)\, c_{(j)}}{n \sum_j c_{(j)}}

    with the counts :math:`c_{(j)}` in ascending order: 0 where all items are shown equally often,
    :math:`1 - 1/n` where one item takes every place.

    Parameters
    ----------
    counts : array-like, shape (n_items,)
        For example the result of :func:`exposure`; items that nobody saw count with 0.

    Raises
    ------
    InvalidInput
        For negative or non-finite counts, or if all are 0.

    References
    ----------
    Fleder and Hosanagar (2009), *Blockbuster culture's next rise or fall: the impact of
    recommender systems on sales diversity*.

    Examples
    --------
    Counts 0, 1, 1, 2: (−3·0 − 1·1 + 1·1 + 3·2) / (4·4) = 6/16.

    >>> gini([2, 1, 1, 0])
    0.375
    >>> gini([5, 5, 5]), gini([0, 0, 0, 8])
    (0.0, 0.75)
    """
    counts = np.sort(check_finite("counts", counts))
    if counts.ndim != 1 or counts.size == 0 or counts[0] < 0 or counts[-1] == 0:
        raise InvalidInput("counts must be 1-D, not negative and not all 0: pass how often each was shown")
    n = len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum()))
