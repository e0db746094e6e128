"""A factorization machine behind the contract of the other models."""
from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import clone

from ..check import check_same_length
from ..errors import InvalidInput
from ..features import RatingFeatures
from ..interactions import Interactions
from .base import Recommender, cosines
from .factorization_machine import FactorizationMachine


class FMRecommender(Recommender):
    """Encode interactions, with what is known of users and items, and let a machine predict their values.

    Users and items that training does not have are no error in :meth:`predict`: the machine goes by what the tables
    say of them, such as a film's genres. Scores are sums over the machine's draws of the equation itself, with no time
    of rating; items rank by them.

    Parameters
    ----------
    features : RatingFeatures, optional
        Or what has its ``fit(ratings, movies, users)`` and ``transform(ratings)``; by default one-hot users and items.
    machine : FactorizationMachine, optional
        By default one that samples, with its default parameters. Anything that has ``fit(design, values)`` and
        ``predict(design)`` predicts; to rank it has to be a FactorizationMachine.
    movies, users : DataFrame, optional
        The tables that `features` need. The items of a catalogue are those of the interactions; name the others
        with ``Interactions.from_frame(item_ids=)`` to have them ranked too.

    Attributes
    ----------
    features_, machine_
        Fitted copies of `features` and `machine`.

    Examples
    --------
    >>> ratings = pd.DataFrame({"userId": [7, 7, 9], "movieId": [1, 2, 1], "rating": [5.0, 3.0, 4.0]})
    >>> movies = pd.DataFrame({"movieId": [1, 2, 3], "genres": [("Comedy",), ("Drama",), ("Drama",)]})
    >>> features = RatingFeatures(("user", "genres"))
    >>> model = FMRecommender(features=features, movies=movies).fit(Interactions.from_frame(ratings))
    >>> bool(model.predict(7, 3)[0] == model.predict(7, 2)[0])  # nobody has rated film 3, a drama like film 2
    True
    """

    predicts_ratings = True

    def __init__(self, *, features=None, machine=None, movies=None, users=None):
        self.features = features
        self.machine = machine
        self.movies = movies
        self.users = users

    def learn(self, interactions: Interactions) -> None:
        """Encode the interactions and fit the machine."""
        features = RatingFeatures() if self.features is None else clone(self.features)
        machine = FactorizationMachine() if self.machine is None else clone(self.machine)
        self.features_ = features.fit(interactions, self.movies, self.users)
        self.machine_ = machine.fit(self.features_.transform(interactions), interactions.values)

    def predict(self, user_ids, item_ids, times=None) -> np.ndarray:
        """Predicted values of user–item pairs, unknown ones included.

        Parameters
        ----------
        user_ids, item_ids : array-like of raw ids, shape (n_pairs,)
        times : array-like, shape (n_pairs,), optional
            When the pairs are judged, for features that depend on it. Unknown by default.

        Returns
        -------
        ndarray of float64, shape (n_pairs,)
        """
        for check, ids in ((self.rows_of_users, user_ids), (self.rows_of_items, item_ids)):
            if np.ndim(check(ids)) > 1:  # ids of another type are refused here
                raise InvalidInput(f"user_ids and item_ids must be 1-D, got shape {np.shape(ids)}: ravel them")
        user_ids, item_ids = np.atleast_1d(np.asarray(user_ids)), np.atleast_1d(np.asarray(item_ids))
        check_same_length(user_ids=user_ids, item_ids=item_ids)
        return self.machine_.predict(self._design(user_ids, item_ids, times))

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        """Predicted values of pairs of rows; −1 is somebody or something that no table knows."""
        users, items = self.user_ids_[user_rows], self.item_ids_[item_rows]
        users = np.where(user_rows < 0, _nobody(self.user_ids_), users)
        items = np.where(item_rows < 0, _nobody(self.item_ids_), items)
        return self.machine_.predict(self._design(users, items))

    def save(self, path) -> None:
        """Refused: tables and columns are more than the format holds. Keep data and parameters, and fit again."""
        raise InvalidInput("FMRecommender cannot be saved: keep the data and the parameters, and fit again")

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        """Means over the draws: with two halves of a row, ŷ(u, i) = ŷ(u) + ŷ(i) − w₀ + ⟨q(u), q(i)⟩."""
        if len(user_rows) == 0:
            return np.empty((0, len(self.item_ids_)))
        users = self.machine_.evaluator(self._design(self.user_ids_[user_rows], None))
        items, scores = self._items(), 0.0
        for draw in self.machine_.draws():
            (of_users, user_sums), (of_items, item_sums) = users(*draw), items(*draw)
            scores = scores + user_sums @ item_sums.T
            scores += of_users[:, None]
            scores += of_items - draw[0]
        return scores / len(self.machine_.intercept_)

    def item_similarity(self, item_row: int) -> np.ndarray:
        """Cosine of the items' sums of vectors, over all draws."""
        items = self._items()
        return cosines(np.hstack([items(*draw)[1] for draw in self.machine_.draws()]), item_row)

    def _items(self):
        return self.machine_.evaluator(self._design(None, self.item_ids_))

    def _design(self, user_ids, item_ids, times=None):
        """The rows of pairs; of users or items alone where the others are None."""
        if user_ids is None:
            user_ids = np.full(len(item_ids), _nobody(self.user_ids_))
        if item_ids is None:
            item_ids = np.full(len(user_ids), _nobody(self.item_ids_))
        names = (getattr(self.features_, name) for name in ("user", "item", "time"))
        times = pd.NaT if times is None else times
        return self.features_.transform(pd.DataFrame(dict(zip(names, (user_ids, item_ids, times), strict=True))))

    def __repr__(self) -> str:
        shown = []
        for name, value in self.get_params(deep=False).items():
            text = f"<{len(value):,} rows>" if isinstance(value, pd.DataFrame) else " ".join(repr(value).split())
            shown.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _nobody(ids: np.ndarray):
    """An id that nobody has."""
    return np.iinfo(np.int64).min if np.issubdtype(ids.dtype, np.integer) else "\0"
