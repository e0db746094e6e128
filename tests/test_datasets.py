"""Tables: columns, types and content, from the real files and from small files in the same layouts."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.ultratb import VerboseTB

from recsys_utils.datasets import AGE_GROUPS, load_lastfm, load_movielens, used
from recsys_utils.datasets import loaders as loaders_module
from recsys_utils.datasets.readers import ML_1M_OCCUPATIONS, read_ml_1m, release_year
from recsys_utils.datasets.registry import SOURCES
from recsys_utils.datasets.tables import age_group
from recsys_utils.errors import CorruptArchive, DataUnavailable, InvalidInput

DATA_HOME = os.environ.get("RECSYS_DATA_HOME")
needs_data = pytest.mark.skipif(not DATA_HOME, reason="RECSYS_DATA_HOME is not set")

RATINGS = {"userId": "int64", "movieId": "int64", "rating": "float64", "timestamp": "datetime64[s]"}
STR = str(pd.Series(["a"], dtype="str").dtype)


@pytest.fixture(autouse=True)
def real_run(monkeypatch, tmp_path):
    """Load real data, from the data home or not at all."""
    monkeypatch.delenv("RECSYS_DATASET", raising=False)
    monkeypatch.setenv("RECSYS_CACHE_HOME", str(tmp_path / "cache"))


def types(frame):
    return {column: str(dtype) for column, dtype in frame.dtypes.items()}


@needs_data
def test_ml_latest_small():
    data = load_movielens()
    assert (data.name, data.synthetic, data.users, data.truth) == ("ml-latest-small", False, None, None)
    assert types(data.ratings) == RATINGS
    assert data.ratings.shape == (100_836, 4)
    assert data.ratings["userId"].nunique() == 610 and data.ratings["movieId"].nunique() == 9724
    first = data.ratings.iloc[0]
    assert tuple(first) == (1, 1, 4.0, pd.Timestamp("2000-07-30 18:45:03"))
    assert types(data.movies) == {"movieId": "int64", "title": STR, "year": "Int64", "genres": "object"}
    assert len(data.movies) == 9742
    film = data.movies.iloc[0]
    assert film["title"] == "Toy Story (1995)" and film["year"] == 1995
    assert film["genres"] == ("Adventure", "Animation", "Children", "Comedy", "Fantasy")
    assert (data.movies["genres"].map(len) == 0).sum() == 34
    by_title = data.movies.set_index("title")["year"]
    assert by_title["Death Note: Desu nôto (2006–2007)"] == 2006
    assert by_title.isna().sum() == 12 and pd.isna(by_title["Black Mirror"])
    assert types(data.links) == {"movieId": "int64", "imdbId": STR, "tmdbId": "Int64"}
    assert data.links.iloc[0].tolist() == [1, "0114709", 862]
    assert data.links["tmdbId"].isna().sum() == 8


@needs_data
def test_ml_100k():
    data = load_movielens("ml-100k")
    assert types(data.ratings) == RATINGS and data.links is None and not data.synthetic
    assert data.ratings.shape == (100_000, 4)
    assert tuple(data.ratings.iloc[0]) == (196, 242, 3.0, pd.Timestamp("1997-12-04 15:55:49"))
    assert set(data.ratings["rating"]) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert data.movies.shape == (1682, 4)
    titles = data.movies.set_index("movieId")["title"]
    assert "Misérables" in " ".join(titles), "u.item is Latin-1"
    genres = data.movies.set_index("movieId")["genres"]
    assert genres[1] == ("Animation", "Children's", "Comedy") and genres[267] == ()
    assert data.movies["year"].isna().sum() == 1
    assert types(data.users) == {
        "userId": "int64", "age": "int64", "age_group": STR, "gender": STR, "occupation": STR, "zip": STR,
    }  # fmt: skip
    assert data.users.iloc[0].tolist() == [1, 24, "18-24", "M", "technician", "85711"]
    assert data.users["zip"].str.len().eq(5).all(), "a zip code keeps its leading zero"
    assert len(data.users) == 943 and set(data.users["age_group"]) == set(AGE_GROUPS)


@needs_data
def test_lastfm():
    data = load_lastfm()
    assert types(data.counts) == {"userId": "int64", "artistId": "int64", "plays": "int64"}
    assert data.counts.shape == (92_834, 3) and data.counts.iloc[0].tolist() == [2, 51, 13883]
    assert data.counts["userId"].nunique() == 1892
    assert types(data.artists) == {"artistId": "int64", "name": STR}
    assert len(data.artists) == 17_632 and data.artists["artistId"].is_unique
    assert '"Weird Al" Yankovic' in set(data.artists["name"])
    assert not data.synthetic


@needs_data
def test_a_folder_may_be_the_data_home_or_the_set_itself(monkeypatch):
    monkeypatch.delenv("RECSYS_DATA_HOME")
    home = load_lastfm(folder=DATA_HOME)
    itself = load_lastfm(folder=Path(DATA_HOME) / "lastfm-2k")
    pd.testing.assert_frame_equal(home.counts, itself.counts)


@needs_data
def test_the_archive_s_own_folder_name_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv("RECSYS_DATA_HOME")
    (tmp_path / "hetrec2011-lastfm-2k").symlink_to(Path(DATA_HOME) / "lastfm-2k")
    assert len(load_lastfm(folder=tmp_path).artists) == 17_632


@needs_data
@pytest.mark.parametrize("name", ["ml-latest-small", "ml-100k", "lastfm-2k"])
@pytest.mark.parametrize("change", ["one byte", "line ends", "cut"])
def test_a_changed_file_is_an_error_with_file_digests_and_remedy(name, change, tmp_path, monkeypatch):
    copy = tmp_path / name
    copy.mkdir()
    for member in SOURCES[name].members:
        shutil.copyfile(Path(DATA_HOME) / name / member, copy / member)
    victim, digest = next(iter(SOURCES[name].members.items()))
    content = bytearray((copy / victim).read_bytes())
    if change == "one byte":  # the same size: another digit in the last line
        content[-3] = ord("1") if content[-3] != ord("1") else ord("2")
    elif change == "line ends":
        content = content.replace(b"\n", b"\r\n")
    else:
        content = content[: len(content) // 2]
    (copy / victim).write_bytes(content)

    def load(**source):
        return load_lastfm(**source) if name == "lastfm-2k" else load_movielens(name, **source)

    monkeypatch.setenv("RECSYS_DATA_HOME", str(tmp_path))
    for source in ({}, {"folder": copy}):
        with pytest.raises(CorruptArchive) as caught:
            load(**source)
        message = str(caught.value)
        assert str(copy / victim) in message and digest in message and "found" in message
        assert "original file" in message


def write_ml_1m(folder, ratings="1::1193::5::978300760\n1::661::3::978302109\n"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ratings.dat").write_text(ratings)
    (folder / "movies.dat").write_text(
        "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        '661::Cité: a \u0085 place, with "marks" (1995)::Animation|Children\'s\n',
        encoding="latin-1",
    )
    (folder / "users.dat").write_text("1::F::1::10::02138\n2::M::56::16::70072-1234\n")


def with_two_ratings(monkeypatch, name):
    monkeypatch.setitem(SOURCES, name, dataclasses.replace(SOURCES[name], n_ratings=2))


def test_ml_1m_layout(tmp_path, monkeypatch):
    with_two_ratings(monkeypatch, "ml-1m")
    write_ml_1m(tmp_path / "ml-1m")
    data = load_movielens("ml-1m", folder=tmp_path)
    assert types(data.ratings) == RATINGS and data.links is None
    assert tuple(data.ratings.iloc[0]) == (1, 1193, 5.0, pd.Timestamp("2000-12-31 22:12:40"))
    assert data.movies["title"].tolist()[1] == 'Cité: a \u0085 place, with "marks" (1995)'
    assert data.movies["year"].tolist() == [1975, 1995]
    assert data.movies["genres"].tolist() == [("Drama",), ("Animation", "Children's")]
    assert data.users.iloc[0].tolist() == [1, 1, "under 18", "F", "K-12 student", "02138"]
    assert str(data.users["occupation"].dtype) == STR
    assert data.users.iloc[1].tolist() == [2, 56, "56+", "M", "self-employed", "70072-1234"]
    assert len(ML_1M_OCCUPATIONS) == 21


def test_a_cut_file_without_a_pinned_digest_is_told_by_its_ratings(tmp_path):
    write_ml_1m(tmp_path / "ml-1m")
    with pytest.raises(CorruptArchive, match="holds 2 ratings, the published ml-1m has 1000209"):
        load_movielens("ml-1m", folder=tmp_path)


def test_ml_25m_layout(tmp_path, monkeypatch):
    with_two_ratings(monkeypatch, "ml-25m")
    folder = tmp_path / "ml-25m"
    folder.mkdir()
    (folder / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,3.5,1147868817\n"
    )
    (folder / "movies.csv").write_text(
        'movieId,title,genres\n296,"Pulp, Fiction (1994)",Comedy|Crime\n306,NaN,(no genres listed)\n'
    )
    (folder / "links.csv").write_text("movieId,imdbId,tmdbId\n296,0110912,680\n306,0111495,\n")
    data = load_movielens("ml-25m", folder=folder)
    assert types(data.ratings) == RATINGS and data.users is None
    assert data.movies["title"].tolist() == ["Pulp, Fiction (1994)", "NaN"], (
        "a title is never a missing value"
    )
    assert data.movies["genres"].tolist() == [("Comedy", "Crime"), ()]
    assert data.links["imdbId"].tolist() == ["0110912", "0111495"]
    assert data.links["tmdbId"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "content",
    [
        "userId,movieId,stars,timestamp\n1,296,5.0,1147880044\n",
        "userId,movieId,rating,timestamp\n1,296,,1147880044\n",
        "userId,movieId,rating,timestamp\n1,296,nan,1147880044\n",
        "userId,movieId,rating,timestamp\n1,296,99,1147880044\n",
        "userId,movieId,rating,timestamp\n1,,5.0,1147880044\n",
    ],
)
def test_ratings_without_a_pinned_digest_are_checked_value_by_value(content, tmp_path):
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n296,Pulp Fiction (1994),Crime\n")
    (tmp_path / "links.csv").write_text("movieId,imdbId,tmdbId\n296,0110912,680\n")
    (tmp_path / "ratings.csv").write_text(content)
    with pytest.raises(CorruptArchive, match="ratings.csv is not the published file"):
        load_movielens("ml-25m", folder=tmp_path)


def test_the_message_in_a_notebook_is_not_buried(tmp_path):
    """In a notebook the error shows the reader's own line and the message, not the frames between."""
    with pytest.raises(DataUnavailable) as caught:
        load_movielens(folder=tmp_path)
    shown = VerboseTB().text(caught.type, caught.value, caught.tb)
    assert "does not hold ml-latest-small" in shown
    assert "loaders.py" not in shown and len(shown.splitlines()) < 35


