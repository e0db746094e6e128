"""xLearn in a child process: real training, and every way in which it can go wrong."""
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from recsys_utils.errors import InvalidInput, MissingDependency
from recsys_utils.features import DesignMatrix, Relation
from recsys_utils.xlearn import XLearnCrashed, fit_predict
from recsys_utils.xlearn import runner as xlearn_runner

N_USERS, N_ITEMS = 20, 30
needs_xlearn = pytest.mark.skipif(find_spec("xlearn") is None, reason="xLearn is not installed")


def with_names(matrix):
    """A design of users and items from a matrix with their columns side by side."""
    return DesignMatrix((
        Relation("user", [f"user={u}" for u in range(N_USERS)], matrix[:, :N_USERS]),
        Relation("item", [f"item={i}" for i in range(N_ITEMS)], matrix[:, N_USERS:]),
    ))


def pairs(n, seed):
    """One-hot pairs of a user and an item, and a label that depends on the pair."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(N_USERS, size=n), rng.integers(N_ITEMS, size=n)
    indices = np.column_stack([users, N_USERS + items]).ravel()
    matrix = sparse.csr_matrix(
        (np.ones(2 * n), indices, np.arange(0, 2 * n + 1, 2)), shape=(n, N_USERS + N_ITEMS)
    )
    return with_names(matrix), 3.0 + 0.2 * (users % 5) - 0.3 * (items % 4) + 0.5 * (users % 2) * (items % 2)


@pytest.fixture(scope="module")
def data():
    return *pairs(3000, 0), *pairs(500, 1)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """The folder for temporary files; it must be empty afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    assert os.listdir(tmp_path) == []


