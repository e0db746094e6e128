"""The truncated singular value decomposition of the zero-filled matrix."""
from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from ..check import check_choice, check_int
from ..errors import InvalidInput
from ..interactions import Interactions
from .base import Recommender, cosines


class PureSVD(Recommender):
    r"""Rank by :math:`\hat R = U \Sigma V^\top`, the best rank-k approximation of the zero-filled matrix.

    A good ranker and no predictor of ratings: every missing rating counts as a zero.

    Parameters
    ----------
    factors : int
        Rank k, below the smaller side of the matrix.
    values : {"raw", "binary"}
        Whether an interaction counts as its value or as 1.
    rng : int
        Seed of the solver's start vector; results agree between seeds to rounding.

    Attributes
    ----------
    singular_values_ : ndarray, shape (factors,)
        Largest first.
    user_factors_ : ndarray, shape (n_users, factors)
        :math:`U \Sigma`: users projected on the item directions.
    item_factors_ : ndarray, shape (n_items, factors)
        :math:`V`, orthonormal columns; the entry of largest magnitude in each is positive.

    References
    ----------
    Cremonesi, Koren and Turrin (2010), Performance of recommender algorithms on top-N recommendation
    tasks, section 3.3.
    """

    def __init__(self, *, factors: int = 50, values: str = "raw", rng: int = 0):
        self.factors = factors
        self.values = values
        self.rng = rng

    def check_parameters(self) -> None:
        check_int("factors", self.factors)
        check_choice("values", self.values, ("raw", "binary"))
        check_int("rng", self.rng, minimum=0)

    def learn(self, interactions: Interactions) -> None:
        matrix = interactions.matrix
        if self.factors >= min(matrix.shape):
            raise InvalidInput(
                f"factors must be below the smaller side of the {matrix.shape} matrix, got {self.factors}: "
                f"pass at most {min(matrix.shape) - 1}"
            )
        if self.values == "binary":
            matrix = matrix.copy()
            matrix.data[:] = 1.0
        _, sigma, vt = ordered_svds(matrix, self.factors, self.rng)
        self.singular_values_ = sigma
        self.item_factors_ = vt.T
        # The same as U Σ, and right for the empty user as well: a row of zeros.
        self.user_factors_ = matrix @ self.item_factors_

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return self.user_factors_[user_rows] @ self.item_factors_.T

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        both = (user_rows >= 0) & (item_rows >= 0)
        product = np.einsum("ij,ij->i", self.user_factors_[user_rows], self.item_factors_[item_rows])
        return np.where(both, product, 0.0)  # what the zero-filled matrix says of a pair it does not know

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_ * self.singular_values_, item_row)


def ordered_svds(
    matrix: sparse.spmatrix, factors: int, rng: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truncated SVD with the order and the signs that SciPy's ``svds`` leaves open.

    Parameters
    ----------
    matrix : sparse matrix or ndarray, shape (m, n)
    factors : int
        Below ``min(m, n)``.
    rng : int
        Seed of the start vector.

    Returns
    -------
    U : ndarray, shape (m, factors)
    sigma : ndarray, shape (factors,)
        Largest first.
    Vt : ndarray, shape (factors, n)
        In each row the entry of largest magnitude is positive.
    """
    start = np.random.default_rng(rng).standard_normal(min(matrix.shape))
    u, sigma, vt = svds(matrix, k=factors, v0=start)
    order = np.argsort(-sigma, kind="stable")
    u, sigma, vt = u[:, order], sigma[order], vt[order]
    sign = np.sign(vt[np.arange(factors), np.abs(vt).argmax(axis=1)])
    return u * sign, sigma, vt * sign[:, None]
