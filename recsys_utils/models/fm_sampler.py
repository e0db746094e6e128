"""One pass over all parameters of a factorization machine, by Gibbs sampling or alternating least squares.

The prediction is a straight line in each single parameter, so each has an exact best value while the others stay:
that of a regression on one variable, h = ∂ŷ/∂θ. Going round all parameters is alternating least squares; drawing
each from its normal distribution around that value is Gibbs sampling. Both are this one loop.

All columns that depend on the same key (a user, a film) are swept once a key and not once a rating [1]_: five sums
over the key's rows say all that its columns need to know of them.

References
----------
.. [1] S. Rendle, "Scaling factorization machines to relational data", PVLDB 6(5), 2013.
"""
from __future__ import annotations

import numpy as np

from ..check import check_rng
from ..compiled import compiled
from .fm_equation import Evaluator, losses

# Hyper-prior of the sampler: Gamma(1/2, 1/2) on every precision.
_SHAPE, _RATE = 1.0, 1.0
# Rows that a noise group's precision is worth before its own rows are seen.
_NOISE_ROWS = 30.0


class Chain:
    """Everything that changes during a fit: parameters, residuals, and the strength of the priors.

    Parameters
    ----------
    design : DesignMatrix
    y : ndarray, shape (n_rows,)
    machine : FactorizationMachine
        Its parameters, already checked.
    """

    def __init__(self, design, y: np.ndarray, machine):
        self.y, self.machine, self.rng = y, machine, check_rng(machine.rng)
        self.sampled = machine.solver == "mcmc"
        evaluate = Evaluator(design, machine.linear_fields)
        self.linear_blocks, self.factor_blocks = (
            [(rows.astype(np.uint32), table, table.tocsc(), columns) for rows, table, columns in blocks]
            for blocks in (evaluate.linear_blocks, evaluate.factor_blocks)
        )
        linear = [design.field_names.index(name) for name in machine.linear_fields]
        self.n_fields, self.fields = len(design.relations), design.fields
        self.factor_columns = np.flatnonzero(~np.isin(self.fields, linear))
        self.linear = np.zeros(design.n_columns)
        self.factors = self.rng.normal(0, machine.init_scale, (machine.factors, len(self.factor_columns)))
        self.groups, self.weight, self.target = _groups(design, machine.noise_field), np.ones(len(y)), y.copy()
        self.intercept = float(y.mean()) if machine.task == "regression" else 0.0
        self.residual = y - evaluate(*self.parameters(np.float64))[0]

    def sweep(self) -> None:
        """One pass over all parameters."""
        if self.machine.task == "classification":
            self._touch()
        precision = self._draw_noise() if self.sampled else 1.0
        self._move_intercept(precision)
        strength, noise = self._prior(self.linear, self.fields, self.machine.linear_regularization)
        for keys, _, table, columns in self.linear_blocks:
            theta, prior = self.linear[columns], (strength[columns], noise[columns], precision)
            _sweep_linear(keys, self.weight, self.residual, table.shape[0], *_parts(table), theta, *prior)
            self.linear[columns] = theta
        for vector in self.factors:
            strength, noise = self._prior(vector, self.fields[self.factor_columns], self.machine.regularization)
            shares = [table @ vector[columns] for _, table, _, columns in self.factor_blocks]
            sums = np.zeros(len(self.y))
            for (keys, *_), share in zip(self.factor_blocks, shares, strict=True):
                _add_gathered(sums, share, keys)
            for (keys, _, table, columns), share in zip(self.factor_blocks, shares, strict=True):
                theta, prior = vector[columns], (strength[columns], noise[columns], precision)
                _sweep_factor(keys, self.weight, self.residual, sums, share, *_parts(table), theta, *prior)
                vector[columns] = theta

    def scores(self) -> np.ndarray:
        """Scores of the training rows under the present parameters."""
        return self.target - self.residual

    def objective(self) -> float:
        """Loss and penalties of the present parameters, what ALS makes small."""
        loss = losses(self.scores(), self.y, self.machine.task).sum()
        linear = self.machine.linear_regularization * (self.linear**2).sum()
        return float(loss + 0.5 * linear + 0.5 * self.machine.regularization * (self.factors**2).sum())

    def parameters(self, kind=None):
        """A copy of intercept, linear weights and factors; many draws are kept in single precision."""
        kind = kind or (np.float32 if self.sampled else np.float64)
        return self.intercept, self.linear.astype(kind), self.factors.T.astype(kind, order="C")

    def _touch(self) -> None:
        """Replace the logistic loss by the parabola that touches it at the present predictions."""
        score = self.scores()
        # tanh(s / 2) / (2 s), which tends to 1 / 4
        near = np.abs(score) < 1e-4
        self.weight = np.where(near, 0.25, np.tanh(score / 2) / np.where(near, 1.0, 2 * score))
        self.target = (self.y - 0.5) / self.weight
        self.residual = self.target - score

    def _draw_noise(self) -> float:
        """Precision of the labels around the predictions, and the weights of the groups, drawn anew."""
        squares = self.residual**2
        rate = _RATE + (self.weight * squares).sum()
        precision = self.rng.gamma((_SHAPE + len(self.y)) / 2, 2 / rate)
        if self.groups is not None:
            rate = _NOISE_ROWS + precision * np.bincount(self.groups, squares)
            shape = _NOISE_ROWS + np.bincount(self.groups)
            self.weight = self.rng.gamma(shape / 2, 2 / rate)[self.groups]
        return precision

    def _move_intercept(self, precision: float) -> None:
        weight = self.weight.sum()
        step = (self.weight * self.residual).sum() / weight
        if self.sampled:
            step += self.rng.normal() / np.sqrt(precision * weight)
        self.intercept += step
        self.residual -= step

    def _prior(self, theta: np.ndarray, fields: np.ndarray, regularization: float) -> tuple[np.ndarray, np.ndarray]:
        """Precision of the normal prior of each entry of `theta`, and a standard normal draw for each."""
        if not self.sampled:
            return np.full(len(theta), float(regularization)), np.zeros(len(theta))
        count = np.bincount(fields, minlength=self.n_fields)
        squares = np.bincount(fields, theta**2, self.n_fields)
        strength = self.rng.gamma((_SHAPE + count) / 2, 2 / (_RATE + squares))[fields]
        return strength, self.rng.standard_normal(len(theta))


