"""Which definitions LightFM's and Cornac's metrics follow: their own code on random rankings, against each candidate.

Neither library belongs to the project's environment, so that ``make bench`` leaves this one out. In a new environment,
from the root of the repository::

    python -m pip install rectools-lightfm==1.17.3 cornac==3.0.1 matplotlib
    python -m benchmarks._metric_definitions

writes ``benchmarks/results/metric_definitions.md``.
"""
from __future__ import annotations

import numpy as np
import pandas as pd
from cornac.metrics import MAP, MRR, NDCG, Precision, Recall
from lightfm.evaluation import precision_at_k, recall_at_k, reciprocal_rank
from scipy import sparse

from benchmarks._results import markdown, write_results

K, N_USERS, N_ITEMS = 10, 300, 200


class Ranks:
    """LightFM's functions ask a model for the ranks of the test items, counted from 0."""

    def __init__(self, ranks: np.ndarray):
        self.ranks = ranks

    def predict_rank(self, test, **options) -> sparse.csr_matrix:
        """Ranks in the filled cells of `test`."""
        rows = np.repeat(np.arange(test.shape[0]), np.diff(test.indptr))
        ranks = self.ranks[rows, test.indices].astype(np.float32)
        return sparse.csr_matrix((ranks, test.indices, test.indptr), shape=test.shape)


def candidates(hits: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Values of each user under each definition, from the hits along the whole ranking."""
    n, first = hits.sum(axis=1), hits[:, :K]
    most, found = np.minimum(n, K), first.sum(axis=1)
    share = np.cumsum(hits, axis=1) / np.arange(1, N_ITEMS + 1) * hits
    discount = 1 / np.log2(np.arange(2, K + 2))
    gain, place = first @ discount, hits.argmax(axis=1)
    return {
        "precision": {"k": found / K, "min(k, relevant)": found / most},
        "recall": {"all relevant": found / n, "min(k, relevant)": found / most},
        "MAP": {
            "all relevant, whole ranking": share.sum(axis=1) / n, "all relevant": share[:, :K].sum(axis=1) / n,
            "min(k, relevant)": share[:, :K].sum(axis=1) / most,
        },
        "nDCG": {"k": gain / discount.sum(), "min(k, relevant)": gain / np.cumsum(discount)[most - 1]},
        "MRR": {"whole ranking": 1 / (place + 1), "first k places": np.where(place < K, 1 / (place + 1), 0)},
    }


def main() -> None:
    """Compare, and write the table."""
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(N_ITEMS, dtype=float), (N_USERS, 1)), axis=1)
    relevant = rng.random(scores.shape) < rng.uniform(0.01, 0.2, (N_USERS, 1))
    relevant[np.arange(N_USERS), rng.integers(N_ITEMS, size=N_USERS)] = True  # nobody without
    order = np.argsort(-scores, axis=1)
    test, model = sparse.csr_matrix(relevant, dtype=np.float32), Ranks(np.argsort(order, axis=1))
    of_cornac = {"precision": Precision(k=K), "recall": Recall(k=K), "nDCG": NDCG(k=K), "MRR": MRR(), "MAP": MAP()}
    values = {("LightFM", name): function(model, test, **options) for name, function, options in (
        ("precision", precision_at_k, {"k": K}), ("recall", recall_at_k, {"k": K}), ("MRR", reciprocal_rank, {}))}
    for name, metric in of_cornac.items():
        values["Cornac", name] = [
            metric.compute(
                gt_pos=np.flatnonzero(mine), pd_rank=ranked, item_indices=np.arange(N_ITEMS), pd_scores=own)
            for mine, ranked, own in zip(relevant, order, scores, strict=True)
        ]
    definitions, rows = candidates(np.take_along_axis(relevant, order, axis=1)), []
    for (library, metric), of_users in values.items():
        gaps = {name: np.abs(np.asarray(of_users) - own).max() for name, own in definitions[metric].items()}
        follows = ", ".join(name for name, gap in gaps.items() if gap < 1e-6) or "none of these"
        rows.append({
            "library": library, "metric": metric, "definition that it follows": follows,
            "tried": "; ".join(gaps), "largest difference": min(gaps.values()),
        })
    write_results(
        "metric_definitions", "Which definitions two libraries follow",
        f"{N_USERS} random rankings of {N_ITEMS} items, k = {K}. A definition is followed where the values of all "
        "users agree to six decimals. Precision, recall and MAP are named by what they divide by, nDCG by the hits "
        "of its ideal list.", markdown(pd.DataFrame(rows), {"largest difference": ".0e"}),
        packages=("rectools-lightfm", "cornac", "numpy"), module="_metric_definitions",
    )


if __name__ == "__main__":
    main()
