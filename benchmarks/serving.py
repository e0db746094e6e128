"""Stores of recommendations: what they survive, and how fast they are.

The first part breaks things on purpose: writers killed at random points, two writers at once, full disks, truncated
files. The second takes the times: the lists of 30,000 users in one pass, the record, look-ups, and a swap of
generations under load.

Run with ``python -m benchmarks.serving`` (ten minutes; ``--tiny`` for a rehearsal); writes
``benchmarks/results/serving.md``.
"""
from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path

import implicit
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks._results import TINY, markdown, write_results
from benchmarks._store_faults import ITEMS, N_USERS, POPULAR, kill_writer, lists, torn, write_generation, writer_dies
from recsys_utils import Interactions
from recsys_utils.errors import CorruptRecord, GenerationConflict, StoreUnavailable
from recsys_utils.models import ImplicitALS
from recsys_utils.serving import (
    DynamoDBStore,
    LMDBStore,
    RecommendationService,
    RedisStore,
    decode,
    dynamodb_server,
    encode,
    precompute,
    redis_server,
)

ROOT = Path(__file__).resolve().parents[1]
KILLS = 5 if TINY else 250
USERS, CATALOGUE, PAIRS = (3_000, 4_100, 81_000) if TINY else (30_000, 41_000, 810_000)
LOCAL = {"region_name": "eu-central-1", "aws_access_key_id": "local", "aws_secret_access_key": "local"}


@contextlib.contextmanager
def stores():
    """Functions that open a store of each kind, under a name of its own."""
    with tempfile.TemporaryDirectory() as folder, redis_server(persist=True) as redis, dynamodb_server() as dynamodb:
        yield {
            "LMDB": lambda name: LMDBStore(Path(folder, name)),
            "Redis": lambda name: RedisStore(f"redis://127.0.0.1:{redis.port}", name=name),
            "DynamoDB": lambda name: DynamoDBStore(
                name=name, endpoint_url=f"http://127.0.0.1:{dynamodb.port}", **LOCAL
            ),
        }


# ------------------------------------------------------------------ faults


class Tally:
    """Counts, over the tries of one fault, what was torn and what was lost."""

    def __init__(self, fault: str, served: str):
        self.row = {"fault": fault, "tries": 0, "torn": 0, "lost": 0, "served": served}

    def look(self, store, at_least: int = 1) -> int:
        """One try: the served generation must be whole, and no older than the last commit known."""
        wrong = torn(store)
        number = store.generation
        self.row["tries"] += 1
        self.row["torn"] += bool([text for text in wrong if "lost" not in text])
        self.row["lost"] += bool([text for text in wrong if "lost" in text]) or number < at_least
        return number


def writer_killed(kind, open_store, kills: int) -> dict:
    """SIGKILL at random points of writing, committing and expiring."""
    tally = Tally(f"{kind}: writer killed at a random point", "the last generation committed")
    with open_store("killed") as store:
        last = write_generation(store)
    rng = np.random.default_rng(0)
    for _ in range(kills):
        reported, alive = kill_writer(lambda: open_store("killed"), rng.uniform(0, 0.15))
        assert alive, "the writer died before it was killed"
        with open_store("killed") as store:
            last = tally.look(store, max(last, reported))
    return tally.row


def writer_stopped(kind, open_store) -> dict:
    """The same between any two requests, for a server that ends when a client is killed within one."""
    tally = Tally(f"{kind}: writer stopped between any two requests", "the last generation committed")
    with open_store("stopped") as store:
        last = write_generation(store)
    requests = 0
    while writer_dies(lambda: open_store("stopped"), requests):
        with open_store("stopped") as store:
            last = tally.look(store, last)
            store.expire(keep=1)  # or each try would have more to clear away than the one before
        requests += 1
    return tally.row


def two_writers(kind, open_store, rounds: int) -> dict:
    """Two begin and write by turns; both try to commit."""
    tally = Tally(f"{kind}: two writers at once", "the generation of the faster one; the other is told")
    with open_store("two") as store:
        write_generation(store)
        for _ in range(rounds):
            writers = [store.begin(ITEMS, POPULAR), store.begin(ITEMS, POPULAR)]
            for users in np.array_split(np.arange(N_USERS), 4):
                for writer in writers:
                    writer.write(users, *lists(writer.number, users))
            won = writers.pop(np.random.default_rng(tally.row["tries"]).integers(2)).commit()
            with contextlib.suppress(GenerationConflict):
                writers[0].commit()
                tally.row["lost"] += 1  # both committed: one overwrote the other
            tally.look(store, won)
            store.expire(keep=1)
    return tally.row


