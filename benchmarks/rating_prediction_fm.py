"""Rating prediction by factorization machines: the staircase of side information, and the best recipe.

    python -m benchmarks.rating_prediction_fm            (about twenty minutes on two cores)

The same splits, the same choice of settings on validation data and the same columns as in
``benchmarks.rating_prediction``. What a machine is told beside user and film (genres, years, the time of the
rating, age) is known when the prediction is asked for; the ratings of the test part are not.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd

from benchmarks.rating_prediction import RESULTS, Method, as_markdown, five_folds, one_split, run
from recsys_utils import Interactions, load_movielens
from recsys_utils.features import CrossedFields, DesignMatrix, RatingFeatures, RatingWindows
from recsys_utils.models import FactorizationMachine
from recsys_utils.xlearn import fit_predict

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # myFM 0.4 asks pkg_resources for its own version
    import myfm

FILM = ("user", "item", "genres", "release_year")
ALL = (*FILM, "rating_date")
PEOPLE = ("age_group", "gender", "occupation")
CROSSES = (("user", "genres"), ("user", "release_year"))


class Encoded:
    """Tables and an encoding behind `fit(interactions)` and `predict(user_ids, item_ids)`.

    Subclasses implement `_fit(design, y)` and `_predict(design)`.
    """

    def __init__(self, data, blocks, *, windows=False, crosses=(), period="month", **settings):
        self.data, self.blocks = data, blocks
        self.windows, self.crosses = windows, crosses
        self.settings, self.period = settings, period
        self.times = data.ratings.set_index(["userId", "movieId"])["timestamp"]

    def fit(self, interactions: Interactions):
        """Encode the training ratings and learn from them."""
        ratings = interactions.to_frame()
        encoding = RatingFeatures(self.blocks, date_period=self.period)
        self.features = encoding.fit(ratings, self.data.movies, self.data.users)
        design = self.features.transform(ratings)
        self.extra = [CrossedFields(*pair).fit(design) for pair in self.crosses]
        self.time_windows = RatingWindows().fit(ratings) if self.windows else None
        self._fit(self._encode(ratings), interactions.values)
        return self

    def predict(self, user_ids, item_ids) -> np.ndarray:
        """Predicted ratings of pairs, at the time that the table has for them; shape (n,)."""
        pairs = pd.MultiIndex.from_arrays([user_ids, item_ids])
        times = self.times.loc[pairs].to_numpy()
        frame = pd.DataFrame({"userId": user_ids, "movieId": item_ids, "timestamp": times})
        return self._predict(self._encode(frame))

    def _encode(self, ratings) -> DesignMatrix:
        design = base = self.features.transform(ratings)
        for cross in self.extra:
            design = design.join(cross.transform(base))
        return design.join(self.time_windows.transform(ratings)) if self.windows else design


class Ours(Encoded):
    """The book's machine; windows and crosses have linear weights only."""

    def _fit(self, design, y):
        linear = [name for name in design.field_names if name not in self.blocks]
        settings = {"noise_field": "user", **self.settings}
        self.model = FactorizationMachine(linear_fields=linear, **settings).fit(design, y)

    def _predict(self, design):
        return self.model.predict(design)


class MyFM(Encoded):
    """myFM's Gibbs sampler on the same columns, a group for each field."""

    def _fit(self, design, y):
        passes = self.settings["iterations"]
        self.range = y.min(), y.max()
        self.model = myfm.MyFMRegressor(rank=self.settings["factors"], random_seed=0)
        sizes = np.bincount(design.fields).tolist()
        kept = passes - self.settings["burn_in"]
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            self.model.fit(design.matrix, y, n_iter=passes, n_kept_samples=kept, group_shapes=sizes)

    def _predict(self, design):
        return np.clip(self.model.predict(design.matrix), *self.range)


class XLearn(Encoded):
    """xLearn trained from files; every fit learns anew, and once more when it predicts."""

    def _fit(self, design, y):
        self.train, self.range = (design, y), (y.min(), y.max())
        fit_predict(design, y, design.select(np.arange(1)), **self.settings)

    def _predict(self, design):
        return np.clip(fit_predict(*self.train, design, **self.settings).predictions, *self.range)


