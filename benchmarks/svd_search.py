"""The wide search for the settings of BiasedSVD, of which chapter 3 runs the heart.

Protocol: ml-latest-small, the training part of ``random_holdout(test_size=0.2, rng=42)``; three cuts of it
into 80% for learning and 20% for validation. Each setting is fitted to each cut for 100 passes, the
validation RMSE noted after every pass; the number of passes is the one with the lowest mean over the cuts.
The test part plays no role.

Run with ``python -m benchmarks.svd_search``; writes ``benchmarks/results/svd_search.md``.
"""
from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from recsys_utils import Interactions, load_movielens
from recsys_utils.models import BiasedSVD
from recsys_utils.split import random_holdout

RESULTS = Path(__file__).parent / "results" / "svd_search.md"
N_CUTS = 3
EPOCHS = 100
GRID = {
    "learning_rate": (0.005, 0.01, 0.02),
    "init_scale": (0.01, 0.03, 0.1),
    "factors": (40, 160),
    "regularization": (0.02, 0.05, 0.1),
}


def main() -> pd.DataFrame:
    """Search, print and write the table, best setting first."""
    data = load_movielens("ml-latest-small")
    train = random_holdout(Interactions.from_frame(data.ratings), test_size=0.2, rng=42).train
    cuts = [random_holdout(train, test_size=0.2, rng=seed) for seed in range(N_CUTS)]
    rows = []
    for values in tqdm(list(product(*GRID.values()))):
        setting = dict(zip(GRID, values, strict=True))
        models = [BiasedSVD(**setting, iterations=EPOCHS).fit(cut.train, validation=cut.test) for cut in cuts]
        curves = [model.validation_rmse_ for model in models]
        mean = np.mean(curves, axis=0)
        best = int(mean.argmin())
        per_cut = [curve[best] for curve in curves]
        found = {"passes": best + 1, "RMSE": mean[best], "lowest": min(per_cut), "highest": max(per_cut)}
        rows.append(setting | found)
    table = pd.DataFrame(rows).sort_values("RMSE", ignore_index=True)
    lines = [
        "| step | starting scale | factors | λ | passes | mean RMSE | lowest cut | highest cut |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in table.itertuples(index=False):
        lines.append(
            f"| {row.learning_rate:g} | {row.init_scale:g} | {row.factors} | {row.regularization:g} "
            f"| {row.passes} | {row.RMSE:.4f} | {row.lowest:.4f} | {row.highest:.4f} |"
        )
    label = f"{data.name}, synthetic" if data.synthetic else data.name
    text = "\n".join([
        "# Settings of BiasedSVD by validation",
        "",
        f"{label}: {N_CUTS} validation cuts of the training part, up to {EPOCHS} passes; best setting first.",
        "",
        *lines,
        "",
    ])
    RESULTS.write_text(text, encoding="utf-8")
    print(text)
    return table


if __name__ == "__main__":
    main()
