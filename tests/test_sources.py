"""A chapter's text source and its executed notebook are the same document."""
import re
from pathlib import Path

import jupytext
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "book" / "chapters").glob("*.md"))


def cells(notebook):
    """Type, text and the metadata that rendering uses, per cell."""
    return [
        (cell.cell_type, cell.source.strip(), {k: v for k, v in cell.metadata.items() if k in ("tags", "mystnb")})
        for cell in notebook.cells
    ]


def test_there_are_chapters_and_each_has_its_notebook():
    names = {path.stem for path in SOURCES}
    assert names
    assert names == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_equals_source(source):
    notebook = nbformat.read(ROOT / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    text = jupytext.read(source)
    remedy = f"run `make execute CH={source.stem}`"
    assert len(text.cells) == len(notebook.cells), remedy
    stale = [i for i, (a, b) in enumerate(zip(cells(text), cells(notebook), strict=True)) if a != b]
    assert not stale, f"cells {stale} differ: {remedy}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_was_run_in_order_and_without_error(source):
    notebook = nbformat.read(ROOT / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(output.output_type != "error" for cell in code for output in cell.outputs)
    streams = [o for cell in code for o in cell.outputs if o.output_type == "stream" and o.name == "stderr"]
    assert not streams, f"stored outputs hold stderr: {streams[:1]}"
    assert "SYNTHETIC DATA" not in nbformat.writes(notebook)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_stored_outputs_name_no_machine(source):
    text = (ROOT / "notebooks" / f"{source.stem}.ipynb").read_text("utf8")
    assert not re.findall(r"(?:/home/|/root/|/tmp/|/Users/|site-packages)[^\s\"]*", text)
