"""What the pages share: sentences and tables that cells print, the look of the figures, and our reader.

Nothing else in the package imports it.
"""
from .narrate import READER, duration, film_names, films, reader_id, say, speed_ratio, table
from .plotting import ACCENT, CMAP, INK, MUTED, PALETTE, interval_plot, use_book_style

__all__ = [
    "ACCENT", "CMAP", "INK", "MUTED", "PALETTE", "READER", "duration", "film_names", "films", "interval_plot",
    "reader_id", "say", "speed_ratio", "table", "use_book_style",
]
