"""Settings of every contender of the book: one random search each, the same number of draws on the same rows. Where the
best draw lies at an end of its range, the search steps beyond it, as long as a step gains three thousandths.

    python -m benchmarks.tuning                              all data sets and tasks (about half an hour)
    python -m benchmarks.tuning ml-100k/lists [CONTENDER ..] only one, or only these contenders of it

Writes ``recsys_utils/book/tuned.json``, which the chapters read, and ``benchmarks/results/tuning.md``. The test part of
a split is never looked at.
"""
from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks._results import TINY, markdown, write_results
from recsys_utils.book import contenders
from recsys_utils.errors import Diverged
from recsys_utils.evaluation import Tuning, tune

RECORD = Path(contenders.__file__).with_name("tuned.json")
COMPETITIONS = [
    "ml-latest-small/ratings", "ml-100k/ratings", "ml-latest-small/lists", "ml-100k/lists", "lastfm-2k/lists",
]
N_TRIALS = 3 if TINY else 20
SECONDS = 10 if TINY else 900  # a search starts no further trial then
N_STEPS, LEAST_GAIN = 4, 3e-3  # beyond one end of one range; smaller gains drown in the noise of a validation part


def search_on(make, space: dict, split, metric: str, validation, n_trials: int = N_TRIALS) -> dict:
    """The best of the draws, and of the steps past the ends of ranges where it lay: settings, trials, score, steps."""
    drawn = tune(make, space, split, metric, n_trials, rng=0, validation=validation, seconds=SECONDS)
    print(drawn.summary(), flush=True)
    last, steps = past_edges(drawn, validation)
    return {
        "settings": last.best, "trials": len(drawn.trials), "score": round(last.score, 5), "past an edge": steps,
    }


def past_edges(drawn: Tuning, validation) -> tuple[Tuning, str]:
    """Step beyond the ends of ranges where the best draw lay: the trials and the steps that are kept, and all steps."""
    last, steps = drawn, []
    for parameter, side in drawn.edges.items():
        if hasattr(drawn.space[parameter], "rvs") and drawn.space[parameter].dist.name == "uniform":
            continue  # a share, such as dropout: its ends are those of what it means
        for _ in range(N_STEPS):
            value = beyond(drawn.space[parameter], last.best[parameter], side)
            one = {key: [choice] for key, choice in (last.best | {parameter: value}).items()}
            try:
                step = tune(drawn.model_class, one, drawn.split, drawn.metric, validation=validation)
            except Diverged:
                steps.append(f"{parameter} {value:.3g}: diverged")
                break
            steps.append(f"{parameter} {value:.3g}: {step.score:.4f}")
            print("   ", steps[-1], flush=True)
            gain = (step.score - last.score) / last.score * (-1 if drawn.metric == "rmse" else 1)
            if gain <= LEAST_GAIN:
                break
            trials = pd.concat([last.trials, step.trials], ignore_index=True)
            last = replace(last, trials=trials, settings=last.settings + step.settings)
        else:
            steps.append(f"{parameter} still gaining")
    return last, "; ".join(steps)


def beyond(choices, value: float, side: str) -> float:
    """The next value past an end of a range: lists go on by their last ratio, distributions by a factor of two."""
    ratio = 2.0
    if not hasattr(choices, "rvs"):
        ordered = sorted(choices)
        ratio = ordered[-1] / ordered[-2] if side == "highest" else ordered[1] / ordered[0]
    return type(value)(value * ratio if side == "highest" else value / ratio)


def main(arguments: list[str]) -> None:
    """Search, and keep what earlier searches found for the others."""
    wanted = [a for a in arguments if not a.startswith("-")]
    record = json.loads(RECORD.read_text("utf8")) if RECORD.exists() else {}
    for competition in wanted[:1] or COMPETITIONS:
        data_set, task = competition.split("/")
        split, validation, metric = contenders.competition(data_set, task)
        for name in wanted[1:] or contenders.CONTENDERS[task]:
            if data_set == "lastfm-2k" and name in contenders.CONTENDERS["ratings"]:
                continue  # play counts are no ratings
            print(f"{competition}, {name}: ", end="", flush=True)
            found = search_on(*contenders.CONTENDERS[task][name], split, metric, validation)
            record.setdefault(data_set, {}).setdefault(task, {})[name] = found
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
