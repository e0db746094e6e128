"""Published figures, computed again under their own protocols on MovieLens 100k.

    python -m benchmarks.reproductions                    (every part, about a quarter of an hour on one core)
    python -m benchmarks.reproductions surprise cornac    (these parts; the rows of the others stay as recorded)

Writes ``results/reproductions.json``, which the page of reproductions reads, and the same table as Markdown. Each row
has the published figure as its source prints it, and ours with a 95 % interval:

- the published mean of five folds against our mean of five folds: Student's interval of that mean;
- a figure published for one random split against five splits of ours: the interval in which one more split would fall;
- a figure of a fixed split against several seeds of the model: likewise, for one more seed;
- where nothing is random there is no interval.

The verdict follows from these alone: *reproduced* where the published figure, as it is rounded, meets the interval.
"""
from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from functools import partial

import myfm
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import t as student

from benchmarks._results import RESULTS, TINY, markdown, write_results
from recsys_utils import Interactions, load_movielens
from recsys_utils.book import SurpriseModel
from recsys_utils.evaluation import evaluate_ranking, evaluate_ratings, judge, mae, ndcg, rmse
from recsys_utils.features import RatingFeatures
from recsys_utils.models import BPR, BiasBaseline, BiasedSVD, FactorizationMachine, Recommender
from recsys_utils.split import Split, k_folds, random_holdout, stratified_holdout
from recsys_utils.topn import top_n

RECORD = RESULTS / "reproductions.json"
SEEDS = (42, 43) if TINY else (42, 43, 44, 45, 46)
PARTS: dict[str, Callable[[], Iterator[dict]]] = {}


def part(function):
    """Enter a generator of rows under its name."""
    PARTS[function.__name__] = function
    return function


def row(source, figure, by, metric, published, values, protocol, kind, note="") -> dict:
    """One row of the record; `kind` says what one of `values` is: a fold, a split, a seed, or exact."""
    values, decimals = np.asarray(values, dtype=float), len(published.partition(".")[2])
    n, half = len(values), 0.0
    if n > 1:
        spread = np.std(values, ddof=1) * student.ppf(0.975, n - 1)
        half = spread * np.sqrt(1 / n if kind == "fold" else 1 + 1 / n)
    ours, stated = float(values.mean()), float(published)
    # A figure with three decimals stands for everything that rounds to it.
    met = abs(ours - stated) <= half + 0.5 * 10.0**-decimals + 1e-9
    done = {
        "source": source, "figure": figure, "by": by, "metric": metric, "published": published, "ours": ours,
        "low": ours - half, "high": ours + half, "values": n, "kind": kind, "difference": ours - stated,
        "protocol": protocol, "verdict": "reproduced" if met else "not reproduced", "note": note,
    }
    print(f"{figure} ({by}), {metric} {published}: {ours:.4f} ± {half:.4f}, {done['verdict']}", flush=True)
    return done


def ml_100k() -> Interactions:
    """The ratings of MovieLens 100k."""
    return Interactions.from_frame(load_movielens("ml-100k").ratings)


def predefined(fold: int) -> Split:
    """A split that comes with the data: every fifth of ``u.data``, in the order of the file, is the test part once."""
    ratings = load_movielens("ml-100k").ratings
    held_out = np.arange(len(ratings)) // 20_000 == fold - 1
    return Split(*(Interactions.from_frame(ratings[rows]) for rows in (~held_out, held_out)))


# ---------------------------------------------------------------- Surprise

FIVE_FOLDS = "five shuffled folds, default settings"
LIBRARY = {
    "random": ("NormalPredictor", "1.518", {}),
    "baseline": ("BaselineOnly", "0.944", {"verbose": False}),
    "SVD": ("SVD", "0.934", {"random_state": 0}),
    "NMF": ("NMF", "0.963", {"random_state": 0}),
    "slope one": ("SlopeOne", "0.946", {}),
    "k-NN": ("KNNBasic", "0.98", {"verbose": False}),
    "centred k-NN": ("KNNWithMeans", "0.951", {"verbose": False}),
    "k-NN baseline": ("KNNBaseline", "0.931", {"verbose": False}),
    "co-clustering": ("CoClustering", "0.963", {"random_state": 0}),
}


