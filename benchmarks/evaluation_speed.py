"""nDCG@10 over 600,000 recommendations, ours against other libraries; and its cost against size.

Every contender scores the same lists against the same held-out pairs, in random order, and must give the
same value. What each starts from is part of its name: the libraries take tables or dictionaries, ours takes
what a model and a split hand over (an array of lists, and `Interactions`), so the way there from the same two
tables is timed as well.

Run with ``python -m benchmarks.evaluation_speed``; writes ``benchmarks/results/evaluation_speed.md``.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
import warnings

import numba
import numpy as np
import pandas as pd

from benchmarks._results import TINY, markdown, write_results
from recsys_utils import Interactions
from recsys_utils.evaluation import Relevant, judge, ndcg

K = 10
N_USERS = 2_000 if TINY else 60_000
N_ITEMS = 40_000
N_REPEATS = 2 if TINY else 9
SIZES = (20_000,) if TINY else (100_000, 1_000_000, 5_000_000, 25_000_000)


def make(n_users: int, n_items: int, n_test: int, rng=0) -> tuple[np.ndarray, pd.DataFrame]:
    """Lists of K items for every user, and a shuffled table of about `n_test` held-out pairs."""
    rng = np.random.default_rng(rng)
    start = rng.integers(n_items, size=(n_users, 1))
    step = rng.integers(1, n_items // K, size=(n_users, 1))
    lists = (start + step * np.arange(K)) % n_items  # K different items each
    users = np.concatenate([np.arange(n_users), rng.integers(n_users, size=n_test - n_users)])
    items = rng.integers(n_items, size=n_test)
    hit = rng.random(n_test) < 0.1
    items[hit] = lists[users[hit], rng.integers(K, size=hit.sum())]
    table = pd.DataFrame({"user_id": users, "item_id": items}).drop_duplicates()
    return lists, table.sample(frac=1, random_state=0, ignore_index=True)


def ours(lists: np.ndarray, test: Interactions) -> float:
    """Mean nDCG from the lists of a model and the test part of a split."""
    return float(np.mean(ndcg(judge(lists, Relevant.from_interactions(test)), K)))


def processor_seconds(work, *arguments) -> tuple[float, float]:
    """Result and processor seconds of one call."""
    start = time.process_time()
    result = work(*arguments)
    return result, time.process_time() - start


def peers() -> pd.DataFrame:
    """Table of contenders over the same 600,000 recommendations."""
    import ranx
    from recommenders.evaluation import python_evaluation as recommenders
    from rectools import metrics as rectools

    lists, held_out = make(N_USERS, N_ITEMS, 11 * N_USERS)
    test = Interactions.from_frame(held_out, "user_id", "item_id", None)
    reco = pd.DataFrame({
        "user_id": np.repeat(np.arange(N_USERS), K),
        "item_id": lists.ravel(),
        "rank": np.tile(np.arange(1, K + 1), N_USERS),
    })
    names = {"user_id": "userID", "item_id": "itemID"}
    scored = reco.rename(columns=names).assign(prediction=-reco["rank"].astype(float)).drop(columns="rank")
    rated = held_out.rename(columns=names).assign(rating=1.0)

    def from_tables():
        order = np.lexsort((reco["rank"], reco["user_id"]))
        return ours(
            reco["item_id"].to_numpy()[order].reshape(N_USERS, K),
            Interactions.from_frame(held_out, "user_id", "item_id", None),
        )

    def ranx_objects():
        qrels = {str(u): dict.fromkeys(map(str, i), 1) for u, i in held_out.groupby("user_id")["item_id"]}
        run = {str(u): {str(i): float(K - r) for r, i in enumerate(items)} for u, items in enumerate(lists)}
        return ranx.Qrels(qrels), ranx.Run(run)

    (qrels, run), building = processor_seconds(ranx_objects)
    contenders = {
        "ours, from lists and Interactions": lambda: ours(lists, test),
        "RecTools, from two tables": lambda: rectools.NDCG(K, divide_by_achievable=True).calc(reco, held_out),
        "ours, from two tables": from_tables,
        "recommenders, from two tables": lambda: recommenders.ndcg_at_k(rated, scored.copy(), k=K),
        "ranx, from its own objects": lambda: ranx.evaluate(qrels, run, f"ndcg@{K}"),
    }
    values = {name: work() for name, work in contenders.items()}  # compiles what is to be compiled
    if max(values.values()) - min(values.values()) > 1e-9:
        raise AssertionError(f"the contenders disagree: {values}")
    times = {name: [] for name in contenders}
    for _ in range(N_REPEATS):  # taking turns, so that a busy moment of the machine meets all
        for name, work in contenders.items():
            times[name].append(processor_seconds(work)[1])
    table = pd.DataFrame({
        "nDCG@10": values, "seconds": {name: statistics.median(found) for name, found in times.items()}
    })
    table.loc["ranx, building its objects"] = [np.nan, building]
    table = table.rename_axis("contender")
    table["times RecTools' time"] = table["seconds"] / table.loc["RecTools, from two tables", "seconds"]
    return table


def sizes() -> pd.DataFrame:
    """Time and peak memory of ours from 100 thousand to 25 million held-out pairs, ten a user."""
    rows = []
    for n in SIZES:
        lists, held_out = make(n // K, N_ITEMS, n)
        users, items = held_out["user_id"].to_numpy(), held_out["item_id"].to_numpy()
        # Built directly: what is measured is evaluation, not the reading of a table.
        test = Interactions(np.arange(n // K), np.arange(N_ITEMS), users, items, np.ones(len(users)))
        del held_out
        took = statistics.median(processor_seconds(ours, lists, test)[1] for _ in range(3))
        tracemalloc.start()
        ours(lists, test)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append({
            "held-out pairs": len(users), "recommendations": lists.size, "seconds": took,
            "µs a pair": 1e6 * took / len(users), "peak MB": peak / 1e6, "bytes a pair": peak / len(users),
        })
    return pd.DataFrame(rows)


def main() -> pd.DataFrame:
    """Measure, print and write both tables."""
    warnings.filterwarnings("ignore", category=numba.NumbaTypeSafetyWarning)
    table, growth = peers(), sizes()
    write_results(
        "evaluation_speed", "Evaluation: nDCG@10",
        f"{N_USERS * K:,} recommendations, {N_USERS:,} users, {N_ITEMS:,} items.",
        markdown(table, {"nDCG@10": ".6f", "seconds": ".4f", "times RecTools' time": ".3f"}),
        markdown(growth, {
            "held-out pairs": ",", "recommendations": ",", "seconds": ".4f", "µs a pair": ".3f", "peak MB": ".0f",
            "bytes a pair": ".0f",
        }),
        f"Processor seconds, the median of {N_REPEATS} turns (3 in the second table), compilation left out, one "
        "thread. Peak memory is what evaluation takes on top of the lists and the test part.",
        packages=("numpy", "pandas", "numba", "rectools", "recommenders", "ranx"),
    )
    return table


if __name__ == "__main__":
    main()
