"""Lists of recommendations and the test items that they should have found.

Every metric of this package reads one of two things that are made here: :class:`Lists` (what was recommended)
or :class:`Judged` (which places of each list held a relevant item). Duplicates, NaN scores, ids of mixed
types and lists of the wrong shape are refused once, at this door.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..check import check_float, check_ids, check_int, check_same_length
from ..compiled import compiled
from ..errors import Diverged, InvalidInput, UnknownIdError
from ..interactions import Interactions


@dataclass(frozen=True, eq=False)
class Lists:
    """Recommendations of several users, best first.

    Attributes
    ----------
    items : ndarray, shape (n_users, length)
        Raw item ids; behind a list's own length stands the missing id, −1 or "".
    lengths : ndarray of int64, shape (n_users,)
        How many items each list really holds.
    """

    items: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.items)

    @property
    def filled(self) -> np.ndarray:
        """Boolean mask, shape (n_users, length): the places that hold an item."""
        return np.arange(self.items.shape[1]) < self.lengths[:, None]

    def top(self, k: int | None) -> Lists:
        """The first `k` places of every list (None: all of them).

        Raises
        ------
        InvalidInput
            If no list has `k` places: a metric at `k` of shorter lists would be another metric.
        """
        if k is None:
            return self
        check_places(k, self.items.shape[1])
        return Lists(self.items[:, :k], np.minimum(self.lengths, k))


def check_places(k: int, length: int) -> None:
    """Refuse a cut-off beyond the end of the lists."""
    if check_int("k", k) > length:
        raise InvalidInput(f"k={k} is larger than the lists, which have {length} places: recommend k items, or lower k")


def unique_index(name: str, ids) -> pd.Index:
    """Raw ids as an index, or InvalidInput if one repeats."""
    index = pd.Index(ids)
    if not index.is_unique:
        raise InvalidInput(f"{name} repeats {index[index.duplicated()].tolist()[0]!r}: name each once")
    return index


def as_lists(recommended, scores=None) -> Lists:
    """Validate recommendations.

    Parameters
    ----------
    recommended : array-like, shape (n_users, length), or sequence of sequences, or Lists
        Raw item ids, best first. The missing id that ``recommend`` gives where nothing is left (−1, or "" among
        strings) may fill the end of a list, and shorter lists are filled so: a missing place counts as a miss,
        never as a shorter list.
    scores : array-like, shape (n_users, length), optional
        The scores that the model gave. A place with score minus infinity is empty as well.

    Raises
    ------
    InvalidInput
        For an item that stands twice in a list, NaN scores, scores that rise along a list, an empty place before a
        full one, ids that are neither integers nor strings or both, or no users at all.

    Examples
    --------
    >>> as_lists([[10, 20, 30], [20], [30, 10, -1]]).lengths
    array([3, 1, 2])
    """
    if isinstance(recommended, Lists):
        return recommended
    if isinstance(recommended, np.ndarray) and recommended.ndim == 2:
        items = check_ids("recommended", recommended)
    else:
        joined, lengths = _joined("recommended", recommended)
        items = np.full((len(lengths), lengths.max(initial=0)), -1 if joined.dtype.kind == "i" else "", joined.dtype)
        items[np.arange(items.shape[1]) < lengths[:, None]] = joined
    if items.size == 0:
        raise InvalidInput(f"recommended has shape {items.shape}: pass at least one user and one place")
    missing = -1 if items.dtype.kind == "i" else ""
    filled = items != missing
    if scores is not None:
        scores = np.asarray(scores, dtype=np.float64)
        if scores.shape != items.shape:
            raise InvalidInput(f"scores has shape {scores.shape}, recommended {items.shape}: pass one per item")
        _refuse(np.isnan(scores), "scores holds NaN: mend the model behind it", Diverged)
        _refuse(scores[:, 1:] > scores[:, :-1], "scores rises along a list: sort each list best first")
        filled &= scores > -np.inf
        items = np.where(filled, items, missing)
    lists = Lists(items, filled.sum(axis=1))
    _refuse(filled != lists.filled, "recommended has an empty place before a full one: move it to the end")
    row = _first_repeat(_codes(items, items[0, :0])[0], lists.lengths)
    if row >= 0:
        ids = pd.Series(items[row, : lists.lengths[row]])
        raise InvalidInput(
            f"recommended holds item {ids[ids.duplicated()].tolist()[0]!r} twice in the list at position {row}: a "
            "repeated hit would count twice; keep the first place only"
        )
    return lists


def _refuse(bad: np.ndarray, message: str, error=InvalidInput) -> None:
    if bad.any():
        raise error(f"{message} (first in the list at position {int(bad.any(axis=1).argmax())})")


def _joined(name: str, lists) -> tuple[np.ndarray, np.ndarray]:
    """The ids of all users' lists one after another, and how many each has."""
    if not hasattr(lists, "__len__") or isinstance(lists, (str, dict, pd.DataFrame)):
        raise InvalidInput(f"{name} must hold one list of items per user, got {type(lists).__name__}: pass lists")
    rows = [check_ids(name, list(mine) if isinstance(mine, (set, frozenset)) else mine) for mine in lists]
    if any(row.ndim != 1 for row in rows):
        raise InvalidInput(f"{name} must hold one list per user: wrap a single user's list in another pair of brackets")
    full = [row for row in rows if len(row)] or [np.empty(0, dtype=np.int64)]
    if len({row.dtype for row in full}) > 1:
        raise InvalidInput(f"{name} holds integer ids in some lists and strings in others: use the ids of the data")
    return np.concatenate(full), np.array([len(row) for row in rows], dtype=np.int64)


