"""Matrix factorization of implicit feedback: all cells count, the observed ones with more confidence."""
from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg.lapack import dposv

from ..check import check_choice, check_int, check_rng
from ..compiled import check_threads, compiled, workers
from ..errors import Diverged
from ..interactions import Interactions
from .base import Recommender, finite_vector, not_negative, one_row, pair_products, positive
from .weighting import VALUES, transformed, weighted_matrix

_INIT_SCALE = 0.1
# Added to 1, an extra confidence below this is lost in rounding; its inverse must be a number in single precision.
_LEAST_EXTRA = 1e-20
_CG_DONE = 1e-20
# Sums may be reordered to vectorise, but always in the same way; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
_OVERFLOW = (
    "the confidences 1 + alpha * value overflow {}: lower alpha, pass values='log' or rescale the values"
)


class ImplicitALS(Recommender):
    r"""Fit the preferences :math:`p_{ui}` of *all* cells with confidence :math:`c_{ui} = 1 + \alpha v_{ui}`.

    :math:`p_{ui}` is 1 where the user interacted with the item, and :math:`v_{ui}` is the transformed value
    there (0 elsewhere). The model minimises

    .. math::

        \sum_{u,i} c_{ui} (p_{ui} - x_u \cdot y_i)^2
        + \sum_u \lambda_u \|x_u\|^2 + \sum_i \lambda_i \|y_i\|^2 .

    With the items held fixed, each user is a ridge regression on its own,

    .. math:: (G + Y_u^\top D_u Y_u + \lambda_u I)\, x_u = Y_u^\top c_u, \qquad G = Y^\top Y,

    where :math:`Y_u` holds the vectors of the user's own items only and :math:`D_u = \mathrm{diag}(\alpha
    v_{ui})`: all other cells are in the Gram matrix G, which is computed once. In the basis of the
    eigenvectors of G, scaled by :math:`(\Lambda + \lambda_u)^{-1/2}`, the system becomes :math:`I + W^\top
    D W`. That is solved either exactly by LAPACK (for a user with n ≤ `factors` items, as
    the equivalent n × n system :math:`D^{-1} + W W^\top`), or by a few steps of conjugate gradients, which
    the scaling preconditions and which start from the last solution. Then the items likewise. No exact
    solve can raise the objective.

    After the last iteration the users are solved once more, exactly: each user vector is then the answer of
    :meth:`fold_in` to the user's own history, and :meth:`explain` takes the very score apart.

    Each row is computed by one thread in one order, so the result does not depend on the number of threads.

    Parameters
    ----------
    factors : int
        Length of the vectors.
    regularization : float
        :math:`\lambda`, positive. It competes with sums of confidences, so a good value grows with `alpha`.
    alpha : float
        Extra confidence of an observed cell per unit of value, positive.
    values : {"raw", "binary", "log", "sqrt"}
        What v is: the value itself, 1, log(1 + value), or its square root.
    frequency_exponent : float
        :math:`\nu \ge 0` in :math:`\lambda_u = \lambda\, (C_u / \bar C)^\nu`, where :math:`C_u = \sum_i
        c_{ui}` is the total confidence of a row and :math:`\bar C` its mean over the side. 0 is plain; with
        1 a row's penalty grows in proportion to its data.
    iterations : int
        Rounds of one solve of all users and one of all items.
    solver : {"exact", "cg"}
    cg_steps : int
        Steps of conjugate gradients a row, with ``solver="cg"``.
    dtype : {"float64", "float32"}
        Precision of the factors; float32 is faster and takes half the memory.
    n_threads : int or None
        By default one for each processor.
    rng : int or Generator
        Of the item factors at the start, which are normal with standard deviation ``0.1 / sqrt(factors)``.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    gram_, gram_of_users_ : ndarray, shape (factors, factors)
        G of the items, and its like of the users, :math:`X^\top X`.
    mean_confidence_ : float
        :math:`\bar C` of the users.

    Notes
    -----
    The implicit library takes the *whole* confidence of a cell, not what exceeds 1: its matrix must hold
    :math:`1 + \alpha v_{ui}`, with its own ``alpha`` left at 1.

    References
    ----------
    Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets. Takács, Pilászy and
    Tikk (2011), Applications of the conjugate gradient method for implicit feedback collaborative filtering.
    Rendle, Krichene, Zhang and Koren (2022), Revisiting the performance of iALS on item recommendation
    benchmarks (scaled regularization; there :math:`\lambda` is not divided by the mean).
    """

    checks = {
        "factors": check_int, "iterations": check_int, "cg_steps": check_int, "regularization": positive,
        "alpha": positive, "frequency_exponent": not_negative, "values": partial(check_choice, choices=VALUES),
        "solver": partial(check_choice, choices=("exact", "cg")),
        "dtype": partial(check_choice, choices=("float64", "float32")),
        "n_threads": check_threads, "rng": lambda _, rng: check_rng(rng),
    }

    def __init__(
        self,
        *,
        factors: int = 64,
        regularization: float = 10.0,
        alpha: float = 5.0,
        values: str = "raw",
        frequency_exponent: float = 0.0,
        iterations: int = 15,
        solver: str = "exact",
        cg_steps: int = 3,
        dtype: str = "float64",
        n_threads: int | None = None,
        rng=0,
    ):
        self.factors = factors
        self.regularization = regularization
        self.alpha = alpha
        self.values = values
        self.frequency_exponent = frequency_exponent
        self.iterations = iterations
        self.solver = solver
        self.cg_steps = cg_steps
        self.dtype = dtype
        self.n_threads = n_threads
        self.rng = rng

    def learn(self, interactions: Interactions) -> None:
        by_user, by_item, mean_confidence = self.sides(interactions)
        users = np.zeros((interactions.n_users, self.factors), dtype=self.dtype)
        shape, scale = (interactions.n_items, self.factors), _INIT_SCALE / np.sqrt(self.factors)
        items = check_rng(self.rng).normal(0, scale, shape).astype(self.dtype)
        steps = self.cg_steps if self.solver == "cg" else 0
        with workers(self.n_threads) as deal:
            for _ in range(self.iterations):
                users = solve_side(by_user, items, users, steps, deal)
                items = solve_side(by_item, users, items, steps, deal)
            users = solve_side(by_user, items, users, 0, deal)
            grams = _gram(items), _gram(users)
        self.user_factors_, self.item_factors_ = users, items
        (self.gram_, self.gram_of_users_), self.mean_confidence_ = grams, mean_confidence

    def objective(self, interactions: Interactions, user_factors=None, item_factors=None) -> float:
        r"""What the model minimises, for any factors: its own by default, or those of another solver.

        The unobserved cells enter through two small matrices,
        :math:`\sum_{u,i} (x_u \cdot y_i)^2 = \langle X^\top X, Y^\top Y \rangle`; the cost is that of the
        observed ones.

        Parameters
        ----------
        interactions : Interactions
        user_factors, item_factors : ndarray, shapes (n_users, f) and (n_items, f), optional
            Rows as in `interactions`. The model's parameters apply; it need not be fitted.
        """
        if user_factors is None:
            self.training_data()
            user_factors, item_factors = self.user_factors_, self.item_factors_
        users, items = (np.asarray(x, dtype=np.float64) for x in (user_factors, item_factors))
        cells = self._extra(interactions).tocoo()
        total = np.vdot(users.T @ users, items.T @ items)
        product = pair_products(cells.row, cells.col, users, items)
        total += ((1 + cells.data) * (1 - product) ** 2 - product**2).sum()
        for matrix, vectors in ((cells.tocsr(), users), (cells.T.tocsr(), items)):
            total += self._penalties(matrix)[0] @ np.einsum("ij,ij->i", vectors, vectors)
        return float(total)

    def sides(self, interactions: Interactions) -> tuple[Side, Side, float]:
        """The users' equations and the items' for :func:`solve_side`, and the users' mean confidence."""
        by_user = self._extra(interactions)
        sides = []
        for matrix in (by_user, by_user.T.tocsr()):
            matrix.sort_indices()
            penalty, mean = self._penalties(matrix)
            with np.errstate(over="ignore"):  # what overflows is found in the solutions
                extra = np.maximum(matrix.data, _LEAST_EXTRA).astype(self.dtype)
            sides.append((Side(matrix.indptr, matrix.indices, extra, penalty.astype(self.dtype)), mean))
        return sides[0][0], sides[1][0], sides[0][1]

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        return pair_products(user_rows, item_rows, self.user_factors_, self.item_factors_)

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        return self.user_factors_, self.item_factors_

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        system, right = self._equations(item_rows, self.alpha * transformed(values, self.values))
        return _solve(system, right).astype(self.dtype)

    def fold_in_item(self, user_ids, values=None) -> np.ndarray:
        r"""The vector of an item that is not in the training data, from its first users.

        :meth:`fold_in` with the sides exchanged: :math:`(X^\top X + X_i^\top D_i X_i + \lambda_i I)\, y_i = X_i^\top
        c_i`, where :math:`X_i` holds the vectors of those users. Its dot products with user vectors, those of
        :meth:`fold_in` too, are the item's scores.

        Parameters
        ----------
        user_ids : array-like of raw ids, shape (n,)
            Without repeats; n may be 0.
        values : array-like, shape (n,), optional
            Ratings or counts, not negative; by default all 1.

        Returns
        -------
        ndarray, shape (factors,)

        Raises
        ------
        UnknownIdError
            For a user that the training data does not have.
        InvalidInput
            For NaN, infinite or negative values, repeated users and unequal lengths.
        """
        rows, values = self.sorted_history(self.rows_of_users(user_ids, strict=True), values, "user_ids")
        system, right = self._equations(rows, self.alpha * transformed(values, self.values), of_item=True)
        return finite_vector(_solve(system, right).astype(self.dtype), values)

    def explain(self, user_id, item_id) -> tuple[np.ndarray, np.ndarray]:
        r"""How much each item of a user's history adds to the score of another item.

        With :math:`A_u = G + Y_u^\top D_u Y_u + \lambda_u I` the score is a sum over the history,

        .. math:: x_u \cdot y_i = \sum_j c_{uj}\, y_i^\top A_u^{-1} y_j ,

        one term for each item j: its confidence times a similarity of i and j as this user sees it.

        Returns
        -------
        ids : ndarray, shape (n_history,)
            Items of the history, the largest contribution first (equal ones in order of id).
        contributions : ndarray of float64, shape (n_history,)
            They sum to the score, ``predict(user_id, item_id)``.

        Raises
        ------
        UnknownIdError
            If the training data has no such user or item.
        """
        data = self.training_data()
        return self.explain_for(*data.history(user_id), item_id)

    def explain_for(self, item_ids, values, item_id) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`explain`, for a user who is folded in: a history as in :meth:`fold_in`, and the item."""
        target = self.item_factors_[one_row("item_id", item_id, self.rows_of_items)].astype(np.float64)
        rows, values = self.history_rows(item_ids, values)
        extra = self.alpha * transformed(values, self.values)
        system, _ = self._equations(rows, extra)
        contributions = (1 + extra) * (self.item_factors_[rows] @ _solve(system, target))
        order = np.argsort(-contributions, kind="stable")
        return self.item_ids_[rows[order]], contributions[order]

    def _extra(self, interactions: Interactions) -> sparse.csr_matrix:
        matrix = weighted_matrix(interactions, self.values)
        matrix.data = self.alpha * matrix.data
        return matrix

    def _penalties(self, extra: sparse.csr_matrix) -> tuple[np.ndarray, float]:
        """λ of each row, and the mean confidence of a row."""
        confidence = extra.shape[1] + np.asarray(extra.sum(axis=1)).ravel()
        mean = confidence.mean()
        return self.regularization * (confidence / mean) ** self.frequency_exponent, float(mean)

    def _equations(self, rows: np.ndarray, extra: np.ndarray, of_item: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The lower triangle of A, and Yᵀ c of a user's history; or the same of an item."""
        users, items, mean = self.user_factors_, self.item_factors_, self.mean_confidence_
        fixed, gram = (users, self.gram_of_users_) if of_item else (items, self.gram_)
        if of_item:  # both sides share one sum of confidences
            mean = mean * len(users) / len(items)
        penalty = float(self.regularization), float(self.frequency_exponent)
        return _normal_equations(gram, *penalty, mean, fixed, rows, extra)


