"""One call from a model and a split to a report, and from several models to a table."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pandas as pd
from numba.core.event import install_timer

from ..check import check_choice, check_int
from ..errors import Diverged, InvalidInput, RecsysError
from ..interactions import Interactions
from ..split import Split
from .beyond import BEYOND_METRICS, OVERALL_METRICS, Offer
from .lists import Relevant, as_lists, judge
from .ranking import RANKING_METRICS
from .report import RatingReport, Report

_METRICS = ("ndcg", "recall", "precision", "map", "mrr", "hit_rate")


class ModelFailed(RecsysError, RuntimeError):
    """One of several models failed; the message names it.

    Attributes
    ----------
    finished : DataFrame
        The rows of those that came before it.
    """

    def __init__(self, message: str, finished: pd.DataFrame):
        super().__init__(message)
        self.finished = finished


def evaluate_ratings(model, split: Split) -> RatingReport:
    """Errors of a fitted model on every test rating, those of users and items unknown in training included.

    Parameters
    ----------
    model : Recommender
        Fitted on ``split.train`` (or on its interactions with other values).
    split : Split

    Returns
    -------
    RatingReport
        ``mean()`` has ``rmse`` and ``mae`` over all ratings.

    Raises
    ------
    InvalidInput
        If a prediction is NaN or infinite (:class:`~recsys_utils.errors.Diverged`), or the model was fitted on other
        interactions than ``split.train``.
    """
    check_fitted_on(model, split)
    test = split.test
    predicted = model.predict(test.user_ids[test.user_rows], test.item_ids[test.item_rows])
    errors = np.asarray(predicted, dtype=np.float64) - test.values
    if not np.isfinite(errors).all():
        raise Diverged(f"{int((~np.isfinite(errors)).sum())} predicted ratings are NaN or infinite: mend the model")

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
    genres=None,
) -> Report:
    """Accuracy of a fitted model's top-`k` lists, and what lies beyond it.

    Every user who is known in training and has a relevant test item gets one list of `k`
    items not seen in training. Test items that training does not know stay relevant: no
    model can find them, and a real user would have wanted them all the same.

    Parameters
    ----------
    model : Recommender
        Fitted on ``split.train`` (or on its interactions with other values, such as logarithms).
    split : Split
    k : int
    metrics : sequence of str
        The first is the headline. Accuracy: ``ndcg``, ``recall``, ``precision``, ``map``, ``mrr``, ``hit_rate``; with
        another denominator ``recall_capped``, ``precision_capped``, ``precision_returned``, ``map_relevant``,
        ``map_k`` (see the functions). Beyond it: ``novelty``, ``average_popularity``, ``popularity_lift``,
        ``serendipity`` (what is expected are the most popular items that the user does not have); with `genres`
        ``intra_list_distance``, ``genre_coverage``, ``miscalibration``; over all lists together ``coverage``, ``gini``.
    relevance_threshold : float, optional
        Count only test interactions with at least this value as relevant; by default all.
    exclude_seen : bool
        Leave training items out of the lists.
    genres : ndarray of bool, shape (split.train.n_items, n_genres), optional
        In the order of ``split.train.item_ids``: ``genre_matrix(split.train.item_ids, movies)[0]``.

    Returns
    -------
    Report
        ``per_user`` has one row for each evaluated user and one column a metric, named like ``ndcg@10``; ``overall``
        holds coverage and Gini; ``left_out`` counts the users without a value by reason. ``mean()``,
        ``interval()`` and :func:`paired_difference` read it.

    Raises
    ------
    InvalidInput
        If `k` is larger than the catalogue, a metric is unknown or lacks its genres, no user can be evaluated, or the
        model was fitted on other interactions than ``split.train``.
    """
    check_fitted_on(model, split)
    metrics = check_metrics(metrics, (*RANKING_METRICS, *BEYOND_METRICS, *OVERALL_METRICS))
    if metrics[0] in OVERALL_METRICS:
        raise InvalidInput(f"metrics begins with {metrics[0]!r}, which has no value per user: name another first")
    if check_int("k", k) > split.train.n_items:
        raise InvalidInput(f"k={k} is larger than the catalogue of {split.train.n_items} items: lower k")
    users = split.test.user_ids
    known = split.train.rows_of_users(users) >= 0
    asked = known & (Relevant.from_interactions(split.test, users, relevance_threshold).counts > 0)
    if not asked.any():
        raise InvalidInput(
            f"none of the {len(users)} test users is known in training and has a relevant test item: check "
            f"the split and relevance_threshold={relevance_threshold}"
        )
    chosen = users[asked]
    relevant = Relevant.from_interactions(split.test, chosen, relevance_threshold)
    lists = as_lists(*model.recommend(chosen, n=k, exclude_seen=exclude_seen))
    judged, offer = judge(lists, relevant), Offer(lists, chosen, split, relevant, genres)
    columns, overall = {}, {}
    for name in metrics:
        if name in OVERALL_METRICS:
            overall[f"{name}@{k}"] = OVERALL_METRICS[name](offer)
        else:
            accuracy = RANKING_METRICS.get(name)
            columns[f"{name}@{k}"] = accuracy(judged, k) if accuracy else BEYOND_METRICS[name](offer)
    report = Report.from_columns(chosen, "no value of a metric", **columns)
    counts = {"no relevant test item": int((known & ~asked).sum()), "unknown in training": int((~known).sum())}
    return Report(report.per_user, report.left_out | _reasons(split, counts), overall)


def check_metrics(metrics, known) -> tuple[str, ...]:
    """The names as a tuple, or InvalidInput for none or an unknown one."""
    names = () if isinstance(metrics, str) else tuple(metrics)
    if not names:
        raise InvalidInput(f"metrics must be a sequence of names, got {metrics!r}: pass e.g. ('ndcg',)")
    for name in names:
        check_choice("metrics", name, known)
    return names


def check_split(split) -> Split:
    """Return `split` if it is one, or raise InvalidInput with the way to one."""
    if not isinstance(split, Split):
        raise InvalidInput(
            f"split must be a Split, got {type(split).__name__}: make one with recsys_utils.split, "
            "e.g. random_holdout(interactions)"
        )
    return split


def check_fitted_on(model, split: Split) -> None:
    """Refuse what is no split, and a model that has learnt from other interactions than its training part."""
    check_split(split)
    fitted, train = getattr(model, "interactions_", None), split.train
    if not isinstance(fitted, Interactions) or fitted is train:
        return
    same = (
        len(fitted) == len(train)
        and np.array_equal(fitted.user_ids, train.user_ids)
        and np.array_equal(fitted.item_ids, train.item_ids)
        and np.array_equal(fitted.matrix.indptr, train.matrix.indptr)
        and np.array_equal(fitted.matrix.indices, train.matrix.indices)
    )
    if not same:
        raise InvalidInput(
            f"model was fitted on {len(fitted):,} interactions that are not the {len(train):,} of split.train, so test "
            "rows may have leaked: call model.fit(split.train), or evaluate on Split(what it was fitted on, split.test)"
        )


def _reasons(split: Split, counts: dict[str, int]) -> dict[str, int]:
    """Why users have no value; reasons that concern nobody are dropped."""
    counts["in training only"] = int((split.test.rows_of_users(split.train.user_ids) < 0).sum())
    return {reason: n for reason, n in counts.items() if n}


@dataclass(frozen=True)
class RatingProtocol:
    """Predict every test rating of `split`; the headline is the pooled RMSE."""

    split: Split

    def evaluate(self, model) -> RatingReport:
        """Report of a model fitted on the training part."""
        return evaluate_ratings(model, self.split)


class RankingProtocol:
    """Recommend items to every test user of `split`; the other arguments are those of :func:`evaluate_ranking`."""

    def __init__(self, split: Split, *arguments, **named):
        self.split, self.arguments, self.named = split, arguments, named

    def evaluate(self, model) -> Report:
        """Report of a model fitted on the training part."""
        return evaluate_ranking(model, self.split, *self.arguments, **self.named)


def seconds_of(work: Callable) -> float:
    """Wall seconds of one call, less what Numba spends on compiling (once on a machine, then never again)."""
    compiling = []
    with install_timer("numba:compiler_lock", compiling.append):
        started = perf_counter()
        work()
        taken = perf_counter() - started
    return max(taken - sum(compiling), 0.0)


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
        One row a model, in the order given: the headline metric, the ends of its interval (``low``, ``high``), the
        other metrics, and ``fit seconds`` (wall time without Numba's compilation).

    Raises
    ------
    ModelFailed
        If a model cannot be fitted or evaluated; names it, and carries the rows of those before it in ``finished``.
    """
    if not isinstance(models, Mapping) or not models:
        raise InvalidInput(f"models must be a mapping of names to models, got {models!r}: pass at least one by name")
    rows, reports = {}, {} if reports is None else reports
    for name, model in models.items():
        try:
            seconds = seconds_of(lambda model=model: model.fit(protocol.split.train))
            report = reports[name] = protocol.evaluate(model)
        except Exception as error:
            message = f"model {name!r} failed after {len(rows)} of {len(models)} rows (in .finished): {error}"
            raise ModelFailed(message, _as_table(rows)) from error
        headline, *others = report.metrics
        interval = report.interval(level, n_resamples, rng)
        rows[name] = {
            headline: interval.loc[headline, "mean"],
            **interval.loc[headline, ["low", "high"]],
            **interval.loc[others, "mean"],
            **report.overall,
            "fit seconds": seconds,
        }
    return _as_table(rows)


def _as_table(rows: dict[str, dict]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
