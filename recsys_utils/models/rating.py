"""What models of ratings share: a mean, two biases and a product of factors."""
from __future__ import annotations

import numpy as np

from .base import Recommender, cosines, pair_products


class RatingModel(Recommender):
    r"""Predict :math:`\mu + b_u + b_i + p_u \cdot q_i`; :meth:`learn` is left to subclasses.

    An unknown user or item has no bias and no factors. The vector of a new user is :math:`(b_u, p_u)`.

    Attributes
    ----------
    mean_ : float
    user_bias_, item_bias_ : ndarray, shapes (n_users,) and (n_items,)
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    """

    predicts_ratings = True

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        return (
            self.mean_
            + np.where(user_rows >= 0, self.user_bias_[user_rows], 0.0)
            + np.where(item_rows >= 0, self.item_bias_[item_rows], 0.0)
            + pair_products(user_rows, item_rows, self.user_factors_, self.item_factors_)
        )

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        of_users, of_items = np.ones(len(self.user_bias_)), np.ones(len(self.item_bias_))
        return (
            np.column_stack((self.mean_ + self.user_bias_, of_users, self.user_factors_)),
            np.column_stack((of_items, self.item_bias_, self.item_factors_)),
        )

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_, item_row)

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        return self.mean_ + vector[0] + self.item_bias_ + self.item_factors_ @ vector[1:]

    def residuals(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """What the mean and the items' biases leave over of a new user's ratings, shape (n,)."""
        return values - self.mean_ - self.item_bias_[item_rows]
