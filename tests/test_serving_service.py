"""The lists of all users, and answers in bad times."""

import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from test_serving_store import started

from benchmarks._store_faults import lists, write_generation
from recsys_utils import Interactions
from recsys_utils.errors import CorruptRecord, InvalidInput, StoreUnavailable
from recsys_utils.models import Popularity
from recsys_utils.serving import (
    LMDBStore,
    RecommendationService,
    RedisStore,
    popular_items,
    precompute,
    redis_server,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    pairs = {"userId": rng.integers(0, 300, 4000), "movieId": 7 * rng.integers(0, 90, 4000)}
    frame = pd.DataFrame({**pairs, "rating": 1.0})
    return Interactions.from_frame(frame, duplicates="last")


def test_precompute_gives_every_user_what_recommend_gives(data):
    model = Popularity().fit(data)
    batches = list(precompute(model, n=20, batch_size=128))
    assert [len(users) for users, _, _ in batches] == [128, 128, 44]
    for users, ids, scores in batches:
        for user, mine, values in zip(users[:3], ids, scores, strict=False):
            expected = model.recommend(user, n=20)
            assert mine.tolist() == expected[0].tolist() and values.tolist() == expected[1].tolist()


def test_precompute_of_some_users_and_more_items_than_there_are(data):
    (batch,) = precompute(Popularity().fit(data), n=1000, user_ids=data.user_ids[:5])
    assert batch[1].shape == (5, data.n_items)


def test_lists_longer_than_what_is_left_are_stored_cut(data, tmp_path):
    with LMDBStore(tmp_path) as store:
        writer = store.begin(data.item_ids, popular_items(data, 10))
        for batch in precompute(Popularity().fit(data), n=data.n_items):
            writer.write(*batch)
        writer.commit()
        user = data.user_ids[3]
        assert len(store.get(user).item_ids) == data.n_items - len(data.history(user)[0])


def test_precompute_holds_one_batch(data):
    model = Popularity().fit(data)
    list(precompute(model, n=50, batch_size=10))
    tracemalloc.start()
    for _ in precompute(model, n=50, batch_size=10):
        pass
    small = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    list(precompute(model, n=50, batch_size=300))
    large = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert small < large / 4


def test_popular_items_are_those_of_most_users(data):
    ids, counts = popular_items(data, 5)
    assert (np.diff(counts) <= 0).all()
    assert counts[0] == np.bincount(data.item_rows).max() == (data.item_rows == data.rows_of_items(ids[0])).sum()


class Fragile:
    """A store that fails on request."""

    remote = False

    def __init__(self, store):
        self.store, self.error, self.asked = store, None, 0

    @property
    def popular(self):
        return self.store.popular

    def get(self, user):
        self.asked += 1
        if self.error:
            raise self.error
        return self.store.get(user)


@pytest.fixture
def fragile(tmp_path):
    with LMDBStore(tmp_path) as store:
        write_generation(store)
        yield Fragile(store)


@pytest.mark.parametrize("error", [StoreUnavailable("down"), CorruptRecord("damaged")])
def test_last_good_list_then_popular_list_then_recovery(fragile, error):
    service = RecommendationService(fragile, retry_after=0.2)
    assert service.get(1).source == "personal"
    fragile.error = error
    answer = service.get(1)
    assert answer.source == "stale" and answer.item_ids.tolist() == lists(1, [1])[0][0].tolist()
    assert service.last_error is error
    assert service.get(2).source == "popular" and len(service.get(2).item_ids) == 100
    assert fragile.asked == 2  # a store that failed is left alone
    time.sleep(0.25)
    assert service.get(1).source == "stale" and fragile.asked == 3
    fragile.error = None
    time.sleep(0.25)
    assert service.get(2).source == "personal" and service.last_error is None
    assert service.get(1).source == "personal"


def test_before_the_first_answer_the_list_is_empty(fragile):
    fragile.error, fragile.store = StoreUnavailable("down"), type("New", (), {"popular": None})
    answer = RecommendationService(fragile).get(1)
    assert (answer.source, len(answer.item_ids), answer.generation) == ("popular", 0, 0)


def test_only_the_latest_users_are_remembered(fragile):
    service = RecommendationService(fragile, remember=2)
    for user in (1, 2, 1, 3):
        service.get(user)
    fragile.error = StoreUnavailable("down")
    assert [service.get(user).source for user in (1, 2, 3)] == ["stale", "popular", "stale"]


def test_an_impossible_id_is_the_callers_error(fragile):
    with pytest.raises(InvalidInput):
        RecommendationService(fragile).get(1.5)


def test_a_server_that_hangs_dies_or_restarts():
    server = started(redis_server, persist=True)
    with server, RedisStore(f"redis://127.0.0.1:{server.port}", timeout=2.0) as store:
        write_generation(store)
        service = RecommendationService(store, budget=0.2, retry_after=0.1)
        assert service.get(1).source == "personal"
        server.pause()
        start = time.perf_counter()
        assert service.get(1).source == "stale"
        assert time.perf_counter() - start < 1.5  # the budget, not the client's patience
        server.resume()
        assert _until_personal(service)
        time.sleep(1.2)
        server.kill()
        assert service.get(1).source == "stale"
        assert service.get(99_999).source == "popular"
        server.start()
        assert _until_personal(service)
        service.close()


def _until_personal(service) -> bool:
    for _ in range(100):
        if service.get(1).source == "personal":
            return True
        time.sleep(0.05)
    return False
