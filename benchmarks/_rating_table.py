"""A table of methods that predict ratings: settings searched on validation data, errors on one split or on five folds.

Every method's settings are chosen by the same number of trials on validation data cut from the training part (of the
first fold, where there are five), and by steps past the end of a range where the best lay; the test part is looked at
once.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks._results import TINY, markdown
from benchmarks.tuning import search_on
from recsys_utils import Interactions, load_movielens
from recsys_utils.evaluation import evaluate_ratings
from recsys_utils.split import Split, k_folds, random_holdout

N_TRIALS = 2 if TINY else 16  # of every method whose ranges hold as many settings


@dataclass(frozen=True)
class Method:
    """A way to build a model, and the settings to choose among: lists or distributions, as :func:`tune` takes them."""

    name: str
    make: Callable
    grid: Mapping[str, object]


def choose(method: Method, split: Split) -> dict | None:
    """What the search finds on a fifth of the training part; None where there is nothing to choose."""
    if all(not hasattr(choices, "rvs") and len(choices) == 1 for choices in method.grid.values()):
        return None
    cut = random_holdout(split.train, test_size=0.2, rng=0)
    print(f"{method.name}: ", end="", flush=True)
    return search_on(method.make, method.grid, split, "rmse", cut, N_TRIALS)


def fit_seconds(model, train: Interactions, budget: float = 5.0) -> float:
    """Seconds of the fastest fit among as many (at most five) as the budget of seconds allows."""
    taken = []
    while len(taken) < 5 and sum(taken) < budget:
        started = time.perf_counter()
        model.fit(train)
        taken.append(time.perf_counter() - started)
    return min(taken)


def run(methods: list[Method], splits: list[Split]) -> pd.DataFrame:
    """Choose each method's settings on the first split's training part, then fit and test on every split.

    Returns
    -------
    DataFrame
        One row a method: mean RMSE; a 95 % interval, over users for one split, over folds (mean ± 1.96
        standard errors) for several; seconds of the fastest fit after one that compiles; the settings.
    """
    rows = {}
    for method in methods:
        found = choose(method, splits[0])
        settings = found["settings"] if found else {name: choices[0] for name, choices in method.grid.items()}
        errors, seconds = [], []
        for split in splits:
            model = method.make(**settings)
            seconds.append(fit_seconds(model, split.train))
            report = evaluate_ratings(model, split)
            errors.append(report.mean()["rmse"])
        if len(splits) == 1:
            low, high = report.interval().loc["rmse", ["low", "high"]]
        else:
            half = 1.96 * np.std(errors, ddof=1) / np.sqrt(len(errors))
            low, high = np.mean(errors) - half, np.mean(errors) + half
        rows[method.name] = {
            "RMSE": np.mean(errors), "low": low, "high": high, "fit, s": min(seconds),
            "settings": ", ".join(f"{k}={v:.3g}" for k, v in settings.items()),
            "tried": found["trials"] if found else 1, "past an edge": found["past an edge"] if found else "",
        }
        print(method.name, rows[method.name], flush=True)
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "method"
    return table


def one_split() -> list[Split]:
    """A random fifth of ml-latest-small held out, films unseen in training included."""
    return [random_holdout(Interactions.from_frame(load_movielens("ml-latest-small").ratings))]


def five_folds() -> list[Split]:
    """Five shuffled folds of ml-100k."""
    return list(k_folds(Interactions.from_frame(load_movielens("ml-100k").ratings)))


def as_markdown(table: pd.DataFrame) -> str:
    """The table of :func:`run` in Markdown, the interval in one column."""
    interval = table["low"].map("{:.4f}".format) + " – " + table["high"].map("{:.4f}".format)
    shown = table.drop(columns=["low", "high"])
    shown.insert(1, "95 % interval", interval)
    return markdown(shown, {"RMSE": ".4f", "fit, s": ".2f"})
