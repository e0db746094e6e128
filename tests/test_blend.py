"""Blend: the contract, and the arithmetic of standardised scores."""

import numpy as np
import pytest
from model_contract import EMPTY_USER, USERS, ModelContract, rectangular_interactions

from recsys_utils.errors import InvalidInput
from recsys_utils.models import EASE, Blend, ImplicitALS, Popularity


class TestBlend(ModelContract):
    predicts = False

    finds_similar = False

    def make(self):
        return Blend(
            models=[EASE(regularization=2.0), ImplicitALS(factors=4, iterations=3)], weights=[1, 2.5]
        )

    def test_similar_items_leaves_the_item_out(self, model):
        with pytest.raises(InvalidInput, match="no item vectors of its own"):
            model.similar_items(5, n=3)

    def test_is_the_weighted_sum_of_standardised_scores(self, data, model):
        users = np.arange(data.n_users - 1)
        first, second = (part.score_rows(users) for part in model.models)
        first, second = ((s - s.mean(1, keepdims=True)) / s.std(1, keepdims=True) for s in (first, second))
        np.testing.assert_allclose(model.score_rows(users), first + 2.5 * second)

    def test_one_model_ranks_as_by_itself(self, data):
        alone = EASE(regularization=2.0).fit(data)
        blend = Blend(models=[EASE(regularization=2.0)]).fit(data)
        users = USERS[USERS != EMPTY_USER]
        np.testing.assert_array_equal(blend.recommend(users, n=5)[0], alone.recommend(users, n=5)[0])

    def test_models_without_an_opinion_add_nothing(self, data):
        """Neither factor model nor EASE knows the user without history; popularity does."""
        blend = Blend(models=[EASE(), ImplicitALS(factors=4), Popularity()]).fit(data)
        popular = Popularity().fit(data)
        np.testing.assert_array_equal(
            blend.recommend(EMPTY_USER, n=5)[0], popular.recommend(EMPTY_USER, n=5)[0]
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            {"models": []},
            {"models": ["EASE"]},
            {"models": [EASE()], "weights": [1, 2]},
            {"models": [EASE()], "weights": [np.nan]},
        ],
    )
    def test_refuses_bad_arguments(self, arguments):
        with pytest.raises(InvalidInput, match="models|weights"):
            Blend(**arguments).fit(rectangular_interactions())
