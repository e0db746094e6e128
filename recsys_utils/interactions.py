"""The one data container: who interacted with what, how strongly and when.

Everything is validated once, when the container is made, so that no model
checks again.
"""
from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format
from scipy import sparse

from .check import check_choice, check_finite, check_ids, check_same_length
from .errors import InvalidInput, UnknownIdError

_FEW = 1000  # look-ups in ascending integer ids for which pandas takes longer to begin than a search to end
_DUPLICATES = ("error", "sum", "mean", "last")
_LAST_SECOND = 253_402_300_799  # of the year 9999: larger times are in milliseconds or finer


@dataclass(frozen=True, eq=False)
class Interactions:
    """User–item interactions with raw ids mapped to contiguous rows.

    Build one with :meth:`from_frame`. Row ``r`` of the matrix belongs to
    ``user_ids[r]``, column ``c`` to ``item_ids[c]``; both are sorted, so the
    mapping does not depend on the order of the input. However it is built, the
    container checks and copies its arrays; the copies cannot be written to.

    Attributes
    ----------
    user_ids, item_ids : ndarray of int64, or of str (dtype object), shapes (n_users,) and (n_items,)
        Raw ids, ascending, without repeats. No item id is :attr:`missing_item`.
    user_rows, item_rows : ndarray of int64, shape (n_interactions,)
        Position of each interaction's user and item, in the order of the input; no pair occurs twice.
    values : ndarray of float64, shape (n_interactions,)
        Rating, play count or weight; finite and not negative. A 0 is a rating of 0 for models that predict
        ratings, and no interaction for models that rank.
    times : ndarray of int64 or None, shape (n_interactions,)
        Seconds since 1970-01-01 UTC, where the input has them.

    Raises
    ------
    InvalidInput
        For arrays that break one of these rules.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    user_rows: np.ndarray = field(repr=False)
    item_rows: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    times: np.ndarray | None = field(repr=False, default=None)

    def __post_init__(self):
        arrays = {"user_ids": _vocabulary("user_ids", self.user_ids)}
        arrays["item_ids"] = _vocabulary("item_ids", self.item_ids)
        arrays["user_rows"] = _rows("user_rows", self.user_rows, len(arrays["user_ids"]))
        arrays["item_rows"] = _rows("item_rows", self.item_rows, len(arrays["item_ids"]))
        arrays["values"] = _check_values("values", self.values).copy()
        if self.times is not None:
            arrays["times"] = seconds("times", self.times).copy()
        check_same_length(**{name: arrays[name] for name in arrays if not name.endswith("_ids")})
        if not len(arrays["values"]):
            raise InvalidInput("values has no interactions: there is nothing to learn from; pass at least one")
        for name, array in arrays.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if (self.item_ids == self.missing_item).any():
            raise InvalidInput(
                f"item_ids holds {self.missing_item!r}, which stands for 'no item' in lists: give it another id"
            )
        if pair := self._repeated_pair():
            raise InvalidInput(
                f"user_rows and item_rows hold {pair[0]} repeated user–item pairs, for example user {pair[1]!r} with "
                f"item {pair[2]!r}: pass each pair once (from_frame merges repeats with duplicates=)"
            )

    def __reduce__(self):
        # A copy comes in through the same door, without what was cached.
        return Interactions, tuple(getattr(self, part.name) for part in fields(self))

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
            One row an interaction (a polars or Arrow table is converted by its ``to_pandas``).
        user, item : str
            Columns with raw ids (integers or strings).
        value : str or None
            Column with ratings, counts or weights; None makes every interaction 1.
        time : str or None
            Column with times: datetimes, dates as text, or seconds since 1970; UTC where they name no zone.
            The default ``"timestamp"`` may be absent; any other name must be there.
        user_ids, item_ids : array-like or set, optional
            The whole vocabulary, where users or items without interactions must keep a row.
            An id of the frame that is not in it is an error.
        duplicates : {"error", "sum", "mean", "last"}
            What to do with several rows of one user and item: refuse them, add or average
            their values, or keep the last row. The time kept is that of the last row.

        Raises
        ------
        InvalidInput
            For an empty frame, missing columns or ids, NaN, infinite or negative values, times that are
            none, and duplicates (with ``duplicates="error"``). The message names every problem of the frame.
        UnknownIdError
            For an id outside a given vocabulary.
        """
        check_choice("duplicates", duplicates, _DUPLICATES)
        if hasattr(frame, "to_pandas"):
            frame = frame.to_pandas()
        if not isinstance(frame, pd.DataFrame):
            raise InvalidInput(f"frame must be a pandas DataFrame, got {type(frame).__name__}: build one first")
        problems = []
        if time == "timestamp" and time not in frame.columns:
            time = None
        for argument, column in (("user", user), ("item", item), ("value", value), ("time", time)):
            if column is not None and (n := list(frame.columns).count(column)) != 1:
                problems.append(
                    f"{argument}={column!r} names {n or 'no'} column{'s' * (n > 1)} of the frame, which has "
                    f"{list(frame.columns)}: name the right one with {argument}="
                )
        if not len(frame):
            problems.append("frame has no rows: there is nothing to learn from; check the filter that made it")
        _raise(problems)

        def keep(check, *arguments):
            try:
                return check(*arguments)
            except InvalidInput as problem:
                problems.append(str(problem))

        raw_users = keep(_present_ids, "user", user, frame[user])
        raw_items = keep(_present_ids, "item", item, frame[item])
        values = np.ones(len(frame)) if value is None else keep(_check_values, f"value column {value!r}", frame[value])
        times = None if time is None else keep(seconds, time, frame[time])
        if problems and duplicates == "error":
            if repeated := int(frame[[user, item]].dropna().duplicated().sum()):
                problems.append(f"{repeated} rows repeat a user–item pair: pass duplicates='sum', 'mean' or 'last'")
        _raise(problems)

        users, user_rows = _index("user", raw_users, user_ids)
        items, item_rows = _index("item", raw_items, item_ids)
        pair = user_rows * len(items) + item_rows
        ordered = np.sort(pair)
        if (ordered[1:] == ordered[:-1]).any():
            order = np.argsort(pair, kind="stable")
            starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
            counts = np.diff(starts, append=len(pair))
            first, last = order[starts], order[starts + counts - 1]
            if duplicates == "error":
                example = first[np.argmax(counts > 1)]
                raise InvalidInput(
                    f"frame has {len(pair) - len(first)} repeated user–item pairs, for example user "
                    f"{_plain(raw_users[example])!r} with item {_plain(raw_items[example])!r}: "
                    "pass duplicates='sum', 'mean' or 'last', or drop them"
                )
            if duplicates == "last":
                merged = values[last]
            else:
                with np.errstate(over="ignore"):
                    merged = np.add.reduceat(values[order], starts)
                if not np.isfinite(merged).all():
                    raise InvalidInput(f"duplicates={duplicates!r} adds values up to infinity: scale them down first")
                if duplicates == "mean":
                    merged = merged / counts
            shown = np.argsort(first)  # the order of first appearance
            rows, values = first[shown], merged[shown]
            user_rows, item_rows = user_rows[rows], item_rows[rows]
            times = None if times is None else times[last[shown]]
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
    def missing_item(self):
        """What stands for "no item" where a list is not full: −1, or ``""`` where item ids are strings."""
        return -1 if self.item_ids.dtype == np.int64 else ""

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

    @cached_property
    def _user_index(self) -> pd.Index:
        return pd.Index(self.user_ids, dtype=self.user_ids.dtype)

    @cached_property
    def _item_index(self) -> pd.Index:
        return pd.Index(self.item_ids, dtype=self.item_ids.dtype)

    def rows_of_users(self, ids, *, strict: bool = False) -> np.ndarray:
        """Rows of raw user ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`.

        Raises
        ------
        InvalidInput
            For ids of another type than the data's: strings where these are integers, or the reverse.
        """
        return _look_up("user", self._user_index, ids, strict)

    def rows_of_items(self, ids, *, strict: bool = False) -> np.ndarray:
        """Columns of raw item ids; otherwise as :meth:`rows_of_users`."""
        return _look_up("item", self._item_index, ids, strict)

    def history(self, user_id) -> tuple[np.ndarray, np.ndarray]:
        """Item ids and values of one user, in order of time (of input, where there are no times).

        Raises
        ------
        UnknownIdError
            If the user is unknown.
        """
        if np.ndim(user_id):
            raise InvalidInput(f"user_id must be one id, got {user_id!r}: call history once for each user")
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
            If nothing is selected, a position is outside the interactions, or one occurs twice.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.ndim == 1:
            check_same_length(rows=rows, interactions=self.values)
            rows = np.flatnonzero(rows)
        if rows.size == 0:
            raise InvalidInput("rows selects no interaction: loosen the condition that made it")
        rows = _rows("rows", rows, len(self))
        if (repeats := np.bincount(rows) > 1).any():
            raise InvalidInput(
                f"rows repeats {int(repeats.sum())} positions, the first {int(repeats.argmax())}: an interaction "
                "occurs once; for a bootstrap of rows select the distinct ones and weight them by with_values"
            )
        times = None if self.times is None else self.times[rows]
        user_rows, item_rows, values = self.user_rows[rows], self.item_rows[rows], self.values[rows]
        if keep_ids:
            return Interactions(self.user_ids, self.item_ids, user_rows, item_rows, values, times)
        users, user_rows = _shrink(user_rows, self.n_users)
        items, item_rows = _shrink(item_rows, self.n_items)
        return Interactions(self.user_ids[users], self.item_ids[items], user_rows, item_rows, values, times)

    def with_values(self, values) -> Interactions:
        """The same interactions with other values (finite, not negative), for example log counts.

        Raises
        ------
        InvalidInput
            For another length, and for NaN, infinite or negative values.
        """
        check_same_length(values=_check_values("values", values), interactions=self.values)
        return Interactions(self.user_ids, self.item_ids, self.user_rows, self.item_rows, values, self.times)

    def to_frame(self, user: str = "userId", item: str = "movieId", value: str = "rating") -> pd.DataFrame:
        """The interactions as a table of raw ids, values and (where known) a ``timestamp``, in input order."""
        frame = pd.DataFrame({
            user: self.user_ids[self.user_rows], item: self.item_ids[self.item_rows], value: self.values
        })
        if self.times is not None:
            frame["timestamp"] = self.times.astype("datetime64[s]")
        return frame

    def _repeated_pair(self):
        """Number of repeated pairs and one of them, or None."""
        pair = self.user_rows * self.n_items + self.item_rows
        if (np.diff(pair) > 0).all():
            return None
        pair.sort()  # many times faster than np.unique with its hash table
        again = np.flatnonzero(pair[1:] == pair[:-1])
        if not len(again):
            return None
        user, item = divmod(int(pair[again[0]]), self.n_items)
        return len(again), _plain(self.user_ids[user]), _plain(self.item_ids[item])


