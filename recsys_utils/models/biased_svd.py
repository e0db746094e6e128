"""Factors and biases learnt from the observed ratings only, by stochastic gradient descent."""
from __future__ import annotations

import numba
import numpy as np

from ..check import check_float, check_int, check_rng
from ..errors import InvalidInput
from ..interactions import Interactions
from .base import Recommender, cosines


class BiasedSVD(Recommender):
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

    def __init__(
        self,
        *,
        factors: int = 100,
        iterations: int = 40,
        learning_rate: float = 0.01,
        regularization: float = 0.05,
        init_scale: float = 0.01,
        rng=0,
    ):
        self.factors = factors
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.init_scale = init_scale
        self.rng = rng

    def check_parameters(self) -> None:
        check_int("factors", self.factors)
        check_int("iterations", self.iterations)
        check_float("learning_rate", self.learning_rate, minimum=0)
        check_float("regularization", self.regularization, minimum=0)
        check_float("init_scale", self.init_scale, minimum=0)
        check_rng(self.rng)

    def fit(self, interactions: Interactions, validation: Interactions | None = None) -> BiasedSVD:
        """Learn from `interactions`; returns the model itself.

        Parameters
        ----------
        interactions : Interactions
        validation : Interactions, optional
            Held-out ratings whose RMSE is noted after every iteration; they teach the model nothing.
        """
        if validation is not None and not isinstance(validation, Interactions):
            raise InvalidInput(
                f"validation must be Interactions or None, got {type(validation).__name__}: "
                "use the test part of a split of the training part"
            )
        return super().fit(interactions, validation=validation)

    def learn(self, interactions: Interactions, validation: Interactions | None = None) -> None:
        rng = check_rng(self.rng)
        self.mean_ = float(interactions.values.mean())
        self.user_bias_ = np.zeros(interactions.n_users)
        self.item_bias_ = np.zeros(interactions.n_items)
        self.user_factors_ = rng.normal(0, self.init_scale, (interactions.n_users, self.factors))
        self.item_factors_ = rng.normal(0, self.init_scale, (interactions.n_items, self.factors))
        # Nothing has taught these rows anything: zero says so, noise would not.
        self.user_factors_[np.bincount(interactions.user_rows, minlength=interactions.n_users) == 0] = 0.0
        self.item_factors_[np.bincount(interactions.item_rows, minlength=interactions.n_items) == 0] = 0.0
        self.train_rmse_ = np.empty(self.iterations)
        held_out = validation
        self.validation_rmse_ = np.empty(0 if held_out is None else self.iterations)
        if held_out is not None:
            held_users = interactions.rows_of_users(held_out.user_ids)[held_out.user_rows]
            held_items = interactions.rows_of_items(held_out.item_ids)[held_out.item_rows]
        for epoch in range(self.iterations):
            squared = _sgd_epoch(
                rng.permutation(len(interactions)),
                interactions.user_rows, interactions.item_rows, interactions.values,
                self.mean_, self.user_bias_, self.item_bias_, self.user_factors_, self.item_factors_,
                self.learning_rate, self.regularization,
            )
            self.train_rmse_[epoch] = np.sqrt(squared / len(interactions))
            if not np.isfinite(self.train_rmse_[epoch]):
                raise InvalidInput(
                    f"learning_rate={self.learning_rate} makes the descent diverge in epoch {epoch + 1}: "
                    "pass a smaller one"
                )
            if held_out is not None:
                errors = self.predict_rows(held_users, held_items) - held_out.values
                self.validation_rmse_[epoch] = np.sqrt(np.mean(errors**2))

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        known_user, known_item = user_rows >= 0, item_rows >= 0
        return (
            self.mean_
            + np.where(known_user, self.user_bias_[user_rows], 0.0)
            + np.where(known_item, self.item_bias_[item_rows], 0.0)
            + _products(user_rows, item_rows, self.user_factors_, self.item_factors_)
        )

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        factors = self.user_factors_[user_rows] @ self.item_factors_.T
        return self.mean_ + self.user_bias_[user_rows, None] + self.item_bias_[None, :] + factors

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_, item_row)


# Sums may be reordered, so that they use the processor's vectors; results move by rounding only.
_FAST = {"reassoc"}


@numba.njit(cache=True, fastmath=_FAST)
def _products(users, items, p, q):
    """Dot product of each pair's factors, 0 where either is unknown (−1)."""
    out = np.zeros(len(users))
    for row in range(len(users)):
        u, i = users[row], items[row]
        if u >= 0 and i >= 0:
            dot = 0.0
            for f in range(p.shape[1]):
                dot += p[u, f] * q[i, f]
            out[row] = dot
    return out


@numba.njit(cache=True, fastmath=_FAST)
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
