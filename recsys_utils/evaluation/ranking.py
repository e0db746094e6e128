"""Accuracy of ranked lists: precision, recall, hit rate, average precision, reciprocal rank, nDCG.

Each function takes what :func:`~recsys_utils.evaluation.judge` returns and gives one value per
user; a user without relevant items gets NaN, because no list is right or wrong for them.
Libraries share these names and differ in denominators, so every denominator is an argument
here, with a name.
"""
from __future__ import annotations

from functools import partial

import numpy as np

from ..check import check_choice, check_int
from ..errors import InvalidInput
from .lists import Judged


def precision(judged: Judged, k: int = 10, denominator: str = "k") -> np.ndarray:
    """Share of the recommended items that are relevant, shape (n_users,).

    Parameters
    ----------
    judged : Judged
    k : int
    denominator : {"k", "returned", "capped"}
        Divide the hits by `k` (an empty place is a miss), by the number of items in the list
        up to `k` (0 for an empty list), or by ``min(k, relevant)``, so that a perfect list always reaches 1.

    References
    ----------
    Herlocker, Konstan, Terveen and Riedl (2004), *Evaluating collaborative filtering
    recommender systems*, section 4.2.

    Examples
    --------
    Four places asked for, three filled, one hit; two items were relevant.

    >>> from recsys_utils.evaluation import judge
    >>> one = judge([[10, 20, 30], [1, 2, 3, 4]], [[20, 50], [1, 2, 3, 4]])
    >>> precision(one, k=4)[0], precision(one, k=4, denominator="capped")[0]
    (np.float64(0.25), np.float64(0.5))
    >>> round(float(precision(one, k=4, denominator="returned")[0]), 4)
    0.3333
    """
    check_choice("denominator", denominator, ("k", "returned", "capped"))
    found = judged.top_hits(k).sum(axis=1)
    below = {
        "k": k,
        "returned": np.maximum(np.minimum(judged.lengths, k), 1),
        "capped": np.maximum(np.minimum(judged.n_relevant, k), 1),
    }[denominator]
    return judged.only_known(found / below)


def recall(judged: Judged, k: int = 10, denominator: str = "relevant") -> np.ndarray:
    """Share of the relevant items that were found, shape (n_users,).

    Parameters
    ----------
    judged : Judged
    k : int
    denominator : {"relevant", "capped"}
        Divide by the number of relevant items, or by ``min(k, relevant)``: a list of `k` places cannot
        find more than `k` items, and only the second lets every user reach 1.

    References
    ----------
    Herlocker et al. (2004), section 4.2; the capped form is that of Liang, Krishnan, Hoffman
    and Jebara (2018), *Variational autoencoders for collaborative filtering*.

    Examples
    --------
    One of three relevant items found in two places.

    >>> from recsys_utils.evaluation import judge
    >>> one = judge([[10, 20]], [[20, 50, 60]])
    >>> recall(one, k=2).round(4), recall(one, k=2, denominator="capped")
    (array([0.3333]), array([0.5]))
    """
    check_choice("denominator", denominator, ("relevant", "capped"))
    found = judged.top_hits(k).sum(axis=1)
    below = judged.n_relevant if denominator == "relevant" else np.minimum(judged.n_relevant, k)
    return judged.only_known(found / np.maximum(below, 1))


def hit_rate(judged: Judged, k: int = 10) -> np.ndarray:
    """1 where at least one of the first `k` items is relevant, else 0, shape (n_users,).

    References
    ----------
    Deshpande and Karypis (2004), *Item-based top-N recommendation algorithms*.

    Examples
    --------
    >>> from recsys_utils.evaluation import judge
    >>> hit_rate(judge([[10, 20], [10, 20]], [[20, 50], [60]]), k=2)
    array([1., 0.])
    """
    return judged.only_known(judged.top_hits(k).any(axis=1).astype(np.float64))


def average_precision(judged: Judged, k: int = 10, denominator: str = "capped") -> np.ndarray:
    r"""Precision at the place of each hit, summed and divided, shape (n_users,); its mean is MAP\@k.

    .. math:: \frac{1}{d}\sum_{i=1}^{k} \mathrm{rel}_i \, \mathrm{precision@}i

    Parameters
    ----------
    judged : Judged
    k : int
    denominator : {"capped", "relevant", "k"}
        :math:`d`: ``min(k, relevant)``, the number of relevant items, or `k`.

    References
    ----------
    Manning, Raghavan and Schütze (2008), *Introduction to information retrieval*, section 8.4, who divide by the
    number of relevant items.

    Examples
    --------
    Hits at places 1 and 3: precision 1/1 and 2/3 there. Three items were relevant.

    >>> from recsys_utils.evaluation import judge
    >>> one = judge([[10, 20, 30]], [[10, 30, 50]])
    >>> average_precision(one, k=3).round(4)
    array([0.5556])
    """
    check_choice("denominator", denominator, ("capped", "relevant", "k"))
    hits = judged.top_hits(k)
    at_place = np.cumsum(hits, axis=1) / np.arange(1, k + 1)
    below = {"capped": np.minimum(judged.n_relevant, k), "relevant": judged.n_relevant, "k": k}[denominator]
    return judged.only_known((at_place * hits).sum(axis=1) / np.maximum(below, 1))


