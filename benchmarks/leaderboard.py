"""One leaderboard for the whole book: every contender on every data set, what it costs and what its lists are like.

    python -m benchmarks.leaderboard                        everything (about half an hour on two idle cores)
    python -m benchmarks.leaderboard ml-100k/lists ...      only these, the others stay as recorded

The contenders are those of ``recsys_utils/book/tuned.json``, with the settings of their equal searches (run
``python -m benchmarks.tuning`` first). Beside them stand factorization machines without a search, and on ml-100k the
autoencoder of the chapter on choosing, searched here with the same number of trials. The same settings then meet a
split by time. Writes ``benchmarks/results/leaderboard.md``, and for the chapter ``recsys_utils/book/leaderboard.json``
and ``leaderboard.npz`` (figures of each user, no ratings).
"""
from __future__ import annotations

import contextlib
import io
import json
import pickle
import sys
import warnings
from pathlib import Path
from time import perf_counter

import jupytext
import numpy as np
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import normalize

from benchmarks._results import TINY, markdown, write_results
from benchmarks.tuning import COMPETITIONS, search_on
from recsys_utils import Interactions, load_movielens
from recsys_utils.book import competition, contender, contenders, fingerprint, tuning_table
from recsys_utils.book.leaderboard import PER_USER, ROWS, UNITS
from recsys_utils.errors import InvalidInput
from recsys_utils.evaluation import evaluate_ranking, evaluate_ratings, genre_matrix
from recsys_utils.evaluation.protocol import seconds_of
from recsys_utils.features import RatingFeatures
from recsys_utils.models import FactorizationMachine, FMRecommender, Recommender
from recsys_utils.split import global_time_split

CHAPTERS = Path(__file__).parents[1] / "book" / "chapters"
RECORD = Path(contenders.__file__).parent
BEYOND = ("novelty", "serendipity", "popularity_lift", "coverage", "gini")
OF_GENRES = ("intra_list_distance", "miscalibration")
FACTORS, PASSES, BURN_IN = 8, 100, 20  # of the machines; their chapter has eight factors and fewer passes
PEOPLE, FILMS = ("age_group", "occupation", "gender"), ("genres", "release_year")


def from_chapter(chapter: str, *starts: str, **names) -> dict:
    """What the cells of a chapter that begin so define: the reader's code is the one that is measured."""
    cells = [c.source for c in jupytext.read(CHAPTERS / f"{chapter}.md").cells if c.cell_type == "code"]
    scope = {"np": np, "pd": pd, "Recommender": Recommender, "FMRecommender": FMRecommender, **names}
    for start in starts:
        exec(next(cell for cell in cells if cell.startswith(start)), scope)
    return scope


class MyFM:
    """The sampler of the myFM library, behind what FMRecommender asks of a machine."""

    def get_params(self, deep=True) -> dict:
        """None: it is cloned as it is."""
        return {}

    def fit(self, design, values):
        """Its own settings but for factors and passes; one noise for all."""
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            import myfm

            self.model_ = myfm.MyFMRegressor(rank=FACTORS, random_seed=0)
            groups = np.bincount(design.fields).tolist()
            self.model_.fit(design.matrix, values, n_iter=PASSES, n_kept_samples=PASSES - BURN_IN, group_shapes=groups)
        self.range_ = values.min(), values.max()
        return self

    def predict(self, design) -> np.ndarray:
        """Clipped, as the package's machine is."""
        return self.model_.predict(design.matrix).clip(*self.range_)


