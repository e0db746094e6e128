"""Two kinds of columns that only one user has: windows of time, and crosses of two fields.

Ratings that a user gives one after the other resemble each other more than the films explain: a
mood, a list that is worked through, a friend on the same sofa. A column for each short window of
each user lets a linear weight take that up. A cross of two fields has a column for each pair, such
as one user's liking of one genre.
"""
from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from ..check import check_choice, check_int
from ..errors import InvalidInput, NotFittedError
from ..interactions import Interactions, seconds
from .design import DesignMatrix, Relation
from .encoding import check_table, ids_of

_SPAN = 2**31  # more windows than a user can have in a century of seconds


class RatingWindows(BaseEstimator):
    """One-hot windows of each user's ratings, by count and by time.

    The windows are cut by the training ratings alone: a rating's place is the number of its user's training
    ratings before it in time (half of those at the very same second counted in).

    Parameters
    ----------
    counts : sequence of int
        Lengths of windows in ratings; each length is a field.
    seconds : sequence of int
        Lengths of windows in seconds, counted from the first training rating; each length is a field.
    user, time : str
        Columns of the ratings.

    Attributes
    ----------
    columns_ : tuple of str
        Such as ``"16 ratings=331@3"``: the user and the number of the window.

    Examples
    --------
    >>> ratings = pd.DataFrame({"userId": [7, 7, 7], "timestamp": [0, 10, 500]})
    >>> RatingWindows((2,), (60,)).fit(ratings).transform(ratings).columns
    ('2 ratings=7@0', '2 ratings=7@1', '60 s=7@0', '60 s=7@8')
    """

    def __init__(
        self, counts=(4, 16, 64), seconds=(30, 300, 3600), *, user: str = "userId", time: str = "timestamp"
    ):
        self.counts = counts
        self.seconds = seconds
        self.user = user
        self.time = time

    def fit(self, ratings) -> RatingWindows:
        """Decide the windows from training ratings (DataFrame or Interactions); those of one rating too are kept.

        Raises
        ------
        InvalidInput
            For no window lengths or wrong ones, no ratings, missing columns or missing times.
        """
        lengths = [(n, "ratings") for n in self.counts] + [(n, "s") for n in self.seconds]
        if not lengths:
            raise InvalidInput("counts and seconds are both empty: name at least one length")
        for length, unit in lengths:
            check_int("counts" if unit == "ratings" else "seconds", length)
        users, times = self._read(ratings)
        known = pd.Index(np.unique(users))
        order = np.lexsort((times, known.get_indexer(users)))
        fitted = known, known.get_indexer(users)[order], times[order], lengths
        windows = {name: pd.Index(np.unique(keys)) for name, keys in _windows(users, times, *fitted)}
        self._fitted, self._columns = fitted, {
            name: (keys, tuple(f"{name}={known[key // _SPAN]}@{key % _SPAN}" for key in keys))
            for name, keys in windows.items()
        }
        self.columns_ = tuple(column for _, names in self._columns.values() for column in names)
        return self

    def transform(self, ratings) -> DesignMatrix:
        """Encode ratings, seen or new; a window without training ratings gets no entry.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        InvalidInput
            For no ratings, missing columns or missing times.
        """
        if not hasattr(self, "columns_"):
            raise NotFittedError("this RatingWindows is not fitted: call fit(training_ratings) first")
        relations = []
        for name, keys in _windows(*self._read(ratings), *self._fitted):
            known, names = self._columns[name]
            found, n = known.get_indexer(keys), len(known)
            relations.append(Relation(name, names, sparse.eye(n + 1, n), np.where(found < 0, n, found)))
        return DesignMatrix(tuple(relations))

    def _read(self, ratings):
        frame = ratings.to_frame(user=self.user) if isinstance(ratings, Interactions) else ratings
        check_table("ratings", frame, (self.user, self.time))
        return ids_of("ratings", frame, self.user), seconds(self.time, frame[self.time])


