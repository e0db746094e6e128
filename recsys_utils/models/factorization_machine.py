"""Factorization machines on sparse design matrices."""
from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score

from ..check import check_bool, check_choice, check_finite, check_float, check_int
from ..errors import Diverged, InvalidInput, NotFittedError
from ..features import DesignMatrix, Relation
from .fm_equation import TASKS, Evaluator, check_labels, losses, sigmoid
from .fm_sampler import Chain

SOLVERS = ("mcmc", "als")


class FactorizationMachine(BaseEstimator):
    r"""Factorization machine of second order, by Gibbs sampling or alternating least squares.

    It follows scikit-learn's conventions and learns from a design matrix; :class:`FMRecommender` puts it behind the
    contract of the other models.

    Parameters
    ----------
    factors : int
        Length k of each column's vector, at least 1. A linear model is the one whose fields all are in
        `linear_fields`.
    task : {"regression", "classification"}
        Squared loss, or logistic loss of labels 0 and 1.
    solver : {"mcmc", "als"}
        ``"mcmc"`` (regression only) draws the parameters from their posterior and predicts the mean over
        the draws. It finds the strength of the regularization itself, one for each field. ``"als"``
        minimises :func:`fm_objective` to one point.
    iterations : int
        Passes over all parameters, at most.
    burn_in : int
        First passes of ``"mcmc"`` whose draws are not kept.
    regularization, linear_regularization : float
        Penalty on the factors and on the linear weights, for ``"als"`` only.
    linear_fields : sequence of str
        Fields that get linear weights but no factors.
    noise_field : str, optional
        A one-hot field, such as ``"user"``, each of whose columns has a noise of its own in ``"mcmc"``: some
        users rate more erratically than others, and their ratings then count for less.
    init_scale : float
        Standard deviation of the factors at the start.
    patience : int
        With validation data: stop after this many passes without a smaller validation loss.
    clip : bool
        Keep predictions of a regression within the range of the training labels.
    rng : int or Generator

    Attributes
    ----------
    intercept_ : ndarray, shape (n_draws,)
        One draw for ``"als"``.
    linear_ : ndarray, shape (n_draws, n_columns)
    factors_ : ndarray, shape (n_draws, len(factor_columns_), k)
    factor_columns_ : ndarray of int
        The columns that have factors: all but those of `linear_fields`.
    history_ : DataFrame
        One row a pass: ``training_loss`` and, with validation data, ``validation_loss`` of what `predict`
        would have returned after it (RMSE, or mean log loss); for ``"als"`` also the ``objective``.
    n_iterations_ : int
        The pass whose model is kept: the best on the validation data, or the last.

    Notes
    -----
    Both solvers go round all parameters and give each its exact best value while the others stay, or a draw from the
    normal distribution around it [1]_, [2]_.

    In a classification the logistic loss of a row is replaced in each pass by the parabola that touches it
    at the present prediction and lies above it elsewhere [3]_, so that the objective never rises.

    In the sampler all parameters of one field and one factor share a normal prior around zero, whose
    precision is drawn as well. libFM draws its mean too; but a row without an entry in the field, such as
    one of a new film, has zero in its place, so zero has to be what a typical column contributes.

    References
    ----------
    .. [1] S. Rendle, "Factorization machines with libFM", ACM TIST 3(3), 2012.
    .. [2] C. Freudenthaler, L. Schmidt-Thieme, S. Rendle, "Bayesian factorization machines", NIPS
       workshop on sparse representation and low-rank approximation, 2011.
    .. [3] T. Jaakkola, M. Jordan, "Bayesian parameter estimation via variational methods", Statistics and
       Computing 10, 2000, pp. 25–37.

    Examples
    --------
    The label is the product of two features, out of reach for every linear model.

    >>> X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> model = FactorizationMachine(factors=1, solver="als", regularization=1e-9, iterations=20)
    >>> [round(float(y), 3) for y in model.fit(X, [1, -1, -1, 1]).predict(X)]
    [1.0, -1.0, -1.0, 1.0]
    """

    def __init__(
        self,
        *,
        factors: int = 10,
        task: str = "regression",
        solver: str = "mcmc",
        iterations: int = 100,
        burn_in: int = 20,
        regularization: float = 10.0,
        linear_regularization: float = 1.0,
        linear_fields=(),
        noise_field: str | None = None,
        init_scale: float = 0.2,
        patience: int = 5,
        clip: bool = True,
        rng=0,
    ):
        self.factors = factors
        self.task = task
        self.solver = solver
        self.iterations = iterations
        self.burn_in = burn_in
        self.regularization = regularization
        self.linear_regularization = linear_regularization
        self.linear_fields = linear_fields
        self.noise_field = noise_field
        self.init_scale = init_scale
        self.patience = patience
        self.clip = clip
        self.rng = rng

    def fit(self, X, y, validation=None) -> FactorizationMachine:
        """Learn from a design matrix and labels.

        Parameters
        ----------
        X : DesignMatrix, or sparse or dense matrix, shape (n_rows, n_columns)
            All columns of a plain matrix are one field, ``"X"``.
        y : array-like, shape (n_rows,)
            Finite numbers; for a classification zeros and ones, both of them.
        validation : tuple (X, y), optional
            Rows apart from the training rows. They only decide when to stop and which pass is kept.

        Returns
        -------
        FactorizationMachine
            Itself. A fit that fails or is interrupted leaves the former one as it was.

        Raises
        ------
        InvalidInput
            For an empty matrix, NaN or infinite entries or labels, other columns or lengths, labels that are
            not classes, and parameters out of range.
        """
        design, columns = _design("X", X)
        self._check_parameters(design.field_names)
        y = check_labels(y, self.task, len(design))
        if self.task == "classification" and len(np.unique(y)) < 2:
            raise InvalidInput(f"y holds only the class {y[0]:g}: a classification needs examples of both")
        if validation is not None:
            if not isinstance(validation, tuple) or len(validation) != 2:
                raise InvalidInput(f"validation must be a tuple (X, y), got {type(validation).__name__}")
            rows = self._same_columns("validation X", validation[0], design.n_columns, columns)
            validation = rows, check_labels(validation[1], self.task, rows.n_rows, "validation y")
        fitted = self._run(Chain(design, y, self), validation, (float(y.min()), float(y.max())))
        self.__dict__.update(fitted, n_columns_=design.n_columns, columns_=columns)
        return self

    def _run(self, chain: Chain, validation, label_range) -> dict:
        """Passes over all parameters until the iterations or the patience are used up; the fitted attributes."""
        first_kept = self.burn_in if chain.sampled else 0
        kept, history, best, best_loss, best_kept = [], [], 0, np.inf, []
        if validation is not None:
            total = np.zeros(len(validation[1]))
        for iteration in range(1, self.iterations + 1):
            chain.sweep()
            if not np.isfinite(chain.residual).all():
                raise Diverged("the fit overflowed: rescale the columns of X or y to a range such as -10 to 10")
            row = {"training_loss": self._mean_loss(chain.scores(), chain.y, label_range)}
            if not chain.sampled:
                row["objective"] = chain.objective()
                kept.clear()
            if iteration > first_kept:
                kept.append(chain.parameters())
                if validation is not None:
                    score = validation[0](*kept[-1])[0]
                    total = total + score if chain.sampled else score
                    row["validation_loss"] = self._mean_loss(total / len(kept), validation[1], label_range)
            history.append(row)
            loss = row.get("validation_loss", np.inf)
            if loss < best_loss:
                best, best_loss, best_kept = iteration, loss, list(kept)
            elif iteration > first_kept and validation is not None and iteration - best >= self.patience:
                break
        if validation is None:
            best, best_kept = iteration, kept
        intercept, linear, factors = zip(*best_kept, strict=True)
        return {
            "history_": pd.DataFrame(history, index=pd.RangeIndex(1, len(history) + 1, name="iteration")),
            "n_iterations_": best,
            "factor_columns_": chain.factor_columns,
            "label_range_": label_range,
            "intercept_": np.array(intercept),
            "linear_": np.stack(linear),
            "factors_": np.stack(factors),
        }

    def predict(self, X) -> np.ndarray:
        """Predicted labels: numbers, or for a classification the class 0 or 1.

        Parameters
        ----------
        X : DesignMatrix or matrix, shape (n_rows, n_columns)
            The columns of training. A row without entries gets the intercept.

        Returns
        -------
        ndarray of float64, shape (n_rows,)

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        InvalidInput
            For other columns, by their names where both designs have them, and for NaN or infinite entries.
        """
        score = self._clipped(self.decision_function(X), self.label_range_)
        return (score > 0).astype(np.float64) if self.task == "classification" else score

    def predict_proba(self, X) -> np.ndarray:
        """Probability of the class 1, shape (n_rows,); for classifications only."""
        if self.task != "classification":
            raise InvalidInput(
                f"predict_proba needs task='classification', this one has {self.task!r}: use predict"
            )
        return sigmoid(self.decision_function(X))

    def decision_function(self, X) -> np.ndarray:
        """The equation itself, neither clipped nor squashed, as the mean over the draws, shape (n_rows,)."""
        evaluate, total = self.evaluator(X), 0.0
        for draw in self.draws():
            total = total + evaluate(*draw)[0]
        return total / len(self.intercept_)

    def evaluator(self, X) -> Evaluator:
        """The equation on rows with the columns of training, to be called with each of :meth:`draws`."""
        if not hasattr(self, "intercept_"):
            raise NotFittedError("this FactorizationMachine is not fitted: call fit(X, y) first")
        return self._same_columns("X", X, self.n_columns_, self.columns_)

    def draws(self):
        """The kept draws, one after the other: intercept, linear weights, factors."""
        return zip(self.intercept_, self.linear_, self.factors_, strict=True)

    def score(self, X, y) -> float:
        """R² of a regression or accuracy of a classification, as in scikit-learn: larger is better."""
        predicted = self.predict(X)
        y = check_labels(y, self.task, len(predicted))
        return float((accuracy_score if self.task == "classification" else r2_score)(y, predicted))

    def _clipped(self, score: np.ndarray, label_range) -> np.ndarray:
        return np.clip(score, *label_range) if self.clip and self.task == "regression" else score

    def _mean_loss(self, score: np.ndarray, y: np.ndarray, label_range) -> float:
        """Mean log loss of a classification, RMSE of a regression."""
        mean = float(losses(self._clipped(score, label_range), y, self.task).mean())
        return mean if self.task == "classification" else float(np.sqrt(2 * mean))

    def _same_columns(self, name: str, X, n_columns: int, columns) -> Evaluator:
        design, names = _design(name, X)
        if design.n_columns != n_columns or (names and columns and names != columns):
            problem = f"{design.n_columns} columns, the training matrix had {n_columns}"
            if design.n_columns == n_columns:
                first = next(pair for pair in zip(names, columns, strict=True) if pair[0] != pair[1])
                problem = "the column {!r} where the training matrix had {!r}".format(*first)
            raise InvalidInput(f"{name} has {problem}: encode both with one fitted RatingFeatures")
        return Evaluator(design, self.linear_fields)

    def _check_parameters(self, field_names) -> None:
        if self.factors == 0 and not isinstance(self.factors, (bool, np.bool_)):
            raise InvalidInput(
                "factors must be at least 1, got 0: for a linear model name every field in linear_fields"
            )
        check_choice("task", self.task, TASKS)
        check_choice("solver", self.solver, SOLVERS)
        check_bool("clip", self.clip)
        for name in ("factors", "iterations", "patience"):
            check_int(name, getattr(self, name))
        check_float("init_scale", self.init_scale, 0, exclusive=True)  # updates never leave a start at zero
        if self.solver == "mcmc":
            if self.task == "classification":
                raise InvalidInput(
                    "solver='mcmc' is for regressions, task is 'classification': pass solver='als'"
                )
            check_int("burn_in", self.burn_in, 0)
            if self.burn_in >= self.iterations:
                raise InvalidInput(
                    f"burn_in={self.burn_in} leaves no draw of iterations={self.iterations}: lower it"
                )
        else:
            check_float("regularization", self.regularization, 0)
            check_float("linear_regularization", self.linear_regularization, 0)
        for name in self.linear_fields:
            check_choice("linear_fields", name, field_names)
        if self.noise_field is not None:
            check_choice("noise_field", self.noise_field, field_names)
            if self.solver != "mcmc":
                raise InvalidInput("noise_field is for solver='mcmc': leave it out or change the solver")


def _design(name: str, X) -> tuple[DesignMatrix, tuple[str, ...] | None]:
    """A design of X, and the names of its columns where it has names."""
    if isinstance(X, DesignMatrix):
        return X, X.columns
    if not sparse.issparse(X):
        X = check_finite(name, X)
    if X.ndim != 2 or 0 in X.shape:
        raise InvalidInput(f"{name} must have rows and columns, its shape is {X.shape}: reshape or fill it")
    return DesignMatrix((Relation("X", [str(column) for column in range(X.shape[1])], X),)), None
