"""Per-user values first, then the mean, its interval, and the difference of two models."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..check import check_choice, check_finite, check_float, check_int, check_rng, check_same_length
from ..errors import InvalidInput
from .lists import unique_index

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
    overall : dict of str to float
        What is a property of all lists together and has no value for one user, such as coverage.

    Raises
    ------
    InvalidInput
        If `per_user` is empty, names a user twice, or holds NaN.
    """

    per_user: pd.DataFrame
    left_out: dict[str, int] = field(default_factory=dict)
    overall: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        unique_index("user_ids", self.per_user.index)
        if self.per_user.empty or self.per_user.isna().to_numpy().any():
            raise InvalidInput("per_user is empty or holds NaN: use Report.from_columns, which counts who is left out")

    @classmethod
    def from_columns(cls, user_ids, reason: str = "no value", **columns) -> Report:
        """Collect per-user metrics, for example ``novelty=novelty(lists, ...)``.

        Each column holds one value for each of `user_ids`, in their order (the index of a Series is not read). Users
        with NaN in any column are left out of all of them (so that the columns average the same users) and counted
        under `reason`.

        Returns
        -------
        Report

        Raises
        ------
        InvalidInput
            If no user has a value, a user is named twice, or a column has another length.

        Examples
        --------
        >>> import numpy as np
        >>> report = Report.from_columns([7, 8, 9], "no test items", score=np.array([0.5, np.nan, 1.0]))
        >>> report.mean()["score"], report.left_out
        (np.float64(0.75), {'no test items': 1})
        """
        columns = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
        check_same_length(user_ids=user_ids, **columns)
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

    def totals(self) -> pd.DataFrame:
        """What is summed over users: a column for each metric, and last its ``weight`` (1, or the user's ratings)."""
        return self.per_user.assign(weight=1.0)

    def value(self, metric: str, total, weight):
        """A metric from the sums of its column and of the weights over some users."""
        return total / weight

    def mean(self) -> pd.Series:
        """Each metric over all users (of ratings: over all ratings)."""
        sums = self.totals().sum()
        return pd.Series({name: self.value(name, sums[name], sums["weight"]) for name in self.metrics})

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
        quantiles, table = _quantiles(level), self.totals()
        sums = pd.DataFrame(_sums(table.to_numpy(), n_resamples, _drawn_users, rng), columns=table.columns)
        draws = [self.value(name, sums[name], sums["weight"]) for name in self.metrics]
        low, high = np.quantile(draws, quantiles, axis=1)
        return pd.DataFrame({"mean": self.mean(), "low": low, "high": high}, index=self.metrics)

    def summary(self) -> str:
        """One sentence: the metrics, and who was left out."""
        values = ", ".join(f"{name} {value:.4f}" for name, value in {**self.mean(), **self.overall}.items())
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

    def totals(self) -> pd.DataFrame:
        """Sums of squared (``rmse``) and of absolute errors (``mae``) of each user, and the number of ratings."""
        columns = ["squared_error", "absolute_error", "ratings"]
        return self.per_user[columns].astype(np.float64).set_axis([*self.metrics, "weight"], axis=1)

    def value(self, metric: str, total, weight):
        """The root of the mean for ``rmse``, else the mean."""
        return np.sqrt(total / weight) if metric == "rmse" else total / weight


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

    The interval comes from drawing users with replacement, both models' values together. The two-sided p-value comes
    from tossing a fair coin for every user: heads, and the two models' values change places. How often does chance
    alone make a difference at least as large, in either direction? With the observed one counted in, it is never 0,
    and no smaller than ``1 / (n_resamples + 1)``. Both hold the fitted models fixed: what another training set or
    another seed would change is not in them. For several comparisons at once see :func:`holm`.

    Parameters
    ----------
    first, second : Report
        Of the same users (and, for ratings, the same ratings), in any order of users and of metrics.
    metric : str, optional
        By default the first one of `first`.
    level : float
        Share of the resampled differences inside the interval, strictly between 0 and 1.
    n_resamples : int
        For the bootstrap and for the permutations.
    rng : int or Generator

    Returns
    -------
    PairedDifference
        With ``difference`` (first minus second), ``low``, ``high``, ``p_value`` and ``n_users``.

    Raises
    ------
    InvalidInput
        If the reports are of different kinds, cover other users or ratings, or have no such metric.

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
    if type(first) is not type(second):
        raise InvalidInput(f"first is a {type(first).__name__}, second a {type(second).__name__}: compare one kind")
    if set(first.per_user.index) != set(second.per_user.index):
        raise InvalidInput(
            f"the reports cover {len(first.per_user)} and {len(second.per_user)} users, not the same ones: "
            "evaluate both models on one split"
        )
    columns = [metric, "weight"]
    a = first.totals()[columns].to_numpy()
    b = second.totals().loc[first.per_user.index, columns].to_numpy()
    if not np.array_equal(a[:, 1], b[:, 1]):
        raise InvalidInput("the reports count other ratings of the same users: evaluate both with one protocol")
    quantiles, rng = _quantiles(level), check_rng(rng)

    def difference(sums_a, sums_b):
        return first.value(metric, *sums_a.T) - second.value(metric, *sums_b.T)

    sums = _sums(np.column_stack([a, b]), n_resamples, _drawn_users, rng)
    low, high = np.quantile(difference(sums[:, :2], sums[:, 2:]), quantiles)
    observed = float(difference(a.sum(axis=0), b.sum(axis=0)))
    swapped = _sums(a - b, n_resamples, _coins, rng)
    by_chance = difference(a.sum(axis=0) - swapped, b.sum(axis=0) + swapped)
    # Exchanges that give the same difference in another order of summation are ties.
    as_large = int((np.abs(by_chance) >= abs(observed) - 1e-12).sum())
    p_value = (1 + as_large) / (1 + n_resamples)
    return PairedDifference(metric, observed, float(low), float(high), p_value, len(a))


