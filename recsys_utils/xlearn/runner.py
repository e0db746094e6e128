"""Run xLearn in a process of its own.

xLearn answers many mistakes by ending the process: a row without entries, ``k=0``, an environment
without ``$USER``. In a notebook that is a dead kernel. Here the child process may die; the caller gets
an exception that says how and shows the end of the log.
"""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from . import child as script
from ..check import check_choice, check_finite, check_float, check_int, check_same_length
from ..errors import InvalidInput, MissingDependency, RecsysError
from ..features import DesignMatrix, write_libffm, write_libsvm

_METRICS = {
    "reg": ("rmse", "mae", "mape", "rmsd"),
    "binary": ("acc", "prec", "recall", "f1", "auc"),
}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EPOCH = re.compile(r"^\[\s*\d+%\s*\]\s+(\d+)\s+([-\w.]+)(.*)$", re.MULTILINE)


class XLearnCrashed(RecsysError, RuntimeError):
    """xLearn ended without predictions, or with useless ones.

    Attributes
    ----------
    exit_code : int or None
        Exit code of the child process, minus the signal's number where a signal ended it; None
        where the child was stopped because its time was over.
    log : str
        All that xLearn printed.
    """

    def __init__(self, message: str, exit_code: int | None, log: str):
        super().__init__(message)
        self.exit_code = exit_code
        self.log = log


@dataclass(frozen=True, eq=False)
class XLearnResult:
    """What one run of xLearn gave.

    Attributes
    ----------
    predictions : ndarray of float64, shape (n_test_rows,)
        One prediction a test row, with the six digits that xLearn prints.
    losses : DataFrame
        One row an epoch: ``epoch``, ``train_loss`` and, with validation data, ``validation_loss``,
        as xLearn prints them: for a regression half the mean squared error.
    log : str
        What xLearn printed, without colours. Its "test loss" means nothing: the labels of the test
        rows are not handed over, zeros stand in their place.
    fit_seconds, predict_seconds : float
        Wall-clock seconds in xLearn itself, reading the files included, starting the process not.
    """

    predictions: np.ndarray = field(repr=False)
    losses: pd.DataFrame = field(repr=False)
    log: str = field(repr=False)
    fit_seconds: float
    predict_seconds: float


