"""An embedded store: one file, nothing to start."""
from __future__ import annotations

from pathlib import Path

from ..errors import CorruptRecord, StoreUnavailable
from .store import RecommendationStore, library, reporting

_STATE = b"\0"  # before all generations, whose records can then be appended
_AT_ONCE = 10_000


class LMDBStore(RecommendationStore):
    """Recommendations in an LMDB file: readers map it into memory and never wait for a writer.

    Parameters
    ----------
    path : path-like
        A folder, made where it is missing; on a local disk.
    map_size : int
        The most that the file may grow to, in bytes. Room in the address space, not on the disk.

    Raises
    ------
    CorruptRecord
        If the file is truncated or is no LMDB file.
    """

    remote = False

    def __init__(self, path, *, map_size: int = 2**36):
        super().__init__()
        lmdb, path = library("lmdb"), Path(path)
        self._error = lmdb.Error
        path.mkdir(parents=True, exist_ok=True)
        try:
            with self._reporting():
                self._env = lmdb.open(str(path), map_size=map_size, max_readers=1024)
        except StoreUnavailable as error:
            if isinstance(error.__cause__, (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError)):
                raise CorruptRecord(f"{path} is no intact LMDB file: restore it or write a new one") from error
            raise
        self._env.reader_check()  # forgets readers that were killed
        needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        there = (path / "data.mdb").stat().st_size
        if there < needed:
            self._env.close()
            raise CorruptRecord(f"{path} is truncated: {there:,} bytes of {needed:,}; restore it or write a new one")

    def _reporting(self):
        return reporting("LMDB", self._error, "has the disk room, is map_size large enough, is the store open?")

    def read(self, generation, keys):
        """See :meth:`RecommendationStore.read`; one snapshot."""
        head = generation.to_bytes(8, "big")
        try:  # no context manager of ours here: it would cost as much as the look-up
            with self._env.begin() as transaction:
                return transaction.get(_STATE), [transaction.get(head + key) for key in keys]
        except self._error as error:
            raise StoreUnavailable(f"LMDB: {error}; is the store open?") from error

    def write(self, generation, records):
        """See :meth:`RecommendationStore.write`; one transaction, on the disk when this returns."""
        head = generation.to_bytes(8, "big")
        with self._reporting(), self._env.begin(write=True) as transaction:
            for key, value in sorted(records.items()):
                # Appending fills pages; it is refused where the key is not the last.
                transaction.put(head + key, value, append=True) or transaction.put(head + key, value)

    def swap(self, old, new):
        """See :meth:`RecommendationStore.swap`; one transaction."""
        with self._reporting(), self._env.begin(write=True) as transaction:
            return transaction.get(_STATE) == old and transaction.put(_STATE, new)

    def drop(self, generation):
        """See :meth:`RecommendationStore.drop`; short transactions, so that another writer gets its turn."""
        head, found = generation.to_bytes(8, "big"), True
        while found:
            with self._reporting(), self._env.begin(write=True) as transaction, transaction.cursor() as cursor:
                found = cursor.set_range(head)
                for _ in range(_AT_ONCE):
                    found = found and cursor.key().startswith(head) and cursor.delete()

    def close(self):
        """See :meth:`RecommendationStore.close`."""
        self._env.close()
