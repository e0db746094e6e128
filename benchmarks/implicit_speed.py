"""Implicit ALS and exact top-N, ours against the implicit library: a round, lists for all users, one user's request.

Rounds and lists: 810,000 synthetic interactions of 30,000 users with 41,000 items, both heavy-tailed, 64 factors,
single precision, two threads. Requests: a model of ml-latest-small (9,724 films), one thread. Contenders take turns
within each repeat, and a ratio is the median over the repeats of the ratio within one. Processor time is reported
beside wall time: on a machine that does other work as well, it is the steadier of the two.

Run with ``python -m benchmarks.implicit_speed``; writes ``benchmarks/results/implicit_speed.md``.
"""
from __future__ import annotations

import time

import implicit
import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks._results import TINY, markdown, write_results
from recsys_utils import Interactions
from recsys_utils.compiled import workers
from recsys_utils.datasets import load_movielens
from recsys_utils.models import ImplicitALS
from recsys_utils.models.implicit_als import solve_side
from recsys_utils.topn import top_n_products

SCALE = 50 if TINY else 1
N_USERS, N_ITEMS, N_PAIRS = 30_000 // SCALE, 41_000 // SCALE, 810_000 // SCALE
FACTORS, ALPHA, REGULARIZATION, N_BEST = 64, 10.0, 10.0, 20
ROUNDS, REPEATS, REQUESTS = 3, 5, 300
THREADS = 2


