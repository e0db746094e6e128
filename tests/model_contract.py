"""The contract of every model, as a mixin: a test class names a model and inherits the tests."""
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recsys_utils.errors import InvalidInput, NotFittedError, UnknownIdError
from recsys_utils.interactions import Interactions

USERS = np.array([7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47])
ITEMS = np.array([2, 3, 5, 100, 101, 150, 200, 201, 202, 203, 300, 301, 302, 303, 304, 305, 400, 401, 402, 900])
EMPTY_USER, EMPTY_ITEM, UNKNOWN = 47, 900, 999_999


def rectangular_interactions() -> Interactions:
    """12 users × 20 items, about half the cells filled, one user and one item without interactions.

    Rectangular and asymmetric on purpose: a square symmetric fixture hides a transposed matrix.
    """
    rng = np.random.default_rng(5)
    rows, columns = np.nonzero(rng.random((11, 19)) < 0.5)
    taste = rng.normal(size=(11, 2)) @ rng.normal(size=(2, 19))
    rating = np.clip(np.round(2 * (3.3 + taste[rows, columns])) / 2, 0.5, 5)
    frame = pd.DataFrame({
        "userId": USERS[rows], "movieId": ITEMS[columns], "rating": rating,
        "timestamp": rng.integers(0, 10**9, len(rows)),
    }).sample(frac=1, random_state=0)
    return Interactions.from_frame(frame, user_ids=USERS, item_ids=ITEMS)


class ModelContract:
    """Inherit, and give a fresh unfitted model by `make`; set the flags for what the model cannot do."""

    predicts = True
    finds_similar = True

    def make(self):
        raise AssertionError("a test class on this mixin gives its model by make()")

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls):
        return rectangular_interactions()

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, data):
        return cls().make().fit(data)

    def test_fit_returns_the_model_itself(self, data):
        model = self.make()
        assert model.fit(data) is model

    def test_fit_leaves_the_data_alone(self, data):
        before = data.matrix.copy()
        self.make().fit(data)
        assert (data.matrix != before).nnz == 0

    def test_fit_refuses_a_bare_matrix(self, data):
        with pytest.raises(InvalidInput, match="Interactions.from_frame"):
            self.make().fit(data.matrix)

    def test_unfitted_model_says_so(self):
        with pytest.raises(NotFittedError, match="fit"):
            self.make().recommend(7, n=2)

    def test_repr_names_the_hyper_parameters(self):
        assert repr(self.make()).startswith(type(self.make()).__name__ + "(")

    def test_same_seed_same_scores(self, data, model):
        again = self.make().fit(data)
        np.testing.assert_array_equal(model.recommend(USERS, n=5)[1], again.recommend(USERS, n=5)[1])

    def test_recommend_shapes(self, model):
        ids, scores = model.recommend(13, n=4)
        assert ids.shape == scores.shape == (4,)
        ids, scores = model.recommend([13, 7], n=4)
        assert ids.shape == scores.shape == (2, 4)

    def test_recommend_batch_equals_scalar(self, model):
        batch_ids, batch_scores = model.recommend(USERS, n=6, exclude_seen=False)
        for row, user in enumerate(USERS):
            ids, scores = model.recommend(user, n=6, exclude_seen=False)
            np.testing.assert_array_equal(ids, batch_ids[row])
            np.testing.assert_allclose(scores, batch_scores[row], rtol=1e-6, atol=1e-9)

    def test_recommend_scores_fall_and_items_do_not_repeat(self, model):
        ids, scores = model.recommend(USERS, n=6)
        finite = np.isfinite(scores)
        assert (np.diff(np.where(finite, scores, -1e30), axis=1) <= 0).all()
        for row in range(len(USERS)):
            kept = ids[row][finite[row]]
            assert len(set(kept)) == len(kept)

    def test_recommend_excludes_what_was_seen(self, data, model):
        ids, scores = model.recommend(USERS, n=len(ITEMS))
        for row, user in enumerate(USERS):
            seen = set(data.history(user)[0])
            kept = ids[row][np.isfinite(scores[row])]
            assert not seen & set(kept)
            assert len(kept) == len(ITEMS) - len(seen)

    def test_recommend_all_is_a_permutation_of_the_catalogue(self, model):
        ids, _ = model.recommend(USERS[0], n=len(ITEMS), exclude_seen=False)
        np.testing.assert_array_equal(np.sort(ids), ITEMS)

    def test_recommend_serves_the_empty_user(self, model):
        ids, scores = model.recommend(EMPTY_USER, n=3)
        assert ids.shape == (3,) and np.isfinite(scores).all()

    def test_recommend_refuses_an_unknown_user(self, model):
        with pytest.raises(UnknownIdError, match=str(UNKNOWN)):
            model.recommend([7, UNKNOWN], n=2)

    @pytest.mark.parametrize("n", [0, -1, 2.5, len(ITEMS) + 1])
    def test_recommend_refuses_a_bad_n(self, model, n):
        with pytest.raises(InvalidInput, match="n must"):
            model.recommend(7, n=n)

    def test_predict_batch_equals_scalar(self, model):
        if not self.predicts:
            with pytest.raises(InvalidInput, match="only ranks"):
                model.predict(7, 2)
            return
        users, items = np.repeat(USERS, len(ITEMS)), np.tile(ITEMS, len(USERS))
        batch = model.predict(users, items)
        assert batch.shape == (len(users),) and np.isfinite(batch).all()
        single = [model.predict(u, i)[0] for u, i in zip(users[:40], items[:40], strict=True)]
        np.testing.assert_allclose(batch[:40], single, rtol=1e-6)

    def test_predict_falls_back_for_unknown_ids(self, model):
        if not self.predicts:
            return
        predicted = model.predict([UNKNOWN, 7, UNKNOWN], [2, UNKNOWN, UNKNOWN])
        assert np.isfinite(predicted).all()

    def test_predict_refuses_unequal_lengths(self, model):
        with pytest.raises(InvalidInput, match="same length"):
            model.predict([7, 11], [2])

    def test_similar_items_leaves_the_item_out(self, model):
        if not self.finds_similar:
            with pytest.raises(InvalidInput, match="item vectors"):
                model.similar_items(5, n=3)
            return
        ids, scores = model.similar_items(5, n=len(ITEMS) - 1)
        assert 5 not in ids and len(set(ids)) == len(ITEMS) - 1
        assert (np.diff(scores) <= 0).all()
        assert (np.abs(scores) <= 1 + 1e-6).all()

    def test_similar_items_refuses_an_unknown_item(self, model):
        with pytest.raises(UnknownIdError if self.finds_similar else Exception):
            model.similar_items(UNKNOWN, n=2)

    def test_a_refused_fit_keeps_the_old_one(self, data):
        model = self.make().fit(data)
        with pytest.raises(InvalidInput):
            model.fit("no interactions")
        assert model.recommend(7, n=2)[0].shape == (2,)
