"""How a count or rating becomes the strength of an implicit signal."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..interactions import Interactions

VALUES = ("raw", "binary", "log", "sqrt")


def weighted_matrix(interactions: Interactions, values: str) -> sparse.csr_matrix:
    """A new users × items matrix of transformed values; interactions with value 0 are no interactions.

    Parameters
    ----------
    interactions : Interactions
    values : {"raw", "binary", "log", "sqrt"}
        The value itself, 1, log(1 + value), or its square root.
    """
    matrix = interactions.matrix.copy()
    matrix.eliminate_zeros()
    matrix.data = transformed(matrix.data, values)
    return matrix


def transformed(data: np.ndarray, values: str) -> np.ndarray:
    """The transformation of :func:`weighted_matrix` for an array of positive values."""
    if values == "binary":
        return np.ones_like(data)
    if values == "log":
        return np.log1p(data)
    return np.sqrt(data) if values == "sqrt" else data
