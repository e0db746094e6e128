"""Factors learnt from pairs: an item that the user took should score above one that the user did not take."""

from __future__ import annotations

import numpy as np

from ..check import check_int, check_rng
from ..compiled import compiled
from ..errors import Diverged
from ..interactions import Interactions
from .base import Recommender, cosines, not_negative, positive
from .weighting import weighted_matrix

_INIT_SCALE = 0.1


class BPR(Recommender):
    r"""Maximise :math:`\sum \ln \sigma(s_{ui} - s_{uj})` over items i that user u took and j that u did not.

    The score is :math:`s_{ui} = b_i + x_u \cdot y_i`. Each step draws one interaction (u, i) and one item j
    among those that u did not take, all with equal chances, and follows the gradient of

    .. math:: \ln \sigma(s_{ui} - s_{uj})
        - \frac{\lambda}{2} \left(\|x_u\|^2 + \|y_i\|^2 + \|y_j\|^2 + b_i^2 + b_j^2\right) .

    The steps run one after the other in one thread, so the result does not depend on the number of threads.
    How often the user interacted plays no part: values above 0 count as 1.

    Parameters
    ----------
    factors : int
        Length of the vectors.
    learning_rate : float
        Length of a step at the start, positive; it falls in a straight line to a tenth of that.
    regularization : float
        :math:`\lambda`.
    iterations : int
        Each draws as many pairs as there are interactions.
    rng : int or Generator
        Of the factors at the start and of the draws.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray, shapes (n_users, factors) and (n_items, factors)
    item_bias_ : ndarray, shape (n_items,)
    loss_history_ : ndarray, shape (iterations,)
        Mean of :math:`-\ln \sigma(s_{ui} - s_{uj})` over the pairs of each iteration, before their own steps.

    References
    ----------
    Rendle, Freudenthaler, Gantner and Schmidt-Thieme (2009), BPR: Bayesian personalized ranking from implicit
    feedback.
    """

    checks = {
        "factors": check_int, "learning_rate": positive, "regularization": not_negative, "iterations": check_int,
        "rng": lambda _, rng: check_rng(rng),
    }

    def __init__(self, *, factors: int = 64, learning_rate: float = 0.05, regularization: float = 0.01,
                 iterations: int = 50, rng=0):
        self.factors, self.learning_rate, self.regularization = factors, learning_rate, regularization
        self.iterations, self.rng = iterations, rng

    def learn(self, interactions: Interactions) -> None:
        matrix, rng = weighted_matrix(interactions, "binary"), check_rng(self.rng)
        scale = _INIT_SCALE / np.sqrt(self.factors)
        users = rng.normal(0, scale, (interactions.n_users, self.factors))
        items = rng.normal(0, scale, (interactions.n_items, self.factors))
        bias = np.zeros(interactions.n_items)
        owner = np.repeat(np.arange(interactions.n_users), np.diff(matrix.indptr))
        self.loss_history_ = np.empty(self.iterations)
        rates = self.learning_rate * np.linspace(1, 0.1, self.iterations)
        for epoch, rate in enumerate(rates):
            self.loss_history_[epoch] = _epoch(
                matrix.indptr, matrix.indices, owner, users, items, bias, rate, self.regularization, rng
            )
        if not np.isfinite(self.loss_history_).all():
            raise Diverged(f"learning_rate={self.learning_rate} makes the factors overflow: lower it")
        users[np.diff(matrix.indptr) == 0] = 0.0  # no history, no taste: the bias alone ranks
        self.user_factors_, self.item_factors_, self.item_bias_ = users, items, bias

    def vectors(self):
        users = np.column_stack((self.user_factors_, np.ones(len(self.user_factors_))))
        return users, np.column_stack((self.item_factors_, self.item_bias_))

    def item_similarity(self, item_row: int) -> np.ndarray:
        return cosines(self.item_factors_, item_row)


@compiled
def _epoch(pointers, columns, owner, users, items, bias, rate, regularization, rng):
    """As many steps as there are interactions, in place; returns the mean loss."""
    n_pairs, n_items, factors = len(columns), len(items), users.shape[1]
    total, steps = 0.0, 0
    for _ in range(n_pairs):
        pick = rng.integers(0, n_pairs)
        u, i = owner[pick], columns[pick]
        mine = columns[pointers[u] : pointers[u + 1]]
        if len(mine) == n_items:
            continue  # nothing is left that the user did not take
        while True:
            j = rng.integers(0, n_items)
            at = np.searchsorted(mine, j)
            if at == len(mine) or mine[at] != j:
                break
        x, y, z = users[u], items[i], items[j]
        margin = bias[i] - bias[j]
        for f in range(factors):
            margin += x[f] * (y[f] - z[f])
        slope = 1.0 / (1.0 + np.exp(margin))
        total += np.logaddexp(0.0, -margin)
        steps += 1
        bias[i] += rate * (slope - regularization * bias[i])
        bias[j] -= rate * (slope + regularization * bias[j])
        for f in range(factors):
            xf, yf, zf = x[f], y[f], z[f]
            x[f] += rate * (slope * (yf - zf) - regularization * xf)
            y[f] += rate * (slope * xf - regularization * yf)
            z[f] -= rate * (slope * xf + regularization * zf)
    return total / max(steps, 1)
