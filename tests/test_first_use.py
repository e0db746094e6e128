"""One's own file, read as a newcomer would: each wrong step meets a sentence that names argument, value and remedy."""
import io

import numpy as np
import pandas as pd
import pytest

from recsys_utils import Interactions
from recsys_utils.errors import InvalidInput, UnknownIdError
from recsys_utils.models import Popularity
from recsys_utils.split import global_time_split

FILE = """customer,article,stars,bought
ann,lamp,4,2024-01-05
ann,chair,5,2024-02-01 10:30
ben,lamp,3,2024-02-03
ben,,2,2024-02-04
cem,table,,2024-03-01
dee,lamp,5,
dee,table,4,2024-04-02
dee,table,4,2024-04-02
"""
COLUMNS = {"user": "customer", "item": "article", "value": "stars", "time": "bought"}


@pytest.fixture
def raw():
    return pd.read_csv(io.StringIO(FILE))


@pytest.fixture
def shop(raw):
    return Interactions.from_frame(raw.dropna(), **COLUMNS, duplicates="last")


def test_the_columns_are_asked_for_by_name(raw):
    with pytest.raises(InvalidInput) as caught:
        Interactions.from_frame(raw)
    message = str(caught.value)
    for name in ("user='userId'", "item='movieId'", "value='rating'", "'customer', 'article', 'stars', 'bought'"):
        assert name in message
    assert "3 problems" in message and "name the right one with user=" in message


def test_all_that_is_wrong_with_a_frame_is_said_at_once(raw):
    with pytest.raises(InvalidInput) as caught:
        Interactions.from_frame(raw, **COLUMNS)
    assert str(caught.value).splitlines() == [
        "frame has 4 problems:",
        "  1. item column 'article' has 1 missing ids, the first in row 3: "
        "drop them with frame.dropna(subset=['article'])",
        "  2. value column 'stars' holds 1 NaN or infinite values, the first (nan) at position 4: "
        "drop or replace these rows first",
        "  3. time column 'bought' has 1 missing values, the first in row 5: drop or fill them",
        "  4. 1 rows repeat a user–item pair: pass duplicates='sum', 'mean' or 'last'",
    ]


def test_duplicates_alone_are_shown_by_example(raw):
    with pytest.raises(InvalidInput, match="1 repeated user–item pairs, for example user 'dee' with item 'table'"):
        Interactions.from_frame(raw.dropna(), **COLUMNS)


def test_what_the_remedies_lead_to(shop):
    assert repr(shop) == "Interactions(4 of 3 users with 3 items, density 44.444%)"
    ids, stars = shop.history("ann")
    assert list(ids) == ["lamp", "chair"] and list(stars) == [4.0, 5.0]
    assert list(shop.to_frame("customer", "article", "stars")["timestamp"].dt.year) == [2024] * 4
    split = global_time_split(shop, 0.4)
    assert list(split.test.user_ids) == ["ben", "dee"] and split.unknown_items.tolist() == [False, True]


def test_a_list_longer_than_what_is_left_is_filled_with_no_item(shop):
    ids, scores = Popularity().fit(shop).recommend("ann", n=3)
    assert list(ids) == ["table", shop.missing_item, shop.missing_item]
    assert np.isneginf(scores[1:]).all()
    with pytest.raises(InvalidInput, match="n must be at most 3, as there are 3 items to list, got 10: pass n=3"):
        Popularity().fit(shop).recommend("ann", n=10)


def test_a_number_for_a_name_and_a_stranger(shop):
    with pytest.raises(InvalidInput, match="user_ids are integers, for example 7, but the data's are strings"):
        shop.history(7)
    with pytest.raises(UnknownIdError, match="unknown user id.*'eve'; the data has 3 users"):
        shop.history("eve")


def test_a_frame_is_no_interactions(raw):
    with pytest.raises(InvalidInput, match=r"got DataFrame: build them with Interactions.from_frame\(frame\)"):
        global_time_split(raw)
