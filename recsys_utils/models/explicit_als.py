"""Factors and biases learnt from the observed ratings only, by alternating least squares."""
from __future__ import annotations

from contextlib import contextmanager

import numba
import numpy as np

from ..check import check_finite, check_float, check_int, check_rng, check_same_length
from ..errors import InvalidInput
from ..interactions import Interactions
from ..topn import top_n
from .base import Recommender, cosines

# A pivot this small beside its diagonal entry is rounding error: the equations leave that coordinate open.
_PIVOT_TOLERANCE = 1e-12
_INIT_SCALE = 0.1
# Rows that a thread takes at a time: small enough that one thread does not end up with all the long rows.
_CHUNK = 32


class ExplicitALS(Recommender):
    r"""Predict :math:`\mu + b_u + b_i + p_u \cdot q_i` with all parameters from exact ridge solutions.

    Write :math:`x_u = (b_u, p_u)` and :math:`z_i = (1, q_i)`. The model minimises

    .. math::

        \sum_{(u,i)} (r_{ui} - \mu - b_i - x_u \cdot z_i)^2
        + \sum_u n_u^\gamma \left(\lambda_b b_u^2 + \lambda \|p_u\|^2\right)
        + \sum_i n_i^\gamma \left(\lambda_b b_i^2 + \lambda \|q_i\|^2\right),

    the first sum over the observed ratings. With the items held fixed, each user is a ridge regression on
    its own,

    .. math:: \left(\sum_i z_i z_i^\top + n_u^\gamma \Lambda\right) x_u = \sum_i (r_{ui} - \mu - b_i)\, z_i,
        \qquad \Lambda = \mathrm{diag}(\lambda_b, \lambda, \dots, \lambda),

    solved exactly; then the items likewise. Before each further round the mean of either side's biases moves
    into :math:`\mu`, which changes no prediction and lowers the penalty. So the objective never rises.

    With ``noise_variance`` :math:`= \sigma^2 > 0` every row keeps, beside its solution, the covariance that
    the ridge regression gives it,

    .. math:: C_u = \sigma^2 \left(\sum_i E[z_i z_i^\top] + n_u^\gamma \Lambda\right)^{-1},
        \qquad E[z z^\top] = \bar z \bar z^\top + \mathrm{Cov}(z),

    and the solves of the other side use these expectations: a film with two ratings no longer counts as much
    as one with two hundred. What falls then is the variational free energy, the expectation of the objective
    above minus :math:`\sigma^2 \sum (\log\det(C/\sigma^2) + \dim C)` over all rows; it becomes the objective
    itself as :math:`\sigma^2 \to 0`.

    Each row is computed by one thread in one order, so the result does not depend on the number of threads.

    Parameters
    ----------
    factors : int
        Length of :math:`p_u` and :math:`q_i`. 0 leaves the biases alone.
    regularization : float
        :math:`\lambda`, in stars. Only the product of the two sides' values would matter, so there is one.
    bias_regularization : float
        :math:`\lambda_b`, in numbers of ratings: with that many a bias is believed by half.
    frequency_exponent : float
        :math:`\gamma` between 0 (plain) and 1 (the penalty of a row grows with its number of ratings).
    noise_variance : float
        :math:`\sigma^2`, variance of a rating about its prediction, in squared stars; 0 is plain ALS.
    biases : bool
        False drops :math:`\mu` and both biases: ratings are :math:`p_u \cdot q_i` alone.
    iterations : int
        Rounds of one solve of all users and one of all items.
    clip : bool
        Keep predictions inside the range of the ratings seen in training; ranking scores are never clipped.
    n_threads : int or None
        By default as many as Numba has.
    rng : int or Generator
        Of the item factors at the start.

    Attributes
    ----------
    mean_ : float
    user_bias_, item_bias_ : ndarray, shapes (n_users,) and (n_items,)
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    user_covariances_, item_covariances_ : ndarray of shape (n_rows, d * (d + 1) // 2), or None
        Upper triangles, row by row, of each row's covariance of (bias, factors), with ``noise_variance``.
    scale_ : tuple of float
        Lowest and highest rating seen in training.
    loss_history_ : ndarray, shape (iterations, 2)
        The objective after the solve of the users and after that of the items.

    References
    ----------
    Zhou, Wilkinson, Schreiber and Pan (2008), Large-scale parallel collaborative filtering for the Netflix
    prize, sections 3.1 and 3.2 (weighted by frequency). Koren, Bell and Volinsky (2009), Matrix factorization
    techniques for recommender systems. Lim and Teh (2007), Variational Bayesian approach to movie rating
    prediction (the covariances).
    """

    def __init__(
        self,
        *,
        factors: int = 20,
        regularization: float = 6.0,
        bias_regularization: float = 3.3,
        frequency_exponent: float = 0.0,
        noise_variance: float = 0.6,
        biases: bool = True,
        iterations: int = 15,
        clip: bool = True,
        n_threads: int | None = None,
        rng=0,
    ):
        self.factors = check_int("factors", factors, minimum=0)
        self.regularization = check_float("regularization", regularization, minimum=0)
        self.bias_regularization = check_float("bias_regularization", bias_regularization, minimum=0)
        self.frequency_exponent = check_float("frequency_exponent", frequency_exponent, 0, 1)
        self.noise_variance = check_float("noise_variance", noise_variance, minimum=0)
        self.biases = _check_bool("biases", biases)
        self.iterations = check_int("iterations", iterations)
        self.clip = _check_bool("clip", clip)
        self.n_threads = None if n_threads is None else check_int("n_threads", n_threads)
        check_rng(rng)
        self.rng = rng
        if self.factors == 0 and not self.biases:
            raise InvalidInput("factors=0 with biases=False leaves nothing to learn: pass factors >= 1")
        free = [name for name in ("regularization", "bias_regularization") if getattr(self, name) == 0]
        if self.noise_variance > 0 and free:
            raise InvalidInput(
                f"{free[0]} must be positive with noise_variance={self.noise_variance}, got 0: then rows "
                "with few ratings are infinitely uncertain; pass noise_variance=0 for plain ALS"
            )

    def learn(self, interactions: Interactions) -> None:
        values = interactions.values
        self.scale_ = (float(values.min()), float(values.max()))
        self.mean_ = float(values.mean()) if self.biases else 0.0
        by_user = _Side(interactions.user_rows, interactions.item_rows, values, interactions.n_users, self)
        by_item = _Side(interactions.item_rows, interactions.user_rows, values, interactions.n_items, self)
        start = check_rng(self.rng).normal(0, _INIT_SCALE, (interactions.n_items, self.factors))
        by_item.begin(start)
        self.loss_history_ = np.empty((self.iterations, 2))
        with _threads(self.n_threads) as kernel:
            for round_ in range(self.iterations):
                if round_:
                    self.mean_ += by_user.centre() + by_item.centre()
                self.loss_history_[round_, 0] = by_user.solve(by_item, self.mean_, kernel) + by_item.penalty()
                self.loss_history_[round_, 1] = by_item.solve(by_user, self.mean_, kernel) + by_user.penalty()
        if not np.isfinite(self.loss_history_).all():
            raise InvalidInput(
                f"the ratings, up to {self.scale_[1]:g}, overflow the equations: rescale them, say to 0–5"
            )
        self.user_bias_, self.user_factors_, self.user_covariances_ = by_user.parts()
        self.item_bias_, self.item_factors_, self.item_covariances_ = by_item.parts()

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        known_user, known_item = user_rows >= 0, item_rows >= 0
        both = known_user & known_item
        product = np.einsum("ij,ij->i", self.user_factors_[user_rows], self.item_factors_[item_rows])
        predicted = (
            self.mean_
            + np.where(known_user, self.user_bias_[user_rows], 0.0)
            + np.where(known_item, self.item_bias_[item_rows], 0.0)
            + np.where(both, product, 0.0)
        )
        if not self.biases:  # without biases nothing is known of half a pair but the mean of all ratings
            predicted = np.where(both, predicted, self.interactions_.values.mean())
        return np.clip(predicted, *self.scale_) if self.clip else predicted

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        factors = self.user_factors_[user_rows] @ self.item_factors_.T
        return self.mean_ + self.user_bias_[user_rows, None] + self.item_bias_ + factors

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_, item_row)

    def fold_in(self, item_ids, values) -> tuple[float, np.ndarray]:
        """Bias and factors of a user who is not in the training data, from that user's ratings.

        The same ridge solution that `fit` gives a user of the training data, with the items as they are.

        Parameters
        ----------
        item_ids : array-like of raw ids, shape (n,)
            Without repeats; n may be 0.
        values : array-like, shape (n,)
            The ratings.

        Returns
        -------
        bias : float
        factors : ndarray, shape (factors,)

        Raises
        ------
        UnknownIdError
            For an item that the training data does not have.
        InvalidInput
            For NaN or infinite ratings, repeated items and unequal lengths.
        """
        data = self.training_data()
        rows = np.atleast_1d(data.rows_of_items(item_ids, strict=True)).astype(np.int64)
        values = np.atleast_1d(check_finite("values", values))
        check_same_length(item_ids=rows, values=values)
        if len(np.unique(rows)) < len(rows):
            raise InvalidInput("item_ids repeats an item: keep one rating of each")
        user = _Side(np.zeros(len(rows), dtype=np.int64), rows, values, 1, self)
        items = _Side(rows, np.zeros(len(rows), dtype=np.int64), values, data.n_items, self)
        items.solution[:, int(self.biases) :] = self.item_factors_
        if self.biases:
            items.solution[:, 0] = self.item_bias_
        if self.item_covariances_ is not None:
            items.covariance = self.item_covariances_
        user.solve(items, self.mean_, _solve_rows_serial)
        bias, factors, _ = user.parts()
        return float(bias[0]), factors[0]

    def recommend_for(
        self, item_ids, values, n: int = 10, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items with the highest scores for a user who is folded in; arguments as in :meth:`fold_in`.

        Returns
        -------
        ids, scores : ndarray, shape (n,)
            As in :meth:`~recsys_utils.models.Recommender.recommend`.
        """
        data = self.training_data()
        check_int("n", n, maximum=data.n_items)
        bias, factors = self.fold_in(item_ids, values)
        scores = self.mean_ + bias + self.item_bias_ + self.item_factors_ @ factors
        if exclude_seen:
            scores[data.rows_of_items(item_ids)] = -np.inf
        found, scores = top_n(scores[None, :], n)
        return data.item_ids[found[0]], scores[0]


def _check_bool(name: str, value) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidInput(f"{name} must be True or False, got {value!r}")
    return bool(value)


@contextmanager
def _threads(n_threads: int | None):
    """The kernel to use, with Numba set to that many threads meanwhile."""
    before = numba.get_num_threads()
    wanted = min(n_threads or before, numba.config.NUMBA_NUM_THREADS)
    if wanted == 1:
        yield _solve_rows_serial
        return
    chunk = numba.set_parallel_chunksize(_CHUNK)
    try:
        numba.set_num_threads(wanted)
        yield _solve_rows
    finally:
        numba.set_num_threads(before)
        numba.set_parallel_chunksize(chunk)


class _Side:
    """All rows of one side (the users, or the items): their ratings, their solution and its covariances."""

    def __init__(self, rows, columns, values, n_rows: int, model: ExplicitALS):
        order = np.lexsort((columns, rows))
        self.counts = np.bincount(rows, minlength=n_rows)
        self.pointers = np.concatenate(([0], np.cumsum(self.counts)))
        self.columns, self.values = columns[order], values[order].astype(np.float64)
        self.biases, self.noise = model.biases, model.noise_variance
        self.ridge = np.full(model.factors + int(model.biases), model.regularization)
        if model.biases:
            self.ridge[0] = model.bias_regularization
        # A row without ratings is no part of the problem: no penalty, and zeros for a solution.
        self.weight = np.where(self.counts > 0, np.maximum(self.counts, 1.0) ** model.frequency_exponent, 0.0)
        n_triangle = len(self.ridge) * (len(self.ridge) + 1) // 2
        self.solution = np.zeros((n_rows, len(self.ridge)))
        self.covariance = np.zeros((n_rows if self.noise > 0 else 0, n_triangle))
        self.log_determinant = np.zeros(n_rows)

    def begin(self, factors: np.ndarray) -> None:
        """Start from these factors, shape (n_rows, factors); with noise, each row a little uncertain."""
        rated, width = self.counts > 0, len(self.ridge)
        self.solution[rated, int(self.biases) :] = factors[rated]
        if self.noise > 0:
            self.covariance[np.ix_(rated, _diagonal(width))] = self.noise * _INIT_SCALE**2
            self.log_determinant[rated] = -2 * width * np.log(_INIT_SCALE)

    def solve(self, other: _Side, mean: float, kernel) -> float:
        """Solve all rows with the other side fixed; returns their part of the objective."""
        offset, design, cross, moments, spread = other.as_regressors()
        fit = np.zeros(len(self.counts))
        kernel(
            len(fit), self.pointers, self.columns, self.values - mean, offset, design, cross, moments, spread,
            self.ridge, self.weight, self.noise, self.solution, self.covariance, self.log_determinant, fit,
        )
        return float(fit.sum() + self.noise * self.log_determinant.sum())

    def as_regressors(self):
        """What the other side's solve sees: offset b, design z, and with noise Cov(z, b), E[z zᵀ], Var(b)."""
        offset, design = np.zeros(len(self.counts)), self.solution.copy()
        if self.biases:
            offset, design[:, 0] = self.solution[:, 0].copy(), 1.0
        cross = np.zeros_like(design if self.noise > 0 else design[:0])
        moments, spread = np.zeros_like(self.covariance), np.zeros(len(cross))
        if self.noise > 0:
            if self.biases:
                cross[:, 1:], spread = self.covariance[:, 1 : design.shape[1]], self.covariance[:, 0].copy()
            _second_moments(design, self.covariance, int(self.biases), moments)
        return offset, design, cross, moments, spread

    def penalty(self) -> float:
        """The part of the objective that stays while the other side is solved."""
        squared = self.solution**2
        if self.noise > 0:
            squared += self.covariance[:, _diagonal(len(self.ridge))]
        total = self.weight @ (squared @ self.ridge)
        rated = self.counts > 0
        return float(total + self.noise * (self.log_determinant[rated] - len(self.ridge)).sum())

    def centre(self) -> float:
        """Take the mean out of the biases and return it: the best common shift under the penalty."""
        if not self.biases or self.ridge[0] == 0:
            return 0.0
        shift = float(self.weight @ self.solution[:, 0] / self.weight.sum())
        self.solution[self.counts > 0, 0] -= shift
        return shift

    def parts(self):
        """Bias, factors, and covariances or None."""
        n_biases = int(self.biases)
        bias = self.solution[:, 0].copy() if self.biases else np.zeros(len(self.counts))
        factors = np.ascontiguousarray(self.solution[:, n_biases:])
        return bias, factors, self.covariance if self.noise > 0 else None


def _diagonal(width: int) -> np.ndarray:
    """Positions of the diagonal in a packed upper triangle."""
    return np.cumsum(np.concatenate(([0], np.arange(width, 1, -1)))) if width else np.zeros(0, dtype=np.int64)


@numba.njit(cache=True)
def _second_moments(design, covariance, first, moments):
    """E[z zᵀ] of each row as a packed upper triangle, in place; entries of z before `first` are certain."""
    for row in range(len(design)):
        p = 0
        for j in range(design.shape[1]):
            for k in range(j, design.shape[1]):
                moments[row, p] = design[row, j] * design[row, k]
                if j >= first:
                    moments[row, p] += covariance[row, p]
                p += 1


@numba.njit(cache=True)
def _solve_row(
    row, pointers, columns, values, offset, design, cross, moments, spread,
    ridge, weight, noise, solution, covariance, log_determinant, fit,
):
    """Ridge solution of one row, in place, its sums in one fixed order.

    Inner loops run along rows of the upper triangle and add element by element, so that they vectorise
    without a sum being reordered: the same bits come out with any number of threads.
    """
    first, last = pointers[row], pointers[row + 1]
    if first == last:
        return
    width = design.shape[1]
    n_triangle = width * (width + 1) // 2
    a = np.zeros((width, width))
    b = np.zeros(width)
    squares = 0.0
    if noise > 0:
        packed = np.zeros(n_triangle)
        for t in range(first, last):
            o = columns[t]
            y = values[t] - offset[o]
            squares += y * y + spread[o]
            for j in range(width):
                b[j] += y * design[o, j] - cross[o, j]
            for p in range(n_triangle):
                packed[p] += moments[o, p]
        p = 0
        for j in range(width):
            for k in range(j, width):
                a[j, k] = packed[p]
                p += 1
    else:
        for t in range(first, last):
            o = columns[t]
            y = values[t] - offset[o]
            squares += y * y
            for j in range(width):
                z = design[o, j]
                b[j] += y * z
                for k in range(j, width):
                    a[j, k] += z * design[o, k]
    for j in range(width):
        a[j, j] += weight[row] * ridge[j]

    # Cholesky: a becomes R with RᵀR = A. Where the equations leave a coordinate open, it is set to 0.
    x = b.copy()
    inverse = np.zeros(width)
    pivot = np.empty(width)
    for j in range(width):
        pivot[j] = a[j, j] * _PIVOT_TOLERANCE
    logarithms = 0.0
    for j in range(width):
        if a[j, j] > pivot[j]:
            root = np.sqrt(a[j, j])
            inverse[j] = 1.0 / root
            logarithms += 2.0 * np.log(root)
            a[j, j] = root
            for k in range(j + 1, width):
                a[j, k] *= inverse[j]
        else:
            a[j, j:] = 0.0
        for i in range(j + 1, width):
            r = a[j, i]
            for k in range(i, width):
                a[i, k] -= r * a[j, k]
        x[j] *= inverse[j]
        for k in range(j + 1, width):
            x[k] -= a[j, k] * x[j]
    for j in range(width - 1, -1, -1):
        total = x[j]
        for k in range(j + 1, width):
            total -= a[j, k] * x[k]
        x[j] = total * inverse[j]

    explained = 0.0
    for j in range(width):
        solution[row, j] = x[j]
        explained += b[j] * x[j]
    fit[row] = squares - explained
    log_determinant[row] = logarithms

    if noise > 0:
        # The inverse of A is XᵀX with X = R⁻ᵀ, lower triangular.
        low = np.zeros((width, width))
        inverted = np.zeros((width, width))
        for i in range(width):
            low[i, i] = 1.0
            for q in range(i):
                r = a[q, i]
                for k in range(q + 1):
                    low[i, k] -= r * low[q, k]
            for k in range(i + 1):
                low[i, k] *= inverse[i]
            for j in range(i + 1):
                r = low[i, j]
                for k in range(j, i + 1):
                    inverted[j, k] += r * low[i, k]
        p = 0
        for j in range(width):
            for k in range(j, width):
                covariance[row, p] = noise * inverted[j, k]
                p += 1


@numba.njit(parallel=True, cache=True)
def _solve_rows(n_rows, *arguments):
    for row in numba.prange(n_rows):
        _solve_row(row, *arguments)


@numba.njit(cache=True)
def _solve_rows_serial(n_rows, *arguments):
    """Without a thread pool, so that several Python threads may call it at once."""
    for row in range(n_rows):
        _solve_row(row, *arguments)
