"""ImplicitALS: the contract, dense oracles for every part of its algebra, and the implicit library."""

import multiprocessing
import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from model_contract import EMPTY_USER, ITEMS, UNKNOWN, USERS, ModelContract, rectangular_interactions
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from recsys_utils import Interactions
from recsys_utils.errors import InvalidInput, NotFittedError, UnknownIdError
from recsys_utils.models import ExplicitALS, ImplicitALS
from recsys_utils.split import random_holdout


def dense_objective(model, data):
    """All cells written out, as in the docstring's first formula."""
    values = data.matrix.toarray()
    preference = values > 0
    strength = {"raw": values, "binary": preference * 1.0, "log": np.log1p(values), "sqrt": np.sqrt(values)}[
        model.values
    ]
    confidence = 1 + model.alpha * strength
    error = preference - model.user_factors_ @ model.item_factors_.T

    def penalty(total, vectors):
        return model.regularization * (total / total.mean()) ** model.frequency_exponent @ (vectors**2).sum(1)

    return (
        (confidence * error**2).sum()
        + penalty(confidence.sum(1), model.user_factors_)
        + penalty(confidence.sum(0), model.item_factors_)
    )


def dense_users(model, data):
    """The users' ridge regressions with the whole confidence matrix, one np.linalg.solve each."""
    values = data.matrix.toarray()
    confidence = 1 + model.alpha * values
    total = confidence.sum(1)
    items = model.item_factors_
    out = []
    for c, p, t in zip(confidence, values > 0, total, strict=True):
        penalty = model.regularization * (t / total.mean()) ** model.frequency_exponent
        system = items.T @ (c[:, None] * items) + penalty * np.eye(items.shape[1])
        out.append(np.linalg.solve(system, items.T @ (c * p)))
    return np.array(out)