def _codes(recommended: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Raw ids of both sides as integers, in the shapes given; integers stay as they are."""
    if relevant.size and recommended.dtype.kind != relevant.dtype.kind:
        raise InvalidInput(
            f"recommended holds ids such as {recommended[0].tolist()[0]!r}, relevant such as {relevant.tolist()[0]!r}, "
            "which never match: use integers or strings in both"
        )
    if recommended.dtype.kind == "i":
        return recommended, relevant.astype(np.int64, copy=False)
    codes = pd.factorize(np.concatenate([recommended.ravel(), relevant]))[0]
    return codes[: recommended.size].reshape(recommended.shape), codes[recommended.size :]


@compiled
def _first_repeat(items, lengths):
    for row in range(items.shape[0]):
        mine = items[row, : lengths[row]]
        if len(mine) > 32:  # what sorts is linear, nearly; what compares all pairs is faster for short lists
            ordered = np.sort(mine)
            if (ordered[1:] == ordered[:-1]).any():
                return row
        else:
            for i in range(len(mine)):
                for j in range(i):
                    if mine[i] == mine[j]:
                        return row
    return -1


@dataclass(frozen=True, eq=False)
class Relevant:
    """The test items that each user's list should have found: one pair of user and item a row, in any order.

    Attributes
    ----------
    n_users : int
        Users without a relevant item included.
    rows : ndarray of int64, shape (n_relevant,)
        Position of each pair's user among the lists.
    items : ndarray, shape (n_relevant,)
        Raw item ids.
    gains : ndarray of float64, shape (n_relevant,), or None
        How relevant each item is, for graded nDCG.
    """

    n_users: int
    rows: np.ndarray
    items: np.ndarray
    gains: np.ndarray | None = None

    def __len__(self) -> int:
        return self.n_users

    @property
    def counts(self) -> np.ndarray:
        """Number of relevant items of each user, shape (n_users,)."""
        return np.bincount(self.rows, minlength=self.n_users)

    @classmethod
    def from_lists(cls, relevant, gains=None) -> Relevant:
        """Take one sequence of raw item ids per user (an empty one for a user without test items).

        Raises
        ------
        InvalidInput
            If a user has an item twice, or `gains` do not match or are not positive.
        """
        items, lengths = _joined("relevant", relevant)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        twice = pd.DataFrame({"row": rows, "item": items}).duplicated().to_numpy()
        if twice.any():
            raise InvalidInput(
                f"relevant repeats item {items[twice].tolist()[0]!r} of user {rows[twice][0]}: name each once"
            )
        if gains is not None:
            gains = np.array([gain for mine in gains for gain in mine], dtype=np.float64)
            check_same_length(gains=gains, relevant=items)
            if not (np.isfinite(gains) & (gains > 0)).all():
                raise InvalidInput("gains must be finite and positive: leave irrelevant items out instead")
        return cls(len(lengths), rows, items, gains)

    @classmethod
    def from_interactions(
        cls, test: Interactions, user_ids=None, threshold: float | None = None, graded: bool = False
    ) -> Relevant:
        """Take the test items of `user_ids` (default: every user of `test`).

        Parameters
        ----------
        test : Interactions
        user_ids : array-like, optional
            Raw user ids in the order of the lists to judge; one unknown to `test` has no relevant items.
        threshold : float, optional
            Count only interactions with at least this value as relevant; by default all.
        graded : bool
            Keep the values as gains; those must be positive.

        Raises
        ------
        InvalidInput
            If `user_ids` repeats a user, or a gain is 0.
        """
        rows, items, n_users = test.user_rows, test.item_ids[test.item_rows], test.n_users
        gains, keep = test.values if graded else None, np.ones(len(test), dtype=bool)
        if threshold is not None:
            keep = test.values >= check_float("threshold", threshold)
        if user_ids is not None:
            known = test.rows_of_users(user_ids)
            unique_index("user_ids", user_ids)
            place = np.full(test.n_users, -1)
            place[known[known >= 0]] = np.flatnonzero(known >= 0)
            rows, n_users = place[rows], len(known)
            keep &= rows >= 0
        if not keep.all():
            rows, items, gains = rows[keep], items[keep], gains[keep] if graded else None
        if graded and (gains <= 0).any():
            raise InvalidInput("graded relevance needs positive values, one is 0: pass a threshold above 0")
        return cls(n_users, rows, items, gains)


@dataclass(frozen=True, eq=False)
class Judged:
    """Which places of each list held a relevant item: all that accuracy metrics need to know.

    Attributes
    ----------
    hits : ndarray of bool, shape (n_users, length)
    lengths : ndarray of int64, shape (n_users,)
        How many items each list really holds.
    n_relevant : ndarray of int64, shape (n_users,)
        How many items the user's list could have found at best, whatever its length.
    gains, ideal_gains : ndarray of float64, shape (n_users, length), or None
        Gain at each place, and the same for the best list possible; for graded nDCG.
    """

    hits: np.ndarray
    lengths: np.ndarray
    n_relevant: np.ndarray
    gains: np.ndarray | None = None
    ideal_gains: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.hits)

    def top_hits(self, k: int) -> np.ndarray:
        """The hits at the first `k` places, shape (n_users, k); InvalidInput if the lists are shorter."""
        check_places(k, self.hits.shape[1])
        return self.hits[:, :k]

    def only_known(self, values: np.ndarray) -> np.ndarray:
        """`values` with NaN for users who have nothing to find: no list is right or wrong for them."""
        return np.where(self.n_relevant > 0, values, np.nan)


def judge(recommended, relevant, scores=None, gains=None) -> Judged:
    """Mark the places of each list that hold a relevant item.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
        Raw item ids, best first (see :func:`as_lists`).
    relevant : Relevant or sequence of sequences of raw item ids
        The test items of the same users, in the same order of users. Items that no list could
        hold (unknown to the model) belong here too: they count as missed.
    scores : array-like, shape (n_users, length), optional
        See :func:`as_lists`.
    gains : sequence of sequences of float, optional
        How relevant each of the `relevant` items is, where that is a sequence.

    Returns
    -------
    Judged
        What every accuracy metric takes: ``ndcg(judge(...), k=10)``.

    Raises
    ------
    InvalidInput
        For another number of users or another kind of ids on the two sides, and for what :func:`as_lists` refuses.

    Examples
    --------
    Two users; the first list finds one of two relevant items, in its second place.

    >>> judged = judge([[10, 20, 30], [10, 20, 30]], [[20, 50], [10]])
    >>> judged.hits.astype(int)
    array([[0, 1, 0],
           [1, 0, 0]])
    >>> judged.n_relevant
    array([2, 1])
    """
    lists = as_lists(recommended, scores)
    if not isinstance(relevant, Relevant):
        relevant = Relevant.from_lists(relevant, gains)
    if len(lists) != len(relevant):
        raise InvalidInput(f"recommended has {len(lists)} users, relevant {len(relevant)}: pass both per user")
    items, wanted = _codes(lists.items, relevant.items)
    graded = relevant.gains is not None
    hits, n_relevant, gained = _mark(items, wanted, relevant.rows, relevant.gains if graded else np.empty(0), graded)
    if not graded:
        return Judged(hits, lists.lengths, n_relevant)
    return Judged(hits, lists.lengths, n_relevant, gained, _ideal_gains(relevant, hits.shape[1]))


@compiled
def _mark(items, wanted, rows, gains, graded):
    """Look each wanted item up in its user's list: hits, relevant items of each user, and gains (if any)."""
    hits, n_relevant = np.zeros(items.shape, dtype=np.bool_), np.zeros(len(items), dtype=np.int64)
    gained = np.zeros(items.shape if graded else (0, 0))
    for pair in range(len(rows)):
        row, item, place = rows[pair], wanted[pair], -1
        n_relevant[row] += 1
        for i in range(items.shape[1]):  # to the end without a break: no branch to guess wrong
            place = i if items[row, i] == item else place
        if place >= 0:
            hits[row, place] = True
            if graded:
                gained[row, place] = gains[pair]
    return hits, n_relevant, gained


def _ideal_gains(relevant: Relevant, length: int) -> np.ndarray:
    """Each user's gains from the highest down, as far as a list goes, shape (n_users, length)."""
    order = np.lexsort((-relevant.gains, relevant.rows))
    rows, gains = relevant.rows[order], relevant.gains[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    ideal, listed = np.zeros((len(relevant), length)), rank < length
    ideal[rows[listed], rank[listed]] = gains[listed]
    return ideal


def rows_of_items(recommended, item_ids, k: int | None = None) -> np.ndarray:
    """Position in `item_ids` of every item at the first `k` places, −1 at empty ones, shape (n_users, k).

    Raises
    ------
    UnknownIdError
        For a recommended item that is not in `item_ids`: a list can hold only what the catalogue has.
    InvalidInput
        If `item_ids` repeats an item.
    """
    lists, catalogue = as_lists(recommended).top(k), unique_index("item_ids", item_ids)
    rows = catalogue.get_indexer(lists.items.ravel()).reshape(lists.items.shape)
    unknown = (rows < 0) & lists.filled
    if unknown.any():
        raise UnknownIdError(
            f"recommended holds {int(unknown.sum())} items that are not in the catalogue of {len(catalogue)}, "
            f"such as {lists.items[unknown].tolist()[0]!r}: pass the catalogue that the model was fitted on"
        )
    return np.where(lists.filled, rows, -1)


def mean_over_list(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean of one value per item over each list (places with row −1 left out); NaN for an empty list."""
    filled = rows >= 0
    total = np.where(filled, values[rows], 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return total / filled.sum(axis=1)
