"""Factorization machines against the double sum, finite differences and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_contract import EMPTY_ITEM, EMPTY_USER, ITEMS, USERS, ModelContract, rectangular_interactions
from scipy import sparse
from sklearn.base import clone

from recsys_utils.errors import Diverged, InvalidInput, NotFittedError
from recsys_utils.features import DesignMatrix, RatingFeatures, Relation
from recsys_utils.interactions import Interactions
from recsys_utils.models import FactorizationMachine, FMRecommender, fm_gradient, fm_objective, fm_predict
from recsys_utils.models.fm_sampler import Chain


def double_sum(X, intercept, linear, factors):
    """The equation as it is written, one pair at a time."""
    predicted = []
    for x in X:
        total = intercept + linear @ x
        for i in range(len(x)):
            for j in range(i + 1, len(x)):
                total += factors[i] @ factors[j] * x[i] * x[j]
        predicted.append(total)
    return np.array(predicted)


@st.composite
def problems(draw):
    """Random sparse rows, some empty, and random parameters; k from 0 to more than rows and columns."""
    n_rows, n_columns, k = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n_rows, n_columns)) * (
        rng.random((n_rows, n_columns)) < draw(st.sampled_from([0.2, 0.6, 1]))
    )
    X[0] *= draw(st.sampled_from([0.0, 1.0]))
    return X, rng.normal(), rng.normal(size=n_columns), rng.normal(size=(n_columns, k)), rng


@settings(deadline=None)
@given(problems())
def test_prediction_is_the_double_sum(problem):
    X, intercept, linear, factors, _ = problem
    expected = double_sum(X, intercept, linear, factors)
    np.testing.assert_allclose(fm_predict(X, intercept, linear, factors), expected, atol=1e-10)
    np.testing.assert_allclose(
        fm_predict(sparse.csr_matrix(X), intercept, linear, factors), expected, atol=1e-10
    )


@settings(max_examples=50, deadline=None)
@given(problems(), st.sampled_from(["regression", "classification"]))
def test_gradient_equals_finite_differences(problem, task):
    X, intercept, linear, factors, rng = problem
    y = rng.integers(0, 2, len(X)).astype(float) if task == "classification" else rng.normal(size=len(X))
    options = dict(task=task, regularization=0.7, linear_regularization=0.3)
    theta = np.concatenate([[intercept], linear, factors.ravel()])

    def objective(theta):
        n = len(linear)
        return fm_objective(
            X, y, theta[0], theta[1 : n + 1], theta[n + 1 :].reshape(factors.shape), **options
        )

    numeric = [(objective(theta + 1e-5 * e) - objective(theta - 1e-5 * e)) / 2e-5 for e in np.eye(len(theta))]
    g0, g1, g2 = fm_gradient(X, y, intercept, linear, factors, **options)
    scale = 1 + np.abs(theta).max() ** 3 * (1 + np.abs(X).max() ** 4)
    np.testing.assert_allclose(np.concatenate([[g0], g1, g2.ravel()]), numeric, atol=1e-6 * scale, rtol=1e-5)


def named(X, fields, names=("user", "item", "age")):
    """A design of the columns of X, one relation a field, each with a row of its own for each row."""
    X = sparse.csr_matrix(X)
    return DesignMatrix(tuple(
        Relation(name, [f"{name}={i}" for i in np.flatnonzero(fields == number)], X[:, fields == number])
        for number, name in enumerate(names) if (fields == number).any()
    ))


def blocks(rng, n_rows=400):
    """User and item one-hot, and a real-valued column."""
    users, items = rng.integers(0, 12, n_rows), rng.integers(0, 9, n_rows)
    X = np.zeros((n_rows, 22))
    X[np.arange(n_rows), users] = 1
    X[np.arange(n_rows), 12 + items] = 1
    X[:, 21] = rng.normal(size=n_rows)
    return X, np.repeat([0, 1, 2], [12, 9, 1])


@pytest.fixture
def known():
    """Labels from a known machine, with noise of 0.1, half of them for testing."""
    rng = np.random.default_rng(5)
    X, fields = blocks(rng, 1200)
    factors = rng.normal(0, 0.8, (22, 2))
    truth = fm_predict(X, 3.0, rng.normal(0, 0.5, 22), factors)
    y = truth + rng.normal(0, 0.1, len(truth))
    return X[:600], y[:600], X[600:], truth[600:], fields


@pytest.mark.parametrize("solver", ["als", "mcmc"])
def test_recovers_a_known_machine(known, solver):
    X, y, X_test, truth, fields = known
    model = FactorizationMachine(
        factors=3,
        solver=solver,
        regularization=0.05,
        linear_regularization=0.05,
        iterations=300,
        burn_in=100,
        rng=1,
    )
    X_test = named(X_test, fields)
    model.fit(named(X, fields), y)
    assert np.sqrt(np.mean((model.predict(X_test) - truth) ** 2)) < 0.06
    assert model.score(X_test, truth) > 0.99


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("factors", [1, 2, 40])
def test_als_never_raises_the_objective_and_ends_where_the_gradient_is_zero(task, factors):
    rng = np.random.default_rng(0)
    X, fields = blocks(rng, 150)
    y = rng.normal(size=150)
    y = (y > 0).astype(float) if task == "classification" else y
    penalties = dict(regularization=2.0, linear_regularization=0.5)
    model = FactorizationMachine(
        factors=factors, task=task, solver="als", iterations=600, clip=False, init_scale=0.5, **penalties
    ).fit(X, y)
    objective = model.history_["objective"].to_numpy()
    assert (np.diff(objective) <= 1e-9 * objective[:-1]).all()
    parameters = model.intercept_[0], model.linear_[0], model.factors_[0]
    assert objective[-1] == pytest.approx(fm_objective(X, y, *parameters, task=task, **penalties), rel=1e-10)
    for part in fm_gradient(X, y, *parameters, task=task, **penalties):
        np.testing.assert_allclose(part, 0, atol=1e-3)


def test_all_fields_linear_is_ridge_regression():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 4))
    y = rng.normal(size=50)
    model = FactorizationMachine(
        solver="als", linear_fields=("X",), linear_regularization=3.0, iterations=2000, clip=False
    ).fit(X, y)
    design = np.column_stack([np.ones(50), X])
    exact = np.linalg.solve(design.T @ design + np.diag([0, 3, 3, 3, 3]), design.T @ y)
    np.testing.assert_allclose(np.append(model.intercept_, model.linear_), exact, atol=1e-8)
    np.testing.assert_allclose(model.predict(X), design @ exact, atol=1e-8)


def test_sampled_linear_model_has_the_exact_posterior_mean():
    """With a strong signal the posterior mean is least squares; checked to the Monte Carlo error."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(2000, 3))
    y = X @ [1.0, -2.0, 0.5] + 4 + rng.normal(0, 0.3, 2000)
    model = FactorizationMachine(linear_fields=("X",), iterations=1500, burn_in=100, rng=3).fit(X, y)
    exact = np.linalg.lstsq(np.column_stack([np.ones(2000), X]), y, rcond=None)[0]
    draws = np.column_stack([model.intercept_, model.linear_])
    np.testing.assert_allclose(draws.mean(axis=0), exact, atol=2e-3)
    np.testing.assert_allclose(draws.std(axis=0), 0.3 / np.sqrt(2000), rtol=0.15)


