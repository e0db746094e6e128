"""Rating prediction by factorization machines: the staircase of side information, and the best recipe.

    python -m benchmarks.rating_prediction_fm            (about twenty minutes on two cores)

One split of ml-latest-small and five folds of ml-100k; settings are chosen as ``benchmarks._rating_table`` says. What a
machine is told beside user and film (genres, years, the time of the rating, age) is known when the prediction is asked
for; the ratings of the test part are not.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, clone

from benchmarks._rating_table import Method, as_markdown, five_folds, one_split, run
from benchmarks._results import write_results
from recsys_utils import load_movielens
from recsys_utils.features import CrossedFields, DesignMatrix, RatingFeatures, RatingWindows
from recsys_utils.models import FactorizationMachine, FMRecommender
from recsys_utils.xlearn import fit_predict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # myFM 0.4 asks pkg_resources for its own version
    import myfm

FILM = ("user", "item", "genres", "release_year")
ALL = (*FILM, "rating_date")
PEOPLE = ("age_group", "gender", "occupation")
CROSSES = (("user", "genres"), ("user", "release_year"))


class WiderFeatures(RatingFeatures):
    """The columns of `RatingFeatures`, those of crossed fields, and those of windows of time."""

    def __init__(self, blocks, *, crosses=(), windows=False, date_period="month"):
        super().__init__(blocks, date_period=date_period)
        self.crosses = crosses
        self.windows = windows

    def fit(self, ratings, movies=None, users=None):
        """Decide all columns from training ratings."""
        super().fit(ratings, movies, users)
        design = super().transform(ratings)
        self.crossed_ = [CrossedFields(*pair).fit(design) for pair in self.crosses]
        self.windows_ = RatingWindows().fit(ratings) if self.windows else None
        return self

    def transform(self, ratings) -> DesignMatrix:
        """Encode ratings, seen or new."""
        design = wider = super().transform(ratings)
        for cross in self.crossed_:
            wider = wider.join(cross.transform(design))
        return wider.join(self.windows_.transform(ratings)) if self.windows else wider


class Timed(FMRecommender):
    """A recommender that takes the time of every rating from the table of all ratings."""

    def __init__(self, *, features=None, machine=None, movies=None, users=None, ratings=None):
        super().__init__(features=features, machine=machine, movies=movies, users=users)
        self.ratings = ratings

    def predict(self, user_ids, item_ids, times=None) -> np.ndarray:
        """Predicted ratings of pairs, at the time that the table has for them; shape (n,)."""
        known = self.ratings.set_index(["userId", "movieId"])["timestamp"]
        times = known.loc[pd.MultiIndex.from_arrays([user_ids, item_ids])].to_numpy()
        return super().predict(user_ids, item_ids, times)


class MyFM(BaseEstimator):
    """myFM's Gibbs sampler on the same columns, a group for each field."""

    def __init__(self, *, factors=10, iterations=100, burn_in=20):
        self.factors = factors
        self.iterations = iterations
        self.burn_in = burn_in

    def fit(self, design, y):
        """Draw from the posterior."""
        self.range_ = y.min(), y.max()
        self.model_ = myfm.MyFMRegressor(rank=self.factors, random_seed=0)
        sizes, kept = np.bincount(design.fields).tolist(), self.iterations - self.burn_in
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            self.model_.fit(design.matrix, y, n_iter=self.iterations, n_kept_samples=kept, group_shapes=sizes)
        return self

    def predict(self, design):
        """Means over the draws."""
        return np.clip(self.model_.predict(design.matrix), *self.range_)


class XLearn(BaseEstimator):
    """xLearn trained from files; every fit learns anew, and once more when it predicts."""

    def __init__(self, *, model="fm", k=8, lr=0.2, lambda_=0.001, epoch=15):
        self.model = model
        self.k = k
        self.lr = lr
        self.lambda_ = lambda_
        self.epoch = epoch

    def fit(self, design, y):
        """Train once, for the time that it takes."""
        self.train_, self.range_ = (design, y), (y.min(), y.max())
        fit_predict(design, y, design.select([0]), **self.get_params())
        return self

    def predict(self, design):
        """Train again and predict."""
        return np.clip(fit_predict(*self.train_, design, **self.get_params()).predictions, *self.range_)


class TwoChains(BaseEstimator):
    """The mean prediction of two chains of a machine, drawn beside each other in two threads."""

    def __init__(self, *, machine=None):
        self.machine = machine

    def fit(self, design, y):
        """Draw both."""
        chains = [clone(self.machine).set_params(rng=seed) for seed in (0, 1)]
        with ThreadPoolExecutor(2) as pool:
            self.chains_ = list(pool.map(lambda chain: chain.fit(design, y), chains))
        return self

    def predict(self, design):
        """Means over the draws of both."""
        return np.mean([chain.predict(design) for chain in self.chains_], axis=0)


def method(
    data, name, blocks, grid, kind=FactorizationMachine, *, crosses=(), windows=False, period="month", both=False,
    **fixed,
):
    """A machine on some columns (or the mean of two); crosses and windows have linear weights only."""
    if kind is FactorizationMachine:
        fixed.setdefault("noise_field", "user")
        lengths = RatingWindows()
        fixed["linear_fields"] = [f"{a} × {b}" for a, b in crosses] + (
            [f"{n} ratings" for n in lengths.counts] + [f"{n} s" for n in lengths.seconds] if windows else []
        )

    def make(**chosen):
        features = WiderFeatures(blocks, crosses=crosses, windows=windows, date_period=period)
        machine = kind(**fixed, **chosen)
        machine = TwoChains(machine=machine) if both else machine
        return Timed(features=features, machine=machine, movies=data.movies, users=data.users, ratings=data.ratings)

    return Method(name, make, grid)


