"""Writers of the LibSVM and libffm text formats.

One row a line: the label, then the entries that are not zero. LibSVM writes an entry as
``index:value``, libffm as ``field:index:value``. Neither has a header, and neither says whether its
first index is 0 or 1: that is why every function here asks for `zero_based`. To read LibSVM files,
scikit-learn has ``load_svmlight_file``.
"""
from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from scipy import sparse

from ..check import check_finite, check_same_length
from ..errors import InvalidInput
from .design import DesignMatrix


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
    write_rows(path, design.matrix if isinstance(design, DesignMatrix) else design, labels, zero_based)


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
    write_rows(path, design.matrix, labels, zero_based, design.fields)


def write_rows(path, matrix, labels, zero_based: bool, fields=None) -> None:
    """Write a sparse matrix as LibSVM, or with a field for each column as libffm; see the two functions above."""
    if not isinstance(zero_based, bool):
        raise InvalidInput(f"zero_based must be True or False, got {zero_based!r}")
    if not sparse.issparse(matrix) or 0 in matrix.shape:
        got = f"an empty one, {matrix.shape}" if sparse.issparse(matrix) else type(matrix).__name__
        raise InvalidInput(f"design must be a DesignMatrix or a sparse matrix with rows and columns, got {got}")
    matrix = sparse.csr_matrix(matrix, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    check_finite("design", matrix.data)
    matrix.eliminate_zeros()
    labels = check_finite("labels", labels)
    if labels.ndim != 1:
        raise InvalidInput(f"labels must be 1-D, got shape {labels.shape}: ravel them")
    check_same_length(labels=labels, design=range(matrix.shape[0]))
    first = 0 if zero_based else 1
    prefixes = [f"{index}:" for index in range(first, matrix.shape[1] + first)]
    if fields is not None:
        prefixes = [f"{field + first}:{prefix}" for field, prefix in zip(fields, prefixes, strict=True)]
    # Nearly all values are the same few numbers: print each once.
    distinct, number = np.unique(matrix.data, return_inverse=True)
    texts = [_shortest(value) for value in distinct.tolist()]
    entries = [prefixes[i] + texts[k] for i, k in zip(matrix.indices.tolist(), number.tolist(), strict=True)]
    path = Path(path).resolve()  # a link is written through
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "w", encoding="ascii") as file:
            for label, start, end in zip(labels.tolist(), matrix.indptr[:-1], matrix.indptr[1:], strict=True):
                file.write(" ".join([_shortest(label), *entries[start:end]]) + "\n")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _shortest(value: float) -> str:
    """The shortest text that reads back as the same float, ``1`` rather than ``1.0``."""
    return repr(value).removesuffix(".0")
