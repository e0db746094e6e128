"""Coverage, diversity, novelty, serendipity, popularity bias, calibration and re-ranking."""
import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import rectools.metrics as rectools
from hypothesis import given, settings
from hypothesis import strategies as st
from recommenders.evaluation import python_evaluation as recommenders
from scipy.spatial.distance import cosine
from scipy.stats import entropy

from recsys_utils.errors import InvalidInput, UnknownIdError
from recsys_utils.evaluation import (
    as_lists,
    average_popularity,
    coverage,
    exposure,
    genre_coverage,
    genre_matrix,
    gini,
    intra_list_distance,
    judge,
    miscalibration,
    novelty,
    popularity_lift,
    precision,
    serendipity,
)
from recsys_utils.interactions import Interactions
from recsys_utils.rerank import mmr

N_USERS, N_ITEMS, LENGTH = 30, 25, 8


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def train(rng):
    """Rectangular, with raw ids that are not rows; one item that nobody has."""
    histories = [rng.permutation(N_ITEMS - 1)[: rng.integers(1, 20)] for _ in range(N_USERS)]
    pairs = [(user, item) for user, items in enumerate(histories) for item in items]
    log = pd.DataFrame(pairs, columns=["user", "item"]) * 7 + 100
    return Interactions.from_frame(log, "user", "item", None, item_ids=np.arange(N_ITEMS) * 7 + 100)


@pytest.fixture(scope="module")
def recommended(rng, train):
    return np.stack([train.item_ids[rng.permutation(N_ITEMS - 1)[:LENGTH]] for _ in range(train.n_users)])


@pytest.fixture(scope="module")
def genres(rng):
    matrix = rng.random((N_ITEMS, 6)) < 0.3
    matrix[3] = False  # a film without genres
    return matrix


@pytest.fixture
def frames(train, recommended):
    reco = pd.DataFrame({
        "user_id": np.repeat(train.user_ids, LENGTH),
        "item_id": recommended.ravel(),
        "rank": np.tile(np.arange(1, LENGTH + 1), len(recommended)),
    })
    return reco, train.to_frame("user_id", "item_id", "weight")


class TestAgainstOtherLibraries:
    @pytest.mark.parametrize("k", [1, 5, 8])
    def test_novelty_is_rectools_mean_inverse_user_frequency(self, train, recommended, frames, k):
        theirs = rectools.MeanInvUserFreq(k).calc_per_user(*frames).sort_index().to_numpy()
        np.testing.assert_allclose(novelty(recommended, train, k), theirs, atol=1e-12)

    def test_average_popularity_is_rectools_in_shares_of_users(self, train, recommended, frames):
        theirs = rectools.AvgRecPopularity(5).calc_per_user(*frames).sort_index().to_numpy()
        ours = average_popularity(recommended, train, 5)
        np.testing.assert_allclose(ours * train.n_users, theirs, atol=1e-12)

    def test_coverage_is_rectools(self, train, recommended, frames):
        theirs = rectools.CatalogCoverage(3, normalize=True).calc(frames[0], train.item_ids)
        assert coverage(recommended, train.item_ids, 3) == pytest.approx(theirs)

    def test_coverage_is_recommenders_over_the_training_items(self, train, recommended, frames):
        names = {"user_id": "userID", "item_id": "itemID"}
        reco, log = (frame.rename(columns=names)[list(names.values())] for frame in frames)
        new = reco.merge(log, how="left", indicator=True).query("_merge == 'left_only'").iloc[:, :2]
        had = np.unique(log["itemID"])
        lists = [items.tolist() for _, items in new.groupby("userID")["itemID"]]
        assert coverage(lists, had, k=1) < coverage(lists, had)
        assert coverage(lists, had) == pytest.approx(recommenders.catalog_coverage(log, new))

    def test_intra_list_distance_is_scipys_cosine_over_pairs(self, train, recommended, rng):
        vectors = rng.normal(size=(N_ITEMS, 4))
        expected = [
            np.mean([cosine(vectors[a], vectors[b]) for a, b in combinations(rows, 2)])
            for rows in train.rows_of_items(recommended)
        ]
        ours = intra_list_distance(recommended, train.item_ids, vectors)
        np.testing.assert_allclose(ours, expected, atol=1e-12)

    def test_miscalibration_is_scipys_entropy(self, train, recommended, genres):
        shares = genres / np.maximum(genres.sum(axis=1, keepdims=True), 1)
        expected = []
        for user, items in zip(train.user_ids, recommended, strict=True):
            p = shares[train.rows_of_items(train.history(user)[0])].sum(axis=0)
            q = shares[train.rows_of_items(items)].sum(axis=0)
            p, q = p / p.sum(), q / q.sum()
            expected.append(entropy(p, 0.98 * q + 0.02 * p))
        ours = miscalibration(recommended, train, train.user_ids, genres, smoothing=0.02)
        np.testing.assert_allclose(ours, expected, atol=1e-12)


