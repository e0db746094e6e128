r"""Factorization machines on sparse design matrices.

.. math:: \hat y(x) = w_0 + \sum_i w_i x_i + \sum_{i<j} \langle v_i, v_j\rangle\, x_i x_j

The prediction is a straight line in each single parameter :math:`\theta`, so each has an exact best
value while the others stay: that of a regression on one variable,
:math:`h = \partial\hat y/\partial\theta`. Going round all parameters is alternating least squares;
drawing each from its normal distribution around that value, instead of taking the value, is Gibbs
sampling. Both solvers here are this one loop [1]_, [2]_.

References
----------
.. [1] S. Rendle, "Factorization machines with libFM", ACM TIST 3(3), 2012.
.. [2] C. Freudenthaler, L. Schmidt-Thieme, S. Rendle, "Bayesian factorization machines", NIPS
   workshop on sparse representation and low-rank approximation, 2011.
"""

from __future__ import annotations

import numba
import numpy as np
import pandas as pd
from scipy import sparse

from ..check import check_choice, check_finite, check_float, check_int, check_rng, check_same_length
from ..errors import InvalidInput, NotFittedError

TASKS = ("regression", "classification")
SOLVERS = ("mcmc", "als")

# Hyper-prior of the sampler: Gamma(1/2, 1/2) on every precision.
_SHAPE, _RATE = 1.0, 1.0
# Rows that a noise group's precision is worth before its own rows are seen.
_NOISE_ROWS = 30.0


def fm_predict(X, intercept: float, linear, factors) -> np.ndarray:
    r"""Evaluate the equation of a factorization machine in O(entries × factors).

    The pairwise sum is computed as
    :math:`\tfrac12 \sum_f [(\sum_i v_{if} x_i)^2 - \sum_i v_{if}^2 x_i^2]`.

    Parameters
    ----------
    X : sparse or dense matrix, shape (n_rows, n_columns)
    intercept : float
    linear : array-like, shape (n_columns,)
    factors : array-like, shape (n_columns, k)
        One row a feature; k may be 0.

    Returns
    -------
    ndarray, shape (n_rows,)

    References
    ----------
    S. Rendle, "Factorization machines", ICDM 2010, lemma 3.1.

    Examples
    --------
    Two features with one factor each, 2 and 3: 1 + (0.5 + 0) + 2 · 3.

    >>> fm_predict([[1.0, 1.0]], 1.0, [0.5, 0.0], [[2.0], [3.0]])
    array([7.5])
    """
    X = sparse.csr_matrix(X, dtype=np.float64)
    linear, factors = _parameters(X, linear, factors)
    sums = X @ factors
    squares = X.multiply(X) @ factors**2
    return intercept + X @ linear + 0.5 * (sums**2 - squares).sum(axis=1)


def fm_objective(
    X,
    y,
    intercept: float,
    linear,
    factors,
    *,
    task="regression",
    regularization=0.0,
    linear_regularization=0.0,
) -> float:
    """Sum over the rows of the loss, and the penalties: what ``solver="als"`` makes small.

    The loss of a row is half the squared error in a regression and the negative log-likelihood of the
    logistic model in a classification; a penalty is half the regularization times the sum of squares.

    Parameters
    ----------
    X, intercept, linear, factors
        As in :func:`fm_predict`.
    y : array-like, shape (n_rows,)
        Numbers, or for ``task="classification"`` zeros and ones.
    task : {"regression", "classification"}
    regularization, linear_regularization : float
        Of the factors and of the linear weights; the intercept is free.
    """
    y = _labels(y, task)
    loss = _losses(fm_predict(X, intercept, linear, factors), y, task).sum()
    linear, factors = np.asarray(linear), np.asarray(factors)
    return float(
        loss + 0.5 * linear_regularization * (linear**2).sum() + 0.5 * regularization * (factors**2).sum()
    )


