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
        self.counts_ = np.bincount(interactions.item_rows, minlength=interactions.n_items)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return np.tile(self.counts_.astype(np.float64), (len(user_rows), 1))
