"""Rankers that learn from more than the matrix of interactions, or from another weighting of it."""
from __future__ import annotations

import numpy as np
import pandas as pd
from implicit.nearest_neighbours import bm25_weight
from scipy import sparse
from sklearn.base import clone

from recsys_utils import Interactions
from recsys_utils.models.base import Recommender
from recsys_utils.models.weighting import weighted_matrix


class WithFeatures(Recommender):
    """Each feature of a user stands beside the items as one more that the user has, each of an item as one more user.

    Parameters
    ----------
    model : Recommender
        Whose ``values`` are "raw": they are transformed here, before the features join them.
    user_features, item_features : DataFrame
        Zeros and ones, one row a raw id.
    user_weight, item_weight : float
        What a feature counts for, where an interaction counts for its transformed value.
    values : {"raw", "binary", "log", "sqrt"}
    """

    def __init__(
        self, *, model: Recommender, user_features: pd.DataFrame, item_features: pd.DataFrame, user_weight: float,
        item_weight: float, values: str,
    ):
        self.model, self.values = model, values
        self.user_features, self.item_features = user_features, item_features
        self.user_weight, self.item_weight = user_weight, item_weight

    def learn(self, interactions: Interactions) -> None:
        users = self.user_weight * self.user_features.loc[interactions.user_ids].to_numpy(float)
        items = self.item_weight * self.item_features.loc[interactions.item_ids].to_numpy(float)
        seen = weighted_matrix(interactions, self.values)
        whole = sparse.block_array([[seen, sparse.csr_array(users)], [sparse.csr_array(items.T), None]]).tocoo()
        self.n_items_ = seen.shape[1]
        self.model_ = clone(self.model).fit(
            Interactions(np.arange(whole.shape[0]), np.arange(whole.shape[1]), *whole.coords, whole.data)
        )

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return self.model_.score_rows(user_rows)[:, : self.n_items_]


class WithBM25(Recommender):
    """The model learns from weights as BM25 gives them to the words of a text: users are texts, items are words.

    An item that many have counts for less, and so does each item of a user who has much. The mean weight stays that of
    the transformed values, so that other settings keep their scale.

    Parameters
    ----------
    model : Recommender
        Whose ``values`` are "raw".
    values : {"raw", "binary", "log", "sqrt"}
        What the weighting starts from.
    saturation, length : float
        K1 and B of BM25: from where a larger value adds little, and how much the length of a history counts (0 to 1).
    """

    def __init__(self, *, model: Recommender, values: str, saturation: float, length: float):
        self.model, self.values, self.saturation, self.length = model, values, saturation, length

    def learn(self, interactions: Interactions) -> None:
        counts = weighted_matrix(interactions, self.values)
        weights = bm25_weight(counts, K1=self.saturation, B=self.length).tocoo()
        weights.data = np.maximum(weights.data, 0) * (counts.data.mean() / weights.data.mean())
        self.model_ = clone(self.model).fit(
            Interactions(interactions.user_ids, interactions.item_ids, *weights.coords, weights.data)
        )

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return self.model_.score_rows(user_rows)


def indicators(table: pd.DataFrame, key: str, *columns: str) -> pd.DataFrame:
    """One column of zeros and ones for each value of the columns, whose cells hold one value or a tuple of them."""
    parts = [pd.get_dummies(table.set_index(key)[column].explode(), dtype=float).groupby(level=0).max()
             for column in columns]
    return pd.concat(parts, axis=1).fillna(0.0)