def fm_gradient(
    X,
    y,
    intercept: float,
    linear,
    factors,
    *,
    task="regression",
    regularization=0.0,
    linear_regularization=0.0,
) -> tuple[float, np.ndarray, np.ndarray]:
    r"""Gradient of :func:`fm_objective`; the arguments are the same.

    With :math:`q_f = \sum_j v_{jf} x_j` the prediction has the derivatives 1, :math:`x_i` and
    :math:`x_i (q_f - v_{if} x_i)`.

    Returns
    -------
    intercept : float
    linear : ndarray, shape (n_columns,)
    factors : ndarray, shape (n_columns, k)
    """
    X = sparse.csr_matrix(X, dtype=np.float64)
    y = _labels(y, task)
    linear, factors = _parameters(X, linear, factors)
    predicted = fm_predict(X, intercept, linear, factors)
    slope = (_sigmoid(predicted) if task == "classification" else predicted) - y
    sums = X @ factors
    by_factor = X.T @ (slope[:, None] * sums) - factors * (X.multiply(X).T @ slope)[:, None]
    return (
        float(slope.sum()),
        X.T @ slope + linear_regularization * linear,
        by_factor + regularization * factors,
    )


class FactorizationMachine:
    r"""Factorization machine of second order, by Gibbs sampling or alternating least squares.

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
    linear_fields : sequence
        Fields that get linear weights but no factors: names with a DesignMatrix, numbers otherwise.
    noise_field : optional
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
    In a classification the logistic loss of a row is replaced in each pass by the parabola that touches it
    at the present prediction and lies above it elsewhere [3]_, so that the objective never rises.

    In the sampler all parameters of one field and one factor share a normal prior around zero, whose
    precision is drawn as well. libFM draws its mean too; but a row without an entry in the field, such as
    one of a new film, has zero in its place, so zero has to be what a typical column contributes.

    References
    ----------
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
        noise_field=None,
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

    def fit(self, X, y, *, fields=None, validation=None) -> FactorizationMachine:
        """Learn from a design matrix and labels.

        Parameters
        ----------
        X : DesignMatrix, or sparse or dense matrix, shape (n_rows, n_columns)
        y : array-like, shape (n_rows,)
            Finite numbers; for a classification zeros and ones, both of them.
        fields : array-like of int, shape (n_columns,), optional
            Field of each column. A DesignMatrix knows its own; otherwise all columns are one field.
        validation : tuple (X, y), optional
            Rows apart from the training rows. They only decide when to stop and which pass is kept.

        Raises
        ------
        InvalidInput
            For an empty matrix, NaN or infinite entries or labels, other widths or lengths, labels that are
            not classes, and parameters out of range. Nothing is learnt then.
        """
        self._check_parameters()
        X, names = _design("X", X)
        fields, n_fields, linear_only, noisy = self._check_fields(X, fields, names)
        y = _labels(y, self.task)
        check_same_length(X=range(X.shape[0]), y=y)
        if self.task == "classification" and len(np.unique(y)) < 2:
            raise InvalidInput(f"y holds only the class {y[0]:g}: a classification needs examples of both")
        if validation is not None:
            validation = self._check_validation(validation, X.shape[1])
        self.n_columns_ = X.shape[1]
        self.label_range_ = (float(y.min()), float(y.max()))
        self.factor_columns_ = np.flatnonzero(~linear_only)
        self._run(_State(X, y, fields, n_fields, _groups(X, noisy), self), validation)
        return self

    def _run(self, state: _State, validation) -> None:
        """Passes over all parameters until the iterations or the patience are used up."""
        first_kept = self.burn_in if self.solver == "mcmc" else 0
        kept, history = [], []
        total = None if validation is None else np.zeros(len(validation[1]))
        best, best_loss = 0, np.inf
        for iteration in range(self.iterations):
            state.sweep()
            row = {"training_loss": _mean_loss(state.predicted(), state.y, self.task)}
            if self.solver == "als":
                row["objective"] = state.objective()
                kept.clear()
            if iteration >= first_kept:
                kept.append(state.parameters())
            if validation is not None and iteration >= first_kept:
                X, y = validation
                if self.solver == "als":
                    total[:] = 0.0
                self._add(X, *kept[-1], total)
                row["validation_loss"] = _mean_loss(self._finish(total / len(kept)), y, self.task)
                if row["validation_loss"] < best_loss:
                    best, best_loss, best_kept = iteration, row["validation_loss"], list(kept)
                elif iteration - best >= self.patience:
                    history.append(row)
                    break
            history.append(row)
        if validation is not None:
            kept = best_kept
        intercepts, linear, factors = zip(*kept, strict=True)
        self.history_ = pd.DataFrame(history, index=pd.RangeIndex(1, len(history) + 1, name="iteration"))
        self.n_iterations_ = best + 1 if validation is not None else self.iterations
        self.intercept_, self.linear_, self.factors_ = (
            np.array(intercepts),
            np.stack(linear),
            np.stack(factors),
        )
        if not (np.isfinite(self.linear_).all() and np.isfinite(self.factors_).all()):
            del self.intercept_
            raise InvalidInput(
                "the fit overflowed: rescale the columns of X or y to a range such as -10 to 10"
            )

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
            For other widths and for NaN or infinite entries.
        """
        score = self._finish(self.decision_function(X))
        return (score > 0).astype(np.float64) if self.task == "classification" else score

    def predict_proba(self, X) -> np.ndarray:
        """Probability of the class 1, shape (n_rows,); for classifications only."""
        if self.task != "classification":
            raise InvalidInput(
                f"predict_proba needs task='classification', this one has {self.task!r}: use predict"
            )
        return _sigmoid(self.decision_function(X))

    def decision_function(self, X) -> np.ndarray:
        """The equation itself, neither clipped nor squashed, as the mean over the draws, shape (n_rows,)."""
        if not hasattr(self, "intercept_"):
            raise NotFittedError("this FactorizationMachine is not fitted: call fit(X, y) first")
        X, _ = _design("X", X)
        _check_width("X", X, self.n_columns_)
        total = np.zeros(X.shape[0])
        for draw in zip(self.intercept_, self.linear_, self.factors_, strict=True):
            self._add(X, *draw, total)
        return total / len(self.intercept_)

    def score(self, X, y) -> float:
        """R² of a regression or accuracy of a classification, as in scikit-learn: larger is better."""
        y = _labels(y, self.task)
        predicted = self.predict(X)
        check_same_length(X=predicted, y=y)
        if self.task == "classification":
            return float(np.mean(predicted == y))
        spread = float(((y - y.mean()) ** 2).sum())
        if spread == 0:
            raise InvalidInput(
                "y holds one value only: R² compares with its spread, which is 0; use an error instead"
            )
        return 1.0 - float(((y - predicted) ** 2).sum()) / spread

    def __repr__(self) -> str:
        names = ("factors", "task", "solver", "iterations", "rng")
        return f"FactorizationMachine({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def _add(self, X, intercept, linear, factors, total) -> None:
        """Add one draw's predictions to `total`."""
        place = np.full(self.n_columns_, -1)
        place[self.factor_columns_] = np.arange(len(self.factor_columns_))
        _add_predictions(X.indptr, X.indices, X.data, place, intercept, linear, factors, total)

    def _finish(self, score: np.ndarray) -> np.ndarray:
        return np.clip(score, *self.label_range_) if self.clip and self.task == "regression" else score

    def _check_parameters(self) -> None:
        if self.factors == 0 and not isinstance(self.factors, (bool, np.bool_)):
            raise InvalidInput(
                "factors must be at least 1, got 0: for a linear model name every field in linear_fields"
            )
        check_int("factors", self.factors)
        check_choice("task", self.task, TASKS)
        check_choice("solver", self.solver, SOLVERS)
        if self.solver == "mcmc" and self.task == "classification":
            raise InvalidInput(
                "solver='mcmc' is for regressions, task is 'classification': pass solver='als'"
            )
        check_int("iterations", self.iterations)
        check_int("patience", self.patience)
        check_float("init_scale", self.init_scale, 0, exclusive=True)  # turns never leave a start at zero
        if self.solver == "mcmc":
            check_int("burn_in", self.burn_in, 0)
            if self.burn_in >= self.iterations:
                raise InvalidInput(
                    f"burn_in={self.burn_in} leaves no draw of iterations={self.iterations}: lower it"
                )
        else:
            for name in ("regularization", "linear_regularization"):
                check_float(name, getattr(self, name), 0)

    def _check_fields(self, X, fields, names):
        """Field of each column, number of fields, columns without factors, columns of the noise."""
        if names is not None:
            if fields is not None:
                raise InvalidInput(
                    "fields is for plain matrices: a DesignMatrix has fields of its own; leave it out"
                )
            fields, known = names
        else:
            fields = np.zeros(X.shape[1], dtype=np.int64) if fields is None else np.asarray(fields)
            if fields.shape != (X.shape[1],) or fields.dtype.kind not in "iu" or fields.min() < 0:
                raise InvalidInput(f"fields must be {X.shape[1]} whole numbers from 0 on, one a column of X")
            known = tuple(range(int(fields.max()) + 1))
        linear = [known.index(check_choice("linear_fields", name, known)) for name in self.linear_fields]
        noisy = np.zeros(len(fields), dtype=bool)
        if self.noise_field is not None:
            if self.solver != "mcmc":
                raise InvalidInput("noise_field is for solver='mcmc': leave it out or change the solver")
            noisy = fields == known.index(check_choice("noise_field", self.noise_field, known))
        return fields.astype(np.int64), len(known), np.isin(fields, linear), noisy

    def _check_validation(self, validation, width: int):
        if not isinstance(validation, tuple) or len(validation) != 2:
            raise InvalidInput(f"validation must be a tuple (X, y), got {type(validation).__name__}")
        X, _ = _design("validation X", validation[0])
        _check_width("validation X", X, width)
        y = _labels(validation[1], self.task, "validation y")
        check_same_length(**{"validation X": range(X.shape[0]), "validation y": y})
        return X, y


