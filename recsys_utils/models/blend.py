"""Several rankers as one: a weighted sum of their standardised scores."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..check import check_finite, check_same_length
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
        Unfitted; :meth:`fit` fits them all on the same data.
    weights : sequence of float, optional
        One for each model; by default all 1. Choose them on validation data.
    """

    def __init__(self, *, models: Sequence[Recommender], weights: Sequence[float] | None = None):
        self.models = models
        self.weights = weights

    def check_parameters(self) -> None:
        if not self.models or not all(isinstance(model, Recommender) for model in self.models):
            raise InvalidInput(f"models must be a sequence of Recommender, got {self.models!r}: pass at least one")
        check_same_length(models=self.models, weights=self._weights())

    def _weights(self) -> np.ndarray:
        return np.ones(len(self.models)) if self.weights is None else check_finite("weights", self.weights)

    def learn(self, interactions: Interactions) -> None:
        for model in self.models:
            model.fit(interactions)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        total = 0.0
        for model, weight in zip(self.models, self._weights(), strict=True):
            scores = np.asarray(model.score_rows(user_rows), dtype=np.float64)
            scores = scores - scores.mean(axis=1, keepdims=True)
            spread = scores.std(axis=1, keepdims=True)
            standard = np.divide(scores, spread, out=np.zeros_like(scores), where=spread > 1e-12)
            total = total + weight * standard
        return total

    def item_similarity(self, item_row: int):
        raise InvalidInput("a Blend has no item vectors of its own: ask one of its models for similar_items")