def check_interactions(interactions, name: str = "interactions") -> Interactions:
    """Return `interactions` if it is the container, or raise InvalidInput with the way to one."""
    if not isinstance(interactions, Interactions):
        raise InvalidInput(
            f"{name} must be Interactions, got {type(interactions).__name__}: "
            "build them with Interactions.from_frame(frame)"
        )
    return interactions


def seconds(name: str, column) -> np.ndarray:
    """Seconds since 1970-01-01 UTC as int64, shape (n,), of datetimes, dates as text or numbers of seconds.

    Parameters
    ----------
    name : str
        What the error message calls the column.
    column : array-like, shape (n,)
        Text is parsed by pandas, all of one format (``03/04/2024`` is the 4th of March); numbers are
        seconds; times without a zone are taken as UTC.

    Raises
    ------
    InvalidInput
        For missing times, text that is no date, other types, and times after the year 9999 (milliseconds).
    """
    column, name = pd.Series(column, copy=False), f"time column {name!r}"
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if column.isna().any():
        row = int(column.isna().to_numpy().argmax())
        raise InvalidInput(
            f"{name} has {int(column.isna().sum())} missing values, the first in row {row}: drop or fill them"
        )
    kind = pd.api.types.infer_dtype(column)
    if kind in ("integer", "floating", "mixed-integer-float"):
        found = np.floor(check_finite(name, column))
    elif kind in ("string", "datetime", "datetime64", "date"):
        # Of no format pandas would guess one a row, days and months at will.
        guess = guess_datetime_format(column.iloc[0]) if kind == "string" else None
        for layout in ("ISO8601", guess or "ISO8601") if kind == "string" else (None,):
            parsed = pd.to_datetime(column, utc=True, errors="coerce", format=layout)
            if not (bad := parsed.isna().to_numpy()).any():
                break
        if bad.any():
            raise InvalidInput(
                f"{name} holds {int(bad.sum())} values that are no date of one format, the first "
                f"({column.iloc[bad.argmax()]!r}) in row {int(bad.argmax())}: convert it with pd.to_datetime first"
            )
        found = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    else:
        raise InvalidInput(f"{name} holds {kind} values: pass datetimes, dates as text, or seconds since 1970")
    if len(found) and (far := np.abs(found).max()) > _LAST_SECOND:
        raise InvalidInput(f"{name} holds {far:.0f}, after the year 9999 in seconds: divide milliseconds by 1000 first")
    return found.astype(np.int64)


