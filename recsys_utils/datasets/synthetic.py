"""Invented data with the shape of the published sets, drawn from a model whose parameters are known.

Values follow :class:`~recsys_utils.datasets.Truth`. A film's traits are the mean of its genres' loadings and
a part of its own; a user's tastes follow age group and gender, and chance; so genres and demographics carry knowledge
of films and users that were never met before. Users meet famous items, items that they like more often, and hardly
ever a film before its release. Activity and fame have long tails.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..check import check_choice, check_int, check_rng
from ..compiled import compiled
from ..errors import InvalidInput
from .readers import ML_1M_OCCUPATIONS, ML_100K_GENRES
from .tables import AGE_GROUPS, LastFM, MovieLens, Truth, age_group

MIN_RATINGS = 20
_FACTORS = 8
_STRENGTHS = np.sqrt(0.5 ** np.arange(1, _FACTORS + 1))  # the first taste tells half of it, the second a quarter
_BLOCK = 1_000_000  # ratings whose values are computed at once
_YEAR_SECONDS = 365.2425 * 86400
# Rough shares of films that MovieLens lists under each of its genres.
_GENRE_SHARES = np.array([19, 13, 6, 7, 38, 12, 4, 45, 8, 1, 10, 3, 6, 16, 10, 19, 4, 2]) / 100
_ADJECTIVES = "Amber Borrowed Broken Careful Distant Early Faithful Frozen Gentle Hidden Idle Last Lonely Quiet".split()
_NOUNS = "Anchor Bridge Compass Ferry Garden Harbour Island Lantern Letter Mirror Orchard Piano River Voyage".split()


@dataclass(frozen=True)
class _Shape:
    n_users: int
    n_listed: int
    n_rated: int
    n_ratings: int
    last_movie_id: int
    first_day: str
    last_day: str
    step: float = 0.5
    has_users: bool = False
    shuffled: bool = False


SHAPES = {
    "ml-latest-small": _Shape(610, 9742, 9724, 100_836, 193_609, "1996-03-29", "2018-09-24"),
    "synthetic": _Shape(610, 9742, 9724, 100_836, 193_609, "1996-03-29", "2018-09-24", has_users=True),
    "ml-100k": _Shape(943, 1682, 1682, 100_000, 1682, "1997-09-20", "1998-04-22", 1.0, True, True),
    "ml-1m": _Shape(6040, 3883, 3706, 1_000_209, 3952, "2000-04-25", "2003-02-28", 1.0, True),
    "ml-25m": _Shape(162_541, 62_423, 59_047, 25_000_095, 209_171, "1995-01-09", "2019-11-21"),
}


def synthetic_movielens(
    name: str = "synthetic",
    *,
    n_users: int | None = None,
    n_movies: int | None = None,
    n_ratings: int | None = None,
    rng: int | np.random.Generator = 42,
) -> MovieLens:
    """Draw ratings with the shape of a MovieLens set; the parameters are in ``.truth``.

    Every user has at least 20 ratings, every one of `n_movies` films at least
    one, and no pair occurs twice. Equal arguments give equal tables.

    Parameters
    ----------
    name : str
        Set whose shape, scale, period and tables are imitated: ``"synthetic"`` (as ml-latest-small,
        with a table of users), ``"ml-latest-small"``, ``"ml-100k"``, ``"ml-1m"`` or ``"ml-25m"``.
    n_users, n_movies, n_ratings : int, optional
        Other numbers of users, rated films and ratings than that set has.
    rng : int or Generator
        Source of chance.

    Raises
    ------
    InvalidInput
        The numbers contradict each other, for example less than 20 ratings for each user.
    """
    shape, rng = SHAPES[check_choice("name", name, tuple(SHAPES))], check_rng(rng)
    n_listed = shape.n_listed if n_movies is None else check_int("n_movies", n_movies)
    n_rated = shape.n_rated if n_movies is None else n_listed
    n_users = shape.n_users if n_users is None else check_int("n_users", n_users)
    n_ratings = shape.n_ratings if n_ratings is None else check_int("n_ratings", n_ratings)

    most = n_rated if n_ratings > 0.45 * n_rated * n_users else max(MIN_RATINGS, int(0.45 * n_rated))
    quota = _share("n_ratings", n_ratings, n_rated, rng.lognormal(sigma=1.3, size=n_users), MIN_RATINGS, most)
    rated = np.sort(rng.choice(n_listed, n_rated, replace=False))
    first_users = np.full(n_listed, -1)
    first_users[rated] = _first_users(quota, n_rated, rng)

    # Most users come once, some for years; a film is older than its first user's last day.
    first, last = (np.datetime64(day, "s").astype(np.int64) for day in (shape.first_day, shape.last_day))
    starts = first + (rng.random(n_users) * (last - first - 3600)).astype(np.int64)
    spans = np.where(rng.random(n_users) < 0.7, rng.exponential(5400, n_users), rng.exponential(5e7, n_users))
    ends = starts + np.clip(spans, 600, last - starts).astype(np.int64)
    newest = ends[np.where(first_users < 0, rng.integers(n_users, size=n_listed), first_users)]
    years = 1970 + newest // _YEAR_SECONDS - rng.gamma(1.15, 10, n_listed) // 1
    years = np.maximum(years, 1902).astype(np.int64)
    released = (years - 1970).astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)

    people, tastes, user_bias = _people(n_users, name == "ml-1m", rng)
    genres, traits, item_bias = _films(n_listed, shape.n_listed < 5000, rng)
    fame = rng.standard_normal(n_listed)
    item_ids = np.sort(rng.choice(max(shape.last_movie_id, n_listed), n_listed, replace=False)) + 1
    truth = Truth(people["userId"].to_numpy(), item_ids, 3.1, user_bias, item_bias + 0.15 * fame, tastes, traits, 0.77)

    items = _meet(quota, np.where(first_users < 0, 0, _popularity(fame, 2.6)), truth, released, ends, first_users, rng)
    users = np.repeat(np.arange(n_users), quota)
    stars, seconds = np.empty(n_ratings), np.empty(n_ratings, dtype=np.int64)
    for begin in range(0, n_ratings, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        u, i = users[block], items[block]
        earliest = np.clip(released[i], starts[u], ends[u])
        seconds[block] = earliest + (rng.random(len(u)) * (ends[u] - earliest)).astype(np.int64)
        liking = truth.expected_rows(u, i) + truth.noise * rng.standard_normal(len(u))
        stars[block] = np.clip(np.round(liking / shape.step) * shape.step, shape.step, 5)
    users += 1
    ratings = {"userId": users, "movieId": item_ids[items], "rating": stars, "timestamp": seconds.view("datetime64[s]")}
    ratings = pd.DataFrame(ratings, copy=False)
    if shape.shuffled:
        ratings = ratings.iloc[rng.permutation(n_ratings)].reset_index(drop=True)
    titles = [f"{title} ({year})" for title, year in zip(_names(n_listed), years, strict=True)]
    movies = pd.DataFrame({"movieId": item_ids, "title": titles, "year": years, "genres": genres})
    movies = movies.astype({"title": "str", "year": "Int64"})
    return MovieLens(name, ratings, movies, people if shape.has_users else None, synthetic=True, truth=truth)


def synthetic_lastfm(
    *, n_users: int = 1892, n_artists: int = 17_632, n_counts: int = 92_834, rng: int | np.random.Generator = 42
) -> LastFM:
    """Draw play counts with the shape of the Last.fm set; the parameters are in ``.truth``.

    Parameters
    ----------
    n_users, n_artists, n_counts : int
        Numbers of users, of artists (each played by somebody) and of pairs.
    rng : int or Generator
        Source of chance.

    Raises
    ------
    InvalidInput
        The numbers contradict each other, for example more than 50 artists for each user.
    """
    n_users, n_artists = check_int("n_users", n_users), check_int("n_artists", n_artists)
    n_counts, rng = check_int("n_counts", n_counts), check_rng(rng)
    # As published, all but a few users have the full list of 50 artists.
    activity = np.where(rng.random(n_users) < 0.05, rng.random(n_users), 10.0)
    quota = _share("n_counts", n_counts, n_artists, activity, 1, min(50, n_artists))
    fame = rng.standard_normal(n_artists)
    truth = Truth(
        user_ids=np.sort(rng.choice(int(1.11 * n_users), n_users, replace=False)) + 1,
        item_ids=np.sort(rng.choice(int(1.063 * n_artists), n_artists, replace=False)) + 1,
        mean=4.8,
        user_bias=0.9 * rng.standard_normal(n_users),
        item_bias=0.2 * fame + 0.2 * rng.standard_normal(n_artists),
        user_factors=0.75 * _STRENGTHS * rng.standard_normal((n_users, _FACTORS)),
        item_factors=rng.standard_normal((n_artists, _FACTORS)),
        noise=0.85,
    )
    always, never = np.ones(n_users, dtype=np.int64), np.zeros(n_artists, dtype=np.int64)
    first_users = _first_users(quota, n_artists, rng)
    items = _meet(quota, _popularity(fame, 1.8), truth, never, always, first_users, rng)
    users = np.repeat(np.arange(n_users), quota)
    plays = np.exp(truth.expected_rows(users, items) + truth.noise * rng.standard_normal(n_counts))
    counts = {"userId": truth.user_ids[users], "artistId": truth.item_ids[items], "plays": np.ceil(plays).astype(int)}
    artists = {"artistId": truth.item_ids, "name": pd.Series(_names(n_artists), dtype="str")}
    return LastFM(pd.DataFrame(counts), pd.DataFrame(artists), synthetic=True, truth=truth)


def _people(n: int, coded_ages: bool, rng) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The table of users, their tastes (n, _FACTORS) and their biases (n,)."""
    ages = np.clip(rng.lognormal(np.log(31), 0.36, n), 7, 75).astype(np.int64)
    groups, women = age_group(ages), rng.random(n) < 0.29
    rows = np.array([AGE_GROUPS.index(group) for group in groups])
    described = rng.standard_normal((7, _FACTORS))[rows] + rng.standard_normal((2, _FACTORS))[women.astype(int)]
    tastes = np.sqrt(0.2) * (described - described.mean(axis=0)) + np.sqrt(0.6) * rng.standard_normal((n, _FACTORS))
    table = {
        "userId": np.arange(1, n + 1),
        "age": np.array([1, 18, 25, 35, 45, 50, 56])[rows] if coded_ages else ages,
        "age_group": pd.Series(groups, dtype="str"),
        "gender": pd.Series(np.where(women, "F", "M"), dtype="str"),
        "occupation": pd.Series(np.array(ML_1M_OCCUPATIONS)[rng.integers(21, size=n)], dtype="str"),
        "zip": pd.Series([f"{code:05d}" for code in rng.integers(100_000, size=n)], dtype="str"),
    }
    return pd.DataFrame(table), 0.75 * _STRENGTHS * tastes, 0.5 * rng.standard_normal(n)


