"""The one data container: who interacted with what, how strongly and when.

Everything is validated once, when the container is made, so that no model
checks again.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import sparse

from .check import check_choice, check_finite, check_same_length
from .errors import InvalidInput, UnknownIdError

_DUPLICATES = ("error", "sum", "mean", "last")


@dataclass(frozen=True, eq=False)
class Interactions:
    """User–item interactions with raw ids mapped to contiguous rows.

    Build one with :meth:`from_frame`. Row ``r`` of the matrix belongs to
    ``user_ids[r]``, column ``c`` to ``item_ids[c]``; both are sorted, so the
    mapping does not depend on the order of the input.

    Attributes
    ----------
    user_ids, item_ids : ndarray, shapes (n_users,) and (n_items,)
        Raw ids, ascending, without repeats.
    user_rows, item_rows : ndarray of int64, shape (n_interactions,)
        Position of each interaction's user and item, in the order of the input.
    values : ndarray of float64, shape (n_interactions,)
        Rating, play count or weight; finite and not negative.
    times : ndarray of int64 or None, shape (n_interactions,)
        Seconds since 1970-01-01 UTC, where the input has them.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    user_rows: np.ndarray = field(repr=False)
    item_rows: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    times: np.ndarray | None = field(repr=False, default=None)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        user: str = "userId",
        item: str = "movieId",
        value: str | None = "rating",
        time: str | None = "timestamp",
        *,
        user_ids=None,
        item_ids=None,
        duplicates: str = "error",
    ) -> Interactions:
        """Validate a table of interactions and index it.

        Parameters
        ----------
        frame : DataFrame
            One row an interaction.
        user, item : str
            Columns with raw ids (integers or strings).
        value : str or None
            Column with ratings, counts or weights; None makes every interaction 1.
        time : str or None
            Column with times (datetimes, or integer seconds since 1970). The default
            ``"timestamp"`` may be absent; any other name must be there.
        user_ids, item_ids : array-like, optional
            The whole vocabulary, where users or items without interactions must keep a row.
            An id of the frame that is not in it is an error.
        duplicates : {"error", "sum", "mean", "last"}
            What to do with several rows of one user and item: refuse them, add or average
            their values, or keep the last row. The time kept is that of the last row.

        Raises
        ------
        InvalidInput
            For an empty frame, missing columns or ids, NaN, infinite or negative values,
            and duplicates (with ``duplicates="error"``).
        UnknownIdError
            For an id outside a given vocabulary.
        """
        check_choice("duplicates", duplicates, _DUPLICATES)
        if not isinstance(frame, pd.DataFrame):
            raise InvalidInput(f"frame must be a pandas DataFrame, got {type(frame).__name__}: build one first")
        if time == "timestamp" and time not in frame.columns:
            time = None
        for argument, column in (("user", user), ("item", item), ("value", value), ("time", time)):
            if column is not None and column not in frame.columns:
                raise InvalidInput(
                    f"{argument}={column!r} is no column of the frame, which has {list(frame.columns)}: "
                    f"name the right one with {argument}="
                )
        if frame.empty:
            raise InvalidInput("frame has no rows: there is nothing to learn from; check the filter that made it")
        for argument, column in (("user", user), ("item", item)):
            if frame[column].isna().any():
                n = int(frame[column].isna().sum())
                raise InvalidInput(f"{argument} column {column!r} has {n} missing ids: drop those rows first")

        values = np.ones(len(frame)) if value is None else check_finite(f"value column {value!r}", frame[value])
        if (values < 0).any():
            row = int(np.flatnonzero(values < 0)[0])
            raise InvalidInput(
                f"value column {value!r} holds {int((values < 0).sum())} negative values, the first "
                f"({values[row]:g}) in row {row}: ratings and counts are not negative; shift or drop them"
            )
        times = None if time is None else seconds(time, frame[time])
        users, user_rows = _index("user", frame[user], user_ids)
        items, item_rows = _index("item", frame[item], item_ids)

        pair = user_rows * len(items) + item_rows
        if len(np.unique(pair)) < len(pair):
            first, keep, group = np.unique(pair, return_index=True, return_inverse=True)[0:3]
            if duplicates == "error":
                count = np.bincount(group)
                p = first[np.argmax(count > 1)]
                raise InvalidInput(
                    f"frame has {len(pair) - len(first)} repeated user–item pairs, for example user "
                    f"{users[p // len(items)]!r} with item {items[p % len(items)]!r}: "
                    "pass duplicates='sum', 'mean' or 'last', or drop them"
                )
            last = np.zeros(len(first), dtype=np.int64)
            np.maximum.at(last, group, np.arange(len(pair)))
            if duplicates == "last":
                merged = values[last]
            else:
                merged = np.bincount(group, weights=values)
                if duplicates == "mean":
                    merged = merged / np.bincount(group)
            order = np.argsort(keep, kind="stable")  # the order of first appearance
            rows = keep[order]
            user_rows, item_rows, values = user_rows[rows], item_rows[rows], merged[order]
            times = None if times is None else times[last[order]]
        return cls(users, items, user_rows, item_rows, values, times)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"Interactions({len(self):,} of {self.n_users:,} users with {self.n_items:,} items, "
            f"density {self.density:.3%})"
        )

    @property
    def n_users(self) -> int:
        """Number of users, those without interactions included."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, those without interactions included."""
        return len(self.item_ids)

    @property
    def density(self) -> float:
        """Share of the cells of the matrix that hold an interaction."""
        return len(self) / (self.n_users * self.n_items)

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """CSR matrix of float64, users × items; read it, do not change it."""
        # csr_matrix, not csr_array: the implicit library takes only the former.
        coo = (self.values, (self.user_rows, self.item_rows))
        matrix = sparse.csr_matrix(coo, shape=(self.n_users, self.n_items))
        matrix.sort_indices()
        return matrix

    def rows_of_users(self, ids, *, strict: bool = False) -> np.ndarray:
        """Rows of raw user ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`."""
        return _rows_of("user", self.user_ids, ids, strict)

    def rows_of_items(self, ids, *, strict: bool = False) -> np.ndarray:
        """Columns of raw item ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`."""
        return _rows_of("item", self.item_ids, ids, strict)

    def history(self, user_id) -> tuple[np.ndarray, np.ndarray]:
        """Item ids and values of one user, in order of time (of input, where there are no times).

        Raises
        ------
        UnknownIdError
            If the user is unknown.
        """
        row = self.rows_of_users(user_id, strict=True)
        mine = np.flatnonzero(self.user_rows == row)
        if self.times is not None:
            mine = mine[np.argsort(self.times[mine], kind="stable")]
        return self.item_ids[self.item_rows[mine]], self.values[mine]

    def select(self, rows, *, keep_ids: bool = False) -> Interactions:
        """The interactions at `rows` (a boolean mask or positions), in the order given.

        With ``keep_ids=True`` users and items that lose all their interactions keep
        their place; otherwise the vocabulary shrinks to what is left.

        Raises
        ------
        InvalidInput
            If nothing is selected.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool:
            check_same_length(rows=rows, interactions=self.values)
            rows = np.flatnonzero(rows)
        if rows.size == 0:
            raise InvalidInput("rows selects no interaction: loosen the condition that made it")
        times = None if self.times is None else self.times[rows]
        user_rows, item_rows, values = self.user_rows[rows], self.item_rows[rows], self.values[rows]
        if keep_ids:
            return Interactions(self.user_ids, self.item_ids, user_rows, item_rows, values, times)
        users, user_rows = np.unique(user_rows, return_inverse=True)
        items, item_rows = np.unique(item_rows, return_inverse=True)
        return Interactions(self.user_ids[users], self.item_ids[items], user_rows, item_rows, values, times)

    def with_values(self, values) -> Interactions:
        """The same interactions with other values (finite, not negative), for example log counts.

        Raises
        ------
        InvalidInput
            For another length, and for NaN, infinite or negative values.
        """
        values = check_finite("values", values)
        check_same_length(values=values, interactions=self.values)
        if (values < 0).any():
            raise InvalidInput(f"values holds a negative value ({values.min():g}): shift or clip them first")
        return Interactions(self.user_ids, self.item_ids, self.user_rows, self.item_rows, values, self.times)

    def to_frame(self, user: str = "userId", item: str = "movieId", value: str = "rating") -> pd.DataFrame:
        """The interactions as a table of raw ids, values and (where known) a ``timestamp``, in input order."""
        frame = pd.DataFrame({
            user: self.user_ids[self.user_rows], item: self.item_ids[self.item_rows], value: self.values
        })
        if self.times is not None:
            frame["timestamp"] = self.times.astype("datetime64[s]")
        return frame


def seconds(name: str, column: pd.Series) -> np.ndarray:
    """Times of a column as int64 seconds since 1970-01-01 UTC; `name` is what an error calls the column.

    Raises
    ------
    InvalidInput
        For missing times and for what is no time.
    """
    if column.isna().any():
        raise InvalidInput(f"time column {name!r} has {int(column.isna().sum())} missing values: drop or fill them")
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if np.issubdtype(column.dtype, np.datetime64):
        return column.to_numpy().astype("datetime64[s]").astype(np.int64)
    return check_finite(f"time column {name!r}", column).astype(np.int64)


def _index(kind: str, column: pd.Series, vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """The sorted vocabulary and each row's position in it."""
    raw = column.to_numpy()
    if vocabulary is None:
        codes, uniques = pd.factorize(raw, sort=True)
        return np.asarray(uniques), codes.astype(np.int64)
    ids = np.unique(np.asarray(vocabulary))
    if len(ids) < len(vocabulary):
        raise InvalidInput(f"{kind}_ids repeats {len(vocabulary) - len(ids)} ids: pass each id once")
    return ids, _rows_of(kind, ids, raw, strict=True)


def _rows_of(kind: str, vocabulary: np.ndarray, ids, strict: bool) -> np.ndarray:
    rows = pd.Index(vocabulary).get_indexer(np.atleast_1d(np.asarray(ids)).ravel()).astype(np.int64)
    if strict and (rows < 0).any():
        unknown = np.atleast_1d(np.asarray(ids)).ravel()[rows < 0]
        shown = ", ".join(repr(x.item() if hasattr(x, "item") else x) for x in unknown[:3])
        raise UnknownIdError(
            f"{kind}_ids: {len(unknown)} unknown {kind} id(s), for example {shown}; the data has "
            f"{len(vocabulary):,} {kind}s. Use an id of .{kind}_ids, or treat new {kind}s by fold-in or popularity"
        )
    return rows.reshape(np.shape(ids))
