"""Lists of recommendations and the test items that they should have found.

Every metric of this package reads one of two things that are made here:
:class:`Lists` (what was recommended) or :class:`Judged` (which places of each
list held a relevant item). Duplicates, NaN scores and lists of the wrong shape
are refused once, at this door.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

from ..check import check_float, check_int, check_same_length
from ..errors import InvalidInput, UnknownIdError
from ..interactions import Interactions

# Lists that together take more than the first are looked up in blocks of the second, in bytes.
_CACHE_BYTES, _BLOCK_BYTES = 6 * 2**20, 2**18


@dataclass(frozen=True, eq=False)
class Lists:
    """Recommendations of several users, best first.

    Attributes
    ----------
    items : ndarray, shape (n_users, length)
        Raw item ids; what stands behind a list's own length has no meaning.
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

    def top(self, k: int) -> Lists:
        """The first `k` places of every list.

        Raises
        ------
        InvalidInput
            If no list has `k` places: a metric at `k` of shorter lists would be another metric.
        """
        check_int("k", k)
        if k > self.items.shape[1]:
            raise InvalidInput(
                f"k={k} is larger than the lists, which have {self.items.shape[1]} places: recommend at "
                "least k items, or lower k"
            )
        return Lists(self.items[:, :k], np.minimum(self.lengths, k))


def as_lists(recommended, scores=None) -> Lists:
    """Validate recommendations.

    Parameters
    ----------
    recommended : array-like, shape (n_users, length), or sequence of sequences, or Lists
        Raw item ids, best first. Lists of several lengths are padded: the missing
        places count as misses, never as a shorter list.
    scores : array-like, shape (n_users, length), optional
        The scores that the model gave. A place with score minus infinity is empty, as in
        :meth:`Recommender.recommend <recsys_utils.models.base.Recommender.recommend>`.

    Raises
    ------
    InvalidInput
        For an item that stands twice in a list, NaN scores, scores that rise along a
        list, an empty place before a full one, or no users at all.

    Examples
    --------
    >>> as_lists([[10, 20, 30], [20]]).lengths
    array([3, 1])
    """
    if isinstance(recommended, Lists):
        return recommended
    if isinstance(recommended, np.ndarray) and recommended.ndim == 2:
        items, lengths = recommended, np.full(len(recommended), recommended.shape[1], dtype=np.int64)
    else:
        items, lengths = _pad(recommended)
    if len(items) == 0 or items.shape[1] == 0:
        raise InvalidInput(f"recommended has shape {items.shape}: pass at least one user and one place")
    if scores is not None:
        lengths = np.minimum(lengths, _filled_places(items, scores))
    row = _first_repeat(_codes(items), lengths)
    if row >= 0:
        shown = items[row, : lengths[row]]
        repeated = pd.Series(shown)[pd.Series(shown).duplicated()].iloc[0]
        raise InvalidInput(
            f"recommended holds item {repeated!r} twice in the list at position {row}: a repeated hit would "
            "count twice; keep the first place only"
        )
    return Lists(items, lengths)


def _pad(recommended) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(recommended, np.ndarray) or not isinstance(recommended, Sequence):
        raise InvalidInput(
            f"recommended must hold one list of items per user, got {type(recommended).__name__} with shape "
            f"{np.shape(recommended)}: wrap a single user's list in another pair of brackets"
        )
    rows = [np.asarray(row) for row in recommended]
    if any(row.ndim != 1 for row in rows):
        raise InvalidInput("recommended must hold one list per user: wrap a single user's list in brackets")
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    full = [row for row in rows if len(row)]
    dtype = np.result_type(*full) if full else np.int64
    items = np.zeros((len(rows), int(lengths.max(initial=0))), dtype=dtype)
    for row, place in zip(rows, items, strict=True):
        place[: len(row)] = row
    return items, lengths


def _filled_places(items: np.ndarray, scores) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != items.shape:
        raise InvalidInput(f"scores has shape {scores.shape}, recommended {items.shape}: pass one per item")
    if np.isnan(scores).any():
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise InvalidInput(f"scores holds NaN, first in the list at position {row}: mend the model behind it")
    if (scores[:, 1:] > scores[:, :-1]).any():
        row = int(np.flatnonzero((scores[:, 1:] > scores[:, :-1]).any(axis=1))[0])
        raise InvalidInput(f"scores rises along the list at position {row}: sort each list best first")
    return (scores > -np.inf).sum(axis=1)


def _codes(*arrays: np.ndarray):
    """Raw ids as integers, in the shapes given; ids that are integers already stay as they are."""
    if all(array.dtype.kind in "iu" for array in arrays):
        # Half the bytes, where the ids allow it, are half the traffic between memory and processor.
        small = all(array.size == 0 or -(2**31) < array.min() <= array.max() < 2**31 for array in arrays)
        codes = [np.ascontiguousarray(array, dtype=np.int32 if small else np.int64) for array in arrays]
    else:
        flat = pd.factorize(np.concatenate([array.ravel().astype(object) for array in arrays]))[0]
        ends = np.cumsum([array.size for array in arrays])[:-1]
        codes = [part.reshape(array.shape) for part, array in zip(np.split(flat, ends), arrays, strict=True)]
    return codes[0] if len(codes) == 1 else codes


