"""EASE against a generic constrained solution, and its dropout against the expectation that it stands for."""

import numpy as np
import pytest
from model_contract import ModelContract, rectangular_interactions

from recsys_utils import Interactions
from recsys_utils.errors import InvalidInput
from recsys_utils.models import EASE, ease


class TestEASE(ModelContract):
    predicts = False

    def make(self):
        return EASE(regularization=2.0)

    @pytest.mark.parametrize("values", ["raw", "binary", "log", "sqrt"])
    def test_each_column_is_a_ridge_regression_on_the_others(self, data, values):
        model = EASE(regularization=2.0, values=values).fit(data)
        raw = data.matrix.toarray()
        x = {"raw": raw, "binary": (raw > 0) * 1.0, "log": np.log1p(raw), "sqrt": np.sqrt(raw)}[values]
        for j in range(data.n_items):
            others = np.delete(np.arange(data.n_items), j)
            system = x[:, others].T @ x[:, others] + 2.0 * np.eye(len(others))
            expected = np.linalg.solve(system, x[:, others].T @ x[:, j])
            np.testing.assert_allclose(model.weights_[others, j], expected, atol=1e-9)
            assert model.weights_[j, j] == 0

    def test_more_users_than_items(self, data):
        """The way through a matrix of items and the one through a matrix of users give the same scores."""
        turned = Interactions.from_frame(data.to_frame("movieId", "userId"))
        model = EASE(regularization=2.0, values="sqrt", dropout=0.2).fit(turned)
        assert turned.n_users > turned.n_items
        x = np.sqrt(turned.matrix.toarray())
        inverse = np.linalg.inv(x.T @ x + np.diag(2.0 + 0.25 * (x**2).sum(axis=0)))
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        np.testing.assert_allclose(model.weights_, weights, atol=1e-10)
        np.testing.assert_allclose(model.score_rows(np.arange(turned.n_users)), x @ weights, atol=1e-10)

    def test_refitting_forgets_the_old_weights(self, data):
        model = EASE(regularization=2.0).fit(data)
        before = model.weights_
        assert model.fit(data.with_values(np.arange(len(data)) % 2)).weights_ is not before

    def test_scores_are_the_row_times_the_weights(self, data, model):
        ids, scores = model.recommend(13, n=data.n_items, exclude_seen=False)
        row = (data.matrix.toarray()[2] > 0) @ model.weights_
        np.testing.assert_allclose(scores, row[data.rows_of_items(ids)])

    def test_similar_items_are_the_weights(self, data, model):
        ids, weights = model.similar_items(5, n=data.n_items - 1)
        np.testing.assert_allclose(weights, model.weights_[2, data.rows_of_items(ids)], atol=1e-12)

    def test_a_catalogue_too_large_is_refused_before_anything_is_allocated(self, monkeypatch):
        """A hundred thousand items would need a matrix of 75 GiB, four times at the peak."""
        n = 100_000
        many_items = Interactions(range(2), range(n), np.zeros(n, int), range(n), np.ones(n))
        model = EASE().fit(many_items)  # a matrix of two users
        assert model.recommend(0, n=2, exclude_seen=False)[0].shape == (2,)
        monkeypatch.setattr(ease, "_memory", lambda: 2.0**33)
        with pytest.raises(InvalidInput, match="100,000 items: EASE needs about 313 GiB"):
            _ = model.weights_
        many_users = Interactions(range(n), range(n), range(n), range(n), np.ones(n))
        with pytest.raises(InvalidInput, match="this machine has 8; drop rare items"):
            EASE().fit(many_users)

    def test_dropout_is_the_expected_reconstruction_of_thinned_rows(self, data):
        """Ridge on many thinned copies, rescaled by the share kept, tends to the closed form."""
        p, copies = 0.4, 4000
        x = (data.matrix.toarray() > 0) * 1.0
        model = EASE(regularization=1.0, dropout=p).fit(data)
        rng = np.random.default_rng(0)
        thinned = (rng.random((copies, *x.shape)) >= p) * x / (1 - p)
        gram = np.einsum("cui,cuj->ij", thinned, thinned) / copies
        cross = thinned.mean(axis=0).T @ x
        for j in (0, 7, 13):
            others = np.delete(np.arange(data.n_items), j)
            expected = np.linalg.solve(gram[np.ix_(others, others)] + np.eye(len(others)), cross[others, j])
            np.testing.assert_allclose(model.weights_[others, j], expected, atol=0.02)

    @pytest.mark.parametrize(
        ("argument", "value"), [("regularization", 0), ("values", "stars"), ("dropout", -0.1), ("dropout", 1)]
    )
    def test_refuses_bad_arguments(self, argument, value):
        with pytest.raises(InvalidInput, match=argument):
            EASE(**{argument: value}).fit(rectangular_interactions())
