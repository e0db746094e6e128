"""The data container: what it keeps, and what it refuses."""
import copy
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_utils.check import check_float, check_ids, check_int
from recsys_utils.errors import InvalidInput, UnknownIdError
from recsys_utils.interactions import Interactions, seconds


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


def test_changing_the_frame_or_an_array_later_changes_nothing():
    """A model must not see values that were never checked."""
    table, values = frame(timestamp=[1, 2, 3, 4]), np.array([1.0, 2.0, 3.0, 4.0])
    x = Interactions.from_frame(table)
    other = x.with_values(values)
    table.loc[:, "rating"] = np.nan
    values *= -1
    assert list(x.values) == [5.0, 3.0, 4.5, 0.5] and list(other.values) == [1.0, 2.0, 3.0, 4.0]
    for name in ("user_ids", "item_ids", "user_rows", "item_rows", "values", "times"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(x, name)[0] = getattr(x, name)[0]


def parts(**other):
    base = {
        "user_ids": [1, 2], "item_ids": [5, 6, 7], "user_rows": [0, 1], "item_rows": [2, 0], "values": [1.0, 2.0],
        "times": None,
    }  # fmt: skip
    return {**base, **other}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"values": [1.0, np.nan]}, "values holds 1 NaN"),
        ({"values": [1.0, -5.0]}, r"values holds 1 negative values, the first \(-5\) in row 1"),
        ({"values": [[1.0, 2.0]]}, r"values must be one number an interaction, got shape \(1, 2\)"),
        ({"values": [1.0]}, "same length"),
        ({"values": [1.0, 2j]}, "values must be numbers.*complex"),
        ({"user_rows": [0, 2]}, "user_rows must lie from 0 to 1, got 0 to 2"),
        ({"item_rows": [-1, 0]}, "item_rows must lie from 0 to 2"),
        ({"item_rows": [0.5, 0]}, "item_rows must be a 1-D array of whole numbers"),
        ({"user_ids": [2, 1]}, "user_ids must be a list of ids, ascending"),
        ({"item_ids": [5, 5, 7]}, "item_ids must be a list of ids, ascending"),
        ({"user_ids": [1, "a"]}, "user_ids must be integers or strings"),
        ({"item_ids": [-1, 6, 7]}, "item_ids holds -1, which stands for 'no item'"),
        ({"item_ids": ["", "a", "b"]}, "item_ids holds '', which stands for 'no item'"),
        ({"user_rows": [1, 1], "item_rows": [2, 2]}, "1 repeated user–item pairs, for example user 2 with item 7"),
        ({"times": [1, 10**13]}, "divide milliseconds by 1000"),
        ({"user_rows": [], "item_rows": [], "values": []}, "nothing to learn from"),
    ],
)
def test_the_constructor_checks_like_from_frame(other, words):
    with pytest.raises(InvalidInput, match=words):
        Interactions(**parts(**other))


def test_every_integer_dtype_and_byte_order_comes_in_as_native():
    for dtype in ("i1", "u2", ">i4", ">i8", "u8"):
        x = Interactions(**parts(user_ids=np.array([1, 2], dtype), user_rows=np.array([0, 1], dtype)))
        assert x.user_ids.dtype == x.user_rows.dtype == np.int64 and x.user_ids.dtype.isnative
    x = Interactions(**parts(values=np.array([1.0, 2.0], dtype=">f8")))
    assert x.values.dtype.isnative and list(x.values) == [1.0, 2.0]


def test_missing_item_is_no_item():
    assert Interactions(**parts()).missing_item == -1
    assert Interactions(**parts(item_ids=["a", "b", "c"])).missing_item == ""


def test_copies_come_in_through_the_same_door():
    x = Interactions.from_frame(frame())
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert not other.values.flags.writeable
        pd.testing.assert_frame_equal(other.to_frame(), x.to_frame())


@pytest.mark.parametrize("ids", [["1"], "1", ["x", "y"]])
def test_ids_of_another_type_are_refused_not_unknown(ids):
    """A known user silently got the fallback."""
    numbers = Interactions.from_frame(frame())
    for look_up in (numbers.rows_of_users, numbers.rows_of_items):
        with pytest.raises(InvalidInput, match="are strings, for example '.'.*the data's are integers, for example"):
            look_up(ids)
    texts = Interactions.from_frame(frame(userId=["c", "a", "a", "b"]))
    with pytest.raises(InvalidInput, match="user_ids are integers, for example 1, but the data's are strings"):
        texts.rows_of_users([1, 2])


@pytest.mark.parametrize("ids", [[1, "s2"], [1.5], [True], [b"a"], {7, 9}, [None], [np.nan], [[1], [2, 3]], 1j])
def test_what_is_no_id_is_named(ids):
    with pytest.raises(InvalidInput, match="user_ids must be"):
        Interactions.from_frame(frame()).rows_of_users(ids)


