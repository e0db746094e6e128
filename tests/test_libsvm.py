"""LibSVM and libffm files: round trips, scikit-learn as the oracle, and every kind of bad line."""
import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from recsys_utils.errors import InvalidInput
from recsys_utils.features import DesignMatrix, libsvm, read_libffm, read_libsvm, write_libffm, write_libsvm

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def labelled_designs(draw):
    """Any small design matrix, empty rows and columns included, and labels."""
    n_rows, n_columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    value = st.one_of(st.just(0.0), st.just(1.0), finite)
    cells = draw(st.lists(value, min_size=n_rows * n_columns, max_size=n_rows * n_columns))
    fields = draw(st.lists(st.integers(0, 2), min_size=n_columns, max_size=n_columns))
    design = DesignMatrix(
        sparse.csr_matrix(np.reshape(cells, (n_rows, n_columns))),
        tuple(f"c{i}" for i in range(n_columns)), fields, ("a", "b", "c"),
    )
    return design, np.array(draw(st.lists(finite, min_size=n_rows, max_size=n_rows)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("libsvm")


@settings(deadline=None)
@given(labelled_designs(), st.booleans())
def test_libsvm_round_trip_is_exact_and_equals_scikit_learn(folder, labelled, zero_based):
    design, labels = labelled
    path = folder / "rows.txt"
    write_libsvm(path, design, labels, zero_based=zero_based)
    matrix, found = read_libsvm(path, zero_based=zero_based, n_columns=design.n_columns)
    np.testing.assert_array_equal(matrix.toarray(), design.matrix.toarray())
    np.testing.assert_array_equal(found, labels)
    theirs, their_labels = load_svmlight_file(str(path), n_features=design.n_columns, zero_based=zero_based)
    np.testing.assert_array_equal(theirs.toarray(), design.matrix.toarray())
    np.testing.assert_array_equal(their_labels, labels)


@settings(deadline=None)
@given(labelled_designs(), st.booleans())
def test_libffm_round_trip_is_exact(folder, labelled, zero_based):
    design, labels = labelled
    path = folder / "rows.ffm"
    write_libffm(path, design, labels, zero_based=zero_based)
    matrix, found, fields = read_libffm(path, zero_based=zero_based, n_columns=design.n_columns)
    np.testing.assert_array_equal(matrix.toarray(), design.matrix.toarray())
    np.testing.assert_array_equal(found, labels)
    mentioned = np.unique(matrix.indices)
    expected = np.full(design.n_columns, -1)
    expected[mentioned] = design.fields[mentioned]
    np.testing.assert_array_equal(fields, expected)


def test_what_scikit_learn_writes_is_read(folder):
    rng = np.random.default_rng(0)
    matrix = sparse.csr_matrix(rng.random((20, 7)) * (rng.random((20, 7)) < 0.3))
    path = folder / "theirs.txt"
    dump_svmlight_file(matrix, np.arange(20), str(path), zero_based=False)
    found, labels = read_libsvm(path, zero_based=False, n_columns=7)
    np.testing.assert_allclose(found.toarray(), matrix.toarray(), rtol=1e-15)
    assert labels.tolist() == list(range(20))


def test_the_text_itself(tmp_path):
    design = DesignMatrix(
        sparse.csr_matrix([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]]), ("a", "b", "c"), [0, 0, 1], ("x", "y")
    )
    write_libsvm(tmp_path / "0", design, [4.0, 3.5], zero_based=True)
    write_libsvm(tmp_path / "1", design.matrix, [4, 3.5], zero_based=False)
    write_libffm(tmp_path / "ffm0", design, [4, 3.5], zero_based=True)
    write_libffm(tmp_path / "ffm1", design, [4, 3.5], zero_based=False)
    texts = {name: (tmp_path / name).read_text() for name in ("0", "1", "ffm0", "ffm1")}
    assert texts == {
        "0": "4 0:1 2:0.5\n3.5\n",
        "1": "4 1:1 3:0.5\n3.5\n",
        "ffm0": "4 0:0:1 1:2:0.5\n3.5\n",
        "ffm1": "4 1:1:1 2:3:0.5\n3.5\n",
    }


def test_width_from_the_largest_index(tmp_path):
    path = tmp_path / "rows"
    path.write_text("1 2:5\r\n2 0:1 1:1")  # Windows line ends, and no newline at the end of the file
    matrix, labels = read_libsvm(path, zero_based=True)
    assert matrix.toarray().tolist() == [[0, 0, 5], [1, 1, 0]] and labels.tolist() == [1, 2]


BAD_LIBSVM = [
    ("1 0:1\n\n2 0:1\n", 2, "empty"),
    ("1 0:1\n0:1 1:1\n", 2, "label first"),
    ("good 0:1\n", 1, "'good' is not a number"),
    ("1 0:1\n1 0\n", 2, "index:value"),
    ("1 0:1\n1 0:\n", 2, "index:value"),
    ("1 :1\n", 1, "index:value"),
    ("1 0:0:1\n", 1, "index:value"),
    ("1 0:1:2 3\n", 1, "index:value"),  # as many colons as two good entries have
    ("1 0:1 qid:3\n", 1, "'qid:3'"),
    ("1 0:1 # a comment\n", 1, "'#'"),
    ("1 1.5:1\n", 1, "index:value"),
    ("1 0:1_000\n", 1, "1_000"),
    ("1 0:nan\n", 1, "nan"),
    ("1 0:1 1:inf\n", 1, "inf"),
    ("1 0:1e999\n", 1, "inf"),
    ("nan 0:1\n", 1, "label is nan"),
    ("-inf 0:1\n", 1, "label is -inf"),
    ("1 -1:1\n", 1, "index -1 is negative"),
    ("1 3:1 3:2\n", 1, "index 3 occurs twice"),
    ("1 3:1 2:1\n", 1, "index 2 follows 3"),
    ("1 0:1\n1 4000000000:1\n", 2, "beyond"),
    ("1 99999999999999999999:1\n", 1, "beyond"),
    ("1 0:1\n\x00\x01\n", 2, "not a number"),
    ("1 0:1\n1 0:\u0663\n", 2, "not of the form"),
]


@pytest.mark.parametrize(("text", "line", "message"), BAD_LIBSVM)
def test_bad_libsvm_lines_are_named(tmp_path, text, line, message):
    path = tmp_path / "bad.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as error:
        read_libsvm(path, zero_based=True)
    assert f"{path}, line {line}: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(("text", "line", "message"), [
    ("1 0:0:1\n1 0:1\n", 2, "field:index:value"),
    ("1 0:0:0:1\n", 1, "field:index:value"),
    ("1 -1:0:1\n", 1, "field -1 is negative"),
    ("1 0:-1:1\n", 1, "index -1 is negative"),
    ("1 0:0:1\n1 1:1:1\n1 1:0:1\n", 1, "field 0 here and 1"),
    ("1 0:5:1 0:5:1\n", 1, "twice"),
])
def test_bad_libffm_lines_are_named(tmp_path, text, line, message):
    path = tmp_path / "bad.ffm"
    path.write_text(text)
    with pytest.raises(InvalidInput) as error:
        read_libffm(path, zero_based=True)
    assert f"{path}, line {line}: " in str(error.value)
    assert message in str(error.value)


