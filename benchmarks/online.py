"""From click to list: how long a fold-in, a search and the storing of the new list take.

Run with ``python -m benchmarks.online`` (a minute on an idle machine; ``--tiny`` for a rehearsal); writes
``benchmarks/results/online.md``.
"""
from __future__ import annotations

import os
import tempfile
import time

import implicit
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks._results import TINY, markdown, write_results
from recsys_utils import Interactions, load_movielens
from recsys_utils.models import ImplicitALS
from recsys_utils.serving import LMDBStore, encode, popular_items, precompute

FACTORS, ALPHA, REGULARIZATION = 64, 4.4, 40.0
CLICKS = 200 if TINY else 5_000


def contenders(model: ImplicitALS, data: Interactions, store: LMDBStore) -> tuple[dict, int]:
    """Functions of the number of a user, and how many users there are: those with about 100 films."""
    confidence = data.matrix.astype(np.float32)
    confidence.data = 1 + np.float32(ALPHA) * confidence.data
    library = implicit.als.AlternatingLeastSquares(
        factors=FACTORS, regularization=REGULARIZATION, alpha=1.0, num_threads=1
    )
    library.user_factors, library.item_factors = model.user_factors_.copy(), model.item_factors_
    rows = np.argsort(np.abs(np.diff(confidence.indptr) - 100), kind="stable")[:50]
    users, alone = data.user_ids[rows].tolist(), [confidence[row] for row in rows]
    histories, today = [data.history(user) for user in users], {}

    def store_list(user, ids, scores):
        today[user] = encode([model.rows_of_items(ids)], [scores], data.n_items)[0]

    def click(number: int) -> None:
        store.get(users[number])  # last night's list, in case something fails
        store_list(users[number], *model.recommend_for(*histories[number], n=10))

    def library_click(number: int) -> None:
        library.partial_fit_users(rows[number : number + 1], alone[number])
        library.recommend(rows[number], alone[number], N=10)

    lists = [model.recommend_for(*history, n=10) for history in histories]
    return {
        "click to stored list": click,
        "fold-in and search: `recommend_for`": lambda number: model.recommend_for(*histories[number], n=10),
        "fold-in alone: `fold_in`": lambda number: model.fold_in(*histories[number]),
        "last night's list: `store.get`": lambda number: store.get(users[number]),
        "record of the new list: `encode`": lambda number: store_list(users[number], *lists[number]),
        "implicit: `partial_fit_users`, `recommend`": library_click,
        "implicit: `recalculate_user`": lambda number: library.recalculate_user(rows[number], alone[number]),
    }, len(users)


def taking_turns(work: dict, n_users: int) -> pd.DataFrame:
    """Percentiles of each, in microseconds, the contenders in another order each time."""
    rng, names = np.random.default_rng(0), list(work)
    times = {name: [] for name in names}
    for name in names:
        work[name](0)  # compile
    for number in rng.integers(n_users, size=CLICKS).tolist():
        for name in rng.permutation(names).tolist():
            began = time.perf_counter()
            work[name](number)
            times[name].append(time.perf_counter() - began)
    rows = {name: 1e6 * np.quantile(times[name], [0.5, 0.99, 0.999]) for name in names}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["p50, µs", "p99, µs", "p99.9, µs"])
    return table.rename_axis("part")


def main() -> None:
    """Time the parts and write the table."""
    data = Interactions.from_frame(load_movielens("ml-latest-small").ratings)
    settings = {"factors": FACTORS, "alpha": ALPHA, "regularization": REGULARIZATION, "dtype": "float32"}
    with threadpool_limits(1, user_api="blas"), tempfile.TemporaryDirectory() as folder, LMDBStore(folder) as store:
        model = ImplicitALS(**settings).fit(data)
        writer = store.begin(data.item_ids, popular_items(data))
        for batch in precompute(model, n=100):
            writer.write(*batch)
        writer.commit()
        table = taking_turns(*contenders(model, data, store))
    p50 = table["p50, µs"]
    ratio = p50["fold-in alone: `fold_in`"] / p50["implicit: `recalculate_user`"]
    write_results(
        "online", "From click to list",
        f"ml-latest-small, {data.n_items:,} films, {FACTORS} factors, histories of about 100 films, lists of ten, one "
        f"thread, {CLICKS:,} clicks, the parts taking turns in random order.",
        markdown(table, ".0f"),
        f"The machine's load average was {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; above one for each, "
        "the times, and the high percentiles most of all, tell of the other processes. "
        f"`fold_in` takes {ratio:.2f} × the time of `recalculate_user`, which is given its matrix ready-made.",
        packages=("implicit", "lmdb", "numba", "numpy"),
    )


if __name__ == "__main__":
    main()