def full(kind, store, error: str) -> dict:
    """Write until there is no room, then make room by expiring."""
    tally = Tally(f"{kind}: {error}", "the last generation committed; writing works again after expiry")
    last = write_generation(store)
    for _ in range(3 if TINY else 20):
        with contextlib.suppress(StoreUnavailable):
            for _ in range(10_000):
                last = write_generation(store)
        tally.look(store, last)
        with contextlib.suppress(StoreUnavailable):
            store.expire(keep=1)
    return tally.row


def disk_full() -> dict:
    """The same in a process of its own, on a file system of two megabytes."""
    code = (
        "import sys, json; from benchmarks.serving import full; from recsys_utils.serving import LMDBStore\n"
        "with LMDBStore(sys.argv[1]) as store: print(json.dumps(full('LMDB', store, 'disk full')))"
    )
    with tempfile.TemporaryDirectory() as folder:
        mount = f'mount -t tmpfs -o size=2m none {folder} && exec "$0" -c "$1" {folder} {"--tiny" if TINY else ""}'
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, sys.executable, code]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def redis_full() -> dict:
    """Redis with a limit on its memory."""
    with redis_server(max_memory="4mb") as server, RedisStore(f"redis://127.0.0.1:{server.port}") as store:
        return full("Redis", store, "out of memory")


def redis_killed(kills: int) -> dict:
    """The server itself is killed while a generation is written, and started again from its append-only file."""
    tally = Tally("Redis: server killed while written to", "the last generation committed, after its restart")
    with redis_server(persist=True) as server:
        url, rng = f"redis://127.0.0.1:{server.port}", np.random.default_rng(0)
        with RedisStore(url) as store:
            last = write_generation(store)
            for _ in range(kills):
                timer = threading.Timer(rng.uniform(0, 0.1), server.kill)
                timer.start()
                with contextlib.suppress(StoreUnavailable):
                    for _ in range(10_000):
                        last = write_generation(store)
                        store.expire()
                timer.join()
                server.start()
                last = tally.look(_loaded(store), last)
    return tally.row


def _loaded(store):
    """The store, once its server has read its file."""
    for _ in range(200):
        with contextlib.suppress(StoreUnavailable):
            store.read(0, [])
            break
        time.sleep(0.02)
    return store


def truncated(cuts: int) -> dict:
    """The file is cut at a random point; opened and read in a process of its own, where a crash would show."""
    tally = Tally("LMDB: file truncated at a random point", "nothing: a clear error, and never a crash")
    with tempfile.TemporaryDirectory() as folder:
        with LMDBStore(folder) as store:
            for _ in range(3):
                write_generation(store)
        file, rng = Path(folder, "data.mdb"), np.random.default_rng(0)
        content = file.read_bytes()
        for cut in rng.integers(1, len(content), cuts):
            file.write_bytes(content[:cut])
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    with LMDBStore(folder) as store:
                        code = 2 if torn(store) else 0
                except CorruptRecord:
                    code = 0
                finally:
                    os._exit(code)
            tally.row["tries"] += 1
            tally.row["torn"] += os.waitpid(child, 0)[1] != 0
    return tally.row


def another_version(kind, open_store) -> dict:
    """A generation whose format this code does not know is committed by newer code."""
    tally = Tally(f"{kind}: generation of another version", "the one before, marked as stale")
    with open_store("version") as store:
        old = write_generation(store)
        real = store.write
        store.write = lambda number, records: real(
            number, {key: value.replace(b'"format": 1', b'"format": 2') for key, value in records.items()}
        )
        write_generation(store)
        answers = store.get_many(range(N_USERS))
        tally.row["tries"] = 1
        tally.row["lost"] = int(any((a.generation, a.source) != (old, "stale") for a in answers))
        tally.row["torn"] = int(any((a.item_ids != lists(old, [u])[0][0]).any() for u, a in enumerate(answers)))
    return tally.row


