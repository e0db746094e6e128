"""The design matrix: named columns, field by field, each field stored once a key."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np
import pandas as pd
from scipy import sparse

from ..check import check_choice, check_finite
from ..errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Relation:
    """The columns of one field, stored once a key: row ``i`` of the design is ``table[rows[i]]``.

    What is known of a film is the same in all of its ratings, and so is a user's history. Written out in every
    row it fills memory and time; as a relation it is stored, and swept by the sampler, once a film or user.

    Attributes
    ----------
    name : str
        Name of the field, such as ``"user"`` or ``"genres"``.
    columns : tuple of str, length n_columns
        Distinct names such as ``"user=331"`` or ``"genre=Drama"``.
    table : csr_matrix of float64, shape (n_keys, n_columns)
        The columns of each key; finite, with sorted indices. Read it, do not change it.
    rows : ndarray of int64, shape (n_rows,)
        Row of `table` for each row of the design. By default the table has a row for each.

    Raises
    ------
    InvalidInput
        If the table is not finite, a number of names is not that of the columns, or a row is out of range.

    References
    ----------
    Rendle (2013), *Scaling factorization machines to relational data*.
    """

    name: str
    columns: tuple[str, ...] = field(repr=False)
    table: sparse.csr_matrix = field(repr=False)
    rows: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        table = sparse.csr_matrix(self.table, dtype=np.float64)
        if not table.has_canonical_format:
            table = table.copy()
            table.sum_duplicates()
        check_finite(f"table of {self.name!r}", table.data)
        columns = tuple(self.columns)
        if len(columns) != table.shape[1]:
            raise InvalidInput(
                f"the table of {self.name!r} has {table.shape[1]} columns, {len(columns)} columns are named: "
                "give each a name"
            )
        rows = np.arange(table.shape[0]) if self.rows is None else np.asarray(self.rows, dtype=np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < table.shape[0]:
            raise InvalidInput(
                f"rows of {self.name!r} must lie between 0 and {table.shape[0] - 1}, rows of the table, "
                f"got {rows.min()} to {rows.max()}"
            )
        for name, value in (("table", table), ("columns", columns), ("rows", rows)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class DesignMatrix:
    """A sparse design matrix that knows the name and the field of each of its columns.

    Attributes
    ----------
    relations : tuple of Relation
        One a field, all with the same number of rows.

    Raises
    ------
    InvalidInput
        Without rows or columns, if the numbers of rows differ, or if a field or a column occurs twice.
    """

    relations: tuple[Relation, ...] = field(repr=False)

    def __post_init__(self):
        object.__setattr__(self, "relations", tuple(self.relations))
        lengths = {len(relation.rows) for relation in self.relations}
        if len(lengths) > 1:
            raise InvalidInput(f"the relations have {sorted(lengths)} rows: encode the same ratings in all")
        if not lengths or 0 in self.shape:
            raise InvalidInput("the design is empty: give it at least one row and one column")
        for kind, names in (("field", self.field_names), ("column", self.columns)):
            if len(set(names)) < len(names):
                repeated = pd.Index(names)
                raise InvalidInput(
                    f"the {kind} {repeated[repeated.duplicated()][0]!r} occurs twice: each needs a name of its own"
                )

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"DesignMatrix({rows:,} rows × {columns:,} columns; fields: {', '.join(self.field_names)})"

    def __len__(self) -> int:
        return len(self.relations[0].rows)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns."""
        return tuple(chain.from_iterable(relation.columns for relation in self.relations))

    @cached_property
    def fields(self) -> np.ndarray:
        """Field of each column, a position in `field_names`; int64, shape (n_columns,)."""
        return np.repeat(np.arange(len(self.relations)), [len(r.columns) for r in self.relations])

    @property
    def field_names(self) -> tuple[str, ...]:
        """One name a field, for example ``("user", "item", "genres")``."""
        return tuple(relation.name for relation in self.relations)

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """All columns written out, CSR of float64; read it, do not change it."""
        return sparse.hstack([relation.table[relation.rows] for relation in self.relations], format="csr")

    @property
    def n_columns(self) -> int:
        """Number of columns, one a feature."""
        return sum(len(relation.columns) for relation in self.relations)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self), self.n_columns

    def row(self, index: int) -> dict[str, float]:
        """The entries of one row by column name, in column order; −1 is the last row."""
        row = self.matrix[[index]]
        return {self.columns[i]: float(x) for i, x in zip(row.indices, row.data, strict=True)}

    def select(self, rows) -> DesignMatrix:
        """The given rows (a boolean mask or positions), all columns kept.

        Raises
        ------
        InvalidInput
            If nothing is selected.
        """
        # Relations of one key share their rows, and the sampler treats those as one: let them go on sharing.
        selected = {id(relation.rows): relation.rows[rows] for relation in self.relations}
        return DesignMatrix(tuple(replace(r, rows=selected[id(r.rows)]) for r in self.relations))

    def keep(self, *field_names: str) -> DesignMatrix:
        """The columns of the named fields only, in their present order.

        Raises
        ------
        InvalidInput
            For a name that is no field of this matrix.
        """
        for name in field_names:
            check_choice("field_names", name, self.field_names)
        return DesignMatrix(tuple(r for r in self.relations if r.name in field_names))

    def join(self, other: DesignMatrix) -> DesignMatrix:
        """Both sets of columns side by side, `other` on the right.

        Raises
        ------
        InvalidInput
            If the numbers of rows differ, or if a field or a column name occurs in both.
        """
        return DesignMatrix(self.relations + other.relations)