class _State:
    """Everything that changes during a fit: parameters, residuals, and the strength of the priors."""

    def __init__(self, X, y, fields, n_fields: int, groups, model: FactorizationMachine):
        self.X, self.y, self.model = X, y, model
        self.rng = check_rng(model.rng)
        columns = X.tocsc()
        self.linear_part = (columns.indptr, columns.indices, columns.data)
        if len(model.factor_columns_) < X.shape[1]:
            columns = columns[:, model.factor_columns_]
        self.columns, self.factor_part = columns, (columns.indptr, columns.indices, columns.data)
        self.linear = np.zeros(X.shape[1])
        self.factors = self.rng.normal(0, model.init_scale, (model.factors, columns.shape[1]))
        self.fields, self.factor_fields, self.n_fields = fields, fields[model.factor_columns_], n_fields
        self.groups, self.weight = groups, np.ones(len(y))
        self.target = y.copy()
        self.intercept = float(y.mean()) if model.task == "regression" else 0.0
        start = np.zeros(len(y))
        model._add(X, self.intercept, self.linear, np.ascontiguousarray(self.factors.T), start)
        self.residual = y - start

    def sweep(self) -> None:
        """One pass over all parameters."""
        if self.model.task == "classification":
            self._touch()
        precision = self._draw_noise() if self.model.solver == "mcmc" else 1.0
        self._intercept(precision)
        strength = self._prior(self.linear, self.fields, self.model.linear_regularization)
        noise = self._noise(len(self.linear))
        _sweep_linear(*self.linear_part, self.weight, self.residual, self.linear, strength, precision, noise)
        for vector in self.factors:
            strength = self._prior(vector, self.factor_fields, self.model.regularization)
            sums = self.columns @ vector
            noise = self._noise(len(vector))
            _sweep_factor(
                *self.factor_part,
                self.weight,
                self.residual,
                sums,
                vector,
                strength,
                precision,
                noise,
            )

    def _touch(self) -> None:
        """Replace the logistic loss by the parabola that touches it at the present predictions."""
        score = self.target - self.residual
        # tanh(s / 2) / (2 s), which tends to 1 / 4
        near = np.abs(score) < 1e-4
        self.weight = np.where(near, 0.25, np.tanh(score / 2) / np.where(near, 1.0, 2 * score))
        self.target = (self.y - 0.5) / self.weight
        self.residual = self.target - score

    def _intercept(self, precision: float) -> None:
        weight = _sum(self.weight)
        step = _dot(self.weight, self.residual) / weight
        if self.model.solver == "mcmc":
            step += self.rng.normal() / np.sqrt(precision * weight)
        self.intercept += step
        self.residual -= step

    def _draw_noise(self) -> float:
        """Precision of the labels around the predictions, and the weights of the groups, drawn anew."""
        squares = self.residual**2
        rate = _RATE + _dot(self.weight, squares)
        precision = self.rng.gamma((_SHAPE + len(self.y)) / 2, 2 / rate)
        if self.groups is not None:
            rate = _NOISE_ROWS + precision * np.bincount(self.groups, squares)
            shape = _NOISE_ROWS + np.bincount(self.groups)
            self.weight = self.rng.gamma(shape / 2, 2 / rate)[self.groups]
        return precision

    def _prior(self, theta, fields, regularization: float):
        """Precision of the normal prior of each entry of `theta`."""
        if self.model.solver == "als":
            return np.full(len(theta), float(regularization))
        count = np.bincount(fields, minlength=self.n_fields)
        squares = np.bincount(fields, theta**2, self.n_fields)
        return self.rng.gamma((_SHAPE + count) / 2, 2 / (_RATE + squares))[fields]

    def _noise(self, n: int) -> np.ndarray:
        return self.rng.standard_normal(n) if self.model.solver == "mcmc" else np.zeros(n)

    def predicted(self) -> np.ndarray:
        """Predictions of the training rows under the present parameters."""
        score = self.target - self.residual
        return (
            np.clip(score, *self.model.label_range_)
            if self.model.clip and self.model.task == "regression"
            else score
        )

    def objective(self) -> float:
        """Loss and penalties of the present parameters, what ALS makes small."""
        loss = _losses(self.target - self.residual, self.y, self.model.task).sum()
        linear = self.model.linear_regularization * (self.linear**2).sum()
        return float(loss + 0.5 * linear + 0.5 * self.model.regularization * (self.factors**2).sum())

    def parameters(self):
        """A copy of the present parameters; many draws are kept in single precision."""
        kind = np.float32 if self.model.solver == "mcmc" else np.float64
        return self.intercept, self.linear.astype(kind), self.factors.T.astype(kind, order="C")


