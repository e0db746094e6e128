"""Means, intervals, paired differences, and the protocols that make reports."""
import time

import numba
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from recsys_utils.errors import Diverged, InvalidInput
from recsys_utils.evaluation import (
    ModelFailed,
    RankingProtocol,
    RatingProtocol,
    Relevant,
    Report,
    average_popularity,
    average_precision,
    compare,
    coverage,
    evaluate_ranking,
    evaluate_ratings,
    evaluate_sampled,
    exposure,
    genre_coverage,
    genre_matrix,
    gini,
    holm,
    intra_list_distance,
    judge,
    mae,
    miscalibration,
    novelty,
    paired_difference,
    popularity_lift,
    precision,
    recall,
    rmse,
    serendipity,
)
from recsys_utils.interactions import Interactions
from recsys_utils.models import BiasBaseline, Popularity
from recsys_utils.split import Split

FLOATS = st.floats(-100, 100)


@pytest.fixture(scope="module")
def split():
    """Users 0–39 in both parts, 40 in training only, 41 in test only; item 99 in test only."""
    rng = np.random.default_rng(8)
    rows = [(u, i, rng.integers(1, 6), u * 100 + i) for u in range(40) for i in rng.permutation(30)[:20]]
    log = pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])
    test = np.zeros(len(log), dtype=bool)
    test[5::20] = test[6::20] = test[7::20] = True
    train = pd.concat([log[~test], pd.DataFrame([(40, 1, 5, 0)], columns=log.columns)])
    held_out = pd.concat([log[test], pd.DataFrame([(41, 1, 5, 0), (0, 99, 4, 0)], columns=log.columns)])
    return Split(Interactions.from_frame(train), Interactions.from_frame(held_out))


class TestRatings:
    @settings(deadline=None)
    @given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1))
    def test_errors_are_scikit_learns(self, pairs):
        actual, predicted = np.array(pairs).T
        assert rmse(actual, predicted) == pytest.approx(root_mean_squared_error(actual, predicted), abs=1e-12)
        assert mae(actual, predicted) == pytest.approx(mean_absolute_error(actual, predicted), abs=1e-12)
        assert mae(actual, predicted) <= rmse(actual, predicted) + 1e-9

    @pytest.mark.parametrize(
        ("actual", "predicted"),
        [([], []), ([1], [1, 2]), ([np.nan], [1]), ([1], [np.inf]), ([[1]], [[1]]), (["a"], [1])],
    )
    def test_bad_input_is_refused(self, actual, predicted):
        for metric in (rmse, mae):
            with pytest.raises(InvalidInput):
                metric(actual, predicted)

    def test_a_report_pools_all_ratings_unknown_ones_included(self, split):
        model = BiasBaseline().fit(split.train)
        test = split.test.to_frame()
        predicted = model.predict(test["userId"], test["movieId"])
        report = evaluate_ratings(model, split)
        assert report.mean()["rmse"] == pytest.approx(rmse(test["rating"], predicted))
        assert report.mean()["mae"] == pytest.approx(mae(test["rating"], predicted))
        assert report.per_user["ratings"].sum() == len(test)
        assert report.left_out == {"in training only": 1}

    def test_nan_predictions_are_refused(self, split):
        class Broken:
            def predict(self, users, items):
                return np.full(len(users), np.nan)

        with pytest.raises(Diverged, match="predicted"):
            evaluate_ratings(Broken(), split)


