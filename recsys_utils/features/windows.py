"""Two kinds of columns that only one user has: windows of time, and crosses of two fields.

Ratings that a user gives one after the other resemble each other more than the films explain: a
mood, a list that is worked through, a friend on the same sofa. A column for each short window of
each user lets a linear weight take that up. A cross of two fields has a column for each pair, such
as one user's liking of one genre.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import sparse

from ..check import check_choice, check_int
from ..errors import InvalidInput, NotFittedError
from ..interactions import seconds as _seconds
from .encoding import DesignMatrix


class RatingWindows:
    """One-hot windows of each user's ratings, by count and by time.

    The windows are cut by the training ratings alone: a rating's place is the number of its user's training
    ratings before it in time (half of those at the very same second counted in).

    Parameters
    ----------
    counts : sequence of int
        Lengths of windows in ratings; each length is a field.
    seconds : sequence of int
        Lengths of windows in seconds; each length is a field.
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
        self,
        counts: Iterable[int] = (4, 16, 64),
        seconds: Iterable[int] = (30, 300, 3600),
        *,
        user: str = "userId",
        time: str = "timestamp",
    ):
        self.counts = tuple(counts)
        self.seconds = tuple(seconds)
        self.user = user
        self.time = time

    def fit(self, ratings: pd.DataFrame) -> RatingWindows:
        """Decide the windows from training ratings; those of one rating too are kept.

        Raises
        ------
        InvalidInput
            For no window lengths or wrong ones, no ratings, missing columns or missing times.
        """
        if not self.counts + self.seconds:
            raise InvalidInput("counts and seconds are both empty: name at least one length")
        for name in ("counts", "seconds"):
            for length in getattr(self, name):
                check_int(name, length)
        users, seconds = self._read(ratings)
        self._users = pd.Index(np.unique(users))
        codes = self._users.get_indexer(users)
        order = np.lexsort((seconds, codes))
        self._times, self._start = (
            seconds[order],
            np.searchsorted(codes[order], np.arange(len(self._users) + 1)),
        )
        self._windows = {name: pd.Index(np.unique(keys)) for name, keys in self._keys(users, seconds)}
        self.columns_ = tuple(
            f"{name}={self._users[key // _SPAN]}@{key % _SPAN}"
            for name, keys in self._windows.items()
            for key in keys
        )
        return self

    def transform(self, ratings: pd.DataFrame) -> DesignMatrix:
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
        blocks = []
        for name, keys in self._keys(*self._read(ratings)):
            codes = self._windows[name].get_indexer(keys)
            known = codes >= 0
            start = np.concatenate(([0], np.cumsum(known)))
            shape = (len(keys), len(self._windows[name]))
            blocks.append(sparse.csr_matrix((np.ones(start[-1]), codes[known], start), shape=shape))
        fields = np.repeat(np.arange(len(blocks)), [block.shape[1] for block in blocks])
        return DesignMatrix(sparse.hstack(blocks, format="csr"), self.columns_, fields, tuple(self._windows))

    def _read(self, ratings):
        for column in (self.user, self.time):
            if column not in ratings.columns:
                raise InvalidInput(f"ratings has no column {column!r}: it has {list(ratings.columns)}")
        if ratings.empty:
            raise InvalidInput("ratings has no rows, nothing to encode: check the filter that made it")
        return ratings[self.user].to_numpy(), _seconds(self.time, ratings[self.time])

    def _keys(self, users, seconds):
        """Name of each field, and of each row one number for user and window; negative for unknown users."""
        codes = self._users.get_indexer(users)
        rank = self._rank(codes, seconds)
        for unit, values, lengths in (
            ("ratings", rank, self.counts),
            ("s", seconds - self._times.min(), self.seconds),
        ):
            for length in lengths:
                window = np.clip(values // length, 0, _SPAN - 1)
                yield f"{length} {unit}", np.where(codes >= 0, codes * _SPAN + window, -1)

    def _rank(self, codes, seconds):
        """Training ratings of the row's user before it, ties counted half."""
        rank = np.zeros(len(codes), dtype=np.int64)
        for code, rows in pd.Series(np.arange(len(codes))).groupby(codes):
            if code >= 0:
                times = self._times[self._start[code] : self._start[code + 1]]
                at = seconds[rows.to_numpy()]
                rank[rows] = (np.searchsorted(times, at, "left") + np.searchsorted(times, at, "right")) // 2
        return rank


_SPAN = 2**31  # more windows than a user can have in a century of seconds


class CrossedFields:
    """One column for each pair of columns of two fields; its value is their product.

    Parameters
    ----------
    first, second : str
        Names of the fields.

    Examples
    --------
    >>> X = sparse.csr_matrix([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> design = DesignMatrix(X, ("user=7", "user=9", "genre=Drama"), [0, 0, 1], ("user", "genres"))
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
        product, _, right = self._products(design)
        self._pairs = np.unique(product.indices)
        if len(self._pairs) == 0:
            raise InvalidInput(
                f"no row has entries in both {self.first!r} and {self.second!r}: there is nothing to cross"
            )
        self._n_columns = design.n_columns
        names = design.columns
        lefts, rights = np.flatnonzero(design.fields == design.field_names.index(self.first)), right
        self.columns_ = tuple(
            f"{names[lefts[pair // len(rights)]]} × {names[rights[pair % len(rights)]]}"
            for pair in self._pairs
        )
        return self

    def transform(self, design: DesignMatrix) -> DesignMatrix:
        """The crossed columns of other rows of the same design; a pair unseen in training gets no entry.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        InvalidInput
            If the design has other columns than that of :meth:`fit`.
        """
        if not hasattr(self, "columns_"):
            raise NotFittedError("this CrossedFields is not fitted: call fit(design) first")
        if design.n_columns != self._n_columns:
            raise InvalidInput(
                f"design has {design.n_columns} columns, that of fit had {self._n_columns}: use the same"
            )
        product, _, _ = self._products(design)
        place = np.searchsorted(self._pairs, product.indices).clip(max=len(self._pairs) - 1)
        known = self._pairs[place] == product.indices
        rows = np.repeat(np.arange(len(design)), np.diff(product.indptr))
        matrix = sparse.csr_matrix(
            (product.data[known], (rows[known], place[known])), shape=(len(design), len(self._pairs))
        )
        name = f"{self.first} × {self.second}"
        return DesignMatrix(matrix, self.columns_, np.zeros(len(self._pairs), dtype=np.int64), (name,))

    def _products(self, design: DesignMatrix):
        """Row-wise outer products as a sparse matrix with a column for every possible pair."""
        for name in (self.first, self.second):
            check_choice("fields", name, design.field_names)
        left, right = (
            np.flatnonzero(design.fields == design.field_names.index(name))
            for name in (self.first, self.second)
        )
        a, b = design.matrix[:, left], design.matrix[:, right]
        n_left, n_right = np.diff(a.indptr), np.diff(b.indptr)
        n_pairs = n_left * n_right
        start = np.concatenate(([0], np.cumsum(n_pairs)))
        within = np.arange(start[-1]) - np.repeat(start[:-1], n_pairs)
        width = np.repeat(n_right, n_pairs)
        from_a = np.repeat(a.indptr[:-1], n_pairs) + within // np.maximum(width, 1)
        from_b = np.repeat(b.indptr[:-1], n_pairs) + within % np.maximum(width, 1)
        columns = a.indices[from_a].astype(np.int64) * len(right) + b.indices[from_b]
        product = sparse.csr_matrix(
            (a.data[from_a] * b.data[from_b], columns, start), shape=(len(design), len(left) * len(right))
        )
        return product, left, right
