"""How far one machine goes, and what Spark's ALS costs on workers that are processes of this machine.

The chapter on scaling out plots what this records in ``results/scaling.json``.

    python -m benchmarks.scaling                   everything; --one-only, --spark-only: that half
    python -m benchmarks.scaling --one 100000      one size on one machine, as a line of JSON (the chapter asks for it)
"""
from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._results import RESULTS, TINY, markdown, write_results
from recsys_utils import Interactions
from recsys_utils.datasets import synthetic_movielens
from recsys_utils.evaluation import Relevant, judge, ndcg
from recsys_utils.models import ImplicitALS
from recsys_utils.spark import spark_cluster
from recsys_utils.split import stratified_holdout

SIZES = (100_000, 316_000, 1_000_000, 3_160_000, 10_000_000, 25_000_000)[: 2 if TINY else None]
FACTORS, ROUNDS, ALPHA, PENALTY = 32, 5, 4.0, 0.05
# interactions, factors, blocks a side; the largest one is kept from the cost model
GRID = (
    (100_000, 32, 4), (316_000, 32, 4), (316_000, 16, 4), (316_000, 64, 4), (316_000, 32, 16), (1_000_000, 32, 8),
    (2_000_000, 32, 8),
)
GRID = GRID[:2] if TINY else GRID
KILLS = 1 if TINY else 5


def shaped(n: int) -> Interactions:
    """Invented ratings with the shape of ml-25m: users in proportion to `n`, films to its square root."""
    share = n / 25_000_095
    users, films = round(162_541 * share), round(59_047 * share**0.5)
    return Interactions.from_frame(synthetic_movielens("ml-25m", n_users=users, n_movies=films, n_ratings=n).ratings)


def peak(begin: bool = False) -> float:
    """Peak memory of this process in bytes, on Linux since the last call with `begin`."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
    if begin:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * float(status.split("VmHWM:")[1].split()[0])


def one_machine(n: int) -> dict:
    """What :func:`steps` finds for `n` once all is compiled."""
    steps(20_000)
    return steps(n)


def steps(n: int) -> dict:
    """Processor seconds and peak bytes of a fit, of everybody's ten best, and of judging these."""
    model = ImplicitALS(factors=FACTORS, alpha=ALPHA, solver="cg", dtype="float32", iterations=ROUNDS, values="binary")
    found = {"interactions": n, "idle": peak(begin=True)}
    split = stratified_holdout(shaped(n), test_size=0.2, rng=0)
    train, test = split.train, split.test
    found["fitted"] = len(train.values)

    def measured(name, work):
        before, start = peak(begin=True), time.process_time()
        result = work()
        found.update({f"{name}, s": time.process_time() - start, f"{name}, bytes": max(before, peak())})
        return result

    measured("fit", lambda: model.fit(train))
    lists, _ = measured("lists", lambda: model.recommend(train.user_ids))
    measured("judging", lambda: ndcg(judge(lists, Relevant.from_interactions(test, train.user_ids)), 10).mean())
    return found | {"users": train.n_users, "items": train.n_items}


def children(sizes=SIZES) -> pd.DataFrame:
    """One child process a size."""
    rows = []
    for n in sizes:
        command = [sys.executable, "-m", "benchmarks.scaling", "--one", str(n)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(run.stdout.splitlines()[-1]))
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def slopes(table: pd.DataFrame) -> dict:
    """Slope of log time, and of log memory beyond what an idle process takes, against log interactions."""
    x = np.log(table["interactions"])
    measured = [c for c in table if c.endswith((", s", ", bytes"))]
    values = {c: table[c] - (table["idle"] if c.endswith("bytes") else 0) for c in measured}
    return {c: float(np.polyfit(x[v > 0], np.log(v[v > 0]), 1)[0]) for c, v in values.items()}


def als(rank: int, blocks: int, rounds: int = ROUNDS, **settings):
    """Spark's estimator as the chapter sets it."""
    from pyspark.ml.recommendation import ALS

    return ALS(
        rank=rank, maxIter=rounds, regParam=PENALTY, alpha=ALPHA, numUserBlocks=blocks, numItemBlocks=blocks, seed=1,
        **{"implicitPrefs": True, **settings},
    )


def spark_study() -> dict[str, pd.DataFrame]:
    """Workers killed in the middle of fits; the grid on two workers, then on the one that is left.

    Java compiles what is used, and is slow until it has. The first fits warm the driver and the worker that is new, and
    :func:`timed` fits each setting once before the fit that counts, for both numbers of workers.
    """
    data = {n: shaped(n) for n, _, _ in GRID}
    with spark_cluster(2) as cluster:
        tables = {n: cluster.table(d.with_values(np.ones(len(d.values))), str(n)).cache() for n, d in data.items()}
        kills = [killed(cluster, tables[GRID[0][0]]) for _ in range(KILLS)]
        for _ in range(1 if TINY else 4):
            als(32, 4).fit(tables[GRID[0][0]])
        runs = [timed(cluster, tables[n], data[n], *how) for n, *how in GRID]
        cluster.workers[0].kill()
        runs += [timed(cluster, tables[n], data[n], *how) for n, *how in GRID]
    return {"spark": pd.DataFrame(runs), "killed": pd.DataFrame(kills)}