def test_noise_field_discounts_the_erratic_user():
    rng = np.random.default_rng(3)
    item = rng.integers(0, 60, 1800)
    erratic = rng.random(1800) < 0.5
    X = np.zeros((1800, 62))
    X[np.arange(1800), 2 + item] = 1
    X[np.arange(1800), erratic.astype(int)] = 1
    worth = rng.normal(size=60)
    y = worth[item] + rng.normal(size=1800) * np.where(erratic, 3.0, 0.1)
    fields = np.repeat([0, 1], [2, 60])
    errors = {}
    for noise_field in (None, "user"):
        model = FactorizationMachine(linear_fields=("user", "item"), noise_field=noise_field, clip=False, rng=0)
        errors[noise_field] = np.std(model.fit(named(X, fields), y).linear_.mean(axis=0)[2:] - worth)
    assert errors["user"] < 0.3 * errors[None]


def test_validation_keeps_the_best_pass_and_stops():
    rng = np.random.default_rng(4)
    X, _ = blocks(rng, 200)
    y = rng.normal(size=200)  # nothing to learn: every further pass overfits
    model = FactorizationMachine(
        solver="als", factors=8, regularization=0.01, iterations=80, patience=3, init_scale=0.3
    )
    model.fit(X[:100], y[:100], validation=(X[100:], y[100:]))
    losses = model.history_["validation_loss"]
    assert len(losses) < 80
    assert model.n_iterations_ == losses.idxmin() == len(losses) - 3
    assert np.sqrt(np.mean((model.predict(X[100:]) - y[100:]) ** 2)) == pytest.approx(losses.min(), abs=1e-12)


