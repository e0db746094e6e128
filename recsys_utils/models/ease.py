"""A linear item-to-item model with a solution in closed form."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import linalg

from ..check import check_choice, check_float
from ..errors import InvalidInput
from ..interactions import Interactions
from .base import Recommender
from .weighting import VALUES, weighted_matrix


class EASE(Recommender):
    r"""Reconstruct each user's row from itself, without letting an item vote for itself.

    Minimises :math:`\|X - XB\|_F^2 + \lambda \|B\|_F^2` subject to :math:`\mathrm{diag}(B) = 0`. With
    :math:`P = (X^\top X + \lambda I)^{-1}` the solution is

    .. math:: B_{ij} = -P_{ij} / P_{jj} \quad (i \ne j), \qquad B_{jj} = 0 ,

    and the scores of all items for a user with the row :math:`x_u` are :math:`x_u B`. Memory grows with the
    square and time with the cube of the number of items. Where there are fewer users than items, the same
    scores come from a matrix of users instead: as :math:`X P = (X X^\top + \lambda I)^{-1} X`,

    .. math:: x_u B = x_u - (X P)_u / \mathrm{diag}(P) .

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

    References
    ----------
    Steck (2019), Embarrassingly shallow autoencoders for sparse data. Steck (2020), Autoencoders that don't
    overfit towards the identity (dropout).
    """

    def __init__(self, *, regularization: float = 100.0, values: str = "binary", dropout: float = 0.0):
        self.regularization = regularization
        self.values = values
        self.dropout = dropout

    def check_parameters(self) -> None:
        check_float("regularization", self.regularization, minimum=0, exclusive=True)
        check_choice("values", self.values, VALUES)
        check_float("dropout", self.dropout, minimum=0, maximum=1)
        if self.dropout == 1:
            raise InvalidInput("dropout must be below 1, got 1: nothing would be left to learn from")

    def learn(self, interactions: Interactions) -> None:
        x = self._user_items = weighted_matrix(interactions, self.values)
        popularity = np.asarray(x.multiply(x).sum(axis=0)).ravel()
        self._penalty = self.regularization + self.dropout / (1 - self.dropout) * popularity
        self.__dict__.pop("weights_", None)
        self._by_users = x.shape[0] < x.shape[1]
        if self._by_users:
            scaled = x.multiply(1 / self._penalty).tocsr()
            system = (scaled @ x.T).toarray()
            system[np.diag_indices_from(system)] += 1
            self._kernel, self._scaled = _inverse(system), scaled
            # Column by column of X, only the users of an item matter.
            product = np.asarray(x.multiply(self._kernel @ x).sum(axis=0)).ravel()
            self._diagonal = (1 - product / self._penalty) / self._penalty

    @cached_property
    def weights_(self) -> np.ndarray:
        """B, shape (n_items, n_items); column j holds what each item adds to the score of j."""
        x = self._user_items
        if self._by_users:
            p = -(self._scaled.T @ (self._kernel @ self._scaled))
            p[np.diag_indices_from(p)] += 1 / self._penalty
        else:
            gram = (x.T @ x).toarray()
            gram[np.diag_indices_from(gram)] += self._penalty
            p = _inverse(gram)
        p /= -np.diag(p).copy()
        p[np.diag_indices_from(p)] = 0.0
        return p

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        rows = self._user_items[user_rows]
        if self._by_users:
            return rows.toarray() - self._kernel[user_rows] @ self._scaled / self._diagonal
        return rows @ self.weights_

    def item_similarity(self, item_row: int) -> np.ndarray:
        return self.weights_[item_row]


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix from its Cholesky factor."""
    lower, _ = linalg.lapack.dpotri(linalg.cholesky(matrix, lower=True), lower=True, overwrite_c=True)
    return np.tril(lower) + np.tril(lower, -1).T
