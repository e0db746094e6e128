"""The data container: what it keeps, and what it refuses."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_utils.errors import InvalidInput, UnknownIdError
from recsys_utils.interactions import Interactions


def frame(**columns):
    base = {"userId": [9, 4, 4, 7], "movieId": [30, 10, 30, 20], "rating": [5.0, 3.0, 4.5, 0.5]}
    return pd.DataFrame({**base, **columns})


def test_rows_columns_and_values():
    x = Interactions.from_frame(frame())
    assert list(x.user_ids) == [4, 7, 9] and list(x.item_ids) == [10, 20, 30]
    expected = [[3.0, 0, 4.5], [0, 0.5, 0], [0, 0, 5.0]]
    np.testing.assert_array_equal(x.matrix.toarray(), expected)
    assert (x.n_users, x.n_items, len(x)) == (3, 3, 4)
    assert x.density == pytest.approx(4 / 9)
    assert x.times is None
    assert "4 of 3 users with 3 items" in repr(x)


def test_input_order_is_kept():
    x = Interactions.from_frame(frame())
    assert list(x.user_ids[x.user_rows]) == [9, 4, 4, 7]
    pd.testing.assert_frame_equal(x.to_frame(), frame())


def test_a_column_of_ones_without_values():
    assert list(Interactions.from_frame(frame(), value=None).values) == [1.0] * 4


@pytest.mark.parametrize(
    "times",
    [
        np.array([30, 20, 10, 0]),
        pd.to_datetime([30, 20, 10, 0], unit="s"),
        pd.to_datetime([30, 20, 10, 0], unit="s").as_unit("ms"),
        pd.to_datetime([30, 20, 10, 0], unit="s", utc=True).tz_convert("Europe/Berlin"),
    ],
)
def test_times_are_seconds_whatever_the_unit(times):
    x = Interactions.from_frame(frame(timestamp=times))
    assert list(x.times) == [30, 20, 10, 0]
    ids, values = x.history(4)
    assert list(ids) == [30, 10] and list(values) == [4.5, 3.0]


def test_vocabulary_keeps_empty_rows():
    x = Interactions.from_frame(frame(), user_ids=[1, 4, 7, 9], item_ids=[30, 20, 10, 99])
    assert x.matrix.shape == (4, 4)
    assert x.matrix[0].nnz == 0 and list(x.item_ids) == [10, 20, 30, 99]
    assert x.history(1)[0].size == 0


def test_an_id_outside_the_vocabulary_is_refused():
    with pytest.raises(UnknownIdError, match="9"):
        Interactions.from_frame(frame(), user_ids=[4, 7])


def test_rows_of_ids_both_ways():
    x = Interactions.from_frame(frame())
    assert list(x.rows_of_users([9, 4, 123])) == [2, 0, -1]
    assert x.rows_of_items(20) == 1
    np.testing.assert_array_equal(x.user_ids[x.rows_of_users(x.user_ids)], x.user_ids)
    with pytest.raises(UnknownIdError, match="123"):
        x.rows_of_users([9, 123], strict=True)
    with pytest.raises(UnknownIdError):
        x.history(123)


def test_string_ids():
    x = Interactions.from_frame(frame(userId=["c", "a", "a", "b"]))
    assert list(x.user_ids) == ["a", "b", "c"] and x.rows_of_users("b") == 1


@pytest.mark.parametrize(("how", "value", "time"), [("sum", 9.0, 5), ("mean", 3.0, 5), ("last", 5.0, 5)])
def test_duplicates(how, value, time):
    doubled = pd.DataFrame(
        {"userId": [2, 1, 2, 2], "movieId": [8, 8, 8, 8], "rating": [1.0, 4.0, 3.0, 5.0], "timestamp": [7, 1, 2, 5]}
    )
    with pytest.raises(InvalidInput, match="2 repeated user–item pairs.*user 2.*item 8|repeated"):
        Interactions.from_frame(doubled)
    x = Interactions.from_frame(doubled, duplicates=how)
    assert len(x) == 2 and x.matrix[1, 0] == value and list(x.times) == [time, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"rating": [1.0, np.nan, 2.0, 3.0]}, "'rating'.*NaN"),
        ({"rating": [1.0, np.inf, 2.0, 3.0]}, "infinite"),
        ({"rating": [1.0, -2.0, 2.0, 3.0]}, "negative"),
        ({"rating": ["a", "b", "c", "d"]}, "numbers"),
        ({"userId": [1.0, np.nan, 2.0, 3.0]}, "missing ids"),
        ({"movieId": ["a", None, "b", "c"]}, "missing ids"),
        ({"timestamp": [pd.NaT] * 4}, "missing values"),
    ],
)
def test_bad_columns_are_named(columns, words):
    with pytest.raises(InvalidInput, match=words):
        Interactions.from_frame(frame(**columns))


def test_bad_frames():
    with pytest.raises(InvalidInput, match="no rows"):
        Interactions.from_frame(frame().iloc[:0])
    with pytest.raises(InvalidInput, match="value='stars'"):
        Interactions.from_frame(frame(), value="stars")
    with pytest.raises(InvalidInput, match="time='when'"):
        Interactions.from_frame(frame(), time="when")
    with pytest.raises(InvalidInput, match="DataFrame"):
        Interactions.from_frame([(1, 2, 3)])
    with pytest.raises(InvalidInput, match="duplicates"):
        Interactions.from_frame(frame(), duplicates="first")
    with pytest.raises(InvalidInput, match="repeats"):
        Interactions.from_frame(frame(), user_ids=[4, 4, 7, 9])


def test_select():
    x = Interactions.from_frame(frame())
    part = x.select(x.values > 1)
    assert list(part.user_ids) == [4, 9] and list(part.item_ids) == [10, 30]
    kept = x.select([3], keep_ids=True)
    assert kept.matrix.shape == (3, 3) and kept.matrix.nnz == 1
    with pytest.raises(InvalidInput, match="selects no interaction"):
        x.select(x.values > 9)
    with pytest.raises(InvalidInput, match="same length"):
        x.select(np.array([True]))


def test_with_values():
    x = Interactions.from_frame(frame())
    assert x.with_values(np.log1p(x.values)).matrix.sum() == pytest.approx(np.log1p(x.values).sum())
    for bad in ([1.0], [1, 2, 3, np.nan], [1, 2, 3, -4]):
        with pytest.raises(InvalidInput, match="values"):
            x.with_values(bad)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 5)), min_size=1, unique_by=lambda t: t[:2])
)
def test_round_trip(rows):
    table = pd.DataFrame(rows, columns=["userId", "movieId", "rating"]).astype({"rating": float})
    x = Interactions.from_frame(table)
    pd.testing.assert_frame_equal(x.to_frame(), table)
    dense = table.pivot(index="userId", columns="movieId", values="rating").fillna(0)
    np.testing.assert_array_equal(x.matrix.toarray(), dense.to_numpy())
