"""Other libraries' models behind this book's interface, so that they meet the same rows and the same metrics."""
from __future__ import annotations

import numpy as np

from ..errors import Diverged
from ..interactions import Interactions
from ..models.base import Recommender
from ..models.weighting import weighted_matrix


class SurpriseModel(Recommender):
    """A prediction algorithm of the Surprise library; it clips to the range of the training ratings.

    Parameters
    ----------
    algorithm : str
        Name of a class of ``surprise``, such as ``"SVD"`` or ``"KNNBaseline"``.
    options : dict, optional
        Its arguments.
    """

    predicts_ratings = True

    def __init__(self, *, algorithm: str = "SVD", options: dict | None = None):
        self.algorithm = algorithm
        self.options = options

    def learn(self, interactions: Interactions) -> None:
        import surprise

        reader = surprise.Reader(rating_scale=self.value_range_)
        data = surprise.Dataset.load_from_df(interactions.to_frame().iloc[:, :3], reader)
        self.library_ = getattr(surprise, self.algorithm)(**(self.options or {}))
        self.library_.fit(data.build_full_trainset())
        self._user_ids, self._item_ids = interactions.user_ids.tolist(), interactions.item_ids.tolist()

    def predict_rows(self, user_rows: np.ndarray, item_rows: np.ndarray) -> np.ndarray:
        # None is an id that no data has: the library falls back as it does for any unknown one.
        users = [self._user_ids[row] if row >= 0 else None for row in user_rows]
        items = [self._item_ids[row] if row >= 0 else None for row in item_rows]
        return np.array([self.library_.predict(*pair).est for pair in zip(users, items, strict=True)])

    def score_rows(self, user_rows: np.ndarray) -> np.ndarray:
        library, known = self.library_, self.library_.trainset
        if not hasattr(library, "pu") or self.algorithm != "SVD":
            pairs = np.repeat(user_rows, len(self._item_ids)), np.tile(np.arange(len(self._item_ids)), len(user_rows))
            return self.predict_rows(*pairs).reshape(len(user_rows), -1)
        inner_users = [known.to_inner_uid(self._user_ids[row]) for row in user_rows]
        inner_items = [known.to_inner_iid(item) for item in self._item_ids]
        biases = library.bu[inner_users][:, None] + library.bi[inner_items]
        return known.global_mean + biases + library.pu[inner_users] @ library.qi[inner_items].T


class ImplicitLibrary(Recommender):
    r"""A factor model of the implicit library.

    Parameters
    ----------
    algorithm : {"als", "bpr"}
    values : {"raw", "binary", "log", "sqrt", "bm25"}
        How a count becomes the v of :math:`c = 1 + \alpha v`; bm25 is the weighting of the library's own tutorial.
    alpha : float
        For ``"als"``. The library takes whole confidences, so that is what it gets.
    options : dict, optional
        Further arguments of the library's class.

    References
    ----------
    https://benfred.github.io/implicit/
    """

    def __init__(
        self, *, algorithm: str = "als", values: str = "binary", alpha: float = 1.0, options: dict | None = None
    ):
        self.algorithm = algorithm
        self.values = values
        self.alpha = alpha
        self.options = options

    def learn(self, interactions: Interactions) -> None:
        from implicit.als import AlternatingLeastSquares
        from implicit.bpr import BayesianPersonalizedRanking
        from implicit.nearest_neighbours import bm25_weight
        from implicit.recommender_base import ModelFitError
        from threadpoolctl import threadpool_limits

        if self.values == "bm25":
            # It weighs the rows of an items × users matrix.
            matrix = bm25_weight(weighted_matrix(interactions, "raw").T.tocsr()).T.tocsr()
        else:
            matrix = weighted_matrix(interactions, self.values)
        kind = {"als": AlternatingLeastSquares, "bpr": BayesianPersonalizedRanking}[self.algorithm]
        if self.algorithm == "als":
            matrix.data = 1 + self.alpha * matrix.data
        self.library_ = kind(**{"random_state": 0} | (self.options or {}))
        try:
            with threadpool_limits(1, user_api="blas"):  # the library asks for it
                self.library_.fit(matrix.astype(np.float32), show_progress=False)
        except ModelFitError as error:
            raise Diverged(f"options {self.options} make the library's fit diverge: {error}") from error

    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        return self.library_.user_factors, self.library_.item_factors
