"""Who competes in the book, over which ranges each is tuned, and the settings that the search found.

Every contender gets the same number of trials on the same validation data, once, by ``python -m benchmarks.tuning``,
which steps on where the best of them lies at an edge of its range; the chapters read what it found here, so that one
model has one setting throughout.
"""
from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import pandas as pd
from scipy.stats import loguniform, uniform

from ..datasets import load_lastfm, load_movielens
from ..errors import InvalidInput
from ..interactions import Interactions
from ..models import BPR, EASE, BiasBaseline, BiasedSVD, ExplicitALS, ImplicitALS, ItemKNN, Popularity, PureSVD, UserKNN
from ..models.base import Recommender
from ..split import Split, random_holdout, stratified_holdout
from .peers import ImplicitLibrary, SurpriseModel

_RECORD = "tuned.json"


def _surprise_svd(**options) -> SurpriseModel:
    return SurpriseModel(algorithm="SVD", options=options | {"random_state": 0})


def _surprise_svdpp(**options) -> SurpriseModel:
    return SurpriseModel(algorithm="SVDpp", options=options | {"random_state": 0, "cache_ratings": True})


def _surprise_knn(user_based: bool, shrinkage: float, **options) -> SurpriseModel:
    similarity = {"name": "pearson_baseline", "user_based": user_based, "shrinkage": shrinkage}
    return SurpriseModel(algorithm="KNNBaseline", options=options | {"sim_options": similarity, "verbose": False})


def _library_als(values: str, alpha: float, **options) -> ImplicitLibrary:
    return ImplicitLibrary(values=values, alpha=alpha, options=options)


def _library_bpr(**options) -> ImplicitLibrary:
    return ImplicitLibrary(algorithm="bpr", options=options | {"num_threads": 1})


_RANKS = [5, 10, 20, 40, 80, 160]
_ROUNDS = [20, 40, 80, 160]
_COUNTS = [5, 10, 20, 40, 80, 160, 320]
_DESCENT = {
    "factors": _RANKS, "iterations": _ROUNDS,
    "learning_rate": loguniform(0.002, 0.03), "regularization": loguniform(0.01, 0.3),
}
_KNN = {"k": _COUNTS, "min_k": [1, 2, 3, 5, 8, 12, 20], "shrinkage": loguniform(3, 10_000)}
_LIST_KNN = {"neighbours": [*_COUNTS, 640], "shrinkage": loguniform(0.1, 1000)}
_PAIRS = {
    "factors": [16, 32, 64, 128], "iterations": [30, 60, 120, 240],
    "learning_rate": loguniform(0.005, 0.3), "regularization": loguniform(5e-4, 0.2),
}
_IALS = {
    "factors": [16, 32, 64, 128, 256], "alpha": loguniform(0.3, 50), "regularization": loguniform(0.5, 500),
}

