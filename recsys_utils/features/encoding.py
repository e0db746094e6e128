"""From tables of ratings, films and users to a sparse design matrix with named columns.

A factorization machine sees a rating as one long, nearly empty row of numbers. An id is a
category, so each id gets a column of its own that holds 1 (one-hot); a film's genres are a set,
so each genre gets a column (multi-hot); a date or a year is cut into bins. Nothing is learnt
from anything but the training ratings.
"""
from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from ..check import check_choice, check_ids
from ..errors import InvalidInput, NotFittedError
from ..interactions import Interactions, seconds
from .design import DesignMatrix, Relation

_UNKNOWN = np.iinfo(np.int64).min  # the date of no rating
_YEARS = 5  # years of release in one bin
_PERIODS = {"day": "D", "month": "M", "year": "Y"}
# Each block's key (what its columns are a function of), its column in the table of users or films, and the
# first word of its column names.
_BLOCKS = {
    "user": ("user", None, "user"),
    "history": ("user", None, "rated"),
    "age_group": ("user", "age_group", "age_group"),
    "gender": ("user", "gender", "gender"),
    "occupation": ("user", "occupation", "occupation"),
    "item": ("item", None, "item"),
    "genres": ("item", "genres", "genre"),
    "release_year": ("item", "year", "release_year"),
    "rating_date": ("date", None, "rating_date"),
}


