"""Design matrices for factorization machines, and the text formats that carry them."""
from .design import DesignMatrix, Relation
from .encoding import RatingFeatures
from .libsvm import write_libffm, write_libsvm
from .windows import CrossedFields, RatingWindows

__all__ = [
    "CrossedFields",
    "DesignMatrix",
    "RatingFeatures",
    "RatingWindows",
    "Relation",
    "write_libffm",
    "write_libsvm",
]