def test_ids_keep_their_shape_and_whole_floats_are_integers():
    x = Interactions.from_frame(frame())
    assert x.rows_of_users([[4, 9], [7, 1]]).tolist() == [[0, 2], [1, -1]]
    assert x.rows_of_users(np.array([4.0, 9.0])).tolist() == [0, 2]
    assert x.rows_of_users(pd.Series([4, 9], dtype="Int64")).tolist() == [0, 2]
    assert x.rows_of_users([]).shape == (0,) and x.rows_of_users(np.uint8(4)).shape == ()


def test_the_id_index_is_built_once(monkeypatch):
    x = Interactions.from_frame(frame(userId=["c", "a", "a", "b"]))
    x.rows_of_users("a"), x.rows_of_users(["a", "b"]), x.rows_of_items(20)
    kept = x._user_index, x._item_index
    x.rows_of_users("zzz"), x.rows_of_items([20, 30])
    assert kept == (x._user_index, x._item_index) and x._user_index is kept[0]


def test_history_of_several_users_is_refused():
    with pytest.raises(InvalidInput, match=r"user_id must be one id, got \[4, 7\]"):
        Interactions.from_frame(frame()).history([4, 7])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([0, 0, 1], "rows repeats 1 positions, the first 0.*with_values"),
        ([[0, 1]], "1-D array"),
        ([0, 4], "must lie from 0 to 3"),
        ([0.5], "whole numbers"),
        (np.ones((1, 4), dtype=bool), "1-D array"),
    ],
)
def test_select_refuses_what_would_break_the_container(rows, words):
    """A bootstrap of rows doubled values: the density rose above one."""
    with pytest.raises(InvalidInput, match=words):
        Interactions.from_frame(frame()).select(rows)


def test_sums_beyond_the_largest_number_are_refused():
    doubled = pd.DataFrame({"userId": [1, 1], "movieId": [8, 8], "rating": [1e308, 1e308]})
    with pytest.raises(InvalidInput, match="duplicates='sum' adds values up to infinity"):
        Interactions.from_frame(doubled, duplicates="sum")


def test_a_vocabulary_may_be_a_set():
    x = Interactions.from_frame(frame(), user_ids={9, 4, 7, 1}, item_ids=frozenset([10, 20, 30]))
    assert list(x.user_ids) == [1, 4, 7, 9]


def test_a_column_that_occurs_twice_is_named():
    twice = pd.concat([frame(), frame()[["rating"]]], axis=1)
    with pytest.raises(InvalidInput, match="value='rating' names 2 columns"):
        Interactions.from_frame(twice)


def test_other_tables_are_converted():
    class Table:
        def to_pandas(self):
            return frame()

    assert len(Interactions.from_frame(Table())) == 4


DAYS = ["1970-01-01", "1970-01-03"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(DAYS),
        pd.Series(DAYS, dtype=object),
        pd.Series(DAYS, dtype="category"),
        pd.Series(["1970-01-01", "1970-01-03 00:00:00"]),
        pd.Series(["01/01/1970", "01/03/1970"]),
        pd.Series(pd.to_datetime(DAYS)).astype("category"),
        pd.Series(pd.to_datetime(DAYS)).dt.date,
        pd.Series(pd.PeriodIndex(DAYS, freq="D")),
        pd.Series([0, 172800], dtype="Int64"),
        pd.Series([0, 172800], dtype="uint32"),
        pd.Series([0.0, 172800.7]),
        pd.Series(["1970-01-01T02:00+02:00", "1970-01-03T00:00Z"]),
    ],
    ids=lambda column: f"{column.dtype} {column.iloc[-1]}",
)
def test_times_of_every_kind(column):
    assert seconds("when", column).tolist() == [0, 172800]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["2020-01-01", "soon"], r"time column 'when' holds 1 values that are no date.*'soon'\) in row 1"),
        (["978300760", "978302109"], "no date"),
        ([True, False], "boolean values"),
        (pd.to_timedelta([1, 2], unit="s"), "timedelta64? values"),
        ([0, 1_600_000_000_000], "1600000000000, after the year 9999 in seconds: divide milliseconds"),
        ([1.0, np.inf], "infinite"),
        (pd.Series([1, None], dtype="Int64"), "1 missing values, the first in row 1"),
    ],
)
def test_what_is_no_time_is_named(column, words):
    with pytest.raises(InvalidInput, match=words):
        seconds("when", column)


def test_dates_are_no_ratings():
    with pytest.raises(InvalidInput, match="value column 'rating' must be numbers: they are of type datetime64"):
        Interactions.from_frame(frame(rating=pd.to_datetime(["2020-01-01"] * 4)))


def test_numbers_of_every_kind_as_parameters():
    assert check_float("x", Fraction(1, 2)) == 0.5 and check_float("x", np.float32(0.5)) == 0.5
    for bad in (10**400, Decimal("0.5"), "1", None, 1j, True, np.nan):
        with pytest.raises(InvalidInput, match="x must be a finite number"):
            check_float("x", bad)
    with pytest.raises(InvalidInput, match="at most 9223372036854775807"):
        check_int("n", 10**400)


def test_ids_beyond_64_bits_are_refused():
    for ids in (np.array([2**63], dtype="u8"), [2**80], [1e300]):
        with pytest.raises(InvalidInput, match="item_ids must be"):
            check_ids("item_ids", ids)
