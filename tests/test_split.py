"""Splits: nothing is lost, published protocols are met row by row, cold rows are told."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from recsys_utils.errors import InvalidInput
from recsys_utils.interactions import Interactions
from recsys_utils.split import global_time_split, k_folds, leave_last_out, random_holdout, stratified_holdout


def table(n=400, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"userId": rng.integers(0, 20, n), "movieId": rng.integers(0, 60, n) * 3})
    frame = frame.drop_duplicates(ignore_index=True)
    return frame.assign(rating=rng.integers(1, 6, len(frame)).astype(float), timestamp=rng.permutation(len(frame)))


@pytest.fixture
def data():
    return Interactions.from_frame(table())


def rows(part):
    return part.to_frame().reset_index(drop=True)


def test_random_holdout_is_scikit_learns(data):
    split = random_holdout(data, 0.2, rng=42)
    train, test = train_test_split(data.to_frame(), test_size=0.2, random_state=42)
    pd.testing.assert_frame_equal(rows(split.train), train.reset_index(drop=True))
    pd.testing.assert_frame_equal(rows(split.test), test.reset_index(drop=True))


@pytest.mark.parametrize("by", ["user", "item"])
def test_stratified_holdout_is_that_of_the_recommenders_library(by):
    """Its documented algorithm, written out with pandas."""
    frame = table()
    split = stratified_holdout(Interactions.from_frame(frame), by=by, test_size=0.25, rng=7)
    column = {"user": "userId", "item": "movieId"}[by]
    frame["random"] = np.random.RandomState(7).rand(len(frame))
    groups = frame.sort_values([column, "random"]).groupby(column)
    rank = groups.cumcount() + 1
    train = rank <= round(0.75 * groups[column].transform("count"))
    expected = frame[train.sort_index()].drop(columns="random").reset_index(drop=True)
    assert sorted(map(tuple, rows(split.train)[["userId", "movieId"]].values)) == sorted(
        map(tuple, expected[["userId", "movieId"]].values)
    )


def test_leave_last_out_takes_the_last(data):
    split = leave_last_out(data, n=2)
    for user in split.test.user_ids:
        assert split.test.times[split.test.user_ids[split.test.user_rows] == user].min() > (
            split.train.times[split.train.user_ids[split.train.user_rows] == user].max()
        )
    assert (np.bincount(split.test.user_rows) == 2).all()


def test_leave_last_out_keeps_short_histories_in_training():
    frame = pd.DataFrame({"userId": [1, 2, 2], "movieId": [1, 1, 2], "rating": 3.0, "timestamp": [5, 6, 7]})
    split = leave_last_out(Interactions.from_frame(frame))
    assert list(split.test.user_ids) == [2] and list(split.test.item_ids) == [2]
    assert split.unknown_items.all() and not split.unknown_users.any()


def test_global_time_split_does_not_train_on_the_future(data):
    split = global_time_split(data, 0.3)
    assert split.train.times.max() < split.test.times.min()
    assert len(split.test) == pytest.approx(0.3 * len(data), abs=1)


def test_k_folds_share_all_rows(data):
    folds = list(k_folds(data, 5))
    tested = pd.concat([rows(fold.test) for fold in folds])
    assert len(tested) == len(data) and not tested.duplicated(["userId", "movieId"]).any()
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_unknown_rows_are_told():
    frame = pd.DataFrame(
        {"userId": [1, 1, 2, 3], "movieId": [1, 2, 1, 9], "rating": 3.0, "timestamp": [1, 2, 3, 4]}
    )
    split = global_time_split(Interactions.from_frame(frame), 0.5)
    assert list(split.unknown_users) == [True, True]
    assert list(split.unknown_items) == [False, True]
    assert "2 have a user and 1 an item" in split.summary()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 80), st.integers(0, 99), st.sampled_from(["random", "user", "item", "last", "time"]))
def test_no_row_is_lost_or_doubled(n, seed, kind):
    data = Interactions.from_frame(table(n, seed))
    make = {
        "random": lambda: random_holdout(data, 0.3, seed),
        "user": lambda: stratified_holdout(data, "user", 0.3, seed),
        "item": lambda: stratified_holdout(data, "item", 0.3, seed),
        "last": lambda: leave_last_out(data),
        "time": lambda: global_time_split(data, 0.3),
    }[kind]
    try:
        split = make()
    except InvalidInput as error:
        assert "empty" in str(error)
        return
    both = pd.concat([rows(split.train), rows(split.test)]).sort_values(["userId", "movieId"], ignore_index=True)
    pd.testing.assert_frame_equal(both, data.to_frame().sort_values(["userId", "movieId"], ignore_index=True))


def test_a_generator_is_drawn_from(data):
    rng = np.random.default_rng(1)
    first, second = random_holdout(data, rng=rng), random_holdout(data, rng=rng)
    assert not rows(first.test).equals(rows(second.test))


@pytest.mark.parametrize("size", [0, 1, -0.1, 1.5, float("nan"), "half", True])
def test_bad_sizes(data, size):
    for split in (random_holdout, stratified_holdout, global_time_split):
        with pytest.raises(InvalidInput, match="test_size"):
            split(data, test_size=size)


def test_bad_arguments(data):
    with pytest.raises(InvalidInput, match="by must be"):
        stratified_holdout(data, by="film")
    with pytest.raises(InvalidInput, match="n_folds"):
        next(k_folds(data, 1))
    with pytest.raises(InvalidInput, match="rng"):
        random_holdout(data, rng=-3)
    with pytest.raises(InvalidInput, match="n must"):
        leave_last_out(data, n=0)
    timeless = Interactions.from_frame(table().drop(columns="timestamp"))
    for split in (leave_last_out, global_time_split):
        with pytest.raises(InvalidInput, match="needs times"):
            split(timeless)


def test_seeds_beyond_32_bits(data):
    for split in (random_holdout, stratified_holdout):
        first, again = split(data, rng=2**33), split(data, rng=2**33)
        assert rows(first.test).equals(rows(again.test)) and not rows(first.test).equals(rows(split(data, rng=1).test))


def test_one_default_size(data):
    for split in (random_holdout, stratified_holdout, global_time_split):
        assert len(split(data).test) == pytest.approx(0.2 * len(data), rel=0.1)


@pytest.mark.parametrize("given", [table(), None, (1, 2)], ids=["DataFrame", "NoneType", "tuple"])
def test_what_are_no_interactions_is_named(given):
    splits = (random_holdout, stratified_holdout, leave_last_out, global_time_split, lambda x: next(k_folds(x)))
    for split in splits:
        with pytest.raises(InvalidInput, match=f"interactions must be Interactions, got {type(given).__name__}"):
            split(given)
