"""Blend: the contract, and the arithmetic of standardised scores."""

import numpy as np
import pytest
from model_contract import EMPTY_USER, USERS, ModelContract, rectangular_interactions
from sklearn.base import clone

from recsys_utils.errors import InvalidInput
from recsys_utils.models import EASE, Blend, Popularity, PureSVD


class TestBlend(ModelContract):
    predicts = False

    finds_similar = False

    def make(self):
        return Blend(
            models=[EASE(regularization=2.0), PureSVD(factors=4)], weights=[1, 2.5]
        )

    def test_is_the_weighted_sum_of_standardised_scores(self, data, model):
        users = np.arange(data.n_users - 1)
        first, second = (part.score_rows(users) for part in model.models_)
        first, second = ((s - s.mean(1, keepdims=True)) / s.std(1, keepdims=True) for s in (first, second))
        np.testing.assert_allclose(model.score_rows(users), first + 2.5 * second)

    def test_one_model_ranks_as_by_itself(self, data):
        alone = EASE(regularization=2.0).fit(data)
        blend = Blend(models=[EASE(regularization=2.0)]).fit(data)
        users = USERS[USERS != EMPTY_USER]
        np.testing.assert_array_equal(blend.recommend(users, n=5)[0], alone.recommend(users, n=5)[0])

    def test_models_without_an_opinion_add_nothing(self, data):
        """Neither factor model nor EASE knows the user without history; popularity does."""
        blend = Blend(models=[EASE(), PureSVD(factors=4), Popularity()]).fit(data)
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
            {"models": [EASE()], "weights": 2.0},
            {"models": EASE()},
            {"models": None},
        ],
    )
    def test_refuses_bad_arguments(self, arguments):
        with pytest.raises(InvalidInput, match="models|weights"):
            Blend(**arguments).fit(rectangular_interactions())

    def test_refitting_a_model_of_a_blend_leaves_the_blend_alone(self, data):
        part = EASE(regularization=2.0)
        blend = Blend(models=[part]).fit(data)
        before = blend.recommend(USERS, n=5)[1]
        part.fit(data.select(np.arange(len(data)) % 2 == 0, keep_ids=True))
        np.testing.assert_array_equal(blend.recommend(USERS, n=5)[1], before)

    def test_clones_its_models(self, data, model):
        assert all(not hasattr(part, "user_ids_") for part in model.models)
        copy = clone(model).set_params(weights=None).fit(data)
        assert copy.models[0] is not model.models[0] and copy.weights_.tolist() == [1, 1]
