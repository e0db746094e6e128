"""From tables of ratings, films and users to a sparse design matrix with named columns.

A factorization machine sees a rating as one long, nearly empty row of numbers. An id is a
category, so each id gets a column of its own that holds 1 (one-hot); a film's genres are a set,
so each genre gets a column (multi-hot); a date or a year is either cut into bins or measured in
standard deviations. Nothing is learnt from anything but the training ratings.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd
from scipy import sparse

from ..check import check_choice, check_finite, check_int
from ..errors import InvalidInput, NotFittedError
from ..interactions import Interactions, seconds as _seconds

_SECONDS_A_DAY = 86_400
_MAX_SESSIONS = 2**34  # more than the minutes in the years 0 to 9999, half of it before 1970
_PERIODS = ("day", "week", "month", "quarter", "year")
_NORMS = (None, "l1", "l2")
# What each block is a function of: the row's user, its film, or the row itself.
_KEY = {
    "user": "user",
    "history": "user",
    "age_group": "user",
    "gender": "user",
    "occupation": "user",
    "item": "item",
    "genres": "item",
    "release_year": "item",
    "item_history": "item",
    "rating_date": "row",
    "days_since_first": "row",
    "session": "row",
}
_TABLE_COLUMN = {
    "age_group": "age_group",
    "gender": "gender",
    "occupation": "occupation",
    "genres": "genres",
    "release_year": "year",
}


@dataclass(frozen=True, eq=False)
class DesignMatrix:
    """A sparse design matrix that knows the name and the field of each of its columns.

    Attributes
    ----------
    matrix : csr_matrix of float64, shape (n_rows, n_columns)
        Finite, with sorted indices; read it, do not change it.
    columns : tuple of str, length n_columns
        Distinct names such as ``"user=331"``, ``"genre=Drama"`` or ``"release_year"``.
    fields : ndarray of int64, shape (n_columns,)
        Field of each column, a position in `field_names`. Field-aware machines need it.
    field_names : tuple of str
        One name a field, for example ``("user", "item", "genres")``.

    Raises
    ------
    InvalidInput
        If the matrix is empty or not finite, if the lengths disagree, or if a column name repeats.
    """

    matrix: sparse.csr_matrix = field(repr=False)
    columns: tuple[str, ...] = field(repr=False)
    fields: np.ndarray = field(repr=False)
    field_names: tuple[str, ...]

    def __post_init__(self):
        matrix = sparse.csr_matrix(self.matrix, dtype=np.float64)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        if 0 in matrix.shape:
            raise InvalidInput(
                f"matrix is empty, its shape is {matrix.shape}: give it at least one row and one column"
            )
        check_finite("matrix", matrix.data)
        columns, field_names = tuple(self.columns), tuple(self.field_names)
        fields = np.asarray(self.fields, dtype=np.int64)
        if not len(columns) == len(fields) == matrix.shape[1]:
            raise InvalidInput(
                f"the matrix has {matrix.shape[1]} columns, but there are {len(columns)} columns named and "
                f"{len(fields)} fields: give one of each a column"
            )
        if len(set(columns)) < len(columns):
            repeated = pd.Index(columns)
            name = repeated[repeated.duplicated()][0]
            raise InvalidInput(f"columns names {name!r} twice: each column needs a name of its own")
        if fields.min() < 0 or fields.max() >= len(field_names):
            raise InvalidInput(
                f"fields must lie between 0 and {len(field_names) - 1}, positions in field_names, "
                f"got {fields.min()} to {fields.max()}"
            )
        for name, value in (
            ("matrix", matrix), ("columns", columns), ("fields", fields), ("field_names", field_names)
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return (
            f"DesignMatrix({self.n_rows:,} rows × {self.n_columns:,} columns, "
            f"{self.matrix.nnz / self.n_rows:.1f} entries a row; fields: {', '.join(self.field_names)})"
        )

    def __len__(self) -> int:
        return self.matrix.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.matrix.shape

    @property
    def n_rows(self) -> int:
        """Number of rows, one a rating."""
        return self.matrix.shape[0]

    @property
    def n_columns(self) -> int:
        """Number of columns, one a feature."""
        return self.matrix.shape[1]

    def row(self, index: int) -> dict[str, float]:
        """The entries of one row by column name, in column order."""
        start, end = self.matrix.indptr[index], self.matrix.indptr[index + 1]
        entries = zip(self.matrix.indices[start:end], self.matrix.data[start:end], strict=True)
        return {self.columns[column]: float(value) for column, value in entries}

    def select(self, rows) -> DesignMatrix:
        """The given rows (a boolean mask or positions), all columns kept.

        Raises
        ------
        InvalidInput
            If nothing is selected.
        """
        return DesignMatrix(self.matrix[rows], self.columns, self.fields, self.field_names)

    def keep(self, *field_names: str) -> DesignMatrix:
        """The columns of the named fields only, in their present order, fields numbered anew.

        Raises
        ------
        InvalidInput
            For a name that is no field of this matrix.
        """
        for name in field_names:
            check_choice("field_names", name, self.field_names)
        kept = [name for name in self.field_names if name in field_names]
        new_number = np.array([kept.index(name) if name in kept else -1 for name in self.field_names])
        columns = np.flatnonzero(new_number[self.fields] >= 0)
        names = tuple(self.columns[column] for column in columns)
        return DesignMatrix(self.matrix[:, columns], names, new_number[self.fields[columns]], kept)

    def join(self, other: DesignMatrix) -> DesignMatrix:
        """Both sets of columns side by side, `other` on the right.

        Raises
        ------
        InvalidInput
            If the numbers of rows differ, or if a field or a column name occurs in both.
        """
        if self.n_rows != other.n_rows:
            raise InvalidInput(f"other has {other.n_rows} rows, not {self.n_rows}: encode the same ratings")
        shared = set(self.field_names) & set(other.field_names)
        if shared:
            raise InvalidInput(f"both have the field {sorted(shared)[0]!r}: keep() it in one of them only")
        return DesignMatrix(
            sparse.hstack([self.matrix, other.matrix], format="csr"),
            self.columns + other.columns,
            np.concatenate([self.fields, other.fields + len(self.field_names)]),
            self.field_names + other.field_names,
        )


@dataclass(frozen=True, eq=False)
class Relation:
    """Columns that depend on one key only, stored once a key: row ``i`` of the design is ``matrix[rows[i]]``.

    A user's history is the same in all of the user's rows. Written out it fills memory; as a
    relation it is stored once. ``DesignMatrix`` is what one gets by writing relations out, and a
    solver that knows relations (such as myFM, where they are called relation blocks) need not.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_rows,)
        Row of `matrix` for each row of the design, not negative. The last row of `matrix` is
        empty: it stands for a key that was never seen.
    matrix : csr_matrix of float64, shape (n_keys + 1, n_columns)
        The columns of each key.
    """

    rows: np.ndarray
    matrix: sparse.csr_matrix


class RatingFeatures:
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
        - ``"release_year"``: the film's year, binned or standardised.
        - ``"age_group"``, ``"gender"``, ``"occupation"``: of the user, one-hot.
        - ``"rating_date"``: when the rating was given, binned or standardised.
        - ``"days_since_first"``: days since the user's first training rating, in bins that double
          in width (0, 1, 2–3, 4–7, …). A rating older than that counts as day 0.
        - ``"session"``: one-hot user and stretch of time; a rating at a time without training
          ratings by the user gets none.
        - ``"history"``: the films that the user rated in training, whatever the rating.
        - ``"item_history"``: the users who rated the film in training.
    user, item, time : str
        Columns of the ratings with ids and times; `item` also names the id column of `movies` and
        `user` that of `users`. `time` may be absent where no block needs it.
    genre_norm : {None, "l1", "l2"}
        Weight of each of a film's n genres: 1, 1/n or 1/√n.
    history_norm : {"l2", "l1", None}
        Weight of each of a history's n entries: 1/√n, as in SVD++, 1/n or 1.
    release_year_bin : int or None
        Years a bin. None gives one standardised column, where an unknown year counts as the mean.
    date_period : {"month", "day", "week", "quarter", "year", None}
        Bin of ``"rating_date"``. None gives one standardised column.
    session_minutes : int
        Length of a ``"session"`` in minutes, 1440 for a day. Sessions start at multiples of it
        since 1970.

    Attributes
    ----------
    columns_ : tuple of str
        Name of each column.
    fields_ : ndarray of int64, shape (n_columns,)
        Field of each column, a position in `blocks`.

    Notes
    -----
    Standardised columns are ``(x − mean) / deviation`` with the mean and the standard deviation
    over the rows of the training ratings.

    A training row's history contains the row's own film, as in SVD++; a test row's never does.

    References
    ----------
    Koren (2008), *Factorization meets the neighborhood: a multifaceted collaborative filtering model*
    (histories). Rendle (2012), *Factorization machines with libFM* (encodings). Rendle (2013),
    *Scaling factorization machines to relational data* (relations).

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
        self,
        blocks: Iterable[str] = ("user", "item"),
        *,
        user: str = "userId",
        item: str = "movieId",
        time: str = "timestamp",
        genre_norm: str | None = None,
        history_norm: str | None = "l2",
        release_year_bin: int | None = 5,
        date_period: str | None = "month",
        session_minutes: int = 1440,
    ):
        self.blocks = (blocks,) if isinstance(blocks, str) else tuple(blocks)
        self.user = user
        self.item = item
        self.time = time
        self.genre_norm = genre_norm
        self.history_norm = history_norm
        self.release_year_bin = release_year_bin
        self.date_period = date_period
        self.session_minutes = session_minutes

    def fit(
        self, ratings, movies: pd.DataFrame | None = None, users: pd.DataFrame | None = None
    ) -> RatingFeatures:
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
            Itself.

        Raises
        ------
        InvalidInput
            For an unknown block or option, no ratings, missing ids, times or columns, a table that a
            block needs and that was not given, or an id that a table holds twice.
        """
        # A refit that fails must not leave a mixture of two fits behind.
        self.__dict__.pop("_parts", None)
        self._check_options()
        tables = self._needed_tables(movies, users)
        frame = self._frame(ratings)
        self._ids, self._n_trained = {}, {}
        for key, column in (("user", self.user), ("item", self.item)):
            seen = _sorted_ids(frame[column])
            self._ids[key], self._n_trained[key] = seen, len(seen)
            if tables[key] is not None:
                known = tables[key].index
                _check_same_kind(column, "the table", known, "the training ratings", seen)
                # Trained ids come first, so that "trained" is a matter of position.
                new = known[~known.isin(seen)]
                self._ids[key] = seen.append(new) if len(new) else seen
        users_of_rows, items_of_rows = self._codes(frame)
        weights = {
            "user": np.bincount(users_of_rows, minlength=len(self._ids["user"])),
            "item": np.bincount(items_of_rows, minlength=len(self._ids["item"])),
        }
        parts = {}
        for block in self.blocks:
            key = _KEY[block]
            if block in ("user", "item"):
                part = self._one_hot_ids(key)
            elif block == "history":
                part = self._history(users_of_rows, items_of_rows, "user", "item")
            elif block == "item_history":
                part = self._history(items_of_rows, users_of_rows, "item", "user")
            elif block == "genres":
                part = self._genres(self._attribute(block, tables[key]), weights[key] > 0)
            elif block == "release_year":
                part = self._release_year(self._attribute(block, tables[key]), weights[key])
            elif key == "user":
                part = self._categories(block, self._attribute(block, tables[key]), weights[key] > 0)
            else:
                part = self._fit_row_block(block, frame, users_of_rows)
            parts[block] = part
        names = [names for names, _ in parts.values()]
        self.columns_ = tuple(chain.from_iterable(names))
        self.fields_ = np.repeat(np.arange(len(names)), [len(block) for block in names])
        self._parts = parts
        return self

    def transform(self, ratings) -> DesignMatrix:
        """Encode ratings, seen or new, with the columns decided by `fit`.

        Parameters
        ----------
        ratings : DataFrame or Interactions
            The rows to encode; the ratings themselves are not looked at.

        Returns
        -------
        DesignMatrix
            One row a rating, in the order given.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        InvalidInput
            For no rows, and for missing ids, times or columns.
        """
        written_out = [relation.matrix[relation.rows] for relation in self.relations(ratings)]
        matrix = written_out[0] if len(written_out) == 1 else sparse.hstack(written_out, format="csr")
        return DesignMatrix(matrix, self.columns_, self.fields_, self.blocks)

    def fit_transform(self, ratings, movies=None, users=None) -> DesignMatrix:
        """`fit` and `transform` on the same ratings."""
        return self.fit(ratings, movies, users).transform(ratings)

    def relations(self, ratings) -> list[Relation]:
        """The same columns as `transform`, stored once a user or film instead of once a row.

        Neighbouring blocks that depend on the same key share a relation; side by side, the relations
        have the columns of `transform` in the same order.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        InvalidInput
            For no rows, and for missing ids, times or columns.
        """
        if not hasattr(self, "_parts"):
            raise NotFittedError("this RatingFeatures is not fitted: call fit(training_ratings) first")
        frame = self._frame(ratings)
        users_of_rows, items_of_rows = self._codes(frame)
        found: list[tuple[str, np.ndarray, list]] = []
        for block in self.blocks:
            key = _KEY[block]
            table = self._parts[block][1]
            if key == "row":
                rows, table = self._row_block(block, frame, users_of_rows)
            else:
                rows = {"user": users_of_rows, "item": items_of_rows}[key]
            rows = np.where(rows < 0, table.shape[0] - 1, rows)
            if found and key != "row" and found[-1][0] == key:
                found[-1][2].append(table)
            else:
                found.append((key, rows, [table]))
        return [
            Relation(rows, tables[0] if len(tables) == 1 else sparse.hstack(tables, format="csr"))
            for _, rows, tables in found
        ]

    # -- checks ---------------------------------------------------------------------------------

    def _check_options(self) -> None:
        if not self.blocks:
            raise InvalidInput(f"blocks is empty: name at least one of {', '.join(_KEY)}")
        for block in self.blocks:
            check_choice("blocks", block, tuple(_KEY))
        if len(set(self.blocks)) < len(self.blocks):
            raise InvalidInput(f"blocks names one block twice: {self.blocks}")
        check_choice("genre_norm", self.genre_norm, _NORMS)
        check_choice("history_norm", self.history_norm, _NORMS)
        check_choice("date_period", self.date_period, (*_PERIODS, None))
        if self.release_year_bin is not None:
            check_int("release_year_bin", self.release_year_bin)
        check_int("session_minutes", self.session_minutes)

    def _needed_tables(self, movies, users) -> dict[str, pd.DataFrame | None]:
        """The tables that the blocks need, by key and indexed by id; None where no block needs one."""
        given = {"user": ("users", users, self.user), "item": ("movies", movies, self.item)}
        needed = {"user": [], "item": []}
        for block in self.blocks:
            if block in _TABLE_COLUMN:
                needed[_KEY[block]].append(block)
        tables = {}
        for key, (name, table, id_column) in given.items():
            tables[key] = None
            if not needed[key]:
                continue
            if table is None:
                raise InvalidInput(f"block {needed[key][0]!r} needs the table of {name}: pass {name}= to fit")
            columns = [_TABLE_COLUMN[block] for block in needed[key]]
            for column in (id_column, *columns):
                if column not in table.columns:
                    raise InvalidInput(
                        f"{name} has no column {column!r}, which the blocks need: "
                        f"it has {list(table.columns)}"
                    )
            ids = table[id_column]
            if ids.isna().any() or ids.duplicated().any():
                raise InvalidInput(
                    f"{name} column {id_column!r} has {int(ids.isna().sum())} missing and "
                    f"{int(ids.duplicated().sum())} repeated ids: keep one row an id"
                )
            tables[key] = table.set_index(id_column)[columns]
        return tables

    def _frame(self, ratings) -> pd.DataFrame:
        frame = ratings.to_frame(self.user, self.item) if isinstance(ratings, Interactions) else ratings
        if not isinstance(frame, pd.DataFrame):
            raise InvalidInput(f"ratings must be a DataFrame or Interactions, got {type(ratings).__name__}")
        needed = [self.user, self.item]
        if any(_KEY[block] == "row" for block in self.blocks):
            needed.append(self.time)
        for column in needed:
            if column not in frame.columns:
                raise InvalidInput(
                    f"ratings has no column {column!r}, which the blocks need: it has {list(frame.columns)}"
                )
        if frame.empty:
            raise InvalidInput("ratings has no rows, nothing to encode: check the filter that made it")
        for column in needed[:2]:
            if frame[column].isna().any():
                n = int(frame[column].isna().sum())
                raise InvalidInput(f"ratings column {column!r} has {n} missing ids: drop those rows first")
        return frame

    # -- keys -----------------------------------------------------------------------------------

    def _codes(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Each row's user and film as a row of the tables; −1 where unknown."""
        codes = []
        for key, column in (("user", self.user), ("item", self.item)):
            _check_same_kind(column, "the ratings", frame[column], "the training ratings", self._ids[key])
            codes.append(self._ids[key].get_indexer(frame[column]))
        return codes[0], codes[1]

    def _attribute(self, block: str, table: pd.DataFrame) -> pd.Series:
        """The block's column of a table, in the order of the ids; missing where the table misses the id."""
        return table[_TABLE_COLUMN[block]].reindex(self._ids[_KEY[block]])

    # -- blocks of a user or a film: column names, and a table with an empty last row --------------

    def _one_hot_ids(self, key: str):
        n = self._n_trained[key]
        codes = np.arange(len(self._ids[key]) + 1)
        codes[n:] = -1
        return _names(key, self._ids[key][:n]), _one_hot(codes, n)

    def _categories(self, block: str, values: pd.Series, trained: np.ndarray):
        vocabulary = pd.Index(values[trained].dropna().unique()).sort_values()
        codes = np.append(vocabulary.get_indexer(values), -1)
        return _names(block, vocabulary), _one_hot(codes, len(vocabulary))

    def _genres(self, genres: pd.Series, trained: np.ndarray):
        # A film that the table misses has NaN here: no genres.
        sets = [() if isinstance(value, float) else value for value in genres]
        strange = next((value for value in sets if not isinstance(value, (tuple, list, set))), None)
        if strange is not None:
            raise InvalidInput(
                f"movies column 'genres' must hold tuples of str, got {strange!r}: split it first, "
                "for example with .str.split('|')"
            )
        in_training = chain.from_iterable(s for s, t in zip(sets, trained, strict=True) if t)
        vocabulary = pd.Index(sorted(set(in_training)))
        lengths = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
        rows = np.repeat(np.arange(len(sets)), lengths)
        columns = vocabulary.get_indexer(list(chain.from_iterable(sets)))
        table = _incidence(rows[columns >= 0], columns[columns >= 0], (len(sets) + 1, len(vocabulary)))
        return _names("genre", vocabulary), _normalised(table, self.genre_norm)

    def _release_year(self, years: pd.Series, weights: np.ndarray):
        years = pd.to_numeric(years, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(years)
        weights = np.where(known, weights, 0)
        if self.release_year_bin is None:
            values = np.append(np.where(known, years, 0.0), 0.0)
            scaled = _standardise(values, *_moments(values[:-1], weights))
            scaled[np.append(~known, True)] = 0.0
            return ["release_year"], sparse.csr_matrix(scaled[:, None])
        width = self.release_year_bin
        starts = np.where(known, years // width * width, -1).astype(np.int64)
        vocabulary = pd.Index(np.unique(starts[weights > 0]))
        codes = np.append(np.where(known, vocabulary.get_indexer(starts), -1), -1)
        labels = [str(start) if width == 1 else f"{start}-{start + width - 1}" for start in vocabulary]
        return _names("release_year", labels), _one_hot(codes, len(vocabulary))

    def _history(self, owners: np.ndarray, others: np.ndarray, key: str, other_key: str):
        n = self._n_trained[other_key]
        table = _incidence(owners, others, (len(self._ids[key]) + 1, n))
        table.data[:] = 1.0  # a film rated twice is still one film
        prefix = "rated" if key == "user" else "rated_by"
        return _names(prefix, self._ids[other_key][:n]), _normalised(table, self.history_norm)

    # -- blocks of the row itself -----------------------------------------------------------------

    def _fit_row_block(self, block: str, frame: pd.DataFrame, users_of_rows: np.ndarray):
        seconds = _seconds(self.time, frame[self.time])
        if block == "rating_date" and self.date_period is None:
            self._date_moments = _moments(seconds, np.ones(len(seconds)))
            return ["rating_date"], None
        if block == "days_since_first":
            self._first = np.full(len(self._ids["user"]) + 1, np.iinfo(np.int64).max)
            np.minimum.at(self._first, users_of_rows, seconds)
            vocabulary = pd.Index(np.unique(self._day_bins(users_of_rows, seconds)))
            labels = [_span(2**number // 2, 2**number) for number in vocabulary.tolist()]
        elif block == "session":
            sessions = self._sessions(users_of_rows, seconds)
            vocabulary = pd.Index(np.unique(sessions))
            numbers = vocabulary.to_numpy()
            users = self._ids["user"][numbers // _MAX_SESSIONS]
            minutes = (numbers % _MAX_SESSIONS - _MAX_SESSIONS // 2) * self.session_minutes
            unit = "D" if self.session_minutes % 1440 == 0 else "m"
            starts = np.datetime_as_string(minutes.astype("datetime64[m]"), unit=unit)
            labels = [f"{user}@{start}" for user, start in zip(users, starts, strict=True)]
        else:
            vocabulary = pd.Index(np.unique(_period(seconds, self.date_period)))
            labels = [_period_label(number, self.date_period) for number in vocabulary]
        table = _one_hot(np.append(np.arange(len(vocabulary)), -1), len(vocabulary))
        return _names(block, labels), (vocabulary, table)

    def _row_block(self, block: str, frame: pd.DataFrame, users_of_rows: np.ndarray):
        """Row numbers into a table, and the table."""
        seconds = _seconds(self.time, frame[self.time])
        if block == "rating_date" and self.date_period is None:
            scaled = np.append(_standardise(seconds, *self._date_moments), 0.0)
            return np.arange(len(seconds)), sparse.csr_matrix(scaled[:, None])
        vocabulary, table = self._parts[block][1]
        if block == "days_since_first":
            numbers = self._day_bins(users_of_rows, seconds)
        elif block == "session":
            numbers = self._sessions(users_of_rows, seconds)
        else:
            numbers = _period(seconds, self.date_period)
        return vocabulary.get_indexer(numbers), table

    def _day_bins(self, users_of_rows: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """0 for day 0, then 1 + log2 of the day, rounded down; −1 for a user without training ratings."""
        first = self._first[users_of_rows]
        known = first < np.iinfo(np.int64).max
        days = np.maximum(seconds - np.where(known, first, 0), 0) // _SECONDS_A_DAY
        # frexp is exact where log2 of a large power of two need not be.
        return np.where(known, np.frexp(days.astype(np.float64))[1], -1)

    def _sessions(self, users_of_rows: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """User and session as one number; −1 for unknown users."""
        numbers = seconds // (60 * self.session_minutes) + _MAX_SESSIONS // 2
        return np.where(users_of_rows >= 0, users_of_rows * _MAX_SESSIONS + numbers, -1)


def _sorted_ids(column: pd.Series) -> pd.Index:
    return pd.Index(pd.unique(column)).sort_values()


def _check_same_kind(column: str, where: str, ids, other: str, other_ids) -> None:
    """Refuse 1 against "1", which would match nothing without a word."""
    if pd.api.types.is_integer_dtype(ids.dtype) != pd.api.types.is_integer_dtype(other_ids.dtype):
        raise InvalidInput(
            f"{column} is {ids.dtype} in {where} and {other_ids.dtype} in {other}: convert one with astype"
        )


def _names(prefix: str, values) -> list[str]:
    return [f"{prefix}={value}" for value in values]


def _one_hot(codes: np.ndarray, n_columns: int) -> sparse.csr_matrix:
    """A 1 in column ``codes[row]`` of each row; an empty row where the code is −1."""
    known = codes >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])
    return sparse.csr_matrix((np.ones(indptr[-1]), codes[known], indptr), shape=(len(codes), n_columns))


def _incidence(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_matrix:
    table = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    table.sort_indices()
    return table


def _normalised(table: sparse.csr_matrix, norm: str | None) -> sparse.csr_matrix:
    """Each row of ones scaled to a sum ("l1") or a sum of squares ("l2") of one."""
    if norm is None:
        return table
    counts = np.diff(table.indptr)
    weights = 1.0 / np.maximum(counts, 1) ** (1.0 if norm == "l1" else 0.5)
    table.data = np.repeat(weights, counts)
    return table


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Weighted mean and standard deviation; a deviation of 0 (a constant column) counts as 1."""
    if weights.sum() == 0:
        return 0.0, 1.0
    mean = np.average(values, weights=weights)
    deviation = np.sqrt(np.average((values - mean) ** 2, weights=weights))
    return mean, deviation or 1.0


def _standardise(values: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return (values - mean) / deviation


def _period(seconds: np.ndarray, period: str) -> np.ndarray:
    """Number of the day, week, month, quarter or year since 1970."""
    if period in ("day", "week"):
        return seconds // (_SECONDS_A_DAY * (7 if period == "week" else 1))
    months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    return months // {"month": 1, "quarter": 3, "year": 12}[period]


def _period_label(number: int, period: str) -> str:
    if period == "day":
        return str(np.datetime64(int(number), "D"))
    if period == "week":
        return f"week of {np.datetime64(int(number) * 7, 'D')}"
    if period == "month":
        return str(np.datetime64(int(number), "M"))
    if period == "quarter":
        return f"{1970 + number // 4}-Q{number % 4 + 1}"
    return str(1970 + number)


def _span(start: int, end: int) -> str:
    """Name of the bin of whole days ``start`` to ``end - 1``."""
    return str(start) if end - start == 1 else f"{start}-{end - 1}"
