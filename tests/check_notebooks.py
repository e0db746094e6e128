"""Run every notebook under nbval: against its stored outputs where the real data are in reach,
on the synthetic data set otherwise (which checks only that every cell runs, and says so).

    python tests/check_notebooks.py [notebook.ipynb ...]
"""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat

from recsys_utils.datasets import load_lastfm, load_movielens
from recsys_utils.errors import DataUnavailable, MissingDependency
from recsys_utils.serving import dynamodb_server, redis_server
from recsys_utils.spark import find_spark

ROOT = Path(__file__).resolve().parents[1]
CELL_TIMEOUT = 600


def data_sets(notebooks: list[Path]) -> list[str]:
    """Names of the data sets that the notebooks load, as recorded when they were executed."""
    names = set()
    for path in notebooks:
        names.update(nbformat.read(path, as_version=4).metadata["recsys_utils"]["data"])
    return sorted(names)


def missing(names: list[str]) -> str | None:
    """Why the real data are out of reach, or None when all of them are there."""
    for name in names:
        try:
            load_lastfm() if name == "lastfm-2k" else load_movielens(name)
        except DataUnavailable as error:
            return str(error)
    return None


def without_servers(notebooks: list[Path]) -> dict[Path, str]:
    """Notebooks that start a server which is not installed, each with the sentence that says how to install it."""
    lacking = {}
    needs = {"redis_server(": redis_server, "dynamodb_server(": dynamodb_server, "spark_cluster(": find_spark}
    for call, find in needs.items():
        try:
            find()
        except MissingDependency as error:
            needy = [path for path in notebooks if call in path.read_text("utf8")]
            lacking.update(dict.fromkeys(needy, str(error)))
    return lacking


def banner(*lines: str) -> None:
    """Print lines in a frame that is hard to overlook."""
    print("\n" + "=" * 100, *lines, "=" * 100, sep="\n", flush=True)


def main(arguments: list[str]) -> int:
    """Check the notebooks named, or all; returns pytest's exit code."""
    notebooks = [Path(a).resolve() for a in arguments] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    lacking = without_servers(notebooks)
    for path, sentence in lacking.items():
        banner(f"SKIPPED {path.name}: {sentence}")
    notebooks = [path for path in notebooks if path not in lacking]
    synthetic = os.environ.get("RECSYS_DATASET") == "synthetic"
    why = "RECSYS_DATASET=synthetic is set" if synthetic else missing(data_sets(notebooks))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "RECSYS_QUIET": "1"}
    if why is None:
        mode = ["--nbval", "--nbval-sanitize-with", str(ROOT / "tests" / "nbval.cfg"), "-p", "nbval_tolerance"]
    else:
        banner("SYNTHETIC RUN: the real data are out of reach; stored outputs are NOT compared.", why)
        mode = ["--nbval-lax"]
        environment["RECSYS_DATASET"] = "synthetic"
    command = [
        sys.executable, "-m", "pytest", *mode, "--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT}",
        "-n", "2", "--dist", "loadfile", "--durations=10", "-q", "-rs", "-p", "no:cacheprovider", *map(str, notebooks),
    ]
    code = subprocess.call(command, cwd=ROOT, env=environment)
    if why is None:
        print("NOTEBOOKS: ran on the real data, every stored output compared", flush=True)
    else:
        banner(
            "SYNTHETIC RUN: the notebooks ran on the synthetic data set. This shows that every cell runs;",
            "it does NOT show that the stored numbers are right. Set RECSYS_DATA_HOME or let the data be downloaded.",
        )
    return code or int(bool(lacking) and os.environ.get("RECSYS_FORBID_SKIPS") == "1")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
