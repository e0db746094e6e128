"""Ranking on MovieLens 100k and on Last.fm: settings searched on validation data, the test part looked at once.

MovieLens 100k: 75/25 split stratified per item, every test interaction relevant (the protocol of the
recommenders team's published comparison), five seeds of the split. The settings are searched inside the training
part of the first seed's split alone, on validation splits of it, and kept for the other seeds. Their test parts share
rows with the first one's training part, so only the first seed's figures are blind in the strict sense.

Last.fm: 80/20 split stratified per listener, three seeds, searched likewise.

Every contender gets the same number of trials, drawn from declared ranges; where the winner lies at an edge of its
range, the table says so. Run with ``python -m benchmarks.ranking``; writes ``benchmarks/results/ranking.md``.
"""
from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform

from benchmarks._results import TINY, markdown, write_results
from recsys_utils import Interactions, load_lastfm, load_movielens
from recsys_utils.evaluation import RankingProtocol, compare, tune
from recsys_utils.models import BPR, EASE, Blend, ImplicitALS, ItemKNN, Popularity
from recsys_utils.split import stratified_holdout

N_TRIALS = 2 if TINY else 30  # of every contender
N_BLENDED = 6  # the best settings of iALS that a blend averages, each from a start of its own
WEIGHTS = [0.0, 1.0] if TINY else [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0]


def ials(*, alpha: float, penalty: float, rng: int = 0, **settings) -> ImplicitALS:
    """Implicit ALS; the regularization is drawn in units of alpha, as the two go together."""
    return ImplicitALS(alpha=alpha, regularization=alpha * penalty, solver="cg", dtype="float32", rng=rng, **settings)


def spaces(values: list[str]) -> dict:
    """Contenders and their ranges; `values` are ways to use the strength of an interaction."""
    wide = {"factors": [16] if TINY else [64, 128], "iterations": [2]} if TINY else {"factors": [32, 64, 128]}
    return {
        "popularity": (Popularity, {}),
        "item-kNN": (ItemKNN, {"neighbours": randint(10, 500), "shrinkage": loguniform(0.5, 1000)}),
        "BPR": (BPR, wide | {
            "learning_rate": loguniform(0.01, 0.3), "regularization": loguniform(0.001, 0.3),
            "iterations": [2] if TINY else [60, 120],
        }),
        "EASE": (EASE, {
            "values": values, "regularization": loguniform(30, 6000), "dropout": uniform(0, 0.9),
        }),
        "iALS": (ials, wide | {
            "values": values, "alpha": loguniform(0.5, 20), "penalty": loguniform(2, 60),
            "frequency_exponent": uniform(0, 1),
        }),
    }


def told(settings: dict) -> str:
    """Settings in one cell of a table."""
    return ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
                     for name, value in settings.items())


def study(title, data, split, validate, seeds, contenders, published=()) -> list[str]:
    """Search, then test on all seeds; returns blocks of Markdown."""
    splits = [split(data, seed) for seed in seeds]
    validation = validate(splits[0].train)

    def search(model, space, n_trials=N_TRIALS):
        found = tune(model, space, splits[0], "ndcg@10", n_trials, validation=validation)
        print(title, found.summary(), flush=True)
        return found

    found = {name: search(*contender) for name, contender in contenders.items()}
    several = [found["iALS"].settings[trial] for trial in found["iALS"].ranking.index[:N_BLENDED]]

    def blend(weight):
        models = [EASE(**found["EASE"].best)] + [ials(**settings, rng=seed) for seed, settings in enumerate(several)]
        return Blend(models=models, weights=[1.0] + [weight / len(several)] * len(several))

    found[f"blend of EASE and the {N_BLENDED} best iALS"] = search(blend, {"weight": WEIGHTS}, None)
    models = {name: one.model_class(**one.best) for name, one in found.items()}
    runs = [compare(models, RankingProtocol(part, 10, ("ndcg",))) for part in splits]
    values = pd.concat([run["ndcg@10"] for run in runs], axis=1)
    table = pd.DataFrame({
        "tried": {name: len(one.trials) for name, one in found.items()},
        "validation": {name: one.score for name, one in found.items()},
        "first seed": values.iloc[:, 0],
        "mean of all": values.mean(axis=1),
        "lowest": values.min(axis=1),
        "highest": values.max(axis=1),
        "fit, s": pd.concat([run["fit seconds"] for run in runs], axis=1).min(axis=1),
        "settings": {name: told(one.best) for name, one in found.items()},
        "at an edge": {name: told(one.edges) for name, one in found.items()},
    })
    rows = pd.DataFrame({"first seed": dict(published)}).rename(lambda name: f"{name} (published)")
    table = pd.concat([table, rows]).sort_values("first seed", ascending=False).rename_axis("model")
    text = table[["settings", "at an edge"]].fillna("")
    formats = dict.fromkeys(("validation", "first seed", "mean of all", "lowest", "highest"), ".4f")
    return [f"## {title}", markdown(table.assign(**text), formats | {"tried": ".0f", "fit, s": ".2f"})]


def main() -> None:
    """Run both studies and write the tables."""
    films = Interactions.from_frame(load_movielens("ml-100k").ratings)
    plays = Interactions.from_frame(load_lastfm().counts, item="artistId", value="plays")
    published = [("BiVAE", 0.475), ("BPR", 0.442), ("LightGCN", 0.420), ("NCF", 0.396), ("SAR", 0.382)]
    if TINY:
        films, plays = (data.select(np.arange(min(len(data), 8000))) for data in (films, plays))
    blocks = [
        '"First seed" is the split with seed 42; settings were chosen inside its training part ("validation": mean '
        f"over validation splits, lower because the test rows are missing there as well), {N_TRIALS} trials for each "
        "contender that has any settings. Fit times are the best over the seeds, without Numba's compilation, on two "
        "cores. Protocols: the benchmark's docstring."
    ]
    blocks += study(
        "MovieLens 100k, 75/25 per film, five seeds",
        films,
        lambda data, seed: stratified_holdout(data, by="item", test_size=0.25, rng=seed),
        # Small validation parts: the best penalty grows with the data, and 90% is close to all of the training part.
        lambda train: [stratified_holdout(train, by="item", test_size=0.1, rng=seed) for seed in (101, 102, 103, 104)],
        (42, 1) if TINY else (42, 1, 2, 3, 4),
        spaces(["raw", "sqrt", "binary"]),
        published,
    )
    blocks += study(
        "Last.fm play counts, 80/20 per listener, three seeds",
        plays,
        lambda data, seed: stratified_holdout(data, by="user", test_size=0.2, rng=seed),
        lambda train: [stratified_holdout(train, by="user", test_size=0.2, rng=seed) for seed in (101, 102)],
        (42, 1) if TINY else (42, 1, 2),
        spaces(["log", "binary"]),
    )
    write_results("ranking", "Ranking: nDCG@10", *blocks, packages=("numpy", "numba", "scikit-learn"))


if __name__ == "__main__":
    main()
