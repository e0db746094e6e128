"""Ranking each test item alone: against a sample of negatives (quick, common, biased), or against all."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..check import check_int, check_rng
from ..errors import InvalidInput
from ..split import Split
from .lists import Judged
from .protocol import check_fitted_on, check_metrics
from .ranking import RANKING_METRICS
from .report import Report

_BLOCK = 256


def evaluate_sampled(
    model,
    split: Split,
    k: int = 10,
    n_negatives: int | None = 100,
    metrics: Sequence[str] = ("ndcg", "hit_rate"),
    rng=0,
) -> Report:
    r"""Accuracy of a fitted model when every test item is ranked alone, among few random negatives or among all.

    Each test item is ranked among itself and negatives that the user has neither in training nor in test:
    `n_negatives` random ones, or all. Among few it comes first far more easily than among the whole catalogue, and
    not equally so for all models: the order of two models can turn round. The function is here to show that, and to
    tell two changes apart: :func:`~recsys_utils.evaluation.evaluate_ranking` judges a list with all of a user's test
    items in it; ``n_negatives=None`` one item at a time against the same catalogue; a number adds the sampling.

    Ties: items that the model scores equally stand in the order in which ``recommend`` lists them, by item id; a test
    item is not put before its equals. A model that scores everything equally gets the ranks of the ids.

    Parameters
    ----------
    model : Recommender
        Fitted on ``split.train``; its whole ranking of the catalogue is read.
    split : Split
    k : int
    n_negatives : int or None
        None: all items that the user has in neither part.
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
        If `k` is larger than the list of ``n_negatives + 1`` items, a user has too few negatives, no test user is
        known in training, or the model was fitted on other data.

    References
    ----------
    Krichene and Rendle (2020), *On sampled metrics for item recommendation*; Cañamares and
    Castells (2020), *On target item sampling in offline recommender system evaluation*.
    """
    check_fitted_on(model, split)
    metrics, train, test = check_metrics(metrics, RANKING_METRICS), split.train, split.test
    largest = train.n_items if n_negatives is None else check_int("n_negatives", n_negatives) + 1
    check_int("k", k, maximum=largest)
    rng = check_rng(rng)
    rows = train.rows_of_users(test.user_ids)
    users = np.flatnonzero(rows >= 0)
    if len(users) == 0:
        raise InvalidInput(f"none of the {test.n_users} test users is known in training: check the split")
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
            free[train.matrix[rows[user]].indices] = False
            free[mine[mine >= 0]] = False
            before = _before(place[row, mine], place[row, free], n_negatives, rng)
            hits = np.arange(k) == np.where(mine >= 0, before, k)[:, None]
            judged = Judged(hits, np.full(len(hits), k), np.ones(len(hits), dtype=np.int64))
            table[start + row] = [RANKING_METRICS[name](judged, k).mean() for name in metrics]
    names = [f"{name}@{k}" for name in metrics]
    per_user = pd.DataFrame(table, columns=names, index=pd.Index(test.user_ids[users], name="user"))
    unknown = test.n_users - len(users)
    return Report(per_user, {"unknown in training": unknown} if unknown else {})


def _before(places: np.ndarray, rivals: np.ndarray, n_negatives: int | None, rng) -> np.ndarray:
    """How many rivals (all, or a sample for each item) stand before each of the items."""
    if n_negatives is None:
        return np.searchsorted(np.sort(rivals), places)
    if len(rivals) < n_negatives:
        raise InvalidInput(f"n_negatives={n_negatives} exceeds the {len(rivals)} a user has left: lower it")
    drawn = [rng.choice(rivals, n_negatives, replace=False, shuffle=False) for _ in places]
    return (np.array(drawn) < places[:, None]).sum(axis=1)
