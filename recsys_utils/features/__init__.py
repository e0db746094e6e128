"""Design matrices for factorization machines, and the text formats that carry them."""
from .encoding import DesignMatrix, RatingFeatures, Relation
from .libsvm import read_libffm, read_libsvm, write_libffm, write_libsvm
from .windows import CrossedFields, RatingWindows

__all__ = [
    "CrossedFields",
    "DesignMatrix",
    "RatingFeatures",
    "RatingWindows",
    "Relation",
    "read_libffm",
    "read_libsvm",
    "write_libffm",
    "write_libsvm",
]
