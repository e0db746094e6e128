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

from ..check import check_choice, check_finite, check_float, check_int, check_same_length
from ..errors import InvalidInput, MissingDependency, RecsysError
from ..features import DesignMatrix
from ..features.libsvm import write_rows
from . import child as script

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
    fit_seconds : float
        Wall-clock seconds of training in xLearn itself, reading the files included, starting the process not.
    """

    predictions: np.ndarray = field(repr=False)
    losses: pd.DataFrame = field(repr=False)
    log: str = field(repr=False)
    fit_seconds: float


def fit_predict(
    train, labels, test, *, model: str = "fm", task: str = "reg", validation: tuple | None = None,
    sigmoid: bool = False, k: int = 4, lr: float = 0.2, lambda_: float = 2e-5, epoch: int = 10,
    normalize: bool = True, timeout: float | None = None,
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
        Rows for early stopping: training ends when the loss has not fallen for two epochs, and the best
        epoch's model predicts. Without it all epochs are run.
    sigmoid : bool
        Squash the predictions into (0, 1), as xLearn's ``setSigmoid`` does. With ``task="binary"``
        that makes them probabilities; with ``task="reg"`` it ruins them.
    k : int
        Number of factors.
    lr, lambda_ : float
        Learning rate of AdaGrad, L2 regularization.
    epoch : int
        Number of passes over the training rows, at most.
    normalize : bool
        Scale each row to unit length first, as xLearn does by default.
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

    Notes
    -----
    xLearn trains in one thread here: its threads overwrite each other's updates, so that with more the result
    changes from run to run. It has no seed; the order of the training rows is the only chance left.

    References
    ----------
    Juan, Zhuang, Chin and Lin (2016), *Field-aware factorization machines for CTR prediction*.
    """
    check_choice("model", model, ("fm", "ffm", "linear"))
    parameters = {
        "task": check_choice("task", task, ("reg", "binary")), "k": check_int("k", k), "lr": check_float("lr", lr, 0.0),
        "lambda": check_float("lambda_", lambda_, 0.0), "epoch": check_int("epoch", epoch), "nthread": 1,
        "log": "xlearn_log",
    }
    if timeout is not None:
        check_float("timeout", timeout, 0.0)
    files = {"train": _matrix("train", train, train, model), "test": _matrix("test", test, train, model)}
    targets = {"train": _labels("train", labels, files["train"], task), "test": np.zeros(test.shape[0])}
    if validation is not None:
        files["validation"] = _matrix("validation", validation[0], train, model)
        targets["validation"] = _labels("validation", validation[1], files["validation"], task)
    empty = np.flatnonzero(np.diff(files["train"].indptr) == 0)
    if empty.size:
        raise InvalidInput(
            f"train has {empty.size} rows without entries, the first is row {empty[0]}: "
            "xLearn cannot read such rows; drop them"
        )
    trained = np.bincount(files["train"].indices, minlength=train.shape[1]) > 0
    fields = np.append(train.fields, 0) if model == "ffm" else None
    switches = [name for name, wanted in (("disableNorm", not normalize), ("setSigmoid", sigmoid)) if wanted]
    job = {"model": model, "parameters": parameters, "switches": switches, "validation": validation is not None}
    with tempfile.TemporaryDirectory(prefix="xlearn-") as name:
        folder = Path(name)
        for file, matrix in files.items():
            write_rows(folder / f"{file}.txt", _readable(matrix, trained), targets[file], True, fields)
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        return _result(folder, _child(folder, timeout), test.shape[0])


def _matrix(name: str, design, train, model: str) -> sparse.csr_matrix:
    """The entries of a design that xLearn can use."""
    if not isinstance(design, DesignMatrix) and (model == "ffm" or not sparse.issparse(design)):
        kinds = "a DesignMatrix" if model == "ffm" else "a DesignMatrix or a sparse matrix"
        raise InvalidInput(f"{name} must be {kinds} for model={model!r}, got {type(design).__name__}")
    named = isinstance(design, DesignMatrix) and isinstance(train, DesignMatrix)
    if design.shape[1] != train.shape[1] or (named and design.columns != train.columns):
        raise InvalidInput(
            f"{name} has other columns than train ({design.shape[1]} against {train.shape[1]}): "
            "encode both with the same fitted RatingFeatures"
        )
    if 0 in design.shape:
        raise InvalidInput(f"{name} is empty, its shape is {design.shape}: give it a row at least")
    matrix = sparse.csr_matrix(getattr(design, "matrix", design), dtype=np.float64, copy=True)
    check_finite(name, matrix.data)
    matrix.eliminate_zeros()
    return matrix