def _design(name: str, X):
    """X as CSR without repeated entries, and (fields, field names) where it knows them."""
    names = (X.fields, X.field_names) if hasattr(X, "field_names") else None
    X = X.matrix if names else X
    if not sparse.issparse(X):
        X = check_finite(name, X)
        if X.ndim != 2:
            raise InvalidInput(f"{name} must have rows and columns, its shape is {X.shape}: reshape it")
    X = sparse.csr_matrix(X, dtype=np.float64)
    if 0 in X.shape:
        raise InvalidInput(
            f"{name} is empty, its shape is {X.shape}: give it at least one row and one column"
        )
    check_finite(name, X.data)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X, names


def _groups(X, noisy):
    """Each row's group: its first entry in the `noisy` columns, or 0 where it has none."""
    if not noisy.any():
        return None
    block = X[:, np.flatnonzero(noisy)]
    filled = np.diff(block.indptr) > 0
    groups = np.zeros(X.shape[0], dtype=np.int64)
    groups[filled] = 1 + block.indices[block.indptr[:-1][filled]]
    return groups


def _check_width(name: str, X, width: int) -> None:
    if X.shape[1] != width:
        raise InvalidInput(
            f"{name} has {X.shape[1]} columns, the training matrix had {width}: encode both with one fitted "
            "RatingFeatures"
        )


