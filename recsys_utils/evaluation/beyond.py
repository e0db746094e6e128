"""Names for what lies beyond accuracy, so that one call can report it beside nDCG."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInput
from ..models import Popularity
from ..split import Split
from .calibration import miscalibration
from .coverage import coverage, exposure, gini
from .diversity import genre_coverage, intra_list_distance
from .lists import Lists, Relevant
from .popularity import average_popularity, novelty, popularity_lift
from .serendipity import serendipity


@dataclass(frozen=True)
class Offer:
    """What a model offered to whom, and what is known of users and items.

    Attributes
    ----------
    lists : Lists
    users : ndarray, shape (n_users,)
        Raw ids, in the order of the lists.
    split : Split
    relevant : Relevant
    features : ndarray of bool, shape (n_items, n_genres), or None
        Genres of ``split.train.item_ids``.
    """

    lists: Lists
    users: np.ndarray
    split: Split
    relevant: Relevant
    features: np.ndarray | None = None

    @property
    def genres(self) -> np.ndarray:
        """The genres, or InvalidInput if nobody passed any."""
        if self.features is None:
            raise InvalidInput("genres is None, and a metric needs them: pass genre_matrix(train.item_ids, movies)[0]")
        return self.features

    def serendipity(self) -> np.ndarray:
        """Serendipity against the most popular items that each user does not have."""
        k, train = self.lists.items.shape[1], self.split.train
        return serendipity(self.lists, self.relevant, Popularity().fit(train).recommend(self.users, n=k)[0], k)


#: One value per user, each a function of an :class:`Offer`.
BEYOND_METRICS = {
    "novelty": lambda o: novelty(o.lists, o.split.train),
    "average_popularity": lambda o: average_popularity(o.lists, o.split.train),
    "popularity_lift": lambda o: popularity_lift(o.lists, o.split.train, o.users),
    "serendipity": Offer.serendipity,
    "intra_list_distance": lambda o: intra_list_distance(o.lists, o.split.train.item_ids, o.genres),
    "genre_coverage": lambda o: genre_coverage(o.lists, o.split.train.item_ids, o.genres),
    "miscalibration": lambda o: miscalibration(o.lists, o.split.train, o.users, o.genres),
}
#: One value for all lists together.
OVERALL_METRICS = {
    "coverage": lambda o: coverage(o.lists, o.split.train.item_ids),
    "gini": lambda o: gini(exposure(o.lists, o.split.train.item_ids)),
}
