"""Checks of arguments, shared by all modules.

Every message names the argument, the value and the remedy.
"""
from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import pandas as pd

from .errors import InvalidInput


def check_int(name: str, value, minimum: int = 1, maximum: int = 2**63 - 1) -> int:
    """Return `value` as an int within ``[minimum, maximum]``, or raise InvalidInput."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise InvalidInput(f"{name} must be a whole number, got {value!r}: pass an int")
    if value < minimum:
        raise InvalidInput(f"{name} must be at least {minimum}, got {value}: pass a larger one")
    if value > maximum:
        raise InvalidInput(f"{name} must be at most {maximum}, got {value}: pass a smaller one")
    return int(value)


def check_float(
    name: str, value, minimum: float | None = None, maximum: float | None = None, *, exclusive: bool = False
) -> float:
    """Return `value` as a finite float within the bounds (`exclusive`: the bounds are not allowed)."""
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)) else np.nan
    except OverflowError:
        number = np.inf
    if not np.isfinite(number):
        raise InvalidInput(f"{name} must be a finite number, got {value!r}: pass a float")
    word = "strictly between" if exclusive else "between"
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum
    inside = low < number < high if exclusive else low <= number <= high
    if not inside:
        raise InvalidInput(f"{name} must lie {word} {low:g} and {high:g}, got {value}: pass a value in that range")
    return number


def check_bool(name: str, value) -> bool:
    """Return `value` as a bool, or raise InvalidInput: ``"no"`` counts as true in Python."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidInput(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_choice(name: str, value, choices) -> str:
    """Return `value` if it is one of `choices`, or raise InvalidInput."""
    if not isinstance(value, str | None) or value not in choices:
        raise InvalidInput(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}: pass one of these")
    return value


def check_finite(name: str, values) -> np.ndarray:
    """Return `values` as a float array without NaN or infinity, or raise InvalidInput with the first position."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "cmM":
            raise TypeError(f"they are of type {array.dtype}")
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} must be numbers: {error}; convert or drop the other rows") from error
    finite = np.isfinite(array)
    if np.count_nonzero(finite) < finite.size:
        bad = ~finite
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = where[0] if len(where) == 1 else where
        raise InvalidInput(
            f"{name} holds {int(bad.sum())} NaN or infinite values, the first ({array[bad][0]}) at position {place}: "
            "drop or replace these rows first"
        )
    return array


def check_ids(name: str, ids) -> np.ndarray:
    """Return raw ids, in the shape given, as int64 or as an object array of str.

    Every integer dtype is accepted, and floats where all are whole (what is left of a column that
    once had missing ids).

    Raises
    ------
    InvalidInput
        For ids that are neither integers nor strings, or a mixture of both.
    """
    try:
        array = np.asarray(ids)
        if array.dtype.kind == "U" and not isinstance(ids, (np.ndarray, np.generic)):
            array = np.asarray(ids, dtype=object)  # NumPy would have made text of the 1 in [1, "a"]
    except ValueError as error:
        raise InvalidInput(f"{name} must be one id or a rectangular sequence of ids: {error}") from error
    kind = array.dtype.kind
    if kind == "O":
        kind = {"string": "T", "integer": "i"}.get(pd.api.types.infer_dtype(array.ravel(), skipna=False), "O")
    if array.size == 0 or kind == "i":
        try:
            return array.astype(np.int64)
        except (OverflowError, TypeError, ValueError):
            pass
    elif kind in "UT":
        return array.astype(object)
    elif kind == "u" and array.max() < 2**63 or kind == "f" and (np.abs(array) <= 2**53).all():
        whole = array.astype(np.int64)
        if (whole == array).all():
            return whole
    found = array.ravel()[0].item() if array.dtype.kind in "biufc" else array.ravel()[:2].tolist()
    raise InvalidInput(
        f"{name} must be integers or strings, all of one kind, got {type(ids).__name__} of {array.dtype} "
        f"({found!r}): convert them, for example to str"
    )


def check_rng(rng) -> np.random.Generator:
    """Return a NumPy Generator from an int seed or a Generator (which is used as it is)."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, Integral) and not isinstance(rng, (bool, np.bool_)) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise InvalidInput(f"rng must be a non-negative int or a numpy.random.Generator, got {rng!r}: pass rng=0")


def check_same_length(**arrays) -> int:
    """Return the common length of 1-D arrays given by name, or raise InvalidInput."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise InvalidInput(f"{' and '.join(lengths)} must have the same length: {found}")
    return next(iter(lengths.values()))
