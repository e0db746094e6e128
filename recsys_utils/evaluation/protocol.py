"""One call from a model and a split to a report, and from several models to a table."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pandas as pd

from ..check import check_choice, check_finite, check_int
from ..errors import InvalidInput
from ..split import Split
from .lists import Relevant, judge
from .ranking import RANKING_METRICS
from .report import RatingReport, Report

_METRICS = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")


def evaluate_ratings(model, split: Split) -> RatingReport:
    """Errors of a fitted model on every test rating, those of users and items unknown in training included.

    Parameters
    ----------
    model : Recommender
        Fitted on ``split.train``.
    split : Split

    Raises
    ------
    InvalidInput
        If a prediction is NaN or infinite.
    """
    test = split.test
    predicted = model.predict(test.user_ids[test.user_rows], test.item_ids[test.item_rows])
    errors = check_finite("predicted", predicted) - test.values

    def per_user(values=None):
        return np.bincount(test.user_rows, weights=values, minlength=test.n_users)

    columns = {
        "squared_error": per_user(errors**2),
        "absolute_error": per_user(np.abs(errors)),
        "ratings": per_user(),
    }
    table = pd.DataFrame(columns, index=pd.Index(test.user_ids, name="user"))
    silent = table["ratings"] == 0
    return RatingReport(table[~silent], _reasons(split, {"no test ratings": int(silent.sum())}))


def evaluate_ranking(
    model,
    split: Split,
    k: int = 10,
    metrics: Sequence[str] = _METRICS,
    relevance_threshold: float | None = None,
    exclude_seen: bool = True,
) -> Report:
    """Accuracy of a fitted model's top-`k` lists.

    Every user who is known in training and has a relevant test item gets one list of `k`
    items not seen in training. Test items that training does not know stay relevant: no
    model can find them, and a real user would have wanted them all the same.

    Parameters
    ----------
    model : Recommender
        Fitted on ``split.train``.
    split : Split
    k : int
    metrics : sequence of str
        Of ``ndcg``, ``recall``, ``recall_capped``, ``precision``, ``map``, ``mrr``, ``hit_rate``; the first
        is the headline. Columns of the report are named like ``ndcg@10``.
    relevance_threshold : float, optional
        Count only test interactions with at least this value as relevant; by default all.
    exclude_seen : bool
        Leave training items out of the lists.

    Raises
    ------
    InvalidInput
        If `k` is larger than the catalogue, a metric is unknown, or no user can be evaluated.
    """
    check_int("k", k)
    if isinstance(metrics, str) or not metrics:
        raise InvalidInput(f"metrics must be a sequence of names, got {metrics!r}: pass e.g. ('ndcg',)")
    for name in metrics:
        check_choice("metrics", name, RANKING_METRICS)
    if k > split.train.n_items:
        raise InvalidInput(f"k={k} is larger than the catalogue of {split.train.n_items} items: lower k")
    users = split.test.user_ids
    relevant = Relevant.from_interactions(split.test, users, relevance_threshold)
    known = split.train.rows_of_users(users) >= 0
    asked = known & (relevant.counts > 0)
    if not asked.any():
        raise InvalidInput(
            f"none of the {len(users)} test users is known in training and has a relevant test item: check "
            f"the split and relevance_threshold={relevance_threshold}"
        )
    chosen = users[asked]
    items, scores = model.recommend(chosen, n=k, exclude_seen=exclude_seen)
    judged = judge(items, Relevant.from_interactions(split.test, chosen, relevance_threshold), scores)
    columns = {f"{name}@{k}": RANKING_METRICS[name](judged, k) for name in metrics}
    table = pd.DataFrame(columns, index=pd.Index(chosen, name="user"))
    return Report(table, _reasons(split, {"no relevant test item": int((known & ~asked).sum())}, known))


def _reasons(split: Split, counts: dict[str, int], known: np.ndarray | None = None) -> dict[str, int]:
    """Why users have no value; reasons that concern nobody are dropped."""
    if known is not None:
        counts["unknown in training"] = int((~known).sum())
    counts["in training only"] = int((split.test.rows_of_users(split.train.user_ids) < 0).sum())
    return {reason: n for reason, n in counts.items() if n}


@dataclass(frozen=True)
class RatingProtocol:
    """Predict every test rating of `split`; the headline is the pooled RMSE."""

    split: Split

    def evaluate(self, model) -> RatingReport:
        """Report of a model fitted on the training part."""
        return evaluate_ratings(model, self.split)


@dataclass(frozen=True)
class RankingProtocol:
    """Recommend `k` items to every test user of `split`; arguments as in :func:`evaluate_ranking`."""

    split: Split
    k: int = 10
    metrics: Sequence[str] = _METRICS
    relevance_threshold: float | None = None
    exclude_seen: bool = True

    def evaluate(self, model) -> Report:
        """Report of a model fitted on the training part."""
        return evaluate_ranking(
            model, self.split, self.k, self.metrics, self.relevance_threshold, self.exclude_seen
        )


def compare(
    models: Mapping[str, object],
    protocol: RatingProtocol | RankingProtocol,
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    rng=0,
    reports: dict | None = None,
) -> pd.DataFrame:
    """Fit several models on one training part and evaluate them on one test part.

    Parameters
    ----------
    models : mapping of str to Recommender
        Names and models; each is fitted here.
    protocol : RatingProtocol or RankingProtocol
    level, n_resamples, rng
        Of the bootstrap interval (see :meth:`Report.interval`).
    reports : dict, optional
        Is filled with each model's report, for example for :func:`paired_difference`.

    Returns
    -------
    DataFrame
        One row a model, in the order given: the headline metric, the ends of its interval (``low``,
        ``high``), the other metrics, and ``fit seconds``.
    """
    if not models:
        raise InvalidInput("models is empty: pass at least one model by name")
    rows = {}
    for name, model in models.items():
        started = perf_counter()
        model.fit(protocol.split.train)
        seconds = perf_counter() - started
        report = protocol.evaluate(model)
        if reports is not None:
            reports[name] = report
        headline, *others = report.metrics
        interval = report.interval(level, n_resamples, rng)
        rows[name] = {
            headline: interval.loc[headline, "mean"],
            "low": interval.loc[headline, "low"],
            "high": interval.loc[headline, "high"],
            **interval.loc[others, "mean"].to_dict(),
            "fit seconds": seconds,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "model"
    return table
