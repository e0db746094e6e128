"""Calibration: does the list keep the proportions of the user's own taste?"""
from __future__ import annotations

import numpy as np

from ..check import check_finite, check_float, check_same_length
from ..errors import InvalidInput
from ..interactions import Interactions
from .lists import rows_of_items


def genre_shares(genres) -> np.ndarray:
    """Each item's weight of 1 split evenly among its genres, shape (n_items, n_genres).

    Examples
    --------
    >>> genre_shares([[1, 0, 1], [0, 1, 0]])
    array([[0.5, 0. , 0.5],
           [0. , 1. , 0. ]])
    """
    genres = check_finite("genres", genres)
    return genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)


def miscalibration(
    recommended, train: Interactions, user_ids, genres, k: int | None = None, smoothing: float = 0.01
) -> np.ndarray:
    r"""Kullback–Leibler divergence of the list's genres from those of the user's history, shape (n_users,).

    .. math::
        \sum_g p_g \ln \frac{p_g}{(1 - \alpha)\, q_g + \alpha\, p_g}

    with the shares :math:`p` in the history and :math:`q` in the list; every item splits its weight among its
    genres. 0 for a list in the proportions of the history; at most :math:`-\ln \alpha`, for a list
    that has none of the user's genres.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    train : Interactions
        Histories; every interaction counts alike.
    user_ids : array-like, shape (n_users,)
        Whose lists these are.
    genres : array-like, shape (train.n_items, n_genres)
        In the order of ``train.item_ids`` (see :func:`~recsys_utils.evaluation.genre_matrix`).
    k : int, optional
        Look at the first `k` places only.
    smoothing : float
        :math:`\alpha`, strictly between 0 and 1: keeps a genre that the list lacks from an infinite value.

    Returns
    -------
    ndarray, shape (n_users,)
        NaN where list or history has no item with a genre.

    Raises
    ------
    UnknownIdError
        If `train` does not know a user or an item.

    References
    ----------
    Steck (2018), *Calibrated recommendations*.

    Examples
    --------
    A history of one drama and one comedy (p = ½, ½), a list of dramas only (q = 1, 0), with α = 0.01:
    ½ ln(0.5 / 0.995) + ½ ln(0.5 / 0.005) = −0.3441 + 2.3026.

    >>> import pandas as pd
    >>> log = pd.DataFrame({"userId": [1, 1, 2], "movieId": [10, 20, 30], "rating": 1.0})
    >>> drama, comedy = [1, 0], [0, 1]
    >>> miscalibration([[30]], Interactions.from_frame(log), [1], [drama, comedy, drama]).round(4)
    array([1.9585])
    """
    check_float("smoothing", smoothing, 0, 1, exclusive=True)
    rows = rows_of_items(recommended, train.item_ids, k)
    shares = genre_shares(genres)
    if len(shares) != train.n_items:
        raise InvalidInput(f"genres has {len(shares)} rows: pass one for each of the {train.n_items} items")
    users = train.rows_of_users(user_ids, strict=True)
    check_same_length(user_ids=users, recommended=rows)
    padded = np.vstack([shares, np.zeros(shares.shape[1])])  # row −1: an empty place
    listed = sum(padded[place] for place in rows.T)
    had = (train.matrix[users] > 0).astype(np.float64) @ shares
    with np.errstate(invalid="ignore", divide="ignore"):
        q = listed / listed.sum(axis=1, keepdims=True)
        p = had / had.sum(axis=1, keepdims=True)
        terms = np.where(p > 0, p * np.log(p / ((1 - smoothing) * q + smoothing * p)), 0 * p * q)
    return np.maximum(terms.sum(axis=1), 0.0)
