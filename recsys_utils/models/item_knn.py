"""Item-based nearest neighbours: what resembles what this user took."""
from __future__ import annotations

import numpy as np
from scipy import sparse

from ..check import check_choice, check_float, check_int
from ..interactions import Interactions
from ..topn import top_n
from .base import Recommender

_BLOCK = 1024  # items whose similarities are dense at once


class ItemKNN(Recommender):
    r"""Score an item by its similarity to the items of the user's history.

    The similarity of items i and j is the cosine of their columns, shrunk where few users
    support it,

    .. math:: s_{ij} = \frac{x_i \cdot x_j}{\|x_i\| \, \|x_j\| + \text{shrinkage}},

    and only the `neighbours` most similar items of each are kept. The score of i for user u is
    :math:`\sum_{j} x_{uj} s_{ij}`.

    Parameters
    ----------
    neighbours : int
        Neighbours kept per item; a number beyond the catalogue keeps all.
    shrinkage : float
        Damps similarities of items with short columns; 0 is the plain cosine.
    values : {"binary", "raw"}
        Whether a column holds 1 for each interaction or its value.

    Attributes
    ----------
    similarity_ : csr_matrix, shape (n_items, n_items)
        Row i holds the neighbours of item i.

    References
    ----------
    Deshpande and Karypis (2004), Item-based top-N recommendation algorithms.
    """

    def __init__(self, *, neighbours: int = 100, shrinkage: float = 0.0, values: str = "binary"):
        self.neighbours = neighbours
        self.shrinkage = shrinkage
        self.values = values

    def check_parameters(self) -> None:
        check_int("neighbours", self.neighbours)
        check_float("shrinkage", self.shrinkage, minimum=0)
        check_choice("values", self.values, ("binary", "raw"))

    def learn(self, interactions: Interactions) -> None:
        self._user_items = interactions.matrix.copy()
        if self.values == "binary":
            self._user_items.data[:] = 1.0
        item_users = self._user_items.T.tocsr()
        length = np.sqrt(np.asarray(item_users.multiply(item_users).sum(axis=1)).ravel())
        n_kept = min(self.neighbours, max(interactions.n_items - 1, 1))
        blocks = []
        for start in range(0, interactions.n_items, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, interactions.n_items))
            product = (item_users[rows] @ self._user_items).toarray()
            scale = length[rows, None] * length[None, :] + self.shrinkage
            similarity = np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
            similarity[np.arange(len(rows)), rows] = 0.0  # an item does not vote for itself
            found, kept = top_n(similarity, n_kept)
            pointers = np.arange(0, found.size + 1, n_kept)
            shape = (len(rows), interactions.n_items)
            blocks.append(sparse.csr_matrix((kept.ravel(), found.ravel(), pointers), shape=shape))
        self.similarity_ = sparse.vstack(blocks, format="csr")
        self.similarity_.eliminate_zeros()

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return (self._user_items[user_rows] @ self.similarity_.T).toarray()

    def item_similarity(self, item_row: int) -> np.ndarray:
        return self.similarity_[item_row].toarray()[0]
