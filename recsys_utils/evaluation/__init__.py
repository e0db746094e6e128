"""Metrics of ratings, of ranked lists, and of what lies beyond accuracy.

Per-user values come first, their mean and its interval after. One file a family, each
formula with its citation and an example to check by hand.
"""
from .lists import Judged, Lists, Relevant, as_lists, judge
from .protocol import RankingProtocol, RatingProtocol, compare, evaluate_ranking, evaluate_ratings
from .ranking import (
    RANKING_METRICS,
    average_precision,
    discounts,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from .rating import mae, rmse
from .report import PairedDifference, RatingReport, Report, paired_difference

__all__ = [
    "RANKING_METRICS",
    "Judged",
    "Lists",
    "PairedDifference",
    "RankingProtocol",
    "RatingProtocol",
    "RatingReport",
    "Relevant",
    "Report",
    "as_lists",
    "average_precision",
    "compare",
    "discounts",
    "evaluate_ranking",
    "evaluate_ratings",
    "hit_rate",
    "judge",
    "mae",
    "ndcg",
    "paired_difference",
    "precision",
    "recall",
    "reciprocal_rank",
    "rmse",
]
