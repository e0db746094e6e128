"""Fit the model of the live recommender and write it where the page finds it: ``make live``.

The page ``book/live.md`` folds its visitor in by itself, so it needs the item factors and nothing else of an
:class:`~recsys_utils.models.ImplicitALS`. They are fitted to those films of ml-latest-small that have enough ratings,
with the settings that the search recorded for iALS, turned to their principal axes and kept as 16-bit integers with one
scale a factor. Neither a rating nor a user's vector is written.
"""
from __future__ import annotations

import base64

import numpy as np
from _ext import live_file

from recsys_utils import Interactions
from recsys_utils.book import contender, film_names, reader_id
from recsys_utils.datasets import MovieLens, load_movielens
from recsys_utils.models import ImplicitALS

LEAST_RATINGS = 15
LEVELS = 2**15 - 1
N_STARTERS, N_FAMOUS, APART = 24, 150, 0.75
N_FAVOURITES = 8


def fit(movielens: MovieLens) -> tuple[ImplicitALS, Interactions]:
    """The model, and the ratings of films with at least `LEAST_RATINGS` that it was fitted to."""
    ratings = movielens.ratings
    counts = ratings["movieId"].map(ratings["movieId"].value_counts())
    data = Interactions.from_frame(ratings[counts >= LEAST_RATINGS])
    # The settings are those of ml-100k, where 32 factors won; on ml-latest-small 256 did, more than a page should load.
    # Solved exactly, in double precision: it is done once.
    model = contender("ml-100k", "lists", "iALS", solver="exact", dtype="float64", n_threads=1)
    return model.fit(data), data


def principal_axes(model: ImplicitALS) -> np.ndarray:
    """The rotation, shape (factors, factors), that makes the Gram matrix diagonal, its largest entry first.

    Each axis points to where most of the films lie.
    """
    _, basis = np.linalg.eigh(model.gram_)
    basis = basis[:, ::-1]
    return basis * np.where((model.item_factors_ @ basis).sum(axis=0) < 0, -1, 1)


def quantised(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors as whole numbers up to `LEVELS` in size, and the unit of each column."""
    units = np.abs(vectors).max(axis=0) / LEVELS
    return np.rint(vectors / units).astype("<i2"), units


def starters(vectors: np.ndarray, counts: np.ndarray) -> list[int]:
    """Rows of famous films that differ: down the list of the most rated, none too close to one before.

    Closeness is the cosine of the vectors without the first axis, which is little else than fame.
    """
    taste = vectors[:, 1:] / np.linalg.norm(vectors[:, 1:], axis=1, keepdims=True)
    order = np.argsort(-counts, kind="stable")[:N_FAMOUS]
    chosen: list[int] = []
    for row in order:
        if len(chosen) < N_STARTERS and (not chosen or (taste[chosen] @ taste[row]).max() < APART):
            chosen.append(int(row))
    return chosen


def page_model(movielens: MovieLens) -> dict:
    """What the page reads: settings, ids and titles, quantised factors, and where to start.

    ``factors`` holds the numbers column by column in base64, ``units`` the unit of each column, ``average`` the mean
    user vector. Films are named by row: ``popularity`` from the most rated down, ``starters`` to choose from,
    ``reader`` what our reader likes, and ``example`` the list of our reader, shown where there is no JavaScript.
    """
    model, data = fit(movielens)
    rotation = principal_axes(model)
    vectors = model.item_factors_ @ rotation
    numbers, units = quantised(vectors)
    counts = np.bincount(data.item_rows, minlength=data.n_items)
    ids, stars = data.history(reader_id(data))
    rows = data.rows_of_items(ids)
    # The films that the book's pages show: our reader's favourites, the best known first. No star is kept.
    favourites = rows[np.lexsort((rows, -counts[rows], -stars))][:N_FAVOURITES]
    liked = data.item_ids[favourites]
    example, _ = model.recommend_for(liked, np.full(len(liked), 5.0), n=10)
    return {
        "format": 1,
        "settings": {
            "alpha": model.alpha, "regularization": model.regularization, "values": model.values,
            "frequency_exponent": model.frequency_exponent, "mean_confidence": round(model.mean_confidence_, 6),
        },
        "ids": data.item_ids.tolist(),
        "titles": film_names(data.item_ids, movielens.movies),
        "popularity": np.argsort(-counts, kind="stable").tolist(),
        "units": [float(f"{unit:.9g}") for unit in units],
        "factors": base64.b64encode(numbers.T.tobytes()).decode(),
        "average": [round(float(value), 6) for value in model.user_factors_.mean(axis=0) @ rotation],
        "starters": starters(vectors, counts),
        "reader": favourites.tolist(),
        "example": data.rows_of_items(example).tolist(),
    }


def vectors_of(model: dict) -> np.ndarray:
    """The factors of :func:`page_model` as numbers, shape (films, factors)."""
    numbers = np.frombuffer(base64.b64decode(model["factors"]), "<i2").reshape(len(model["units"]), -1).T
    return numbers * np.array(model["units"])


def main() -> None:
    """Fit, and write the file."""
    movielens = load_movielens()
    if movielens.name != "ml-latest-small":
        raise SystemExit("the page wants real films: unset RECSYS_DATASET")
    live_file.write(page_model(movielens))
    print(f"{live_file.MODEL.name}: {live_file.MODEL.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
