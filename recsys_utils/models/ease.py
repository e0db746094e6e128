"""A linear item-to-item model with a solution in closed form."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from .._check import check_choice, check_float
from ..errors import InvalidInput
from ..interactions import Interactions
from ._weights import VALUES, weighted_matrix
from .base import Recommender


class EASE(Recommender):
    r"""Reconstruct each user's row from itself, without letting an item vote for itself.

    Minimises :math:`\|X - XB\|_F^2 + \lambda \|B\|_F^2` subject to :math:`\mathrm{diag}(B) = 0`. With
    :math:`P = (X^\top X + \lambda I)^{-1}` the solution is

    .. math:: B_{ij} = -P_{ij} / P_{jj} \quad (i \ne j), \qquad B_{jj} = 0 ,

    and the scores of all items for a user with the row :math:`x_u` are :math:`x_u B`. Memory grows with the
    square and time with the cube of the number of items.

    With ``dropout`` :math:`p > 0` the model learns to reconstruct rows of which a share p has been dropped at
    random, in expectation over all ways to drop: :math:`\lambda` is then replaced, item by item, by
    :math:`\lambda + \frac{p}{1 - p} (X^\top X)_{ii}` (EDLAE). Popular items are damped more.

    Parameters
    ----------
    regularization : float
        :math:`\lambda`, positive.
    values : {"raw", "binary", "log", "sqrt"}
        What X holds: the value itself, 1, log(1 + value), or its square root.
    dropout : float
        :math:`p` in [0, 1).

    Attributes
    ----------
    weights_ : ndarray, shape (n_items, n_items)
        :math:`B`; column j holds what each item adds to the score of j.

    References
    ----------
    Steck (2019), Embarrassingly shallow autoencoders for sparse data. Steck (2020), Autoencoders that don't
    overfit towards the identity (dropout).
    """

    def __init__(self, *, regularization: float = 100.0, values: str = "binary", dropout: float = 0.0):
        self.regularization = check_float("regularization", regularization, minimum=0, exclusive=True)
        self.values = check_choice("values", values, VALUES)
        self.dropout = check_float("dropout", dropout, minimum=0, maximum=1)
        if self.dropout == 1:
            raise InvalidInput("dropout must be below 1, got 1: nothing would be left to learn from")

    def _fit(self, interactions: Interactions) -> None:
        self._user_items = weighted_matrix(interactions, self.values)
        gram = (self._user_items.T @ self._user_items).toarray()
        popularity, thinned = gram.diagonal().copy(), self.dropout / (1 - self.dropout)
        gram[np.diag_indices_from(gram)] += self.regularization + thinned * popularity
        # P from the Cholesky factor: half the work of a general inverse. LAPACK fills one triangle only.
        inverse, _ = linalg.lapack.dpotri(linalg.cholesky(gram, lower=True), lower=True, overwrite_c=True)
        weights = np.tril(inverse) + np.tril(inverse, -1).T
        weights /= -np.diag(weights).copy()
        weights[np.diag_indices_from(weights)] = 0.0
        self.weights_ = weights

    def _score_block(self, user_rows: np.ndarray) -> np.ndarray:
        return self._user_items[user_rows] @ self.weights_

    def _item_vectors(self):
        return self._user_items.T.tocsr()