class TestCoverageAndGini:
    @settings(deadline=None)
    @given(st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
    def test_gini_is_the_mean_difference_over_twice_the_mean(self, counts):
        array = np.array(counts, dtype=float)
        expected = np.abs(array[:, None] - array).mean() / (2 * array.mean())
        assert gini(counts) == pytest.approx(expected, abs=1e-12)
        assert -1e-12 <= gini(counts) <= 1 - 1 / len(counts) + 1e-12
        assert gini(counts[::-1]) == pytest.approx(gini(counts), abs=1e-12)

    @pytest.mark.parametrize("counts", [[], [0, 0], [1, -1], [1, np.nan], [[1, 2]]])
    def test_bad_counts_are_refused(self, counts):
        with pytest.raises(InvalidInput, match="counts"):
            gini(counts)

    def test_empty_places_show_nothing(self):
        lists = as_lists([[1, 2], [2, 1]], scores=[[1, -np.inf], [-np.inf, -np.inf]])
        assert exposure(lists, [1, 2]).tolist() == [1, 0]

    def test_an_item_outside_the_catalogue_is_refused(self):
        with pytest.raises(UnknownIdError, match="99"):
            coverage([[1, 99]], [1, 2])


class TestDiversity:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_bounds_and_order(self, seed):
        rng = np.random.default_rng(seed)
        vectors = rng.random((N_ITEMS, 3)) * (rng.random((N_ITEMS, 1)) < 0.8)
        lists = np.stack([rng.permutation(N_ITEMS)[:LENGTH] for _ in range(4)])
        values = intra_list_distance(lists, np.arange(N_ITEMS), vectors)
        assert ((values >= 0) & (values <= 1)).all()  # vectors without negative parts
        shuffled = intra_list_distance(lists[:, ::-1], np.arange(N_ITEMS), vectors)
        np.testing.assert_allclose(shuffled, values, atol=1e-12)

    def test_equal_items_have_distance_0_and_a_single_one_none(self):
        values = intra_list_distance([[1, 2, 3], [1]], [1, 2, 3], np.ones((3, 2)))
        assert values[0] == pytest.approx(0, abs=1e-12)
        assert np.isnan(values[1])

    @pytest.mark.parametrize("length", [1, 3, 10, N_ITEMS])
    def test_random_lists_of_any_length_cover_as_many_genres_as_expected(self, genres, length):
        rng = np.random.default_rng(length)
        lists = np.stack([rng.permutation(N_ITEMS)[:length] for _ in range(4000)])
        values = genre_coverage(lists, np.arange(N_ITEMS), genres)
        assert values.mean() == pytest.approx(1, abs=4 * max(values.std(), 1e-9) / np.sqrt(4000) + 1e-9)

    def test_the_expected_number_of_genres_is_exact(self, genres):
        # All lists of two, counted one by one.
        values = [genres[[a, b]].any(axis=0).sum() for a, b in combinations(range(N_ITEMS), 2)]
        one = genre_coverage([[0, 1]], np.arange(N_ITEMS), genres)[0]
        assert one == pytest.approx(genres[[0, 1]].any(axis=0).sum() / np.mean(values))

    def test_genres_come_from_the_table_of_films(self):
        movies = pd.DataFrame({"movieId": [5, 7, 9], "genres": [("Drama", "Crime"), (), ("Comedy",)]})
        matrix, names = genre_matrix([9, 5, 7], movies)
        assert names == ["Comedy", "Crime", "Drama"]
        assert matrix.astype(int).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
        with pytest.raises(UnknownIdError, match="8"):
            genre_matrix([8], movies)

    def test_genres_as_texts_are_refused_not_spelt(self):
        movies = pd.DataFrame({"movieId": [1], "genres": ["Drama|Crime"]})
        with pytest.raises(InvalidInput, match="split"):
            genre_matrix([1], movies)
        assert genre_matrix([1], movies.assign(genres=movies["genres"].str.split("|")))[1] == ["Crime", "Drama"]

    def test_a_film_listed_twice_is_refused(self):
        movies = pd.DataFrame({"movieId": [1, 1], "genres": [("Drama",), ("Crime",)]})
        with pytest.raises(InvalidInput, match="movieId repeats 1"):
            genre_matrix([1], movies)
        with pytest.raises(InvalidInput, match="movieId"):
            genre_matrix([1], movies.rename(columns={"movieId": "id"}))

    def test_a_catalogue_with_repeats_is_refused(self):
        with pytest.raises(InvalidInput, match="item_ids repeats 2"):
            coverage([[1]], [1, 2, 2])

    def test_features_must_match_the_catalogue(self):
        with pytest.raises(InvalidInput, match="shape"):
            intra_list_distance([[1, 2]], [1, 2], [[1.0]])
        with pytest.raises(InvalidInput, match="shape"):
            genre_coverage([[1, 2]], [1, 2], [[1.0]])
        with pytest.raises(InvalidInput, match="no genre"):
            genre_coverage([[1, 2]], [1, 2], [[0], [0]])
        with pytest.raises(InvalidInput, match="NaN"):
            intra_list_distance([[1, 2]], [1, 2], [[1.0], [np.nan]])


class TestPopularity:
    def test_novelty_lies_between_0_and_the_bits_of_the_users(self, train, recommended):
        values = novelty(recommended, train)
        assert ((values >= 0) & (values <= math.log2(train.n_users))).all()

    def test_an_item_that_nobody_has_counts_as_if_one_user_had_it(self, train):
        assert novelty([[train.item_ids[-1]]], train)[0] == pytest.approx(math.log2(train.n_users))
        assert average_popularity([[train.item_ids[-1]]], train)[0] == pytest.approx(1 / train.n_users)

    def test_the_users_own_history_has_no_lift(self, train):
        histories = [train.history(user)[0] for user in train.user_ids]
        np.testing.assert_allclose(popularity_lift(histories, train, train.user_ids), 0, atol=1e-12)

    def test_an_unseen_item_has_one_audience_in_novelty_and_in_popularity(self, train, recommended):
        lists = np.array([[train.item_ids[-1]]])
        assert 2 ** -novelty(lists, train)[0] == pytest.approx(average_popularity(lists, train)[0])
        assert popularity_lift(lists, train, train.user_ids[:1])[0] > -1

    def test_lists_without_their_users_are_refused_not_repeated(self, train, recommended):
        with pytest.raises(InvalidInput, match="same length"):
            popularity_lift(recommended[:2], train, train.user_ids[:1])

    def test_an_empty_list_has_no_value(self, train):
        lists = as_lists([[train.item_ids[0]], []])
        for values in (novelty(lists, train), average_popularity(lists, train)):
            assert np.isnan(values).tolist() == [False, True]

    def test_unknown_ids_are_refused(self, train):
        with pytest.raises(UnknownIdError):
            novelty([[-5]], train)
        with pytest.raises(UnknownIdError):
            popularity_lift([[train.item_ids[0]]], train, [-5])


class TestSerendipity:
    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.integers(1, LENGTH))
    def test_it_never_exceeds_precision_and_never_grows_with_what_is_expected(self, seed, k):
        rng = np.random.default_rng(seed)
        lists = np.stack([rng.permutation(N_ITEMS)[:LENGTH] for _ in range(4)])
        relevant = [rng.permutation(N_ITEMS)[: rng.integers(1, 9)] for _ in range(4)]
        expected = np.stack([rng.permutation(N_ITEMS)[:9] for _ in range(4)])
        few, many = (serendipity(lists, relevant, expected[:, :n], k) for n in (3, 9))
        assert ((many >= 0) & (many <= few)).all()
        assert (few <= precision(judge(lists, relevant), k)).all()

    def test_what_everybody_is_offered_is_no_surprise(self):
        assert serendipity([[1, 2]], [[1, 2]], expected=[[2, 1, 3]], k=2)[0] == 0

    def test_users_must_match(self):
        with pytest.raises(InvalidInput, match="expected"):
            serendipity([[1]], [[1]], expected=[[1], [2]], k=1)