def synthetic(rng=0) -> sparse.csr_matrix:
    """Counts from 1 up; users' activity is log-normal, items' popularity a power law."""
    rng = np.random.default_rng(rng)
    activity = rng.lognormal(0, 1.2, N_USERS)
    popularity = (np.arange(N_ITEMS) + 10.0) ** -0.9
    draws = int(1.35 * N_PAIRS)
    users = rng.choice(N_USERS, draws, p=activity / activity.sum())
    items = rng.choice(N_ITEMS, draws, p=popularity / popularity.sum())
    pairs = np.sort(rng.permutation(np.unique(users * N_ITEMS + items))[:N_PAIRS])
    counts = rng.geometric(0.4, len(pairs)).astype(np.float64)
    return sparse.csr_matrix((counts, (pairs // N_ITEMS, pairs % N_ITEMS)), shape=(N_USERS, N_ITEMS))


def solve_rows_batched(extra, Y, regularization, X, steps=3):
    """The readable NumPy version of chapter 6: rows with equally many filled cells take their steps together."""
    L = np.linalg.cholesky(Y.T @ Y + regularization * np.eye(Y.shape[1])).astype(Y.dtype)
    L_inverse = np.linalg.inv(L)
    V, T = Y @ L_inverse.T, X @ L
    lengths = np.diff(extra.indptr)
    for n in np.unique(lengths):
        group = np.flatnonzero(lengths == n)
        for rows in np.array_split(group, len(group) * n // 8000 + 1):  # pieces that fit into the cache
            cells = extra.indptr[rows][:, None] + np.arange(n)
            v, d = V[extra.indices[cells]], extra.data[cells].astype(Y.dtype)[:, :, None]
            vt, t = v.transpose(0, 2, 1), T[rows][:, :, None]
            r = vt @ (1 + d - d * (v @ t)) - t
            p, norm = r, (r**2).sum(axis=1, keepdims=True)
            for _ in range(steps):
                q = p + vt @ (d * (v @ p))
                step = norm / np.maximum((p * q).sum(axis=1, keepdims=True), 1e-30)
                t, r = t + step * p, r - step * q
                before, norm = norm, (r**2).sum(axis=1, keepdims=True)
                p = r + norm / np.maximum(before, 1e-30) * p
            T[rows] = t[:, :, 0]
    return T @ L_inverse


def timed(work):
    """Result, wall seconds and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def rounds() -> tuple[pd.DataFrame, np.ndarray, np.ndarray, sparse.csr_matrix]:
    """Times of a round and the loss after ROUNDS; and the factors for the second study."""
    counts = synthetic()
    users, items = counts.nonzero()
    data = Interactions(np.arange(N_USERS), np.arange(N_ITEMS), users, items, counts.data)
    model = ImplicitALS(factors=FACTORS, alpha=ALPHA, regularization=REGULARIZATION, dtype="float32")
    by_user, by_item, _ = model.sides(data)
    extra = ALPHA * counts
    confidence = extra.astype(np.float32)
    confidence.data += 1
    rng = np.random.default_rng(1)
    start_users = rng.random((N_USERS, FACTORS), dtype=np.float32) * 0.01
    start_items = rng.random((N_ITEMS, FACTORS), dtype=np.float32) * 0.01

    def library():
        model = implicit.als.AlternatingLeastSquares(
            factors=FACTORS, regularization=REGULARIZATION, iterations=ROUNDS, num_threads=THREADS
        )
        model.user_factors, model.item_factors = start_users.copy(), start_items.copy()
        model.fit(confidence, show_progress=False)
        return model.user_factors, model.item_factors

    def package(cg_steps):
        users, items = start_users, start_items
        with workers(THREADS) as deal:
            for _ in range(ROUNDS):
                users = solve_side(by_user, items, users, cg_steps, deal)
                items = solve_side(by_item, users, items, cg_steps, deal)
        return users, items

    extra_of_items = extra.T.tocsr()

    def batched():
        users, items = start_users, start_items
        for _ in range(ROUNDS):
            users = solve_rows_batched(extra, items, REGULARIZATION, users)
            items = solve_rows_batched(extra_of_items, users, REGULARIZATION, items)
        return users, items

    contenders = {
        "implicit, 3 steps of conjugate gradients": library,
        "ours, 2 steps": lambda: package(2),
        "ours, 3 steps": lambda: package(3),
        "ours, exact": lambda: package(0),
        "ours, 3 steps, readable NumPy": batched,
    }
    package(0), package(1)  # compile
    table, (users, items) = race(contenders, lambda pair: model.objective(data, *pair), "loss")
    table[["wall, s", "processor, s"]] /= ROUNDS
    return table, users, items, counts


def race(contenders, measure, name) -> tuple[pd.DataFrame, object]:
    """Let contenders take turns; returns their times, ratios to the first, and what the last one found."""
    walls, cpus, values, kept = ({key: [] for key in contenders}, {key: [] for key in contenders}, {}, None)
    for _ in range(REPEATS):
        for key, work in contenders.items():
            with threadpool_limits(1, user_api="blas"):  # as the library asks for and our models do themselves
                result, wall, cpu = timed(work)
            walls[key].append(wall)
            cpus[key].append(cpu)
            values[key] = measure(result)
            kept = result
    first = next(iter(contenders))
    rows = [
        {
            "": key, "wall, s": np.median(walls[key]), "processor, s": np.median(cpus[key]),
            "ratio, wall": np.median(np.divide(walls[key], walls[first])),
            "ratio, processor": np.median(np.divide(cpus[key], cpus[first])), name: values[key],
        }
        for key in contenders
    ]
    return pd.DataFrame(rows), kept


def top_lists(users, items, counts) -> pd.DataFrame:
    """Top-20 lists of all users, seen items left out, for trained vectors and for random ones."""
    seen = counts.astype(np.float32)
    rng = np.random.default_rng(2)
    random = (rng.normal(size=users.shape).astype(np.float32), rng.normal(size=items.shape).astype(np.float32))
    tables = []
    for vectors, (x, y) in {"trained": (users, items), "random (nothing to skip)": random}.items():
        model = implicit.als.AlternatingLeastSquares(factors=FACTORS, num_threads=THREADS)
        model.user_factors, model.item_factors = x, y
        reference, _ = model.recommend(np.arange(N_USERS), seen, N=N_BEST)

        def same(ids, reference=reference):
            return float((np.sort(ids) == np.sort(reference)).all(axis=1).mean())

        contenders = {
            "implicit": lambda m=model: m.recommend(np.arange(N_USERS), seen, N=N_BEST)[0],
            "ours": lambda x=x, y=y: top_n_products(x, y, N_BEST, seen.indptr, seen.indices)[0],
        }
        top_n_products(x[:600], y, N_BEST, seen.indptr[:601], seen.indices)  # compile
        table, _ = race(contenders, same, "users with the same set")
        table[""] = table[""] + ", " + vectors + " vectors"
        tables.append(table)
    return pd.concat(tables)


def requests() -> pd.DataFrame:
    """One user's fold-in and list: medians over users with about 100 films, contenders taking turns."""
    data = Interactions.from_frame(load_movielens("ml-latest-small").ratings)
    model = ImplicitALS(factors=FACTORS, alpha=ALPHA, regularization=REGULARIZATION, dtype="float32").fit(data)
    confidence = data.matrix.astype(np.float32)
    confidence.data = 1 + np.float32(ALPHA) * confidence.data
    library = implicit.als.AlternatingLeastSquares(
        factors=FACTORS, regularization=REGULARIZATION, alpha=1.0, num_threads=1
    )
    library.user_factors, library.item_factors = model.user_factors_, model.item_factors_
    lengths = np.diff(confidence.indptr)
    rows = np.argsort(np.abs(lengths - 100), kind="stable")[:30]
    users, alone = data.user_ids[rows], [confidence[row] for row in rows]
    histories = [data.history(user) for user in users]
    contenders = {
        "implicit, `recalculate_user`": lambda r: library.recalculate_user(rows[r], alone[r]),
        "ours, `fold_in`": lambda r: model.fold_in(*histories[r]),
        "implicit, `recommend`": lambda r: library.recommend(rows[r], alone[r], N=10),
        "ours, `recommend`": lambda r: model.recommend(users[r], n=10),
        "ours, `recommend_for` (both)": lambda r: model.recommend_for(*histories[r], n=10),
    }
    with threadpool_limits(1, user_api="blas"):
        table = taking_turns(contenders, len(rows))
    peers = np.array([0, 0, 2, 2, 0])
    table["ratio"] = table["median, µs"].to_numpy() / table["median, µs"].to_numpy()[peers]
    table.loc[4, "ratio"] = table["median, µs"][4] / table["median, µs"][[0, 2]].sum()
    return table


def taking_turns(contenders, n_questions) -> pd.DataFrame:
    """Median microseconds of one call."""
    times = {name: [] for name in contenders}
    for work in contenders.values():
        work(0)  # compile
    for turn in range(REQUESTS):
        for name, work in contenders.items():
            started = time.perf_counter()
            work(turn % n_questions)
            times[name].append(time.perf_counter() - started)
    return pd.DataFrame({"": list(times), "median, µs": [1e6 * np.median(t) for t in times.values()]})


def main() -> None:
    """Run the studies and write the tables."""
    als, users, items, counts = rounds()
    lists = top_lists(users, items, counts)
    formats = {column: ".2f" for column in als.columns[1:5]}
    write_results(
        "implicit_speed", "Speed of implicit ALS and of exact top-N",
        f"{len(counts.data):,} interactions, {N_USERS:,} users × {N_ITEMS:,} items, {FACTORS} factors, "
        f"{THREADS} threads, {REPEATS} repeats.",
        "## One round over both sides", markdown(als, {**formats, "loss": ",.0f"}),
        f"Loss after {ROUNDS} rounds from the same start; lower is better.",
        f"## Top-{N_BEST} lists of all users, seen items left out",
        markdown(lists, {**formats, "users with the same set": ".2%"}),
        "## One request: ml-latest-small, a history of about 100 films",
        markdown(requests(), {"median, µs": ".0f", "ratio": ".2f"}),
        packages=("implicit", "numba", "numpy"),
    )


if __name__ == "__main__":
    main()
