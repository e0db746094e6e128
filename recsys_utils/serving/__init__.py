"""Recommendations computed ahead and served from a store: one contract, three back ends.

:func:`precompute` makes the lists, a :class:`RecommendationStore` keeps them by *generation*, and a
:class:`RecommendationService` answers from a store within a time budget, whatever the store does.
:func:`redis_server` and :func:`dynamodb_server` start a server for tests and for pages.
"""
from .dynamodb_store import DynamoDBStore
from .lmdb_store import LMDBStore
from .precompute import popular_items, precompute
from .record import decode, encode
from .redis_store import RedisStore
from .servers import Server, dynamodb_server, redis_server
from .service import RecommendationService
from .store import GenerationWriter, Recommendations, RecommendationStore

__all__ = [
    "DynamoDBStore", "GenerationWriter", "LMDBStore", "RecommendationService", "RecommendationStore", "Recommendations",
    "RedisStore", "Server", "decode", "dynamodb_server", "encode", "popular_items", "precompute", "redis_server",
]
