"""The contract of an index of item vectors: raw ids outside, exact scores, every list filled."""
from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ..check import check_choice, check_finite, check_int
from ..compiled import compiled
from ..errors import InvalidInput
from ..topn import SortedVectors
from . import files

_LARGEST = 1e17  # products of such values still fit into single precision

def augmented(items: np.ndarray) -> np.ndarray:
    r"""Append :math:`\sqrt{M^2 - \|x\|^2}` to each vector, M being the length of the longest.

    All rows then have length M, so for a query with a zero appended
    :math:`\|q - x\|^2 = \|q\|^2 + M^2 - 2\, q \cdot x`: the nearest row is the one with the largest dot
    product :cite:p:`bachrach2014speeding`.

    Parameters
    ----------
    items : ndarray, shape (n_items, f)

    Returns
    -------
    ndarray, shape (n_items, f + 1), of the same type

    Examples
    --------
    >>> augmented(np.array([[3.0, 4.0], [0.0, 3.0]])).tolist()
    [[3.0, 4.0, 0.0], [0.0, 3.0, 4.0]]
    """
    squares = np.einsum("ij,ij->i", items, items, dtype=np.float64)
    last = np.sqrt(np.maximum(squares.max() - squares, 0))
    return np.column_stack([items, last.astype(items.dtype)])


