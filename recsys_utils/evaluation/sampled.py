"""Ranking each test item against a sample of negatives: quick, common, and biased."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..check import check_choice, check_int, check_rng
from ..errors import InvalidInput
from ..split import Split
from .lists import Judged
from .ranking import RANKING_METRICS
from .report import Report

_BLOCK = 256


def evaluate_sampled(
    model,
    split: Split,
    k: int = 10,
    n_negatives: int = 100,
    metrics: Sequence[str] = ("ndcg", "hit_rate"),
    rng=0,
) -> Report:
    r"""Accuracy of a fitted model when every test item competes with few random negatives only.

    Each test item is ranked among itself and `n_negatives` items that the user has neither in
    training nor in test. It comes first far more easily than among the whole catalogue, and not
    equally so for all models: the order of two models can turn round. The function is here to show
    that; use :func:`~recsys_utils.evaluation.evaluate_ranking` to compare.

    Parameters
    ----------
    model : Recommender
        Fitted on ``split.train``; its whole ranking of the catalogue is read.
    split : Split
    k : int
    n_negatives : int
    metrics : sequence of str
        As in :func:`~recsys_utils.evaluation.evaluate_ranking`; columns are named like ``ndcg@10``.
    rng : int or Generator
        Draws the negatives.

    Returns
    -------
    Report
        Mean over each user's test items. Test items unknown in training have no rank and count as missed.

    Raises
    ------
    InvalidInput
        If `k` is larger than the list of ``n_negatives + 1`` items, or a user has too few negatives.

    References
    ----------
    Krichene and Rendle (2020), *On sampled metrics for item recommendation*; Cañamares and
    Castells (2020), *On target item sampling in offline recommender system evaluation*.
    """
    check_int("n_negatives", n_negatives)
    check_int("k", k, maximum=n_negatives + 1)
    for name in metrics:
        check_choice("metrics", name, RANKING_METRICS)
    rng = check_rng(rng)
    train, test = split.train, split.test
    users = np.flatnonzero(train.rows_of_users(test.user_ids) >= 0)
    item_of_test = train.rows_of_items(test.item_ids)
    table = np.zeros((len(users), len(metrics)))
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK]
        ids, _ = model.recommend(test.user_ids[block], n=train.n_items, exclude_seen=False)
        place = np.empty(ids.shape, dtype=np.int64)
        np.put_along_axis(place, train.rows_of_items(ids), np.arange(train.n_items)[None, :], axis=1)
        for row, user in enumerate(block):
            mine = item_of_test[test.matrix[user].indices]
            free = np.ones(train.n_items, dtype=bool)
            free[train.matrix[train.rows_of_users(test.user_ids[user])].indices] = False
            free[mine[mine >= 0]] = False
            ranks = _sampled_ranks(place[row], mine, np.flatnonzero(free), n_negatives, rng)
            hits = np.arange(k) == ranks[:, None]
            judged = Judged(hits, np.full(len(hits), k), np.ones(len(hits), dtype=np.int64))
            table[start + row] = [RANKING_METRICS[name](judged, k).mean() for name in metrics]
    names = [f"{name}@{k}" for name in metrics]
    per_user = pd.DataFrame(table, columns=names, index=pd.Index(test.user_ids[users], name="user"))
    unknown = test.n_users - len(users)
    return Report(per_user, {"unknown in training": unknown} if unknown else {})


def _sampled_ranks(place, items, free, n_negatives, rng) -> np.ndarray:
    """How many of the sampled negatives stand before each item (all of them before an unknown one)."""
    if len(free) < n_negatives:
        raise InvalidInput(f"n_negatives={n_negatives} exceeds the {len(free)} a user has left: lower it")
    negatives = np.stack([rng.choice(free, n_negatives, replace=False, shuffle=False) for _ in items])
    before = (place[negatives] < place[items][:, None]).sum(axis=1)
    return np.where(items >= 0, before, n_negatives + 1)