class TestCalibration:
    def test_the_history_itself_is_calibrated(self, train, genres):
        histories = [train.history(user)[0] for user in train.user_ids]
        np.testing.assert_allclose(miscalibration(histories, train, train.user_ids, genres), 0, atol=1e-12)

    def test_the_bound_is_reached_without_a_common_genre(self):
        train = Interactions.from_frame(pd.DataFrame({"userId": [1, 2], "movieId": [1, 2], "rating": 1.0}))
        value = miscalibration([[2]], train, [1], [[1, 0], [0, 1]], smoothing=0.01)[0]
        assert value == pytest.approx(-math.log(0.01))

    def test_without_genres_there_is_no_value(self):
        train = Interactions.from_frame(pd.DataFrame({"userId": [1, 2], "movieId": [1, 2], "rating": 1.0}))
        assert np.isnan(miscalibration([[2], [1]], train, [1, 2], [[1], [0]])).all()

    def test_bad_input_is_refused(self, train, recommended, genres):
        with pytest.raises(InvalidInput, match="smoothing"):
            miscalibration(recommended, train, train.user_ids, genres, smoothing=0)
        with pytest.raises(InvalidInput, match="genres"):
            miscalibration(recommended, train, train.user_ids, genres[1:])
        with pytest.raises(InvalidInput, match="user_ids"):
            miscalibration(recommended, train, train.user_ids[1:], genres)


