"""The contract that every model of the book keeps."""
from __future__ import annotations

import inspect
from abc import ABC, abstractmethod

import numpy as np

from ..check import check_int, check_same_length
from ..topn import top_n, top_n_products
from ..errors import InvalidInput, NotFittedError
from ..interactions import Interactions

# Scores of this many users are held at once while recommending.
_BLOCK_BYTES = 64 * 2**20


class Recommender(ABC):
    """Base of all models: raw ids at the surface, matrix rows inside.

    A subclass implements :meth:`_fit` and :meth:`_score_block`, and where they make
    sense :meth:`_predict_rows` (values for pairs, unknown ids included) and
    :meth:`_item_vectors` (what :meth:`similar_items` compares).

    Hyper-parameters are keyword arguments, kept unchanged under their own names;
    what :meth:`fit` learns has a name that ends in an underscore.
    """

    interactions_: Interactions | None = None

    def fit(self, interactions: Interactions) -> Recommender:
        """Learn from `interactions`; returns the model itself.

        Raises
        ------
        InvalidInput
            If `interactions` is no :class:`~recsys_utils.Interactions`.
        """
        if not isinstance(interactions, Interactions):
            raise InvalidInput(
                f"interactions must be Interactions, got {type(interactions).__name__}: "
                "use Interactions.from_frame(frame)"
            )
        self.interactions_ = None  # a failed fit leaves no half-fitted model behind
        self._fit(interactions)
        self.interactions_ = interactions
        return self

    def predict(self, user_ids, item_ids) -> np.ndarray:
        """Predicted values of user–item pairs.

        An unknown user or item is no error: the model falls back to what it knows
        (the other side's bias, or the mean).

        Parameters
        ----------
        user_ids, item_ids : array-like of raw ids, shape (n_pairs,)

        Returns
        -------
        ndarray of float64, shape (n_pairs,)
        """
        data = self._fitted()
        user_ids, item_ids = np.atleast_1d(np.asarray(user_ids)), np.atleast_1d(np.asarray(item_ids))
        if user_ids.ndim > 1 or item_ids.ndim > 1:
            raise InvalidInput(
                f"user_ids and item_ids must be 1-D, got shapes {user_ids.shape} and {item_ids.shape}: ravel them"
            )
        check_same_length(user_ids=user_ids, item_ids=item_ids)
        return self._predict_rows(data.rows_of_users(user_ids), data.rows_of_items(item_ids))

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
        data = self._fitted()
        check_int("n", n, maximum=data.n_items)
        rows = np.atleast_1d(data.rows_of_users(user_ids, strict=True))
        if rows.ndim > 1:
            raise InvalidInput(f"user_ids must be one id or 1-D, got shape {rows.shape}: ravel them")
        found, scores = self._top_rows(rows, n, exclude_seen)
        ids, scores = data.item_ids[found], scores.astype(np.float64)
        return (ids[0], scores[0]) if np.ndim(user_ids) == 0 else (ids, scores)

    def similar_items(self, item_id, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items most similar to one item by the cosine of the model's item vectors.

        The item itself is left out. Items without a vector (all zeros) have similarity 0.

        Returns
        -------
        ids, similarities : ndarray, shape (n,)

        Raises
        ------
        UnknownIdError
            For an item that the training data does not have.
        InvalidInput
            If `n` is below 1 or larger than the number of other items.
        """
        data = self._fitted()
        check_int("n", n, maximum=max(data.n_items - 1, 1))
        row = int(data.rows_of_items(item_id, strict=True))
        vectors = self._item_vectors()
        length = np.sqrt(_row_dot(vectors, vectors))
        length[length == 0] = np.inf
        cosine = np.asarray(vectors @ _dense(vectors[row : row + 1])).ravel() / (length * length[row])
        cosine[row] = -np.inf
        found, values = top_n(cosine[None, :], n)
        return data.item_ids[found[0]], values[0]

    @abstractmethod
    def _fit(self, interactions: Interactions) -> None:
        """Learn; the data has been validated."""

    @abstractmethod
    def _score_block(self, user_rows: np.ndarray) -> np.ndarray:
        """Scores of all items for some users: a new array, shape (len(user_rows), n_items)."""

    def _predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        raise InvalidInput(
            f"{type(self).__name__} only ranks: its scores are no predictions of values; use recommend()"
        )

    def _item_vectors(self):
        raise InvalidInput(f"{type(self).__name__} has no item vectors to compare; use another model")

    def _inner_product(self) -> tuple[np.ndarray, np.ndarray] | None:
        """User and item vectors whose dot products are the scores, where the model has them: the fast way."""
        return None

    def _top_rows(self, rows: np.ndarray, n: int, exclude_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        """Item rows and scores of the best `n` for some users; seen items get −inf."""
        product, seen = self._inner_product(), self.interactions_.matrix
        if product is not None:
            vectors, items = product
            if exclude_seen:
                mine = seen[rows]
                return top_n_products(vectors[rows], items, n, mine.indptr, mine.indices)
            return top_n_products(vectors[rows], items, n)
        found, values = np.empty((len(rows), n), dtype=np.int64), np.empty((len(rows), n))
        step = max(1, _BLOCK_BYTES // (8 * self.interactions_.n_items))
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            scores = np.asarray(self._score_block(rows[block]), dtype=np.float64)
            if exclude_seen:
                mine = seen[rows[block]]
                scores[np.repeat(np.arange(len(scores)), np.diff(mine.indptr)), mine.indices] = -np.inf
            found[block], values[block] = top_n(scores, n)
        return found, values

    def _fitted(self) -> Interactions:
        if self.interactions_ is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(interactions) first")
        return self.interactions_

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self).__init__).parameters.values()
        names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


def _dense(vector) -> np.ndarray:
    return np.asarray(vector.todense()).ravel() if hasattr(vector, "todense") else np.asarray(vector).ravel()


def _row_dot(a, b) -> np.ndarray:
    """Dot product of each row of `a` with the same row of `b`, dense or sparse."""
    if hasattr(a, "multiply"):
        return np.asarray(a.multiply(b).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", a, b)
