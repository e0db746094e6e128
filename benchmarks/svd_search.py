"""The wide search for the settings of BiasedSVD, of which the chapter on SVD runs the heart.

Protocol: ml-latest-small, the training part of ``random_holdout(test_size=0.2, rng=42)``; three cuts of it
into 80% for learning and 20% for validation. Settings, the number of passes among them, are drawn from declared
ranges and judged by the mean RMSE over the cuts. The test part plays no role.

Run with ``python -m benchmarks.svd_search``; writes ``benchmarks/results/svd_search.md``.
"""
from __future__ import annotations

import numpy as np
from scipy.stats import loguniform, randint

from benchmarks._results import TINY, markdown, write_results
from recsys_utils import Interactions, load_movielens
from recsys_utils.evaluation import Tuning, tune
from recsys_utils.models import BiasedSVD
from recsys_utils.split import random_holdout

N_CUTS = 3
N_TRIALS = 3 if TINY else 80
SPACE = {
    "learning_rate": loguniform(0.002, 0.03),
    "init_scale": loguniform(0.003, 0.3),
    "factors": randint(20, 241),
    "regularization": loguniform(0.01, 0.2),
    "iterations": randint(2, 5) if TINY else randint(10, 161),
}


def main() -> Tuning:
    """Search, print and write the table, best setting first."""
    data = load_movielens("ml-latest-small")
    interactions = Interactions.from_frame(data.ratings)
    split = random_holdout(interactions.select(np.arange(5000)) if TINY else interactions, test_size=0.2, rng=42)
    cuts = [random_holdout(split.train, test_size=0.2, rng=seed) for seed in range(N_CUTS)]
    found = tune(BiasedSVD, SPACE, split, "rmse", N_TRIALS, validation=cuts)
    names = {
        "learning_rate": "step", "init_scale": "starting scale", "regularization": "λ", "iterations": "passes",
        "score": "mean RMSE", "lowest": "lowest cut", "highest": "highest cut", "seconds": "fits, s",
    }
    formats = {"step": ".4f", "starting scale": ".4f", "λ": ".4f", "fits, s": ".1f"} | dict.fromkeys(
        ("mean RMSE", "lowest cut", "highest cut"), ".4f"
    )
    label = f"{data.name}, synthetic" if data.synthetic else data.name
    write_results(
        "svd_search", "Settings of BiasedSVD by validation",
        f"{label}: {N_CUTS} validation cuts of the training part, {N_TRIALS} trials; best setting first.",
        found.summary(), markdown(found.ranking.rename(columns=names), formats), packages=("numpy", "numba"),
    )
    return found


if __name__ == "__main__":
    main()