def test_validation_loss_of_the_sampler_is_that_of_predict():
    rng = np.random.default_rng(4)
    X, fields = blocks(rng, 200)
    y = X @ rng.normal(size=22)
    model = FactorizationMachine(iterations=30, burn_in=5, patience=100).fit(
        named(X[:100], fields), y[:100], validation=(named(X[100:], fields), y[100:])
    )
    assert len(model.intercept_) == model.n_iterations_ - 5
    loss = np.sqrt(np.mean((model.predict(X[100:]) - y[100:]) ** 2))
    assert loss == pytest.approx(model.history_["validation_loss"].min(), abs=1e-5)


def test_classification_learns_an_interaction():
    rng = np.random.default_rng(6)
    X = rng.choice([-1.0, 1.0], (600, 2))
    y = (X[:, 0] * X[:, 1] * 2 + rng.logistic(size=600) > 0).astype(float)
    model = FactorizationMachine(task="classification", solver="als", factors=2, regularization=0.1).fit(X, y)
    assert model.score(X, y) > 0.8
    probability = model.predict_proba(np.array([[1.0, 1.0], [1.0, -1.0]]))
    np.testing.assert_allclose(probability, [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))], atol=0.06)
    assert set(model.predict(X)) == {0.0, 1.0}


@pytest.mark.parametrize("solver", ["als", "mcmc"])
def test_relations_change_nothing_but_the_time(solver):
    """A history and an age stored once a user: the same draws and predictions as with all columns in every row."""
    rng = np.random.default_rng(7)
    users, items, y = rng.integers(0, 12, 300), rng.integers(0, 9, 300), rng.normal(3, 1, 300)
    history = sparse.random(12, 9, 0.4, format="csr", rng=3)
    tables = {"user": sparse.eye(12), "history": history, "item": sparse.eye(9), "size": rng.normal(size=(9, 2))}
    keys = {"user": users, "history": users, "item": items, "size": items}
    stored = DesignMatrix(tuple(
        Relation(name, [f"{name}={i}" for i in range(table.shape[1])], table, keys[name])
        for name, table in tables.items()
    ))
    written = DesignMatrix(tuple(Relation(r.name, r.columns, r.table[r.rows]) for r in stored.relations))
    options = dict(factors=3, solver=solver, linear_fields=("size",), iterations=12, burn_in=4, regularization=2.0)
    options |= {"noise_field": "user"} if solver == "mcmc" else {}
    fast, slow = (FactorizationMachine(**options).fit(design, y) for design in (stored, written))
    np.testing.assert_allclose(fast.linear_, slow.linear_, atol=1e-5)
    np.testing.assert_allclose(fast.factors_, slow.factors_, atol=1e-5)
    np.testing.assert_allclose(fast.predict(stored), slow.predict(written), atol=1e-5)
    assert fast.factor_columns_.tolist() == list(range(30))
    assert fast.factors_.shape[1:] == (30, 3) and fast.linear_.shape[1] == 32


def test_a_pass_gives_the_last_parameter_its_best_value():
    rng = np.random.default_rng(12)
    X, fields = blocks(rng, 60)
    y = rng.normal(size=60)
    machine = FactorizationMachine(factors=1, solver="als", regularization=2.0, linear_regularization=0.5)
    chain = Chain(named(X, fields), y, machine)
    chain.sweep()
    intercept, linear, factors = chain.parameters()
    penalties = dict(regularization=2.0, linear_regularization=0.5)
    assert chain.objective() == pytest.approx(fm_objective(X, y, intercept, linear, factors, **penalties), rel=1e-12)
    assert fm_gradient(X, y, intercept, linear, factors, **penalties)[2][-1, 0] == pytest.approx(0, abs=1e-10)


