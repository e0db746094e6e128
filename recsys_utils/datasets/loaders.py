"""The two functions that the rest of the package and the book load data with."""

from __future__ import annotations

import os

from .._check import check_choice
from .registry import SOURCES
from .sources import locate
from .tables import LastFM, MovieLens, read_csv_layout, read_lastfm, read_ml_1m, read_ml_100k

_READERS = {
    "ml-latest-small": read_csv_layout,
    "ml-25m": read_csv_layout,
    "ml-100k": read_ml_100k,
    "ml-1m": read_ml_1m,
}


def load_movielens(name: str = "ml-latest-small", *, folder: str | os.PathLike | None = None) -> MovieLens:
    """Load a MovieLens data set as typed tables."""
    check_choice("name", name, (*_READERS, "synthetic"))
    return MovieLens(name=name, **_READERS[name](locate(SOURCES[name], folder)))


def load_lastfm(*, folder: str | os.PathLike | None = None) -> LastFM:
    """Load the Last.fm play counts (HetRec 2011) as typed tables."""
    return LastFM(**read_lastfm(locate(SOURCES["lastfm-2k"], folder)))
