"""What a check can see of the style guide's rules for a chapter or another executed page (book/style-guide.md)."""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from site_build import chapters

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "book" / "chapters").glob("*.md"))
CLOSING = ["Key points", "Exercises", "Further reading"]
LONGEST_CELL = 40  # lines, folded cells included; open ones are held to fewer by test_chapter_code.py

FENCE = re.compile(r"^(`{3,}|~{3,}|:{3,})(.*?)\n(.*?)^\1\s*?$", re.MULTILINE | re.DOTALL)
TYPED = re.compile(r"<!--\s*typed:(.*?)-->", re.DOTALL)
# What measured results look like: decimals, numbers with thousands separators, percentages.
FIGURE = re.compile(
    r"(?<![\w.,/-])"
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\d+(?:\.\d+)?(?=\s?%| per ?cent))"
    r"(?!\.\d|[\w-]*[A-Za-z])"
)
VERSION = re.compile(r"\b(?:Python|version|v|NumPy|SciPy|pandas|implicit|xLearn|myFM|CC BY)\s*$", re.I)
FOREIGN = r"<script|<iframe|<link|!\[[^\]]*\]\(http|cdn\.|unpkg|https?://[^\s)\"']+\.(?:js|css)\b"
SOLUTION = re.compile(r"(\{solution-start\} \S+\n.*?```|\{solution-end\})", re.DOTALL)
EMPTY_WORDS = r"\b(?:simply|obviously|needless to say|state[- ]of[- ]the[- ]art)\b"
OTHER_SPELLING = r"\b(?:factorisation|regularisation)s?\b"


def named_notebook(source):
    """One text source as a notebook, with its name."""
    read = jupytext.read(source)
    read.name = source.stem
    return read


@pytest.fixture(params=[p for p in SOURCES if f"notebooks/{p.stem}" in chapters()], ids=lambda path: path.stem)
def chapter(request):
    """One chapter of the book."""
    return named_notebook(request.param)


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def page(request):
    """One executed page: a chapter, or what stands beside them."""
    return named_notebook(request.param)


def markdown(chapter) -> str:
    return "\n\n".join(cell.source for cell in chapter.cells if cell.cell_type == "markdown")


def code(chapter) -> list[str]:
    return [cell.source for cell in chapter.cells if cell.cell_type == "code"]


def outside_fences(text: str) -> str:
    return FENCE.sub("", text)


def headings(text: str, level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} (.+)$", outside_fences(text), re.MULTILINE)


def section(text: str, title: str) -> str:
    _, _, rest = text.partition(f"\n## {title}\n")
    return re.split(r"^## ", rest, flags=re.MULTILINE)[0]