class TestIntervals:
    def test_the_bootstrap_agrees_with_scipys(self):
        values = np.random.default_rng(0).beta(1, 3, size=300)
        ours = Report.from_columns(range(300), m=values).interval(n_resamples=4000).loc["m"]
        theirs = scipy.stats.bootstrap(
            [values], np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert ours["mean"] == pytest.approx(values.mean())
        assert ours["low"] == pytest.approx(theirs.low, abs=0.002)
        assert ours["high"] == pytest.approx(theirs.high, abs=0.002)

    def test_the_interval_covers_the_truth_about_as_often_as_it_says(self):
        rng = np.random.default_rng(2)
        inside = 0
        for trial in range(200):
            row = Report.from_columns(range(80), m=rng.random(80)).interval(0.9, 300, trial).loc["m"]
            inside += row["low"] <= 0.5 <= row["high"]
        assert 0.83 <= inside / 200 <= 0.96

    def test_rmse_is_resampled_by_users(self, split):
        report = evaluate_ratings(BiasBaseline().fit(split.train), split)
        table = report.interval(n_resamples=500)
        assert table.index.tolist() == ["rmse", "mae"]
        assert (table["low"] < table["mean"]).all() and (table["mean"] < table["high"]).all()

    def test_a_seed_repeats_and_a_generator_moves_on(self):
        report = Report.from_columns(range(20), m=np.arange(20.0))
        pd.testing.assert_frame_equal(report.interval(rng=4), report.interval(rng=4))
        rng = np.random.default_rng(4)
        assert not report.interval(rng=rng).equals(report.interval(rng=rng))

    def test_users_without_a_value_are_counted(self):
        report = Report.from_columns([1, 2, 3], "no test items", a=[1.0, np.nan, 3.0], b=[1.0, 2.0, 5.0])
        assert report.left_out == {"no test items": 1}
        assert report.mean()["b"] == 3.0
        assert "1 left out: no test items" in report.summary()
        with pytest.raises(InvalidInput, match="none of the 1"):
            Report.from_columns([1], m=[np.nan])

    @pytest.mark.parametrize(
        "arguments", [{"level": 1}, {"level": 0}, {"n_resamples": 0}, {"rng": -1}, {"rng": "x"}]
    )
    def test_bad_arguments_are_refused(self, arguments):
        with pytest.raises(InvalidInput):
            Report.from_columns([1, 2], m=[0.0, 1.0]).interval(**arguments)


class TestPairedDifference:
    def test_the_p_value_is_scipys_permutation_test(self):
        rng = np.random.default_rng(0)
        a, b = rng.random(12), rng.random(12) + 0.2
        exact = scipy.stats.permutation_test(
            (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
        ).pvalue
        result = paired_difference(
            Report.from_columns(range(12), m=a), Report.from_columns(range(12), m=b), n_resamples=20000
        )
        assert result.difference == pytest.approx((a - b).mean())
        assert result.p_value == pytest.approx(exact, abs=0.01)

    def test_equal_models_differ_by_nothing(self):
        report = Report.from_columns(range(9), m=np.arange(9.0))
        result = paired_difference(report, report)
        assert (result.difference, result.low, result.high, result.p_value) == (0, 0, 0, 1)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_the_other_way_round_it_is_the_negative(self, seed):
        rng = np.random.default_rng(seed)
        a, b = (Report.from_columns(range(30), m=rng.random(30)) for _ in range(2))
        one, other = paired_difference(a, b), paired_difference(b, a)
        np.testing.assert_allclose(
            [one.difference, one.low, one.high], [-other.difference, -other.high, -other.low], atol=1e-9
        )
        assert one.p_value == pytest.approx(other.p_value)

    def test_users_are_matched_by_id(self):
        a = Report.from_columns([1, 2, 3], m=[0.1, 0.2, 0.9])
        b = Report.from_columns([3, 2, 1], m=[0.9, 0.2, 0.1])
        assert paired_difference(a, b).low == paired_difference(a, b).high == 0

    def test_a_model_does_not_differ_from_itself_whatever_the_order_of_its_metrics(self, split):
        model = Popularity().fit(split.train)
        a, b = (evaluate_ranking(model, split, 5, names) for names in (("ndcg", "recall"), ("recall", "ndcg")))
        result = paired_difference(a, b, "ndcg@5")
        assert (result.difference, result.p_value) == (0, 1)

    def test_extra_metrics_of_one_report_do_no_harm(self):
        a = Report.from_columns([1, 2, 3], x=[5.0, 5.0, 5.0], m=[0.1, 0.2, 0.9])
        b = Report.from_columns([1, 2, 3], m=[0.1, 0.2, 0.6])
        assert paired_difference(a, b, "m").difference == pytest.approx(0.1)

    def test_reports_of_different_kinds_are_refused(self, split):
        ratings = evaluate_ratings(BiasBaseline().fit(split.train), split)
        other = Report.from_columns(ratings.per_user.index, rmse=np.ones(len(ratings.per_user)))
        with pytest.raises(InvalidInput, match="RatingReport"):
            paired_difference(ratings, other, "rmse")

    def test_p_values_of_equal_models_are_spread_evenly(self):
        rng = np.random.default_rng(6)
        p_values = []
        for trial in range(200):
            a, b = (Report.from_columns(range(25), m=rng.random(25)) for _ in range(2))
            p_values.append(paired_difference(a, b, n_resamples=200, rng=trial).p_value)
        assert scipy.stats.kstest(p_values, "uniform").pvalue > 0.001

    def test_rmse_is_compared_pooled(self, split):
        class Threes:
            def predict(self, users, items):
                return np.full(len(users), 3.0)

        a, b = (evaluate_ratings(model, split) for model in (BiasBaseline().fit(split.train), Threes()))
        result = paired_difference(a, b, "rmse")
        assert result.difference == pytest.approx(a.mean()["rmse"] - b.mean()["rmse"])
        assert result.low <= result.difference <= result.high

    def test_reports_that_do_not_match_are_refused(self, split):
        a, b = Report.from_columns([1, 2], m=[0.0, 1.0]), Report.from_columns([1, 3], m=[0.0, 1.0])
        with pytest.raises(InvalidInput, match="users"):
            paired_difference(a, b)
        with pytest.raises(InvalidInput, match="metric"):
            paired_difference(a, a, "ndcg@10")


class TestHolm:
    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.2))
    def test_it_rejects_what_the_step_down_procedure_rejects(self, p_values, level):
        rejected = set()
        for step, i in enumerate(np.argsort(p_values, kind="stable")):  # stop at the first that is not rejected
            if p_values[i] * (len(p_values) - step) > level:
                break
            rejected.add(int(i))
        assert set(np.flatnonzero(holm(p_values) <= level).tolist()) == rejected

    @pytest.mark.parametrize("p_values", [[1.5], [-0.1], [np.nan], 0.05, [[0.1]]])
    def test_what_is_no_p_value_is_refused(self, p_values):
        with pytest.raises(InvalidInput, match="p_values"):
            holm(p_values)


