"""The book's data sets as typed tables: MovieLens and Last.fm, real or invented."""

from .loaders import load_lastfm, load_movielens, used
from .synthetic import Truth, synthetic_lastfm, synthetic_movielens
from .tables import AGE_GROUPS, LastFM, MovieLens

__all__ = [
    "AGE_GROUPS",
    "LastFM",
    "MovieLens",
    "Truth",
    "load_lastfm",
    "load_movielens",
    "synthetic_lastfm",
    "synthetic_movielens",
    "used",
]