def _windows(users, times, known: pd.Index, train_codes, train_times, lengths):
    """Name of each field, and of each row one number for user and window; −1 where there is no such window."""
    codes, first = known.get_indexer(users), train_times.min()
    # One number for user and time, so that a single search finds each row's place in its user's order.
    span = train_times.max() - first + 3
    place = codes * span + np.clip(times - first + 1, 0, span - 1)
    ordered = train_codes * span + train_times - first + 1
    before = np.searchsorted(ordered, place, "left") + np.searchsorted(ordered, place, "right")
    rank = before // 2 - np.searchsorted(train_codes, codes)
    for length, unit in lengths:
        window = (rank if unit == "ratings" else times - first) // length
        inside = (codes >= 0) & (window >= 0) & (window < _SPAN)
        yield f"{length} {unit}", np.where(inside, codes * _SPAN + window, -1)


class CrossedFields(BaseEstimator):
    """One column for each pair of columns of two fields; its value is their product.

    Parameters
    ----------
    first, second : str
        Names of the fields.

    Examples
    --------
    >>> user = Relation("user", ("user=7", "user=9"), sparse.csr_matrix([[1, 0], [0, 1]]))
    >>> genres = Relation("genres", ("genre=Drama",), sparse.csr_matrix([[1], [1]]))
    >>> design = DesignMatrix((user, genres))
    >>> CrossedFields("user", "genres").fit(design).transform(design).row(1)
    {'user=9 × genre=Drama': 1.0}
    """

    def __init__(self, first: str, second: str):
        self.first = first
        self.second = second

    def fit(self, design: DesignMatrix) -> CrossedFields:
        """Decide the columns: all pairs that occur in these rows.

        Raises
        ------
        InvalidInput
            If a field is missing, or no pair occurs.
        """
        (left, right), _, pairs, _ = self._products(design)
        found = np.unique(pairs)
        if len(found) == 0:
            raise InvalidInput(
                f"no row has entries in both {self.first!r} and {self.second!r}: there is nothing to cross"
            )
        self._pairs, self._sides = found, (left, right)
        self.columns_ = tuple(f"{left[pair // len(right)]} × {right[pair % len(right)]}" for pair in found)
        return self

    def transform(self, design: DesignMatrix) -> DesignMatrix:
        """The crossed columns of other rows of the same design; a pair unseen in training gets no entry.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        InvalidInput
            If the two fields have other columns than those of :meth:`fit`.
        """
        if not hasattr(self, "columns_"):
            raise NotFittedError("this CrossedFields is not fitted: call fit(design) first")
        sides, rows, pairs, values = self._products(design)
        for name, columns, fitted in zip((self.first, self.second), sides, self._sides, strict=True):
            if columns != fitted:
                raise InvalidInput(
                    f"the field {name!r} of design has other columns than that of fit ({len(columns)} against "
                    f"{len(fitted)}): encode both with one fitted RatingFeatures"
                )
        place = pd.Index(self._pairs).get_indexer(pairs)
        known, shape = place >= 0, (len(design), len(self._pairs))
        table = sparse.csr_matrix((values[known], (rows[known], place[known])), shape=shape)
        return DesignMatrix((Relation(f"{self.first} × {self.second}", self.columns_, table),))

    def _products(self, design: DesignMatrix):
        """Both fields' columns; row, number of the pair and product of each pair of entries in one row."""
        for name in (self.first, self.second):
            check_choice("fields", name, design.field_names)
        first, second = design.keep(self.first), design.keep(self.second)
        left = first.matrix.tocoo()
        right = second.matrix[left.row]  # the other field's row for each entry of the first
        n = np.diff(right.indptr)
        pairs = np.repeat(left.col.astype(np.int64), n) * second.n_columns + right.indices
        return (first.columns, second.columns), np.repeat(left.row, n), pairs, np.repeat(left.data, n) * right.data
