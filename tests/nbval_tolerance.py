"""A pytest plugin: nbval compares the numbers in stored outputs by a stated tolerance.

Text between the numbers must be equal (runs of blanks count as one), whole numbers
must be equal, and two decimal numbers agree when they differ by at most one unit of the
last printed decimal: a rounded value may sit on the edge between two roundings on
another processor. Numbers printed with more than six significant digits agree to 1e-6 of their size.
"""
from __future__ import annotations

import re

from nbval.plugin import IPyNbCell

RTOL = 1e-6
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?!\w)")


def last_unit(number: str) -> float:
    """The value of one unit of the last printed decimal; 0 for a whole number."""
    mantissa, _, exponent = number.lower().partition("e")
    _, point, decimals = mantissa.partition(".")
    if not point and not exponent:
        return 0.0
    return 10.0 ** (int(exponent or 0) - len(decimals))


def numbers_agree(a: str, b: str) -> bool:
    """Whether two printed numbers agree by the tolerance above."""
    x, y = float(a), float(b)
    unit = min(last_unit(a), last_unit(b))
    if unit == 0.0:
        return x == y
    # The hair on top is for the binary representation of the difference.
    return abs(x - y) <= max(1.001 * unit, RTOL * max(abs(x), abs(y)))


def texts_agree(a: str, b: str) -> bool:
    """Whether two outputs have the same words and agreeing numbers."""
    if str.__eq__(a, b):
        return True
    if _words(a) != _words(b):
        return False
    return all(map(numbers_agree, NUMBER.findall(a), NUMBER.findall(b)))


def _words(text: str) -> str:
    # Blanks beside a number depend on its width (a minus sign, one digit more).
    return re.sub(r" ?# ?", "#", " ".join(NUMBER.sub("#", text).split()))


class _Text(str):
    """A string whose equality is :func:`texts_agree`, as nbval compares by ``==`` and ``!=``."""

    __hash__ = str.__hash__

    def __eq__(self, other):
        return texts_agree(self, other) if isinstance(other, str) else NotImplemented

    def __ne__(self, other):
        return not self == other


_sanitize = IPyNbCell.sanitize


def _sanitize_to_tolerant_text(self, s):
    out = _sanitize(self, s)
    return _Text(out) if isinstance(out, str) else out


IPyNbCell.sanitize = _sanitize_to_tolerant_text
