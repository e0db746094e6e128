"""The search for settings: what it tries, what it finds, what it says, and what it never looks at."""
import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform, norm, randint, uniform

from recsys_utils.errors import Diverged, InvalidInput
from recsys_utils.evaluation import ModelFailed, evaluate_ranking, evaluate_ratings, tune
from recsys_utils.interactions import Interactions
from recsys_utils.models import BiasBaseline, ItemKNN
from recsys_utils.split import Split, k_folds, random_holdout, stratified_holdout


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(3)
    log = pd.DataFrame({"userId": np.repeat(range(30), 20), "movieId": np.tile(range(20), 30)})
    log["rating"] = 1 + (log["userId"] % 3 + log["movieId"] % 2) + rng.normal(0, 0.3, len(log)).clip(-0.9, 1)
    return random_holdout(Interactions.from_frame(log.sample(frac=0.5, random_state=0)))


class Constant:
    """Predicts one value, the mean rating being about 2.5; may fail or diverge."""

    def __init__(self, value, kind="plain", failing=None, diverging=None):
        self.value, self.kind, self.failing, self.diverging = value, kind, failing, diverging

    def fit(self, interactions):
        if self.value == self.failing:
            raise ZeroDivisionError("no such thing")
        if self.value == self.diverging:
            raise Diverged("the steps are too long")
        return self

    def predict(self, users, items):
        return np.full(len(users), float(self.value))


class Untouchable:
    """A test part that nobody may read."""

    def __getattribute__(self, name):
        raise AssertionError(f"the search looked at the test part: {name}")


def test_lists_are_enumerated_in_turn(split):
    found = tune(Constant, {"value": [1, 2, 3], "kind": ["a", "b"]}, split, "rmse")
    assert len(found.trials) == 6
    assert found.trials.columns.tolist() == ["value", "kind", "score", "seconds"]
    assert {(s["value"], s["kind"]) for s in found.settings} == {(v, k) for v in (1, 2, 3) for k in "ab"}
    assert len(tune(Constant, {"value": [1, 2, 3]}, split, "rmse", n_trials=9).trials) == 3
    assert len(set(tune(Constant, {"value": range(50)}, split, "rmse", n_trials=7).trials["value"])) == 7


def test_a_seed_repeats_the_draws_and_another_does_not(split):
    space = {"value": uniform(0, 5), "kind": ["a", "b"]}
    first, again, other = (tune(Constant, space, split, "rmse", 5, rng) for rng in (1, 1, 2))
    assert first.settings == again.settings != other.settings
    assert first.trials["score"].tolist() == again.trials["score"].tolist()
    assert all(type(s["value"]) is float for s in first.settings)


def test_every_contender_gets_the_same_validation_split(split):
    a, b = (tune(Constant, space, split, "rmse", 3, rng=4) for space in ({"value": [2]}, {"value": uniform(2, 0)}))
    assert a.trials["score"].iloc[0] == b.trials["score"].iloc[0]


def test_the_known_optimum_is_found(split):
    errors = tune(Constant, {"value": uniform(0, 5)}, split, "rmse", 200)
    cut = random_holdout(split.train, 0.2, np.random.default_rng(0))
    assert abs(errors.best["value"] - cut.test.values.mean()) < 0.1
    assert errors.score == errors.trials["score"].min()
    lists = tune(ItemKNN, {"neighbours": [1, 5, 15]}, split, "ndcg@3")
    assert lists.score == lists.trials["score"].max()


def test_the_score_is_that_of_the_protocol_on_the_validation_split(split):
    cut = stratified_holdout(split.train, "user", 0.2, rng=9)
    lists = tune(ItemKNN, {"neighbours": [4]}, split, "recall_capped@3", validation=cut, relevance_threshold=3)
    report = evaluate_ranking(ItemKNN(neighbours=4).fit(cut.train), cut, 3, ("recall_capped",), 3)
    assert lists.score == report.mean().iloc[0]
    stars = tune(BiasBaseline, {}, split, "mae", validation=cut)
    assert stars.score == evaluate_ratings(BiasBaseline().fit(cut.train), cut).mean()["mae"]