def shuffled(data, seed: int = 0):
    """The same films with genres and years dealt out to other films: the control."""
    order = np.random.default_rng(seed).permutation(len(data.movies))
    movies = data.movies.copy()
    for column in ("genres", "year"):
        movies[column] = movies[column].array[order]
    return type(data)(data.name, data.ratings, movies, data.users, data.links, data.synthetic)


def p1_methods() -> list[Method]:
    """Methods for ml-latest-small."""
    data = load_movielens("ml-latest-small")
    control = shuffled(data)
    short = dict(iterations=150, burn_in=50)
    long = dict(iterations=300, burn_in=100)
    ranks = {"factors": [8, 12]}
    rates = {"k": [8, 16], "lr": [0.1, 0.2], "lambda_": [0.0003, 0.001, 0.003]}

    def ours(name, blocks, source=data, grid=ranks, **settings):
        return Method(name, lambda **chosen: Ours(source, blocks, **settings, **chosen), grid)

    def xlearn(name, blocks):
        return Method(name, lambda **chosen: XLearn(data, blocks, epoch=15, **chosen), rates)

    def my(name, blocks, **settings):
        return Method(name, lambda **chosen: MyFM(data, blocks, **settings, **chosen), ranks)

    return [
        xlearn("xLearn FM: user, film", ("user", "item")),
        xlearn("xLearn FM: + genres, year of release", FILM),
        xlearn("xLearn FM: + date of rating", ALL),
        my("myFM: user, film", ("user", "item"), **short),
        my("myFM: + genres, year of release", FILM, **short),
        my("myFM: + date of rating", ALL, **short),
        ours("FM: user, film", ("user", "item"), **short),
        ours("FM: + genres, year of release", FILM, **short),
        ours("FM: the same, genres and years shuffled across films", FILM, control, **short),
        ours("FM: + date of rating", ALL, **short),
        ours("FM: the same, one noise for all users", ALL, noise_field=None, **short),
        ours(
            "FM by ALS: the same",
            ALL,
            solver="als",
            noise_field=None,
            iterations=25,
            linear_regularization=4.0,
            grid={"factors": [4, 8], "regularization": [10.0, 15.0, 20.0]},
        ),
        ours("FM: + windows of time", ALL, windows=True, **short),
        ours(
            "FM: + crosses, longer (best recipe)",
            ALL,
            windows=True,
            crosses=CROSSES,
            grid={"factors": [10, 20]},
            **long,
        ),
    ]


def p2_methods() -> list[Method]:
    """Methods for the five folds of ml-100k."""
    data = load_movielens("ml-100k")
    short, long = dict(iterations=150, burn_in=50), dict(iterations=300, burn_in=100)
    ranks = {"factors": [8, 12]}

    def ours(name, blocks, **settings):
        return Method(name, lambda **chosen: Ours(data, blocks, **settings, **chosen), ranks)

    return [
        Method(
            "myFM: + demographics, genres, years, date",
            lambda **s: MyFM(data, (*ALL, *PEOPLE), **short, **s),
            ranks,
        ),
        ours("FM: user, film", ("user", "item"), **short),
        ours("FM: + age, gender, occupation", ("user", "item", *PEOPLE), **short),
        ours("FM: + genres, years, date", (*ALL, *PEOPLE), **short),
        ours("FM: the same, date by day", (*ALL, *PEOPLE), period="day", **short),
        ours("FM: + windows of time, longer (best recipe)", (*ALL, *PEOPLE), windows=True, **long),
    ]


def main() -> None:
    """Run both tables and write them to ``results/rating_prediction_fm.md``."""
    p1 = run(p1_methods(), one_split())
    p2 = run(p2_methods(), five_folds())
    packages = ("numpy", "scipy", "numba", "myfm", "xlearn")
    lines = [
        "# Rating prediction by factorization machines",
        "",
        "## ml-latest-small, a random fifth held out: RMSE over all 20,168 test rows",
        "",
        as_markdown(p1),
        "",
        "## ml-100k, mean of five shuffled folds",
        "",
        as_markdown(p2),
        "",
        "Settings chosen on a fifth of the (first) training part. Intervals over users in the first table,",
        "over folds in the second. Fit: encoding included, compilation not; for xLearn its files and child",
        "process too. One thread.",
        "",
        ", ".join(f"{name} {version(name)}" for name in packages) + ".",
    ]
    (RESULTS / "rating_prediction_fm.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