def shuffled(data, seed: int = 0):
    """The same films with genres and years dealt out to other films: the control."""
    order = np.random.default_rng(seed).permutation(len(data.movies))
    movies = data.movies.copy()
    for column in ("genres", "year"):
        movies[column] = movies[column].array[order]
    return type(data)(data.name, data.ratings, movies, data.users, data.links, data.synthetic)


SHORT, LONG = dict(iterations=150, burn_in=50), dict(iterations=300, burn_in=100)
RANKS = {"factors": [4, 8, 12, 20, 32]}
# Rows scaled to unit length: a search over wider ranges, with and without it, had scaled rows in all its winners.
RATES = {
    "k": [8, 16, 32], "lr": loguniform(0.03, 0.5), "lambda_": loguniform(2e-4, 1e-2), "epoch": [10, 20, 40],
}


def p1_methods() -> list[Method]:
    """Methods for ml-latest-small."""
    data = load_movielens("ml-latest-small")
    point = {
        "factors": [4, 8, 16, 32], "regularization": loguniform(3, 100), "linear_regularization": loguniform(0.5, 20),
    }
    by_als = dict(solver="als", noise_field=None, iterations=25)
    watched = ("user", "history", *ALL[1:])
    best = dict(crosses=CROSSES, both=True, **LONG)
    return [
        method(data, "xLearn FM: user, film", ("user", "item"), RATES, XLearn),
        method(data, "xLearn FM: + genres, year of release", FILM, RATES, XLearn),
        method(data, "xLearn FM: + date of rating", ALL, RATES, XLearn),
        method(data, "xLearn field-aware FM: the same", ALL, RATES, XLearn, model="ffm"),
        method(data, "myFM: user, film", ("user", "item"), RANKS, MyFM, **SHORT),
        method(data, "myFM: + genres, year of release", FILM, RANKS, MyFM, **SHORT),
        method(data, "myFM: + date of rating", ALL, RANKS, MyFM, **SHORT),
        method(data, "FM: user, film", ("user", "item"), RANKS, **SHORT),
        method(data, "FM: + films watched", ("user", "history", "item"), RANKS, **SHORT),
        method(data, "FM: user, film, genres, year of release", FILM, RANKS, **SHORT),
        method(shuffled(data), "FM: the same, genres and years shuffled across films", FILM, RANKS, **SHORT),
        method(data, "FM: + date of rating", ALL, RANKS, **SHORT),
        method(data, "FM: the same, one noise for all users", ALL, RANKS, noise_field=None, **SHORT),
        method(data, "FM by ALS: the same", ALL, point, **by_als),
        method(data, "FM: + films watched, genres, years, date", watched, RANKS, **SHORT),
        method(data, "FM: + crosses, two longer chains (best recipe)", watched, RANKS, **best),
        method(data, "FM: user, film, genres, years, date, windows of time", ALL, RANKS, windows=True, **SHORT),
        method(
            data, "FM: + films watched, crosses, two longer chains (best recipe with windows)", watched, RANKS,
            windows=True, **best,
        ),
    ]


def p2_methods() -> list[Method]:
    """Methods for the five folds of ml-100k."""
    data = load_movielens("ml-100k")
    everything = (*ALL, *PEOPLE)
    watched = ("user", "history", *everything[1:])
    return [
        method(data, "myFM: + demographics, genres, years, date", everything, RANKS, MyFM, **SHORT),
        method(data, "FM: user, film", ("user", "item"), RANKS, **SHORT),
        method(data, "FM: + age, gender, occupation", ("user", "item", *PEOPLE), RANKS, **SHORT),
        method(data, "FM: + genres, years, date", everything, RANKS, **SHORT),
        method(data, "FM: the same, date by day", everything, RANKS, period="day", **SHORT),
        method(data, "FM: + films watched", watched, RANKS, period="day", **SHORT),
        method(
            data, "FM: + films watched, crosses, longer (best recipe)", watched, RANKS, period="day",
            crosses=CROSSES, **LONG,
        ),
        method(data, "FM: windows instead, longer (best recipe with windows)", everything, RANKS, windows=True, **LONG),
    ]


def main() -> None:
    """Run both tables and write them to ``results/rating_prediction_fm.md``."""
    write_results(
        "rating_prediction_fm",
        "Rating prediction by factorization machines",
        "## ml-latest-small, a random fifth held out: RMSE over all 20,168 test rows",
        as_markdown(run(p1_methods(), one_split())),
        "## ml-100k, mean of five shuffled folds",
        as_markdown(run(p2_methods(), five_folds())),
        "Settings chosen on a fifth of the (first) training part. Intervals over users in the first table, over folds "
        "in the second. Fit: encoding included, compilation not; for xLearn its files and child process too. "
        "One thread, but for two chains, which have one each. "
        "Windows look past the time of the test rating, the other columns do not.",
        packages=("numpy", "scipy", "numba", "myfm", "xlearn"),
    )


if __name__ == "__main__":
    main()
