r"""The equation of a factorization machine, its loss and its gradient.

.. math:: \hat y(x) = w_0 + \sum_i w_i x_i + \sum_{i<j} \langle v_i, v_j\rangle\, x_i x_j
"""
from __future__ import annotations

import numpy as np
from scipy import sparse

from ..check import check_choice, check_finite, check_same_length
from ..errors import InvalidInput
from ..features import DesignMatrix

TASKS = ("regression", "classification")


def fm_predict(X, intercept: float, linear, factors) -> np.ndarray:
    r"""Evaluate the equation of a factorization machine in O(entries × factors).

    The pairwise sum is computed as
    :math:`\tfrac12 \sum_f [(\sum_i v_{if} x_i)^2 - \sum_i v_{if}^2 x_i^2]`.

    Parameters
    ----------
    X : sparse or dense matrix, shape (n_rows, n_columns)
    intercept : float
    linear : array-like, shape (n_columns,)
    factors : array-like, shape (n_columns, k)
        One row a feature; k may be 0.

    Returns
    -------
    ndarray, shape (n_rows,)

    References
    ----------
    S. Rendle, "Factorization machines", ICDM 2010, lemma 3.1.

    Examples
    --------
    Two features with one factor each, 2 and 3: 1 + (0.5 + 0) + 2 · 3.

    >>> fm_predict([[1.0, 1.0]], 1.0, [0.5, 0.0], [[2.0], [3.0]])
    array([7.5])
    """
    X = sparse.csr_matrix(X, dtype=np.float64)
    linear, factors = _parameters(X, linear, factors)
    pairs = (X @ factors) ** 2 - X.multiply(X) @ factors**2
    return intercept + X @ linear + 0.5 * pairs.sum(axis=1)


def fm_objective(
    X, y, intercept: float, linear, factors, *, task="regression", regularization=0.0, linear_regularization=0.0
) -> float:
    """Sum over the rows of the loss, and the penalties: what ``solver="als"`` makes small.

    The loss of a row is half the squared error in a regression and the negative log-likelihood of the
    logistic model in a classification; a penalty is half the regularization times the sum of squares.

    Parameters
    ----------
    X, intercept, linear, factors
        As in :func:`fm_predict`.
    y : array-like, shape (n_rows,)
        Numbers, or for ``task="classification"`` zeros and ones.
    task : {"regression", "classification"}
    regularization, linear_regularization : float
        Of the factors and of the linear weights; the intercept is free.
    """
    scores = fm_predict(X, intercept, linear, factors)
    y = check_labels(y, task, len(scores))
    penalty = linear_regularization * np.square(linear).sum() + regularization * np.square(factors).sum()
    return float(losses(scores, y, task).sum() + 0.5 * penalty)


def fm_gradient(
    X, y, intercept: float, linear, factors, *, task="regression", regularization=0.0, linear_regularization=0.0
) -> tuple[float, np.ndarray, np.ndarray]:
    r"""Gradient of :func:`fm_objective`; the arguments are the same.

    With :math:`q_f = \sum_j v_{jf} x_j` the prediction has the derivatives 1, :math:`x_i` and
    :math:`x_i (q_f - v_{if} x_i)`.

    Returns
    -------
    intercept : float
    linear : ndarray, shape (n_columns,)
    factors : ndarray, shape (n_columns, k)
    """
    X = sparse.csr_matrix(X, dtype=np.float64)
    linear, factors = _parameters(X, linear, factors)
    scores = fm_predict(X, intercept, linear, factors)
    slope = (sigmoid(scores) if task == "classification" else scores) - check_labels(y, task, len(scores))
    by_factor = X.T @ (slope[:, None] * (X @ factors)) - factors * (X.multiply(X).T @ slope)[:, None]
    by_weight = X.T @ slope + linear_regularization * linear
    return float(slope.sum()), by_weight, by_factor + regularization * factors


class Evaluator:
    """The equation on one design, relation by relation, for many sets of parameters.

    Parameters
    ----------
    design : DesignMatrix
    linear_fields : sequence of str
        Fields without factors.

    Attributes
    ----------
    linear_blocks, factor_blocks : list of (rows, table, columns)
        The columns by the key that they depend on: `rows` is each design row's row of `table`, and `columns` are
        the table's columns among all columns, or among those with factors.
    """

    def __init__(self, design: DesignMatrix, linear_fields=()):
        with_factors = [relation for relation in design.relations if relation.name not in linear_fields]
        self.n_rows = len(design)
        self.linear_blocks, self.factor_blocks = _blocks(design.relations), _blocks(with_factors)
        self._squares = [table.multiply(table).tocsr() for _, table, _ in self.factor_blocks]

    def __call__(self, intercept: float, linear: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Each row's score, shape (n_rows,), and its sums q, shape (n_rows, k); one row of `factors` a column."""
        scores, sums = np.full(self.n_rows, float(intercept)), np.zeros((self.n_rows, factors.shape[1]))
        for rows, table, columns in self.linear_blocks:
            scores += (table @ linear[columns])[rows]
        for (rows, table, columns), squares in zip(self.factor_blocks, self._squares, strict=True):
            sums += (table @ factors[columns])[rows]
            scores -= 0.5 * (squares @ np.square(factors[columns], dtype=np.float64).sum(axis=1))[rows]
        return scores + 0.5 * np.square(sums).sum(axis=1), sums


def _blocks(relations) -> list[tuple[np.ndarray, sparse.csr_matrix, np.ndarray]]:
    """Relations of the same rows side by side."""
    shared, start = {}, 0
    for relation in relations:
        rows, tables, columns = shared.setdefault(id(relation.rows), (relation.rows, [], []))
        tables.append(relation.table)
        columns.append(np.arange(start, start + len(relation.columns)))
        start += len(relation.columns)
    return [
        (rows, sparse.hstack(tables, format="csr"), np.concatenate(columns))
        for rows, tables, columns in shared.values()
    ]


def check_labels(y, task: str, n_rows: int, name: str = "y") -> np.ndarray:
    """Labels as a float array, shape (n_rows,): finite, and for a classification zeros and ones."""
    check_choice("task", task, TASKS)
    y = check_finite(name, y)
    if y.ndim != 1:
        raise InvalidInput(f"{name} must be 1-D, its shape is {y.shape}: ravel it")
    check_same_length(**{name: y, f"the rows of {name.replace('y', 'X')}": range(n_rows)})
    strange = y[~np.isin(y, (0.0, 1.0))] if task == "classification" else y[:0]
    if len(strange):
        raise InvalidInput(
            f"{name} must hold the classes 0 and 1, got {strange[0]:g}: write it like rating >= 4"
        )
    return y


def sigmoid(scores: np.ndarray) -> np.ndarray:
    """Probability of the class 1."""
    return 0.5 * (1.0 + np.tanh(0.5 * scores))


def losses(scores: np.ndarray, y: np.ndarray, task: str) -> np.ndarray:
    """Loss of each row; see :func:`fm_objective`."""
    return np.logaddexp(0.0, scores) - y * scores if task == "classification" else 0.5 * (scores - y) ** 2


def _parameters(X, linear, factors):
    linear, factors = np.asarray(linear, dtype=np.float64), np.asarray(factors, dtype=np.float64)
    n = X.shape[1]
    if linear.shape != (n,) or factors.ndim != 2 or len(factors) != n:
        raise InvalidInput(
            f"linear and factors need a row a column of X, ({n},) and ({n}, k), got {linear.shape} and "
            f"{factors.shape}"
        )
    return linear, factors