def test_index_zero_in_a_one_based_file(tmp_path):
    path = tmp_path / "rows"
    path.write_text("1 1:1\n1 0:1\n")
    with pytest.raises(InvalidInput, match="line 2.*zero_based=True"):
        read_libsvm(path, zero_based=False)


def test_an_index_beyond_n_columns(tmp_path):
    path = tmp_path / "rows"
    path.write_text("1 3:1\n")
    assert read_libsvm(path, zero_based=False, n_columns=3)[0].shape == (1, 3)
    with pytest.raises(InvalidInput, match="line 1.*index 3"):
        read_libsvm(path, zero_based=True, n_columns=3)


def test_files_without_rows_or_entries(tmp_path):
    path = tmp_path / "rows"
    path.write_text("")
    with pytest.raises(InvalidInput, match="no rows"):
        read_libsvm(path, zero_based=True)
    path.write_text("1\n2\n")
    with pytest.raises(InvalidInput, match="n_columns"):
        read_libsvm(path, zero_based=True)
    assert read_libsvm(path, zero_based=True, n_columns=4)[0].shape == (2, 4)
    with pytest.raises(FileNotFoundError):
        read_libsvm(tmp_path / "absent", zero_based=True)


@pytest.mark.parametrize("zero_based", [None, 0, 1, "yes"])
def test_zero_based_must_be_said(tmp_path, zero_based):
    with pytest.raises(InvalidInput, match="zero_based"):
        write_libsvm(tmp_path / "rows", sparse.eye(2, format="csr"), [1, 2], zero_based=zero_based)
    with pytest.raises(TypeError):
        read_libsvm(tmp_path / "rows")


@pytest.mark.parametrize(("design", "labels", "message"), [
    (sparse.csr_matrix((0, 3)), [], "empty"),
    (sparse.csr_matrix((3, 0)), [1, 2, 3], "empty"),
    (sparse.csr_matrix([[np.nan]]), [1], "design"),
    (sparse.csr_matrix([[np.inf]]), [1], "design"),
    (sparse.eye(2, format="csr"), [1, np.nan], "labels"),
    (sparse.eye(2, format="csr"), [1], "labels"),
    (sparse.eye(2, format="csr"), ["a", "b"], "labels"),
    (np.eye(2), [1, 2], "sparse matrix"),
])
def test_bad_input_writes_nothing(tmp_path, design, labels, message):
    path = tmp_path / "rows"
    path.write_text("before")
    with pytest.raises(InvalidInput, match=message):
        write_libsvm(path, design, labels, zero_based=True)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["rows"]


def test_libffm_needs_to_know_the_fields(tmp_path):
    with pytest.raises(InvalidInput, match="DesignMatrix"):
        write_libffm(tmp_path / "rows", sparse.eye(2, format="csr"), [1, 2], zero_based=True)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path):
    path = tmp_path / "rows"
    path.write_text("before")
    # A limit on the size of a file fails a write half-way, as a full disk does.
    program = f"""
import resource, signal
import scipy.sparse as sparse
from recsys_utils.features import write_libsvm
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    write_libsvm({str(path)!r}, sparse.eye(50_000, format="csr"), range(50_000), zero_based=True)
except OSError as error:
    raise SystemExit(error.errno)
"""
    done = subprocess.run([sys.executable, "-B", "-c", program], capture_output=True, text=True)
    assert done.returncode == errno.EFBIG, done.stderr
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["rows"]


def test_an_interruption_leaves_what_was_there(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "rows"
    path.write_text("before")
    monkeypatch.setattr(libsvm.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_libsvm(path, sparse.eye(2, format="csr"), [1, 2], zero_based=True)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["rows"]


def test_a_link_is_written_through(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_libsvm(link, sparse.eye(1, format="csr"), [1], zero_based=True)
    assert link.is_symlink() and target.read_text() == "1 0:1\n"
