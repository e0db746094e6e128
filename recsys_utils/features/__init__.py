"""Design matrices for factorization machines, and the text formats that carry them."""
from .encoding import DesignMatrix, RatingFeatures, Relation

__all__ = ["DesignMatrix", "RatingFeatures", "Relation"]