def _films(n: int, early: bool, rng) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """The genres of each film, their traits (n, _FACTORS) and their biases (n,)."""
    genres = np.array(ML_100K_GENRES if early else [name.replace("'s", "") for name in ML_100K_GENRES], dtype=object)
    loadings = rng.standard_normal((len(genres), _FACTORS))
    order = np.argsort(-(np.log(_GENRE_SHARES) + rng.gumbel(size=(n, len(genres)))), axis=1)
    sizes = rng.choice([0, 1, 2, 3], size=n, p=[0.004, 0.346, 0.38, 0.27])
    listed = np.zeros((n, len(genres)), dtype=bool)
    np.put_along_axis(listed, order[:, :3], np.arange(3) < sizes[:, None], axis=1)
    described = listed @ loadings / np.maximum(sizes, 1)[:, None]
    traits = 0.8 * (described - described.mean(axis=0)) + 0.8 * rng.standard_normal((n, _FACTORS))
    return [tuple(genres[row]) for row in listed], traits, 0.35 * rng.standard_normal(n)


def _names(n: int) -> list[str]:
    """`n` different invented names."""
    pairs = [f"{adjective} {noun}" for noun in _NOUNS for adjective in _ADJECTIVES]
    return [pairs[k % len(pairs)] + (f", Part {k // len(pairs) + 1}" if k >= len(pairs) else "") for k in range(n)]