@pytest.fixture
def fake_xlearn(tmp_path_factory, monkeypatch):
    """Put a module of the given text in the place of xLearn, in the child process only."""

    def install(text):
        folder = tmp_path_factory.mktemp("fake")
        (folder / "xlearn.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return install


FAKE = """
class Machine:
    def __getattr__(self, name):
        return lambda *arguments: None
    def fit(self, parameters, path):
        {fit}
    def predict(self, model, path):
        {predict}
def create_fm():
    return Machine()
"""


def xlearn_logs():
    """The log files that xLearn writes beside everything else unless it is told where."""
    return {name for name in os.listdir("/tmp") if name.startswith("xlearn_log.")}


def rmse(a, b):
    return np.sqrt(np.mean((a - b) ** 2))


@needs_xlearn
@pytest.mark.parametrize("model", ["linear", "fm", "ffm"])
def test_learns_and_leaves_no_file(data, scratch, model):
    train, labels, test, truth = data
    before = xlearn_logs()
    result = fit_predict(train, labels, test, model=model, epoch=30)
    error = rmse(result.predictions, truth)
    assert error < (0.2 if model == "linear" else 0.1) < rmse(labels.mean(), truth)
    assert result.predictions.shape == (500,)
    assert result.losses.epoch.tolist() == list(range(1, 31))
    assert result.losses.train_loss.iloc[-1] < result.losses.train_loss.iloc[0]
    assert result.fit_seconds > 0
    assert "\x1b" not in result.log and "Finish training" in result.log
    assert xlearn_logs() == before


@needs_xlearn
def test_one_thread_gives_the_same_each_time(data, scratch):
    train, labels, test, _ = data
    first = fit_predict(train, labels, test, k=8).predictions
    np.testing.assert_array_equal(first, fit_predict(train, labels, test, k=8).predictions)


@needs_xlearn
def test_runs_without_a_user_name(data, scratch, monkeypatch):
    monkeypatch.delenv("USER", raising=False)
    train, labels, test, _ = data
    assert len(fit_predict(train, labels, test, epoch=1).predictions) == 500


@needs_xlearn
def test_without_the_user_name_the_child_dies_and_the_caller_does_not(data, scratch, monkeypatch):
    # The same run with $USER taken away inside the child: what the runner protects from.
    child = scratch.parent / "child.py"
    source = Path(xlearn_runner.script.__file__).read_text(encoding="utf-8")
    child.write_text("import os\nos.environ.pop('USER')\nos.unsetenv('USER')\n" + source)
    monkeypatch.setattr(xlearn_runner.script, "__file__", str(child))
    train, labels, test, _ = data
    with pytest.raises(XLearnCrashed, match="SIGABRT") as error:
        fit_predict(train, labels, test)
    assert error.value.exit_code == -6
    assert "construction from null" in error.value.log


@needs_xlearn
def test_validation_stops_early(data, scratch):
    train, labels, test, truth = data
    rng = np.random.default_rng(0)
    noisy = labels + rng.normal(size=len(labels))
    fit, held_out = np.arange(1000), np.arange(1000, 2000)
    result = fit_predict(
        train.select(fit), noisy[fit], test, validation=(train.select(held_out), noisy[held_out]),
        epoch=200, k=16, lambda_=0.0,
    )
    assert len(result.losses) < 200
    assert "Early-stopping" in result.log
    assert result.losses.validation_loss.notna().all()


@needs_xlearn
def test_sigmoid_squashes(data, scratch):
    train, labels, test, _ = data
    result = fit_predict(train, labels, test, sigmoid=True)
    assert ((result.predictions > 0) & (result.predictions < 1)).all()


@needs_xlearn
def test_two_classes(data, scratch):
    train, labels, test, truth = data
    result = fit_predict(train, labels > 3, test, task="binary", sigmoid=True)
    assert ((result.predictions > 0.5) == (truth > 3)).mean() > 0.9


@needs_xlearn
@pytest.mark.parametrize("model", ["linear", "fm", "ffm"])
def test_rows_that_training_says_nothing_about_get_the_intercept(data, scratch, model):
    train, labels, test, _ = data
    seen = train.matrix[:, 5].toarray().ravel() == 0
    train, labels = train.select(seen), labels[seen]  # the sixth user is new
    matrix = sparse.csr_matrix(([1.0, 1.0, 1.0], [5, 3, 22], [0, 0, 1, 1, 3]), shape=(4, train.n_columns))
    predictions = fit_predict(train, labels, with_names(matrix), model=model).predictions
    assert predictions[0] == predictions[1] == predictions[2] != predictions[3]


@needs_xlearn
def test_a_sparse_matrix_will_do_for_fm(data, scratch):
    train, labels, test, _ = data
    expected = fit_predict(train, labels, test).predictions
    np.testing.assert_array_equal(fit_predict(train.matrix, labels, test.matrix).predictions, expected)


# -- failures -------------------------------------------------------------------------------------------

def test_not_installed(data, scratch, fake_xlearn):
    fake_xlearn("raise ModuleNotFoundError(\"No module named 'xlearn'\")")
    train, labels, test, _ = data
    remedy = r"No module named 'xlearn'.*make.*C\+\+ compiler.*cmake<4.*xlearn==0.40a1"
    with pytest.raises(MissingDependency, match=remedy):
        fit_predict(train, labels, test)


def test_truly_absent(data, scratch, monkeypatch, tmp_path_factory):
    # An interpreter without site-packages, where xLearn is not.
    wrapper = tmp_path_factory.mktemp("bin") / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapper))
    train, labels, test, _ = data
    with pytest.raises(MissingDependency, match="No module named 'xlearn'"):
        fit_predict(train, labels, test)


def test_a_library_that_does_not_load(data, scratch, fake_xlearn):
    fake_xlearn("raise OSError('libxlearn_api.so: cannot open shared object file')")
    train, labels, test, _ = data
    with pytest.raises(MissingDependency, match="cannot open shared object file"):
        fit_predict(train, labels, test)


