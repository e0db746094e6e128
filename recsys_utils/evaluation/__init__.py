"""Metrics of ratings, of ranked lists, and of what lies beyond accuracy.

Per-user values come first, their mean and its interval after. One file a family, each formula with its citation and
an example to check by hand.
"""
from .calibration import genre_shares, miscalibration
from .coverage import coverage, exposure, gini
from .diversity import genre_coverage, genre_matrix, intra_list_distance
from .lists import Judged, Lists, Relevant, as_lists, judge
from .popularity import average_popularity, novelty, popularity_lift
from .protocol import ModelFailed, RankingProtocol, RatingProtocol, compare, evaluate_ranking, evaluate_ratings
from .ranking import average_precision, discounts, hit_rate, ndcg, precision, recall, reciprocal_rank
from .rating import mae, rmse
from .report import PairedDifference, RatingReport, Report, holm, paired_difference
from .sampled import evaluate_sampled
from .serendipity import serendipity
from .tune import Tuning, tune

__all__ = [
    "Judged", "Lists", "ModelFailed", "PairedDifference", "RankingProtocol", "RatingProtocol", "RatingReport",
    "Relevant", "Report", "Tuning", "as_lists", "average_popularity", "average_precision", "compare", "coverage",
    "discounts", "evaluate_ranking", "evaluate_ratings", "evaluate_sampled", "exposure", "genre_coverage",
    "genre_matrix", "genre_shares", "gini", "hit_rate", "holm", "intra_list_distance", "judge", "mae",
    "miscalibration", "ndcg", "novelty", "paired_difference", "popularity_lift", "precision", "recall",
    "reciprocal_rank", "rmse", "serendipity", "tune",
]