def machines(data_set: str, task: str) -> dict[str, Recommender]:
    """Factorization machines, which have no search."""
    films = None if data_set == "lastfm-2k" else load_movielens(data_set)
    blocks = {"ids": ("user", "item")}
    if films is not None:
        blocks["ids, genres, year"] = ("user", "item", *FILMS)
    if data_set == "ml-100k" and task == "ratings":
        blocks["ids, genres, year, form"] = ("user", "item", *FILMS, *PEOPLE)
    kind, noise = FMRecommender, "user"
    if task == "lists":
        kind, noise = from_chapter("factorization-machines", "class RatedOrNot", clone=clone)["RatedOrNot"], None
    found = {}
    for label, names in blocks.items():
        machine = FactorizationMachine(factors=FACTORS, iterations=PASSES, burn_in=BURN_IN, noise_field=noise)
        tables = {} if films is None else {"movies": films.movies, "users": films.users}
        found[f"FM: {label}"] = kind(features=RatingFeatures(names), machine=machine, **tables)
    if task == "ratings":
        found["FM, myFM: ids"] = FMRecommender(machine=MyFM())
    return found


def autoencoder(split, validation) -> tuple[Recommender, int, dict]:
    """The chapter's neural model, searched with the contenders' budget: model, trials, what lay past an edge."""
    names = {"MLPClassifier": MLPClassifier, "normalize": normalize, "loguniform": loguniform, "uniform": uniform}
    scope = from_chapter("choosing", "def encode", "class Autoencoder", **names)
    model, ranges = scope["Autoencoder"], scope["RANGES"]
    warnings.simplefilter("ignore", ConvergenceWarning)
    found = search_on(model, ranges, split, "ndcg@10", validation)
    settings = rounded(found["settings"])
    told = {"settings": settings, "validation": found["score"], "past an edge": found["past an edge"]}
    return model(**settings), found["trials"], told


def bytes_of(model: Recommender) -> int:
    """What the fitted model takes when pickled, without the training data; arrays are counted, not copied."""
    buffers = []
    left_out = {"interactions_", "_ids", "_search", *model.get_params(deep=False)}
    kept = {name: value for name, value in vars(model).items() if name not in left_out}
    state = pickle.dumps(kept, protocol=5, buffer_callback=buffers.append)
    return len(state) + sum(buffer.raw().nbytes for buffer in buffers)


def list_seconds(model: Recommender, split) -> float | None:
    """Median time of one user's list of ten; None for a machine that does not rank."""
    if isinstance(getattr(model, "machine", None), MyFM):
        return None
    times, users = [], np.random.default_rng(0).permutation(split.train.user_ids)
    model.recommend(users[0], n=10)  # sorts the item vectors, once
    while len(times) < 50 and sum(times) < 3:
        started = perf_counter()
        model.recommend(users[len(times)], n=10)
        times.append(perf_counter() - started)
    return float(np.median(times))


def answers_new_user(model: Recommender, split) -> bool:
    """Whether it takes in somebody with a history, without another fit."""
    items, values = split.train.history(split.train.user_ids[0])
    try:
        model.fold_in(items, values)
    except InvalidInput:
        return False
    return True


def judge(model: Recommender, split, task: str):
    """The report of a fitted model."""
    return evaluate_ratings(model, split) if task == "ratings" else evaluate_ranking(model, split, metrics=("ndcg",))


def measure(model: Recommender, split, task: str, genres, costs: bool) -> tuple[dict, object]:
    """Fit one contender; its row and its report."""
    times = [seconds_of(lambda: model.fit(split.train))]
    while costs and len(times) < 3 and sum(times) < 5:  # other work can only add to it
        times.append(seconds_of(lambda: model.fit(split.train)))
    report = judge(model, split, task)
    row = {"score": float(report.mean().iloc[0])}
    if not costs:
        return row, report
    features = getattr(getattr(model, "features", None), "blocks", ())
    row |= {
        "fit seconds": min(times), "list seconds": list_seconds(model, split), "bytes": bytes_of(model),
        "new users": answers_new_user(model, split) or bool(set(PEOPLE) & set(features)),
        "new items": bool(set(FILMS) & set(features)),
    }
    if task == "lists":
        names = BEYOND + (OF_GENRES if genres is not None else ())
        beyond = evaluate_ranking(model, split, metrics=names, genres=genres)
        row |= {name[:-3]: float(value) for name, value in {**beyond.mean(), **beyond.overall}.items()}
    return row, report