def _labels(y, task: str, name: str = "y") -> np.ndarray:
    y = check_finite(name, y)
    if y.ndim != 1:
        raise InvalidInput(f"{name} must be 1-D, its shape is {y.shape}: ravel it")
    if len(y) == 0:
        raise InvalidInput(f"{name} is empty: give it at least one label")
    check_choice("task", task, TASKS)
    if task == "classification" and not np.isin(y, (0.0, 1.0)).all():
        strange = y[~np.isin(y, (0.0, 1.0))][0]
        raise InvalidInput(
            f"{name} must hold the classes 0 and 1, got {strange:g}: write it like rating >= 4"
        )
    return y


def _parameters(X, linear, factors):
    linear, factors = np.asarray(linear, dtype=np.float64), np.asarray(factors, dtype=np.float64)
    n = X.shape[1]
    if linear.shape != (n,) or factors.ndim != 2 or len(factors) != n:
        raise InvalidInput(
            f"linear and factors need a row a column of X, ({n},) and ({n}, k), got {linear.shape} and "
            f"{factors.shape}"
        )
    return linear, factors


def _sigmoid(score: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * score))


def _losses(score: np.ndarray, y: np.ndarray, task: str) -> np.ndarray:
    return np.logaddexp(0.0, score) - y * score if task == "classification" else 0.5 * (score - y) ** 2


