"""Several rankers as one: a weighted sum of their standardised scores."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import clone

from ..check import check_finite
from ..errors import InvalidInput
from ..interactions import Interactions
from .base import Recommender


class Blend(Recommender):
    r"""Rank by :math:`\sum_m w_m (s^m_{ui} - \bar s^m_u) / \sigma^m_u`.

    Each model's scores of one user are brought to mean 0 and standard deviation 1 over the catalogue
    first, as a preference near 1 and a sum of similarities have no common unit. A model without an opinion
    on a user (all scores equal) adds nothing.

    Parameters
    ----------
    models : sequence of Recommender
        :meth:`fit` leaves them alone and fits a clone of each, all on the same data.
    weights : sequence of float, optional
        One for each model; by default all 1. Choose them on validation data.

    Attributes
    ----------
    models_ : list of Recommender
        The fitted clones.
    weights_ : ndarray, shape (n_models,)
    """

    def __init__(self, *, models: Sequence[Recommender], weights: Sequence[float] | None = None):
        self.models, self.weights = models, weights

    def check_parameters(self) -> None:
        models = self.models
        if not isinstance(models, Sequence) or not models or not all(isinstance(one, Recommender) for one in models):
            raise InvalidInput(f"models must be a list of Recommender, got {models!r}: pass at least one")
        if self.weights is not None and check_finite("weights", self.weights).shape != (len(models),):
            raise InvalidInput(f"weights must hold one number for each of {len(models)} models, got {self.weights!r}")

    def learn(self, interactions: Interactions) -> None:
        self.models_ = [clone(model).fit(interactions) for model in self.models]
        self.weights_ = np.ones(len(self.models)) if self.weights is None else check_finite("weights", self.weights)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        return self._sum(model.score_rows(user_rows) for model in self.models_)

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The scores themselves, shape (n_items,): the sum over the models, each with its own vector."""
        return self._sum(model.score_vector(model.fold_in_rows(item_rows, values)) for model in self.models_)

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        return vector

    def _sum(self, scores_of_models) -> np.ndarray:
        total = 0.0
        for scores, weight in zip(scores_of_models, self.weights_, strict=True):
            scores = scores - scores.mean(axis=-1, keepdims=True, dtype=np.float64)
            spread = scores.std(axis=-1, keepdims=True)
            total = total + weight * np.divide(scores, spread, out=np.zeros_like(scores), where=spread > 1e-12)
        return total
