"""The lists of all users in one batched pass."""
from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from ..check import check_int
from ..interactions import Interactions
from ..models import Recommender


def precompute(
    model: Recommender, n: int = 100, *, user_ids=None, exclude_seen: bool = True, batch_size: int = 4096
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the `n` best items of every user, batch by batch, so that memory depends on the batch alone.

    Shows a progress bar in a terminal, and none where outputs are stored.

    Parameters
    ----------
    model : Recommender
        Fitted.
    n : int
        Length of the lists; cut to the size of the catalogue.
    user_ids : array-like of raw ids, optional
        Whose lists; default all users of the model's data.
    exclude_seen : bool
        Leave out what a user has in the training data.
    batch_size : int
        Users at a time.

    Yields
    ------
    user_ids : ndarray, shape (batch,)
    item_ids, scores : ndarray, shape (batch, n)
        As :meth:`~recsys_utils.models.Recommender.recommend` returns them.
    """
    n = min(check_int("n", n), len(model.item_ids_))
    check_int("batch_size", batch_size)
    user_ids = model.user_ids_ if user_ids is None else np.asarray(user_ids)
    with tqdm(total=len(user_ids), desc="precompute", leave=False, disable=not sys.stderr.isatty()) as bar:
        for start in range(0, len(user_ids), batch_size):
            batch = user_ids[start : start + batch_size]
            yield batch, *model.recommend(batch, n=n, exclude_seen=exclude_seen)
            bar.update(len(batch))


def popular_items(interactions: Interactions, n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the `n` items that most users have, and how many have each: the list for somebody unknown."""
    count = np.bincount(interactions.item_rows, minlength=interactions.n_items)
    best = np.argsort(-count, kind="stable")[: check_int("n", n)]
    return interactions.item_ids[best], count[best].astype(np.float64)
