"""ExplicitALS: the contract, dense oracles, a loss that never rises, the same bits on any threads."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_contract import (
    EMPTY_ITEM,
    EMPTY_USER,
    ITEMS,
    UNKNOWN,
    USERS,
    ModelContract,
    rectangular_interactions,
)

from recsys_utils.errors import InvalidInput, NotFittedError, UnknownIdError
from recsys_utils.interactions import Interactions
from recsys_utils.models import ExplicitALS

PLAIN = {"noise_variance": 0.0, "regularization": 2.0, "bias_regularization": 1.0}


class TestPlain(ModelContract):
    folds_in_exactly = False  # the items are solved last

    def make(self):
        return ExplicitALS(factors=3, **PLAIN)


class TestWithNoise(ModelContract):
    folds_in_exactly = False  # the items are solved last

    def make(self):
        return ExplicitALS(factors=3, regularization=2.0, noise_variance=0.5)


class TestWithoutBiases(ModelContract):
    folds_in_exactly = False  # the items are solved last

    def make(self):
        return ExplicitALS(factors=3, biases=False, **PLAIN)


class TestBiasesOnly(ModelContract):
    folds_in_exactly = False
    finds_similar = False

    def make(self):
        return ExplicitALS(factors=0, **PLAIN)


def full_interactions(matrix) -> Interactions:
    users, items = np.indices(matrix.shape).reshape(2, -1)
    frame = pd.DataFrame({"userId": users, "movieId": items, "rating": matrix.ravel()})
    return Interactions.from_frame(frame)


def random_interactions(n_users, n_items, density, seed) -> Interactions:
    """At least one rating; users and items without any keep their rows."""
    rng = np.random.default_rng(seed)
    seen = rng.random((n_users, n_items)) < density
    seen[rng.integers(n_users), rng.integers(n_items)] = True
    rows, columns = np.nonzero(seen)
    frame = pd.DataFrame({"userId": rows, "movieId": columns, "rating": rng.integers(1, 11, len(rows)) / 2})
    return Interactions.from_frame(frame, user_ids=np.arange(n_users), item_ids=np.arange(n_items))


def unpack(packed, width):
    """Packed upper triangle to the symmetric matrix."""
    matrix = np.zeros((width, width))
    matrix[np.triu_indices(width)] = packed
    return matrix + np.triu(matrix, 1).T


def side(model, name):
    """Solutions (bias first) and covariances of one side, dense."""
    solution = np.column_stack([getattr(model, f"{name}_bias_"), getattr(model, f"{name}_factors_")])
    packed, width = getattr(model, f"{name}_covariances_"), solution.shape[1]
    if packed is None:
        return solution, np.zeros((len(solution), width, width))
    return solution, np.array([unpack(row, width) for row in packed])


def dense_row_solution(model, ratings, others, other_covariances, weight):
    """The normal equations of one row written out: E[z zᵀ], E[z (r − μ − b)] and a dense solve."""
    width = others.shape[1]
    a = weight * np.diag([model.bias_regularization] + [model.regularization] * (width - 1))
    b = np.zeros(width)
    for rating, other, covariance in zip(ratings, others, other_covariances, strict=True):
        z = np.r_[1.0, other[1:]]
        spread = covariance.copy()
        spread[0, :] = spread[:, 0] = 0.0
        a += np.outer(z, z) + spread
        b += z * (rating - model.mean_ - other[0]) - np.r_[0.0, covariance[1:, 0]]
    return np.linalg.solve(a, b), model.noise_variance * np.linalg.inv(a)


def objective(model, data):
    """The stated objective, term by term."""
    users, user_covariances = side(model, "user")
    items, item_covariances = side(model, "item")
    ridge = np.array([model.bias_regularization] + [model.regularization] * model.factors)
    total = 0.0
    for u, i, rating in zip(data.user_rows, data.item_rows, data.values, strict=True):
        p, q = np.r_[users[u], 1.0], np.r_[1.0, items[i][1:], items[i][0]]
        # e = r − μ − (b_u, p_u, 1)·(1, q_i, b_i): both vectors uncertain and independent of each other.
        cp, cq = np.zeros((len(p), len(p))), np.zeros((len(q), len(q)))
        cp[:-1, :-1] = user_covariances[u]
        order = np.r_[1 : len(q) - 1, 0]
        cq[1:, 1:] = item_covariances[i][np.ix_(order, order)]
        total += (rating - model.mean_ - p @ q) ** 2 + p @ cq @ p + q @ cp @ q + np.sum(cp * cq)
    for solution, covariances, rows in (
        (users, user_covariances, data.user_rows), (items, item_covariances, data.item_rows)
    ):
        counts = np.bincount(rows, minlength=len(solution))
        for x, covariance, n in zip(solution, covariances, counts, strict=True):
            if n:
                total += n**model.frequency_exponent * ridge @ (x**2 + np.diag(covariance))
                if model.noise_variance:
                    entropy = np.linalg.slogdet(covariance / model.noise_variance)[1] + len(ridge)
                    total -= model.noise_variance * entropy
    return total


@pytest.mark.parametrize("noise", [0.0, 0.7])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_each_item_is_the_dense_ridge_solution(noise, exponent):
    data = rectangular_interactions()
    model = ExplicitALS(
        factors=4, regularization=1.5, bias_regularization=0.8, noise_variance=noise,
        frequency_exponent=exponent, iterations=3,
    ).fit(data)
    users, user_covariances = side(model, "user")
    items, item_covariances = side(model, "item")
    for row in range(data.n_items):
        mine = data.item_rows == row
        if not mine.any():
            assert (items[row] == 0).all()
            continue
        raters = data.user_rows[mine]
        solved, covariance = dense_row_solution(
            model, data.values[mine], users[raters], user_covariances[raters], mine.sum() ** exponent
        )
        np.testing.assert_allclose(items[row], solved, atol=1e-9)
        np.testing.assert_allclose(item_covariances[row], covariance, atol=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_fold_in_is_the_dense_ridge_solution(noise):
    data = rectangular_interactions()
    model = ExplicitALS(factors=4, regularization=1.5, bias_regularization=0.8, noise_variance=noise)
    model.fit(data)
    ids, values = data.history(USERS[3])
    rows = data.rows_of_items(ids)
    items, item_covariances = side(model, "item")
    solved, _ = dense_row_solution(model, values, items[rows], item_covariances[rows], 1.0)
    expected = solved
    np.testing.assert_allclose(model.fold_in(ids, values), expected, atol=1e-9)


def test_fold_in_of_a_training_user_of_a_converged_model_is_that_user():
    data = rectangular_interactions()
    model = ExplicitALS(factors=2, iterations=800, n_threads=1, **PLAIN).fit(data)
    expected = np.r_[model.user_bias_[5], model.user_factors_[5]]
    np.testing.assert_allclose(model.fold_in(*data.history(USERS[5])), expected, atol=1e-6)


def test_with_hardly_any_regularization_a_full_matrix_gives_the_truncated_svd():
    matrix = np.random.default_rng(0).uniform(0.5, 5, (9, 14))
    model = ExplicitALS(
        factors=3, regularization=1e-10, noise_variance=0, biases=False, iterations=500,
        n_threads=1,
    ).fit(full_interactions(matrix))
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    expected = (u[:, :3] * s[:3]) @ vt[:3]
    np.testing.assert_allclose(model.user_factors_ @ model.item_factors_.T, expected, atol=1e-8)
    np.testing.assert_allclose(model.loss_history_[-1, -1], np.sum(s[3:] ** 2), rtol=1e-7)


def test_with_regularization_a_full_matrix_gives_the_soft_thresholded_svd():
    """min ‖R − PQᵀ‖² + λ(‖P‖² + ‖Q‖²) shrinks every singular value by λ."""
    matrix = np.random.default_rng(1).uniform(0.5, 5, (9, 14))
    model = ExplicitALS(
        factors=9, regularization=2.0, noise_variance=0, biases=False, iterations=800, n_threads=1
    ).fit(full_interactions(matrix))
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    expected = (u * np.maximum(s - 2.0, 0)) @ vt
    np.testing.assert_allclose(model.user_factors_ @ model.item_factors_.T, expected, atol=1e-6)


def test_biases_alone_equal_one_dense_ridge_regression():
    """Mean, user and item biases of one linear model, the mean unpenalised."""
    data = rectangular_interactions()
    model = ExplicitALS(factors=0, iterations=300, n_threads=1, **PLAIN).fit(data)
    design = np.zeros((len(data), 1 + data.n_users + data.n_items))
    design[:, 0] = 1
    design[np.arange(len(data)), 1 + data.user_rows] = 1
    design[np.arange(len(data)), 1 + data.n_users + data.item_rows] = 1
    ridge = np.diag([0.0] + [1.0] * (design.shape[1] - 1))
    solved = np.linalg.solve(design.T @ design + ridge, design.T @ data.values)
    np.testing.assert_allclose(np.r_[model.mean_, model.user_bias_, model.item_bias_], solved, atol=1e-7)


def test_vanishing_noise_is_plain_als():
    data = rectangular_interactions()
    plain = ExplicitALS(factors=3, **PLAIN).fit(data)
    nearly = ExplicitALS(factors=3, **{**PLAIN, "noise_variance": 1e-10}).fit(data)
    np.testing.assert_allclose(nearly.item_factors_, plain.item_factors_, atol=1e-5)
    assert plain.item_covariances_ is None and nearly.item_covariances_.shape == (len(ITEMS), 10)


@settings(max_examples=60, deadline=None)
@given(
    n_users=st.integers(1, 9), n_items=st.integers(1, 9), density=st.floats(0, 1), seed=st.integers(0, 10**6),
    factors=st.integers(0, 12), regularization=st.floats(1e-3, 30), bias_regularization=st.floats(1e-3, 30),
    exponent=st.sampled_from([0.0, 0.3, 1.0]), noise=st.sampled_from([0.0, 0.01, 1.0]),
)
def test_the_stated_objective_never_rises(
    n_users, n_items, density, seed, factors, regularization, bias_regularization, exponent, noise
):
    """Any shape: empty rows, one item, more factors than data."""
    data = random_interactions(n_users, n_items, density, seed)
    model = ExplicitALS(
        factors=factors, regularization=regularization, bias_regularization=bias_regularization,
        frequency_exponent=exponent, noise_variance=noise, iterations=6, rng=seed,
    ).fit(data)
    losses = model.loss_history_.ravel()
    assert losses.shape == (12,)
    assert (np.diff(losses) <= 1e-9 * (1 + np.abs(losses[1:]))).all()
    np.testing.assert_allclose(losses[-1], objective(model, data), rtol=1e-8, atol=1e-8)
    assert np.isfinite(model.recommend(0, n=1, exclude_seen=False)[1]).all()


@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_the_number_of_threads_changes_no_bit(noise):
    data = random_interactions(150, 90, 0.3, 3)
    one, two, more = (
        ExplicitALS(factors=7, regularization=2, noise_variance=noise, n_threads=n).fit(data)
        for n in (1, 2, 64)
    )
    for name in ("user_factors_", "item_factors_", "user_bias_", "item_bias_", "loss_history_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(more, name))


def test_the_order_of_the_ratings_does_not_matter():
    data = rectangular_interactions()
    shuffled = data.select(np.random.default_rng(0).permutation(len(data)), keep_ids=True)
    first, second = (ExplicitALS(factors=3).fit(x) for x in (data, shuffled))
    np.testing.assert_allclose(first.item_factors_, second.item_factors_, atol=1e-9)


def test_predictions_stay_inside_the_scale_unless_told_otherwise():
    data = rectangular_interactions()
    pairs = np.repeat(USERS, len(ITEMS)), np.tile(ITEMS, len(USERS))
    weak = {"factors": 4, "regularization": 1e-3, "bias_regularization": 1e-3, "noise_variance": 0.0}
    clipped = ExplicitALS(**weak).fit(data)
    free = ExplicitALS(clip=False, **weak).fit(data).predict(*pairs)
    lowest, highest = data.values.min(), data.values.max()
    assert free.min() < lowest and free.max() > highest
    np.testing.assert_allclose(clipped.predict(*pairs), np.clip(free, lowest, highest))


@pytest.mark.parametrize("factor", [1, 20])
def test_the_defaults_fit_any_scale(factor):
    """Stars or percentages: the same predictions, in other units."""
    data = random_interactions(40, 30, 0.4, 1)
    other = ExplicitALS(factors=3, iterations=200).fit(data.with_values(factor * data.values))
    stars = ExplicitALS(factors=3, iterations=200).fit(data)
    np.testing.assert_allclose(
        other.predict(data.user_ids, data.item_ids[:1].repeat(40)),
        factor * stars.predict(data.user_ids, data.item_ids[:1].repeat(40)), rtol=1e-2,
    )


def test_unknown_ids_fall_back_to_what_is_known():
    model = ExplicitALS(factors=2, **PLAIN).fit(rectangular_interactions())
    got = model.predict([UNKNOWN, USERS[0], UNKNOWN, EMPTY_USER], [ITEMS[0], UNKNOWN, UNKNOWN, EMPTY_ITEM])
    expected = model.mean_ + np.array([model.item_bias_[0], model.user_bias_[0], 0, 0])
    np.testing.assert_allclose(got, expected)


def test_without_biases_unknown_ids_get_the_mean_rating():
    data = rectangular_interactions()
    model = ExplicitALS(factors=2, biases=False, **PLAIN).fit(data)
    np.testing.assert_allclose(model.predict([UNKNOWN, USERS[0]], [ITEMS[0], UNKNOWN]), data.values.mean())


def test_recommend_for_equals_recommend_for_a_like_minded_user():
    data = rectangular_interactions()
    model = ExplicitALS(factors=2, iterations=800, n_threads=1, **PLAIN).fit(data)
    ids, scores = model.recommend_for(*data.history(USERS[2]), n=5)
    expected_ids, expected_scores = model.recommend(USERS[2], n=5)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-5)


def test_fold_in_of_nobody_gives_zeros_and_the_best_films_by_bias():
    model = ExplicitALS(factors=2, **PLAIN).fit(rectangular_interactions())
    np.testing.assert_allclose(model.fold_in([], []), [0, 0, 0])
    ids, _ = model.recommend_for([], [], n=3)
    assert list(ids) == list(ITEMS[np.argsort(-model.item_bias_, kind="stable")[:3]])


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("biases", [True, False])
def test_a_folded_in_vector_scores_like_the_trained_user(noise, biases):
    data = rectangular_interactions()
    model = ExplicitALS(factors=2, biases=biases, iterations=500, **{**PLAIN, "noise_variance": noise}).fit(data)
    scores = model.score_vector(model.fold_in(*data.history(USERS[2])))
    np.testing.assert_allclose(scores, model.score_rows(np.array([2]))[0], atol=1e-4)


@pytest.mark.parametrize(
    ("ids", "values", "error", "message"),
    [
        ([UNKNOWN], [3.0], UnknownIdError, str(UNKNOWN)),
        ([2, 2], [3.0, 4.0], InvalidInput, "repeats"),
        ([2, 3], [3.0], InvalidInput, "same length"),
        ([2], [np.nan], InvalidInput, "NaN"),
        ([2], [1e200], InvalidInput, "overflow"),
        ([2], None, InvalidInput, "ratings"),
    ],
)
def test_fold_in_refuses_bad_ratings(ids, values, error, message):
    model = ExplicitALS(factors=2).fit(rectangular_interactions())
    with pytest.raises(error, match=message):
        model.fold_in(ids, values)


def test_fold_in_before_fit_says_so():
    with pytest.raises(NotFittedError, match="fit"):
        ExplicitALS().fold_in([2], [3.0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"factors": -1}, {"factors": 2.0}, {"regularization": -1}, {"regularization": float("nan")},
        {"bias_regularization": float("inf")}, {"frequency_exponent": 1.5}, {"noise_variance": -0.1},
        {"biases": 1}, {"iterations": 0}, {"clip": "yes"}, {"n_threads": 0}, {"rng": None},
        {"factors": 0, "biases": False},
        {"regularization": 0.0}, {"bias_regularization": 0.0}, {"n_threads": 1.5},
    ],
)
def test_bad_hyper_parameters_are_named(arguments):
    with pytest.raises(InvalidInput, match=next(iter(arguments))):
        ExplicitALS(**arguments).fit(rectangular_interactions())


def test_ratings_that_overflow_are_refused():
    data = rectangular_interactions()
    with pytest.raises(InvalidInput, match="rescale"), np.errstate(all="ignore"):
        ExplicitALS(factors=2).fit(data.with_values(data.values * 1e200))
