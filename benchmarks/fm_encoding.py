"""Time to a factorization machine's design matrix: the row-wise loop of popular tutorials against ours.

All contenders encode user, film, age group (where the data set has users) and genres of every rating.
The loop is timed on an evenly spaced sample of the rows and scaled to all of them; each of its rows
costs the same. The others are timed on all rows, learning the columns included.

Run with ``python -m benchmarks.fm_encoding``; writes ``benchmarks/results/fm_encoding.md``.
"""
from __future__ import annotations

import statistics
import time

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.preprocessing import MultiLabelBinarizer, OneHotEncoder

from benchmarks._results import markdown, write_results
from recsys_utils.datasets import load_movielens
from recsys_utils.features import RatingFeatures

N_LOOP_ROWS = 4_000
N_REPEATS = 7


def row_wise_loop(ratings, movies, users) -> list[str]:
    """One text line a rating, each film and user looked up by scanning its table."""
    lines = []
    for _, rating in ratings.iterrows():
        film = movies[movies["movieId"] == rating["movieId"]].iloc[0]
        entries = [f"0:{rating['userId']}", f"1:{rating['movieId']}"]
        if users is not None:
            user = users[users["userId"] == rating["userId"]].iloc[0]
            entries.append(f"2:{user['age_group']}")
        entries += [f"{1000 + place}:1" for place, _ in enumerate(film["genres"])]
        lines.append(" ".join([str(rating["rating"]), *entries]))
    return lines


def scikit_learn(ratings, movies, users) -> sparse.csr_matrix:
    """The same columns as ours from scikit-learn's encoders, films and users joined by pandas."""
    blocks = [OneHotEncoder().fit_transform(ratings[["userId", "movieId"]])]
    if users is not None:
        ages = users.set_index("userId")["age_group"].reindex(ratings["userId"]).to_numpy()
        blocks.append(OneHotEncoder().fit_transform(ages[:, None]))
    genres = movies.set_index("movieId")["genres"].reindex(ratings["movieId"])
    blocks.append(MultiLabelBinarizer(sparse_output=True).fit_transform(genres))
    return sparse.hstack(blocks, format="csr")


def rating_features(ratings, movies, users) -> sparse.csr_matrix:
    """Ours: columns learnt and rows encoded."""
    blocks = ("user", "item", *([] if users is None else ["age_group"]), "genres")
    return RatingFeatures(blocks).fit(ratings, movies, users).transform(ratings).matrix


def seconds(work, *arguments) -> float:
    """Processor seconds of one call: all of this is one thread, and a busy machine does not change them."""
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def measure(name: str) -> list[dict]:
    """Rows of the results table for one data set."""
    data = load_movielens(name)
    ratings, movies, users = data.ratings, data.movies, data.users
    ours, theirs = rating_features(ratings, movies, users), scikit_learn(ratings, movies, users)
    if ours.shape != theirs.shape or (ours != theirs).nnz:
        raise AssertionError(f"{name}: the design matrices differ")  # no use in timing different work
    sample = ratings.iloc[np.linspace(0, len(ratings) - 1, min(N_LOOP_ROWS, len(ratings))).astype(int)]
    loop = seconds(row_wise_loop, sample, movies, users) * len(ratings) / len(sample)
    rows = [{"encoder": "row-wise loop (scaled from a sample)", "seconds": loop}]
    times = {"scikit-learn encoders": [], "RatingFeatures": []}
    for _ in range(N_REPEATS):
        times["scikit-learn encoders"].append(seconds(scikit_learn, ratings, movies, users))
        times["RatingFeatures"].append(seconds(rating_features, ratings, movies, users))
    rows += [{"encoder": encoder, "seconds": statistics.median(found)} for encoder, found in times.items()]
    label = f"{data.name}, synthetic" if data.synthetic else data.name
    columns = {"data": f"{label} ({len(ratings):,} rows, {ours.nnz / len(ratings):.1f} entries each)"}
    return [columns | row | {"times as fast as the loop": loop / row["seconds"]} for row in rows]


def main() -> None:
    """Measure and write the table."""
    table = pd.DataFrame([row for name in ("ml-100k", "ml-latest-small") for row in measure(name)])
    write_results(
        "fm_encoding",
        "Design matrix for factorization machines",
        markdown(table, {"seconds": ".3f", "times as fast as the loop": ",.1f"}),
        f"Processor seconds, one thread. The loop is timed on {N_LOOP_ROWS:,} rows and scaled to all; the others are "
        f"the median of {N_REPEATS} runs on all rows, learning the columns and writing them out included, and give "
        "equal matrices.",
        packages=("numpy", "scipy", "pandas", "scikit-learn"),
    )


if __name__ == "__main__":
    main()