def _mean_loss(score: np.ndarray, y: np.ndarray, task: str) -> float:
    """Mean log loss of a classification, RMSE of a regression."""
    mean = float(_losses(score, y, task).mean())
    return mean if task == "classification" else float(np.sqrt(2 * mean))


@numba.njit(cache=True, nogil=True)
def _dot(a, b):
    """Inner product in one fixed order, so that a chain of draws is the same on every processor."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@numba.njit(cache=True, nogil=True)
def _sum(a):
    total = 0.0
    for i in range(len(a)):
        total += a[i]
    return total


@numba.njit(cache=True, nogil=True)
def _sweep_linear(start, rows, values, weight, residual, theta, strength, precision, noise):
    """New values of all linear weights, one after the other; the residuals follow."""
    for column in range(len(theta)):
        old = theta[column]
        curvature = 0.0
        pull = 0.0
        for entry in range(start[column], start[column + 1]):
            row, x = rows[entry], values[entry]
            curvature += weight[row] * x * x
            pull += weight[row] * x * residual[row]
        total = precision * curvature + strength[column]
        if total <= 0.0:
            continue  # nothing in the data or the prior speaks about this weight
        new = precision * (pull + curvature * old) / total + noise[column] / np.sqrt(total)
        theta[column] = new
        for entry in range(start[column], start[column + 1]):
            residual[rows[entry]] -= values[entry] * (new - old)


@numba.njit(cache=True, nogil=True)
def _sweep_factor(start, rows, values, weight, residual, sums, theta, strength, precision, noise):
    """New values of one factor of all columns; `sums` are the q of that factor, and follow too."""
    for column in range(len(theta)):
        old = theta[column]
        curvature = 0.0
        pull = 0.0
        for entry in range(start[column], start[column + 1]):
            row, x = rows[entry], values[entry]
            h = x * (sums[row] - x * old)
            curvature += weight[row] * h * h
            pull += weight[row] * h * residual[row]
        total = precision * curvature + strength[column]
        if total <= 0.0:
            continue
        new = precision * (pull + curvature * old) / total + noise[column] / np.sqrt(total)
        theta[column] = new
        for entry in range(start[column], start[column + 1]):
            row, x = rows[entry], values[entry]
            residual[row] -= x * (sums[row] - x * old) * (new - old)
            sums[row] += x * (new - old)


@numba.njit(cache=True, nogil=True)
def _add_predictions(start, columns, values, place, intercept, linear, factors, total):
    """Add the predictions of all rows to `total`; `place` is each column's row of `factors`, or -1."""
    k = factors.shape[1]
    sums = np.zeros(k)
    for row in range(len(total)):
        score = np.float64(intercept)
        sums[:] = 0.0
        squares = 0.0
        for entry in range(start[row], start[row + 1]):
            x = values[entry]
            score += x * linear[columns[entry]]
            p = place[columns[entry]]
            if p >= 0:
                for f in range(k):
                    part = x * factors[p, f]
                    sums[f] += part
                    squares += part * part
        for f in range(k):
            score += 0.5 * sums[f] * sums[f]
        total[row] += score - 0.5 * squares
