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
_RATINGS = {"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "int64"}


def read_csv_layout(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of ml-latest-small and ml-25m: ratings.csv, movies.csv and links.csv."""
    movies = _read(folder / "movies.csv", {"movieId": "int64", "title": "str", "genres": "str"}, header=0)
    keys = {"movieId": "int64", "imdbId": "str", "tmdbId": "Int64"}
    links = _read(folder / "links.csv", keys, header=0, na_filter=True)
    return {"ratings": _ratings(folder / "ratings.csv", header=0), "movies": _movies(movies), "links": links}


def read_ml_100k(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of ml-100k: u.data, u.item (Latin-1, one 0/1 column a genre) and u.user."""
    described = dict.fromkeys(["title", "released", "video", "url"], "str")
    columns = {"movieId": "int64", **described, **dict.fromkeys(["unknown", *ML_100K_GENRES], "int64")}
    items = _read(folder / "u.item", columns, sep="|", encoding="latin-1", quoting=csv.QUOTE_NONE)
    listed = items[ML_100K_GENRES].to_numpy() == 1
    genres = ["|".join(genre for genre, on in zip(ML_100K_GENRES, row, strict=True) if on) for row in listed]
    columns = {"userId": "int64", "age": "int64", "gender": "str", "occupation": "str", "zip": "str"}
    return {
        "ratings": _ratings(folder / "u.data", sep="\t"),
        "movies": _movies(items.assign(genres=genres)),
        "users": _users(_read(folder / "u.user", columns, sep="|")),
    }


def read_ml_1m(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of ml-1m: ratings.dat, movies.dat and users.dat, Latin-1, fields between ``::``."""
    double = {"sep": "::", "engine": "python", "encoding": "latin-1", "quoting": csv.QUOTE_NONE}
    movies = _read(folder / "movies.dat", {"movieId": "int64", "title": "str", "genres": "str"}, **double)
    columns = {"userId": "int64", "gender": "str", "age": "int64", "occupation": "int64", "zip": "str"}
    users = _read(folder / "users.dat", columns, **double)
    if not users["occupation"].between(0, len(ML_1M_OCCUPATIONS) - 1).all():
        raise _unreadable(folder / "users.dat", "an occupation is not one of the 21 codes")
    users["occupation"] = pd.Series([ML_1M_OCCUPATIONS[code] for code in users["occupation"]], dtype="str")
    # Reading "a::b" as three columns, the second one empty, keeps pandas' fast parser in play.
    names = ["userId", "_1", "movieId", "_2", "rating", "_3", "timestamp"]
    ratings = _ratings(folder / "ratings.dat", sep=":", names=names, usecols=list(_RATINGS))
    return {"ratings": ratings, "movies": _movies(movies), "users": _users(users)}


def read_lastfm(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the layout of lastfm-2k: user_artists.dat and artists.dat, tab-separated with a header."""
    columns = {"userID": "int64", "artistID": "int64", "weight": "int64"}
    counts = _read(folder / "user_artists.dat", columns, sep="\t", header=0)
    columns = {"id": "int64", "name": "str"}
    artists = _read(folder / "artists.dat", columns, sep="\t", header=0, quoting=csv.QUOTE_NONE)
    return {
        "counts": counts.rename(columns={"userID": "userId", "artistID": "artistId", "weight": "plays"}),
        "artists": artists.rename(columns={"id": "artistId"}),
    }


def _read(path: Path, columns: dict[str, str], header=None, **options) -> pd.DataFrame:
    """Read `columns` with these types; a file that lacks one, or a value of another type, is refused."""
    given = {"names": list(columns), "header": None} if header is None else {"usecols": list(columns)}
    try:
        frame = pd.read_csv(path, dtype=columns, **{"na_filter": False, **given, **options})
        if frame.empty:
            raise ValueError("it has no rows")
        return frame
    except (ValueError, OSError) as error:  # pandas' parser errors and wrong types, UnicodeDecodeError
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error) -> CorruptArchive:
    return CorruptArchive(
        f"{path} is not the published file ({error}): "
        "delete it and unpack the archive again, or let the loader download it"
    )


def _ratings(path: Path, **options) -> pd.DataFrame:
    ratings = _read(path, _RATINGS, **options)
    if not ratings["rating"].between(0.5, 5).all():
        raise _unreadable(path, "a rating does not lie within 0.5 to 5 stars")
    return ratings.assign(timestamp=ratings["timestamp"].to_numpy().astype("datetime64[s]"))


def _movies(movies: pd.DataFrame) -> pd.DataFrame:
    title = movies["title"].str.strip()
    genres = [() if text in ("", "(no genres listed)") else tuple(text.split("|")) for text in movies["genres"]]
    table = pd.DataFrame({"movieId": movies["movieId"], "title": title, "year": release_year(title)})
    return table.assign(genres=pd.Series(genres, dtype=object))


def release_year(titles: pd.Series) -> pd.Series:
    """Year of release at the end of each title, as Int64; NA where the title has none."""
    return pd.to_numeric(titles.str.extract(_YEAR, expand=False)).astype("Int64").rename("year")


def _users(users: pd.DataFrame) -> pd.DataFrame:
    groups = pd.Series(age_group(users["age"]), dtype="str")
    return users.assign(age_group=groups)[["userId", "age", "age_group", "gender", "occupation", "zip"]]
