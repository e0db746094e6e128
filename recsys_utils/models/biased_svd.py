"""Factors and biases learnt from the observed ratings only, by stochastic gradient descent."""
from __future__ import annotations

import numpy as np

from ..check import check_bool, check_int, check_rng
from ..compiled import compiled
from ..errors import Diverged
from ..interactions import Interactions, check_interactions
from .base import not_negative, positive
from .rating import RatingModel


class BiasedSVD(RatingModel):
    r"""Predict :math:`\mu + b_u + b_i + p_u \cdot q_i` ("SVD" in the field's loose sense).

    Each step takes one observed rating, its error :math:`e = r - \hat r`, and moves

    .. math:: b_u \mathrel{+}= \eta (e - \lambda b_u), \quad p_u \mathrel{+}= \eta (e\, q_i - \lambda p_u)

    and the item's side likewise; unrated pairs play no part.

    Parameters
    ----------
    factors : int
        Length of :math:`p_u` and :math:`q_i`.
    iterations : int
        Passes over the ratings, each in a fresh random order.
    learning_rate : float
        :math:`\eta`, positive.
    regularization : float
        :math:`\lambda`, not negative.
    init_scale : float
        Standard deviation of the factors at the start. A small one lets directions grow only where
        the ratings ask for them.
    clip : bool
        Keep predictions inside the range of the ratings seen in training; ranking scores are never clipped.
    rng : int or Generator

    Attributes
    ----------
    mean_ : float
    user_bias_, item_bias_ : ndarray, shapes (n_users,) and (n_items,)
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    train_rmse_ : ndarray, shape (iterations,)
        RMSE over the training ratings as each was met, per epoch.
    validation_rmse_ : ndarray, shape (iterations,)
        RMSE over `validation` after each iteration; empty without it.

    References
    ----------
    Koren, Bell and Volinsky (2009), Matrix factorization techniques for recommender systems, eq. 5.
    """

    checks = {
        "factors": check_int, "iterations": check_int, "learning_rate": positive, "regularization": not_negative,
        "init_scale": not_negative, "clip": check_bool, "rng": lambda _, rng: check_rng(rng),
    }

    def __init__(self, *, factors: int = 100, iterations: int = 40, learning_rate: float = 0.01,
                 regularization: float = 0.05, init_scale: float = 0.01, clip: bool = True, rng=0):
        self.factors, self.iterations, self.learning_rate = factors, iterations, learning_rate
        self.regularization, self.init_scale, self.clip, self.rng = regularization, init_scale, clip, rng

    def fit(self, interactions: Interactions, validation: Interactions | None = None) -> BiasedSVD:
        """Learn from `interactions`; returns the model itself.

        Parameters
        ----------
        interactions : Interactions
        validation : Interactions, optional
            Held-out ratings whose RMSE is noted after every iteration; they teach the model nothing.
        """
        if validation is not None:
            check_interactions(validation, "validation")
        return super().fit(interactions, validation=validation)

    def learn(self, interactions: Interactions, validation: Interactions | None = None) -> None:
        rng, sizes = check_rng(self.rng), (interactions.n_users, interactions.n_items)
        rows = interactions.user_rows, interactions.item_rows
        self.mean_ = float(interactions.values.mean())
        self.user_bias_, self.item_bias_ = map(np.zeros, sizes)
        factors = [rng.normal(0, self.init_scale, (size, self.factors)) for size in sizes]
        for side, of_side in zip(factors, rows, strict=True):
            side[np.bincount(of_side, minlength=len(side)) == 0] = 0.0  # nothing has taught these rows anything
        self.user_factors_, self.item_factors_ = factors
        errors, held_out_errors = [], []
        if validation is not None:
            held_users = interactions.rows_of_users(validation.user_ids)[validation.user_rows]
            held_items = interactions.rows_of_items(validation.item_ids)[validation.item_rows]
        for iteration in range(self.iterations):
            squared = _sgd_epoch(
                rng.permutation(len(interactions)), *rows, interactions.values, self.mean_, self.user_bias_,
                self.item_bias_, *factors, self.learning_rate, self.regularization,
            )
            errors.append(np.sqrt(squared / len(interactions)))
            if not np.isfinite(squared):
                raise Diverged(
                    f"learning_rate={self.learning_rate} makes the descent diverge in iteration {iteration + 1}: "
                    "pass a smaller one"
                )
            if validation is not None:
                missed = self.clipped(self.predict_rows(held_users, held_items)) - validation.values
                held_out_errors.append(np.sqrt(np.mean(missed**2)))
        self.train_rmse_, self.validation_rmse_ = np.array(errors), np.array(held_out_errors)

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        r"""Bias and factors, shape (1 + factors,), that minimise :math:`\sum (e^2 + \lambda b^2 + \lambda \|p\|^2)`.

        The sum is over the history: what the steps of training go towards for one user, solved exactly.
        """
        design = np.column_stack((np.ones(len(item_rows)), self.item_factors_[item_rows]))
        system = design.T @ design + self.regularization * len(item_rows) * np.eye(1 + self.factors)
        return np.linalg.lstsq(system, design.T @ self.residuals(item_rows, values), rcond=None)[0]


@compiled(fastmath={"reassoc"})  # sums may be reordered, so that they use the processor's vectors
def _sgd_epoch(order, users, items, values, mean, user_bias, item_bias, p, q, rate, regularization):
    """One pass over the ratings in the given order, in place; returns the sum of squared errors met."""
    squared = 0.0
    for row in order:
        u, i = users[row], items[row]
        dot = 0.0
        for f in range(p.shape[1]):
            dot += p[u, f] * q[i, f]
        error = values[row] - (mean + user_bias[u] + item_bias[i] + dot)
        squared += error * error
        user_bias[u] += rate * (error - regularization * user_bias[u])
        item_bias[i] += rate * (error - regularization * item_bias[i])
        for f in range(p.shape[1]):
            pu, qi = p[u, f], q[i, f]
            p[u, f] += rate * (error * qi - regularization * pu)
            q[i, f] += rate * (error * pu - regularization * qi)
    return squared