def fit_predict(
    train,
    labels,
    test,
    *,
    model: str = "fm",
    task: str = "reg",
    validation: tuple | None = None,
    sigmoid: bool = False,
    k: int = 4,
    lr: float = 0.2,
    lambda_: float = 2e-5,
    epoch: int = 10,
    init: float = 0.66,
    opt: str = "adagrad",
    metric: str | None = None,
    stop_window: int = 2,
    normalize: bool = True,
    nthread: int = 1,
    timeout: float | None = None,
) -> XLearnResult:
    """Train an xLearn model from files and predict the rows of another file.

    The files are written to a temporary folder that is gone when the function returns or raises;
    the format is libffm for ``model="ffm"`` and LibSVM for the others, both 0-based.

    Parameters
    ----------
    train : DesignMatrix or sparse matrix, shape (n_rows, n_columns)
        Training rows. ``model="ffm"`` needs a DesignMatrix, which knows the fields.
    labels : array-like of float, shape (n_rows,)
        Training labels: any finite numbers for ``task="reg"``, two classes written as 0 and 1 or as
        −1 and 1 for ``task="binary"``.
    test : DesignMatrix or sparse matrix, shape (n_test_rows, n_columns)
        Rows to predict. Columns that no training row uses are ignored; a row without other entries
        gets the prediction that is left, the intercept.
    model : {"fm", "ffm", "linear"}
        Factorization machine, field-aware factorization machine or linear model.
    task : {"reg", "binary"}
        Squared loss or logistic loss.
    validation : tuple (design, labels), optional
        Rows for early stopping: training ends when the loss has not fallen for `stop_window` epochs,
        and the best epoch's model predicts. Without it all epochs are run.
    sigmoid : bool
        Squash the predictions into (0, 1), as xLearn's ``setSigmoid`` does. With ``task="binary"``
        that makes them probabilities; with ``task="reg"`` it ruins them.
    k : int
        Number of factors.
    lr, lambda_, init : float
        Learning rate, L2 regularization, scale of the initial factors.
    epoch : int
        Number of passes over the training rows, at most.
    opt : {"adagrad", "sgd", "ftrl"}
        Optimizer.
    metric : str, optional
        What xLearn prints for the validation data and watches for early stopping: ``"rmse"``,
        ``"mae"``, ``"mape"`` or ``"rmsd"`` for a regression, ``"acc"``, ``"prec"``, ``"recall"``,
        ``"f1"`` or ``"auc"`` for two classes.
    stop_window : int
        See `validation`.
    normalize : bool
        Scale each row to unit length first, as xLearn does by default.
    nthread : int
        Training threads. xLearn's threads overwrite each other's updates, so with more than one the
        result changes from run to run. With one it is the same each time; xLearn has no seed, and
        the order of the training rows is the only chance left.
    timeout : float, optional
        Seconds after which the child is stopped.

    Returns
    -------
    XLearnResult

    Raises
    ------
    InvalidInput
        For data that xLearn could not read (NaN, infinite values, an empty matrix, a training
        row without entries, other columns in `test`) and parameters out of range. Nothing is started.
    MissingDependency
        If xLearn is not installed or cannot be loaded.
    XLearnCrashed
        If the child died, ran out of time, gave no predictions or gave predictions that are not finite.

    References
    ----------
    Juan, Zhuang, Chin and Lin (2016), *Field-aware factorization machines for CTR prediction*.
    """
    check_choice("model", model, ("fm", "ffm", "linear"))
    check_choice("task", task, ("reg", "binary"))
    parameters = {
        "task": task,
        "k": check_int("k", k),
        "lr": check_float("lr", lr, 0.0),
        "lambda": check_float("lambda_", lambda_, 0.0),
        "epoch": check_int("epoch", epoch),
        "init": check_float("init", init, 0.0),
        "opt": check_choice("opt", opt, ("adagrad", "sgd", "ftrl")),
        "stop_window": check_int("stop_window", stop_window),
        "nthread": check_int("nthread", nthread),
        "log": "xlearn_log",
    }
    if metric is not None:
        if validation is None:
            raise InvalidInput(f"metric={metric!r} needs validation data: pass validation=(design, labels)")
        parameters["metric"] = check_choice("metric", metric, _METRICS[task])
    if timeout is not None:
        check_float("timeout", timeout, 0.0)
    switches = [
        switch
        for switch, wanted in (("disableNorm", not normalize), ("setSigmoid", sigmoid))
        if wanted
    ]
    files = {"train": (train, labels), "test": (test, None)}
    if validation is not None:
        files["validation"] = validation
    for name, (design, its_labels) in files.items():
        _check_data(name, design, its_labels, train, model, task)

    trained = np.zeros(train.shape[1], dtype=bool)
    trained[(_csr(train) != 0).indices] = True

    with tempfile.TemporaryDirectory(prefix="xlearn-") as folder:
        folder = Path(folder)
        for name, (design, its_labels) in files.items():
            write = write_libffm if model == "ffm" else write_libsvm
            written_labels = np.zeros(design.shape[0]) if its_labels is None else its_labels
            write(folder / f"{name}.txt", _readable(design, trained), written_labels, zero_based=True)
        job = {
            "model": model,
            "parameters": parameters,
            "switches": switches,
            "validation": validation is not None,
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        return _run(folder, test.shape[0], timeout)


def _check_data(name: str, design, labels, train, model: str, task: str) -> None:
    """Refuse what would make xLearn end its process or misread its file."""
    if not isinstance(design, DesignMatrix) and (model == "ffm" or not sparse.issparse(design)):
        kinds = "a DesignMatrix" if model == "ffm" else "a DesignMatrix or a sparse matrix"
        raise InvalidInput(f"{name} must be {kinds} for model={model!r}, got {type(design).__name__}")
    same = design.shape[1] == train.shape[1]
    if isinstance(design, DesignMatrix) and isinstance(train, DesignMatrix):
        same = design.columns == train.columns
    if not same:
        raise InvalidInput(
            f"{name} has other columns than train ({design.shape[1]} against {train.shape[1]}): "
            "encode both with the same fitted RatingFeatures"
        )
    if 0 in design.shape:
        raise InvalidInput(f"{name} is empty, its shape is {design.shape}: give it a row at least")
    check_finite(name, _csr(design).data)
    if labels is None:
        return
    labels = check_finite(f"{name} labels", labels)
    check_same_length(**{f"{name} labels": labels, name: range(design.shape[0])})
    classes = set(np.unique(labels))
    if task == "binary" and not (classes <= {0.0, 1.0} or classes <= {-1.0, 1.0}):
        raise InvalidInput(
            f"{name} labels of task='binary' must be 0 and 1 or -1 and 1, got {sorted(classes)[:4]}: "
            "turn them into classes first, for example rating >= 4"
        )
    if name == "train":
        empty = np.flatnonzero((_csr(design) != 0).sum(axis=1) == 0)
        if empty.size:
            raise InvalidInput(
                f"train has {empty.size} rows without entries, the first is row {empty[0]}: "
                "xLearn cannot read such rows; drop them"
            )


def _csr(design) -> sparse.csr_matrix:
    return sparse.csr_matrix(design.matrix if isinstance(design, DesignMatrix) else design, dtype=np.float64)


def _readable(design, trained: np.ndarray):
    """The same rows as xLearn can read them.

    Columns without a training entry are left out: xLearn never moved their factors from the random
    start. A row without entries would crash its reader; such a row gets one in a further column. xLearn
    ignores columns beyond those of training, so that the intercept alone predicts this row.
    """
    matrix = _csr(design).copy()
    matrix.data[~trained[matrix.indices]] = 0.0
    matrix.eliminate_zeros()
    mark = sparse.csr_matrix((np.diff(matrix.indptr) == 0)[:, None].astype(np.float64))
    matrix = sparse.hstack([matrix, mark], format="csr")
    if not isinstance(design, DesignMatrix):
        return matrix
    return DesignMatrix(
        matrix, (*design.columns, "(no entries)"), np.append(design.fields, 0), design.field_names
    )


def _run(folder: Path, n_rows: int, timeout: float | None) -> XLearnResult:
    # Without $USER xLearn ends the process (a null pointer made into a string).
    environment = os.environ | {"USER": os.environ.get("USER") or "reader"}
    command = [sys.executable, "-P", "-X", "faulthandler", script.__file__]
    try:
        child = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        log = _clean(error.stdout or b"")
        raise XLearnCrashed(
            f"xLearn was stopped after timeout={timeout:g} seconds: allow more time or fewer epochs"
            f"\n{_tail(log)}", None, log
        ) from None
    log = _clean(child.stdout)
    if child.returncode == script.NOT_IMPORTABLE:
        raise MissingDependency(
            f"xLearn cannot be imported ({log.strip().splitlines()[-1]}). It is built from source: install "
            "make and a C++ compiler (on Debian: apt-get install make g++), then pip install 'cmake<4' "
            "and pip install xlearn==0.40a1"
        )
    if child.returncode != 0:
        raise XLearnCrashed(f"xLearn {_death(child.returncode)}\n{_tail(log)}", child.returncode, log)
    try:
        text = (folder / "predictions.txt").read_text(encoding="ascii")
    except FileNotFoundError:
        # xLearn reports wrong arguments in its log only, and then returns as if all were well.
        raise XLearnCrashed(f"xLearn ended without predictions\n{_tail(log)}", 0, log) from None
    predictions = np.array(text.split(), dtype=np.float64)
    if len(predictions) != n_rows:
        raise XLearnCrashed(
            f"xLearn gave {len(predictions)} predictions for {n_rows} rows\n{_tail(log)}", 0, log
        )
    if not np.isfinite(predictions).all():
        raise XLearnCrashed(
            f"xLearn diverged: {int((~np.isfinite(predictions)).sum())} of {n_rows} predictions are NaN or "
            f"infinite; lower lr or raise lambda_\n{_tail(log)}", 0, log
        )
    seconds = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
    return XLearnResult(predictions, _losses(log), log, seconds["fit"], seconds["predict"])


def _clean(output: bytes) -> str:
    return _COLOUR.sub("", output.decode("utf-8", errors="replace")).replace("\r", "\n")


def _tail(log: str, n_lines: int = 12) -> str:
    return "The end of its log:\n" + "\n".join(log.rstrip().splitlines()[-n_lines:])


def _death(exit_code: int) -> str:
    if exit_code > 0:
        return f"failed with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = "unknown"
    return f"was ended by signal {-exit_code} ({name})"


def _losses(log: str) -> pd.DataFrame:
    """The table of epochs that xLearn prints: number, training loss, [validation loss, [metric,]] seconds."""
    rows = []
    for epoch, train_loss, rest in _EPOCH.findall(log):
        row = {"epoch": int(epoch), "train_loss": float(train_loss)}
        numbers = rest.split()
        if len(numbers) > 1:
            row["validation_loss"] = float(numbers[0])
        rows.append(row)
    return pd.DataFrame(rows)
