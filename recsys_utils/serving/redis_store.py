"""A store in Redis, for several machines that read."""
from __future__ import annotations

from ..errors import InvalidInput
from .store import RecommendationStore, library, reporting

_AT_ONCE = 2_000
_SWAP = """
if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end
return 0
"""


class RedisStore(RecommendationStore):
    """Recommendations in Redis, a string for each user and generation.

    The server must not evict (``maxmemory-policy noeviction``, Redis' default), and must keep an append-only file if
    lists are to survive its restart.

    Parameters
    ----------
    url : str
        Such as ``"redis://:password@127.0.0.1:6379/0"``.
    name : str
        Letters, digits, ``-`` and ``_``: what the keys begin with.
    timeout : float
        Seconds to wait for the server at a time.
    """

    def __init__(self, url: str, *, name: str = "recommendations", timeout: float = 5.0):
        super().__init__()
        redis = library("redis")
        if not name.replace("-", "").replace("_", "").isalnum():
            raise InvalidInput(f"name must consist of letters, digits, - and _, got {name!r}")
        self._errors, self._name = (redis.RedisError, OSError), name.encode()
        # No retries here: a service has better things to do than to wait for a server that is down.
        self._client = redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None, retry_on_timeout=False
        )
        self._state = self._name + b":state"
        self._swap = self._client.register_script(_SWAP)

    def _reporting(self):
        return reporting("Redis", self._errors, "is it running, has it room, is the password right?")

    def read(self, generation, keys):
        """See :meth:`RecommendationStore.read`; one command, hence one moment."""
        head = b"%b:%d:" % (self._name, generation)
        with self._reporting():
            state, *values = self._client.mget([self._state, *(head + key for key in keys)])
        return state, values

    def write(self, generation, records):
        """See :meth:`RecommendationStore.write`; as durable as the server's append-only file."""
        head, pairs = b"%b:%d:" % (self._name, generation), list(records.items())
        with self._reporting():
            for start in range(0, len(pairs), _AT_ONCE):
                self._client.mset({head + key: value for key, value in pairs[start : start + _AT_ONCE]})

    def swap(self, old, new):
        """See :meth:`RecommendationStore.swap`; a script, which Redis runs undisturbed."""
        with self._reporting():
            return bool(self._swap(keys=[self._state], args=[old or b"", new]))

    def drop(self, generation):
        """See :meth:`RecommendationStore.drop`; walks over all keys, in small steps."""
        with self._reporting():
            cursor = "0"
            while cursor:
                cursor, keys = self._client.scan(cursor, match=b"%b:%d:*" % (self._name, generation), count=_AT_ONCE)
                if keys:
                    self._client.unlink(*keys)

    def close(self):
        """See :meth:`RecommendationStore.close`."""
        self._client.close()
