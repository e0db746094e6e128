"""One round of implicit ALS and exact top-20 lists, ours against the implicit library, on synthetic data.

810,000 interactions of 30,000 users with 41,000 items, both heavy-tailed, 64 factors, single precision, two threads.
Contenders take turns within each repeat, and a ratio is the median over the repeats of the ratio within one. Processor
time is reported beside wall time: on a machine that does other work as well, it is the steadier of the two.

Run with ``python -m benchmarks.implicit_speed``; writes ``benchmarks/results/implicit_speed.md``.
"""
from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path

import implicit
import numba
import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys_utils.models import ImplicitALS
from recsys_utils.models.implicit_als import _objective, _Side
from recsys_utils.topn import top_n_products

RESULTS = Path(__file__).parent / "results" / "implicit_speed.md"
N_USERS, N_ITEMS, N_PAIRS = 30_000, 41_000, 810_000
FACTORS, ALPHA, REGULARIZATION, N_BEST = 64, 10.0, 10.0, 20
ROUNDS, REPEATS = 3, 5
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
    settings = ImplicitALS(factors=FACTORS, alpha=ALPHA, regularization=REGULARIZATION, dtype="float32")
    by_user = _Side(counts.copy(), settings)
    by_item = _Side(by_user.extra.T.tocsr(), settings, scaled=True)
    confidence = by_user.extra.astype(np.float32)
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
        for _ in range(ROUNDS):
            users = by_user.solve(items, users, cg_steps)
            items = by_item.solve(users, items, cg_steps)
        return users, items

    def batched():
        users, items = start_users, start_items
        for _ in range(ROUNDS):
            users = solve_rows_batched(by_user.extra, items, REGULARIZATION, users)
            items = solve_rows_batched(by_item.extra, users, REGULARIZATION, items)
        return users, items

    contenders = {
        "implicit, 3 steps of conjugate gradients": library,
        "ours, 2 steps": lambda: package(2),
        "ours, 3 steps": lambda: package(3),
        "ours, exact": lambda: package(0),
        "ours, 3 steps, readable NumPy": batched,
    }
    package(0), package(1)  # compile
    table, (users, items) = race(contenders, lambda pair: _objective(by_user, by_item, *pair), "loss")
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


def markdown(table: pd.DataFrame, last: str) -> list[str]:
    """The table's lines."""
    formats = ["{}", "{:.2f}", "{:.2f}", "{:.2f}", "{:.2f}", last]
    lines = ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(f.format(x) for f, x in zip(formats, row, strict=True)) + " |")
    return [*lines, ""]


def main() -> None:
    """Run both studies and write the tables."""
    numba.set_num_threads(THREADS)
    als, users, items, counts = rounds()
    lists = top_lists(users, items, counts)
    lines = [
        "# Speed of implicit ALS and of exact top-N", "",
        f"Written by `python -m benchmarks.implicit_speed`: {len(counts.data):,} interactions, {N_USERS:,} users ×",
        f"{N_ITEMS:,} items, {FACTORS} factors, {THREADS} threads, {REPEATS} repeats; implicit {version('implicit')}, "
        f"numba {numba.__version__}, {platform.machine()}.", "",
        "## One round over both sides", "", *markdown(als, "{:,.0f}"),
        f"Loss after {ROUNDS} rounds from the same start; lower is better.", "",
        f"## Top-{N_BEST} lists of all users, seen items left out", "", *markdown(lists, "{:.2%}"),
    ]
    RESULTS.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
