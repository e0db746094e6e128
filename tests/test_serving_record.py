import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_utils.errors import CorruptRecord, InvalidInput
from recsys_utils.serving import decode, encode

SIZES = [1, 300, 2**16, 2**16 + 1, 2**20, 2**20 + 1, 2**31]


@st.composite
def a_list(draw):
    """Rows, falling scores and size of table of one list."""
    n_items = draw(st.sampled_from(SIZES))
    rows = draw(st.lists(st.integers(0, n_items - 1), min_size=1, max_size=120))
    number = st.floats(-(2.0**100), 2.0**100, width=32)
    scores = draw(st.lists(number, min_size=len(rows), max_size=len(rows)))
    return np.array(rows), np.sort(scores)[::-1], n_items


@given(a_list())
def test_a_list_survives(case):
    rows, scores, n_items = case
    (record,) = encode([rows], [scores], n_items)
    found, values = decode(record)
    assert found.tolist() == rows.tolist()
    assert (np.diff(values) <= 0).all()
    largest = np.abs(scores).max()
    assert np.abs(values - scores).max() <= (scores[0] - scores[-1]) / 500 + 1e-6 * largest


@given(a_list(), st.data())
def test_any_flipped_bit_is_noticed(case, data):
    rows, scores, n_items = case
    record = bytearray(encode([rows], [scores], n_items)[0])
    bit = data.draw(st.integers(0, 8 * len(record) - 1))
    record[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptRecord):
        decode(bytes(record))


@given(st.binary(max_size=400))
def test_foreign_bytes_are_refused(junk):
    with pytest.raises(CorruptRecord):
        decode(junk)


@given(st.integers(0, 20), st.sampled_from(SIZES))
def test_exhausted_places_are_dropped(n, n_items):
    rows = np.concatenate([np.arange(n) % n_items, np.full(20 - n, -1)])
    scores = np.concatenate([np.arange(n, 0, -1.0), np.full(20 - n, -np.inf)])
    found, values = decode(encode([rows], [scores], n_items)[0])
    assert found.tolist() == rows[:n].tolist() and len(values) == n


def test_a_batch_equals_its_lists():
    rng = np.random.default_rng(0)
    rows, scores = rng.integers(0, 10**6, (30, 101)), -np.sort(rng.normal(size=(30, 101)))
    assert encode(rows, scores, 10**6) == [encode([r], [s], 10**6)[0] for r, s in zip(rows, scores, strict=True)]


@pytest.mark.parametrize("n_items", [2**16, 2**20])
def test_a_hundred_recommendations_fit_into_400_bytes(n_items):
    record = encode([np.arange(100)], [np.arange(100, 0, -1.0)], n_items)[0]
    assert len(record) <= 400


def test_a_record_of_another_version_is_named():
    record = encode([[1, 2]], [[2.0, 1.0]], 5)[0]
    later = b"\x02" + record[1:-4]
    with pytest.raises(CorruptRecord, match="version 2"):
        decode(later + struct.pack("<I", zlib.crc32(later)))


@pytest.mark.parametrize(
    ("rows", "scores", "message"),
    [
        ([[5]], [[1.0]], "rows must lie in 0 … 4"),
        ([[-1]], [[1.0]], "rows must lie in"),
        ([[1, 2]], [[1.0, 2.0]], "scores rise"),
        ([[1, 2]], [[-np.inf, 2.0]], "scores rise"),
        ([[1]], [[np.nan]], "NaN"),
        ([[1]], [[np.inf]], "single precision"),
        ([[1]], [[1e39]], "single precision"),
        ([1], [1.0], "2-D"),
        ([[]], [[]], "2-D"),
    ],
)
def test_what_cannot_be_stored_is_refused(rows, scores, message):
    with pytest.raises(InvalidInput, match=message):
        encode(rows, scores, 5)
