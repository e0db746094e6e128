"""Accuracy of ranked lists: against other libraries, by generated data, and with bad input."""
import numpy as np
import pandas as pd
import pytest
import ranx
import rectools.metrics as rectools
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recsys_utils.errors import InvalidInput
from recsys_utils.evaluation import (
    Relevant,
    as_lists,
    average_precision,
    discounts,
    hit_rate,
    judge,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from recsys_utils.evaluation.ranking import RANKING_METRICS
from recsys_utils.interactions import Interactions

N_ITEMS = 12


@st.composite
def cases(draw, min_relevant=0):
    """Lists of one length for a few users, and what was relevant to each."""
    n_users = draw(st.integers(1, 5))
    length = draw(st.integers(1, 8))
    recommended = [draw(st.permutations(range(N_ITEMS)))[:length] for _ in range(n_users)]
    sets = st.sets(st.integers(0, N_ITEMS + 3), min_size=min_relevant, max_size=9)
    relevant = [sorted(draw(sets)) for _ in range(n_users)]
    return np.array(recommended), relevant, draw(st.integers(1, length))


@pytest.fixture(scope="module")
def large():
    """200 users, lists of 15 of 80 items, 0 to 30 relevant ones; some users find nothing."""
    rng = np.random.default_rng(1)
    recommended = np.stack([rng.permutation(80)[:15] for _ in range(200)])
    most = [100 if user % 20 == 0 else 31 for user in range(200)]
    relevant = [np.sort(rng.permutation(100)[: rng.integers(1, n)]) for n in most]
    return recommended, relevant


def frames(recommended, relevant):
    """The same as tables in RecTools' form."""
    length = recommended.shape[1]
    reco = pd.DataFrame({
        "user_id": np.repeat(np.arange(len(recommended)), length),
        "item_id": recommended.ravel(),
        "rank": np.tile(np.arange(1, length + 1), len(recommended)),
    })
    pairs = [(user, item) for user, items in enumerate(relevant) for item in items]
    return reco, pd.DataFrame(pairs, columns=["user_id", "item_id"])


class TestAgainstOtherLibraries:
    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (lambda j, k: precision(j, k), lambda k: rectools.Precision(k)),
            (lambda j, k: recall(j, k), lambda k: rectools.Recall(k)),
            (lambda j, k: hit_rate(j, k), lambda k: rectools.HitRate(k)),
            (lambda j, k: reciprocal_rank(j, k), lambda k: rectools.MRR(k)),
            (lambda j, k: average_precision(j, k, "relevant"), lambda k: rectools.MAP(k)),
            (lambda j, k: average_precision(j, k, "k"), lambda k: rectools.MAP(k, divide_by_k=True)),
            (lambda j, k: ndcg(j, k), lambda k: rectools.NDCG(k, divide_by_achievable=True)),
        ],
        ids=["precision", "recall", "hit rate", "MRR", "MAP", "MAP by k", "nDCG"],
    )
    @pytest.mark.parametrize("k", [1, 5, 10, 15])
    def test_rectools_gives_the_same_value_for_every_user(self, large, ours, theirs, k):
        reco, truth = frames(*large)
        expected = theirs(k).calc_per_user(reco, truth).sort_index().to_numpy()
        np.testing.assert_allclose(ours(judge(*large), k), expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("k", [1, 5, 10])
    def test_ranx_gives_the_same_value_for_every_user(self, large, k):
        recommended, relevant = large
        qrels = ranx.Qrels({f"u{u}": {f"i{i}": 1 for i in items} for u, items in enumerate(relevant)})
        run = ranx.Run({
            f"u{u}": {f"i{i}": float(len(items) - place) for place, i in enumerate(items)}
            for u, items in enumerate(recommended)
        })
        names = [f"{name}@{k}" for name in ("precision", "recall", "hit_rate", "mrr", "map", "ndcg")]
        ranx.evaluate(qrels, run, names)
        judged = judge(recommended, relevant)
        ours = [
            precision(judged, k), recall(judged, k), hit_rate(judged, k), reciprocal_rank(judged, k),
            average_precision(judged, k, "relevant"), ndcg(judged, k),
        ]
        for name, values in zip(names, ours, strict=True):
            theirs = [run.scores[name][f"u{user}"] for user in range(len(relevant))]
            np.testing.assert_allclose(values, theirs, rtol=0, atol=1e-12, err_msg=name)

    @pytest.mark.parametrize("k", [1, 3, 10])
    @pytest.mark.parametrize("gain", ["binary", "linear", "exponential"])
    def test_scikit_learn_gives_the_same_ndcg_for_every_user(self, k, gain):
        rng = np.random.default_rng(5)
        for _ in range(20):
            order = rng.permutation(30)
            wanted = rng.permutation(30)[: rng.integers(1, 20)]
            gains = rng.integers(1, 6, size=len(wanted)).astype(float)
            truth, score = np.zeros(30), np.empty(30)
            truth[wanted] = {"binary": 1, "linear": gains, "exponential": 2**gains - 1}[gain]
            score[order] = -np.arange(30)
            ours = ndcg(judge([order], [wanted], gains=[gains]), k, gain)[0]
            assert abs(ours - ndcg_score([truth], [score], k=k)) < 1e-12


class TestProperties:
    @settings(deadline=None)
    @given(cases())
    def test_every_metric_lies_between_0_and_1(self, case):
        recommended, relevant, k = case
        judged = judge(recommended, relevant)
        for metric in RANKING_METRICS.values():
            values = metric(judged, k)
            assert ((values >= 0) & (values <= 1 + 1e-12) | np.isnan(values)).all()
            assert (np.isnan(values) == (judged.n_relevant == 0)).all()

    @settings(deadline=None)
    @given(cases(min_relevant=1), st.randoms(use_true_random=False))
    def test_values_move_with_their_users(self, case, random):
        recommended, relevant, k = case
        order = list(range(len(relevant)))
        random.shuffle(order)
        for metric in RANKING_METRICS.values():
            before = metric(judge(recommended, relevant), k)
            after = metric(judge(recommended[order], [relevant[user] for user in order]), k)
            np.testing.assert_array_equal(after, before[order])

    @settings(deadline=None)
    @given(cases(min_relevant=1))
    def test_moving_a_hit_up_never_lowers_a_metric(self, case):
        recommended, relevant, k = case
        for place in range(1, recommended.shape[1]):
            before = judge(recommended, relevant)
            swapped = recommended.copy()
            up = before.hits[:, place] & ~before.hits[:, place - 1]
            swapped[up, place - 1], swapped[up, place] = recommended[up, place], recommended[up, place - 1]
            after = judge(swapped, relevant)
            for metric in RANKING_METRICS.values():
                assert (metric(after, k) >= metric(before, k) - 1e-12).all()
            assert (ndcg(after, recommended.shape[1])[up] > ndcg(before, recommended.shape[1])[up]).all()

    @settings(deadline=None)
    @given(cases(min_relevant=1))
    def test_the_best_list_reaches_1(self, case):
        _, relevant, k = case
        best = [items + [i for i in range(100, 120) if i not in items] for items in relevant]
        judged = judge(best, relevant)
        for name in ("ndcg", "map", "mrr", "hit_rate", "recall_capped"):
            np.testing.assert_allclose(RANKING_METRICS[name](judged, k), 1, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(precision(judged, k, "capped"), 1)

    @settings(deadline=None)
    @given(cases(min_relevant=1))
    def test_recall_and_hit_rate_never_fall_with_k(self, case):
        recommended, relevant, _ = case
        judged = judge(recommended, relevant)
        for metric in (recall, hit_rate, reciprocal_rank):
            values = [metric(judged, k) for k in range(1, recommended.shape[1] + 1)]
            assert (np.diff(values, axis=0) >= 0).all()

    @settings(deadline=None)
    @given(cases(min_relevant=1))
    def test_names_of_items_do_not_matter(self, case):
        recommended, relevant, k = case
        named = judge(*([[f"film {i}" for i in row] for row in rows] for rows in (recommended, relevant)))
        np.testing.assert_array_equal(named.hits, judge(recommended, relevant).hits)

    @settings(deadline=None)
    @given(cases(min_relevant=1), st.integers(1, 5))
    def test_equal_gains_are_binary(self, case, gain):
        recommended, relevant, k = case
        graded = judge(recommended, relevant, gains=[[gain] * len(items) for items in relevant])
        for form in ("linear", "exponential"):
            np.testing.assert_allclose(ndcg(graded, k, form), ndcg(graded, k), atol=1e-12)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_many_relevant_items_are_found_as_few_are(self, seed):
        rng = np.random.default_rng(seed)
        recommended = np.stack([rng.permutation(400)[:20] for _ in range(3)])
        relevant = [rng.permutation(400)[:n] for n in (3, 64, 200)]
        expected = [np.isin(row, wanted) for row, wanted in zip(recommended, relevant, strict=True)]
        np.testing.assert_array_equal(judge(recommended, relevant).hits, expected)


class TestLists:
    def test_places_behind_the_end_are_misses(self):
        judged = judge([[1, 2, 0]], [[0, 1]], scores=[[2.0, 1.0, -np.inf]])
        assert judged.hits.tolist() == [[True, False, False]]
        assert precision(judged, 3)[0] == pytest.approx(1 / 3)
        assert precision(judged, 3, "returned")[0] == 1 / 2

    def test_lists_of_several_lengths_are_padded(self):
        lists = as_lists([[1, 2, 3], [], [0]])
        assert lists.lengths.tolist() == [3, 0, 1]
        assert not judge(lists, [[0], [0], [0]]).hits[1].any()

    @pytest.mark.parametrize(("items", "end"), [([[1, 2, -1], [3, -1, -1]], -1), ([["a", "b", ""], ["c", "", ""]], "")])
    def test_the_missing_id_ends_a_list(self, items, end):
        for recommended in (items, np.array(items), np.array(items, dtype=object)):
            lists = as_lists(recommended)
            assert lists.lengths.tolist() == [2, 1]
            assert lists.items[1].tolist()[1:] == [end, end]
        with pytest.raises(InvalidInput, match="empty place before a full one"):
            as_lists([items[0][::-1], items[1]])

    def test_an_item_behind_the_end_is_no_hit_and_hides_none(self):
        judged = judge([[1, 2, 1]], [[1, 2]], scores=[[2.0, -np.inf, -np.inf]])
        assert judged.hits.tolist() == [[True, False, False]]

    def test_ids_of_another_kind_are_refused_not_missed(self):
        for recommended, relevant in (([[1, 2]], [["1"]]), ([["1"]], [[1]])):
            with pytest.raises(InvalidInput, match="never match"):
                judge(recommended, relevant)

    @pytest.mark.parametrize("mixed", [[[1, "s2"]], [[1], ["s2"]], [[1.5]], [[None]]])
    def test_ids_of_mixed_or_odd_kinds_are_refused(self, mixed):
        with pytest.raises(InvalidInput, match="recommended"):
            as_lists(mixed)
        with pytest.raises(InvalidInput, match="relevant"):
            judge([[1]], mixed)

    def test_a_repeat_is_found_in_long_lists_too(self):
        lists = np.tile(np.arange(500), (3, 1))
        assert as_lists(lists).lengths.tolist() == [500] * 3
        lists[1, 400] = 7
        with pytest.raises(InvalidInput, match="item 7 twice in the list at position 1"):
            as_lists(lists)

    def test_tied_scores_keep_the_order_given(self):
        assert judge([[1, 2]], [[2]], scores=[[1.0, 1.0]]).hits.tolist() == [[False, True]]

    def test_a_user_without_test_items_has_no_value(self):
        judged = judge([[1, 2], [1, 2]], [[], [2]])
        for metric in RANKING_METRICS.values():
            assert np.isnan(metric(judged, 2)[0])
            assert not np.isnan(metric(judged, 2)[1])

    def test_test_items_that_no_list_can_hold_count_as_missed(self):
        assert recall(judge([[1, 2]], [[1, 999]]), 2)[0] == 0.5

    @pytest.mark.parametrize(
        ("recommended", "scores", "message"),
        [
            ([[1, 2, 1]], None, "twice"),
            ([["a", "a"]], None, "twice"),
            ([[1, 2]], [[1.0, np.nan]], "NaN"),
            ([[1, 2]], [[1.0, 2.0]], "rises"),
            ([[1, 2]], [[1.0]], "shape"),
            ([1, 2, 3], None, "one list"),
            (np.arange(3), None, "one list"),
            (5, None, "one list"),
            ("abc", None, "one list"),
            (pd.DataFrame([[1, 2]]), None, "one list"),
            ([], None, "at least one user"),
            ([[], []], None, "at least one user"),
        ],
    )
    def test_bad_lists_are_refused(self, recommended, scores, message):
        with pytest.raises(InvalidInput, match=message):
            as_lists(recommended, scores)

    def test_an_empty_place_may_repeat_an_item(self):
        assert as_lists([[1, 2, 1]], [[2.0, 1.0, -np.inf]]).lengths[0] == 2

    @pytest.mark.parametrize("metric", RANKING_METRICS.values(), ids=RANKING_METRICS)
    @pytest.mark.parametrize("k", [0, -1, 3, 1.5, True])
    def test_k_must_fit_the_lists(self, metric, k):
        with pytest.raises(InvalidInput, match="k"):
            metric(judge([[1, 2]], [[1]]), k)

    def test_users_must_match(self):
        with pytest.raises(InvalidInput, match="2 users"):
            judge([[1], [2]], [[1]])

    @pytest.mark.parametrize(
        ("relevant", "gains"), [([[1, 1]], None), ([[1]], [[0.0]]), ([[1]], [[np.nan]]), ([[1]], [[1, 2]])]
    )
    def test_bad_relevant_items_are_refused(self, relevant, gains):
        with pytest.raises(InvalidInput):
            judge([[1]], relevant, gains=gains)

    def test_a_gain_whose_exponential_overflows_is_refused(self):
        judged = judge([[1, 2]], [[1, 2]], gains=[[2000, 3]])
        assert 0 < ndcg(judged, 2, "linear")[0] <= 1
        with pytest.raises(InvalidInput, match="2000"):
            ndcg(judged, 2, "exponential")

    def test_graded_users_without_any_relevant_item_have_no_value(self):
        assert np.isnan(ndcg(judge([[1, 2]], [[]], gains=[[]]), 2, "linear")).all()

    @pytest.mark.parametrize("k", [-1, 0, 2.5])
    def test_discounts_need_a_place(self, k):
        with pytest.raises(InvalidInput, match="k"):
            discounts(k)

    def test_unknown_denominators_and_gains_are_refused(self):
        judged = judge([[1]], [[1]])
        for metric in (precision, recall, average_precision):
            with pytest.raises(InvalidInput, match="denominator"):
                metric(judged, 1, "n")
        with pytest.raises(InvalidInput, match="gain"):
            ndcg(judged, 1, "graded")
        with pytest.raises(InvalidInput, match="gains="):
            ndcg(judged, 1, "linear")


class TestRelevant:
    @pytest.fixture
    def test_part(self):
        log = pd.DataFrame({"userId": [7, 5, 7, 9], "movieId": [30, 10, 20, 10], "rating": [5, 3, 1, 4]})
        return Interactions.from_frame(log)

    def test_every_test_row_is_a_pair(self, test_part):
        relevant = Relevant.from_interactions(test_part, graded=True)
        assert relevant.rows.tolist() == [1, 0, 1, 2]
        assert relevant.items.tolist() == [30, 10, 20, 10]
        assert relevant.gains.tolist() == [5, 3, 1, 4]

    def test_users_come_in_the_order_asked_for(self, test_part):
        relevant = Relevant.from_interactions(test_part, user_ids=[9, 1234, 7], threshold=4)
        assert relevant.counts.tolist() == [1, 0, 1]
        assert relevant.items.tolist() == [30, 10]

    def test_a_user_named_twice_is_refused(self, test_part):
        with pytest.raises(InvalidInput, match="repeats"):
            Relevant.from_interactions(test_part, user_ids=[7, 7])

    def test_a_user_unknown_to_the_test_part_named_twice_is_refused_too(self, test_part):
        with pytest.raises(InvalidInput, match="repeats"):
            Relevant.from_interactions(test_part, user_ids=[7, 55, 55])

    def test_a_gain_of_0_is_refused(self, test_part):
        with pytest.raises(InvalidInput, match="positive"):
            Relevant.from_interactions(test_part.with_values([0, 1, 2, 3]), graded=True)