def _popularity(fame: np.ndarray, steepness: float) -> np.ndarray:
    """A long tail, bounded at the top: nobody knows more than everything."""
    return 1 / (np.exp(-steepness * fame) + 0.005)


def _share(name: str, total: int, n_items: int, weights: np.ndarray, least: int, most: int) -> np.ndarray:
    """Share `total` out among users in whole numbers, in proportion to `weights` as far as the bounds allow."""
    low, high = max(n_items, least * len(weights)), most * len(weights)
    if not low <= total <= high or least > n_items:
        raise InvalidInput(
            f"{name}={total} does not fit: {len(weights)} users, {least} to {most} of {n_items} items each, "
            f"hold from {low} to {high}; change the number of interactions, users or items"
        )
    quota = np.full(len(weights), least)
    while (rest := total - int(quota.sum())) > 0:
        weight = np.where(quota < most, weights, 0.0)
        step = np.minimum((rest * weight / weight.sum()).astype(np.int64), most - quota)
        if not step.any():  # less than one each: the heaviest get the remainder
            step[np.argsort(-weight, kind="stable")[:rest]] = 1
        quota += step
    return quota


def _first_users(quota: np.ndarray, n_items: int, rng) -> np.ndarray:
    """A user for each item, so that every item is met; nobody gets more than their quota."""
    places = rng.choice(int(quota.sum()), n_items, replace=False)
    return np.searchsorted(np.cumsum(quota), places, side="right")