def test_the_seed_decides_and_the_input_stays():
    rng = np.random.default_rng(8)
    X, _ = blocks(rng, 80)
    X = sparse.csr_matrix(X)
    y = rng.normal(size=80)
    before = X.copy(), y.copy()
    first, again, other = (
        FactorizationMachine(iterations=6, burn_in=2, rng=seed).fit(X, y).predict(X)
        for seed in (1, np.random.default_rng(1), 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (X != before[0]).nnz == 0 and np.array_equal(y, before[1])


def test_empty_rows_and_columns_without_entries():
    X = sparse.csr_matrix(([1.0, 1.0], ([0, 1], [0, 1])), shape=(4, 3))
    for solver in ("als", "mcmc"):
        model = FactorizationMachine(solver=solver, iterations=40, burn_in=5, regularization=0.0, clip=False)
        model.fit(X, [1.0, 2.0, 3.0, 4.0])
        assert np.isfinite(model.predict(X)).all()
        assert model.predict(sparse.csr_matrix((1, 3)))[0] == pytest.approx(model.intercept_.mean(), abs=1e-6)


def test_a_missing_column_counts_as_a_typical_one():
    """Users drawn around a common vector: for an unknown user the best guess is the films' mean rating."""
    rng = np.random.default_rng(9)
    users, items = rng.integers(0, 60, 6000), rng.integers(0, 20, 6000)
    taste, worth = 1 + rng.normal(0, 0.3, 60), rng.normal(size=20)
    X = np.zeros((6000, 80))
    X[np.arange(6000), users] = X[np.arange(6000), 60 + items] = 1
    y = 3 + taste[users] * worth[items] + rng.normal(0, 0.2, 6000)
    model = FactorizationMachine(factors=2, iterations=120, burn_in=40, clip=False, rng=0)
    fields = np.repeat([0, 1], [60, 20])
    model.fit(named(X, fields), y)
    unknown = np.hstack([np.zeros((20, 60)), np.eye(20)])
    assert np.abs(model.predict(named(unknown, fields)) - 3 - worth).max() < 0.25


def test_clip_keeps_predictions_in_range():
    model = FactorizationMachine(solver="als", linear_fields=("X",), linear_regularization=0.0, iterations=200)
    X = np.array([[1.0], [2.0], [3.0]])
    assert model.fit(X, [1, 2, 3]).predict([[9.0]]).tolist() == [3.0]
    model.clip = False
    assert model.predict([[9.0]])[0] == pytest.approx(9, abs=1e-6)


X_SMALL = np.array([[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("options", "X", "y", "more", "message"),
    [
        ({"factors": 0}, X_SMALL, [1, 2], {}, "linear_fields"),
        ({"factors": -1}, X_SMALL, [1, 2], {}, "factors must be at least 1"),
        ({"factors": 2.5}, X_SMALL, [1, 2], {}, "factors must be a whole number"),
        ({"iterations": 0}, X_SMALL, [1, 2], {}, "iterations"),
        ({"iterations": 5, "burn_in": 5}, X_SMALL, [1, 2], {}, "leaves no draw"),
        ({"solver": "sgd"}, X_SMALL, [1, 2], {}, "solver"),
        ({"task": "ranking"}, X_SMALL, [1, 2], {}, "task"),
        ({"task": "classification"}, X_SMALL, [0, 1], {}, "solver='als'"),
        ({"solver": "als", "regularization": -1.0}, X_SMALL, [1, 2], {}, "regularization"),
        ({"solver": "als", "regularization": np.nan}, X_SMALL, [1, 2], {}, "regularization"),
        ({"init_scale": np.inf}, X_SMALL, [1, 2], {}, "init_scale"),
        ({"init_scale": 0}, X_SMALL, [1, 2], {}, "init_scale"),
        ({"rng": -3}, X_SMALL, [1, 2], {}, "rng"),
        ({"linear_fields": ("age",)}, X_SMALL, [1, 2], {}, "linear_fields"),
        ({"noise_field": "user"}, X_SMALL, [1, 2], {}, "noise_field"),
        ({"noise_field": "X", "solver": "als"}, X_SMALL, [1, 2], {}, "noise_field"),
        ({}, X_SMALL, [1, np.nan], {}, "y holds 1 NaN"),
        ({}, X_SMALL, [1, np.inf], {}, "y holds 1 NaN or infinite"),
        ({}, X_SMALL, [1, 2, 3], {}, "same length"),
        ({}, X_SMALL, [[1], [2]], {}, "1-D"),
        ({}, np.array([[1.0, np.nan]]), [1], {}, "NaN"),
        ({}, sparse.csr_matrix(np.array([[1.0, np.inf]])), [1], {}, "infinite"),
        ({}, np.zeros((0, 2)), [], {}, r"\(0, 2\)"),
        ({}, np.zeros((2, 0)), [1, 2], {}, r"\(2, 0\)"),
        ({}, np.zeros(3), [1, 2, 3], {}, "rows and columns"),
        ({}, X_SMALL, [1, 2], {"validation": X_SMALL}, "tuple"),
        ({}, X_SMALL, [1, 2], {"validation": (np.ones((1, 3)), [1])}, "3 columns"),
        ({}, X_SMALL, [1, 2], {"validation": (X_SMALL, [1, np.nan])}, "validation y"),
        ({"task": "classification", "solver": "als"}, X_SMALL, [1, 2], {}, "classes 0 and 1"),
        ({"task": "classification", "solver": "als"}, X_SMALL, [1, 1], {}, "both"),
        ({"patience": 0}, X_SMALL, [1, 2], {}, "patience"),
        ({"clip": "no"}, X_SMALL, [1, 2], {}, "clip"),
    ],
)
def test_bad_input_is_refused(options, X, y, more, message):
    model = FactorizationMachine(**options)
    with pytest.raises(InvalidInput, match=message):
        model.fit(X, y, **more)
    with pytest.raises(NotFittedError):
        model.predict(X_SMALL)


def test_bad_input_to_a_fitted_model_is_refused():
    model = FactorizationMachine(iterations=3, burn_in=1).fit(X_SMALL, [1, 2])
    with pytest.raises(InvalidInput, match="3 columns"):
        model.predict(np.ones((1, 3)))
    with pytest.raises(InvalidInput, match="NaN"):
        model.predict(np.array([[np.nan, 1.0]]))
    with pytest.raises(InvalidInput, match="classification"):
        model.predict_proba(X_SMALL)
    with pytest.raises(InvalidInput, match="same length"):
        fm_objective(X_SMALL, [1.0], 0.0, [1.0, 1.0], [[1.0], [1.0]])
    with pytest.raises(InvalidInput, match="a row a column"):
        fm_predict(X_SMALL, 0.0, [1.0], [[1.0], [1.0]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("solver", ["als", "mcmc"])
def test_an_overflow_is_an_error_with_and_without_validation(solver, validated):
    X, y = X_SMALL * 1e200, [1e200, -1e200]
    model = FactorizationMachine(solver=solver, regularization=0.0)
    with pytest.raises(Diverged, match="overflow"):
        model.fit(X, y, validation=(X, y) if validated else None)


def test_other_columns_are_refused_by_name():
    rng = np.random.default_rng(3)
    X, fields = blocks(rng, 60)
    design = named(X, fields)
    model = FactorizationMachine(iterations=3, burn_in=1).fit(design, rng.normal(size=60))
    user, item, age = design.relations
    reordered = Relation("user", user.columns[::-1], user.table[:, ::-1])
    with pytest.raises(InvalidInput, match="the column 'user=11' where the training matrix had 'user=0'"):
        model.predict(DesignMatrix((reordered, item, age)))
    with pytest.raises(InvalidInput, match="the column 'item=12' where"):
        model.predict(DesignMatrix((item, user, age)))
    with pytest.raises(InvalidInput, match="validation X has the column"):
        model.fit(design, rng.normal(size=60), validation=(DesignMatrix((item, user, age)), np.zeros(60)))


def test_an_interrupted_refit_leaves_the_former_fit(monkeypatch):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(40, 5)), rng.normal(size=40)
    model = FactorizationMachine(iterations=4, burn_in=1).fit(X, y)
    before = model.predict(X)
    sweeps = iter(range(2))

    def interrupted(self, sweep=Chain.sweep):
        if next(sweeps, None) is None:
            raise KeyboardInterrupt
        sweep(self)

    monkeypatch.setattr(Chain, "sweep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(rng.normal(size=(40, 900)), 100 * y)
    np.testing.assert_array_equal(model.predict(X), before)


def test_parameters_follow_scikit_learn():
    model = FactorizationMachine(linear_fields=["age"], noise_field="user", rng=3)
    assert clone(model).get_params() == model.get_params()
    assert repr(model) == "FactorizationMachine(linear_fields=['age'], noise_field='user', rng=3)"
    assert FactorizationMachine(factors=-5).factors == -5  # checked in fit
    assert model.set_params(factors=3).factors == 3


# -- behind the contract of the other models ---------------------------------------------------------------

MOVIES = pd.DataFrame({
    "movieId": [*ITEMS, 5000, 5001],
    "genres": [("Comedy",) if i % 2 else ("Drama", "War") for i in range(len(ITEMS))] + [("Comedy",), ("Drama", "War")],
    "year": 1990 + np.arange(len(ITEMS) + 2),
})


class TestFMRecommender(ModelContract):
    folds_in = False

    def make(self):
        return with_tables(("user", "history", "item", "rating_date"), None)

    def test_saved_and_loaded_it_answers_the_same(self, model, tmp_path):
        with pytest.raises(InvalidInput, match="cannot be saved: keep the data"):
            model.save(tmp_path / "model.npz")
        assert list(tmp_path.iterdir()) == []

    test_a_file_holds_no_training_data = None  # there is no file


def with_tables(blocks=("user", "history", "item", "genres", "rating_date"), movies=MOVIES):
    machine = FactorizationMachine(factors=2, iterations=8, burn_in=3, noise_field="user")
    return FMRecommender(features=RatingFeatures(blocks), machine=machine, movies=movies)


@pytest.fixture(scope="module")
def recommender():
    return with_tables().fit(rectangular_interactions())


def test_scores_are_the_mean_of_the_equation_over_the_draws(recommender):
    ids, scores = recommender.recommend(USERS, n=len(ITEMS), exclude_seen=False)
    frame = pd.DataFrame({
        "userId": np.repeat(USERS, len(ITEMS)), "movieId": ids.ravel(), "timestamp": pd.NaT
    })
    design = recommender.features_.transform(frame)
    np.testing.assert_allclose(scores.ravel(), recommender.machine_.decision_function(design), atol=1e-9)


def test_cold_users_and_items_get_what_the_tables_say(recommender):
    """Films 5000 and 5001 are in no rating: they count as films with their genres and nothing else."""
    design = recommender.features_.transform(pd.DataFrame({"userId": [7], "movieId": [5000], "timestamp": [pd.NaT]}))
    assert {"user=7", "genre=Comedy"} < set(design.row(0)) and "item=5000" not in design.columns
    comedy, war, nothing = recommender.predict([7, 7, 7], [5000, 5001, 777_777])
    assert comedy == recommender.machine_.predict(design)[0] and len({comedy, war, nothing}) == 3
    assert np.isfinite(recommender.predict(999_999, 5000)).all()
    np.testing.assert_array_equal(
        recommender.predict_rows(np.array([0, -1]), np.array([-1, 3])), recommender.predict([7, -1], [-1, ITEMS[3]])
    )


def test_a_catalogue_may_hold_items_without_ratings():
    data = rectangular_interactions()
    wider = Interactions.from_frame(data.to_frame(), user_ids=USERS, item_ids=[*ITEMS, 5000])
    model = with_tables().fit(wider)
    ids, scores = model.recommend(EMPTY_USER, n=len(ITEMS) + 1)
    assert {5000, EMPTY_ITEM} < set(ids) and np.isfinite(scores).all()


def test_the_time_of_rating_counts_where_it_is_given(recommender):
    data = rectangular_interactions()
    frame = data.to_frame()
    with_times = recommender.predict(frame["userId"], frame["movieId"], times=frame["timestamp"])
    np.testing.assert_array_equal(with_times, recommender.machine_.predict(recommender.features_.transform(data)))
    assert not np.array_equal(with_times, recommender.predict(frame["userId"], frame["movieId"]))


def test_string_ids_and_default_parts():
    frame = rectangular_interactions().to_frame()
    frame["userId"], frame["movieId"] = "u" + frame["userId"].astype(str), "m" + frame["movieId"].astype(str)
    model = FMRecommender(machine=FactorizationMachine(factors=2, iterations=6, burn_in=2))
    model.fit(Interactions.from_frame(frame))
    assert model.recommend("u7", n=3)[0].shape == (3,)
    assert np.isfinite(model.predict(["u7", "nobody"], ["m2", "m2"])).all()
    with pytest.raises(InvalidInput):
        model.predict([7], [2])
    assert clone(model).fit(Interactions.from_frame(frame)).predict("u7", "m2") == model.predict("u7", "m2")
