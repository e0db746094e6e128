"""What a reader sees of a chapter's code: lines that fit, few and short cells, nothing that only shows a result.

`UNFINISHED` names what is still to be mended. Where a chapter keeps a rule that its line names, the rule's test fails
until it is taken off the line, so that the lists can only shrink.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "book" / "chapters").glob("*.md"))
LINE = 88  # characters that a page shows without scrolling at 1280 pixels, see test_site.py
CELLS, LINES = 30, 25  # unfolded cells of a chapter, lines of each
FOLDS = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
SHOWS = {"say", "table", "films", "interval_plot"}
RULES, EXCEPT = "E,F,I,B,UP,NPY", "B905"  # zip(strict=) is noise on a page

UNFINISHED = {





}


def rule(name):
    """Run a test for every chapter; where `UNFINISHED` names the rule, the chapter must break it."""
    mark = pytest.mark.xfail(strict=True, reason=f"when the chapter keeps the rule, take {name!r} off UNFINISHED")
    due = [chapter for chapter, rules in UNFINISHED.items() if name in rules]
    return pytest.mark.parametrize(
        "source", [pytest.param(path, id=path.stem, marks=[mark] * (path.stem in due)) for path in SOURCES]
    )


def visible_cells(notebook) -> list[str]:
    """Sources of the code cells that a reader sees unfolded: no fold in their tags, not within a folded solution."""
    shown, in_solution = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            marks = re.findall(r"\{solution-(start|end)\}", cell.source)
            in_solution = marks[-1] == "start" if marks else in_solution
        elif not in_solution and not FOLDS & set(cell.metadata.get("tags", ())):
            shown.append(cell.source)
    return shown


def showing(source: str) -> list[str]:
    """What a cell uses to print a sentence or a table, or to draw."""
    names = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    methods = [node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return sorted({*SHOWS & set(names), *{"plt"} & set(names), *{"plot"} & set(methods)})


def shorten(source: str) -> str:
    return source.splitlines()[0][:70]


@rule("ruff")
def test_code_passes_ruff_and_its_lines_fit(source):
    command = [Path(sys.executable).with_name("ruff"), "check", "--isolated", "--quiet", "--output-format", "concise"]
    command += ["--line-length", LINE, "--select", RULES, "--ignore", EXCEPT, "--target-version", "py311"]
    command += ["--stdin-filename", f"{source.stem}.ipynb", "-"]
    text = jupytext.writes(jupytext.read(source), fmt="ipynb")
    run = subprocess.run(list(map(str, command)), input=text, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


@rule("folded")
def test_cells_that_print_or_draw_are_folded(source):
    cells = visible_cells(jupytext.read(source))
    open_cells = [f"{shorten(cell)}  [{', '.join(showing(cell))}]" for cell in cells if showing(cell)]
    assert open_cells == [], "fold them by the tag hide-input"


@rule("imports")
def test_the_first_cell_is_folded(source):
    notebook = jupytext.read(source)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert FOLDS & set(first.metadata.get("tags", ())), "imports stand above the fold: tag the cell hide-input"


@rule("few")
def test_few_cells_are_open(source):
    cells = visible_cells(jupytext.read(source))
    assert len(cells) <= CELLS


@rule("short")
def test_open_cells_are_short(source):
    cells = visible_cells(jupytext.read(source))
    long = [f"{shorten(cell)}  ({len(cell.splitlines())})" for cell in cells if len(cell.splitlines()) > LINES]
    assert long == []


@rule("titles")
def test_chapters_are_named_by_title(source):
    """The table of contents numbers the chapters, so that a number in the text would go wrong when one is added."""
    words = " ".join(cell.source for cell in jupytext.read(source).cells)
    assert re.findall(r"\b[Cc]hapters? \d+", words) == []


def test_unfinished_names_existing_chapters():
    assert set(UNFINISHED) <= {path.stem for path in SOURCES}


def notebook_of(text):
    return jupytext.reads(text, fmt="md:myst")


def test_visible_cells_are_those_that_nothing_folds():
    notebook = notebook_of(
        "```{code-cell}\na\n```\n\n```{code-cell}\n:tags: [hide-input]\nb\n```\n\n"
        "```{solution-start} ex\n```\n\n```{code-cell}\nc\n```\n\n```{solution-end}\n```\n\n```{code-cell}\nd\n```\n"
    )
    assert visible_cells(notebook) == ["a", "d"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import matplotlib.pyplot as plt\nx = 1", []),
        ("say('x')", ["say"]),
        ("fig, ax = plt.subplots()\nax.plot(x)", ["plot", "plt"]),
        ("frame.plot.bar()", ["plot"]),
        ("films = load()\n", ["films"]),
        ("crosstable = model.tables", []),
    ],
)
def test_what_shows(source, found):
    assert showing(source) == found
