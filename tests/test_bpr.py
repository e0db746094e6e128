"""BPR: the contract, the gradient of one step against finite differences, and what it learns."""

import numpy as np
import pandas as pd
import pytest
from model_contract import EMPTY_USER, USERS, ModelContract, rectangular_interactions

from recsys_utils import Interactions
from recsys_utils.errors import InvalidInput
from recsys_utils.models import BPR
from recsys_utils.models.bpr import _epoch


def one_pair(margin_of):
    """Gradient of ln σ(margin) − λ/2 ‖·‖² by central differences, at the parameters given."""

    def gradient(parameters, regularization, h=1e-6):
        def value(p):
            return -np.logaddexp(0, -margin_of(p)) - regularization / 2 * (p**2).sum()

        eye = np.eye(len(parameters)) * h
        return np.array([(value(parameters + e) - value(parameters - e)) / (2 * h) for e in eye])

    return gradient


class TestBPR(ModelContract):
    predicts = False
    folds_in = False

    def make(self):
        return BPR(factors=4, iterations=20)

    def test_one_step_follows_the_gradient(self):
        """One user, two items, one of them taken: the only pair there is."""
        rng = np.random.default_rng(4)
        x, y, z, biases = rng.normal(size=3), rng.normal(size=3), rng.normal(size=3), rng.normal(size=2)
        before = np.concatenate((x, y, z, biases))
        users, items, bias = x[None].copy(), np.array([y, z]), biases.copy()
        arrays = np.array([0, 1]), np.array([0]), np.array([0])
        _epoch(*arrays, users, items, bias, 1e-3, 0.2, np.random.default_rng(0))
        after = np.concatenate((users[0], items[0], items[1], bias))
        gradient = one_pair(lambda p: p[9] - p[10] + p[:3] @ (p[3:6] - p[6:9]))(before, 0.2)
        np.testing.assert_allclose((after - before) / 1e-3, gradient, atol=1e-6)

    def test_loss_falls(self, data):
        history = BPR(factors=8, iterations=200, regularization=0.001).fit(data).loss_history_
        assert history[0] == pytest.approx(np.log(2), abs=0.1)
        assert history[-20:].mean() < 0.6 * history[0]

    def test_ranks_what_was_taken_first(self, data):
        model = BPR(factors=8, iterations=300, regularization=0.001, learning_rate=0.1).fit(data)
        taken = data.matrix.toarray() > 0
        scores = model.score_rows(np.arange(data.n_users))
        share = [
            (s[t][:, None] > s[~t][None, :]).mean() for s, t in zip(scores, taken, strict=True) if t.any()
        ]
        assert np.mean(share) > 0.9

    def test_the_empty_user_gets_what_is_popular(self, data, model):
        ids, _ = model.recommend(EMPTY_USER, n=3)
        np.testing.assert_array_equal(
            data.rows_of_items(ids), np.argsort(-model.item_bias_, kind="stable")[:3]
        )

    def test_a_user_who_took_everything_does_no_harm(self):
        frame = pd.DataFrame({"userId": [1, 1, 1, 2], "movieId": [1, 2, 3, 1]})
        model = BPR(factors=2, iterations=5).fit(Interactions.from_frame(frame, value=None))
        assert np.isfinite(model.recommend([1, 2], n=2, exclude_seen=False)[1]).all()

    def test_values_play_no_part(self, data, model):
        again = self.make().fit(data.with_values(data.values * 7))
        np.testing.assert_array_equal(again.recommend(USERS, n=4)[1], model.recommend(USERS, n=4)[1])

    def test_another_seed_gives_another_model(self, data, model):
        other = BPR(factors=4, iterations=20, rng=1).fit(data)
        assert (other.user_factors_ != model.user_factors_).any()

    def test_one_user_copies_no_matrix(self, data, monkeypatch):
        model = self.make().fit(data)
        expected = model.recommend(7, n=3)[0]
        monkeypatch.setattr(model, "vectors", None)  # asked once after a fit
        np.testing.assert_array_equal(model.recommend(7, n=3)[0], expected)

    def test_a_step_too_long_is_an_error(self, data):
        with pytest.raises(InvalidInput, match="learning_rate"):
            BPR(learning_rate=1e200, iterations=3).fit(data)

    @pytest.mark.parametrize(
        ("argument", "value"),
        [("factors", 0), ("learning_rate", 0), ("regularization", -1), ("iterations", 0), ("rng", "seed")],
    )
    def test_refuses_bad_arguments(self, argument, value):
        with pytest.raises(InvalidInput, match=argument):
            BPR(**{argument: value}).fit(rectangular_interactions())


def test_contract_data_has_users_with_and_without_history():
    data = rectangular_interactions()
    assert EMPTY_USER in data.user_ids and not (data.user_rows == len(USERS) - 1).any()
