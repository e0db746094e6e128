"""Per-user values first, then the mean, its interval, and the difference of two models."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..check import check_choice, check_float, check_int, check_rng
from ..errors import InvalidInput

_BLOCK = 4_000_000  # cells of one block of resampling weights


@dataclass(frozen=True, eq=False)
class Report:
    """What one model reached, user by user.

    Attributes
    ----------
    per_user : DataFrame
        One row a user (raw ids as index), one column a metric; no NaN.
    left_out : dict of str to int
        Users without a value, counted by reason: they are stated, never averaged in.
    """

    per_user: pd.DataFrame
    left_out: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_columns(cls, user_ids, reason: str = "no value", **columns) -> Report:
        """Collect per-user metrics, for example ``novelty=novelty(lists, ...)``.

        Users with NaN in any column are left out of all of them (so that the columns
        average the same users) and counted under `reason`.

        Raises
        ------
        InvalidInput
            If no user has a value.

        Examples
        --------
        >>> import numpy as np
        >>> report = Report.from_columns([7, 8, 9], "no test items", score=np.array([0.5, np.nan, 1.0]))
        >>> report.mean()["score"], report.left_out
        (np.float64(0.75), {'no test items': 1})
        """
        table = pd.DataFrame(columns, index=pd.Index(np.asarray(user_ids), name="user"))
        kept = table.dropna()
        if kept.empty:
            raise InvalidInput(f"none of the {len(table)} users has a value ({reason}): nothing to average")
        dropped = len(table) - len(kept)
        return cls(kept, {reason: dropped} if dropped else {})

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, the headline first."""
        return list(self.per_user.columns)

    def _statistics(self, totals: np.ndarray) -> np.ndarray:
        """Metrics from weighted column totals, shape (..., n_columns + 1); the last total is the weight."""
        return totals[..., :-1] / totals[..., -1:]

    def _table(self) -> np.ndarray:
        """The columns that are totalled and a column of ones, shape (n_users, n_columns + 1)."""
        return np.column_stack([self.per_user.to_numpy(np.float64), np.ones(len(self.per_user))])

    def mean(self) -> pd.Series:
        """Each metric over all users (of ratings: over all ratings)."""
        return pd.Series(self._statistics(self._table().sum(axis=0)), index=self.metrics)

    def interval(self, level: float = 0.95, n_resamples: int = 1000, rng=0) -> pd.DataFrame:
        """Percentile bootstrap over users.

        Users are drawn with replacement, because they are what a second data set would
        bring anew; the ratings of one user are not independent of each other.

        Parameters
        ----------
        level : float
            Share of the resampled values inside the interval, strictly between 0 and 1.
        n_resamples : int
        rng : int or Generator

        Returns
        -------
        DataFrame
            One row a metric; columns ``mean``, ``low``, ``high``.

        References
        ----------
        Efron and Tibshirani (1993), *An introduction to the bootstrap*, chapter 13.

        Examples
        --------
        Every user has the same value, so every resample has the same mean.

        >>> Report.from_columns([1, 2, 3], score=[0.5, 0.5, 0.5]).interval()
               mean  low  high
        score   0.5  0.5   0.5
        """
        low, high = _quantiles(level)
        draws = self._statistics(_resampled_totals(self._table(), check_int("n_resamples", n_resamples), rng))
        edges = np.quantile(draws, [low, high], axis=0)
        return pd.DataFrame({"mean": self.mean(), "low": edges[0], "high": edges[1]}, index=self.metrics)

    def summary(self) -> str:
        """One sentence: the metrics, and who was left out."""
        values = ", ".join(f"{name} {value:.4f}" for name, value in self.mean().items())
        out = "; ".join(f"{n:,} left out: {reason}" for reason, n in self.left_out.items()) or "none left out"
        return f"{values} over {len(self.per_user):,} users ({out})"


class RatingReport(Report):
    """Errors of predicted ratings: per user the totals, over all the pooled RMSE and MAE.

    ``per_user`` has the columns ``squared_error``, ``absolute_error`` (totals of the user)
    and ``ratings`` (how many).
    """

    @property
    def metrics(self) -> list[str]:
        """The two metrics, the headline first."""
        return ["rmse", "mae"]

    def _table(self) -> np.ndarray:
        return self.per_user[["squared_error", "absolute_error", "ratings"]].to_numpy(np.float64)

    def _statistics(self, totals: np.ndarray) -> np.ndarray:
        means = super()._statistics(totals)
        means[..., 0] = np.sqrt(means[..., 0])
        return means


