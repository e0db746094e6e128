"""Typed tables from the published files, and the classes that hold them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import CorruptArchive
from .synthetic import Truth

AGE_GROUPS = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_AGE_STARTS = (18, 25, 35, 45, 50, 56)

_ML_100K_GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_ML_1M_OCCUPATIONS = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
# The last parenthesis: "(1995)", a series' "(2006–2007)", or "(1995) (V)" for a video.
_YEAR = r"\((\d{4})(?:\s*[-–]\s*\d{0,4})?\)\s*(?:\(V\))?\s*$"


@dataclass(frozen=True)
class MovieLens:
    """The tables of one MovieLens data set.

    Attributes
    ----------
    name : str
        Name of the data set.
    ratings : DataFrame
        One row a rating, in the order of the published file: ``userId`` (int64), ``movieId`` (int64),
        ``rating`` (float64, stars), ``timestamp`` (datetime64[s], UTC without a zone).
    movies : DataFrame
        One row a film: ``movieId`` (int64), ``title`` (str, with the year in parentheses as published),
        ``year`` (Int64, year of release taken from the title, NA where it has none), ``genres``
        (tuple of str, empty where none is listed). It may list films that nobody rated.
    users : DataFrame or None
        One row a user, where the set describes them: ``userId`` (int64), ``age`` (int64, years; in
        ml-1m the first year of the age group, 1 for "under 18"), ``age_group`` (str, one of
        `AGE_GROUPS`), ``gender`` (str, "F" or "M"), ``occupation`` (str), ``zip`` (str).
    links : DataFrame or None
        Where the set has them, keys of other catalogues: ``movieId`` (int64), ``imdbId`` (str, with
        leading zeros), ``tmdbId`` (Int64, may be NA).
    synthetic : bool
        True for invented data.
    truth : Truth or None
        The parameters that synthetic data were drawn from; None for real data.
    """

    name: str
    ratings: pd.DataFrame = field(repr=False)
    movies: pd.DataFrame = field(repr=False)
    users: pd.DataFrame | None = field(repr=False, default=None)
    links: pd.DataFrame | None = field(repr=False, default=None)
    synthetic: bool = False
    truth: Truth | None = field(repr=False, default=None)


@dataclass(frozen=True)
class LastFM:
    """The tables of the Last.fm data set (HetRec 2011).

    Attributes
    ----------
    counts : DataFrame
        One row a user and artist, in the order of the published file: ``userId`` (int64),
        ``artistId`` (int64), ``plays`` (int64, how often the user played the artist).
    artists : DataFrame
        ``artistId`` (int64), ``name`` (str).
    synthetic : bool
        True for invented data.
    truth : Truth or None
        The parameters that synthetic data were drawn from; None for real data.
    """

    counts: pd.DataFrame = field(repr=False)
    artists: pd.DataFrame = field(repr=False)
    synthetic: bool = False
    truth: Truth | None = field(repr=False, default=None)


def release_year(titles: pd.Series) -> pd.Series:
    """Year of release at the end of each title, as Int64; NA where the title has none."""
    return titles.str.extract(_YEAR, expand=False).astype("Float64").astype("Int64").rename("year")


def age_group(ages) -> np.ndarray:
    """Age group of each age in years, as an array of str (MovieLens' groups)."""
    return np.array(AGE_GROUPS, dtype=object)[np.searchsorted(_AGE_STARTS, np.asarray(ages), side="right")]


def read_csv_layout(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of ml-latest-small and ml-25m: ratings.csv, movies.csv and links.csv."""
    ratings = _read(
        folder / "ratings.csv",
        dtype={"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"},
    )
    movies = _read(
        folder / "movies.csv", dtype={"movieId": "int64", "title": "str", "genres": "str"}, na_filter=False
    )
    links = _read(folder / "links.csv", dtype={"movieId": "int64", "imdbId": "str", "tmdbId": "Int64"})
    return {"ratings": _with_dates(ratings), "movies": _movies(movies), "links": links}


def read_ml_100k(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of ml-100k: u.data, u.item (Latin-1, one 0/1 column a genre) and u.user."""
    ratings = _read(
        folder / "u.data",
        sep="\t",
        header=None,
        names=["userId", "movieId", "rating", "timestamp"],
        dtype={"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"},
    )
    flags = ["unknown", *_ML_100K_GENRES]
    items = _read(
        folder / "u.item",
        sep="|",
        header=None,
        encoding="latin-1",
        quoting=csv.QUOTE_NONE,
        na_filter=False,
        names=["movieId", "title", "released", "video", "url", *flags],
        dtype={"movieId": "int64", "title": "str", **dict.fromkeys(flags, "int64")},
    )
    listed = items[list(_ML_100K_GENRES)].to_numpy() == 1
    genres = ["|".join(genre for genre, on in zip(_ML_100K_GENRES, row, strict=True) if on) for row in listed]
    users = _read(
        folder / "u.user",
        sep="|",
        header=None,
        names=["userId", "age", "gender", "occupation", "zip"],
        dtype={"userId": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip": "str"},
    )
    return {
        "ratings": _with_dates(ratings),
        "movies": _movies(items[["movieId", "title"]].assign(genres=genres)),
        "users": _users(users),
    }


def read_ml_1m(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of ml-1m: ratings.dat, movies.dat and users.dat, Latin-1, fields between ``::``."""
    # Reading "a::b" as three columns, the second one empty, keeps pandas' fast parser in play.
    ratings = _read(
        folder / "ratings.dat",
        sep=":",
        header=None,
        usecols=[0, 2, 4, 6],
        names=["userId", "_1", "movieId", "_2", "rating", "_3", "timestamp"],
        dtype={"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"},
    )
    users = _read(
        folder / "users.dat",
        sep=":",
        header=None,
        usecols=[0, 2, 4, 6, 8],
        names=["userId", "_1", "gender", "_2", "age", "_3", "occupation", "_4", "zip"],
        dtype={"userId": "int64", "age": "int64", "gender": "str", "occupation": "int64", "zip": "str"},
    )
    movies = _split_lines(folder / "movies.dat", ["movieId", "title", "genres"])
    users["occupation"] = [_ML_1M_OCCUPATIONS[code] for code in users["occupation"]]
    return {"ratings": _with_dates(ratings), "movies": _movies(movies), "users": _users(users)}


def read_lastfm(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of lastfm-2k: user_artists.dat and artists.dat, tab-separated with a header."""
    counts = _read(folder / "user_artists.dat", sep="\t", dtype="int64")
    artists = _read(
        folder / "artists.dat",
        sep="\t",
        usecols=["id", "name"],
        quoting=csv.QUOTE_NONE,
        na_filter=False,
        dtype={"id": "int64", "name": "str"},
    )
    return {
        "counts": counts.rename(columns={"userID": "userId", "artistID": "artistId", "weight": "plays"}),
        "artists": artists.rename(columns={"id": "artistId"}),
    }


def _read(path: Path, **options) -> pd.DataFrame:
    try:
        return pd.read_csv(path, **options)
    except ValueError as error:  # pandas' parser errors and wrong types, UnicodeDecodeError
        raise _unreadable(path, error) from error


def _split_lines(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding="latin-1").rstrip("\n").split("\n")
        frame = pd.DataFrame([line.split("::") for line in lines], columns=columns)
        return frame.astype({"movieId": "int64"})
    except ValueError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CorruptArchive:
    return CorruptArchive(
        f"{path} is not the published file ({error}): delete it and unpack the archive again, or let the loader download it"
    )


def _with_dates(ratings: pd.DataFrame) -> pd.DataFrame:
    return ratings.assign(timestamp=ratings["timestamp"].to_numpy().astype("datetime64[s]"))


def _movies(movies: pd.DataFrame) -> pd.DataFrame:
    title = movies["title"].str.strip()
    genres = [
        () if text in ("", "(no genres listed)") else tuple(text.split("|")) for text in movies["genres"]
    ]
    return pd.DataFrame(
        {
            "movieId": movies["movieId"],
            "title": title,
            "year": release_year(title),
            "genres": pd.Series(genres, dtype=object, index=movies.index),
        }
    )


def _users(users: pd.DataFrame) -> pd.DataFrame:
    groups = pd.Series(age_group(users["age"]), dtype="str", index=users.index)
    return users.assign(age_group=groups)[["userId", "age", "age_group", "gender", "occupation", "zip"]]
