"""The models of the book, one file each, all on the contract of :class:`Recommender`."""
from .base import Recommender
from .bias import BiasBaseline
from .biased_svd import BiasedSVD
from .blend import Blend
from .bpr import BPR
from .ease import EASE
from .explicit_als import ExplicitALS
from .factorization_machine import FactorizationMachine
from .fm_equation import fm_gradient, fm_objective, fm_predict
from .fm_recommender import FMRecommender
from .implicit_als import ImplicitALS
from .item_knn import ItemKNN
from .popularity import Popularity
from .pure_svd import PureSVD
from .rating import RatingModel
from .user_knn import UserKNN

__all__ = [
    "BPR", "BiasBaseline", "BiasedSVD", "Blend", "EASE", "ExplicitALS", "FMRecommender", "FactorizationMachine",
    "ImplicitALS", "ItemKNN", "Popularity", "PureSVD", "RatingModel", "Recommender", "UserKNN", "fm_gradient",
    "fm_objective", "fm_predict",
]
