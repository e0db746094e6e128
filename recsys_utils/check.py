"""Checks of arguments, shared by all modules.

Every message names the argument, the value and the remedy.
"""
from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from .errors import InvalidInput


def check_int(name: str, value, minimum: int = 1, maximum: int | None = None) -> int:
    """Return `value` as an int within ``[minimum, maximum]``, or raise InvalidInput."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise InvalidInput(f"{name} must be a whole number, got {value!r}: pass an int")
    if value < minimum:
        raise InvalidInput(f"{name} must be at least {minimum}, got {value}: pass a larger one")
    if maximum is not None and value > maximum:
        raise InvalidInput(f"{name} must be at most {maximum}, got {value}: pass a smaller one")
    return int(value)


def check_float(
    name: str, value, minimum: float | None = None, maximum: float | None = None, *, exclusive: bool = False
) -> float:
    """Return `value` as a finite float within the bounds (`exclusive`: the bounds are not allowed)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real) or not np.isfinite(value):
        raise InvalidInput(f"{name} must be a finite number, got {value!r}: pass a float")
    word = "strictly between" if exclusive else "between"
    low = -np.inf if minimum is None else minimum
    high = np.inf if maximum is None else maximum
    inside = low < value < high if exclusive else low <= value <= high
    if not inside:
        raise InvalidInput(f"{name} must lie {word} {low:g} and {high:g}, got {value}: pass a value in that range")
    return float(value)


def check_choice(name: str, value, choices) -> str:
    """Return `value` if it is one of `choices`, or raise InvalidInput."""
    if value not in choices:
        raise InvalidInput(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_finite(name: str, values) -> np.ndarray:
    """Return `values` as a float array without NaN or infinity, or raise InvalidInput with the first position."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} must be numbers: {error}; convert or drop the other rows") from error
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        place = where[0] if len(where) == 1 else where
        raise InvalidInput(
            f"{name} holds {int(bad.sum())} NaN or infinite values, the first ({array[bad][0]}) at position {place}: "
            "drop or replace these rows first"
        )
    return array


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
