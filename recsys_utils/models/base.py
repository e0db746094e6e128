"""The contract that every model of the book keeps."""
from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator

from ..check import check_finite, check_int, check_same_length
from ..errors import InvalidInput, NotFittedError
from ..interactions import Interactions
from ..topn import top_n, top_n_products

# Scores of this many bytes are held at once while recommending.
_BLOCK_BYTES = 64 * 2**20


class Recommender(BaseEstimator, ABC):
    """Base of all models: raw ids at the surface, matrix rows inside.

    Parameters are keyword-only arguments, stored untouched under their own names (scikit-learn's convention:
    ``get_params``, ``set_params`` and ``sklearn.clone`` work) and checked in :meth:`fit`. What a model learns has a
    name that ends in an underscore.

    To write a model, implement :meth:`learn` and one of :meth:`vectors` and :meth:`score_rows`; the other hooks where
    they make sense. Inside hooks a user or an item is its row, a contiguous int; −1 stands for one that training does
    not have.
    """

    #: Whether the values are ratings: ``predict`` gives ratings, a rating of 0 is one, and a new user's are required.
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
        """
        if not isinstance(interactions, Interactions):
            raise InvalidInput(
                f"interactions must be Interactions, got {type(interactions).__name__}: "
                "use Interactions.from_frame(frame)"
            )
        self.check_parameters()
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)  # a failed fit leaves no half-fitted model behind
        self.value_range_ = (float(interactions.values.min()), float(interactions.values.max()))
        self.learn(interactions, **watched)
        self.interactions_ = interactions
        self.user_ids_, self.item_ids_ = interactions.user_ids, interactions.item_ids
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
        user_rows, item_rows = np.atleast_1d(self.rows_of_users(user_ids)), np.atleast_1d(self.rows_of_items(item_ids))
        if user_rows.ndim > 1 or item_rows.ndim > 1:
            raise InvalidInput(
                f"user_ids and item_ids must be 1-D, got shapes {user_rows.shape} and {item_rows.shape}: ravel them"
            )
        check_same_length(user_ids=user_rows, item_ids=item_rows)
        return self.clipped(self.predict_rows(user_rows, item_rows))

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
            Shape (n,) for one id and (n_users, n) for a batch. Where a user has fewer than
            `n` items left, the last scores are −inf and their ids mean nothing.

        Raises
        ------
        UnknownIdError
            For a user that the training data does not have.
        InvalidInput
            If `n` is below 1 or above the size of the catalogue.
        """
        rows = np.atleast_1d(self.rows_of_users(user_ids, strict=True))
        check_int("n", n, maximum=len(self.item_ids_))
        if rows.ndim > 1:
            raise InvalidInput(f"user_ids must be one id or 1-D, got shape {rows.shape}: ravel them")
        found, scores = self._top_rows(rows, n, exclude_seen)
        ids, scores = self.item_ids_[found], scores.astype(np.float64)
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
        row = int(self.rows_of_items(item_id, strict=True))
        check_int("n", n, maximum=max(len(self.item_ids_) - 1, 1))
        similarity = np.array(self.item_similarity(row), dtype=np.float64)
        similarity[row] = -np.inf
        found, values = top_n(similarity[None, :], n)
        return self.item_ids_[found[0]], values[0]

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
            What it holds is told by the model's own description.

        Raises
        ------
        UnknownIdError
            For an item that the training data does not have.
        InvalidInput
            For NaN, infinite or negative values, repeated items and unequal lengths, and from models that
            cannot fold in.
        """
        return self.fold_in_rows(*self._history(item_ids, values))

    def recommend_for(
        self, item_ids, values=None, n: int = 10, exclude_seen: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items with the highest scores for a user who is folded in; arguments as in :meth:`fold_in`.

        Returns
        -------
        ids, scores : ndarray, shape (n,)
            As in :meth:`recommend`.
        """
        scores = np.array(self.score_vector(self.fold_in(item_ids, values)), dtype=np.float64)
        check_int("n", n, maximum=len(self.item_ids_))
        if exclude_seen:
            scores[self.rows_of_items(item_ids)] = -np.inf
        found, scores = top_n(scores[None, :], n)
        return self.item_ids_[found[0]], scores[0]

    def rows_of_users(self, ids, *, strict: bool = False) -> np.ndarray:
        """Rows of raw user ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`."""
        return self.training_data().rows_of_users(ids, strict=strict)

    def rows_of_items(self, ids, *, strict: bool = False) -> np.ndarray:
        """Rows of raw item ids, −1 where unknown (or UnknownIdError if `strict`); same shape as `ids`."""
        return self.training_data().rows_of_items(ids, strict=strict)

    def training_data(self) -> Interactions:
        """The interactions that the model has learnt from, or NotFittedError."""
        if self.interactions_ is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(interactions) first")
        return self.interactions_

    # The hooks for those who write a model.

    def check_parameters(self) -> None:
        """Hook: raise InvalidInput for a bad parameter; called by :meth:`fit`, changes nothing."""

    @abstractmethod
    def learn(self, interactions: Interactions) -> None:
        """Hook: learn from validated data, into attributes whose names end in an underscore."""

    def vectors(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Hook: user and item vectors, shapes (n_users, f) and (n_items, f), whose dot products are the scores.

        None (the default) where the model has none.
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

        Default: cosines of the item vectors of :meth:`vectors`; 0 with an item whose vector is zero.
        """
        if self.vectors() is None:
            raise InvalidInput(f"{type(self).__name__} has no item vectors to compare; use another model")
        return cosines(self.vectors()[1], item_row)

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

    def _history(self, item_ids, values) -> tuple[np.ndarray, np.ndarray]:
        """Item rows and values of a new user's history, validated and in order of row."""
        rows = np.atleast_1d(self.rows_of_items(item_ids, strict=True)).astype(np.int64)
        if values is None:
            if self.predicts_ratings:
                raise InvalidInput(f"values is None, but {type(self).__name__} needs ratings: pass one for each item")
            values = np.ones(len(rows))
        values = np.atleast_1d(check_finite("values", values))
        if rows.ndim > 1 or values.ndim > 1:
            raise InvalidInput(
                f"item_ids and values must be 1-D, got shapes {rows.shape} and {values.shape}: ravel them"
            )
        check_same_length(item_ids=rows, values=values)
        if len(np.unique(rows)) < len(rows):
            raise InvalidInput("item_ids repeats an item: keep each once, with one value")
        if (values < 0).any():
            raise InvalidInput(f"values holds a negative value ({values.min():g}): drop it or shift the values")
        if not self.predicts_ratings:  # an interaction of value 0 is none for models that rank
            rows, values = rows[values > 0], values[values > 0]
        order = np.argsort(rows)  # as in the training matrix, so that even the rounding is the same
        return rows[order], values[order]

    def _top_rows(self, rows: np.ndarray, n: int, exclude_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        """Item rows and scores of the best `n` for some users; seen items get −inf."""
        product, seen = self._products(), self.training_data().matrix
        if product is not None:
            vectors, items = product
            if exclude_seen:
                mine = seen[rows]
                return top_n_products(vectors[rows], items, n, mine.indptr, mine.indices)
            return top_n_products(vectors[rows], items, n)
        n_items = len(self.item_ids_)
        found, values = np.empty((len(rows), n), dtype=np.int64), np.empty((len(rows), n))
        step = max(1, _BLOCK_BYTES // (8 * n_items))
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            scores = np.asarray(self.score_rows(rows[block]), dtype=np.float64)
            if exclude_seen:
                mine = seen[rows[block]]
                scores[np.repeat(np.arange(len(scores)), np.diff(mine.indptr)), mine.indices] = -np.inf
            found[block], values[block] = top_n(scores, n)
        return found, values

    def _products(self):
        """The vectors, unless a subclass has put scores of its own over them."""
        for kind in type(self).__mro__:
            if "vectors" in vars(kind):
                return self.vectors()
            if "score_rows" in vars(kind):
                return None

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._get_param_names())
        return f"{type(self).__name__}({shown})"


def cosines(vectors: np.ndarray, row: int) -> np.ndarray:
    """Cosines of one row of a matrix with all rows, shape (n_rows,); 0 where a row is zero."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    scale = length * length[row]
    return np.divide(vectors @ vectors[row], scale, out=np.zeros(len(vectors)), where=scale > 0)
