"""The classes that hold the tables, and the values that several tables share."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..check import check_same_length
from ..errors import UnknownIdError

AGE_GROUPS = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
_AGE_STARTS = (18, 25, 35, 45, 50, 56)


@dataclass(frozen=True)
class Truth:
    """The parameters that synthetic data were drawn from.

    The model is ``mean + user_bias[u] + item_bias[i] + user_factors[u] · item_factors[i] + noise``, in stars
    (rounded to the scale) or, for play counts, in their natural logarithm.

    Attributes
    ----------
    user_ids, item_ids : ndarray of int64, shapes (n_users,) and (n_items,)
        Raw ids of the rows of the arrays below, ascending.
    mean : float
        Mean value.
    user_bias, item_bias : ndarray, shapes (n_users,) and (n_items,)
        Deviations of users and items.
    user_factors, item_factors : ndarray, shapes (n_users, n_factors) and (n_items, n_factors)
        Tastes and traits.
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
    noise: float

    def expected(self, user_ids, item_ids) -> np.ndarray:
        """Value of each pair before noise, rounding and the limits of the scale, shape (n,).

        Raises
        ------
        InvalidInput
            Arrays of different lengths.
        UnknownIdError
            An id that the data set does not have.
        """
        users = _positions(self.user_ids, user_ids, "user_ids")
        items = _positions(self.item_ids, item_ids, "item_ids")
        check_same_length(user_ids=users, item_ids=items)
        return self.expected_rows(users, items)

    def expected_rows(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """As :meth:`expected`, for positions in the arrays instead of ids."""
        liking = np.einsum("nf,nf->n", self.user_factors[users], self.item_factors[items])
        return self.mean + self.user_bias[users] + self.item_bias[items] + liking


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


def _positions(known: np.ndarray, ids, name: str) -> np.ndarray:
    ids = np.atleast_1d(np.asarray(ids))
    found = np.searchsorted(known, ids).clip(max=len(known) - 1)
    if (unknown := known[found] != ids).any():
        raise UnknownIdError(f"{name} holds {ids[unknown][0]}, which this data set lacks: use ids of its tables")
    return found