def prose(text: str) -> str:
    """The words that a reader reads: directives keep their body; code, formulas and link targets go."""

    def body(match):
        name, content = match[2].strip(), match[3]
        if not name.startswith("{") or re.match(r"\{(code|math|figure|image)", name):
            return ""
        return re.sub(r"^:[\w-]+:.*\n", "", content, flags=re.MULTILINE)

    text = FENCE.sub(body, text)
    text = re.sub(r"\$\$.*?\$\$", "", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]+\$", "", text)
    text = re.sub(r"\{(?!cite)[\w:]+\}`[^`]*`", "", text)
    text = re.sub(r"(?<![`}])`[^`\n]+`", "", text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def typed_figures(text: str) -> list[str]:
    """Figure-like numbers of the prose without a citation or an earlier `typed` comment."""
    found, declared = [], set()
    for block in re.split(r"\n\s*\n", prose(text)):
        declared.update(re.findall(r"\d[\d.,]*", " ".join(TYPED.findall(block))))
        block = TYPED.sub("", block)
        for item in re.split(r"\n(?=\s*(?:[-*]|\d+\.) )", block):
            if "{cite" in item:
                continue
            for match in FIGURE.finditer(item):
                if match[0] not in declared and not VERSION.search(item[: match.start()]):
                    found.append(match[0])
    return found


def test_there_are_chapters():
    assert SOURCES


def test_title_is_the_name_alone(page):
    (title,) = headings(markdown(page), 1)
    assert not re.match(r"\W*\d", title), "_toc.yml numbers the chapters"
    assert page.cells[0].source.startswith(f"# {title}")


def test_opening_box(chapter):
    first = chapter.cells[0].source.split("\n", 1)[1].lstrip()
    box = FENCE.match(first)
    assert box, "the opening box stands right under the title"
    assert box[2].strip() == "{admonition} In this chapter"
    assert ":class: chapter-opening" in box[3]
    labels = re.findall(r"^\*\*(You will learn|It assumes|It runs in)\*\*", box[3], re.MULTILINE)
    assert labels == ["You will learn", "It assumes", "It runs in"]
    learn = box[3].split("**It assumes**")[0]
    assert len(re.findall(r"^- ", learn, re.MULTILINE)) >= 2, "what you will learn is a list"
    assert re.search(r"\*\*It runs in\*\* .*(second|minute)s?\b", box[3])


def test_first_cell_sets_the_style_and_data_come_from_the_loaders(chapter):
    cells = code(chapter)
    assert "use_book_style()" in cells[0]
    text = "\n".join(cells)
    assert re.search(r"\bload_(movielens|lastfm)\(", text)
    sources = [cell.source for cell in chapter.cells]
    start = next((i for i, text in enumerate(sources) if "\n## Exercises" in f"\n{text}"), len(sources))
    lesson = "\n".join(sources[:start])  # in an exercise readers load files of their own
    assert not re.search(r"read_(csv|table|parquet)\(|urlopen|urlretrieve|requests\.", lesson)


def test_closing_sections_in_order(chapter):
    assert headings(markdown(chapter), 2)[-3:] == CLOSING


def test_key_points_are_a_list(chapter):
    points = section(markdown(chapter), "Key points")
    assert len(re.findall(r"^[-*] |^\d+\. ", points, re.MULTILINE)) >= 3


def test_exercises_have_folded_solutions_that_assert(chapter):
    labels, folded, asserting, current = [], set(), set(), None
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            for options in re.findall(r"\{exercise(?:-start)?\}[^\n]*\n(.*?)```", cell.source, re.DOTALL):
                label = re.search(r":label: (\S+)", options)
                assert label, f"an exercise without a label: {options!r}"
                labels.append(label[1])
            for part in SOLUTION.split(cell.source):
                if part.startswith("{solution-start}"):
                    current = part.split()[1]
                    if re.search(r":class:.*\bdropdown\b", part):
                        folded.add(current)
                elif part == "{solution-end}":
                    current = None
        elif current and re.search(r"\bassert\b|\.testing\.assert_", cell.source):
            asserting.add(current)
    assert len(labels) >= 2
    assert len(set(labels)) == len(labels)
    assert all(label.startswith("ex-") for label in labels)
    assert set(labels) == folded, "each exercise has a solution with :class: dropdown"
    assert set(labels) == asserting, "each solution asserts what it claims"


def test_further_reading_cites(chapter):
    assert "{cite" in section(markdown(chapter), "Further reading")


def test_cells_are_short(page):
    long = [text.splitlines()[0] for text in code(page) if len(text.splitlines()) > LONGEST_CELL]
    assert long == []


def test_no_figure_is_typed_into_prose(page):
    visible = re.findall(r"^% .*", outside_fences(markdown(page)), re.MULTILINE)
    assert visible == [], "JupyterLab shows these lines; write <!-- typed: ... --> instead"
    assert typed_figures(markdown(page)) == [], "print them by say(), cite them, or declare them as typed"


def test_words(page):
    words = prose(markdown(page))
    assert re.findall(EMPTY_WORDS, words, re.IGNORECASE) == []
    assert re.findall(OTHER_SPELLING, words, re.IGNORECASE) == [], "the field writes them with z"
    uncited = [block for block in re.split(r"\n\s*\n", words) if "{cite" not in block]
    assert re.findall(r"\bmovies?\b", " ".join(uncited)) == [], "films, not movies"


def test_nothing_foreign_is_loaded(page):
    text = markdown(page) + "\n".join(code(page))
    assert re.findall(FOREIGN, text) == []


def test_terms_lead_to_the_glossary_and_sources_to_the_bibliography(chapter):
    text = markdown(chapter)
    assert "{term}`" in text
    assert "{cite" in text


def test_figures_have_captions_and_texts(page):
    path = ROOT / "notebooks" / f"{page.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    names = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not any("image/png" in o.get("data", {}) for o in cell.outputs):
            continue
        options = cell.metadata.get("mystnb", {})
        figure, text = options.get("figure", {}), options.get("image", {}).get("alt", "")
        where = f"cell {number}: {cell.source[:60]!r}"
        assert len(figure.get("caption", "")) >= 20, f"{where} has no caption"
        assert figure.get("name", "").startswith("fig-"), f"{where} has no name fig-…"
        assert len(text) >= 30, f"{where} has no alternative text"
        assert text != figure["caption"], f"{where}: the text says what is seen, the caption what it means"
        names.append(figure["name"])
    assert len(set(names)) == len(names)


def test_tables_have_captions(page):
    notebook = nbformat.read(ROOT / "notebooks" / f"{page.name}.ipynb", as_version=4)
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    bare = [text for text in shown if "<table" in text and "<caption>" not in text]
    assert bare == [], "show tables by recsys_utils.book.table"
    captions = [caption for text in shown for caption in re.findall(r"<caption>(.*?)</caption>", text)]
    assert len(set(captions)) == len(captions), "every table of a page has a caption of its own"


# ----------------------------------------------------------- the rule itself


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("An RMSE of 0.873 in 20,168 rows, 5 % or 12%.", ["0.873", "20,168", "5", "12"]),
        ("Python 3.11 and version 0.7.3, in 1994, of 610 users, section 2.", []),
        ("Published: 0.8734 {cite:p}`koren2009matrix`.", []),
        ("One says 0.5 {cite:p}`a2000b`.\n\nWe find 0.6.", ["0.6"]),
        ("- cited 0.5 {cite:p}`a2000b`\n- ours 0.6", ["0.6"]),
        ("$k = 0.5$ and `0.5` and $$0.5$$", []),
        ("<!-- typed: 0.5 5.0 (the scale) -->\nFrom 0.5 to 5.0 by 0.25.", ["0.25"]),
        ("First 0.5.\n\n<!-- typed: 0.5 -->\n\nFrom 0.5.\n\nThen 0.5.", ["0.5"]),
        ("```python\nx = 0.5\n```", []),
        ("```{note}\nA measured 0.5.\n```", ["0.5"]),
        ("[0.5](a.md#0.6)", ["0.5"]),
        ("ml-100k and [](svd.ipynb), 2.5-fold", []),
    ],
)
def test_rule_for_typed_figures(text, found):
    assert typed_figures(text) == found