def units(reports: dict, task: str) -> np.ndarray:
    """Per-user figures of all contenders as whole numbers, shape (n_contenders, n_users)."""
    column, kind = ("squared_error", np.uint32) if task == "ratings" else ("ndcg@10", np.uint16)
    values = np.array([report.per_user[column].to_numpy() for report in reports.values()])
    return np.round(values / UNITS[task]).astype(kind)


def run(name: str) -> tuple[dict, dict]:
    """All contenders of one competition, on its split and on one by time: rows, and arrays of users."""
    data_set, task = name.split("/")
    split, validation, _ = competition(data_set, task)
    table = tuning_table(data_set, task)
    models = {one: contender(data_set, task, one) for one in table.index} | machines(data_set, task)
    trials, rows, arrays, neural = dict(table["trials"]), {}, {}, {}
    if name == "ml-100k/lists":
        models["autoencoder"], trials["autoencoder"], neural = autoencoder(split, validation)
    splits, genres = {"random": split}, None
    if data_set != "lastfm-2k":
        films = load_movielens(data_set)
        splits["time"] = global_time_split(Interactions.from_frame(films.ratings), 0.2)
        genres = genre_matrix(split.train.item_ids, films.movies)[0]
    for kind, part in splits.items():
        found, reports = {}, {}
        for one, model in models.items():
            row, reports[one] = measure(model, part, task, genres, costs=kind == "random")
            found[one] = row | {"trials": int(trials.get(one, 0))} | (neural if one == "autoencoder" else {})
            print(f"{name}, {kind}, {one}: {found[one]}", flush=True)
            for fitted in [key for key in vars(model) if key.endswith("_") or key in ("_ids", "_search")]:
                delattr(model, fitted)  # a fit may take gigabytes
        rows[f"{name}/{kind}"] = {"fingerprint": fingerprint(part), "rows": found}
        arrays[f"{name}/{kind}"] = units(reports, task)
        if task == "ratings":
            counts = next(iter(reports.values())).per_user["ratings"].to_numpy()
            arrays[f"{name}/{kind}/ratings"] = counts.astype(np.uint16)
    return rows, arrays


def keep(rows: dict, arrays: dict) -> dict:
    """Add to the record; returns all rows."""
    paths = RECORD / ROWS, RECORD / PER_USER
    if paths[0].exists():
        rows = json.loads(paths[0].read_text("utf8")) | rows
        with np.load(paths[1]) as old:
            arrays = dict(old) | arrays
    order = sorted(rows, key=lambda key: COMPETITIONS.index(key.rpartition("/")[0]))
    rows = {key: rows[key] for key in order}
    paths[0].write_text(json.dumps(rounded(rows), indent=1) + "\n", "utf8")
    np.savez_compressed(paths[1], **{key: arrays[key] for key in sorted(arrays)})
    return rows


def rounded(value):
    """Floats to five significant digits, anywhere inside."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main(arguments: list[str]) -> None:
    """Measure, record, and write the tables."""
    wanted = [a for a in arguments if not a.startswith("-")] or COMPETITIONS
    everything = {}
    for name in wanted:
        try:
            tuning_table(*name.split("/"))
        except KeyError:
            print(f"{name}: no settings are recorded, run benchmarks.tuning first", flush=True)
            continue
        rows, arrays = run(name)
        everything = everything | rows if TINY else keep(rows, arrays)
    blocks = []
    for name, found in everything.items():
        table = pd.DataFrame.from_dict(found["rows"], orient="index").rename_axis("contender")
        table = table.drop(columns=["settings", "past an edge", "validation"], errors="ignore")
        best_first = table.sort_values("score", ascending=name.split("/")[1] == "ratings")
        blocks += [f"## {name}", markdown(best_first, {"score": ".4f", "bytes": ",.0f"} | {
            column: ".4g" for column in table if column not in ("score", "bytes", "trials")})]
    write_results("leaderboard", "Leaderboard", __doc__.split("\n\n")[0], *blocks, packages=(
        "numpy", "scikit-learn", "numba", "scikit-surprise", "implicit", "myfm"))


if __name__ == "__main__":
    main(sys.argv[1:])
