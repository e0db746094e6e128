"""Errors of predicted ratings."""
from __future__ import annotations

import numpy as np

from ..check import check_finite, check_same_length
from ..errors import InvalidInput


def rmse(actual, predicted) -> float:
    r"""Root of the mean squared error.

    .. math:: \sqrt{\frac{1}{n}\sum_i (\hat r_i - r_i)^2}

    Squaring makes one error of two stars as bad as four errors of one star.

    Parameters
    ----------
    actual, predicted : array-like, shape (n,)

    Raises
    ------
    InvalidInput
        For NaN or infinite values, no values, or other lengths.

    References
    ----------
    Herlocker, Konstan, Terveen and Riedl (2004), *Evaluating collaborative filtering
    recommender systems*, section 4.1.

    Examples
    --------
    Errors of 0, 1 and −2 stars: the mean of 0, 1 and 4 is 5/3.

    >>> round(rmse([3, 4, 5], [3, 5, 3]), 4)
    1.291
    """
    return float(np.sqrt(np.mean(_errors(actual, predicted) ** 2)))


def mae(actual, predicted) -> float:
    r"""Mean absolute error, :math:`\frac{1}{n}\sum_i |\hat r_i - r_i|`.

    Arguments and what is refused are those of :func:`rmse`.

    References
    ----------
    Herlocker, Konstan, Terveen and Riedl (2004), section 4.1.

    Examples
    --------
    Errors of 0, 1 and −2 stars.

    >>> mae([3, 4, 5], [3, 5, 3])
    1.0
    """
    return float(np.mean(np.abs(_errors(actual, predicted))))


def _errors(actual, predicted) -> np.ndarray:
    actual, predicted = check_finite("actual", actual), check_finite("predicted", predicted)
    if actual.ndim != 1 or predicted.ndim != 1:
        raise InvalidInput(f"actual and predicted must be 1-D, got shapes {actual.shape}, {predicted.shape}")
    if check_same_length(actual=actual, predicted=predicted) == 0:
        raise InvalidInput("actual is empty: an error of no ratings is not defined; pass at least one")
    return predicted - actual
