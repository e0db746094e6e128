"""How a count or rating becomes the strength of an implicit signal."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import sparse

from ..check import check_choice
from ..interactions import Interactions

_TRANSFORMATIONS = {"raw": lambda data: data, "binary": np.ones_like, "log": np.log1p, "sqrt": np.sqrt}
VALUES = tuple(_TRANSFORMATIONS)
check_values = partial(check_choice, choices=VALUES)


def weighted_matrix(interactions: Interactions, values: str) -> sparse.csr_matrix:
    """A new users × items matrix of transformed values; interactions with value 0 are no interactions.

    Parameters
    ----------
    interactions : Interactions
    values : {"raw", "binary", "log", "sqrt"}
        The value itself, 1, log(1 + value), or its square root.
    """
    return weighted_rows(interactions.matrix, values)


def weighted_rows(matrix: sparse.csr_matrix, values: str) -> sparse.csr_matrix:
    """The same for some rows of the matrix of interactions."""
    matrix = matrix.copy()
    matrix.eliminate_zeros()
    matrix.data = transformed(matrix.data, values)
    return matrix


def transformed(data: np.ndarray, values: str) -> np.ndarray:
    """The transformation of :func:`weighted_matrix` for an array of positive values; raw ones are the array itself."""
    return _TRANSFORMATIONS[values](data)


def weighted_vector(item_rows: np.ndarray, data: np.ndarray, values: str, n_items: int) -> np.ndarray:
    """One user's row of :func:`weighted_matrix`, dense, from a history; shape (n_items,)."""
    vector = np.zeros(n_items)
    vector[item_rows] = transformed(data, values)
    return vector