class Side(NamedTuple):
    """The equations of all rows of one side: extra confidences as the parts of a CSR matrix, and penalties."""

    pointers: np.ndarray
    columns: np.ndarray
    extra: np.ndarray
    penalty: np.ndarray


def solve_side(side: Side, fixed: np.ndarray, start: np.ndarray, cg_steps: int, deal) -> np.ndarray:
    """All rows of a side with the other side's vectors `fixed`: `cg_steps` steps from `start`, or (0) exactly.

    `deal` comes from :func:`~recsys_utils.compiled.workers`.
    """
    eigenvalues, basis = np.linalg.eigh(_gram(fixed))
    eigenvalues, basis = np.maximum(eigenvalues, 0).astype(fixed.dtype), basis.astype(fixed.dtype)
    solutions = start @ basis if cg_steps else np.zeros_like(start)
    vectors = np.ascontiguousarray(fixed @ basis)
    try:
        deal(_solve_rows, len(start), *side, vectors, eigenvalues, cg_steps, solutions)
    except np.linalg.LinAlgError as error:
        raise Diverged(_OVERFLOW.format(fixed.dtype)) from error
    return solutions @ basis.T


def _gram(vectors: np.ndarray) -> np.ndarray:
    gram = (vectors.T @ vectors).astype(np.float64)
    if not np.isfinite(gram).all():
        raise Diverged(_OVERFLOW.format(vectors.dtype))
    return gram


