"""Factors and biases learnt from the observed ratings only, by alternating least squares."""
from __future__ import annotations

from functools import partial

import numpy as np
from scipy import sparse

from ..check import check_bool, check_float, check_int, check_rng
from ..compiled import check_threads, compiled, workers
from ..errors import Diverged, InvalidInput
from ..interactions import Interactions
from .base import not_negative, positive
from .rating import RatingModel

_INIT_SCALE = 0.1
# The defaults of λ and σ², in standard deviations of the ratings and in their variance: about 6 and 0.6 on 0.5–5 stars.
_REGULARIZATION, _NOISE = 5.8, 0.55


class ExplicitALS(RatingModel):
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
    regularization : float, optional
        :math:`\lambda`, positive, in units of the ratings: ten times as large for ratings from 5 to 50. By default
        5.8 of their standard deviations. Only the product of the two sides' values would matter, so there is one.
    bias_regularization : float
        :math:`\lambda_b`, positive, in numbers of ratings: with that many a bias is believed by half.
    frequency_exponent : float
        :math:`\gamma` between 0 (plain) and 1 (the penalty of a row grows with its number of ratings).
    noise_variance : float, optional
        :math:`\sigma^2`, variance of a rating about its prediction, in squared units of the ratings. By default 0.55
        of their variance. 0 is plain ALS.
    biases : bool
        False drops :math:`\mu` and both biases: ratings are :math:`p_u \cdot q_i` alone.
    iterations : int
        Rounds of one solve of all users and one of all items.
    clip : bool
        Keep predictions inside the range of the ratings seen in training; ranking scores are never clipped.
    n_threads : int or None
        By default one for each processor.
    rng : int or Generator
        Of the item factors at the start.

    Attributes
    ----------
    mean_ : float
    user_bias_, item_bias_ : ndarray, shapes (n_users,) and (n_items,)
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    user_covariances_, item_covariances_ : ndarray of shape (n_rows, d * (d + 1) // 2), or None
        Upper triangles, row by row, of each row's covariance of (bias, factors), with ``noise_variance``.
    regularization_, noise_variance_ : float
        As used, in units of the ratings.
    loss_history_ : ndarray, shape (iterations, 2)
        The objective after the solve of the users and after that of the items.

    References
    ----------
    Zhou, Wilkinson, Schreiber and Pan (2008), Large-scale parallel collaborative filtering for the Netflix
    prize, sections 3.1 and 3.2 (weighted by frequency). Koren, Bell and Volinsky (2009), Matrix factorization
    techniques for recommender systems. Lim and Teh (2007), Variational Bayesian approach to movie rating
    prediction (the covariances).
    """

    checks = {
        "factors": partial(check_int, minimum=0), "iterations": check_int,
        "regularization": lambda name, value: value is None or positive(name, value),
        "noise_variance": lambda name, value: value is None or not_negative(name, value),
        "bias_regularization": positive, "frequency_exponent": partial(check_float, minimum=0, maximum=1),
        "biases": check_bool, "clip": check_bool, "n_threads": check_threads,
        "rng": lambda _, rng: check_rng(rng),
    }

    def __init__(
        self,
        *,
        factors: int = 20,
        regularization: float | None = None,
        bias_regularization: float = 3.3,
        frequency_exponent: float = 0.0,
        noise_variance: float | None = None,
        biases: bool = True,
        iterations: int = 15,
        clip: bool = True,
        n_threads: int | None = None,
        rng=0,
    ):
        self.factors = factors
        self.regularization = regularization
        self.bias_regularization = bias_regularization
        self.frequency_exponent = frequency_exponent
        self.noise_variance = noise_variance
        self.biases = biases
        self.iterations = iterations
        self.clip = clip
        self.n_threads = n_threads
        self.rng = rng

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.factors == 0 and not self.biases:
            raise InvalidInput("factors=0 with biases=False leaves nothing to learn: pass factors >= 1")

    def learn(self, interactions: Interactions) -> None:
        values = interactions.values
        spread = values.std() or 1.0
        self.regularization_ = _REGULARIZATION * spread if self.regularization is None else self.regularization
        self.noise_variance_ = _NOISE * spread**2 if self.noise_variance is None else self.noise_variance
        self.rating_mean_ = float(values.mean())
        mean, history = self.rating_mean_ if self.biases else 0.0, np.empty((self.iterations, 2))
        users, items = _Side(interactions.matrix, self), _Side(interactions.matrix.T.tocsr(), self)
        items.begin(check_rng(self.rng).normal(0, _INIT_SCALE, (interactions.n_items, self.factors)))
        with workers(self.n_threads) as deal:
            for round_ in range(self.iterations):
                if round_:
                    mean += users.centre() + items.centre()
                history[round_, 0] = users.solve(items, mean, deal) + items.penalty()
                history[round_, 1] = items.solve(users, mean, deal) + users.penalty()
        self.mean_, self.loss_history_ = mean, history
        self.user_bias_, self.user_factors_, self.user_covariances_ = users.parts()
        self.item_bias_, self.item_factors_, self.item_covariances_ = items.parts()

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        predicted = super().predict_rows(user_rows, item_rows)
        # Without biases nothing is known of half a pair but the mean of all ratings.
        return predicted if self.biases else np.where((user_rows < 0) | (item_rows < 0), self.rating_mean_, predicted)

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Bias and factors, shape (1 + factors,): the ridge solution that `fit` gives a user of the training data."""
        n = len(item_rows)
        user = _Side(sparse.csr_matrix((values, np.arange(n), [0, n]), shape=(1, n)), self)
        items = _Side(sparse.csr_matrix((n, 0)), self)
        items.solution[:] = np.c_[self.item_bias_[item_rows], self.item_factors_[item_rows]][:, 1 - user.first :]
        if self.item_covariances_ is not None:
            items.covariance = self.item_covariances_[item_rows]
        user.solve(items, self.mean_, lambda kernel, n_rows, *arguments: kernel(0, 1, *arguments))
        bias, factors, _ = user.parts()
        return np.r_[bias, factors[0]]


class _Side:
    """The rows of one side, users or items: their ratings, their solutions (bias, factors) and covariances."""

    def __init__(self, matrix: sparse.csr_matrix, model: ExplicitALS):
        self.matrix, self.first, self.noise = matrix, int(model.biases), model.noise_variance_
        self.ridge = np.r_[[model.bias_regularization] * self.first, [model.regularization_] * model.factors]
        counts = np.diff(matrix.indptr)
        # A row without ratings is no part of the problem: no penalty, and zeros for a solution.
        self.rated = counts > 0
        self.weight = np.where(self.rated, np.maximum(counts, 1.0) ** model.frequency_exponent, 0.0)
        width, n_rows = len(self.ridge), len(counts)
        self.solution = np.zeros((n_rows, width))
        self.covariance = np.zeros((n_rows if self.noise > 0 else 0, width * (width + 1) // 2))
        self.log_determinant = np.zeros(n_rows)
        self.diagonal = np.cumsum(np.r_[0, np.arange(width, 1, -1)])  # its places in a packed triangle

    def begin(self, factors: np.ndarray) -> None:
        """Start from these factors, shape (n_rows, factors); with noise, each row a little uncertain."""
        self.solution[self.rated, self.first :] = factors[self.rated]
        if self.noise > 0:
            self.covariance[np.ix_(self.rated, self.diagonal)] = self.noise * _INIT_SCALE**2
            self.log_determinant[self.rated] = -2 * len(self.ridge) * np.log(_INIT_SCALE)

    def solve(self, other: _Side, mean: float, deal) -> float:
        """Solve all rows with the other side fixed; returns their part of the objective."""
        fit = np.zeros(len(self.solution))
        arguments = (
            self.matrix.indptr, self.matrix.indices, self.matrix.data, mean, self.first,
            other.solution, other.covariance, self.ridge, self.weight, self.noise,
            self.solution, self.covariance, self.log_determinant, fit,
        )
        try:
            deal(_solve_rows, len(fit), *arguments)
            loss = fit.sum() + self.noise * self.log_determinant.sum()
        except np.linalg.LinAlgError:
            loss = np.nan
        if not np.isfinite(loss):
            highest = self.matrix.data.max()
            raise Diverged(f"the ratings, up to {highest:g}, overflow the equations: rescale them, say to 0–5")
        return float(loss)

    def penalty(self) -> float:
        """The part of the objective that stays while the other side is solved."""
        squared = self.solution**2
        if self.noise > 0:
            squared += self.covariance[:, self.diagonal]
        total = self.weight @ (squared @ self.ridge)
        return float(total + self.noise * (self.log_determinant[self.rated] - len(self.ridge)).sum())

    def centre(self) -> float:
        """Take the mean out of the biases and return it: the best common shift under the penalty."""
        if not self.first:
            return 0.0
        shift = float(self.weight @ self.solution[:, 0] / self.weight.sum())
        self.solution[self.rated, 0] -= shift
        return shift

    def parts(self):
        """Bias, factors, and covariances or None."""
        bias = self.solution[:, 0].copy() if self.first else np.zeros(len(self.solution))
        factors = np.ascontiguousarray(self.solution[:, self.first :])
        return bias, factors, self.covariance if self.noise > 0 else None


@compiled
def _solve_rows(
    hand, hands, pointers, columns, values, mean, first, others, other_covariances,
    ridge, weight, noise, solutions, covariances, log_determinants, fit,
):
    """Ridge solutions of rows, in place; covariances are packed triangles, and `first` is 1 with biases."""
    width = others.shape[1]
    for row in range(hand, len(fit), hands):
        start, n = pointers[row], pointers[row + 1] - pointers[row]
        if n == 0:
            continue
        z, y = np.empty((n, width)), np.empty(n)
        spread = np.zeros(other_covariances.shape[1])
        for t in range(n):
            o = columns[start + t]
            y[t], z[t] = values[start + t] - mean, others[o]
            if first:
                y[t] -= z[t, 0]
                z[t, 0] = 1.0
            if noise > 0:
                for p in range(len(spread)):
                    spread[p] += other_covariances[o, p]
        a, b, squares = np.dot(z.T, z), np.dot(y, z), np.dot(y, y)
        for j in range(width):
            a[j, j] += weight[row] * ridge[j]
        if noise > 0:
            if first:  # the 1 in z is certain; the bias that was taken from the rating is not
                squares += spread[0]
                b[1:] -= spread[1:width]
            p = first * width
            for j in range(first, width):
                a[j, j] += spread[p]
                for k in range(j + 1, width):
                    p += 1
                    a[j, k] += spread[p]
                    a[k, j] += spread[p]
                p += 1
            inverse = np.linalg.inv(a)
            x = np.dot(inverse, b)
            log_determinants[row] = 2 * np.log(np.diag(np.linalg.cholesky(a))).sum()
            p = 0
            for j in range(width):
                for k in range(j, width):
                    covariances[row, p] = noise * inverse[j, k]
                    p += 1
        else:
            x = np.linalg.solve(a, b)
        solutions[row] = x
        fit[row] = squares - np.dot(b, x)
