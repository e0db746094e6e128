"""Ten items out of up to a million: exact and approximate search against the plain product, one thread.

Item vectors are learnt by ImplicitALS (64 factors) on lastfm-2k, or grown from these: each new vector takes the
length and, with some noise, the direction of a learnt one. Queries are vectors of listeners. Settings are chosen on
half of the listeners: the least effort with recall@10 of at least 0.96, or the most there is. The other half is
measured, query by query, all contenders in turn; a ratio is the median over the rounds of the ratio of medians within
one. Processor time.

"Head": only the items with the largest norms, as many as hold 99.5% of the true top tens of the first half.

Run with ``python -m benchmarks.retrieval``; writes ``benchmarks/results/retrieval.md``.
"""
from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
from annoy import AnnoyIndex
from threadpoolctl import threadpool_limits

from benchmarks._results import TINY, markdown, write_results
from recsys_utils import Interactions, load_lastfm, retrieval
from recsys_utils.models import ImplicitALS
from recsys_utils.topn import SortedVectors

N, WANTED, ROUNDS = 10, 0.96, 3 if TINY else 7
SIZES = (20_000,) if TINY else (100_000, 1_000_000)
QUERIES = 100 if TINY else 300
HISTORIES = {"ordinary": 40, "heavy": 400}
EFFORTS = {
    "annoy": [250 * 2**k for k in range(8)], "faiss": [2**k for k in range(9)],
    "voyager": [10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 640],
}


def learnt() -> tuple[np.ndarray, np.ndarray]:
    """Vectors of listeners and of artists."""
    plays = Interactions.from_frame(load_lastfm().counts, item="artistId", value="plays")
    model = ImplicitALS(
        factors=64, alpha=5, values="log", frequency_exponent=1, regularization=60.0, solver="cg", dtype="float32",
        rng=0,
    ).fit(plays)
    return model.user_factors_, model.item_factors_


def grown(items: np.ndarray, n: int, rng=0, noise=0.5) -> np.ndarray:
    """`n` vectors with the lengths and, but for `noise`, the directions of `items`."""
    rng = np.random.default_rng(rng)
    rows = rng.integers(len(items), size=n)
    lengths = np.linalg.norm(items, axis=1)
    new = (items / lengths[:, None])[rows]
    new += np.float32(noise / np.sqrt(items.shape[1])) * rng.standard_normal(new.shape, dtype=np.float32)
    new *= (lengths[rows] * rng.lognormal(0, 0.1, n) / np.linalg.norm(new, axis=1))[:, None].astype(np.float32)
    return new


def recall(found, best) -> np.ndarray:
    """Share of each list of `best` that is in the same row of `found`."""
    return np.array([np.isin(b, f).mean() for f, b in zip(found, best, strict=True)])


def median_time(search, queries) -> float:
    """Median processor time of one query."""
    times = []
    for query in queries:
        start = time.process_time()
        search(query)
        times.append(time.process_time() - start)
    return float(np.median(times))


def sized(index) -> float:
    """Megabytes of the file of an index, without the vectors that are stored beside it for exact scores."""
    with tempfile.TemporaryDirectory() as place:
        index.write(os.path.join(place, "index"))
        return sum(file.stat().st_size for file in Path(place).iterdir()) / 1e6


def chosen_effort(index, backend, queries, best) -> None:
    """Set the least effort that reaches WANTED on the first half, or the most there is."""
    for effort in EFFORTS[backend]:
        index.effort = effort
        if recall(index.search(queries)[0], best).mean() >= WANTED:
            return


def table(vectors, first, second) -> pd.DataFrame:
    """One row a contender: recall, time and ratio on the second half of the listeners."""
    everything = SortedVectors(vectors)
    best = [everything.search(queries, N)[0] for queries in (first, second)]
    place = np.empty(len(vectors), dtype=np.int64)
    place[everything.order] = np.arange(len(vectors))
    reach = int(np.quantile(place[best[0]], 0.995)) + 1
    head = np.sort(everything.order[:reach])
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors[head])
    contenders = {
        "product and argpartition": (lambda q: np.argpartition(-(vectors @ q), N)[:N], 0, 0, None),
        "exact, norms sorted": (lambda q: everything.search(q[None], N)[0][0], 0, 0, None),
        "faiss flat on the head": (lambda q: head[flat.search(q[None], N)[1][0]], 0, 4e-6 * vectors[head].size, None),
    }

    def add(name, backend, rows, **settings):
        start = time.process_time()
        index = retrieval.build(backend, rows, vectors[rows], **settings)
        seconds = time.process_time() - start
        chosen_effort(index, backend, first, best[0])
        contenders[name] = (lambda q: index.search(q)[0], seconds, sized(index), index.effort)

    all_rows = np.arange(len(vectors))
    add("Annoy, its own dot", "annoy", all_rows, native=1)
    add("Annoy, reduction", "annoy", all_rows)
    add("Annoy, reduction, head", "annoy", head)
    add("faiss IVF, reduction", "faiss", all_rows)
    add("faiss IVF, reduction, 8-bit codes", "faiss", all_rows, codes=1)
    add("faiss IVF, reduction, head", "faiss", head)
    add("voyager, longest first, head", "voyager", head)
    if len(vectors) <= 200_000:
        add("voyager, longest first", "voyager", all_rows)
    naive = AnnoyIndex(vectors.shape[1], "angular")
    for row, vector in enumerate(vectors):
        naive.add_item(row, vector)
    naive.set_seed(1)
    naive.build(20, n_jobs=1)
    contenders["Annoy, angular on the raw vectors"] = (lambda q: naive.get_nns_by_vector(q, N, 4000), 0, 0, 4000)

    for search, *_ in contenders.values():
        search(second[0])
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (search, *_) in contenders.items():
            few = second[:20] if name.startswith("product") else second
            times[name].append(median_time(search, few))
    base = np.array(times["product and argpartition"])
    rows = []
    for name, (search, seconds, megabytes, effort) in contenders.items():
        rows.append({
            "search": name, "effort": effort, "recall@10": recall([search(q) for q in second], best[1]).mean(),
            "µs a query": 1e6 * np.median(times[name]), "× the product": np.median(base / times[name]),
            "build, s": seconds or np.nan, "index, MB": megabytes or np.nan,
        })
    result = pd.DataFrame(rows).set_index("search")
    result.attrs["head"] = reach / len(vectors)
    return result


