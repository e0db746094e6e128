"""One figure style for the whole book.

Call `use_book_style` at the head of a notebook; every later figure follows it. Colours come from `PALETTE`,
whose entries differ in lightness as well as in hue, so that a figure survives a greyscale print and
colour-blind eyes.
"""

from __future__ import annotations

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from recsys_utils.errors import InvalidInput

INK = "#232733"
"""Text, axes and neutral marks."""
MUTED = "#8a8f9c"
"""Whatever the figure is not about: baselines, context, reference lines."""
ACCENT = "#8c2f5f"
"""The one colour that says "look here"."""
PALETTE = [ACCENT, "#1f7d90", "#c3852a", "#1f2d4e", "#96bd80", "#cdd2da"]
"""Categorical colours in order of use; no two are alike in greyscale."""
CMAP = mpl.colors.LinearSegmentedColormap.from_list(
    "book", ["#ffffff", "#e3c3d3", "#b8658f", ACCENT, "#3d1029"]
)
"""Sequential colour map from white (nothing) to the darkest accent (most)."""


def use_book_style() -> None:
    """Make every following figure look like the book's.

    Sets Matplotlib's parameters, registers the colour map "book" and, in a notebook, asks for images with two
    pixels a point. Calling it twice changes nothing.
    """
    if CMAP.name not in mpl.colormaps:
        mpl.colormaps.register(CMAP)
    plt.style.use("recsys_utils.book.figures")
    plt.rcParams.update({"axes.prop_cycle": plt.cycler(color=PALETTE), "image.cmap": CMAP.name})
    if (ipython := sys.modules.get("IPython")) and ipython.get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")


def interval_plot(
    table: pd.DataFrame, *, value="mean", low="low", high="high", highlight=(), reference=None, xlabel="", ax=None
):
    """Draw one row a method: a dot for the value, a whisker for its interval.

    Parameters
    ----------
    table : pandas.DataFrame, shape (n_rows, >= 3)
        One row for each method, drawn from top to bottom; the index holds the labels.
    value, low, high : str
        Columns of the value and of the ends of its interval, all in the unit of `xlabel`.
    highlight : str or sequence of str, default ()
        Labels to draw in the accent colour; the others are drawn in ink.
    reference : float, optional
        Where to draw a dashed vertical line, such as a published figure.
    xlabel : str
        Name and unit of the value.
    ax : matplotlib.axes.Axes, optional
        Where to draw. A new figure of fitting height is made if there is none.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InvalidInput
        If a column is missing, the table is empty, or an interval does not hold its value.
    """
    if table.empty or not {value, low, high} <= set(table):
        raise InvalidInput(
            f"table: it needs rows and the columns {value!r}, {low!r} and {high!r}, got {len(table)} rows of "
            f"{list(table.columns)!r}; name other columns by value=, low=, high="
        )
    middle, left, right = (table[name].to_numpy(dtype=float) for name in (value, low, high))
    wrong = ~((left <= middle) & (middle <= right))
    if wrong.any():
        labels = table.index[wrong].tolist()
        raise InvalidInput(f"table: the interval of {labels!r} misses its value; check {low!r} and {high!r}")
    highlight = {highlight} if isinstance(highlight, str) else set(highlight)
    ax = ax or plt.subplots(figsize=(7.0, 0.9 + 0.34 * len(table)))[1]
    rows = np.arange(len(table))[::-1]
    colours = [ACCENT if label in highlight else INK for label in table.index]
    ax.hlines(rows, left, right, color=colours, linewidth=1.6)
    ax.scatter(middle, rows, color=colours, s=30, zorder=3)
    if reference is not None:
        ax.axvline(reference, color=MUTED, linestyle="--", linewidth=1.2, zorder=1)
    ax.set_yticks(rows, map(str, table.index))
    ax.set(xlabel=xlabel, ylim=(-0.7, len(table) - 0.3))
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return ax
