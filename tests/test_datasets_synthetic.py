"""Synthetic data: shape, determinism, and that there is something to learn in them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_utils import Interactions
from recsys_utils.datasets import AGE_GROUPS, load_movielens, synthetic_lastfm, synthetic_movielens
from recsys_utils.datasets.synthetic import MIN_RATINGS, SHAPES
from recsys_utils.errors import InvalidInput, UnknownIdError
from recsys_utils.models.bias import BiasBaseline
from recsys_utils.models.biased_svd import BiasedSVD
from recsys_utils.models.item_knn import ItemKNN
from recsys_utils.models.popularity import Popularity
from recsys_utils.split import random_holdout


@pytest.fixture(scope="module")
def small():
    return synthetic_movielens()


@pytest.fixture(scope="module")
def ml_100k():
    return synthetic_movielens("ml-100k")


@pytest.fixture(scope="module")
def music():
    return synthetic_lastfm()


def check_sound(data, n_users, n_rated, n_ratings, stars):
    ratings = data.ratings
    assert len(ratings) == n_ratings
    assert not ratings.duplicated(["userId", "movieId"]).any()
    assert set(ratings["userId"]) == set(range(1, n_users + 1))
    assert ratings["userId"].value_counts().min() >= MIN_RATINGS
    assert ratings["movieId"].nunique() == n_rated
    assert set(ratings["movieId"]) <= set(data.movies["movieId"])
    assert set(ratings["rating"]) <= set(stars)
    released = data.movies.set_index("movieId")["year"].astype(int)
    assert (ratings["movieId"].map(released) <= ratings["timestamp"].dt.year).mean() > 0.995
    assert data.movies["movieId"].is_monotonic_increasing and data.movies["title"].is_unique


HALF_STARS = np.arange(0.5, 5.25, 0.5)


def test_the_shape_of_ml_latest_small(small):
    check_sound(small, 610, 9724, 100_836, HALF_STARS)
    assert small.name == "synthetic" and small.synthetic and small.links is None
    assert len(small.movies) == 9742 and len(small.users) == 610
    ratings = small.ratings
    assert ratings.equals(ratings.sort_values(["userId", "movieId"], ignore_index=True))
    assert 3.3 < ratings["rating"].mean() < 3.7 and 0.95 < ratings["rating"].std() < 1.15
    per_film = ratings["movieId"].value_counts()
    assert per_film.median() <= 4 and 0.25 < (per_film == 1).mean() < 0.45, "a long tail"
    assert 0.10 < per_film.iloc[: len(per_film) // 100].sum() / len(ratings) < 0.20, "and a short head"
    assert 50 < ratings["userId"].value_counts().median() < 100
    assert ratings["timestamp"].min() >= pd.Timestamp("1996-03-29")
    assert ratings["timestamp"].max() <= pd.Timestamp("2018-09-25")
    assert 0.3 < (ratings["rating"] % 1 == 0.5).mean() < 0.6
    assert (
        small.movies["title"]
        .str.extract(r"\((\d{4})\)$")[0]
        .astype(int)
        .equals(small.movies["year"].astype(int))
    )


def test_the_tables_have_the_types_of_the_real_ones(small, music):
    assert {name: str(kind) for name, kind in small.ratings.dtypes.items()} == {
        "userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "datetime64[s]",
    }  # fmt: skip
    assert list(small.movies.columns) == ["movieId", "title", "year", "genres"]
    assert str(small.movies["year"].dtype) == "Int64" and str(small.movies["movieId"].dtype) == "int64"
    assert all(isinstance(genres, tuple) for genres in small.movies["genres"])
    assert list(small.users.columns) == ["userId", "age", "age_group", "gender", "occupation", "zip"]
    assert str(small.users["age"].dtype) == "int64" and set(small.users["age_group"]) <= set(AGE_GROUPS)
    assert {name: str(kind) for name, kind in music.counts.dtypes.items()} == {
        "userId": "int64", "artistId": "int64", "plays": "int64",
    }  # fmt: skip
    assert list(music.artists.columns) == ["artistId", "name"]


def test_the_shape_of_ml_100k(ml_100k):
    check_sound(ml_100k, 943, 1682, 100_000, range(1, 6))
    assert not ml_100k.ratings["userId"].is_monotonic_increasing, "the published file is in no order"
    genres = {genre for film in ml_100k.movies["genres"] for genre in film}
    assert "Children's" in genres and "IMAX" not in genres
    assert ml_100k.movies["movieId"].tolist() == list(range(1, 1683))


def test_the_shape_of_ml_1m_scaled_down():
    data = synthetic_movielens("ml-1m", n_users=200, n_movies=500, n_ratings=8000)
    check_sound(data, 200, 500, 8000, range(1, 6))
    assert set(data.users["age"]) <= {1, 18, 25, 35, 45, 50, 56}


def test_a_set_without_users_has_none():
    assert synthetic_movielens("ml-latest-small", n_users=30, n_movies=100, n_ratings=900).users is None


def test_the_shape_of_lastfm(music):
    counts = music.counts
    assert len(counts) == 92_834 and not counts.duplicated(["userId", "artistId"]).any()
    assert counts["userId"].nunique() == 1892 and counts["artistId"].nunique() == 17_632
    assert counts["userId"].value_counts().max() == 50 and counts["plays"].min() >= 1
    assert 150 < counts["plays"].median() < 400 and counts["plays"].max() > 100 * counts["plays"].mean() / 2
    assert (
        music.artists["artistId"].tolist() == music.truth.item_ids.tolist()
        and music.artists["name"].is_unique
    )
    assert music.synthetic


def test_equal_seeds_give_equal_tables_and_others_do_not(small):
    again = synthetic_movielens(rng=np.random.default_rng(42))
    for table in ("ratings", "movies", "users"):
        pd.testing.assert_frame_equal(getattr(small, table), getattr(again, table))
    size = {"n_users": 30, "n_movies": 200, "n_ratings": 900}
    first, second = (synthetic_movielens(rng=seed, **size).ratings["rating"] for seed in (42, 43))
    assert not first.equals(second)


def test_the_loader_gives_the_same_and_announces_it(small, monkeypatch, capsys):
    monkeypatch.delenv("RECSYS_DATASET", raising=False)
    pd.testing.assert_frame_equal(load_movielens("synthetic").ratings, small.ratings)
    assert capsys.readouterr().out.startswith("SYNTHETIC DATA: ")


@settings(max_examples=20, deadline=None)
@given(
    n_users=st.integers(1, 60),
    n_movies=st.integers(60, 300),
    density=st.floats(0.0, 1.0),
    name=st.sampled_from(sorted(set(SHAPES) - {"ml-25m"})),
    seed=st.integers(0, 2**32),
)
def test_any_size_is_sound_or_refused(n_users, n_movies, density, name, seed):
    least = max(n_movies, MIN_RATINGS * n_users)
    n_ratings = int(least + density * 0.3 * n_users * n_movies)
    try:
        data = synthetic_movielens(name, n_users=n_users, n_movies=n_movies, n_ratings=n_ratings, rng=seed)
    except InvalidInput as error:
        assert "does not fit" in str(error)
        return
    assert len(data.ratings) == n_ratings and not data.ratings.duplicated(["userId", "movieId"]).any()
    assert data.ratings["movieId"].nunique() == n_movies
    assert data.ratings["userId"].value_counts().min() >= MIN_RATINGS
    assert data.ratings["userId"].nunique() == n_users
    assert data.ratings["rating"].between(0.5, 5).all()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"n_users": 0}, "n_users"),
        ({"n_movies": -3}, "n_movies"),
        ({"n_ratings": 2.5}, "n_ratings"),
        ({"name": "ml-10m"}, "name"),
        ({"rng": -1}, "rng"),
        ({"n_users": 100, "n_movies": 50, "n_ratings": 1999}, "n_ratings=1999 does not fit"),
        ({"n_users": 100, "n_movies": 50, "n_ratings": 5001}, "n_ratings=5001 does not fit"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(InvalidInput, match=name):
        synthetic_movielens(**arguments)


def test_more_artists_than_lists_hold_are_refused():
    with pytest.raises(InvalidInput, match="does not fit"):
        synthetic_lastfm(n_users=10, n_artists=100, n_counts=501)


def test_a_size_that_cannot_be_is_refused_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr("recsys_utils.datasets.synthetic._meet", None)
    with pytest.raises(InvalidInput, match="n_ratings=20000 does not fit: 610 users"):
        synthetic_movielens(n_movies=10**7, n_ratings=20_000)


def test_the_most_active_users_have_the_longest_lists():
    per_user = synthetic_movielens(n_users=200, n_movies=3000, n_ratings=20_000).ratings["userId"].value_counts()
    assert per_user.max() > 8 * per_user.median() and MIN_RATINGS <= per_user.min() < MIN_RATINGS + 5


def test_the_truth_explains_the_ratings(small):
    ratings, truth = small.ratings, small.truth
    expected = truth.expected(ratings["userId"], ratings["movieId"])
    error = ratings["rating"] - np.clip(expected, 0.5, 5)
    assert abs(error.mean()) < 0.05
    assert 0.9 * truth.noise < error.std() < 1.1 * truth.noise
    # By hand, for one rating: the formula of Truth's docstring.
    row = ratings.iloc[1234]
    u = row["userId"] - 1
    i = np.flatnonzero(truth.item_ids == row["movieId"])[0]
    by_hand = truth.mean + truth.user_bias[u] + truth.item_bias[i] + truth.user_factors[u] @ truth.item_factors[i]
    assert expected[1234] == pytest.approx(by_hand, rel=1e-12)


def test_the_truth_does_not_broadcast(small):
    with pytest.raises(InvalidInput, match="same length"):
        small.truth.expected([1, 2, 3], small.truth.item_ids[:1])


def test_the_truth_of_play_counts(music):
    counts = music.counts
    error = np.log(counts["plays"]) - music.truth.expected(counts["userId"], counts["artistId"])
    assert error.std() == pytest.approx(music.truth.noise, rel=0.05)


def test_unknown_ids_have_no_truth(small):
    with pytest.raises(UnknownIdError, match="user_ids holds 611"):
        small.truth.expected([611], small.truth.item_ids[:1])
    with pytest.raises(UnknownIdError, match="item_ids holds -1"):
        small.truth.expected([1], [-1])


@pytest.mark.parametrize("name", ["small", "ml_100k"])
def test_models_learn_from_it(name, request):
    data = request.getfixturevalue(name)
    split = random_holdout(Interactions.from_frame(data.ratings), rng=42)
    test = split.test.to_frame()
    users, items, actual = test.iloc[:, 0].to_numpy(), test.iloc[:, 1].to_numpy(), test.iloc[:, 2].to_numpy()

    def rmse(predicted):
        return float(np.sqrt(np.mean((np.clip(predicted, 0.5, 5) - actual) ** 2)))

    mean = rmse(np.full(len(test), split.train.values.mean()))
    bias = rmse(BiasBaseline().fit(split.train).predict(users, items))
    factors = rmse(
        BiasedSVD(factors=20, iterations=30, regularization=0.05, rng=0).fit(split.train).predict(users, items)
    )
    best = rmse(data.truth.expected(users, items))
    assert best < factors < bias - 0.01 and bias < mean - 0.05


def test_neighbours_rank_better_than_popularity(ml_100k):
    split = random_holdout(Interactions.from_frame(ml_100k.ratings, value=None), rng=42)
    users = split.test.user_ids
    relevant = set(zip(*split.test.to_frame().iloc[:, :2].to_numpy().T, strict=True))

    def hits(model):
        found, _ = model.fit(split.train).recommend(users, n=10)
        return np.mean(
            [(user, item) in relevant for user, row in zip(users, found, strict=True) for item in row]
        )

    assert hits(ItemKNN()) > 1.2 * hits(Popularity())


def share_explained(values, groups):
    """Part of the variance of `values` between the groups."""
    means = pd.DataFrame(values).groupby(np.asarray(groups)).transform("mean").to_numpy()
    return means.var(axis=0).sum() / values.var(axis=0).sum()


def test_demographics_shift_taste(ml_100k):
    tastes = ml_100k.truth.user_factors
    described = share_explained(tastes, ml_100k.users["age_group"])
    shuffled = share_explained(tastes, ml_100k.users["age_group"].sample(frac=1, random_state=0))
    assert described > 0.1 > 5 * shuffled


def test_genres_tell_a_film_s_traits(small):
    genres = small.movies["genres"].map(lambda listed: listed[0] if listed else "none")
    assert share_explained(small.truth.item_factors, genres) > 0.1


def test_people_watch_what_they_like(small):
    ratings, truth = small.ratings, small.truth
    rng = np.random.default_rng(0)
    met = truth.expected(ratings["userId"], ratings["movieId"]).mean()
    chance = truth.expected(ratings["userId"], rng.permutation(ratings["movieId"])).mean()
    assert met > chance + 0.1