class Index(ABC):
    """Item vectors, arranged for search; made by :func:`build` or :func:`open`.

    The vectors are kept in single precision, longest first. A back end names candidates; their scores are
    computed from these vectors, so scores are exact whichever back end found them, and where it names too few,
    the whole catalogue is scanned.

    Who adds a back end implements :meth:`arrange` and :meth:`candidates`, and :meth:`write` and :meth:`read` where it
    has a file of its own.

    Attributes
    ----------
    ids : ndarray, shape (n_items,)
        Raw ids, int64 or str, in the order of `vectors`.
    vectors : ndarray of float32, shape (n_items, f)
        Divided by their lengths under ``metric="cosine"``.
    metric : str
    settings : dict
        How the index was built.
    effort : int
        How hard to search; may be changed at any time. More finds more and takes longer.
    missing : int or str
        The id that means "no item".
    """

    library: str | None = None
    defaults: dict = {"effort": 1}

    def __init__(self, vectors, ids, sorter, metric: str, settings: dict):
        self.vectors, self.ids, self.sorter, self.metric, self.settings = vectors, ids, sorter, metric, settings
        self.effort = settings["effort"]
        self.missing = "" if ids.dtype.kind == "U" else -1

    @classmethod
    def build(cls, item_ids, vectors, metric: str = "dot", **settings) -> Index:
        """Arrange `vectors`; see :func:`build`."""
        check_choice("metric", metric, ("dot", "cosine"))
        for name, value in settings.items():
            check_choice("setting", name, cls.defaults)
            check_int(name, value, minimum=0)
        ids, vectors = _checked_ids(item_ids), check_finite("vectors", vectors)
        if vectors.ndim != 2 or len(vectors) != len(ids) or vectors.size == 0:
            raise InvalidInput(
                f"vectors must have one row for each of the {len(ids)} item_ids, and columns, got shape "
                f"{vectors.shape}: pass the model's item factors"
            )
        if np.abs(vectors).max() >= _LARGEST:
            raise InvalidInput("vectors hold values too large for single precision: scale them down")
        vectors = (_units(vectors) if metric == "cosine" else vectors).astype(np.float32)
        by_id = np.argsort(ids)
        order = by_id[SortedVectors(vectors[by_id]).order]  # longest first, equal ones by id
        index = cls(vectors[order], ids[order], np.argsort(ids[order]), metric, cls.defaults | settings)
        index.arrange()
        return index

    @abstractmethod
    def arrange(self) -> None:
        """Build what the back end searches in, from `vectors`."""

    @abstractmethod
    def candidates(self, query: np.ndarray, n: int, banned: np.ndarray) -> np.ndarray:
        """Positions worth a look (−1: none), `n` of them or more beside those that are `banned`."""

    def write(self, path: str) -> None:  # noqa: B027
        """Write what :meth:`arrange` built to a file; nothing where there is nothing."""

    def read(self, path: str) -> None:  # noqa: B027
        """Open what :meth:`write` wrote, mapped into memory if the library can."""

    def __len__(self) -> int:
        return len(self.ids)

    def search(self, queries, n: int = 10, exclude=None) -> tuple[np.ndarray, np.ndarray]:
        """The `n` items with the largest scores, best first.

        Parameters
        ----------
        queries : array-like, shape (f,) or (n_queries, f)
        n : int
            May exceed the catalogue.
        exclude : array-like of raw ids, optional
            Items to leave out; for several queries, one array-like each. Ids that the index lacks are no error.

        Returns
        -------
        ids, scores : ndarray
            Shape (n,) for one query, else (n_queries, n). Where no item is left, the id is `missing` (−1 or
            "") and the score −inf.

        Raises
        ------
        InvalidInput
            For queries of another dimension or with NaN, or ids of another type.
        """
        check_int("n", n)
        block, f = np.array(queries, dtype=np.float32, order="C"), self.vectors.shape[1]
        if block.ndim not in (1, 2) or block.shape[-1] != f:
            raise InvalidInput(f"queries must be vectors of dimension {f}, got shape {block.shape}: pass user factors")
        if not np.abs(block).max(initial=0) < _LARGEST:
            check_finite("queries", queries)
            raise InvalidInput("queries hold values too large for single precision: scale them down")
        single, block = block.ndim == 1, np.atleast_2d(block)
        exclude = [()] * len(block) if exclude is None else [exclude] if single else exclude
        if len(exclude) != len(block):
            raise InvalidInput(f"exclude must have one list for each of {len(block)} queries, got {len(exclude)}")
        if self.metric == "cosine":
            block = _units(block)
        positions, scores = self.best(block, n, [self._positions(ids) for ids in exclude])
        found = self.ids[positions]
        found[positions < 0] = self.missing
        return (found[0], scores[0]) if single else (found, scores)

    def best(self, queries: np.ndarray, n: int, banned: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores of the best `n` of each query's candidates."""
        positions, scores = np.full((len(queries), n), -1), np.full((len(queries), n), -np.inf, dtype=np.float32)
        for r, (query, mine) in enumerate(zip(queries, banned, strict=True)):
            wanted = min(n, len(self) - len(mine))
            named = self.candidates(query, wanted, mine) if wanted else []
            _rescore(self.vectors, query, np.asarray(named, dtype=np.int64), mine, positions[r], scores[r])
        return positions, scores

    def save(self, path) -> None:
        """Write the index into the directory `path`; one that stands there is whole until it is replaced."""
        files.write(
            path, {"vectors": self.vectors, "ids": self.ids, "sorter": self.sorter}, self.write,
            {"backend": type(self).__name__.lower(), "library": self.library, "metric": self.metric,
             "settings": self.settings | {"effort": self.effort}, "shape": self.vectors.shape},
        )

    def _positions(self, ids) -> np.ndarray:
        """Positions of the raw ids that the index has, ascending."""
        if len(ids) == 0:
            return np.zeros(0, dtype=np.int64)
        ids = _plain(ids)
        if ids.ndim != 1 or (ids.dtype.kind == "U") != (self.ids.dtype.kind == "U") or ids.dtype.kind not in "iuU":
            raise InvalidInput(f"exclude must hold ids like {self.ids[0]!r}, one list a query, got {ids.ravel()[0]!r}")
        place = np.searchsorted(self.ids, ids, sorter=self.sorter)
        found = self.sorter[np.minimum(place, len(self) - 1)]
        return np.unique(found[self.ids[found] == ids])


def _units(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def _plain(ids) -> np.ndarray:
    """Ids as an array of int64 or str, whatever held them."""
    ids = np.asarray(ids)
    return np.asarray(ids.tolist()) if ids.dtype.kind in "OT" else ids


def _checked_ids(item_ids) -> np.ndarray:
    ids = _plain(item_ids)
    if ids.ndim != 1 or len(ids) == 0 or ids.dtype.kind not in "iuU":
        raise InvalidInput(f"item_ids must be a list of whole numbers or strings, got {ids.dtype} of shape {ids.shape}")
    ids = ids if ids.dtype.kind == "U" else ids.astype(np.int64)
    if (ids == ("" if ids.dtype.kind == "U" else -1)).any():
        raise InvalidInput("item_ids holds −1 or an empty string, which stand for no item: choose other ids")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise InvalidInput(f"item_ids holds {unique[counts > 1][0]!r} more than once: drop the other rows")
    return ids


@compiled(fastmath={"reassoc"})
def _rescore(vectors, query, candidates, banned, found, scores):
    """Fill `found` and `scores` from candidates that are not banned, or from all items if those are too few."""
    n, filled = len(found), 0
    for everything in (False, True):
        if everything and filled >= min(n, len(vectors) - len(banned)):
            break
        filled = 0
        for c in range(len(vectors) if everything else len(candidates)):
            p = c if everything else candidates[c]
            place = np.searchsorted(banned, p)
            if p < 0 or (place < len(banned) and banned[place] == p):
                continue
            score = np.float32(0)
            for j in range(len(query)):
                score += query[j] * vectors[p, j]
            k = filled
            while k > 0 and (scores[k - 1] < score or (scores[k - 1] == score and found[k - 1] > p)):
                k -= 1
            if k < n:
                filled = min(filled + 1, n)
                for m in range(filled - 1, k, -1):
                    scores[m], found[m] = scores[m - 1], found[m - 1]
                scores[k], found[k] = score, p
