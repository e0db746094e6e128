"""Writers and readers of the LibSVM and libffm text formats.

One row a line: the label, then the entries that are not zero. LibSVM writes an entry as
``index:value``, libffm as ``field:index:value``. Neither has a header, and neither says whether its
first index is 0 or 1: that is why every function here asks for `zero_based`.

scikit-learn's ``load_svmlight_file`` reads the same LibSVM files several times as fast. The readers here
are for files whose origin is in doubt: they refuse what it lets through and name the line.
"""
from __future__ import annotations

import os
from array import array
from contextlib import contextmanager
from itertools import pairwise
from math import isfinite
from operator import lt
from pathlib import Path

import numpy as np
from scipy import sparse

from ..check import check_finite, check_int, check_same_length
from ..errors import InvalidInput
from .encoding import DesignMatrix

_MAX_INDEX = 2**31 - 2


def write_libsvm(path, design, labels, *, zero_based: bool) -> None:
    """Write rows and labels as a LibSVM file, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The file to write. It appears under this name only when it is complete; a file that was
        there before is replaced in that moment.
    design : DesignMatrix or sparse matrix, shape (n_rows, n_columns)
        The features. Zeros are not written.
    labels : array-like of float, shape (n_rows,)
        One finite label a row.
    zero_based : bool
        Whether the first column is written as index 0 (xLearn, libffm) or 1 (LibSVM itself).

    Raises
    ------
    InvalidInput
        For an empty matrix, another number of labels, and values or labels that are NaN or infinite.
        Nothing is written then.
    OSError
        If the file cannot be written, for example on a full disk. What was there before stays.
    """
    matrix = _checked_matrix(design)
    offset = _offset(zero_based)
    _write(path, matrix, labels, [f"{index + offset}:" for index in range(matrix.shape[1])])


def write_libffm(path, design: DesignMatrix, labels, *, zero_based: bool) -> None:
    """Write rows and labels as a libffm file, completely or not at all.

    Parameters
    ----------
    path : str or Path
        As for `write_libsvm`.
    design : DesignMatrix, shape (n_rows, n_columns)
        The features; each column's field is written with it.
    labels : array-like of float, shape (n_rows,)
        One finite label a row.
    zero_based : bool
        Whether fields and indices start at 0 (libffm and xLearn) or both at 1.

    Raises
    ------
    InvalidInput
        As for `write_libsvm`, and if `design` is not a DesignMatrix.
    OSError
        As for `write_libsvm`.
    """
    if not isinstance(design, DesignMatrix):
        raise InvalidInput(
            f"design must be a DesignMatrix, got {type(design).__name__}: a bare matrix knows no fields"
        )
    matrix = _checked_matrix(design)
    offset = _offset(zero_based)
    fields = (design.fields + offset).tolist()
    _write(path, matrix, labels, [f"{fld}:{index + offset}:" for index, fld in enumerate(fields)])