def _raise(problems: list[str]) -> None:
    if len(problems) == 1:
        raise InvalidInput(problems[0])
    if problems:
        listed = "".join(f"\n  {number}. {problem}" for number, problem in enumerate(problems, 1))
        raise InvalidInput(f"frame has {len(problems)} problems:{listed}")


def _check_values(name: str, values) -> np.ndarray:
    values = check_finite(name, values)
    if values.ndim != 1:
        raise InvalidInput(f"{name} must be one number an interaction, got shape {values.shape}: pass a 1-D array")
    if (values < 0).any():
        row = int((values < 0).argmax())
        raise InvalidInput(
            f"{name} holds {int((values < 0).sum())} negative values, the first "
            f"({values[row]:g}) in row {row}: ratings and counts are not negative; shift, clip or drop them"
        )
    return values


def _present_ids(kind: str, name: str, column: pd.Series) -> np.ndarray:
    missing = column.isna().to_numpy()
    if missing.any():
        raise InvalidInput(
            f"{kind} column {name!r} has {int(missing.sum())} missing ids, the first in row {int(missing.argmax())}: "
            f"drop them with frame.dropna(subset=[{name!r}])"
        )
    return check_ids(f"{kind} column {name!r}", column)


def _vocabulary(name: str, ids) -> np.ndarray:
    ids = check_ids(name, ids).copy()
    if ids.ndim != 1 or not len(ids) or not (ids[1:] > ids[:-1]).all():
        raise InvalidInput(f"{name} must be a list of ids, ascending, without repeats: pass np.unique(ids)")
    return ids


