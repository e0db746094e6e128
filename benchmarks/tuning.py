"""Settings of every contender of the book: one random search each, the same number of trials on the same rows.

    python -m benchmarks.tuning                              all data sets and tasks (about an hour)
    python -m benchmarks.tuning ml-100k/lists [CONTENDER ..] only one, or only these contenders of it

Writes ``recsys_utils/book/tuned.json``, which the chapters read, and ``benchmarks/results/tuning.md``. The test part of
a split is never looked at.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks._results import TINY, markdown, write_results
from recsys_utils.book import contenders
from recsys_utils.evaluation import tune

RECORD = Path(contenders.__file__).with_name("tuned.json")
COMPETITIONS = [
    "ml-latest-small/ratings", "ml-100k/ratings", "ml-latest-small/lists", "ml-100k/lists", "lastfm-2k/lists",
]
N_TRIALS = 3 if TINY else 20
SECONDS = 10 if TINY else 300  # a search starts no further trial then; those of SVD++ take minutes on a busy machine


def search(data_set: str, task: str, names: list[str]) -> dict:
    """What the search finds for each contender named."""
    split, validation, metric = contenders.competition(data_set, task)
    found = {}
    for name in names:
        make, space = contenders.CONTENDERS[task][name]
        result = tune(make, space, split, metric, N_TRIALS, rng=0, validation=validation, seconds=SECONDS)
        print(f"{data_set}, {task}, {name}: {result.summary()}", flush=True)
        found[name] = {
            "settings": result.best, "trials": len(result.trials), "score": round(result.score, 5),
            "edges": result.edges, "seconds": round(float(result.trials["seconds"].sum()), 1),
        }
    return found


def main(arguments: list[str]) -> None:
    """Search, and keep what earlier searches found for the others."""
    wanted = [a for a in arguments if not a.startswith("-")]
    competitions = [wanted[0]] if wanted else COMPETITIONS
    for competition in competitions:
        data_set, task = competition.split("/")
        found = search(data_set, task, wanted[1:] or list(contenders.CONTENDERS[task]))
        record = json.loads(RECORD.read_text("utf8")) if RECORD.exists() else {}
        part = record.setdefault(data_set, {}).setdefault(task, {})
        part |= found
        if not TINY:
            RECORD.write_text(json.dumps(record, indent=1) + "\n", "utf8")
    if not TINY:
        blocks = []
        for competition in COMPETITIONS:
            data_set, task = competition.split("/")
            if task in record.get(data_set, {}):
                table = contenders.tuning_table(data_set, task)
                table.index.name = "contender"
                blocks += [f"## {competition}", markdown(table, {"validation": ".4f"})]
        write_results("tuning", "Settings of the contenders", __doc__.split("\n\n")[0], *blocks,
                      packages=("numpy", "scikit-learn", "numba", "scikit-surprise", "implicit"))


if __name__ == "__main__":
    main(sys.argv[1:])
