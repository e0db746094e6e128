"""Run text sources of chapters into their notebooks, outputs stored.

    python book/execute.py              every chapter
    python book/execute.py svd ...      the named ones

A chapter that fails leaves its stored notebook as it was.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "book" / "chapters"
NOTEBOOKS = ROOT / "notebooks"
CELL_TIMEOUT = 600
# Asked in the chapter's own kernel at its end: what the loaders handed out, and the versions of what was imported.
QUESTION = """
import json, platform, sys
from importlib.metadata import packages_distributions, version
from recsys_utils import datasets
print(json.dumps({
    "data": sorted(datasets.used()),
    "versions": {"python": platform.python_version()} | {
        name.lower(): version(name)
        for module, names in packages_distributions().items() if module in sys.modules for name in names
    },
}))
"""


def direct_dependencies() -> set[str]:
    """Names of the libraries that pyproject.toml names for running the book, and of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["notebooks"], *extras["xlearn"]]
    return {"python"} | {re.match(r"[\w-]+", line)[0].lower() for line in lines}


def name_cells(notebook) -> None:
    """Give each cell an id made from its text, so that a cell put in between leaves the ids of the others alone."""
    seen = Counter()
    for cell in notebook.cells:
        key = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[key] += 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"


def execute(name: str) -> float:
    """Run one chapter; returns the seconds that it took, start of the kernel included."""
    notebook = jupytext.read(SOURCES / f"{name}.md")
    notebook.cells.append(nbformat.v4.new_code_cell(QUESTION))
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    answer = json.loads(notebook.cells.pop().outputs[0].text)
    name_cells(notebook)
    wanted = direct_dependencies()
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["recsys_utils"] = {
        "data": answer["data"],
        "executed": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "versions": {library: v for library, v in sorted(answer["versions"].items()) if library in wanted},
    }
    target = NOTEBOOKS / f"{name}.ipynb"
    part = target.with_suffix(".ipynb.part")
    nbformat.write(notebook, part)
    part.replace(target)
    return seconds


def main() -> int:
    """Execute the chapters named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = sorted(path.stem for path in SOURCES.glob("*.md"))
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help=f"of {', '.join(known)}; default all")
    chapters = parser.parse_args().chapters or known
    if unknown := sorted(set(chapters) - set(known)):
        parser.error(f"no chapter {', '.join(unknown)}; there are {', '.join(known)}")
    if os.environ.get("RECSYS_DATASET") == "synthetic":
        parser.error("RECSYS_DATASET=synthetic is set: the book stores outputs of real data only; unset it")
    os.environ["RECSYS_QUIET"] = "1"  # whether a first call compiles depends on the machine
    NOTEBOOKS.mkdir(exist_ok=True)
    failed = []
    for name in chapters:
        print(f"{name}: running", flush=True)
        try:
            print(f"{name}: {execute(name):.1f} s", flush=True)
        except Exception as error:  # the other chapters still run; the exit code tells
            failed.append(name)
            print(f"{name}: FAILED\n{error}", file=sys.stderr, flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
