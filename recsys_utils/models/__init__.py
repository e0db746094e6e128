"""The models of the book, one file each, all on the contract of :class:`Recommender`."""
from .base import Recommender
from .bias import BiasBaseline
from .biased_svd import BiasedSVD
from .item_knn import ItemKNN
from .popularity import Popularity
from .pure_svd import PureSVD

__all__ = ["BiasBaseline", "BiasedSVD", "ItemKNN", "Popularity", "PureSVD", "Recommender"]