def no_answer(rounds: int) -> dict:
    """Redis hangs, then is killed and started again, while a service with a budget of 50 ms is asked."""
    tally = Tally("Redis: hangs, is killed, restarts", "")
    waits = []
    with redis_server(persist=True) as server, RedisStore(f"redis://127.0.0.1:{server.port}") as store:
        write_generation(store)
        service = RecommendationService(store, budget=0.05, retry_after=0.2)

        def ask(until: float) -> set[str]:
            sources = set()
            while time.monotonic() < until:
                start = time.perf_counter()
                answer = service.get(1)
                waits.append(time.perf_counter() - start)
                tally.row["torn"] += bool((answer.item_ids != lists(1, [1])[0][0]).any())
                sources.add(answer.source)
                time.sleep(0.005)
            return sources

        for _ in range(rounds):
            for break_it, mend_it in ((server.pause, server.resume), (server.kill, server.start)):
                ask(time.monotonic() + 0.2)
                break_it()
                tally.row["lost"] += "stale" not in ask(time.monotonic() + 0.3)
                mend_it()
                ask(time.monotonic() + 0.3)
                recovered = any("personal" in ask(time.monotonic() + 0.1) for _ in range(50))
                tally.row["lost"] += not recovered
                tally.row["tries"] += 1
        service.close()
    longest = f"{1000 * max(waits):.0f} ms"
    tally.row["served"] = f"the user's last list, longest wait {longest}; then the store again by itself"
    return tally.row


