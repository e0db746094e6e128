"""Who meets what, and when: the sampling half of the generative model.

Pairs are drawn from a mixture, because a draw for one user and one of Z topics
costs the same however many items there are: a user picks a topic by taste, then
an item by the topic's own popularity. Repeated pairs are thrown away and drawn
again, block by block of users, so that memory does not grow with the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidInput

_BLOCK = 1_000_000
_ROUNDS = 12
_MOST_DRAWS = 50_000
_YEAR_SECONDS = 365.2425 * 86400


@dataclass(frozen=True)
class Choice:
    """Everything that decides which pairs are drawn.

    Attributes
    ----------
    topics_of_users : ndarray, shape (n_users, n_topics)
        Probability of each topic for each user.
    items_of_topics : ndarray, shape (n_topics, n_items)
        Probability of each item within each topic.
    released : ndarray of int64, shape (n_items,)
        Second since 1970 before which nobody can meet the item.
    starts, spans : ndarray of int64, shape (n_users,)
        First second of each user's activity, and its length in seconds.
    novelty : float
        How much more often a new item is met than one many years old, from 0 to 1.
    """

    topics_of_users: np.ndarray
    items_of_topics: np.ndarray
    released: np.ndarray
    starts: np.ndarray
    spans: np.ndarray
    novelty: float = 0.0

    @property
    def ends(self) -> np.ndarray:
        """Last second of each user's activity, shape (n_users,)."""
        return self.starts + self.spans


def allocate(total: int, weights: np.ndarray, minima: np.ndarray, maxima: np.ndarray) -> np.ndarray:
    """Share `total` out in whole numbers, in proportion to `weights` as far as the bounds allow.

    Raises
    ------
    InvalidInput
        The bounds leave no room for `total`.
    """
    if not minima.sum() <= total <= maxima.sum():
        raise InvalidInput(
            f"{total} interactions do not fit: these users and items hold from {minima.sum()} to "
            f"{maxima.sum()}; change the number of interactions, users or items"
        )
    quota = minima.copy()
    while (rest := total - int(quota.sum())) > 0:
        room = maxima - quota
        weight = np.where(room > 0, weights, 0.0)
        step = np.minimum((rest * weight / weight.sum()).astype(np.int64), room)
        if not step.any():  # less than one each: the heaviest get the remainder
            step[np.argsort(-weight, kind="stable")[:rest]] = 1
        quota += np.minimum(step, room)
    return quota


