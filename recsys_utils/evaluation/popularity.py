"""Novelty and popularity bias: how well known the recommended items are.

One rule in all three functions: an item that nobody has counts as if one user had it.
"""
from __future__ import annotations

import numpy as np

from ..check import check_same_length
from ..interactions import Interactions
from .lists import mean_over_list, rows_of_items


def _shares(train: Interactions) -> np.ndarray:
    """Share of the users who have each item, at least one of them, shape (n_items,)."""
    return np.maximum(np.bincount(train.item_rows, minlength=train.n_items), 1) / train.n_users


def novelty(recommended, train: Interactions, k: int | None = None) -> np.ndarray:
    r"""Mean self-information of the recommended items in bits, shape (n_users,).

    .. math:: \frac{1}{n} \sum_{i} -\log_2 p_i \qquad p_i = \frac{\#\text{users who have } i}{\#\text{users}}

    0 for an item that everybody has, 1 bit more for each halving of its audience. On raw counts instead of
    shares the value would be negative and would fall as the data set grows. An item that nobody has counts as
    if one user had it, so that the value lies between 0 and :math:`\log_2 \#\text{users}`.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    train : Interactions
        Says who has what.
    k : int, optional
        Look at the first `k` places only.

    Returns
    -------
    ndarray, shape (n_users,)
        NaN for an empty list.

    Raises
    ------
    UnknownIdError
        If a list holds an item that `train` does not know.

    References
    ----------
    Zhou, Kuscsik, Liu, Medo, Wakeling and Zhang (2010), *Solving the apparent
    diversity-accuracy dilemma of recommender systems*; Vargas and Castells (2011), *Rank and
    relevance in novelty and diversity metrics for recommender systems*.

    Examples
    --------
    Of four users, all have film 1, two have film 2, one has film 3: 0, 1 and 2 bits.

    >>> import pandas as pd
    >>> log = pd.DataFrame({"userId": [1, 2, 3, 4, 1, 2, 1], "movieId": [1, 1, 1, 1, 2, 2, 3], "rating": 1.0})
    >>> novelty([[1, 2, 3], [3, 2, 1]], Interactions.from_frame(log), k=2)
    array([0.5, 1.5])
    """
    return mean_over_list(-np.log2(_shares(train)), rows_of_items(recommended, train.item_ids, k))


def average_popularity(recommended, train: Interactions, k: int | None = None) -> np.ndarray:
    """Mean share of the users who have the recommended items, shape (n_users,).

    An item that nobody has counts as if one user had it, as in :func:`novelty`. Arguments, results and
    errors are those of that function too.

    References
    ----------
    Yin, Cui, Li, Yao and Chen (2012), *Challenging the long tail recommendation*.

    Examples
    --------
    Of four users, all have film 1 and two have film 2.

    >>> import pandas as pd
    >>> log = pd.DataFrame({"userId": [1, 2, 3, 4, 1, 2], "movieId": [1, 1, 1, 1, 2, 2], "rating": 1.0})
    >>> average_popularity([[1, 2], [2, 1]], Interactions.from_frame(log), k=1)
    array([1. , 0.5])
    """
    return mean_over_list(_shares(train), rows_of_items(recommended, train.item_ids, k))


def popularity_lift(recommended, train: Interactions, user_ids, k: int | None = None) -> np.ndarray:
    r"""How much more popular a user's list is than the user's own history, shape (n_users,).

    .. math:: \frac{\text{mean popularity of the list}}{\text{mean popularity of the history}} - 1

    0 means that the recommender follows the user's own taste for the well known; 1 that its
    items have twice the audience of those that the user chose.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    train : Interactions
    user_ids : array-like, shape (n_users,)
        Whose lists these are.
    k : int, optional
        Look at the first `k` places only.

    Returns
    -------
    ndarray, shape (n_users,)
        NaN for an empty list or history.

    Raises
    ------
    UnknownIdError
        If `train` does not know a user or an item.
    InvalidInput
        If there is not one list per user.

    References
    ----------
    Abdollahpouri, Mansoury, Burke and Mobasher (2019), *The unfairness of popularity bias in
    recommendation* (there for groups of users).

    Examples
    --------
    User 4 chose only film 3, which one of four users has, and is offered film 1, which all others have.

    >>> import pandas as pd
    >>> log = pd.DataFrame({"userId": [1, 2, 3, 4], "movieId": [1, 1, 1, 3], "rating": 1.0})
    >>> popularity_lift([[1]], Interactions.from_frame(log), [4])
    array([2.])
    """
    share, rows = _shares(train), rows_of_items(recommended, train.item_ids, k)
    users = train.rows_of_users(user_ids, strict=True)
    check_same_length(user_ids=users, recommended=rows)
    count = np.bincount(train.user_rows, minlength=train.n_users)
    total = np.bincount(train.user_rows, weights=share[train.item_rows], minlength=train.n_users)
    with np.errstate(invalid="ignore"):
        history = (total / count)[users]
    return mean_over_list(share, rows) / history - 1