def faults(opened) -> pd.DataFrame:
    """The table of faults; each is named when it is over."""
    def every_fault():
        for kind, open_store in opened.items():
            stopped = kind == "DynamoDB"
            yield writer_stopped(kind, open_store) if stopped else writer_killed(kind, open_store, KILLS)
            yield two_writers(kind, open_store, 2 if TINY else 20)
            yield another_version(kind, open_store)
        yield disk_full()
        yield redis_full()
        yield redis_killed(KILLS // 5)
        yield truncated(KILLS)
        yield no_answer(1 if TINY else 10)

    rows = []
    for row in every_fault():
        print(row, file=sys.stderr, flush=True)
        rows.append(row)
    return pd.DataFrame(rows).sort_values("fault", kind="stable")


# ------------------------------------------------------------------- times


def interactions(rng=0) -> Interactions:
    """Synthetic interactions: users' activity is log-normal, items' popularity a power law."""
    rng = np.random.default_rng(rng)
    activity, popularity = rng.lognormal(0, 1.2, USERS), (np.arange(CATALOGUE) + 10.0) ** -0.9
    users = rng.choice(USERS, int(1.35 * PAIRS), p=activity / activity.sum())
    items = rng.choice(CATALOGUE, int(1.35 * PAIRS), p=popularity / popularity.sum())
    pairs = np.sort(rng.permutation(np.unique(users * CATALOGUE + items))[:PAIRS])
    return Interactions.from_frame(
        pd.DataFrame({"userId": pairs // CATALOGUE, "movieId": pairs % CATALOGUE}), value=None
    )


def one_pass(data: Interactions, repeats: int = 3) -> tuple[list[dict], ImplicitALS]:
    """Top-100 of everybody: the loop over users (on a sample) against batches, in turns."""
    model = ImplicitALS(factors=64, regularization=10.0, alpha=10.0, iterations=3, rng=0, dtype="float32").fit(data)
    library = implicit.als.AlternatingLeastSquares(factors=64)
    library.user_factors, library.item_factors = model.user_factors_, model.item_factors_
    matrix, sample = data.matrix.astype(np.float32), np.random.default_rng(0).integers(0, data.n_users, 1000)
    ratios, times = [], []
    for _ in range(repeats + 1):  # the first round compiles
        start = time.perf_counter()
        with threadpool_limits(1, user_api="blas"):
            for user in sample:
                library.recommend(user, matrix[user], N=100)
        loop = (time.perf_counter() - start) / len(sample) * data.n_users
        start = time.perf_counter()
        for _ in precompute(model, n=100):
            pass
        times.append(time.perf_counter() - start)
        ratios.append(loop / times[-1])
    tracemalloc.start()
    for _ in precompute(model, n=100):
        pass
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    rows = [
        {"work": f"top-100 for {data.n_users:,} users × {data.n_items:,} items, seconds", "p50": np.median(times[1:])},
        {"work": "… the loop over users takes as many times as long", "p50": np.median(ratios[1:])},
        {"work": "… memory beside the model, MB", "p50": peak},
    ]
    return rows, model


def quantiles(work: str, call, arguments) -> dict:
    """Microseconds of one call."""
    times = []
    for argument in arguments:
        start = time.perf_counter()
        call(argument)
        times.append(1e6 * (time.perf_counter() - start))
    return {"work": work, **dict(zip(["p50", "p99", "p99.9"], np.quantile(times, [0.5, 0.99, 0.999]), strict=True))}


def record(users, items, scores) -> list[dict]:
    """Size and decoding of one list, in three formats."""
    ours = encode(items[:1], scores[:1], CATALOGUE)[0]
    pair = list(zip(items[0].tolist(), scores[0].tolist(), strict=True))
    forms = {"record": ours, "JSON": json.dumps(pair).encode(), "pickle of arrays": pickle.dumps((items[0], scores[0]))}
    rows = [{"work": f"bytes of a list of 100: {name}", "p50": len(data)} for name, data in forms.items()]
    return [*rows, quantiles("decode a record, µs", lambda _: decode(ours), range(20_000))]


def look_ups(opened, users, items, scores, item_ids) -> list[dict]:
    """One user and a hundred at a time, in one thread; and reads while a writer swaps generations."""
    rows, rng = [], np.random.default_rng(0)
    for kind, open_store in opened.items():
        remote = kind == "DynamoDB"
        with open_store("times") as store:
            publish(store, users[: 1000 if remote else None], items, scores, item_ids)
            known = users[: 1000 if remote else None]
            n = 500 if remote else 5_000
            rows.append(quantiles(f"{kind}: one user, µs", store.get, rng.choice(known, n).tolist()))
            hundreds = [rng.choice(known, 100).tolist() for _ in range(n // 25)]
            rows.append(quantiles(f"{kind}: a hundred users at once, µs", store.get_many, hundreds))
        if not remote:
            quiet, busy, mixed, swaps = swap_under_load(open_store, users, items, scores, item_ids)
            rows += [quiet, busy, {"work": f"{kind}: {swaps} swaps, mixed or missing lists", "p50": mixed}]
    return rows


def publish(store, users, items, scores, item_ids, shift: float = 0.0) -> None:
    """Write and commit a generation; `shift` is added to its scores so that a reader can tell it from others."""
    writer = store.begin(item_ids, (items[0], scores[0]))
    for start in range(0, len(users), 4096):
        batch = slice(start, start + 4096)
        writer.write(users[batch], items[: len(users)][batch], scores[: len(users)][batch] + shift)
    writer.commit()


def swap_under_load(open_store, users, items, scores, item_ids, swaps: int = 5):
    """Look-ups of twenty users at a time, quiet and while another process publishes; what was mixed."""
    def write():
        with open_store("times") as store:
            for swap in range(1, swaps + 1):
                publish(store, users, items, scores, item_ids, shift=100.0 * swap)
                store.expire(keep=2)

    rng, mixed = np.random.default_rng(0), 0

    def read(store, picked):
        nonlocal mixed
        answers = store.get_many(users[picked].tolist())
        shift = answers[0].scores[0] - scores[picked[0], 0]
        found = np.array([answer.scores[0] for answer in answers]) - scores[picked, 0]
        mixed += len({a.generation for a in answers}) > 1 or {a.source for a in answers} != {"personal"}
        mixed += not np.allclose(found, shift, atol=1.0)

    def until(store, stop):
        while not stop():
            yield rng.integers(0, len(users), 20)

    process = multiprocessing.get_context("fork").Process(target=write)
    process.start()  # before this process opens the store
    with open_store("times") as store:
        busy = quantiles("… twenty users at once while generations are swapped, µs",
                         lambda picked: read(store, picked), until(store, lambda: not process.is_alive()))
        process.join()
        deadline = time.monotonic() + 2
        quiet = quantiles("… twenty users at once, quiet, µs",
                          lambda picked: read(store, picked), until(store, lambda: time.monotonic() > deadline))
    return quiet, busy, mixed, swaps


def main() -> None:
    """Write the two tables."""
    with stores() as opened:
        broken = faults(opened)
        data = interactions()
        rows, model = one_pass(data)
        batches = list(precompute(model, n=100))
        users, items, scores = (np.concatenate([batch[part] for batch in batches]) for part in range(3))
        rows += record(users, items, scores) + look_ups(opened, users, items, scores, data.item_ids)
    write_results(
        "serving", "Stores of recommendations",
        "## Faults",
        "Torn: a list that no single generation holds. Lost: a list that is missing, a commit that was reported and is "
        f"gone, or a service that did not recover. A generation has {N_USERS} users, "
        "whose lists differ from generation to generation.",
        markdown(broken),
        "## Times",
        "One thread, unless said otherwise.",
        markdown(pd.DataFrame(rows), ",.4g"),
        packages=("numpy", "lmdb", "redis", "boto3"),
    )


if __name__ == "__main__":
    main()