def test_several_validation_splits_are_averaged_with_their_range(split):
    cuts = list(k_folds(split.train, 3))
    found = tune(Constant, {"value": [2, 3]}, split, "rmse", validation=cuts)
    scores = [evaluate_ratings(Constant(2), cut).mean()["rmse"] for cut in cuts]
    assert found.trials.loc[0, ["score", "lowest", "highest"]].tolist() == pytest.approx(
        [np.mean(scores), min(scores), max(scores)]
    )


def test_the_test_part_is_never_looked_at(split):
    guarded = Split(split.train, Untouchable())
    for model, space, metric in ((BiasBaseline, {"item_regularization": [1, 3]}, "rmse"), (ItemKNN, {}, "ndcg@5")):
        found = tune(model, space, guarded, metric)
        assert found.model.interactions_ is split.train
        assert "Best of" in found.summary()


@pytest.mark.parametrize(
    ("choices", "winner", "side"),
    [
        ([1, 2.4, 4], 2.4, None),
        ([2.4, 4], 2.4, "lowest"),
        ([1, 2.4], 2.4, "highest"),
        ([2.4], 2.4, None),
        ([0, 9], 0, None),  # nothing lies below
        (uniform(2.4, 100), 2.5, "lowest"),
        (uniform(-97.5, 100), 2.4, "highest"),
        (uniform(0, 5), 2.4, None),
        (loguniform(0.024, 2.5), 2.4, "highest"),
        (loguniform(0.24, 24), 2.4, None),
        (loguniform(2.3, 2300), 2.4, "lowest"),  # a long way from the end on a straight scale would be 117
        (randint(2, 12), 2, "lowest"),
        (randint(0, 3), 2, "highest"),
        (randint(0, 5), 2, None),
        (norm(2.4, 1), 2.4, None),
    ],
)
def test_a_winner_at_an_edge_is_named(split, choices, winner, side):
    found = tune(Constant, {"value": choices, "kind": ["a", "b"]}, split, "rmse", 1)
    settings = [{"value": winner, "kind": "a"}]
    found = type(found)(Constant, found.space, split, "rmse", found.trials.iloc[:1], settings)
    assert found.edges == ({"value": side} if side else {})
    assert ("value (" in found.summary()) == bool(side)


def test_a_failing_trial_is_named_and_the_others_kept(split):
    with pytest.raises(ModelFailed, match=r"'value': 3.*no such thing") as caught:
        tune(Constant, {"value": [1, 2, 3, 4], "failing": [3]}, split, "rmse")
    assert caught.value.finished["value"].tolist() == [1, 2]


@pytest.mark.parametrize("value", [3, np.inf])
def test_a_diverging_trial_is_a_row_without_a_score(split, value):
    found = tune(Constant, {"value": [1, value], "diverging": [3]}, split, "rmse")
    assert found.trials["score"].isna().tolist() == [False, True]
    assert found.best["value"] == 1
    assert "1 of which diverged" in found.summary()
    with pytest.raises(Diverged, match="all 1 trials"):
        tune(Constant, {"value": [value], "diverging": [3]}, split, "rmse")


def test_seconds_end_a_search_after_its_first_trial_at_the_earliest(split):
    assert len(tune(Constant, {"value": uniform(0, 5)}, split, "rmse", seconds=0).trials) == 1
    assert len(tune(Constant, {"value": [1, 2, 3]}, split, "rmse", seconds=600).trials) == 3


@pytest.mark.parametrize(
    ("space", "arguments", "message"),
    [
        ({"value": []}, {}, r"space\['value'\]"),
        ({"value": 5}, {}, r"pass \[value\]"),
        ({"value": "abc"}, {}, r"space\['value'\]"),
        ({"value": uniform(0, 1)}, {}, "n_trials"),
        ({"value": [1]}, {"n_trials": 0}, "n_trials"),
        ({"value": [1]}, {"metric": "ndcg"}, "cut-off"),
        ({"value": [1]}, {"metric": "auc@5"}, "one of ndcg"),
        ({"value": [1]}, {"rng": -1}, "rng"),
    ],
)
def test_bad_arguments_are_refused(split, space, arguments, message):
    with pytest.raises(InvalidInput, match=message):
        tune(Constant, space, split, **({"metric": "rmse"} | arguments))


def test_what_is_no_split_is_refused():
    with pytest.raises(InvalidInput, match="split"):
        tune(BiasBaseline, {}, pd.DataFrame(), "rmse")
