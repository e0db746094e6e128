"""Popularity, biases, item neighbours and the two SVDs: the contract, and an oracle each."""
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_contract import ITEMS, UNKNOWN, USERS, ModelContract, rectangular_interactions
from scipy import optimize, sparse
from sklearn.metrics.pairwise import cosine_similarity

from recsys_utils.errors import Diverged, InvalidInput, NotFittedError
from recsys_utils.interactions import Interactions
from recsys_utils.models import BiasBaseline, BiasedSVD, ItemKNN, Popularity, PureSVD, UserKNN
from recsys_utils.models.pure_svd import ordered_svds


class TestPopularity(ModelContract):
    predicts = False
    finds_similar = False

    def make(self):
        return Popularity()

    def test_orders_by_count_and_ties_by_id(self, data, model):
        ids, scores = model.recommend(USERS[0], n=len(ITEMS), exclude_seen=False)
        count = pd.Series(data.item_ids[data.item_rows]).value_counts().reindex(ITEMS, fill_value=0)
        expected = sorted(ITEMS, key=lambda item: (-count[item], item))
        assert list(ids) == expected
        assert list(scores) == [count[item] for item in expected]


class TestBiasBaseline(ModelContract):
    finds_similar = False

    def make(self):
        return BiasBaseline()

    def test_solves_the_ridge_problem_exactly(self, data):
        """The two-sided sweep ends where one dense linear solve of the whole problem ends."""
        model = BiasBaseline(user_regularization=3, item_regularization=2, iterations=2000).fit(data)
        design = np.zeros((len(data), data.n_users + data.n_items))
        design[np.arange(len(data)), data.user_rows] = 1
        design[np.arange(len(data)), data.n_users + data.item_rows] = 1
        ridge = np.diag([3.0] * data.n_users + [2.0] * data.n_items)
        solved = np.linalg.solve(design.T @ design + ridge, design.T @ (data.values - data.values.mean()))
        np.testing.assert_allclose(np.r_[model.user_bias_, model.item_bias_], solved, atol=1e-8)

    def test_unknown_user_gets_the_item_and_unknown_item_the_user(self, model):
        got = model.predict([UNKNOWN, USERS[0], UNKNOWN], [ITEMS[0], UNKNOWN, UNKNOWN])
        expected = [model.mean_ + model.item_bias_[0], model.mean_ + model.user_bias_[0], model.mean_]
        np.testing.assert_allclose(got, expected)

    def test_without_regularization_the_empty_user_has_no_bias(self, data):
        model = BiasBaseline(user_regularization=0, item_regularization=0).fit(data)
        assert model.user_bias_[-1] == 0 and np.isfinite(model.user_bias_).all()


class TestItemKNN(ModelContract):
    predicts = False

    def make(self):
        return ItemKNN(neighbours=6)

    def test_equals_scikit_learns_cosine(self, data):
        model = ItemKNN(neighbours=10**6, values="raw").fit(data)
        expected = cosine_similarity(data.matrix.T)
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(model.similarity_.toarray(), expected, atol=1e-12)

    def test_keeps_that_many_neighbours(self, data):
        model = ItemKNN(neighbours=3).fit(data)
        assert (np.diff(model.similarity_.indptr) <= 3).all()

    def test_shrinkage_damps_short_columns_most(self, data):
        plain, shrunk = (ItemKNN(neighbours=99, shrinkage=s).fit(data).similarity_.toarray() for s in (0, 10))
        support = np.diff(data.matrix.tocsc().indptr)
        kept = shrunk.sum(1)[support > 0] / plain.sum(1)[support > 0]
        assert np.corrcoef(kept, support[support > 0])[0, 1] > 0.5


    def test_similar_items_uses_its_own_shrunk_similarity(self, data):
        model = ItemKNN(neighbours=2, shrinkage=100).fit(data)
        ids, values = model.similar_items(5, n=3)
        mine = model.similarity_[2].toarray()[0]
        np.testing.assert_array_equal(values, np.sort(mine)[::-1][:3])
        assert values[1] < 0.1 and values[2] == 0
        assert set(ids[:2]) == set(data.item_ids[mine > 0])