def over_folds(make: Callable) -> list[float]:
    """RMSE on each of five folds; :class:`Recommender` clips to the scale, as Surprise does."""
    folds = list(k_folds(ml_100k()))[: 2 if TINY else 5]
    return [evaluate_ratings(make().fit(fold.train), fold).mean()["rmse"] for fold in folds]


@part
def surprise_readme():
    """The benchmarks of Surprise's README, by its own code and by this book's equivalents."""
    source = "hug2023benchmarks"
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the random predictor draws from NumPy's global generator
    for figure, (algorithm, published, options) in LIBRARY.items():
        values = over_folds(partial(SurpriseModel, algorithm=algorithm, options=options))
        yield row(source, figure, "Surprise", "RMSE", published, values, FIVE_FOLDS, "fold")
    same = {"user_regularization": 15.0, "item_regularization": 10.0}
    yield row(
        source, "baseline", "ours", "RMSE", "0.944", over_folds(partial(BiasBaseline, **same)),
        "five shuffled folds, Surprise's penalties", "fold",
    )
    same = {"factors": 100, "iterations": 20, "learning_rate": 0.005, "regularization": 0.02, "init_scale": 0.1}
    yield row(
        source, "SVD", "ours", "RMSE", "0.934", over_folds(partial(BiasedSVD, **same)),
        "five shuffled folds, Surprise's settings", "fold",
    )


@part
def surprise_svdpp():
    """The slowest row of the same table."""
    options = {"random_state": 0, "cache_ratings": True}
    values = over_folds(partial(SurpriseModel, algorithm="SVDpp", options=options))
    yield row("hug2023benchmarks", "SVD++", "Surprise", "RMSE", "0.919", values, FIVE_FOLDS, "fold")


# ---------------------------------------------------------------- recommenders team


class SAR(Recommender):
    """The team's item similarity: Jaccard's index, applied to ratings that fade with a half-life of 30 days."""

    def learn(self, interactions: Interactions) -> None:
        """Similarities of films, and the faded ratings of people."""
        taken = interactions.with_values(np.ones(len(interactions))).matrix
        both = (taken.T @ taken).toarray()
        count = np.diag(both)
        self.similarity_ = both / (count[:, None] + count - both)
        age = (interactions.times.max() - interactions.times) / 86_400
        faded = interactions.values * 0.5 ** (age / 30)
        self.affinity_ = sparse.csr_matrix(
            (faded, (interactions.user_rows, interactions.item_rows)), shape=interactions.matrix.shape
        )

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        """Similarities to the films of a history, weighted by its faded ratings."""
        return self.affinity_[user_rows] @ self.similarity_


@part
def recommenders_team():
    """The ranking of the recommenders team, with the settings of its benchmark notebook."""
    source, protocol = "argyriou2020microsoft", "75/25 per film, k = 10, settings of their notebook"
    factorization = {"n_factors": 150, "n_epochs": 15, "lr_all": 0.005, "reg_all": 0.02, "random_state": 42}
    models = {
        "SAR": ("ours", "0.382461", SAR, ""),
        "SVD": ("Surprise", "0.095930", partial(SurpriseModel, algorithm="SVD", options=factorization), ""),
        "BPR": (
            "ours", "0.441997",
            partial(BPR, factors=200, iterations=15, learning_rate=0.075, regularization=1e-3),
            "theirs is Cornac's; ours lowers its step towards the end",
        ),
    }
    data = ml_100k()
    splits = [stratified_holdout(data, "item", 0.25, rng=seed) for seed in SEEDS]
    for figure, (by, published, make, note) in models.items():
        fitted = [make().fit(split.train) for split in splits]
        pairs = list(zip(fitted, splits, strict=True))
        values = [evaluate_ranking(model, split, metrics=["ndcg"]).mean()["ndcg@10"] for model, split in pairs]
        yield row(source, figure, by, "nDCG@10", published, values, protocol, "split", note)
        if figure == "SVD":
            values = [evaluate_ratings(model, split).mean()["rmse"] for model, split in pairs]
            yield row(source, figure, by, "RMSE", "0.938681", values, protocol, "split", note)


