"""One figure style for the whole book.

Call `use_book_style` at the head of a notebook; every later figure follows it. Colours come from `PALETTE`,
whose entries differ in lightness as well as in hue, so that a figure survives a greyscale print and
colour-blind eyes.
"""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler

from recsys_utils.errors import InvalidInput

__all__ = ["ACCENT", "CMAP", "DIVERGING", "INK", "MUTED", "PALETTE", "interval_plot", "use_book_style"]

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
DIVERGING = mpl.colors.LinearSegmentedColormap.from_list(
    "book_diverging", ["#1d5f6d", "#79b9c5", "#f6f5f2", "#cf8fb0", ACCENT]
)
"""Diverging colour map for signed values; its middle is near white."""

_STYLE = {
    "figure.figsize": (7.0, 3.9),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.facecolor": "white",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titlepad": 10,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "patch.edgecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "image.cmap": "book",
}


def use_book_style() -> None:
    """Make every following figure look like the book's.

    Sets Matplotlib's parameters, registers the colour maps "book" and "book_diverging" and, in a notebook,
    asks for images with two pixels a point. Calling it twice changes nothing.
    """
    for cmap in (CMAP, DIVERGING):
        if cmap.name not in mpl.colormaps:
            mpl.colormaps.register(cmap)
    plt.rcParams.update(_STYLE)
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("retina")


def interval_plot(
    table: pd.DataFrame,
    *,
    value: str = "mean",
    low: str = "low",
    high: str = "high",
    highlight=(),
    reference: float | None = None,
    xlabel: str = "",
    ax=None,
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
    missing = [name for name in (value, low, high) if name not in table]
    if missing:
        raise InvalidInput(
            f"table: no column {missing!r} among {list(table.columns)!r}; name them by value=, low=, high="
        )
    if table.empty:
        raise InvalidInput("table: it has no rows, so there is nothing to draw; pass one row for each method")
    middle, left, right = (table[name].to_numpy(dtype=float) for name in (value, low, high))
    wrong = ~((left <= middle) & (middle <= right))
    if wrong.any():
        labels = table.index[wrong].tolist()
        raise InvalidInput(f"table: the interval of {labels!r} misses its value; check {low!r} and {high!r}")
    highlight = {highlight} if isinstance(highlight, str) else set(highlight)
    if ax is None:
        _, ax = plt.subplots(figsize=(7.0, 0.9 + 0.34 * len(table)))
    rows = np.arange(len(table))[::-1]
    colours = [ACCENT if label in highlight else INK for label in table.index]
    ax.hlines(rows, left, right, color=colours, linewidth=1.6)
    ax.scatter(middle, rows, color=colours, s=30, zorder=3)
    if reference is not None:
        ax.axvline(reference, color=MUTED, linestyle="--", linewidth=1.2, zorder=1)
    ax.set_yticks(rows, [str(label) for label in table.index])
    ax.set_ylim(-0.7, len(table) - 0.3)
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(xlabel)
    return ax
