"""Find the items nearest to a vector: exactly, or nearly so and faster, behind one contract.

>>> import numpy as np
>>> from recsys_utils import retrieval
>>> index = retrieval.build("exact", ["a", "b", "c"], np.array([[1.0, 0], [0, 1], [2, 2]]))
>>> index.search(np.array([1.0, 0]), n=2)[0].tolist()
['c', 'a']
"""
from .backends import Annoy, Exact, Faiss, Voyager, build, open
from .index import Index, augmented

__all__ = ["Annoy", "Exact", "Faiss", "Index", "Voyager", "augmented", "build", "open"]
