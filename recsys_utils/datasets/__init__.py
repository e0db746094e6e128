"""The book's data sets as typed tables: MovieLens and Last.fm, real or invented."""

from .loaders import load_lastfm, load_movielens, used
from .synthetic import synthetic_lastfm, synthetic_movielens
from .tables import AGE_GROUPS, LastFM, MovieLens, Truth

__all__ = ["AGE_GROUPS", "LastFM", "MovieLens", "Truth", "load_lastfm", "load_movielens"]
__all__ += ["synthetic_lastfm", "synthetic_movielens", "used"]
