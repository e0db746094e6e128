"""Exact search and three approximate ones. Each library is imported where it is used."""
from __future__ import annotations

import importlib

import numpy as np

from ..check import check_choice
from ..errors import CorruptArchive, MissingDependency
from ..topn import SortedVectors
from . import files
from .index import Index, augmented


class Exact(Index):
    """All items that can matter: longest first, until the bound of Cauchy and Schwarz ends the scan."""

    def arrange(self) -> None:
        """Measure the vectors, which are in order."""
        self._sorted = SortedVectors(self.vectors)

    def best(self, queries, n, banned):
        """The exact answer, many queries at once."""
        pointers, seen = np.cumsum([0, *map(len, banned)]), np.concatenate(banned) if banned else np.zeros(0, int)
        found, values = self._sorted.search(queries, min(n, len(self)), pointers, seen)
        if n > len(self):
            rest = ((0, 0), (0, n - len(self)))
            found, values = np.pad(found, rest, constant_values=-1), np.pad(values, rest, constant_values=-np.inf)
        return found, values

    def candidates(self, query, n, banned):
        """Those that :meth:`best` finds."""
        return self.best(query[None], n, [banned])[0][0]

    def read(self, path):
        """Nothing but the vectors is stored."""
        self.arrange()


class Annoy(Index):
    """A forest of random splits, mapped into memory :cite:p:`bernhardsson2018annoy`.

    Settings: ``trees``, ``seed``, and ``native``: 0 searches the neighbours of :func:`augmented` vectors, 1 uses the
    library's own ``dot``. `effort` is its ``search_k``, the number of items to inspect. It cannot filter: items to
    leave out are asked for on top.
    """

    library, defaults = "annoy", {"effort": 2000, "trees": 20, "seed": 1, "native": 0}

    def arrange(self) -> None:
        """Grow the trees, by one thread: several would grow others each time."""
        self._make()
        self._forest.set_seed(self.settings["seed"])
        for position, row in enumerate(augmented(self.vectors) if self._extra else self.vectors):
            self._forest.add_item(position, row)
        self._forest.build(self.settings["trees"], n_jobs=1)

    def candidates(self, query, n, banned):
        """The nearest by the forest."""
        query = np.append(query, np.float32(0)) if self._extra else query
        k = n + len(banned)
        return self._forest.get_nns_by_vector(query, k, max(self.effort, k))

    def write(self, path):
        """Annoy's own file, which the forest uses from then on."""
        self._forest.save(path)

    def read(self, path):
        """Map the file."""
        self._make()
        self._forest.load(path)

    def _make(self):
        native = self.metric == "dot" and self.settings["native"] > 0
        self._extra = int(self.metric == "dot" and not native)
        dimension, space = self.vectors.shape[1] + self._extra, "dot" if native else "euclidean"
        self._forest = _library("annoy").AnnoyIndex(dimension, space)


class Faiss(Index):
    """An inverted file: items in cells around centroids, of which the nearest are searched :cite:p:`douze2024faiss`.

    Built on :func:`augmented` vectors, so that nearest means largest dot product. Settings: ``cells`` (0: four times
    the square root of the number of items) and ``codes`` (1: one byte a coordinate). `effort` is the number of cells
    to search, its ``nprobe``. It filters while it searches.
    """

    library, defaults = "faiss-cpu", {"effort": 8, "cells": 0, "codes": 0}

    def arrange(self) -> None:
        """Find the centroids by k-means and fill the cells."""
        faiss, rows = _library("faiss"), augmented(self.vectors)
        cells = min(self.settings["cells"] or int(4 * np.sqrt(len(self))), len(self))
        kind = "SQ8" if self.settings["codes"] else "Flat"
        self._cells = faiss.index_factory(rows.shape[1], f"IVF{cells},{kind}", faiss.METRIC_L2)
        self._cells.cp.min_points_per_centroid = 1  # it prints a warning otherwise
        self._cells.train(rows)
        self._cells.add(rows)

    def candidates(self, query, n, banned):
        """The nearest in some cells; from codes twice as many, for the exact scores to choose among."""
        faiss, query = _library("faiss"), np.append(query, np.float32(0))[None]
        parameters = faiss.SearchParametersIVF(nprobe=self.effort)
        if len(banned):
            parameters.sel = selector = faiss.IDSelectorNot(inside := faiss.IDSelectorBatch(banned))  # noqa: F841
        return self._cells.search(query, n * (1 + self.settings["codes"]), params=parameters)[1][0]

    def write(self, path):
        """Faiss's own file."""
        _library("faiss").write_index(self._cells, path)

    def read(self, path):
        """Map the file."""
        self._cells = _library("faiss").read_index(path, _library("faiss").IO_FLAG_MMAP_IFC)


