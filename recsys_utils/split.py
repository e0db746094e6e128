"""Splits of interactions into a training and a test part.

Each returns a :class:`Split`, which also says which test rows belong to users
or items that the training part does not know.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.model_selection import KFold, train_test_split

from .check import check_choice, check_float, check_int, check_rng
from .errors import InvalidInput
from .interactions import Interactions, check_interactions


@dataclass(frozen=True, eq=False)
class Split:
    """A training and a test part, connected by raw ids.

    Each part has a vocabulary of its own: a film that only the test part has is
    unknown to a model that was fitted on the training part, as it would be at work.
    """

    train: Interactions
    test: Interactions

    @cached_property
    def unknown_users(self) -> np.ndarray:
        """Boolean mask over the test rows: the training part has no interaction of this user."""
        known = self.train.rows_of_users(self.test.user_ids) >= 0
        return ~known[self.test.user_rows]

    @cached_property
    def unknown_items(self) -> np.ndarray:
        """Boolean mask over the test rows: the training part has no interaction with this item."""
        known = self.train.rows_of_items(self.test.item_ids) >= 0
        return ~known[self.test.item_rows]

    def summary(self) -> str:
        """One sentence: the sizes of both parts and how many test rows are cold."""
        return (
            f"{len(self.train):,} training rows, {len(self.test):,} test rows, of which "
            f"{int(self.unknown_users.sum()):,} have a user and {int(self.unknown_items.sum()):,} an item "
            "that the training part does not know"
        )


def _legacy_random(rng) -> np.random.RandomState:
    """The generator that published protocols used, for an int seed; drawn from a Generator otherwise."""
    if isinstance(rng, np.random.Generator):
        return np.random.RandomState(rng.integers(2**32, dtype=np.uint64))
    check_rng(rng)
    # RandomState itself takes only 32 bits.
    return np.random.RandomState(int(rng) if rng < 2**32 else np.random.MT19937(int(rng)))


def _split(interactions: Interactions, train: np.ndarray, test: np.ndarray) -> Split:
    for name, part in (("training", train), ("test", test)):
        if not part.any() if part.dtype == bool else part.size == 0:
            raise InvalidInput(f"the {name} part is empty for {len(interactions)} interactions: change its size")
    return Split(interactions.select(train), interactions.select(test))


def random_holdout(interactions: Interactions, test_size: float = 0.2, rng=42) -> Split:
    """Hold out a random share of the rows.

    With an int `rng` these are the rows that scikit-learn's ``train_test_split``
    takes from the same table with that ``random_state``.

    Parameters
    ----------
    interactions : Interactions
    test_size : float
        Share of the rows in the test part, strictly between 0 and 1.
    rng : int or Generator
    """
    check_interactions(interactions)
    check_float("test_size", test_size, 0, 1, exclusive=True)
    state = _legacy_random(rng)
    try:
        train, test = train_test_split(np.arange(len(interactions)), test_size=test_size, random_state=state)
    except ValueError as error:
        raise InvalidInput(
            f"test_size={test_size} leaves a part empty for {len(interactions)} rows: pass another share"
        ) from error
    return _split(interactions, train, test)


def stratified_holdout(interactions: Interactions, by: str = "user", test_size: float = 0.2, rng=42) -> Split:
    """Hold out a random share of each user's (or each item's) rows.

    Of a group of m rows, ``round((1 - test_size) * m)`` stay in the training part. With an
    int `rng` the rows are those of ``python_stratified_split(ratio=1 - test_size, filter_by=by, seed=rng)``
    in the recommenders library, the protocol of its published comparison.

    Parameters
    ----------
    interactions : Interactions
    by : {"user", "item"}
    test_size : float
        Share of each group in the test part, strictly between 0 and 1.
    rng : int or Generator
    """
    check_interactions(interactions)
    check_choice("by", by, ("user", "item"))
    check_float("test_size", test_size, 0, 1, exclusive=True)
    group = interactions.user_rows if by == "user" else interactions.item_rows
    order = np.lexsort((_legacy_random(rng).rand(len(interactions)), group))
    rank, count = _rank_within(group, order)
    train = rank < np.round((1 - test_size) * count)
    return _split(interactions, train, ~train)


def leave_last_out(interactions: Interactions, n: int = 1) -> Split:
    """Hold out each user's last `n` interactions; users with no more than `n` stay whole in training.

    Raises
    ------
    InvalidInput
        If the interactions have no times, or no user has more than `n`.
    """
    check_int("n", n)
    _need_times(interactions, "leave_last_out")
    order = np.lexsort((interactions.times, interactions.user_rows))
    rank, count = _rank_within(interactions.user_rows, order)
    test = (rank >= count - n) & (count > n)
    return _split(interactions, ~test, test)


def global_time_split(interactions: Interactions, test_size: float = 0.2) -> Split:
    """Hold out the latest share of all rows: train on the past, test on the future.

    Rows that bear the very time of the cut go to the test part.
    """
    check_float("test_size", test_size, 0, 1, exclusive=True)
    _need_times(interactions, "global_time_split")
    cut = np.sort(interactions.times)[int(np.floor(len(interactions) * (1 - test_size)))]
    test = interactions.times >= cut
    return _split(interactions, ~test, test)


def k_folds(interactions: Interactions, n_folds: int = 5, rng=42) -> Iterator[Split]:
    """Yield `n_folds` splits whose test parts share the shuffled rows among them (scikit-learn's ``KFold``)."""
    check_interactions(interactions)
    check_int("n_folds", n_folds, minimum=2, maximum=len(interactions))
    folds = KFold(n_folds, shuffle=True, random_state=_legacy_random(rng))
    for train, test in folds.split(np.arange(len(interactions))):
        yield _split(interactions, train, test)


def _rank_within(group: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's 0-based place within its group along `order`, and its group's size."""
    size = np.bincount(group)
    start = np.concatenate(([0], np.cumsum(size)[:-1]))
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - start[group[order]]
    return rank, size[group]


def _need_times(interactions: Interactions, function: str) -> None:
    check_interactions(interactions)
    if interactions.times is None:
        raise InvalidInput(f"{function} needs times, and these interactions have none: pass time= to from_frame")
