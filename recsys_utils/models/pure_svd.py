"""The truncated singular value decomposition of the zero-filled matrix."""
from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from ..check import check_int, check_rng
from ..errors import InvalidInput
from ..interactions import Interactions
from .base import Recommender, cosines, pair_products
from .weighting import check_values, transformed, weighted_matrix


class PureSVD(Recommender):
    r"""Rank by :math:`\hat R = U \Sigma V^\top`, the best rank-k approximation of the zero-filled matrix.

    A good ranker and no predictor of ratings: every missing rating counts as a zero.

    Parameters
    ----------
    factors : int
        Rank k, below the smaller side of the matrix.
    values : {"raw", "binary", "log", "sqrt"}
        What an interaction counts as: its value, 1, log(1 + value), or the square root.
    rng : int or Generator
        Of the solver's start vector; results agree between seeds to rounding.

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

    checks = {"factors": check_int, "values": check_values, "rng": lambda _, rng: check_rng(rng)}

    def __init__(self, *, factors: int = 50, values: str = "raw", rng=0):
        self.factors, self.values, self.rng = factors, values, rng

    def learn(self, interactions: Interactions) -> None:
        matrix = weighted_matrix(interactions, self.values)
        if self.factors >= min(matrix.shape):
            raise InvalidInput(
                f"factors must be below {min(matrix.shape)}, the smaller side of the {matrix.shape} matrix, got "
                f"{self.factors}: pass a smaller number, or use more data"
            )
        if not matrix.nnz:
            raise InvalidInput("interactions holds no value above 0, so there is nothing to rank by: check its values")
        _, self.singular_values_, vt = ordered_svds(matrix, self.factors, self.rng)
        self.item_factors_ = vt.T
        # The same as U Σ, and right for the empty user as well: a row of zeros.
        self.user_factors_ = matrix @ self.item_factors_

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        return self.user_factors_, self.item_factors_

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        """Cells of the approximation; 0, what the matrix says there, for a pair that it does not have."""
        return pair_products(user_rows, item_rows, self.user_factors_, self.item_factors_)

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_ * self.singular_values_, item_row)

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The history projected on the item directions, shape (factors,)."""
        return transformed(values, self.values) @ self.item_factors_[item_rows]


def ordered_svds(matrix: sparse.spmatrix, factors: int, rng=0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truncated SVD with the order and the signs that SciPy's ``svds`` leaves open.

    Parameters
    ----------
    matrix : sparse matrix or ndarray, shape (m, n)
    factors : int
        Below ``min(m, n)``.
    rng : int or Generator
        Of the start vector.

    Returns
    -------
    U : ndarray, shape (m, factors)
    sigma : ndarray, shape (factors,)
        Largest first.
    Vt : ndarray, shape (factors, n)
        In each row the entry of largest magnitude is positive.
    """
    start = check_rng(rng).standard_normal(min(matrix.shape))
    u, sigma, vt = svds(matrix, k=factors, v0=start)
    order = np.argsort(-sigma, kind="stable")
    u, sigma, vt = u[:, order], sigma[order], vt[order]
    sign = np.sign(vt[np.arange(factors), np.abs(vt).argmax(axis=1)])
    return u * sign, sigma, vt * sign[:, None]