def reciprocal_rank(judged: Judged, k: int = 10) -> np.ndarray:
    r"""1 / place of the first hit, 0 without a hit, shape (n_users,); its mean is MRR\@k.

    References
    ----------
    Voorhees (1999), *The TREC-8 question answering track report*.

    Examples
    --------
    >>> from recsys_utils.evaluation import judge
    >>> reciprocal_rank(judge([[10, 20], [10, 20]], [[20, 50], [60]]), k=2)
    array([0.5, 0. ])
    """
    hits = judged.top_hits(k)
    return judged.only_known(np.where(hits.any(axis=1), 1 / (hits.argmax(axis=1) + 1), 0.0))


def discounts(k: int) -> np.ndarray:
    r"""The weight of each place in nDCG, :math:`1/\log_2(i + 1)` for places :math:`i = 1 \dots k`.

    Raises
    ------
    InvalidInput
        If `k` is below 1.

    Examples
    --------
    >>> discounts(3).round(4)
    array([1.    , 0.6309, 0.5   ])
    """
    return 1 / np.log2(np.arange(2, check_int("k", k) + 2))


def ndcg(judged: Judged, k: int = 10, gain: str = "binary") -> np.ndarray:
    r"""Normalized discounted cumulative gain, shape (n_users,).

    .. math::
        \mathrm{nDCG@}k = \frac{\sum_{i=1}^{k} g_i / \log_2(i + 1)}
                               {\text{the same sum for the best list possible}}

    The best list possible has its ``min(k, relevant)`` relevant items first (of graded items, the
    highest gains first), so that a perfect list has nDCG 1 however few items are relevant.

    Parameters
    ----------
    judged : Judged
    k : int
    gain : {"binary", "linear", "exponential"}
        :math:`g_i` of a relevant item: 1, its gain, or :math:`2^{gain} - 1`.

    Raises
    ------
    InvalidInput
        If `k` is larger than the lists, graded gains are asked for and the items have none, or a gain
        is too large for its exponential.

    References
    ----------
    Järvelin and Kekäläinen (2002), *Cumulated gain-based evaluation of IR techniques*, who leave the first places
    undiscounted; the discount :math:`1/\log_2(i + 1)` and the exponential gain are those of Burges et al. (2005),
    *Learning to rank using gradient descent*.

    Examples
    --------
    Hits at places 1 and 3 give 1 + 0.5; the best list has its two hits at places 1 and 2: 1 + 0.6309.

    >>> from recsys_utils.evaluation import judge
    >>> ndcg(judge([[10, 20, 30]], [[10, 30]]), k=3).round(4)
    array([0.9197])

    With gains 1 and 3: (1 + 3 · 0.5) / (3 + 1 · 0.6309).

    >>> graded = judge([[10, 20, 30]], [[10, 30]], gains=[[1, 3]])
    >>> ndcg(graded, k=3, gain="linear").round(4)
    array([0.6885])
    """
    check_choice("gain", gain, ("binary", "linear", "exponential"))
    hits, weight = judged.top_hits(k), discounts(k)
    if gain == "binary":
        ideal = np.concatenate(([0.0], np.cumsum(weight)))[np.minimum(judged.n_relevant, k)]
        found = hits @ weight
    else:
        if judged.gains is None:
            raise InvalidInput(f"gain={gain!r} needs graded items, these have no gains: pass gains=")
        found, ideal = judged.gains[:, :k], judged.ideal_gains[:, :k]
        if gain == "exponential":
            if (highest := ideal.max(initial=0)) > 1000:
                raise InvalidInput(f"gain='exponential' overflows for a gain of {highest:g}: rescale, or use 'linear'")
            found, ideal = np.exp2(found) - 1, np.exp2(ideal) - 1
        found, ideal = found @ weight, ideal @ weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return judged.only_known(found / ideal)


#: Names that :func:`~recsys_utils.evaluation.evaluate_ranking` knows, each a function of (judged, k).
#: A suffix names the denominator, where it is not the default.
RANKING_METRICS = {
    "ndcg": ndcg,
    "recall": recall,
    "recall_capped": partial(recall, denominator="capped"),
    "precision": precision,
    "precision_returned": partial(precision, denominator="returned"),
    "precision_capped": partial(precision, denominator="capped"),
    "map": average_precision,
    "map_relevant": partial(average_precision, denominator="relevant"),
    "map_k": partial(average_precision, denominator="k"),
    "mrr": reciprocal_rank,
    "hit_rate": hit_rate,
}
