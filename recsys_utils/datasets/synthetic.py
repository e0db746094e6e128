"""Invented data with the shape of the published sets, drawn from a model whose parameters are known.

The model of a star rating by user *u* of film *i*, `t` years after the user's first::

    expected = mean + user_bias[u] + t user_trend[u] + item_bias[i]
               + (user_factors[u] + t user_drift[u]) · item_factors[i]
    rating   = the nearest star (half star since 2003) to expected + noise, within the scale

- A film's factors are the mean of its genres' loadings, a part of its own, and its year of release
  (the last factor); its bias follows its genres, its year, its fame and chance.
- A user's factors and bias follow age group, gender and occupation, and chance; so demographics and
  genres carry knowledge of users and films that were never met before.
- Who rates what follows fame and taste (:mod:`.selection`): users meet what they like more often, mostly
  new films, and never before the release. Activity and fame have long tails.

Play counts follow the same model on the scale of logarithms, without time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from ..check import check_choice, check_int, check_rng
from ..errors import UnknownIdError
from .readers import ML_1M_OCCUPATIONS, ML_100K_GENRES
from .selection import Choice, allocate, draw_interactions, first_meetings
from .tables import AGE_GROUPS, LastFM, MovieLens, age_group

N_FACTORS = 8
_YEAR_SECONDS = 365.2425 * 86400
_HALF_STARS_SINCE = np.datetime64("2003-02-18", "s").astype(np.int64)

# Rough shares of films that MovieLens lists under each genre.
_GENRE_SHARES = {
    "Action": 0.19, "Adventure": 0.13, "Animation": 0.06, "Children": 0.07, "Comedy": 0.38, "Crime": 0.12,
    "Documentary": 0.045, "Drama": 0.45, "Fantasy": 0.08, "Film-Noir": 0.01, "Horror": 0.10, "IMAX": 0.016,
    "Musical": 0.034, "Mystery": 0.06, "Romance": 0.16, "Sci-Fi": 0.10, "Thriller": 0.19, "War": 0.04,
    "Western": 0.017,
}  # fmt: skip
_OCCUPATIONS = (
    "administrator|artist|doctor|educator|engineer|entertainment|executive|healthcare|homemaker|lawyer|"
    "librarian|marketing|none|other|programmer|retired|salesman|scientist|student|technician|writer"
).split("|")
_ADJECTIVES = (
    "Amber Borrowed Broken Burning Careful Crooked Distant Early Empty Faithful Fallen Folded Frozen "
    "Gentle Gilded Hidden Hollow Honest Hungry Idle Last Late Lonely Long Lost Lucky Midnight Painted "
    "Patient Quiet Restless Salted Second Silver Slow Stolen Velvet Wandering Winter Yellow"
).split()
_NOUNS = (
    "Anchor Archive Bicycle Bridge Carnival Clock Compass Corridor Courier Ferry Garden Harbour Harvest "
    "Island Kitchen Ladder Lantern Letter Lighthouse Mirror Mountain Notebook Orchard Orchestra Passage "
    "Piano Postcard Promise Quarry Railway River Shadow Signal Station Summer Theatre Umbrella Voyage "
    "Waltz Window"
).split()
_PLACES = (
    "Alder Barrow Calder Dunmore Eastry Farrow Glenholm Hartwell Inverley Juniper Kestrel Larkhill Merrow "
    "Norfield Oakhurst Penrow Quill Ravenby Selwick Tarn Ulver Varley Westmere Yarrow Zeal Ashby Brindle "
    "Corrie Dovedale Elmstead Fenwick Greywell Hollin Islay Kirkby Linden Moorgate Nettle Orford Pinewood"
).split()


@dataclass(frozen=True)
class Truth:
    """The parameters that synthetic data were drawn from.

    Attributes
    ----------
    user_ids, item_ids : ndarray of int64, shapes (n_users,) and (n_items,)
        Raw ids of the rows of the arrays below, ascending.
    mean : float
        Mean, in stars (for play counts: natural logarithm of plays; so are the other terms).
    user_bias, item_bias : ndarray, shapes (n_users,) and (n_items,)
        Deviations of users and items.
    user_factors, item_factors : ndarray, shapes (n_users, n_factors) and (n_items, n_factors)
        Tastes and traits; the last trait of a film is its standardised year of release.
    user_trend, user_drift : ndarray, shapes (n_users,) and (n_users, n_factors)
        Change of each user's bias and tastes a year.
    user_starts : ndarray of int64, shape (n_users,)
        First second of each user's activity since 1970-01-01 UTC.
    noise : float
        Standard deviation of what the model does not explain, before rounding.
    """

    user_ids: np.ndarray = field(repr=False)
    item_ids: np.ndarray = field(repr=False)
    mean: float
    user_bias: np.ndarray = field(repr=False)
    item_bias: np.ndarray = field(repr=False)
    user_factors: np.ndarray = field(repr=False)
    item_factors: np.ndarray = field(repr=False)
    user_trend: np.ndarray = field(repr=False)
    user_drift: np.ndarray = field(repr=False)
    user_starts: np.ndarray = field(repr=False)
    noise: float

    def expected(self, user_ids, item_ids, timestamps=None) -> np.ndarray:
        """Value before noise, rounding and the limits of the scale, shape (n,).

        Parameters
        ----------
        user_ids, item_ids : array-like of int, shape (n,)
            Raw ids.
        timestamps : array-like of datetime64, shape (n,), optional
            Moments of the interactions; each user's first moment where they are left out.

        Raises
        ------
        UnknownIdError
            An id that the data set does not have.
        """
        users = _rows(self.user_ids, user_ids, "user_ids")
        items = _rows(self.item_ids, item_ids, "item_ids")
        seconds = None if timestamps is None else np.asarray(timestamps, "datetime64[s]").astype(np.int64)
        return self._expected_rows(users, items, seconds)

    def _expected_rows(self, users, items, seconds=None) -> np.ndarray:
        years = np.zeros(1) if seconds is None else (seconds - self.user_starts[users]) / _YEAR_SECONDS
        tastes = self.user_factors[users] + years[:, None] * self.user_drift[users]
        biases = self.user_bias[users] + years * self.user_trend[users] + self.item_bias[items]
        return self.mean + biases + np.einsum("nf,nf->n", tastes, self.item_factors[items])


@dataclass(frozen=True)
class _Focus:
    """How narrowly users and topics choose, and how unequal fame is."""

    n_topics: int
    of_users: float
    of_topics: float
    fame: float
    least_unknown: float


@dataclass(frozen=True)
class _Shape:
    n_users: int
    n_listed: int
    n_rated: int
    n_ratings: int
    last_movie_id: int
    first_day: str
    last_day: str
    half_stars: bool = True
    has_users: bool = False
    shuffled: bool = False
    year_scale: float = 17.0


_SHAPES = {
    "ml-latest-small": _Shape(610, 9742, 9724, 100_836, 193_609, "1996-03-29", "2018-09-24"),
    "synthetic": _Shape(610, 9742, 9724, 100_836, 193_609, "1996-03-29", "2018-09-24", has_users=True),
    "ml-100k": _Shape(943, 1682, 1682, 100_000, 1682, "1997-09-20", "1998-04-22", False, True, True, 8.0),
    "ml-1m": _Shape(6040, 3883, 3706, 1_000_209, 3952, "2000-04-25", "2003-02-28", False, True, False, 12.0),
    "ml-25m": _Shape(162_541, 62_423, 59_047, 25_000_095, 209_171, "1995-01-09", "2019-11-21"),
}
MIN_RATINGS = 20
_FILM_FOCUS = _Focus(60, 2.6, 2.4, 2.3, 0.02)
_MUSIC_FOCUS = _Focus(120, 3.2, 3.2, 1.8, 0.012)
_LASTFM = {"n_users": 1892, "n_artists": 17_632, "n_counts": 92_834}
_LASTFM_TOP = 50  # the published set has at most the 50 most played artists of each user


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
    shape = _SHAPES[check_choice("name", name, tuple(_SHAPES))]
    rng = check_rng(rng)
    n_rated = shape.n_rated if n_movies is None else check_int("n_movies", n_movies)
    n_listed = shape.n_listed if n_movies is None else n_rated
    n_users = shape.n_users if n_users is None else check_int("n_users", n_users)
    n_ratings = shape.n_ratings if n_ratings is None else check_int("n_ratings", n_ratings)

    people, tastes, user_bias = _people(n_users, name == "ml-1m", rng)
    starts, spans = _periods(n_users, shape, rng)
    last_year = int((starts + spans).max().astype("datetime64[s]").astype("datetime64[Y]").astype(int)) + 1970
    movies, traits, item_bias, fame = _films(n_listed, shape, name, last_year, rng)
    truth = Truth(
        user_ids=people["userId"].to_numpy(),
        item_ids=movies["movieId"].to_numpy(),
        mean=3.03,
        user_bias=user_bias,
        item_bias=item_bias,
        user_factors=tastes,
        item_factors=traits,
        user_trend=0.06 * rng.standard_normal(n_users),
        user_drift=0.03 * rng.standard_normal((n_users, N_FACTORS)),
        user_starts=starts,
        noise=0.77,
    )
    rated = np.sort(rng.choice(n_listed, n_rated, replace=False))
    released = (
        (movies["year"].to_numpy(dtype=np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[s]")
    )
    choice = Choice(
        *_topics(tastes, traits[rated], fame[rated], _FILM_FOCUS, rng),
        released=released.astype(np.int64)[rated],
        starts=starts,
        spans=spans,
        novelty=0.6,
    )
    activity = rng.lognormal(sigma=1.3, size=n_users)
    first_users = first_meetings(choice, activity, rng)
    in_reach = np.searchsorted(np.sort(choice.released), choice.ends, side="right")
    minima = np.maximum(MIN_RATINGS, np.bincount(first_users, minlength=n_users))
    most = np.maximum(minima, (0.45 * in_reach).astype(np.int64))
    if most.sum() < n_ratings:  # denser than any published set
        most = np.maximum(minima, in_reach)
    quota = allocate(n_ratings, activity, minima, most)

    ratings = _empty_table(
        n_ratings, userId="int64", movieId="int64", rating="float64", timestamp="datetime64[s]"
    )
    for place, users, items, seconds in _placed(draw_interactions(choice, first_users, quota, rng)):
        expected = truth._expected_rows(users, rated[items], seconds)
        liking = expected + truth.noise * rng.standard_normal(len(users))
        halves = shape.half_stars & (seconds >= _HALF_STARS_SINCE)
        ratings["userId"][place] = truth.user_ids[users]
        ratings["movieId"][place] = truth.item_ids[rated[items]]
        ratings["rating"][place] = np.where(
            halves, np.clip(np.round(2 * liking) / 2, 0.5, 5), np.clip(np.round(liking), 1, 5)
        )
        ratings["timestamp"][place] = seconds.astype("datetime64[s]")
    frame = pd.DataFrame(ratings, copy=False)
    if shape.shuffled:
        frame = frame.iloc[rng.permutation(n_ratings)].reset_index(drop=True)
    return MovieLens(
        name=name,
        ratings=frame,
        movies=movies,
        users=people if shape.has_users else None,
        synthetic=True,
        truth=truth,
    )


def synthetic_lastfm(
    *,
    n_users: int = _LASTFM["n_users"],
    n_artists: int = _LASTFM["n_artists"],
    n_counts: int = _LASTFM["n_counts"],
    rng: int | np.random.Generator = 42,
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
    rng = check_rng(rng)
    n_users, n_artists = check_int("n_users", n_users), check_int("n_artists", n_artists)
    n_counts = check_int("n_counts", n_counts)
    own, traits = rng.standard_normal((n_users, N_FACTORS)), rng.standard_normal((n_artists, N_FACTORS))
    tastes = 0.7 / np.sqrt(N_FACTORS) * own
    fame = rng.standard_normal(n_artists)
    truth = Truth(
        user_ids=np.sort(rng.choice(int(1.11 * n_users), n_users, replace=False)) + 1,
        item_ids=np.sort(rng.choice(int(1.063 * n_artists), n_artists, replace=False)) + 1,
        mean=4.45,
        user_bias=0.9 * rng.standard_normal(n_users),
        item_bias=0.2 * fame + 0.2 * rng.standard_normal(n_artists),
        user_factors=tastes,
        item_factors=traits,
        user_trend=np.zeros(n_users),
        user_drift=np.zeros((n_users, N_FACTORS)),
        user_starts=np.zeros(n_users, dtype=np.int64),
        noise=0.85,
    )
    choice = Choice(
        *_topics(tastes, traits, fame, _MUSIC_FOCUS, rng),
        released=np.zeros(n_artists, dtype=np.int64),
        starts=truth.user_starts,
        spans=np.ones(n_users, dtype=np.int64),
    )
    # All but a few users have the full list of artists, as published.
    activity = np.where(rng.random(n_users) < 0.05, rng.random(n_users), 10.0)
    first_users = first_meetings(choice, np.ones(n_users), rng)
    minima = np.maximum(1, np.bincount(first_users, minlength=n_users))
    most = np.maximum(minima, min(_LASTFM_TOP, n_artists))
    quota = allocate(n_counts, activity, minima, most)

    counts = _empty_table(n_counts, userId="int64", artistId="int64", plays="int64")
    for place, users, items, _ in _placed(draw_interactions(choice, first_users, quota, rng)):
        log_plays = truth._expected_rows(users, items) + truth.noise * rng.standard_normal(len(users))
        counts["userId"][place] = truth.user_ids[users]
        counts["artistId"][place] = truth.item_ids[items]
        counts["plays"][place] = np.ceil(np.exp(log_plays))
    artists = pd.DataFrame(
        {"artistId": truth.item_ids, "name": pd.Series(_names(n_artists, rng), dtype="str")}
    )
    return LastFM(counts=pd.DataFrame(counts, copy=False), artists=artists, synthetic=True, truth=truth)


def _people(n: int, coded_ages: bool, rng) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the table of users, their tastes (n, N_FACTORS) and their biases (n,)."""
    ages = np.clip(rng.lognormal(np.log(31), 0.36, n), 7, 75).astype(np.int64)
    groups = age_group(ages)
    genders = np.where(rng.random(n) < 0.29, "F", "M")
    occupations = ML_1M_OCCUPATIONS if coded_ages else _OCCUPATIONS
    occupation = rng.integers(len(occupations), size=n)
    group_rows = np.array([AGE_GROUPS.index(group) for group in groups])
    if coded_ages:
        ages = np.array([1, 18, 25, 35, 45, 50, 56])[group_rows]

    # The last column is the bias; the one before it, the taste for recent films, falls with age.
    width = N_FACTORS + 1
    described = (
        rng.standard_normal((len(AGE_GROUPS), width))[group_rows]
        + 0.8 * rng.standard_normal((2, width))[(genders == "F").astype(int)]
        + 0.6 * rng.standard_normal((len(occupations), width))[occupation]
    ) / np.sqrt(2)
    described[:, -2] = 1.5 - 0.5 * group_rows
    described -= described.mean(axis=0)
    parts = np.sqrt(0.4) * described + np.sqrt(0.6) * rng.standard_normal((n, width))
    table = pd.DataFrame(
        {
            "userId": np.arange(1, n + 1),
            "age": ages,
            "age_group": pd.Series(groups, dtype="str"),
            "gender": pd.Series(genders, dtype="str"),
            "occupation": pd.Series(np.array(occupations, dtype=object)[occupation], dtype="str"),
            "zip": pd.Series([f"{code:05d}" for code in rng.integers(100_000, size=n)], dtype="str"),
        }
    )
    return table, 0.48 / np.sqrt(N_FACTORS) * parts[:, :-1], 0.5 * parts[:, -1]


