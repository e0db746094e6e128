"""User-based nearest neighbours: what people with a similar history took."""
from __future__ import annotations

import numpy as np

from ..check import check_int
from ..interactions import Interactions
from .base import Recommender, not_negative
from .item_knn import nearest_rows, shrunk_cosines
from .weighting import check_values, weighted_matrix, weighted_vector


class UserKNN(Recommender):
    r"""Score an item by the similarity of the neighbours who took it.

    The similarity of users u and v is the cosine of their rows, shrunk where few items support it,

    .. math:: s_{uv} = \frac{x_u \cdot x_v}{\|x_u\| \, \|x_v\| + \text{shrinkage}},

    only the `neighbours` most similar users of each are kept, and the score of i for u is
    :math:`\sum_{v} s_{uv} x_{vi}`.

    Parameters
    ----------
    neighbours : int
        Neighbours kept per user; a number beyond all users keeps all.
    shrinkage : float
        Damps similarities of users with short rows; 0 is the plain cosine.
    values : {"binary", "raw", "log", "sqrt"}
        What a row holds for an interaction: 1, its value, log(1 + value), or the square root.

    Attributes
    ----------
    similarity_ : csr_matrix, shape (n_users, n_users)
        Row u holds the neighbours of user u.

    References
    ----------
    Herlocker, Konstan, Borchers and Riedl (1999), An algorithmic framework for performing collaborative filtering.
    """

    checks = {"neighbours": check_int, "shrinkage": not_negative, "values": check_values}

    def __init__(self, *, neighbours: int = 100, shrinkage: float = 0.0, values: str = "binary"):
        self.neighbours, self.shrinkage, self.values = neighbours, shrinkage, values

    def learn(self, interactions: Interactions) -> None:
        self.rows_ = weighted_matrix(interactions, self.values)
        self.similarity_ = nearest_rows(self.rows_, self.neighbours, self.shrinkage)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return (self.similarity_[user_rows] @ self.rows_).toarray()

    def item_similarity(self, item_row: int) -> np.ndarray:
        """Cosines of the items' columns: who took one, took the other."""
        product = (self.rows_.T @ self.rows_[:, [item_row]]).toarray().ravel()
        length = np.sqrt(np.asarray(self.rows_.multiply(self.rows_).sum(axis=0)).ravel())
        return shrunk_cosines(product, length * length[item_row])

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Similarities of the new user to the known ones, shape (n_users,)."""
        mine = weighted_vector(item_rows, values, self.values, self.rows_.shape[1])
        lengths = np.sqrt(np.asarray(self.rows_.multiply(self.rows_).sum(axis=1)).ravel())
        similarity = shrunk_cosines(self.rows_ @ mine, lengths * np.linalg.norm(mine), self.shrinkage)
        similarity[np.argsort(-similarity, kind="stable")[self.neighbours :]] = 0.0
        return similarity

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        return vector @ self.rows_