class RatingFeatures(BaseEstimator):
    """Encode ratings, with what is known of their users and films, as a design matrix.

    The columns are decided by the ratings given to `fit` and by nothing else: a user, film, genre,
    occupation or month that does not occur there gets no column, and `transform` leaves the
    whole block of such a row at zero. It is never an error and never another category's column. The
    tables `movies` and `users` may know more films and users than the ratings do: those are
    then described by their genres or age, as far as these occur in training.

    Parameters
    ----------
    blocks : sequence of str
        The blocks of columns, in this order; each is one field.

        - ``"user"``, ``"item"``: one-hot ids.
        - ``"genres"``: the film's genres, multi-hot.
        - ``"release_year"``: the film's year, in bins of five years.
        - ``"age_group"``, ``"gender"``, ``"occupation"``: of the user, one-hot.
        - ``"rating_date"``: when the rating was given, in bins of `date_period`.
        - ``"history"``: the n films that the user rated in training, whatever the rating; 1/√n each.
    user, item, time : str
        Columns of the ratings with ids and times; `item` also names the id column of `movies` and
        `user` that of `users`. `time` may be absent where no block needs it.
    date_period : {"month", "day", "year"}
        Bin of ``"rating_date"``.

    Attributes
    ----------
    columns_ : tuple of str
        Name of each column.

    Notes
    -----
    A training row's history contains the row's own film, as in SVD++; a test row's never does.

    References
    ----------
    Koren (2008), *Factorization meets the neighborhood: a multifaceted collaborative filtering model*
    (histories). Rendle (2012), *Factorization machines with libFM* (encodings).

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"userId": [7, 7, 9], "movieId": [1, 2, 1]})
    >>> movies = pd.DataFrame({"movieId": [1, 2], "genres": [("Comedy", "Drama"), ("Drama",)]})
    >>> design = RatingFeatures(("user", "genres")).fit(ratings, movies).transform(ratings)
    >>> design.row(0)
    {'user=7': 1.0, 'genre=Comedy': 1.0, 'genre=Drama': 1.0}
    """

    def __init__(
        self, blocks=("user", "item"), *, user: str = "userId", item: str = "movieId", time: str = "timestamp",
        date_period: str = "month",
    ):
        self.blocks = blocks
        self.user = user
        self.item = item
        self.time = time
        self.date_period = date_period

    def fit(self, ratings, movies: pd.DataFrame | None = None, users: pd.DataFrame | None = None) -> RatingFeatures:
        """Decide the columns from training ratings.

        Parameters
        ----------
        ratings : DataFrame or Interactions
            The training ratings: raw ids and, where a block needs them, times.
        movies : DataFrame, optional
            One row a film: its id and, as far as the blocks need them, ``genres`` (tuples of str)
            and ``year``. Films without training ratings may be among them.
        users : DataFrame, optional
            One row a user: the id and, as far as needed, ``age_group``, ``gender``, ``occupation``.

        Returns
        -------
        RatingFeatures
            Itself. A fit that fails leaves the former one as it was.

        Raises
        ------
        InvalidInput
            For an unknown block or option, no ratings, missing ids, times or columns, a table that a
            block needs and that was not given, or an id that a table holds twice.
        """
        blocks = self._checked_blocks()
        frame = self._frame(ratings, blocks)
        if "rating_date" in blocks:
            seconds(self.time, frame[self.time])  # every training rating needs its time
        given = {"user": ("users", users, self.user), "item": ("movies", movies, self.item), "date": None}
        tables, keys, trained = {}, {}, {}
        for key in dict.fromkeys(_BLOCKS[block][0] for block in blocks):
            trained[key] = keys[key] = pd.Index(pd.unique(self._keys_of_rows(key, frame))).sort_values()
            needed = [_BLOCKS[block][1] for block in blocks if _BLOCKS[block][0] == key and _BLOCKS[block][1]]
            if needed:
                tables[key] = _by_id(*given[key], needed)
                known = tables[key].index
                _check_same_kind(given[key][2], "the table", known, "the training ratings", trained[key])
                keys[key] = trained[key].append(known[~known.isin(trained[key])])
        fitted = {}
        for block in blocks:
            key, column, prefix = _BLOCKS[block]
            labels = self._labels(block, trained[key], None if column is None else tables[key][column], frame)
            vocabulary = pd.Index(labels[labels.index.isin(trained[key])].unique()).sort_values()
            rows, places = keys[key].get_indexer(labels.index), vocabulary.get_indexer(labels)
            inside = places >= 0
            # The empty row at the end stands for a key that nobody knows.
            shape = (len(keys[key]) + 1, len(vocabulary))
            table = sparse.csr_matrix((np.ones(inside.sum()), (rows[inside], places[inside])), shape=shape)
            if block == "history":
                n = np.diff(table.indptr)
                table.data[:] = np.repeat(1 / np.sqrt(np.maximum(n, 1)), n)
            fitted[block] = tuple(f"{prefix}={label}" for label in vocabulary), table
        self._keys, self._fitted = keys, fitted
        self.columns_ = tuple(name for names, _ in fitted.values() for name in names)
        return self

    def transform(self, ratings) -> DesignMatrix:
        """Encode ratings, seen or new, with the columns decided by `fit`.

        Parameters
        ----------
        ratings : DataFrame or Interactions
            The rows to encode; the ratings themselves are not looked at. A missing time, like an unknown
            user, leaves its block empty.

        Returns
        -------
        DesignMatrix
            One row a rating, in the order given.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        InvalidInput
            For no rows, and for missing ids or columns.
        """
        if not hasattr(self, "columns_"):
            raise NotFittedError("this RatingFeatures is not fitted: call fit(training_ratings) first")
        frame = self._frame(ratings, self._fitted)
        rows = {}
        for key, known in self._keys.items():
            values = self._keys_of_rows(key, frame)
            _check_same_kind(getattr(self, key, key), "the ratings", values, "the training ratings", known)
            found = known.get_indexer(values)
            rows[key] = np.where(found < 0, len(known), found)
        return DesignMatrix(tuple(
            Relation(block, names, table, rows[_BLOCKS[block][0]]) for block, (names, table) in self._fitted.items()
        ))

    def fit_transform(self, ratings, movies=None, users=None) -> DesignMatrix:
        """`fit` and `transform` on the same ratings."""
        return self.fit(ratings, movies, users).transform(ratings)

    def _checked_blocks(self) -> tuple[str, ...]:
        blocks = (self.blocks,) if isinstance(self.blocks, str) else tuple(self.blocks)
        for block in blocks:
            check_choice("blocks", block, tuple(_BLOCKS))
        if not blocks or len(set(blocks)) < len(blocks):
            problem = "names one block twice" if blocks else "is empty"
            raise InvalidInput(f"blocks {problem}, got {blocks}: name each of {', '.join(_BLOCKS)} at most once")
        check_choice("date_period", self.date_period, tuple(_PERIODS))
        return blocks

    def _frame(self, ratings, blocks) -> pd.DataFrame:
        frame = ratings.to_frame(self.user, self.item) if isinstance(ratings, Interactions) else ratings
        return check_table("ratings", frame, [self.user, self.item] + [self.time] * ("rating_date" in blocks))

    def _keys_of_rows(self, key: str, frame: pd.DataFrame) -> np.ndarray:
        """The raw key of each rating; for the date the number of its day, month or year."""
        if key != "date":
            return ids_of("ratings", frame, getattr(self, key))
        known = frame[self.time].notna().to_numpy()
        numbers = np.full(len(frame), _UNKNOWN)
        if known.any():
            times = seconds(self.time, frame[self.time][known]).astype("datetime64[s]")
            numbers[known] = times.astype(f"datetime64[{_PERIODS[self.date_period]}]").astype(np.int64)
        return numbers

    def _labels(self, block: str, trained: pd.Index, attribute, frame: pd.DataFrame) -> pd.Series:
        """What the block says of its keys: one label an entry, the key in the index."""
        if block == "history":
            pairs = frame[[self.user, self.item]].drop_duplicates()
            return pairs.set_index(self.user)[self.item]
        if block == "rating_date":
            periods = trained.to_numpy().astype(f"datetime64[{_PERIODS[self.date_period]}]")
            return pd.Series(periods.astype(str), index=trained)
        if attribute is None:
            return trained.to_series()
        if block == "genres":
            strange = attribute[attribute.notna() & ~attribute.map(pd.api.types.is_list_like)]
            if len(strange):
                raise InvalidInput(
                    f"movies column 'genres' must hold tuples of str, got {strange.iloc[0]!r}: split it first, "
                    "for example with .str.split('|')"
                )
            return attribute.explode().dropna()
        attribute = attribute.dropna()
        if block == "release_year":
            start = attribute.astype(np.int64) // _YEARS * _YEARS
            return start.astype(str) + "-" + (start + _YEARS - 1).astype(str)
        return attribute


