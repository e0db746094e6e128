"""The contract of every store of recommendations.

A *generation* is what one night computed: a table of items, a popular list, a record for each user. It is written in
batches beside the one that is served, and nobody sees it until :meth:`GenerationWriter.commit`, which changes one small
value, the *state*, by compare-and-set. A record of a committed generation never changes. So a reader who gets a record
together with a state that names its generation has the right one, whoever writes, dies or rolls back meanwhile.
"""
from __future__ import annotations

import json
import secrets
import threading
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral
from typing import NamedTuple

import numpy as np

from ..check import check_int
from ..errors import CorruptRecord, GenerationConflict, InvalidInput, MissingDependency, StoreUnavailable
from .record import decode, encode

FORMAT = 1
_TRIES = 20
_PIECE = 256 * 1024  # of the table of items: a value of DynamoDB holds 400 kB
_LONGEST_KEY = 480  # bytes; LMDB takes 511
# `pending` generations are neither committed nor gone: at work, left behind, rolled back from, or half deleted.
_EMPTY = {"format": FORMAT, "last": 0, "committed": [], "pending": []}


class Recommendations(NamedTuple):
    """An answer.

    Attributes
    ----------
    item_ids, scores : ndarray, shape (n,)
        Raw ids, best first, and scores within 1/510 of the range of the list.
    source : {"personal", "popular", "stale"}
        The user's own list; the generation's popular list; the user's own list, but not from the generation that is
        served now, or at least not known to be.
    generation : int
        Which generation the list is from; 0 if from none.
    """

    item_ids: np.ndarray
    scores: np.ndarray
    source: str
    generation: int


@dataclass(frozen=True)
class _Generation:
    """What a reader keeps of a generation: one table for all lists."""

    number: int = 0
    item_ids: np.ndarray | None = None
    popular: Recommendations | None = None
    source: str = "personal"


