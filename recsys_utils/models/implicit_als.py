"""Matrix factorization of implicit feedback: all cells count, the observed ones with more confidence."""
from __future__ import annotations

import numba
import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from ..check import check_choice, check_finite, check_float, check_int, check_rng, check_same_length
from ..errors import InvalidInput
from ..interactions import Interactions
from ..topn import top_n
from .base import Recommender, cosines
from .weighting import VALUES, transformed, weighted_matrix

_INIT_SCALE = 0.1
# Rows are dealt to the threads like cards, so that no thread gets all the long ones.
_HANDS = 64
_CG_DONE = 1e-20


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
    D W`. That is solved either exactly by a Cholesky factorization (for a user with n < `factors` items, of
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
    solver : {"cholesky", "cg"}
    cg_steps : int
        Steps of conjugate gradients a row, with ``solver="cg"``.
    dtype : {"float64", "float32"}
        Precision of the factors; float32 is faster and takes half the memory.
    track_loss : bool
        Whether to compute the objective after every half round.
    rng : int or Generator
        Of the item factors at the start, which are normal with standard deviation ``0.1 / sqrt(factors)``.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    loss_history_ : ndarray, shape (iterations, 2), or None
        With `track_loss`, the objective after the users' and after the items' solves.

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

    def __init__(
        self,
        *,
        factors: int = 64,
        regularization: float = 10.0,
        alpha: float = 5.0,
        values: str = "raw",
        frequency_exponent: float = 0.0,
        iterations: int = 15,
        solver: str = "cholesky",
        cg_steps: int = 3,
        dtype: str = "float64",
        track_loss: bool = False,
        rng=0,
    ):
        self.factors = check_int("factors", factors)
        self.regularization = check_float("regularization", regularization, minimum=0, exclusive=True)
        self.alpha = check_float("alpha", alpha, minimum=0, exclusive=True)
        self.values = check_choice("values", values, VALUES)
        self.frequency_exponent = check_float("frequency_exponent", frequency_exponent, minimum=0)
        self.iterations = check_int("iterations", iterations)
        self.solver = check_choice("solver", solver, ("cholesky", "cg"))
        self.cg_steps = check_int("cg_steps", cg_steps)
        self.dtype = check_choice("dtype", dtype, ("float64", "float32"))
        if not isinstance(track_loss, (bool, np.bool_)):
            raise InvalidInput(f"track_loss must be True or False, got {track_loss!r}")
        self.track_loss = bool(track_loss)
        check_rng(rng)
        self.rng = rng

    def learn(self, interactions: Interactions) -> None:
        by_user = _Side(weighted_matrix(interactions, self.values), self)
        by_item = _Side(by_user.extra.T.tocsr(), self, scaled=True)
        users = np.zeros((interactions.n_users, self.factors), dtype=self.dtype)
        shape, scale = (interactions.n_items, self.factors), _INIT_SCALE / np.sqrt(self.factors)
        items = check_rng(self.rng).normal(0, scale, shape).astype(self.dtype)
        steps = self.cg_steps if self.solver == "cg" else 0
        history = []
        # One BLAS thread: the matrix products are a small part, and threads would change their rounding.
        with threadpool_limits(1, user_api="blas"):
            for _ in range(self.iterations):
                users = by_user.solve(items, start=users, cg_steps=steps)
                if self.track_loss:
                    history.append(_objective(by_user, by_item, users, items))
                items = by_item.solve(users, start=items, cg_steps=steps)
                if self.track_loss:
                    history.append(_objective(by_user, by_item, users, items))
            users = by_user.solve(items)
            self._basis = _Basis(items)
        self.user_factors_, self.item_factors_ = users, items
        self.loss_history_ = np.array(history).reshape(-1, 2) if self.track_loss else None
        self._mean_confidence = by_user.mean_confidence

    def loss(self) -> float:
        """The objective on the training data, all cells included, at the cost of the observed ones.

        The unobserved cells enter through two small matrices:
        :math:`\\sum_{u,i} (x_u \\cdot y_i)^2 = \\langle X^\\top X, Y^\\top Y \\rangle`.
        """
        data = self.training_data()
        by_user = _Side(weighted_matrix(data, self.values), self)
        by_item = _Side(by_user.extra.T.tocsr(), self, scaled=True)
        return _objective(by_user, by_item, self.user_factors_, self.item_factors_)

    def fold_in(self, item_ids, values=None) -> np.ndarray:
        """Vector of a user who is not in the training data, from that user's history.

        The same exact solution that `fit` gives a user of the training data, with the items as they are.

        Parameters
        ----------
        item_ids : array-like of raw ids, shape (n,)
            Without repeats; n may be 0, which gives zeros.
        values : array-like, shape (n,), optional
            Counts or ratings, not negative, transformed as in training; by default all 1.

        Returns
        -------
        ndarray, shape (factors,)

        Raises
        ------
        UnknownIdError
            For an item that the training data does not have.
        InvalidInput
            For NaN, infinite or negative values, repeated items and unequal lengths.
        """
        rows, extra = self._history(item_ids, values)
        return self._solve_one(rows, extra)

    def recommend_for(self, item_ids, values=None, n: int = 10, exclude_seen: bool = True):
        """The `n` items with the highest scores for a user who is folded in; arguments as in :meth:`fold_in`.

        Returns
        -------
        ids, scores : ndarray, shape (n,)
            As in :meth:`~recsys_utils.models.Recommender.recommend`.
        """
        data = self.training_data()
        check_int("n", n, maximum=data.n_items)
        scores = (self.item_factors_ @ self.fold_in(item_ids, values)).astype(np.float64)
        if exclude_seen:
            scores[data.rows_of_items(item_ids)] = -np.inf
        found, scores = top_n(scores[None, :], n)
        return data.item_ids[found[0]], scores[0]

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
        user = int(data.rows_of_users(user_id, strict=True))
        target = self.item_factors_[int(data.rows_of_items(item_id, strict=True))]
        mine = slice(*data.matrix.indptr[user : user + 2])
        rows, values = data.matrix.indices[mine], data.matrix.data[mine]
        rows, values = rows[values > 0], values[values > 0]
        extra = self.alpha * transformed(values, self.values)
        history = self.item_factors_[rows].astype(np.float64)
        system = (history.T * extra) @ history + self._basis.gram
        system[np.diag_indices_from(system)] += self._penalty_of(extra)
        contributions = (1 + extra) * (history @ np.linalg.solve(system, target.astype(np.float64)))
        order = np.argsort(-contributions, kind="stable")
        return data.item_ids[rows[order]], contributions[order]

    def _history(self, item_ids, values):
        """Item rows and extra confidences of a history given by raw ids."""
        data = self.training_data()
        rows = np.atleast_1d(data.rows_of_items(item_ids, strict=True)).astype(np.int64)
        values = np.ones(len(rows)) if values is None else np.atleast_1d(check_finite("values", values))
        check_same_length(item_ids=rows, values=values)
        if len(np.unique(rows)) < len(rows):
            raise InvalidInput("item_ids repeats an item: add its values up and keep it once")
        if (values < 0).any():
            raise InvalidInput(f"values holds a negative value ({values.min():g}): drop it or make it 0")
        rows, values = rows[values > 0], values[values > 0]
        order = np.argsort(rows)  # as in the training matrix, so that even the rounding is the same
        return rows[order], self.alpha * transformed(values[order], self.values)

    def _solve_one(self, rows: np.ndarray, extra: np.ndarray) -> np.ndarray:
        pointers, solution = np.array([0, len(rows)]), np.zeros((1, self.factors), dtype=self.dtype)
        penalty = np.array([self._penalty_of(extra)], dtype=self.dtype)
        columns, basis = np.arange(len(rows)), self._basis
        mine = basis.rotate(self.item_factors_[rows])
        extra = extra.astype(self.dtype)
        _solve_rows_serial(pointers, columns, extra, mine, basis.eigenvalues, penalty, solution, 0)
        return (solution @ basis.vectors.T)[0]

    def _penalty_of(self, extra: np.ndarray) -> float:
        confidence = len(self.item_factors_) + extra.sum()
        return self.regularization * (confidence / self._mean_confidence) ** self.frequency_exponent

    def vectors(self):
        return self.user_factors_, self.item_factors_

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return self.user_factors_[user_rows] @ self.item_factors_.T

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        both = (user_rows >= 0) & (item_rows >= 0)
        product = np.einsum("ij,ij->i", self.user_factors_[user_rows], self.item_factors_[item_rows])
        return np.where(both, product, 0.0).astype(np.float64)  # no preference is known of a pair not known

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_.astype(np.float64), item_row)


class _Basis:
    """Eigenvectors and eigenvalues of the Gram matrix of some vectors."""

    def __init__(self, vectors: np.ndarray):
        self.gram = (vectors.T @ vectors).astype(np.float64)
        if not np.isfinite(self.gram).all():
            raise InvalidInput(
                f"the confidences 1 + alpha * value overflow {vectors.dtype}: lower alpha, pass values='log' "
                "or rescale the values"
            )
        eigenvalues, basis = np.linalg.eigh(self.gram)
        self.eigenvalues = np.maximum(eigenvalues, 0).astype(vectors.dtype)
        self.vectors = basis.astype(vectors.dtype)

    def rotate(self, vectors: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(vectors @ self.vectors)


class _Side:
    """All rows of one side (the users, or the items): extra confidences α v and penalties."""

    def __init__(self, matrix: sparse.csr_matrix, model: ImplicitALS, scaled: bool = False):
        self.extra = matrix
        if not scaled:
            self.extra.data = model.alpha * matrix.data
        self.extra.sort_indices()
        with np.errstate(over="ignore"):  # what overflows is found in the solutions
            self.data = self.extra.data.astype(model.dtype)
        confidence = self.extra.shape[1] + np.asarray(self.extra.sum(axis=1)).ravel()
        self.mean_confidence = confidence.mean()
        scale = (confidence / self.mean_confidence) ** model.frequency_exponent
        self.penalty = (model.regularization * scale).astype(model.dtype)

    def solve(self, other: np.ndarray, start: np.ndarray | None = None, cg_steps: int = 0) -> np.ndarray:
        """All rows with the other side fixed: exactly, or `cg_steps` steps from `start`."""
        basis = _Basis(other)
        if cg_steps:
            solution = basis.rotate(start)
        else:
            solution = np.empty((self.extra.shape[0], other.shape[1]), dtype=other.dtype)
        pointers, columns, vectors = self.extra.indptr, self.extra.indices, basis.rotate(other)
        _solve_rows(
            pointers, columns, self.data, vectors, basis.eigenvalues, self.penalty, solution, cg_steps
        )
        return solution @ basis.vectors.T


def _objective(by_user: _Side, by_item: _Side, users: np.ndarray, items: np.ndarray) -> float:
    every = np.vdot((users.T @ users).astype(np.float64), (items.T @ items).astype(np.float64))
    extra = by_user.extra
    observed = _observed_loss(extra.indptr, extra.indices, extra.data, users, items).sum()
    total = every + observed
    for side, vectors in ((by_user, users), (by_item, items)):
        total += side.penalty @ (vectors.astype(np.float64) ** 2).sum(axis=1)
    return float(total)


# Sums may be reordered to vectorise, but always in the same way; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


@numba.njit(parallel=True, fastmath=_FAST, cache=True)
def _observed_loss(pointers, columns, extra, users, items):
    """Of each row, what its observed cells add to an objective that counts them as unobserved first."""
    total = np.zeros(len(pointers) - 1)
    for row in numba.prange(len(pointers) - 1):
        x = users[row]
        for t in range(pointers[row], pointers[row + 1]):
            y = items[columns[t]]
            product = 0.0
            for j in range(len(x)):
                product += x[j] * y[j]
            total[row] += (1 + extra[t]) * (1 - product) ** 2 - product**2
    return total


@numba.njit(fastmath=_FAST, cache=True)
def _solve_small(a, b, n):
    """Solve the leading n × n system in place by a Cholesky factorization, by rows of the lower triangle."""
    for i in range(n):
        ai = a[i]
        for j in range(i):
            aj = a[j]
            s = ai[j]
            for k in range(j):
                s -= ai[k] * aj[k]
            ai[j] = s * aj[j]
        s, r = ai[i], b[i]
        for k in range(i):
            s -= ai[k] * ai[k]
            r -= ai[k] * b[k]
        ai[i] = 1 / np.sqrt(s)  # the diagonal holds inverses: one division a row
        b[i] = r * ai[i]
    for i in range(n - 1, -1, -1):
        ai = a[i]
        b[i] *= ai[i]
        for k in range(i):
            b[k] -= ai[k] * b[i]


@numba.njit(fastmath=_FAST, cache=True)
def _solve_full(a, b):
    """The same for a whole symmetric matrix, by full-width row operations, which vectorise best."""
    n = len(b)
    for k in range(n):
        row = a[k]
        inverse = 1 / np.sqrt(row[k])
        for j in range(n):
            row[j] *= inverse
        for i in range(k + 1, n):
            ai, s = a[i], row[i]
            for j in range(n):
                ai[j] -= s * row[j]
        s = b[k] * inverse
        for j in range(n):
            b[j] -= s * row[j]
        b[k] = s
        row[k] = inverse
    for k in range(n - 1, -1, -1):
        row, s = a[k], b[k]
        for i in range(k + 1, n):
            s -= row[i] * b[i]
        b[k] = s * row[k]


@numba.njit(fastmath=_FAST, cache=True)
def _exact_small(columns, extra, vectors, scale, w, a, b, solution):
    """Exact solution of a row with at most as many items as factors: the n × n system D⁻¹ + W Wᵀ."""
    n, f = len(columns), len(scale)
    one = scale.dtype.type(1)
    for k in range(n):
        wk, v = w[k], vectors[columns[k]]
        for j in range(f):
            wk[j] = scale[j] * v[j]
    for k in range(n):
        x = w[k]
        for q in range(0, k + 1, 4):  # four products at a time share the reads of x
            y0, y1, y2, y3 = w[q], w[q + 1], w[q + 2], w[q + 3]
            s0 = s1 = s2 = s3 = scale.dtype.type(0)
            for j in range(f):
                s0 += x[j] * y0[j]
                s1 += x[j] * y1[j]
                s2 += x[j] * y2[j]
                s3 += x[j] * y3[j]
            a[k, q], a[k, q + 1], a[k, q + 2], a[k, q + 3] = s0, s1, s2, s3
        a[k, k] += one / extra[k]
        b[k] = (one + extra[k]) / extra[k]
    _solve_small(a, b, n)
    for k in range(n):
        s, wk = b[k], w[k]
        for j in range(f):
            solution[j] += s * wk[j]
    for j in range(f):
        solution[j] *= scale[j]


@numba.njit(fastmath=_FAST, cache=True)
def _exact_full(columns, extra, vectors, scale, w, a, solution):
    """Exact solution of a row with more items than factors: the f × f system I + Wᵀ D W."""
    n, f = len(columns), len(scale)
    one = scale.dtype.type(1)
    for i in range(f):
        for j in range(f):
            a[i, j] = 0
        a[i, i] = 1
    for first in range(0, n, 4):  # four items at a time share the reads and writes of a
        for q in range(4):
            wq = w[q]
            if first + q < n:
                d, v = extra[first + q], vectors[columns[first + q]]
                root, c = np.sqrt(d), one + d
                for j in range(f):
                    x = scale[j] * v[j]
                    wq[j] = root * x
                    solution[j] += c * x
            else:
                for j in range(f):
                    wq[j] = 0
        w0, w1, w2, w3 = w[0], w[1], w[2], w[3]
        for i in range(f):
            s0, s1, s2, s3, ai = w0[i], w1[i], w2[i], w3[i], a[i]
            for j in range(f):
                ai[j] += s0 * w0[j] + s1 * w1[j] + s2 * w2[j] + s3 * w3[j]
    _solve_full(a, solution)
    for j in range(f):
        solution[j] *= scale[j]


@numba.njit(fastmath=_FAST, cache=True)
def _conjugate_gradients(columns, extra, vectors, scale, steps, w, solution):
    """Some steps for (I + Wᵀ D W) t = Wᵀ c from t = solution / scale."""
    f = len(scale)
    one = scale.dtype.type(1)
    r, p, q, scaled = w[0], w[1], w[2], w[3]
    for j in range(f):
        q[j] = 0
    for k in range(len(columns)):
        v, s = vectors[columns[k]], scale.dtype.type(0)
        for j in range(f):
            s += v[j] * solution[j]
        s = one + extra[k] - extra[k] * s
        for j in range(f):
            q[j] += s * v[j]
    norm = scale.dtype.type(0)
    for j in range(f):
        solution[j] /= scale[j]
        r[j] = scale[j] * q[j] - solution[j]
        p[j] = r[j]
        norm += r[j] * r[j]
    for _ in range(steps):
        if norm < _CG_DONE:
            break
        for j in range(f):
            scaled[j] = scale[j] * p[j]
            q[j] = 0
        for k in range(len(columns)):
            v, s = vectors[columns[k]], scale.dtype.type(0)
            for j in range(f):
                s += v[j] * scaled[j]
            s *= extra[k]
            for j in range(f):
                q[j] += s * v[j]
        curvature = scale.dtype.type(0)
        for j in range(f):
            q[j] = p[j] + scale[j] * q[j]
            curvature += p[j] * q[j]
        step, before, norm = norm / curvature, norm, scale.dtype.type(0)
        for j in range(f):
            solution[j] += step * p[j]
            r[j] -= step * q[j]
            norm += r[j] * r[j]
        ratio = norm / before
        for j in range(f):
            p[j] = r[j] + ratio * p[j]
    for j in range(f):
        solution[j] *= scale[j]


def _solve_rows_python(pointers, columns, extra, vectors, eigenvalues, penalty, solutions, cg_steps):
    """Solve (diag(eigenvalues + penalty) + Vᵀ D V) t = Vᵀ (1 + d) for every row; without steps, exactly."""
    n_rows, f = len(pointers) - 1, vectors.shape[1]
    hands = min(_HANDS, n_rows)
    for hand in numba.prange(hands):
        scale = np.empty(f, vectors.dtype)
        w = np.zeros((f + 4, f), vectors.dtype)
        a = np.zeros((f + 4, f + 4), vectors.dtype)
        full = np.zeros((f, f), vectors.dtype)
        b = np.empty(f, vectors.dtype)
        for row in range(hand, n_rows, hands):
            first, last = pointers[row], pointers[row + 1]
            solution = solutions[row]
            if cg_steps == 0 or first == last:
                solution[:] = 0
            if first == last:
                continue
            for j in range(f):
                scale[j] = 1 / np.sqrt(eigenvalues[j] + penalty[row])
            mine, more = columns[first:last], extra[first:last]
            if cg_steps > 0:
                _conjugate_gradients(mine, more, vectors, scale, cg_steps, w, solution)
            elif last - first <= f:
                _exact_small(mine, more, vectors, scale, w, a, b, solution)
            else:
                _exact_full(mine, more, vectors, scale, w, full, solution)


_solve_rows = numba.njit(_solve_rows_python, parallel=True, fastmath=_FAST, cache=True)
# For one row: no thread pool, so that several Python threads may fold users in at once.
_solve_rows_serial = numba.njit(_solve_rows_python, fastmath=_FAST, cache=True)
