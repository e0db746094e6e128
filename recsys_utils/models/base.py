"""The contract that every model of the book keeps."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator

from ..check import check_bool, check_finite, check_float, check_int, check_same_length
from ..compiled import compiled
from ..errors import Diverged, InvalidInput, NotFittedError
from ..interactions import Interactions, check_interactions
from ..topn import SortedVectors, top_n
from .saving import read_model, write_model

# Scores of this many bytes, or factors of this many pairs, are held at once.
_BLOCK_BYTES = 64 * 2**20
_PAIRS = 2**16
_ID, _VALUE = np.dtype(np.int64), np.dtype(np.float64)

positive = partial(check_float, minimum=0, exclusive=True)
not_negative = partial(check_float, minimum=0)


class Recommender(BaseEstimator, ABC):
    """Base of all models: raw ids at the surface, matrix rows inside.

    Parameters are keyword-only arguments, stored untouched under their own names (scikit-learn's convention:
    ``get_params``, ``set_params`` and ``sklearn.clone`` work) and checked in :meth:`fit`. What a model learns has a
    name that ends in an underscore.

    To write a model, implement :meth:`learn` and one of :meth:`vectors` and :meth:`score_rows`; the other hooks where
    they make sense. Inside hooks a user or an item is its row, a contiguous int; −1 stands for one that training does
    not have.

    Attributes
    ----------
    user_ids_, item_ids_ : ndarray, shapes (n_users,) and (n_items,)
        Raw ids in the order of rows.
    value_range_ : tuple of float
        Lowest and highest value seen in training.
    interactions_ : Interactions or None
        What the model has learnt from; None after :meth:`load` without it.
    """

    #: For each parameter, a function of its name and value that raises InvalidInput.
    checks: Mapping[str, Callable] = {}
    #: Whether values are ratings: then a value of 0 is a rating, and a new user's values must be given.
    predicts_ratings = False
    interactions_: Interactions | None = None
    _repr_html_ = _repr_mimebundle_ = None  # one plain line, in notebooks as well

    def fit(self, interactions: Interactions, **watched) -> Recommender:
        """Learn from `interactions`; returns the model itself.

        Parameters
        ----------
        interactions : Interactions
        **watched
            What the model's :meth:`learn` takes besides, for example ``validation=``.

        Raises
        ------
        InvalidInput
            If `interactions` is no :class:`~recsys_utils.Interactions`, or a parameter has a bad value.
        Diverged
            If the numbers overflow.
        """
        check_interactions(interactions)
        self.check_parameters()
        for name in [name for name in vars(self) if name.endswith("_") or name in ("_ids", "_search")]:
            delattr(self, name)  # a failed fit leaves no half-fitted model behind
        self.value_range_ = (float(interactions.values.min()), float(interactions.values.max()))
        self.learn(interactions, **watched)
        self.user_ids_, self.item_ids_ = interactions.user_ids, interactions.item_ids
        self.interactions_ = self._ids = interactions
        return self

    def predict(self, user_ids, item_ids) -> np.ndarray:
        """Predicted values of user–item pairs.

        An unknown user or item is no error: the model falls back to what it knows (the other side's bias, or the
        mean). Models with ``clip=True`` keep to the range of the training values.

        Parameters
        ----------
        user_ids, item_ids : array-like of raw ids, shape (n_pairs,)

        Returns
        -------
        ndarray of float64, shape (n_pairs,)
        """
        users, items = _one_dimensional(user_ids=self.rows_of_users(user_ids), item_ids=self.rows_of_items(item_ids))
        return self.clipped(self.predict_rows(users, items))

    def clipped(self, values: np.ndarray) -> np.ndarray:
        """The values, inside the range of the training values where the model has ``clip=True``."""
        return np.clip(values, *self.value_range_) if getattr(self, "clip", False) else values

    def recommend(self, user_ids, n: int = 10, exclude_seen: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items with the highest scores, best first; equal scores in order of item id.

        Parameters
        ----------
        user_ids : one raw id, or array-like of shape (n_users,)
        n : int
            Length of the list, at most the size of the catalogue.
        exclude_seen : bool
            Leave out the items that the user has in the training data.

        Returns
        -------
        ids, scores : ndarray
            Shape (n,) for one id and (n_users, n) for a batch. Where a user has fewer than `n` items left, the list
            ends with the missing id (−1, or ``""`` where item ids are strings) and the score −inf.

        Raises
        ------
        UnknownIdError
            For a user that the training data does not have.
        InvalidInput
            If `n` is below 1 or above the size of the catalogue.
        """
        (rows,) = _one_dimensional(user_ids=self.rows_of_users(user_ids, strict=True))
        self._check_list(n, exclude_seen)
        if not len(rows):
            return np.empty((0, n), dtype=self.item_ids_.dtype), np.empty((0, n))
        step = max(1, len(rows) if self._sorted_vectors() else _BLOCK_BYTES // (8 * len(self.item_ids_)))
        starts = range(0, len(rows), step)
        blocks = [self._top_rows(rows[start : start + step], n, exclude_seen) for start in starts]
        ids, scores = self._named(*map(np.concatenate, zip(*blocks, strict=True)))
        return (ids[0], scores[0]) if np.ndim(user_ids) == 0 else (ids, scores)

    def similar_items(self, item_id, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items most similar to one item, as the model sees it; the item itself is left out.

        Returns
        -------
        ids, similarities : ndarray, shape (n,)

        Raises
        ------
        UnknownIdError
            For an item that the training data does not have.
        InvalidInput
            If `n` is below 1 or larger than the number of other items, or the model compares no items.
        """
        row = one_row("item_id", item_id, self.rows_of_items)
        self._check_list(n, spare=1)
        return self._best(self.item_similarity(row), n, without=row)

    def fold_in(self, item_ids, values=None) -> np.ndarray:
        """The vector of a user who is not in the training data, from that user's history.

        Parameters
        ----------
        item_ids : array-like of raw ids, shape (n,)
            Without repeats; n may be 0.
        values : array-like, shape (n,), optional
            Ratings or counts, not negative; by default all 1, except that models of ratings need them.

        Returns
        -------
        ndarray, 1-D
            What it holds is told by the model's own :meth:`fold_in_rows`.

        Raises
        ------
        UnknownIdError
            For an item that the training data does not have.
        InvalidInput
            For NaN, infinite or negative values, repeated items and unequal lengths, and from models that
            cannot fold in.
        """
        rows, values = self.history_rows(item_ids, values)
        return finite_vector(self.fold_in_rows(rows, values), values)

    def recommend_for(
        self, item_ids, values=None, n: int = 10, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items with the highest scores for a user who is folded in; arguments as in :meth:`fold_in`.

        Returns
        -------
        ids, scores : ndarray, shape (n,)
            As in :meth:`recommend`.
        """
        vector = self.fold_in(item_ids, values)
        self._check_list(n, exclude_seen)
        seen = np.atleast_1d(self.rows_of_items(item_ids)) if exclude_seen else np.zeros(0, np.int64)
        if type(self).score_vector is Recommender.score_vector and self._sorted_vectors():
            ids, scores = self._named(*self._search[1].search(vector[None], n, np.array([0, len(seen)]), np.sort(seen)))
            return ids[0], scores[0]
        return self._best(self.score_vector(vector), n, without=seen)

    def save(self, path) -> None:
        """Write the fitted model to a file, without its training data.

        The file is an npz archive (version 1 of the format): an array for each of :meth:`fitted_state`, and a JSON
        header with the format, its version, the class and the parameters. It is replaced only once it is complete.

        Raises
        ------
        InvalidInput
            If the file cannot be written, or a parameter is none that a file can keep.
        """
        self._fitted()
        write_model(path, self)

    @classmethod
    def load(cls, path, interactions: Interactions | None = None) -> Recommender:
        """Read a model that :meth:`save` has written.

        Parameters
        ----------
        path : path-like
        interactions : Interactions, optional
            The training data, which ``recommend(exclude_seen=True)`` needs, and models whose scores are sums over a
            user's history.

        Raises
        ------
        InvalidInput
            For a file that is no model, of a newer format or of another class, and for other training data.
        CorruptArchive
            For a file that is cut short or damaged.
        """
        return read_model(path, cls, Recommender, None if interactions is None else check_interactions(interactions))

    def restore(self, fitted: Mapping, interactions: Interactions | None) -> None:
        """Take over a state of :meth:`fitted_state` that has been read from a file."""
        users, items = fitted["user_ids_"], fitted["item_ids_"]
        self._ids = Interactions(users, items, [0], [0], [0.0])  # for look-ups only; checks the ids
        for name, value in fitted.items():
            rows = {"user": len(users), "item": len(items)}.get(name.split("_")[0])
            if not name.endswith("_") or rows and hasattr(value, "shape") and value.shape[0] != rows:
                raise ValueError(f"{name} has another number of rows than the ids")
            setattr(self, name, value)
        if interactions is not None:
            same = np.array_equal(interactions.user_ids, users) and np.array_equal(interactions.item_ids, items)
            if not same:
                raise InvalidInput("interactions has other users or items: pass the data of the fit")
            self.interactions_ = interactions

    def history_rows(self, item_ids, values=None) -> tuple[np.ndarray, np.ndarray]:
        """Rows and values of a new user's history, checked as :meth:`fold_in` says and in order of row."""
        if values is None and self.predicts_ratings:
            raise InvalidInput(f"values is None, but {type(self).__name__} needs ratings: pass one for each item")
        known = self._fitted().item_ids
        if _are_vectors(item_ids, values) and item_ids.dtype == known.dtype == _ID:
            # A request waits for this: one pass takes a third of the time of the checks one by one, which say what
            # is wrong where something is.
            order = item_ids.argsort()
            in_order = values.take(order)
            sound, rows = _rows_if_sound(known, item_ids.take(order), in_order)
            if sound:
                return rows, in_order
        return self.sorted_history(self.rows_of_items(item_ids, strict=True), values, "item_ids")

    def sorted_history(self, rows: np.ndarray, values, name: str) -> tuple[np.ndarray, np.ndarray]:
        """What :meth:`history_rows` checks, for rows of either side that were looked up from the argument `name`."""
        values = np.ones(rows.shape) if values is None else check_finite("values", values)
        if rows.ndim != 1 or rows.shape != values.shape:
            rows, values = _one_dimensional(**{name: rows, "values": values})
        order = rows.argsort()  # as in the training matrix, so that even the rounding is the same
        rows, values = rows[order], values[order]
        if (rows[1:] == rows[:-1]).any():
            raise InvalidInput(f"{name} repeats an id: keep each once, with one value")
        if (values < 0).any():
            raise InvalidInput(f"values holds a negative value ({values.min():g}): drop it or shift the values")
        if not self.predicts_ratings:  # a value of 0 is no interaction
            rows, values = rows[values > 0], values[values > 0]
        return rows, values

    def rows_of_users(self, ids, *, strict: bool = False) -> np.ndarray:
        """Rows of raw user ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`."""
        return self._fitted().rows_of_users(ids, strict=strict)

    def rows_of_items(self, ids, *, strict: bool = False) -> np.ndarray:
        """Rows of raw item ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`."""
        return self._fitted().rows_of_items(ids, strict=strict)

    def training_data(self) -> Interactions:
        """The interactions that the model has learnt from; an error with the remedy where it has none."""
        self._fitted()
        if self.interactions_ is None:
            raise InvalidInput(
                f"this {type(self).__name__} was loaded without its training data, and does not know what users have "
                "seen: pass interactions= to load, exclude_seen=False, or a history to recommend_for"
            )
        return self.interactions_

    # The hooks for those who write a model.

    def check_parameters(self) -> None:
        """Hook: raise InvalidInput for a bad parameter, change nothing. Default: the functions in ``checks``."""
        for name, check in self.checks.items():
            check(name, getattr(self, name))

    @abstractmethod
    def learn(self, interactions: Interactions) -> None:
        """Hook: learn from validated data, into attributes whose names end in an underscore."""

    def vectors(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Hook: user and item vectors, shapes (n_users, f) and (n_items, f), whose dot products are the scores.

        Asked once after a fit. None (the default) where the model has none.
        """
        return None

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        """Hook: scores of all items for some users (all known), shape (len(user_rows), n_items).

        A new array of float that the caller may overwrite. Default: products of :meth:`vectors`.
        """
        users, items = self.vectors()
        return users[user_rows] @ items.T

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        """Hook: predicted values of pairs, shape (n_pairs,), not clipped; −1 is an unknown user or item.

        Default: the model only ranks, InvalidInput.
        """
        raise InvalidInput(
            f"{type(self).__name__} only ranks: its scores are no predictions of values; use recommend()"
        )

    def item_similarity(self, item_row: int) -> np.ndarray:
        """Hook: the model's own similarity of one item to all, shape (n_items,).

        Default: :func:`cosines` of the item vectors of :meth:`vectors`.
        """
        return cosines((self.vectors() or (None, np.empty((0, 0))))[1], item_row)

    def fold_in_rows(self, item_rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Hook: the vector of a new user with this history, 1-D.

        The item rows ascend without repeats; values are positive (for models of ratings, not negative), and both may
        be empty. Default: InvalidInput.
        """
        raise InvalidInput(
            f"{type(self).__name__} cannot fold in a new user: fit it again with the user's history in the data"
        )

    def score_vector(self, vector: np.ndarray) -> np.ndarray:
        """Hook: scores of all items for a vector of :meth:`fold_in_rows`, shape (n_items,).

        Default: its products with the item vectors of :meth:`vectors`.
        """
        return self.vectors()[1] @ vector

    def fitted_state(self) -> dict:
        """Hook: what :meth:`save` keeps, by name. Default: all attributes that end in an underscore but the data.

        Numbers, text, None, arrays, SciPy's sparse matrices, models, Generators, and lists or tuples of these.
        """
        return {name: value for name, value in vars(self).items() if name.endswith("_") and name != "interactions_"}

    def _fitted(self) -> Interactions:
        if "_ids" not in vars(self):
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(interactions) first")
        return self._ids

    def _check_list(self, n, exclude_seen: bool = True, spare: int = 0) -> None:
        check_bool("exclude_seen", exclude_seen)
        most = max(len(self.item_ids_) - spare, 1)
        if check_int("n", n) > most:
            raise InvalidInput(f"n must be at most {most}, as there are {most} items to list, got {n}: pass n={most}")

    def _sorted_vectors(self) -> tuple[np.ndarray, SortedVectors] | None:
        """User vectors and sorted item vectors, made at first use; None where scores are no dot products."""
        if "_search" not in vars(self):
            # A subclass that puts score_rows over the vectors of its parent is asked for its own scores.
            kinds = type(self).__mro__
            kind = next(kind for kind in kinds if "vectors" in vars(kind) or "score_rows" in vars(kind))
            products = self.vectors() if "vectors" in vars(kind) else None
            self._search = None if products is None else (products[0], SortedVectors(products[1]))
        return self._search

    def _top_rows(self, rows: np.ndarray, n: int, exclude_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        """Item rows and scores of the best `n` for some users, −1 and −inf where nothing is left."""
        pointers, seen = np.zeros(len(rows) + 1, np.int64), np.zeros(0, np.int64)
        if exclude_seen:
            matrix = self.training_data().matrix
            if len(rows) == 1:  # to slice a sparse matrix takes longer than the search
                pointers, seen = matrix.indptr[rows[0] : rows[0] + 2], matrix.indices
            else:
                mine = matrix[rows]
                pointers, seen = mine.indptr, mine.indices
        if self._search:
            users, items = self._search
            return items.search(users[rows], n, pointers, seen)
        scores = np.asarray(self.score_rows(rows), dtype=np.float64)
        scores[np.repeat(np.arange(len(rows)), np.diff(pointers)), seen[pointers[0] : pointers[-1]]] = -np.inf
        return top_n(scores, n)

    def _best(self, scores: np.ndarray, n: int, without) -> tuple[np.ndarray, np.ndarray]:
        """The `n` best items of one list of scores, some left out."""
        scores = np.array(scores, dtype=np.float64)
        scores[without] = -np.inf
        ids, scores = self._named(*top_n(scores[None, :], n))
        return ids[0], scores[0]

    def _named(self, found: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ids = self.item_ids_[found]
        ids[found < 0] = self._ids.missing_item
        return ids, scores.astype(np.float64)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._get_param_names())
        return f"{type(self).__name__}({shown})"


def finite_vector(vector: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The vector that was folded in from `values`, or Diverged where they were too large."""
    if np.count_nonzero(np.isfinite(vector)) < len(vector):  # faster than all(), and a request waits
        raise Diverged(f"values, up to {values.max():g}, overflow the equations: scale them as in training")
    return vector


def one_row(name: str, one_id, look_up: Callable) -> int:
    """The row of one known id, by a look-up such as :meth:`Recommender.rows_of_items`."""
    if np.ndim(one_id):
        raise InvalidInput(f"{name} must be one id, got {one_id!r}: ask once for each")
    return int(look_up(one_id, strict=True))


def cosines(vectors: np.ndarray, row: int) -> np.ndarray:
    """Cosines of one row of a matrix with all rows, shape (n_rows,); 0 where a row is zero."""
    if not vectors.shape[1]:
        raise InvalidInput("the model has no item vectors to compare: use another model for similar items")
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    scale = length * length[row]
    return np.divide(vectors @ vectors[row], scale, out=np.zeros(len(vectors)), where=scale > 0)


def pair_products(user_rows: np.ndarray, item_rows: np.ndarray, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Dot products of pairs of vectors, shape (n_pairs,), 0 where either row is unknown (−1)."""
    products = np.zeros(len(user_rows))
    for start in range(0, len(products), _PAIRS):
        part = slice(start, start + _PAIRS)
        products[part] = np.einsum("ij,ij->i", users[user_rows[part]], items[item_rows[part]])
    products[(user_rows < 0) | (item_rows < 0)] = 0.0
    return products


def _are_vectors(ids, values) -> bool:
    plain = type(ids) is type(values) is np.ndarray and ids.ndim == 1
    return plain and ids.shape == values.shape and values.dtype == _VALUE


@compiled
def _rows_if_sound(known, ids, values):
    """Rows of ascending ids among the ascending `known`; False where there is anything to refuse."""
    n, last, sound = len(ids), -1, True
    rows = np.empty(n, np.int64)
    for k in range(n):
        low, high = last + 1, len(known)
        while low < high:
            middle = (low + high) // 2
            if known[middle] < ids[k]:
                low = middle + 1
            else:
                high = middle
        sound = sound and low < len(known) and known[low] == ids[k] and 0 < values[k] < np.inf
        if not sound:
            break
        rows[k] = last = low
    return sound, rows


def _one_dimensional(**arrays) -> list[np.ndarray]:
    """Arrays of one length, a single value taken as an array of one."""
    for name, array in arrays.items():
        if np.ndim(array) > 1:
            raise InvalidInput(f"{name} must be one value or 1-D, got shape {np.shape(array)}: ravel it")
    arrays = {name: np.atleast_1d(array) for name, array in arrays.items()}
    check_same_length(**arrays)
    return list(arrays.values())