@compiled(fastmath=_FAST)
def _solve_rows(hand, hands, pointers, columns, extra, penalty, vectors, eigenvalues, cg_steps, solutions):
    """Solve (diag(eigenvalues + penalty) + Vᵀ D V) x = Vᵀ (1 + d) for every row; without steps, exactly."""
    f, one = vectors.shape[1], vectors.dtype.type(1)
    for row in range(hand, len(solutions), hands):
        d = extra[pointers[row] : pointers[row + 1]]
        n = len(d)
        if n == 0:
            solutions[row] = 0
            continue
        scale = one / np.sqrt(eigenvalues + penalty[row])
        w = np.empty((n, f), vectors.dtype)
        for k in range(n):
            v = vectors[columns[pointers[row] + k]]
            for j in range(f):
                w[k, j] = scale[j] * v[j]
        if cg_steps > 0:
            t = solutions[row] / scale
            _conjugate_gradients(w, d, cg_steps, t)
        elif n <= f:
            system = np.dot(w, w.T)
            for k in range(n):
                system[k, k] += one / d[k]
            t = np.dot(np.linalg.solve(system, one + one / d), w)
        else:
            right = np.dot(one + d, w)
            for k in range(n):
                w[k] *= np.sqrt(d[k])
            system = np.dot(w.T, w)
            for j in range(f):
                system[j, j] += one
            t = np.linalg.solve(system, right)
        solutions[row] = scale * t


