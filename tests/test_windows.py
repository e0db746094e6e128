"""Windows of time and crosses of fields against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recsys_utils.errors import InvalidInput, NotFittedError
from recsys_utils.features import CrossedFields, DesignMatrix, RatingWindows, Relation
from recsys_utils.interactions import Interactions

TRAIN = pd.DataFrame({"userId": [9, 7, 7, 7, 7], "timestamp": [1000, 40, 0, 10, 500]})


def test_windows_follow_the_users_own_order():
    design = RatingWindows((2,), (60,)).fit(TRAIN).transform(TRAIN)
    assert design.field_names == ("2 ratings", "60 s")
    # User 7's ratings in time: 0, 10 (window 0), 40, 500 (window 1); seconds // 60 is 0, 0, 0, 8.
    assert design.row(0) == {"2 ratings=9@0": 1.0, "60 s=9@16": 1.0}
    assert design.row(1) == {"2 ratings=7@1": 1.0, "60 s=7@0": 1.0}
    assert design.row(2) == {"2 ratings=7@0": 1.0, "60 s=7@0": 1.0}
    assert design.row(4) == {"2 ratings=7@1": 1.0, "60 s=7@8": 1.0}


def test_new_ratings_fall_into_training_windows_or_none():
    windows = RatingWindows((2,), (60,)).fit(TRAIN)
    new = pd.DataFrame({"userId": [7, 7, 7, 8], "timestamp": [20, 9999, -70, 0]})
    design = windows.transform(new)
    assert design.row(0) == {"2 ratings=7@1": 1.0, "60 s=7@0": 1.0}  # two training ratings before it
    assert design.row(1) == {}
    assert design.row(2) == {"2 ratings=7@0": 1.0}  # no training rating before it, and none in those 60 seconds
    assert design.row(3) == {}


def test_dates_and_seconds_are_the_same():
    dated = TRAIN.assign(timestamp=pd.to_datetime(TRAIN["timestamp"], unit="s"))
    a, b = (RatingWindows().fit(frame).transform(frame) for frame in (TRAIN, dated))
    assert a.columns == b.columns and (a.matrix != b.matrix).nnz == 0


def test_interactions_are_windowed_as_their_table():
    interactions = Interactions.from_frame(TRAIN.assign(movieId=range(5), rating=1.0))
    design = RatingWindows((2,), (60,)).fit(interactions).transform(interactions)
    assert (design.matrix != RatingWindows((2,), (60,)).fit(TRAIN).transform(TRAIN).matrix).nnz == 0


@pytest.mark.parametrize(
    ("options", "frame", "message"),
    [
        ({"counts": (), "seconds": ()}, TRAIN, "both empty"),
        ({"counts": (0,)}, TRAIN, "counts"),
        ({"seconds": (1.5,)}, TRAIN, "seconds"),
        ({}, TRAIN.drop(columns="timestamp"), "no column 'timestamp'"),
        ({}, TRAIN.iloc[:0], "no rows"),
    ],
)
def test_bad_windows_are_refused(options, frame, message):
    with pytest.raises(InvalidInput, match=message):
        RatingWindows(**options).fit(frame)


def crossing_example(rng, n=40):
    a, b = rng.random((n, 3)) < 0.5, rng.normal(size=(n, 4)) * (rng.random((n, 4)) < 0.6)
    return DesignMatrix(tuple(
        Relation(name, [f"{name}={i}" for i in range(x.shape[1])], sparse.csr_matrix(x))
        for name, x in (("a", a), ("b", b))
    ))


def test_a_cross_is_the_outer_product():
    rng = np.random.default_rng(0)
    train, test = crossing_example(rng), crossing_example(rng, 9)
    cross = CrossedFields("a", "b").fit(train)
    for design in (train, test):
        crossed = cross.transform(design)
        dense = design.matrix.toarray()
        for row in range(len(design)):
            expected = {
                f"a={i} × b={j}": dense[row, i] * dense[row, 3 + j]
                for i in range(3)
                for j in range(4)
                if dense[row, i] * dense[row, 3 + j]
            }
            assert crossed.row(row) == pytest.approx(expected)
    assert crossed.field_names == ("a × b",)


def test_a_pair_unseen_in_training_has_no_column():
    rng = np.random.default_rng(1)
    design = crossing_example(rng)
    cross = CrossedFields("a", "b").fit(design.select([0]))
    assert set(cross.columns_) == set(cross.transform(design.select([0])).row(0))
    assert cross.transform(design).n_columns == len(cross.columns_)


def test_bad_crosses_are_refused():
    design = crossing_example(np.random.default_rng(2))
    with pytest.raises(InvalidInput, match="fields"):
        CrossedFields("a", "c").fit(design)
    with pytest.raises(NotFittedError):
        CrossedFields("a", "b").transform(design)
    with pytest.raises(InvalidInput, match="fields"):
        CrossedFields("a", "b").fit(design).transform(design.keep("a"))
    with pytest.raises(NotFittedError):
        RatingWindows().transform(TRAIN)
    nothing = sparse.csr_matrix((2, 1))
    empty = DesignMatrix((Relation("a", ("a=0",), nothing), Relation("b", ("b=0",), nothing)))
    with pytest.raises(InvalidInput, match="nothing to cross"):
        CrossedFields("a", "b").fit(empty)


def test_a_cross_refuses_the_same_number_of_other_columns():
    design = crossing_example(np.random.default_rng(3))
    a, b = design.relations
    other = DesignMatrix((Relation("a", ("a=2", "a=1", "a=0"), a.table), b))
    with pytest.raises(InvalidInput, match="the field 'a' of design has other columns"):
        CrossedFields("a", "b").fit(design).transform(other)