class Voyager(Index):
    """A graph of near items in layers, walked from coarse to fine :cite:p:`malkov2020hnsw,sobot2023voyager`.

    Items are added longest first, as the library's ``InnerProduct`` measures against the longest seen so far. Settings:
    ``links`` an item, ``build_effort``, ``seed``. `effort` is the number of candidates kept on the way, its
    ``query_ef``. It cannot filter, and is read into memory.
    """

    library, defaults = "voyager", {"effort": 64, "links": 16, "build_effort": 200, "seed": 1}

    def arrange(self) -> None:
        """Link the items, by one thread: the graph depends on their order."""
        voyager = _library("voyager")
        self._graph = voyager.Index(
            voyager.Space.InnerProduct, num_dimensions=self.vectors.shape[1], M=self.settings["links"],
            ef_construction=self.settings["build_effort"], random_seed=self.settings["seed"], max_elements=len(self),
        )
        self._graph.add_items(self.vectors, ids=np.arange(len(self)), num_threads=1)

    def candidates(self, query, n, banned):
        """The nearest by the graph, or none where it reaches too few."""
        k = n + len(banned)
        try:
            return self._graph.query(query, k, num_threads=1, query_ef=max(self.effort, k))[0]
        except _library("voyager").RecallError:
            return []

    def write(self, path):
        """Voyager's own file."""
        self._graph.save(path)

    def read(self, path):
        """Read the file."""
        self._graph = _library("voyager").Index.load(path)


BACKENDS = {cls.__name__.lower(): cls for cls in (Exact, Annoy, Faiss, Voyager)}


def build(backend: str, item_ids, vectors, metric: str = "dot", **settings) -> Index:
    """Arrange item vectors for search.

    Parameters
    ----------
    backend : {"exact", "annoy", "faiss", "voyager"}
    item_ids : array-like of raw ids, shape (n_items,)
        Whole numbers or strings, without repeats.
    vectors : array-like, shape (n_items, f)
    metric : {"dot", "cosine"}
        "dot" for the items that a user's vector scores highest, "cosine" for items like an item.
    **settings
        `effort` and what else the back end has; all whole numbers.

    Raises
    ------
    InvalidInput
        For ids or vectors that cannot be indexed, or a setting that the back end lacks.
    MissingDependency
        If the back end's library is not installed.
    """
    return BACKENDS[check_choice("backend", backend, BACKENDS)].build(item_ids, vectors, metric, **settings)


def open(path, verify: bool = True) -> Index:
    """Open a saved index; vectors, ids and, where its library can, the index itself are mapped into memory.

    Parameters
    ----------
    path : str or Path
        The directory that :meth:`Index.save` wrote.
    verify : bool
        Compare the content of all parts with their digests, which reads them once. Without it only the header and the
        sizes are checked, and a damaged part may end the process.

    Raises
    ------
    CorruptArchive
        For anything that is not a whole index of this version of the format and of its library.
    MissingDependency
        If the library of its back end is not installed.
    """
    header, parts = files.read(path, verify)
    names = ("vectors", "ids", "sorter")
    try:
        arrays = {name: np.load(parts[name], mmap_mode="r", allow_pickle=False) for name in names}
        index = BACKENDS[header["backend"]](**arrays, metric=header["metric"], settings=header["settings"])
        index.read(parts.get("index", ""))
    except (OSError, ValueError, RuntimeError) as error:
        raise CorruptArchive(f"a part of the index cannot be read ({error}): build the index again") from error
    return index


def _library(name: str):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependency(f"this index needs {name}: pip install 'factor-by-factor[retrieval]'") from error
