"""Sentences and tables that a notebook cell prints about its own results.

The book types no measured figure into its prose. A cell that knows a figure says it instead:

>>> say("Of all cells {share:.1%} are filled: {n:,} ratings.", share=0.017, n=100_836)
Of all cells 1.7% are filled: 100,836 ratings.

In JupyterLab and in the rendered book the sentence appears as prose and a table as a real HTML table; in a
terminal both fall back to plain text.
"""

from __future__ import annotations

import html
import math
import numbers
import re
import string
import sys
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from recsys_utils.errors import InvalidInput, UnknownIdError

READER = 331
"""Raw id of the user whose recommendations the book follows from chapter to chapter."""

MISSING = "–"

# Inline marks of CommonMark, GitHub's strike-through, and the mathematics of Jupyter and MyST.
_INLINE_MARKS = re.compile(r"([\\`*_{}\[\]<>&$~^|])")
# Marks that start a block, but only at the beginning of a line: headings, lists, numbered lists. A number is one only
# where a blank follows its point: "4.2 times" starts no list.
_BLOCK_MARK = re.compile(r"^(?:(\d+)(?=[.)](?:\s|$))|(?=[#+\-=:]))")
# JupyterLab looks for formulas again in the rendered text, without backslashes; none crosses an element.
_LONE_DOLLAR = r"<span>\$</span>"
_ARTICLES = "A|An|The|Das|Den|Der|Det|Die|Ein|El|Gli|Il|L'|La|Las|Le|Les|Lo|Los|O|Os|Un|Una|Une"
_INVERTED = re.compile(rf"(?P<aka>a\.k\.a\. )?(?P<name>[^()]+), (?P<article>{_ARTICLES})(?=\)| \(|$)")


def _show(plain: str, mime: str, rich: str) -> None:
    """Display a result in every Jupyter front end, and as plain text elsewhere."""
    if (ipython := sys.modules.get("IPython")) and ipython.get_ipython() is not None:
        ipython.display.display({mime: rich, "text/plain": plain}, raw=True)
    else:
        print(plain)


def _escape_markdown(text: str) -> str:
    text = _INLINE_MARKS.sub(r"\\\1", " ".join(text.split())).replace(r"\$", _LONE_DOLLAR)
    return _BLOCK_MARK.sub(r"\g<1>\\", text)


class _Sentence(string.Formatter):
    """`str.format` that escapes text, leaves numbers alone and refuses nan."""

    def __init__(self, escape: Callable[[str], str]):
        self._escape = escape

    def format_field(self, value, format_spec):
        if isinstance(value, numbers.Real) and math.isnan(value):
            raise InvalidInput("values: nan can't be quoted in a sentence; handle the missing result first")
        text = super().format_field(value, format_spec)
        return text if isinstance(value, numbers.Number) else self._escape(text)