@compiled(fastmath=_FAST)
def _conjugate_gradients(w, d, steps, t):
    """Some steps for (I + Wᵀ D W) t = Wᵀ (1 + d), in place."""
    f, one, zero = len(t), t.dtype.type(1), t.dtype.type(0)
    r, p, q = -t, np.empty_like(t), np.empty_like(t)
    for k in range(len(d)):
        s, wk = zero, w[k]
        for j in range(f):
            s += wk[j] * t[j]
        s = one + d[k] - d[k] * s
        for j in range(f):
            r[j] += s * wk[j]
    norm, ratio = np.dot(r, r), zero
    for _ in range(steps):
        if norm < _CG_DONE:
            break
        for j in range(f):
            p[j] = r[j] + ratio * p[j] if ratio > 0 else r[j]
            q[j] = p[j]
        for k in range(len(d)):
            s, wk = zero, w[k]
            for j in range(f):
                s += wk[j] * p[j]
            s *= d[k]
            for j in range(f):
                q[j] += s * wk[j]
        step, before = norm / np.dot(p, q), norm
        for j in range(f):
            t[j] += step * p[j]
            r[j] -= step * q[j]
        norm = np.dot(r, r)
        ratio = norm / before


@compiled(fastmath=_FAST)
def _normal_equations(gram, regularization, exponent, mean, items, rows, extra):
    """The lower triangle of A, and Yᵀ c of one user. Loops, as a request should not wait for BLAS's threads."""
    n, f, kind = len(rows), len(gram), items.dtype.type
    penalty = regularization * ((len(items) + extra.sum()) / mean) ** exponent
    added, right, w = np.zeros((f, f), items.dtype), np.zeros(f), np.zeros((4, f), items.dtype)
    for first in range(0, n, 4):  # four items at a time share the reads and writes of the sum
        w[:] = 0
        for q in range(min(4, n - first)):
            v, wq, root, c = items[rows[first + q]], w[q], kind(np.sqrt(extra[first + q])), 1 + extra[first + q]
            for j in range(f):
                wq[j] = root * v[j]
                right[j] += c * v[j]
        w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
        for i in range(0, f, 2):  # and two rows of it
            k = min(i + 1, f - 1)
            once = kind(k > i)  # the last of an odd number of rows is its own neighbour
            s0, s1, s2, s3, row = w0[i], w1[i], w2[i], w3[i], added[i]
            t0, t1, t2, t3, below = once * w0[k], once * w1[k], once * w2[k], once * w3[k], added[k]
            for j in range(min(f, 16 * (i // 16 + 1))):  # whole vector registers
                v0, v1, v2, v3 = w0[j], w1[j], w2[j], w3[j]
                row[j] += s0 * v0 + s1 * v1 + s2 * v2 + s3 * v3
                below[j] += t0 * v0 + t1 * v1 + t2 * v2 + t3 * v3
    system = np.empty_like(gram)
    for i in range(f):
        for j in range(i + 1):
            system[i, j] = gram[i, j] + added[i, j]
        system[i, i] += penalty
    return system, right


def _solve(system: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x of A x = b by Cholesky from the lower triangle of A, which is overwritten; NaN where A overflowed."""
    _, solution, failed = dposv(system.T, right, lower=0, overwrite_a=1)  # lower=0: as Fortran sees the transpose
    return np.full_like(solution, np.nan) if failed else solution
