"""Item-based nearest neighbours: what resembles what this user took."""
from __future__ import annotations

import numpy as np
from scipy import sparse

from ..check import check_int
from ..interactions import Interactions
from ..topn import top_n
from .base import Recommender, not_negative
from .weighting import check_values, weighted_matrix, weighted_rows, weighted_vector

_BLOCK = 1024  # rows whose similarities are dense at once


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
    values : {"binary", "raw", "log", "sqrt"}
        What a column holds for an interaction: 1, its value, log(1 + value), or the square root.

    Attributes
    ----------
    similarity_ : csr_matrix, shape (n_items, n_items)
        Row i holds the neighbours of item i.

    References
    ----------
    Deshpande and Karypis (2004), Item-based top-N recommendation algorithms.
    """

    checks = {"neighbours": check_int, "shrinkage": not_negative, "values": check_values}

    def __init__(self, *, neighbours: int = 100, shrinkage: float = 0.0, values: str = "binary"):
        self.neighbours, self.shrinkage, self.values = neighbours, shrinkage, values

    def learn(self, interactions: Interactions) -> None:
        self.similarity_ = nearest_rows(
            weighted_matrix(interactions, self.values).T.tocsr(), self.neighbours, self.shrinkage
        )

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        histories = weighted_rows(self.training_data().matrix[user_rows], self.values)
        return (histories @ self.similarity_.T).toarray()

    def item_similarity(self, item_row: int) -> np.ndarray:
        return self.similarity_[item_row].toarray()[0]

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The user's row of the weighted matrix, shape (n_items,)."""
        return weighted_vector(item_rows, values, self.values, self.similarity_.shape[0])

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        return self.similarity_ @ vector


def nearest_rows(matrix: sparse.csr_matrix, neighbours: int, shrinkage: float) -> sparse.csr_matrix:
    """Shrunk cosines of each row of a matrix with the `neighbours` most similar other rows, shape (n_rows, n_rows)."""
    columns, n_rows = matrix.T.tocsr(), matrix.shape[0]
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    n_kept = min(neighbours, max(n_rows - 1, 1))
    blocks = []
    for start in range(0, n_rows, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n_rows))
        product = (matrix[rows] @ columns).toarray()
        similarity = shrunk_cosines(product, length[rows, None] * length[None, :], shrinkage)
        similarity[np.arange(len(rows)), rows] = 0.0  # a row does not vote for itself
        found, kept = top_n(similarity, n_kept)
        pointers = np.arange(0, found.size + 1, n_kept)
        blocks.append(sparse.csr_matrix((kept.ravel(), found.ravel(), pointers), shape=(len(rows), n_rows)))
    similarity = sparse.vstack(blocks, format="csr")
    similarity.eliminate_zeros()
    return similarity


def shrunk_cosines(product: np.ndarray, lengths: np.ndarray, shrinkage: float = 0.0) -> np.ndarray:
    """Dot products over products of lengths plus `shrinkage`; 0 where that is 0."""
    scale = lengths + shrinkage
    return np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)
