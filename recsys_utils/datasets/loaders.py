"""The two functions that the rest of the package and the book load data with."""

from __future__ import annotations

import os

from ..check import check_choice
from ..errors import CorruptArchive, InvalidInput
from .readers import read_csv_layout, read_lastfm, read_ml_1m, read_ml_100k
from .registry import SOURCES
from .sources import locate
from .synthetic import synthetic_lastfm, synthetic_movielens
from .tables import LastFM, MovieLens

DATASET = "RECSYS_DATASET"
READERS = {
    "ml-latest-small": read_csv_layout,
    "ml-25m": read_csv_layout,
    "ml-100k": read_ml_100k,
    "ml-1m": read_ml_1m,
    "lastfm-2k": read_lastfm,
}
_used: list[str] = []


def load_movielens(name: str = "ml-latest-small", *, folder: str | os.PathLike | None = None) -> MovieLens:
    """Load a MovieLens data set as typed tables.

    The files are looked for in `folder`, where it is given, and nowhere else; otherwise in the folder that
    ``RECSYS_DATA_HOME`` names and in the user's cache; what is in none of them is downloaded into the cache.
    Every file whose digest is known is checked. ``RECSYS_DATASET=synthetic`` replaces the data of a whole
    run by invented ones.

    Parameters
    ----------
    name : str
        ``"ml-latest-small"``, ``"ml-100k"``, ``"ml-1m"``, ``"ml-25m"``, or ``"synthetic"`` for
        invented data with the shape of the first (see :mod:`recsys_utils.datasets.synthetic`).
    folder : path, optional
        Folder of the unpacked files, or the folder above it.

    Returns
    -------
    MovieLens
        The tables; their columns and types are listed there.

    Raises
    ------
    InvalidInput
        An unknown name, or a `folder` that is no path.
    DataUnavailable
        No source has the data set; the message names each one, why it failed, and the remedies.
    CorruptArchive
        A file is there, but it is not the published one.

    References
    ----------
    F. M. Harper and J. A. Konstan, "The MovieLens Datasets: History and Context", ACM Transactions on
    Interactive Intelligent Systems 5(4), 2015.
    """
    __tracebackhide__ = True  # in a notebook the message stands below the reader's own line
    check_choice("name", name, (*(known for known in READERS if known != "lastfm-2k"), "synthetic"))
    if _invented(name):
        return synthetic_movielens(name)
    return MovieLens(name=name, **_tables(name, folder))


def load_lastfm(*, folder: str | os.PathLike | None = None) -> LastFM:
    """Load the Last.fm play counts (HetRec 2011) as typed tables.

    Parameters
    ----------
    folder : path, optional
        Folder of the unpacked files, or the folder above it. The other sources are those of
        :func:`load_movielens`.

    Returns
    -------
    LastFM
        The tables; their columns and types are listed there.

    Raises
    ------
    DataUnavailable
        No source has the data set; the message names each one, why it failed, and the remedies.
    CorruptArchive
        A file is there, but it is not the published one.

    References
    ----------
    I. Cantador, P. Brusilovsky and T. Kuflik, "Second Workshop on Information Heterogeneity and Fusion
    in Recommender Systems (HetRec 2011)", Proceedings of RecSys 2011.
    """
    __tracebackhide__ = True
    if _invented("lastfm-2k"):
        return synthetic_lastfm()
    return LastFM(**_tables("lastfm-2k", folder))


def used() -> list[str]:
    """Names of the data sets that this process has asked the loaders for, in order, each once."""
    return list(_used)


def _invented(name: str) -> bool:
    """Record the name; say so where invented data take the place of real ones."""
    if name not in _used:
        _used.append(name)
    if (value := os.environ.get(DATASET, "")) not in ("", "synthetic"):
        raise InvalidInput(f"{DATASET} must be 'synthetic' or unset, got {value!r}: set one of the two")
    if not value and name != "synthetic":
        return False
    shape = "ml-latest-small" if name == "synthetic" else name
    print(f"SYNTHETIC DATA: invented users, items and interactions in the shape of {shape}; not a measurement.")
    return True


def _tables(name: str, folder) -> dict:
    __tracebackhide__ = True
    source = SOURCES[name]
    found = locate(source, folder)
    tables = READERS[name](found)
    if source.n_ratings not in (None, len(tables.get("ratings", ()))):
        raise CorruptArchive(
            f"{found} holds {len(tables['ratings'])} ratings, the published {name} has {source.n_ratings}: "
            "unpack the archive again"
        )
    return tables