def check_table(name: str, table, columns) -> pd.DataFrame:
    """Return a table with rows and these columns, or raise InvalidInput."""
    if not isinstance(table, pd.DataFrame):
        raise InvalidInput(f"{name} must be a DataFrame, got {type(table).__name__}: pass {name}=")
    for column in columns:
        if column not in table.columns:
            raise InvalidInput(f"{name} has no column {column!r}, which is needed: it has {list(table.columns)}")
    if table.empty:
        raise InvalidInput(f"{name} has no rows, nothing to encode: check the filter that made it")
    return table


def ids_of(name: str, table: pd.DataFrame, column: str) -> np.ndarray:
    """The ids of a column, all there and all integers or all strings, or raise InvalidInput."""
    missing = int(table[column].isna().sum())
    if missing:
        raise InvalidInput(f"{name} column {column!r} has {missing} missing ids: drop those rows first")
    return check_ids(f"{name} column {column!r}", table[column])


def _by_id(name: str, table, id_column: str, columns) -> pd.DataFrame:
    """The columns that the blocks need, indexed by id."""
    table = check_table(name, table, (id_column, *columns))
    ids = pd.Index(ids_of(name, table, id_column))
    if ids.has_duplicates:
        raise InvalidInput(
            f"{name} column {id_column!r} has {int(ids.duplicated().sum())} repeated ids: keep one row an id"
        )
    return table[list(columns)].set_axis(ids)


def _check_same_kind(column: str, where: str, ids, other: str, other_ids) -> None:
    """Refuse 1 against "1", which would match nothing without a word."""
    kinds = ["integers" if pd.api.types.is_integer_dtype(each.dtype) else "strings" for each in (ids, other_ids)]
    if kinds[0] != kinds[1]:
        raise InvalidInput(f"{column} holds {kinds[0]} in {where} and {kinds[1]} in {other}: convert one with astype")
