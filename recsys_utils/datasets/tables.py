"""The classes that hold the tables, and the values that several tables share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from .synthetic import Truth

AGE_GROUPS = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_AGE_STARTS = (18, 25, 35, 45, 50, 56)


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


def age_group(ages) -> np.ndarray:
    """Age group of each age in years, as an array of str (MovieLens' groups)."""
    return np.array(AGE_GROUPS, dtype=object)[np.searchsorted(_AGE_STARTS, np.asarray(ages), side="right")]
