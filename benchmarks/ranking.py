"""Ranking on MovieLens 100k and on Last.fm: settings searched on validation data, the test part looked at once.

MovieLens 100k: 75/25 split stratified per item, every test interaction relevant (the protocol of the
recommenders team's published comparison), five seeds of the split. Last.fm: 80/20 split stratified per listener, three
seeds.

The settings of the rivals are searched inside the training part of the first seed's split alone, and kept for the
other seeds: the same number of trials for each, drawn from declared ranges. The best model is a blend. Its parts get
more trials, so it is no rival with an equal budget but the best that this book knows; they and the weights are searched
anew inside the training part of each seed, so that each figure of the blend is blind: the test part of a seed is seen
by nothing that was chosen for it. Where the best draw lies at an end of its range, the search steps beyond it.

    python -m benchmarks.ranking               both data sets beside each other (about an hour on two cores)
    python -m benchmarks.ranking lastfm        one of them, movielens or lastfm

Writes ``benchmarks/results/ranking_movielens.md`` and ``ranking_lastfm.md``.
"""
from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone

from benchmarks._features import WithBM25, WithFeatures, indicators
from benchmarks._results import TINY, markdown, write_results
from benchmarks.tuning import N_TRIALS, SECONDS, past_edges
from recsys_utils import Interactions, load_lastfm, load_movielens
from recsys_utils.book import ImplicitLibrary
from recsys_utils.evaluation import RankingProtocol, compare, tune
from recsys_utils.models import BPR, EASE, Blend, ImplicitALS, ItemKNN, Popularity, Recommender
from recsys_utils.split import stratified_holdout

N_PART = 2 if TINY else 60  # of the two families of the blend
N_PAIRS = 2 if TINY else 8  # of BPR, a third family, whose fits take long
PART = ", for the blend"
WEIGHTS = [1.0] if TINY else [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0]  # of iALS, where EASE has 1


def ials(*, alpha: float, penalty: float, rng: int = 0, **settings) -> ImplicitALS:
    """Implicit ALS; the regularization is drawn in units of alpha, as the two go together."""
    return ImplicitALS(alpha=alpha, regularization=alpha * penalty, solver="cg", dtype="float32", rng=rng, **settings)


def library(*, values: str, alpha: float, penalty: float, factors: int) -> ImplicitLibrary:
    """The implicit library's, likewise."""
    return ImplicitLibrary(values=values, alpha=alpha, options={
        "factors": factors, "regularization": alpha * penalty, "iterations": 2 if TINY else 15, "num_threads": 1,
    })


def rivals(values: list[str], factors: list[int]) -> dict:
    """Contenders and their ranges; `values` are ways to use the strength of an interaction."""
    return {
        "popularity": (Popularity, {}),
        "item-kNN": (ItemKNN, {"neighbours": randint(10, 500), "shrinkage": loguniform(0.5, 1000)}),
        "BPR": (BPR, {
            "factors": factors, "learning_rate": loguniform(0.01, 0.3), "regularization": loguniform(0.001, 0.3),
            "iterations": [2] if TINY else [60, 120],
        }),
        "ALS, implicit": (library, {
            "values": [*values, "bm25"], "alpha": loguniform(0.5, 20), "penalty": loguniform(2, 60), "factors": factors,
        }),
    } | parts(values, factors)


def parts(values: list[str], factors: list[int]) -> dict:
    """The two families that a blend is made of, and their ranges."""
    return {
        "EASE": (EASE, {"values": values, "regularization": loguniform(30, 6000), "dropout": uniform(0, 0.9)}),
        "iALS": (ials, {
            "factors": factors, "values": values, "alpha": loguniform(0.5, 20), "penalty": loguniform(2, 60),
            "frequency_exponent": uniform(0, 1), "iterations": [2 if TINY else 15],
        }),
    }


def informed(contenders: dict, label: str, wrapper, space: dict, **fixed) -> dict:
    """The same contenders inside `wrapper`, whose own settings are drawn from `space` as well; `fixed` ones are not."""

    def make(model, *, values, **drawn):
        own = {name: drawn.pop(name) for name in space}
        return wrapper(model=model(values="raw", **drawn), values=values, **own, **fixed)

    return {
        f"{name} with {label}": (partial(make, model), ranges | space) for name, (model, ranges) in contenders.items()
    }


