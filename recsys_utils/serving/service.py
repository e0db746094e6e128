"""What stands between a store and those who must have an answer."""
from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..check import check_float, check_int
from ..errors import CorruptRecord, StoreUnavailable
from .store import Recommendations, RecommendationStore

_NOTHING = Recommendations(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32), "popular", 0)


class RecommendationService:
    """Answers from a store within a time budget, and from memory where the store is down, slow or damaged.

    After a failure the store is left alone for `retry_after` seconds, then asked again by one request: so a store that
    is down costs one budget now and then, and one that comes back is used again without anybody's help.

    Parameters
    ----------
    store : RecommendationStore
    budget : float
        Seconds that :meth:`get` may wait for a remote store. An embedded one is asked directly.
    retry_after : float
        Seconds to leave a failed store alone.
    remember : int
        How many users' last lists to keep for bad times; who was asked for least recently is forgotten first.
    """

    def __init__(
        self, store: RecommendationStore, *, budget: float = 0.05, retry_after: float = 1.0, remember: int = 10_000
    ):
        self._store, self._budget = store, check_float("budget", budget, 0.0, exclusive=True)
        self._retry_after = check_float("retry_after", retry_after, 0.0)
        self._remember = check_int("remember", remember)
        self._last: dict[object, Recommendations] = {}
        self._closed_until, self._lock = 0.0, threading.Lock()
        self._pool = ThreadPoolExecutor(16, "recommendations") if store.remote else None
        self.last_error: Exception | None = None

    def get(self, user_id) -> Recommendations:
        """A list for `user_id`: from the store, else the user's last one (`stale`), else the last popular one.

        Before the store has answered for the first time, that list is empty. Raises only
        :class:`~recsys_utils.errors.InvalidInput`, for an id that can't be one.
        """
        now = time.monotonic()
        if now >= self._closed_until:
            self._closed_until, before = (now + self._retry_after, True) if self.last_error else (0.0, False)
            try:
                if self._pool is None:
                    answer = self._store.get(user_id)
                else:
                    answer = self._pool.submit(self._store.get, user_id).result(self._budget)
            except (StoreUnavailable, CorruptRecord, TimeoutError) as error:
                self.last_error, self._closed_until = error, time.monotonic() + self._retry_after
            else:
                if before:
                    self.last_error, self._closed_until = None, 0.0
                self._keep(user_id, answer)
                return answer
        last = self._last.get(user_id)
        return self._store.popular or _NOTHING if last is None else last._replace(source="stale")

    def _keep(self, user_id, answer: Recommendations) -> None:
        if answer.source == "popular":
            return
        with self._lock:
            self._last.pop(user_id, None)
            self._last[user_id] = answer
            if len(self._last) > self._remember:
                del self._last[next(iter(self._last))]

    def close(self) -> None:
        """Stop waiting for the store; it stays open."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
