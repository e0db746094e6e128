"""A linear item-to-item model with a solution in closed form."""

from __future__ import annotations

import os
from functools import cached_property

import numpy as np
from scipy import linalg

from ..check import check_float
from ..errors import InvalidInput
from ..interactions import Interactions
from .base import Recommender, positive
from .weighting import check_values, weighted_matrix, weighted_rows, weighted_vector

_COPIES = 4.2  # of the matrix, at the peak of its inversion


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

    Attributes
    ----------
    weights_ : ndarray, shape (n_items, n_items)
        B; row i holds what item i in a history adds to the score of each item. Where there are fewer users than items
        it is computed only when asked for, and by :meth:`save`.

    References
    ----------
    Steck (2019), Embarrassingly shallow autoencoders for sparse data. Steck (2020), Autoencoders that don't
    overfit towards the identity (dropout).
    """

    _kernel = None
    checks = {"regularization": positive, "values": check_values}

    def __init__(self, *, regularization: float = 100.0, values: str = "binary", dropout: float = 0.0):
        self.regularization, self.values, self.dropout = regularization, values, dropout

    def check_parameters(self) -> None:
        super().check_parameters()
        if check_float("dropout", self.dropout, minimum=0, maximum=1) == 1:
            raise InvalidInput("dropout must be below 1, got 1: nothing would be left to learn from; pass 0.5 or so")

    def learn(self, interactions: Interactions) -> None:
        x = weighted_matrix(interactions, self.values)
        popularity = np.asarray(x.multiply(x).sum(axis=0)).ravel()
        self._penalty = self.regularization + self.dropout / (1 - self.dropout) * popularity
        self._kernel = None
        if x.shape[0] >= x.shape[1]:
            _check_memory(x.shape[1], "items")
            gram = (x.T @ x).toarray()
            gram[np.diag_indices_from(gram)] += self._penalty
            self.weights_ = _weights(_inverse(gram))
            return
        _check_memory(x.shape[0], "users")
        self._scaled = x.multiply(1 / self._penalty).tocsr()
        system = (self._scaled @ x.T).toarray()
        system[np.diag_indices_from(system)] += 1
        self._kernel = _inverse(system)
        # Column by column of X, only the users of an item matter.
        product = np.asarray(x.multiply(self._kernel @ x).sum(axis=0)).ravel()
        self._diagonal = (1 - product / self._penalty) / self._penalty

    @cached_property
    def weights_(self) -> np.ndarray:
        """B from the matrix of users."""
        self.training_data()
        _check_memory(len(self._penalty), "items")
        p = -(self._scaled.T @ (self._kernel @ self._scaled))
        p[np.diag_indices_from(p)] += 1 / self._penalty
        return _weights(p)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        histories = weighted_rows(self.training_data().matrix[user_rows], self.values)
        if self._kernel is None:
            return histories @ self.weights_
        return histories.toarray() - self._kernel[user_rows] @ self._scaled / self._diagonal

    def item_similarity(self, item_row: int) -> np.ndarray:
        """The weights from this item to all others: what a history of it alone would recommend."""
        return self.score_vector(self.fold_in_rows(np.array([item_row]), np.ones(1)))

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The user's row of X, shape (n_items,)."""
        return weighted_vector(item_rows, values, self.values, len(self.item_ids_))

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        if self._kernel is None:
            return vector @ self.weights_
        projected = vector / self._penalty - (self._kernel @ (self._scaled @ vector)) @ self._scaled
        return vector - projected / self._diagonal

    def fitted_state(self) -> dict:
        return super().fitted_state() | {"weights_": self.weights_}


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix from its Cholesky factor."""
    lower, _ = linalg.lapack.dpotri(linalg.cholesky(matrix, lower=True), lower=True, overwrite_c=True)
    return np.tril(lower) + np.tril(lower, -1).T


def _weights(p: np.ndarray) -> np.ndarray:
    p /= -np.diag(p).copy()
    p[np.diag_indices_from(p)] = 0.0
    return p


def _check_memory(n: int, of: str) -> None:
    """Refuse a matrix of n × n whose inversion this machine cannot hold, before anything is allocated."""
    needed, most = _COPIES * 8 * n**2, _memory()
    if needed > most:
        raise InvalidInput(
            f"interactions has {n:,} {of}: EASE needs about {needed / 2**30:.0f} GiB for a matrix of {of}, and this "
            f"machine has {most / 2**30:.0f}; drop rare items first, or use ItemKNN or ImplicitALS"
        )


def _memory() -> float:
    """Bytes of memory, where the system tells."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return np.inf
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
