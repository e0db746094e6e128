"""Choosing settings on validation data, with one budget for every contender."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterGrid, ParameterSampler

from ..check import check_int, check_rng
from ..errors import Diverged, InvalidInput
from ..split import Split, random_holdout, stratified_holdout
from .protocol import ModelFailed, check_split, evaluate_ranking, evaluate_ratings, seconds_of
from .ranking import RANKING_METRICS

_ERRORS = ("rmse", "mae")  # less is better; of all others more is
_MARGIN = 0.05


@dataclass(frozen=True, eq=False)
class Tuning:
    """What a search tried and found; made by :func:`tune`.

    Attributes
    ----------
    trials : DataFrame
        One row a trial, in the order tried: its parameters, ``score`` (mean over the validation splits, NaN if the
        model diverged) and ``seconds`` (of the fits, compilation left out); over several validation splits
        also the ``lowest`` and ``highest`` score of one.
    settings : list of dict
        The parameters of each trial, in their own types.
    metric : str
    """

    model_class: Callable = field(repr=False)
    space: Mapping = field(repr=False)
    split: Split = field(repr=False)
    metric: str
    trials: pd.DataFrame = field(repr=False)
    settings: list[dict] = field(repr=False)

    @property
    def best(self) -> dict:
        """The parameters with the best score; the first of equals."""
        return self.settings[self.ranking.index[0]]

    @property
    def score(self) -> float:
        """The best score."""
        return float(self.ranking["score"].iloc[0])

    @property
    def ranking(self) -> pd.DataFrame:
        """The trials, best first."""
        return self.trials.sort_values("score", ascending=self.metric in _ERRORS, kind="stable")

    @property
    def edges(self) -> dict[str, str]:
        """Parameters whose winner lies at an edge of its range, each "lowest" or "highest": a reason to search on.

        Of numbers in a list that is the smallest or the largest (but for a smallest of 0, below which nothing
        lies); of a distribution the outermost 5 % of either end, on a log scale for ``loguniform``.
        """
        sides = {name: _edge(self.space[name], value) for name, value in self.best.items()}
        return {name: side for name, side in sides.items() if side}

    @cached_property
    def model(self):
        """The best model, fitted on the whole training part when first asked for."""
        return self.model_class(**self.best).fit(self.split.train)

    def summary(self) -> str:
        """One sentence: budget, score, settings, and what lies at an edge."""
        shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in self.best.items()}
        found = ", ".join(f"{name} {value}" for name, value in shown.items()) or "no parameters"
        diverged = int(self.trials["score"].isna().sum())
        edges = ", ".join(f"{name} ({side})" for name, side in self.edges.items())
        return (
            f"Best of {len(self.trials)} trials in {self.trials['seconds'].sum():.0f} s"
            f"{f', {diverged} of which diverged' if diverged else ''}: {self.metric} {self.score:.4f} on validation "
            f"data with {found}; {f'at an edge of the range: {edges}' if edges else 'nothing lies at an edge'}."
        )


def tune(
    model_class: Callable,
    space: Mapping[str, object],
    split: Split,
    metric: str = "ndcg@10",
    n_trials: int | None = None,
    rng=0,
    *,
    seconds: float | None = None,
    validation: Split | Sequence[Split] | None = None,
    relevance_threshold: float | None = None,
) -> Tuning:
    """Search a declared space for the settings that do best on validation data.

    Give every contender the same `n_trials`, or the same `seconds`. The test part of `split` is never looked at.

    Parameters
    ----------
    model_class : callable
        A model's class, or a function of the parameters that returns an unfitted model.
    space : mapping of str to sequence or distribution
        For each parameter a list of choices, or a frozen distribution of ``scipy.stats``, such as
        ``loguniform(1e-3, 1)`` or ``randint(8, 129)``. A single choice fixes a parameter.
    split : Split
        Its training part is what the models learn from and are judged on.
    metric : str
        ``rmse`` or ``mae``, or a metric of :func:`~recsys_utils.evaluation.evaluate_ranking` with its cut-off,
        such as ``ndcg@10``.
    n_trials : int, optional
        How many settings to draw. Without it, or if there are no more, all combinations of lists are tried in turn.
    rng : int or Generator
        Draws the settings, and the validation split where none is given.
    seconds : float, optional
        Start no further trial after so many seconds.
    validation : Split or sequence of Split, optional
        Cuts of ``split.train``. By default a random fifth of it is held out, for metrics of lists of each user.
    relevance_threshold : float, optional
        As in :func:`~recsys_utils.evaluation.evaluate_ranking`.

    Returns
    -------
    Tuning
        With ``trials``, ``best``, ``score``, ``edges``, ``model`` and ``summary()``.

    Raises
    ------
    InvalidInput
        For an unknown metric, an empty choice, a distribution without a number of trials or of seconds, or a space in
        which every trial diverged.
    ModelFailed
        If a trial fails for another reason than divergence; names its parameters, and carries the finished trials.

    Notes
    -----
    Sampled choices come from scikit-learn's ``ParameterSampler``. Bergstra and Bengio (2012), *Random search for
    hyper-parameter optimization*, show why a random search finds more than a grid of the same size.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from recsys_utils import Interactions
    >>> from recsys_utils.models import BiasBaseline
    >>> from recsys_utils.split import random_holdout
    >>> log = pd.DataFrame({"userId": np.repeat(range(9), 9), "movieId": np.tile(range(9), 9)})
    >>> split = random_holdout(Interactions.from_frame(log.assign(rating=3.0 + log["movieId"] % 3)))
    >>> found = tune(BiasBaseline, {"item_regularization": [0.1, 1.0, 10.0]}, split, "rmse")
    >>> found.best, found.edges
    ({'item_regularization': 0.1}, {'item_regularization': 'lowest'})
    """
    rng, score = check_rng(rng), _scorer(metric, relevance_threshold)
    if validation is None:
        train = check_split(split).train
        validation = random_holdout(train, rng=rng) if metric in _ERRORS else stratified_holdout(train, rng=rng)
    parts = [validation] if isinstance(validation, Split) else list(validation)
    rows, settings, started = [], [], perf_counter()
    for drawn in _drawn(space, n_trials, seconds, rng):
        if seconds is not None and rows and perf_counter() - started > seconds:
            break
        plain = (drawn[name].item() if isinstance(drawn[name], np.generic) else drawn[name] for name in space)
        settings.append(dict(zip(space, plain, strict=True)))
        try:
            scores, taken = zip(*[_trial(model_class, settings[-1], part, score) for part in parts], strict=True)
        except Exception as error:
            message = f"the trial with {settings[-1]} failed after {len(rows)} others (in .finished): {error}"
            raise ModelFailed(message, pd.DataFrame(rows)) from error
        spread = {"lowest": np.min(scores), "highest": np.max(scores)} if len(parts) > 1 else {}
        rows.append(settings[-1] | {"score": np.mean(scores)} | spread | {"seconds": sum(taken)})
    trials = pd.DataFrame(rows)
    if trials["score"].isna().all():
        raise Diverged(f"space: all {len(trials)} trials diverged, the last with {settings[-1]}: narrow it")
    return Tuning(model_class, space, split, metric, trials, settings)


def _drawn(space, n_trials, seconds, rng):
    """All combinations in turn, or as many draws as asked for."""
    continuous = [name for name, choices in space.items() if hasattr(choices, "rvs")]
    for name in set(space) - set(continuous):
        if isinstance(space[name], str) or not hasattr(space[name], "__len__") or len(space[name]) == 0:
            raise InvalidInput(f"space[{name!r}] must be a list or a distribution, got {space[name]!r}: pass [value]")
    wanted = np.inf if n_trials is None else check_int("n_trials", n_trials)
    if not continuous:
        grid = ParameterGrid(dict(space))
        if wanted >= len(grid) and seconds is None:
            return grid
        wanted = min(wanted, len(grid))
    elif n_trials is None and seconds is None:
        raise InvalidInput(f"n_trials is None, and {continuous} are distributions: say how many settings to draw")
    return ParameterSampler(dict(space), int(min(wanted, 10**6)), random_state=int(rng.integers(2**31)))


def _scorer(metric: str, relevance_threshold) -> Callable:
    """A function of a fitted model and a split."""
    if metric in _ERRORS:
        return lambda model, part: evaluate_ratings(model, part).mean()[metric]
    name, _, k = metric.partition("@")
    if name not in RANKING_METRICS or not k.isdigit():
        known = ", ".join(RANKING_METRICS)
        raise InvalidInput(f"metric must be rmse, mae, or one of {known} with a cut-off (ndcg@10), got {metric!r}")
    return lambda model, part: evaluate_ranking(model, part, int(k), (name,), relevance_threshold).mean()[metric]


def _trial(model_class: Callable, settings: dict, part: Split, score: Callable) -> tuple[float, float]:
    """Score (NaN if the model diverges) and seconds of the fit."""
    model, started = model_class(**settings), perf_counter()
    try:
        taken = seconds_of(lambda: model.fit(part.train))
        return float(score(model, part)), taken
    except (Diverged, FloatingPointError, OverflowError):
        return np.nan, perf_counter() - started


def _edge(choices, value) -> str | None:
    if hasattr(choices, "rvs"):  # the probability of less, without the value itself, and of more
        below, above = choices.cdf(value - 1e-9 * abs(value)), choices.sf(value)
    elif len(choices) > 1 and all(isinstance(choice, Real) and not isinstance(choice, bool) for choice in choices):
        below, above = value > min(choices) or value == 0, value < max(choices)
    else:
        return None
    return "lowest" if below <= _MARGIN else "highest" if above <= _MARGIN else None