@dataclass(frozen=True)
class PairedDifference:
    """The difference of two models over the same users.

    Attributes
    ----------
    metric : str
    difference, low, high : float
        Metric of the first report minus that of the second, and its bootstrap interval.
    p_value : float
        Two-sided p-value of the permutation test.
    n_users : int
    """

    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    n_users: int


def paired_difference(
    first: Report,
    second: Report,
    metric: str | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    rng=0,
) -> PairedDifference:
    """Compare two models user by user.

    The interval comes from drawing users with replacement, both models' values together. The
    p-value comes from exchanging the two models' values of a random half of the users: how often
    does chance alone make a difference at least as large? With the observed one counted in, it is
    never 0, and no smaller than ``1 / (n_resamples + 1)``.

    Parameters
    ----------
    first, second : Report
        Of the same users (and, for ratings, the same ratings).
    metric : str, optional
        By default the first one.
    level : float
    n_resamples : int
        For the bootstrap and for the permutations.
    rng : int or Generator

    Raises
    ------
    InvalidInput
        If the reports cover other users, or have no such metric.

    References
    ----------
    Smucker, Allan and Carterette (2007), *A comparison of statistical significance tests for
    information retrieval evaluation*; Phipson and Smyth (2010), *Permutation p-values should
    never be zero*.

    Examples
    --------
    The first model is better by 0.1 for each of eight users. Only the 2 of the 256 exchanges that
    swap nobody or everybody do as well, so p is near 2/256.

    >>> import numpy as np
    >>> worse = np.linspace(0.1, 0.8, 8)
    >>> result = paired_difference(
    ...     Report.from_columns(range(8), score=worse + 0.1), Report.from_columns(range(8), score=worse)
    ... )
    >>> round(result.difference, 4), round(result.low, 4), round(result.high, 4)
    (0.1, 0.1, 0.1)
    >>> result.p_value < 0.02
    True
    """
    metric = first.metrics[0] if metric is None else metric
    for report in (first, second):
        check_choice("metric", metric, report.metrics)
    if not first.per_user.index.sort_values().equals(second.per_user.index.sort_values()):
        raise InvalidInput(
            f"the reports cover {len(first.per_user)} and {len(second.per_user)} users, not the same ones: "
            "evaluate both models on one split"
        )
    a = first._table()
    b = type(second)(second.per_user.loc[first.per_user.index])._table()
    if a.shape != b.shape or not np.array_equal(a[:, -1], b[:, -1]):
        raise InvalidInput("the reports count other ratings or metrics: evaluate both with one protocol")
    column = first.metrics.index(metric)
    check_int("n_resamples", n_resamples)
    low, high = _quantiles(level)
    rng = check_rng(rng)

    def statistic(totals_a, totals_b):
        return first._statistics(totals_a)[..., column] - second._statistics(totals_b)[..., column]

    width = a.shape[1]
    totals = _resampled_totals(np.column_stack([a, b]), n_resamples, rng)
    draws = statistic(totals[:, :width], totals[:, width:])
    observed = float(statistic(a.sum(axis=0), b.sum(axis=0)))

    swapped = _swapped_totals(a - b, n_resamples, rng)
    by_chance = statistic(a.sum(axis=0) - swapped, b.sum(axis=0) + swapped)
    # Exchanges that give the same difference in another order of summation are ties.
    as_large = np.abs(by_chance) >= abs(observed) - 1e-12
    p_value = (1 + int(as_large.sum())) / (1 + n_resamples)
    edges = np.quantile(draws, [low, high])
    return PairedDifference(metric, observed, float(edges[0]), float(edges[1]), p_value, len(a))


def _quantiles(level: float) -> tuple[float, float]:
    tail = (1 - check_float("level", level, 0, 1, exclusive=True)) / 2
    return tail, 1 - tail


def _resampled_totals(table: np.ndarray, n_resamples: int, rng) -> np.ndarray:
    """Column totals of `n_resamples` draws of all users with replacement, shape (n_resamples, n_columns)."""
    rng, n = check_rng(rng), len(table)
    totals = np.empty((n_resamples, table.shape[1]))
    block = max(1, _BLOCK // n)
    for start in range(0, n_resamples, block):
        rows = min(block, n_resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        totals[start : start + rows] = weights @ table
    return totals


def _swapped_totals(difference: np.ndarray, n_resamples: int, rng) -> np.ndarray:
    """Column totals of `difference` over a random half of the users, shape (n_resamples, n_columns)."""
    totals = np.empty((n_resamples, difference.shape[1]))
    block = max(1, _BLOCK // len(difference))
    for start in range(0, n_resamples, block):
        rows = min(block, n_resamples - start)
        swap = rng.integers(2, size=(rows, len(difference))).astype(np.float64)
        totals[start : start + rows] = swap @ difference
    return totals