def holm(p_values) -> np.ndarray:
    r"""Holm's correction of several p-values, shape (n,), in the order given.

    .. math:: \tilde p_{(i)} = \min\Bigl(1, \max_{j \le i} \, (n - j + 1)\, p_{(j)}\Bigr)

    with the p-values in ascending order. To call those comparisons different whose corrected value is below 0.05
    is to err in any of them with a probability of at most 0.05, however the tests depend on each other.

    Parameters
    ----------
    p_values : array-like, shape (n,)
        Of *all* comparisons that were looked at, for example ``[d.p_value for d in differences]``.

    Raises
    ------
    InvalidInput
        For values outside [0, 1].

    References
    ----------
    Holm (1979), *A simple sequentially rejective multiple test procedure*.

    Examples
    --------
    The smallest of three counts three times, the next twice, the last once.

    >>> holm([0.04, 0.01, 0.03])
    array([0.06, 0.03, 0.06])
    """
    p = check_finite("p_values", p_values)
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise InvalidInput(f"p_values must be 1-D and lie between 0 and 1, got {p_values!r}")
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected


def _quantiles(level: float) -> tuple[float, float]:
    tail = (1 - check_float("level", level, 0, 1, exclusive=True)) / 2
    return tail, 1 - tail


def _drawn_users(rng, rows: int, n: int) -> np.ndarray:
    """How often each of `n` users is drawn when `n` are drawn with replacement, shape (rows, n)."""
    drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)


def _coins(rng, rows: int, n: int) -> np.ndarray:
    return rng.integers(2, size=(rows, n))


def _sums(table: np.ndarray, n_resamples: int, draw, rng) -> np.ndarray:
    """Column sums over users, weighted by each of `n_resamples` draws, shape (n_resamples, n_columns)."""
    check_int("n_resamples", n_resamples)
    rng, block = check_rng(rng), max(1, _BLOCK // len(table))
    sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
    return np.concatenate([draw(rng, rows, len(table)).astype(np.float64) @ table for rows in sizes])
