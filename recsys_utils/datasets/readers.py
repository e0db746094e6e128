"""Readers of the published files."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from ..errors import CorruptArchive
from .tables import age_group

ML_100K_GENRES = (
    "Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|"
    "Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
).split("|")
ML_1M_OCCUPATIONS = (
    "other|academic/educator|artist|clerical/admin|college/grad student|customer service|"
    "doctor/health care|executive/managerial|farmer|homemaker|K-12 student|lawyer|programmer|"
    "retired|sales/marketing|scientist|self-employed|technician/engineer|tradesman/craftsman|"
    "unemployed|writer"
).split("|")
# The last parenthesis: "(1995)", a series' "(2006–2007)", or "(1995) (V)" for a video.
_YEAR = r"\((\d{4})(?:\s*[-–]\s*\d{0,4})?\)\s*(?:\(V\))?\s*$"


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
    flags = ["unknown", *ML_100K_GENRES]
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
    listed = items[list(ML_100K_GENRES)].to_numpy() == 1
    genres = ["|".join(genre for genre, on in zip(ML_100K_GENRES, row, strict=True) if on) for row in listed]
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
    if not users["occupation"].between(0, len(ML_1M_OCCUPATIONS) - 1).all():
        raise _unreadable(folder / "users.dat", ValueError("an occupation is not one of the 21 codes"))
    occupations = [ML_1M_OCCUPATIONS[code] for code in users["occupation"]]
    users["occupation"] = pd.Series(occupations, dtype="str", index=users.index)
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
        frame = pd.read_csv(path, **options)
        if frame.empty:
            raise ValueError("it has no rows")
        return frame
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
        f"{path} is not the published file ({error}): "
        "delete it and unpack the archive again, or let the loader download it"
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
            "year": _release_year(title),
            "genres": pd.Series(genres, dtype=object, index=movies.index),
        }
    )


def _release_year(titles: pd.Series) -> pd.Series:
    """Year of release at the end of each title, as Int64; NA where the title has none."""
    return pd.to_numeric(titles.str.extract(_YEAR, expand=False)).astype("Int64").rename("year")


def _users(users: pd.DataFrame) -> pd.DataFrame:
    groups = pd.Series(age_group(users["age"]), dtype="str", index=users.index)
    return users.assign(age_group=groups)[["userId", "age", "age_group", "gender", "occupation", "zip"]]