def _meet(quota, popularity, truth: Truth, released, ends, first_users, rng) -> np.ndarray:
    """Rows of the items that each user meets, ascending for each user, without repeats."""
    cumulated = np.cumsum(popularity)
    tastes = 1.5 * truth.user_factors / np.sqrt((truth.user_factors**2).sum(axis=1).mean())
    seeds = np.argsort(first_users, kind="stable")  # unrated films, of user −1, come first
    bounds = np.searchsorted(first_users[seeds], np.arange(len(quota) + 1))
    items = np.empty(int(quota.sum()), dtype=np.int64)
    cumulated /= cumulated[-1]
    _draw(rng, quota, cumulated, popularity, tastes, truth.item_factors, released, ends, seeds, bounds, items)
    return items


@compiled
def _draw(rng, quota, cumulated, popularity, tastes, traits, released, ends, seeds, bounds, items):
    met = np.full(len(cumulated), -1)
    filled = 0
    for user in range(len(quota)):
        begin, end = filled, filled + quota[user]
        for item in seeds[bounds[user] : bounds[user + 1]]:
            met[item], items[filled] = user, item
            filled += 1
        for _ in range(50 * quota[user]):
            if filled == end:
                break
            item = np.searchsorted(cumulated, rng.random(), side="right")
            if met[item] == user or released[item] > ends[user]:
                continue
            liking = -1.0
            for factor in range(traits.shape[1]):
                liking += tastes[user, factor] * traits[item, factor]
            if rng.random() * (1 + np.exp(-liking)) < 1:
                met[item], items[filled] = user, item
                filled += 1
        item = int(rng.random() * len(cumulated))
        while filled < end:  # whoever has met most of what is famous takes what stands next on the shelf
            item = (item + 1) % len(cumulated)
            if met[item] != user and popularity[item] > 0:
                met[item], items[filled] = user, item
                filled += 1
        items[begin:end].sort()