class RecommendationStore(ABC):
    """Lists of recommendations by generation.

    A back end implements :meth:`read`, :meth:`write`, :meth:`swap`, :meth:`drop` and :meth:`close`; the rest is here.
    Any number of threads and processes may read and write; each process opens a store of its own, after forking.
    Every method raises :class:`~recsys_utils.errors.StoreUnavailable` where the store does not answer or is full.
    """

    remote = True
    """Whether an answer may take long, so that a service waits for it in another thread."""

    def __init__(self):
        self._known: tuple[bytes | None, _Generation] = (b"", _Generation())
        self._lock = threading.Lock()

    @abstractmethod
    def read(self, generation: int, keys: list[bytes]) -> tuple[bytes | None, list[bytes | None]]:
        """The state, and the values of different `keys` in `generation`, the state read no earlier than the values."""

    @abstractmethod
    def write(self, generation: int, records: dict[bytes, bytes]) -> None:
        """Store values by key in a generation that is not committed; durable when this returns."""

    @abstractmethod
    def swap(self, old: bytes | None, new: bytes) -> bool:
        """Make `new` the state if it still is `old` (None: there is none), and say whether it was."""

    @abstractmethod
    def drop(self, generation: int) -> None:
        """Delete a generation; deleting one that is half deleted finishes the work."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> RecommendationStore:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def generation(self) -> int:
        """Number of the generation that is served; 0 before the first commit."""
        return _current(self.generations)

    @property
    def generations(self) -> list[int]:
        """Numbers of the committed generations that are still kept, oldest first."""
        return _parsed(self.read(0, [])[0])["committed"]

    @property
    def popular(self) -> Recommendations | None:
        """The popular list of the generation last read from, out of this process' memory."""
        return self._known[1].popular

    def begin(self, item_ids, popular: tuple[np.ndarray, np.ndarray]) -> GenerationWriter:
        """Start a new generation.

        Parameters
        ----------
        item_ids : array-like of raw ids, shape (n_items,)
            Every item that may occur in a list.
        popular : (item_ids, scores)
            The list for users without a list of their own.
        """
        def open_next(state):
            state["last"] += 1
            state["pending"].append(state["last"])
            return state["last"], _current(state["committed"])

        return GenerationWriter(self, *self.change(open_next), item_ids, popular)

    def get(self, user_id) -> Recommendations:
        """The list of one user; the popular list for a user without one."""
        return self.get_many([user_id])[0]

    def get_many(self, user_ids) -> list[Recommendations]:
        """The lists of several users, all from one generation, in one round trip."""
        keys = [user_key(user) for user in user_ids]
        wanted = list(dict.fromkeys(keys))
        for _ in range(_TRIES):
            known, now = self._known
            state, values = self.read(now.number, wanted)
            if state == known and known:
                break
            try:
                self._adopt(state)
            except CorruptRecord:
                if self.read(0, [])[0] == state:  # otherwise it was dropped while it was loaded
                    raise
        else:
            raise StoreUnavailable(f"the served generation changed {_TRIES} times during one look-up: try again later")
        answers = {key: _answer(now, value) for key, value in zip(wanted, values, strict=True)}
        return [answers[key] for key in keys]

    def roll_back(self) -> int:
        """Serve the generation committed before the present one, for good; returns its number.

        The one that was served is deleted by :meth:`expire` after the next commit.

        Raises
        ------
        GenerationConflict
            If none is kept.
        """
        def step_back(state):
            if len(state["committed"]) < 2:
                raise GenerationConflict(f"no generation before {_current(state['committed'])} is kept: write one")
            state["pending"].append(state["committed"].pop())
            return state["committed"][-1]

        return self.change(step_back)

    def expire(self, keep: int = 2) -> list[int]:
        """Delete all but the served generation, the `keep` − 1 committed before it, and those begun after it.

        Returns the numbers of what was deleted: old generations, and what killed writers left behind.
        """
        check_int("keep", keep)

        def forget(state):
            state["pending"] += state["committed"][:-keep]
            state["committed"] = state["committed"][-keep:]
            return sorted(number for number in state["pending"] if number < _current(state["committed"]))

        gone = self.change(forget)
        for number in gone:
            self.drop(number)
        if gone:  # only now, so that one who dies before leaves them to the next
            self.change(lambda state: state.update(pending=[n for n in state["pending"] if n not in gone]))
        return gone

    def change(self, edit: Callable[[dict], object]):
        """Edit the state, again if somebody else was faster; returns what `edit` returns."""
        for attempt in range(_TRIES):
            old = self.read(0, [])[0]
            state = _parsed(old)
            result = edit(state)
            state["edit"] = secrets.token_hex(8)  # no two states are alike, not even after a restart that forgot some
            if self.swap(old, json.dumps(state).encode()):
                return result
            time.sleep(0.001 * attempt)
        raise StoreUnavailable(f"the state changed {_TRIES} times while it was edited: try again later")

    def _adopt(self, raw: bytes | None) -> None:
        """Load what belongs to the served generation; an older one where this code can't read the newest."""
        with self._lock:
            if raw == self._known[0]:  # another thread was faster
                return
            committed, first = _parsed(raw)["committed"], None
            if not committed:
                raise StoreUnavailable("the store holds no committed generation: begin one, write the lists and commit")
            for number in reversed(committed):
                try:
                    self._known = (raw, self._load(number, "stale" if first else "personal"))
                    return
                except CorruptRecord as error:
                    first = first or error
            raise first

    def _load(self, number: int, source: str) -> _Generation:
        manifest = self.read(number, [b"m"])[1][0]
        try:
            manifest = json.loads(manifest or b"{}")
            if manifest.get("format") != FORMAT:
                raise CorruptRecord(
                    f"generation {number} has format {manifest.get('format')}: this code reads {FORMAT}; update it"
                )
            pieces = self.read(number, [b"T%d" % k for k in range(manifest["pieces"])] + [b"P"])[1]
            items = np.frombuffer(zlib.decompress(b"".join(pieces[:-1])), manifest["dtype"])
            popular = _answer(_Generation(number, items, source="popular"), pieces[-1])
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
            raise CorruptRecord(f"generation {number} can't be read ({error}): roll back, or write it again") from error
        return _Generation(number, items, popular, source)


