"""The design matrix and its encoding: against scikit-learn, by hand, and for all kinds of bad input."""
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import MultiLabelBinarizer, OneHotEncoder

from recsys_utils.errors import InvalidInput, NotFittedError
from recsys_utils.features import DesignMatrix, RatingFeatures, Relation
from recsys_utils.interactions import Interactions

ALL_BLOCKS = (
    "user", "history", "age_group", "gender", "occupation", "item", "genres", "release_year", "rating_date",
)


@pytest.fixture
def movies():
    return pd.DataFrame({
        "movieId": [10, 20, 30, 40],
        "title": ["A (1994)", "B (1999)", "C", "D (2001)"],
        "year": pd.array([1994, 1999, None, 2001], dtype="Int64"),
        "genres": [("Comedy", "Drama"), ("Drama",), (), ("Horror", "Drama")],
    })


@pytest.fixture
def users():
    return pd.DataFrame({
        "userId": [1, 2, 7],
        "age_group": ["18-24", "25-34", "18-24"],
        "gender": ["F", "M", None],
        "occupation": ["artist", "doctor", "farmer"],
    })


@pytest.fixture
def train():
    return pd.DataFrame({
        "userId": [2, 1, 1, 2],
        "movieId": [20, 10, 30, 10],
        "rating": [4.0, 3.0, 5.0, 0.5],
        "timestamp": np.array(["2001-01-01", "2000-01-31T23", "2000-02-01", "2001-01-09"], "datetime64[s]"),
    })


def rows(design):
    return [design.row(i) for i in range(len(design))]