@pytest.mark.parametrize("content", ["1::1193::5\n", "1::x::5::978300760\n", ""])
def test_a_file_that_cannot_be_parsed_is_named(content, tmp_path):
    write_ml_1m(tmp_path, ratings=content)
    with pytest.raises(CorruptArchive, match="ratings.dat is not the published file"):
        read_ml_1m(tmp_path)


def test_a_broken_movies_file_is_named(tmp_path):
    write_ml_1m(tmp_path)
    (tmp_path / "movies.dat").write_text("1193,One Flew Over the Cuckoo's Nest (1975)\n")
    with pytest.raises(CorruptArchive, match="movies.dat"):
        read_ml_1m(tmp_path)


@pytest.mark.parametrize("occupation", ["21", "-1"])
def test_an_unknown_occupation_is_an_error(tmp_path, occupation):
    write_ml_1m(tmp_path)
    (tmp_path / "users.dat").write_text(f"1::F::1::{occupation}::02138\n")
    with pytest.raises(CorruptArchive, match="users.dat"):
        read_ml_1m(tmp_path)


@settings(deadline=None)
@given(st.integers(1880, 2030), st.text("abc (1999)", max_size=20), st.sampled_from(["", " ", " (V)"]))
def test_release_year_is_the_last_parenthesis(year, title, tail):
    found = release_year(
        pd.Series([f"{title} ({year}){tail}", f"{title} ({year}–{year + 1})", f"{title} ({year}– )"])
    )
    assert found.tolist() == [year] * 3