def read_libsvm(
    path, *, zero_based: bool, n_columns: int | None = None
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Read a LibSVM file.

    Parameters
    ----------
    path : str or Path
        The file.
    zero_based : bool
        Whether the file's first column has index 0 or 1.
    n_columns : int, optional
        Number of columns of the matrix; by default the largest index of the file decides. Give
        it for test files, which may not mention the last columns.

    Returns
    -------
    matrix : csr_matrix of float64, shape (n_rows, n_columns)
    labels : ndarray of float64, shape (n_rows,)

    Raises
    ------
    InvalidInput
        With the file and the number of the line: for an empty line, a missing label, an entry that
        is not ``index:value``, NaN or infinite numbers, negative indices, indices that repeat or
        do not ascend, an index 0 with ``zero_based=False``, and an index beyond `n_columns`. Also
        for an empty file.
    """
    labels, indptr, (indices,), values = _read(path, ("index",), zero_based, n_columns)
    return _matrix(path, indptr, indices, values, n_columns), labels


def read_libffm(
    path, *, zero_based: bool, n_columns: int | None = None
) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Read a libffm file.

    Parameters
    ----------
    path, zero_based, n_columns
        As for `read_libsvm`; `zero_based` holds for fields and indices.

    Returns
    -------
    matrix : csr_matrix of float64, shape (n_rows, n_columns)
    labels : ndarray of float64, shape (n_rows,)
    fields : ndarray of int64, shape (n_columns,)
        Field of each column; −1 for a column that the file never mentions.

    Raises
    ------
    InvalidInput
        As for `read_libsvm`, and if a column appears under two fields.
    """
    labels, indptr, (fields, indices), values = _read(path, ("field", "index"), zero_based, n_columns)
    matrix = _matrix(path, indptr, indices, values, n_columns)
    field_of_column = np.full(matrix.shape[1], -1, dtype=np.int64)
    field_of_column[indices] = fields
    strange = np.flatnonzero(field_of_column[indices] != fields)
    if strange.size:
        line = int(np.searchsorted(indptr, strange[0], side="right"))
        offset = _offset(zero_based)
        index, first, other = indices[strange[0]], fields[strange[0]], field_of_column[indices[strange[0]]]
        raise _bad_line(
            path,
            line,
            f"index {index + offset} has field {first + offset} here and {other + offset} in another line",
            "give each index one field",
        )
    return matrix, labels, field_of_column


def _offset(zero_based) -> int:
    if not isinstance(zero_based, (bool, np.bool_)):
        raise InvalidInput(f"zero_based must be True or False, got {zero_based!r}")
    return 0 if zero_based else 1


def _checked_matrix(design) -> sparse.csr_matrix:
    matrix = design.matrix if isinstance(design, DesignMatrix) else design
    if not sparse.issparse(matrix):
        raise InvalidInput(f"design must be a DesignMatrix or a sparse matrix, got {type(design).__name__}")
    if 0 in matrix.shape:
        raise InvalidInput(f"design is empty, its shape is {matrix.shape}: there is nothing to write")
    matrix = sparse.csr_matrix(matrix, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    check_finite("design", matrix.data)
    matrix.eliminate_zeros()
    return matrix


def _write(path, matrix: sparse.csr_matrix, labels, prefixes: list[str]) -> None:
    labels = check_finite("labels", labels)
    check_same_length(labels=labels, design=range(matrix.shape[0]))
    # Nearly all values are the same few numbers: print each once.
    distinct, number = np.unique(matrix.data, return_inverse=True)
    texts = [_shortest(value) for value in distinct.tolist()]
    entries = [
        prefixes[index] + texts[k] for index, k in zip(matrix.indices.tolist(), number.tolist(), strict=True)
    ]
    bounds = matrix.indptr.tolist()
    with _complete_or_absent(path) as file:
        for row, label in enumerate(labels.tolist()):
            file.write(" ".join([_shortest(label), *entries[bounds[row] : bounds[row + 1]]]) + "\n")


def _shortest(value: float) -> str:
    """The shortest text that reads back as the same float, ``1`` rather than ``1.0``."""
    return repr(value).removesuffix(".0")


@contextmanager
def _complete_or_absent(path):
    """A text file that takes its name only when everything is on the disk."""
    path = Path(path).resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.partial")
    try:
        with open(temporary, "x", encoding="ascii", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _bad_line(path, line: int, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"{path}, line {line}: {problem}: {remedy}")


def _read(path, kinds: tuple[str, ...], zero_based: bool, n_columns: int | None):
    """Labels, row bounds, one array for each of `kinds` (0-based), values."""
    offset = _offset(zero_based)
    limit = _MAX_INDEX if n_columns is None else check_int("n_columns", n_columns) - 1
    labels, values, indptr = array("d"), array("d"), array("q", [0])
    numbers = [array("q") for _ in kinds]
    with open(path, "rb") as file:
        for line_number, line in enumerate(file, start=1):
            label, *entries = line.split() or [b""]
            try:
                if b"_" in line:
                    raise ValueError("Python reads 1_000 as a number, the formats do not")
                row_label = float(label)
                row_numbers, row_values = _split(entries, len(kinds))
            except ValueError:
                raise _bad_line(path, line_number, *_diagnose(label, entries, kinds)) from None
            problem = _out_of_range(row_label, row_numbers, row_values, kinds, offset, limit)
            if problem:
                raise _bad_line(path, line_number, *problem)
            labels.append(row_label)
            values.extend(row_values)
            for column, found in zip(numbers, row_numbers, strict=True):
                column.extend(found)
            indptr.append(len(values))
    if not labels:
        raise InvalidInput(f"{path} holds no rows: check that the file was written to the end")
    return (
        np.array(labels),
        np.array(indptr),
        [np.array(column, dtype=np.int64) - offset for column in numbers],
        np.array(values, dtype=np.float64),
    )


def _split(entries: list[bytes], n_numbers: int) -> tuple[list[list[int]], list[float]]:
    """The whole numbers of all entries, one list a place, and their values; ValueError for a bad entry."""
    if not entries:
        return [[] for _ in range(n_numbers)], []
    *numbers, values = zip(*(entry.split(b":") for entry in entries), strict=True)
    if len(numbers) != n_numbers:
        raise ValueError("another number of parts than the format has")
    return [list(map(int, column)) for column in numbers], list(map(float, values))


def _diagnose(label: bytes, entries: list[bytes], kinds: tuple[str, ...]) -> tuple[str, str]:
    """What is wrong with a line that does not parse, and the remedy."""
    if not label:
        return "the line is empty", "write one row a line; a row without entries still has its label"
    if b":" in label:
        return f"it starts with the entry {_show(label)}", "put the label first"
    if not _parses(float, label):
        return f"the label {_show(label)} is not a number", "write the label as a plain number"
    form = ":".join([*kinds, "value"])
    for entry in entries:
        *numbers, value = entry.split(b":")
        whole = len(numbers) == len(kinds) and all(_parses(int, number) for number in numbers)
        if not (whole and _parses(float, value)):
            return f"{_show(entry)} is not of the form {form}", "read the file as the format it has"
    raise AssertionError(f"a good line was refused: {label!r} {entries!r}")


def _parses(kind: type, text: bytes) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return b"_" not in text


def _show(text: bytes) -> str:
    shown = text[:40].decode("ascii", errors="backslashreplace")
    return repr(shown + ("…" if len(text) > 40 else ""))


def _out_of_range(label, numbers, values, kinds, offset: int, limit: int) -> tuple[str, str] | None:
    """The problem and the remedy of a line that parses but cannot be right, or None."""
    if not isfinite(label):
        return f"the label is {label}", "drop the row or give it a finite label"
    if not all(map(isfinite, values)):
        return f"a value is {next(v for v in values if not isfinite(v))}", "write finite values only"
    for kind, column in zip(kinds, numbers, strict=True):
        smallest, largest = min(column, default=offset), max(column, default=offset)
        if smallest < 0:
            return f"the {kind} {smallest} is negative", f"number each {kind} from {offset}"
        if smallest < offset:
            return f"the {kind} 0 occurs in a file read as 1-based", "read it with zero_based=True"
        highest = (limit if kind == "index" else _MAX_INDEX) + offset
        if largest > highest:
            return f"the {kind} {largest} is beyond the largest, {highest}", "check zero_based and n_columns"
    indices = numbers[-1]
    if all(map(lt, indices, indices[1:])):
        return None
    before, index = next(pair for pair in pairwise(indices) if pair[0] >= pair[1])
    if index == before:
        return f"the index {index} occurs twice", "write each index once a row"
    return f"the index {index} follows {before}", "write the indices of a row in ascending order"


def _matrix(path, indptr, indices, values, n_columns: int | None) -> sparse.csr_matrix:
    if n_columns is None:
        if not indices.size:
            raise InvalidInput(f"{path} has labels but no entries: say with n_columns how many there are")
        n_columns = int(indices.max()) + 1
    return sparse.csr_matrix((values, indices, indptr), shape=(len(indptr) - 1, n_columns))