@numba.njit(cache=True)
def _first_repeat(items, lengths):
    for row in range(items.shape[0]):
        for i in range(lengths[row]):
            for j in range(i):
                if items[row, i] == items[row, j]:
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
        lists = [np.asarray(list(mine)) for mine in relevant]
        for user, mine in enumerate(lists):
            if len(pd.unique(pd.Series(mine))) < len(mine):
                raise InvalidInput(f"relevant repeats an item of the user at position {user}: name each once")
        full = [mine for mine in lists if len(mine)]
        items = np.concatenate(full) if full else np.empty(0, dtype=np.int64)
        rows = np.repeat(np.arange(len(lists)), [len(mine) for mine in lists])
        if gains is not None:
            gains = np.array([gain for mine in gains for gain in mine], dtype=np.float64)
            check_same_length(gains=gains, relevant=items)
            if not (np.isfinite(gains) & (gains > 0)).all():
                raise InvalidInput("gains must be finite and positive: leave irrelevant items out instead")
        return cls(len(lists), rows, items, gains)

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
        keep = None if threshold is None else test.values >= check_float("threshold", threshold)
        if user_ids is not None:
            known = test.rows_of_users(user_ids)
            if len(np.unique(known[known >= 0])) < (known >= 0).sum():
                raise InvalidInput("user_ids repeats a user: name each once")
            place = np.full(test.n_users, -1, dtype=np.int64)
            place[known[known >= 0]] = np.flatnonzero(known >= 0)
            rows, n_users = place[rows], len(known)
            keep = rows >= 0 if keep is None else keep & (rows >= 0)
        gains = test.values if graded else None
        if keep is not None:
            rows, items, gains = rows[keep], items[keep], None if gains is None else gains[keep]
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
        check_int("k", k)
        if k > self.hits.shape[1]:
            raise InvalidInput(
                f"k={k} is larger than the lists, which have {self.hits.shape[1]} places: recommend at "
                "least k items, or lower k"
            )
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

    Raises
    ------
    InvalidInput
        For another number of users on the two sides, and for what :func:`as_lists` refuses.

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
        raise InvalidInput(
            f"recommended has {len(lists)} users and relevant {len(relevant)}: pass one list and one set per "
            "user, in the same order"
        )
    items, wanted = _codes(lists.items, relevant.items)
    if (lists.lengths < items.shape[1]).any():
        nobody = min(items.min(), wanted.min(initial=0)) - 1
        items = np.where(lists.filled, items, nobody)
    rows = relevant.rows
    gains = np.empty(0) if relevant.gains is None else relevant.gains
    if items.nbytes > _CACHE_BYTES:
        block = max(1, _BLOCK_BYTES // items[0].nbytes)
        rows, wanted, gains = _by_block(rows, wanted, gains, len(items), block)
    hits, gained, n_relevant = _mark(items, rows, wanted, gains)
    if relevant.gains is None:
        return Judged(hits, lists.lengths, n_relevant)
    return Judged(hits, lists.lengths, n_relevant, gained, _ideal_gains(relevant, items.shape[1]))


@numba.njit(cache=True)
def _mark(items, rows, wanted, gains):
    """Look each wanted item up in its user's list: hits, their gains (if any), relevant items per user."""
    graded = len(gains) > 0
    hits = np.zeros(items.shape, dtype=np.bool_)
    gained = np.zeros(items.shape if graded else (0, 0))
    n_relevant = np.zeros(len(items), dtype=np.int64)
    for pair in range(len(rows)):
        row, item = rows[pair], wanted[pair]
        n_relevant[row] += 1
        place = -1
        for i in range(items.shape[1]):  # to the end without a break: no branch to guess wrong
            place = i if items[row, i] == item else place
        if place >= 0:
            hits[row, place] = True
            if graded:
                gained[row, place] = gains[pair]
    return hits, gained, n_relevant


@numba.njit(cache=True)
def _by_block(rows, wanted, gains, n_rows, block):
    """Pairs reordered by blocks of users, so that the lists of one block stay in the processor's cache."""
    starts = np.zeros(n_rows // block + 2, dtype=np.int64)
    for row in rows:
        starts[row // block + 1] += 1
    for i in range(1, len(starts)):
        starts[i] += starts[i - 1]
    new_rows, new_wanted, new_gains = np.empty_like(rows), np.empty_like(wanted), np.empty_like(gains)
    for pair in range(len(rows)):
        to = starts[rows[pair] // block]
        starts[rows[pair] // block] += 1
        new_rows[to], new_wanted[to] = rows[pair], wanted[pair]
        if len(gains):
            new_gains[to] = gains[pair]
    return new_rows, new_wanted, new_gains


def _ideal_gains(relevant: Relevant, length: int) -> np.ndarray:
    """Each user's gains from the highest down, as far as a list goes, shape (n_users, length)."""
    order = np.lexsort((-relevant.gains, relevant.rows))
    rows = relevant.rows[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    ideal = np.zeros((len(relevant), length))
    ideal[rows[rank < length], rank[rank < length]] = relevant.gains[order][rank < length]
    return ideal


def rows_of_items(lists: Lists, item_ids) -> np.ndarray:
    """Position of every recommended item in `item_ids`, −1 at empty places, shape (n_users, length).

    Raises
    ------
    UnknownIdError
        For a recommended item that is not in `item_ids`: a list can hold only what the catalogue has.
    """
    rows = pd.Index(item_ids).get_indexer(lists.items.ravel()).reshape(lists.items.shape)
    unknown = (rows < 0) & lists.filled
    if unknown.any():
        raise UnknownIdError(
            f"recommended holds {int(unknown.sum())} items that are not in the catalogue of {len(item_ids)}, "
            f"such as {lists.items[unknown][0]!r}: pass the catalogue that the model was fitted on"
        )
    return np.where(lists.filled, rows, -1)


def mean_over_list(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean of one value per item over each list (places with row −1 left out); NaN for an empty list."""
    filled = rows >= 0
    total = np.where(filled, values[rows], 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return total / filled.sum(axis=1)
