"""Design matrices for factorization machines, and the text formats that carry them."""
from .encoding import DesignMatrix, RatingFeatures, Relation
from .libsvm import read_libffm, read_libsvm, write_libffm, write_libsvm

__all__ = [
    "DesignMatrix",
    "RatingFeatures",
    "Relation",
    "read_libffm",
    "read_libsvm",
    "write_libffm",
    "write_libsvm",
]