#: For each task the contenders: what builds a model, and the ranges of what is tuned.
CONTENDERS = {
    "ratings": {
        "biases": (BiasBaseline, {
            "user_regularization": loguniform(0.5, 50), "item_regularization": loguniform(0.5, 50),
        }),
        "user-kNN, Surprise": (_surprise_knn, {"user_based": [True]} | _KNN),
        "item-kNN, Surprise": (_surprise_knn, {"user_based": [False]} | _KNN),
        "BiasedSVD": (BiasedSVD, _DESCENT),
        "SVD, Surprise": (_surprise_svd, {
            "n_factors": _RANKS, "n_epochs": _ROUNDS, "lr_all": loguniform(0.002, 0.03),
            "reg_all": loguniform(0.01, 0.3),
        }),
        "SVD++, Surprise": (_surprise_svdpp, {
            "n_factors": [5, 10, 20], "n_epochs": [10, 20, 40], "lr_all": loguniform(0.002, 0.03),
            "reg_all": loguniform(0.01, 0.3),
        }),
        "ALS": (ExplicitALS, {
            "factors": _RANKS[:-1], "regularization": loguniform(2, 100), "bias_regularization": loguniform(0.3, 30),
            "noise_variance": [0.0],
        }),
        "ALS with covariances": (ExplicitALS, {
            "factors": _RANKS[:-1], "regularization": loguniform(1, 50), "bias_regularization": loguniform(0.3, 30),
            "noise_variance": loguniform(0.1, 3),
        }),
    },
    "lists": {
        "popularity": (Popularity, {}),
        "user-kNN": (UserKNN, _LIST_KNN),
        "item-kNN": (ItemKNN, _LIST_KNN),
        "PureSVD": (PureSVD, {"factors": [5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240], "values": ["raw", "binary"]}),
        "EASE": (EASE, {
            "values": ["raw", "binary", "log", "sqrt"], "regularization": loguniform(10, 10_000),
            "dropout": uniform(0, 0.9),
        }),
        "BPR": (BPR, _PAIRS),
        "BPR, implicit": (_library_bpr, _PAIRS),
        "iALS": (ImplicitALS, _IALS | {
            "values": ["raw", "binary", "log", "sqrt"], "frequency_exponent": [0.0, 0.25, 0.5, 0.75, 1.0],
            "solver": ["cg"], "dtype": ["float32"],
        }),
        "ALS, implicit": (_library_als, _IALS | {"values": ["raw", "binary", "log", "bm25"]}),
        "biases": (BiasBaseline, {
            "user_regularization": [10.0], "item_regularization": loguniform(0.5, 1e6),
        }),
        "BiasedSVD": (BiasedSVD, _DESCENT),
        "ALS with covariances": (ExplicitALS, {
            "factors": _RANKS[:-1], "regularization": loguniform(1, 50), "bias_regularization": loguniform(0.3, 30),
            "noise_variance": loguniform(0.1, 3),
        }),
    },
}


def competition(data_set: str, task: str) -> tuple[Split, list[Split], str]:
    """The split of a competition, the validation splits cut from its training part, and the metric.

    Parameters
    ----------
    data_set : {"ml-latest-small", "ml-100k", "lastfm-2k"}
    task : {"ratings", "lists"}
        Ratings: a random fifth held out, RMSE. Lists: nDCG@10, with a quarter of each film's ratings held out of
        ml-100k and a fifth of each user's interactions of the others.
    """
    if data_set == "lastfm-2k":
        data = Interactions.from_frame(load_lastfm().counts, item="artistId", value="plays")
    else:
        data = Interactions.from_frame(load_movielens(data_set).ratings)
    if task == "ratings":
        split = random_holdout(data, 0.2, rng=42)
        return split, [random_holdout(split.train, 0.2, rng=0)], "rmse"
    by, share = ("item", 0.25) if data_set == "ml-100k" else ("user", 0.2)
    split = stratified_holdout(data, by, share, rng=42)
    # Small validation parts: a good penalty grows with the data, and nine tenths are close to the whole.
    return split, [stratified_holdout(split.train, by, 0.1, rng=seed) for seed in (101, 102)], "ndcg@10"


@cache
def _record() -> dict:
    return json.loads(files(__package__).joinpath(_RECORD).read_text("utf8"))


def tuned(data_set: str, task: str, model: str) -> dict:
    """The settings of one contender that the search found, as arguments of its class."""
    try:
        return dict(_record()[data_set][task][model]["settings"])
    except KeyError:
        known = {name: {task: sorted(found) for task, found in tasks.items()} for name, tasks in _record().items()}
        message = f"no settings are recorded for {data_set!r}, {task!r}, {model!r}: pass one of {known}"
        raise InvalidInput(message) from None


def contender(data_set: str, task: str, model: str, **changes) -> Recommender:
    """An unfitted contender with the settings that the search found; `changes` replace single ones."""
    settings = tuned(data_set, task, model) | changes
    return CONTENDERS[task][model][0](**settings)


def tuning_table(data_set: str, task: str) -> pd.DataFrame:
    """One row a contender: trials drawn, validation score, settings found, and the steps past an edge of a range.

    A step names the changed setting and its validation score; one that gained less than three thousandths was not kept.
    "Still gaining" ends the steps of a setting that gained to the last.
    """
    rows = {
        model: {
            "trials": found["trials"], "validation": found["score"],
            "settings": ", ".join(
                f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in found["settings"].items()
            ),
            "past an edge": found["past an edge"],
        }
        for model, found in _record()[data_set][task].items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
