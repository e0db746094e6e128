"""The baseline without a person in it: what most people took."""
from __future__ import annotations

import numpy as np

from ..interactions import Interactions
from .base import Recommender


class Popularity(Recommender):
    """Score an item by the number of users who interacted with it.

    Attributes
    ----------
    counts_ : ndarray of int64, shape (n_items,)
    """

    def learn(self, interactions: Interactions) -> None:
        taken = interactions.item_rows[interactions.values > 0]
        self.counts_ = np.bincount(taken, minlength=interactions.n_items)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return np.tile(self.counts_.astype(np.float64), (len(user_rows), 1))

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """An empty vector: the user plays no part."""
        return np.zeros(0)

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        return self.counts_
