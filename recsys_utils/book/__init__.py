"""What the pages share: sentences and tables that cells print, the look of the figures, our reader, and who competes.

Nothing else in the package imports it.
"""
from .contenders import competition, contender, tuned, tuning_table
from .leaderboard import fingerprint, leaderboard
from .narrate import READER, duration, film_names, films, reader_id, say, speed_ratio, table
from .peers import ImplicitLibrary, SurpriseModel
from .plotting import ACCENT, CMAP, INK, MUTED, PALETTE, interval_plot, use_book_style

__all__ = [
    "ACCENT", "CMAP", "INK", "MUTED", "PALETTE", "READER", "ImplicitLibrary", "SurpriseModel", "competition",
    "contender", "duration", "film_names", "films", "fingerprint", "interval_plot", "leaderboard", "reader_id", "say",
    "speed_ratio", "table", "tuned", "tuning_table", "use_book_style",
]