class TestImplicitALS(ModelContract):
    def make(self):
        return ImplicitALS(factors=5, regularization=0.3, alpha=2.0, iterations=8)

    # 5 factors are fewer than the items of most users (the f × f system), 40 are more (the n × n system).
    @pytest.mark.parametrize("factors", [1, 5, 16, 40])
    @pytest.mark.parametrize("exponent", [0.0, 0.7])
    def test_users_solve_the_dense_ridge_problem(self, data, factors, exponent):
        model = ImplicitALS(
            factors=factors, regularization=0.3, alpha=2.0, frequency_exponent=exponent, iterations=3
        )
        model.fit(data)
        np.testing.assert_allclose(model.user_factors_, dense_users(model, data), rtol=1e-7, atol=1e-10)

    @pytest.mark.parametrize("values", ["raw", "binary", "log", "sqrt"])
    @pytest.mark.parametrize("exponent", [0.0, 1.0])
    def test_objective_equals_the_sum_over_all_cells(self, data, values, exponent):
        model = ImplicitALS(factors=4, values=values, frequency_exponent=exponent, iterations=2).fit(data)
        assert model.objective(data) == pytest.approx(dense_objective(model, data), rel=1e-10)

    @pytest.mark.parametrize("exponent", [0.0, 0.5])
    def test_objective_never_rises(self, data, exponent):
        settings = dict(factors=6, regularization=0.1, frequency_exponent=exponent)
        losses = [ImplicitALS(**settings, iterations=n).fit(data).objective(data) for n in range(1, 30, 4)]
        assert (np.diff(losses) <= 1e-9 * losses[0]).all()

    def test_objective_takes_the_factors_of_another_solver(self, data, model):
        users, items = 2 * model.user_factors_, model.item_factors_ / 2
        unfitted = self.make()
        given = unfitted.objective(data, users, items)
        unfitted.user_factors_, unfitted.item_factors_ = users, items
        assert given == pytest.approx(dense_objective(unfitted, data), rel=1e-10)
        assert given > model.objective(data)

    @pytest.mark.parametrize("use_cg", [False, True])
    def test_equals_the_implicit_library(self, data, use_cg):
        """The library needs 1 + alpha * value, and leaves the users half a round behind."""
        implicit = pytest.importorskip("implicit")
        model = ImplicitALS(factors=6, regularization=0.4, alpha=3.0, iterations=7, rng=3).fit(data)
        confidence = data.matrix.copy()
        confidence.data = 1 + 3.0 * confidence.data
        with threadpool_limits(1, user_api="blas"):
            theirs = implicit.als.AlternatingLeastSquares(
                factors=6,
                regularization=0.4,
                alpha=1.0,
                iterations=7,
                use_cg=use_cg,
                dtype=np.float64,
                num_threads=1,
            )
            theirs.cg_steps = 40  # until it has converged
            theirs.item_factors = np.random.default_rng(3).normal(0, 0.1 / np.sqrt(6), (data.n_items, 6))
            theirs.user_factors = np.zeros((data.n_users, 6))
            theirs.fit(confidence, show_progress=False)
            users = theirs.recalculate_user(np.arange(data.n_users), confidence)
        np.testing.assert_allclose(
            model.user_factors_ @ model.item_factors_.T, users @ theirs.item_factors.T, atol=2e-6
        )

    def test_converged_conjugate_gradients_equal_the_exact_solver(self, data):
        exact = self.make().fit(data)
        steps = ImplicitALS(
            factors=5, regularization=0.3, alpha=2.0, iterations=8, solver="cg", cg_steps=30
        ).fit(data)
        np.testing.assert_allclose(steps.item_factors_, exact.item_factors_, atol=1e-7)

    def test_few_steps_come_close(self, data):
        settings = dict(factors=5, regularization=0.3, alpha=2.0, iterations=25)
        exact, steps = (ImplicitALS(**settings, solver=s).fit(data).objective(data) for s in ("exact", "cg"))
        assert steps <= 1.01 * exact

    def test_float32_agrees(self, data, model):
        single = ImplicitALS(factors=5, regularization=0.3, alpha=2.0, iterations=8, dtype="float32").fit(
            data
        )
        assert single.user_factors_.dtype == np.float32
        np.testing.assert_allclose(
            single.user_factors_ @ single.item_factors_.T,
            model.user_factors_ @ model.item_factors_.T,
            atol=1e-3,
        )

    @pytest.mark.parametrize("solver", ["exact", "cg"])
    def test_threads_do_not_change_a_bit(self, data, solver):
        settings = dict(factors=9, iterations=5, solver=solver)
        one, many = (ImplicitALS(**settings, n_threads=n).fit(data) for n in (1, 3))
        np.testing.assert_array_equal(one.user_factors_, many.user_factors_)
        np.testing.assert_array_equal(one.item_factors_, many.item_factors_)

    def test_folding_in_a_users_own_history_gives_the_users_vector(self, data, model):
        for user in USERS:
            ids, values = data.history(user)
            row = int(data.rows_of_users(user))
            np.testing.assert_allclose(
                model.fold_in(ids, values), model.user_factors_[row], rtol=1e-9, atol=1e-12
            )

    def test_fold_in_with_scaled_regularization(self, data):
        model = ImplicitALS(factors=4, frequency_exponent=0.8, iterations=3).fit(data)
        np.testing.assert_allclose(
            model.fold_in(*data.history(13)), model.user_factors_[2], rtol=1e-9, atol=1e-12
        )

    @pytest.mark.parametrize("exponent", [0.0, 0.7])
    def test_fold_in_item_solves_the_dense_ridge_problem_of_the_item(self, data, exponent):
        model = ImplicitALS(factors=5, regularization=0.3, alpha=2.0, frequency_exponent=exponent, iterations=3)
        users = model.fit(data).user_factors_
        confidence = 1 + 2.0 * data.matrix.toarray()
        total = confidence.sum(0)
        for column in range(data.n_items):
            who = data.matrix[:, column].nonzero()[0][::-1]  # in any order
            c = confidence[:, column]
            penalty = 0.3 * (total[column] / total.mean()) ** exponent
            system = users.T @ (c[:, None] * users) + penalty * np.eye(5)
            vector = model.fold_in_item(data.user_ids[who], data.matrix[:, column].toarray().ravel()[who])
            np.testing.assert_allclose(vector, np.linalg.solve(system, users.T @ (c * (c > 1))), rtol=1e-7, atol=1e-10)

    def test_fold_in_item_checks_the_users(self, model):
        assert not model.fold_in_item([]).any()
        np.testing.assert_array_equal(model.fold_in_item(USERS[:2]), model.fold_in_item(USERS[1::-1], [1, 1]))
        for users, values, error, message in [
            ([UNKNOWN], None, UnknownIdError, "user"), ([USERS[0]] * 2, None, InvalidInput, "user_ids repeats"),
            (USERS[:2], [1], InvalidInput, "user_ids"), (USERS[:1], [-1], InvalidInput, "negative"),
            (USERS[:1], [np.nan], InvalidInput, "NaN"),
        ]:
            with pytest.raises(error, match=message):
                model.fold_in_item(users, values)

    @pytest.mark.parametrize("factors", [1, 3, 16, 17])
    def test_fold_in_with_an_odd_number_of_factors(self, data, factors):
        model = ImplicitALS(factors=factors, iterations=2).fit(data)
        for user in USERS:
            row = int(data.rows_of_users(user))
            vector = model.fold_in(*data.history(user))
            np.testing.assert_allclose(vector, model.user_factors_[row], rtol=1e-7, atol=1e-9)

    def test_fold_in_without_values_counts_each_item_once(self, model):
        np.testing.assert_array_equal(model.fold_in([5, 100]), model.fold_in([5, 100], [1, 1]))

    def test_fold_in_of_nothing_is_zeros(self, model):
        np.testing.assert_array_equal(model.fold_in([], []), np.zeros(5))

    def test_recommend_for_equals_recommend(self, data, model):
        ids, scores = model.recommend(13, n=5)
        folded_ids, folded = model.recommend_for(*data.history(13), n=5)
        np.testing.assert_array_equal(ids, folded_ids)
        np.testing.assert_allclose(scores, folded)
        everything = model.recommend_for(*data.history(13), n=len(ITEMS), exclude_seen=False)[0]
        assert set(everything) == set(ITEMS)

    @pytest.mark.parametrize("exponent", [0.0, 0.6])
    def test_explanation_sums_to_the_score(self, data, exponent):
        model = ImplicitALS(factors=5, regularization=0.3, frequency_exponent=exponent, iterations=4).fit(
            data
        )
        for item in (2, 101, 400):
            ids, contributions = model.explain(13, item)
            assert set(ids) == set(data.history(13)[0])
            assert (np.diff(contributions) <= 0).all()
            assert contributions.sum() == pytest.approx(model.predict(13, item)[0], rel=1e-9)

    def test_explain_without_history_is_empty(self, model):
        ids, contributions = model.explain(EMPTY_USER, 2)
        assert len(ids) == len(contributions) == 0

    def test_a_folded_in_history_is_explained_as_a_users_own(self, data, model):
        for mine, theirs in zip(model.explain_for(*data.history(13), 101), model.explain(13, 101), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        ids, contributions = model.explain_for([5, 100], None, 2)
        assert contributions.sum() == pytest.approx(model.vectors()[1][0] @ model.fold_in([5, 100]))
        assert sorted(ids) == [5, 100]

    def test_explain_refuses_unknown_ids(self, model):
        with pytest.raises(UnknownIdError, match=str(UNKNOWN)):
            model.explain(13, UNKNOWN)
        with pytest.raises(UnknownIdError, match=str(UNKNOWN)):
            model.explain(UNKNOWN, 2)

    def test_zero_values_are_no_interactions(self, data):
        values = data.values.copy()
        values[:10] = 0
        kept = data.with_values(values)
        dropped = data.select(values > 0, keep_ids=True)
        np.testing.assert_allclose(
            self.make().fit(kept).item_factors_, self.make().fit(dropped).item_factors_, atol=1e-12
        )

    def test_unknown_pairs_are_predicted_zero(self, model):
        np.testing.assert_array_equal(model.predict([UNKNOWN, 7], [2, UNKNOWN]), [0, 0])

    def test_finds_planted_taste(self):
        """Two groups that take from two halves of the catalogue: held-out items come from the right half."""
        rng = np.random.default_rng(0)
        group = np.arange(60) % 2
        chance = np.where(group[:, None] == (np.arange(40) % 2)[None, :], 0.5, 0.03)
        users, items = np.nonzero(rng.random(chance.shape) < chance)
        data = Interactions.from_frame(pd.DataFrame({"userId": users, "movieId": items}), value=None)
        split = random_holdout(data, 0.2, rng=1)
        model = ImplicitALS(factors=4, regularization=1, iterations=10).fit(split.train)
        ids, _ = model.recommend(split.train.user_ids, n=5)
        assert (ids % 2 == split.train.user_ids[:, None] % 2).mean() > 0.9

    @pytest.mark.parametrize(
        ("argument", "value"),
        [
            ("factors", 0),
            ("factors", 2.5),
            ("regularization", 0),
            ("regularization", -1),
            ("alpha", 0),
            ("alpha", -3),
            ("alpha", np.nan),
            ("values", "counts"),
            ("frequency_exponent", -0.1),
            ("iterations", 0),
            ("solver", "lu"),
            ("cg_steps", 0),
            ("dtype", "float16"),
            ("n_threads", 0),
            ("rng", -1),
        ],
    )
    def test_refuses_bad_arguments(self, data, argument, value):
        with pytest.raises(InvalidInput, match=argument):
            ImplicitALS(**{argument: value}).fit(data)

    @pytest.mark.parametrize(
        ("ids", "values", "message"),
        [
            ([5, 5], [1, 2], "repeats"),
            ([5], [-1], "negative"),
            ([5], [np.nan], "NaN"),
            ([5, 100], [1], "same length"),
        ],
    )
    def test_refuses_a_bad_history(self, model, ids, values, message):
        with pytest.raises(InvalidInput, match=message):
            model.fold_in(ids, values)

    def test_refuses_a_history_with_unknown_items(self, model):
        with pytest.raises(UnknownIdError, match=str(UNKNOWN)):
            model.recommend_for([5, UNKNOWN], n=3)

    def test_overflow_is_an_error(self, data):
        with pytest.raises(InvalidInput, match="overflow"):
            ImplicitALS(factors=3, alpha=1e30, dtype="float32").fit(
                data.with_values(np.full(len(data), 1e30))
            )

    def test_weights_that_underflow_count_as_hardly_anything(self, data):
        """In single precision a weight that has decayed for years was zero, and its inverse infinite."""
        values = data.values.copy()
        values[::3] = 1e-60
        decayed = data.with_values(values)
        for solver in ("exact", "cg"):
            settings = {"factors": 5, "iterations": 4, "solver": solver, "cg_steps": 20}
            single, double = (ImplicitALS(**settings, dtype=d).fit(decayed) for d in ("float32", "float64"))
            np.testing.assert_allclose(
                single.user_factors_ @ single.item_factors_.T, double.user_factors_ @ double.item_factors_.T, atol=1e-3
            )

    def test_a_history_that_overflows_is_refused(self, model):
        """It gave NaN for a vector, and lists that held an item twice."""
        with np.errstate(all="ignore"), pytest.raises(InvalidInput, match="values, up to 1e\\+308"):
            model.recommend_for([5], [1e308], n=3)


@pytest.fixture(scope="module")
def big():
    """Enough work for threads to meet: some 60,000 interactions."""
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(rng.random((600, 400)) < 0.25)
    return Interactions.from_frame(pd.DataFrame({"userId": rows, "movieId": columns, "rating": 1.0}))


@pytest.mark.parametrize("model", [ImplicitALS(factors=24, iterations=3), ExplicitALS(factors=24, iterations=3)])
class TestManyThreads:
    """Compiled work from several Python threads: Numba's own pools aborted the process here."""

    def test_fits_and_requests_from_many_python_threads(self, model, big):
        expected = clone(model).fit(big)
        users, ids = big.user_ids[:40], big.history(3)[0]
        lists, vector = expected.recommend(users, n=5)[0], expected.fold_in(ids, np.ones(len(ids)))
        failures = []

        def work(fresh):
            try:
                mine = clone(model).fit(big) if fresh else expected
                for _ in range(20):
                    np.testing.assert_array_equal(mine.recommend(users, n=5)[0], lists)
                    np.testing.assert_array_equal(mine.recommend(users[7], n=5)[0], lists[7])
                    np.testing.assert_array_equal(mine.fold_in(ids, np.ones(len(ids))), vector)
            except BaseException as error:  # noqa: BLE001  a thread's failure must reach the test
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number < 3,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_fits_in_forked_processes_after_a_fit(self, model, big):
        """With OpenMP below, the workers died or waited for ever."""
        expected = clone(model).fit(big).item_factors_
        with multiprocessing.get_context("fork").Pool(2) as pool:
            done = pool.map_async(clone(model).fit, [big, big]).get(timeout=120)
        for fitted in done:
            np.testing.assert_array_equal(fitted.item_factors_, expected)

    def test_ctrl_c_in_a_refit_leaves_no_mixture(self, model, big, monkeypatch):
        module = sys.modules[type(model).__module__]

        def interrupted(*_):
            raise KeyboardInterrupt

        fitted = clone(model).fit(big)
        monkeypatch.setattr(module, "workers", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitted.set_params(factors=3).fit(rectangular_interactions())
        with pytest.raises(NotFittedError):
            fitted.recommend(3)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names kernels of x86-64")
@pytest.mark.parametrize("kernel", ["Sandybridge", "Haswell"])
def test_other_blas_kernels_agree(kernel):
    """The first digits of the scores do not depend on the processor's BLAS kernel or on Numba's threads."""
    code = (
        "import sys, numpy as np; sys.path.insert(0, 'tests')\n"
        "from model_contract import USERS, rectangular_interactions\n"
        "from recsys_utils.models import ImplicitALS\n"
        "from threadpoolctl import threadpool_info\n"
        "model = ImplicitALS(factors=5, regularization=0.3).fit(rectangular_interactions())\n"
        "print(model.recommend(USERS, n=3)[1].sum(), {pool.get('architecture') for pool in threadpool_info()})"
    )
    env = {**os.environ, "OPENBLAS_CORETYPE": kernel, "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    if kernel not in done.stdout:
        pytest.skip(f"this BLAS has no kernel {kernel}: {done.stdout}")
    here = ImplicitALS(factors=5, regularization=0.3).fit(rectangular_interactions()).recommend(USERS, n=3)[1]
    assert float(done.stdout.split()[0]) == pytest.approx(here.sum(), rel=1e-9)