def _rows(name: str, rows, n: int) -> np.ndarray:
    rows = np.array(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" and rows.size:
        raise InvalidInput(f"{name} must be a 1-D array of whole numbers, got shape {rows.shape} of {rows.dtype}")
    if rows.size and not 0 <= rows.min() <= rows.max() < n:
        raise InvalidInput(f"{name} must lie from 0 to {n - 1}, got {rows.min()} to {rows.max()}: pass positions")
    return rows.astype(np.int64, copy=False)


def _shrink(rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The places that occur in `rows`, ascending, and `rows` numbered among these."""
    used = np.zeros(n, dtype=bool)
    used[rows] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[rows]


def _index(kind: str, raw: np.ndarray, vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """The sorted vocabulary and each row's position in it."""
    if vocabulary is None:
        codes, uniques = pd.factorize(raw, sort=True)
        return uniques, codes.astype(np.int64)
    given = check_ids(f"{kind}_ids", list(vocabulary) if isinstance(vocabulary, set | frozenset) else vocabulary)
    ids = np.unique(given)
    if len(ids) < given.size:
        raise InvalidInput(f"{kind}_ids repeats {given.size - len(ids)} ids: pass each id once")
    return ids, _look_up(kind, pd.Index(ids, dtype=ids.dtype), raw, strict=True)


def _look_up(kind: str, index: pd.Index, ids, strict: bool) -> np.ndarray:
    array = check_ids(f"{kind}_ids", ids)
    if array.size and array.dtype != index.dtype:
        names = {np.dtype(np.int64): "integers", np.dtype(object): "strings"}
        raise InvalidInput(
            f"{kind}_ids are {names[array.dtype]}, for example {_plain(array.ravel()[0])!r}, but the data's are "
            f"{names[index.dtype]}, for example {_plain(index[0])!r}: convert them to the data's type"
        )
    flat = array.ravel()
    if len(flat) == 1:  # a hundred times faster than the search for many
        try:
            rows = np.array([index.get_loc(flat[0])])
        except KeyError:
            rows = np.array([-1])
    elif len(flat) < _FEW and array.dtype != object and index.is_monotonic_increasing and len(index):
        known = index.to_numpy()
        rows = known.searchsorted(flat)
        strangers = known.take(rows, mode="clip") != flat
        if np.count_nonzero(strangers):
            rows[strangers] = -1
    else:
        rows = index.get_indexer(pd.Index(flat, dtype=flat.dtype)).astype(np.int64)
    if strict and np.count_nonzero(rows < 0):
        unknown = flat[rows < 0]
        shown = ", ".join(repr(_plain(one)) for one in unknown[:3])
        raise UnknownIdError(
            f"{kind}_ids: {len(unknown)} unknown {kind} id(s), for example {shown}; the data has "
            f"{len(index):,} {kind}s. Use an id of .{kind}_ids, or treat new {kind}s by fold-in or popularity"
        )
    return rows.reshape(array.shape)


def _plain(value):
    """The Python value of a NumPy scalar, which reads better in a sentence."""
    return value.item() if isinstance(value, np.generic) else value