class TestPureSVD(ModelContract):
    def make(self):
        return PureSVD(factors=4)

    def test_equals_the_dense_svd(self, data, model):
        u, s, vt = np.linalg.svd(data.matrix.toarray(), full_matrices=False)
        expected = (u[:, :4] * s[:4]) @ vt[:4]
        users, items = np.repeat(USERS, len(ITEMS)), np.tile(ITEMS, len(USERS))
        np.testing.assert_allclose(model.predict(users, items).reshape(expected.shape), expected, atol=1e-8)
        np.testing.assert_allclose(model.singular_values_, s[:4])

    def test_refuses_a_rank_beyond_the_matrix(self, data):
        with pytest.raises(InvalidInput, match="factors must be below"):
            PureSVD(factors=12).fit(data)

    def test_values_of_zero_alone_are_refused(self, data):
        with pytest.raises(InvalidInput, match="no value above 0"):
            PureSVD(factors=2).fit(data.with_values(np.zeros(len(data))))

    @pytest.mark.parametrize("rng", [2**33, np.random.default_rng(1)])
    def test_any_seed_and_a_generator_will_do(self, data, model, rng):
        other = PureSVD(factors=4, rng=rng).fit(data)
        np.testing.assert_allclose(other.item_factors_, model.item_factors_, atol=1e-8)

    def test_order_and_signs_are_fixed(self):
        matrix = sparse.random(30, 17, density=0.4, rng=np.random.default_rng(1))
        first, second = (ordered_svds(matrix, 5, rng) for rng in (0, 1))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-8)
        assert (np.diff(first[1]) <= 0).all()
        assert (first[2][np.arange(5), np.abs(first[2]).argmax(1)] > 0).all()


class TestBiasedSVD(ModelContract):
    folds_in_exactly = False  # descent ends near the minimum

    def make(self):
        return BiasedSVD(factors=4, iterations=20)

    def test_one_step_follows_the_gradient(self):
        """One rating, one epoch: the update written out by hand."""
        frame = pd.DataFrame({"userId": [1], "movieId": [1], "rating": [4.0]})
        model = BiasedSVD(factors=2, iterations=1, learning_rate=0.1, regularization=0.5, init_scale=0.1, rng=3)
        model.fit(Interactions.from_frame(frame))
        rng = np.random.default_rng(3)
        p, q = rng.normal(0, 0.1, (1, 2)), rng.normal(0, 0.1, (1, 2))
        error = 4.0 - (4.0 + p[0] @ q[0])
        np.testing.assert_allclose(model.user_factors_, p + 0.1 * (error * q - 0.5 * p))
        np.testing.assert_allclose(model.item_factors_, q + 0.1 * (error * p - 0.5 * q))
        np.testing.assert_allclose(model.user_bias_, [0.1 * error])

    def test_training_error_falls(self, data):
        model = BiasedSVD(factors=3, iterations=40, regularization=0, init_scale=0.1).fit(data)
        assert model.train_rmse_[-1] < 0.7 * model.train_rmse_[0]

    def test_validation_is_watched_and_teaches_nothing(self, data):
        part = data.select(np.arange(0, len(data), 3))
        watched = BiasedSVD(factors=4, iterations=20).fit(data, validation=part)
        plain = BiasedSVD(factors=4, iterations=20).fit(data)
        np.testing.assert_array_equal(watched.user_factors_, plain.user_factors_)
        errors = plain.predict(part.user_ids[part.user_rows], part.item_ids[part.item_rows]) - part.values
        np.testing.assert_allclose(watched.validation_rmse_[-1], np.sqrt(np.mean(errors**2)))
        assert watched.validation_rmse_.shape == (20,) and plain.validation_rmse_.size == 0

    def test_an_unrated_item_has_no_factors(self, model):
        assert (model.item_factors_[-1] == 0).all() and (model.user_factors_[-1] == 0).all()

    def test_fold_in_solves_the_ridge_problem_of_one_user(self, data, model):
        rows, values = np.array([2, 5, 9, 11]), np.array([4.0, 2.0, 5.0, 3.5])
        vector = model.fold_in(ITEMS[rows], values)

        def loss(bias, factors):
            error = values - model.mean_ - model.item_bias_[rows] - bias - model.item_factors_[rows] @ factors
            return (error**2).sum() + model.regularization * len(rows) * (bias**2 + factors @ factors)

        found = optimize.minimize(lambda x: loss(x[0], x[1:]), np.zeros(5), tol=1e-12)
        np.testing.assert_allclose(vector, found.x, atol=1e-5)
        assert (model.fold_in([], []) == 0).all()

    def test_validation_must_be_interactions(self, data):
        with pytest.raises(InvalidInput, match="validation must be Interactions"):
            self.make().fit(data, validation="train")

    def test_divergence_is_an_error(self, data):
        with pytest.raises(Diverged, match="diverge"):
            BiasedSVD(factors=3, iterations=50, learning_rate=50.0).fit(data)


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        (BiasBaseline, {"user_regularization": -1}), (BiasBaseline, {"iterations": 0}), (BiasBaseline, {"clip": "no"}),
        (ItemKNN, {"neighbours": 0}), (ItemKNN, {"shrinkage": float("nan")}), (ItemKNN, {"values": "counts"}),
        (PureSVD, {"factors": 0}), (PureSVD, {"factors": 2.0}), (PureSVD, {"rng": -1}),
        (BiasedSVD, {"learning_rate": float("inf")}), (BiasedSVD, {"learning_rate": 0}),
        (BiasedSVD, {"rng": -1}), (BiasedSVD, {"rng": None}),
    ],
)
def test_bad_hyper_parameters_are_named(model, arguments):
    (name, _), = arguments.items()
    with pytest.raises(InvalidInput, match=name):
        model(**arguments).fit(rectangular_interactions())