# ---------------------------------------------------------------- Cornac


def known_part(split: Split) -> Split:
    """Without the test ratings of people or films that training lacks, as Cornac evaluates."""
    return Split(split.train, split.test.select(~(split.unknown_users | split.unknown_items)))


def by_user(model: Recommender, split: Split) -> tuple[float, float]:
    """MAE and RMSE of each person, averaged over people."""
    totals = evaluate_ratings(model, split).per_user
    return (
        float((totals["absolute_error"] / totals["ratings"]).mean()),
        float(np.sqrt(totals["squared_error"] / totals["ratings"]).mean()),
    )


def liked_ndcg(model: Recommender, split: Split, threshold: float = 4.0) -> float:
    """nDCG@10 of films with `threshold` stars or more; only training films that were liked leave the lists."""
    train, test = split.train, split.test
    people = train.rows_of_users(test.user_ids)
    scores = model.score_rows(people)
    liked = train.matrix[people].multiply(train.matrix[people] >= threshold).tocsr()
    scores[liked.nonzero()] = -np.inf
    wanted = [ids[values >= threshold] for ids, values in map(test.history, test.user_ids)]
    return float(np.nanmean(ndcg(judge(train.item_ids[top_n(scores, 10)[0]], wanted), 10)))


@part
def cornac_readme():
    """Cornac's first experiment, by this book's models with its settings."""
    source, protocol = "salah2020cornac", "random 80/20, averaged over people, their settings"
    data = ml_100k()
    splits = [known_part(random_holdout(data, 0.2, rng=seed)) for seed in SEEDS]
    factorization = partial(BiasedSVD, factors=10, iterations=25, learning_rate=0.01, regularization=0.02)
    errors = [by_user(factorization().fit(split.train), split) for split in splits]
    for metric, published, values in zip(("MAE", "RMSE"), ("0.7430", "0.8998"), zip(*errors, strict=True), strict=True):
        yield row(source, "MF", "ours", metric, published, values, protocol, "split")
    pairs = partial(BPR, factors=10, iterations=200, learning_rate=0.001, regularization=0.01)
    values = [liked_ndcg(pairs().fit(split.train), split) for split in splits]  # it learns from every rating
    yield row(
        source, "BPR", "ours", "nDCG@10", "0.0975", values, protocol, "split",
        "our step falls to a tenth of its start, theirs stays",
    )


# ---------------------------------------------------------------- myFM and MyMediaLite


@part
def myfm_documentation():
    """myFM's tutorial on the third predefined fold, by myFM and by this book's machine."""
    source, protocol, split = "ohtsuki2021myfm", "third predefined fold, rank 10, 200 samples", predefined(3)
    rounds = 20 if TINY else 200
    encoder = RatingFeatures(("user", "item")).fit(split.train)
    train, test = (encoder.transform(part).matrix for part in (split.train, split.test))
    groups = [split.train.n_users, split.train.n_items]
    priors = ("one prior", "0.8944", None), ("a prior each for users and films", "0.8925", groups)
    for figure, published, shapes in priors:
        values = []
        for seed in SEEDS[:3]:
            machine = myfm.MyFMRegressor(rank=10, random_seed=seed)
            machine.fit(train, split.train.values, n_iter=rounds, n_kept_samples=rounds, group_shapes=shapes)
            values.append(rmse(split.test.values, machine.predict(test)))
        yield row(source, figure, "myFM", "RMSE", published, values, protocol, "seed")
    values = []
    for seed in SEEDS[:3]:
        machine = FactorizationMachine(factors=10, iterations=rounds, burn_in=0, rng=seed)
        values.append(rmse(split.test.values, machine.fit(train, split.train.values).predict(test)))
    yield row(source, "one prior", "ours", "RMSE", "0.8944", values, protocol, "seed", "the machine without fields")