@pytest.mark.parametrize(("fit", "exit_code", "message"), [
    ("import os; os.abort()", -6, "SIGABRT"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", -11, "SIGSEGV"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, "SIGKILL"),
    ("print('last words'); raise SystemExit(3)", 3, "exit code 3.*\n.*\nlast words"),
    ("raise RuntimeError('broken')", 1, "RuntimeError: broken"),
    ("pass", 0, "without predictions"),
])
def test_a_crash_is_an_exception_with_the_end_of_the_log(data, scratch, fake_xlearn, fit, exit_code, message):
    fake_xlearn(FAKE.format(fit=fit, predict="pass"))
    train, labels, test, _ = data
    with pytest.raises(XLearnCrashed, match=f"(?s){message}") as error:
        fit_predict(train, labels, test)
    assert error.value.exit_code == exit_code


@pytest.mark.parametrize(("text", "message"), [
    ("1\\n2\\n", "2 predictions for 500 rows"),
    ("nan\\n" * 500, "diverged: 500 of 500"),
])
def test_useless_predictions(data, scratch, fake_xlearn, text, message):
    fake_xlearn(FAKE.format(fit="pass", predict=f"open(path, 'w').write('{text}')"))
    train, labels, test, _ = data
    with pytest.raises(XLearnCrashed, match=message):
        fit_predict(train, labels, test)


@needs_xlearn
def test_a_learning_rate_that_diverges(data, scratch):
    train, labels, test, _ = data
    with pytest.raises(XLearnCrashed, match="diverged"):
        fit_predict(train, labels, test, lr=1e30, epoch=20)


def test_time_out(data, scratch, fake_xlearn):
    fake_xlearn(FAKE.format(fit="print('thinking', flush=True); import time; time.sleep(60)", predict="pass"))
    train, labels, test, _ = data
    with pytest.raises(XLearnCrashed, match="timeout=3"):
        fit_predict(train, labels, test, timeout=3)


@pytest.mark.parametrize(("parameters", "message"), [
    ({"model": "deepfm"}, "model"),
    ({"task": "rank"}, "task"),
    ({"k": 0}, "k must"),
    ({"k": 2.5}, "k must"),
    ({"lr": -1}, "lr must"),
    ({"lr": float("nan")}, "lr must"),
    ({"lambda_": -1e-3}, "lambda_ must"),
    ({"epoch": 0}, "epoch must"),
    ({"timeout": -1}, "timeout must"),
])
def test_bad_parameters_start_nothing(data, scratch, fake_xlearn, parameters, message):
    fake_xlearn("raise AssertionError('started')")
    train, labels, test, _ = data
    with pytest.raises(InvalidInput, match=message):
        fit_predict(train, labels, test, **parameters)


def test_an_unknown_parameter_is_named(data):
    train, labels, test, _ = data
    with pytest.raises(TypeError, match="learning_rate"):
        fit_predict(train, labels, test, learning_rate=0.1)


def test_bad_data_starts_nothing(data, scratch, fake_xlearn):
    fake_xlearn("raise AssertionError('started')")
    train, labels, test, _ = data
    bare = train.matrix.copy()
    bare.data[:2] = 0
    poisoned = train.matrix.copy()
    poisoned.data[7] = np.nan
    for arguments, message in [
        ((train, labels[:-1], test), "train labels has 2999"),
        ((train, np.where(np.arange(3000) == 8, np.nan, labels), test), "position 8"),
        ((bare, labels, test), "1 rows without entries, the first is row 0"),
        ((poisoned, labels, test.matrix), "train holds 1 NaN"),
        ((train, labels, poisoned), "test holds 1 NaN"),
        ((train, labels, test.matrix[:, :9]), "test has other columns"),
        ((train, labels, test.keep("user")), "test has other columns"),
        ((train, labels, test.matrix[:0]), "test is empty"),
        ((train.matrix.toarray(), labels, test), "train must be"),
        ((train, labels[:, None], test), "train labels must be 1-D"),
        ((train, None, test), "train labels must be 1-D, got None"),
        ((train, labels, [1, 2]), "test must be"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            fit_predict(*arguments)
    with pytest.raises(InvalidInput, match="DesignMatrix for model='ffm'"):
        fit_predict(train.matrix, labels, test, model="ffm")
    with pytest.raises(InvalidInput, match="0 and 1"):
        fit_predict(train, labels, test, task="binary")
    with pytest.raises(InvalidInput, match="validation labels"):
        fit_predict(train, labels, test, validation=(test, labels))
    with pytest.raises(InvalidInput, match="validation labels must be 1-D, got None"):
        fit_predict(train, labels, test, validation=(test, None))


def test_a_killed_parent_leaves_neither_child_nor_folder(tmp_path):
    fake = tmp_path / "fake"
    fake.mkdir()
    alive = tmp_path / "alive"
    (fake / "xlearn.py").write_text(FAKE.format(
        fit=f"import os, time; open({str(alive)!r}, 'w').write(str(os.getpid())); time.sleep(60)", predict="pass"
    ))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = """
import scipy.sparse as sparse
from recsys_utils.xlearn import fit_predict
X = sparse.eye(3, format="csr")
fit_predict(X, [1.0, 2.0, 3.0], X)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(fake), *sys.path]), "TMPDIR": str(scratch)}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        wait_for(lambda: alive.exists() and alive.read_text())
        child = int(alive.read_text())
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: os.listdir(scratch) == [])
    wait_for(lambda: not is_running(child))


def is_running(process):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds=60):
    """Return as soon as the condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
