"""Helpers of the book *Factor by Factor*: recommender systems by factorization.

Data flows one way through the modules: ``datasets``, ``interactions``, ``split``,
``models`` and ``evaluation``; ``book`` serves the pages alone.
"""
from .datasets import load_lastfm, load_movielens
from .interactions import Interactions

__all__ = ["Interactions", "load_lastfm", "load_movielens"]
__version__ = "0.2.0"