def mmr_by_hand(items, scores, vectors, n, trade_off):
    """The definition, one user and one comparison at a time."""
    span = max(scores) - min(scores)
    scaled = {i: (s - min(scores)) / (span or 1) for i, s in zip(items, scores, strict=True)}

    def similarity(a, b):
        norms = np.linalg.norm(vectors[a]) * np.linalg.norm(vectors[b])
        return vectors[a] @ vectors[b] / norms if norms else 0.0

    chosen = [items[0]]
    while len(chosen) < n:
        worth = {
            i: round(trade_off * scaled[i] - (1 - trade_off) * max(similarity(i, j) for j in chosen), 12)
            for i in items if i not in chosen
        }
        chosen.append(max(worth, key=worth.get))
    return chosen


class TestMMR:
    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    def test_it_follows_the_definition(self, seed, trade_off):
        rng = np.random.default_rng(seed)
        lists = np.stack([rng.permutation(N_ITEMS)[:12] for _ in range(3)])
        scores = -np.sort(-rng.integers(0, 9, size=(3, 12)).astype(float))
        vectors = rng.integers(0, 2, size=(N_ITEMS, 4)).astype(float)
        ours = mmr(lists, scores, np.arange(N_ITEMS), vectors, n=6, trade_off=trade_off)
        for row in range(3):
            expected = mmr_by_hand(lists[row].tolist(), scores[row].tolist(), vectors, 6, trade_off)
            assert ours.items[row].tolist() == expected

    def test_trade_off_1_keeps_the_models_order(self, recommended, train, genres):
        scores = np.tile(np.arange(LENGTH)[::-1].astype(float), (len(recommended), 1))
        kept = mmr(recommended, scores, train.item_ids, genres, n=5, trade_off=1)
        np.testing.assert_array_equal(kept.items, recommended[:, :5])

    def test_less_weight_on_scores_gives_more_diverse_lists(self, recommended, train, genres):
        scores = np.tile(np.arange(LENGTH)[::-1].astype(float), (len(recommended), 1))
        distances = [
            intra_list_distance(
                mmr(recommended, scores, train.item_ids, genres, n=4, trade_off=t), train.item_ids, genres
            ).mean()
            for t in (1, 0.7, 0.4, 0)
        ]
        assert np.all(np.diff(distances) >= 0)

    def test_empty_places_are_filled_last(self):
        lists = mmr([[1, 2, 3]], [[1.0, 0.5, -np.inf]], [1, 2, 3], np.eye(3), n=3, trade_off=0.0)
        assert lists.items[0].tolist() == [1, 2, -1]
        assert lists.lengths[0] == 2

    def test_bad_input_is_refused(self):
        with pytest.raises(InvalidInput, match="candidates"):
            mmr([[1]], [[1.0]], [1], np.eye(1), n=2)
        with pytest.raises(InvalidInput, match="trade_off"):
            mmr([[1]], [[1.0]], [1], np.eye(1), n=1, trade_off=1.5)