def _groups(design, noise_field: str | None) -> np.ndarray | None:
    """Each row's group: its first entry in the columns of the field, or 0 where it has none."""
    if noise_field is None:
        return None
    relation = design.relations[design.field_names.index(noise_field)]
    table = relation.table
    filled, group = np.diff(table.indptr) > 0, np.zeros(table.shape[0], dtype=np.int64)
    group[filled] = 1 + table.indices[table.indptr[:-1][filled]]
    return group[relation.rows]


def _parts(table):
    return table.indptr, table.indices, table.data


@compiled
def _add_gathered(total, values, keys):
    for row in range(len(total)):
        total[row] += values[keys[row]]


@compiled
def _sweep_linear(keys, weight, residual, n_keys, start, entries, values, theta, strength, noise, precision):
    """New values of the linear weights of one block, one after the other; the residuals follow."""
    mass, pull, moved = np.zeros(n_keys), np.zeros(n_keys), np.zeros(n_keys)
    for row in range(len(keys)):
        mass[keys[row]] += weight[row]
        pull[keys[row]] += weight[row] * residual[row]
    for column in range(len(theta)):
        curvature, slope = 0.0, 0.0
        for entry in range(start[column], start[column + 1]):
            key, x = entries[entry], values[entry]
            curvature += x * x * mass[key]
            slope += x * pull[key]
        total = precision * curvature + strength[column]
        if total <= 0.0:
            continue  # nothing in the data or the prior speaks about this weight
        step = (precision * slope - strength[column] * theta[column]) / total + noise[column] / np.sqrt(total)
        theta[column] += step
        for entry in range(start[column], start[column + 1]):
            key, move = entries[entry], values[entry] * step
            pull[key] -= move * mass[key]
            moved[key] += move
    for row in range(len(keys)):
        residual[row] -= moved[keys[row]]


@compiled
def _sweep_factor(keys, weight, residual, sums, share, start, entries, values, theta, strength, noise, precision):
    """New values of one factor of one block's columns.

    `sums` are the q of that factor and `share` is the block's part of them, one a key. With r the rest of q, the
    derivative on a row is h = x (r + c), where c is the share without the column itself; so the sums of w, w r, w r²,
    w e and w e r over the rows of a key give Σ w h² and Σ w h e of every column.
    """
    stats = np.zeros((len(share), 5))
    before, shift = share.copy(), np.zeros(len(share))
    for row in range(len(keys)):
        key = keys[row]
        rest = sums[row] - share[key]
        sums[row] = rest
        pull = weight[row] * residual[row]
        stats[key, 0] += weight[row]
        stats[key, 1] += weight[row] * rest
        stats[key, 2] += weight[row] * rest * rest
        stats[key, 3] += pull
        stats[key, 4] += pull * rest
    for column in range(len(theta)):
        old, curvature, slope = theta[column], 0.0, 0.0
        for entry in range(start[column], start[column + 1]):
            s, x = stats[entries[entry]], values[entry]
            c = share[entries[entry]] - x * old
            curvature += x * x * (s[2] + 2.0 * c * s[1] + c * c * s[0])
            slope += x * (s[4] + c * s[3])
        total = precision * curvature + strength[column]
        if total <= 0.0:
            continue
        step = (precision * slope - strength[column] * old) / total + noise[column] / np.sqrt(total)
        theta[column] += step
        for entry in range(start[column], start[column + 1]):
            key, move = entries[entry], values[entry] * step
            s, c = stats[key], share[key] - values[entry] * old
            s[3] -= move * (s[1] + c * s[0])
            s[4] -= move * (s[2] + c * s[1])
            share[key] += move
            shift[key] += move * c
    for row in range(len(keys)):
        key = keys[row]
        residual[row] -= (share[key] - before[key]) * sums[row] + shift[key]
        sums[row] += share[key]