def say(template: str, /, **values) -> None:
    """Display one sentence or paragraph of Markdown with computed values in it.

    Parameters
    ----------
    template : str
        Markdown with named fields in the syntax of `str.format`, as in ``"an RMSE of {rmse:.3f}"``. A literal
        brace, in a formula for instance, is written twice.
    **values
        One value for every field. Marks that Markdown would interpret (as in ``"M*A*S*H (1970)"``) are
        escaped in values, not in the template.

    Raises
    ------
    InvalidInput
        If a field has no value, a value has no field, a field is positional, or a number is nan.

    Examples
    --------
    >>> say("{film} has {n:,} ratings.", film="M*A*S*H (1970)", n=1234)
    M*A*S*H (1970) has 1,234 ratings.
    """
    fields = {re.split(r"[.\[]", name)[0] for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if fields != set(values):
        raise InvalidInput(
            f"template: no value for its fields {sorted(fields - set(values))}, no field for the values "
            f"{sorted(set(values) - fields)}; write {{name}} and pass name=value for each"
        )
    plain, rich = (_Sentence(escape).format(template, **values) for escape in (str, _escape_markdown))
    _show(plain, "text/markdown", rich)


def _text(value, spec) -> str:
    if callable(spec):
        return str(spec(value))
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or MISSING
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return MISSING
    if spec is not None:
        return spec.format(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:.3f}"
    return str(value)


def _escape_html(text: str) -> str:
    # A lone dollar sign in an element of its own can't open a formula in any front end.
    return html.escape(text).replace("$", "<span>$</span>")


def table(
    df: pd.DataFrame,
    caption: str,
    *,
    formats: Mapping[str, str | Callable] | None = None,
    index: bool = False,
) -> None:
    """Display a data frame as an accessible table with a caption.

    Parameters
    ----------
    df : pandas.DataFrame, shape (n_rows, n_columns)
        What to show. Several levels of column names are joined into one. Missing values appear as a dash,
        tuples as comma-separated text, other floats with three decimals.
    caption : str
        What the table shows; plain text.
    formats : mapping from column name to str or callable, optional
        How to print a column: a format such as ``"{:,.2f}"``, or a function from one value to text, such
        as `duration`. With ``index=True`` the name of an index level may be used too.
    index : bool, default False
        Whether the index becomes the leading column(s), marked as row headers.

    Raises
    ------
    InvalidInput
        If `df` is no data frame, the caption is empty, or `formats` names a column that isn't there.
    """
    if not isinstance(df, pd.DataFrame) or df.columns.empty:
        raise InvalidInput(f"df: a DataFrame with columns is needed, got {type(df).__name__}; wrap it in pd.DataFrame")
    if not isinstance(caption, str) or not caption.strip():
        raise InvalidInput(f"caption: every table needs one, got {caption!r}; say briefly what it shows")
    heads = df.index.nlevels if index else 0
    if index:
        df = df.reset_index(names=["" if name is None else name for name in df.index.names], allow_duplicates=True)
    formats = dict(formats or {})
    if unknown := [name for name in formats if name not in df.columns]:
        raise InvalidInput(f"formats: {unknown!r} are no columns of the table; choose among {list(df.columns)!r}")
    columns = []  # (label, side, texts)
    for position, name in enumerate(df.columns):
        label = " ".join(filter(None, map(str, name))) if isinstance(name, tuple) else str(name)
        values, spec = df.iloc[:, position], formats.get(name)
        # Text and row headers stand on the left, numbers and whatever a function writes (times) on the right.
        number = position >= heads and (pd.api.types.is_numeric_dtype(values) or callable(spec))
        columns.append((label, "right" if number else "left", [_text(value, spec) for value in values]))
    labels, sides, cells = zip(*columns, strict=True)
    rows = list(zip(*cells, strict=True))

    def tag(name, text, side):
        return f'<{name} style="text-align:{side}">{_escape_html(text)}</{name.split()[0]}>'

    names = ['th scope="row"'] * heads + ["td"] * (len(columns) - heads)
    head = "".join(tag('th scope="col"', *each) if each[0] else "<td></td>" for each in zip(labels, sides, strict=True))
    body = "\n".join("<tr>" + "".join(map(tag, names, row, sides)) + "</tr>" for row in rows)
    # The box scrolls sideways on a narrow screen, and by the keyboard because it can be focused.
    rich = (
        f'<div class="rs-table" role="group" tabindex="0" aria-label="{html.escape(caption)}" '
        'style="overflow-x:auto">\n'
        f"<table>\n<caption>{_escape_html(caption)}</caption>\n"
        f"<thead>\n<tr>{head}</tr>\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )
    widths = [max(map(len, column)) for column in zip(labels, *rows, strict=True)]
    pads = [str.ljust if side == "left" else str.rjust for side in sides]
    lines = ["  ".join(pad(*each) for pad, *each in zip(pads, row, widths, strict=True)) for row in (labels, *rows)]
    _show("\n".join([caption, *map(str.rstrip, lines)]), "text/html", rich)


def natural_title(title: str) -> str:
    """Put the article of a catalogue title in front, where one says it.

    Parameters
    ----------
    title : str
        A title as MovieLens has it.

    Returns
    -------
    str
        The same title in natural order.

    Examples
    --------
    >>> natural_title("Godfather, The (1972)")
    'The Godfather (1972)'
    >>> natural_title("Fargo (1996)")
    'Fargo (1996)'
    """
    return _INVERTED.sub(r"\g<aka>\g<article> \g<name>", title).replace("L' ", "L'")


def _film_rows(ids, movies: pd.DataFrame) -> pd.DataFrame:
    ids = np.atleast_1d(np.asarray(ids))
    if ids.ndim != 1:
        raise InvalidInput(f"ids: one list is needed, got {ids.ndim} dimensions; pass one row at a time")
    where = pd.Index(movies["movieId"]).get_indexer(ids)
    if (where < 0).any():
        strangers = ids[where < 0][:5].tolist()
        raise UnknownIdError(f"ids: {strangers} are not in movies; pass the films of the same data set")
    return movies.iloc[where]


def film_names(ids, movies: pd.DataFrame) -> list[str]:
    """Titles of films, in natural order and with their year.

    Parameters
    ----------
    ids : int or array-like, shape (n,)
        Raw film ids.
    movies : pandas.DataFrame
        The ``movies`` table of the data set: at least ``movieId`` and ``title``.

    Returns
    -------
    list of str, length n
        One title for each id, in the order of `ids`.

    Raises
    ------
    UnknownIdError
        If an id is not in `movies`.
    """
    return [natural_title(title) for title in _film_rows(ids, movies)["title"]]


def films(ids, movies: pd.DataFrame, scores=None, *, caption="Films", formats=None, **columns) -> None:
    """Display a table of films by name: title, genres and, if given, scores and further columns.

    Parameters
    ----------
    ids : array-like, shape (n,)
        Raw film ids in the order of display.
    movies : pandas.DataFrame
        The ``movies`` table of the data set: ``movieId``, ``title`` and, where known, ``genres``.
    scores : array-like, shape (n,), optional
        Shown in a column "Score" with two decimals.
    caption : str, default "Films"
        What the table shows.
    formats : mapping, optional
        As in `table`; by column name.
    **columns : array-like, shape (n,)
        Further columns. An underscore in a name becomes a blank, so ``Mean_rating=`` is headed "Mean rating".

    Raises
    ------
    UnknownIdError
        If an id is not in `movies`.
    InvalidInput
        If a column's length is not that of `ids`.
    """
    rows = _film_rows(ids, movies)
    shown = {"Film": [natural_title(title) for title in rows["title"]]}
    if "genres" in rows:
        shown["Genres"] = list(rows["genres"])
    if scores is not None:
        shown["Score"] = scores
    shown.update({name.replace("_", " "): values for name, values in columns.items()})
    for name, values in shown.items():
        if len(values) != len(rows):
            raise InvalidInput(f"{name}: {len(values)} values for {len(rows)} films; pass one for each id")
    frame = pd.DataFrame({name: pd.Series(list(values)) for name, values in shown.items()})
    formats = {name.replace("_", " "): spec for name, spec in (formats or {}).items()}
    table(frame, caption, formats={"Score": "{:.2f}"} | formats if scores is not None else formats)


def reader_id(data) -> int:
    """Raw id of "our reader", the user whom the book follows.

    Parameters
    ----------
    data : Interactions or pandas.DataFrame
        Interactions, or a table of ratings with a column ``userId``.

    Returns
    -------
    int
        `READER`.

    Raises
    ------
    UnknownIdError
        If the data set has no such user; choose one by a criterion then and say which.
    """
    users = data["userId"].unique() if isinstance(data, pd.DataFrame) else data.user_ids
    if READER not in users:
        raise UnknownIdError(
            f"data: it has no user {READER}, whom the book follows; choose another by a stated criterion"
        )
    return READER


def duration(seconds: float) -> str:
    """Write a time with its unit, to two significant digits.

    Parameters
    ----------
    seconds : float
        Time in seconds, not negative.

    Returns
    -------
    str
        Such as ``"3.2 s"``, ``"45 ms"`` or ``"4.0 min"``: the forms that the notebook checks do not compare.

    Raises
    ------
    InvalidInput
        If `seconds` is negative or not finite.

    Examples
    --------
    >>> duration(3.21), duration(0.0451), duration(240)
    ('3.2 s', '45 ms', '4.0 min')
    """
    seconds = float(seconds)
    if not math.isfinite(seconds) or seconds < 0:
        raise InvalidInput(f"seconds: a finite time >= 0 is needed, got {seconds!r}; take end minus start")
    for unit, size, switch in (("min", 60.0, 119.5), ("s", 1.0, 0.995), ("ms", 1e-3, 0.995e-3)):
        if seconds >= switch:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds * 1e6)} µs"


def speed_ratio(ratio: float) -> str:
    """Put a ratio of two times into words.

    Parameters
    ----------
    ratio : float
        Time of the other method divided by the time of the one that the sentence is about.

    Returns
    -------
    str
        ``"3.2 times as fast"``, or ``"3.2 times as long"`` where the ratio is below one.

    Raises
    ------
    InvalidInput
        If `ratio` is not positive and finite.

    Examples
    --------
    >>> speed_ratio(3.21), speed_ratio(0.25)
    ('3.2 times as fast', '4.0 times as long')
    """
    ratio = float(ratio)
    if not math.isfinite(ratio) or ratio <= 0:
        raise InvalidInput(f"ratio: a positive finite number is needed, got {ratio!r}; divide two times")
    return f"{_two_digits(ratio)} times as fast" if ratio >= 1 else f"{_two_digits(1 / ratio)} times as long"


def _two_digits(x: float) -> str:
    return f"{x:.1f}" if x < 9.95 else f"{float(f'{x:.2g}'):.0f}"
