"""Running a chapter's text source into its notebook."""

import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from site_build import ROOT

sys.path.insert(0, str(ROOT / "book"))

import execute  # noqa: E402


def ids(*cells):
    notebook = new_notebook(cells=[make(text) for make, text in cells])
    execute.name_cells(notebook)
    nbformat.validate(notebook)
    return [cell.id for cell in notebook.cells]


def test_ids_stay_put_when_a_cell_is_inserted():
    one, two, same = (new_code_cell, "x = 1"), (new_markdown_cell, "text"), (new_code_cell, "x = 1")
    before = ids(one, two, same)
    assert len(set(before)) == 3
    assert ids(one, (new_code_cell, "y = 2"), two, same)[0] == before[0]
    assert ids(one, (new_code_cell, "y = 2"), two, same)[2:] == before[1:]
    assert ids((new_code_cell, "text"))[0] != before[1], "code and prose of the same letters are two cells"


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "SOURCES", tmp_path / "chapters")
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path / "notebooks")
    for folder in (execute.SOURCES, execute.NOTEBOOKS):
        folder.mkdir()
    return tmp_path


def chapter(folders, code):
    head = "---\nkernelspec:\n  display_name: Python 3\n  name: python3\n---\n\n# A chapter\n\n"
    text = f"{head}```{{code-cell}} ipython3\n{code}\n```\n"
    (folders / "chapters" / "small.md").write_text(text)


def test_data_and_versions_are_what_the_kernel_used(folders):
    """A loader that is called by another name, in a loop or through a variable counts like any other."""
    code = "from recsys_utils import load_movielens as get\nname = 'synthetic'\nprint(len(get(name).ratings) > 0)"
    chapter(folders, code)
    assert execute.execute("small") > 0
    notebook = nbformat.read(folders / "notebooks" / "small.ipynb", as_version=4)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"]
    assert "True\n" in notebook.cells[1].outputs[-1].text
    stored = notebook.metadata["recsys_utils"]
    assert stored["data"] == ["synthetic"]
    assert {"python", "numpy", "pandas"} <= set(stored["versions"]) <= execute.direct_dependencies()
    assert "myfm" not in stored["versions"], "only what the chapter imported"


def test_a_chapter_that_fails_leaves_its_notebook_as_it_was(folders):
    (folders / "notebooks" / "small.ipynb").write_text("as it was")
    chapter(folders, "1 / 0")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute.execute("small")
    assert [path.read_text() for path in (folders / "notebooks").iterdir()] == ["as it was"]


def test_missing_data_show_their_remedy_alone_in_a_notebook(capsys):
    """The message names the sources and what to do; fifty lines of calls would stand above it."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_cell("from recsys_utils.errors import DataUnavailable as Error\nraise Error('no source.\\nSet a folder')")
    assert capsys.readouterr().out.strip().splitlines() == ["DataUnavailable: no source.", "Set a folder"]
