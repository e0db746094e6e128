"""Exact top-N against sorting, ties and blocks included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from recsys_utils import topn
from recsys_utils.topn import SortedVectors, top_n, top_n_products


def by_sorting(scores, n):
    found = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return found, np.take_along_axis(scores, found, axis=1)


@given(
    arrays(
        float, st.tuples(st.integers(1, 4), st.integers(1, 200)), elements=st.sampled_from([-1.0, 0.0, 2.0])
    ),
    st.data(),
)
@settings(max_examples=150, deadline=None)
def test_equals_a_stable_sort_with_many_ties(scores, data):
    n = data.draw(st.integers(1, scores.shape[1]))
    for got, expected in zip(top_n(scores, n), by_sorting(scores, n), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_a_stable_sort_on_long_rows(dtype):
    scores = np.random.default_rng(0).normal(size=(7, 10_007)).astype(dtype)
    for n in (1, 20, 500, 10_007):
        for got, expected in zip(top_n(scores, n), by_sorting(scores, n), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_leaves_its_input_alone_and_takes_transposed_arrays():
    scores = np.random.default_rng(1).normal(size=(30, 5))
    before = scores.copy()
    np.testing.assert_array_equal(top_n(scores.T, 3)[0], by_sorting(scores.T, 3)[0])
    np.testing.assert_array_equal(scores, before)


def test_minus_infinity_and_nan_never_rank():
    """What is left of a list has position −1, so nobody can mistake it for an item."""
    scores = np.array([[np.nan, -np.inf, 2.0, 1.0], [np.nan, np.nan, 5.0, np.nan]])
    found, values = top_n(scores, 3)
    np.testing.assert_array_equal(found, [[2, 3, -1], [2, -1, -1]])
    np.testing.assert_array_equal(values, [[2, 1, -np.inf], [5, -np.inf, -np.inf]])


def test_takes_integers_and_foreign_byte_orders():
    """Compiled code does not look at the order of bytes: it read such arrays as noise, or crashed."""
    scores = np.array([[3, 1, 2], [0, 7, 5]])
    np.testing.assert_array_equal(top_n(scores, 2)[0], [[0, 2], [1, 2]])
    np.testing.assert_array_equal(top_n(scores.astype(">f8"), 2)[0], [[0, 2], [1, 2]])
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    found = [top_n_products(v[:2], v, 5)[0] for v in (vectors, vectors.astype(">f8"))]
    np.testing.assert_array_equal(*found)


def test_no_rows():
    found, values = top_n(np.empty((0, 9)), 3)
    assert found.shape == values.shape == (0, 3)


@pytest.fixture(params=["one by one", "one thread", "threads"])
def way(request, monkeypatch):
    """The same answers by every way through the search, in small blocks."""
    for name, value in (("_QUERIES", 17), ("_ITEMS", 70), ("_WORTH_THREADS", 0)):
        monkeypatch.setattr(topn, name, value)
    monkeypatch.setattr(topn, "_FEW", 1000 if request.param == "one by one" else 0)
    monkeypatch.setattr(topn, "thread_count", lambda: 1 if request.param == "one thread" else 3)


@pytest.mark.parametrize("spread", [0.0, 1.5])
@pytest.mark.usefixtures("way")
def test_products_equal_the_dense_way(spread):
    """`spread` 1.5 gives items of very different length, so that most blocks are never multiplied."""
    rng = np.random.default_rng(2)
    users = rng.normal(size=(100, 8))
    items = rng.normal(size=(900, 8)) * np.exp(spread * rng.normal(size=(900, 1)))
    seen = sparse.random(100, 900, density=0.03, format="csr", rng=rng)
    scores = users @ items.T
    scores[seen.nonzero()] = -np.inf
    found, values = top_n_products(users, items, 15, seen.indptr, seen.indices)
    expected, expected_values = by_sorting(scores, 15)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(values, expected_values)


@pytest.mark.usefixtures("way")
def test_products_with_ties_zeros_and_nothing_left():
    """Integer vectors make exact ties; rows without a vector, and a user who has seen nearly all."""
    rng = np.random.default_rng(3)
    users, items = rng.integers(-1, 2, (60, 3)).astype(float), rng.integers(-1, 2, (300, 3)).astype(float)
    users[::7], items[::5] = 0, 0
    seen = rng.random((60, 300)) < 0.1
    seen[4, 2:] = True
    matrix = sparse.csr_matrix(seen)
    scores = np.where(seen, -np.inf, users @ items.T)
    found, values = top_n_products(users, items, 12, matrix.indptr, matrix.indices)
    expected, expected_values = by_sorting(scores, 12)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(found, np.where(np.isfinite(values), expected, -1))


@pytest.mark.usefixtures("way")
def test_a_stretch_of_a_matrix_serves_a_part_of_its_rows():
    rng = np.random.default_rng(6)
    users, items = rng.normal(size=(40, 6)), rng.normal(size=(200, 6))
    seen = sparse.random(40, 200, density=0.2, format="csr", rng=rng)
    search = SortedVectors(items).search
    whole = search(users, 8, seen.indptr, seen.indices)[0]
    np.testing.assert_array_equal(search(users[13:21], 8, seen.indptr[13:22], seen.indices)[0], whole[13:21])


@pytest.mark.usefixtures("way")
def test_a_search_ends_early_and_still_finds_all():
    """Short vectors are never read: here they are NaN, which would show."""
    rng = np.random.default_rng(7)
    users, items = rng.normal(size=(20, 6)), np.full((500, 6), 1e-9)
    items[100:200] = rng.normal(size=(100, 6))
    index = SortedVectors(items)
    before = index.search(users, 5)
    index.vectors[140:] = np.nan
    np.testing.assert_array_equal(index.search(users, 5), before)


def test_products_without_seen_items():
    rng = np.random.default_rng(4)
    users, items = rng.normal(size=(3, 5)), rng.normal(size=(50, 5))
    np.testing.assert_array_equal(top_n_products(users, items, 50)[0], by_sorting(users @ items.T, 50)[0])


def test_products_keep_single_precision():
    rng = np.random.default_rng(5)
    users, items = (rng.normal(size=(n, 4)).astype(np.float32) for n in (5, 40))
    assert top_n_products(users, items, 3)[1].dtype == np.float32