class GenerationWriter:
    """Writes one generation of a store; made by :meth:`RecommendationStore.begin`.

    What is not committed is never served; :meth:`RecommendationStore.expire` clears it away after a later commit.
    """

    def __init__(self, store, number: int, base: int, item_ids, popular):
        items = np.asarray(item_ids)
        if items.ndim != 1 or not items.size:
            raise InvalidInput(f"item_ids must be 1-D and not empty, got shape {items.shape}: pass the whole catalogue")
        items = items.astype(np.int64 if np.issubdtype(items.dtype, np.integer) else np.str_)
        self.number = number
        self._store, self._base, self._users, self._open = store, base, 0, True
        self._order = np.argsort(items, kind="stable")
        self._items, self._sorted = items, items[self._order]
        blob = zlib.compress(items.astype(items.dtype.newbyteorder("<")).tobytes(), 1)
        pieces = [blob[start : start + _PIECE] for start in range(0, len(blob), _PIECE)]
        self._manifest = {"format": FORMAT, "dtype": items.dtype.newbyteorder("<").str, "pieces": len(pieces)}
        table = {b"T%d" % k: piece for k, piece in enumerate(pieces)}
        store.write(number, {**table, b"P": self._encode(*(np.asarray(part)[None] for part in popular))[0]})

    def write(self, user_ids, item_ids, scores) -> None:
        """Add a batch of lists, as :func:`~recsys_utils.serving.precompute` yields them.

        Raises
        ------
        InvalidInput
            For items that :meth:`RecommendationStore.begin` was not told of, and after a commit.
        """
        if not self._open:
            raise InvalidInput(f"generation {self.number} is committed and can't change: begin a new one")
        records = self._encode(np.asarray(item_ids), np.asarray(scores))
        self._store.write(self.number, dict(zip(map(user_key, user_ids), records, strict=True)))
        self._users += len(records)

    def commit(self) -> int:
        """Serve this generation from now on; returns its number.

        Raises
        ------
        GenerationConflict
            If another generation is served than when this one was begun: somebody else was faster.
        """
        def serve(state):
            current = _current(state["committed"])
            if current != self._base or not self._open:
                raise GenerationConflict(
                    f"generation {self.number} was begun when {self._base} was served, and now {current} is: two "
                    "writers are at work; begin again if yours has the newer lists"
                )
            state["pending"].remove(self.number)
            state["committed"].append(self.number)

        self._store.write(self.number, {b"m": json.dumps({**self._manifest, "users": self._users}).encode()})
        self._store.change(serve)
        self._open = False
        return self.number

    def _encode(self, item_ids: np.ndarray, scores: np.ndarray) -> list[bytes]:
        present = scores > -np.inf
        place = np.minimum(np.searchsorted(self._sorted, item_ids), len(self._items) - 1)
        strange = present & (self._sorted[place] != item_ids)
        if strange.any():
            raise InvalidInput(f"item_ids holds {item_ids[strange][0].item()!r}, not among the generation's items")
        return encode(self._order[place], scores, len(self._items))


def user_key(user_id) -> bytes:
    """Key of a user, in the order of the ids; integers and strings never meet."""
    if isinstance(user_id, str):
        key = b"s" + user_id.encode()
        if len(key) <= _LONGEST_KEY:
            return key
    elif (type(user_id) is int or isinstance(user_id, Integral)) and -(2**63) <= user_id < 2**63:
        return b"i" + (int(user_id) + 2**63).to_bytes(8, "big")
    raise InvalidInput(f"user_id must be an integer or a string below {_LONGEST_KEY} bytes, got {user_id!r:.60}")


def library(name: str):
    """An optional library, or the sentence that says how to install it."""
    try:
        return import_module(name)
    except ImportError:
        raise MissingDependency(f"this store needs {name}: pip install {name}") from None


@contextmanager
def reporting(kind: str, errors, hint: str):
    """Turn a client's errors into StoreUnavailable."""
    try:
        yield
    except errors as error:
        raise StoreUnavailable(f"{kind}: {error}; {hint}") from error


def _current(committed: list[int]) -> int:
    return committed[-1] if committed else 0


def _parsed(raw: bytes | None) -> dict:
    state = json.loads(raw) if raw else json.loads(json.dumps(_EMPTY))
    if state["format"] != FORMAT:
        raise CorruptRecord(f"the store has format {state['format']}: this code reads {FORMAT}; update it")
    return state


def _answer(now: _Generation, record: bytes | None) -> Recommendations:
    if record is None:
        return now.popular
    rows, scores = decode(record)
    try:
        return Recommendations(now.item_ids.take(rows), scores, now.source, now.number)
    except IndexError:
        raise CorruptRecord(f"a record names an item beyond the {len(now.item_ids)} of its generation") from None
