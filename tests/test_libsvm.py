"""LibSVM and libffm files: scikit-learn reads them, and a write that fails leaves nothing."""
import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_svmlight_file

from recsys_utils.errors import InvalidInput
from recsys_utils.features import DesignMatrix, Relation, libsvm, write_libffm, write_libsvm

finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def labelled_designs(draw):
    """Any small design matrix, empty rows and columns included, and labels."""
    n_rows, n_columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    value = st.one_of(st.just(0.0), st.just(1.0), finite)
    cells = draw(st.lists(value, min_size=n_rows * n_columns, max_size=n_rows * n_columns))
    fields = draw(st.lists(st.integers(0, 2), min_size=n_columns, max_size=n_columns))
    table, cuts = sparse.csr_matrix(np.reshape(cells, (n_rows, n_columns))), sorted(fields)
    design = DesignMatrix(tuple(
        Relation(name, [f"c{i}" for i in np.flatnonzero(mine)], table[:, mine])
        for name in range(3) for mine in [np.array(cuts) == name]
    ))
    return design, np.array(draw(st.lists(finite, min_size=n_rows, max_size=n_rows)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("libsvm")


@settings(deadline=None)
@given(labelled_designs(), st.booleans())
def test_scikit_learn_reads_back_what_was_written_exactly(folder, labelled, zero_based):
    design, labels = labelled
    path = folder / "rows.txt"
    write_libsvm(path, design, labels, zero_based=zero_based)
    matrix, found = load_svmlight_file(str(path), n_features=design.n_columns, zero_based=zero_based)
    np.testing.assert_array_equal(matrix.toarray(), design.matrix.toarray())
    np.testing.assert_array_equal(found, labels)


@settings(deadline=None)
@given(labelled_designs(), st.booleans())
def test_libffm_is_libsvm_with_the_field_in_front(folder, labelled, zero_based):
    design, labels = labelled
    write_libsvm(folder / "rows.txt", design, labels, zero_based=zero_based)
    write_libffm(folder / "rows.ffm", design, labels, zero_based=zero_based)
    first = 0 if zero_based else 1
    for line, other in zip(
        (folder / "rows.txt").read_text().splitlines(), (folder / "rows.ffm").read_text().splitlines(), strict=True
    ):
        label, *entries = line.split(" ")
        fields = [design.fields[int(entry.partition(":")[0]) - first] + first for entry in entries]
        assert other.split(" ") == [label, *(f"{n}:{entry}" for n, entry in zip(fields, entries, strict=True))]


def test_the_text_itself(tmp_path):
    design = DesignMatrix((
        Relation("x", ("a", "b"), sparse.csr_matrix([[1.0, 0.0], [0.0, 0.0]])),
        Relation("y", ("c",), sparse.csr_matrix([[0.5], [0.0]])),
    ))
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


@pytest.mark.parametrize("zero_based", [None, 0, 1, "yes"])
def test_zero_based_must_be_said(tmp_path, zero_based):
    with pytest.raises(InvalidInput, match="zero_based"):
        write_libsvm(tmp_path / "rows", sparse.eye(2, format="csr"), [1, 2], zero_based=zero_based)


@pytest.mark.parametrize(("design", "labels", "message"), [
    (sparse.csr_matrix((0, 3)), [], "empty"),
    (sparse.csr_matrix((3, 0)), [1, 2, 3], "empty"),
    (sparse.csr_matrix([[np.nan]]), [1], "design"),
    (sparse.csr_matrix([[np.inf]]), [1], "design"),
    (sparse.eye(2, format="csr"), [1, np.nan], "labels"),
    (sparse.eye(2, format="csr"), [1], "labels"),
    (sparse.eye(2, format="csr"), ["a", "b"], "labels"),
    (sparse.eye(2, format="csr"), [[1], [2]], "labels must be 1-D"),
    (sparse.eye(2, format="csr"), None, "labels"),
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