class TestReport:
    def test_columns_are_read_by_place_not_by_the_index_of_a_series(self):
        report = Report.from_columns([1, 2, 3], x=pd.Series([0.1, 0.2, 0.9]))
        assert report.mean()["x"] == pytest.approx(0.4)
        assert report.per_user.index.tolist() == [1, 2, 3]

    def test_a_user_named_twice_is_refused(self):
        with pytest.raises(InvalidInput, match="user_ids repeats 7"):
            Report.from_columns([7, 7], m=[0.0, 1.0])

    def test_columns_of_another_length_are_refused(self):
        with pytest.raises(InvalidInput, match="same length"):
            Report.from_columns([1, 2], m=[0.0, 1.0, 2.0])

    def test_no_report_holds_nan(self):
        with pytest.raises(InvalidInput, match="NaN"):
            Report(pd.DataFrame({"m": [0.0, np.nan]}))


class TestProtocols:
    @pytest.fixture
    def leaking(self, split):
        log = pd.concat([split.train.to_frame(), split.test.to_frame()])
        return Interactions.from_frame(log)

    @pytest.mark.parametrize("evaluate", [evaluate_ratings, evaluate_ranking, evaluate_sampled])
    def test_a_model_that_has_seen_the_test_part_is_refused(self, split, leaking, evaluate):
        with pytest.raises(InvalidInput, match="leaked"):
            evaluate(BiasBaseline().fit(leaking), split)

    def test_a_model_fitted_on_equal_rows_or_on_other_values_is_welcome(self, split):
        shuffled = Interactions.from_frame(split.train.to_frame().sample(frac=1, random_state=0))
        for data in (shuffled, split.train.with_values(np.log1p(split.train.values))):
            evaluate_ranking(Popularity().fit(data), split, k=5)

    @pytest.mark.parametrize("evaluate", [evaluate_ratings, evaluate_ranking, evaluate_sampled])
    @pytest.mark.parametrize("wrong", [None, pd.DataFrame(), ()], ids=["None", "table", "tuple"])
    def test_what_is_no_split_is_refused(self, split, evaluate, wrong):
        with pytest.raises(InvalidInput, match="split must be a Split"):
            evaluate(Popularity().fit(split.train), wrong)

    def test_metrics_may_come_from_a_generator(self, split):
        report = evaluate_ranking(Popularity().fit(split.train), split, 5, (name for name in ["recall", "map"]))
        assert report.metrics == ["recall@5", "map@5"]

    def test_denominators_are_chosen_by_name(self, split):
        model = Popularity().fit(split.train)
        users = evaluate_ranking(model, split, 5).per_user.index
        judged = judge(model.recommend(users, 5)[0], Relevant.from_interactions(split.test, users))
        names = ("precision_capped", "precision_returned", "recall_capped", "map_relevant", "map_k")
        table = evaluate_ranking(model, split, 5, names).per_user
        for name, values in zip(names, (
            precision(judged, 5, "capped"), precision(judged, 5, "returned"), recall(judged, 5, "capped"),
            average_precision(judged, 5, "relevant"), average_precision(judged, 5, "k"),
        ), strict=True):
            np.testing.assert_array_equal(table[f"{name}@5"], values, err_msg=name)

    def test_what_lies_beyond_accuracy_comes_in_the_same_call(self, split):
        train, model = split.train, BiasBaseline().fit(split.train)
        names = [(f"g{item % 4}", f"h{item % 3}") for item in train.item_ids]
        films = pd.DataFrame({"movieId": train.item_ids, "genres": names})
        genres = genre_matrix(train.item_ids, films)[0]
        names = ("ndcg", "novelty", "average_popularity", "popularity_lift", "serendipity", "intra_list_distance",
                 "genre_coverage", "miscalibration", "coverage", "gini")
        report = evaluate_ranking(model, split, 5, names, genres=genres)
        users, lists = report.per_user.index, model.recommend(report.per_user.index, 5)[0]
        expected = Popularity().fit(train).recommend(users, 5)[0]
        table = pd.DataFrame({
            "novelty@5": novelty(lists, train),
            "average_popularity@5": average_popularity(lists, train),
            "popularity_lift@5": popularity_lift(lists, train, users),
            "serendipity@5": serendipity(lists, Relevant.from_interactions(split.test, users), expected, 5),
            "intra_list_distance@5": intra_list_distance(lists, train.item_ids, genres),
            "genre_coverage@5": genre_coverage(lists, train.item_ids, genres),
            "miscalibration@5": miscalibration(lists, train, users, genres),
        }, index=users)
        pd.testing.assert_frame_equal(report.per_user[table.columns], table)
        shown = {"coverage@5": coverage(lists, train.item_ids), "gini@5": gini(exposure(lists, train.item_ids))}
        assert report.overall == shown
        assert "coverage@5" in report.summary()
        row = compare({"biases": BiasBaseline()}, RankingProtocol(split, 5, names, genres=genres)).loc["biases"]
        assert row["coverage@5"] == shown["coverage@5"]
        assert row["novelty@5"] == pytest.approx(table["novelty@5"].mean())
        with pytest.raises(InvalidInput, match="genres is None"):
            evaluate_ranking(model, split, 5, ("ndcg", "miscalibration"))
        with pytest.raises(InvalidInput, match="no value per user"):
            evaluate_ranking(model, split, 5, ("coverage", "ndcg"))

    def test_compare_names_the_model_that_failed_and_keeps_the_others(self, split):
        class Broken(Popularity):
            def fit(self, interactions):
                raise ZeroDivisionError("nothing to divide by")

        reports, models = {}, {"good": Popularity(), "bad": Broken(), "never": Popularity()}
        with pytest.raises(ModelFailed, match="'bad' failed after 1 of 3.*nothing to divide by") as caught:
            compare(models, RankingProtocol(split, 5), reports=reports)
        assert caught.value.finished.index.tolist() == ["good"]
        assert list(reports) == ["good"]

    def test_compiling_is_no_part_of_the_fit_seconds(self, split):
        class Compiled(Popularity):
            def fit(self, interactions):
                def work(values):
                    total = 0.0
                    for i in range(len(values)):
                        total += np.sqrt(values[i]) if values[i] > 1 else values[i] ** 2
                    return total

                started = time.perf_counter()
                numba.njit(work)(interactions.values)
                self.seconds = time.perf_counter() - started
                return super().fit(interactions)

        model = Compiled()
        table = compare({"compiled": model}, RankingProtocol(split, 5))
        assert table.loc["compiled", "fit seconds"] < 0.5 * model.seconds

    def test_every_known_user_with_a_relevant_item_counts(self, split):
        report = evaluate_ranking(Popularity().fit(split.train), split, k=5)
        assert len(report.per_user) == 40
        assert report.left_out == {"unknown in training": 1, "in training only": 1}
        assert report.metrics[0] == "ndcg@5"

    def test_a_threshold_leaves_out_users_without_liked_items(self, split):
        liked = split.test.to_frame().query("rating >= 5 and userId != 41")["userId"].nunique()
        report = evaluate_ranking(Popularity().fit(split.train), split, k=5, relevance_threshold=5)
        assert len(report.per_user) == liked
        assert report.left_out["no relevant test item"] == 40 - liked

    def test_a_test_item_unknown_in_training_counts_as_missed(self, split):
        report = evaluate_ranking(Popularity().fit(split.train), split, k=16, metrics=["recall"])
        # User 0 has 17 of 30 items in training: a list of 16 holds all 13 others and ends there.
        assert report.per_user.loc[0, "recall@16"] == 0.75

    @pytest.mark.parametrize(
        "arguments",
        [{"k": 0}, {"k": 31}, {"metrics": ["auc"]}, {"metrics": []}, {"metrics": "ndcg"},
         {"relevance_threshold": 6}, {"relevance_threshold": np.nan}],
    )
    def test_bad_arguments_are_refused(self, split, arguments):
        with pytest.raises(InvalidInput):
            evaluate_ranking(Popularity().fit(split.train), split, **arguments)

    def test_nan_scores_are_refused(self, split):
        class Broken(Popularity):
            def recommend(self, user_ids, n=10, exclude_seen=True):
                ids, scores = super().recommend(user_ids, n, exclude_seen)
                return ids, scores * np.nan

        with pytest.raises(InvalidInput, match="NaN"):
            evaluate_ranking(Broken().fit(split.train), split, k=5)

    def test_compare_gives_one_row_a_model(self, split):
        reports = {}
        models = {"popularity": Popularity(), "bias": BiasBaseline()}
        table = compare(models, RankingProtocol(split, k=5, metrics=("ndcg", "recall")), reports=reports)
        assert table.index.tolist() == ["popularity", "bias"]
        assert table.columns.tolist() == ["ndcg@5", "low", "high", "recall@5", "fit seconds"]
        assert ((table["low"] <= table["ndcg@5"]) & (table["ndcg@5"] <= table["high"])).all()
        assert table.loc["bias", "ndcg@5"] == reports["bias"].mean()["ndcg@5"]
        ratings = compare({"bias": BiasBaseline()}, RatingProtocol(split))
        assert ratings.columns.tolist() == ["rmse", "low", "high", "mae", "fit seconds"]
        with pytest.raises(InvalidInput, match="models"):
            compare({}, RatingProtocol(split))