def timed(cluster, table, data: Interactions, rank: int, blocks: int) -> dict:
    """The second of two fits of implicit ALS with the same settings; the first one is for Java to compile.

    ``path`` is the driver's processor time plus, in each stage, that of the worker who had most to do. The sum leaves
    out waiting, but not what others do to caches and clock rates; and it counts the driver as if it never worked beside
    the workers, which it does, so that with one worker it can exceed the wall time.
    """
    table.count()
    als(rank, blocks).fit(table)
    time.sleep(0.5)  # the log is written behind the work
    first, start, driver = len(cluster.tasks()), time.perf_counter(), cluster.driver_seconds()
    als(rank, blocks).fit(table)
    seconds, driver = time.perf_counter() - start, cluster.driver_seconds() - driver
    time.sleep(0.5)
    tasks = cluster.tasks().iloc[first:]
    longest = tasks.groupby(["stage", "executor"])["cpu_seconds"].sum().groupby("stage").max()
    found = {
        "interactions": len(data.values), "users": data.n_users, "items": data.n_items, "rank": rank, "blocks": blocks,
        "workers": tasks["executor"].nunique(), "wall": seconds, "driver": driver,
        "workers, s": tasks["cpu_seconds"].sum(), "path": driver + longest.sum(), "stages": tasks["stage"].nunique(),
        "tasks": len(tasks), "shuffled": int(tasks["written"].sum()), "moved": int(tasks["read_from_others"].sum()),
    }
    print(found, flush=True)
    return found


def killed(cluster, table) -> dict:
    """A worker dies in the middle of a fit: how far its factors are from those of an undisturbed one. It comes back."""
    def fit():
        return factors(als(16, 4, 8, checkpointInterval=3).fit(table))

    before = len(cluster.tasks())
    whole = fit()
    begun = len(cluster.tasks())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(fit)
        while len(cluster.tasks()) < begun + 0.4 * (begun - before):
            time.sleep(0.1)
        early = not running.done()
        cluster.workers[0].kill()
        disturbed = running.result()
    cluster.workers[0].start()
    largest = max(np.abs(a - b).max() for a, b in zip(whole, disturbed, strict=True))
    found = {"killed before the end": early, "largest difference": float(largest)}
    print(found, flush=True)
    return found


def factors(model) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of users and of items in the order of their rows."""
    return tuple(
        np.array([row.features for row in frame.orderBy("id").collect()])
        for frame in (model.userFactors, model.itemFactors)
    )


def main() -> None:
    """Run what the command line names and write the tables."""
    if "--one" in sys.argv:
        print(json.dumps(one_machine(int(sys.argv[sys.argv.index("--one") + 1]))))
        return
    path = RESULTS / "scaling.json"
    kept = json.loads(path.read_text("utf8")) if path.exists() else {}
    if "--spark-only" not in sys.argv:
        kept["one"] = children().to_dict("list")
    if "--one-only" not in sys.argv:
        kept |= {name: table.to_dict("list") for name, table in spark_study().items()}
    if not TINY:
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf8")
    one, spark, kills = (pd.DataFrame(kept[name]) for name in ("one", "spark", "killed"))
    shown = one[["interactions", "users", "items"]].copy()
    for name in ("fit", "lists", "judging"):
        shown[f"{name}, s"], shown[f"{name}, MB"] = one[f"{name}, s"], one[f"{name}, bytes"] / 1e6
    formats = {c: ".2f" if c.endswith(", s") else ",.0f" for c in shown}
    slope = pd.Series(slopes(one), name="slope").rename_axis("quantity").to_frame()
    write_results(
        "scaling", "Scaling: one machine, and Spark's workers",
        f"Implicit ALS, {FACTORS} factors, {ROUNDS} rounds; invented interactions with the shape of ml-25m.",
        "## One machine, one process a size: processor time and peak memory of each step", markdown(shown, formats),
        "## Slopes of the logarithms against that of interactions", markdown(slope, ".2f"),
        "## Spark, the second of two fits each",
        markdown(spark, {c: ".2f" for c in ("wall", "driver", "workers, s", "path")}),
        "Seconds of wall time, of the driver's processor time, of the workers', and, as `path`, the sum of the "
        "driver's and, in each stage, the busiest worker's. The sum leaves out waiting, and counts the driver as if it "
        "never worked beside the workers, which it does. Workers are processes that share the two "
        "cores of this machine with the driver and with others. Bytes are those of all shuffles, and those that a "
        "worker read from the other.",
        "## A worker killed in the middle of a fit", markdown(kills, ".1e"),
        packages=("numba", "numpy", "pyspark"),
    )


if __name__ == "__main__":
    main()