def first_meetings(choice: Choice, activity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one user for each item, so that every item is met: shape (n_items,).

    The user is drawn in proportion to `activity` among those still active after the release.
    """
    order = np.argsort(choice.ends, kind="stable")
    cumulated = np.concatenate([[0.0], np.cumsum(activity[order])])
    too_early = cumulated[np.searchsorted(choice.ends[order], choice.released, side="left")]
    point = too_early + rng.random(len(too_early)) * (cumulated[-1] - too_early)
    return order[np.clip(np.searchsorted(cumulated, point, side="right") - 1, 0, len(order) - 1)]


def draw_interactions(choice: Choice, first_users: np.ndarray, quota: np.ndarray, rng: np.random.Generator):
    """Yield blocks ``(user_rows, item_rows, times)``, sorted by user, then item.

    Each user gets exactly `quota` distinct items, among them the items whose
    first meeting is with that user.
    """
    cumulated = np.cumsum(choice.items_of_topics, axis=1)
    cumulated /= cumulated[:, -1:]
    seeds = np.argsort(first_users, kind="stable")
    seed_starts = np.searchsorted(first_users[seeds], np.arange(len(quota) + 1))
    blocks = np.flatnonzero(np.diff(np.cumsum(quota) // _BLOCK, prepend=-1))
    for begin, end in zip(blocks, [*blocks[1:], len(quota)], strict=True):
        items = seeds[seed_starts[begin] : seed_starts[end]]
        yield _draw_block(choice, cumulated, begin, end, first_users[items], items, quota, rng)


def _draw_block(choice, cumulated, begin, end, seed_users, seed_items, quota, rng):
    n_items = len(choice.released)
    users = np.arange(begin, end)
    earliest = np.maximum(choice.starts[seed_users], choice.released[seed_items])
    times = earliest + (rng.random(len(earliest)) * (choice.ends[seed_users] - earliest)).astype(np.int64)
    keys = (seed_users - begin) * n_items + seed_items
    for turn in range(_ROUNDS):
        missing = quota[begin:end] - np.bincount(keys // n_items, minlength=len(users))
        if not missing.any():
            break
        # Whoever has met most of what they like widens the choice, and needs more draws for each new item.
        wide = turn / _ROUNDS
        topics = (1 - wide) * choice.topics_of_users[begin:end] + wide / len(cumulated)
        counts = np.minimum(2 ** min(turn + 1, 6) * missing + 4 * (missing > 0), _MOST_DRAWS)
        drawn_users, drawn_items = _draw_pairs(cumulated, topics, users, counts, rng)
        drawn_times = choice.starts[drawn_users] + (
            rng.random(len(drawn_users)) * choice.spans[drawn_users]
        ).astype(np.int64)
        accepted = rng.random(len(drawn_users)) < _acceptance(choice, drawn_items, drawn_times)
        drawn = ((drawn_users - begin) * n_items + drawn_items)[accepted]
        keys, times = _merge(keys, times, drawn, drawn_times[accepted], missing, n_items, rng)
    keys, times = _fill(choice, users, keys, times, quota, rng)
    order = np.argsort(keys)
    keys = keys[order]
    return keys // n_items + begin, keys % n_items, times[order]


def _draw_pairs(cumulated, topics, users, counts, rng):
    """Draw `counts` pairs for each user, by topic: rows of users and of items."""
    by_topic = rng.multinomial(counts, topics).T
    drawn_users = np.repeat(np.tile(users, len(by_topic)), by_topic.ravel())
    items = [
        np.searchsorted(cumulated[topic], rng.random(size), side="right")
        for topic, size in enumerate(by_topic.sum(axis=1))
    ]
    return drawn_users, np.minimum(np.concatenate(items), cumulated.shape[1] - 1)


def _acceptance(choice: Choice, items, times) -> np.ndarray:
    age = (times - choice.released[items]) / _YEAR_SECONDS
    return np.where(age < 0, 0.0, 1 - choice.novelty + choice.novelty * np.exp(-np.maximum(age, 0) / 4))


def _merge(keys, times, new_keys, new_times, missing, n_items, rng):
    """Add new pairs without repeats, at most `missing` of each user, chosen at random."""
    order = rng.permutation(len(new_keys))
    all_keys = np.concatenate([keys, new_keys[order]])
    all_times = np.concatenate([times, new_times[order]])
    _, first = np.unique(all_keys, return_index=True)
    fresh = np.sort(first[first >= len(keys)])
    users = all_keys[fresh] // n_items
    fresh = fresh[np.argsort(users, kind="stable")]
    users = np.sort(users)
    rank = np.arange(len(users)) - np.searchsorted(users, users)
    kept = fresh[rank < missing[users]]
    return np.concatenate([keys, all_keys[kept]]), np.concatenate([times, all_times[kept]])


def _fill(choice, users, keys, times, quota, rng):
    """Complete the few users for whom drawing again takes too long, without replacement.

    These users have met most of what they like. What was released after their time comes last.
    """
    n_items = len(choice.released)
    have = np.bincount(keys // n_items, minlength=len(users))
    for row in np.flatnonzero(have < quota[users]):
        user = users[row]
        weight = choice.topics_of_users[user] @ choice.items_of_topics
        weight = weight * np.where(choice.released <= choice.ends[user], 1.0, 1e-9) + 1e-300
        weight[keys[keys // n_items == row] % n_items] = 0
        race = rng.exponential(size=n_items) / np.where(weight > 0, weight, np.nan)
        need = quota[user] - have[row]
        items = np.argpartition(race, need - 1)[:need]
        earliest = np.clip(choice.released[items], choice.starts[user], choice.ends[user])
        moments = earliest + (rng.random(len(items)) * (choice.ends[user] - earliest)).astype(np.int64)
        keys = np.concatenate([keys, row * n_items + items])
        times = np.concatenate([times, moments])
    return keys, times