def _labels(name: str, labels, matrix: sparse.csr_matrix, task: str) -> np.ndarray:
    if np.ndim(labels) != 1:
        got = "None" if labels is None else f"shape {np.shape(labels)}"
        raise InvalidInput(f"{name} labels must be 1-D, got {got}: pass one number a row")
    labels = check_finite(f"{name} labels", labels)
    check_same_length(**{f"{name} labels": labels, name: range(matrix.shape[0])})
    classes = set(np.unique(labels).tolist())
    if task == "binary" and not (classes <= {0.0, 1.0} or classes <= {-1.0, 1.0}):
        raise InvalidInput(
            f"{name} labels of task='binary' must be 0 and 1 or -1 and 1, got {sorted(classes)[:4]}: "
            "turn them into classes first, for example rating >= 4"
        )
    return labels


def _readable(matrix: sparse.csr_matrix, trained: np.ndarray) -> sparse.csr_matrix:
    """The same rows as xLearn can read them.

    Columns without a training entry are left out: xLearn never moved their factors from the random
    start. A row without entries would crash its reader; such a row gets one in a further column. xLearn
    ignores columns beyond those of training, so that the intercept alone predicts this row.
    """
    matrix = matrix @ sparse.diags(trained.astype(np.float64), format="csr")
    matrix.eliminate_zeros()
    return sparse.hstack([matrix, (np.diff(matrix.indptr) == 0)[:, None]], format="csr")


def _child(folder: Path, timeout: float | None) -> str:
    """Run xLearn on the files of the folder; what it printed."""
    # Without $USER xLearn ends the process (a null pointer made into a string).
    environment = os.environ | {"USER": os.environ.get("USER") or "reader"}
    command = [sys.executable, "-P", "-X", "faulthandler", script.__file__]
    # The child reads from a pipe that only this process holds: when this process dies, the child knows.
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        log = _clean(error.stdout or b"")
        raise _crashed(f"was stopped after timeout={timeout:g} seconds: allow more time or fewer epochs", log) from None
    finally:
        os.close(reading)
        os.close(writing)
    log = _clean(done.stdout)
    if done.returncode == script.NOT_IMPORTABLE:
        raise MissingDependency(
            f"xLearn cannot be imported ({log.strip().splitlines()[-1]}). It is built from source: install "
            "make and a C++ compiler (on Debian: apt-get install make g++), then pip install 'cmake<4' "
            "and pip install xlearn==0.40a1"
        )
    if done.returncode < 0:
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-done.returncode, "unknown")
        raise _crashed(f"was ended by signal {-done.returncode} ({name})", log, done.returncode)
    if done.returncode:
        raise _crashed(f"failed with exit code {done.returncode}", log, done.returncode)
    return log


def _result(folder: Path, log: str, n_rows: int) -> XLearnResult:
    try:
        text = (folder / "predictions.txt").read_text(encoding="ascii")
    except FileNotFoundError:
        # xLearn reports wrong arguments in its log only, and then returns as if all were well.
        raise _crashed("ended without predictions", log, 0) from None
    predictions = np.array(text.split(), dtype=np.float64)
    if len(predictions) != n_rows:
        raise _crashed(f"gave {len(predictions)} predictions for {n_rows} rows", log, 0)
    wrong = int((~np.isfinite(predictions)).sum())
    if wrong:
        problem = f"diverged: {wrong} of {n_rows} predictions are NaN or infinite; lower lr or raise lambda_"
        raise _crashed(problem, log, 0)
    # Lines of the table of epochs: number, training loss, [validation loss,] seconds.
    rows = [(int(epoch), float(loss), *map(float, rest.split()[:-1])) for epoch, loss, rest in _EPOCH.findall(log)]
    names = ["epoch", "train_loss", "validation_loss"][: len(rows[0])] if rows else ["epoch", "train_loss"]
    losses = pd.DataFrame(rows, columns=names)
    return XLearnResult(predictions, losses, log, float((folder / "seconds.txt").read_text(encoding="ascii")))


def _clean(output: bytes) -> str:
    return _COLOUR.sub("", output.decode("utf-8", errors="replace")).replace("\r", "\n")


def _crashed(problem: str, log: str, exit_code: int | None = None) -> XLearnCrashed:
    tail = "\n".join(log.rstrip().splitlines()[-12:])
    return XLearnCrashed(f"xLearn {problem}\nThe end of its log:\n{tail}", exit_code, log)