def test_ids_become_named_one_hot_columns(train):
    design = RatingFeatures(("user", "item")).fit_transform(train)
    assert design.columns == ("user=1", "user=2", "item=10", "item=20", "item=30")
    assert design.field_names == ("user", "item")
    assert design.fields.tolist() == [0, 0, 1, 1, 1]
    expected = [[0, 1, 0, 1, 0], [1, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]
    assert design.matrix.toarray().tolist() == expected
    assert design.matrix.dtype == np.float64


@pytest.mark.parametrize("block", ALL_BLOCKS)
def test_unseen_users_and_films_get_an_empty_block_never_another_column(block, train, movies, users):
    # User 9 and film 99 are in no table; user 7 and film 40 are in the tables but not in training.
    features = RatingFeatures((block,)).fit(train, movies, users)
    unseen = pd.DataFrame({"userId": [9], "movieId": [99], "timestamp": pd.to_datetime(["2018-05-05"])})
    both = pd.concat([train, unseen])
    design = features.transform(both)
    assert design.row(4) == {}
    assert (features.transform(train).matrix != design.matrix[:4]).nnz == 0


def test_untrained_films_and_users_are_described_by_what_training_knows(train, movies, users):
    blocks = ("user", "age_group", "gender", "occupation", "item", "genres", "release_year")
    features = RatingFeatures(blocks).fit(train, movies, users)
    new = pd.DataFrame({"userId": [7], "movieId": [40]})
    # Horror, farmer and 2000-2004 occur in the tables only, so they have no column.
    assert features.transform(new).row(0) == {"age_group=18-24": 1.0, "genre=Drama": 1.0}
    assert not {"genre=Horror", "occupation=farmer", "release_year=2000-2004"} & set(features.columns_)


def test_release_year_in_bins(train, movies):
    design = RatingFeatures("release_year").fit_transform(train, movies)
    assert rows(design) == [
        {"release_year=1995-1999": 1}, {"release_year=1990-1994": 1}, {}, {"release_year=1990-1994": 1}
    ]


@pytest.mark.parametrize(("period", "expected"), [
    ("day", ["2001-01-01", "2000-01-31", "2000-02-01", "2001-01-09"]),
    ("month", ["2001-01", "2000-01", "2000-02", "2001-01"]),
    ("year", ["2001", "2000", "2000", "2001"]),
])
def test_rating_date_in_bins(train, period, expected):
    design = RatingFeatures("rating_date", date_period=period).fit_transform(train)
    assert rows(design) == [{f"rating_date={name}": 1.0} for name in expected]


def test_times_may_be_seconds_or_datetimes_of_any_unit(train):
    blocks = ("user", "rating_date")
    reference = RatingFeatures(blocks).fit_transform(train)
    seconds = train.timestamp.to_numpy().astype("datetime64[s]")
    for times in (seconds.astype(np.int64), seconds, seconds.astype("datetime64[ns]")):
        design = RatingFeatures(blocks).fit_transform(train.assign(timestamp=times))
        assert rows(design) == rows(reference)


def test_history_is_weighted_by_one_over_the_root_of_its_length(train):
    design = RatingFeatures("history").fit_transform(train)
    root = 1 / np.sqrt(2)
    assert design.row(0) == pytest.approx({"rated=10": root, "rated=20": root})
    assert design.row(1) == pytest.approx({"rated=10": root, "rated=30": root})


def test_a_film_rated_twice_counts_once_in_the_history(train):
    design = RatingFeatures("history").fit_transform(pd.concat([train, train[:1]]))
    assert design.row(0) == pytest.approx({"rated=10": 1 / np.sqrt(2), "rated=20": 1 / np.sqrt(2)})


def test_all_blocks_at_once_and_relations_written_out(train, movies, users):
    features = RatingFeatures(ALL_BLOCKS).fit(train, movies, users)
    design = features.transform(train)
    assert design.field_names == ALL_BLOCKS
    assert design.columns == features.columns_
    assert (np.diff(design.fields) >= 0).all()
    written = sparse.hstack([relation.table[relation.rows] for relation in design.relations])
    assert (written != design.matrix).nnz == 0


def test_blocks_of_one_key_share_their_rows_and_go_on_sharing_when_selected(train, movies, users):
    design = RatingFeatures(ALL_BLOCKS).fit_transform(train, movies, users)
    for some in (design, design.select([2, 0]), design.keep("user", "item", "genres")):
        assert len({id(relation.rows) for relation in some.relations}) == (3 if some.n_columns > 15 else 2)


def test_interactions_and_their_frame_give_the_same(train, movies):
    interactions = Interactions.from_frame(train)
    features = RatingFeatures(("user", "item", "genres", "rating_date"))
    from_frame = features.fit_transform(train, movies)
    from_interactions = features.fit_transform(interactions, movies)
    assert from_frame.columns == from_interactions.columns
    assert (from_frame.matrix != from_interactions.matrix).nnz == 0


def test_string_ids(train, movies):
    names = train.assign(userId=["bo", "al", "al", "bo"])
    design = RatingFeatures(("user", "history")).fit_transform(names)
    assert design.row(1)["user=al"] == 1.0 and design.row(1)["rated=30"] == pytest.approx(np.sqrt(0.5))
    with pytest.raises(InvalidInput, match="userId holds integers in the ratings"):
        RatingFeatures("user").fit(names).transform(train)


def test_a_missing_time_leaves_its_block_empty_but_not_in_training(train):
    features = RatingFeatures(("user", "rating_date")).fit(train)
    unknown = train.assign(timestamp=[pd.NaT, *train.timestamp[1:]])
    assert features.transform(unknown).row(0) == {"user=2": 1.0}
    assert features.transform(unknown).row(1) == features.transform(train).row(1)
    assert features.transform(train.assign(timestamp=pd.NaT)).row(3) == {"user=2": 1.0}
    with pytest.raises(InvalidInput, match="timestamp"):
        RatingFeatures("rating_date").fit(unknown)


def test_parameters_follow_scikit_learn(train):
    features = RatingFeatures("user", user="who").set_params(user="userId")
    assert clone(features).fit(train).get_params()["blocks"] == "user"
    assert repr(features) == "RatingFeatures(blocks='user')"


def test_the_order_of_the_training_rows_does_not_matter(train, movies, users):
    forward = RatingFeatures(ALL_BLOCKS).fit(train, movies, users)
    backward = RatingFeatures(ALL_BLOCKS).fit(train[::-1], movies[::-1], users[::-1])
    assert forward.columns_ == backward.columns_
    np.testing.assert_allclose(
        forward.transform(train).matrix.toarray(), backward.transform(train).matrix.toarray(), rtol=1e-13
    )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_equals_scikit_learn_encoders(data):
    n_movies = data.draw(st.integers(1, 6))
    sets = st.lists(st.sampled_from("ABCDE"), max_size=4, unique=True).map(tuple)
    table = pd.DataFrame({"movieId": range(n_movies), "genres": [data.draw(sets) for _ in range(n_movies)]})
    pair = st.tuples(st.integers(-3, 4), st.integers(0, n_movies + 1))
    fit_rows = pd.DataFrame(data.draw(st.lists(pair, min_size=1, max_size=12)), columns=["userId", "movieId"])
    new_rows = pd.DataFrame(data.draw(st.lists(pair, min_size=1, max_size=12)), columns=["userId", "movieId"])
    design = RatingFeatures(("user", "item", "genres")).fit(fit_rows, table).transform(new_rows)

    encoder = OneHotEncoder(handle_unknown="ignore").fit(fit_rows)
    genres_of = dict(zip(table.movieId, table.genres, strict=True))
    vocabulary = sorted({genre for movie in fit_rows.movieId for genre in genres_of.get(movie, ())})
    binarizer = MultiLabelBinarizer(classes=vocabulary).fit([])
    known = [[g for g in genres_of.get(movie, ()) if g in vocabulary] for movie in new_rows.movieId]
    expected = np.hstack([encoder.transform(new_rows).toarray(), binarizer.transform(known)])
    np.testing.assert_array_equal(design.matrix.toarray(), expected)


# -- bad input ----------------------------------------------------------------------------------------

def test_transform_before_fit(train):
    with pytest.raises(NotFittedError, match="fit"):
        RatingFeatures().transform(train)


@pytest.mark.parametrize(("options", "message"), [
    ({"blocks": ("user", "colour")}, "colour"),
    ({"blocks": ()}, "empty"),
    ({"blocks": ("user", "user")}, "twice"),
    ({"date_period": "decade"}, "date_period"),
    ({"date_period": None}, "date_period"),
])
def test_bad_options(train, options, message):
    with pytest.raises(InvalidInput, match=message):
        RatingFeatures(**options).fit(train)


def test_missing_tables_and_columns(train, movies, users):
    with pytest.raises(InvalidInput, match="users="):
        RatingFeatures("age_group").fit(train, movies)
    with pytest.raises(InvalidInput, match="movies="):
        RatingFeatures("genres").fit(train)
    with pytest.raises(InvalidInput, match="'year'"):
        RatingFeatures("release_year").fit(train, movies.drop(columns="year"))
    with pytest.raises(InvalidInput, match="'timestamp'"):
        RatingFeatures("rating_date").fit(train.drop(columns="timestamp"))
    with pytest.raises(InvalidInput, match="'userId'"):
        RatingFeatures().fit(train.drop(columns="userId"))
    with pytest.raises(InvalidInput, match="1 repeated ids"):
        RatingFeatures("genres").fit(train, pd.concat([movies, movies[:1]]))
    with pytest.raises(InvalidInput, match="split"):
        RatingFeatures("genres").fit(train, movies.assign(genres="Comedy|Drama"))
    with pytest.raises(InvalidInput, match="DataFrame"):
        RatingFeatures().fit([(1, 2)])


def test_bad_rows(train):
    with pytest.raises(InvalidInput, match="no rows"):
        RatingFeatures().fit(train[:0])
    with pytest.raises(InvalidInput, match="no rows"):
        RatingFeatures().fit(train).transform(train[:0])
    with pytest.raises(InvalidInput, match="1 missing ids"):
        RatingFeatures().fit(train.assign(movieId=[1, None, 2, 3]))
    with pytest.raises(InvalidInput, match="timestamp"):
        RatingFeatures("rating_date").fit(train.assign(timestamp=pd.NaT))


def test_ids_of_another_type_are_an_error_not_unknown(train, movies):
    text = movies.assign(movieId=movies.movieId.astype(str))
    with pytest.raises(InvalidInput, match="movieId holds strings in the table"):
        RatingFeatures("genres").fit(train, text)
    features = RatingFeatures(("item", "genres")).fit(train, movies)
    with pytest.raises(InvalidInput, match="movieId holds strings in the ratings"):
        features.transform(train.assign(movieId=train.movieId.astype(str)))
    with pytest.raises(InvalidInput, match="float64"):
        features.transform(train.assign(movieId=train.movieId + 0.5))


def test_a_refit_that_fails_leaves_the_former_fit(train, movies):
    features = RatingFeatures(("item", "genres")).fit(train, movies)
    before = features.transform(train)
    with pytest.raises(InvalidInput):
        features.fit(train[:2], movies.assign(genres="Comedy|Drama"))
    assert rows(features.transform(train)) == rows(before)


def test_missing_genres_are_none(train, movies):
    design = RatingFeatures(("user", "genres")).fit_transform(train, movies.assign(genres=[None, ("Drama",), (), ()]))
    assert design.row(1) == {"user=1": 1.0} and design.row(0) == {"user=2": 1.0, "genre=Drama": 1.0}


def test_tables_may_miss_films_and_attributes(train, movies, users):
    design = RatingFeatures(("genres", "release_year", "gender")).fit_transform(train, movies[:1], users)
    assert design.row(0) == {"gender=M": 1.0}


def test_no_training_film_has_a_genre(train, movies):
    bare = movies.assign(genres=[()] * 4)
    assert RatingFeatures(("user", "genres")).fit_transform(train, bare).columns == ("user=1", "user=2")
    with pytest.raises(InvalidInput, match="empty"):
        RatingFeatures("genres").fit_transform(train, bare)


# -- DesignMatrix ---------------------------------------------------------------------------------------

def test_select_keep_and_join(train, movies):
    design = RatingFeatures(("user", "item", "genres")).fit_transform(train, movies)
    assert rows(design.select([2, 0])) == [design.row(2), design.row(0)]
    assert rows(design.select(np.array([True, False, False, False]))) == [design.row(0)]
    kept = design.keep("genres", "user")
    assert kept.field_names == ("user", "genres") and kept.fields.tolist() == [0, 0, 1, 1]
    assert kept.join(design.keep("item")).field_names == ("user", "genres", "item")
    back = design.keep("user").join(design.keep("item")).join(design.keep("genres"))
    assert (back.matrix != design.matrix).nnz == 0 and back.columns == design.columns
    with pytest.raises(InvalidInput, match="the field 'user' occurs twice"):
        design.join(kept)
    with pytest.raises(InvalidInput, match=r"\[1, 4\] rows"):
        design.keep("user").join(design.keep("item").select([0]))
    with pytest.raises(InvalidInput, match="colour"):
        design.keep("colour")
    with pytest.raises(InvalidInput, match="empty"):
        design.select(np.zeros(4, dtype=bool))


def test_rows_count_from_the_end_as_in_a_list_and_no_further(train):
    design = RatingFeatures().fit_transform(train)
    assert design.row(-1) == design.row(3) == {"user=2": 1.0, "item=10": 1.0}
    with pytest.raises(IndexError):
        design.row(4)


@pytest.mark.parametrize(("change", "message"), [
    ({"table": sparse.csr_matrix((0, 2))}, "empty"),
    ({"table": sparse.csr_matrix((2, 0)), "columns": ()}, "empty"),
    ({"table": sparse.csr_matrix([[np.nan, 1]])}, "NaN"),
    ({"table": sparse.csr_matrix([[np.inf, 1]])}, "inf"),
    ({"columns": ("a",)}, "1 columns"),
    ({"columns": ("a", "a")}, "column 'a' occurs twice"),
    ({"rows": [0, 1]}, "0 to 1"),
    ({"rows": [-1]}, "-1 to -1"),
    ({"rows": []}, "empty"),
])
def test_design_matrix_refuses(change, message):
    good = {"name": "x", "columns": ("a", "b"), "table": sparse.csr_matrix([[1.0, 2.0]])}
    DesignMatrix((Relation(**good),))
    with pytest.raises(InvalidInput, match=message):
        DesignMatrix((Relation(**(good | change)),))
    with pytest.raises(InvalidInput, match="empty"):
        DesignMatrix(())


def test_a_relation_adds_up_duplicates_and_leaves_its_argument_alone():
    given = sparse.csr_matrix(([1.0, 2.0, 4.0], [1, 0, 1], [0, 3]), shape=(1, 2))
    design = DesignMatrix((Relation("x", ("a", "b"), given),))
    assert design.row(0) == {"a": 2.0, "b": 5.0}
    assert given.nnz == 3
