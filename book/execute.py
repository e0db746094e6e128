"""Run text sources of chapters into their notebooks, outputs stored.

    python book/execute.py              every chapter
    python book/execute.py svd ...   the named ones

A chapter that fails leaves its stored notebook as it was.
"""
from __future__ import annotations

import argparse
import os
import re
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "book" / "chapters"
NOTEBOOKS = ROOT / "notebooks"
CELL_TIMEOUT = 600
VERSIONS = ("numpy", "scipy", "pandas", "numba")


def execute(name: str) -> float:
    """Run one chapter; returns the seconds that it took, start of the kernel included."""
    notebook = jupytext.read(SOURCES / f"{name}.md")
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    client = NotebookClient(
        notebook, timeout=CELL_TIMEOUT, kernel_name="python3", record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{number}"  # stable, so that a diff shows what changed
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["recsys_utils"] = {
        "data": sorted(set(re.findall(r'load_movielens\("([\w-]+)"', source)))
        + (["lastfm-2k"] if "load_lastfm(" in source else []),
        "executed": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "versions": {package: version(package) for package in VERSIONS},
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
