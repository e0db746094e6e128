"""What the pages share: sentences and tables that cells print, the look of the figures, and our reader.

Nothing else in the package imports it.
"""
from .narrate import (
    READER,
    duration,
    film_names,
    films,
    natural_title,
    reader_id,
    say,
    speed_ratio,
    table,
)
from .plotting import (
    ACCENT,
    CMAP,
    DIVERGING,
    INK,
    MUTED,
    PALETTE,
    interval_plot,
    use_book_style,
)

__all__ = [
    "ACCENT",
    "CMAP",
    "DIVERGING",
    "INK",
    "MUTED",
    "PALETTE",
    "READER",
    "duration",
    "film_names",
    "films",
    "interval_plot",
    "natural_title",
    "reader_id",
    "say",
    "speed_ratio",
    "table",
    "use_book_style",
]
