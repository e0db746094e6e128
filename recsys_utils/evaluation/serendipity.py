"""Serendipity: found, and not to be expected."""
from __future__ import annotations

import numpy as np

from ..check import check_same_length
from .lists import Relevant, as_lists, judge


def serendipity(recommended, relevant, expected, k: int = 10) -> np.ndarray:
    r"""Share of the first `k` places that are both relevant and unexpected, shape (n_users,).

    .. math:: \frac{|\,(R_k \setminus E) \cap T\,|}{k}

    with the list :math:`R_k`, the expected items :math:`E` and the relevant test items :math:`T`.
    What counts as expected is the list of a primitive recommender, usually the most popular
    items: nobody needs a model to be offered those. Without :math:`T` a random list would
    be the most serendipitous of all.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    relevant : Relevant or sequence of sequences
        Test items, as for :func:`~recsys_utils.evaluation.judge`.
    expected : Lists or array-like, shape (n_users, any length)
        What each user would have been offered anyway.
    k : int

    Returns
    -------
    ndarray, shape (n_users,)
        NaN for users without relevant items; at most the user's precision at `k`.

    Raises
    ------
    InvalidInput
        If the three do not have one row per user, and for what ``judge`` refuses.

    References
    ----------
    Ge, Delgado-Battenfeld and Jannach (2010), *Beyond accuracy: evaluating recommender
    systems by coverage and serendipity*.

    Examples
    --------
    Of four places, two are relevant (20 and 30), and one of those is on everybody's list (20).

    >>> serendipity([[10, 20, 30, 40]], [[20, 30]], expected=[[10, 20]], k=4)
    array([0.25])
    """
    lists, expected = as_lists(recommended).top(k), as_lists(expected)
    check_same_length(expected=expected, recommended=lists)
    judged = judge(lists, relevant)
    expected_items = Relevant.from_lists(
        [items[:n] for items, n in zip(expected.items, expected.lengths, strict=True)]
    )
    unexpected = ~judge(lists, expected_items).hits
    return judged.only_known((judged.hits & unexpected).sum(axis=1) / k)
