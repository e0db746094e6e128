"""Rating prediction against Surprise: one split of ml-latest-small, five folds of ml-100k.

    python -m benchmarks.rating_prediction              (about half an hour on two cores, most of it SVD++)
    python -m benchmarks.rating_prediction one_split    (or five_folds: only that one)

Every method's settings are chosen by the same number of trials on validation data cut from the training part (of the
first fold, where there are five), and by steps past the end of a range where the best lay; the test part is looked at
once. :func:`run` is the frame of other tables too.
"""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import surprise
from scipy.stats import loguniform, randint

from benchmarks._results import TINY, markdown, write_results
from benchmarks.tuning import search_on
from recsys_utils import Interactions, load_movielens
from recsys_utils.evaluation import evaluate_ratings
from recsys_utils.models import BiasBaseline, BiasedSVD, ExplicitALS
from recsys_utils.split import Split, k_folds, random_holdout

N_TRIALS = 2 if TINY else 16  # of every method whose ranges hold as many settings
UNTOLD = ("random_state", "cache_ratings")  # settings that choose nothing


@dataclass(frozen=True)
class Method:
    """A way to build a model, and the settings to choose among: lists or distributions, as :func:`tune` takes them."""

    name: str
    make: Callable
    grid: Mapping[str, object] = field(default_factory=dict)


class SurpriseModel:
    """A Surprise algorithm behind `fit` and `predict`; it clips to the scale of the training ratings."""

    def __init__(self, make: Callable, **settings):
        self.make, self.settings = make, settings

    def fit(self, interactions: Interactions) -> SurpriseModel:
        """Hand the ratings over as Surprise wants them and fit."""
        reader = surprise.Reader(rating_scale=(interactions.values.min(), interactions.values.max()))
        frame = interactions.to_frame().iloc[:, :3]
        self.algorithm = self.make(**self.settings)
        self.algorithm.fit(surprise.Dataset.load_from_df(frame, reader).build_full_trainset())
        return self

    def predict(self, user_ids, item_ids) -> np.ndarray:
        """Predicted ratings, shape (n,)."""
        pairs = zip(user_ids, item_ids, strict=True)
        return np.array([self.algorithm.predict(user, item).est for user, item in pairs])


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
            "settings": ", ".join(f"{k}={v:.3g}" for k, v in settings.items() if k not in UNTOLD) or "defaults",
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


def surprise_method(name: str, make: Callable, grid: Mapping[str, list]) -> Method:
    """A Surprise algorithm as a method."""
    return Method(name, lambda **settings: SurpriseModel(make, **settings), grid)


def item_knn(k: int, min_k: int, shrinkage: float) -> surprise.KNNBaseline:
    """Surprise's KNNBaseline on items with its recommended similarity."""
    similarity = {"name": "pearson_baseline", "user_based": False, "shrinkage": shrinkage}
    return surprise.KNNBaseline(k=k, min_k=min_k, sim_options=similarity, verbose=False)


def plain(**settings) -> ExplicitALS:
    """ALS without covariances."""
    return ExplicitALS(noise_variance=0.0, iterations=20, **settings)


# Several minutes a fit, so it is tuned on the one split only, and by fewer trials: the table says how many.
SVDPP_TUNED = surprise_method(
    "Surprise SVD++, tuned", surprise.SVDpp,
    {
        "n_epochs": [40], "lr_all": [0.005], "reg_all": [0.05, 0.1],
        "cache_ratings": [True], "random_state": [0],
    },
)
METHODS = [
    Method(
        "biases", BiasBaseline,
        {"user_regularization": loguniform(1, 30), "item_regularization": loguniform(0.5, 20)},
    ),
    surprise_method("Surprise SVD, defaults", surprise.SVD, {"random_state": [0]}),
    surprise_method(
        "Surprise SVD, tuned", surprise.SVD,
        {
            "n_factors": [200], "n_epochs": randint(30, 121), "lr_all": loguniform(0.002, 0.02),
            "reg_all": loguniform(0.03, 0.3), "random_state": [0],
        },
    ),
    surprise_method(
        "Surprise SVD++, defaults", surprise.SVDpp, {"cache_ratings": [True], "random_state": [0]}
    ),
    surprise_method(
        "Surprise KNNBaseline, item, tuned", item_knn,
        {"k": randint(15, 121), "min_k": randint(1, 9), "shrinkage": loguniform(10, 500)},
    ),
    Method(
        "BiasedSVD", BiasedSVD,
        {
            "factors": randint(40, 241), "iterations": randint(10, 121), "regularization": loguniform(0.02, 0.2),
            "learning_rate": loguniform(0.003, 0.03),
        },
    ),
    Method(
        "ExplicitALS, plain", plain,
        {"factors": [20, 40], "regularization": loguniform(4, 40), "bias_regularization": loguniform(1, 10)},
    ),
    Method(
        "ExplicitALS, weighted by the root of the frequency", plain,
        {
            "factors": [20, 40], "frequency_exponent": [0.5], "regularization": loguniform(0.4, 4),
            "bias_regularization": loguniform(0.25, 3),
        },
    ),
    Method(
        "ExplicitALS, weighted by frequency", plain,
        {
            "factors": [20, 40], "frequency_exponent": [1], "regularization": loguniform(0.04, 0.5),
            "bias_regularization": loguniform(0.03, 0.5),
        },
    ),
    Method(
        "ExplicitALS with covariances", ExplicitALS,
        {"factors": [20], "regularization": loguniform(2, 20), "noise_variance": loguniform(0.2, 2)},
    ),
    Method(
        "ExplicitALS with covariances, 40 factors", ExplicitALS,
        {"factors": [40], "regularization": loguniform(2, 20), "noise_variance": loguniform(0.2, 2)},
    ),
]


TABLES = {
    "one_split": (
        "Rating prediction: ml-latest-small, one random split (80/20, seed 42), all test rows", one_split,
        [*METHODS[:4], SVDPP_TUNED, *METHODS[4:]],
    ),
    "five_folds": ("Rating prediction: ml-100k, five shuffled folds", five_folds, METHODS),
}


def main(names=tuple(TABLES)) -> None:
    """Write ``results/rating_prediction_<name>.md`` for each table named."""
    for name in names:
        title, splits, methods = TABLES[name]
        parts = splits()
        if TINY:
            few, methods = parts[0].train.select(np.arange(4000)), [methods[0], methods[-2]]
            parts = [random_holdout(few, rng=seed) for seed in range(min(len(parts), 2))]
        note = (
            "Settings chosen on a fifth of the (first) training part, seed 0. Intervals: bootstrap over users for one "
            "split, 1.96 standard errors of the folds' mean for five. Times are those of the fastest fit, without "
            "Numba's compilation."
        )
        write_results(
            f"rating_prediction_{name}", title, as_markdown(run(methods, parts)), note,
            packages=("scikit-surprise", "numpy", "numba"), module="rating_prediction",
        )


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name in TABLES] or tuple(TABLES))
