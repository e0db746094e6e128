"""How different the items of one list are from each other."""
from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import gammaln
from sklearn.preprocessing import MultiLabelBinarizer

from ..check import check_finite
from ..errors import InvalidInput, UnknownIdError
from .lists import rows_of_items, unique_index


def genre_matrix(item_ids, movies: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Which item has which genre.

    Parameters
    ----------
    item_ids : array-like, shape (n_items,)
    movies : DataFrame
        With columns ``movieId`` and ``genres`` (a tuple or list per row, empty where none is listed; texts such as
        ``"Drama|Crime"`` are to be split first).

    Returns
    -------
    matrix : ndarray of bool, shape (n_items, n_genres)
    names : list of str
        Alphabetical.

    Raises
    ------
    UnknownIdError
        If an item is not in `movies`.
    InvalidInput
        If `movies` has an item twice, lacks a column, or its genres are texts.

    Examples
    --------
    >>> genre_matrix([7, 5], pd.DataFrame({"movieId": [5, 7], "genres": [("Drama", "Crime"), ("Comedy",)]}))
    (array([[ True, False, False],
           [False,  True,  True]]), ['Comedy', 'Crime', 'Drama'])
    """
    if not {"movieId", "genres"} <= set(movies):
        raise InvalidInput(f"movies has the columns {list(movies)}: rename them to 'movieId' and 'genres'")
    rows = unique_index("movieId", movies["movieId"]).get_indexer(item_ids)
    if (rows < 0).any():
        unknown = np.asarray(item_ids)[rows < 0]
        raise UnknownIdError(f"item_ids: {len(unknown)} are not in movies, such as {unknown.tolist()[0]!r}: add them")
    genres = movies["genres"].iloc[rows].tolist()
    texts = [mine for mine in genres if not isinstance(mine, (tuple, list, set, frozenset, np.ndarray))]
    if texts:
        raise InvalidInput(
            f"movies holds genres as {texts[0]!r}: pass tuples of names, e.g. movies['genres'].str.split('|')"
        )
    encoder = MultiLabelBinarizer()
    return encoder.fit_transform(genres).astype(bool), list(encoder.classes_)


def unit_vectors(item_ids, vectors) -> np.ndarray:
    """`vectors` as dense rows of length 1 (rows of zeros stay zeros), shape (n_items, n_features)."""
    dense = vectors.toarray() if sparse.issparse(vectors) else vectors
    dense = check_finite("vectors", dense)
    if dense.ndim != 2 or len(dense) != len(item_ids):
        raise InvalidInput(f"vectors has shape {dense.shape}: pass one for each of {len(item_ids)}")
    norms = np.linalg.norm(dense, axis=1, keepdims=True)
    return np.divide(dense, norms, out=np.zeros_like(dense), where=norms > 0)


def intra_list_distance(recommended, item_ids, vectors, k: int | None = None) -> np.ndarray:
    r"""Mean cosine distance of all pairs of items in a list, shape (n_users,).

    .. math:: \frac{2}{n(n-1)} \sum_{i<j} (1 - \cos(v_i, v_j))

    A mean over pairs does not grow with the list. An item without any feature has distance 1 from all
    others; a list of fewer than two items has no pair, and NaN.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    item_ids : array-like, shape (n_items,)
    vectors : array or sparse matrix, shape (n_items, n_features)
        What the items are compared by: genres, or factors of another model.
    k : int, optional
        Look at the first `k` places only.

    References
    ----------
    Ziegler, McNee, Konstan and Lausen (2005), *Improving recommendation lists through topic
    diversification* (there as intra-list similarity).

    Examples
    --------
    Genres of three films: (drama), (drama, crime), (comedy). Cosines 0.7071, 0, 0.

    >>> genres = [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    >>> intra_list_distance([[10, 20, 30]], [10, 20, 30], genres).round(4)
    array([0.7643])
    """
    rows = rows_of_items(recommended, item_ids, k)
    # The last row, which −1 reaches, stands for an empty place.
    units = np.vstack([unit_vectors(item_ids, vectors), np.zeros(np.shape(vectors)[1])])
    n = (rows >= 0).sum(axis=1)
    total = np.zeros((len(rows), units.shape[1]))
    own = np.zeros(len(rows))
    for place in rows.T:
        total += units[place]
        own += (units[place] ** 2).sum(axis=1)
    # The squared length of the sum holds every pair twice and every item with itself once.
    twice_pairs = (total**2).sum(axis=1) - own
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.clip(1 - twice_pairs / (n * (n - 1)), 0, 2)
    return np.where(n > 1, distance, np.nan)


def genre_coverage(recommended, item_ids, genres, k: int | None = None) -> np.ndarray:
    r"""Number of different genres in a list over the number that a random list of its length would have.

    .. math::
        \frac{\#\text{genres in the list}}
             {\sum_g \left[1 - \binom{N - N_g}{n} \Big/ \binom{N}{n}\right]}

    for a list of :math:`n` of :math:`N` items, :math:`N_g` of which have genre :math:`g`. The bare count
    grows with the list whatever is in it; the ratio is 1 on average for a random draw of any length, below 1
    for a list narrower than chance.

    Parameters
    ----------
    recommended : Lists or array-like, shape (n_users, length)
    item_ids : array-like, shape (n_items,)
        The whole catalogue, from which the random list would be drawn.
    genres : ndarray of bool, shape (n_items, n_genres)
        See :func:`genre_matrix`.
    k : int, optional
        Look at the first `k` places only.

    Returns
    -------
    ndarray, shape (n_users,)
        NaN for an empty list.

    References
    ----------
    The denominator is the rarefaction curve of Hurlbert (1971), *The nonconcept of species
    diversity*.

    Examples
    --------
    Four films, two dramas and two comedies. A random pair has both genres in 4 of 6 draws, so 1.6667
    genres on average; the first list has 1 and the second 2.

    >>> genres = [[1, 0], [1, 0], [0, 1], [0, 1]]
    >>> genre_coverage([[10, 20], [10, 30]], [10, 20, 30, 40], genres).round(4)
    array([0.6, 1.2])
    """
    rows = rows_of_items(recommended, item_ids, k)
    genres = check_finite("genres", genres) > 0
    if genres.ndim != 2 or len(genres) != len(item_ids):
        raise InvalidInput(f"genres has shape {genres.shape}: pass a row for each item")
    if not genres.any():
        raise InvalidInput("genres names no genre of any item: pass a matrix with at least one")
    padded = np.vstack([genres, np.zeros(genres.shape[1], dtype=bool)])
    found = np.zeros((len(rows), genres.shape[1]), dtype=bool)
    for place in rows.T:
        found |= padded[place]
    lengths = (rows >= 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return found.sum(axis=1) / _expected_genres(lengths, genres)


def _expected_genres(lengths: np.ndarray, genres: np.ndarray) -> np.ndarray:
    """Mean number of genres of a random list of each length, shape (n_lists,)."""
    n_items, with_genre = len(genres), genres.sum(axis=0)
    expected = np.zeros(lengths.max(initial=0) + 1)
    for n in np.unique(lengths):
        without = n_items - with_genre
        possible = without >= n  # only then can a list of n miss the genre
        missed = np.zeros(len(without))
        missed[possible] = np.exp(_log_choose(without[possible], n) - _log_choose(n_items, n))
        expected[n] = np.sum(1 - missed)
    return expected[lengths]


def _log_choose(n, k):
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
