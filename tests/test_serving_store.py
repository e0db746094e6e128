"""The contract that every store keeps, and what happens to it in bad times."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from benchmarks._store_faults import ITEMS, N_USERS, POPULAR, kill_writer, lists, torn, write_generation, writer_dies
from recsys_utils.errors import (
    CorruptRecord,
    GenerationConflict,
    InvalidInput,
    MissingDependency,
    StoreUnavailable,
)
from recsys_utils.serving import DynamoDBStore, LMDBStore, RedisStore, dynamodb_server, redis_server, servers
from recsys_utils.serving.store import user_key

LOCAL = {"region_name": "eu-central-1", "aws_access_key_id": "local", "aws_secret_access_key": "local"}


def started(make, **options):
    """A started server; where it is not installed the test is skipped with the sentence that says how to install it."""
    try:
        return make(**options).start()
    except MissingDependency as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def redis_port():
    server = started(redis_server)
    yield server.port
    server.stop()


@pytest.fixture(scope="module")
def dynamodb_port():
    server = started(dynamodb_server)
    yield server.port
    server.stop()


@pytest.fixture(params=["lmdb", "redis", "dynamodb"])
def open_store(request, tmp_path):
    """A function that opens the same store each time: in one process LMDB only once."""
    if request.param == "lmdb":
        return lambda: LMDBStore(tmp_path / "store")
    port = request.getfixturevalue(f"{request.param}_port")
    name = "test-" + os.urandom(6).hex()
    if request.param == "redis":
        return lambda: RedisStore(f"redis://127.0.0.1:{port}", name=name)
    return lambda: DynamoDBStore(name=name, endpoint_url=f"http://127.0.0.1:{port}", **LOCAL)


@pytest.fixture
def store(open_store):
    with open_store() as store:
        yield store


# -------------------------------------------------------------- the contract


def test_what_was_written_is_read(store):
    number = write_generation(store)
    ids, scores = lists(number, range(N_USERS))
    for user in (0, N_USERS - 1):
        answer = store.get(user)
        assert answer.item_ids.tolist() == ids[user].tolist()
        assert answer.scores == pytest.approx(scores[user], abs=1 / 500)
        assert (answer.source, answer.generation) == ("personal", number)
    assert torn(store) == []


def test_string_ids_of_users_and_items(store):
    writer = store.begin(np.array(["soup", "tea", "bread"]), (["tea"], [3.0]))
    writer.write(["7", "ü"], [["bread", "soup"], ["tea", ""]], [[2.0, 1.0], [1.0, -np.inf]])
    writer.commit()
    assert store.get("7").item_ids.tolist() == ["bread", "soup"]
    assert store.get("ü").item_ids.tolist() == ["tea"]
    assert store.get(7).source == "popular"  # the number is somebody else


def test_unknown_user_gets_the_popular_list(store):
    number = write_generation(store)
    answer = store.get(10**9)
    assert (answer.source, answer.generation) == ("popular", number)
    assert answer.item_ids.tolist() == POPULAR[0].tolist()


def test_get_many_equals_get_and_keeps_order_and_repeats(store):
    write_generation(store, n_users=150, batch=150)
    asked = [3, 10**9, 3, *range(149, -1, -1)]
    for user, answer in zip(asked, store.get_many(asked), strict=True):
        single = store.get(user)
        assert (answer.item_ids.tolist(), answer.source) == (single.item_ids.tolist(), single.source)
    assert store.get_many([]) == []


def test_nothing_is_served_before_the_commit(store):
    writer = store.begin(ITEMS, POPULAR)
    writer.write([1], *lists(1, [1]))
    with pytest.raises(StoreUnavailable, match="no committed generation"):
        store.get(1)
    assert store.generation == 0
    writer.commit()
    assert store.get(1).source == "personal"
    with pytest.raises(InvalidInput, match="begin a new one"):
        writer.write([2], *lists(1, [2]))


def test_a_commit_is_seen_by_another_process(open_store):
    receive, send = os.pipe()
    child = os.fork()  # before this process opens the store
    if child == 0:
        try:
            os.read(receive, 1)
            with open_store() as other:
                write_generation(other)
            os._exit(0)
        finally:
            os._exit(1)
    with open_store() as store:
        first = write_generation(store)
        assert store.get(1).generation == first
        os.write(send, b"!")
        assert os.waitpid(child, 0)[1] == 0
        assert store.get(1).generation == first + 1
        assert torn(store) == []


def test_roll_back_and_expire(store):
    for _ in range(3):
        write_generation(store)
    assert (store.generation, store.generations) == (3, [1, 2, 3])
    assert store.roll_back() == 2
    assert store.get(1).generation == 2
    assert torn(store) == []
    assert write_generation(store) == 4  # numbers are never used twice
    assert store.generations == [1, 2, 4]  # nobody rolls back to the one that was rolled back from
    assert store.expire(keep=2) == [1, 3]
    assert store.expire(keep=1) == [2]
    assert torn(store) == []
    assert store.read(1, [user_key(1), b"m"])[1] == [None, None]
    with pytest.raises(GenerationConflict, match="no generation before 4"):
        store.roll_back()


def test_expire_clears_away_what_a_dead_writer_left_but_no_generation_at_work(store):
    dead = store.begin(ITEMS, POPULAR)
    dead.write([1], *lists(1, [1]))
    write_generation(store)
    at_work = store.begin(ITEMS, POPULAR)
    assert store.expire() == [dead.number]
    at_work.write([1], *lists(at_work.number, [1]))
    assert at_work.commit() == store.generation


def test_expire_goes_on_where_it_was_killed(store, monkeypatch):
    for _ in range(2):
        write_generation(store)

    def die(number):
        raise StoreUnavailable("killed")

    with monkeypatch.context() as patch:
        patch.setattr(store, "drop", die)
        with pytest.raises(StoreUnavailable):
            store.expire(keep=1)
    assert torn(store) == []
    assert store.expire(keep=1) == [1]
    assert store.read(1, [user_key(1)])[1] == [None]


def test_of_two_writers_one_wins(store):
    write_generation(store)
    slow, fast = store.begin(ITEMS, POPULAR), store.begin(ITEMS, POPULAR)
    for writer in (slow, fast):
        writer.write(range(N_USERS), *lists(writer.number, range(N_USERS)))
    assert fast.commit() == 3
    with pytest.raises(GenerationConflict, match="generation 2 was begun when 1 was served, and now 3 is"):
        slow.commit()
    assert store.get(1).generation == 3
    assert torn(store) == []


def test_writers_in_many_threads_never_share_a_number(store):
    numbers, committed = [], []

    def work():
        for _ in range(3):
            writer = store.begin(ITEMS, POPULAR)
            numbers.append(writer.number)
            writer.write(range(N_USERS), *lists(writer.number, range(N_USERS)))
            try:
                committed.append(writer.commit())
            except GenerationConflict:
                pass

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 10))
    assert committed and store.generation == max(committed) and sorted(store.generations) == sorted(committed)
    assert torn(store) == []


def test_readers_see_whole_generations_while_others_are_written_and_dropped(store):
    write_generation(store)
    wrong, seen, done = [], set(), threading.Event()

    def read():
        while not done.is_set():
            wrong.extend(torn(store))
            seen.add(store.get(1).generation)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for _ in range(6):
        write_generation(store)
        store.expire(keep=1)
    done.set()
    for thread in readers:
        thread.join()
    assert wrong == [] and len(seen) > 1


@pytest.mark.parametrize("open_store", ["lmdb", "redis"], indirect=True)
def test_a_killed_writer_tears_and_loses_nothing(open_store):
    with open_store() as store:
        last = write_generation(store)
    rng, killed = np.random.default_rng(0), 0
    for _ in range(5):
        reported, alive = kill_writer(open_store, rng.uniform(0, 0.3))
        killed += alive
        with open_store() as store:
            assert torn(store) == []
            assert store.generation >= max(last, reported)
            last = store.generation
    assert killed == 5


def test_unknown_items_and_ids_are_refused(store):
    writer = store.begin(ITEMS, POPULAR)
    with pytest.raises(InvalidInput, match="7, not among"):
        writer.write([1], [[0, 7]], [[2.0, 1.0]])
    for user in (1.5, None, b"x", "x" * 1000, 2**63):
        with pytest.raises(InvalidInput, match="user_id must be"):
            store.get(user)
    with pytest.raises(InvalidInput, match="not empty"):
        store.begin([], POPULAR)


def test_a_generation_of_another_format_leaves_the_old_one_served(store):
    old = write_generation(store)
    writer = store.begin(ITEMS, POPULAR)
    writer._manifest["format"] = 2
    original, writer._store.write = store.write, lambda number, records: original(
        number, {key: value.replace(b'"format": 1', b'"format": 2') for key, value in records.items()}
    )
    writer.commit()
    answer = store.get(1)
    assert (answer.generation, answer.source) == (old, "stale")
    assert answer.item_ids.tolist() == lists(old, [1])[0][0].tolist()


def test_a_store_of_another_format_is_named(store):
    write_generation(store)
    old = store.read(0, [])[0]
    assert store.swap(old, json.dumps({**json.loads(old), "format": 2}).encode())
    with pytest.raises(CorruptRecord, match="format 2"):
        store.get(1)
    with pytest.raises(CorruptRecord, match="format 2"):
        store.begin(ITEMS, POPULAR)


def test_a_damaged_record_is_an_error_and_no_list(store):
    number = write_generation(store)
    record = store.read(number, [user_key(1)])[1][0]
    store.write(number, {user_key(1): record[:-1]})
    with pytest.raises(CorruptRecord, match="checksum"):
        store.get(1)
    assert store.get(2).source == "personal"


# ----------------------------------------------------------------- LMDB


def test_lmdb_truncated_file_is_refused(tmp_path):
    with LMDBStore(tmp_path) as store:
        write_generation(store)
    size = (tmp_path / "data.mdb").stat().st_size
    os.truncate(tmp_path / "data.mdb", size // 2)
    with pytest.raises(CorruptRecord, match="truncated"):
        LMDBStore(tmp_path)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"\0" * 8192])
def test_lmdb_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(CorruptRecord, match="no intact LMDB file"):
        LMDBStore(tmp_path)


def test_lmdb_full_map_leaves_the_old_generation_served(tmp_path):
    with LMDBStore(tmp_path, map_size=2**18) as store:
        write_generation(store)
        with pytest.raises(StoreUnavailable, match="map_size large"):
            for _ in range(50):
                write_generation(store)
        assert torn(store) == []


def test_lmdb_full_disk_leaves_the_old_generation_served(tmp_path):
    with LMDBStore(tmp_path) as store:
        write_generation(store)
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write beyond the limit fails, as on a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, 2**18))
            with LMDBStore(tmp_path) as store:
                try:
                    for _ in range(50):
                        write_generation(store)
                except StoreUnavailable:
                    os._exit(0 if torn(store) == [] else 2)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with LMDBStore(tmp_path) as store:
        assert torn(store) == []
        write_generation(store)


def test_lmdb_closed_store_says_so(tmp_path):
    store = LMDBStore(tmp_path)
    write_generation(store)
    store.close()
    with pytest.raises(StoreUnavailable, match="is the store open"):
        store.get(1)


# ---------------------------------------------------------------- Redis


def test_redis_wants_its_password():
    server = started(redis_server, password='two words"')
    with server:
        with RedisStore(f"redis://:two%20words%22@127.0.0.1:{server.port}") as store:
            write_generation(store)
            assert torn(store) == []
        with RedisStore(f"redis://127.0.0.1:{server.port}") as store:
            with pytest.raises(StoreUnavailable, match="password"):
                store.get(1)


def test_redis_out_of_memory_leaves_the_old_generation_served():
    server = started(redis_server, max_memory="4mb")
    with server, RedisStore(f"redis://127.0.0.1:{server.port}") as store:
        write_generation(store)
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            for _ in range(300):
                write_generation(store)
        assert torn(store) == []


def test_redis_restarted_has_everything_again_if_it_keeps_a_file():
    server = started(redis_server, persist=True)
    with server, RedisStore(f"redis://127.0.0.1:{server.port}", timeout=1.0) as store:
        write_generation(store)
        time.sleep(1.5)  # it flushes every second
        server.kill()
        with pytest.raises(StoreUnavailable, match="Redis"):
            store.get(1)
        server.start()
        assert torn(store) == []
        assert write_generation(store) == 2


def test_redis_restarted_empty_never_mixes_old_tables_with_new_lists():
    server = started(redis_server)
    with server, RedisStore(f"redis://127.0.0.1:{server.port}") as store:
        write_generation(store)
        assert store.get(1).generation == 1
        server.kill()
        server.start()
        with pytest.raises(StoreUnavailable, match="no committed generation"):
            store.get(1)
        with RedisStore(f"redis://127.0.0.1:{server.port}") as other:
            writer = other.begin(ITEMS[::-1], POPULAR)
            writer.write(range(N_USERS), *lists(1, range(N_USERS)))
            assert writer.commit() == 1
        assert torn(store) == []


def test_redis_names_that_would_match_other_keys_are_refused():
    with pytest.raises(InvalidInput, match="letters, digits"):
        RedisStore("redis://127.0.0.1", name="a*")


# ------------------------------------------------------------- DynamoDB


@pytest.mark.parametrize("open_store", ["dynamodb"], indirect=True)
def test_dynamodb_a_writer_that_stops_between_two_requests_tears_and_loses_nothing(open_store):
    with open_store() as store:
        last = write_generation(store)
    requests = 0
    while writer_dies(open_store, requests):
        with open_store() as store:
            assert torn(store) == []
            assert store.generation >= last
            last = store.generation
            store.expire(keep=1)
        requests += 3
    assert requests > 15


def test_dynamodb_repeats_what_was_left_unprocessed(dynamodb_port, monkeypatch):
    store = DynamoDBStore(name="unprocessed", endpoint_url=f"http://127.0.0.1:{dynamodb_port}", **LOCAL)
    client, calls = store._client, {"batch_write_item": 0, "batch_get_item": 0}

    def half(name, left, parts):
        real = getattr(client, name)

        def call(RequestItems):
            calls[name] += 1
            first, rest = parts(RequestItems)
            response = real(RequestItems=first)
            return {**response, left: rest}

        return call

    def split_writes(requests):
        ((table, puts),) = requests.items()
        cut = (len(puts) + 1) // 2
        return {table: puts[:cut]}, {table: puts[cut:]} if puts[cut:] else {}

    def split_reads(requests):
        ((table, request),) = requests.items()
        cut = (len(request["Keys"]) + 1) // 2
        first, rest = request["Keys"][:cut], request["Keys"][cut:]
        return {table: {**request, "Keys": first}}, {table: {**request, "Keys": rest}} if rest else {}

    monkeypatch.setattr(client, "batch_write_item", half("batch_write_item", "UnprocessedItems", split_writes))
    monkeypatch.setattr(client, "batch_get_item", half("batch_get_item", "UnprocessedKeys", split_reads))
    write_generation(store)
    assert torn(store) == []
    assert calls["batch_write_item"] > 8 and calls["batch_get_item"] > 4
    busy = lambda RequestItems: {"Responses": {}, "UnprocessedKeys": RequestItems}  # noqa: E731
    monkeypatch.setattr(client, "batch_get_item", busy)
    monkeypatch.setattr("recsys_utils.serving.dynamodb_store._PAUSE", 1e-4)
    with pytest.raises(StoreUnavailable, match="unprocessed"):
        store.get(1)


# -------------------------------------------------------------- servers


@pytest.mark.parametrize("make", [redis_server, dynamodb_server])
def test_a_missing_server_is_named_with_its_remedy(make, monkeypatch):
    monkeypatch.setattr(servers.shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingDependency, match="is not installed: .*(apt-get|npm)"):
        make()


@pytest.mark.parametrize("library", ["lmdb", "redis", "boto3"])
def test_a_missing_library_is_named_with_its_remedy(library, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, library, None)
    make = {"lmdb": (LMDBStore, tmp_path), "redis": (RedisStore, "redis://127.0.0.1"), "boto3": (DynamoDBStore,)}
    store, *arguments = make[library]
    with pytest.raises(MissingDependency, match=f"pip install {library}"):
        store(*arguments)


@pytest.mark.parametrize("make", [redis_server, dynamodb_server])
def test_a_server_ends_with_the_process_that_started_it(make):
    started(make).stop()
    code = f"""
import os, signal
from recsys_utils.serving import {make.__name__}
server = {make.__name__}().start()
print(server._process.pid, server._folder.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid, folder = found.stdout.split()
    for _ in range(100):
        state = f"/proc/{pid}/stat"
        if not os.path.exists(state) or open(state).read().split(") ")[1][0] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("it is still running")
    subprocess.run(["rm", "-r", folder], check=True)


def test_a_server_ends_when_the_block_fails():
    server = started(redis_server)
    server.stop()
    server = redis_server()
    with pytest.raises(RuntimeError), server:
        raise RuntimeError
    assert server._process.poll() is not None
