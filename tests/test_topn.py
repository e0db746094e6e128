"""Exact top-N against sorting, ties and blocks included."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from recsys_utils import _topn
from recsys_utils.topn import top_n, top_n_products


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


def test_minus_infinity_ranks_last_and_nan_never():
    scores = np.array([[np.nan, -np.inf, 2.0, 1.0], [np.nan, np.nan, 5.0, np.nan]])
    found, values = top_n(scores, 3)
    np.testing.assert_array_equal(found[0], [2, 3, 1])
    np.testing.assert_array_equal(values, [[2, 1, -np.inf], [5, -np.inf, -np.inf]])
    assert ((found >= 0) & (found < 4)).all()


def test_no_rows():
    found, values = top_n(np.empty((0, 9)), 3)
    assert found.shape == values.shape == (0, 3)


@pytest.fixture(params=["one thread", "threads and small blocks"])
def blocks(request, monkeypatch):
    """The same answers whatever the blocks and threads."""
    before = numba.get_num_threads()
    if request.param == "one thread":
        numba.set_num_threads(1)
    else:
        for name, value in (("_USERS", 17), ("_ITEMS", 70), ("_WORTH_THREADS", 0)):
            monkeypatch.setattr(_topn, name, value)
    yield
    numba.set_num_threads(before)


@pytest.mark.parametrize("spread", [0.0, 1.5])
@pytest.mark.usefixtures("blocks")
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


@pytest.mark.usefixtures("blocks")
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
    finite = np.isfinite(values)
    np.testing.assert_array_equal(found[finite], expected[finite])
    assert ((found >= 0) & (found < 300)).all()


def test_products_without_seen_items():
    rng = np.random.default_rng(4)
    users, items = rng.normal(size=(3, 5)), rng.normal(size=(50, 5))
    np.testing.assert_array_equal(top_n_products(users, items, 50)[0], by_sorting(users @ items.T, 50)[0])


def test_products_keep_single_precision():
    rng = np.random.default_rng(5)
    users, items = (rng.normal(size=(n, 4)).astype(np.float32) for n in (5, 40))
    assert top_n_products(users, items, 3)[1].dtype == np.float32