def with_features(contenders: dict, features: dict) -> dict:
    """The same contenders, which also see the features; what a feature counts for is drawn as well."""
    weights = {"user_weight": loguniform(0.1, 3), "item_weight": loguniform(0.1, 3)}
    return informed(contenders, "features", WithFeatures, weights, **features)


def with_bm25(contenders: dict) -> dict:
    """The same contenders on weights of BM25, whose constants are drawn as well."""
    return informed(contenders, "BM25", WithBM25, {"saturation": loguniform(1, 1000), "length": uniform(0, 1)})


def pairs() -> dict:
    """A third family for the blend, near what searches of BPR have found before."""
    return {"BPR": (BPR, {
        "factors": [16 if TINY else 64], "iterations": [2 if TINY else 120],
        "learning_rate": loguniform(0.02, 0.15), "regularization": loguniform(0.005, 0.08),
    }, N_PAIRS)}


def told(settings: dict) -> str:
    """Settings in one cell of a table."""
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in settings.items())


class Once(Recommender):
    """A model that is fitted once for each training set, however often it is asked for."""

    def __init__(self, *, fitted):
        self.fitted = fitted

    @classmethod
    def of(cls, model: Recommender) -> Once:
        """Remember the fits of clones of `model`."""
        found = {}

        def fitted(interactions: Interactions) -> Recommender:
            if id(interactions) not in found:
                found[id(interactions)] = clone(model).fit(interactions)
            return found[id(interactions)]

        return cls(fitted=fitted)

    def learn(self, interactions: Interactions) -> None:
        """Fit, or remember."""
        self.model_ = self.fitted(interactions)

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        """Scores of the fitted model."""
        return self.model_.score_rows(user_rows)


class Searched:
    """What searches found for one split, on validation data cut from its training part."""

    def __init__(self, title: str, split, validation):
        self.title, self.split, self.validation, self.found, self.steps = title, split, validation, {}, {}

    def search(self, name: str, make, space: dict, n_trials: int | None = N_TRIALS):
        """The search of one contender, which is kept under its name."""
        found = tune(make, space, self.split, "ndcg@10", n_trials, validation=self.validation, seconds=SECONDS)
        print(self.title, name, found.summary(), flush=True)
        self.found[name], self.steps[name] = past_edges(found, self.validation)
        return self.found[name]

    def blend(self, families: dict, best: int, starts: int) -> str:
        """Search the families (EASE, iALS and a third) and the weights between them; the name of the blend.

        Of iALS it averages the `best` settings, each from several `starts`.
        """
        ease, own, third = (self.search(name + PART, *family) for name, family in families.items())
        several = [own.settings[trial] for trial in own.ranking.index[:best]] * starts
        parts = [ease.model_class(**ease.best)]
        parts += [own.model_class(**settings, rng=start) for start, settings in enumerate(several)]
        parts.append(third.model_class(**third.best))

        def make(models, weight, third_weight):
            return Blend(models=models, weights=[1.0] + [weight / len(several)] * len(several) + [third_weight])

        first, second, last = families
        name = f"blend of {first}, {len(several)} {second} and {last}"
        kept = [Once.of(part) for part in parts]
        space = {"weight": WEIGHTS, "third_weight": [0.0, 0.25, 0.5, 1.0, 2.0]}
        found = self.search(name, partial(make, kept), space, None)
        self.found[name] = replace(found, model_class=partial(make, parts))
        return name

    def models(self) -> dict:
        """The best of each contender, not fitted."""
        return {name: one.model_class(**one.best) for name, one in self.found.items()}


