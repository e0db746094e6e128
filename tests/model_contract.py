"""The contract of every model, as a mixin: a test class names a model and inherits the tests."""
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from recsys_utils.errors import InvalidInput, NotFittedError, UnknownIdError
from recsys_utils.interactions import Interactions
from recsys_utils.models import Recommender

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


def with_string_ids(data: Interactions) -> Interactions:
    """The same interactions, ids written as text; the order of ids stays."""
    users, items = ([f"{kind}{i:06d}" for i in ids] for kind, ids in (("u", data.user_ids), ("m", data.item_ids)))
    return Interactions(users, items, data.user_rows, data.item_rows, data.values, data.times)


class ModelContract:
    """Inherit, and give a fresh unfitted model by `make`; set the flags for what the model cannot do."""

    predicts = True
    finds_similar = True
    folds_in = True
    folds_in_exactly = True  # a training history gives the scores of the trained user

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

    def test_repr_is_one_line_with_every_parameter(self):
        shown = repr(self.make())
        assert shown.startswith(type(self.make()).__name__ + "(") and "\n" not in shown
        parameters = self.make().get_params(deep=False).items()
        tables = (pd.DataFrame, type(None))
        assert all(f"{name}=" in shown for name, value in parameters if not isinstance(value, tables))

    def test_parameters_are_stored_untouched_and_cloned(self, model):
        again = clone(model)
        assert type(again) is type(model) and repr(again) == repr(model)
        assert not hasattr(again, "user_ids_")
        assert clone(again.set_params(**model.get_params(deep=False))).get_params().keys() == model.get_params().keys()

    def test_fitting_changes_no_parameter(self, data):
        model = self.make()
        before = {name: (id(value), repr(value)) for name, value in model.get_params(deep=False).items()}
        model.fit(data)
        assert {name: (id(value), repr(value)) for name, value in model.get_params(deep=False).items()} == before

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

    def test_recommend_never_hands_out_seen_items(self, data, model):
        ids, scores = model.recommend(USERS, n=len(ITEMS))
        for row, user in enumerate(USERS):
            seen = set(data.history(user)[0].tolist())
            left = len(ITEMS) - len(seen)
            assert set(ids[row][:left].tolist()) == set(ITEMS.tolist()) - seen and np.isfinite(scores[row][:left]).all()
            assert (ids[row][left:] == data.missing_item).all() and (scores[row][left:] == -np.inf).all()
            np.testing.assert_array_equal(model.recommend(user, n=len(ITEMS))[0], ids[row])

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

    def test_recommend_of_nobody_is_empty(self, model):
        ids, scores = model.recommend([], n=3)
        assert ids.shape == scores.shape == (0, 3)

    @pytest.mark.parametrize("exclude_seen", ["no", 1, None])
    def test_exclude_seen_is_true_or_false(self, model, exclude_seen):
        with pytest.raises(InvalidInput, match="exclude_seen must be True or False"):
            model.recommend(7, n=2, exclude_seen=exclude_seen)

    @pytest.mark.parametrize("users", [{7, 11}, {7: 1}, None, 7.5, [[7, 11]], [7, [11]]])
    def test_recommend_refuses_what_is_no_list_of_ids(self, model, users):
        with pytest.raises(InvalidInput, match="user_ids"):
            model.recommend(users, n=2)

    def test_ids_of_another_type_are_refused(self, model):
        for ask in (
            lambda: model.predict(["7"], [2]), lambda: model.predict([7], ["2"]), lambda: model.recommend("7", n=2),
            lambda: model.recommend_for(["2"], [4.0], n=2), lambda: model.similar_items("2", n=2),
        ):
            with pytest.raises(InvalidInput, match="integers"):
                ask()

    def test_string_ids_give_the_same_lists(self, data, model):
        text = with_string_ids(data)
        named = self.make().fit(text)
        ids, scores = named.recommend(text.user_ids, n=len(ITEMS))
        found, expected = model.recommend(USERS, n=len(ITEMS))
        np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-9)
        assert (ids[found < 0] == "").all()
        np.testing.assert_array_equal(text.rows_of_items(ids[found >= 0]), data.rows_of_items(found[found >= 0]))
        with pytest.raises(InvalidInput, match="strings"):
            named.recommend(7, n=2)

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
        if self.predicts:
            predicted = model.predict([UNKNOWN, 7, UNKNOWN], [2, UNKNOWN, UNKNOWN])
            assert predicted.shape == (3,) and np.isfinite(predicted).all()
        else:
            with pytest.raises(InvalidInput, match="only ranks"):
                model.predict([UNKNOWN], [2])

    def test_predictions_are_clipped_only_if_asked(self, data, model):
        if "clip" not in model.get_params():
            return
        users, items = np.repeat(USERS, len(ITEMS)), np.tile(ITEMS, len(USERS))
        low, high = data.values.min(), data.values.max()
        narrow = data.with_values(np.clip(data.values, 3.0, 3.5))
        clipped, free = (self.make().set_params(clip=clip).fit(narrow) for clip in (True, False))
        np.testing.assert_array_equal(clipped.predict(users, items), np.clip(free.predict(users, items), 3.0, 3.5))
        np.testing.assert_array_equal(clipped.recommend(USERS, n=3)[1], free.recommend(USERS, n=3)[1])
        assert low <= model.predict(users, items).min() and model.predict(users, items).max() <= high

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
        with pytest.raises(UnknownIdError, match=str(UNKNOWN)):
            model.similar_items(UNKNOWN, n=2)

    def test_similar_items_takes_one_item(self, model):
        with pytest.raises(InvalidInput, match="item_id must be one id"):
            model.similar_items([100], n=2)

    def history(self, data, row):
        mine = data.matrix[row]
        return data.item_ids[mine.indices][::-1], mine.data[::-1]  # out of order on purpose

    def test_fold_in_of_a_training_history_scores_like_the_trained_user(self, data, model):
        if not self.folds_in:
            with pytest.raises(InvalidInput, match="cannot fold in a new user: fit it again"):
                model.fold_in([2, 3], [4.0, 5.0])
            return
        for row, user in enumerate(USERS):
            items, values = self.history(data, row)
            assert model.fold_in(items, values).ndim == 1
            for exclude_seen in (True, False):
                ids, scores = model.recommend_for(items, values, n=len(ITEMS), exclude_seen=exclude_seen)
                assert ids.shape == scores.shape == (len(ITEMS),)
                if self.folds_in_exactly:
                    expected = model.recommend(user, n=len(ITEMS), exclude_seen=exclude_seen)
                    np.testing.assert_allclose(scores, expected[1], rtol=1e-5, atol=1e-6)
                if exclude_seen:
                    assert not set(items) & set(ids) and (ids == -1).sum() == len(items)

    def test_fold_in_refuses_a_bad_history(self, model):
        if not self.folds_in:
            return
        for items, values, error, text in [
            ([2, 2], [4, 4], InvalidInput, "repeats"), ([2, UNKNOWN], [4, 4], UnknownIdError, str(UNKNOWN)),
            ([2, 3], [4], InvalidInput, "same length"), ([2], [-1], InvalidInput, "negative"),
            ([2], [np.nan], InvalidInput, "NaN"), ([[2, 3]], [[4, 4]], InvalidInput, "1-D"),
        ]:
            with pytest.raises(error, match=text):
                model.fold_in(items, values)
            with pytest.raises(error, match=text):
                model.fold_in(np.array(items, np.int64), np.array(values, np.float64))
        arrays = np.array([5, 2, 3], np.int64), np.array([1.0, 4.0, 0.5])
        np.testing.assert_array_equal(model.fold_in(*arrays), model.fold_in(*map(list, arrays)))
        if model.predicts_ratings:
            with pytest.raises(InvalidInput, match="needs ratings"):
                model.fold_in([2])
        else:
            np.testing.assert_array_equal(model.fold_in([3, 2]), model.fold_in([2, 3], [1, 1]))

    def test_a_value_of_zero_is_a_rating_or_no_interaction(self, data):
        zeroed = data.with_values(np.where(np.arange(len(data)) % 3 == 0, 0.0, data.values))
        model = self.make().fit(zeroed)
        if not model.predicts_ratings:
            kept = self.make().fit(zeroed.select(zeroed.values > 0, keep_ids=True))
            expected = kept.recommend(USERS, n=len(ITEMS), exclude_seen=False)[1]
            np.testing.assert_allclose(model.recommend(USERS, n=len(ITEMS), exclude_seen=False)[1], expected)
        ids, _ = model.recommend(USERS[0], n=len(ITEMS))  # in either case the item has been seen
        assert not set(ids) & set(zeroed.history(USERS[0])[0])

    def test_saved_and_loaded_it_answers_the_same(self, data, model, tmp_path):
        path = tmp_path / "model.npz"
        model.save(path)
        again = type(model).load(path)
        assert repr(again) == repr(model) and again.interactions_ is None
        if self.folds_in:
            items, values = self.history(data, 3)
            expected = model.recommend_for(items, values, n=5)
            for got, wanted in zip(again.recommend_for(items, values, n=5), expected, strict=True):
                np.testing.assert_allclose(got, wanted)
        if self.predicts:
            pairs = USERS, ITEMS[: len(USERS)]
            np.testing.assert_allclose(again.predict(*pairs), model.predict(*pairs))
        with pytest.raises(InvalidInput, match="interactions= to load"):
            again.recommend(7, n=2)
        full = Recommender.load(path, data)
        for exclude_seen in (True, False):
            expected = model.recommend(USERS, n=5, exclude_seen=exclude_seen)
            got = full.recommend(USERS, n=5, exclude_seen=exclude_seen)
            np.testing.assert_allclose(got[1], expected[1], rtol=1e-6, atol=1e-9)
        assert full.fit(data).recommend(7, n=2)[0].shape == (2,)

    def test_a_file_holds_no_training_data(self, data, model, tmp_path):
        model.save(tmp_path / "model.npz")
        with np.load(tmp_path / "model.npz", allow_pickle=False) as archive:
            for array in (archive[name] for name in archive.files if archive[name].shape == (len(data),)):
                assert not np.array_equal(np.sort(array), np.sort(data.values))

    def test_a_refused_fit_keeps_the_old_one(self, data):
        model = self.make().fit(data)
        with pytest.raises(InvalidInput):
            model.fit("no interactions")
        assert model.recommend(7, n=2)[0].shape == (2,)
