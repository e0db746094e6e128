"""The baseline for ratings: a mean, a bias per user and a bias per item."""
from __future__ import annotations

import numpy as np

from ..check import check_bool, check_int
from ..interactions import Interactions
from .base import not_negative
from .rating import RatingModel


class BiasBaseline(RatingModel):
    r"""Predict :math:`\mu + b_u + b_i`, both biases shrunk towards zero.

    Minimises, by alternating between the two sides,

    .. math:: \sum_{(u,i)} (r_{ui} - \mu - b_u - b_i)^2 + \lambda_u \sum_u b_u^2 + \lambda_i \sum_i b_i^2 .

    Parameters
    ----------
    user_regularization, item_regularization : float
        :math:`\lambda_u` and :math:`\lambda_i`, in units of ratings: a user with that many ratings
        is believed by half.
    iterations : int
        Sweeps over both sides; ten leave no visible change on MovieLens.
    clip : bool
        Keep predictions inside the range of the ratings seen in training; ranking scores are never clipped.

    Attributes
    ----------
    mean_ : float
    user_bias_ : ndarray, shape (n_users,)
    item_bias_ : ndarray, shape (n_items,)

    References
    ----------
    Koren, Bell and Volinsky (2009), Matrix factorization techniques for recommender systems, eq. 3.
    """

    checks = {
        "user_regularization": not_negative, "item_regularization": not_negative, "iterations": check_int,
        "clip": check_bool,
    }

    def __init__(self, *, user_regularization: float = 10.0, item_regularization: float = 5.0, iterations: int = 10,
                 clip: bool = True):
        self.user_regularization, self.item_regularization = user_regularization, item_regularization
        self.iterations, self.clip = iterations, clip

    def learn(self, interactions: Interactions) -> None:
        users, items = interactions.user_rows, interactions.item_rows
        self.mean_ = float(interactions.values.mean())
        self.user_bias_ = np.zeros(interactions.n_users)
        residual = interactions.values - self.mean_
        for _ in range(self.iterations):
            self.item_bias_ = _shrunk_mean(
                residual - self.user_bias_[users], items, interactions.n_items, self.item_regularization
            )
            self.user_bias_ = _shrunk_mean(
                residual - self.item_bias_[items], users, interactions.n_users, self.user_regularization
            )
        self.user_factors_, self.item_factors_ = (bias[:, None][:, :0] for bias in (self.user_bias_, self.item_bias_))

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The user's bias alone, shape (1,)."""
        residual = self.residuals(item_rows, values)
        return _shrunk_mean(residual, np.zeros(len(residual), dtype=np.int64), 1, self.user_regularization)


def _shrunk_mean(values: np.ndarray, rows: np.ndarray, n_rows: int, regularization: float) -> np.ndarray:
    """Sum of each row's values over (their number + regularization); 0 for a row without values."""
    total = np.bincount(rows, weights=values, minlength=n_rows)
    weight = np.bincount(rows, minlength=n_rows) + regularization
    return np.divide(total, weight, out=np.zeros(n_rows), where=weight > 0)