class Shifted(PureSVD):
    """Scores of its own over the vectors of its parent."""

    def score_rows(self, user_rows):
        return 1 - super().score_rows(user_rows)


def test_a_subclass_that_only_overrides_score_rows_is_heard():
    data = rectangular_interactions()
    model = Shifted(factors=3).fit(data)
    ids, scores = model.recommend(USERS, n=3, exclude_seen=False)
    expected = 1 - PureSVD(factors=3).fit(data).score_rows(np.arange(len(USERS)))
    np.testing.assert_allclose(scores, np.sort(expected, axis=1)[:, ::-1][:, :3])


def test_a_failed_refit_leaves_no_mixture_of_two_fits():
    data = rectangular_interactions()
    model = PureSVD(factors=4).fit(data)
    with pytest.raises(InvalidInput, match="no value above 0"):
        model.fit(data.with_values(np.zeros(len(data))))
    with pytest.raises(NotFittedError):
        model.recommend(7, n=2)
    assert not hasattr(model, "item_factors_")


class TestUserKNN(ModelContract):
    predicts = False
    folds_in_exactly = False  # a user of the training data is a neighbour of that user's copy

    def make(self):
        return UserKNN(neighbours=6)

    def test_scores_are_sums_over_similar_users(self, data):
        model = UserKNN(neighbours=10**6, values="raw").fit(data)
        similarity = cosine_similarity(data.matrix)
        np.fill_diagonal(similarity, 0)
        np.testing.assert_allclose(
            model.score_rows(np.arange(data.n_users)), similarity @ data.matrix.toarray(), atol=1e-12
        )


REFERENCE = (Path(__file__).parents[1] / "book/api/models.md").read_text("utf8")
EXAMPLES = re.findall(r"```python\n(.*?)```", REFERENCE, re.DOTALL)


@pytest.fixture(scope="module")
def example():
    names = {"__name__": "example"}
    exec(EXAMPLES[0], names)
    return names


class TestTheExampleOfTheReference(ModelContract):
    predicts = False

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _defined(cls, example):
        cls.RandomWalk = example["RandomWalk"]

    def make(self):
        return self.RandomWalk(power=1.5)

    def test_chances_add_up_to_one(self, data):
        scores = self.RandomWalk().fit(data).score_rows(np.arange(len(USERS) - 1))
        np.testing.assert_allclose(scores.sum(axis=1), 1)

    def test_a_bad_parameter_is_named(self, data):
        with pytest.raises(InvalidInput, match="power must lie strictly between 0"):
            self.RandomWalk(power=0).fit(data)


def test_the_reference_uses_its_example(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSYS_DATASET", "synthetic")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the loader says that the data are invented
        exec(EXAMPLES[1], example)
    assert example["ids"].shape == (5,) and (np.diff(example["scores"]) <= 0).all()