class TestSampled:
    def test_one_target_against_all_is_its_rank_among_what_the_user_has_in_neither_part(self, split):
        model = Popularity().fit(split.train)
        whole = evaluate_sampled(model, split, 5, None, ["ndcg", "hit_rate"])
        sampled = evaluate_sampled(model, split, 5, 10, ["ndcg", "hit_rate"])  # 10 are all that users 1 to 39 have left
        pd.testing.assert_frame_equal(whole.per_user.loc[1:], sampled.per_user.loc[1:])

    def test_equals_stand_in_the_order_of_their_ids(self, split):
        class Indifferent(Popularity):
            def recommend(self, user_ids, n=10, exclude_seen=True):
                shape = (len(user_ids), n)
                return np.broadcast_to(self.item_ids_in_order[:n], shape), np.zeros(shape)

        model = Indifferent()
        model.item_ids_in_order = split.train.item_ids
        report = evaluate_sampled(model, split, 5, None, ["hit_rate"])
        for user in (1, 2):
            mine, had = split.test.history(user)[0], split.train.history(user)[0]
            free = np.setdiff1d(split.train.item_ids, np.concatenate([mine, had]))
            expected = np.mean([(free < item).sum() < 5 for item in mine])
            assert report.per_user.loc[user, "hit_rate@5"] == expected

    def test_a_split_without_a_common_user_is_refused(self, split):
        other = Interactions.from_frame(split.test.to_frame().assign(userId=lambda log: log["userId"] + 1000))
        with pytest.raises(InvalidInput, match="none of the"):
            evaluate_sampled(Popularity().fit(split.train), Split(split.train, other))

    def test_all_negatives_give_each_items_rank_in_the_whole_catalogue(self, split):
        model = Popularity().fit(split.train)
        train = split.train
        report = evaluate_sampled(model, split, k=5, n_negatives=10, metrics=["hit_rate"])
        for user in (1, 2, 3):
            ranked = model.recommend(user, train.n_items, exclude_seen=False)[0]
            mine = split.test.history(user)[0]
            others = [i for i in ranked if i not in train.history(user)[0] and i not in mine]
            assert len(others) == 10  # 30 items less 17 in training and 3 in test
            position = {item: place for place, item in enumerate(ranked)}
            hits = [sum(position[o] < position[i] for o in others) < 5 for i in mine]
            assert report.per_user.loc[user, "hit_rate@5"] == pytest.approx(np.mean(hits))

    def test_fewer_negatives_flatter(self, split):
        model = Popularity().fit(split.train)
        values = [evaluate_sampled(model, split, 2, n, rng=0).mean()["hit_rate@2"] for n in (2, 5, 10)]
        assert values[0] > values[1] > values[2]

    def test_unknown_items_are_missed_and_unknown_users_counted(self, split):
        model = Popularity().fit(split.train)
        report = evaluate_sampled(model, split, k=1, n_negatives=1, metrics=["hit_rate"])
        assert report.per_user.loc[0, "hit_rate@1"] <= 0.75
        assert report.left_out == {"unknown in training": 1}

    @pytest.mark.parametrize(
        "arguments", [{"k": 12, "n_negatives": 10}, {"n_negatives": 11}, {"metrics": ["auc"]}]
    )
    def test_bad_arguments_are_refused(self, split, arguments):
        with pytest.raises(InvalidInput):
            evaluate_sampled(Popularity().fit(split.train), split, **arguments)