def study(
    title, data, split, validate, seeds, values, factors, best_of, seeing, third, published=()
) -> list[str]:
    """Search, then test on all seeds; returns blocks of Markdown.

    The blend's two families are those of :func:`parts` that see what `seeing` gives them, and `third` is one more.
    """
    told_more = seeing(parts(values, factors))
    families = {name: (*family, N_PART) for name, family in told_more.items()} | third
    runs, first = [], None
    for seed in seeds:
        part = split(data, seed)
        here = Searched(f"{title}, seed {seed}:", part, validate(part.train))
        if first is None:
            first = here
            for name, rival in (rivals(values, factors) | told_more).items():
                here.search(name, *rival)
        best = here.blend(families, *best_of)
        runs.append(compare(first.models() | here.models(), RankingProtocol(part, 10, ("ndcg",))))
        print(runs[-1]["ndcg@10"], flush=True)
    found = first.found
    scores = pd.concat([run["ndcg@10"] for run in runs], axis=1)
    anew = {*(name + PART for name in families), best}
    table = pd.DataFrame({
        "tried": {name: len(one.trials) for name, one in found.items()},
        "validation": {name: one.score for name, one in found.items()},
        "first seed": scores.iloc[:, 0],
        "mean of all": scores.mean(axis=1),
        "lowest": scores.min(axis=1),
        "highest": scores.max(axis=1),
        "fit, s": pd.concat([run["fit seconds"] for run in runs], axis=1).min(axis=1),
        "searched": {name: "each seed" if name in anew else "first seed" for name in found},
        "settings": {name: told(one.best) for name, one in found.items()},
        "past an edge": first.steps,
    })
    rows = pd.DataFrame({"first seed": dict(published)}).rename(lambda name: f"{name} (published)")
    table = pd.concat([table, rows]).sort_values("first seed", ascending=False).rename_axis("model")
    text = table[["searched", "settings", "past an edge"]].fillna("")
    formats = dict.fromkeys(("validation", "first seed", "mean of all", "lowest", "highest"), ".4f")
    return [f"## {title}", markdown(table.assign(**text), formats | {"tried": ".0f", "fit, s": ".2f"})]


def movielens_study() -> list[str]:
    """MovieLens 100k, where users and films come with features."""
    movielens = load_movielens("ml-100k")
    films = Interactions.from_frame(movielens.ratings)
    if TINY:
        films = films.select(np.arange(min(len(films), 8000)))
    return study(
        "MovieLens 100k, 75/25 per film, five seeds",
        films,
        lambda data, seed: stratified_holdout(data, by="item", test_size=0.25, rng=seed),
        # Small validation parts: the best penalty grows with the data, and 90% is close to all of the training part.
        lambda train: [stratified_holdout(train, by="item", test_size=0.1, rng=seed) for seed in (101, 102, 103, 104)],
        (42, 1) if TINY else (42, 1, 2, 3, 4),
        ["raw", "sqrt", "binary"],
        [16] if TINY else [32, 64, 128],
        (6, 1),
        partial(with_features, features={
            "user_features": indicators(movielens.users, "userId", "age_group", "gender", "occupation"),
            "item_features": indicators(movielens.movies, "movieId", "genres"),
        }),
        pairs(),
        [("BiVAE", 0.475), ("BPR", 0.442), ("LightGCN", 0.420), ("NCF", 0.396), ("SAR", 0.382)],
    )


def lastfm_study() -> list[str]:
    """Play counts of Last.fm."""
    plays = Interactions.from_frame(load_lastfm().counts, item="artistId", value="plays")
    if TINY:
        plays = plays.select(np.arange(min(len(plays), 8000)))
    return study(
        "Last.fm play counts, 80/20 per listener, three seeds",
        plays,
        lambda data, seed: stratified_holdout(data, by="user", test_size=0.2, rng=seed),
        lambda train: [stratified_holdout(train, by="user", test_size=0.2, rng=seed) for seed in (101, 102)],
        (42, 1) if TINY else (42, 1, 2),
        ["log", "binary"],
        [16] if TINY else [64, 128, 256],
        (2, 3),  # on these data the sixth best setting is clearly behind, on validation data
        with_bm25,
        {"iALS": (*parts(["log"], [16] if TINY else [64, 128, 256])["iALS"], N_TRIALS)},
    )


STUDIES = {"movielens": movielens_study, "lastfm": lastfm_study}


def main(names: list[str]) -> None:
    """Run the studies named, beside each other, and write a table for each."""
    with ProcessPoolExecutor(2) as pool:
        jobs = {name: pool.submit(STUDIES[name]) for name in names or STUDIES}
        for name, job in jobs.items():
            write_results(
                f"ranking_{name}", "Ranking: nDCG@10",
                '"First seed" is the split with seed 42; settings shown are those chosen inside its training part '
                '("validation": mean over validation splits, lower because the test rows are missing there as well). '
                f"{N_TRIALS} trials for each rival that has any settings; {N_PART} for each of the blend's two "
                f"families, fewer for a third; no further trial after {SECONDS} seconds. Where the best draw lies at "
                'an end of its range, the search steps on ("past an edge": each step and its validation score, of the '
                "first seed; kept if it gains three thousandths). The blend and its parts are searched anew for each "
                "seed. Fit times are the best over the seeds, without Numba's compilation, on one of two busy cores. "
                "Protocols: the benchmark's docstring.",
                *job.result(), packages=("numpy", "numba", "scikit-learn", "implicit"), module="ranking",
            )


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if not name.startswith("--")])