@part
def mymedialite_documentation():
    """MyMediaLite's command lines on the first predefined fold, and its table of five folds."""
    source, split = "gantner2011mymedialite", predefined(1)
    total = np.bincount(split.train.user_rows, split.train.values, split.train.n_users)
    means = total / np.bincount(split.train.user_rows, minlength=split.train.n_users)
    predicted = means[split.train.rows_of_users(split.test.user_ids)][split.test.user_rows]
    for metric, published, error in (("RMSE", "1.063", rmse), ("MAE", "0.85019", mae)):
        value = error(split.test.values, predicted)
        yield row(source, "user average", "ours", metric, published, [value], "first predefined fold", "exact")
    factorization = partial(
        BiasedSVD, factors=10, iterations=30, learning_rate=0.01, regularization=0.015, init_scale=0.1
    )
    values = [evaluate_ratings(factorization(rng=seed).fit(split.train), split).mean()["rmse"] for seed in SEEDS]
    yield row(
        source, "biased factorization, 10 factors", "ours", "RMSE", "0.96108", values,
        "first predefined fold, their settings", "seed", "another implementation of the model",
    )
    baseline = partial(BiasBaseline, user_regularization=5.0, item_regularization=2.0)
    yield row(
        source, "user and item baseline", "ours", "RMSE", "0.94192", over_folds(baseline),
        "five shuffled folds, their penalties", "fold",
    )


# ---------------------------------------------------------------- Krichene and Rendle


@part
def three_recommenders():
    """The example of three recommenders and 10,000 items: exact metrics of five given ranks each."""
    ranks = {
        "A": ([100, 100, 100, 100, 100], "0.150", "0.010"), "B": ([40, 40, 8437, 9266, 4482], "0.122", "0.010"),
        "C": ([212, 2, 743, 5342, 1548], "0.208", "0.101"),
    }
    source, protocol = "krichene2020sampled", "five given ranks among 10,000 items"
    for name, (places, gain, precision) in ranks.items():
        judged = judge(np.tile(np.arange(1, 10_001), (5, 1)), [[place] for place in places])
        values = ndcg(judged, 10_000).mean()
        yield row(source, f"recommender {name}", "ours", "nDCG", gain, [values], protocol, "exact")
        yield row(
            source, f"recommender {name}", "ours", "average precision", precision, [np.mean(1 / np.array(places))],
            protocol, "exact",
        )


# ---------------------------------------------------------------- the record


def write(rows: dict[str, list[dict]]) -> None:
    """Write the record and the table, in the order of the parts."""
    rows = {name: rows[name] for name in PARTS if name in rows}
    flat = [line for lines in rows.values() for line in lines]
    table = pd.DataFrame(flat)
    shown = table[["source", "figure", "by", "metric", "published"]].copy()
    shown["ours"] = table["ours"].map("{:.4f}".format)
    shown["95 % interval"] = [
        "" if line["kind"] == "exact" else f"{line['low']:.4f} – {line['high']:.4f} ({line['values']} {line['kind']}s)"
        for line in flat
    ]
    shown["difference"] = (table["difference"].round(4) + 0.0).map("{:+.4f}".format)
    shown[["verdict", "protocol", "note"]] = table[["verdict", "protocol", "note"]]
    if not TINY:
        RECORD.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_results(
        "reproductions", "Published figures, computed again: MovieLens 100k", markdown(shown),
        f"{(table['verdict'] == 'reproduced').sum()} of {len(table)} rows are reproduced: the published figure, as "
        "it is rounded, meets the interval. Sources: keys of `book/references.bib`.",
        packages=("scikit-surprise", "myfm", "numpy", "numba"),
    )


def main(names: list[str]) -> None:
    """Run the parts named, by the beginning of their names, and keep the recorded rows of the others."""
    rows = json.loads(RECORD.read_text("utf8")) if names and RECORD.exists() else {}
    chosen = [name for name in PARTS if not names or name.startswith(tuple(names))]
    for name in chosen:
        rows[name] = list(PARTS[name]())
    write(rows)


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if not name.startswith("--")])