def cut(index, asked, effort=64):
    """Search that asks for more than N and drops seen items afterwards."""

    def search(query, mine):
        index.effort = effort
        found = index.search(query, asked)[0]
        return found[~np.isin(found, mine)][:N]

    return search


def filtered(index, effort):
    """Search that leaves seen items out by itself."""

    def search(query, mine):
        index.effort = effort
        return index.search(query, N, exclude=mine)[0]

    return search


def seen_removed(vectors, users) -> pd.DataFrame:
    """Recall@10 among unseen items, for made-up histories: items with high scores, noisily drawn."""
    rng, everything, rows = np.random.default_rng(5), SortedVectors(vectors), []
    indices = {name: retrieval.build(name, np.arange(len(vectors)), vectors) for name in ("faiss", "voyager", "annoy")}
    exact = retrieval.build("exact", np.arange(len(vectors)), vectors)
    for kind, length in HISTORIES.items():
        pool = everything.search(users, 4 * length)[0]
        scores = np.einsum("uf,uif->ui", users, vectors[pool])
        noisy = scores / scores.std(axis=1, keepdims=True) + rng.gumbel(size=scores.shape)
        histories = [np.sort(p[np.argpartition(-s, length)[:length]]) for p, s in zip(pool, noisy, strict=True)]
        best = exact.search(users, N, exclude=histories)[0]
        contenders = {
            "exact, norms sorted, mask": filtered(exact, 1),
            "voyager, ask for 10, drop seen": cut(indices["voyager"], 10),
            "voyager, ask for 50, drop seen": cut(indices["voyager"], 50),
            "voyager, ask for 10 + history": filtered(indices["voyager"], 64),
            "voyager, ask for 10 + history, effort 512": filtered(indices["voyager"], 512),
            "annoy, ask for 10 + history, effort 8,000": filtered(indices["annoy"], 8000),
            "faiss IVF, filter inside, 32 cells": filtered(indices["faiss"], 32),
            "faiss IVF, filter inside, 64 cells": filtered(indices["faiss"], 64),
            "faiss IVF, filter inside, 128 cells": filtered(indices["faiss"], 128),
        }
        times = {name: [] for name in contenders}
        for _ in range(3):
            for name, search in contenders.items():
                start = time.process_time()
                for query, mine in zip(users, histories, strict=True):
                    search(query, mine)
                times[name].append((time.process_time() - start) / len(users))
        base = np.array(times["exact, norms sorted, mask"])
        for name, search in contenders.items():
            values = recall([search(q, mine) for q, mine in zip(users, histories, strict=True)], best)
            worst = np.sort(values)[: max(len(values) // 10, 1)].mean()
            rows.append({
                "search": name, "users": kind, "recall@10": values.mean(), "worst tenth": worst,
                "µs a query": 1e6 * np.median(times[name]), "× exact with a mask": np.median(base / times[name]),
            })
    return pd.DataFrame(rows).set_index("search")


def main() -> None:
    """Measure and write."""
    faiss.omp_set_num_threads(1)
    users, items = learnt()
    users = users[np.random.default_rng(0).permutation(len(users))[: 2 * QUERIES]]
    first, second = users[:QUERIES], users[QUERIES:]
    formats = {
        "effort": ",.0f", "recall@10": ".3f", "worst tenth": ".2f", "µs a query": ",.0f", "× the product": ",.1f",
        "× exact with a mask": ".2f", "build, s": ",.1f", "index, MB": ",.1f",
    }
    blocks = [__doc__.split("\n\n", 1)[1].rsplit("\n\n", 1)[0]]
    for n in (len(items), *SIZES):
        vectors = items if n == len(items) else grown(items, n)
        result = table(vectors, first, second)
        name = "lastfm-2k, real" if n == len(items) else "grown from lastfm-2k"
        blocks += [f"## {n:,} items ({name}); the head is {result.attrs['head']:.1%}", markdown(result, formats)]
        print(blocks[-2], blocks[-1], sep="\n", flush=True)
        if n == SIZES[0]:
            seen = seen_removed(vectors, second)
    blocks += [f"## Seen items removed, {SIZES[0]:,} items, histories of {HISTORIES}", markdown(seen, formats)]
    write_results("retrieval", "Ten items out of a million", *blocks,
                  packages=("numpy", "numba", "annoy", "faiss-cpu", "voyager"))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