def _periods(n: int, shape: _Shape, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return first second and length of each user's activity: most users come once, some for years."""
    first, last = (np.datetime64(day, "s").astype(np.int64) for day in (shape.first_day, shape.last_day))
    starts = first + (rng.random(n) * (last - first - 3600)).astype(np.int64)
    sitting, loyalty = rng.exponential(5400, n), rng.exponential(1.5 * _YEAR_SECONDS, n)
    spans = np.where(rng.random(n) < 0.7, sitting, loyalty)
    return starts, np.clip(spans, 600, last - starts).astype(np.int64)


def _films(n: int, shape: _Shape, name: str, last_year: int, rng):
    """Return the table of films, their traits (n, N_FACTORS), biases (n,) and fame (n,), standardised."""
    genres = list(ML_100K_GENRES) if shape.last_movie_id < 5000 else list(_GENRE_SHARES)
    shares = np.log([_GENRE_SHARES.get(genre, _GENRE_SHARES["Children"]) for genre in genres])
    loadings = rng.standard_normal((len(genres), N_FACTORS - 1))
    kinds = rng.standard_normal((n, N_FACTORS - 1))
    scores = shares + 0.8 * kinds @ loadings.T / np.sqrt(N_FACTORS - 1) + rng.gumbel(size=(n, len(genres)))
    sizes = rng.choice([0, 1, 2, 3, 4, 5], size=n, p=[0.004, 0.286, 0.33, 0.25, 0.10, 0.03])
    ranks = np.argsort(np.argsort(-scores, axis=1), axis=1)
    listed = ranks < sizes[:, None]
    described = listed @ loadings / np.maximum(sizes, 1)[:, None]
    described = (described - described.mean(axis=0)) / described.std(axis=0).clip(1e-9)

    years = np.maximum(last_year - rng.gamma(1.15, shape.year_scale, n).astype(np.int64), 1902)
    recency = (years - years.mean()) / max(years.std(), 1.0)
    traits = np.column_stack([np.sqrt(0.35) * described + np.sqrt(0.65) * kinds, recency])
    fame = 0.97 * rng.standard_normal(n) + 0.25 * recency
    genre_bias = 0.1 * rng.standard_normal(len(genres))
    bias = listed @ genre_bias - 0.08 * recency + 0.15 * fame + 0.34 * rng.standard_normal(n)

    titles = [f"{title} ({year})" for title, year in zip(_names(n, rng), years, strict=True)]
    ids = np.sort(rng.choice(max(shape.last_movie_id, n), n, replace=False)) + 1
    film_rows, columns = np.nonzero(listed)
    listed_genres = np.array(genres, dtype=object)[columns]
    bounds = np.searchsorted(film_rows, np.arange(n + 1))
    by_film = [tuple(listed_genres[start:stop]) for start, stop in pairwise(bounds)]
    table = pd.DataFrame(
        {
            "movieId": ids,
            "title": pd.Series(titles, dtype="str"),
            "year": pd.Series(years, dtype="Int64"),
            "genres": pd.Series(by_film, dtype=object),
        }
    )
    return table, traits, bias - bias.mean(), fame


def _topics(tastes, traits, fame, focus: _Focus, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return the topics of each user and the items of each topic, as probabilities."""
    centres = rng.standard_normal((focus.n_topics, N_FACTORS)) / np.sqrt(N_FACTORS)
    leaning = focus.of_users * (tastes / tastes.std()) @ centres.T
    # Fame has a long tail, bounded at the top: nobody knows more than everything.
    known = 1 / (np.exp(-focus.fame * fame) + focus.least_unknown)
    liking = focus.of_topics * centres @ traits.T
    users, items = np.exp(leaning), known * np.exp(liking)
    return users / users.sum(axis=1, keepdims=True), items / items.sum(axis=1, keepdims=True)


def _names(n: int, rng) -> list[str]:
    """Return `n` different invented names."""
    combinations = len(_ADJECTIVES) * len(_NOUNS) * len(_PLACES)
    order = rng.permutation(combinations)
    names = []
    for count in range(n):
        rest, place = divmod(int(order[count % combinations]), len(_PLACES))
        adjective, noun = divmod(rest, len(_NOUNS))
        part = count // combinations
        name = f"{_ADJECTIVES[adjective]} {_NOUNS[noun]} of {_PLACES[place]}"
        names.append(f"{name}, Part {part + 1}" if part else name)
    return names


def _empty_table(n: int, **dtypes: str) -> dict[str, np.ndarray]:
    return {column: np.empty(n, dtype=dtype) for column, dtype in dtypes.items()}


def _placed(blocks) -> Iterator[tuple]:
    """Put before each block the slice of rows that it fills."""
    start = 0
    for block in blocks:
        stop = start + len(block[0])
        yield slice(start, stop), *block
        start = stop


def _rows(known: np.ndarray, ids, name: str) -> np.ndarray:
    ids = np.atleast_1d(np.asarray(ids))
    rows = np.clip(np.searchsorted(known, ids), 0, len(known) - 1)
    if (unknown := known[rows] != ids).any():
        raise UnknownIdError(
            f"{name} holds {ids[unknown][0]}, which this data set does not have: use ids of its tables"
        )
    return rows
