"""Where every benchmark writes what it found: ``benchmarks/results/<name>.md``.

    from benchmarks._results import TINY, markdown, write_results

    write_results(
        "ranking", "Ranking: nDCG@10", "A paragraph.", "## A table", markdown(table, {"seconds": ".2f"}),
        packages=("numpy", "numba"),
    )

``python -m benchmarks.<name> --tiny`` is a rehearsal: a benchmark that reads ``TINY`` takes its smallest setting,
and nothing is written.
"""
from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"
TINY = "--tiny" in sys.argv[1:]


def markdown(table: pd.DataFrame, formats: Mapping[str, str] | str = "") -> str:
    """A table in Markdown, numbers to the right.

    Parameters
    ----------
    table : DataFrame
        Its index is the first column if it has a name.
    formats : mapping of str to str, or str
        How to write the numbers of each column, or of all, e.g. ``".4f"``; missing values leave the cell empty.
    """
    table = table if table.index.name is None else table.reset_index()
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]

    def cell(column: str, value) -> str:
        if pd.isna(value):
            return ""
        text = isinstance(value, str) or value is True or value is False
        return str(value) if text else format(value, formats if isinstance(formats, str) else formats.get(column, ""))

    lines = [list(map(str, table.columns)), ["---:" if right else "---" for right in numeric]]
    lines += [
        [cell(column, value) for column, value in zip(table.columns, row, strict=True)]
        for row in table.itertuples(index=False, name=None)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_results(
    name: str, title: str, *blocks: str, packages: Sequence[str] = (), module: str | None = None
) -> None:
    """Print the blocks of Markdown below a title, and write them to ``results/<name>.md``.

    The last line names the machine, and the versions of Python and of `packages`. `module` is the benchmark's name
    where it writes several files.
    """
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    machine = f"Python {platform.python_version()}{', ' if versions else ''}{versions}; {platform.machine()}."
    written = f"Written by `python -m benchmarks.{module or name}`."
    text = "\n\n".join([f"# {title}", written, *(block.strip() for block in blocks), machine]) + "\n"
    print(text)
    if not TINY:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