def test_release_year_is_missing_where_the_title_has_none():
    found = release_year(pd.Series(["1984", "2001: A Space Odyssey", "Film (director's cut)", "", "(199)"]))
    assert str(found.dtype) == "Int64" and found.isna().all()


def test_age_groups():
    ages = [1, 7, 17, 18, 24, 25, 34, 35, 44, 45, 49, 50, 55, 56, 90]
    expected = [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert age_group(ages).tolist() == [AGE_GROUPS[row] for row in expected]


def test_a_process_knows_which_data_it_used(monkeypatch, capsys):
    monkeypatch.setattr(loaders_module, "_used", [])
    monkeypatch.setenv("RECSYS_DATASET", "synthetic")
    for load in (load_lastfm, load_movielens, load_lastfm):
        load()
    with pytest.raises(InvalidInput):
        load_movielens("ml-10m")
    assert used() == ["lastfm-2k", "ml-latest-small"]


@pytest.mark.parametrize("name", ["ml-10m", "", None, "ML-100K", 3])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(InvalidInput, match="'ml-100k'"):
        load_movielens(name)


@pytest.mark.parametrize("folder", [3, ["a"], b"bytes"])
def test_a_folder_that_is_no_path_is_named(folder):
    with pytest.raises(InvalidInput, match="folder must be a path"):
        load_lastfm(folder=folder)


@pytest.mark.parametrize("load", [load_movielens, load_lastfm])
def test_an_unknown_dataset_mode_is_refused(load, monkeypatch):
    monkeypatch.setenv("RECSYS_DATASET", "synthtic")
    with pytest.raises(InvalidInput, match="RECSYS_DATASET.*'synthtic'"):
        load()


def test_synthetic_only_where_asked_for(monkeypatch, tmp_path, capsys):
    """Without data and network the loader fails; it never falls back on invented data."""
    monkeypatch.delenv("RECSYS_DATA_HOME", raising=False)

    def no_network(source, cache):
        raise DataUnavailable("no network")

    monkeypatch.setattr("recsys_utils.datasets.sources.download", no_network)
    with pytest.raises(DataUnavailable, match="RECSYS_DATASET=synthetic"):
        load_movielens()
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("RECSYS_DATASET", "synthetic")
    for load in (load_movielens, lambda: load_movielens("ml-100k"), load_lastfm):
        data = load()
        assert data.synthetic and data.truth is not None
        printed = capsys.readouterr().out
        assert printed.startswith("SYNTHETIC DATA: ") and printed.count("\n") == 1


def test_every_set_has_a_reader_and_a_pinned_archive():
    assert set(loaders_module.READERS) == set(SOURCES)
    for source in SOURCES.values():
        assert source.mirrors and all(url.startswith("https://") for url in source.mirrors)
        digests = [source.sha256, *filter(None, source.members.values())]
        assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)


def test_nothing_is_unpickled():
    package = Path(loaders_module.__file__).parent
    assert not any("pickle" in path.read_text(encoding="utf-8") for path in package.glob("*.py"))


@needs_data
def test_tables_do_not_share_memory():
    first, second = load_movielens("ml-100k"), load_movielens("ml-100k")
    first.ratings["rating"] = np.zeros(len(first.ratings))
    assert second.ratings["rating"].mean() > 3
